//! The film beside the selected one.

use super::*;
use crate::domain::{
    FilmShape, FilmSummary, Fingerprint, Issuer, Origin, PatientIdentity, PreviewImage,
};
use crate::library::Touched;
use crate::tui::model::{BackgroundState, ComparisonKind};
use crate::tui::worklist::NoPrior;
use crate::worker::{ComparedFacts, ComparisonJob, HeaderBatch};

const CANVAS: Canvas = Canvas {
    width: 28,
    height: 40,
    pixel_aspect: 1.0,
};

fn film(issuer: &str, name: u64, taken: &str, view: ViewPosition) -> FilmSummary {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    FilmSummary {
        origin: Origin {
            patient: PatientIdentity {
                id: Some("7".into()),
                issuer: Issuer {
                    local: known(issuer),
                    universal: None,
                },
                name: (name > 0).then_some(Fingerprint(name)),
                ..PatientIdentity::default()
            },
            study: None,
            taken: known(taken),
        },
        view,
        age: None,
    }
}

/// Films of one patient: 1 January PA, 5 January PA, 7 January AP, 9 January PA, and one of another issuer.
fn model() -> Model {
    let mut model = model_of(&["a.dcm", "b.dcm", "c.dcm", "d.dcm", "e.dcm"]);
    let films = [
        ("H", "2020-01-01", ViewPosition::Pa),
        ("H", "2020-01-05", ViewPosition::Pa),
        ("H", "2020-01-07", ViewPosition::Ap),
        ("H", "2020-01-09", ViewPosition::Pa),
        ("K", "2020-01-08", ViewPosition::Pa),
    ];
    let films = (0..).zip(films);
    let films = films.map(|(n, (issuer, taken, view))| (n, None, film(issuer, 0, taken, view)));
    let batch = HeaderBatch {
        films: films.collect(),
        read: 5,
    };
    update(&mut model, Message::Headers(batch));
    model
}

fn lay_out(model: &mut Model) -> Vec<Effect> {
    let (panes, canvas) = (model.panes, model.viewer.canvas.unwrap());
    update(
        model,
        Message::LaidOut {
            panes,
            canvas,
            compared: Some(CANVAS),
        },
    )
}

/// The selected film is opened; its file says what its header said.
fn open(model: &mut Model, film: FilmSummary) -> Vec<Effect> {
    let (source, generation) = (
        model.viewer.source.clone().unwrap(),
        model.viewer.generation,
    );
    let mut facts = facts();
    facts.view = film.view;
    facts.taken = film.origin.taken.clone();
    facts.patient.id = film.origin.patient.id.clone();
    facts.patient.issuer = film.origin.patient.issuer.clone();
    update(
        model,
        Message::Worker(JobOutcome::Opened {
            source,
            generation,
            result: Ok(facts),
            stamp: None,
        }),
    )
}

/// Selects and opens the film of 9 January.
fn at_last(model: &mut Model) -> Vec<Effect> {
    for _ in 0..3 {
        press(model, "j");
    }
    lay_out(model);
    open(model, film("H", 0, "2020-01-09", ViewPosition::Pa))
}

fn asked(effects: &[Effect]) -> Vec<ComparisonJob> {
    let job = |effect: &Effect| match effect {
        Effect::Compare(job) => Some(job.clone()),
        _ => None,
    };
    effects.iter().filter_map(job).collect()
}

fn beside(model: &Model) -> Option<&str> {
    let (_, path) = model.comparison.film.source.as_ref()?;
    path.to_str()
}

fn opened(job: &ComparisonJob, film: FilmSummary) -> Message {
    Message::Worker(JobOutcome::ComparedOpened {
        source: job.source.clone(),
        generation: job.generation,
        result: Ok(Box::new(ComparedFacts {
            content: Default::default(),
            summary: film,
            patient: Default::default(),
            shape: FilmShape {
                width: 10.0,
                height: 10.0,
                pixel_aspect: 1.0,
            },
            bits_stored: 8,
            step: 1.0,
        })),
        stamp: None,
    })
}

fn shown(job: &ComparisonJob) -> Message {
    Message::Worker(JobOutcome::ComparedShown {
        source: job.source.clone(),
        generation: job.generation,
        shown: Shown {
            content: Default::default(),
            image: Arc::new(PreviewImage {
                width: 1,
                height: 1,
                pixels: vec![9],
                colour: false,
            }),
            window: (1.0, 2.0),
            legend: None,
        },
    })
}

