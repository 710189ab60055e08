//! Marks: keys and the mouse in, reviews and drawings out.

mod in_view;
mod offered;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;
use crate::domain::{
    Act, FilmScale, HeartLines, LungFields, LungMeasures, Mark, MarkKind, MarkLayer, MarkPoint,
    MarkTone, OpinionChange, PixelSpacing, Ratio, Region, SpacingPlane,
};
use crate::store::{News, Request, ReviewDraft};

/// A film of 580 × 540 stored pixels of 0.5 mm, which fills the canvas of 58 × 54: a cell is ten pixels wide.
fn film() -> Box<Facts> {
    Box::new(Facts {
        width: 580,
        height: 540,
        scale: FilmScale {
            spacing: Some(PixelSpacing::of((0.5, 0.5), SpacingPlane::Detector)),
            pixel_aspect: Ratio::ONE,
        },
        ..*facts()
    })
}

fn look_at(model: &mut Model, name: &str) {
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path(name),
        generation,
        result: Ok(film()),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    update(model, shown(name, generation, 7));
    update(model, classified(name, generation, 0.25));
}

fn marking() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    look_at(&mut model, "a.png");
    press(&mut model, "M");
    assert!(model.is_marking());
    model
}

fn drafts(effects: Vec<Effect>) -> Vec<ReviewDraft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

/// The marks of the last picture that is asked for.
fn redrawn(effects: &[Effect]) -> Option<Arc<MarkLayer>> {
    let job = |effect: &Effect| match effect {
        Effect::Redraw(job) => Some(job.frame.marks.clone()),
        _ => None,
    };
    effects.iter().rev().find_map(job).flatten()
}

fn enter(model: &mut Model) -> Vec<Effect> {
    press_key(model, KeyCode::Enter, KeyModifiers::NONE)
}

fn point(x: f64, y: f64) -> MarkPoint {
    MarkPoint::at(x, y)
}

fn marks(model: &Model) -> Vec<(MarkKind, Vec<MarkPoint>)> {
    let marks = model.marks().iter();
    marks.map(|mark| (mark.kind, mark.points.clone())).collect()
}

/// The cursor begins in the middle and moves by four cells.
#[test]
fn a_ruler_is_made_by_keys_and_recorded_with_its_scale() {
    let mut model = marking();
    assert_eq!(model.marking.cursor, Some(point(290.0, 270.0)));
    press(&mut model, "r");
    assert!(drafts(enter(&mut model)).is_empty());
    let effects = press_key(&mut model, KeyCode::Right, KeyModifiers::NONE);
    let layer = redrawn(&effects).unwrap();
    assert_eq!(
        layer.marks[0].points,
        [point(290.0, 270.0), point(330.0, 270.0)]
    );
    assert_eq!(layer.marks[0].tone, MarkTone::Selected);
    press(&mut model, "sl");
    press(&mut model, "sl");
    assert_eq!(
        model.marking.cursor,
        Some(point(341.0, 270.0)),
        "a cell, a pixel"
    );
    let mut recorded = drafts(enter(&mut model));
    let draft = recorded.remove(0);
    assert!(recorded.is_empty());
    assert_eq!(draft.review.act, Act::Marked);
    let expected = Mark::new(
        MarkKind::Ruler,
        vec![point(290.0, 270.0), point(341.0, 270.0)],
        film().scale,
    );
    let expected = expected.unwrap();
    let change = OpinionChange::to(&Opinion {
        marks: vec![expected.clone()],
        ..Opinion::default()
    });
    assert_eq!(draft.review.change, change);
    let notice = model.notice.clone().unwrap();
    assert_eq!(notice, "ruler 25.5 mm at the detector");
    assert_eq!(model.selected_mark(), Some((1, &expected)));
    assert_eq!(model.worklist.reviewed(), 0, "a mark is no verdict");
}

