//! The film beside the selected one: which it is, the timeline, the mark, and the answers of the comparison thread.

use std::path::Path;
use std::sync::Arc;

use super::{Effect, say};
use crate::domain::{Canvas, Failure};
use crate::tui::keymap::Action;
use crate::tui::model::{ComparedFilm, Model};
use crate::tui::split::split;
use crate::tui::worklist::{EntryState, NoPrior};
use crate::worker::{
    ComparedFacts, ComparisonJob, FileStamp, Generation, JobOutcome, RenderRequest, Shown,
};

/// The words where the screen has no place for two films.
const NO_ROOM: &str = "no room for two films here";

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Compare => turn(model),
        Action::EarlierFilm => go(model, -1),
        Action::LaterFilm => go(model, 1),
        Action::MarkFilm => mark(model),
        Action::LinkFilms => link(model),
        _ => vec![],
    }
}

/// Shows the prior beside the selected film, or no longer.
fn turn(model: &mut Model) -> Vec<Effect> {
    model.comparison.on = !model.comparison.on;
    model.comparison.chosen = None;
    if model.comparison.on {
        tell_why_not(model);
        tell_if_no_room(model);
    }
    vec![]
}

/// Tells why no film stands beside the selected one, where none does.
fn tell_why_not(model: &mut Model) {
    if let Err(reason) = model.counterpart() {
        model.notice = Some(absence(model, reason));
    }
}

/// Why there is no film to compare with, in a line.
pub fn absence(model: &Model, reason: NoPrior) -> String {
    let key = |action| model.keymap.display_key(action);
    let mark = key(Action::MarkFilm);
    match reason {
        _ if model.worklist.selected().is_none() => "no image is selected".to_owned(),
        _ if model.worklist.is_reading_headers() => {
            "no prior found yet: still reading headers".to_owned()
        }
        NoPrior::NoPatient => {
            format!("no prior: nothing says whose film this is · {mark} marks one to compare")
        }
        NoPrior::NoTime => {
            let timeline = key(Action::EarlierFilm);
            format!("no prior: nothing says when this film was taken · {timeline} other films")
        }
        NoPrior::NoneEarlier => "no prior: no earlier film of this patient here".to_owned(),
        NoPrior::OtherView => {
            let timeline = key(Action::EarlierFilm);
            format!("no prior of this view · {timeline} films of other views")
        }
        NoPrior::OnlyId => format!(
            "no prior: another folder has the same Patient ID, and nothing else tells whose · {mark} marks one to compare"
        ),
    }
}

/// Puts the film before or after the one that stands there beside the selected film.
fn go(model: &mut Model, steps: isize) -> Vec<Effect> {
    let Some(selected) = model.worklist.selected_index() else {
        return say(model, "no image is selected");
    };
    let films = model.worklist.timeline(selected);
    let others: Vec<u32> = films
        .iter()
        .map(|film| film.index)
        .filter(|index| *index != selected)
        .collect();
    if others.is_empty() {
        let words = match model.worklist.is_reading_headers() {
            true => "no other film of this patient found yet: still reading headers",
            false => "no other film of this patient here",
        };
        return say(model, words);
    }
    let shown = model.compared().map(|film| film.index);
    let place = shown.and_then(|index| others.iter().position(|other| *other == index));
    let next = match place {
        Some(place) => place.checked_add_signed(steps),
        // The first key shows the prior, or else the neighbour in time.
        None => {
            let before = films.iter().take_while(|film| film.index != selected);
            let before = before.count();
            let prior = model.worklist.prior(selected).ok();
            let prior = prior.and_then(|prior| others.iter().position(|o| *o == prior.index));
            match steps {
                ..0 => prior.or(before.checked_sub(1)),
                _ => Some(before),
            }
        }
    };
    let Some(index) = next.and_then(|next| others.get(next)).copied() else {
        let words = match steps {
            ..0 => "no earlier film of this patient here",
            _ => "no later film of this patient here",
        };
        return say(model, words);
    };
    model.comparison.on = true;
    model.comparison.chosen = Some((index, selected));
    tell_if_no_room(model);
    vec![]
}

/// Marks the selected film: it stands beside every other. The mark of a marked film is removed.
fn mark(model: &mut Model) -> Vec<Effect> {
    let Some(selected) = model.worklist.selected_index() else {
        return say(model, "no image is selected");
    };
    let key = model.keymap.display_key(Action::MarkFilm);
    if model.comparison.marked == Some(selected) {
        model.comparison.marked = None;
        return say(model, "no film is marked now");
    }
    model.comparison.marked = Some(selected);
    model.comparison.chosen = None;
    model.comparison.on = true;
    say(
        model,
        &format!("marked: it stands beside every other film; {key} here removes the mark"),
    )
}

/// Shows both films in the same window and zoom, or each in its own.
fn link(model: &mut Model) -> Vec<Effect> {
    model.comparison.is_linked = !model.comparison.is_linked;
    let words = match model.comparison.is_linked {
        true => "both films in the same window, zoom and position",
        false => "each film in its own window, the one beside as a whole",
    };
    say(model, words)
}

