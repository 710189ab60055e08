//! Modification times, read from the disk when the list is sorted by them.

use std::collections::BTreeSet;
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
    /// Files before that which may have another time by now.
    again: BTreeSet<u32>,
}

impl Times {
    pub(super) fn of(&self, index: u32) -> Option<f64> {
        self.known.get(index as usize).copied().flatten()
    }
}

/// Files whose times are requested, by index.
#[derive(Debug)]
pub struct Undated(pub Vec<(u32, Arc<Path>)>);

impl Worklist {
    /// Requests the times that were not requested before, or not since their files changed, if the list is sorted by time.
    pub fn request_times(&mut self) -> Option<Undated> {
        if self.sort != Sort::Time {
            return None;
        }
        let times = &mut self.times;
        let again = std::mem::take(&mut times.again).into_iter();
        let new = times.requested as u32..self.entries.len() as u32;
        times.requested = self.entries.len();
        let path = |index: u32| (index, self.entries[index as usize].path.clone());
        let files: Vec<_> = again.chain(new).map(path).collect();
        (!files.is_empty()).then_some(Undated(files))
    }

    /// Takes in the times of a request, and sorts by them. A file that had a time before stays in its place until the
    /// reader sorts again.
    pub fn set_times(&mut self, times: Vec<(u32, Option<f64>)>) {
        let (mut has_come, mut has_moved) = (false, false);
        for (index, time) in times {
            let known = &mut self.times.known;
            let end = index as usize + 1;
            known.resize(known.len().max(end), None);
            let before = std::mem::replace(&mut known[end - 1], time);
            has_come |= before.is_none() && time.is_some();
            has_moved |= before != time;
        }
        match self.sort {
            Sort::Time if has_come => self.arrange(),
            Sort::Time => self.stale |= has_moved,
            _ => {}
        }
    }

    /// Has the time of a file asked for again, which was written to or removed.
    pub(super) fn date_again(&mut self, index: usize) {
        if index < self.times.requested {
            self.times.again.insert(index as u32);
        }
        // Rows stay in place as long as they are sorted by it.
        if self.sort != Sort::Time
            && let Some(known) = self.times.known.get_mut(index)
        {
            *known = None;
        }
    }

    /// The same for all files: of those that were not read, no change is reported.
    pub fn date_all_again(&mut self) {
        (0..self.times.requested).for_each(|index| self.date_again(index));
    }
}
