//! Background scoring.

use super::*;
use crate::library::Touched;
use crate::tui::model::BackgroundState;

fn model() -> Model {
    let mut model = model_of(&["a.png", "b.png", "c.png"]);
    model.background.state = BackgroundState::On;
    model
}

fn sent(effects: &[Effect]) -> Vec<String> {
    let jobs = effects.iter().filter_map(|effect| match effect {
        Effect::ScoreInBackground(job) => Some(job.source.display().to_string()),
        _ => None,
    });
    jobs.collect()
}

fn scored(name: &str, score: Option<f32>) -> Message {
    let job = BackgroundJob {
        source: path(name),
        model: 0,
    };
    let result = score.map(|score| Ok(prediction(score)));
    Message::Worker(JobOutcome::Background {
        job,
        result,
        origin: None,
        stamp: None,
    })
}

#[test]
fn one_image_at_a_time_is_sent_until_all_but_the_selection_are_scored() {
    let mut model = model();
    assert_eq!(sent(&update(&mut model, Message::Tick)), ["b.png"]);
    assert_eq!(sent(&update(&mut model, Message::Tick)), [""; 0]);
    assert_eq!(
        sent(&update(&mut model, scored("b.png", Some(0.1)))),
        ["c.png"]
    );
    assert_eq!(model.worklist.read(), 1);
    assert_eq!(
        sent(&update(&mut model, scored("c.png", Some(0.9)))),
        [""; 0]
    );
    assert_eq!(model.worklist.read(), 2);
    assert_eq!(model.worklist.row(2).unwrap().score("Pneumonia"), Some(0.9));
}

#[test]
fn several_images_are_in_flight_and_another_selection_cancels_the_jobs_that_were_not_begun() {
    let names: Vec<String> = (0..9).map(|n| format!("{n}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut model = model_of(&names);
    model.background.state = BackgroundState::On;
    model.background.limit = 3;
    let effects = update(&mut model, Message::Tick);
    assert_eq!(sent(&effects), ["1.png", "2.png", "3.png"]);
    // Answers may arrive in any order.
    let effects = update(&mut model, scored("2.png", Some(0.2)));
    assert_eq!(sent(&effects), ["4.png"]);
    assert_eq!(model.worklist.row(2).unwrap().score("Pneumonia"), Some(0.2));
    let effects = press(&mut model, "G");
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::CancelBackground))
    );
    assert_eq!(sent(&effects), [""; 0], "the limit is reached");
    // Job 1 was begun, jobs 3 and 4 were not.
    assert_eq!(sent(&update(&mut model, scored("3.png", None))), ["7.png"]);
    assert_eq!(sent(&update(&mut model, scored("4.png", None))), ["0.png"]);
    let effects = update(&mut model, scored("1.png", Some(0.1)));
    assert_eq!(sent(&effects), ["3.png"]);
    assert!(
        !effects
            .iter()
            .any(|e| matches!(e, Effect::CancelBackground))
    );
    assert_eq!(model.worklist.read(), 2);
}

#[test]
fn it_stops_while_paused_and_an_answer_of_another_model_is_dropped() {
    let mut model = model();
    update(&mut model, Message::Tick);
    assert_eq!(sent(&press(&mut model, "b")), [""; 0]);
    assert!(model.notice.as_ref().unwrap().contains("paused"));
    assert_eq!(sent(&update(&mut model, scored("b.png", None))), [""; 0]);
    assert_eq!(model.worklist.read(), 0);
    assert_eq!(sent(&press(&mut model, "b")), ["b.png"]);
    // Another model is in use by the time of the answer.
    model.choices.current = 1;
    update(&mut model, scored("b.png", Some(0.5)));
    assert_eq!(model.worklist.read(), 0);
}

#[test]
fn nothing_is_sent_before_there_is_a_model_or_with_no_background() {
    let mut model = model();
    model.engine = ClassifierState::Loading;
    assert_eq!(sent(&update(&mut model, Message::Tick)), [""; 0]);
    let mut model = model_of(&["a.png", "b.png"]);
    assert_eq!(sent(&update(&mut model, Message::Tick)), [""; 0]);
    press(&mut model, "b");
    assert!(model.notice.unwrap().contains("--no-background"));
}

/// Background scoring makes no heat maps: a map is requested once, when the image is on the screen.
#[test]
fn a_missing_heat_map_is_requested_once() {
    let mut model = model();
    update(&mut model, Message::Tick);
    update(&mut model, scored("b.png", Some(0.7)));
    let effects = press(&mut model, "j");
    let asked = |effects: &[Effect]| {
        let mut jobs = effects.iter().filter_map(|effect| match effect {
            Effect::Select(job) => Some((job.scored.is_some(), job.maps)),
            _ => None,
        });
        jobs.next()
    };
    assert_eq!(asked(&effects), Some((true, false)), "its scores are there");
    let effects = press(&mut model, "o");
    assert_eq!(asked(&effects), Some((true, true)));
    let generation = model.viewer.generation;
    let effects = update(&mut model, classified("b.png", generation, 0.7));
    assert_eq!(asked(&effects), None, "it is requested once only");
}

/// The file is written to while a background thread has its old content, or half of it, in memory.
#[test]
fn an_answer_for_what_a_file_held_before_is_dropped_and_the_file_is_scored_again() {
    let touch = |model: &mut Model| {
        let touched = vec![Touched {
            path: path("b.png"),
            exists: true,
            stamp: None,
            unread: None,
        }];
        let asked = false;
        update(model, Message::Touched { touched, asked })
    };
    let failed = || {
        Message::Worker(JobOutcome::Background {
            job: BackgroundJob {
                source: path("b.png"),
                model: 0,
            },
            result: Some(Err("damaged: it ends early".into())),
            origin: None,
            stamp: None,
        })
    };
    for late in [scored("b.png", Some(0.9)), failed()] {
        let mut model = model();
        update(&mut model, Message::Tick);
        assert_eq!(sent(&touch(&mut model)), [""; 0], "it is in flight");
        assert_eq!(sent(&update(&mut model, late)), ["b.png"]);
        let row = model.worklist.row(1).unwrap();
        assert!(row.is_unread() && row.content.is_none());
        update(&mut model, scored("b.png", Some(0.1)));
        assert_eq!(model.worklist.row(1).unwrap().score("Pneumonia"), Some(0.1));
    }
}
