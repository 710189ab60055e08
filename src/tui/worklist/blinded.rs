//! What a reader who reads blinded may not see yet of what they said themselves, and the order in which
//! they read.

use std::path::Path;
use std::sync::Arc;

use super::sort::random_rank;
use super::{HeldOpinion, Sort, Worklist, below_root};
use crate::domain::ContentId;

impl Worklist {
    /// Whether the reader saw the model's answer before they read the image blinded, as far as the log
    /// tells.
    pub fn mark_answers_seen(&mut self, images: Vec<(Arc<Path>, ContentId, bool)>) {
        for (path, content, is_seen) in images {
            let Some(index) = self.index_of(&path) else {
                continue;
            };
            // Another image may be there by now.
            if self.entries[index]
                .content
                .is_some_and(|there| there != content)
            {
                continue;
            }
            let index = index as u32;
            let is_new = match is_seen {
                true => self.answers_seen.insert(index, content) != Some(content),
                false => self.answers_seen.remove(&index).is_some(),
            };
            self.stale |= is_new && (self.sort == Sort::Review || self.filter.asks_of_reviews());
        }
    }

    /// Whether the answer to a row was seen before it was read blinded.
    pub fn was_answer_seen(&self, row: usize) -> bool {
        let index = self.rows.get(row);
        index.is_some_and(|index| self.blinded && self.answers_seen.contains_key(index))
    }

    /// What the reader holds of a row, unless that was said beside an answer that is hidden now: it
    /// would tell what the answer is.
    pub fn shown_held(&self, row: usize) -> Option<&HeldOpinion> {
        self.shown_held_of(*self.rows.get(row)?)
    }

    /// The same by index.
    pub(super) fn shown_held_of(&self, index: u32) -> Option<&HeldOpinion> {
        let entry = &self.entries[index as usize];
        let is_beside = entry.verdict().is_some() || self.answers_seen.contains_key(&index);
        let held = entry.held.as_deref();
        held.filter(|_| !(is_beside && self.is_hidden(entry)))
    }

    /// The seed of an order that nothing may change: images are read in it or not at all.
    pub fn fixed_order(&self) -> Option<u64> {
        match self.sort {
            Sort::Random(seed) if self.blinded => Some(seed),
            _ => None,
        }
    }

    /// The place of an image in the order of all images, from 1, those that the filter hides among them: in the random
    /// order if that is fixed, else in that of names.
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
