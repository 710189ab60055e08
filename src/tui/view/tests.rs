//! Whole screens, drawn into ratatui's test backend.

mod access;
mod blinded;
mod calibrated;
mod comparison;
mod filter;
mod fixtures;
mod grid;
mod header;
mod hostile;
mod left_out;
mod many_labels;
mod marks;
mod people;
mod prognoses;
mod resized;
mod room;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use super::*;
use crate::domain::{
    Failure, Finding, InputCheck, LabelCard, ModelCard, OperatingPoint, Pathology, Prediction,
    Question, Score, ScoreKind, Window,
};
use crate::tui::keymap::Keymap;
use crate::tui::model::BackgroundState;
use crate::tui::preview::Blocks;
use crate::tui::terminal::Colours;
use crate::tui::update::{Message, update};
use crate::worker::JobOutcome;
use fixtures::*;

/// No score is shown as certain, and a row without a finding has no number.
#[test]
fn no_number_claims_too_much() {
    let sizes = [(40, 15), (80, 24), (120, 35), (200, 50)];
    for size in sizes {
        let text = screen_of_scores(size, [1.0, 1.0, 0.0, 0.0, 1.0], |_| ());
        assert!(text.contains("> 0.999"), "{text}");
        let healthy = screen_of_scores(size, [0.194, 0.0, 0.02, 0.021, 0.959], |_| ());
        assert!(healthy.contains("< 0.001") && healthy.contains("no finding"));
        let row = healthy.lines().find(|line| line.contains("no finding"));
        assert!(
            !row.unwrap()
                .split("no finding")
                .next()
                .unwrap()
                .contains('%'),
            "{healthy}"
        );
        for text in [text, healthy] {
            for certain in [" 1.000", " 0.000", "%"] {
                assert!(!text.contains(certain), "{text}");
            }
        }
    }
}

/// A healthy image, and one whose outputs contradict each other.
#[test]
fn causes_are_shown_only_where_they_agree_with_the_findings() {
    for size in [(40, 15), (80, 24), (120, 35), (200, 50)] {
        let healthy = screen_of_scores(size, [0.194, 0.02, 0.02, 0.021, 0.959], |model| {
            press(model, 'd');
        });
        let contradictory = screen_of_scores(size, [0.9, 0.02, 0.01, 0.007, 0.983], |model| {
            press(model, 'd')
        });
        for (text, share) in [(healthy, "0.959"), (contradictory, "0.983")] {
            for words in [share, "Bacterial", "given", "after all"] {
                assert!(!text.contains(words), "{words}, {size:?}:\n{text}");
            }
        }
    }
    let text = screen_of_scores((80, 24), [0.9, 0.02, 0.01, 0.007, 0.983], |_| ());
    assert!(text.contains("cause: can't tell"), "{text}");
    let text = screen_of_scores((80, 24), [0.2, 0.9, 0.01, 0.007, 0.983], |_| ());
    assert!(
        text.contains("COVID-19: can't") && !text.contains("0.900"),
        "{text}"
    );
    // A heat map of a cause would reveal the cause that is not shown.
    let asked = |model: &mut Model| {
        model.heat_map.on = true;
        let label = Pathology("COVID-19 given pneumonia".into());
        model.heat_map.choice = crate::domain::HeatMapChoice::Label(label);
        assert!(model.heat_map_layer().is_none());
    };
    screen_of_scores((80, 24), [0.194, 0.02, 0.02, 0.021, 0.959], asked);
}

#[test]
fn the_main_screen_at_several_sizes() {
    for (width, height) in [(80, 24), (120, 35), (200, 50), (40, 15), (55, 50)] {
        insta::assert_snapshot!(
            format!("main_{width}x{height}"),
            screen(&model_of(width, height))
        );
    }
}

/// Every layout shows the label of the heat map, the meaning of its colours, and its limits.
#[test]
fn the_screen_with_a_heat_map_at_several_sizes() {
    for (width, height) in [(80, 24), (120, 35), (200, 50), (40, 15), (55, 50)] {
        let mut model = model_of(width, height);
        press(&mut model, 'o');
        show(&mut model);
        let screen = screen(&model);
        for words in [
            "where, not how likely",
            "COVID-19",
            "8.4",
            "not for diagnosis",
        ] {
            assert!(screen.contains(words), "{words}: {screen}");
        }
        insta::assert_snapshot!(format!("heat_map_{width}x{height}"), screen);
    }
}

#[test]
fn the_legend_disappears_with_the_heat_map() {
    let mut model = model_of(120, 35);
    press(&mut model, 'o');
    for _ in 0..5 {
        press(&mut model, 'O');
    }
    show(&mut model);
    assert!(screen(&model).contains("COVID-19 − "), "{}", screen(&model));
    press(&mut model, 'j');
    assert!(!screen(&model).contains("how likely"), "another image");
    press(&mut model, 'k');
    press(&mut model, 'o');
    show(&mut model);
    assert!(!screen(&model).contains("how likely"), "switched off");
}

#[test]
fn help_about_and_a_refusal() {
    let mut model = model_of(100, 60);
    press(&mut model, '?');
    insta::assert_snapshot!("help", screen(&model));
    press(&mut model, 'x');
    press(&mut model, 'A');
    insta::assert_snapshot!("about", screen(&model));
    press(&mut model, 'x');
    press(&mut model, 'j');
    // Its sign of progress depends on the time.
    model.viewer.opening = None;
    let refused = screen(&model);
    insta::assert_snapshot!("refused", refused);
    assert!(!refused.contains('━'), "a refused image shows no scores");
}

