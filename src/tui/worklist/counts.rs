//! The number of images in each state.

use super::EntryState;
use crate::domain::InputCheck;

/// Counts of all images, whether or not they match the filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorklistCounts {
    /// Including those that were refused, failed or skipped.
    pub read: usize,
    /// Refused by the input check.
    pub refused: usize,
    /// Could not be read or classified.
    pub failed: usize,
    /// Valid files without an image.
    pub skipped: usize,
}

impl WorklistCounts {
    pub(super) fn add(&mut self, state: &EntryState) {
        let [read, refused, failed, skipped] = counts(state);
        self.read += read;
        self.refused += refused;
        self.failed += failed;
        self.skipped += skipped;
    }

    pub(super) fn remove(&mut self, state: &EntryState) {
        let [read, refused, failed, skipped] = counts(state);
        self.read -= read;
        self.refused -= refused;
        self.failed -= failed;
        self.skipped -= skipped;
    }
}

fn counts(state: &EntryState) -> [usize; 4] {
    match state {
        EntryState::Unread => [0, 0, 0, 0],
        EntryState::NoPicture(_) => [1, 0, 0, 1],
        EntryState::Failed(_) => [1, 0, 1, 0],
        EntryState::Read(prediction) => {
            let is_refused = matches!(prediction.input, InputCheck::Refused(_));
            [1, usize::from(is_refused), 0, 0]
        }
    }
}
