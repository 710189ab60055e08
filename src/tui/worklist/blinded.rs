//! Blinded reading: opinions that would tell the model's answer are hidden, and the order is fixed.

use std::path::Path;
use std::sync::Arc;

use super::sort::random_rank;
use super::{OpinionState, Sort, Worklist, below_root};
use crate::domain::ContentId;

impl Worklist {
    /// Records for which images the reader saw the model's answer before they read them blinded, as far as the
    /// review log shows.
    pub fn mark_answers_seen(&mut self, images: Vec<(Arc<Path>, ContentId, bool)>) {
        for (path, content, is_seen) in images {
            for index in self.places_of(&path, content) {
                self.mark_answer_seen(index, content, is_seen);
            }
        }
    }

    fn mark_answer_seen(&mut self, index: usize, content: ContentId, is_seen: bool) {
        // The file may have been replaced by another image.
        let there = self.entries[index].content;
        if there.is_some_and(|there| there != content) {
            return;
        }
        let index = index as u32;
        let is_new = if is_seen {
            self.answers_seen.insert(index, content) != Some(content)
        } else {
            self.answers_seen.remove(&index).is_some()
        };
        self.stale |= is_new && (self.sort == Sort::Review || self.filter.uses_reviews());
    }

    /// Whether the reader saw the answer for a row before they read it blinded.
    pub fn was_answer_seen(&self, row: usize) -> bool {
        let index = self.rows.get(row);
        index.is_some_and(|index| self.blinded && self.answers_seen.contains_key(index))
    }

    /// The reader's opinion of a row, unless it was given beside an answer that is hidden now: the opinion would
    /// tell the answer.
    pub fn shown_opinion(&self, row: usize) -> Option<&OpinionState> {
        self.shown_opinion_of(*self.rows.get(row)?)
    }

    /// The same by index.
    pub fn shown_opinion_of(&self, index: u32) -> Option<&OpinionState> {
        let entry = &self.entries[index as usize];
        let is_beside = entry.verdict().is_some() || self.answers_seen.contains_key(&index);
        let state = entry.opinion_state.as_deref();
        state.filter(|_| !(is_beside && self.is_hidden(entry)))
    }

    /// The seed of the random order of a blinded reading, which must not change.
    pub fn fixed_order(&self) -> Option<u64> {
        match self.sort {
            Sort::Random(seed) if self.blinded => Some(seed),
            _ => None,
        }
    }

    /// Whether the order must not change: it is random from a seed, or that of a study.
    pub fn is_order_fixed(&self) -> bool {
        self.is_order_of_study || self.fixed_order().is_some()
    }

    /// The position of an image among all images, from 1, including those that the filter hides: in the random
    /// order if that is fixed, otherwise in the order of names.
    pub fn place_in_order(&self, path: &Path) -> Option<usize> {
        let index = self.index_of(path)?;
        let Some(seed) = self.fixed_order() else {
            return Some(index + 1);
        };
        let rank = |index: usize| {
            let below = below_root(&self.entries[index].path, &self.roots);
            random_rank(seed, below)
        };
        let own = rank(index);
        let is_before = |other: &usize| {
            let order = rank(*other).total_cmp(&own);
            order.then(other.cmp(&index)).is_lt()
        };
        let before = (0..self.entries.len()).filter(is_before).count();
        Some(before + 1)
    }
}
