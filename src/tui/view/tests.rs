//! Whole screens, drawn into ratatui's test backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use super::*;
use crate::domain::{
    ClassActivationMap, Failure, Finding, HeatMapLegend, InputCheck, LabelActivation, LabelCard,
    ModelCard, OperatingPoint, Pathology, PatientFacts, Prediction, PreviewImage, Question, Region,
    Score, ScoreKind, ViewPosition,
};
use crate::tui::keymap::Keymap;
use crate::tui::preview::{Blocks, Colours};
use crate::tui::update::{Message, update};
use crate::worker::{Facts, JobOutcome, Shown};

fn label(name: &str, question: Question, operating_point: Option<f32>) -> LabelCard {
    LabelCard::new(name, question, operating_point)
}

fn card() -> ModelCard {
    ModelCard {
        name: "cxr-lite0".into(),
        version: "0.1.0".into(),
        sha256: "3f9a1cde".repeat(8),
        labels: vec![
            label("Pneumonia", Question::Presence, Some(0.6)),
            label("COVID-19", Question::Presence, Some(0.5)),
            label("Bacterial", Question::GivenPneumonia, None),
            label("Viral", Question::GivenPneumonia, None),
            label("COVID-19 given pneumonia", Question::GivenPneumonia, None),
        ],
        limits: vec!["Not for diagnosis.".into()],
        ..ModelCard::default()
    }
}

fn prediction(scores: [f32; 5], input: InputCheck) -> Prediction {
    let findings = card()
        .labels
        .into_iter()
        .zip(scores)
        .map(|(label, score)| Finding {
            label: Pathology(label.name),
            question: label.question,
            logit: 0.0,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: label.operating_point.map(OperatingPoint),
            sensitive_point: None,
            calibrated: None,
            conformal: None,
        })
        .collect();
    Prediction {
        content: Default::default(),
        findings,
        severity: None,
        input,
        model_sha256: card().sha256,
        preprocess: "cxr-1".into(),
        elapsed_ms: 11.2,
        activation: Some(Arc::new(activation())),
    }
}

fn activation() -> ClassActivationMap {
    let labels = card().labels.into_iter().zip(1..);
    let region = Region {
        left: 0,
        top: 0,
        width: 2544,
        height: 2544,
    };
    ClassActivationMap {
        width: 2,
        height: 1,
        labels: labels
            .map(|(label, n)| LabelActivation {
                label: Pathology(label.name),
                bias: 0.0,
                values: vec![-0.5, 4.2 * n as f32],
            })
            .collect(),
        region,
    }
}

const NAMES: [&str; 5] = [
    "IM-0040.dcm",
    "IM-0041.png",
    "IM-0042.dcm",
    "IM-0043\u{1b}[31m.jpg",
    "胸部_山田.png",
];

/// A screen over one file of which the model says this.
fn screen_saying(size: (u16, u16), scores: [f32; 5], set_up: impl FnOnce(&mut Model)) -> String {
    let mut model = Model::new(Keymap::bundled(), Size::new(size.0, size.1), "half-blocks");
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    lay_out(&mut model);
    let images = vec![Arc::from(PathBuf::from("a.png"))];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    answer(
        &mut model,
        Ok(Box::new(prediction(scores, InputCheck::Accepted))),
    );
    show(&mut model);
    set_up(&mut model);
    screen(&model)
}

