//! Readers' last reviews and their opinions, from the log.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use rusqlite::{Row, params_from_iter};
use serde_json::Value;

use super::place::{bytes_of, path_from};
use super::{Store, StoreError, calls, json_column, opinion, stored_mark};
use crate::domain::{ImageIdentity, Mark, Opinion, Uids};

/// A reader's opinion of an image now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// SHA-256 of the image.
    pub image: String,
    /// The paths of the image at this reader's reviews, and its last known path. No two standings share a
    /// path.
    pub places: Vec<PathBuf>,
    /// With the changes of all of the reader's reviews.
    pub opinion: Opinion,
}

/// The last review of one image by one reader, for a table.
#[derive(Debug, Clone, PartialEq)]
pub struct LastWord {
    /// With the path at the reader's last review.
    pub image: ImageIdentity,
    /// Name of the reader.
    pub reviewer: String,
    /// The reader's opinion after the last review.
    pub opinion: Opinion,
    /// Time of the first review, UTC: `2026-01-31T12:00:00.123Z`.
    pub first_at: String,
    /// Time of the last review, likewise.
    pub last_at: String,
    /// Number of this reader's reviews of this image.
    pub entries: u64,
    /// The screen at the last review, as JSON of the log: see `seen`.
    pub seen: Value,
    /// The answer that was hidden from a blinded reader, as JSON of the log: see `seen`. `None` where the
    /// image was not read blinded, the model had not answered, or an older version wrote the row.
    pub answer: Option<Value>,
    /// Version of the program that wrote the last review.
    pub program: String,
}

impl Store {
    /// This reader's opinion of each image, in the order of their last reviews.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn standings(&self, reviewer: &str) -> Result<Vec<Standing>, StoreError> {
        self.read(self.places(reviewer).and_then(|mut places| {
            let sql = "SELECT image, verdict, label, key_image, note, calls, marks FROM review
                WHERE id IN (SELECT max(id) FROM review WHERE reviewer = ? GROUP BY image)
                ORDER BY id";
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([reviewer], |row| {
                let image: String = row.get(0)?;
                Ok(Standing {
                    places: places.remove(&image).unwrap_or_default(),
                    image,
                    opinion: opinion(row, 1)?,
                })
            })?;
            rows.collect()
        }))
    }

    /// The paths of each image. A path at which this reader reviewed several images belongs to the last of
    /// them.
    fn places(&self, reviewer: &str) -> rusqlite::Result<HashMap<String, Vec<PathBuf>>> {
        let mut places = HashMap::<String, Vec<PathBuf>>::new();
        // The columns beside max() are from the same row (sqlite.org/lang_select.html#bareagg). Paths of
        // reviews come before last known paths.
        let sql = "WITH judged AS
                (SELECT path, image, max(id) FROM review WHERE reviewer = ?1 GROUP BY path)
            SELECT path, image FROM judged
            UNION ALL
            SELECT path, sha256 FROM image
            WHERE sha256 IN (SELECT image FROM judged) AND path NOT IN (SELECT path FROM judged)
            GROUP BY path";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([reviewer])?;
        while let Some(row) = rows.next()? {
            let paths = places.entry(row.get(1)?).or_default();
            paths.push(path_from(row.get(0)?));
        }
        Ok(places)
    }

    /// The marks of a reader on an image when the reader first called it, by reader and SHA-256 of the image. Only images
    /// with marks then are there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn marks_at_first_calls(&self) -> Result<HashMap<(String, String), Vec<Mark>>, StoreError> {
        // The columns beside min() are from the same row (sqlite.org/lang_select.html#bareagg).
        const SQL: &str = "SELECT reviewer, image, marks, min(id) FROM review
            WHERE calls IS NOT NULL GROUP BY reviewer, image";
        let read = self.connection.prepare(SQL).and_then(|mut statement| {
            let mut found = HashMap::new();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let marks: Option<String> = row.get(2)?;
                let marks = marks.and_then(|text| stored_mark::read(&text));
                if let Some(marks) = marks.filter(|marks| !marks.is_empty()) {
                    found.insert((row.get(0)?, row.get(1)?), marks);
                }
            }
            Ok(found)
        });
        self.read(read)
    }

    /// Calls `each` with the last review of every image by every reader, sorted by path and reader. With
    /// `within`, only images that the reader reviewed below one of these folders (or at exactly that path),
    /// with the last such path. An error of `each` ends the walk and is returned.
    ///
    /// # Errors
    /// If the store cannot be read (the outer result), and errors of `each` (the inner one).
    pub fn last_words<E>(
        &self,
        within: &[PathBuf],
        mut each: impl FnMut(LastWord) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        const TIME: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', ";
        let (condition, values) = is_within(within);
        let sql = format!(
            "SELECT last.image, here.path, study_uid, series_uid, sop_uid, patient_id,
                last.verdict, last.label, last.key_image, last.note, last.calls, last.marks,
                last.reviewer,
                {TIME}first / 1000.0, 'unixepoch'), {TIME}last.at_ms / 1000.0, 'unixepoch'),
                entries, last.seen, last.program
            FROM (SELECT max(id) AS last_id, min(at_ms) AS first, count(*) AS entries,
                    max(CASE WHEN {condition} THEN id END) AS here_id
                FROM review GROUP BY image, reviewer)
            JOIN review AS last ON last.id = last_id
            JOIN review AS here ON here.id = here_id
            JOIN image ON image.sha256 = last.image
            ORDER BY here.path, last.image, last.reviewer"
        );
        let walked = self.connection.prepare(&sql).and_then(|mut statement| {
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                if let Err(error) = each(last_word(row)?) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        });
        self.read(walked)
    }
}

/// An SQL condition for a path below one of the folders, and its values.
pub fn is_within(folders: &[PathBuf]) -> (String, Vec<Sql>) {
    if folders.is_empty() {
        return ("true".to_owned(), Vec::new());
    }
    let mut values = Vec::new();
    let conditions = folders.iter().map(|folder| {
        let (folder, inside) = (bytes_of(folder).to_vec(), prefix(folder));
        let length = i64::try_from(inside.len()).unwrap_or(i64::MAX);
        values.extend([Sql::Blob(folder), Sql::Integer(length), Sql::Blob(inside)]);
        "path = ? OR substr(path, 1, ?) = ?"
    });
    let condition = conditions.collect::<Vec<_>>().join(" OR ");
    (condition, values)
}

/// The beginning of every path in a folder.
fn prefix(folder: &Path) -> Vec<u8> {
    let mut prefix = bytes_of(folder).to_vec();
    if !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    prefix
}

fn last_word(row: &Row) -> rusqlite::Result<LastWord> {
    let calls: Option<String> = row.get(10)?;
    let answer = calls.as_deref().and_then(calls::answer);
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
        reviewer: row.get(12)?,
        first_at: row.get(13)?,
        last_at: row.get(14)?,
        entries: row.get::<_, i64>(15)?.unsigned_abs(),
        seen: json_column(row, 16)?,
        answer: answer.and_then(|text| serde_json::from_str(&text).ok()),
        program: row.get(17)?,
    })
}
