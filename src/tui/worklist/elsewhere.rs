//! What other models said of the images: each model keeps its own scores.

use std::collections::HashMap;

use super::{EntryState, Worklist, WorklistCounts};
use crate::domain::Prediction;
use crate::tui::model::ModelChoice;

/// What another model said, by index.
pub struct Elsewhere {
    model: ModelChoice,
    states: HashMap<u32, EntryState>,
}

impl Elsewhere {
    pub(super) fn forget_if(&mut self, index: u32, is_other: impl Fn(&EntryState) -> bool) {
        if self.states.get(&index).is_some_and(is_other) {
            self.states.remove(&index);
        }
    }
}

impl Worklist {
    /// Puts away what one model said, and takes out what another said before. Rows stay where they
    /// are.
    pub fn change_model(&mut self, from: &ModelChoice, to: &ModelChoice) {
        let entries = self.entries.iter_mut().zip(0..);
        let said = entries.filter(|(entry, _)| !matches!(entry.state, EntryState::Unread));
        let states = said
            .map(|(entry, i)| (i, std::mem::replace(&mut entry.state, EntryState::Unread)))
            .collect();
        self.elsewhere.push(Elsewhere {
            model: from.clone(),
            states,
        });
        self.tally = WorklistCounts::default();
        let known = self.elsewhere.iter().position(|other| other.model == *to);
        if let Some(known) = known.map(|at| self.elsewhere.remove(at)) {
            for (i, state) in known.states {
                // The file may have been replaced while another model was in use.
                let is_other = match (&state, self.entries[i as usize].content) {
                    (EntryState::Read(said), Some(content)) => said.content != content,
                    _ => false,
                };
                if !is_other {
                    self.tally.add(&state);
                    self.entries[i as usize].state = state;
                }
            }
        }
        self.stale |= self.is_arranged_by_state();
    }

    /// What another model said of a row, the last used first, and its name.
    pub fn said_elsewhere(&self, row: usize) -> Option<(&str, &Prediction)> {
        self.said_elsewhere_of(*self.rows.get(row)?)
    }

    /// The same by index.
    pub(super) fn said_elsewhere_of(&self, index: u32) -> Option<(&str, &Prediction)> {
        let mut others = self.elsewhere.iter().rev();
        others.find_map(|other| match other.states.get(&index) {
            Some(EntryState::Read(prediction)) => Some((other.model.name.as_str(), &**prediction)),
            _ => None,
        })
    }
}
