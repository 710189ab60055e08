//! Reviews that are not on the disk yet.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::line::LogLine;
use super::rescue;
use super::wait::Wait;
use super::{Bookmark, Merged, ReviewEntry, Store, StoreError};
use crate::domain::ContentId;

/// Writes reviews in their order. Reviews that cannot be written stay and are tried again: none is dropped,
/// and the order never changes.
pub struct Pending {
    path: PathBuf,
    /// Folders for the reviews that wait, where they cannot be put beside the store.
    spare_folders: Vec<PathBuf>,
    open: Open,
    /// Opened again after an error: the disk may be back, or the file may have been replaced.
    store: Option<Store>,
    waiting: VecDeque<WaitingReview>,
    /// The reviews that this session has written. They are written again if the store is moved or removed.
    written: Vec<LogLine>,
    /// The token of the newest of them that has a row. The log is append-only: where this row is, the others are too.
    newest: Option<String>,
    /// Files of earlier sessions, and the tokens of their reviews that are not in the log yet.
    taken_up: Vec<(PathBuf, HashSet<String>)>,
    /// Reviews that the store does not take, and why.
    refused: Vec<RefusedReview>,
    /// The file of this session's reviews, if there is one.
    saved: Option<PathBuf>,
    wait: Wait,
}

type Open = Box<dyn Fn(&Wait) -> Result<Store, StoreError> + Send>;

/// A review as the screen knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownReview {
    /// Path of the image on the screen.
    pub source: Arc<Path>,
    pub content: ContentId,
    /// The number of the review: see [`ReviewDraft::number`](super::ReviewDraft::number).
    pub number: u64,
}

/// A review on its way into the log, and the one on the screen that it is reported for. They stay together, so that no
/// opinion is reported for another image.
struct WaitingReview {
    line: LogLine,
    /// `None` for a review of an earlier session, and for one that was reported before.
    shown: Option<ShownReview>,
}

/// A review that is in the log now.
#[derive(Debug)]
pub struct WrittenReview {
    /// Its row, and the opinion there.
    pub merged: Merged,
    /// The reader whose opinion it is: reviews that waited in a file may be of other readers than this session's.
    pub reviewer: String,
    /// The review on the screen that it has to be reported for, if any.
    pub shown: Option<ShownReview>,
}

/// A review that the store does not take, at any time.
#[derive(Debug)]
pub struct RefusedReview {
    /// The reader whose review it was.
    pub reviewer: String,
    /// The review on the screen that it has to be reported for, if any.
    pub shown: Option<ShownReview>,
    /// One line.
    pub reason: String,
}

/// Reviews that were in the store, and are not there any more.
#[derive(Debug)]
pub(super) struct LostReviews {
    pub count: usize,
    pub reason: StoreError,
    /// The file that they wait in now.
    pub saved: io::Result<PathBuf>,
}

/// Reviews that earlier sessions could not write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenUp {
    /// Number of reviews that wait again.
    pub count: usize,
    /// Files that cannot be read, with the reason. They are left as they are.
    pub problems: Vec<String>,
}

