//! Where the reader is, written now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Bookmark, Pending};

/// What a kill may lose of it, at most.
const AGE: Duration = Duration::from_secs(2);

/// The newest place, while it is not on the disk. A failure costs the memory of it and nothing else.
#[derive(Default)]
pub struct Marker {
    unwritten: Option<(Arc<[PathBuf]>, Bookmark)>,
    /// `None` also after a failure: it is tried again at the next move, and at the end.
    due: Option<Instant>,
}

impl Marker {
    pub fn note(&mut self, folders: Arc<[PathBuf]>, mark: Bookmark, now: Instant) {
        self.unwritten = Some((folders, mark));
        self.due.get_or_insert(now + AGE);
    }

    /// How long until it has to be written.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }

    /// If its time has come.
    pub fn write_if_due(&mut self, pending: &mut Pending, reviewer: &str, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.write(pending, reviewer);
        }
    }

    pub fn write(&mut self, pending: &mut Pending, reviewer: &str) {
        self.due = None;
        if let Some((folders, mark)) = &self.unwritten
            && pending.mark(reviewer, folders, mark).is_ok()
        {
            self.unwritten = None;
        }
    }
}
