//! How a review becomes a row: the log's last row of that image and reader is read in the same
//! transaction, and what the review changes is laid over it. So a row says everything that the reader
//! holds, and nothing that another of their sessions said is lost.

use rusqlite::{OptionalExtension, Transaction, params};

use super::chain::{Hash, Link};
use super::line::{LogLine, ModelAnswer};
use super::{bytes_of, calls, opinion};
use crate::domain::{Act, Opinion, OpinionChange};

/// A review that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Of the log.
    pub row: i64,
    /// SHA-256 of the image.
    pub image: String,
    /// What the reader holds of it now.
    pub opinion: Opinion,
}

/// What the reader held last, and the calls as they are written.
#[derive(Default)]
struct Last {
    row: i64,
    at_ms: i64,
    opinion: Opinion,
    calls: Option<String>,
}

/// Writes a review, or finds that it was written before.
pub fn put_review(change: &Transaction, line: &LogLine) -> rusqlite::Result<Merged> {
    let last = last(change, line)?;
    if let Some(row) = row_of(change, &line.token)? {
        return Ok(Merged {
            row,
            image: line.image.sha256.clone(),
            opinion: last.opinion,
        });
    }
    let wanted = match line.is_late {
        true => without_what_is_newer(change, line)?,
        false => line.change.clone(),
    };
    let opinion = wanted.on(&last.opinion);
    // A verdict that stands is no second row; whether it stands is known only here.
    if line.act == Act::Judged.word() && opinion == last.opinion && last.row > 0 {
        return Ok(Merged {
            row: last.row,
            image: line.image.sha256.clone(),
            opinion,
        });
    }
    let calls = calls_of(&opinion, &last, line.said.as_ref());
    let row = append(change, line, &opinion, calls)?;
    Ok(Merged {
        row,
        image: line.image.sha256.clone(),
        opinion,
    })
}

fn row_of(change: &Transaction, token: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM review WHERE token = ?";
    let mut statement = change.prepare_cached(sql)?;
    statement.query_row([token], |row| row.get(0)).optional()
}

const OF_IMAGE: &str = "SELECT at_ms, verdict, label, key_image, note, calls, id FROM review
    WHERE (reviewer, image) = (?, ?) ORDER BY id DESC";

fn read_last(row: &rusqlite::Row) -> rusqlite::Result<Last> {
    Ok(Last {
        at_ms: row.get(0)?,
        opinion: opinion(row, 1)?,
        calls: row.get(5)?,
        row: row.get(6)?,
    })
}

fn last(change: &Transaction, line: &LogLine) -> rusqlite::Result<Last> {
    let mut statement = change.prepare_cached(OF_IMAGE)?;
    let found = statement.query_row([&line.reviewer, &line.image.sha256], read_last);
    Ok(found.optional()?.unwrap_or_default())
}

/// What waited in a file since an earlier session changes nothing that was said after it.
/// Each row counts by its own time and what it changed: a row that came late itself is older than those
/// before it, and repeats what they say.
fn without_what_is_newer(change: &Transaction, line: &LogLine) -> rusqlite::Result<OpinionChange> {
    let mut statement = change.prepare_cached(OF_IMAGE)?;
    let rows = statement.query_map([&line.reviewer, &line.image.sha256], read_last)?;
    let rows = rows.collect::<rusqlite::Result<Vec<Last>>>()?;
    let mut before = Opinion::default();
    let mut kept = line.change.clone();
    for held in rows.into_iter().rev() {
        if held.at_ms > line.at_ms {
            kept = kept.not_over_later(&before, &held.opinion);
        }
        before = held.opinion;
    }
    Ok(kept)
}

/// Calls that a newer version wrote in a way that is not known here stay as they are.
fn calls_of(opinion: &Opinion, last: &Last, said: Option<&ModelAnswer>) -> Option<String> {
    let written = last.calls.as_deref();
    let is_strange = written.is_some() && last.opinion.blinded.is_none();
    let Some(reading) = opinion.blinded.as_ref().filter(|_| !is_strange) else {
        return last.calls.clone();
    };
    let said = said.filter(|said| said.model == reading.model_sha256);
    let known = written.and_then(calls::answer);
    let answer = known.or_else(|| said.map(|said| said.answer.clone()));
    Some(calls::write(reading, answer.as_deref()))
}

fn append(
    change: &Transaction,
    line: &LogLine,
    opinion: &Opinion,
    calls: Option<String>,
) -> rusqlite::Result<i64> {
    let (rows, previous): (i64, Hash) =
        change.query_row("SELECT rows, head FROM chain", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let link = Link {
        id: rows + 1,
        token: line.token.clone(),
        image: line.image.sha256.clone(),
        path: bytes_of(&line.image.path).to_vec(),
        reviewer: line.reviewer.clone(),
        at_ms: line.at_ms,
        act: line.act.clone(),
        verdict: opinion.verdict.map(|v| v.word().to_owned()),
        label: opinion.label.clone(),
        key_image: opinion.key_image,
        note: opinion.note.clone(),
        seen: line.seen.clone(),
        program: line.program.clone(),
        calls,
    };
    let hash = link.hash(&previous);
    link.insert(change, &previous, &hash)?;
    change.execute(
        "UPDATE chain SET rows = ?, head = ?",
        params![link.id, hash],
    )?;
    Ok(link.id)
}
