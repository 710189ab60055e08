//! What happened in a reader study, as a chain like that of the reviews: when it began and with which files, each sitting,
//! each sitting that was refused, and its end. An event also holds the number of reviews and the hash of the last one at
//! that moment, so that reviews that were rewritten since are found.
//!
//! An event's hash covers `cxr study event 1\n`, the hash of the event before (for the first: 32 zero bytes), and each
//! field in the order of the table: its length as 8 bytes, lowest first, and its bytes. Numbers are 8 such bytes.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use sha2::{Digest, Sha256};

use super::chain::Hash;
use super::{Store, StoreError};
use crate::domain::hex::hex;

const DOMAIN: &[u8] = b"cxr study event 1\n";

/// The words of events that something follows from.
pub mod study_event {
    /// A study begins; the detail is a [`StudyRegistration`](super::super::StudyRegistration).
    pub const BEGUN: &str = "begun";
    /// The same registration by a version of cxr that notes more of it.
    pub const REGISTERED: &str = "registered";
    /// A sitting was opened.
    pub const SITTING: &str = "sitting";
    /// The screen of a sitting was left.
    pub const LEFT: &str = "left";
    /// No sitting of a reader opens any more.
    pub const CLOSED: &str = "closed";
    /// No sitting of an adjudicator opens any more.
    pub const ENDED: &str = "ended";
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyEvent {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// SHA-256 of the file of the study.
    pub study: String,
    /// Name of the reader, as in the reviews; empty where the event is of none.
    pub reader: String,
    /// A word that never changes: those of [`study_event`], and `refused`.
    pub event: String,
    /// One line, or JSON for `begun` and `registered`.
    pub detail: String,
    /// Number of reviews at that moment.
    pub log_rows: i64,
    /// Hash of the last review then, in lower-case hexadecimal digits.
    pub log_head: String,
}

/// An image that was called in a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyCall {
    /// Name of the reader, as in the reviews.
    pub reader: String,
    /// SHA-256 of the image.
    pub image: String,
    /// Time of the first call and of the last review since, in milliseconds since 1970.
    pub first_ms: i64,
    /// The later of the two.
    pub last_ms: i64,
}

/// The result of checking the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyAudit {
    /// Number of events.
    pub events: usize,
    /// Hash of the last one, in lower-case hexadecimal digits; zeros without one.
    pub head: String,
    /// One line for each fault.
    pub faults: Vec<String>,
}

impl Store {
    /// Appends an event, and returns once it is synced to the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_study_event(
        &mut self,
        study: &str,
        reader: &str,
        event: &str,
        detail: &str,
        at: SystemTime,
    ) -> Result<(), StoreError> {
        let texts = [study, reader, event, detail];
        self.write(|change| append(change, texts, at))
    }

    /// All events, the oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn study_events(&self) -> Result<Vec<StudyEvent>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM study_event ORDER BY id");
        let read = self.connection.prepare(&sql).and_then(|mut statement| {
            let rows = statement.query_map([], |row| EventRow::read(row).map(StudyEvent::from))?;
            rows.collect()
        });
        self.read(read)
    }

    /// Each image that a reader called in a study, in the order of the first calls.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn study_calls(&self, study: &str) -> Result<Vec<StudyCall>, StoreError> {
        const SQL: &str = "SELECT reviewer, image, min(at_ms), max(at_ms) FROM review
            WHERE calls IS NOT NULL AND json_valid(calls) AND json_extract(calls, '$.study') = ?
            GROUP BY reviewer, image ORDER BY min(id)";
        let read = self.connection.prepare(SQL).and_then(|mut statement| {
            let rows = statement.query_map([study], |row| {
                Ok(StudyCall {
                    reader: row.get(0)?,
                    image: row.get(1)?,
                    first_ms: row.get(2)?,
                    last_ms: row.get(3)?,
                })
            })?;
            rows.collect()
        });
        self.read(read)
    }

    /// When each call of a study was first made as it stands, by reader and SHA-256 of the image, written as
    /// [`LastWord::last_at`](super::LastWord::last_at). It is the call without the answer, else the one beside it; a
    /// review that changes neither, a note say, does not make it younger.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standing_call_times(
        &self,
        study: &str,
    ) -> Result<HashMap<(String, String), String>, StoreError> {
        // The columns beside max() are from the same row (sqlite.org/lang_select.html#bareagg).
        const SQL: &str = "WITH said AS (
                SELECT id, reviewer, image, at_ms,
                    coalesce(json_extract(calls, '$.unaided'), json_extract(calls, '$.aided')) AS call
                FROM review
                WHERE calls IS NOT NULL AND json_valid(calls) AND json_extract(calls, '$.study') = ?),
            standing AS (SELECT reviewer, image, call, max(id) FROM said GROUP BY reviewer, image)
            SELECT reviewer, image, strftime('%Y-%m-%dT%H:%M:%fZ', min(at_ms) / 1000.0, 'unixepoch')
            FROM said JOIN standing USING (reviewer, image, call)
            GROUP BY reviewer, image";
        let read = self.connection.prepare(SQL).and_then(|mut statement| {
            let rows = statement
                .query_map([study], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            rows.collect()
        });
        self.read(read)
    }

    /// Checks the chain of the events, and that the reviews that each one noted are still as they were.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn verify_study_events(&self) -> Result<StudyAudit, StoreError> {
        self.read(verify(&self.connection))
    }
}

