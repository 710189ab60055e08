//! Reviews and predictions in one SQLite file, which several readers and processes may share.
//!
//! ```text
//! review       append-only: who, when, what they held, what they saw; each row bears the hash of the
//!              row before (`chain`)
//! image        content hash → where it was last, DICOM UIDs, patient
//! prediction   what a model said of an image, at the card's own prevalence
//! session      where each reader was in which folders
//! ```
//!
//! A review says what it changes of what the reader holds of an image; its row is made from that and
//! from the reader's last row (`merge`). It is acknowledged once its transaction is synced to the disk.
//! What could not be written waits in memory (`Pending`) and is tried again, and at the end in a file
//! beside the store (`rescue`).

mod answers;
mod backup;
mod calls;
mod chain;
mod error;
mod file;
mod line;
mod merge;
mod origin;
mod pending;
mod predictions;
mod recorder;
mod rescue;
mod schema;
mod seen;
mod session;
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
pub use file::{default_path, is_part_of};
use line::{LogLine, ModelAnswer};
pub use merge::Merged;
use origin::put_origin;
pub use pending::Pending;
pub use recorder::{Ending, News, Recorder, Request, ReviewDraft};
pub use session::Bookmark;
use wait::Wait;
pub use words::{LastWord, Standing};

use crate::domain::{ContentId, ImageIdentity, Opinion, Origin, Prediction, Review, Verdict};

/// How long a write is tried again while others hold the lock, before it is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last checkpoint waits for those who read.
const CLOSING: Duration = Duration::from_secs(1);

/// A review on its way into the log.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewEntry {
    /// Unique to this review: written twice, it is in the log once.
    pub token: String,
    pub image: ImageIdentity,
    pub review: Review,
    /// What the model said, at the card's own prevalence.
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
    /// Opens the store, and makes it (mode 0600) where there is none.
    ///
    /// # Errors
    /// If the file is not a store, is damaged, or is newer than this program: it is left as it is. If
    /// it cannot be made or read.
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

    /// Opens a store that is there and writes nothing to it.
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

    /// Brings all that is in the write-ahead log into the one file, if no other program reads in it just
    /// now, and closes it: a copy of the file is whole then.
    pub fn close(mut self) {
        // What cannot be brought over stays in the log, where it is as safe.
        let _ = self.wait.install(&mut self.connection, CLOSING);
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let _ = self.connection.query_row(sql, [], |_| Ok(()));
    }

    /// Has what is written through this handle reach the disk later, where that endangers nothing but
    /// itself: a power cut may take it back, a kill may not. For what can be computed anew.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn relax(&mut self) -> Result<(), StoreError> {
        self.read(file::relax(&self.connection))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a review at the end of the log, laid over what its reader holds of the image, and returns
    /// once it is synced to the disk.
    ///
    /// # Errors
    /// If it cannot be written; nothing of it is in the log then, or all of it: try again with the
    /// same token.
    pub fn append(&mut self, entry: &ReviewEntry) -> Result<Merged, StoreError> {
        self.append_line(&LogLine::from(entry))
    }

    fn append_line(&mut self, line: &LogLine) -> Result<Merged, StoreError> {
        self.write(|change| {
            put_image(change, &line.image)?;
            if let Some(said) = &line.said {
                put_prediction(change, &line.image.sha256, said)?;
            }
            merge::put_review(change, line)
        })
    }

    /// Keeps what a model says of an image, over what it said before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&mut self, image: &ImageIdentity, said: &Prediction) -> Result<(), StoreError> {
        let said = ModelAnswer::new(said);
        self.write(|change| {
            put_image(change, image)?;
            put_prediction(change, &image.sha256, &said)
        })
    }

    /// Keeps what a model says of an image so that [`recall`](Self::recall) gives it back, without its
    /// heat maps, and whose image it is and when it was taken. `basis` stands for everything
    /// beside the image that the answer depends on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remember(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        said: &Prediction,
        basis: &str,
    ) -> Result<(), StoreError> {
        let said = ModelAnswer {
            answer: predictions::write(said, basis).to_string(),
            ..ModelAnswer::new(said)
        };
        self.write(|change| {
            put_image(change, image)?;
            put_origin(change, image, origin)?;
            put_answer(change, &image.sha256, &said)
        })
    }

    /// What was remembered of an image. `None` if nothing was, or on another basis.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn recall(
        &self,
        image: ContentId,
        model: &str,
        preprocess: &str,
        basis: &str,
    ) -> Result<Option<Prediction>, StoreError> {
        let answer = self.prediction(&image.to_string(), model, preprocess)?;
        Ok(answer.and_then(|answer| predictions::read(&answer, image, basis)))
    }

    /// What a model said of an image, if that is known: see `seen` and `kept` for its members.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn prediction(
        &self,
        image: &str,
        model: &str,
        preprocess: &str,
    ) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT answer FROM prediction WHERE (image, model, preprocess) = (?, ?, ?)";
        let found = self
            .connection
            .query_row(sql, [image, model, preprocess], |row| json(row, 0))
            .optional();
        self.read(found)
    }

    /// What a model said of an image, whatever the preprocessing, as [`Store::prediction`]; the last
    /// that was kept.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn last_prediction(&self, image: &str, model: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT answer FROM prediction WHERE (image, model) = (?, ?)
            ORDER BY rowid DESC LIMIT 1";
        let found = self
            .connection
            .query_row(sql, [image, model], |row| json(row, 0))
            .optional();
        self.read(found)
    }

    /// What this reader holds of one image; `None` if they have said nothing of it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standing(
        &self,
        reviewer: &str,
        image: ContentId,
    ) -> Result<Option<Opinion>, StoreError> {
        let sql = "SELECT verdict, label, key_image, note, calls FROM review
            WHERE (reviewer, image) = (?, ?) ORDER BY id DESC LIMIT 1";
        let found = self.connection.prepare_cached(sql).and_then(|mut last| {
            let image = image.to_string();
            let found = last.query_row([reviewer, &image], |row| opinion(row, 0));
            found.optional()
        });
        self.read(found)
    }

    /// Reads the whole log, and says whether every row is what was written, and where.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn verify(&self) -> Result<Audit, StoreError> {
        self.read(chain::verify(&self.connection))
    }

    /// Holds what is read until `read` returns to one moment, whatever others write meanwhile.
    ///
    /// # Errors
    /// If the store cannot be read, or as `read` does.
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

    /// Runs `work` alone among all writers, and returns once it is on the disk.
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
        // Whatever was written to a file without a name would be gone with this process.
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

    /// No page more than `pages`: the disk of a test is full then.
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

