//! Files that are added, removed or written to while their folder is open.

use super::models::select_again;
use super::{Effect, keeping_selection, request_times, say};
use crate::library::Touched;
use crate::tui::model::Model;
use crate::tui::worklist::Rescanned;

/// Looks for changes on the disk.
pub fn rescan(model: &mut Model) -> Vec<Effect> {
    if model.worklist.is_scanning() {
        return say(model, "still looking for images");
    }
    model.notice = Some("looking at the disk again …".to_owned());
    vec![Effect::Rescan(model.worklist.known_files())]
}

/// Takes in changes of files, and reports them. With `asked`, it also reports that there are none.
pub fn on_touched(model: &mut Model, touched: Vec<Touched>, asked: bool) -> Vec<Effect> {
    let is_on_screen = |touched: &Touched| Some(&touched.path) == model.viewer.source.as_ref();
    let is_touched = touched
        .iter()
        .any(|touched| touched.exists && is_on_screen(touched));
    for touched in &touched {
        model.grid.thumbnails.forget(&touched.path);
    }
    if asked {
        model.worklist.forget_left_out();
    }
    let mut done = Rescanned::default();
    let mut effects = keeping_selection(model, |model| {
        done = model.worklist.apply_disk_changes(touched)
    });
    effects.extend(request_times(model));
    model.viewer.is_outdated |= is_touched
        && model.worklist.selected().is_some_and(|entry| {
            Some(&entry.path) == model.viewer.source.as_ref() && entry.is_unread()
        });
    if asked || done != Rescanned::default() {
        model.notice = Some(words(done));
    }
    effects
}

/// Opens the selected image again if its file was written to, but not while a line about it is being typed:
/// the line is about the image that is on the screen. In the grid none is.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    if !model.viewer.is_outdated || model.overlay.is_some() || model.grid.is_open {
        return vec![];
    }
    model.viewer.is_outdated = false;
    select_again(model)
}

fn words(done: Rescanned) -> String {
    let counted = [
        (done.new, "new"),
        (done.written, "changed, to be scored again"),
        (done.gone, "gone"),
        (done.left_out, "not read"),
    ];
    let some = counted.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = some
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if words.is_empty() {
        "on the disk: nothing new".to_owned()
    } else {
        format!("on the disk: {}", words.join(" · "))
    }
}
