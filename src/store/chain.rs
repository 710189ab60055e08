//! The log as a chain: every row has the SHA-256 of the row before and of itself, so that edited, inserted
//! and deleted rows and a missing end are found.
//!
//! A row's hash covers `cxr review 1\n`, the hash of the row before (for the first row: 32 zero bytes), and
//! each field in the order of [`Link`]: one byte that is 1 where there is a value, the value's length as 8
//! bytes, lowest first, and its bytes. Numbers are 8 such bytes. The last two fields, the calls of blinded
//! reading and the marks, are left out from the end where there are none, as before those columns existed.
//! So no two different rows have the same encoding.
//!
//! A person who can write the file can make a new chain of it. Only a head that was noted elsewhere reveals
//! that: see [`Audit::head`].

use std::fmt;

use rusqlite::{Connection, Row, Transaction, params};
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;

/// SHA-256.
pub type Hash = [u8; 32];

const DOMAIN: &[u8] = b"cxr review 1\n";

/// The fields of a row that its hash covers.
pub struct Link {
    pub id: i64,
    pub token: String,
    pub image: String,
    pub path: Vec<u8>,
    pub reviewer: String,
    pub at_ms: i64,
    pub act: String,
    pub verdict: Option<String>,
    pub label: Option<String>,
    pub key_image: bool,
    pub note: String,
    pub seen: String,
    pub program: String,
    pub calls: Option<String>,
    pub marks: Option<String>,
}

/// The columns of the table, in the order of [`Link::insert`] and [`Link::read`].
const COLUMNS: &str = "id, token, image, path, reviewer, at_ms, act, verdict, label, key_image, note, \
                       seen, program, calls, marks, previous, hash";

impl Link {
    /// The hash of this row after one with the hash `previous`.
    pub fn hash(&self, previous: &Hash) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous);
        let mut field = |value: Option<&[u8]>| {
            hasher.update([u8::from(value.is_some())]);
            hasher.update((value.map_or(0, <[u8]>::len) as u64).to_le_bytes());
            hasher.update(value.unwrap_or_default());
        };
        field(Some(&self.id.to_le_bytes()));
        field(Some(self.token.as_bytes()));
        field(Some(self.image.as_bytes()));
        field(Some(&self.path));
        field(Some(self.reviewer.as_bytes()));
        field(Some(&self.at_ms.to_le_bytes()));
        field(Some(self.act.as_bytes()));
        field(self.verdict.as_deref().map(str::as_bytes));
        field(self.label.as_deref().map(str::as_bytes));
        field(Some(&i64::from(self.key_image).to_le_bytes()));
        field(Some(self.note.as_bytes()));
        field(Some(self.seen.as_bytes()));
        field(Some(self.program.as_bytes()));
        if self.calls.is_some() || self.marks.is_some() {
            field(self.calls.as_deref().map(str::as_bytes));
        }
        if let Some(marks) = &self.marks {
            field(Some(marks.as_bytes()));
        }
        hasher.finalize().into()
    }

    pub fn insert(
        &self,
        change: &Transaction,
        previous: &Hash,
        hash: &Hash,
    ) -> rusqlite::Result<()> {
        let sql = format!(
            "INSERT INTO review ({COLUMNS})
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        );
        let values = params![
            self.id,
            self.token,
            self.image,
            self.path,
            self.reviewer,
            self.at_ms,
            self.act,
            self.verdict,
            self.label,
            self.key_image,
            self.note,
            self.seen,
            self.program,
            self.calls,
            self.marks,
            previous,
            hash,
        ];
        change.prepare_cached(&sql)?.execute(values).map(drop)
    }

    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Link {
            id: row.get(0)?,
            token: row.get(1)?,
            image: row.get(2)?,
            path: row.get(3)?,
            reviewer: row.get(4)?,
            at_ms: row.get(5)?,
            act: row.get(6)?,
            verdict: row.get(7)?,
            label: row.get(8)?,
            key_image: row.get(9)?,
            note: row.get(10)?,
            seen: row.get(11)?,
            program: row.get(12)?,
            calls: row.get(13)?,
            marks: row.get(14)?,
        })
    }
}

