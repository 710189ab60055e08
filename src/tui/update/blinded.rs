//! Blinded reading: the reader's own call first, then the model's answer, then perhaps another call.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, review};
use crate::domain::{BlindedReading, Call, Question};
use crate::tui::model::{LABEL_KEYS, Model, Overlay, Phase};

const COVID: &str = "COVID-19";
const PNEUMONIA: &str = "Pneumonia";

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
    let present = called.map(|reading| reading.last().present.clone());
    let present = present.unwrap_or_default();
    let labels = labels.into_iter().map(|label| {
        let is_present = present.contains(&label);
        (label, is_present)
    });
    model.overlay = Some(Overlay::Call {
        labels: labels.collect(),
    });
    vec![]
}

/// The labels of the model that stand on their own.
fn asked(model: &Model) -> Vec<String> {
    let labels = model.card().map_or(&[][..], |card| &card.labels).iter();
    let alone = labels.filter(|label| label.question == Question::Presence);
    alone.map(|label| label.name.clone()).collect()
}

/// A label's key says whether it is there, `0` that none is, Enter commits.
pub fn on_key(model: &mut Model, mut labels: Vec<(String, bool)>, key: KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Enter => return commit(model, &labels),
        KeyCode::Char('0') if plain => {
            labels.iter_mut().for_each(|(_, present)| *present = false);
            return commit(model, &labels);
        }
        KeyCode::Char(c) if plain => match LABEL_KEYS.find(c).filter(|at| *at < labels.len()) {
            Some(at) => toggle(&mut labels, at),
            None => return review::say(model, "no call: that key is no label's"),
        },
        _ => return review::say(model, "no call"),
    }
    model.overlay = Some(Overlay::Call { labels });
    vec![]
}

fn toggle(labels: &mut [(String, bool)], at: usize) {
    labels[at].1 ^= true;
    // COVID-19 is called on a pneumonia. The screen shows it, and a key takes it back.
    if labels[at].0 == COVID && labels[at].1 {
        let pneumonia = labels.iter_mut().filter(|(label, _)| label == PNEUMONIA);
        pneumonia.for_each(|(_, present)| *present = true);
    }
}

fn commit(model: &mut Model, labels: &[(String, bool)]) -> Vec<Effect> {
    let Some(phase) = on_screen(model) else {
        return review::say(model, "the image is not on the screen: no call");
    };
    let now = Instant::now();
    let watch = model.blinded.as_ref().map(|blinded| &blinded.watch);
    let present = labels.iter().filter(|(_, present)| *present);
    let call = Call {
        present: present.map(|(label, _)| label.clone()).collect(),
        took: watch.map_or_else(Default::default, |watch| watch.took(&phase, now)),
    };
    let unaided = BlindedReading {
        asked: labels.iter().map(|(label, _)| label.clone()).collect(),
        unaided: call.clone(),
        aided: None,
        model_sha256: model.card().map(|c| c.sha256.clone()).unwrap_or_default(),
        seed: model.blinded.as_ref().and_then(|blinded| blinded.seed),
        position: model.worklist.cursor() + 1,
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
