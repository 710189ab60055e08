//! The panes: which are shown, and their sizes. What the reader chose is remembered.

use ratatui::layout::Size;

use super::{Effect, say};
use crate::tui::keymap::Action;
use crate::tui::model::Model;

/// Cells or rows that one press of a key moves a border.
const STEP: i32 = 2;

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::WholeScreen => model.sizes.turn_whole(),
        Action::HideWorklist => {
            model.sizes.hides_worklist = !model.sizes.hides_worklist;
            model.sizes.whole = false;
        }
        Action::HideFindings => {
            model.sizes.hides_findings = !model.sizes.hides_findings;
            model.sizes.whole = false;
        }
        Action::WiderPanes => return move_column(model, STEP),
        Action::NarrowerPanes => return move_column(model, -STEP),
        Action::TallerFindings => return move_row(model, STEP),
        Action::ShorterFindings => return move_row(model, -STEP),
        _ => return vec![],
    }
    remember(model)
}

/// What has to be written down after a change.
pub fn remember(model: &Model) -> Vec<Effect> {
    vec![Effect::Remember(model.sizes.clone())]
}

fn move_column(model: &mut Model, cells: i32) -> Vec<Effect> {
    let Some(column) = model.panes.column else {
        return say(model, "no border to move in this layout");
    };
    set_column(model, i32::from(column) + cells);
    remember(model)
}

fn move_row(model: &mut Model, rows: i32) -> Vec<Effect> {
    let Some(row) = model.panes.row else {
        return say(model, "no border to move in this layout");
    };
    set_row(model, i32::from(row) - rows);
    remember(model)
}

/// Puts the border between the left panes and the image into a column. The layout keeps both usable.
pub fn set_column(model: &mut Model, column: i32) {
    let Size { width, .. } = model.size;
    let left = (column + 1).clamp(0, i32::from(width));
    model.sizes.left = u16::try_from(left).ok();
}

/// Puts the border between worklist and findings into a row. The layout keeps both usable.
pub fn set_row(model: &mut Model, row: i32) {
    let findings = model.panes.findings;
    let rows = (i32::from(findings.bottom()) - row).clamp(0, i32::from(model.size.height));
    model.sizes.findings = u16::try_from(rows).ok();
}
