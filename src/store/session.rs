//! The place at which a reader left a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::place::{bytes_of, path_from};
use super::{Store, StoreError};

/// How long a write waits for other processes. A place in a list is not worth a longer wait at the end of
/// the program.
const PATIENCE: Duration = Duration::from_millis(500);

/// A place in the list of some folders, and the list's order and filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// The selected image; `None` where the list was empty.
    pub selected: Option<PathBuf>,
    /// Its row, from 0: the place to return to if the image is gone.
    pub row: usize,
    /// The key of the order.
    pub sort: String,
    /// Whether the order is turned round.
    pub reversed: bool,
    /// As the reader typed it.
    pub filter: String,
}

impl Store {
    /// This reader's place in these folders, if there is one.
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

    /// Writes this reader's place in these folders, over an earlier one.
    ///
    /// # Errors
    /// If it cannot be written within half a second.
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

/// The folders as one key: paths never contain the zero byte between them.
fn key(folders: &[PathBuf]) -> Vec<u8> {
    let folders = folders.iter().map(|folder| bytes_of(Path::new(folder)));
    folders.collect::<Vec<_>>().join(&0)
}
