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
//! A review is acknowledged once its transaction is synced to the disk. What could not be written
//! waits in memory (`Pending`) and is tried again.

mod answers;
mod calls;
mod chain;
mod error;
mod file;
mod kept;
mod origin;
mod pending;
mod recorder;
mod schema;
mod seen;
mod session;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params,
};
use serde_json::Value;

pub use chain::{Audit, Fault};
use chain::{Hash, Link};
pub use error::StoreError;
pub use file::default_path;
use origin::put_origin;
pub use pending::Pending;
pub use recorder::{Draft, News, Recorder, Request};
pub use session::Bookmark;

use crate::domain::{ImageIdentity, Opinion, Prediction, Review, Uids, Verdict};

/// How long a write is tried again while others hold the lock, before it is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// A review on its way into the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Unique to this review: written twice, it is in the log once.
    pub token: String,
    pub image: ImageIdentity,
    pub review: Review,
    /// What the model said, at the card's own prevalence.
    pub prediction: Option<Prediction>,
}

/// What a reader holds of an image now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// SHA-256 of the image.
    pub image: String,
    /// Where it was last.
    pub path: PathBuf,
    pub opinion: Opinion,
}

/// The last word of one reader on one image, for a table.
#[derive(Debug, Clone, PartialEq)]
pub struct LastWord {
    pub image: ImageIdentity,
    pub reviewer: String,
    pub opinion: Opinion,
    /// UTC, as in `2026-01-31T12:00:00.123Z`: the first entry and the last.
    pub first_at: String,
    pub last_at: String,
    /// Entries in the log of this reader on this image.
    pub entries: u64,
    /// What was seen at the last entry, as it is in the log: see `seen`.
    pub seen: Value,
    /// Version of the program that wrote the last entry.
    pub program: String,
}

/// An open store.
pub struct Store {
    path: PathBuf,
    connection: Connection,
    identity: Option<(u64, u64)>,
}