#[test]
fn every_kind_takes_its_points_and_escape_drops_it_first() {
    let mut model = marking();
    for (key, kind) in [
        ("r", MarkKind::Ruler),
        ("a", MarkKind::Angle),
        ("p", MarkKind::Point),
        ("b", MarkKind::Box),
        ("c", MarkKind::CardiothoracicRatio),
    ] {
        press(&mut model, key);
        press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
        assert!(model.marking.draft.is_none() && model.is_marking());
        press(&mut model, key);
        for n in 0..kind.points() {
            assert!(model.marking.draft.is_some(), "{kind:?} {n}");
            // Away from the edge of the film.
            let away = match kind {
                MarkKind::CardiothoracicRatio | MarkKind::Box => "hk ",
                _ => "lj ",
            };
            press(&mut model, away);
        }
        let last = model.marks().last().unwrap();
        assert_eq!((last.kind, last.points.len()), (kind, kind.points()));
        assert!(model.marking.draft.is_none());
    }
    assert_eq!(model.marks().len(), 5);
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert!(!model.is_marking());
    // A key of the mode means again what it means.
    assert_eq!(drafts(press(&mut model, "a"))[0].review.act, Act::Judged);
    assert_eq!(model.marks().len(), 5, "a verdict takes no mark away");
}

#[test]
fn no_line_has_both_ends_in_one_place_and_no_mark_comes_twice() {
    let mut model = marking();
    press(&mut model, "r  ");
    assert!(model.marks().is_empty());
    assert!(model.notice.as_ref().unwrap().contains("same place"));
    press(&mut model, "l ");
    assert_eq!(model.marks().len(), 1);
    press(&mut model, "b l ");
    assert_eq!(model.marks().len(), 1);
    assert!(
        model
            .notice
            .as_ref()
            .unwrap()
            .contains("width and a height")
    );
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    press(&mut model, "hhr l ");
    assert_eq!(model.marks().len(), 1);
    assert!(model.notice.as_ref().unwrap().contains("there already"));
}

