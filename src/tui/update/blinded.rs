//! Blinded reading: the reader's own call first, then the model's answer, then perhaps a second call.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, review, say};
use crate::domain::{BlindedReading, COVID, Call, PNEUMONIA, Question, ReadingMode};
use crate::tui::keymap::Action;
use crate::tui::model::{Asking, LABEL_KEYS, Model, NONE_KEY, Overlay, Phase};

/// Asks which labels the reader sees. The labels of their last call are chosen already.
pub fn ask(model: &mut Model) -> Vec<Effect> {
    if model.blinded.is_none() {
        return say(model, "calls belong to blinded reading: cxr --blinded");
    }
    let opinion = match review::selected(model) {
        Ok((source, content, opinion)) => {
            model.about = Some((source, content));
            opinion
        }
        Err(reason) => return say(model, reason),
    };
    if model.worklist.fixed_order().is_some() && model.worklist.is_scanning() {
        return say(
            model,
            "the images are still being found: their random order is not fixed yet",
        );
    }
    let called = opinion.blinded;
    if called.is_some() && reading_mode(model) == ReadingMode::Unaided {
        return say(model, "called: in this sitting the first call stands");
    }
    if is_answer_awaited(model) {
        return say(
            model,
            "the answer is not there yet: this call is made beside it",
        );
    }
    let labels = match &called {
        Some(reading) => reading.asked.clone(),
        None => asked(model),
    };
    if labels.is_empty() {
        return say(
            model,
            "the model is still loading, so its labels are not known",
        );
    }
    let is_rated = model.study_sitting().is_none_or(|sitting| sitting.is_rated);
    let last = called.as_ref().and_then(BlindedReading::last);
    model.overlay = Some(Overlay::Call(Asking::new(labels, last, is_rated)));
    vec![]
}

/// Whether the answer may be shown, and is not there yet. A call now would count as one beside an answer that the reader
/// has not seen. Where the model has none, because the film cannot be read, there is nothing to wait for.
fn is_answer_awaited(model: &Model) -> bool {
    let selected = model.worklist.selected();
    selected.is_some_and(|entry| entry.is_unread() && !model.worklist.is_hidden(entry))
}

/// Where the answer is while images are read.
fn reading_mode(model: &Model) -> ReadingMode {
    model
        .study_sitting()
        .map_or(ReadingMode::Sequential, |sitting| sitting.mode)
}

/// The questions of the study, or else the labels of the model that stand on their own.
fn asked(model: &Model) -> Vec<String> {
    if let Some(sitting) = model.study_sitting() {
        return sitting.questions.clone();
    }
    let labels = model.card().map_or(&[][..], |card| &card.labels).iter();
    let alone = labels.filter(|label| label.question == Question::Presence);
    alone.map(|label| label.name.clone()).collect()
}

/// The key of a label chooses it or takes it back, [`NONE_KEY`] chooses none of them, and Enter commits a
/// choice that was drawn. A call cannot be taken back, so neither a key pressed twice nor keys typed ahead or
/// pasted may make one.
pub fn on_key(model: &mut Model, mut asking: Asking, key: KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let rating = asking.rating.as_mut().filter(|_| plain);
    if rating.is_some_and(|rating| rating.on_key(key.code)) {
        asking.is_drawn = false;
        model.overlay = Some(Overlay::Call(asking));
        return vec![];
    }
    match key.code {
        KeyCode::Enter => return enter(model, asking),
        KeyCode::Char(NONE_KEY) if plain => {
            let labels = asking.labels.iter_mut();
            labels.for_each(|(_, present)| *present = false);
            asking.none = true;
        }
        KeyCode::Char(c) if plain => match LABEL_KEYS.find(c) {
            Some(at) if at < asking.labels.len() => toggle(&mut asking, at),
            _ => return say(model, "no call recorded: no label has that key"),
        },
        _ => return say(model, "no call recorded"),
    }
    asking.is_drawn = false;
    model.overlay = Some(Overlay::Call(asking));
    vec![]
}

fn toggle(asking: &mut Asking, at: usize) {
    let labels = &mut asking.labels;
    labels[at].1 ^= true;
    asking.none = false;
    // COVID-19 pneumonia is a pneumonia. The screen shows that both are chosen, and a key takes it back.
    if labels[at].0 == COVID && labels[at].1 {
        let pneumonia = labels.iter_mut().filter(|(label, _)| label == PNEUMONIA);
        pneumonia.for_each(|(_, present)| *present = true);
    }
}

/// The current choice is on the screen now, so Enter may commit it.
pub fn on_drawn(model: &mut Model) {
    if let Some(Overlay::Call(asking)) = &mut model.overlay {
        asking.is_drawn = true;
    }
}

