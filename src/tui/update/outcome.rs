//! Results of the worker.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Effect, background, comparison, grid, header, heat_map, session};
use crate::domain::{Failure, Prediction};
use crate::tui::model::{ClassifierState, Model};
use crate::tui::worklist::{EntryState, FilterTerms};
use crate::worker::{Facts, FileStamp, JobOutcome, Shown};

/// Takes in a result, unless it belongs to an older selection or to another image.
pub fn on_outcome(model: &mut Model, outcome: JobOutcome) -> Vec<Effect> {
    if let Some((source, generation)) = outcome.answers() {
        let current =
            generation == model.viewer.generation && model.viewer.source.as_ref() == Some(source);
        // Its file was written to after it was asked for, and it is asked again.
        let is_outdated = model.viewer.is_outdated && !matches!(outcome, JobOutcome::Shown { .. });
        if !current || is_outdated {
            return vec![];
        }
    }
    match outcome {
        // After two presses of the key, the first model's card arrives too late.
        JobOutcome::Model(Ok(card)) if !model.choices.is_current(&card) => {}
        JobOutcome::Model(Ok(card)) => {
            model
                .worklist
                .set_terms(FilterTerms::new(&card, &model.assumed));
            model.worklist.use_model(&card.sha256);
            model.engine = ClassifierState::Ready(card);
            return session::check(model);
        }
        JobOutcome::Model(Err(failure)) if failure.model != model.choices.current => {}
        JobOutcome::Model(Err(failure)) => {
            model.engine = ClassifierState::Failed(failure.reason);
            model.viewer.classifying = None;
        }
        JobOutcome::Opened {
            source,
            result: Ok(facts),
            stamp,
            ..
        } => on_opened(model, &source, *facts, stamp),
        JobOutcome::Opened {
            source,
            result: Err(reason),
            ..
        } => {
            model.viewer.opening = None;
            model.worklist.record(&source, reason.into());
        }
        JobOutcome::Background {
            job,
            result,
            origin,
            stamp,
        } => return background::on_done(model, &job, result, origin, stamp),
        JobOutcome::CacheDisabled(reason) => {
            model.notice = Some(format!("scores are not kept: {reason}"));
            model.background.cache_disabled = Some(reason);
        }
        JobOutcome::Thumbnail {
            source,
            canvas,
            result,
        } => grid::on_thumbnail(model, source, canvas, result),
        // An older view than the newest is better than none: the newest one follows.
        JobOutcome::Shown { source, shown, .. } => {
            let opened = model.content_of(&source);
            if opened.is_none_or(|content| content == shown.content) {
                model.viewer.shown = Some(shown);
            }
        }
        JobOutcome::ComparedOpened { .. } | JobOutcome::ComparedShown { .. } => {
            comparison::on_outcome(model, outcome);
        }
        JobOutcome::Classified { source, result, .. } => {
            return on_classified(model, &source, result);
        }
    }
    vec![]
}

fn on_opened(model: &mut Model, source: &Path, facts: Facts, stamp: Option<FileStamp>) {
    if model.worklist.identify(source, facts.content, stamp) {
        model.notice = Some(super::image::REPLACED.to_owned());
    }
    // The file may have been replaced: a picture of another image must not stand beside these facts.
    let is_other = |shown: &Shown| shown.content != facts.content;
    model.viewer.shown.take_if(|shown| is_other(shown));
    header::on_opened(model, source, facts.content);
    model.worklist.set_film(source, facts.summary());
    model.viewer.facts = Some(facts);
    model.viewer.opening = None;
    let is_asked = !model.is_answered() || model.viewer.map_asked;
    if is_asked && !matches!(model.engine, ClassifierState::Failed(_)) {
        model.viewer.classifying = Some(Instant::now());
    }
}

fn on_classified(
    model: &mut Model,
    source: &Arc<Path>,
    result: Result<Box<Prediction>, Failure>,
) -> Vec<Effect> {
    let opened = model.content_of(source);
    let is_other =
        |prediction: &Prediction| opened.is_some_and(|content| content != prediction.content);
    if result.as_ref().is_ok_and(|prediction| is_other(prediction)) {
        return vec![];
    }
    model.viewer.classifying = None;
    let state = match result {
        Ok(mut prediction) => {
            // They are large, and the list holds the predictions of the whole folder.
            let fields = prediction.lung_fields.take();
            model.viewer.lungs = fields.map(|fields| (prediction.content, fields));
            EntryState::Read(prediction)
        }
        Err(reason) => reason.into(),
    };
    model.worklist.record(source, state);
    heat_map::on_prediction(model)
}