#[test]
fn headers_are_read_once_for_each_found_file_and_again_for_a_changed_one() {
    let mut model = empty_model();
    let images = vec![path("a.dcm"), path("b.png"), path("c")];
    let effects = update(
        &mut model,
        Message::Found {
            images,
            problems: vec![],
        },
    );
    let asked = |effects: &[Effect]| {
        let jobs = effects.iter().filter_map(|effect| match effect {
            Effect::ReadHeaders(jobs) => Some(jobs.clone()),
            _ => None,
        });
        let indices = jobs.flatten().map(|(index, _)| index);
        indices.collect::<Vec<_>>()
    };
    assert_eq!(asked(&effects), [0, 2]);
    assert_eq!(asked(&update(&mut model, Message::Tick)), [0; 0]);
}

#[test]
fn the_prior_is_asked_for_once_the_selected_film_is_open() {
    let mut model = model();
    press(&mut model, "C");
    let effects = at_last(&mut model);
    let jobs = asked(&effects);
    assert_eq!(beside(&model), Some("b.dcm"));
    assert_eq!(jobs.len(), 1);
    assert_eq!(
        (&*jobs[0].source, jobs[0].frame.canvas),
        (Path::new("b.dcm"), CANVAS)
    );
    assert!(asked(&update(&mut model, Message::Tick)).is_empty(), "once");
    update(
        &mut model,
        opened(&jobs[0], film("H", 0, "2020-01-05", ViewPosition::Pa)),
    );
    assert!(model.compared_picture().is_none());
    update(&mut model, shown(&jobs[0]));
    assert!(model.compared_picture().is_some());
    // Another selection: nothing of it stays.
    press(&mut model, "k");
    assert!(model.compared_picture().is_none() && model.comparison.film.facts.is_none());
    assert_eq!(beside(&model), None, "no earlier AP film");
    // Back again: while the selected film is being opened, the prior is taken only if it is decoded, and not drawn.
    press(&mut model, "W");
    let early = asked(&press(&mut model, "j")).remove(0);
    assert!(early.only_if_ready && early.frame.canvas.width == 0);
    update(
        &mut model,
        opened(&early, film("H", 0, "2020-01-05", ViewPosition::Pa)),
    );
    let effects = open(&mut model, film("H", 0, "2020-01-09", ViewPosition::Pa));
    let drawn = asked(&effects).remove(0);
    assert!(!drawn.only_if_ready && drawn.generation == early.generation);
    // In the window that the selected film will be shown in: its picture is not waited for.
    assert!(model.viewer.shown.is_none());
    let window = Window::Manual {
        centre: 128.0,
        width: 256.0,
    };
    assert_eq!(
        (drawn.frame.canvas, drawn.frame.view.window),
        (CANVAS, window)
    );
}

#[test]
fn an_answer_for_another_film_or_an_older_request_is_dropped() {
    let mut model = model();
    press(&mut model, "C");
    let first = asked(&at_last(&mut model)).remove(0);
    let second = asked(&press(&mut model, "[")).remove(0);
    assert_eq!(beside(&model), Some("a.dcm"));
    assert!(second.generation > first.generation);
    for job in [
        first.clone(),
        ComparisonJob {
            source: first.source.clone(),
            ..second.clone()
        },
        ComparisonJob {
            generation: first.generation,
            ..second.clone()
        },
    ] {
        update(&mut model, opened(&job, FilmSummary::default()));
        update(&mut model, shown(&job));
        assert!(model.comparison.film.facts.is_none() && model.comparison.film.shown.is_none());
    }
}

#[test]
fn the_timeline_goes_both_ways_and_ends_at_its_ends() {
    let mut model = model();
    at_last(&mut model);
    press(&mut model, "[");
    assert_eq!(
        beside(&model),
        Some("b.dcm"),
        "the first key shows the prior"
    );
    assert!(model.comparison.on);
    press(&mut model, "[");
    press(&mut model, "[");
    assert_eq!(beside(&model), Some("a.dcm"));
    assert!(model.notice.as_ref().unwrap().contains("no earlier film"));
    press(&mut model, "]");
    press(&mut model, "]");
    assert_eq!(beside(&model), Some("c.dcm"), "another view");
    let kind = model.compared().unwrap().kind;
    assert_eq!(kind, ComparisonKind::Timeline { place: 3, films: 4 });
    press(&mut model, "]");
    assert!(model.notice.as_ref().unwrap().contains("no later film"));
    // The choice is for this film only.
    press(&mut model, "k");
    press(&mut model, "j");
    assert_eq!(beside(&model), Some("b.dcm"));
    // The other issuer's patient is not in the timeline.
    press(&mut model, "j");
    assert_eq!(model.counterpart(), Err(NoPrior::NoneEarlier));
    press(&mut model, "[");
    assert!(model.notice.as_ref().unwrap().contains("no other film"));
}

