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

/// The prior stands in the right half. It moves with the selected film where both have one view, and not at all otherwise.
#[test]
fn over_the_prior_the_wheel_and_a_drag_move_both_films_or_nothing() {
    let mut model = model_of(&["a.png", "b.png", "c.png"]);
    press(&mut model, "j");
    let (name, generation) = (selected(&model), model.viewer.generation);
    let opened = JobOutcome::Opened {
        source: path(&name),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown(&name, generation, 7));
    let half = Canvas {
        width: 28,
        height: 54,
        pixel_aspect: 1.0,
    };
    let panes = Panes {
        image: Rect::new(41, 1, 28, 27),
        compared: Rect::new(70, 1, 28, 27),
        ..model.panes
    };
    let compared = Some(half);
    update(
        &mut model,
        Message::LaidOut {
            panes,
            canvas: half,
            compared,
        },
    );
    press(&mut model, "M");
    press(&mut model, "r");
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
    let drag = |model: &mut Model, button| {
        mouse(model, MouseEventKind::Down(button), 80, 10);
        mouse(model, MouseEventKind::Drag(button), 76, 12);
        mouse(model, MouseEventKind::Up(button), 76, 12);
    };
    for kind in [MouseEventKind::ScrollDown, MouseEventKind::ScrollUp] {
        mouse(&mut model, kind, 80, 10);
    }
    drag(&mut model, MouseButton::Left);
    drag(&mut model, MouseButton::Right);
    assert_eq!(
        (selected(&model), model.viewer.view),
        (name.clone(), View::default())
    );
    assert!(model.marking.draft.is_some());

    model.comparison.is_linked = true;
    model.comparison.film.facts = Some(crate::worker::ComparedFacts {
        content: Default::default(),
        summary: facts().summary(),
        patient: Default::default(),
        shape: facts().shape(),
        bits_stored: 8,
        step: 1.0,
    });
    for _ in 0..6 {
        mouse(&mut model, MouseEventKind::ScrollUp, 84, 14);
    }
    let zoomed = model.viewer.view;
    assert!(zoomed.zoom > 2.0, "{zoomed:?}");
    drag(&mut model, MouseButton::Left);
    let dragged = model.viewer.view;
    assert!(dragged.centre.0 > zoomed.centre.0 && dragged.centre.1 < zoomed.centre.1);
    drag(&mut model, MouseButton::Right);
    assert!(matches!(model.viewer.view.window, Window::Manual { .. }));
    assert_eq!(selected(&model), name);
    assert!(model.marking.draft.as_ref().unwrap().points.is_empty());
}
