//! A table that gets its name only when it is whole: a part of a sharded run, and every table in Parquet.
//!
//! Until then its rows are in a journal beside it, `FILE.partial`, which is a table like any other and is continued
//! after an interruption. Who sees FILE sees all of it. A Parquet table is made of the journal at the end, because
//! without its footer it is none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::commands::shared::Usage;
use crate::commands::shared::output_file::{OutputFile, rename_whole};
use crate::commands::shared::shard::Shard;
use crate::commands::shared::shard::part::{
    BUFFER, PartContent, PartEnd, RunDescription, begin_of_end, content_of_rows, end_of,
};
use crate::domain::ModelCard;
use crate::domain::hex::hex;
use crate::export::{
    ColumnarRows, FlatReader, FlatRow, FlatWriter, PART, PredictionRows, TableFormat, path_text,
};

/// With more files and folders, or a list of them, only their digest is written down.
const ROOTS: usize = 64;

/// How the rows of a table are made, and which part of a run it is.
pub struct TableRun {
    pub about: RunDescription,
    /// `None` for a table that is no part.
    pub shard: Option<Shard>,
}

/// Describes the run of these predictions over these files and folders.
pub fn describe(
    predictions: &PredictionRows,
    roots: &[PathBuf],
    is_list: bool,
    shard: Option<Shard>,
) -> TableRun {
    let of = shard.map_or(1, |shard| shard.of);
    let mut about = description(predictions, roots, of);
    if is_list {
        about.roots.clear();
    }
    TableRun { about, shard }
}

fn description(predictions: &PredictionRows, roots: &[PathBuf], of: u32) -> RunDescription {
    let cells = predictions.in_format(TableFormat::Csv);
    let (card, origin) = (cells.card(), cells.origin());
    let mut digest = Sha256::new();
    for root in roots {
        digest.update(root.as_os_str().as_bytes());
        digest.update([0]);
    }
    let few = if roots.len() <= ROOTS { roots } else { &[] };
    // Another precision than f32 stands after the name of the preprocessing.
    let precision = card.preprocess.split_once('+').map(|(_, name)| name);
    RunDescription {
        of,
        unit: "image".to_owned(),
        cxr: env!("CARGO_PKG_VERSION").to_owned(),
        model: format!("{} {}", card.name, card.version),
        model_sha256: origin.model_sha256,
        preprocess: origin.preprocess,
        precision: precision.unwrap_or("f32").to_owned(),
        card_digest: origin.card_digest.unwrap_or_default(),
        prevalence: origin.prevalence.unwrap_or_default(),
        pseudonym_key: origin.pseudonym_key,
        operating_points: operating_points(card),
        columns: cells.columns(),
        roots: few.iter().map(|root| path_text(root)).collect(),
        roots_sha256: hex(&digest.finalize()),
    }
}

/// The operating points of each label that has one.
fn operating_points(card: &ModelCard) -> Value {
    let labels = card.labels.iter();
    let with_points = labels.filter(|l| l.operating_point.is_some() || l.sensitive_point.is_some());
    // As short as the numbers of the card, so that every program reads and writes them alike.
    let short = |point: Option<f32>| point.and_then(|point| point.to_string().parse::<f64>().ok());
    let points = with_points.map(|label| {
        let points = json!({
            "balanced": short(label.operating_point),
            "sensitive": short(label.sensitive_point),
        });
        (label.name.clone(), points)
    });
    Value::Object(points.collect())
}

/// The table that has its name already, and whose rows a continued run keeps.
pub struct NamedTable<'a> {
    pub path: &'a Path,
    pub format: TableFormat,
}