#[test]
fn a_marked_film_stands_beside_every_other_one() {
    let mut model = model();
    press(&mut model, "x");
    assert_eq!(beside(&model), None, "not beside itself");
    press(&mut model, "G");
    assert_eq!(beside(&model), Some("a.dcm"));
    assert_eq!(model.compared().unwrap().kind, ComparisonKind::Marked);
    press(&mut model, "g");
    press(&mut model, "g");
    press(&mut model, "x");
    press(&mut model, "G");
    assert_eq!(beside(&model), None);
}

#[test]
fn a_prior_that_cannot_be_opened_gives_way_to_the_one_before() {
    let mut model = model();
    press(&mut model, "C");
    let job = asked(&at_last(&mut model)).remove(0);
    let effects = update(
        &mut model,
        Message::Worker(JobOutcome::ComparedOpened {
            source: job.source,
            generation: job.generation,
            result: Err("damaged".into()),
            stamp: None,
        }),
    );
    assert_eq!(beside(&model), Some("a.dcm"));
    assert_eq!(asked(&effects).len(), 1);
    let kind = model.compared().unwrap().kind;
    assert_eq!(kind, ComparisonKind::Prior { unreadable: 1 });
    // Chosen from the timeline it is shown with its reason.
    press(&mut model, "]");
    assert_eq!(beside(&model), Some("b.dcm"));
}

#[test]
fn a_file_that_turns_out_to_be_another_patients_is_no_prior() {
    let mut model = model();
    press(&mut model, "C");
    let job = asked(&at_last(&mut model)).remove(0);
    update(
        &mut model,
        opened(&job, film("K", 0, "2020-01-05", ViewPosition::Pa)),
    );
    assert_eq!(beside(&model), Some("a.dcm"));
    update(&mut model, shown(&job));
    assert!(model.compared_picture().is_none());
}

#[test]
fn the_prior_is_scored_first_and_also_without_background_scoring() {
    let mut model = model();
    model.background.state = BackgroundState::Off;
    press(&mut model, "C");
    let effects = at_last(&mut model);
    let sent = |effects: &[Effect]| {
        let jobs = effects.iter().filter_map(|effect| match effect {
            Effect::ScoreInBackground(job) => Some(job.source.display().to_string()),
            _ => None,
        });
        jobs.collect::<Vec<_>>()
    };
    let all: Vec<String> = sent(&effects);
    let is_in_flight = |model: &Model| model.background.in_flight.iter().any(|(i, _)| *i == 1);
    assert!(is_in_flight(&model), "{all:?}");
    assert!(sent(&update(&mut model, Message::Tick)).is_empty(), "once");
    let done = JobOutcome::Background {
        job: BackgroundJob {
            source: path("b.dcm"),
            model: 0,
        },
        result: Some(Ok(prediction(0.25))),
        origin: None,
        stamp: None,
    };
    update(&mut model, Message::Worker(done));
    assert_eq!(
        model.compared_prediction().unwrap().findings[0]
            .score
            .value(),
        0.25
    );
    assert!(
        sent(&update(&mut model, Message::Tick)).is_empty(),
        "and no other"
    );
}

#[test]
fn a_file_that_holds_another_image_is_opened_again() {
    let mut model = model();
    press(&mut model, "C");
    let job = asked(&at_last(&mut model)).remove(0);
    let summary = film("H", 0, "2020-01-05", ViewPosition::Pa);
    update(&mut model, opened(&job, summary));
    update(&mut model, shown(&job));
    let other = crate::domain::ContentId::from_digest([7; 32]);
    model.worklist.identify_at(1, other, None);
    let again = asked(&update(&mut model, Message::Tick)).remove(0);
    assert!(again.source == job.source && again.generation > job.generation);
    assert!(model.compared_picture().is_none());
}

