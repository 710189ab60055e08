//! A part, and whether it is what its end says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::order::RowOrder;
use crate::commands::shared::Usage;
use crate::commands::shared::shard::group::{Unit, shard_of_name};
use crate::commands::shared::shard::part::{BUFFER, ByteSum, Hashing, PartEnd, end_of};
use crate::commands::shared::shard::{RootPaths, shard_of};
use crate::domain::columns::STUDY;
use crate::export::{
    ColumnarRows, FlatError, FlatReader, FlatRow, PART, TableFormat, is_parquet, path_of, path_text,
};

/// Bytes by which the format of a part is recognised.
const HEAD: u64 = 1 << 16;

const IS_CHANGED: &str = "it was changed after it was whole: its shard counts as missing";

/// What a file turned out to be.
pub enum FoundPart {
    Whole(Box<WholePart>),
    /// Why it is none.
    NotWhole(String),
}

/// A part with its end.
pub struct WholePart {
    pub path: PathBuf,
    pub format: TableFormat,
    pub end: PartEnd,
    /// Where its end begins.
    rows_end: u64,
    /// Whether its rows come in the order that is asked for.
    pub is_sorted: bool,
}

/// Looks for the end of a part.
///
/// # Errors
/// If the file cannot be read.
pub fn find(path: &Path) -> Result<FoundPart> {
    let named = || path_text(path);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "no such file".to_owned(),
                kind => kind.to_string(),
            };
            return Err(Usage::error(format!("{}: {reason}", named())));
        }
    };
    if !file.metadata().with_context(named)?.is_file() {
        return Err(Usage::error(format!("{}: not a file", named())));
    }
    let mut head = Vec::new();
    (&mut file)
        .take(HEAD)
        .read_to_end(&mut head)
        .with_context(named)?;
    let found = if is_parquet(&head) {
        match ColumnarRows::open(file) {
            Ok(rows) => end_of_columns(&rows).map(|end| (end, 0)),
            Err(error) => return Ok(FoundPart::NotWhole(error.to_string())),
        }
    } else {
        end_of(&file).with_context(named)?
    };
    let Some((end, rows_end)) = found else {
        return Ok(FoundPart::NotWhole(
            "not whole, or no part of a run: it does not end as one".to_owned(),
        ));
    };
    Ok(FoundPart::Whole(Box::new(WholePart {
        path: path.to_owned(),
        format: TableFormat::sniffed(&head),
        end,
        rows_end,
        is_sorted: false,
    })))
}

fn end_of_columns(rows: &ColumnarRows) -> Option<PartEnd> {
    PartEnd::parse(&rows.metadata(PART)?)
}

impl WholePart {
    /// Begins to read its rows.
    ///
    /// # Errors
    /// If it is no table with the columns that its end states.
    pub fn rows(&self) -> Result<FlatReader, FlatError> {
        self.open(|file| Box::new(BufReader::with_capacity(BUFFER, file)))
    }

    fn open(
        &self,
        through: impl FnOnce(io::Take<File>) -> Box<dyn BufRead>,
    ) -> Result<FlatReader, FlatError> {
        let file = File::open(&self.path)?;
        if self.format == TableFormat::Parquet {
            let rows = ColumnarRows::open(file)?;
            return FlatReader::columnar(rows, &self.end.about.columns);
        }
        let file = file.take(self.rows_end);
        FlatReader::new(self.format, through(file), &self.end.about.columns)
    }

    /// Reads all rows, and finds out whether they are what the end says and come in this order. A reason if the part is
    /// not whole. Ends early after a signal.
    ///
    /// # Errors
    /// [`Usage`], if a row belongs to another shard; or if the part cannot be read.
    pub fn check(&mut self, order: &RowOrder, stop: &AtomicBool) -> Result<Option<&'static str>> {
        let sum = ByteSum::default();
        let reader =
            self.open(|file| Box::new(BufReader::with_capacity(BUFFER, Hashing::new(file, &sum))));
        let mut reader = match reader {
            Err(FlatError::Io(error)) => return Err(error).context(path_text(&self.path)),
            Err(_) => return Ok(Some(IS_CHANGED)),
            Ok(reader) => reader,
        };
        let roots: Vec<PathBuf> = self.end.about.roots.iter().map(|r| path_of(r)).collect();
        let root_paths = RootPaths::new(&roots);
        let (status, study) = (self.column("status"), self.column(STUDY));
        let is_of_images = self.end.about.unit == Unit::Image.code();
        let (mut row, mut line) = (FlatRow::new(), Vec::new());
        let (mut rows, mut counts) = (0_u64, BTreeMap::<String, u64>::new());
        let (mut last, mut is_sorted) = (None, true);
        while !stop.load(Ordering::Relaxed) {
            match reader.next(&mut row, &mut line) {
                Ok(true) => rows += 1,
                Ok(false) => break,
                Err(FlatError::Io(error)) => return Err(error).context(path_text(&self.path)),
                Err(_) => return Ok(Some(IS_CHANGED)),
            }
            match counts.get_mut(&row[status]) {
                Some(count) => *count += 1,
                None => drop(counts.insert(row[status].to_owned(), 1)),
            }
            let of = self.end.about.of;
            if !is_of_images {
                self.refuse_other_shard(&row[0], shard_of_name(&row[study], of))?;
            } else if !roots.is_empty() {
                // A list of files is not written down.
                let key = root_paths.key(Path::new(&path_of(&row[0]))).to_vec();
                self.refuse_other_shard(&row[0], Some(shard_of(&key, of)))?;
            }
            if is_sorted {
                let key = order.key(&row);
                is_sorted = last.is_none_or(|last| last <= key);
                last = Some(key);
            }
        }
        self.is_sorted = is_sorted;
        let content = &self.end.content;
        let (bytes, sha256) = sum.finish();
        let is_same = content.rows == rows
            && content.counts == counts
            // A Parquet file is whole if its footer is there, and its end is in the footer.
            && (self.format == TableFormat::Parquet
                || (content.bytes == Some(bytes) && content.sha256.as_ref() == Some(&sha256)));
        Ok((!is_same).then_some(IS_CHANGED))
    }

    fn column(&self, name: &str) -> usize {
        let columns = &self.end.about.columns;
        // A table of predictions has it; in another the first column is counted, and the counts differ.
        columns
            .iter()
            .position(|column| column == name)
            .unwrap_or(0)
    }

    /// Refuses a row that another shard should have, or that says nothing of its shard.
    fn refuse_other_shard(&self, path: &str, found: Option<u32>) -> Result<()> {
        let part = path_text(&self.path);
        match found {
            Some(found) if found == self.end.shard => Ok(()),
            Some(found) => Err(Usage::error(format!(
                "{part}: {path} belongs to shard {found}, and this is shard {}",
                self.end.shard
            ))),
            None => Err(Usage::error(format!(
                "{part}: the row of {path} does not name its study or folder"
            ))),
        }
    }
}
