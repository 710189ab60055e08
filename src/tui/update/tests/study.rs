//! Sittings of a study: the films, screens and comparisons that their tests share.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::domain::{
    BlindedReading, ContentId, Fingerprint, HeaderLine, LocalisationRule, Origin, PatientIdentity,
    ReadingMode, Severity,
};
use crate::store::{Request, ReviewDraft};
use crate::tui::keymap::Keymap;
use crate::tui::model::{HeaderRead, StudySitting};
use crate::tui::terminal::Colours;
use crate::tui::view::{Theme, draw};

mod calls;
mod hidden;

const NAMES: [&str; 3] = ["1.dcm", "2.dcm", "3.dcm"];

fn sitting(mode: ReadingMode) -> StudySitting {
    StudySitting {
        mode,
        study: "ab".repeat(32),
        seed: 7,
        questions: vec!["Pneumonia".into(), "COVID-19".into()],
        is_rated: true,
        localises: None,
        hides_identity: true,
        hides_header: true,
        cases: [ContentId::default()].into(),
        model_sha256: "cd".repeat(32),
    }
}

/// The same in a study that hides the patient's name and identifier, and shows the header.
fn sitting_with_header(mode: ReadingMode) -> StudySitting {
    StudySitting {
        hides_header: false,
        ..sitting(mode)
    }
}

/// Whose film it is: in the facts of the file, and in its header.
const PATIENT: [&str; 2] = ["Doe^Jane", "MRN-4711"];

/// The film on the screen, with a patient.
fn film() -> Box<Facts> {
    let mut film = facts();
    let [name, id] = PATIENT.map(|text| Some(text.to_owned()));
    film.patient.name = name;
    film.patient.id = id;
    film.patient.sex = Some("F".to_owned());
    film.patient.age = Some("054Y".to_owned());
    film
}

fn header() -> HeaderRead {
    let line = |tag, keyword: &str, value: &str, is_confidential| HeaderLine {
        tag: Some(tag),
        vr: "LO".into(),
        keyword: keyword.into(),
        value: value.into(),
        is_confidential,
        ..HeaderLine::default()
    };
    let [name, id] = PATIENT;
    let lines = vec![
        line((0x0008, 0x0060), "Modality", "DX", false),
        line((0x0010, 0x0010), "PatientName", name, true),
        line((0x0010, 0x0020), "PatientID", id, true),
    ];
    HeaderRead {
        content: ContentId::default(),
        lines: Some(lines.into()),
    }
}

/// A sitting over three images, all of them scored: the first positive, or refused, as `answers` says.
fn world(mode: ReadingMode, answers: [(f32, bool); 3]) -> Model {
    world_of(sitting(mode), answers)
}

fn world_of(sitting: StudySitting, answers: [(f32, bool); 3]) -> Model {
    let mut model = empty_model();
    model.read_for_study(sitting);
    filled(model, answers)
}

/// With three images, all of them scored.
fn filled(mut model: Model, answers: [(f32, bool); 3]) -> Model {
    let images = NAMES.map(path).into();
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    let loaded = JobOutcome::Model(Ok(Box::new(card())));
    update(&mut model, Message::Worker(loaded));
    for (name, (score, is_refused)) in NAMES.into_iter().zip(answers) {
        let generation = model.viewer.generation;
        let opened = JobOutcome::Opened {
            source: path(name),
            generation,
            result: Ok(film()),
            stamp: None,
        };
        update(&mut model, Message::Worker(opened));
        update(&mut model, shown(name, generation, 7));
        let mut answer = prediction(score);
        answer.severity = Some(Severity {
            geographic_extent: 8.0 * score,
            opacity: 0.0,
            geographic_extent_error: None,
            opacity_error: None,
        });
        if is_refused {
            answer.input = InputCheck::Refused(vec!["a lateral view".into()]);
            answer.findings.clear();
        }
        let answered = JobOutcome::Classified {
            source: path(name),
            generation,
            result: Ok(answer),
        };
        update(&mut model, Message::Worker(answered));
        act(&mut model, Action::Next);
    }
    act(&mut model, Action::First);
    again(&mut model);
    model
}

/// The image on the screen is opened and shown again.
fn again(model: &mut Model) {
    let Some(source) = model.viewer.source.clone() else {
        return;
    };
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: source.clone(),
        generation,
        result: Ok(film()),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    let name = source.to_string_lossy().into_owned();
    update(model, shown(&name, generation, 7));
    if matches!(model.overlay, Some(Overlay::Header(_))) {
        let read = Ok(header());
        update(model, Message::Header { source, read });
    }
}

fn screen(model: &Model) -> String {
    let Size { width, height } = model.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(Colours::None);
    terminal
        .draw(|frame| {
            draw(model, &theme, None, frame);
        })
        .unwrap();
    terminal.backend().to_string()
}

fn actions() -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    for binding in Keymap::bundled().bindings() {
        if !actions.contains(&binding.action) {
            actions.push(binding.action);
        }
    }
    assert!(actions.len() > 60);
    actions
}

/// Two worlds in which the model says the opposite of every image.
fn opposite_worlds(mode: ReadingMode) -> [Model; 2] {
    opposite_worlds_of(&sitting(mode))
}

fn opposite_worlds_of(sitting: &StudySitting) -> [Model; 2] {
    [
        [(0.93, false), (0.04, false), (0.0, true)],
        [(0.04, false), (0.0, true), (0.93, false)],
    ]
    .map(|answers| world_of(sitting.clone(), answers))
}

/// Nothing on the screen tells whose film it is. Returns the screen.
fn anonymous(model: &Model, what: &str) -> String {
    let screen = screen(model);
    for words in PATIENT {
        let words = &words[..4];
        assert!(!screen.contains(words), "{what}: {screen}");
    }
    screen
}

fn both(worlds: &mut [Model; 2], mut change: impl FnMut(&mut Model), what: &str) {
    for world in worlds.iter_mut() {
        change(world);
        again(world);
    }
    let [one, other] = [0, 1].map(|world| anonymous(&worlds[world], what));
    assert_eq!(one, other, "{what}");
}

fn key(model: &mut Model, code: KeyCode) {
    press_key(model, code, KeyModifiers::NONE);
    update(model, Message::Drawn);
}

fn record(model: &mut Model) {
    for name in NAMES {
        recorded(model, name);
    }
}

fn drafts(effects: Vec<Effect>) -> Vec<ReviewDraft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

fn reading(model: &Model) -> BlindedReading {
    opinion_of(model, "1.dcm").blinded.unwrap()
}
