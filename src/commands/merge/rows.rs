//! The rows of all parts in one order, with memory that does not grow with their number.
//!
//! A part whose rows come in order is read along; one whose rows do not (a continued run appends what it read again) is
//! sorted piece by piece into temporary files. All of these are merged by a heap that holds one row of each (Knuth,
//! *The Art of Computer Programming* 3, section 5.4.1).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::order::{RowOrder, SortKey};
use super::parts::WholePart;
use crate::commands::shared::Usage;
use crate::commands::shared::shard::part::BUFFER;
use crate::export::{FlatReader, FlatRow, FlatWriter, TableFormat, path_text};

/// Bytes of rows that are sorted at once.
const SORTED_AT_ONCE: usize = 64 << 20;
/// Bytes that a row takes beside its text.
const BESIDE_TEXT: usize = 256;
/// Files that are read at once: fewer than a process may open, which is often 1,024.
const FILES: usize = 256;

/// What is merged, and how.
pub struct RowMerge<'a> {
    /// By their shards.
    pub parts: &'a [WholePart],
    pub order: &'a RowOrder,
    /// The format of the merged table.
    pub format: TableFormat,
    /// Temporary files lie in the folder of this file, because they may be as large.
    pub beside: &'a Path,
    pub stop: &'a AtomicBool,
}