impl Store {
    /// Opens the store, and makes it (mode 0600) where there is none.
    ///
    /// # Errors
    /// If the file is not a store, is damaged, or is newer than this program: it is left as it is. If
    /// it cannot be made or read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Store {
            connection: file::open(path)?,
            identity: file::identity(path),
            path: path.to_owned(),
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
        })
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

    /// Puts a review at the end of the log, and returns its row once it is synced to the disk.
    ///
    /// # Errors
    /// If it cannot be written; nothing of it is in the log then, or all of it: try again with the
    /// same token.
    pub fn append(&mut self, entry: &Entry) -> Result<i64, StoreError> {
        self.write(|change| {
            if let Some(row) = row_of(change, &entry.token)? {
                return Ok(row);
            }
            put_image(change, &entry.image)?;
            if let Some(prediction) = &entry.prediction {
                put_prediction(change, &entry.image.sha256, prediction)?;
            }
            put_review(change, entry)
        })
    }

    /// Keeps what a model says of an image, over what it said before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&mut self, image: &ImageIdentity, said: &Prediction) -> Result<(), StoreError> {
        self.write(|change| {
            put_image(change, image)?;
            put_prediction(change, &image.sha256, said)
        })
    }

    /// Keeps what a model says of an image so that [`recall`](Self::recall) gives it back, without its
    /// heat maps, and when the image was taken, if its file says so. `basis` stands for everything
    /// beside the image that the answer depends on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remember(
        &mut self,
        image: &ImageIdentity,
        taken: Option<&str>,
        said: &Prediction,
        basis: &str,
    ) -> Result<(), StoreError> {
        let answer = kept::write(said, basis);
        self.write(|change| {
            put_image(change, image)?;
            put_origin(change, image, taken)?;
            put_answer(change, &image.sha256, said, &answer)
        })
    }

    /// What was remembered of an image. `None` if nothing was, or on another basis.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn recall(
        &self,
        image: &str,
        model: &str,
        preprocess: &str,
        basis: &str,
    ) -> Result<Option<Prediction>, StoreError> {
        let answer = self.prediction(image, model, preprocess)?;
        Ok(answer.and_then(|answer| kept::read(&answer, basis)))
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

    /// What this reader holds of each image, in the order in which they said so.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standings(&self, reviewer: &str) -> Result<Vec<Standing>, StoreError> {
        let sql = "SELECT review.image, image.path, verdict, label, key_image, note, calls
            FROM review JOIN image ON image.sha256 = review.image
            WHERE id IN (SELECT max(id) FROM review WHERE reviewer = ? GROUP BY image) ORDER BY id";
        let all = self.connection.prepare(sql).and_then(|mut statement| {
            let rows = statement.query_map([reviewer], |row| {
                Ok(Standing {
                    image: row.get(0)?,
                    path: path_from(row.get(1)?),
                    opinion: opinion(row, 2)?,
                })
            })?;
            rows.collect()
        });
        self.read(all)
    }

    /// Gives the last word of every reader on every image, by image path and reviewer. An error of
    /// `each` ends it and is returned.
    ///
    /// # Errors
    /// If the store cannot be read (in the outer result), or `each` says so (in the inner one).
    pub fn last_words<E>(
        &self,
        mut each: impl FnMut(LastWord) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        const TIME: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', ";
        let sql = format!(
            "SELECT image, image.path, study_uid, series_uid, sop_uid, patient_id,
                verdict, label, key_image, note, calls, reviewer, {TIME}first / 1000.0, 'unixepoch'),
                {TIME}at_ms / 1000.0, 'unixepoch'), entries, seen, program
            FROM (SELECT max(id) AS last, min(at_ms) AS first, count(*) AS entries
                FROM review GROUP BY image, reviewer)
            JOIN review ON id = last JOIN image ON image.sha256 = review.image
            ORDER BY image.path, image, reviewer"
        );
        let walked = self.connection.prepare(&sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let Err(error) = each(last_word(row)?) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        });
        self.read(walked)
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
        let busy = |wait| self.connection.busy_timeout(wait);
        let set = busy(patience.min(file::BUSY));
        set.map_err(|error| StoreError::new(&self.path, &error))?;
        let (path, identity) = (&self.path, self.identity);
        let fault = |error: &rusqlite::Error| StoreError::new(path, error);
        // Whatever was written to a file without a name would be gone with this process.
        let is_ours = || match file::identity(path) {
            found if found.is_some() && found == identity => Ok(()),
            _ => Err(StoreError::Moved { path: path.clone() }),
        };
        let begun = Instant::now();
        loop {
            is_ours()?;
            let change = Transaction::new(&mut self.connection, TransactionBehavior::Immediate);
            let change = match change {
                Err(error) if is_busy(&error) && begun.elapsed() < patience => continue,
                other => other.map_err(|error| fault(&error))?,
            };
            let done = work(&change).and_then(|result| change.commit().map(|()| result));
            match done {
                Err(error) if is_busy(&error) && begun.elapsed() < patience => continue,
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

fn row_of(change: &Transaction, token: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM review WHERE token = ?";
    change.query_row(sql, [token], |row| row.get(0)).optional()
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

fn put_prediction(change: &Transaction, image: &str, said: &Prediction) -> rusqlite::Result<()> {
    let answer = seen::prediction(said);
    let sql = "SELECT answer FROM prediction WHERE (image, model, preprocess) = (?, ?, ?)";
    let known = change
        .prepare_cached(sql)?
        .query_row([image, &said.model_sha256, &said.preprocess], |row| {
            json(row, 0)
        })
        .optional()?;
    // Whoever says the same again takes away nothing that was remembered with it.
    if known.is_some_and(|known| kept::says(&known, &answer)) {
        return Ok(());
    }
    put_answer(change, image, said, &answer)
}

fn put_answer(
    change: &Transaction,
    image: &str,
    said: &Prediction,
    answer: &Value,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO prediction VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET answer = excluded.answer WHERE answer <> excluded.answer";
    let values = params![
        image,
        said.model_sha256,
        said.preprocess,
        answer.to_string()
    ];
    change.prepare_cached(sql)?.execute(values).map(drop)
}

fn put_review(change: &Transaction, entry: &Entry) -> rusqlite::Result<i64> {
    let (rows, previous): (i64, Hash) =
        change.query_row("SELECT rows, head FROM chain", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let review = &entry.review;
    let since = review.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let link = Link {
        id: rows + 1,
        token: entry.token.clone(),
        image: entry.image.sha256.clone(),
        path: bytes_of(&entry.image.path).to_vec(),
        reviewer: review.reviewer.clone(),
        at_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        act: review.act.word().to_owned(),
        verdict: review.opinion.verdict.map(|v| v.word().to_owned()),
        label: review.opinion.label.clone(),
        key_image: review.opinion.key_image,
        note: review.opinion.note.clone(),
        seen: seen::seen(&review.seen).to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        calls: review.opinion.blinded.as_ref().map(calls::write),
    };
    let hash = link.hash(&previous);
    link.insert(change, &previous, &hash)?;
    change.execute(
        "UPDATE chain SET rows = ?, head = ?",
        params![link.id, hash],
    )?;
    Ok(link.id)
}

fn last_word(row: &Row) -> rusqlite::Result<LastWord> {
    Ok(LastWord {
        image: ImageIdentity {
            sha256: row.get(0)?,
            path: path_from(row.get(1)?),
            uids: Uids {
                study: row.get(2)?,
                series: row.get(3)?,
                sop_instance: row.get(4)?,
            },
            patient_id: row.get(5)?,
        },
        opinion: opinion(row, 6)?,
        reviewer: row.get(11)?,
        first_at: row.get(12)?,
        last_at: row.get(13)?,
        entries: row.get::<_, i64>(14)?.unsigned_abs(),
        seen: json(row, 15)?,
        program: row.get(16)?,
    })
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
