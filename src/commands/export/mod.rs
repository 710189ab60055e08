//! `cxr export`: the review log as a table, and whether it is whole.

mod marks;
mod rows;
mod summary;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::rows::{ExportPseudonyms, ExportRows, ExportedPatients};
use self::summary::ReviewSummary;
use super::shared::output_file::{OutputFile, refuse_to_replace};
use super::shared::reviews::{is_whole, not_opened, store_path, stored_path};
use super::shared::study::refuse_open_study;
use super::shared::{
    SOME_FAILED, Usage, columnar_bytes, complain, is_broken_pipe, print, pseudonym_key,
    standard_output,
};
use crate::cli::{self, ReviewFormat};
use crate::domain::text::Printable;
use crate::export::{Cell, TableFormat, TableWriter, is_stream, path_text};
use crate::library::exists;
use crate::store::{Audit, Store, StoreError, is_part_of};

/// Runs `cxr export`.
///
/// # Errors
/// [`Usage`], if the options make no sense or a file would be lost; or if the store cannot be read or the
/// table cannot be written.
pub fn run(arguments: &cli::Export) -> Result<ExitCode> {
    let wants_table = arguments.all || arguments.folder.is_some() || arguments.summary;
    if !wants_table && !arguments.verify && arguments.backup.is_none() {
        return Err(Usage::error(
            "say which reviews: a FOLDER, or --all; or --summary, --verify or --backup alone",
        ));
    }
    let file = arguments.output.as_deref();
    let file = file.filter(|file| *file != Path::new("-"));
    let format = format(arguments, file)?;
    if arguments.summary {
        refuse_table_format(arguments, file, format)?;
    }
    let path = store_path(arguments.store.as_deref())?;
    if let Some(output) = &arguments.output
        && is_part_of(&path, output)
    {
        let output = output.display();
        return Err(Usage::error(format!("{output}: that is the store itself")));
    }
    // A pipe or a device is written through, and has nothing to lose.
    if let Some(file) = file.filter(|file| !is_stream(file)) {
        refuse_to_replace(file, arguments.force)?;
    }
    let store = Store::open_read_only(&path).map_err(not_opened)?;
    if let Some(copy) = &arguments.backup {
        return back_up(&store, copy, arguments.force);
    }
    if wants_table {
        refuse_open_study(&store, "export")?;
    }
    store.at_one_moment(|store| {
        let audit = store.verify()?;
        let is_whole = is_whole(&path, &audit);
        if !is_whole && !arguments.damaged {
            complain("no table: the log is not whole (--damaged writes it all the same)");
            return Ok(ExitCode::from(SOME_FAILED));
        }
        match (arguments.verify, wants_table) {
            (true, false) => return print(&Printable::page(&(verdict(&audit) + "\n"))),
            (true, true) => complain(&verdict(&audit)),
            (false, _) => {}
        }
        if let Some(folder) = &arguments.folder {
            refuse_if_nothing_there(store, folder)?;
        }
        export(store, format, file, arguments)?;
        Ok(if is_whole {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(SOME_FAILED)
        })
    })
}

fn export(
    store: &Store,
    format: TableFormat,
    file: Option<&Path>,
    arguments: &cli::Export,
) -> Result<()> {
    let within: Vec<PathBuf> = arguments
        .folder
        .iter()
        .map(|folder| stored_path(folder))
        .collect();
    let table = |out: &mut dyn Write| match arguments.summary {
        true => summarise(store, format, &within, out),
        false => write(store, format, &within, arguments, out),
    };
    match file {
        Some(path) => to_file(path, arguments.force, table),
        None => to_standard_output(table),
    }
}

/// Copies the store, and checks the log of the copy.
fn back_up(store: &Store, copy: &Path, force: bool) -> Result<ExitCode> {
    store.back_up(copy, force).map_err(|error| match error {
        StoreError::There { .. } if force => Usage::error(error.to_string()),
        StoreError::There { .. } => Usage::error(format!("{error}; use --force to replace it")),
        other => other.into(),
    })?;
    let audit = Store::open_read_only(copy)?.verify()?;
    if !is_whole(copy, &audit) {
        return Ok(ExitCode::from(SOME_FAILED));
    }
    complain(&format!("{}: {}", copy.display(), verdict(&audit)));
    Ok(ExitCode::SUCCESS)
}

fn verdict(audit: &Audit) -> String {
    format!(
        "{} reviews, the log is whole, head {}",
        audit.rows, audit.head
    )
}

/// The format that `--format` or the ending of the file names.
///
/// # Errors
/// [`Usage`], if no format has this ending.
fn format(arguments: &cli::Export, file: Option<&Path>) -> Result<TableFormat> {
    let asked = arguments.format.map(|asked| match asked {
        ReviewFormat::Csv => TableFormat::Csv,
        ReviewFormat::Tsv => TableFormat::Tsv,
        ReviewFormat::Jsonl => TableFormat::Jsonl,
        ReviewFormat::Json => TableFormat::Json,
        ReviewFormat::Parquet => TableFormat::Parquet,
    });
    TableFormat::of(asked, file).map_err(|error| Usage::error(format!("-o {error}")))
}

/// Refuses a format of tables for a summary, which is text or JSON.
///
/// # Errors
/// [`Usage`], for such a format or such an ending of the file.
fn refuse_table_format(
    arguments: &cli::Export,
    file: Option<&Path>,
    format: TableFormat,
) -> Result<()> {
    let is_asked = arguments.format.is_some() || file.is_some_and(|file| !is_stream(file));
    if is_asked && format != TableFormat::Json {
        return Err(Usage::error(
            "--summary is text on standard output, or JSON: --format json, or -o FILE.json",
        ));
    }
    Ok(())
}

