//! Sittings of a study: what is hidden stays hidden after any key.

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

/// The screen is the same for any answer of the model: nothing of it reaches the reader, by any action after any other.
#[test]
fn no_action_shows_anything_of_the_answer_in_a_sitting_without_it() {
    for first in actions() {
        let mut worlds = opposite_worlds(ReadingMode::Unaided);
        try_all(&mut worlds, first);
    }
    for first in [
        Action::Header,
        Action::HeatMap,
        Action::Filter,
        Action::Agree,
    ] {
        let mut worlds = opposite_worlds_of(&sitting_with_header(ReadingMode::Sequential));
        try_all(&mut worlds, first);
    }
}

/// The same after the reader's own call, which shows the answer in the sequential design.
#[test]
fn a_call_shows_nothing_of_the_answer_in_a_sitting_without_it() {
    for first in [
        Action::HeatMap,
        Action::Header,
        Action::Prognosis,
        Action::Agree,
    ] {
        let mut worlds = opposite_worlds(ReadingMode::Unaided);
        let call = |model: &mut Model| {
            for code in [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter] {
                key(model, code);
            }
            record(model);
        };
        both(&mut worlds, call, "called");
        assert!(opinion_of(&worlds[0], "1.dcm").blinded.is_some());
        try_all(&mut worlds, first);
    }
}

/// One action, and then every action.
fn try_all(worlds: &mut [Model; 2], first: Action) {
    let name = first.name();
    both(worlds, |model| drop(act(model, first)), &name);
    for second in actions() {
        let what = format!("{name}, then {}", second.name());
        both(worlds, |model| drop(act(model, second)), &what);
    }
}

/// The same by keys: every key of the keyboard, with what opens by it.
#[test]
fn no_key_shows_anything_of_the_answer() {
    let characters = (' '..='~').map(KeyCode::Char);
    let others = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::Backspace,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::F(1),
    ];
    let keys: Vec<KeyCode> = characters.chain(others).collect();
    let modifiers = [KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT];
    let mut worlds = opposite_worlds(ReadingMode::Unaided);
    for first in &keys {
        for modifier in modifiers {
            let what = format!("{first:?} with {modifier:?}");
            both(
                &mut worlds,
                |model| drop(press_key(model, *first, modifier)),
                &what,
            );
            for then in [
                KeyCode::Char('j'),
                KeyCode::Enter,
                KeyCode::Char('1'),
                KeyCode::Esc,
            ] {
                both(
                    &mut worlds,
                    |model| key(model, then),
                    &format!("{what}, then {then:?}"),
                );
            }
            both(&mut worlds, record, &what);
        }
    }
}

/// A filter or an order by answers would tell them by what it leaves in the list.
#[test]
fn no_filter_and_no_order_tells_the_answer() {
    for text in [
        "pneumonia>0.5",
        "COVID-19>0",
        "refused",
        "ok",
        "caution",
        "reviewed",
        "unreviewed",
        "key",
        "noted",
        "agree",
        "unread",
        "error",
        "1",
        "findings>0",
    ] {
        let mut worlds = opposite_worlds(ReadingMode::Unaided);
        both(&mut worlds, |model| drop(act(model, Action::Filter)), text);
        for c in text.chars() {
            both(&mut worlds, |model| key(model, KeyCode::Char(c)), text);
        }
        both(&mut worlds, |model| key(model, KeyCode::Enter), text);
        both(
            &mut worlds,
            |model| model.worklist.set_filter(text.to_owned()),
            text,
        );
    }
    let mut worlds = opposite_worlds(ReadingMode::Unaided);
    for sort in Sort::all(Some(&card()), 2) {
        both(
            &mut worlds,
            |model| model.worklist.set_sort(sort.clone()),
            sort.word(),
        );
        assert_eq!(
            *worlds[0].worklist.sort(),
            Sort::Name,
            "the order is that of the study"
        );
    }
}

