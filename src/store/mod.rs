//! Reviews and predictions in one SQLite file, which several readers and processes may share.
//!
//! ```text
//! review        append-only: reader, time, opinion, screen; each row has the hash of the row before
//!               (`chain`)
//! image         content hash → last path, DICOM UIDs, patient
//! prediction    a model's answer for an image, at the card's own prevalence
//! session       each reader's place in each set of folders
//! answer_shown  when a reader first saw a model's answer without a call before it
//! study_event   what happened in a reader study: begun, sittings, refusals; a chain of its own
//! ```
//!
//! A review holds the changes of the reader's opinion of an image. Its row is made from these and from the
//! reader's last row (`merge`). It is acknowledged once its transaction is synced to the disk. A review that
//! cannot be written waits in memory (`Pending`) and is tried again; at the end of the program it is saved
//! beside the store (`rescue`).
//!
//! Words and JSON in rows have types of their own (`stored`, `seen`, `cached`, `calls`, `stored_mark`, `line`, `origin`):
//! rows of earlier versions hold them, so they never change, while the words of the screen may.

mod answers;
mod backup;
mod cached;
mod calls;
mod chain;
mod error;
mod file;
mod judged;
mod line;
mod merge;
mod origin;
mod pending;
mod place;
mod predictions;
mod recorder;
mod registration;
mod rescue;
mod schema;
mod seen;
mod session;
mod stored;
mod stored_change;
mod stored_image;
mod stored_mark;
mod study_events;
mod times;
mod wait;
mod words;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params,
};
use serde_json::Value;

pub use chain::{Audit, ChainFault};
pub use error::StoreError;
pub use file::is_part_of;
use line::LogLine;
pub use merge::Merged;
pub use pending::Pending;
pub use place::absolute_path;
use place::bytes_of;
use predictions::put_prediction;
pub use recorder::{Ending, News, Recorder, Request, ReviewDraft};
pub use registration::{OpenStudy, RegisteredPanel, StudyRegistration};
pub use session::Bookmark;
use stored::{StoredVerdict, from_word};
pub use study_events::{StudyAudit, StudyCall, StudyEvent, study_event};
pub use times::ReviewTime;
use wait::Wait;
pub use words::{LastWord, Standing};

use crate::domain::{ContentId, ImageIdentity, Opinion, Prediction, Review};

/// How long a write is retried while other processes hold the lock, before it is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last checkpoint waits for processes that read.
const CLOSING: Duration = Duration::from_secs(1);

/// A review on its way into the log.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewEntry {
    /// Unique to this review. A review that is written twice is in the log once.
    pub token: String,
    /// The image that was reviewed.
    pub image: ImageIdentity,
    /// What the reader did, and saw.
    pub review: Review,
    /// The model's answer, at the card's own prevalence.
    pub prediction: Option<Prediction>,
}

/// An open store.
pub struct Store {
    path: PathBuf,
    connection: Connection,
    identity: Option<(u64, u64)>,
    wait: Wait,
}