fn put_prediction(change: &Transaction, image: &str, said: &ModelAnswer) -> rusqlite::Result<()> {
    let sql = "SELECT answer FROM prediction WHERE (image, model, preprocess) = (?, ?, ?)";
    let known = change
        .prepare_cached(sql)?
        .query_row([image, &said.model, &said.preprocess], |row| json(row, 0))
        .optional()?;
    // To say the same again takes away nothing that was remembered with it.
    if known.is_some_and(|known| predictions::says(&known, &said.answer)) {
        return Ok(());
    }
    put_answer(change, image, said)
}

fn put_answer(change: &Transaction, image: &str, said: &ModelAnswer) -> rusqlite::Result<()> {
    let sql = "INSERT INTO prediction VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET answer = excluded.answer WHERE answer <> excluded.answer";
    let values = params![image, said.model, said.preprocess, said.answer];
    change.prepare_cached(sql)?.execute(values).map(drop)
}

/// From the columns verdict, label, key_image, note and calls.
fn opinion(row: &Row, first: usize) -> rusqlite::Result<Opinion> {
    let verdict: Option<String> = row.get(first)?;
    Ok(Opinion {
        verdict: verdict.as_deref().and_then(Verdict::named),
        label: row.get(first + 1)?,
        key_image: row.get(first + 2)?,
        note: row.get(first + 3)?,
        blinded: row
            .get::<_, Option<String>>(first + 4)?
            .and_then(|text| calls::read(&text)),
    })
}

/// A value that cannot be read is `null` rather than the end of the table: `verify` names its row.
fn json(row: &Row, column: usize) -> rusqlite::Result<Value> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn bytes_of(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn path_from(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests;
