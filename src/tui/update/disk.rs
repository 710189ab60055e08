//! Files that come, go, or are written to while their folder is open.

use super::models::select_again;
use super::{Effect, ask_for_times, keeping_selection, review};
use crate::library::Touched;
use crate::tui::model::Model;
use crate::tui::worklist::Rescanned;

/// Looks at the disk again.
pub fn rescan(model: &mut Model) -> Vec<Effect> {
    if model.worklist.is_scanning() {
        return review::say(model, "still looking for images");
    }
    model.notice = Some("looking at the disk again …".to_owned());
    vec![Effect::Rescan(model.worklist.known_files())]
}

/// Takes in what became of files; says so if there is something, or if it was `asked` for.
pub fn on_touched(model: &mut Model, touched: Vec<Touched>, asked: bool) -> Vec<Effect> {
    let is_on_screen = |touched: &Touched| Some(&touched.path) == model.viewer.source.as_ref();
    let is_touched = touched
        .iter()
        .any(|touched| touched.exists && is_on_screen(touched));
    if asked {
        model.worklist.forget_left_out();
    }
    let mut done = Rescanned::default();
    let mut effects = keeping_selection(model, |model| done = model.worklist.touch(touched));
    effects.extend(ask_for_times(model));
    model.viewer.is_outdated |= is_touched
        && model.worklist.selected().is_some_and(|entry| {
            Some(&entry.path) == model.viewer.source.as_ref() && entry.is_unread()
        });
    if asked || done != Rescanned::default() {
        model.notice = Some(words(done));
    }
    effects
}

/// Opens an image anew whose file was written to. Not while a line about it is being typed: what is on
/// the screen stays what the line is about.
pub fn refresh(model: &mut Model) -> Vec<Effect> {
    if !model.viewer.is_outdated || model.overlay.is_some() {
        return vec![];
    }
    model.viewer.is_outdated = false;
    select_again(model)
}

fn words(done: Rescanned) -> String {
    let counted = [
        (done.new, "new"),
        (done.written, "written to, to be read anew"),
        (done.gone, "gone"),
        (done.left_out, "not read"),
    ];
    let some = counted.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = some
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match words.is_empty() {
        true => "on the disk: nothing new".to_owned(),
        false => format!("on the disk: {}", words.join(" · ")),
    }
}
