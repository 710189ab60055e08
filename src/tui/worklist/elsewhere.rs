//! What other models said of the images: each model keeps its own scores.

use std::collections::HashMap;

use super::{State, Tally, Worklist};
use crate::domain::Prediction;
use crate::tui::model::Choice;

/// What another model said, by index.
pub struct Elsewhere {
    model: Choice,
    states: HashMap<u32, State>,
}

impl Elsewhere {
    pub(super) fn forget_if(&mut self, index: u32, is_other: impl Fn(&State) -> bool) {
        if self.states.get(&index).is_some_and(is_other) {
            self.states.remove(&index);
        }
    }
}

impl Worklist {
    /// Puts away what one model said, and takes out what another said before. Rows stay where they
    /// are.
    pub fn change_model(&mut self, from: &Choice, to: &Choice) {
        let entries = self.entries.iter_mut().zip(0..);
        let said = entries.filter(|(entry, _)| !matches!(entry.state, State::Unread));
        let states = said
            .map(|(entry, i)| (i, std::mem::replace(&mut entry.state, State::Unread)))
            .collect();
        self.elsewhere.push(Elsewhere {
            model: from.clone(),
            states,
        });
        self.tally = Tally::default();
        let known = self.elsewhere.iter().position(|other| other.model == *to);
        if let Some(known) = known.map(|at| self.elsewhere.remove(at)) {
            for (i, state) in known.states {
                // The file may have been replaced while another model was in use.
                let is_other = match (&state, self.entries[i as usize].content) {
                    (State::Read(said), Some(content)) => said.content != content,
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
            Some(State::Read(prediction)) => Some((other.model.name.as_str(), &**prediction)),
            _ => None,
        })
    }
}