/// Nothing is certain, and nothing that was not found has a number in the list.
#[test]
fn no_number_is_more_than_it_is() {
    let sizes = [(40, 15), (80, 24), (120, 35), (200, 50)];
    for size in sizes {
        let text = screen_saying(size, [1.0, 1.0, 0.0, 0.0, 1.0], |_| ());
        assert!(text.contains("> 0.999"), "{text}");
        let healthy = screen_saying(size, [0.194, 0.0, 0.02, 0.021, 0.959], |_| ());
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

/// A healthy film, and the report of the issue that said two things at once.
#[test]
fn causes_are_on_the_screen_only_where_they_agree_with_what_is_found() {
    for size in [(40, 15), (80, 24), (120, 35), (200, 50)] {
        let healthy = screen_saying(size, [0.194, 0.02, 0.02, 0.021, 0.959], |model| {
            press(model, 'd');
        });
        let torn = screen_saying(size, [0.9, 0.02, 0.01, 0.007, 0.983], |model| {
            press(model, 'd')
        });
        for (text, share) in [(healthy, "0.959"), (torn, "0.983")] {
            for words in [share, "Bacterial", "given", "after all"] {
                assert!(!text.contains(words), "{words}, {size:?}:\n{text}");
            }
        }
    }
    let text = screen_saying((80, 24), [0.9, 0.02, 0.01, 0.007, 0.983], |_| ());
    assert!(text.contains("cause: can't tell"), "{text}");
    let text = screen_saying((80, 24), [0.2, 0.9, 0.01, 0.007, 0.983], |_| ());
    assert!(
        text.contains("COVID-19: can't") && !text.contains("0.900"),
        "{text}"
    );
    // A map of a cause would show what is not told.
    let asked = |model: &mut Model| {
        model.heat_map.on = true;
        let label = Pathology("COVID-19 given pneumonia".into());
        model.heat_map.choice = crate::domain::HeatMapChoice::Label(label);
        assert!(model.heat_map_layer().is_none());
    };
    screen_saying((80, 24), [0.194, 0.02, 0.02, 0.021, 0.959], asked);
}

/// A screen over five files: one read below its operating points, one above, one refused, one
/// unreadable, and one with a hostile name.
fn model_of(width: u16, height: u16) -> Model {
    let mut model = Model::new(Keymap::bundled(), Size::new(width, height), "half-blocks");
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    lay_out(&mut model);
    let images = NAMES
        .iter()
        .map(|name| Arc::from(PathBuf::from(name)))
        .collect();
    update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    update(&mut model, Message::ScanFinished);
    for (scores, input) in [
        ([0.041, 0.01, 0.3, 0.3, 0.4], InputCheck::Accepted),
        ([0.935, 0.91, 0.1, 0.1, 0.8], InputCheck::Accepted),
        (
            [0.0; 5],
            InputCheck::Refused(vec!["a colour picture (93 % of it)".into()]),
        ),
    ] {
        let mut prediction = prediction(scores, input);
        if matches!(prediction.input, InputCheck::Refused(_)) {
            prediction.findings.clear();
            prediction.activation = None;
        }
        answer(&mut model, Ok(Box::new(prediction)));
        press(&mut model, 'j');
    }
    answer(
        &mut model,
        Err("damaged: it ends after 1,204 of 90,112 bytes".into()),
    );
    press(&mut model, 'k');
    press(&mut model, 'k');
    show(&mut model);
    model
}

fn lay_out(model: &mut Model) {
    let layout = PaneLayout::of(model);
    let canvas = Blocks::new(Colours::True, (10, 20)).canvas(layout.image);
    update(
        model,
        Message::LaidOut {
            panes: layout.panes(),
            canvas,
        },
    );
}

fn answer(model: &mut Model, result: Result<Box<Prediction>, Failure>) {
    let (source, generation) = now(model);
    update(
        model,
        Message::Worker(JobOutcome::Classified {
            source,
            generation,
            result,
        }),
    );
}

fn now(model: &Model) -> (Arc<Path>, crate::worker::Generation) {
    (
        model.viewer.source.clone().unwrap(),
        model.viewer.generation,
    )
}

fn show(model: &mut Model) {
    let (source, generation) = now(model);
    let patient = PatientFacts {
        sex: Some("M".into()),
        age: Some("054Y".into()),
        name: Some("DOE^JOHN".into()),
        id: Some("4711".into()),
        ..PatientFacts::default()
    };
    let facts = Facts {
        content: Default::default(),
        width: 2544,
        height: 3056,
        bits_stored: 12,
        step: 1.0,
        frames: 1,
        format: "DICOM".into(),
        view: ViewPosition::Pa,
        patient,
        uids: Default::default(),
        taken: None,
    };
    let outcome = JobOutcome::Opened {
        source: source.clone(),
        generation,
        result: Ok(Box::new(facts)),
        stamp: None,
    };
    update(model, Message::Worker(outcome));
    let canvas = model.viewer.canvas.unwrap();
    // Square, of pixels that are half as wide as high. Rows of one grey each: half-blocks draw them.
    let side = (canvas.width / 2).min(canvas.height);
    let pixels = (0..2 * side * side)
        .map(|i| (i / (2 * side) * 255 / side) as u8)
        .collect();
    let image = PreviewImage {
        width: 2 * side,
        height: side,
        pixels,
        colour: false,
    };
    let shown = Shown {
        content: Default::default(),
        image: Arc::new(image),
        window: (1024.0, 2048.0),
        legend: model.heat_map_layer().map(|layer| HeatMapLegend {
            subject: layer.map.subject.clone(),
            range: layer.map.range(),
            opacity: layer.opacity,
            ramp: vec![[0, 0, 255], [128; 3], [255, 100, 0]],
        }),
    };
    update(
        model,
        Message::Worker(JobOutcome::Shown {
            source,
            generation,
            shown,
        }),
    );
}

fn press(model: &mut Model, key: char) {
    update(
        model,
        Message::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)),
    );
}

