//! When files were changed last, asked of the disk once somebody sorts by it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Sort, Worklist};

/// Seconds since 1970, by index; `None` for a file that does not say. What is not among them has not
/// come yet.
#[derive(Default)]
pub struct Times {
    known: Vec<Option<f64>>,
    /// How many were asked for.
    asked: usize,
}

impl Times {
    pub(super) fn of(&self, index: u32) -> Option<f64> {
        self.known.get(index as usize).copied().flatten()
    }
}

/// Files whose times are wanted, the first of them by its index.
#[derive(Debug)]
pub struct Undated {
    pub first: usize,
    pub paths: Vec<Arc<Path>>,
}

impl Worklist {
    /// Those that nobody has asked for, where the list is sorted by time.
    pub fn ask_for_times(&mut self) -> Option<Undated> {
        let first = self.times.asked;
        let new = Range {
            start: first,
            end: self.entries.len(),
        };
        if self.sort != Sort::Time || new.is_empty() {
            return None;
        }
        self.times.asked = new.end;
        let paths = self.entries[new].iter().map(|entry| entry.path.clone());
        Some(Undated {
            first,
            paths: paths.collect(),
        })
    }

    /// What came of it; sorts anew, since that is what it was asked for.
    pub fn date(&mut self, first: usize, times: Vec<Option<f64>>) {
        let known = &mut self.times.known;
        let end = first + times.len();
        known.resize(known.len().max(end), None);
        known[first..end].copy_from_slice(&times);
        if self.sort == Sort::Time {
            self.arrange();
        }
    }
}
