//! The mouse: clicks select, the wheel moves what it is over, and a drag moves the image, its window or a border.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::image::{drag as drag_image, drag_window, side_at, zoom_about};
use super::{Effect, keeping_selection, marks, move_by, panes, scroll_of, scrolled, turn_findings};
use crate::tui::model::{Drag, DragKind, Model, Overlay};

/// One step of the mouse wheel, in rows of the worklist.
const WHEEL_ROWS: isize = 1;
/// One step of the mouse wheel, in lines of an overlay.
pub(super) const WHEEL_LINES: i32 = 3;
/// One step of the mouse wheel, as a factor of the zoom.
const WHEEL_ZOOM: f64 = 1.15;

/// Handles a mouse event over the panes, or over what covers them.
pub fn on_mouse(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    let at = Position::new(mouse.column, mouse.row);
    let on_image = model.panes.image.contains(at);
    let side = side_at(model, at);
    if model.overlay.is_some() {
        return on_overlay_mouse(model, mouse.kind);
    }
    match mouse.kind {
        MouseEventKind::ScrollDown if model.panes.findings.contains(at) => turn_findings(model, 1),
        MouseEventKind::ScrollUp if model.panes.findings.contains(at) => turn_findings(model, -1),
        MouseEventKind::ScrollDown | MouseEventKind::ScrollUp
            if model.panes.radiograph.contains(at) =>
        {
            let is_up = mouse.kind == MouseEventKind::ScrollUp;
            let factor = if is_up { WHEEL_ZOOM } else { 1.0 / WHEEL_ZOOM };
            let zoomed = side.map(|side| zoom_about(model, factor, at, side));
            zoomed.unwrap_or_default()
        }
        MouseEventKind::Down(MouseButton::Left) if on_image && marks::press(model, at) => {
            let kind = DragKind::Mark;
            model.drag = Some(Drag { kind, at });
            vec![]
        }
        MouseEventKind::Down(button) if drag_kind(model, button, at).is_some() => {
            model.drag = drag_kind(model, button, at).map(|kind| Drag { kind, at });
            vec![]
        }
        MouseEventKind::Drag(_) => on_drag(model, at),
        MouseEventKind::Up(_) => match model.drag.take() {
            Some(Drag {
                kind: DragKind::Column | DragKind::Row,
                ..
            }) => panes::remember(model),
            Some(Drag {
                kind: DragKind::Mark | DragKind::DraggedMark,
                ..
            }) => marks::release(model),
            _ => vec![],
        },
        MouseEventKind::ScrollDown => move_by(model, WHEEL_ROWS),
        MouseEventKind::ScrollUp => move_by(model, -WHEEL_ROWS),
        MouseEventKind::Down(MouseButton::Left) if model.panes.worklist.contains(at) => {
            let pane = model.panes.worklist;
            let first = model.worklist.first_visible(usize::from(pane.height));
            let row = first + usize::from(at.y - pane.y);
            if row < model.worklist.len() {
                keeping_selection(model, |model| model.worklist.go_to(row))
            } else {
                vec![]
            }
        }
        _ => vec![],
    }
}

/// What a button that is pressed here begins to drag. Borders are as wide as the two lines that meet there.
fn drag_kind(model: &Model, button: MouseButton, at: Position) -> Option<DragKind> {
    let panes = &model.panes;
    let is_column = panes
        .column
        .is_some_and(|column| at.x == column || at.x == column + 1);
    match button {
        MouseButton::Left if is_column => Some(DragKind::Column),
        MouseButton::Left if panes.row == Some(at.y) && panes.column.is_some_and(|x| at.x < x) => {
            Some(DragKind::Row)
        }
        MouseButton::Left => side_at(model, at).map(DragKind::Image),
        MouseButton::Right => side_at(model, at).map(|_| DragKind::Window),
        _ => None,
    }
}

fn on_drag(model: &mut Model, at: Position) -> Vec<Effect> {
    let Some(drag) = &mut model.drag else {
        return vec![];
    };
    let before = std::mem::replace(&mut drag.at, at);
    let by = (
        i32::from(at.x) - i32::from(before.x),
        i32::from(at.y) - i32::from(before.y),
    );
    match drag.kind {
        DragKind::Mark | DragKind::DraggedMark => {
            let is_first = drag.kind == DragKind::Mark && before != at;
            if is_first {
                drag.kind = DragKind::DraggedMark;
            }
            marks::drag(model, at, is_first)
        }
        DragKind::Image(side) => drag_image(model, by, side),
        DragKind::Window => drag_window(model, by),
        DragKind::Column => {
            panes::set_column(model, i32::from(at.x));
            vec![]
        }
        DragKind::Row => {
            panes::set_row(model, i32::from(at.y));
            vec![]
        }
    }
}

/// The wheel scrolls a text overlay, and a click closes it. Questions and prompts are answered by keys only.
fn on_overlay_mouse(model: &mut Model, kind: MouseEventKind) -> Vec<Effect> {
    let reveals = model.reveals_header();
    if let Some(Overlay::Header(header)) = &mut model.overlay {
        let lines = isize::try_from(WHEEL_LINES).unwrap_or(1);
        match kind {
            MouseEventKind::ScrollDown => header.move_by(lines, reveals),
            MouseEventKind::ScrollUp => header.move_by(-lines, reveals),
            MouseEventKind::Down(MouseButton::Left) => model.overlay = None,
            _ => {}
        }
        return vec![];
    }
    let Some(scroll) = model.overlay.as_mut().and_then(scroll_of) else {
        return vec![];
    };
    match kind {
        MouseEventKind::ScrollDown => *scroll = scrolled(*scroll, WHEEL_LINES),
        MouseEventKind::ScrollUp => *scroll = scrolled(*scroll, -WHEEL_LINES),
        MouseEventKind::Down(MouseButton::Left) => model.overlay = None,
        _ => {}
    }
    vec![]
}
