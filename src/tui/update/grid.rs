//! The grid: keys, mouse and pictures. While it is open no image is on the screen: the selection moves without opening
//! any, and the image that is selected at the end is opened then.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Effect, keeping_selection, models, say};
use crate::domain::{Canvas, Failure};
use crate::tui::keymap::{Action, KeyMode};
use crate::tui::model::{GridLayout, Model};
use crate::worker::{ThumbnailImage, ThumbnailJobs};

/// The grid keeps the reader from a verdict on an image that is not on the screen.
pub const OPEN_FIRST: &str = "not in the grid: open the image first";

/// Opens the grid around the selected image, or leaves it for the image that was on the screen before.
pub fn turn(model: &mut Model) -> Vec<Effect> {
    if model.grid.is_open {
        return back(model);
    }
    model.grid.is_open = true;
    model.enter_mode(KeyMode::Grid);
    let layout = model.grid.layout(model.size);
    model.grid.centre(layout, model.worklist.cursor());
    vec![]
}

/// Leaves the grid without opening another image, if the list still has the one from before.
pub fn back(model: &mut Model) -> Vec<Effect> {
    let before = model.viewer.source.clone();
    let row = before.and_then(|source| model.worklist.row_of(&source));
    if let Some(row) = row {
        model.worklist.go_to(row);
    }
    open(model)
}

/// Leaves the grid for the selected image.
pub fn open(model: &mut Model) -> Vec<Effect> {
    model.grid.is_open = false;
    model.end_mode(KeyMode::Grid);
    let selected = model.worklist.selected().map(|entry| &entry.path);
    if selected == model.viewer.source.as_ref() {
        // Its file, its pane or its prediction may have changed meanwhile.
        models::select_again(model)
    } else {
        super::image::select(model)
    }
}

/// Whether an action can be done while no image is on the screen; others say so.
pub fn allows(action: Action) -> bool {
    matches!(
        action,
        Action::Grid
            | Action::GridLeft
            | Action::GridRight
            | Action::GridUp
            | Action::GridDown
            | Action::GridPageUp
            | Action::GridPageDown
            | Action::GridOpen
            | Action::Next
            | Action::Previous
            | Action::First
            | Action::Last
            | Action::HalfPageDown
            | Action::HalfPageUp
            | Action::NextUnreviewed
            | Action::Filter
            | Action::NextMatch
            | Action::PreviousMatch
            | Action::Jump
            | Action::Sort
            | Action::Reverse
            | Action::Rescan
            | Action::LeftOut
            | Action::Path
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::Back
            | Action::Legend
            | Action::Background
            | Action::About
            | Action::Help
            | Action::Redraw
            | Action::Suspend
            | Action::Quit
    )
}

/// Performs the actions that mean something else in the grid; `None` for others.
pub fn act(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let layout = model.grid.layout(model.size);
    let columns = isize::try_from(layout.columns).unwrap_or(1);
    let page = isize::try_from(layout.tiles()).unwrap_or(columns);
    match action {
        Action::Grid => return Some(turn(model)),
        Action::GridOpen => return Some(open(model)),
        Action::GridLeft => move_by(model, -1),
        Action::GridRight => move_by(model, 1),
        Action::GridUp => move_by(model, -columns),
        Action::GridDown => move_by(model, columns),
        Action::GridPageUp | Action::HalfPageUp => move_by(model, -page),
        Action::GridPageDown | Action::HalfPageDown => move_by(model, page),
        Action::ZoomIn => model.grid.resize(model.size, 1),
        Action::ZoomOut => model.grid.resize(model.size, -1),
        action if allows(action) => return None,
        _ => return Some(say(model, OPEN_FIRST)),
    }
    Some(vec![])
}

/// Moves the cursor, in its column as far as the list goes.
fn move_by(model: &mut Model, images: isize) {
    let list = &mut model.worklist;
    let columns = model.grid.layout(model.size).columns;
    let (cursor, last) = (list.cursor(), list.len().saturating_sub(1));
    let wanted = cursor.saturating_add_signed(images);
    let to = match (images.unsigned_abs() == 1, images < 0) {
        (true, _) => wanted.min(last),
        // Up from the first row or down from the last one, the cursor stays in its column, or at the last image.
        (false, true) if images.unsigned_abs() > cursor => cursor % columns,
        (false, false) if wanted > last => {
            let of_column = (last / columns) * columns + cursor % columns;
            of_column.min(last)
        }
        _ => wanted,
    };
    list.go_to(to);
}

/// Handles a mouse event over the tiles: a click selects, a second one opens, the wheel scrolls.
pub fn on_mouse(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    let layout = model.grid.layout(model.size);
    match mouse.kind {
        MouseEventKind::ScrollDown => scroll(model, layout, 1),
        MouseEventKind::ScrollUp => scroll(model, layout, -1),
        MouseEventKind::Down(MouseButton::Left) => {
            let at = Position::new(mouse.column, mouse.row);
            let row = model.grid.row_at(layout, at);
            let Some(row) = row.filter(|row| *row < model.worklist.len()) else {
                return vec![];
            };
            model.worklist.go_to(row);
            if model.grid.click(row, Instant::now()) {
                return open(model);
            }
            vec![]
        }
        _ => vec![],
    }
}

fn scroll(model: &mut Model, layout: GridLayout, rows: isize) -> Vec<Effect> {
    let list = (model.worklist.cursor(), model.worklist.len());
    let cursor = model.grid.scroll(layout, rows, list);
    keeping_selection(model, |model| model.worklist.go_to(cursor))
}

/// Sets the pixels that a picture may have.
pub fn set_canvas(model: &mut Model, canvas: Canvas) -> Vec<Effect> {
    model.grid.set_canvas(canvas);
    vec![]
}

/// Takes in a picture.
pub fn on_thumbnail(
    model: &mut Model,
    source: Arc<Path>,
    canvas: Canvas,
    result: Result<ThumbnailImage, Failure>,
) {
    let grid = &mut model.grid;
    if grid.canvas != Some(canvas) {
        return;
    }
    if grid.arrives(&source) {
        grid.thumbnails.insert(source, result);
    }
}

/// Called after each message: keeps the cursor on the screen, and asks for the pictures that are missing there. A list that
/// replaces another one takes back what was scrolled away.
pub fn after(model: &mut Model) -> Option<Effect> {
    let (grid, list) = (&mut model.grid, &model.worklist);
    if !grid.is_open && grid.asked.is_empty() {
        return None;
    }
    let layout = grid.layout(model.size);
    grid.follow(layout, list.cursor(), list.len());
    let wanted = grid.wanted(layout, list);
    let canvas = grid.canvas?;
    if wanted == grid.asked {
        return None;
    }
    grid.asked.clone_from(&wanted);
    Some(Effect::MakeThumbnails(ThumbnailJobs {
        canvas,
        sources: wanted,
    }))
}