impl NamedTable<'_> {
    /// Refuses to continue a part that is whole and of another run, before anything is changed.
    ///
    /// # Errors
    /// [`Usage`] for such a part, and for a file that is none.
    pub fn refuse_other_part(&self, run: &TableRun) -> Result<()> {
        let (Some(shard), Ok(file)) = (run.shard, File::open(self.path)) else {
            return Ok(());
        };
        let name = path_text(self.path);
        if file.metadata()?.len() == 0 {
            return Ok(());
        }
        let end = self.end(&file).with_context(|| format!("reading {name}"))?;
        let Some(end) = end else {
            return Err(Usage::error(format!(
                "{name} is no whole part of a run, so that it cannot be continued as one"
            )));
        };
        if let Some(words) = end.about.difference(&run.about) {
            return Err(Usage::error(format!(
                "{name} is a part of another run; {words}"
            )));
        }
        if end.shard != shard.number {
            return Err(Usage::error(format!(
                "{name} is shard {} of {}, and not {shard}",
                end.shard, end.about.of
            )));
        }
        Ok(())
    }

    fn end(&self, file: &File) -> io::Result<Option<PartEnd>> {
        if self.format != TableFormat::Parquet {
            return Ok(end_of(file)?.map(|(end, _)| end));
        }
        let rows = ColumnarRows::open(file.try_clone()?)?;
        Ok(rows.metadata(PART).and_then(|json| PartEnd::parse(&json)))
    }

    /// Makes a journal ready to be continued: one that got its end, and not its name, loses the end; an empty one gets
    /// the rows of the table, if that is there. Returns whether it did.
    ///
    /// # Errors
    /// If the table cannot be read, or the journal cannot be written.
    pub fn take_up(&self, mut journal: &File) -> io::Result<bool> {
        if journal.metadata()?.len() > 0 {
            if let Some(begin) = begin_of_end(journal)? {
                journal.set_len(begin)?;
            }
            return Ok(false);
        }
        let Ok(mut whole) = File::open(self.path) else {
            return Ok(false);
        };
        if whole.metadata()?.len() == 0 {
            return Ok(false);
        }
        if self.format == TableFormat::Parquet {
            let rows = ColumnarRows::open(whole)?;
            copy_rows(rows, journal)?;
            return Ok(true);
        }
        if let Some((_, rows)) = end_of(&whole)? {
            whole.seek(SeekFrom::Start(0))?;
            io::copy(&mut whole.take(rows), &mut journal)?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// Copies the rows of a Parquet table to a journal, which is a table of cells.
fn copy_rows(mut rows: ColumnarRows, journal: &File) -> io::Result<()> {
    let out = BufWriter::new(journal.try_clone()?);
    let mut table = FlatWriter::begin(out, TableFormat::Csv, &rows.columns())?;
    let mut row = FlatRow::new();
    while rows.next(&mut row)? {
        table.row(&row, &[])?;
    }
    table.finish()?.flush()
}

/// Gives a table that is whole its name, after its end if it is a part.
///
/// # Errors
/// If the disk is full, or a file has that name and may not be replaced. The journal stays, and can be continued.
pub fn publish(journal: &Path, table: &NamedTable, run: &TableRun, replaces: bool) -> Result<()> {
    let named = || format!("writing {}", path_text(table.path));
    let opened = OpenOptions::new().read(true).append(true).open(journal);
    let mut file = opened.with_context(named)?;
    let content = match run.shard {
        Some(_) => content_of_rows(&file, table.format.of_rows()).with_context(named)?,
        None => PartContent::default(),
    };
    let end = run
        .shard
        .map(|shard| PartEnd::new(run.about.clone(), shard.number, content));
    if table.format == TableFormat::Parquet {
        columns_of(file, table.path, &run.about, end, replaces).with_context(named)?;
        // Were it left, a continued run would only write the same table again.
        return fs::remove_file(journal).with_context(|| path_text(journal));
    }
    let line = end.map_or_else(String::new, |end| end.line(table.format));
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| rename_whole(journal, table.path, replaces))
        .with_context(named)
}

/// Writes a journal as Parquet, in one step.
fn columns_of(
    mut journal: File,
    table: &Path,
    about: &RunDescription,
    end: Option<PartEnd>,
    replaces: bool,
) -> Result<()> {
    journal.seek(SeekFrom::Start(0))?;
    let from = Box::new(BufReader::with_capacity(BUFFER, journal));
    let mut rows = FlatReader::new(TableFormat::Csv, from, &about.columns)?;
    let mut metadata = about.metadata();
    metadata.extend(end.map(|mut end| {
        // These are of the journal.
        (end.content.bytes, end.content.sha256) = (None, None);
        (PART.to_owned(), end.json())
    }));
    let file = OutputFile::beside(table)?;
    let out = BufWriter::with_capacity(BUFFER, file.handle()?);
    let mut columns = FlatWriter::about(out, TableFormat::Parquet, &about.columns, &metadata)?;
    let (mut row, mut line) = (FlatRow::new(), Vec::new());
    while rows.next(&mut row, &mut line)? {
        columns.row(&row, &line)?;
    }
    let out = columns.finish()?.into_inner();
    out.map_err(|error| error.into_error())?.sync_all()?;
    Ok(file.publish(table, replaces)?)
}
