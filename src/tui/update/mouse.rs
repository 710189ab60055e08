//! The mouse: clicks select, the wheel moves what it is over.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Effect, keeping_selection, move_by, turn_findings};
use crate::tui::model::{Model, Overlay};

/// One step of the mouse wheel, in rows of the worklist.
const WHEEL_ROWS: isize = 1;
/// One step of the mouse wheel, in lines of an overlay.
pub(super) const WHEEL_LINES: u16 = 3;
/// One step of the mouse wheel, as a factor of the zoom.
const WHEEL_ZOOM: f64 = 1.15;

/// Handles a mouse event over the panes, or over what covers them.
pub fn on_mouse(model: &mut Model, mouse: MouseEvent) -> Vec<Effect> {
    let at = Position::new(mouse.column, mouse.row);
    let on_image = model.panes.image.contains(at);
    if model.overlay.is_some() {
        return on_overlay_mouse(model, mouse.kind);
    }
    match mouse.kind {
        MouseEventKind::ScrollDown if model.panes.findings.contains(at) => turn_findings(model, 1),
        MouseEventKind::ScrollUp if model.panes.findings.contains(at) => turn_findings(model, -1),
        MouseEventKind::ScrollDown if on_image => super::image::zoom(model, 1.0 / WHEEL_ZOOM),
        MouseEventKind::ScrollUp if on_image => super::image::zoom(model, WHEEL_ZOOM),
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
    let Some(Overlay::Help { scroll } | Overlay::About { scroll } | Overlay::LeftOut { scroll }) =
        &mut model.overlay
    else {
        return vec![];
    };
    match kind {
        MouseEventKind::ScrollDown => *scroll = scroll.saturating_add(WHEEL_LINES),
        MouseEventKind::ScrollUp => *scroll = scroll.saturating_sub(WHEEL_LINES),
        MouseEventKind::Down(MouseButton::Left) => model.overlay = None,
        _ => {}
    }
    vec![]
}
