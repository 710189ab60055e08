//! What a sitting hides: no key, click, filter, order or second session shows it.

use super::*;

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

/// View, sex and age come from the header, and stay hidden with it in every place.
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
