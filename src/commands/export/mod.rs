//! `cxr export`: the review log as a table, and whether it is whole.

mod rows;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::rows::Rows;
use super::{SOME_FAILED, Usage, complain, owner_only, print};
use crate::cli::{self, ReviewFormat};
use crate::export::{Format, TableWriter};
use crate::store::{Audit, LastWord, Store, StoreError, default_path};

/// Faults that are named one by one; the rest are counted.
const NAMED: usize = 20;

pub fn run(arguments: &cli::Export) -> Result<ExitCode> {
    let wants_table = arguments.all || arguments.folder.is_some();
    if !wants_table && !arguments.verify {
        return Err(Usage::error(
            "say which reviews: a FOLDER, or --all; or --verify alone",
        ));
    }
    let path = store_path(arguments.store.as_deref())?;
    let store = Store::open_read_only(&path).map_err(refused)?;
    if arguments.verify {
        let audit = store.verify()?;
        if !audit.faults.is_empty() {
            return Ok(condemn(&path, &audit));
        }
        let verdict = format!(
            "{} reviews, the log is whole, head {}",
            audit.rows, audit.head
        );
        if !wants_table {
            return print(verdict + "\n");
        }
        complain(&verdict);
    }
    let within = arguments.folder.as_deref().map(real);
    let format = format(arguments);
    let table = |out: &mut dyn Write| write(&store, format, within.as_deref(), arguments, out);
    match arguments.output.as_deref().filter(|o| *o != Path::new("-")) {
        Some(path) => to_file(path, table)?,
        None => to_standard_output(table)?,
    }
    Ok(ExitCode::SUCCESS)
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

fn condemn(path: &Path, audit: &Audit) -> ExitCode {
    for fault in audit.faults.iter().take(NAMED) {
        complain(&format!("{}: {fault}", path.display()));
    }
    let more = audit.faults.len().saturating_sub(NAMED);
    if more > 0 {
        complain(&format!("{}: and {more} more", path.display()));
    }
    ExitCode::from(SOME_FAILED)
}

fn format(arguments: &cli::Export) -> Format {
    let extension = arguments.output.as_deref().and_then(Path::extension);
    match arguments.format {
        Some(ReviewFormat::Csv) => Format::Csv,
        Some(ReviewFormat::Jsonl) => Format::Jsonl,
        None if extension.is_some_and(|e| e == "jsonl") => Format::Jsonl,
        None => Format::Csv,
    }
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
    format: Format,
    within: Option<&Path>,
    arguments: &cli::Export,
    out: &mut dyn Write,
) -> Result<()> {
    let wanted = |word: &LastWord| within.is_none_or(|folder| word.image.path.starts_with(folder));
    store.at_one_moment(|store| {
        let mut rows = Rows::new(format, arguments.with_patient, store.answers_seen()?);
        store.last_words(|word| {
            if wanted(&word) {
                rows.note_labels(&word);
            }
            Ok::<_, io::Error>(())
        })??;
        let mut table = TableWriter::begin(out, format, rows.columns())?;
        store.last_words(|word| match wanted(&word) {
            true => table.row(&rows.row(&word)),
            false => Ok(()),
        })??;
        table.finish()?.flush()?;
        Ok(())
    })
}

/// Written beside it and then put in its place, so that there is never half a table of that name.
fn to_file(path: &Path, table: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
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
    let mut out = io::stdout().lock();
    match table(&mut out) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