/// Every key over the header that the study shows, where it hides the patient: neither the box nor what is below it has
/// the patient, before a call and after it, and where no call was made, nothing of the answer either.
#[test]
fn a_header_that_is_shown_does_not_show_the_patient() {
    for mode in [
        ReadingMode::Unaided,
        ReadingMode::Sequential,
        ReadingMode::Aided,
    ] {
        let mut worlds = opposite_worlds_of(&sitting_with_header(mode));
        let is_aided = mode == ReadingMode::Aided;
        let mut step = |change: &dyn Fn(&mut Model), what: &str| {
            if !is_aided {
                return both(&mut worlds, change, what);
            }
            for world in &mut worlds {
                change(world);
                again(world);
                anonymous(world, what);
            }
        };
        for code in (' '..='~').map(KeyCode::Char).chain([KeyCode::Enter]) {
            let what = format!("{mode:?}: {code:?} over the header");
            step(
                &|model| {
                    model.overlay = None;
                    press(model, "t");
                },
                &what,
            );
            step(
                &|model| {
                    assert!(screen(model).contains("PatientName"), "{what}");
                    key(model, code);
                },
                &what,
            );
            step(&|model| key(model, KeyCode::Char('P')), &what);
            step(&|model| key(model, KeyCode::Esc), &what);
            step(&|model| model.overlay = None, &what);
        }
        for second in actions() {
            let what = format!("{mode:?}: the header, then {}", second.name());
            step(&|model| drop(act(model, Action::Header)), &what);
            step(&|model| drop(act(model, second)), &what);
            step(&|model| drop(act(model, Action::Identity)), &what);
        }
        // After the call, which shows the answer in the sequential design.
        for mut world in opposite_worlds_of(&sitting_with_header(mode)) {
            for code in [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter] {
                key(&mut world, code);
            }
            record(&mut world);
            assert!(opinion_of(&world, "1.dcm").blinded.is_some());
            for action in [Action::Identity, Action::Header, Action::Identity] {
                act(&mut world, action);
                again(&mut world);
                anonymous(&world, "called");
            }
        }
    }
}

/// In the box of the header the key is refused with the same words as elsewhere, and the box says why.
#[test]
fn the_key_of_the_patient_is_refused_over_the_header_too() {
    let identity = Keymap::bundled();
    let identity = identity.display_key(Action::Identity);
    let mut model = world_of(sitting_with_header(ReadingMode::Aided), [(0.9, false); 3]);
    act(&mut model, Action::Header);
    again(&mut model);
    press(&mut model, &identity);
    assert!(matches!(model.overlay, Some(Overlay::Header(_))));
    let refused = model.notice.clone();
    assert_eq!(
        refused.as_deref(),
        Some("hidden in this study: the patient")
    );
    let shown = screen(&model);
    assert!(
        shown.contains("identifiers hidden in this study"),
        "{shown}"
    );
    assert!(
        shown.contains("hidden in this study: the patient"),
        "{shown}"
    );
    model.overlay = None;
    model.notice = None;
    press(&mut model, &identity);
    assert_eq!(model.notice, refused);
    // Without such a study the same film has a name: the tests above can fail.
    let mut free = world_of(
        StudySitting {
            hides_identity: false,
            ..sitting_with_header(ReadingMode::Aided)
        },
        [(0.9, false); 3],
    );
    act(&mut free, Action::Identity);
    assert!(screen(&free).contains(PATIENT[0]));
}

/// Presses, drags and wheel at many places, over the panes and over a box.
#[test]
fn the_mouse_shows_nothing_that_is_hidden() {
    use MouseButton::{Left, Right};
    use MouseEventKind::{Down, Drag, ScrollDown, ScrollUp, Up};
    let kinds = [
        Down(Left),
        Drag(Left),
        Up(Left),
        ScrollUp,
        Down(Right),
        Drag(Right),
        Up(Right),
        ScrollDown,
    ];
    for mode in [ReadingMode::Unaided, ReadingMode::Sequential] {
        for over in [None, Some(Action::Header), Some(Action::Help)] {
            let mut worlds = opposite_worlds_of(&sitting_with_header(mode));
            both(&mut worlds, |model| drop(act(model, Action::Identity)), "p");
            let places = (0..100)
                .step_by(14)
                .flat_map(|x| [0, 2, 12, 16, 29].map(|y| (x, y)));
            for (column, row) in places {
                for kind in kinds {
                    let mouse = MouseEvent {
                        kind,
                        column,
                        row,
                        modifiers: KeyModifiers::NONE,
                    };
                    let change = |model: &mut Model| {
                        if let Some(action) = over {
                            act(model, action);
                            again(model);
                        }
                        update(model, Message::Mouse(mouse));
                    };
                    both(&mut worlds, change, &format!("{mode:?} {over:?} {mouse:?}"));
                }
            }
        }
    }
}

