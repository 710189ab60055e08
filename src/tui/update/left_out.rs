//! Files and folders that a walk found and that are not rows of the worklist.

use super::{Effect, say};
use crate::tui::keymap::Action;
use crate::tui::model::{Model, Overlay};

/// One line about them after the walk; `None` if every file that looked like an image is a row.
pub fn words(model: &Model) -> Option<String> {
    let problems = model.worklist.problems();
    let left_out = model.worklist.left_out().count();
    let key = model.keymap.display_key(Action::LeftOut);
    let lists = if key.is_empty() {
        String::new()
    } else {
        format!(" · {key} lists them")
    };
    Some(match (problems, left_out) {
        ([], 0) => return None,
        ([one], 0) => one.clone(),
        ([first, rest @ ..], 0) => format!("{first} (and {} more){lists}", rest.len()),
        ([], 1) => format!("1 file not read{lists}"),
        ([], n) => format!("{n} files not read{lists}"),
        (problems, n) => format!("{} not read{lists}", problems.len() + n),
    })
}

/// Lists them over the panes.
pub fn show(model: &mut Model) -> Vec<Effect> {
    if model.worklist.problems().is_empty() && model.worklist.left_out().count() == 0 {
        return say(model, "no file was left out");
    }
    model.overlay = Some(Overlay::LeftOut { scroll: 0 });
    vec![]
}
