//! The mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::tui::update::mouse::WHEEL_LINES;

#[test]
fn the_mouse_selects_moves_and_zooms() {
    let mut model = model_of(&["a.png", "b.png", "c.png"]);
    let mouse = |kind, column, row| {
        Message::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(
        &mut model,
        mouse(MouseEventKind::Down(MouseButton::Left), 5, 3),
    );
    assert_eq!(selected(&model), "c.png");
    update(
        &mut model,
        mouse(MouseEventKind::Down(MouseButton::Left), 5, 9),
    );
    assert_eq!(selected(&model), "c.png", "below the last row is nothing");
    update(&mut model, mouse(MouseEventKind::ScrollUp, 5, 3));
    assert_eq!(selected(&model), "b.png");
    update(&mut model, mouse(MouseEventKind::ScrollUp, 60, 10));
    assert!(model.viewer.view.zoom > 1.0);
}

#[test]
fn the_wheel_turns_the_pane_below_it_and_a_click_closes_a_box_of_text() {
    let mut model = model_of(&["a.png", "b.png"]);
    let mouse = |model: &mut Model, kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        let mouse = MouseEvent {
            kind,
            column,
            row,
            modifiers,
        };
        update(model, Message::Mouse(mouse))
    };
    mouse(&mut model, MouseEventKind::ScrollDown, 5, 15);
    assert_eq!(
        (model.findings_page, selected(&model)),
        (1, "a.png".to_owned())
    );
    mouse(&mut model, MouseEventKind::ScrollUp, 5, 15);
    assert_eq!(model.findings_page, 0);
    press(&mut model, "?");
    mouse(&mut model, MouseEventKind::ScrollDown, 5, 15);
    mouse(&mut model, MouseEventKind::ScrollDown, 60, 10);
    let scroll = |model: &Model| match model.overlay {
        Some(Overlay::Help { scroll, .. }) => Some(scroll),
        _ => None,
    };
    assert_eq!(scroll(&model), Some(2 * WHEEL_LINES));
    mouse(&mut model, MouseEventKind::ScrollUp, 5, 15);
    assert_eq!(scroll(&model), Some(WHEEL_LINES));
    assert_eq!(model.findings_page, 0, "the pane below stays");
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), 5, 2);
    assert!(model.overlay.is_none());
    assert_eq!(selected(&model), "a.png", "the click only closed the box");
    press(&mut model, "/b");
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), 5, 2);
    assert!(
        matches!(model.overlay, Some(Overlay::Prompt(_))),
        "a prompt stays"
    );
}
