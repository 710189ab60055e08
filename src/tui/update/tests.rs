//! Keys in, state and effects out. Here are the fixtures, and the tests about the image on the screen.

mod background;
mod blinded;
mod comparison;
mod disk;
mod grid;
mod heat_map;
mod list;
mod marks;
mod models;
mod mouse;
mod panes;
mod prognosis;
mod prompt;
mod review;
mod session;
mod study;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::KeyCode;
use ratatui::layout::{Rect, Size};

use super::*;
use crate::domain::{
    Canvas, Finding, InputCheck, LabelCard, ModelCard, Opinion, Pathology, Prediction, Question,
    Score, ScoreKind, View, ViewPosition, Window,
};
use crate::store::News;
use crate::tui::keymap::Keymap;
use crate::tui::model::{ClassifierState, Panes};
use crate::tui::model_choice::ModelChoice;
use crate::tui::worklist::EntryState;
use crate::worker::{BackgroundJob, Facts, Generation, JobOutcome, Shown};

fn path(name: &str) -> Arc<Path> {
    PathBuf::from(name).into()
}

/// A screen over `names`, laid out, with the first image selected.
fn model_of(names: &[&str]) -> Model {
    let mut model = empty_model();
    let images = names.iter().map(|name| path(name)).collect();
    update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    model
}

/// A screen that is laid out, before any image is found or a model is loaded.
fn empty_model() -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(100, 30), "half-blocks");
    model.worklist.set_roots(vec!["".into()]);
    let panes = Panes {
        worklist: Rect::new(1, 1, 38, 10),
        findings: Rect::new(0, 12, 40, 10),
        image: Rect::new(41, 1, 58, 27),
        compared: Rect::default(),
        radiograph: Rect::new(40, 0, 60, 29),
        column: Some(40),
        row: Some(12),
    };
    let canvas = Canvas {
        width: 58,
        height: 54,
        pixel_aspect: 1.0,
    };
    update(
        &mut model,
        Message::LaidOut {
            panes,
            canvas,
            compared: None,
        },
    );
    model
}

fn card() -> ModelCard {
    let label = |name: &str| LabelCard::new(name, Question::Presence, Some(0.5));
    ModelCard {
        labels: vec![label("Pneumonia"), label("COVID-19")],
        ..ModelCard::default()
    }
}

/// A screen over two images, with two models.
fn model_with_two() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    model.choices.all = ["first", "second"].map(choice).to_vec();
    model
}

fn choice(name: &str) -> ModelChoice {
    ModelChoice {
        name: name.to_owned(),
        sha256: name.to_owned(),
    }
}

fn loaded(model: &mut Model, name: &str) {
    let card = ModelCard {
        sha256: name.to_owned(),
        ..card()
    };
    update(
        model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card)))),
    );
}

/// The reader's opinion on an image, saved or not.
fn opinion_of(model: &Model, name: &str) -> Opinion {
    let row = model.worklist.row_of(&path(name)).unwrap();
    model.worklist.row(row).unwrap().opinion()
}

/// The review of an image is saved, and no other session has reviewed it.
fn recorded(model: &mut Model, name: &str) {
    let news = News::Recorded {
        source: path(name),
        content: Default::default(),
        number: 0,
        before: Default::default(),
        opinion: opinion_of(model, name).into(),
    };
    update(model, Message::Review(news));
}

fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    keys.chars()
        .flat_map(|c| press_key(model, KeyCode::Char(c), KeyModifiers::NONE))
        .collect()
}

fn press_key(model: &mut Model, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
    update(model, Message::Key(KeyEvent::new(code, modifiers)))
}

fn selected(model: &Model) -> String {
    model
        .worklist
        .selected()
        .map(|entry| entry.name())
        .unwrap_or_default()
}

fn prediction(score: f32) -> Box<Prediction> {
    Box::new(Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology("Pneumonia".into()),
            question: Question::Presence,
            logit: 0.0,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: None,
            sensitive_point: None,
            calibrated: None,
            conformal: None,
            factors: None,
        }],
        severity: None,
        input: InputCheck::Accepted,
        model_sha256: String::new(),
        preprocess: String::new(),
        elapsed_ms: 1.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    })
}

fn classified(name: &str, generation: Generation, score: f32) -> Message {
    let result = Ok(prediction(score));
    Message::Worker(JobOutcome::Classified {
        source: path(name),
        generation,
        result,
    })
}

