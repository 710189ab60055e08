//! Switching between models. Each keeps its own scores.

use super::image::select_as;
use super::{Effect, say};
use crate::tui::model::{ClassifierState, Model};

/// Switches to the next model: the worklist shows the scores that it made before, and it classifies the image
/// on the screen.
pub fn next(model: &mut Model) -> Vec<Effect> {
    let count = model.choices.all.len();
    if count < 2 {
        return say(model, "no other model here: cxr models import adds one");
    }
    let before = model.choices.current;
    model.choices.current = (before + 1) % count;
    let (from, to) = (
        &model.choices.all[before],
        &model.choices.all[model.choices.current],
    );
    model.worklist.change_model(from, to);
    model.worklist.use_model(&to.sha256);
    model.engine = ClassifierState::Loading;
    model.background.pace.reset();
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

/// Requests the same image under a new generation, so that a late answer of the model before is dropped. The
/// image stays on the screen in the same view; a picture with the heat map of the model before does not.
pub(super) fn select_again(model: &mut Model) -> Vec<Effect> {
    let view = model.viewer.view;
    let (facts, shown) = (model.viewer.facts.take(), model.viewer.shown.take());
    let effects = select_as(model, view);
    model.viewer.facts = facts;
    model.viewer.shown = shown.filter(|shown| shown.legend.is_none());
    effects
}
