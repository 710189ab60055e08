//! Blinded reading: the answer stays hidden until the reader's own call is saved.

use std::time::{Duration, Instant};

use super::*;
use crate::domain::{Act, BlindedReading, CallChange, ContentId, Opinion, Verdict};
use crate::store::{News, Request, ReviewDraft};
use crate::tui::model::Phase;
use crate::tui::worklist::Sort;

fn reading(names: &[&str]) -> Model {
    let mut model = model_of(names);
    model.read_blinded(None);
    look_at(&mut model, names[0]);
    model
}

/// The image is opened, shown and classified.
fn look_at(model: &mut Model, name: &str) {
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path(name),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    update(model, shown(name, generation, 7));
    update(model, classified(name, generation, 0.9));
}

fn drafts(effects: Vec<Effect>) -> Vec<ReviewDraft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

fn enter(model: &mut Model) -> Vec<ReviewDraft> {
    drafts(press_key(model, KeyCode::Enter, KeyModifiers::NONE))
}

/// The screen is drawn, and Enter pressed.
fn confirm(model: &mut Model) -> Vec<ReviewDraft> {
    update(model, Message::Drawn);
    enter(model)
}

#[test]
fn the_answer_is_hidden_until_the_call_is_saved() {
    let mut model = reading(&["a.png"]);
    assert!(model.is_answered() && model.prediction().is_none() && model.is_hidden());
    for key in ["a", "d", "u"] {
        assert!(drafts(press(&mut model, key)).is_empty());
        assert!(model.notice.as_ref().unwrap().contains("own call"), "{key}");
    }
    assert!(enter(&mut model).is_empty(), "it asks first");
    press(&mut model, "1");
    let draft = confirm(&mut model).remove(0);
    assert_eq!(draft.review.act, Act::Called);
    let BlindedReading {
        asked,
        unaided,
        aided,
        position,
        ..
    } = opinion_of(&model, "a.png").blinded.unwrap();
    assert_eq!(
        (asked, unaided.unwrap().present),
        (
            vec!["Pneumonia".to_owned(), "COVID-19".to_owned()],
            vec!["Pneumonia".to_owned()]
        )
    );
    assert_eq!((aided, position), (None, 1));
    // The prediction was not seen, but it is recorded.
    assert_eq!(draft.review.seen.prediction, None);
    assert!(draft.prediction.is_some());

    assert!(model.prediction().is_none(), "not saved yet");
    recorded(&mut model, "a.png");
    assert!(model.prediction().is_some() && model.worklist.reviewed() == 1);
    let verdict = drafts(press(&mut model, "a")).remove(0);
    assert!(verdict.review.seen.prediction.is_some());
    assert!(verdict.review.change.judgement.is_some());
    assert_eq!(
        verdict.review.change.call, None,
        "the verdict does not change the call"
    );
    assert!(opinion_of(&model, "a.png").blinded.is_some());
    assert!(
        model.prediction().is_some(),
        "it stays while the verdict is being saved"
    );
}

#[test]
fn the_first_call_stands_and_the_second_can_be_undone() {
    let mut model = reading(&["a.png"]);
    press(&mut model, "*");
    enter(&mut model);
    press(&mut model, "0");
    assert_eq!(confirm(&mut model).len(), 1);
    recorded(&mut model, "a.png");
    recorded(&mut model, "a.png");
    enter(&mut model);
    press(&mut model, "1");
    let change = confirm(&mut model).remove(0).review.change;
    assert!(matches!(change.call, Some(CallChange::Aided(_))));
    let second = opinion_of(&model, "a.png").blinded.unwrap();
    assert_eq!(second.unaided.unwrap().words(), "none");
    assert_eq!(second.aided.unwrap().words(), "Pneumonia");
    let mut undo = || {
        assert_eq!(drafts(press(&mut model, "U")).len(), 1);
        opinion_of(&model, "a.png")
    };
    let Opinion {
        key_image, blinded, ..
    } = undo();
    let blinded = blinded.unwrap();
    assert!(key_image && blinded.aided.is_none());
    // The flag from before the call is undone, the call stays.
    let Opinion {
        key_image, blinded, ..
    } = undo();
    assert_eq!(
        (key_image, blinded.unwrap().unaided.unwrap().words()),
        (false, "none".to_owned())
    );
    assert!(drafts(press(&mut model, "U")).is_empty());
}

