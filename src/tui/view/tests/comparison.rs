//! Screens with a film beside the selected one.

use super::*;
use crate::domain::{
    FilmShape, FilmSummary, Issuer, Origin, PatientIdentity, PreviewImage, Severity, ViewPosition,
};
use crate::tui::worklist::EntryState;
use crate::worker::{ComparedFacts, Shown};

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 35), (200, 50), (55, 50)];

fn film(id: &str, issuer: &str, day: &str) -> FilmSummary {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    FilmSummary {
        origin: Origin {
            patient: PatientIdentity {
                id: known(id),
                issuer: Issuer {
                    local: known(issuer),
                    universal: None,
                },
                ..PatientIdentity::default()
            },
            study: None,
            taken: known(day),
        },
        view: ViewPosition::Pa,
        age: Some("054Y".into()),
    }
}

fn severe(extent: f32, scores: [f32; 5]) -> EntryState {
    let mut prediction = prediction(scores, InputCheck::Accepted);
    prediction.severity = Some(Severity {
        geographic_extent: extent,
        opacity: 2.18,
        geographic_extent_error: Some(1.1),
        opacity_error: Some(0.8),
    });
    EntryState::Read(Box::new(prediction))
}

/// The screen of `model_of`: the first two files and the third are films of one patient, the second is selected.
pub fn model(width: u16, height: u16) -> Model {
    let mut model = model_of(width, height);
    for (index, day) in [(0, "2024-02-19"), (1, "2024-03-02"), (2, "2024-03-09")] {
        model.worklist.set_film_at(index, film("4711", "H", day));
    }
    let state = severe(1.94, [0.041, 0.01, 0.3, 0.3, 0.4]);
    model.worklist.record(Path::new(NAMES[0]), state);
    let state = severe(3.12, [0.935, 0.91, 0.1, 0.1, 0.8]);
    model.worklist.record(Path::new(NAMES[1]), state);
    model
}

