//! The panes by keys and mouse, the ways back, and what is remembered.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::*;
use crate::tui::model::{Coarse, DragKind, PaneSizes};

fn mouse(model: &mut Model, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    update(model, Message::Mouse(event))
}

fn opened(model: &mut Model) {
    let outcome = JobOutcome::Opened {
        source: model.viewer.source.clone().unwrap(),
        generation: model.viewer.generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(model, Message::Worker(outcome));
    let name = selected(model);
    let picture = shown(&name, model.viewer.generation, 9);
    update(model, picture);
}

fn remembered(effects: &[Effect]) -> Option<PaneSizes> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Remember(sizes) => Some(sizes.clone()),
        _ => None,
    })
}

#[test]
fn keys_hide_and_resize_panes_and_each_change_is_remembered() {
    let mut model = model_of(&["a.png"]);
    let sizes = remembered(&press(&mut model, "z")).unwrap();
    assert!(sizes.whole);
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert!(!model.sizes.whole, "Esc leaves the whole screen");
    press(&mut model, "zv");
    assert!(
        model.sizes.hides_worklist && !model.sizes.whole,
        "hiding one pane shows the others"
    );
    press(&mut model, "vV");
    assert!(model.sizes.hides_findings && !model.sizes.hides_worklist);
    press(&mut model, "V");
    // The border is in column 40: the pane has 41 cells.
    let sizes = remembered(&press(&mut model, ">")).unwrap();
    assert_eq!(sizes.left, Some(43));
    press(&mut model, "<");
    assert_eq!(model.sizes.left, Some(39));
    // The findings have ten rows from row 12 on.
    let sizes = remembered(&press(&mut model, "}")).unwrap();
    assert_eq!(sizes.findings, Some(12));
    press(&mut model, "{");
    assert_eq!(model.sizes.findings, Some(8));
    model.panes.column = None;
    assert_eq!(remembered(&press(&mut model, ">")), None);
    assert!(model.notice.is_some());
}

#[test]
fn a_border_is_dragged_and_remembered_once_the_button_is_released() {
    let mut model = model_of(&["a.png"]);
    let left = MouseButton::Left;
    for column in [40, 41] {
        mouse(&mut model, MouseEventKind::Down(left), (column, 5));
        assert_eq!(model.drag.unwrap().kind, DragKind::Column);
    }
    assert_eq!(
        remembered(&mouse(&mut model, MouseEventKind::Drag(left), (50, 5))),
        None
    );
    assert_eq!(model.sizes.left, Some(51));
    let sizes = remembered(&mouse(&mut model, MouseEventKind::Up(left), (50, 5)));
    assert_eq!(sizes.unwrap().left, Some(51));
    assert!(model.drag.is_none());
    mouse(&mut model, MouseEventKind::Down(left), (5, 12));
    mouse(&mut model, MouseEventKind::Drag(left), (5, 8));
    assert_eq!(model.sizes.findings, Some(14));
    mouse(&mut model, MouseEventKind::Up(left), (5, 8));
    assert_eq!(selected(&model), "a.png");
    assert!(
        mouse(&mut model, MouseEventKind::Drag(left), (5, 9)).is_empty(),
        "nothing is held"
    );
}

#[test]
fn a_drag_pans_and_one_with_the_right_button_sets_the_window() {
    let mut model = model_of(&["a.png"]);
    opened(&mut model);
    press(&mut model, "++++");
    let (left, right) = (MouseButton::Left, MouseButton::Right);
    mouse(&mut model, MouseEventKind::Down(left), (60, 10));
    let effects = mouse(&mut model, MouseEventKind::Drag(left), (55, 8));
    assert!(matches!(effects[..], [Effect::Redraw(_)]), "{effects:?}");
    let (x, y) = model.viewer.view.centre;
    assert!(x > 0.5 && y > 0.5, "the image follows: {x} {y}");
    assert!(mouse(&mut model, MouseEventKind::Drag(left), (55, 8)).is_empty());
    mouse(&mut model, MouseEventKind::Up(left), (55, 8));
    assert_eq!(model.viewer.view.window, Window::File);

    mouse(&mut model, MouseEventKind::Down(right), (60, 10));
    assert!(model.shows_histogram());
    mouse(&mut model, MouseEventKind::Drag(right), (65, 8));
    let Window::Manual { centre, width } = model.viewer.view.window else {
        panic!("{:?}", model.viewer.view.window)
    };
    // The window of the picture was 256 wide about 128.
    assert!(width > 256.0 && centre > 128.0, "{width} {centre}");
    mouse(&mut model, MouseEventKind::Up(right), (65, 8));
    assert!(!model.shows_histogram());
    assert_eq!(model.viewer.view.centre, (x, y), "the place stays");
}

#[test]
fn the_wheel_zooms_about_the_pointer() {
    let mut model = model_of(&["a.png"]);
    opened(&mut model);
    for _ in 0..6 {
        mouse(&mut model, MouseEventKind::ScrollUp, (95, 2));
    }
    let (x, y) = model.viewer.view.centre;
    assert!(x > 0.6 && y < 0.4, "towards the upper right: {x} {y}");
    for _ in 0..6 {
        mouse(&mut model, MouseEventKind::ScrollDown, (95, 2));
    }
    let (x, y) = model.viewer.view.centre;
    assert!((x - 0.5).abs() < 1e-9 && (y - 0.5).abs() < 1e-9, "{x} {y}");
}

