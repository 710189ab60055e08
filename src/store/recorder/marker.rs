//! The reader's place and the answers that were shown, written every few seconds.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::super::{Bookmark, Pending, StoreError};
use crate::domain::ContentId;

/// The longest time that they stay unwritten: the end of the process may lose that much.
const AGE: Duration = Duration::from_secs(2);
/// How long the end of the program waits for other processes to unlock the store.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts then.
const PAUSE: Duration = Duration::from_millis(20);

/// The newest place and the answers that were shown, while they are not on the disk. A failed write loses
/// nothing else.
#[derive(Default)]
pub struct Marker {
    unwritten: Option<(Arc<[PathBuf]>, Bookmark)>,
    /// Images whose answers were shown.
    shown: Vec<ContentId>,
    /// When the first of them was shown.
    shown_at: Option<SystemTime>,
    /// `None` also after a failure: the next move and the end of the program try again.
    due: Option<Instant>,
}

impl Marker {
    pub fn note(&mut self, folders: Arc<[PathBuf]>, mark: Bookmark, now: Instant) {
        self.unwritten = Some((folders, mark));
        self.due.get_or_insert(now + AGE);
    }

    pub fn note_shown(&mut self, images: Vec<ContentId>, now: Instant) {
        self.shown.extend(images);
        self.shown_at.get_or_insert_with(SystemTime::now);
        self.due.get_or_insert(now + AGE);
    }

    /// The time until the next write.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }

    /// Writes if the time has come.
    pub fn write_if_due(&mut self, pending: &mut Pending, reviewer: &str, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            // What could not be written waits for the next move, and for the end.
            let _ = self.write(pending, reviewer);
        }
    }

    /// Writes what is not on the disk.
    ///
    /// # Errors
    /// If a part of it cannot be written: that waits.
    pub fn write(&mut self, pending: &mut Pending, reviewer: &str) -> Result<(), StoreError> {
        self.due = None;
        let mut failed = Ok(());
        if let Some((folders, mark)) = &self.unwritten {
            match pending.mark(reviewer, folders, mark) {
                Ok(()) => self.unwritten = None,
                Err(error) => failed = Err(error),
            }
        }
        if let Some(at) = self.shown_at {
            match pending.note_answers_shown(reviewer, &self.shown, at) {
                Ok(()) => (self.shown, self.shown_at) = (Vec::new(), None),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    /// Writes at the end of the program. Another process, or the prediction cache of this one, may hold the lock for a
    /// moment.
    pub fn write_at_the_end(&mut self, pending: &mut Pending, reviewer: &str) {
        let begun = Instant::now();
        while let Err(StoreError::Busy { .. }) = self.write(pending, reviewer) {
            if begun.elapsed() > LAST_PATIENCE {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
