//! How many images are in which state.

use super::State;
use crate::domain::InputCheck;

/// Of the whole list, whatever the filter says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// With or without success: refused and failed ones are among them.
    pub read: usize,
    pub refused: usize,
    pub failed: usize,
}

impl Tally {
    pub(super) fn add(&mut self, state: &State) {
        let [read, refused, failed] = counts(state);
        self.read += read;
        self.refused += refused;
        self.failed += failed;
    }

    pub(super) fn remove(&mut self, state: &State) {
        let [read, refused, failed] = counts(state);
        self.read -= read;
        self.refused -= refused;
        self.failed -= failed;
    }
}

fn counts(state: &State) -> [usize; 3] {
    match state {
        State::Unread => [0, 0, 0],
        State::Failed(_) => [1, 0, 1],
        State::Read(prediction) => {
            let is_refused = matches!(prediction.input, InputCheck::Refused(_));
            [1, usize::from(is_refused), 0]
        }
    }
}