/// An unaided call cannot be undone: neither a key held down, nor keys typed ahead over a slow line, nor a
/// paste may make one.
#[test]
fn a_call_takes_a_choice_that_was_drawn_and_another_key() {
    let mut model = reading(&["a.png"]);
    for _ in 0..50 {
        assert!(enter(&mut model).is_empty(), "Enter by itself");
        update(&mut model, Message::Drawn);
    }
    assert!(model.notice.as_ref().unwrap().contains("nothing chosen"));
    press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);

    for key in ["0", "1"] {
        // All keys arrive before the next frame.
        let burst = ["\r", key, "\r", "\r"].map(|key| match key {
            "\r" => KeyCode::Enter,
            key => KeyCode::Char(key.chars().next().unwrap()),
        });
        let burst = burst.map(|code| Message::Key(code.into()));
        let made = update(&mut model, Message::Several(burst.into()));
        assert!(drafts(made).is_empty(), "{key}");
        assert!(model.notice.as_ref().unwrap().contains("typed before"));
        assert!(model.is_hidden() && model.awaits_drawing());
        press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
    }
    enter(&mut model);
    update(&mut model, Message::Paste("0\r".into()));
    assert!(matches!(&model.overlay, Some(Overlay::Call(asking)) if asking.chosen().is_none()));

    // Taking a choice back leaves nothing chosen.
    press(&mut model, "11");
    assert!(confirm(&mut model).is_empty());
    press(&mut model, "0");
    assert_eq!(confirm(&mut model).len(), 1);
    let called = opinion_of(&model, "a.png").blinded.unwrap();
    assert_eq!(called.unaided.unwrap().words(), "none");
}

/// Enter is held down past the first call: the answer is shown, and no second call is recorded.
/// What the log gives back later is what is here: else the next change would look like that of another session.
#[test]
fn the_time_of_a_call_is_as_fine_as_in_the_log() {
    let mut model = reading(&["a.png"]);
    std::thread::sleep(std::time::Duration::from_micros(1_500));
    enter(&mut model);
    press(&mut model, "1");
    assert_eq!(confirm(&mut model).len(), 1);
    let took = opinion_of(&model, "a.png")
        .blinded
        .unwrap()
        .unaided
        .unwrap()
        .took;
    assert!(
        took.as_millis() > 0 && took.subsec_nanos().is_multiple_of(1_000_000),
        "{took:?}"
    );
}

#[test]
fn the_same_call_again_is_not_recorded() {
    let mut model = reading(&["a.png"]);
    enter(&mut model);
    press(&mut model, "1");
    assert_eq!(confirm(&mut model).len(), 1);
    recorded(&mut model, "a.png");
    for _ in 0..10 {
        assert!(confirm(&mut model).is_empty());
    }
    let opinion = model.worklist.selected().unwrap().opinion();
    assert_eq!(opinion.blinded.unwrap().aided, None);
}

fn seen_before(model: &mut Model, name: &str) {
    let seen = News::AnswersSeen(vec![(path(name), Default::default(), true)]);
    update(model, Message::Review(seen));
}

