//! Blinded reading: the reader's own call first, then the model's answer, then perhaps another call.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, review};
use crate::domain::{BlindedReading, COVID, Call, PNEUMONIA, Question};
use crate::tui::model::{Asking, LABEL_KEYS, Model, NONE_KEY, Overlay, Phase};

/// Asks which labels the reader sees; what they called last is chosen already.
pub fn ask(model: &mut Model) -> Vec<Effect> {
    if model.blinded.is_none() {
        return review::say(model, "calls are made while reading blinded: cxr --blinded");
    }
    let opinion = match review::selected(model) {
        Ok((source, content, opinion)) => {
            model.about = Some((source, content));
            opinion
        }
        Err(reason) => return review::say(model, reason),
    };
    if model.worklist.fixed_order().is_some() && model.worklist.is_scanning() {
        return review::say(
            model,
            "not yet: the images are still being found, and their order with them",
        );
    }
    let called = opinion.blinded;
    let labels = match &called {
        Some(reading) => reading.asked.clone(),
        None => asked(model),
    };
    if labels.is_empty() {
        return review::say(
            model,
            "the model is not there yet, so its labels are not known",
        );
    }
    let present = called
        .as_ref()
        .map(|reading| reading.last().present.as_slice());
    model.overlay = Some(Overlay::Call(Asking::new(labels, present)));
    vec![]
}

/// The labels of the model that stand on their own.
fn asked(model: &Model) -> Vec<String> {
    let labels = model.card().map_or(&[][..], |card| &card.labels).iter();
    let alone = labels.filter(|label| label.question == Question::Presence);
    alone.map(|label| label.name.clone()).collect()
}

/// A label's key chooses it or takes it back, [`NONE_KEY`] chooses none of them, and Enter commits what
/// is chosen and was drawn: neither one key pressed twice nor what was typed ahead or pasted makes a
/// call, which cannot be taken back.
pub fn on_key(model: &mut Model, mut asking: Asking, key: KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter => return enter(model, asking),
        KeyCode::Char(NONE_KEY) if plain => {
            let labels = asking.labels.iter_mut();
            labels.for_each(|(_, present)| *present = false);
            asking.none = true;
        }
        KeyCode::Char(c) if plain => match LABEL_KEYS.find(c) {
            Some(at) if at < asking.labels.len() => toggle(&mut asking, at),
            _ => return review::say(model, "no call: that key is no label's"),
        },
        _ => return review::say(model, "no call"),
    }
    asking.is_drawn = false;
    model.overlay = Some(Overlay::Call(asking));
    vec![]
}

fn toggle(asking: &mut Asking, at: usize) {
    let labels = &mut asking.labels;
    labels[at].1 ^= true;
    asking.none = false;
    // COVID-19 is called on a pneumonia. The screen shows it, and a key takes it back.
    if labels[at].0 == COVID && labels[at].1 {
        let pneumonia = labels.iter_mut().filter(|(label, _)| label == PNEUMONIA);
        pneumonia.for_each(|(_, present)| *present = true);
    }
}

/// What is chosen is on the screen now.
pub fn on_drawn(model: &mut Model) {
    if let Some(Overlay::Call(asking)) = &mut model.overlay {
        asking.is_drawn = true;
    }
}

fn enter(model: &mut Model, asking: Asking) -> Vec<Effect> {
    let obstacle = match asking.chosen() {
        None => format!("nothing chosen: a label's key, or {NONE_KEY} for none of them"),
        Some(_) if !asking.is_drawn => {
            "typed before it was on the screen: Enter again records it".to_owned()
        }
        Some(present) => return commit(model, &asking, present),
    };
    model.overlay = Some(Overlay::Call(asking));
    review::say(model, &obstacle)
}

fn commit(model: &mut Model, asking: &Asking, present: Vec<String>) -> Vec<Effect> {
    let Some(phase) = on_screen(model) else {
        return review::say(model, "the image is not on the screen: no call");
    };
    let now = Instant::now();
    let watch = model.blinded.as_ref().map(|blinded| &blinded.watch);
    let call = Call {
        present,
        took: watch.map_or_else(Default::default, |watch| watch.took(&phase, now)),
    };
    let called = review::selected(model).ok();
    let called = called.and_then(|(.., opinion)| opinion.blinded);
    if called.is_some_and(|reading| reading.last().present == call.present) {
        return review::say(model, "you called just that: nothing new to record");
    }
    let place = model.worklist.place_in_order(&phase.source);
    let unaided = BlindedReading {
        asked: asking
            .labels
            .iter()
            .map(|(label, _)| label.clone())
            .collect(),
        unaided: call.clone(),
        aided: None,
        model_sha256: model.card().map(|c| c.sha256.clone()).unwrap_or_default(),
        seed: model.blinded.as_ref().and_then(|blinded| blinded.seed),
        position: place.unwrap_or_default(),
    };
    review::call(model, |reading| match reading {
        Some(reading) => reading.aided = Some(call),
        None => *reading = Some(unaided),
    })
}

/// The image on the screen, and whether its answer is there, too.
fn on_screen(model: &Model) -> Option<Phase> {
    let (source, ..) = review::selected(model).ok()?;
    let entry = model.worklist.selected()?;
    Some(Phase {
        source,
        aided: !model.worklist.is_hidden(entry),
    })
}

/// Times what is on the screen now.
pub fn clock(model: &mut Model) {
    let phase = on_screen(model);
    if let Some(blinded) = &mut model.blinded {
        blinded.watch.switch(phase, Instant::now());
    }
}

/// A random order has no first image before all are found, and whoever comes back has a place.
pub fn on_all_found(model: &mut Model) {
    let is_left = model.session.wanted.is_some();
    let is_begun = model.blinded.as_ref().is_none_or(|blinded| blinded.begun);
    if !is_left && !is_begun {
        model.worklist.go_to(0);
    }
}
