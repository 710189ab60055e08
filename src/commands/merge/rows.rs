//! The rows of all parts in one order, with memory that does not grow with their number.
//!
//! A part whose rows come in order is read along; one whose rows do not (a continued run appends what it read again) is
//! sorted piece by piece into temporary files. All of these are merged by a heap that holds one row of each (Knuth,
//! *The Art of Computer Programming* 3, section 5.4.1).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
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
                let rows = part.rows().with_context(|| path_text(&part.path))?;
                runs.extend(self.run(rows, RowParts::One(number))?);
            } else {
                runs.extend(self.sorted_runs(part, number)?);
            }
            if runs.len() > FILES {
                runs = self.joined(runs)?.into_iter().collect();
            }
        }
        // A signal ends each of these steps early: some of the rows, or all, are in no run then.
        if self.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut last: Option<(String, usize)> = None;
        self.merged(runs, |run| {
            if self.order.is_by_path() {
                self.refuse_twice(last.as_ref(), run)?;
                match &mut last {
                    Some((path, part)) => {
                        path.clear();
                        path.push_str(&run.row[0]);
                        *part = run.part();
                    }
                    None => last = Some((run.row[0].to_owned(), run.part())),
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

    /// The same rows as one run in a temporary file, and their parts in another.
    fn joined(&self, runs: Vec<SortedRun>) -> Result<Option<SortedRun>> {
        let mut run = self.temporary()?;
        let mut parts = BufWriter::with_capacity(BUFFER, self.temporary_file()?);
        self.merged(runs, |one| {
            parts.write_all(&one.part().to_le_bytes())?;
            Ok(run.row(&one.row, &one.line)?)
        })?;
        let mut parts = parts.into_inner().map_err(|error| error.into_error())?;
        parts.seek(SeekFrom::Start(0))?;
        let parts = BufReader::with_capacity(BUFFER, parts);
        self.reread(run, RowParts::Each { parts, now: 0 })
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
                runs.extend(self.reread(run, RowParts::One(number))?);
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
    fn temporary_file(&self) -> Result<File> {
        let folder = self.beside.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        Ok(tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?)
    }

    /// A table in such a file.
    fn temporary(&self) -> Result<FlatWriter<BufWriter<File>>> {
        let out = BufWriter::with_capacity(BUFFER, self.temporary_file()?);
        Ok(FlatWriter::begin(out, self.between(), self.columns())?)
    }

    fn reread(
        &self,
        run: FlatWriter<BufWriter<File>>,
        parts: RowParts,
    ) -> Result<Option<SortedRun>> {
        let file = run.finish()?.into_inner();
        let mut file = file.map_err(|error| error.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        let from = Box::new(BufReader::with_capacity(BUFFER, file));
        let rows = FlatReader::new(self.between(), from, self.columns())?;
        self.run(rows, parts)
    }

    /// A run at its first row; `None` if it has none.
    fn run(&self, rows: FlatReader, parts: RowParts) -> Result<Option<SortedRun>> {
        let mut run = SortedRun {
            rows,
            parts,
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
            Some((path, part)) if *path == run.row[0] && *part != run.part() => {
                let name = |at: usize| path_text(&self.parts[at].path);
                Err(Usage::error(format!(
                    "{path} is in two parts: {} and {}",
                    name(*part),
                    name(run.part())
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The parts that the rows of a run are from, by their places among the parts.
enum RowParts {
    /// All from one.
    One(usize),
    /// A number for each row, and that of the row that is held.
    Each { parts: BufReader<File>, now: usize },
}

/// Rows in order, of which one is held.
struct SortedRun {
    rows: FlatReader,
    parts: RowParts,
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
            if let RowParts::Each { parts, now } = &mut self.parts {
                let mut number = [0; size_of::<usize>()];
                parts.read_exact(&mut number)?;
                *now = usize::from_le_bytes(number);
            }
        }
        Ok(is_there)
    }

    /// The part that the held row is from.
    fn part(&self) -> usize {
        match self.parts {
            RowParts::One(part) | RowParts::Each { now: part, .. } => part,
        }
    }
}

impl Ord for SortedRun {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = self.key.cmp(&other.key);
        by_key.then(self.part().cmp(&other.part()))
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

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use serde_json::Value;

    use super::super::parts::{FoundPart, find};
    use super::*;
    use crate::commands::shared::shard::part::{PartEnd, RunDescription, content_of_rows};

    fn about(of: u32) -> RunDescription {
        RunDescription {
            of,
            unit: "image".to_owned(),
            cxr: String::new(),
            model: String::new(),
            model_sha256: String::new(),
            preprocess: String::new(),
            precision: String::new(),
            card_digest: String::new(),
            prevalence: String::new(),
            pseudonym_key: None,
            operating_points: Value::Null,
            columns: vec!["path".to_owned(), "status".to_owned()],
            roots: Vec::new(),
            roots_sha256: String::new(),
        }
    }

    /// Checked parts of one run, with rows of these paths.
    fn parts(folder: &Path, paths: &[&[String]], order: &RowOrder) -> Vec<WholePart> {
        let of = paths.len() as u32;
        let numbered = paths.iter().zip(1..);
        let part = |(paths, shard): (&&[String], u32)| {
            let path = folder.join(format!("{shard}.csv"));
            let rows: String = paths.iter().map(|path| format!("{path},ok\n")).collect();
            std::fs::write(&path, format!("path,status\n{rows}")).unwrap();
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .open(&path)
                .unwrap();
            let content = content_of_rows(&file, TableFormat::Csv).unwrap();
            let end = PartEnd::new(about(of), shard, content);
            let line = end.line(TableFormat::Csv);
            file.write_all(line.as_bytes()).unwrap();
            let FoundPart::Whole(mut part) = find(&path).unwrap() else {
                panic!("{shard} is not whole");
            };
            let stop = AtomicBool::new(false);
            assert_eq!(part.check(order, &stop).unwrap(), None);
            *part
        };
        numbered.map(part).collect()
    }

    fn merged(folder: &Path, paths: &[&[String]], stop: bool) -> (Result<bool>, String) {
        let about = about(paths.len() as u32);
        let order = RowOrder::new("path", false, &about).unwrap();
        let parts = parts(folder, paths, &order);
        let merge = RowMerge {
            parts: &parts,
            order: &order,
            format: TableFormat::Csv,
            beside: &folder.join("all.csv"),
            stop: &AtomicBool::new(stop),
        };
        let mut table = FlatWriter::begin(Vec::new(), TableFormat::Csv, &about.columns).unwrap();
        let written = merge.write(&mut table);
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        (written, text)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// A signal between the check of the parts and their first row.
    #[test]
    fn a_stopped_merge_is_never_whole() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [["b.png", "a.png"], ["a.png", "b.png"]] {
            let rows = words(&rows);
            let (written, text) = merged(folder.path(), &[&rows], false);
            assert!(written.unwrap());
            assert_eq!(text, "path,status\na.png,ok\nb.png,ok\n");
            let (written, _) = merged(folder.path(), &[&rows], true);
            assert!(!written.unwrap(), "{rows:?}");
        }
    }

    /// More parts than files are read at once.
    #[test]
    fn an_image_in_two_of_many_parts_is_refused_with_both_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let count = FILES + 10;
        let mut rows: Vec<Vec<String>> = (0..count)
            .map(|number| vec![format!("{number:04}.png")])
            .collect();
        fn all(rows: &[Vec<String>]) -> Vec<&[String]> {
            rows.iter().map(Vec::as_slice).collect()
        }
        let (written, text) = merged(folder.path(), &all(&rows), false);
        assert!(written.unwrap());
        assert_eq!(text.lines().count(), count + 1);
        for (one, other) in [(100, 200), (100, count - 1), (count - 2, count - 1)] {
            let twice = rows[one].clone();
            let kept = std::mem::replace(&mut rows[other], twice);
            let (written, _) = merged(folder.path(), &all(&rows), false);
            let refusal = written.unwrap_err().to_string();
            for number in [one, other] {
                let name = format!("/{}.csv", number + 1);
                assert!(refusal.contains(&name), "{refusal}: {name}");
            }
            rows[other] = kept;
        }
    }
}
