//! Where the reader is and whose answers they have seen, written now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::{Bookmark, Pending};
use crate::domain::ContentId;

/// What a kill may lose of it, at most.
const AGE: Duration = Duration::from_secs(2);

/// The newest place and the answers that were shown, while they are not on the disk. A failure costs the
/// memory of the place and nothing else.
#[derive(Default)]
pub struct Marker {
    unwritten: Option<(Arc<[PathBuf]>, Bookmark)>,
    /// Images, and when the first of them was shown.
    shown: Vec<ContentId>,
    shown_at: Option<SystemTime>,
    /// `None` also after a failure: it is tried again at the next move, and at the end.
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
        if let Some(at) = self.shown_at
            && pending
                .note_answers_shown(reviewer, &self.shown, at)
                .is_ok()
        {
            self.shown.clear();
            self.shown_at = None;
        }
    }
}