/// Appends an event: its study, reader, word and detail.
pub(super) fn append(
    change: &Transaction,
    texts: [&str; 4],
    at: SystemTime,
) -> rusqlite::Result<()> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let (log_rows, log_head): (i64, Hash) =
        change.query_row("SELECT rows, head FROM chain", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let last = change.query_row(
        "SELECT id, hash FROM study_event ORDER BY id DESC LIMIT 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    );
    let (id, previous): (i64, Hash) = last.optional()?.unwrap_or_default();
    let event = EventRow {
        id: id + 1,
        at_ms,
        texts: texts.map(str::to_owned),
        log_rows,
        log_head: log_head.to_vec(),
    };
    event.insert(change, &previous)
}

const COLUMNS: &str = "id, at_ms, study, reader, event, detail, log_rows, log_head, previous, hash";

/// A row of the table, without its hashes.
struct EventRow {
    id: i64,
    at_ms: i64,
    /// Study, reader, event and detail.
    texts: [String; 4],
    log_rows: i64,
    log_head: Vec<u8>,
}

impl EventRow {
    fn hash(&self, previous: &[u8]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous);
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(&self.id.to_le_bytes());
        field(&self.at_ms.to_le_bytes());
        self.texts.iter().for_each(|text| field(text.as_bytes()));
        field(&self.log_rows.to_le_bytes());
        field(&self.log_head);
        hasher.finalize().into()
    }

    fn insert(&self, change: &Transaction, previous: &Hash) -> rusqlite::Result<()> {
        let sql =
            format!("INSERT INTO study_event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let [study, reader, event, detail] = &self.texts;
        let hash = self.hash(previous);
        let values = params![
            self.id,
            self.at_ms,
            study,
            reader,
            event,
            detail,
            self.log_rows,
            self.log_head,
            previous,
            hash,
        ];
        change.execute(&sql, values).map(drop)
    }

    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(EventRow {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            texts: [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?],
            log_rows: row.get(6)?,
            log_head: row.get(7)?,
        })
    }
}

impl From<EventRow> for StudyEvent {
    fn from(row: EventRow) -> Self {
        let [study, reader, event, detail] = row.texts;
        StudyEvent {
            at_ms: row.at_ms,
            study,
            reader,
            event,
            detail,
            log_rows: row.log_rows,
            log_head: hex(&row.log_head),
        }
    }
}