/// Called after each message: keeps the film beside the selected one, and its picture, as they should be.
pub fn after(model: &mut Model) -> Vec<Effect> {
    // In the grid no film is on the screen, and the selection moves without opening any.
    if model.grid.is_open {
        return vec![];
    }
    let selected = model.worklist.selected_index();
    // A choice from the timeline is for one film.
    model
        .comparison
        .chosen
        .take_if(|(_, of)| Some(*of) != selected);
    let compared = model.compared();
    let wanted = compared.and_then(|film| {
        let entry = model.worklist.entry(film.index)?;
        Some((film.index, entry.path.clone()))
    });
    if model.comparison.film.source != wanted || is_outdated(model) {
        model.comparison.film = ComparedFilm {
            generation: model.comparison.film.generation.next(),
            source: wanted,
            ..ComparedFilm::default()
        };
    }
    let Some(job) = job(model) else {
        return vec![];
    };
    if model.comparison.film.asked.as_ref() == Some(&job) {
        return vec![];
    }
    model.comparison.film.asked = Some(job.clone());
    vec![Effect::Compare(job)]
}

/// Whether the file of the film beside the selected one was found to hold another image than the one that was opened.
fn is_outdated(model: &Model) -> bool {
    let film = &model.comparison.film;
    let now = film.source.as_ref().and_then(|(index, _)| {
        let entry = model.worklist.entry(*index)?;
        entry.content
    });
    let opened = film.facts.as_ref().map(|facts| facts.content);
    now.zip(opened).is_some_and(|(now, opened)| now != opened)
}

/// The request for the film beside the selected one. The selected film comes first: until it is open, the other one is
/// taken only if it was decoded ahead, and nothing is drawn.
fn job(model: &Model) -> Option<ComparisonJob> {
    let film = &model.comparison.film;
    let (_, source) = film.source.as_ref()?;
    let canvas = model.comparison.canvas?;
    let is_opening = model.viewer.opening.is_some();
    if film.failed.is_some() || (is_opening && film.facts.is_some()) {
        return None;
    }
    // Whether the window of the selected film means the same is known once both are open: until then the film beside it
    // is opened only.
    let canvas = match &film.facts {
        None if model.comparison.is_linked || is_opening => Canvas {
            width: 0,
            height: 0,
            ..canvas
        },
        _ => canvas,
    };
    Some(ComparisonJob {
        source: source.clone(),
        generation: film.generation,
        frame: RenderRequest {
            view: model.compared_view(),
            canvas,
            heat_map: None,
            marks: model.compared_mark_layer(),
        },
        only_if_ready: is_opening,
    })
}

/// Takes in an answer of the comparison thread, unless it belongs to an older film.
pub fn on_outcome(model: &mut Model, outcome: JobOutcome) {
    match outcome {
        JobOutcome::ComparedOpened {
            source,
            generation,
            result,
            stamp,
        } => {
            if let Some(index) = current(model, &source, generation) {
                on_opened(model, index, result.map(|facts| *facts), stamp);
            }
        }
        JobOutcome::ComparedShown {
            source,
            generation,
            shown,
        } if current(model, &source, generation).is_some() => on_shown(model, shown),
        _ => {}
    }
}

/// The index of the film beside the selected one, if the answer is for it.
fn current(model: &Model, source: &Arc<Path>, generation: Generation) -> Option<u32> {
    let film = &model.comparison.film;
    let (index, current) = film.source.as_ref()?;
    (film.generation == generation && current == source).then_some(*index)
}

fn on_opened(
    model: &mut Model,
    index: u32,
    result: Result<ComparedFacts, Failure>,
    stamp: Option<FileStamp>,
) {
    match result {
        Ok(facts) => {
            let list = &mut model.worklist;
            // The file may have been replaced: answers for another image are dropped.
            list.identify_at(index as usize, facts.content, stamp);
            list.set_film_at(index, facts.summary.clone());
            model.comparison.film.facts = Some(facts);
        }
        Err(reason) => {
            let reason = EntryState::from(reason);
            if let EntryState::Failed(words) | EntryState::NoPicture(words) = &reason {
                model.comparison.film.failed = Some(words.to_string());
            }
            model.worklist.record_unread(index, reason);
        }
    }
}

fn on_shown(model: &mut Model, shown: Shown) {
    let film = &mut model.comparison.film;
    let is_its = |facts: &ComparedFacts| facts.content == shown.content;
    if film.facts.as_ref().is_some_and(is_its) {
        film.shown = Some(shown);
    }
}

/// Tells that the screen has no place for two films.
fn tell_if_no_room(model: &mut Model) {
    let has_room = model.comparison.canvas.is_some() || split(model.panes.image).is_some();
    if model.notice.is_none() && !has_room {
        let key = model.keymap.display_key(Action::WholeScreen);
        model.notice = Some(format!("{NO_ROOM}: {key} gives them the whole screen"));
    }
}