impl Store {
    /// Opens the store, and creates it (mode 0600) where there is none.
    ///
    /// # Errors
    /// If the file is not a store, is damaged, or is newer than this program: it is left as it is. If it
    /// cannot be created or read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, &Wait::default())
    }

    fn open_with(path: &Path, wait: &Wait) -> Result<Self, StoreError> {
        Ok(Store {
            connection: file::open(path, wait)?,
            identity: file::identity(path),
            path: path.to_owned(),
            wait: wait.clone(),
        })
    }

    /// Opens an existing store, and writes nothing to it.
    ///
    /// # Errors
    /// As [`Store::open`], and if there is none.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Ok(Store {
            connection: file::open_read_only(path)?,
            identity: file::identity(path),
            path: path.to_owned(),
            wait: Wait::default(),
        })
    }

    /// Moves the content of the write-ahead log into the file, unless another program is reading from it, and
    /// closes it. A copy of the file is complete then.
    pub fn close(mut self) {
        // The content stays in the log where that fails, and is as safe there.
        let _ = self.wait.install(&mut self.connection, CLOSING);
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.connection.query_row(sql, [], |_| Ok(()));
    }

    /// Lets writes through this handle reach the disk later, where only these writes are at risk: a power cut
    /// may undo them, the end of the process may not. For data that can be computed again.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn relax(&mut self) -> Result<(), StoreError> {
        self.read(file::relax(&self.connection))
    }

    /// The file, as it was named when the store was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a review to the log, applied to its reader's opinion of the image, and returns once it is synced
    /// to the disk.
    ///
    /// # Errors
    /// If it cannot be written. The log then holds either none or all of it: try again with the same token.
    pub fn append(&mut self, entry: &ReviewEntry) -> Result<Merged, StoreError> {
        self.append_line(&LogLine::from(entry))
    }

    fn append_line(&mut self, line: &LogLine) -> Result<Merged, StoreError> {
        let written = self.write(|change| {
            if let Some(second) = registration::second_sitting_opened(change, line)? {
                return Ok(Err(second));
            }
            put_image(change, &line.image)?;
            if let Some(answer) = &line.model_answer {
                put_prediction(change, &line.image.sha256, answer)?;
            }
            merge::put_review(change, line).map(Ok)
        })?;
        written.map_err(|second| StoreError::SittingOver {
            path: self.path.clone(),
            reader: line.reviewer.clone(),
            second,
        })
    }

    /// This reader's opinion of one image; `None` without a review.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standing(
        &self,
        reviewer: &str,
        image: ContentId,
    ) -> Result<Option<Opinion>, StoreError> {
        let sql = "SELECT verdict, label, key_image, note, calls, marks FROM review
            WHERE (reviewer, image) = (?, ?) ORDER BY id DESC LIMIT 1";
        let found = self.connection.prepare_cached(sql).and_then(|mut last| {
            let image = image.to_string();
            let found = last.query_row([reviewer, &image], |row| opinion(row, 0));
            found.optional()
        });
        self.read(found)
    }

    /// Whether the log has the review with this token.
    fn has(&self, token: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM review WHERE token = ?)";
        self.read(self.connection.query_row(sql, [token], |row| row.get(0)))
    }

    /// Reads the whole log, and reports the rows that are not as they were written.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn verify(&self) -> Result<Audit, StoreError> {
        self.read(chain::verify(&self.connection))
    }

    /// Lets `read` see the store as it is at one moment, without the writes of other processes meanwhile.
    ///
    /// # Errors
    /// If the store cannot be read, and those of `read`.
    pub fn at_one_moment<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.read(self.connection.execute_batch("BEGIN"))?;
        let result = read(self);
        self.read(self.connection.execute_batch("COMMIT"))?;
        result
    }

    fn read<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| StoreError::new(&self.path, &error))
    }

    fn write<T>(
        &mut self,
        work: impl Fn(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write_within(PATIENCE, work)
    }

    /// Runs `work` while no other process writes, and returns once its result is on the disk.
    fn write_within<T>(
        &mut self,
        patience: Duration,
        work: impl Fn(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let busy = patience.min(file::BUSY);
        let set = self.wait.install(&mut self.connection, busy);
        set.map_err(|error| StoreError::new(&self.path, &error))?;
        let (path, identity) = (&self.path, self.identity);
        let fault = |error: &rusqlite::Error| StoreError::new(path, error);
        // A file that has lost its name would vanish with this process.
        let is_ours = || match file::identity(path) {
            found if found.is_some() && found == identity && !file::is_empty(path) => Ok(()),
            _ => Err(StoreError::Moved { path: path.clone() }),
        };
        let begun = Instant::now();
        let may_wait = || self.wait.allows(begun, patience);
        loop {
            is_ours()?;
            let change = Transaction::new(&mut self.connection, TransactionBehavior::Immediate);
            let change = match change {
                Err(error) if is_busy(&error) && may_wait() => continue,
                other => other.map_err(|error| fault(&error))?,
            };
            let done = work(&change).and_then(|result| change.commit().map(|()| result));
            match done {
                Err(error) if is_busy(&error) && may_wait() => continue,
                Err(error) => return Err(fault(&error)),
                Ok(result) => return is_ours().map(|()| result),
            }
        }
    }

    /// Limits the file to a number of pages: the disk of a test is full then.
    #[cfg(test)]
    fn limit(&self, pages: i64) {
        self.connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn put_image(change: &Transaction, image: &ImageIdentity) -> rusqlite::Result<()> {
    let sql = "INSERT INTO image (sha256, path, study_uid, series_uid, sop_uid, patient_id)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (sha256) DO UPDATE SET path = excluded.path";
    let values = params![
        image.sha256,
        bytes_of(&image.path),
        image.uids.study,
        image.uids.series,
        image.uids.sop_instance,
        image.patient_id,
    ];
    change.prepare_cached(sql)?.execute(values).map(drop)
}

/// An opinion from the columns verdict, label, key_image, note, calls and marks.
fn opinion(row: &Row, first: usize) -> rusqlite::Result<Opinion> {
    let verdict: Option<String> = row.get(first)?;
    Ok(Opinion {
        verdict: verdict
            .as_deref()
            .and_then(from_word::<StoredVerdict>)
            .map(Into::into),
        label: row.get(first + 1)?,
        key_image: row.get(first + 2)?,
        note: row.get(first + 3)?,
        blinded: row
            .get::<_, Option<String>>(first + 4)?
            .and_then(|text| calls::read(&text)),
        marks: row
            .get::<_, Option<String>>(first + 5)?
            .and_then(|text| stored_mark::read(&text))
            .unwrap_or_default(),
    })
}

/// A column of JSON. A value that cannot be read is `null` and does not end the table: `verify` names its
/// row.
fn json_column(row: &Row, column: usize) -> rusqlite::Result<Value> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests;
