//! Where a reader was when they left a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, bytes_of, path_from};

/// A place in a list is not worth waiting longer for than this, nor keeping a reader from the shell.
const PATIENCE: Duration = Duration::from_millis(500);

/// A place in the list of some folders, and how that was arranged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// The image that was looked at; `None` where the list was empty.
    pub selected: Option<PathBuf>,
    /// Its row, from 0: where to go if it is gone.
    pub row: usize,
    /// In the screen's words.
    pub sort: String,
    pub reversed: bool,
    pub filter: String,
}

impl Store {
    /// Where this reader was in these folders, if they were there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn bookmark(
        &self,
        reviewer: &str,
        folders: &[PathBuf],
    ) -> Result<Option<Bookmark>, StoreError> {
        let sql = "SELECT selected, position, sort, reversed, filter FROM session
            WHERE (reviewer, folders) = (?, ?)";
        let found = self
            .connection
            .query_row(sql, params![reviewer, key(folders)], |row| {
                let selected: Option<Vec<u8>> = row.get(0)?;
                Ok(Bookmark {
                    selected: selected.map(path_from),
                    row: usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                    sort: row.get(2)?,
                    reversed: row.get(3)?,
                    filter: row.get(4)?,
                })
            });
        self.read(found.optional())
    }

    /// Remembers where this reader is, over where they were.
    ///
    /// # Errors
    /// If it cannot be written, or not soon.
    pub fn mark(
        &mut self,
        reviewer: &str,
        folders: &[PathBuf],
        mark: &Bookmark,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET selected = excluded.selected, position = excluded.position,
                sort = excluded.sort, reversed = excluded.reversed, filter = excluded.filter";
        let values = params![
            reviewer,
            key(folders),
            mark.selected.as_deref().map(bytes_of),
            i64::try_from(mark.row).unwrap_or(i64::MAX),
            mark.sort,
            mark.reversed,
            mark.filter,
        ];
        self.write_within(PATIENCE, |change| {
            change.prepare_cached(sql)?.execute(values).map(drop)
        })
    }
}

/// No path has a zero byte.
fn key(folders: &[PathBuf]) -> Vec<u8> {
    let folders = folders.iter().map(|folder| bytes_of(Path::new(folder)));
    folders.collect::<Vec<_>>().join(&0)
}