impl Pending {
    /// For a store that is created with the first review if it does not exist. Reviews wait while the store
    /// cannot be reached.
    ///
    /// # Errors
    /// If the file exists and is not a store that this program may write to.
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
            spare_folders: Vec::new(),
            store: None,
            open,
            waiting: VecDeque::new(),
            written: Vec::new(),
            newest: None,
            taken_up: Vec::new(),
            refused: Vec::new(),
            saved: None,
            wait: Wait::default(),
        }
    }

    /// Names folders, in their order, for the reviews that wait where they cannot be put beside the store: on a full
    /// disk, or on one that may only be read.
    pub fn with_spare_folders(mut self, folders: Vec<PathBuf>) -> Self {
        self.spare_folders = folders;
        self
    }

    /// The path of the store, whether it exists or not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store, if it exists and the last attempt to reach it succeeded.
    pub fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    pub(super) fn wait(&self) -> &Wait {
        &self.wait
    }

    /// Appends a review to those that wait. It is reported for `shown` once it is written.
    pub fn push(&mut self, entry: &ReviewEntry, shown: Option<ShownReview>) {
        let line = LogLine::from(entry);
        self.waiting.push_back(WaitingReview { line, shown });
    }

    /// Number of reviews that are not on the disk.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Reads the reviews that earlier sessions left in files. They wait here, and each file is removed
    /// once all its reviews are in the log.
    pub fn take_up(&mut self) -> TakenUp {
        let mut taken_up = TakenUp::default();
        for found in rescue::find(&self.path, &self.spare_folders) {
            match found.lines {
                Ok(lines) => {
                    taken_up.count += lines.len();
                    let tokens = lines.iter().map(|line| line.token.clone()).collect();
                    self.taken_up.push((found.file, tokens));
                    let unseen = lines
                        .into_iter()
                        .map(|line| WaitingReview { line, shown: None });
                    self.waiting.extend(unseen);
                }
                Err(reason) => {
                    let file = found.file.display();
                    taken_up.problems.push(format!("{file}: {reason}"));
                }
            }
        }
        taken_up
    }

    /// Writes the oldest waiting review; `None` if none waits. One that the store does not take is passed over: see
    /// [`Pending::take_refused`].
    ///
    /// # Errors
    /// If it cannot be written. It goes on waiting then.
    pub fn write_next(&mut self) -> Option<Result<WrittenReview, StoreError>> {
        // It stays in the queue until it is written, so that a panic does not lose it.
        let (line, written) = loop {
            let line = self.waiting.front()?.line.clone();
            match self.write(&line) {
                Err(error @ StoreError::SittingOver { .. }) => self.refuse_first(&line, &error),
                written => break (line, written),
            }
        };
        match &written {
            Ok(_) => {}
            // A locked store is still there. To open it again would check the whole file.
            Err(StoreError::Busy { .. }) => {}
            Err(StoreError::Moved { .. }) => self.begin_again(),
            Err(_) => self.store = None,
        }
        Some(written.map(|merged| {
            let shown = self.waiting.pop_front().and_then(|first| first.shown);
            let reviewer = line.reviewer.clone();
            self.note_written(&line.token);
            if merged.has_row {
                self.newest = Some(line.token.clone());
            }
            self.written.push(line);
            WrittenReview {
                merged,
                reviewer,
                shown,
            }
        }))
    }

    /// The oldest waiting review waits no longer.
    fn refuse_first(&mut self, line: &LogLine, error: &StoreError) {
        let shown = self.waiting.pop_front().and_then(|first| first.shown);
        self.refused.push(RefusedReview {
            reviewer: line.reviewer.clone(),
            shown,
            reason: error.to_string(),
        });
        self.note_written(&line.token);
    }

    /// The reviews that the store did not take since this was asked last. They wait no longer.
    pub fn take_refused(&mut self) -> Vec<RefusedReview> {
        std::mem::take(&mut self.refused)
    }

    /// The open store no longer has its name. Its write-ahead log goes into its file, at the file's new place,
    /// and all reviews of this session wait for the store that takes its place. If that is the same store,
    /// their tokens keep them from being written twice.
    fn begin_again(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
        self.newest = None;
        for line in self.written.drain(..).rev() {
            self.waiting.push_front(WaitingReview { line, shown: None });
        }
    }

    /// Removes files whose reviews are all written. A file that cannot be removed is read again by the next
    /// session, which finds its reviews in the log.
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

    /// Writes the waiting reviews to a file beside the store, or in a spare folder, for the next session; those from such
    /// files have one already. The file is removed if all its reviews are written after all. `None` if none waits.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&mut self, session: &str) -> io::Result<Option<&Path>> {
        let lines = self.waiting.iter().map(|waiting| &waiting.line);
        let mut lines = lines.filter(|line| !line.is_late).peekable();
        if lines.peek().is_some() {
            let folders = &self.spare_folders;
            self.saved = Some(rescue::save(&self.path, folders, session, lines)?);
        }
        Ok(self.saved.as_deref())
    }

    /// Writes the reader's place. It is not tried again.
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

    /// Notes answers that were shown. It is not tried again.
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

    /// Drops the handle of the store. Waiting reviews stay.
    pub(super) fn let_go(&mut self) {
        self.store = None;
    }

    /// Closes the store (see [`Store::close`]), and looks whether it has the reviews that this session wrote: another
    /// program may have written over the file. If not, they are put where reviews wait, and the loss is returned.
    pub(super) fn close(&mut self, session: &str) -> Option<LostReviews> {
        if let Some(store) = self.store.take() {
            store.close();
        }
        let newest = self.newest.take()?;
        let reason = match Store::open_read_only(&self.path).and_then(|store| store.has(&newest)) {
            Ok(true) | Err(StoreError::Busy { .. }) => return None,
            Ok(false) => StoreError::Moved {
                path: self.path.clone(),
            },
            Err(error) => error,
        };
        let (folders, lines) = (&self.spare_folders, self.written.iter());
        // The reviews that wait may have a file of the session's own name.
        let name = format!("{session}-written");
        Some(LostReviews {
            count: self.written.len(),
            reason,
            saved: rescue::save(&self.path, folders, &name, lines),
        })
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
mod tests;
