//! `cxr export`: the review log as a table, and whether it is whole.

mod rows;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::rows::ExportRows;
use super::{
    SOME_FAILED, Usage, complain, is_broken_pipe, is_database, owner_only, print, standard_output,
};
use crate::cli::{self, ReviewFormat};
use crate::domain::text::Printable;
use crate::export::{TableFormat, TableWriter, is_stream, path_text};
use crate::store::{Audit, Store, StoreError, default_path, is_part_of};

/// Faults that are named one by one; the rest are counted.
const NAMED: usize = 20;

pub fn run(arguments: &cli::Export) -> Result<ExitCode> {
    let wants_table = arguments.all || arguments.folder.is_some();
    if !wants_table && !arguments.verify && arguments.backup.is_none() {
        return Err(Usage::error(
            "say which reviews: a FOLDER, or --all; or --verify or --backup alone",
        ));
    }
    let file = arguments.output.as_deref();
    let file = file.filter(|file| *file != Path::new("-"));
    let format = format(arguments, file)?;
    let path = store_path(arguments.store.as_deref())?;
    if let Some(output) = &arguments.output
        && is_part_of(&path, output)
    {
        let output = output.display();
        return Err(Usage::error(format!("{output}: that is the store itself")));
    }
    if let Some(file) = file.filter(|file| is_database(file)) {
        let file = path_text(file);
        return Err(Usage::error(format!("-o {file}: that is a database")));
    }
    if let Some(file) = file {
        refuse_to_replace(file, arguments.force)?;
    }
    let store = Store::open_read_only(&path).map_err(refused)?;
    if let Some(copy) = &arguments.backup {
        return back_up(&store, copy, arguments.force);
    }
    store.at_one_moment(|store| {
        let audit = store.verify()?;
        let is_whole = is_whole(&path, &audit);
        if !is_whole && !arguments.damaged {
            complain("no table: the log is not whole (--damaged has it written nevertheless)");
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
    let within: Vec<PathBuf> = arguments.folder.iter().map(|folder| real(folder)).collect();
    let table = |out: &mut dyn Write| write(store, format, &within, arguments, out);
    match file {
        Some(path) => to_file(path, table),
        None => to_standard_output(table),
    }
}

/// Copies the store, and says of the copy whether its log is whole.
fn back_up(store: &Store, copy: &Path, force: bool) -> Result<ExitCode> {
    store.back_up(copy, force).map_err(|error| match error {
        StoreError::There { .. } => Usage::error(format!("{error} (--force replaces a file)")),
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

/// The store that was asked for, or the one of this user.
///
/// # Errors
/// [`Usage`], if there is no home to look in.
pub fn store_path(asked: Option<&Path>) -> Result<PathBuf> {
    asked
        .map(Path::to_owned)
        .or_else(|| default_path(|name| std::env::var_os(name)))
        .ok_or_else(|| {
            Usage::error("neither XDG_STATE_HOME nor HOME is set: name a store with --store")
        })
}

/// What is wrong with the file that was named is for whoever named it.
pub fn refused(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Foreign { .. } | StoreError::Absent { .. } | StoreError::Newer { .. } => {
            Usage::error(error.to_string())
        }
        other => other.into(),
    }
}

/// Whether a log is whole; its faults are named.
pub fn is_whole(path: &Path, audit: &Audit) -> bool {
    for fault in audit.faults.iter().take(NAMED) {
        complain(&format!("{}: {fault}", path.display()));
    }
    let more = audit.faults.len().saturating_sub(NAMED);
    if more > 0 {
        complain(&format!("{}: and {more} more", path.display()));
    }
    audit.faults.is_empty()
}

/// # Errors
/// [`Usage`], if the ending of the file is none of a table.
fn format(arguments: &cli::Export, file: Option<&Path>) -> Result<TableFormat> {
    let asked = arguments.format.map(|asked| match asked {
        ReviewFormat::Csv => TableFormat::Csv,
        ReviewFormat::Tsv => TableFormat::Tsv,
        ReviewFormat::Jsonl => TableFormat::Jsonl,
        ReviewFormat::Json => TableFormat::Json,
    });
    TableFormat::of(asked, file).map_err(|error| Usage::error(format!("-o {error}")))
}

/// # Errors
/// [`Usage`]: no review is below a folder that was mistyped, and an empty table would say that there
/// are none.
fn refuse_if_nothing_there(store: &Store, folder: &Path) -> Result<()> {
    // A folder that was moved has its reviews still.
    let mut is_known = folder.exists();
    store.last_words(&[real(folder)], |_| {
        is_known = true;
        Ok::<_, io::Error>(())
    })??;
    match is_known {
        true => Ok(()),
        false => Err(Usage::error(format!(
            "{}: no such file or folder; --all writes every review",
            path_text(folder)
        ))),
    }
}

/// # Errors
/// [`Usage`], if a table is there and may not be replaced. A pipe or a device keeps none.
fn refuse_to_replace(file: &Path, force: bool) -> Result<()> {
    let there = file.symlink_metadata();
    if force || is_stream(file) || !there.is_ok_and(|there| there.is_file() || there.is_symlink()) {
        return Ok(());
    }
    Err(Usage::error(format!(
        "-o {}: it is there already; --force replaces it",
        path_text(file)
    )))
}

/// As the store knows paths: absolute, links followed; a folder that is gone, at least absolute.
pub fn real(folder: &Path) -> PathBuf {
    folder
        .canonicalize()
        .or_else(|_| std::path::absolute(folder))
        .unwrap_or_else(|_| folder.to_owned())
}

/// Two passes over one moment of the store: which labels there are, then the rows.
fn write(
    store: &Store,
    format: TableFormat,
    within: &[PathBuf],
    arguments: &cli::Export,
    out: &mut dyn Write,
) -> Result<()> {
    let mut rows = ExportRows::new(format, arguments.with_patient, store.answers_seen()?);
    let mut count = 0;
    store.last_words(within, |word| {
        rows.note_labels(&word);
        count += 1;
        Ok::<_, io::Error>(())
    })??;
    if count == 0 {
        complain("no reviews there: the table has no rows");
    }
    let mut table = TableWriter::begin(out, format, rows.columns())?;
    store.last_words(within, |word| table.row(&rows.row(&word)))??;
    table.finish()?.flush()?;
    Ok(())
}

/// Written beside it and then put in its place, so that there is never half a table of that name. A
/// pipe or a device stays in its place and is written through.
fn to_file(path: &Path, table: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    if is_stream(path) {
        let through = || -> Result<()> {
            let mut out = BufWriter::new(OpenOptions::new().write(true).open(path)?);
            table(&mut out)?;
            Ok(out.flush()?)
        };
        return through().with_context(|| path_text(path));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = || -> Result<()> {
        let file: File = owner_only().create_new(true).open(&part)?;
        let mut out = BufWriter::new(file);
        table(&mut out)?;
        out.into_inner()
            .map_err(|error| error.into_error())?
            .sync_all()?;
        std::fs::rename(&part, path)?;
        Ok(())
    };
    written()
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })
        .with_context(|| path.display().to_string())
}

/// That nobody reads on is no error: `cxr export --all | head`.
fn to_standard_output(table: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = standard_output()?.lock();
    match table(&mut out) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}
