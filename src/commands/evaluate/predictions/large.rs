//! Large tables: only the rows that may belong to a case are held.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::Result;

use super::parts;
use crate::cli;
use crate::commands::shared::cases;
use crate::export::{CONTENT, Cells, ColumnarRows, FlatError, FlatReader, FlatRow, path_text};

/// Smaller tables are held as a whole, which takes about two kilobytes for each row, and remarks about them count all of
/// their rows.
const LARGE_BYTES: u64 = 32 << 20;
const LARGE_ROWS: u64 = 100_000;

/// Whether a table is too large to be held.
pub fn is_large(table: &Path) -> bool {
    let bytes = fs::metadata(table).map_or(0, |found| found.len());
    // A file that is no Parquet has no number of rows to tell.
    let rows = || {
        ColumnarRows::open(File::open(table).ok()?)
            .ok()
            .map(|rows| rows.len())
    };
    bytes > LARGE_BYTES || rows().is_some_and(|rows| rows > LARGE_ROWS)
}

/// The rows that may belong to the cases of a manifest.
pub struct WantedRows {
    /// Last parts of the cases' paths.
    names: HashSet<String>,
    /// Contents of their files.
    contents: HashSet<String>,
}

impl WantedRows {
    /// # Errors
    /// As [`cases::all`].
    pub fn of(arguments: &cli::CaseArguments, groups: &[String]) -> Result<Self> {
        let manifest = cases::all(arguments, groups)?;
        let root = cases::root(arguments);
        let name = |case: &crate::evaluation::Case| parts(&path_text(&case.path)).pop();
        let names = manifest.cases.iter().filter_map(name).collect();
        let files = manifest.cases.iter().map(|case| cases::file(&root, case));
        let contents = cases::contents(&files.collect::<Vec<_>>());
        Ok(WantedRows {
            names,
            contents: contents.into_iter().flatten().collect(),
        })
    }

    /// The wanted rows of a table, and the number of all.
    ///
    /// # Errors
    /// [`FlatError`], if it is no table.
    pub fn cells(&self, table: &Path) -> Result<(Cells, u64), FlatError> {
        let (columns, mut reader) = FlatReader::open(table)?;
        let at = |name: &str| columns.iter().position(|column| column == name);
        let (path, content) = (at("path"), at(CONTENT));
        let (mut row, mut line, mut count) = (FlatRow::new(), Vec::new(), 0);
        let (mut rows, mut is_torn) = (Vec::new(), false);
        loop {
            match reader.next(&mut row, &mut line) {
                Ok(true) => count += 1,
                Ok(false) => break,
                // A run that was killed leaves a last row that is cut off.
                Err(FlatError::Row(_)) if !ends_a_line(table)? && reader.is_over() => {
                    is_torn = true;
                    break;
                }
                Err(error) => return Err(error),
            }
            let has_content = content.is_some_and(|at| self.contents.contains(&row[at]));
            let has_name = || {
                let name = path.and_then(|at| row[at].rsplit('/').find(|part| !part.is_empty()));
                name.is_some_and(|name| self.names.contains(name))
            };
            if has_content || has_name() {
                rows.push(row.iter().map(str::to_owned).collect());
            }
        }
        let cells = Cells {
            columns,
            rows,
            is_torn,
        };
        Ok((cells, count))
    }
}

fn ends_a_line(table: &Path) -> io::Result<bool> {
    let mut file = File::open(table)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_cut_off_at_the_end_is_left_out_and_one_before_it_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        let wanted = WantedRows {
            names: ["a.png".to_owned()].into(),
            contents: HashSet::new(),
        };
        let whole = "path,status,Pneumonia\nw/a.png,ok,0.5\nw/b.png,ok,0.5\n";
        let read = |text: &str| {
            fs::write(&table, text).unwrap();
            wanted.cells(&table)
        };
        let (cells, all) = read(whole).unwrap();
        assert_eq!((cells.rows.len(), cells.is_torn, all), (1, false, 2));
        let (cells, all) = read(&format!("{whole}w/c.p")).unwrap();
        assert_eq!((cells.rows.len(), cells.is_torn, all), (1, true, 2));
        for damaged in [
            format!("{whole}w/c.p\n"),
            format!("{whole}w/c.p\nw/d.png,ok,0.5"),
        ] {
            let error = read(&damaged).err().unwrap();
            assert!(matches!(error, FlatError::Row(3)), "{error}");
        }
    }
}
