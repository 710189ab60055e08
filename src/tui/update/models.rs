//! Another of the models that there are, and what each said of the images.

use super::Effect;
use super::image::select_as;
use crate::tui::model::{ClassifierState, Model};

/// The next model: it takes over what it said before, and reads the image that is looked at.
pub fn next(model: &mut Model) -> Vec<Effect> {
    let count = model.choices.all.len();
    if count < 2 {
        model.notice = Some("no other model here: cxr models import adds one".to_owned());
        return vec![];
    }
    let before = model.choices.current;
    model.choices.current = (before + 1) % count;
    let (from, to) = (
        &model.choices.all[before],
        &model.choices.all[model.choices.current],
    );
    model.worklist.change_model(from, to);
    model.engine = ClassifierState::Loading;
    model.background.pace.forget();
    model.notice = Some(format!(
        "model {} of {count}: {}",
        model.choices.current + 1,
        to.name
    ));
    let mut effects = select_again(model);
    let generation = model.viewer.generation;
    effects.insert(0, Effect::UseModel(generation, model.choices.current));
    effects
}

/// Asks for the same image under a new generation, so that no answer of the model before can come
/// any more. It is looked at as before, without that model's heat map.
pub(super) fn select_again(model: &mut Model) -> Vec<Effect> {
    let view = model.viewer.view;
    let (facts, shown) = (model.viewer.facts.take(), model.viewer.shown.take());
    let effects = select_as(model, view);
    model.viewer.facts = facts;
    model.viewer.shown = shown.filter(|shown| shown.legend.is_none());
    effects
}