fn shown(name: &str, generation: Generation, grey: u8) -> Message {
    let image = crate::domain::PreviewImage {
        width: 1,
        height: 1,
        pixels: vec![grey],
        colour: false,
    };
    let shown = Shown {
        content: Default::default(),
        image: Arc::new(image),
        window: (128.0, 256.0),
        legend: None,
    };
    Message::Worker(JobOutcome::Shown {
        source: path(name),
        generation,
        shown,
    })
}

fn facts() -> Box<Facts> {
    Box::new(Facts {
        content: Default::default(),
        width: 10,
        height: 10,
        pixel_aspect: 1.0,
        scale: crate::domain::FilmScale::PIXELS,
        histogram: Default::default(),
        bits_stored: 8,
        step: 1.0,
        window: (128.0, 256.0),
        table_range: None,
        frames: 1,
        format: "PNG".into(),
        view: ViewPosition::Pa,
        patient: Default::default(),
        uids: Default::default(),
        taken: None,
    })
}

#[test]
fn a_result_of_an_older_selection_or_of_another_file_is_never_shown() {
    let mut model = model_of(&["a.png", "b.png"]);
    let old = model.viewer.generation;
    press(&mut model, "j");
    let new = model.viewer.generation;
    assert!(new > old);

    for stale in [
        classified("a.png", old, 0.9),
        classified("b.png", old, 0.9),
        classified("a.png", new, 0.9),
        shown("a.png", new, 1),
        shown("b.png", old, 1),
    ] {
        update(&mut model, stale);
        assert!(model.prediction().is_none() && model.viewer.shown.is_none());
    }
    update(&mut model, classified("b.png", new, 0.25));
    update(&mut model, shown("b.png", new, 2));
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.25);
    assert!(model.viewer.shown.is_some());
}

#[test]
fn moving_clears_image_facts_view_and_prediction_at_once() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("a.png", generation, 7));
    update(&mut model, classified("a.png", generation, 0.9));
    press(&mut model, "i+");
    assert!(model.viewer.view.inverted);

    press(&mut model, "j");
    assert!(model.prediction().is_none());
    assert!(model.viewer.shown.is_none() && model.viewer.facts.is_none());
    assert_eq!(model.viewer.view, View::default());
}

#[test]
fn returning_to_an_image_shows_its_prediction_and_requests_no_other() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, classified("a.png", generation, 0.75));
    press(&mut model, "j");
    let effects = press(&mut model, "k");
    assert_eq!(model.prediction().unwrap().findings[0].score.value(), 0.75);
    assert!(matches!(&effects[..], [Effect::Select(job)] if job.scored.is_some()));
}

#[test]
fn window_keys_change_the_window_only_in_their_mode() {
    let mut model = model_of(&["a.png", "b.png"]);
    let generation = model.viewer.generation;
    update(&mut model, shown("a.png", generation, 1));
    press(&mut model, "w");
    let effects = press_key(&mut model, KeyCode::Right, KeyModifiers::NONE);
    assert!(matches!(&effects[..], [Effect::Redraw(_)]));
    let Window::Manual { centre, width } = model.viewer.view.window else {
        panic!("not changed")
    };
    assert!(
        (width - 281.6).abs() < 1e-9 && centre == 128.0,
        "{width} {centre}"
    );
    press_key(&mut model, KeyCode::Up, KeyModifiers::NONE);
    assert!(matches!(model.viewer.view.window, Window::Manual { centre, .. } if centre > 128.0));
    assert_eq!(selected(&model), "a.png", "arrows did not move the list");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    press_key(&mut model, KeyCode::Down, KeyModifiers::NONE);
    assert_eq!(selected(&model), "b.png");
}

/// Window, zoom and inversion are for the eyes only.
#[test]
fn changing_the_view_never_requests_a_new_classification() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    update(&mut model, classified("a.png", generation, 0.75));
    for keys in ["i", "+", "2", "3", "=", "0"] {
        for effect in press(&mut model, keys) {
            assert!(
                matches!(effect, Effect::Redraw(job) if job.scored.is_some()),
                "{keys}"
            );
        }
    }
}

#[test]
fn an_unreadable_file_is_a_row_with_a_reason() {
    let mut model = model_of(&["a.png"]);
    let generation = model.viewer.generation;
    let result = Err("damaged: it ends early".into());
    update(
        &mut model,
        Message::Worker(JobOutcome::Opened {
            source: path("a.png"),
            generation,
            result,
            stamp: None,
        }),
    );
    let EntryState::Failed(reason) = &model.worklist.selected().unwrap().state else {
        panic!()
    };
    assert!(reason.contains("ends early"));
    assert!(!model.is_busy() || model.worklist.is_scanning());
}