fn enter(model: &mut Model, asking: Asking) -> Vec<Effect> {
    let obstacle = match asking.chosen() {
        None => format!("nothing chosen: press a label's key, or {NONE_KEY} for none of them"),
        Some(_) if !asking.is_drawn => {
            "typed before it was on the screen: press Enter again to record it".to_owned()
        }
        Some(present) => match model.unrated_mark() {
            None => return commit(model, &asking, present),
            Some(number) => unrated(model, number),
        },
    };
    model.overlay = Some(Overlay::Call(asking));
    say(model, &obstacle)
}

/// A mark on a lesion without a rating has no place in the figure, so the call waits for it.
fn unrated(model: &Model, number: usize) -> String {
    let keys = [Action::Mark, Action::MarkNext, Action::MarkLabel];
    let [mark, next, label] = keys.map(|action| model.keymap.display_key(action));
    format!("mark {number} has no rating: Esc, then {mark}, {next} and {label} give it one")
}

fn commit(model: &mut Model, asking: &Asking, present: Vec<String>) -> Vec<Effect> {
    let Some(phase) = on_screen(model) else {
        return say(model, "the image is not on the screen: no call recorded");
    };
    let now = Instant::now();
    let watch = model.blinded.as_ref().map(|blinded| &blinded.watch);
    let took = watch.map_or_else(Default::default, |watch| watch.took(&phase, now));
    let call = Call {
        present,
        // As the log holds it: a finer time would look like the call of another session when the log is read next.
        took: Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        ratings: ratings(asking),
    };
    let called = review::selected(model).ok();
    let called = called.and_then(|(.., opinion)| opinion.blinded);
    let is_said = |reading: &BlindedReading| {
        let last = reading.last();
        last.is_some_and(|last| last.says_the_same(&call))
    };
    if called.as_ref().is_some_and(is_said) {
        return say(model, "the same call as before: nothing new to record");
    }
    let mode = reading_mode(model);
    let is_aided = mode == ReadingMode::Aided;
    let sitting = model.study_sitting();
    let card = model.card().map(|card| card.sha256.clone());
    let pinned = sitting.map(|sitting| sitting.model_sha256.clone());
    let position = model.worklist.place_in_order(&phase.source);
    let first = BlindedReading {
        mode,
        study: sitting.map(|sitting| sitting.study.clone()),
        asked: asking
            .labels
            .iter()
            .map(|(label, _)| label.clone())
            .collect(),
        unaided: (!is_aided).then(|| call.clone()),
        aided: is_aided.then(|| call.clone()),
        model_sha256: pinned.or(card).unwrap_or_default(),
        seed: model.blinded.as_ref().and_then(|blinded| blinded.seed),
        position: position.unwrap_or_default(),
    };
    review::call(model, |reading| match reading {
        Some(reading) => reading.aided = Some(call),
        None => *reading = Some(first),
    })
}

/// The ratings that were given.
fn ratings(asking: &Asking) -> std::collections::BTreeMap<String, u8> {
    let labels = asking.labels.iter().enumerate();
    let rated = labels.filter_map(|(at, (label, _))| {
        let rating = asking.rating.as_ref()?.of(at)?;
        Some((label.clone(), rating))
    });
    rated.collect()
}

/// The image on the screen, and whether its answer is shown.
fn on_screen(model: &Model) -> Option<Phase> {
    let (source, ..) = review::selected(model).ok()?;
    let entry = model.worklist.selected()?;
    Some(Phase {
        source,
        aided: !model.worklist.is_hidden(entry),
    })
}

/// Runs `work` while the reader sees another program: that time is of no image.
pub fn away<T>(model: &mut Model, work: impl FnOnce() -> T) -> T {
    let now = Instant::now();
    model.sitting.show(None, now);
    if let Some(blinded) = &mut model.blinded {
        blinded.watch.switch(None, now);
    }
    let done = work();
    clock(model);
    done
}

/// Times the image that is on the screen now: for its reading if that is blinded, and for the summary of the sitting.
pub fn clock(model: &mut Model) {
    let now = Instant::now();
    let image = review::selected(model).ok().map(|(_, content, _)| content);
    model.sitting.show(image, now);
    let phase = on_screen(model);
    if let Some(blinded) = &mut model.blinded {
        blinded.watch.switch(phase, now);
    }
}

/// Goes to the first image of a random order, which is known only once all images are found. A reader who
/// has begun, or who returns to an image, stays there.
pub fn on_all_found(model: &mut Model) {
    let returns = model.session.wanted.is_some();
    let is_begun = model.blinded.as_ref().is_none_or(|blinded| blinded.begun);
    if !returns && !is_begun {
        model.worklist.go_to(0);
    }
}
