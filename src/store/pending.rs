//! Reviews that are not on the disk yet.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::line::LogLine;
use super::rescue;
use super::wait::Wait;
use super::{Bookmark, Merged, ReviewEntry, Store, StoreError};
use crate::domain::ContentId;

/// Writes reviews in their order; what cannot be written now stays and is tried again. Nothing is
/// dropped, and nothing overtakes.
pub struct Pending {
    path: PathBuf,
    open: Open,
    /// Opened anew after an error: the disk may have come back, or the file been replaced.
    store: Option<Store>,
    waiting: VecDeque<LogLine>,
    /// What this session has written: it is written again where the store is moved or removed under it.
    written: Vec<LogLine>,
    /// How many of those wait again and are not accounted for yet.
    again: usize,
    /// Files of earlier sessions, and the tokens of what is in them and not in the log yet.
    taken_up: Vec<(PathBuf, HashSet<String>)>,
    /// This session's.
    saved: Option<PathBuf>,
    wait: Wait,
}

type Open = Box<dyn Fn(&Wait) -> Result<Store, StoreError> + Send>;

/// What earlier sessions could not write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// Reviews that wait again.
    pub count: usize,
    /// Files that cannot be read, with a reason: they are left as they are.
    pub problems: Vec<String>,
}

impl Pending {
    /// For a store that is made with the first review, if there is none. One that cannot be reached
    /// now may be later, and reviews wait for that.
    ///
    /// # Errors
    /// If the file is there, and is no store that this program may write to.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let open = move |wait: &Wait| Store::open_with(&file, wait);
        let mut pending = Self::with(path, Box::new(open));
        if path.exists() {
            pending.store = match (pending.open)(&pending.wait) {
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

    pub(super) fn with(path: &Path, open: Open) -> Self {
        Pending {
            path: path.to_owned(),
            store: None,
            open,
            waiting: VecDeque::new(),
            written: Vec::new(),
            again: 0,
            taken_up: Vec::new(),
            saved: None,
            wait: Wait::default(),
        }
    }

    /// Of the store, be it there or not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store, if there is one and the last attempt to reach it was no failure.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    pub(super) fn wait(&self) -> &Wait {
        &self.wait
    }

    pub fn push(&mut self, entry: &ReviewEntry) {
        self.waiting.push_back(LogLine::from(entry));
    }

    /// How many are not on the disk.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Has what earlier sessions left beside the store wait here. Each file goes once all of it is in
    /// the log.
    pub fn take_up(&mut self) -> TakenUp {
        let mut taken_up = TakenUp::default();
        for found in rescue::find(&self.path) {
            match found.lines {
                Ok(lines) => {
                    taken_up.count += lines.len();
                    let tokens = lines.iter().map(|line| line.token.clone()).collect();
                    self.taken_up.push((found.file, tokens));
                    self.waiting.extend(lines);
                }
                Err(reason) => {
                    let file = found.file.display();
                    taken_up.problems.push(format!("{file}: {reason}"));
                }
            }
        }
        taken_up
    }

    /// Writes the oldest that waits; `None` if nothing does.
    ///
    /// # Errors
    /// If it cannot be written; it waits on then.
    pub fn write_next(&mut self) -> Option<Result<Merged, StoreError>> {
        // It leaves the queue once it is written: it is not lost if that ends in a panic.
        let line = self.waiting.front()?.clone();
        let written = self.write(&line);
        match &written {
            Ok(_) => {
                self.waiting.pop_front();
                self.note_written(&line.token);
                self.written.push(line);
            }
            // What is only locked is there; to open it anew reads all of it.
            Err(StoreError::Busy { .. }) => {}
            Err(StoreError::Moved { .. }) => self.begin_again(),
            Err(_) => self.store = None,
        }
        Some(written)
    }

    /// The store is not the one of that name any more. What is in its log goes into its file, wherever
    /// that is now; and all that was acknowledged in this session waits for the store that comes in its
    /// place. Where that is the same one after all, tokens keep it from being there twice.
    fn begin_again(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
        self.again += self.written.len();
        for line in self.written.drain(..).rev() {
            self.waiting.push_front(line);
        }
    }

    /// How many acknowledged reviews wait again, since this was last asked: before all others.
    pub(super) fn take_again(&mut self) -> usize {
        std::mem::take(&mut self.again)
    }

    /// A file that cannot be removed is taken up again, and finds everything written.
    fn note_written(&mut self, token: &str) {
        self.taken_up.retain_mut(|(file, tokens)| {
            tokens.remove(token);
            if tokens.is_empty() {
                let _ = fs::remove_file(file);
            }
            !tokens.is_empty()
        });
        if self.waiting.is_empty()
            && let Some(saved) = self.saved.take()
        {
            let _ = fs::remove_file(saved);
        }
    }

    /// Writes what waits to a file beside the store, for the next start; what came from such files is
    /// there already. It goes once all of it could be written nevertheless. `None` if nothing waits.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&mut self, session: &str) -> io::Result<Option<&Path>> {
        let mut lines = self.waiting.iter().filter(|line| !line.is_late).peekable();
        if lines.peek().is_some() {
            self.saved = Some(rescue::save(&self.path, session, lines)?);
        }
        Ok(self.saved.as_deref())
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
            self.begin_again();
        }
        marked
    }

    /// Keeps whose answers were shown. That waits for nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn note_answers_shown(
        &mut self,
        reviewer: &str,
        images: &[ContentId],
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let noted = self.reach()?.note_answers_shown(reviewer, images, at);
        if matches!(noted, Err(StoreError::Moved { .. })) {
            self.begin_again();
        }
        noted
    }

    /// Lets go of the store. What waits stays.
    pub(super) fn let_go(&mut self) {
        self.store = None;
    }

    /// Closes the store; see [`Store::close`].
    pub(super) fn close(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
    }

    fn write(&mut self, line: &LogLine) -> Result<Merged, StoreError> {
        self.reach()?.append_line(line)
    }

    fn reach(&mut self) -> Result<&mut Store, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => (self.open)(&self.wait)?,
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
    use crate::domain::{Opinion, OpinionChange};

    /// What one attempt came to.
    #[derive(Debug, Default)]
    pub struct Flushed {
        /// Those that are on the disk now.
        pub written: Vec<Merged>,
        /// Why the rest is not.
        pub error: Option<StoreError>,
    }

    impl Pending {
        /// Writes all that wait, oldest first, until one cannot be written.
        fn flush(&mut self) -> Flushed {
            let mut flushed = Flushed::default();
            while let Some(next) = self.write_next() {
                match next {
                    Ok(merged) => flushed.written.push(merged),
                    Err(error) => {
                        flushed.error = Some(error);
                        break;
                    }
                }
            }
            flushed
        }
    }

    /// A store with no room for more than so many pages.
    fn cramped(path: &Path, room: &Arc<AtomicI64>) -> Pending {
        let (file, room) = (path.to_owned(), room.clone());
        let open = move |_: &Wait| {
            let store = Store::open(&file)?;
            store.limit(room.load(Ordering::SeqCst));
            Ok(store)
        };
        Pending::with(path, Box::new(open))
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
            entry.review.change = OpinionChange::to(&Opinion {
                note: "a long note ".repeat(100),
                ..Opinion::default()
            });
            pending.push(&entry);
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
        let open = move |_: &Wait| Store::open_read_only(&file);
        let mut pending = Pending::with(&path, Box::new(open));
        pending.push(&entry(1, "agree"));
        let error = pending.flush().error.unwrap();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(error.to_string().contains("reviews.sqlite"));
        let file = path.clone();
        pending.open = Box::new(move |_: &Wait| Store::open(&file));
        assert_eq!(pending.flush().written.len(), 1);
    }

    /// Writing on into a file without a name would lose all of it.
    #[test]
    fn a_store_that_was_removed_under_us_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let mut pending = Pending::open(&path).unwrap();
        assert!(!path.exists(), "nothing was said yet");
        pending.push(&entry(0, "agree"));
        assert_eq!(pending.flush().written.len(), 1);
        for name in ["reviews.sqlite", "reviews.sqlite-wal", "reviews.sqlite-shm"] {
            let _ = std::fs::remove_file(folder.path().join(name));
        }
        pending.push(&entry(1, "unsure"));
        let error = pending.flush().error.unwrap();
        assert!(matches!(error, StoreError::Moved { .. }), "{error}");
        assert_eq!(pending.take_again(), 1, "what was acknowledged waits again");
        assert_eq!(pending.flush().written.len(), 2);
        let rows = Store::open(&path).unwrap().verify().unwrap().rows;
        assert_eq!(rows, 2);
    }

    /// Its log stays behind under the old name: SQLite would remove it with the new store.
    #[test]
    fn a_store_that_was_renamed_under_us_is_whole_and_the_new_one_has_this_sessions_reviews() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let mut earlier = Store::open(&place("s.sqlite")).unwrap();
        earlier.append(&entry(5, "agree")).unwrap();
        earlier.close();
        let mut pending = Pending::open(&place("s.sqlite")).unwrap();
        pending.push(&entry(0, "agree"));
        assert_eq!(pending.flush().written.len(), 1);
        std::fs::rename(place("s.sqlite"), place("kept.sqlite")).unwrap();
        pending.push(&entry(1, "unsure"));
        assert!(matches!(
            pending.flush().error,
            Some(StoreError::Moved { .. })
        ));
        assert_eq!(pending.flush().written.len(), 2);
        pending.close();
        for (name, rows) in [("kept.sqlite", 2), ("s.sqlite", 2)] {
            let audit = Store::open_read_only(&place(name))
                .unwrap()
                .verify()
                .unwrap();
            assert_eq!((audit.rows, audit.faults), (rows, vec![]), "{name}");
        }
        // A log without its database is somebody's reviews: nothing is made over it.
        std::fs::write(place("t.sqlite-wal"), "reviews").unwrap();
        let error = Store::open(&place("t.sqlite")).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!place("t.sqlite").exists());
    }

    /// What waits when the program ends is in the log once, however often it is taken up.
    #[test]
    fn what_was_saved_at_the_end_is_taken_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        drop(Store::open(&path).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut pending = Pending::open(&path).unwrap();
        pending.wait().hurry();
        for n in 0..2 {
            pending.push(&entry(n, "agree"));
        }
        let error = pending.flush().error.unwrap();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        let saved = pending.save("here").unwrap().unwrap().to_owned();
        let text = std::fs::read(&saved).unwrap();
        drop(pending);

        let mut next = Pending::open(&path).unwrap();
        assert_eq!(next.take_up().count, 2);
        next.wait().hurry();
        assert!(next.flush().error.is_some(), "it is locked still");
        assert_eq!(next.save("next").unwrap(), None, "they have a file");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(next.flush().written.len(), 2);
        assert!(!saved.exists());

        // As if the program had been killed between the last commit and the removal.
        std::fs::write(&saved, text).unwrap();
        let mut again = Pending::open(&path).unwrap();
        assert_eq!(again.take_up().count, 2);
        again.flush();
        assert!(!saved.exists());
        let audit = Store::open(&path).unwrap().verify().unwrap();
        assert_eq!((audit.rows, audit.faults), (2, vec![]));
    }

    #[test]
    fn what_is_written_after_all_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let mut pending = Pending::open(&path).unwrap();
        pending.push(&entry(0, "agree"));
        let saved = pending.save("here").unwrap().unwrap().to_owned();
        assert!(saved.exists());
        assert!(pending.flush().error.is_none() && !saved.exists());
        assert_eq!(pending.save("here").unwrap(), None);
    }
}
