//! The tables, and the migrations from older versions.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::domain::text::clean;

/// `PRAGMA application_id` of a store: `CXRs`.
pub const APPLICATION_ID: i32 = 0x4358_5273;

/// The migration from each schema version to the next; the first creates the tables. Their text must not
/// change: [`strange`] compares it with the schema of the file.
pub const MIGRATIONS: [&str; 7] = [
    TABLES,
    SESSIONS,
    BLINDED_READING,
    PATIENT_IDENTITY,
    ANSWERS_SHOWN,
    STUDY_EVENTS,
    MARKS,
];

/// `review` is the log. Its rows are numbered 1, 2, 3 …; `chain` holds their number and the hash of the last
/// one, so that rows missing from the end are noticed too.
const TABLES: &str = "
CREATE TABLE image (
    sha256      TEXT PRIMARY KEY,
    path        BLOB NOT NULL,
    study_uid   TEXT,
    series_uid  TEXT,
    sop_uid     TEXT,
    patient_id  TEXT
) STRICT;

CREATE TABLE prediction (
    image       TEXT NOT NULL REFERENCES image (sha256),
    model       TEXT NOT NULL,
    preprocess  TEXT NOT NULL,
    answer      TEXT NOT NULL,
    PRIMARY KEY (image, model, preprocess)
) STRICT;

CREATE TABLE review (
    id          INTEGER PRIMARY KEY,
    token       TEXT NOT NULL UNIQUE,
    image       TEXT NOT NULL REFERENCES image (sha256),
    path        BLOB NOT NULL,
    reviewer    TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    act         TEXT NOT NULL,
    verdict     TEXT CHECK (verdict IN ('agree', 'disagree', 'unsure')),
    label       TEXT,
    key_image   INTEGER NOT NULL CHECK (key_image IN (0, 1)),
    note        TEXT NOT NULL,
    seen        TEXT NOT NULL,
    program     TEXT NOT NULL,
    previous    BLOB NOT NULL,
    hash        BLOB NOT NULL
) STRICT;
CREATE INDEX review_of ON review (reviewer, image, id);

CREATE TABLE chain (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    rows        INTEGER NOT NULL,
    head        BLOB NOT NULL
) STRICT;
INSERT INTO chain VALUES (1, 0, zeroblob(32));

CREATE TRIGGER review_is_not_edited BEFORE UPDATE ON review
BEGIN SELECT RAISE (ABORT, 'the review log is append-only'); END;
CREATE TRIGGER review_is_not_deleted BEFORE DELETE ON review
BEGIN SELECT RAISE (ABORT, 'the review log is append-only'); END;
CREATE TRIGGER review_is_not_replaced BEFORE INSERT ON review
WHEN NEW.id <> (SELECT rows + 1 FROM chain) OR EXISTS (SELECT 1 FROM review WHERE token = NEW.token)
BEGIN SELECT RAISE (ABORT, 'the review log is append-only'); END;
";

/// `image.taken` is null where the file was not read for it, and empty where the file has no time. `folders`
/// are paths with a zero byte between them.
const SESSIONS: &str = "
ALTER TABLE image ADD COLUMN taken TEXT;

CREATE TABLE session (
    reviewer    TEXT NOT NULL,
    folders     BLOB NOT NULL,
    selected    BLOB,
    position    INTEGER NOT NULL,
    sort        TEXT NOT NULL,
    reversed    INTEGER NOT NULL CHECK (reversed IN (0, 1)),
    filter      TEXT NOT NULL,
    PRIMARY KEY (reviewer, folders)
) STRICT;
";

/// The calls of blinded reading as JSON: see `calls`.
const BLINDED_READING: &str = "ALTER TABLE review ADD COLUMN calls TEXT";

/// The fields that tell apart patients with the same identifier, as JSON: see `origin`. Null where the file
/// was not read for them.
const PATIENT_IDENTITY: &str = "ALTER TABLE image ADD COLUMN identity TEXT";

/// The time at which the answer for an image was first on a reader's screen without a call before it.
const ANSWERS_SHOWN: &str = "
CREATE TABLE answer_shown (
    reviewer    TEXT NOT NULL,
    image       TEXT NOT NULL,
    first_ms    INTEGER NOT NULL,
    PRIMARY KEY (reviewer, image)
) STRICT, WITHOUT ROWID;
";

/// What happened in a reader study: see `study_events`. From this version on, calls may have ratings, a mode and a study,
/// which an earlier version would drop.
const STUDY_EVENTS: &str = "
CREATE TABLE study_event (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    study       TEXT NOT NULL,
    reader      TEXT NOT NULL,
    event       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    log_rows    INTEGER NOT NULL,
    log_head    BLOB NOT NULL,
    previous    BLOB NOT NULL,
    hash        BLOB NOT NULL
) STRICT;

CREATE TRIGGER study_event_is_not_edited BEFORE UPDATE ON study_event
BEGIN SELECT RAISE (ABORT, 'the log of a study is append-only'); END;
CREATE TRIGGER study_event_is_not_deleted BEFORE DELETE ON study_event
BEGIN SELECT RAISE (ABORT, 'the log of a study is append-only'); END;
";

/// A reader's marks on an image as JSON: see `stored_mark`. Null where there are none.
const MARKS: &str = "ALTER TABLE review ADD COLUMN marks TEXT";

/// The schema version of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Version {
    Current,
    /// Another program's file, or tables without [`APPLICATION_ID`].
    Foreign,
    Newer(i64),
}