impl RowMerge<'_> {
    /// Writes all rows; `false` after a signal.
    ///
    /// # Errors
    /// [`Usage`], if two parts have one image; or if a file cannot be read or written.
    pub fn write<W: Write + Send>(&self, table: &mut FlatWriter<W>) -> Result<bool> {
        if self.order.is_by_part() {
            return self.one_after_another(table);
        }
        let mut runs = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            if part.is_sorted {
                runs.extend(self.run(part.rows().with_context(|| path_text(&part.path))?, number)?);
            } else {
                runs.extend(self.sorted_runs(part, number)?);
            }
            if runs.len() > FILES {
                runs = self.joined(runs)?.into_iter().collect();
            }
        }
        let mut last: Option<(String, usize)> = None;
        self.merged(runs, |run| {
            if self.order.is_by_path() {
                self.refuse_twice(last.as_ref(), run)?;
                match &mut last {
                    Some((path, part)) => {
                        path.clear();
                        path.push_str(&run.row[0]);
                        *part = run.part;
                    }
                    None => last = Some((run.row[0].to_owned(), run.part)),
                }
            }
            Ok(table.row(&run.row, &run.line)?)
        })
    }

    fn one_after_another<W: Write + Send>(&self, table: &mut FlatWriter<W>) -> Result<bool> {
        let (mut row, mut line) = (FlatRow::new(), Vec::new());
        for part in self.parts {
            let named = || path_text(&part.path);
            let mut rows = part.rows().with_context(named)?;
            while rows.next(&mut row, &mut line).with_context(named)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                table.row(&row, &line)?;
            }
        }
        Ok(true)
    }

    /// Hands over the rows of all runs in order; `false` after a signal.
    fn merged(
        &self,
        runs: Vec<SortedRun>,
        mut on: impl FnMut(&SortedRun) -> Result<()>,
    ) -> Result<bool> {
        let mut heap: BinaryHeap<Reverse<SortedRun>> = runs.into_iter().map(Reverse).collect();
        while let Some(mut first) = heap.peek_mut() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            on(&first.0)?;
            if !first.0.advance(self.order)? {
                std::collections::binary_heap::PeekMut::pop(first);
            }
        }
        Ok(true)
    }

    /// The same rows as one run in a temporary file.
    fn joined(&self, runs: Vec<SortedRun>) -> Result<Option<SortedRun>> {
        let mut run = self.temporary()?;
        self.merged(runs, |one| Ok(run.row(&one.row, &one.line)?))?;
        self.reread(run, 0)
    }

    /// The rows of a part as sorted runs in temporary files.
    fn sorted_runs(&self, part: &WholePart, number: usize) -> Result<Vec<SortedRun>> {
        let named = || path_text(&part.path);
        let mut rows = part.rows().with_context(named)?;
        let (mut held, mut bytes, mut runs) = (Vec::new(), 0, Vec::new());
        loop {
            let (mut row, mut line) = (FlatRow::new(), Vec::new());
            let is_there = rows.next(&mut row, &mut line).with_context(named)?;
            if !is_there || bytes > SORTED_AT_ONCE {
                // A stable sort: equal rows stay in the order of the part.
                held.sort_by(|(a, ..): &(SortKey, FlatRow, Vec<u8>), (b, ..)| a.cmp(b));
                let mut run = self.temporary()?;
                for (_, row, line) in held.drain(..) {
                    run.row(&row, &line)?;
                }
                runs.extend(self.reread(run, number)?);
                bytes = 0;
            }
            if !is_there || self.stop.load(Ordering::Relaxed) {
                return Ok(runs);
            }
            let key = self.order.key(&row);
            bytes += row.as_slice().len() + line.len() + key.size() + BESIDE_TEXT;
            held.push((key, row, line));
        }
    }

    /// The format of temporary files. Only the lines of JSON have all that a table of JSON needs.
    fn between(&self) -> TableFormat {
        if self.format.is_json() {
            TableFormat::Jsonl
        } else {
            TableFormat::Csv
        }
    }

    fn columns(&self) -> &[String] {
        self.parts
            .first()
            .map_or(&[], |part| &part.end.about.columns)
    }

    /// A file without a name, which only this user may read and which goes away with the process.
    fn temporary(&self) -> Result<FlatWriter<BufWriter<File>>> {
        let folder = self.beside.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let out = BufWriter::with_capacity(BUFFER, file);
        Ok(FlatWriter::begin(out, self.between(), self.columns())?)
    }

    fn reread(&self, run: FlatWriter<BufWriter<File>>, part: usize) -> Result<Option<SortedRun>> {
        let file = run.finish()?.into_inner();
        let mut file = file.map_err(|error| error.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        let from = Box::new(BufReader::with_capacity(BUFFER, file));
        let rows = FlatReader::new(self.between(), from, self.columns())?;
        self.run(rows, part)
    }

    /// A run at its first row; `None` if it has none.
    fn run(&self, rows: FlatReader, part: usize) -> Result<Option<SortedRun>> {
        let mut run = SortedRun {
            rows,
            part,
            row: FlatRow::new(),
            line: Vec::new(),
            key: self
                .order
                .key(&FlatRow::from(vec![""; self.columns().len()])),
        };
        Ok(run.advance(self.order)?.then_some(run))
    }

    fn refuse_twice(&self, last: Option<&(String, usize)>, run: &SortedRun) -> Result<()> {
        match last {
            Some((path, part)) if *path == run.row[0] && *part != run.part => {
                let part = |at: usize| path_text(&self.parts[at].path);
                Err(Usage::error(format!(
                    "{path} is in two parts: {} and {}",
                    part(*last.map_or(&0, |(_, part)| part)),
                    part(run.part)
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Rows in order, of which one is held.
struct SortedRun {
    rows: FlatReader,
    /// The part that they are from.
    part: usize,
    row: FlatRow,
    line: Vec<u8>,
    key: SortKey,
}

impl SortedRun {
    /// Goes to the next row; `false` after the last.
    fn advance(&mut self, order: &RowOrder) -> Result<bool> {
        let is_there = self.rows.next(&mut self.row, &mut self.line)?;
        if is_there {
            self.key = order.key(&self.row);
        }
        Ok(is_there)
    }
}

impl Ord for SortedRun {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = self.key.cmp(&other.key);
        by_key.then(self.part.cmp(&other.part))
    }
}

impl PartialOrd for SortedRun {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortedRun {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortedRun {}
