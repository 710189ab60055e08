//! How a review becomes a row: the change of the review is applied to the opinion in the last row of that
//! image and reader, in the same transaction. So a row holds the reader's whole opinion, and no change by
//! another of their sessions is lost.

use rusqlite::{OptionalExtension, Transaction, params};

use super::chain::{Hash, Link};
use super::judged::answer_judged;
use super::line::{LogLine, ModelAnswer};
use super::place::bytes_of;
use super::seen::answer_seen;
use super::stored::{StoredAct, StoredVerdict, to_word};
use super::{calls, opinion, stored_mark};
use crate::domain::{Opinion, OpinionChange};

/// A review that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Number of its row in the log.
    pub row: i64,
    /// Whether the row is of this review: the same verdict again makes none.
    pub has_row: bool,
    /// SHA-256 of the image.
    pub image: String,
    /// The reader's opinion of the image before, without the same verdict on another answer.
    pub before: Opinion,
    /// The reader's opinion of the image now.
    pub opinion: Opinion,
    /// SHA-256 of the model whose answer the verdict now is about; `None` without a verdict, or where the log does not tell.
    pub judged_model: Option<String>,
}

/// The reader's last row for an image, and its calls and marks as text.
#[derive(Default)]
struct Last {
    row: i64,
    at_ms: i64,
    act: String,
    opinion: Opinion,
    calls: Option<String>,
    marks: Option<String>,
}

/// Writes a review, unless its token is in the log already.
pub fn put_review(change: &Transaction, line: &LogLine) -> rusqlite::Result<Merged> {
    let last = last(change, line, i64::MAX)?;
    let of_image = (line.reviewer.as_str(), line.image.sha256.as_str());
    let judged = answer_judged(change, of_image, &last.opinion)?;
    if let Some(row) = row_of(change, &line.token)? {
        return Ok(Merged {
            row,
            has_row: true,
            image: line.image.sha256.clone(),
            before: self::last(change, line, row)?.opinion,
            opinion: last.opinion,
            judged_model: judged.map(|answer| answer.model_sha256),
        });
    }
    let wanted = if line.is_late {
        without_newer_changes(change, line)?
    } else {
        line.change.clone()
    };
    let opinion = wanted.on(&last.opinion);
    // The same verdict on the same answer again makes no second row. Only here is it known whether the verdict still
    // stands.
    let is_about_same = || wanted.judgement.is_none() || judged == answer_seen(&line.seen);
    let is_same = opinion == last.opinion && is_about_same();
    if line.act == to_word(StoredAct::Judged) && last.row > 0 && is_same {
        return Ok(Merged {
            row: last.row,
            has_row: false,
            image: line.image.sha256.clone(),
            before: last.opinion,
            opinion,
            judged_model: judged.map(|answer| answer.model_sha256),
        });
    }
    let calls = calls_of(&opinion, &last, line.model_answer.as_ref());
    let marks = marks_of(&opinion, &last);
    let row = append(change, line, &opinion, (calls, marks))?;
    let before = match opinion == last.opinion && last.opinion.verdict.is_some() {
        // The same verdict on another answer: on this one there was none.
        true if line.act == to_word(StoredAct::Judged) => Opinion {
            verdict: None,
            label: None,
            ..last.opinion
        },
        _ => last.opinion,
    };
    let judged = answer_judged(change, of_image, &opinion)?;
    Ok(Merged {
        row,
        has_row: true,
        image: line.image.sha256.clone(),
        before,
        opinion,
        judged_model: judged.map(|answer| answer.model_sha256),
    })
}

fn row_of(change: &Transaction, token: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT id FROM review WHERE token = ?";
    let mut statement = change.prepare_cached(sql)?;
    statement.query_row([token], |row| row.get(0)).optional()
}

const OF_IMAGE: &str =
    "SELECT at_ms, verdict, label, key_image, note, calls, marks, id, act FROM review
    WHERE (reviewer, image) = (?, ?) AND id < ? ORDER BY id DESC";

fn read_last(row: &rusqlite::Row) -> rusqlite::Result<Last> {
    Ok(Last {
        at_ms: row.get(0)?,
        opinion: opinion(row, 1)?,
        calls: row.get(5)?,
        marks: row.get(6)?,
        row: row.get(7)?,
        act: row.get(8)?,
    })
}

/// The last row before this one.
fn last(change: &Transaction, line: &LogLine, before: i64) -> rusqlite::Result<Last> {
    let mut statement = change.prepare_cached(OF_IMAGE)?;
    let values = params![line.reviewer, line.image.sha256, before];
    let found = statement.query_row(values, read_last);
    Ok(found.optional()?.unwrap_or_default())
}

/// The change of a review that waited in a file, without the parts that a newer row has changed. Each row
/// counts with its own time and its own changes, since a row that came late itself is older than the rows
/// before it, and repeats their values.
fn without_newer_changes(change: &Transaction, line: &LogLine) -> rusqlite::Result<OpinionChange> {
    let mut statement = change.prepare_cached(OF_IMAGE)?;
    let values = params![line.reviewer, line.image.sha256, i64::MAX];
    let rows = statement.query_map(values, read_last)?;
    let rows = rows.collect::<rusqlite::Result<Vec<Last>>>()?;
    let mut before = Opinion::default();
    let mut kept = line.change.clone();
    let judged = to_word(StoredAct::Judged);
    for row in rows.into_iter().rev() {
        if row.at_ms > line.at_ms {
            kept = kept.not_over_later(&before, &row.opinion);
            // The verdict may be the one from before, on another answer.
            let is_judged = row.act == judged && row.opinion.verdict.is_some();
            kept.judgement = kept.judgement.filter(|_| !is_judged);
        }
        before = row.opinion;
    }
    Ok(kept)
}

/// The calls of the new row. Calls that a newer version wrote in an unknown form stay as they are.
fn calls_of(opinion: &Opinion, last: &Last, model: Option<&ModelAnswer>) -> Option<String> {
    let written = last.calls.as_deref();
    let is_strange = written.is_some() && last.opinion.blinded.is_none();
    let Some(reading) = opinion.blinded.as_ref().filter(|_| !is_strange) else {
        return last.calls.clone();
    };
    let model = model.filter(|answer| answer.model == reading.model_sha256);
    let known = written.and_then(calls::answer);
    let answer = known.or_else(|| model.map(|model| model.answer.clone()));
    Some(calls::write(reading, answer.as_deref()))
}

/// The marks of the new row. Marks that a newer version wrote in an unknown form stay as they are.
fn marks_of(opinion: &Opinion, last: &Last) -> Option<String> {
    match &last.marks {
        Some(written) if stored_mark::read(written).is_none() => Some(written.clone()),
        _ => stored_mark::write(&opinion.marks),
    }
}

fn append(
    change: &Transaction,
    line: &LogLine,
    opinion: &Opinion,
    (calls, marks): (Option<String>, Option<String>),
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
        verdict: opinion
            .verdict
            .map(|verdict| to_word(StoredVerdict::from(verdict))),
        label: opinion.label.clone(),
        key_image: opinion.key_image,
        note: opinion.note.clone(),
        seen: line.seen.clone(),
        program: line.program.clone(),
        calls,
        marks,
    };
    let hash = link.hash(&previous);
    link.insert(change, &previous, &hash)?;
    change.execute(
        "UPDATE chain SET rows = ?, head = ?",
        params![link.id, hash],
    )?;
    Ok(link.id)
}
