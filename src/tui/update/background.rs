//! The rest of the folder, a few images at a time, from the selection on.

use std::time::Instant;

use super::{Effect, heat_map};
use crate::domain::{Failure, Origin, Prediction};
use crate::store::Request;
use crate::tui::model::{BackgroundState, ClassifierState, Model};
use crate::tui::worklist::EntryState;
use crate::worker::BackgroundJob;
use crate::worker::FileStamp;

/// Sends for the next images, as many as may be on their way. From another selection others are
/// next: what was not begun is put off.
pub fn next(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    let (behind, viewer) = (&mut model.background, &model.viewer);
    if behind.chosen_at != viewer.generation && !behind.on_their_way.is_empty() {
        effects.push(Effect::PutOff);
    }
    behind.chosen_at = viewer.generation;
    let is_ready = behind.reading == BackgroundState::On
        // Whatever is looked at first has been asked for.
        && viewer.canvas.is_some()
        && matches!(model.engine, ClassifierState::Ready(_));
    let room = behind
        .ahead
        .max(1)
        .saturating_sub(behind.on_their_way.len());
    if !is_ready || room == 0 {
        return effects;
    }
    for (index, source) in model.worklist.next_unread(room, &behind.on_their_way) {
        behind.on_their_way.push((index, source.clone()));
        behind.pace.start(Instant::now());
        effects.push(Effect::ReadBehind(BackgroundJob {
            source,
            model: model.choices.current,
        }));
    }
    effects
}

pub fn pause(model: &mut Model) -> Vec<Effect> {
    let (reading, notice) = match model.background.reading {
        BackgroundState::On => (BackgroundState::Paused, "reading in the background: paused"),
        BackgroundState::Paused => (BackgroundState::On, "reading in the background"),
        BackgroundState::Off => (
            BackgroundState::Off,
            "no reading in the background: --no-background",
        ),
    };
    model.background.reading = reading;
    model.background.pace.forget();
    model.notice = Some(notice.to_owned());
    vec![Effect::PutOff]
}

/// Takes in what was read, unless something was said of it meanwhile.
pub fn on_read(
    model: &mut Model,
    errand: &BackgroundJob,
    result: Option<Result<Box<Prediction>, Failure>>,
    origin: Option<Box<Origin>>,
    stamp: Option<FileStamp>,
) -> Vec<Effect> {
    let on_their_way = &mut model.background.on_their_way;
    let mut sources = on_their_way.iter();
    let Some(at) = sources.position(|(_, source)| *source == errand.source) else {
        return vec![];
    };
    let (index, source) = on_their_way.remove(at);
    let is_wanted = errand.model == model.choices.current;
    let Some(result) = result.filter(|_| is_wanted) else {
        return vec![];
    };
    model.background.pace.count(Instant::now());
    let on_screen = model.content_of(&source);
    let mut effects = Vec::new();
    let state = match result {
        // The file was replaced between the two: the one that is looked at counts.
        Ok(said) if on_screen.is_some_and(|content| content != said.content) => return vec![],
        Ok(said) => {
            let content = said.content;
            model.worklist.identify_at(index as usize, content, stamp);
            if model.worklist.asks_of_log(index, content) {
                effects.push(Effect::Ask(Request::Opened(source.clone(), content)));
            }
            EntryState::Read(said)
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