#[test]
fn one_to_one_and_back() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "r");
    assert_eq!(model.viewer.view.zoom, 1.0, "no image is open yet");
    opened(&mut model);
    press(&mut model, "r");
    // The canvas has 54 rows for the ten of the image.
    assert!((model.viewer.view.zoom - 10.0 / 54.0).abs() < 1e-9);
    assert!(model.is_one_to_one());
    press(&mut model, "r");
    assert_eq!(model.viewer.view.zoom, 1.0);
}

#[test]
fn escape_clears_a_filter_before_it_resets_the_view() {
    let mut model = model_of(&["a.png", "b.png"]);
    opened(&mut model);
    press(&mut model, "+/b");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(model.worklist.len(), 1);
    press(&mut model, "+");
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.worklist.len(), 2);
    assert!(model.viewer.view.zoom > 1.0);
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(model.viewer.view, View::default());
}

#[test]
fn the_whole_path_is_copied_unless_a_shell_would_misread_it() {
    let mut model = model_of(&["ward3/a.png", "ward3/b\n.png"]);
    let effects = press(&mut model, "y");
    // It is pasted into a shell that may be in another folder.
    let whole = std::env::current_dir().unwrap().join("ward3/a.png");
    assert!(
        matches!(&effects[..], [Effect::Copy(path)] if Path::new(path) == whole),
        "{effects:?}"
    );
    assert!(matches!(model.overlay, Some(Overlay::Path { .. })));
    press(&mut model, "xj");
    assert!(press(&mut model, "y").is_empty());
    assert!(model.notice.as_ref().unwrap().contains("not copied"));
    let address = "https://pacs.example/dicom-web/studies/1/series/2/instances/3";
    let mut model = model_of(&[address]);
    let effects = press(&mut model, "y");
    assert!(matches!(&effects[..], [Effect::Copy(path)] if path == address));
}

#[test]
fn the_help_is_searched_and_its_end_is_a_key_away() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "?G");
    let scroll = |model: &Model| match &model.overlay {
        Some(Overlay::Help { scroll, .. }) => *scroll,
        _ => panic!("no help"),
    };
    assert_eq!(scroll(&model), -1);
    press(&mut model, "kkj");
    assert_eq!(scroll(&model), -2, "one line before the end");
    press(&mut model, "gg");
    assert_eq!(scroll(&model), 0);
    press(&mut model, "/zoq");
    let search = |model: &Model| match &model.overlay {
        Some(Overlay::Help { search, .. }) => (search.text.clone(), search.is_typed),
        _ => panic!("no help"),
    };
    assert_eq!(
        search(&model),
        ("zoq".to_owned(), true),
        "q is a letter here"
    );
    press_key(&mut model, KeyCode::Backspace, KeyModifiers::NONE);
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert_eq!(search(&model), ("zo".to_owned(), false));
    press(&mut model, "x");
    assert!(model.overlay.is_none());
}

#[test]
fn the_first_key_of_all_ends_the_words_for_a_first_time() {
    let mut model = model_of(&["a.png"]);
    model.is_first_time = true;
    let effects = press(&mut model, "k");
    assert!(!model.is_first_time && remembered(&effects).is_some());
    assert_eq!(remembered(&press(&mut model, "k")), None);
    assert!(model.panes.image.contains(Position::new(60, 10)));
}

/// In tmux without pixels the reason for a coarse picture is said first, in the same row.
#[test]
fn a_message_in_their_place_does_not_take_the_words_for_a_first_time_away() {
    let mut model = model_of(&["a.png"]);
    model.is_first_time = true;
    model.coarse = Some(Coarse::new("coarse picture".to_owned()));
    assert_eq!(remembered(&press(&mut model, "k")), None);
    assert!(model.is_first_time);
    model.notice = Some("a notice".to_owned());
    assert_eq!(remembered(&press(&mut model, "k")), None);
    let effects = press(&mut model, "k");
    assert!(!model.is_first_time && remembered(&effects).is_some());
}

/// With both panes hidden the image is alone, as by the key for that: the same ways lead back.
#[test]
fn where_both_panes_are_hidden_the_ways_back_give_them_back() {
    for back in [KeyCode::Char('z'), KeyCode::Esc] {
        let mut model = model_of(&["a.png"]);
        press(&mut model, "vV");
        assert!(model.sizes.is_image_alone());
        let sizes = remembered(&press_key(&mut model, back, KeyModifiers::NONE)).unwrap();
        assert_eq!(sizes, PaneSizes::default(), "{back:?}");
    }
    let mut model = model_of(&["a.png"]);
    press(&mut model, "vzz");
    let only_list = PaneSizes {
        hides_worklist: true,
        ..PaneSizes::default()
    };
    assert_eq!(model.sizes, only_list, "one hidden pane stays hidden");
    // As an older version may have remembered it.
    model.sizes = PaneSizes {
        whole: true,
        hides_worklist: true,
        hides_findings: true,
        ..PaneSizes::default()
    };
    press(&mut model, "z");
    assert_eq!(model.sizes, PaneSizes::default());
}