fn verify(connection: &Connection) -> rusqlite::Result<StudyAudit> {
    let mut audit = StudyAudit {
        events: 0,
        head: hex(&Hash::default()),
        faults: Vec::new(),
    };
    let mut statement =
        connection.prepare(&format!("SELECT {COLUMNS} FROM study_event ORDER BY id"))?;
    let mut noted = connection.prepare("SELECT hash FROM review WHERE id = ?")?;
    let mut rows = statement.query([])?;
    let mut head = Hash::default().to_vec();
    while let Some(row) = rows.next()? {
        audit.events += 1;
        let event = EventRow::read(row)?;
        let (previous, hash): (Vec<u8>, Vec<u8>) = (row.get(8)?, row.get(9)?);
        let number = event.id;
        if number != audit.events as i64 || previous != head {
            audit.faults.push(format!(
                "event {number} of the study does not follow on the one before it"
            ));
        }
        if event.hash(&previous)[..] != hash {
            audit
                .faults
                .push(format!("event {number} of the study was edited"));
        }
        if event.log_rows > 0 {
            let there: Option<Vec<u8>> = noted
                .query_row([event.log_rows], |row| row.get(0))
                .optional()?;
            if there.as_ref() != Some(&event.log_head) {
                audit.faults.push(format!(
                    "review {} is not the one that event {number} of the study noted",
                    event.log_rows
                ));
            }
        }
        head = hash;
    }
    audit.head = hex(&head);
    Ok(audit)
}

#[cfg(test)]
mod tests {
    use super::super::registration::tests::{call, registration};
    use super::study_event::BEGUN;
    use super::*;

    /// Two sessions of two readers may open at the same moment, each with a file of its own.
    #[test]
    fn of_many_sessions_at_once_one_begins_the_study() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        Store::open(&path).unwrap().close();
        let gate = std::sync::Barrier::new(6);
        let begun: Vec<String> = std::thread::scope(|scope| {
            let begin = |n: usize| {
                let (gate, path) = (&gate, &path);
                scope.spawn(move || {
                    let mut store = Store::open(path).unwrap();
                    gate.wait();
                    let study = format!("d{n}");
                    store
                        .begin_study(&study, &registration(), UNIX_EPOCH)
                        .unwrap()
                })
            };
            let threads: Vec<_> = (0..6).map(begin).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let store = Store::open(&path).unwrap();
        let events = store.study_events().unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(begun.iter().all(|study| *study == events[0].study));
    }

    #[test]
    fn an_edited_event_and_a_rewritten_log_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        let mut store = Store::open(&path).unwrap();
        store
            .begin_study("d1", &registration(), UNIX_EPOCH)
            .unwrap();
        call(&mut store, 1, "d1");
        store
            .note_study_event("d1", "ann", "refused", "too early", UNIX_EPOCH)
            .unwrap();
        let audit = store.verify_study_events().unwrap();
        assert_eq!((audit.events, audit.faults.len()), (2, 0));
        let tampered = |sql: &str| {
            let copy = folder.path().join("copy.sqlite");
            let _ = std::fs::remove_file(&copy);
            store.back_up(&copy, true).unwrap();
            let connection = Connection::open(&copy).unwrap();
            connection
                .execute_batch(&format!(
                    "DROP TRIGGER study_event_is_not_edited; DROP TRIGGER study_event_is_not_deleted;
                    DROP TRIGGER review_is_not_edited; {sql}"
                ))
                .unwrap();
            verify(&connection).unwrap().faults
        };
        for (sql, words) in [
            (
                "UPDATE study_event SET detail = 'in time' WHERE id = 2",
                "edited",
            ),
            ("DELETE FROM study_event WHERE id = 1", "does not follow"),
            (
                "UPDATE review SET hash = zeroblob(32) WHERE id = 1",
                "noted",
            ),
        ] {
            let faults = tampered(sql).join("; ");
            assert!(faults.contains(words), "{sql}: {faults}");
        }
        let refused = store.connection.execute("DELETE FROM study_event", []);
        assert!(refused.unwrap_err().to_string().contains("append-only"));
    }

    /// A store of the version before has no events, and is read as it was.
    #[test]
    fn a_store_of_the_version_before_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sqlite");
        let before = super::super::schema::MIGRATIONS;
        let mut old = Connection::open(&path).unwrap();
        let without = before
            .iter()
            .position(|sql| sql.contains("study_event"))
            .unwrap();
        super::super::schema::migrate(&mut old, &before[..without]).unwrap();
        drop(old);
        let store = Store::open_read_only(&path).unwrap();
        assert_eq!(store.study_events().unwrap(), []);
        drop(store);
        let mut store = Store::open(&path).unwrap();
        assert_eq!(
            store.begin_study("d", &registration(), UNIX_EPOCH).unwrap(),
            "d"
        );
        assert_eq!(store.study_events().unwrap()[0].event, BEGUN);
    }
}