/// What an earlier session of the same sitting wrote is the reader's own, and tells nothing of the answer either.
#[test]
fn a_second_session_shows_nothing_of_the_answer() {
    let mut first = world(ReadingMode::Unaided, [(0.9, false); 3]);
    for code in [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter] {
        key(&mut first, code);
    }
    let opinion = opinion_of(&first, "1.dcm");
    assert!(opinion.blinded.is_some());
    let mut worlds = opposite_worlds_of(&sitting_with_header(ReadingMode::Unaided));
    let standing = |model: &mut Model| {
        let standing = vec![(path("1.dcm"), ContentId::default(), opinion.clone())];
        update(model, Message::Review(News::Standing(standing)));
    };
    both(&mut worlds, standing, "the earlier session");
    assert_eq!(opinion_of(&worlds[0], "1.dcm"), opinion);
    for first in [Action::Header, Action::HeatMap, Action::Undo, Action::Redo] {
        try_all(&mut worlds, first);
    }
}

/// View, sex and age come from the header, and stay hidden with it wherever they would stand.
#[test]
fn a_hidden_header_is_hidden_in_the_title_too() {
    let title = |sitting| {
        let model = world_of(sitting, [(0.9, false); 3]);
        let screen = screen(&model);
        let told = ["· PA", "F 54y", "10×10"].map(|words| screen.contains(words));
        (told, screen)
    };
    for mode in [
        ReadingMode::Unaided,
        ReadingMode::Sequential,
        ReadingMode::Aided,
    ] {
        let (told, screen) = title(sitting(mode));
        assert_eq!(told, [false, false, true], "{screen}");
        let (told, screen) = title(sitting_with_header(mode));
        assert_eq!(told, [true, true, true], "{screen}");
    }
}

/// Which films are of one patient, and when they were taken, is in their headers, and no part of a sitting. Outside of one
/// it is on the screen.
#[test]
fn films_of_one_patient_are_not_tied_together_in_a_sitting() {
    let answers = [(0.2, false), (0.9, false), (0.5, false)];
    let told = |mut model: Model| {
        act(&mut model, Action::Next);
        again(&mut model);
        for (day, index) in ["2020-03-01", "2020-03-05", "2020-03-09"]
            .into_iter()
            .zip(0..)
        {
            let origin = Origin {
                patient: PatientIdentity {
                    id: Some("MRN-4711".into()),
                    name: Some(Fingerprint(1)),
                    ..PatientIdentity::default()
                },
                study: None,
                taken: Some(day.into()),
            };
            model.worklist.set_origin_at(index, origin);
        }
        let screen = screen(&model);
        ["2020-03-05", "prior", "days before"].map(|words| screen.contains(words))
    };
    for mode in [
        ReadingMode::Unaided,
        ReadingMode::Sequential,
        ReadingMode::Aided,
    ] {
        assert_eq!(told(world(mode, answers)), [false; 3], "{mode:?}");
    }
    assert_eq!(told(filled(empty_model(), answers)), [true; 3]);
}

