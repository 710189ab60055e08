//! The answers of the models that are not in use, so that switching back needs no scoring.

use std::collections::HashMap;

use super::{EntryState, Worklist, WorklistCounts};
use crate::domain::Prediction;
use crate::tui::model_choice::ModelChoice;

/// The answers of one model that is not in use.
pub struct OtherModel {
    model: ModelChoice,
    /// By the index of the image.
    states: HashMap<u32, EntryState>,
}

impl OtherModel {
    /// Removes the answer for an image if it is of another content.
    pub(super) fn forget_if(&mut self, index: u32, is_other: impl Fn(&EntryState) -> bool) {
        if self.states.get(&index).is_some_and(is_other) {
            self.states.remove(&index);
        }
    }
}

impl Worklist {
    /// Stores the answers of the model in use, and restores those of another one. Rows stay where they are.
    pub fn change_model(&mut self, from: &ModelChoice, to: &ModelChoice) {
        let entries = self.entries.iter_mut().zip(0..);
        let read = entries.filter(|(entry, _)| !matches!(entry.state, EntryState::Unread));
        let states = read
            .map(|(entry, i)| (i, std::mem::replace(&mut entry.state, EntryState::Unread)))
            .collect();
        self.other_models.push(OtherModel {
            model: from.clone(),
            states,
        });
        self.counts = WorklistCounts::default();
        let known = self
            .other_models
            .iter()
            .position(|other| other.model == *to);
        if let Some(known) = known.map(|at| self.other_models.remove(at)) {
            for (i, state) in known.states {
                // The file may have been replaced while another model was in use.
                let is_other = match (&state, self.entries[i as usize].content) {
                    (EntryState::Read(prediction), Some(content)) => prediction.content != content,
                    _ => false,
                };
                if !is_other {
                    self.counts.add(&state);
                    self.entries[i as usize].state = state;
                }
            }
        }
        self.stale |= self.is_arranged_by_state();
    }

    /// The answer of another model for a row, and the model's name. The last used model comes first.
    pub fn other_prediction(&self, row: usize) -> Option<(&str, &Prediction)> {
        self.other_prediction_of(*self.rows.get(row)?)
    }

    /// The same by index.
    pub(super) fn other_prediction_of(&self, index: u32) -> Option<(&str, &Prediction)> {
        let mut others = self.other_models.iter().rev();
        others.find_map(|other| match other.states.get(&index) {
            Some(EntryState::Read(prediction)) => Some((other.model.name.as_str(), &**prediction)),
            _ => None,
        })
    }
}
