//! Background scoring: the rest of the folder, a few images at a time, from the selection on.

use std::time::Instant;

use super::{Effect, heat_map};
use crate::domain::{Failure, Origin, Prediction};
use crate::store::Request;
use crate::tui::model::{BackgroundState, ClassifierState, Model};
use crate::tui::worklist::{EntryState, WorklistEntry};
use crate::worker::{BackgroundJob, FileStamp};

/// Sends the next images to be scored, up to the limit of images in flight. After another selection other
/// images come first, so the jobs that were not begun are cancelled.
pub fn next(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    let (background, viewer) = (&mut model.background, &model.viewer);
    if background.chosen_at != viewer.generation && !background.in_flight.is_empty() {
        effects.push(Effect::CancelBackground);
    }
    background.chosen_at = viewer.generation;
    // The selected image has been requested: it comes before the rest.
    let may_score = viewer.canvas.is_some() && matches!(model.engine, ClassifierState::Ready(_));
    if may_score && viewer.opening.is_none() {
        effects.extend(compared(model));
    }
    let background = &mut model.background;
    let is_ready = may_score && background.state == BackgroundState::On;
    let room = background
        .limit
        .max(1)
        .saturating_sub(background.in_flight.len());
    if !is_ready || room == 0 {
        return effects;
    }
    for (index, source) in model.worklist.next_unread(room, &background.in_flight) {
        background.in_flight.push((index, source.clone()));
        background.pace.start(Instant::now());
        effects.push(Effect::ScoreInBackground(BackgroundJob {
            source,
            model: model.choices.current,
        }));
    }
    effects
}

/// Sends the film beside the selected one before all others, also while background scoring is off: it is on the screen.
fn compared(model: &mut Model) -> Vec<Effect> {
    let unscored = model.comparison.film.source.clone().filter(|(index, _)| {
        let entry = model.worklist.entry(*index);
        entry.is_some_and(WorklistEntry::is_unread)
    });
    let background = &mut model.background;
    let is_sent = |index| background.in_flight.iter().any(|(sent, _)| *sent == index);
    let Some((index, source)) = unscored.filter(|(index, _)| !is_sent(*index)) else {
        return vec![];
    };
    let mut effects = Vec::new();
    if !background.in_flight.is_empty() {
        effects.push(Effect::CancelBackground);
    }
    background.in_flight.push((index, source.clone()));
    background.pace.start(Instant::now());
    effects.push(Effect::ScoreInBackground(BackgroundJob {
        source,
        model: model.choices.current,
    }));
    effects
}

/// Pauses background scoring, or resumes it.
pub fn pause(model: &mut Model) -> Vec<Effect> {
    let (state, notice) = match model.background.state {
        BackgroundState::On => (BackgroundState::Paused, "background scoring paused"),
        BackgroundState::Paused => (BackgroundState::On, "background scoring resumed"),
        BackgroundState::Off => (
            BackgroundState::Off,
            "background scoring is off: --no-background",
        ),
    };
    model.background.state = state;
    model.background.pace.reset();
    model.notice = Some(notice.to_owned());
    vec![Effect::CancelBackground]
}

/// Takes in the result of a background job, unless the image was recorded in another way meanwhile. One for a file that
/// was written to meanwhile is dropped: the file is sent again.
pub fn on_done(
    model: &mut Model,
    job: &BackgroundJob,
    result: Option<Result<Box<Prediction>, Failure>>,
    origin: Option<Box<Origin>>,
    stamp: Option<FileStamp>,
) -> Vec<Effect> {
    let in_flight = &mut model.background.in_flight;
    let mut sources = in_flight.iter();
    let Some(at) = sources.position(|(_, source)| *source == job.source) else {
        return vec![];
    };
    let (index, source) = in_flight.remove(at);
    let is_outdated = model.background.forget_outdated(&source);
    let is_wanted = job.model == model.choices.current && !is_outdated;
    let Some(result) = result.filter(|_| is_wanted) else {
        return vec![];
    };
    model.background.pace.count(Instant::now());
    let on_screen = model.content_of(&source);
    let mut effects = Vec::new();
    let state = match result {
        // The file was replaced between the two reads: the image on the screen counts.
        Ok(prediction) if on_screen.is_some_and(|content| content != prediction.content) => {
            return vec![];
        }
        Ok(prediction) => {
            let content = prediction.content;
            model.worklist.identify_at(index as usize, content, stamp);
            if model.worklist.needs_lookup(index, content) {
                effects.push(Effect::Ask(Request::Opened(source.clone(), content)));
            }
            EntryState::Read(prediction)
        }
        Err(reason) => reason.into(),
    };
    model.worklist.record_unread(index, state);
    if let Some(origin) = origin {
        model.worklist.set_origin_at(index, *origin);
    }
    if model.viewer.source.as_ref() == Some(&source) {
        effects.extend(heat_map::on_prediction(model));
    }
    effects
}
