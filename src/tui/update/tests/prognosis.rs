//! Outcomes: off at first, shown and hidden by a key, and logged only where they were shown.

use super::*;
use crate::domain::{PrognosisCard, PrognosisEvidence};
use crate::store::{Request, ReviewDraft};

fn outcome() -> PrognosisCard {
    PrognosisCard {
        outcome: "intubation".to_owned(),
        evidence: PrognosisEvidence {
            on: "ieee8023".to_owned(),
            auc: 0.7,
            interval: (0.6, 0.8),
            control_auc: 0.55,
            n: 72,
            patients: 40,
        },
    }
}

/// A screen over two images with a model that foretells an outcome, the first of them shown and scored.
fn foretelling() -> Model {
    let mut model = model_of(&["a.png", "b.png"]);
    let card = ModelCard {
        prognoses: vec![outcome()],
        ..card()
    };
    let loaded = JobOutcome::Model(Ok(Box::new(card)));
    update(&mut model, Message::Worker(loaded));
    let generation = model.viewer.generation;
    let opened = JobOutcome::Opened {
        source: path("a.png"),
        generation,
        result: Ok(facts()),
        stamp: None,
    };
    update(&mut model, Message::Worker(opened));
    update(&mut model, shown("a.png", generation, 7));
    let score = Score::new(0.4, ScoreKind::Sigmoid).unwrap();
    let mut answer = prediction(0.25);
    answer.prognoses = vec![outcome().with(score)];
    let classified = JobOutcome::Classified {
        source: path("a.png"),
        generation,
        result: Ok(answer),
    };
    update(&mut model, Message::Worker(classified));
    model
}

fn draft(effects: Vec<Effect>) -> ReviewDraft {
    let mut drafts = effects.into_iter().filter_map(|effect| match effect {
        Effect::Ask(Request::Record(draft)) => Some(*draft),
        _ => None,
    });
    drafts.next().expect("a review")
}

#[test]
fn a_key_shows_and_hides_them_and_asks_for_nothing() {
    let mut model = foretelling();
    assert!(!model.prognosis, "off by default");
    let effects = press(&mut model, "e");
    let is_work = |effect: &Effect| matches!(effect, Effect::Select(_) | Effect::Redraw(_));
    assert!(!effects.iter().any(is_work), "{effects:?}");
    assert!(model.prognosis);
    press(&mut model, "j");
    assert!(model.prognosis, "it stays while the selection moves");
    press(&mut model, "e");
    assert!(!model.prognosis);
}

#[test]
fn a_model_without_outcomes_says_so() {
    let mut model = model_of(&["a.png"]);
    press(&mut model, "e");
    assert!(!model.prognosis);
    let notice = model.notice.unwrap();
    assert!(notice.contains("foretells no outcome"), "{notice}");
}

#[test]
fn what_the_reader_did_not_see_is_not_logged() {
    let mut model = foretelling();
    let hidden = draft(press(&mut model, "a"));
    let seen = hidden.review.seen.prediction.unwrap();
    assert_eq!((seen.prognoses.len(), seen.findings.len()), (0, 1));
    let said = hidden.prediction.unwrap();
    assert_eq!(said.prognoses.len(), 1, "the model's answer is whole");
    press(&mut model, "e");
    let shown = draft(press(&mut model, "u"));
    let seen = shown.review.seen.prediction.unwrap();
    assert_eq!(seen.prognoses, said.prognoses);
}