#[test]
fn every_size_is_drawn_without_a_panic_and_without_an_escape() {
    for (width, height) in [
        (1, 1),
        (2, 2),
        (10, 3),
        (39, 14),
        (60, 18),
        (61, 17),
        (400, 120),
    ] {
        let mut model = model_of(width, height);
        for key in ['o', '?', 'x', 'A', 'x', '/', 'z'] {
            press(&mut model, key);
            if model.viewer.source.is_some() {
                show(&mut model);
            }
            assert!(!screen(&model).contains('\u{1b}'), "{width}×{height}");
        }
    }
}

/// A table has no width and level. The film of the fixture is shown in this window.
#[test]
fn a_film_that_is_shown_through_its_table_has_no_numbers_of_a_window() {
    let mut model = model_of(120, 35);
    let window = "W 2048 L 1024";
    assert!(screen(&model).contains(window));
    let facts = model.viewer.facts.as_mut().unwrap();
    facts.table_range = Some((1024.0, 2048.0));
    press(&mut model, 'w');
    let table = screen(&model);
    assert_eq!(table.matches("VOI LUT").count(), 2, "{table}");
    assert!(!table.contains(window), "{table}");
    // A reader's own window of the same range is one.
    model.viewer.view.window = Window::Manual {
        centre: 1024.0,
        width: 2048.0,
    };
    let own = screen(&model);
    assert!(own.contains(window) && !own.contains("VOI LUT"), "{own}");
}

/// The window mode has keys of its own: no layout may hide that, nor the kind of number that is shown.
#[test]
fn the_window_mode_and_the_kind_of_number_are_visible_at_every_size() {
    for (width, height) in [(40, 15), (60, 18), (55, 50), (80, 24), (200, 50)] {
        let mut model = model_of(width, height);
        press(&mut model, 'w');
        let screen = screen(&model);
        assert!(screen.contains("score, uncalibrated"), "{screen}");
        assert!(screen.contains("window: ←→"), "{screen}");
    }
}

/// The notice disappears with the next key; the words about the pause do not.
#[test]
fn a_pause_of_background_scoring_stays_visible_at_every_size() {
    for (width, height) in [(40, 15), (55, 50), (80, 24), (120, 35), (200, 50)] {
        let mut model = model_of(width, height);
        model.background.state = BackgroundState::On;
        press(&mut model, 'b');
        press(&mut model, 'k');
        let paused = screen(&model);
        assert!(paused.contains("paused"), "{paused}");
        assert!(width < 80 || paused.contains("scored, paused"));
        assert!(paused.contains("[q]uit") && paused.contains("not for diagnosis"));
        press(&mut model, 'b');
        press(&mut model, 'j');
        let resumed = screen(&model);
        assert!(!resumed.contains("paused"), "{resumed}");
    }
}

#[test]
fn identity_is_hidden_until_asked_for() {
    let mut model = model_of(120, 35);
    assert!(!screen(&model).contains("DOE"));
    press(&mut model, 'P');
    let shown = screen(&model);
    assert!(shown.contains("DOE^JOHN") && shown.contains("4711"));
}

#[test]
fn a_raw_sigmoid_is_never_called_a_probability() {
    let mut model = model_of(120, 35);
    assert!(screen(&model).contains("score, uncalibrated"));
    let calibrated = calibrated::card();
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(calibrated)))),
    );
    let probable = screen(&model);
    assert!(probable.contains("· probability") && !probable.contains("uncalibrated"));
    let mut elsewhere = calibrated::card();
    elsewhere
        .labels
        .iter_mut()
        .for_each(|label| label.is_probability = false);
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(elsewhere)))),
    );
    let of_elsewhere = screen(&model);
    let words = ["· probability", "uncalibrated"];
    assert!(
        !words.iter().any(|word| of_elsewhere.contains(word)),
        "{of_elsewhere}"
    );
    assert!(of_elsewhere.contains("Findings · score"), "{of_elsewhere}");
}

/// Without an operating point nothing can be found, and a high score is no row without a finding.
#[test]
fn a_model_without_operating_points_shows_its_highest_score() {
    let mut unjudged = prediction([0.4, 0.93, 0.2, 0.3, 0.5], InputCheck::Accepted);
    for finding in &mut unjudged.findings {
        finding.operating_point = None;
    }
    let mut model = model_of(120, 35);
    let judged = screen(&model);
    assert!(judged.contains("no finding"), "{judged}");
    press(&mut model, 'k');
    press(&mut model, 'k');
    answer(&mut model, Ok(Box::new(unjudged)));
    let screen = screen(&model);
    let row = screen
        .lines()
        .find(|line| line.contains("○ IM-0040.dcm"))
        .unwrap();
    assert!(row.contains("COVID-19") && row.contains("0.930"), "{row}");
}

/// The verdict of another session is about what another model said.
#[test]
fn a_verdict_on_another_models_answer_says_so_and_has_a_sign_of_its_own() {
    use crate::domain::{Opinion, Verdict};
    use crate::store::News;
    let mut model = model_of(90, 30);
    let source = model.viewer.source.clone().unwrap();
    let agreed = Opinion {
        verdict: Some(Verdict::Agree),
        ..Opinion::default()
    };
    let other = "0123456789ab".repeat(5);
    for (judged, sign, words) in [
        (other, "▸m● IM-0041.png", "you: agree (with 0123456789ab)"),
        (card().sha256, "▸✓● IM-0041.png", "you: agree "),
    ] {
        let models = vec![(Default::default(), Some(judged.into()))];
        update(&mut model, Message::Review(News::JudgedModels(models)));
        let standing = vec![(source.clone(), Default::default(), agreed.clone())];
        update(&mut model, Message::Review(News::Standing(standing)));
        let text = screen(&model);
        assert!(text.contains(sign) && text.contains(words), "{text}");
    }
}