#[test]
fn marks_are_undone_and_redone_selected_named_and_deleted() {
    let mut model = marking();
    press(&mut model, "p l");
    press(&mut model, "p ");
    let both = marks(&model);
    assert_eq!(both.len(), 2);
    let undone = drafts(press(&mut model, "U")).remove(0);
    assert_eq!(undone.review.act, Act::Undone);
    assert_eq!(marks(&model), both[..1]);
    press_key(&mut model, KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert_eq!(marks(&model), both);
    assert_eq!(model.selected_mark().unwrap().0, 2, "the last one made");
    press_key(&mut model, KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(model.selected_mark().unwrap().0, 1, "round and round");
    assert_eq!(model.marking.cursor, Some(both[0].1[0]));
    press(&mut model, "n");
    press(&mut model, "nodule 800%");
    assert!(drafts(enter(&mut model)).is_empty());
    assert!(model.overlay.is_some(), "more than 100 %: it can be mended");
    for _ in 0..2 {
        press_key(&mut model, KeyCode::Backspace, KeyModifiers::NONE);
    }
    press(&mut model, "%");
    let named = drafts(enter(&mut model)).remove(0);
    assert_eq!(named.review.act, Act::Marked);
    let first = &model.marks()[0];
    assert_eq!(
        (first.label.as_deref(), first.confidence),
        (Some("nodule"), Some(80))
    );
    assert_eq!(marks(&model), both, "it keeps its place");
    assert_eq!(drafts(press(&mut model, "x")).len(), 1);
    assert_eq!(marks(&model), both[1..]);
    assert!(drafts(press(&mut model, "x")).is_empty());
    assert!(model.notice.as_ref().unwrap().contains("Tab selects"));
    press(&mut model, "U");
    assert_eq!(model.marks().len(), 2);
}

#[test]
fn a_drag_makes_a_line_and_clicks_make_an_angle() {
    let mut model = marking();
    let left = MouseButton::Left;
    let mouse = |model: &mut Model, kind, column, row| {
        let modifiers = KeyModifiers::NONE;
        let mouse = MouseEvent {
            kind,
            column,
            row,
            modifiers,
        };
        drafts(update(model, Message::Mouse(mouse))).len()
    };
    assert_eq!(mouse(&mut model, MouseEventKind::Down(left), 51, 11), 0);
    assert_eq!(mouse(&mut model, MouseEventKind::Up(left), 51, 11), 0);
    assert!(model.marks().is_empty(), "nothing was being made");
    press(&mut model, "r");
    // A cell is ten pixels wide and twenty high.
    assert_eq!(mouse(&mut model, MouseEventKind::Down(left), 51, 11), 0);
    assert_eq!(mouse(&mut model, MouseEventKind::Drag(left), 55, 11), 0);
    assert_eq!(mouse(&mut model, MouseEventKind::Drag(left), 61, 13), 0);
    assert_eq!(mouse(&mut model, MouseEventKind::Up(left), 61, 13), 1);
    let line = vec![point(105.0, 210.0), point(205.0, 250.0)];
    assert_eq!(marks(&model), [(MarkKind::Ruler, line)]);
    press(&mut model, "a");
    for (column, row, recorded) in [(51, 11, 0), (61, 11, 0), (61, 16, 1)] {
        mouse(&mut model, MouseEventKind::Down(left), column, row);
        let count = mouse(&mut model, MouseEventKind::Up(left), column, row);
        assert_eq!(count, recorded);
    }
    assert!(model.notice.as_ref().unwrap().contains("90.0°"));
    // A click on the first selects it; one beside all pans.
    mouse(&mut model, MouseEventKind::Down(left), 56, 12);
    mouse(&mut model, MouseEventKind::Up(left), 56, 12);
    assert_eq!(model.selected_mark().unwrap().0, 1);
}

#[test]
fn marks_lie_on_the_film_whatever_the_view_and_the_cursor_stays_in_sight() {
    let mut model = marking();
    press(&mut model, "r ");
    press(&mut model, "l ");
    let before = marks(&model);
    press(&mut model, "+++i");
    assert_eq!(marks(&model), before);
    assert!(model.viewer.view.zoom > 1.9);
    for _ in 0..40 {
        press(&mut model, "l");
    }
    let right = model.marking.cursor.unwrap();
    assert_eq!(right.pixels().0, 580.0, "the edge of the film");
    assert!(model.viewer.view.centre.0 > 0.6, "the view follows");
    press(&mut model, "0");
    assert!(model.is_marking() && marks(&model) == before);
}

#[test]
fn a_film_that_is_opened_again_shows_its_marks_and_no_other_film_does() {
    let mut model = marking();
    press(&mut model, "p l");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    let opinion = opinion_of(&model, "a.png");
    let mut again = model_of(&["a.png", "b.png"]);
    let standing = vec![(path("a.png"), Default::default(), opinion)];
    update(&mut again, Message::Review(News::Standing(standing)));
    let effects = press(&mut again, "jk");
    let selected: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Select(job) => Some(job.frame.marks.as_ref().map(|layer| layer.marks.len())),
            _ => None,
        })
        .collect();
    assert_eq!(selected, [None, Some(1)], "with the first picture");
    look_at(&mut again, "a.png");
    let effects = press(&mut again, "D");
    assert_eq!(again.marks().len(), 1);
    assert!(redrawn(&effects).is_none(), "hidden");
    assert!(redrawn(&press(&mut again, "D")).is_some());
    // A file that holds another image has none of them.
    let other = Facts {
        content: crate::domain::ContentId::from_digest([9; 32]),
        ..*film()
    };
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation: again.viewer.generation,
        result: Ok(Box::new(other)),
        stamp: None,
    };
    update(&mut again, Message::Worker(opened));
    assert!(again.marks().is_empty());
}

#[test]
fn nothing_is_marked_before_the_image_is_there() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "M");
    assert!(!model.is_marking());
    assert!(
        model
            .notice
            .as_ref()
            .unwrap()
            .contains("not on the screen yet")
    );
    look_at(&mut model, "a.png");
    model.painting = "off";
    press(&mut model, "M");
    assert!(!model.is_marking());
    model.painting = "half-blocks";
    press(&mut model, "M ");
    assert!(model.notice.as_ref().unwrap().starts_with("choose first"));
}

