//! A card, predictions, and models of screens for the tests of this folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use crate::domain::{
    ClassActivationMap, Failure, Finding, HeatMapLegend, InputCheck, LabelActivation, LabelCard,
    ModelCard, OperatingPoint, Pathology, PatientFacts, Prediction, PreviewImage, Question, Region,
    Score, ScoreKind, ViewPosition,
};
use crate::tui::keymap::Keymap;
use crate::tui::model::Model;
use crate::tui::preview::{Blocks, Painter};
use crate::tui::terminal::Colours;
use crate::tui::update::{Message, update};
use crate::tui::view::{Theme, draw, pane_layout};
use crate::worker::{Facts, Generation, JobOutcome, Shown};

pub fn label(name: &str, question: Question, operating_point: Option<f32>) -> LabelCard {
    LabelCard::new(name, question, operating_point)
}

pub fn card() -> ModelCard {
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

pub fn prediction(scores: [f32; 5], input: InputCheck) -> Prediction {
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
            factors: None,
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
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

pub fn activation() -> ClassActivationMap {
    let labels = card().labels.into_iter().zip(1..);
    let region = Region {
        left: 0,
        top: 0,
        width: 2544,
        height: 2544,
    };
    ClassActivationMap {
        attention: Vec::new(),
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

pub const NAMES: [&str; 5] = [
    "IM-0040.dcm",
    "IM-0041.png",
    "IM-0042.dcm",
    "IM-0043\u{1b}[31m.jpg",
    "胸部_山田.png",
];

/// The text of a screen over one file with these scores, after `set_up` has changed the model.
pub fn screen_of_scores(
    size: (u16, u16),
    scores: [f32; 5],
    set_up: impl FnOnce(&mut Model),
) -> String {
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

/// A screen over five files: one scored below its operating points, one above, one refused, one unreadable
/// with a hostile name, and one that is not scored.
pub fn model_of(width: u16, height: u16) -> Model {
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

pub fn lay_out(model: &mut Model) {
    let layout = pane_layout(model);
    let blocks = Blocks::new(Colours::True, (10, 20));
    let canvas = blocks.canvas(layout.image);
    let compared = layout
        .split
        .map(|split| blocks.canvas(split.compared.image));
    update(
        model,
        Message::LaidOut {
            panes: layout.panes(),
            canvas,
            compared,
        },
    );
}

/// The model answers for the image on the screen.
pub fn answer(model: &mut Model, result: Result<Box<Prediction>, Failure>) {
    let (source, generation) = current(model);
    update(
        model,
        Message::Worker(JobOutcome::Classified {
            source,
            generation,
            result,
        }),
    );
}

/// The image on the screen and the generation of its selection.
pub fn current(model: &Model) -> (Arc<Path>, Generation) {
    (
        model.viewer.source.clone().unwrap(),
        model.viewer.generation,
    )
}

/// The image on the screen is opened and shown.
pub fn show(model: &mut Model) {
    let (source, generation) = current(model);
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
        pixel_aspect: 1.0,
        scale: crate::domain::FilmScale::PIXELS,
        histogram: Default::default(),
        bits_stored: 12,
        step: 1.0,
        window: (2048.0, 4096.0),
        table_range: None,
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

pub fn press(model: &mut Model, key: char) {
    update(
        model,
        Message::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)),
    );
}

pub fn press_code(model: &mut Model, key: KeyCode) {
    update(model, Message::Key(KeyEvent::new(key, KeyModifiers::NONE)));
}

/// The screen as text without colours.
pub fn screen(model: &Model) -> String {
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