/// The film beside the selected one is opened and shown.
pub fn show_compared(model: &mut Model) {
    lay_out(model);
    show_selected(model);
    let film = &model.comparison.film;
    let Some((index, source)) = film.source.clone() else {
        return;
    };
    let generation = film.generation;
    let entry = model.worklist.entry(index).unwrap();
    let summary = FilmSummary {
        origin: film_origin(index),
        view: entry.view,
        age: None,
    };
    let facts = ComparedFacts {
        content: Default::default(),
        summary,
        patient: Default::default(),
        shape: FilmShape {
            width: 10.0,
            height: 10.0,
            pixel_aspect: 1.0,
        },
        bits_stored: 12,
        step: 1.0,
    };
    let opened = JobOutcome::ComparedOpened {
        source: source.clone(),
        generation,
        result: Ok(Box::new(facts)),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    let canvas = model.comparison.canvas.unwrap();
    let side = (canvas.width / 2).min(canvas.height);
    let image = PreviewImage {
        width: 2 * side,
        height: side,
        pixels: vec![255; 2 * side * side],
        colour: false,
    };
    let shown = JobOutcome::ComparedShown {
        source,
        generation,
        shown: Shown {
            content: Default::default(),
            image: Arc::new(image),
            window: (1024.0, 2048.0),
            legend: None,
        },
    };
    update(model, Message::Worker(shown));
}

/// The picture of the selected film in its new size; its file says nothing new of the patient.
fn show_selected(model: &mut Model) {
    let (source, generation) = current(model);
    let Some(shown) = model.viewer.shown.clone() else {
        return;
    };
    let canvas = model.viewer.canvas.unwrap();
    let side = (canvas.width / 2).min(canvas.height);
    let image = PreviewImage {
        width: 2 * side,
        height: side,
        pixels: vec![100; 2 * side * side],
        colour: false,
    };
    let shown = Shown {
        image: Arc::new(image),
        ..shown
    };
    let outcome = JobOutcome::Shown {
        source,
        generation,
        shown,
    };
    update(model, Message::Worker(outcome));
}

fn film_origin(index: u32) -> Origin {
    let days = ["2024-02-19", "2024-03-02", "2024-03-09"];
    film("4711", "H", days[index as usize]).origin
}

#[test]
fn the_prior_stands_beside_the_film_at_several_sizes() {
    for (width, height) in SIZES {
        let mut model = model(width, height);
        press(&mut model, 'C');
        show_compared(&mut model);
        let screen = screen(&model);
        for words in [
            "prior, 12 days",
            "Extent 1.9",
            "Extent 3.1",
            "extent ▃▄",
            "this film",
        ] {
            assert!(screen.contains(words), "{words}: {screen}");
        }
        insta::assert_snapshot!(format!("prior_{width}x{height}"), screen);
    }
}

#[test]
fn the_border_says_that_there_is_a_prior() {
    let mut model = model(120, 35);
    let before = screen(&model);
    assert!(before.contains("prior 12 days before [C]"), "{before}");
    press(&mut model, 'C');
    lay_out(&mut model);
    assert!(!screen(&model).contains("[C]"));
    model
        .worklist
        .set_film_at(0, film("4711", "K", "2024-02-19"));
    update(&mut model, Message::Tick);
    lay_out(&mut model);
    let without = screen(&model);
    assert!(without.contains("no prior") && !without.contains("this film"));
}

#[test]
fn whose_film_it_is_stands_in_place_of_the_days_where_it_is_not_the_same_patients() {
    for (id, issuer, words) in [
        ("4711", "K", "marked: another patient"),
        ("", "", "marked: maybe another patient"),
        ("4711", "H", "marked, 7 days after"),
    ] {
        let mut model = model(200, 50);
        press(&mut model, 'j');
        model
            .worklist
            .set_film_at(2, film(id, issuer, "2024-03-09"));
        press(&mut model, 'x');
        press(&mut model, 'k');
        lay_out(&mut model);
        let (source, generation) = current(&model);
        let opened = JobOutcome::Opened {
            source,
            generation,
            result: Err("no picture needed".into()),
            stamp: None,
        };
        update(&mut model, Message::Worker(opened));
        model
            .worklist
            .set_film_at(1, film("4711", "H", "2024-03-02"));
        lay_out(&mut model);
        let screen = screen(&model);
        assert!(screen.contains(words), "{words}: {screen}");
        assert!(screen.contains("marked "), "the row says it");
    }
}

#[test]
fn a_refused_prior_says_so_and_has_no_numbers() {
    let mut model = model(120, 35);
    let mut refused = prediction(
        [0.0; 5],
        InputCheck::Refused(vec!["a colour picture".into()]),
    );
    refused.findings.clear();
    let state = EntryState::Read(Box::new(refused));
    model.worklist.record(Path::new(NAMES[0]), state);
    press(&mut model, 'C');
    show_compared(&mut model);
    let screen = screen(&model);
    assert!(screen.contains("✗ refused: a colour picture"), "{screen}");
    assert!(!screen.contains("Extent 1.9"), "{screen}");
}

#[test]
fn blinded_reading_hides_the_findings_of_the_prior_too() {
    for (width, height) in SIZES {
        let mut model = model(width, height);
        model.read_blinded(None);
        press(&mut model, 'C');
        show_compared(&mut model);
        let screen = screen(&model);
        assert!(screen.contains("prior, 12 days"), "{screen}");
        assert_eq!(screen.matches("answer hidden").count(), 2, "{screen}");
        for words in ["Extent", "extent", "0.041", "0.935", "no finding"] {
            assert!(!screen.contains(words), "{words}: {screen}");
        }
    }
}

#[test]
fn a_small_screen_says_how_to_get_room() {
    let mut model = model(40, 15);
    press(&mut model, 'C');
    lay_out(&mut model);
    let screen = screen(&model);
    assert!(screen.contains("no room"), "{screen}");
    press(&mut model, 'z');
    lay_out(&mut model);
    assert!(model.comparison.canvas.is_some());
}

#[test]
fn a_wide_list_has_columns_for_date_view_and_age() {
    let model = model(200, 50);
    let screen = screen(&model);
    assert!(screen.contains("2024-02-19 PA  54y"), "{screen}");
    let narrow = super::screen(&self::model(120, 35));
    assert!(!narrow.contains("2024-02-19"), "{narrow}");
}

#[test]
fn the_smallest_screen_has_room_for_two_films_without_the_panes() {
    let mut model = model(40, 15);
    press(&mut model, 'C');
    lay_out(&mut model);
    insta::assert_snapshot!("prior_no_room_40x15", screen(&model));
    press(&mut model, 'z');
    show_compared(&mut model);
    insta::assert_snapshot!("prior_40x15", screen(&model));
}

#[test]
fn who_the_films_are_of_is_told_when_asked_for() {
    let mut model = model(200, 50);
    press(&mut model, 'C');
    show_compared(&mut model);
    let facts = model.comparison.film.facts.as_mut().unwrap();
    facts.patient.name = Some("ROE^JANE\u{1b}[31m".into());
    facts.patient.id = Some("0815".into());
    let before = screen(&model);
    assert!(
        !before.contains("ROE") && !before.contains("0815"),
        "{before}"
    );
    press(&mut model, 'P');
    let after = screen(&model);
    assert!(after.contains("before · ROE^JANE"), "{after}");
    assert!(
        after.contains("0815") && after.contains("this film · DOE^JOHN · 4711"),
        "{after}"
    );
}
