//! Modification times, read from the disk when the list is sorted by them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Sort, Worklist};

/// Modification times in seconds since 1970, by index; `None` for a file without one. The vector ends before
/// the first time that has not come yet.
#[derive(Default)]
pub struct Times {
    known: Vec<Option<f64>>,
    /// How many times were requested.
    requested: usize,
}

impl Times {
    pub(super) fn of(&self, index: u32) -> Option<f64> {
        self.known.get(index as usize).copied().flatten()
    }
}

/// Files whose times are requested.
#[derive(Debug)]
pub struct Undated {
    /// Index of the first.
    pub first: usize,
    /// The paths of this file and the following ones.
    pub paths: Vec<Arc<Path>>,
}

impl Worklist {
    /// Requests the times that were not requested before, if the list is sorted by time.
    pub fn request_times(&mut self) -> Option<Undated> {
        let first = self.times.requested;
        let new = Range {
            start: first,
            end: self.entries.len(),
        };
        if self.sort != Sort::Time || new.is_empty() {
            return None;
        }
        self.times.requested = new.end;
        let paths = self.entries[new].iter().map(|entry| entry.path.clone());
        Some(Undated {
            first,
            paths: paths.collect(),
        })
    }

    /// Takes in the times of a request, and sorts by them.
    pub fn set_times(&mut self, first: usize, times: Vec<Option<f64>>) {
        let known = &mut self.times.known;
        let end = first + times.len();
        known.resize(known.len().max(end), None);
        known[first..end].copy_from_slice(&times);
        if self.sort == Sort::Time {
            self.arrange();
        }
    }
}