/// An opinion that was formed beside the answer in an earlier session reveals the answer.
#[test]
fn an_opinion_formed_beside_the_answer_is_hidden_with_it() {
    let mut model = reading(&["a.png", "b.png", "c.png"]);
    let opinion = |verdict, note: &str, key_image| Opinion {
        verdict,
        note: note.into(),
        key_image,
        ..Opinion::default()
    };
    let none = ContentId::default();
    let opinions = vec![
        (
            path("a.png"),
            none,
            opinion(Some(Verdict::Disagree), "wrong", true),
        ),
        (path("b.png"), none, opinion(None, "as COVID-19", true)),
        (path("c.png"), none, opinion(None, "made without it", true)),
    ];
    update(&mut model, Message::Review(News::Standing(opinions)));
    for name in ["a.png", "b.png"] {
        seen_before(&mut model, name);
    }
    let list = &model.worklist;
    let told = [0, 1, 2].map(|row| list.shown_opinion(row).is_some());
    assert_eq!(told, [false, false, true]);
    let marked = [0, 1, 2].map(|row| list.was_answer_seen(row));
    assert_eq!(marked, [true, true, false]);
    for (filter, rows) in [
        ("disagree", 0),
        ("reviewed", 0),
        ("unreviewed", 3),
        ("key", 1),
        ("noted", 1),
    ] {
        model.worklist.set_filter(filter.into());
        assert_eq!(model.worklist.len(), rows, "{filter}");
    }
    model.worklist.set_filter(String::new());
    model.worklist.set_sort(Sort::Review);
    let names = |model: &Model| {
        let rows = (0..3).map(|row| model.worklist.row(row).unwrap().name());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(names(&model), ["a.png", "b.png", "c.png"]);
    // Back to the image that is on the screen.
    model.worklist.go_to(0);
    // Neither flag nor note can be changed while they are hidden.
    for key in ["*", "c"] {
        assert!(drafts(press(&mut model, key)).is_empty());
        assert!(model.overlay.is_none() && model.notice.as_ref().unwrap().contains("hidden"));
    }
    enter(&mut model);
    press(&mut model, "0");
    assert_eq!(confirm(&mut model).len(), 1);
    let call = opinion_of(&model, "a.png");
    assert_eq!((call.note.as_str(), call.key_image), ("wrong", true));
    recorded(&mut model, "a.png");
    assert!(model.worklist.shown_opinion(0).is_some() && model.worklist.was_answer_seen(0));
}

/// Background scoring opens the image that was known to be there: what is hidden stays hidden.
#[test]
fn opening_an_image_keeps_its_mark() {
    let mut model = reading(&["a.png", "b.png"]);
    let none = ContentId::default();
    let flagged = Opinion {
        key_image: true,
        ..Opinion::default()
    };
    let opinions = vec![(path("b.png"), none, flagged)];
    update(&mut model, Message::Review(News::Standing(opinions)));
    seen_before(&mut model, "b.png");
    model.worklist.identify(Path::new("b.png"), none, None);
    assert!(model.worklist.was_answer_seen(1) && model.worklist.shown_opinion(1).is_none());
    // The answer for another image at that path was not seen.
    let other = ContentId::from_digest([9; 32]);
    model.worklist.identify(Path::new("b.png"), other, None);
    assert!(!model.worklist.was_answer_seen(1));
}

/// Undoing a flag on an image whose answer is still hidden records no answer as seen.
#[test]
fn an_undo_from_another_image_has_not_seen_the_answer() {
    let mut model = reading(&["a.png", "b.png"]);
    press(&mut model, "*");
    recorded(&mut model, "a.png");
    press(&mut model, "j");
    let undone = drafts(press(&mut model, "U")).remove(0);
    assert_eq!(undone.source, path("a.png"));
    assert_eq!(undone.review.seen.prediction, None);
}

/// The recorded position is that in the order of the whole folder, and no key changes the order.
#[test]
fn a_random_order_is_fixed_and_a_filter_changes_no_position() {
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut model = empty_model();
    model.read_blinded(Some(7));
    update(
        &mut model,
        Message::Worker(JobOutcome::Model(Ok(Box::new(card())))),
    );
    let images = names.iter().map(|name| path(name)).collect();
    let problems = vec![];
    update(&mut model, Message::Found { images, problems });
    let shown = |model: &Model| {
        let rows = (0..model.worklist.len()).map(|row| model.worklist.row(row).unwrap().name());
        rows.collect::<Vec<_>>()
    };
    let first = selected(&model);
    look_at(&mut model, &first);
    assert!(enter(&mut model).is_empty() && model.overlay.is_none());
    assert!(model.notice.as_ref().unwrap().contains("still being found"));
    update(&mut model, Message::ScanFinished);
    let order = shown(&model);
    assert_ne!(order, names);
    for key in ["s", "S"] {
        press(&mut model, key);
        assert_eq!(shown(&model), order, "{key}");
        assert!(model.notice.as_ref().unwrap().contains("order is fixed"));
    }
    press(&mut model, "/");
    press(&mut model, "1");
    press_key(&mut model, KeyCode::Enter, KeyModifiers::NONE);
    assert!(model.worklist.len() < 20);
    press(&mut model, "G");
    let name = selected(&model);
    look_at(&mut model, &name);
    enter(&mut model);
    press(&mut model, "0");
    assert_eq!(confirm(&mut model).len(), 1);
    let reading = opinion_of(&model, &name).blinded.unwrap();
    let position = order.iter().position(|other| *other == name).unwrap() + 1;
    assert_eq!((reading.seed, reading.position), (Some(7), position));
    let row = model.worklist.cursor() + 1;
    assert_ne!(position, row, "otherwise the test would prove nothing");
}

#[test]
fn neither_an_order_nor_a_filter_reveals_what_is_hidden() {
    let mut model = reading(&["a.png", "b.png"]);
    let mut seen = vec![];
    for _ in 0..6 {
        press(&mut model, "s");
        seen.push(model.worklist.sort().clone());
    }
    assert!(
        !seen
            .iter()
            .any(|sort| matches!(sort, Sort::Score(_) | Sort::InputCheck))
    );
    model.worklist.set_sort(Sort::Score("Pneumonia".into()));
    assert_ne!(*model.worklist.sort(), Sort::Score("Pneumonia".into()));
    for text in ["pneumonia>0.5", "refused", "a & !found"] {
        press(&mut model, "/");
        press(&mut model, text);
        let message = model.worklist.check(text).unwrap_err().to_string();
        assert!(message.contains("blinded"), "{message}");
        press_key(&mut model, KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(model.worklist.len(), 2, "{text}");
    }
    assert!(model.worklist.check("a.png & unreviewed").is_ok());
}

#[test]
fn a_random_order_depends_on_its_seed_only_and_begins_at_the_top() {
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let order = |seed| {
        let mut model = Model::new(Keymap::bundled(), Size::new(80, 24), "off");
        model.read_blinded(Some(seed));
        for half in names.chunks(10) {
            let images = half.iter().map(|name| path(name)).collect();
            update(
                &mut model,
                Message::Found {
                    images,
                    problems: vec![],
                },
            );
        }
        update(&mut model, Message::ScanFinished);
        assert_eq!(model.worklist.cursor(), 0);
        let rows = (0..20).map(|row| model.worklist.row(row).unwrap().name().to_string());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(order(7), order(7));
    assert_ne!(order(7), order(8));
    assert_ne!(order(7), names);
}

#[test]
fn without_blinded_there_is_no_call() {
    let mut model = model_of(&["a.png"]);
    look_at(&mut model, "a.png");
    assert!(model.prediction().is_some() && !model.is_hidden());
    enter(&mut model);
    assert!(model.overlay.is_none() && model.notice.unwrap().contains("--blinded"));
}

/// The reader stops cxr over lunch, or looks at the film in another program.
#[test]
fn the_time_in_another_program_is_of_no_image() {
    let mut model = reading(&["a.png", "b.png"]);
    let phase = Phase {
        source: path("a.png"),
        aided: false,
    };
    update(&mut model, Message::Tick);
    let took = |model: &Model| {
        let watch = &model.blinded.as_ref().unwrap().watch;
        watch.took(&phase, Instant::now())
    };
    let away_for = Duration::from_secs(2);
    let before = took(&model);
    assert_eq!(away(&mut model, || std::thread::sleep(away_for)), ());
    let after = took(&model);
    assert!(after - before < away_for / 2, "{before:?} {after:?}");
    std::thread::sleep(Duration::from_millis(30));
    assert!(took(&model) > after, "it runs on");
}
