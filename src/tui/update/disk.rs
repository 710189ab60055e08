//! Files that are added, removed or written to while their folder is open.

use std::path::Path;
use std::sync::Arc;

use super::models::select_again;
use super::{Effect, keeping_selection, request_times, say};
use crate::library::Touched;
use crate::tui::keymap::Action;
use crate::tui::model::Model;
use crate::tui::worklist::Rescanned;
use crate::worker::FileContent;

/// Looks for changes on the disk, because the reader asked.
pub fn rescan(model: &mut Model) -> Vec<Effect> {
    if model.worklist.is_scanning() {
        return say(model, "still looking for images");
    }
    model.notice = Some("looking at the disk again …".to_owned());
    model.disk.is_asked = true;
    look_again(model)
}

/// Looks for changes on the disk as soon as nobody else walks the folders.
pub fn look_again(model: &mut Model) -> Vec<Effect> {
    model.disk.is_due = true;
    look_if_due(model)
}

/// The walk for changes has ended.
pub fn on_looked_again(model: &mut Model) -> Vec<Effect> {
    model.disk.is_walking = false;
    model.worklist.date_all_again();
    let mut effects = look_if_due(model);
    effects.extend(request_times(model));
    effects
}

/// Two walks at once would report the same files twice, and one that began before a change misses it: it is done after.
pub fn look_if_due(model: &mut Model) -> Vec<Effect> {
    let disk = &mut model.disk;
    if disk.is_walking || model.worklist.is_scanning() || !std::mem::take(&mut disk.is_due) {
        return vec![];
    }
    disk.is_walking = true;
    vec![Effect::Rescan {
        asked: std::mem::take(&mut disk.is_asked),
        known: model.worklist.known_files(),
    }]
}

/// Tells once that the reader has to look for changes: after the walk over the folders, whose words would cover it.
pub fn on_unwatched(model: &mut Model, reason: String) -> Vec<Effect> {
    model.disk.unwatched = Some(reason);
    if !model.worklist.is_scanning() {
        model.notice = unwatched(model);
    }
    vec![]
}

/// The line about it, once.
pub fn unwatched(model: &mut Model) -> Option<String> {
    let reason = model.disk.unwatched.take()?;
    let key = model.keymap.display_key(Action::Rescan);
    let way_out = if key.is_empty() {
        String::new()
    } else {
        format!(": {key} looks")
    };
    Some(format!(
        "changes of files are not reported here ({reason}){way_out}"
    ))
}

/// Takes in changes of files, and reports them. With `asked`, it also reports that there are none.
pub fn on_touched(model: &mut Model, touched: Vec<Touched>, asked: bool) -> Vec<Effect> {
    let existing = touched.iter().filter(|touched| touched.exists);
    let written: Vec<Arc<Path>> = existing.map(|touched| touched.path.clone()).collect();
    for touched in &touched {
        model.grid.forget(&touched.path);
        model.background.outdate(&touched.path);
    }
    if asked {
        model.worklist.forget_left_out();
    }
    let mut done = Rescanned::default();
    let mut effects = keeping_selection(model, |model| {
        done = model.worklist.apply_disk_changes(touched)
    });
    effects.extend(request_times(model));
    outdate_films_on_screen(model, &written);
    if asked || done != Rescanned::default() {
        model.notice = Some(words(done));
    }
    effects
}

/// Takes in which images files hold. The one that is on the screen is told by its own reading, with a line where it is
/// another one than before.
pub fn on_contents(model: &mut Model, files: Vec<FileContent>) {
    let on_screen = model.viewer.source.clone();
    let others = files
        .into_iter()
        .filter(|file| on_screen.as_ref() != Some(&file.path));
    model.worklist.take_contents(others.collect());
}

/// Of films on the screen whose files were written to, the selected one is opened again as soon as it may be, and the
/// one beside it at once.
fn outdate_films_on_screen(model: &mut Model, written: &[Arc<Path>]) {
    let is_to_be_read = |model: &Model, path: &Arc<Path>| {
        written.contains(path) && model.worklist.is_unread_at(path)
    };
    // In the grid another image may be selected than the one that is being opened.
    let on_screen = model.viewer.source.as_ref();
    model.viewer.is_outdated |= on_screen.is_some_and(|path| is_to_be_read(model, path));
    let beside = model.comparison.film.source.as_ref();
    if beside.is_some_and(|(_, path)| is_to_be_read(model, path)) {
        model.comparison.film = model.comparison.film.again();
    }
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
