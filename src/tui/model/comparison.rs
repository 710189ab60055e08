//! The film beside the selected one.

use std::path::Path;
use std::sync::Arc;

use super::Model;
use crate::domain::{Canvas, Prediction, View, Window};
use crate::tui::worklist::{NoPrior, WorklistEntry};
use crate::worker::{ComparedFacts, ComparisonJob, Generation, Shown};

/// Whether a film stands beside the selected one, and which. The settings stay when the selection moves.
#[derive(Default)]
pub struct FilmComparison {
    pub on: bool,
    /// Both films have the same window, zoom and position.
    pub is_linked: bool,
    /// The film that the reader marked, by its index: it stands beside every other.
    pub marked: Option<u32>,
    /// The film that the reader chose from the timeline, and the film that they chose it for.
    pub chosen: Option<(u32, u32)>,
    /// The pixels that it may have; `None` while the screen has no place for it.
    pub canvas: Option<Canvas>,
    pub film: ComparedFilm,
}

/// The film that stands beside the selected one now.
#[derive(Default)]
pub struct ComparedFilm {
    pub generation: Generation,
    /// Its index and its file.
    pub source: Option<(u32, Arc<Path>)>,
    /// The newest request.
    pub asked: Option<ComparisonJob>,
    pub facts: Option<ComparedFacts>,
    pub shown: Option<Shown>,
    /// Why it could not be opened.
    pub failed: Option<String>,
}

impl ComparedFilm {
    /// The same film, to be opened once more. What was asked of it before comes too late.
    pub fn again(&self) -> ComparedFilm {
        ComparedFilm {
            generation: self.generation.next(),
            source: self.source.clone(),
            ..ComparedFilm::default()
        }
    }
}

/// Why a film stands beside the selected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonKind {
    /// It is the newest earlier one of the view; so many newer ones cannot be read.
    Prior { unreadable: usize },
    /// From the timeline: its place, from 1, and how many films there are.
    Timeline { place: usize, films: usize },
    /// The reader marked it.
    Marked,
}

/// A film that should stand beside the selected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counterpart {
    pub index: u32,
    pub kind: ComparisonKind,
}

impl Model {
    /// The film that the selected one is to be compared with, whether or not comparing is on.
    ///
    /// # Errors
    /// Why there is none.
    pub fn counterpart(&self) -> Result<Counterpart, NoPrior> {
        let list = &self.worklist;
        let selected = list.selected_index().ok_or(NoPrior::NoPatient)?;
        let comparison = &self.comparison;
        if let Some((chosen, _)) = comparison.chosen.filter(|(_, of)| *of == selected) {
            let timeline = list.timeline(selected);
            if let Some(at) = timeline.iter().position(|film| film.index == chosen) {
                return Ok(Counterpart {
                    index: chosen,
                    kind: ComparisonKind::Timeline {
                        place: at + 1,
                        films: timeline.len(),
                    },
                });
            }
        }
        if let Some(index) = comparison.marked.filter(|marked| *marked != selected) {
            let kind = ComparisonKind::Marked;
            return Ok(Counterpart { index, kind });
        }
        let prior = list.prior(selected)?;
        Ok(Counterpart {
            index: prior.index,
            kind: ComparisonKind::Prior {
                unreadable: prior.unreadable,
            },
        })
    }

    /// The film beside the selected one, while comparing is on.
    pub fn compared(&self) -> Option<Counterpart> {
        self.comparison.on.then(|| self.counterpart().ok())?
    }

    /// The entry of the film beside the selected one.
    pub fn compared_entry(&self) -> Option<&WorklistEntry> {
        self.worklist.entry(self.compared()?.index)
    }

    /// The picture of the film beside the selected one, if it is that film's.
    pub fn compared_picture(&self) -> Option<&Shown> {
        let film = &self.comparison.film;
        let (index, _) = film.source.as_ref()?;
        let is_wanted = self.compared().is_some_and(|wanted| wanted.index == *index);
        let of_it = |shown: &&Shown| {
            film.facts
                .as_ref()
                .is_some_and(|facts| facts.content == shown.content)
        };
        film.shown.as_ref().filter(|_| is_wanted).filter(of_it)
    }

    /// The answer for the film beside the selected one; `None` while it or that for the selected film is hidden: it
    /// would tell something of it.
    pub fn compared_prediction(&self) -> Option<&Prediction> {
        let entry = self.compared_entry()?;
        let is_hidden = self.is_hidden() || self.worklist.is_hidden(entry);
        let prediction = entry.prediction().filter(|_| !is_hidden)?;
        let film = &self.comparison.film;
        let is_of_another = film
            .facts
            .as_ref()
            .is_some_and(|facts| facts.content != prediction.content);
        (!is_of_another).then_some(prediction)
    }

    /// Whether the answer for the film beside the selected one is hidden.
    pub fn is_compared_hidden(&self) -> bool {
        let entry = self.compared_entry();
        self.is_hidden() || entry.is_some_and(|entry| self.worklist.is_hidden(entry))
    }

    /// How the film beside the selected one is shown: as that one if the reader asked for it, otherwise in its own
    /// window and whole.
    pub fn compared_view(&self) -> View {
        if !self.comparison.is_linked {
            return View::default();
        }
        let view = self.viewer.view;
        // Until its picture is there, the selected film is in the window that it was opened for.
        let shown = self.viewer.shown.as_ref().map(|shown| shown.window);
        let now = shown.or_else(|| self.viewer.facts.as_ref().map(|facts| facts.window));
        let window = match (view.window, now) {
            (Window::WindowPreset(preset), _) => Window::WindowPreset(preset),
            (_, Some((centre, width))) if self.has_same_values() => {
                Window::Manual { centre, width }
            }
            _ => Window::File,
        };
        View { window, ..view }
    }

    /// Whether the values of both films have the same depth, so that the numbers of a window mean the same.
    pub fn has_same_values(&self) -> bool {
        let facts = (&self.viewer.facts, &self.comparison.film.facts);
        let (Some(one), Some(other)) = facts else {
            return false;
        };
        one.bits_stored == other.bits_stored && one.step == other.step
    }
}
