//! The prefetch thread: decodes the neighbours of the selection before the reader asks for them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::decoded_cache::DecodedCache;
use super::idle_queue::BusyFlag;
use crate::imaging::Decoder;

/// The files to decode ahead, likeliest first. Each selection replaces the list.
#[derive(Default)]
pub struct Prefetch {
    state: Mutex<PrefetchState>,
    changed: Condvar,
    /// Set from a new list until the thread has worked it off.
    busy: Option<BusyFlag>,
}

#[derive(Default)]
struct PrefetchState {
    paths: VecDeque<Arc<Path>>,
    closed: bool,
}

/// The thread: decodes into the cache until the list is closed.
pub fn run(list: &Prefetch, cache: &DecodedCache, decoder: &Decoder) {
    while let Some(path) = list.take() {
        let prefetch = || cache.prefetch(&path, || decoder.open(&path));
        // The image thread reports an error when the reader selects the file.
        let _ = catch_unwind(AssertUnwindSafe(prefetch));
    }
}

impl Prefetch {
    pub fn with_busy_flag(busy: BusyFlag) -> Self {
        Prefetch {
            busy: Some(busy),
            ..Prefetch::default()
        }
    }

    pub fn replace(&self, paths: Vec<Arc<Path>>) {
        let mut state = self.lock();
        state.paths = paths.into();
        if !state.paths.is_empty() {
            self.set_busy(true);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next; `None` once closed.
    fn take(&self) -> Option<Arc<Path>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(path) = state.paths.pop_front() {
                return Some(path);
            }
            self.set_busy(false);
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn set_busy(&self, is_busy: bool) {
        if let Some(busy) = &self.busy {
            busy.set(is_busy);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PrefetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    #[test]
    fn a_new_list_replaces_the_old_one() {
        let list = Prefetch::default();
        list.replace(vec![path("a"), path("b")]);
        list.replace(vec![path("c")]);
        assert_eq!(list.take(), Some(path("c")));
        list.close();
        assert_eq!(list.take(), None);
    }
}