fn mode_keys(model: &mut Model, keys: &[KeyCode]) -> usize {
    let press = |key: &KeyCode| drafts(press_key(model, *key, KeyModifiers::NONE)).len();
    keys.iter().map(press).sum()
}

/// Setting the window over marks, the reset and the grid each give the marks back: a key that means an angle there is a
/// verdict elsewhere.
#[test]
fn what_begins_over_marks_gives_them_back_and_no_key_becomes_a_verdict() {
    use KeyCode::{Char, Enter, Esc, Right};
    for keys in [
        &[Char('w'), Right, Enter, Char('a')][..],
        &[Char('w'), Right, Char('w'), Char('a')],
        &[Char('w'), Right, Char('a')],
        &[Char('w'), Char('0'), Char('a')],
        &[Char('w'), Esc, Char('a')],
        &[Char('#'), Char('#'), Char('a')],
        &[Char('#'), Esc, Char('a')],
        &[Char('#'), Enter, Char('a')],
        &[Char('w'), Char('#'), Char('#'), Enter, Char('a')],
    ] {
        let mut model = marking();
        assert_eq!(mode_keys(&mut model, keys), 0, "{keys:?}");
        assert_eq!(model.mode, KeyMode::Mark, "{keys:?}");
        let draft = model.marking.draft.as_ref().unwrap();
        assert_eq!(draft.kind, MarkKind::Angle, "{keys:?}");
        press(&mut model, "M");
        assert_eq!(model.mode, KeyMode::Browse, "{keys:?}");
        assert!(model.modes_below.is_empty());
    }
    // What is made stays on the picture while the window is set.
    let mut model = marking();
    press(&mut model, "r w");
    press_key(&mut model, Right, KeyModifiers::NONE);
    assert!(model.viewer.marks.as_ref().unwrap().cursor.is_some());
    assert_eq!(model.marking.draft.as_ref().unwrap().points.len(), 1);
    assert!(matches!(model.viewer.view.window, Window::Manual { .. }));
    // Marks that begin while the window is set take its place.
    let mut model = model_of(&["a.png"]);
    look_at(&mut model, "a.png");
    press(&mut model, "wM");
    assert_eq!(model.mode, KeyMode::Mark);
    press(&mut model, "M");
    assert_eq!(model.mode, KeyMode::Browse);
}

/// Every action of the keymap: none but those that end the marks ends them.
#[test]
fn no_other_action_ends_the_marks() {
    for binding in Keymap::bundled().bindings() {
        let action = binding.action;
        if matches!(action, Action::MarkDone | Action::Mark | Action::Back) {
            continue;
        }
        for over in [&[][..], &[Action::Window], &[Action::Grid]] {
            let mut model = marking();
            for action in over.iter().chain([&action]) {
                act(&mut model, *action);
            }
            let is_on = model.mode == KeyMode::Mark || model.modes_below.contains(&KeyMode::Mark);
            assert!(is_on, "{action:?} over {over:?}");
        }
    }
}

#[test]
fn a_film_with_the_most_marks_can_be_unmarked() {
    let mut model = model_of(&["a.png"]);
    let mark = |n: usize| {
        let place = vec![point(n as f64, 1.0)];
        Mark::new(MarkKind::Point, place, film().scale).unwrap()
    };
    let opinion = Opinion {
        marks: (0..crate::domain::MOST_MARKS).map(mark).collect(),
        ..Opinion::default()
    };
    let standing = vec![(path("a.png"), Default::default(), opinion)];
    update(&mut model, Message::Review(News::Standing(standing)));
    look_at(&mut model, "a.png");
    press(&mut model, "Mp");
    assert!(model.is_marking() && model.marking.draft.is_none());
    assert!(model.notice.as_ref().unwrap().contains("delete one first"));
    press_key(&mut model, KeyCode::Tab, KeyModifiers::NONE);
    assert_eq!(drafts(press(&mut model, "x")).len(), 1);
    press(&mut model, "p");
    assert!(model.marking.draft.is_some());
}