/// The screen as text, painted in letters so that the image can be read too.
fn screen(model: &Model) -> String {
    let Size { width, height } = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(Colours::None);
    let mut blocks = Blocks::new(Colours::True, (10, 20));
    terminal
        .draw(|frame| {
            draw(model, &theme, Some(&mut blocks), frame);
        })
        .unwrap();
    terminal.backend().to_string()
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

/// Every layout says of what the heat map is, what its colours stand for, and what it cannot say.
#[test]
fn the_screen_with_a_heat_map_at_several_sizes() {
    for (width, height) in [(80, 24), (120, 35), (200, 50), (40, 15), (55, 50)] {
        let mut model = model_of(width, height);
        press(&mut model, 'o');
        show(&mut model);
        let screen = screen(&model);
        for words in ["where, not whether", "COVID-19", "8.4", "not for diagnosis"] {
            assert!(screen.contains(words), "{words}: {screen}");
        }
        insta::assert_snapshot!(format!("heat_map_{width}x{height}"), screen);
    }
}

#[test]
fn the_heat_maps_words_go_with_it() {
    let mut model = model_of(120, 35);
    press(&mut model, 'o');
    for _ in 0..6 {
        press(&mut model, 'O');
    }
    show(&mut model);
    assert!(screen(&model).contains("COVID-19 − "), "{}", screen(&model));
    press(&mut model, 'j');
    assert!(!screen(&model).contains("whether"), "another image");
    press(&mut model, 'k');
    press(&mut model, 'o');
    show(&mut model);
    assert!(!screen(&model).contains("whether"), "switched off");
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
    let refused = screen(&model);
    insta::assert_snapshot!("refused", refused);
    assert!(
        !refused.contains("Pneumonia  "),
        "a refused image shows no scores"
    );
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

/// Other keys than usual count in it: no layout may hide that, nor what kind of number is shown.
#[test]
fn the_window_mode_and_the_kind_of_number_are_said_at_every_size() {
    for (width, height) in [(40, 15), (60, 18), (55, 50), (80, 24), (200, 50)] {
        let mut model = model_of(width, height);
        press(&mut model, 'w');
        let screen = screen(&model);
        assert!(screen.contains("score, uncalibrated"), "{screen}");
        assert!(screen.contains("window: ←→"), "{screen}");
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
    let screen = screen(&model);
    assert!(screen.contains("· probability") && !screen.contains("uncalibrated"));
}

mod access;
mod blinded;
mod calibrated;
mod filter;
mod hostile;
mod left_out;
mod many_labels;
mod people;
