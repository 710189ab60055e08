//! What the reader holds of the images, and how much of it is on the disk.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{Sort, Worklist, WorklistEntry};
use crate::domain::{ContentId, Opinion, OpinionChange, Prediction, Verdict};

/// What the reader holds of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldOpinion {
    pub opinion: Opinion,
    /// What is known to be on the disk.
    saved: Opinion,
    /// Of which image.
    content: Option<ContentId>,
    /// Reviews on their way there.
    unsaved: u32,
}

impl HeldOpinion {
    pub fn is_saved(&self) -> bool {
        self.unsaved == 0
    }

    /// Which image it is held of.
    pub fn content(&self) -> Option<ContentId> {
        self.content
    }
}

impl WorklistEntry {
    pub fn verdict(&self) -> Option<Verdict> {
        self.held.as_ref()?.opinion.verdict
    }

    pub fn opinion(&self) -> Opinion {
        let held = self.held.as_ref();
        held.map(|held| held.opinion.clone()).unwrap_or_default()
    }

    /// Whether the reader's own call is on the disk.
    fn is_called(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.saved.blinded.is_some())
    }
}

/// Whether something is held as one of the filter's words asks for.
pub(super) fn is_held_as(held: Option<&HeldOpinion>, word: &str) -> bool {
    let opinion = held.map(|held| &held.opinion);
    let verdict = opinion.and_then(|opinion| opinion.verdict);
    match word {
        "reviewed" => verdict.is_some(),
        "unreviewed" => verdict.is_none(),
        "key" => opinion.is_some_and(|opinion| opinion.key_image),
        "noted" => opinion.is_some_and(|opinion| !opinion.note.is_empty()),
        word => verdict.is_some_and(|verdict| verdict.word() == word),
    }
}

impl Worklist {
    /// Hides what is said of images without a call; the order is random if it has a seed.
    pub fn read_blinded(&mut self, seed: Option<u64>) {
        self.blinded = true;
        self.sort = seed.map_or(Sort::Name, Sort::Random);
    }

    pub fn is_blinded(&self) -> bool {
        self.blinded
    }

    /// Whether a reader who reads blinded must not see yet what is said of it.
    pub fn is_hidden(&self, entry: &WorklistEntry) -> bool {
        self.blinded && !entry.is_called()
    }

    /// The same by path; what is not in the list is not hidden.
    pub fn is_hidden_at(&self, path: &Path) -> bool {
        let index = self.index_of(path);
        index.is_some_and(|index| self.is_hidden(&self.entries[index]))
    }

    /// What is said of an image, unless it is hidden.
    pub(super) fn shown_of(&self, index: u32) -> Option<&Prediction> {
        let entry = &self.entries[index as usize];
        (!self.is_hidden(entry)).then(|| entry.prediction())?
    }

    /// Neither an order nor a filter may tell what is hidden.
    pub fn may_sort_by(&self, sort: &Sort) -> bool {
        !(self.blinded && sort.tells_answers())
    }

    /// Whether the reader is done with an image: a verdict, or blinded a call.
    fn is_done(&self, opinion: &Opinion) -> bool {
        match self.blinded {
            true => opinion.blinded.is_some(),
            false => opinion.verdict.is_some(),
        }
    }

    /// How many the reader is done with.
    pub fn reviewed(&self) -> usize {
        self.reviewed
    }

    /// The reader says this now; it is on its way to the disk.
    pub fn hold(&mut self, path: &Path, content: ContentId, change: &OpinionChange) {
        self.change(path, content, |held| {
            held.opinion = change.on(&held.opinion);
            held.unsaved += 1;
        });
    }

    /// One review of this image is on the disk, with what is held there now. Says whether that is more
    /// than what was said here.
    pub fn confirm(&mut self, path: &Path, content: ContentId, opinion: Opinion) -> bool {
        let mut is_news = false;
        self.change(path, content, |held| {
            held.unsaved = held.unsaved.saturating_sub(1);
            if held.unsaved == 0 {
                is_news = held.opinion != opinion;
                held.opinion = opinion.clone();
            }
            held.saved = opinion;
        });
        is_news
    }

