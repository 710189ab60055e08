//! How many images are in which state.

use super::State;
use crate::domain::InputCheck;

/// Of the whole list, whatever the filter says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// With or without success: refused, failed and skipped ones are among them.
    pub read: usize,
    pub refused: usize,
    pub failed: usize,
    /// Sound files without a picture.
    pub skipped: usize,
}

impl Tally {
    pub(super) fn add(&mut self, state: &State) {
        let [read, refused, failed, skipped] = counts(state);
        self.read += read;
        self.refused += refused;
        self.failed += failed;
        self.skipped += skipped;
    }

    pub(super) fn remove(&mut self, state: &State) {
        let [read, refused, failed, skipped] = counts(state);
        self.read -= read;
        self.refused -= refused;
        self.failed -= failed;
        self.skipped -= skipped;
    }
}

fn counts(state: &State) -> [usize; 4] {
    match state {
        State::Unread => [0, 0, 0, 0],
        State::NoPicture(_) => [1, 0, 0, 1],
        State::Failed(_) => [1, 0, 1, 0],
        State::Read(prediction) => {
            let is_refused = matches!(prediction.input, InputCheck::Refused(_));
            [1, usize::from(is_refused), 0, 0]
        }
    }
}