#[test]
fn linked_films_have_the_same_window_and_zoom_where_their_values_allow_it() {
    let mut model = model();
    press(&mut model, "C");
    let job = asked(&at_last(&mut model)).remove(0);
    update(
        &mut model,
        opened(&job, film("H", 0, "2020-01-05", ViewPosition::Pa)),
    );
    let generation = model.viewer.generation;
    update(&mut model, super::shown("d.dcm", generation, 3));
    press(&mut model, "+");
    assert_eq!(model.compared_view(), View::default());
    let linked = asked(&press(&mut model, "W")).remove(0).frame.view;
    assert!((linked.zoom - 1.25).abs() < 1e-9);
    assert_eq!(
        linked.window,
        Window::Manual {
            centre: 128.0,
            width: 256.0
        }
    );
    // Other grey values: the numbers would mean something else.
    model.comparison.film.facts.as_mut().unwrap().bits_stored = 12;
    assert_eq!(model.compared_view().window, Window::File);
}

#[test]
fn what_was_shown_of_the_prior_is_told_to_the_log_but_not_while_it_is_hidden() {
    for is_blinded in [false, true] {
        let mut model = model();
        if is_blinded {
            model.read_blinded(None);
        }
        press(&mut model, "C");
        // No row of the list is on the screen: what is told is the prior's.
        model.panes.worklist.height = 0;
        at_last(&mut model);
        let state = EntryState::Read(prediction(0.5));
        model.worklist.record(Path::new("b.dcm"), state);
        update(&mut model, Message::Tick);
        assert_eq!(model.compared_prediction().is_none(), is_blinded);
        assert_eq!(model.reviews.answers_shown.is_empty(), is_blinded);
    }
}

/// The file of the film beside the selected one is written to while it is opened, or stands there.
#[test]
fn a_film_beside_whose_file_was_written_to_is_opened_again() {
    let mut model = model();
    at_last(&mut model);
    let job = asked(&press(&mut model, "C")).remove(0);
    let first = film("H", 0, "2020-01-05", ViewPosition::Pa);
    let touch = |model: &mut Model| {
        let touched = vec![Touched {
            path: path("b.dcm"),
            exists: true,
            stamp: None,
            unread: None,
        }];
        let asked = false;
        update(model, Message::Touched { touched, asked })
    };
    let effects = touch(&mut model);
    update(&mut model, opened(&job, first.clone()));
    assert!(model.comparison.film.facts.is_none(), "the answer is late");
    // Its header is read again, and says the same: it is still the prior.
    let jobs = effects.iter().any(
        |effect| matches!(effect, Effect::ReadHeaders(jobs) if jobs.iter().any(|(n, _)| *n == 1)),
    );
    assert!(jobs, "{effects:?}");
    let batch = || HeaderBatch {
        films: vec![(1, None, film("H", 0, "2020-01-05", ViewPosition::Pa))],
        read: 1,
    };
    let effects = update(&mut model, Message::Headers(batch()));
    let job = asked(&effects).remove(0);
    update(&mut model, opened(&job, first));
    assert!(model.comparison.film.facts.is_some());
    touch(&mut model);
    assert!(model.comparison.film.facts.is_none());
}

/// The reader's marks on the prior are drawn there, unless an answer that they may tell is hidden.
#[test]
fn the_marks_of_the_prior_are_asked_for_with_its_picture() {
    let with_marks = |hides: bool| {
        let mut model = model();
        if hides {
            model.read_blinded(None);
        }
        let mark = crate::domain::Mark::new(
            crate::domain::MarkKind::Point,
            vec![crate::domain::MarkPoint::at(3.0, 4.0)],
            crate::domain::FilmScale::PIXELS,
        );
        let opinion = Opinion {
            marks: vec![mark.unwrap()],
            ..Opinion::default()
        };
        let standing = vec![(path("b.dcm"), Default::default(), opinion)];
        update(&mut model, Message::Review(News::Standing(standing)));
        press(&mut model, "C");
        let first = asked(&at_last(&mut model)).remove(0);
        assert!(
            first.frame.marks.is_none(),
            "not before it is known which film it is"
        );
        let effects = update(
            &mut model,
            opened(&first, film("H", 0, "2020-01-05", ViewPosition::Pa)),
        );
        let asked_again = asked(&effects).pop();
        (model, asked_again.and_then(|job| job.frame.marks))
    };
    let (mut model, marks) = with_marks(false);
    assert_eq!(marks.unwrap().marks.len(), 1);
    model.marking.are_hidden = true;
    let hidden = asked(&update(&mut model, Message::Tick)).remove(0);
    assert!(hidden.frame.marks.is_none());
    let (model, marks) = with_marks(true);
    assert!(model.is_hidden() && marks.is_none());
}