/// Migrates the tables up to the last of `migrations`, in one transaction. A second process finds the work
/// done.
pub fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<Version> {
    if let Some(found) = settled(connection, migrations)? {
        return Ok(found);
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(found) = settled(&change, migrations)? {
        return Ok(found);
    }
    for (step, sql) in migrations
        .iter()
        .enumerate()
        .skip(version(&change)? as usize)
    {
        change.execute_batch(sql)?;
        change.pragma_update(None, "user_version", step as i64 + 1)?;
    }
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    Transaction::commit(change)?;
    Ok(Version::Current)
}

/// The version, if there is nothing to migrate.
fn settled(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<Option<Version>> {
    let known = migrations.len() as i64;
    let State {
        application,
        version,
        tables,
    } = State::of(connection)?;
    Ok(match (application, version) {
        (0, 0) if tables == 0 => None,
        (APPLICATION_ID, found) if found > known => Some(Version::Newer(found)),
        (APPLICATION_ID, found) if found == known => Some(Version::Current),
        (APPLICATION_ID, 1..) => None,
        _ => Some(Version::Foreign),
    })
}

/// Whether it is a store of an earlier version.
pub fn is_older(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<bool> {
    let state = State::of(connection)?;
    let older = 1..migrations.len() as i64;
    Ok(state.application == APPLICATION_ID && older.contains(&state.version))
}

/// The version of a store that a newer version of cxr made. Asked before the schema is known to be harmless: a table of
/// the file may have the name of a pragma, so only the pragmas themselves are asked.
pub fn newer(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<Option<i64>> {
    let application: i32 = pragma(connection, "application_id")?;
    let found = version(connection)?;
    let is_newer = application == APPLICATION_ID && found > migrations.len() as i64;
    Ok(is_newer.then_some(found))
}

/// What tells whether a file is a store, and of which version.
struct State {
    application: i32,
    version: i64,
    /// And triggers, indices …
    tables: i64,
}

impl State {
    /// Reads it in one statement, so as it is at one moment: another process may create or migrate the store
    /// between two.
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        const SQL: &str =
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
            FROM pragma_application_id, pragma_user_version";
        connection.query_row(SQL, [], |row| {
            Ok(State {
                application: row.get(0)?,
                version: row.get(1)?,
                tables: row.get(2)?,
            })
        })
    }
}

/// The first part of the schema that no version of cxr made, in words; `None` if there is none. The file may
/// come from another person: a view in place of a table may never end, and a trigger or a computed column
/// runs when a row is written (sqlite.org/security.html). A missing part is not dangerous: queries that use
/// it fail.
pub fn strange(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT type, name, rootpage, coalesce(sql, '') FROM sqlite_schema";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
        let (root, sql): (i64, String) = (row.get(2)?, row.get(3)?);
        let is_ours = MIGRATIONS.iter().any(|made| made.contains(&sql));
        let is_fine = match kind.as_str() {
            // A virtual table has no page: its module would produce its rows.
            "table" => root > 0 && !computes(connection, &name)?,
            _ => is_ours,
        };
        if !is_fine {
            let words = format!("it holds the {kind} {name}, which cxr did not make");
            return Ok(Some(clean(&words)));
        }
    }
    Ok(None)
}

/// Whether a table has columns whose values are computed when they are read or written.
fn computes(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden <> 0";
    let computed: i64 = connection.query_row(sql, [table], |row| row.get(0))?;
    Ok(computed > 0)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    pragma(connection, "user_version")
}

pub fn pragma<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_older_file_is_migrated_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(migrate(&mut connection, &MIGRATIONS), Ok(Version::Current));
        connection
            .execute("INSERT INTO image (sha256, path) VALUES ('a', x'62')", [])
            .unwrap();
        let more = [
            "ALTER TABLE image ADD COLUMN laterality TEXT",
            "UPDATE image SET laterality = 'L'",
        ];
        let later = [&MIGRATIONS[..], &more].concat();
        assert_eq!(migrate(&mut connection, &later), Ok(Version::Current));
        let (image, side): (String, String) = connection
            .query_row("SELECT sha256, laterality FROM image", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((image.as_str(), side.as_str()), ("a", "L"));
        let newest = MIGRATIONS.len() as i64 + 2;
        assert_eq!(version(&connection), Ok(newest));
        // This program does not know the new version, and leaves the file alone.
        let found = migrate(&mut connection, &MIGRATIONS);
        assert_eq!(found, Ok(Version::Newer(newest)));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS).unwrap();
        let broken = [&MIGRATIONS[..], &["CREATE TABLE more (a)", "not SQL"]].concat();
        assert!(migrate(&mut connection, &broken).is_err());
        assert_eq!(version(&connection), Ok(MIGRATIONS.len() as i64));
        assert!(connection.prepare("SELECT a FROM more").is_err());
    }

    /// The moments differ in each round: with a statement for each value, some rounds saw only part of the other
    /// connection's transaction.
    #[test]
    fn a_store_that_another_process_is_creating_is_empty_or_complete() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let path = folder.path().join(round.to_string());
            let mut creator = Connection::open(&path).unwrap();
            let other = Connection::open(&path).unwrap();
            other.busy_timeout(Duration::from_secs(10)).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| migrate(&mut creator, &MIGRATIONS).unwrap());
                loop {
                    match settled(&other, &MIGRATIONS).unwrap() {
                        None => {}
                        Some(found) => break assert_eq!(found, Version::Current),
                    }
                }
            });
        }
    }

    #[test]
    fn tables_without_the_application_id_are_foreign() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert_eq!(migrate(&mut connection, &MIGRATIONS), Ok(Version::Foreign));
    }
}
