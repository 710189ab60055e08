//! The rest of the folder, one image at a time, from the selection on.

use std::time::Instant;

use super::{Effect, heat_map};
use crate::domain::{Origin, Prediction};
use crate::tui::model::{Engine, Model, Reading};
use crate::tui::worklist::State;
use crate::worker::Errand;

/// Sends for the next image, unless one is on its way.
pub fn next(model: &mut Model) -> Vec<Effect> {
    let behind = &model.background;
    let is_ready = behind.reading == Reading::On
        && behind.on_its_way.is_none()
        // Whatever is looked at first has been asked for.
        && model.viewer.canvas.is_some()
        && matches!(model.engine, Engine::Ready(_));
    if !is_ready {
        return vec![];
    }
    let Some((index, source)) = model.worklist.next_unread() else {
        return vec![];
    };
    model.background.on_its_way = Some((index, source.clone()));
    model.background.pace.start(Instant::now());
    vec![Effect::ReadBehind(Errand {
        source,
        model: model.choices.current,
    })]
}

pub fn pause(model: &mut Model) -> Vec<Effect> {
    let (reading, notice) = match model.background.reading {
        Reading::On => (Reading::Paused, "reading in the background: paused"),
        Reading::Paused => (Reading::On, "reading in the background"),
        Reading::Off => (
            Reading::Off,
            "no reading in the background: --no-background",
        ),
    };
    model.background.reading = reading;
    model.background.pace.forget();
    model.notice = Some(notice.to_owned());
    vec![]
}

/// Takes in what was read, unless something was said of it meanwhile.
pub fn on_read(
    model: &mut Model,
    errand: &Errand,
    result: Option<Result<Box<Prediction>, String>>,
    origin: Option<Box<Origin>>,
) -> Vec<Effect> {
    let on_its_way = model.background.on_its_way.take();
    let Some((index, source)) = on_its_way else {
        return vec![];
    };
    let is_wanted = errand.source == source && errand.model == model.choices.current;
    let Some(result) = result.filter(|_| is_wanted) else {
        return vec![];
    };
    model.background.pace.count(Instant::now());
    let state = match result {
        Ok(prediction) => State::Read(prediction),
        Err(reason) => State::Failed(reason.into()),
    };
    model.worklist.record_unread(index, state);
    if let Some(origin) = origin {
        model.worklist.set_origin_at(index, *origin);
    }
    match model.viewer.source.as_ref() == Some(&source) {
        true => heat_map::on_prediction(model),
        false => vec![],
    }
}
