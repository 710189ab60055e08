//! Blinded reading: the answer stays hidden until the reader's own call is on the disk.

use super::*;
use crate::domain::{Act, BlindedReading, CallChange, Opinion};
use crate::store::{Draft, Request};
use crate::tui::worklist::Sort;

fn reading(names: &[&str]) -> Model {
    let mut model = model_of(names);
    model.read_blinded(None);
    look_at(&mut model, names[0]);
    model
}

/// The image comes, and what the model says of it.
fn look_at(model: &mut Model, name: &str) {
    let generation = model.viewer.generation;
    let opened = Outcome::Opened {
        source: path(name),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(model, Message::Worker(opened));
    update(model, shown(name, generation, 7));
    update(model, classified(name, generation, 0.9));
}

fn drafts(effects: Vec<Effect>) -> Vec<Draft> {
    let draft = |effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    };
    effects.into_iter().filter_map(draft).collect()
}

fn enter(model: &mut Model) -> Vec<Draft> {
    drafts(press_key(model, KeyCode::Enter, KeyModifiers::NONE))
}

#[test]
fn the_answer_is_hidden_until_the_call_is_on_the_disk() {
    let mut model = reading(&["a.png"]);
    assert!(model.is_answered() && model.prediction().is_none() && model.is_hidden());
    for key in ["a", "d", "u"] {
        assert!(drafts(press(&mut model, key)).is_empty());
        assert!(model.notice.as_ref().unwrap().contains("own call"), "{key}");
    }
    assert!(enter(&mut model).is_empty(), "it asks first");
    press(&mut model, "1");
    let draft = enter(&mut model).remove(0);
    assert_eq!(draft.review.act, Act::Called);
    let BlindedReading {
        asked,
        unaided,
        aided,
        position,
        ..
    } = held(&model, "a.png").blinded.unwrap();
    assert_eq!(
        (asked, unaided.present),
        (
            vec!["Pneumonia".to_owned(), "COVID-19".to_owned()],
            vec!["Pneumonia".to_owned()]
        )
    );
    assert_eq!((aided, position), (None, 1));
    // Not seen, and kept all the same.
    assert_eq!(draft.review.seen.prediction, None);
    assert!(draft.prediction.is_some());

    assert!(model.prediction().is_none(), "not on the disk yet");
    recorded(&mut model, "a.png");
    assert!(model.prediction().is_some() && model.worklist.reviewed() == 1);
    let verdict = drafts(press(&mut model, "a")).remove(0);
    assert!(verdict.review.seen.prediction.is_some());
    assert!(verdict.review.change.judgement.is_some());
    assert_eq!(verdict.review.change.call, None, "it says nothing of that");
    assert!(held(&model, "a.png").blinded.is_some());
    assert!(
        model.prediction().is_some(),
        "it stays while that is written"
    );
}

#[test]
fn the_first_call_stands_and_the_second_can_be_taken_back() {
    let mut model = reading(&["a.png"]);
    press(&mut model, "*");
    enter(&mut model);
    press(&mut model, "0");
    recorded(&mut model, "a.png");
    recorded(&mut model, "a.png");
    enter(&mut model);
    press(&mut model, "1");
    let change = enter(&mut model).remove(0).review.change;
    assert!(matches!(change.call, Some(CallChange::Aided(_))));
    let second = held(&model, "a.png").blinded.unwrap();
    assert_eq!(second.unaided.words(), "none");
    assert_eq!(second.aided.unwrap().words(), "Pneumonia");
    let mut undo = || {
        assert_eq!(drafts(press(&mut model, "U")).len(), 1);
        held(&model, "a.png")
    };
    let Opinion {
        key_image, blinded, ..
    } = undo();
    let blinded = blinded.unwrap();
    assert!(key_image && blinded.aided.is_none());
    // The flag from before the call goes, the call stays.
    let Opinion {
        key_image, blinded, ..
    } = undo();
    assert_eq!(
        (key_image, blinded.unwrap().unaided.words()),
        (false, "none".to_owned())
    );
    assert!(drafts(press(&mut model, "U")).is_empty());
}

#[test]
fn neither_an_order_nor_a_filter_tells_what_is_hidden() {
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
fn a_random_order_is_the_same_for_its_seed_and_starts_at_its_top() {
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
