//! Switching between models.

use super::*;
use crate::worker::ModelFailure;

fn score(model: &Model) -> Option<f32> {
    Some(model.prediction()?.findings[0].score.value())
}

#[test]
fn each_model_keeps_its_own_scores() {
    let mut model = model_with_two();
    let first = model.viewer.generation;
    update(&mut model, classified("a.png", first, 0.9));
    assert_eq!((score(&model), model.worklist.read()), (Some(0.9), 1));

    let effects = press(&mut model, "m");
    let [Effect::UseModel(at, 1), Effect::Select(job)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((*at, job.generation), (model.viewer.generation, *at));
    assert!(job.scored.is_none() && job.model == 1 && job.generation > first);
    assert!(matches!(model.engine, ClassifierState::Loading));
    assert_eq!((score(&model), model.worklist.read()), (None, 0));
    let (name, prediction) = model.worklist.other_prediction(0).unwrap();
    assert_eq!((name, prediction.findings[0].score.value()), ("first", 0.9));

    // A late answer of the first model is dropped.
    update(&mut model, classified("a.png", first, 0.8));
    assert_eq!(score(&model), None);
    let second = model.viewer.generation;
    update(&mut model, classified("a.png", second, 0.2));
    assert_eq!(score(&model), Some(0.2));

    let effects = press(&mut model, "m");
    let Some(Effect::Select(job)) = effects.last() else {
        panic!("{effects:?}");
    };
    assert!(job.scored.is_some(), "it is scored already");
    assert_eq!((score(&model), model.worklist.read()), (Some(0.9), 1));
    assert_eq!(model.worklist.other_prediction(0).unwrap().0, "second");
    assert!(model.worklist.other_prediction(1).is_none());
}

#[test]
fn the_card_of_a_model_that_is_no_longer_current_is_dropped() {
    let mut model = model_with_two();
    press(&mut model, "m");
    loaded(&mut model, "first");
    assert!(model.card().is_none());
    loaded(&mut model, "second");
    assert_eq!(model.card().unwrap().sha256, "second");
}

#[test]
fn another_model_changes_neither_the_view_nor_the_picture() {
    let mut model = model_with_two();
    let generation = model.viewer.generation;
    update(&mut model, shown("a.png", generation, 7));
    press(&mut model, "i");
    let view = model.viewer.view;
    press(&mut model, "m");
    assert_eq!(model.viewer.view, view);
    assert!(model.viewer.shown.is_some());
}

#[test]
fn without_another_model_the_notice_says_how_to_add_one() {
    let mut model = model_of(&["a.png"]);
    assert!(press(&mut model, "m").is_empty());
    assert!(
        model
            .notice
            .as_deref()
            .unwrap()
            .contains("cxr models import")
    );
}

/// The failure of a model that is no longer chosen says nothing of the one that is.
#[test]
fn the_failure_of_a_model_that_is_no_longer_current_is_dropped() {
    let mut model = model_with_two();
    press(&mut model, "mm");
    let failed = |model: usize| {
        Message::Worker(JobOutcome::Model(Err(ModelFailure {
            model,
            reason: "broken".to_owned(),
        })))
    };
    update(&mut model, failed(1));
    assert!(matches!(model.engine, ClassifierState::Loading));
    update(&mut model, failed(0));
    assert!(matches!(&model.engine, ClassifierState::Failed(reason) if reason == "broken"));
}
