//! Screens while marks are being made.

use super::*;
use crate::domain::{Act, FilmScale, PixelSpacing, Ratio, SpacingPlane};
use crate::tui::model::Model;
use crate::tui::worklist::OpinionState;

/// The film on the screen has pixels of 0.143 mm.
fn marking(width: u16, height: u16) -> Model {
    let mut model = model_of(width, height);
    let facts = model.viewer.facts.as_mut().unwrap();
    facts.scale = FilmScale {
        spacing: Some(PixelSpacing::of((0.143, 0.143), SpacingPlane::Detector)),
        pixel_aspect: Ratio::ONE,
    };
    "M".chars().for_each(|key| press(&mut model, key));
    model
}

/// A ruler with a name, a box, and a cardiothoracic ratio of which one line is there.
#[test]
fn the_screen_with_marks_at_several_sizes() {
    for (width, height) in [(80, 24), (120, 35), (200, 50)] {
        let mut model = marking(width, height);
        "r lljj n".chars().for_each(|key| press(&mut model, key));
        "nodule 80%".chars().for_each(|key| press(&mut model, key));
        press_code(&mut model, KeyCode::Enter);
        "b hhh".chars().for_each(|key| press(&mut model, key));
        "kk ".chars().for_each(|key| press(&mut model, key));
        insta::assert_snapshot!(format!("marks_{width}x{height}"), screen(&model));
        press(&mut model, 'c');
        "  ".chars().for_each(|key| press(&mut model, key));
        let drafting = screen(&model);
        assert!(drafting.contains("CTR"), "{drafting}");
        press(&mut model, 'l');
        press(&mut model, ' ');
        press(&mut model, 'j');
        insta::assert_snapshot!(format!("marks_draft_{width}x{height}"), screen(&model));
    }
}

/// No picture of the marks, but their number, and the measure where it is made.
#[test]
fn the_smallest_screen_says_what_is_measured() {
    let mut model = marking(40, 15);
    "r ll".chars().for_each(|key| press(&mut model, key));
    let text = screen(&model);
    assert!(text.contains(" mm"), "{text}");
    press(&mut model, ' ');
    let text = screen(&model);
    assert!(text.contains("ruler"), "{text}");
    press_code(&mut model, KeyCode::Esc);
    press_code(&mut model, KeyCode::Esc);
    press(&mut model, 'z');
    lay_out(&mut model);
    show(&mut model);
    assert_eq!(model.marks().len(), 1);
}

#[test]
fn the_border_counts_marks_and_says_when_they_are_hidden() {
    let mut model = marking(120, 35);
    "p lp ".chars().for_each(|key| press(&mut model, key));
    press_code(&mut model, KeyCode::Esc);
    assert!(screen(&model).contains("2 marks ·"), "{}", screen(&model));
    press(&mut model, 'D');
    assert!(screen(&model).contains("2 marks hidden"));
    let state: &OpinionState = model
        .worklist
        .selected()
        .unwrap()
        .opinion_state
        .as_deref()
        .unwrap();
    assert_eq!(state.opinion.marks.len(), 2);
    assert_eq!(Act::Marked.word(), "mark");
}

#[test]
fn without_a_spacing_the_list_says_pixels() {
    let mut model = model_of(120, 35);
    "Mr lll ".chars().for_each(|key| press(&mut model, key));
    let text = screen(&model);
    assert!(text.contains("no spacing in the file"), "{text}");
    assert!(text.contains(" px") && !text.contains(" mm"), "{text}");
}

/// Also where the panes that say it are hidden.
#[test]
fn a_length_that_is_being_made_says_where_it_holds() {
    for (width, height, words) in [
        (200, 50, "mm at the detector · Enter sets the other end"),
        (80, 24, "mm at "),
        (40, 15, "mm at detector"),
    ] {
        let mut model = marking(width, height);
        press(&mut model, 'z');
        lay_out(&mut model);
        "r ll".chars().for_each(|key| press(&mut model, key));
        let text = screen(&model);
        assert!(text.contains(words), "{text}");
        assert!(text.contains("not for diagnosis"), "{text}");
        // Two lengths take the row of the warning where it is short.
        press_code(&mut model, KeyCode::Esc);
        "b lllljjj".chars().for_each(|key| press(&mut model, key));
        assert!(screen(&model).contains("mm at"), "{}", screen(&model));
        press_code(&mut model, KeyCode::Esc);
        "a l l".chars().for_each(|key| press(&mut model, key));
        assert!(
            !screen(&model).contains("detector"),
            "an angle is no length"
        );
    }
}

#[test]
fn the_smallest_screen_with_marks() {
    let mut model = marking(40, 15);
    "r lljj p".chars().for_each(|key| press(&mut model, key));
    insta::assert_snapshot!("marks_draft_40x15", screen(&model));
    press(&mut model, ' ');
    insta::assert_snapshot!("marks_40x15", screen(&model));
}

#[test]
fn the_histogram_stands_in_place_of_the_marks_while_the_window_is_set() {
    let mut model = marking(120, 35);
    assert!(screen(&model).contains(" Marks "));
    press(&mut model, 'w');
    let text = screen(&model);
    assert!(
        !text.contains(" Marks ") && text.contains("window:"),
        "{text}"
    );
    press(&mut model, 'w');
    assert!(screen(&model).contains(" Marks "));
}