/// Writes what each reviewer did: JSON if that is the format, otherwise text.
fn summarise(
    store: &Store,
    format: TableFormat,
    within: &[PathBuf],
    out: &mut dyn Write,
) -> Result<()> {
    let summary = ReviewSummary::read(store, within)?;
    let page = match format {
        TableFormat::Json => format!("{:#}\n", summary.json()),
        _ => summary.text(),
    };
    out.write_all(Printable::page(&page).as_str().as_bytes())?;
    Ok(out.flush()?)
}

/// Refuses a folder that neither exists nor has reviews. It was mistyped, and an empty table would say
/// that there are none.
///
/// # Errors
/// [`Usage`], for such a folder.
fn refuse_if_nothing_there(store: &Store, folder: &Path) -> Result<()> {
    // A folder that was moved still has reviews.
    let mut is_known = exists(folder);
    store.last_words(&[stored_path(folder)], |_| {
        is_known = true;
        Ok::<_, io::Error>(())
    })??;
    if is_known {
        return Ok(());
    }
    Err(Usage::error(format!(
        "{}: no such file or folder; --all writes every review",
        path_text(folder)
    )))
}

fn exported_patients(arguments: &cli::Export) -> Result<ExportedPatients> {
    Ok(match &arguments.pseudonym_key {
        _ if arguments.with_patient => ExportedPatients::Identified,
        Some(path) => {
            ExportedPatients::Pseudonyms(Box::new(ExportPseudonyms::new(pseudonym_key(path)?)))
        }
        None => ExportedPatients::Hidden,
    })
}

/// Writes the table in two passes over the same state of the store: one for the labels, one for the rows.
fn write(
    store: &Store,
    format: TableFormat,
    within: &[PathBuf],
    arguments: &cli::Export,
    out: &mut dyn Write,
) -> Result<()> {
    if arguments.marks {
        return write_marks(store, format, within, arguments.with_patient, out);
    }
    let patients = exported_patients(arguments)?;
    let mut rows = ExportRows::new(format, patients, store.answers_seen()?);
    let mut count = 0;
    store.last_words(within, |word| {
        rows.note_labels(&word);
        count += 1;
        rows.note_patient(&word, |image| store.origin(image))
    })??;
    let unknown = rows.without_pseudonym();
    if unknown > 0 {
        complain(&format!(
            "{unknown} images have no pseudonym: the store does not say who issued the identifier of their patient; cxr \
             FOLDER reads them for that"
        ));
    }
    if count == 0 {
        complain("no reviews there: the table has no rows");
    }
    if format == TableFormat::Parquet {
        return write_columns(store, within, &rows, out);
    }
    let mut table = TableWriter::begin(out, format, rows.columns())?;
    store.last_words(within, |word| table.row(&rows.row(&word)))??;
    table.finish()?.flush()?;
    Ok(())
}

/// Writes the table in Parquet. What a column holds is known only after its last cell, so all rows are held: a reader
/// gives thousands of reviews, and not millions.
fn write_columns(
    store: &Store,
    within: &[PathBuf],
    rows: &ExportRows,
    out: &mut dyn Write,
) -> Result<()> {
    let mut held = Vec::new();
    store.last_words(within, |word| {
        held.push(rows.row(&word));
        Ok::<_, io::Error>(())
    })??;
    write_held(rows.columns(), &held, out)
}

/// Writes the table of marks.
fn write_marks(
    store: &Store,
    format: TableFormat,
    within: &[PathBuf],
    with_patient: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let mut held = Vec::new();
    store.last_words(within, |word| {
        held.extend(marks::rows(&word, with_patient));
        Ok::<_, io::Error>(())
    })??;
    if held.is_empty() {
        complain("no marks there: the table has no rows");
    }
    let columns = marks::columns(with_patient);
    if format == TableFormat::Parquet {
        return write_held(columns, &held, out);
    }
    let mut table = TableWriter::begin(out, format, columns)?;
    for row in &held {
        table.row(row)?;
    }
    table.finish()?.flush()?;
    Ok(())
}

/// Writes rows in Parquet. The file is made in memory: `out` may be a pipe that another thread must not hold.
fn write_held(columns: Vec<String>, rows: &[Vec<Cell>], out: &mut dyn Write) -> Result<()> {
    out.write_all(&columnar_bytes(columns, rows)?)?;
    Ok(out.flush()?)
}

/// Writes the table to a file in one step, so that half a table never has its name. A pipe or a device is
/// written through.
fn to_file(
    path: &Path,
    force: bool,
    table: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    if is_stream(path) {
        let through = || -> Result<()> {
            let mut out = BufWriter::new(OpenOptions::new().write(true).open(path)?);
            table(&mut out)?;
            Ok(out.flush()?)
        };
        return through().with_context(|| path_text(path));
    }
    let written = || -> Result<()> {
        let file = OutputFile::beside(path)?;
        let mut out = BufWriter::new(file.handle()?);
        table(&mut out)?;
        out.into_inner()
            .map_err(|error| error.into_error())?
            .sync_all()?;
        Ok(file.publish(path, force)?)
    };
    written().with_context(|| path_text(path))
}

/// Writes the table to standard output. A reader that closes the pipe is no error:
/// `cxr export --all | head`.
fn to_standard_output(table: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = standard_output()?.lock();
    match table(&mut out) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}