/// A file may be replaced while the sitting is open: what is said of the new film is no reading of the study.
#[test]
fn nothing_is_recorded_about_a_film_that_is_not_of_the_list() {
    let mut model = empty_model();
    model.read_for_study(StudySitting {
        cases: [ContentId::from_digest([1; 32])].into(),
        ..sitting(ReadingMode::Unaided)
    });
    let images = vec![path("1.dcm")];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    again(&mut model);
    for keys in [
        &[KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter][..],
        &[KeyCode::Char('*')],
    ] {
        for code in keys {
            let effects = press_key(&mut model, *code, KeyModifiers::NONE);
            if model.overlay.is_none() && *code != KeyCode::Char('1') {
                let notice = model.notice.clone().unwrap_or_default();
                assert!(notice.contains("not the film of the case list"), "{notice}");
            }
            assert!(drafts(effects).is_empty());
            update(&mut model, Message::Drawn);
        }
        assert!(model.overlay.is_none());
    }
    assert_eq!(opinion_of(&model, "1.dcm"), Opinion::default());
}

/// Beside the answer it is on the screen from the start, so the worlds differ: the comparison above can fail.
#[test]
fn a_sitting_beside_the_answer_shows_it() {
    let [one, other] = opposite_worlds(ReadingMode::Aided);
    assert_ne!(screen(&one), screen(&other));
    assert!(one.prediction().is_some() && !one.is_hidden());
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

#[test]
fn calls_are_recorded_in_the_mode_of_the_sitting_with_their_ratings() {
    for (mode, is_aided) in [(ReadingMode::Unaided, false), (ReadingMode::Aided, true)] {
        let mut model = world(mode, [(0.9, false); 3]);
        let codes = [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Right];
        codes.into_iter().for_each(|code| key(&mut model, code));
        for code in [
            KeyCode::Down,
            KeyCode::Char('='),
            KeyCode::Char('5'),
            KeyCode::Enter,
        ] {
            key(&mut model, code);
        }
        let effects = press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(drafts(effects).len(), 1);
        let found = reading(&model);
        assert_eq!((found.mode, found.position, found.seed), (mode, 1, Some(7)));
        assert_eq!(found.study, Some("ab".repeat(32)));
        assert_eq!(found.model_sha256, "cd".repeat(32));
        assert_eq!(
            (found.unaided.is_some(), found.aided.is_some()),
            (!is_aided, is_aided)
        );
        let call = found.last().unwrap();
        assert_eq!(call.words(), "Pneumonia");
        let ratings: Vec<(&str, u8)> = call.ratings.iter().map(|(l, r)| (l.as_str(), *r)).collect();
        assert_eq!(ratings, [("COVID-19", 5), ("Pneumonia", 60)]);
        record(&mut model);
        // The first call without the answer stands; beside it, the reader may call again.
        press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(matches!(model.overlay, Some(Overlay::Call(_))), is_aided);
        press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
        assert!(
            drafts(press(&mut model, "U")).is_empty(),
            "a first call is not undone"
        );
    }
}

/// Otherwise an aided call would be one that no answer aided.
#[test]
fn a_call_beside_the_answer_waits_for_it() {
    let mut model = empty_model();
    model.read_for_study(sitting(ReadingMode::Aided));
    let images = vec![path("1.dcm")];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    let loaded = JobOutcome::Model(Ok(Box::new(card())));
    update(&mut model, Message::Worker(loaded));
    again(&mut model);
    key(&mut model, KeyCode::Enter);
    assert!(model.overlay.is_none());
    assert!(model.notice.as_ref().unwrap().contains("not there yet"));
    let generation = model.viewer.generation;
    let answered = JobOutcome::Classified {
        source: path("1.dcm"),
        generation,
        result: Ok(prediction(0.9)),
    };
    update(&mut model, Message::Worker(answered));
    key(&mut model, KeyCode::Enter);
    assert!(matches!(model.overlay, Some(Overlay::Call(_))));
}

#[test]
fn a_study_without_ratings_takes_none() {
    let mut model = empty_model();
    model.read_for_study(StudySitting {
        is_rated: false,
        ..sitting(ReadingMode::Unaided)
    });
    let images = vec![path("1.dcm")];
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    update(&mut model, Message::ScanFinished);
    again(&mut model);
    key(&mut model, KeyCode::Enter);
    assert!(matches!(&model.overlay, Some(Overlay::Call(asking)) if asking.rating.is_none()));
    key(&mut model, KeyCode::Right);
    assert!(model.overlay.is_none(), "an arrow is no answer");
}

/// A sitting that asks for marks on lesions by this rule, with one film on the screen.
fn localising(rule: LocalisationRule) -> Model {
    let mut model = world(ReadingMode::Sequential, [(0.9, false); 3]);
    model.read_for_study(StudySitting {
        localises: Some(rule),
        ..sitting(ReadingMode::Sequential)
    });
    again(&mut model);
    model
}

fn typed(model: &mut Model, text: &str) {
    text.chars().for_each(|c| key(model, KeyCode::Char(c)));
    key(model, KeyCode::Enter);
}

#[test]
fn a_mark_on_a_lesion_asks_for_its_rating_and_the_call_waits_for_it() {
    let mut model = localising(LocalisationRule::Inside);
    press(&mut model, "Mp");
    key(&mut model, KeyCode::Enter);
    assert!(
        screen(&model).contains("how sure, 0 to 100"),
        "{}",
        screen(&model)
    );
    typed(&mut model, "101");
    assert!(model.overlay.is_some(), "more than certain");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.unrated_mark(), Some(1));
    press(&mut model, "M");
    // The call is refused, and the choice stays.
    [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter]
        .into_iter()
        .for_each(|code| key(&mut model, code));
    assert!(matches!(model.overlay, Some(Overlay::Call(_))));
    assert!(
        model
            .notice
            .as_ref()
            .unwrap()
            .contains("mark 1 has no rating")
    );
    assert!(opinion_of(&model, "1.dcm").blinded.is_none());
    key(&mut model, KeyCode::Esc);
    press(&mut model, "M");
    key(&mut model, KeyCode::Tab);
    press(&mut model, "n");
    typed(&mut model, " 70 ");
    let mark = opinion_of(&model, "1.dcm").marks[0].clone();
    assert_eq!((mark.confidence, mark.label), (Some(70), None));
    press(&mut model, "M");
    [KeyCode::Enter, KeyCode::Char('1'), KeyCode::Enter]
        .into_iter()
        .for_each(|code| key(&mut model, code));
    let opinion = opinion_of(&model, "1.dcm");
    assert_eq!(
        opinion.blinded.unwrap().unaided.unwrap().words(),
        "Pneumonia"
    );
    assert_eq!(opinion.marks.len(), 1);
}

