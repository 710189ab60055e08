//! Reviews that are not on the disk yet.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{Bookmark, Entry, Store, StoreError};

/// Writes reviews in their order; what cannot be written now stays and is tried again. Nothing is
/// dropped, and nothing overtakes.
pub struct Pending {
    open: Open,
    /// Opened anew after an error: the disk may have come back, or the file been replaced.
    store: Option<Store>,
    waiting: VecDeque<Entry>,
}

type Open = Box<dyn Fn() -> Result<Store, StoreError> + Send>;

/// What one attempt came to.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Those that are on the disk now.
    pub written: Vec<Entry>,
    /// Why the rest is not.
    pub error: Option<StoreError>,
}

impl Pending {
    /// For a store that is made with the first review, if there is none. One that cannot be reached
    /// now may be later, and reviews wait for that.
    ///
    /// # Errors
    /// If the file is there, and is no store that this program may write to.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let mut pending = Self::with(Box::new(move || Store::open(&file)));
        if path.exists() {
            pending.store = match (pending.open)() {
                Ok(store) => Some(store),
                Err(
                    error @ (StoreError::Foreign { .. }
                    | StoreError::Damaged { .. }
                    | StoreError::Newer { .. }),
                ) => return Err(error),
                Err(_) => None,
            };
        }
        Ok(pending)
    }

    fn with(open: Open) -> Self {
        Pending {
            store: None,
            open,
            waiting: VecDeque::new(),
        }
    }

    /// The store, if there is one and the last attempt to reach it was no failure.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    pub fn push(&mut self, entry: Entry) {
        self.waiting.push_back(entry);
    }

    /// How many are not on the disk.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes all that wait, oldest first, until one cannot be written.
    pub fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        while let Some(entry) = self.waiting.pop_front() {
            if let Err(error) = self.write(&entry) {
                self.store = None;
                self.waiting.push_front(entry);
                flushed.error = Some(error);
                return flushed;
            }
            flushed.written.push(entry);
        }
        flushed
    }

    /// Remembers where the reader is. That waits for nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark(
        &mut self,
        reviewer: &str,
        folders: &[PathBuf],
        mark: &Bookmark,
    ) -> Result<(), StoreError> {
        let marked = self.reach()?.mark(reviewer, folders, mark);
        if matches!(marked, Err(StoreError::Moved { .. })) {
            self.store = None;
        }
        marked
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.reach()?.append(entry).map(drop)
    }

    fn reach(&mut self) -> Result<&mut Store, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.open)()?,
        };
        Ok(self.store.insert(store))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::super::tests::entry;
    use super::*;

    /// A store with no room for more than so many pages.
    fn cramped(path: &Path, room: &Arc<AtomicI64>) -> Pending {
        let (path, room) = (path.to_owned(), room.clone());
        Pending::with(Box::new(move || {
            let store = Store::open(&path)?;
            store.limit(room.load(Ordering::SeqCst));
            Ok(store)
        }))
    }

    #[test]
    fn on_a_full_disk_reviews_wait_in_order_and_are_written_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let room = Arc::new(AtomicI64::new(30));
        let mut pending = cramped(&path, &room);
        let mut written = 0;
        for n in 0..60 {
            let mut entry = entry(n, "agree");
            entry.review.opinion.note = "a long note ".repeat(100);
            pending.push(entry);
            let flushed = pending.flush();
            written += flushed.written.len();
            if n == 59 {
                assert!(matches!(flushed.error, Some(StoreError::Full { .. })));
            }
        }
        assert!(
            written > 0 && pending.waiting() == 60 - written,
            "{written}"
        );
        assert!(pending.store().is_none());

        room.store(1_000, Ordering::SeqCst);
        let flushed = pending.flush();
        assert!(flushed.error.is_none() && pending.waiting() == 0);
        assert_eq!(flushed.written.len(), 60 - written);
        let store = Store::open(&path).unwrap();
        let audit = store.verify().unwrap();
        assert_eq!((audit.rows, audit.faults), (60, vec![]));
        let images: Vec<_> = store.standings("ann").unwrap();
        let expected: Vec<_> = (0..60).map(|n| entry(n, "agree").image.sha256).collect();
        let found: Vec<_> = images.into_iter().map(|standing| standing.image).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cannot_be_written_to_a_read_only_file_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let store = Store::open(&path).unwrap();
        drop(store);
        let file = path.clone();
        let mut pending = Pending::with(Box::new(move || Store::open_read_only(&file)));
        pending.push(entry(1, "agree"));
        let error = pending.flush().error.unwrap();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(error.to_string().contains("reviews.sqlite"));
        let file = path.clone();
        pending.open = Box::new(move || Store::open(&file));
        assert_eq!(pending.flush().written, [entry(1, "agree")]);
    }

    /// Writing on into a file without a name would lose all of it.
    #[test]
    fn a_store_that_was_removed_under_us_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let mut pending = Pending::open(&path).unwrap();
        assert!(!path.exists(), "nothing was said yet");
        pending.push(entry(0, "agree"));
        assert_eq!(pending.flush().written.len(), 1);
        for name in ["reviews.sqlite", "reviews.sqlite-wal", "reviews.sqlite-shm"] {
            let _ = std::fs::remove_file(folder.path().join(name));
        }
        pending.push(entry(1, "unsure"));
        let error = pending.flush().error.unwrap();
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
        assert_eq!(pending.flush().written.len(), 1);
        let rows = Store::open(&path).unwrap().verify().unwrap().rows;
        assert_eq!(rows, 1);
    }
}