    /// One review of this image came to nothing: it is held as it was.
    pub fn revert(&mut self, path: &Path, content: ContentId) {
        self.change(path, content, |held| {
            held.unsaved = held.unsaved.saturating_sub(1);
            if held.unsaved == 0 {
                held.opinion = held.saved.clone();
            }
        });
    }

    /// What is on the disk, save where the reader has said something newer.
    pub fn stand(&mut self, held: Vec<(Arc<Path>, ContentId, Opinion)>) {
        let held = held.into_iter();
        let mut held: HashMap<Arc<Path>, (ContentId, Opinion)> = held
            .map(|(path, content, opinion)| (path, (content, opinion)))
            .collect();
        // One image is nearly always the selected one; many are looked for all at once.
        if held.len() == 1 {
            for (path, (content, opinion)) in held.drain() {
                self.change(&path, content, |held| held.stand(opinion));
            }
        }
        for index in 0..self.entries.len() {
            if held.is_empty() {
                return;
            }
            if let Some((content, opinion)) = held.remove(&self.entries[index].path) {
                self.change_at(index, content, |held| held.stand(opinion));
            }
        }
    }

    /// Lets go of what is held of another image than this one.
    pub(super) fn release(&mut self, index: usize, content: ContentId) {
        let held = self.entries[index].held.as_ref();
        if held.is_some_and(|held| held.content != Some(content)) {
            self.change_at(index, content, |_| {});
        }
    }

    /// Another image may be at that path by now: nothing is known to be held of it until it is read.
    pub(super) fn doubt(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        if entry.held.as_ref().is_none_or(|held| !held.is_saved()) {
            return;
        }
        let before = entry
            .held
            .take()
            .map(|held| held.opinion)
            .unwrap_or_default();
        self.reviewed -= usize::from(self.is_done(&before));
        self.stale |= self.sort == Sort::Review || self.filter.asks_of_reviews();
    }

    /// The row of the next image that the reader is not done with, from the top again after the last.
    pub fn next_unreviewed(&self) -> Option<usize> {
        let rows = (self.cursor + 1..self.rows.len()).chain(0..=self.cursor);
        let mut rows = rows.filter(|row| self.row(*row).is_some());
        rows.find(|row| {
            self.row(*row)
                .is_some_and(|entry| !self.is_done(&entry.opinion()))
        })
    }

    /// Where an image is, if the filter lets it through.
    pub fn row_of(&self, path: &Path) -> Option<usize> {
        (0..self.rows.len()).find(|row| self.row(*row).is_some_and(|entry| *entry.path == *path))
    }

    fn change(&mut self, path: &Path, content: ContentId, change: impl FnOnce(&mut HeldOpinion)) {
        if let Some(index) = self.index_of(path) {
            self.change_at(index, content, change);
        }
    }

    /// Changes what is held of an image, unless another one is known to be there by now.
    fn change_at(
        &mut self,
        index: usize,
        content: ContentId,
        change: impl FnOnce(&mut HeldOpinion),
    ) {
        let entry = &mut self.entries[index];
        if entry.content.is_some_and(|there| there != content) {
            return;
        }
        let before = entry.opinion();
        let held = entry.held.get_or_insert_default();
        if held.content != Some(content) {
            **held = HeldOpinion {
                content: Some(content),
                ..HeldOpinion::default()
            };
        }
        change(held);
        let after = entry.opinion();
        self.reviewed -= usize::from(self.is_done(&before));
        self.reviewed += usize::from(self.is_done(&after));
        self.stale |=
            before != after && (self.sort == Sort::Review || self.filter.asks_of_reviews());
    }
}

impl HeldOpinion {
    fn stand(&mut self, opinion: Opinion) {
        if self.unsaved == 0 {
            self.opinion = opinion.clone();
            self.saved = opinion;
        }
    }
}
