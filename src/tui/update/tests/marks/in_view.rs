//! Marks on the part of a film that is in view.

use super::*;

fn is_seen(model: &Model) -> bool {
    let (canvas, shape) = (model.viewer.canvas.unwrap(), film().shape());
    let part = model.viewer.view.shown_part(canvas, shape).unwrap();
    let (x, y) = model.mark_cursor().unwrap();
    (part.left..=part.right).contains(&x) && (part.top..=part.bottom).contains(&y)
}

#[test]
fn keys_zoom_about_the_cursor_and_no_point_is_set_out_of_sight() {
    let mut model = marking();
    press(&mut model, "llllljj");
    let cursor = model.marking.cursor;
    assert_eq!(cursor, Some(point(490.0, 350.0)));
    let on_canvas = |model: &Model| {
        let (canvas, shape) = (model.viewer.canvas.unwrap(), film().shape());
        let point = model.mark_cursor().unwrap();
        model.viewer.view.pointer_at(point, canvas, shape).unwrap()
    };
    let before = on_canvas(&model);
    press(&mut model, "++++++");
    let after = on_canvas(&model);
    assert!(
        (before.0 - after.0).hypot(before.1 - after.1) < 1e-9,
        "{before:?} {after:?}"
    );
    for key in ["H", "J", "L", "K"] {
        for _ in 0..30 {
            press(&mut model, key);
            assert!(is_seen(&model), "{key}: {:?}", model.viewer.view);
        }
    }
    assert_eq!(model.marking.cursor, cursor, "the film moves below it");
    // The wheel zooms about the pointer: the cursor may leave.
    press(&mut model, "0");
    for _ in 0..20 {
        let mouse = MouseEvent {
            kind: MouseEventKind::ScrollUp,
            column: 42,
            row: 2,
            modifiers: KeyModifiers::NONE,
        };
        update(&mut model, Message::Mouse(mouse));
    }
    assert!(!is_seen(&model));
    press(&mut model, "p");
    assert!(drafts(enter(&mut model)).is_empty());
    assert!(model.notice.as_ref().unwrap().contains("out of sight"));
    assert!(is_seen(&model) && model.marks().is_empty());
    assert_eq!(drafts(enter(&mut model)).len(), 1);
    assert_eq!(marks(&model)[0].1, [cursor.unwrap()]);
}

/// The picture of a film of 270 × 540 pixels has 27 of 58 columns. It lies 15 columns from the left, not 15 and a half.
#[test]
fn a_click_beside_the_picture_sets_no_point_and_one_on_it_the_middle_of_its_cell() {
    let mut model = model_of(&["a.png"]);
    let narrow = Facts {
        width: 270,
        ..*film()
    };
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation,
        result: Ok(Box::new(narrow)),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("a.png", generation, 7));
    update(&mut model, classified("a.png", generation, 0.25));
    press(&mut model, "Mr");
    let click = |model: &mut Model, column, row| {
        for kind in [
            MouseEventKind::Down(MouseButton::Left),
            MouseEventKind::Up(MouseButton::Left),
        ] {
            let modifiers = KeyModifiers::NONE;
            let mouse = MouseEvent {
                kind,
                column,
                row,
                modifiers,
            };
            update(model, Message::Mouse(mouse));
        }
        let draft = model.marking.draft.as_ref();
        draft.map_or(0, |draft| draft.points.len())
    };
    assert_eq!(click(&mut model, 55, 5), 0, "left of it");
    assert_eq!(click(&mut model, 83, 5), 0, "right of it");
    assert_eq!(click(&mut model, 56, 5), 1);
    let draft = model.marking.draft.as_ref().unwrap();
    assert_eq!(draft.points, [point(5.0, 90.0)]);
    click(&mut model, 82, 5);
    assert_eq!(marks(&model)[0].1[1], point(265.0, 90.0));
}