/// A place where the log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// The row's own hash does not fit its content.
    Edited(i64),
    /// The row does not have the hash of the row before it.
    Unlinked(i64),
    /// Rows are missing.
    Missing {
        /// Number of the first missing row.
        first: i64,
        /// Number of the last.
        last: i64,
    },
    /// Rows from this one on are not in the log's count.
    Uncounted(i64),
    /// The last row is not the one that the log noted as its last.
    AnotherEnd(i64),
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainFault::Edited(row) => write!(f, "row {row} was edited"),
            ChainFault::Unlinked(row) => write!(
                f,
                "row {row} does not follow on the row before it: one was edited, put in or taken out"
            ),
            ChainFault::Missing { first, last } if first == last => {
                write!(f, "row {first} is missing")
            }
            ChainFault::Missing { first, last } => write!(f, "rows {first} to {last} are missing"),
            ChainFault::Uncounted(row) => write!(f, "row {row} was put in after the log's end"),
            ChainFault::AnotherEnd(row) => {
                write!(f, "row {row} is not the one that the log ended with")
            }
        }
    }
}

/// The result of checking the whole log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Number of rows.
    pub rows: i64,
    /// Hash of the last row, in lower-case hexadecimal digits; zeros for an empty log. Noted elsewhere, it
    /// proves later that the log up to this row is unchanged.
    pub head: String,
    /// In the order of the log; empty if every row is as it was written.
    pub faults: Vec<ChainFault>,
}

pub fn verify(connection: &Connection) -> rusqlite::Result<Audit> {
    // One statement reads one moment, although other processes may write meanwhile.
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT rows FROM chain), (SELECT head FROM chain)
        FROM (SELECT 1) LEFT JOIN review ORDER BY id"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut walk = ChainWalk::default();
    let (mut counted, mut stored_head) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        counted = row.get::<_, Option<i64>>(17)?.unwrap_or_default();
        stored_head = row.get::<_, Option<Vec<u8>>>(18)?.unwrap_or_default();
        // The join gives one empty row for an empty log.
        if row.get::<_, Option<i64>>(0)?.is_some() {
            walk.step(row)?;
        }
    }
    walk.end(counted, &stored_head);
    Ok(Audit {
        rows: walk.rows,
        head: hex(&walk.head),
        faults: walk.faults,
    })
}

#[derive(Default)]
struct ChainWalk {
    rows: i64,
    last: i64,
    head: Hash,
    faults: Vec<ChainFault>,
}

impl ChainWalk {
    fn step(&mut self, row: &Row) -> rusqlite::Result<()> {
        let id: i64 = row.get(0)?;
        if id > self.last + 1 {
            self.faults.push(ChainFault::Missing {
                first: self.last + 1,
                last: id - 1,
            });
        }
        let previous: Vec<u8> = row.get(15)?;
        if previous != self.head {
            self.faults.push(ChainFault::Unlinked(id));
        }
        let written: Vec<u8> = row.get(16)?;
        // A row that cannot be read was not written by this program.
        let expected = Hash::try_from(previous.as_slice())
            .ok()
            .zip(Link::read(row).ok())
            .map(|(previous, link)| link.hash(&previous));
        if expected.is_none_or(|expected| expected[..] != written) {
            self.faults.push(ChainFault::Edited(id));
        }
        (self.rows, self.last) = (self.rows + 1, id);
        self.head = Hash::try_from(written.as_slice()).unwrap_or_default();
        Ok(())
    }

    fn end(&mut self, counted: i64, stored_head: &[u8]) {
        if counted > self.last {
            self.faults.push(ChainFault::Missing {
                first: self.last + 1,
                last: counted,
            });
        } else if counted < self.last {
            self.faults.push(ChainFault::Uncounted(counted + 1));
        } else if stored_head != self.head {
            self.faults.push(ChainFault::AnotherEnd(self.last));
        }
    }
}