#[test]
fn a_ruler_needs_no_rating_and_a_point_has_no_overlap() {
    let mut model = localising(LocalisationRule::Overlap(500));
    press(&mut model, "Mp");
    assert!(model.marking.draft.is_none());
    assert!(model.notice.as_ref().unwrap().contains("by a box: b"));
    press(&mut model, "r");
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::Right);
    key(&mut model, KeyCode::Enter);
    assert!(model.overlay.is_none() && model.unrated_mark().is_none());
    assert_eq!(opinion_of(&model, "1.dcm").marks.len(), 1);
    // Without such a study, a number alone is a label.
    press(&mut model, "n");
    typed(&mut model, "70");
    let mark = opinion_of(&model, "1.dcm").marks[0].clone();
    assert_eq!((mark.confidence, mark.label.as_deref()), (None, Some("70")));
}

#[test]
fn what_the_study_hides_or_fixes_is_refused_with_a_reason() {
    let mut model = world(ReadingMode::Aided, [(0.9, false); 3]);
    for (action, words) in [
        (Action::Identity, "hidden in this study"),
        (Action::Header, "hidden in this study"),
        (Action::Report, "only here"),
        (Action::OpenFilm, "only here"),
        (Action::OpenFolder, "only here"),
        (Action::Sort, "the study fixes"),
        (Action::Reverse, "the study fixes"),
        (Action::Prevalence, "the study fixes"),
        (Action::NextModel, "the study fixes"),
        (Action::Grid, "one at a time"),
        (Action::Compare, "one at a time"),
    ] {
        assert!(act(&mut model, action).is_empty());
        let notice = model.notice.take().unwrap();
        assert!(notice.contains(words), "{}: {notice}", action.name());
        assert!(model.overlay.is_none() && !model.shows_identity() && !model.grid.is_open);
    }
}
