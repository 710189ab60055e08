//! The destination of the table, and a table that is already there.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::done::{Check, Done};
use super::journal::{NamedTable, TableRun, publish};
use super::mode::WriteMode;
use super::previous::{Previous, ResumedTable, holds_no_row};
use super::studies::{self, StudyTable};
use crate::cli;
use crate::commands::shared::output_file::{is_database, owner_only, refuse_input};
use crate::commands::shared::shard::group::Unit;
use crate::commands::shared::shard::part::{films_of, journal_of};
use crate::commands::shared::{Usage, complain, standard_output};
use crate::domain::{ModelCard, Prevalences};
use crate::export::{PredictionRows, TableFormat, TableWriter, is_stream, path_text};
use crate::imaging::{Sighting, sight};
use crate::sources::Sources;

/// The time between two checks whether another run has ended.
const WAIT: Duration = Duration::from_millis(50);

/// How often a file may be found replaced while it is opened. Then it is used all the same, because on
/// some file systems one file has two numbers.
const MOVES: u32 = 8;

/// The file of the rows, or standard output, and their format.
#[derive(Debug)]
pub struct TableDestination {
    /// `None` is standard output.
    file: Option<PathBuf>,
    format: TableFormat,
    mode: WriteMode,
    /// Whether rows are kept beside the file until it is whole.
    is_staged: bool,
    unit: Unit,
}

impl fmt::Display for TableDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => f.write_str(&path_text(file)),
            None => f.write_str("standard output"),
        }
    }
}

impl TableDestination {
    /// The destination that the options name.
    ///
    /// # Errors
    /// [`Usage`] if the options contradict each other, or an existing file would be lost.
    pub fn of(arguments: &cli::Predict, roots: &[PathBuf]) -> Result<Self> {
        let file = arguments.output.clone();
        let file = file.filter(|file| file != Path::new("-"));
        let asked = arguments.format.map(TableFormat::from);
        let format = TableFormat::of(asked, file.as_deref());
        let destination = TableDestination {
            format: format.map_err(|error| Usage::error(format!("-o {error}")))?,
            mode: WriteMode::of(arguments),
            is_staged: false,
            unit: Unit::from(arguments.unit),
            file,
        };
        let destination = TableDestination {
            is_staged: arguments.shard.is_some()
                || destination.format == TableFormat::Parquet
                || destination.unit.is_group(),
            ..destination
        };
        if destination.unit.is_group() {
            destination.refuse_as_groups(arguments)?;
        }
        destination.refuse_parquet()?;
        if arguments.shard.is_some() {
            destination.refuse_as_part()?;
        }
        destination.check(roots)?;
        destination.refuse_inputs(arguments)?;
        Ok(destination)
    }

    /// Refuses what cannot have rows of studies or folders, which are made of the rows of all of their films.
    fn refuse_as_groups(&self, arguments: &cli::Predict) -> Result<()> {
        let option = format!("--unit {}", self.unit.code());
        if self.file.as_deref().is_none_or(is_stream) {
            return Err(Usage::error(format!(
                "{option} needs a file, because its rows are written at the end: -o FILE"
            )));
        }
        if self.mode == WriteMode::Append {
            return Err(Usage::error(format!(
                "--append: {option} writes its table as a whole; --resume continues one"
            )));
        }
        if !arguments.since.is_empty() {
            return Err(Usage::error(format!(
                "--since: a row of {option} needs all films, and not only those that are new"
            )));
        }
        Ok(())
    }

    /// The file beside the table in which rows are kept until it is whole: those of the films, where a row of the table
    /// is about several.
    fn kept_beside(&self, table: &Path) -> PathBuf {
        if self.unit.is_group() {
            films_of(table)
        } else {
            journal_of(table)
        }
    }

    /// The format in which rows are written one by one.
    fn row_format(&self) -> TableFormat {
        if self.unit.is_group() {
            TableFormat::Csv
        } else {
            self.format.of_rows()
        }
    }

    /// Refuses what could not say at its end that it is whole.
    fn refuse_as_part(&self) -> Result<()> {
        if self.file.as_deref().is_none_or(is_stream) {
            return Err(Usage::error(
                "--shard needs a file, which gets its name when it is whole: -o FILE",
            ));
        }
        if self.format == TableFormat::Json {
            return Err(Usage::error(
                "--shard: a part is a table in csv, tsv, jsonl or parquet; cxr merge makes one array of them",
            ));
        }
        Ok(())
    }

    /// Refuses what Parquet cannot be: written to a pipe, or added to.
    fn refuse_parquet(&self) -> Result<()> {
        if self.format != TableFormat::Parquet {
            return Ok(());
        }
        if self.file.as_deref().is_none_or(is_stream) {
            return Err(Usage::error(
                "a table in parquet needs a file, because it is written at the end: -o FILE",
            ));
        }
        if self.mode == WriteMode::Append {
            return Err(Usage::error(
                "--append: a table in parquet is written as a whole; --resume continues one",
            ));
        }
        Ok(())
    }

    /// The file that rows are written to.
    fn written(&self) -> Option<PathBuf> {
        let file = self.file.as_deref()?;
        Some(if self.is_staged {
            self.kept_beside(file)
        } else {
            file.to_owned()
        })
    }

    /// Checks the destination before an hour of work, and not after it.
    fn check(&self, roots: &[PathBuf]) -> Result<()> {
        let option = self.mode.option();
        let Some(file) = &self.file else {
            if self.mode.continues() {
                return Err(Usage::error(format!(
                    "{option} needs a file to continue: -o FILE"
                )));
            }
            standard_output()?;
            return Ok(());
        };
        refuse_radiograph(file, roots)?;
        let journal = self.is_staged.then(|| self.kept_beside(file));
        for file in [Some(file), journal.as_ref()].into_iter().flatten() {
            let Ok(found) = fs::metadata(file) else {
                continue;
            };
            if self.mode.continues() && !found.is_file() {
                return Err(Usage::error(format!(
                    "{option} needs a file to continue, and {} is none",
                    path_text(file)
                )));
            }
            self.refuse_to_replace(file, &found)?;
        }
        self.refuse_to_lose(file)
    }

    /// Refuses to replace a table or a list that is read. A table that is continued keeps the rows that it has.
    fn refuse_inputs(&self, arguments: &cli::Predict) -> Result<()> {
        let since = Some(&arguments.since).filter(|_| !self.mode.continues());
        let inputs = || {
            let others = [&arguments.files_from, &arguments.pseudonym_key];
            let since = since.into_iter().flatten();
            let inputs = since.chain(others.into_iter().flatten());
            inputs.map(PathBuf::as_path)
        };
        for output in [self.file.clone(), self.written()].iter().flatten() {
            refuse_input("-o", output, inputs())?;
        }
        Ok(())
    }

    /// Refuses to continue what could only be replaced: a file that is no table of studies or folders, or one without
    /// the rows of its films.
    fn refuse_to_lose(&self, file: &Path) -> Result<()> {
        let length = |file: &Path| fs::metadata(file).map_or(0, |found| found.len());
        let is_continued = self.unit.is_group() && self.mode.continues();
        if !is_continued || length(file) == 0 || self.holds_no_row(file) {
            return Ok(());
        }
        let reason = if !studies::is_study_table(file) {
            "no table of studies or folders, and cannot be continued".to_owned()
        } else if length(&films_of(file)) == 0 {
            format!(
                "it exists, and the rows of its films do not ({})",
                path_text(&films_of(file))
            )
        } else {
            return Ok(());
        };
        Err(Usage::error(format!(
            "-o {}: {reason}; --force replaces it",
            path_text(file)
        )))
    }

    /// Refuses a file that has rows. An empty file, a table without rows, a pipe and a device have
    /// nothing to lose.
    fn refuse_to_replace(&self, file: &Path, found: &fs::Metadata) -> Result<()> {
        let holds_none = || found.len() == 0 || self.holds_no_row(file);
        if self.mode == WriteMode::New && found.is_file() && !holds_none() {
            let file = path_text(file);
            let adds = if self.is_staged {
                ""
            } else {
                " --append to add to it,"
            };
            return Err(Usage::error(format!(
                "-o {file}: already exists; use --resume to continue it,{adds} or --force to replace it"
            )));
        }
        Ok(())
    }

    /// Whether a file is a table without rows, either of this format or of that of the rows that are kept beside it.
    fn holds_no_row(&self, file: &Path) -> bool {
        let formats = [self.format.of_rows(), self.row_format()];
        formats.into_iter().any(|format| holds_no_row(file, format))
    }

    /// The rows of predictions in the format in which they are written.
    pub fn predictions<'a>(
        &self,
        card: &'a ModelCard,
        assumed: &'a Prevalences,
    ) -> PredictionRows<'a> {
        PredictionRows::new(self.row_format(), card, assumed)
    }

    /// Opens the table for these predictions, and finds out which files it already has rows of. `None`
    /// after a signal; nothing is changed then.
    ///
    /// # Errors
    /// If the file cannot be made, or is a table that cannot be continued.
    pub fn open(
        &self,
        predictions: &PredictionRows,
        run: &TableRun,
        check: &Check,
    ) -> Result<Option<(ResumedTable, Done)>> {
        let (Some(table), Some(path)) = (&self.file, &self.written()) else {
            let out = Box::new(standard_output()?);
            return Ok(Some((self.begin(predictions, out)?, Done::default())));
        };
        let table = NamedTable {
            path: table,
            format: self.format,
        };
        if self.mode.continues() {
            table.refuse_other_part(run)?;
        }
        let Some(file) = self.locked(path, check.stop)? else {
            return Ok(None);
        };
        self.refuse_to_replace(path, &file.metadata()?)?;
        let mut is_copy = false;
        // The rows of the films of a study are nowhere else.
        if self.is_staged && self.mode.continues() && !self.unit.is_group() {
            let had_rows = file.metadata()?.len() > 0;
            let taken = table.take_up(&file);
            if taken.is_err() && !had_rows {
                // What could not be copied is in the table itself.
                let _ = fs::remove_file(path);
            }
            is_copy = taken.with_context(|| format!("continuing {self}"))?;
        }
        let found = file.metadata()?;
        if self.mode.continues() && found.len() > 0 {
            let previous = Previous {
                path,
                format: self.row_format(),
                mode: self.mode,
                predictions,
            };
            let resumed = previous.resume(file, check);
            if is_copy && resumed.is_err() {
                // The rows are in the table itself, which is refused and stays as it is.
                let _ = fs::remove_file(path);
            }
            return resumed;
        }
        if found.is_file() {
            file.set_len(0)
                .with_context(|| format!("emptying {self}"))?;
        }
        let table = self.begin(predictions, Box::new(file))?;
        Ok(Some((table, Done::default())))
    }

    /// Gives a table that is whole its name; one that was written under its name has it already. A table of studies is
    /// made first. `false` if a signal came before it was.
    ///
    /// # Errors
    /// If that cannot be done. Its rows stay beside it.
    pub fn publish(&self, run: &TableRun, studies: Option<&StudyTable>) -> Result<bool> {
        let Some(table) = self.file.as_ref().filter(|_| self.is_staged) else {
            return Ok(true);
        };
        // Without rows there is nothing to lose, as before the run.
        let replaces = self.mode != WriteMode::New
            || fs::metadata(table).is_ok_and(|found| found.len() == 0 || self.holds_no_row(table));
        let named = NamedTable {
            path: table,
            format: self.format,
        };
        let beside = self.kept_beside(table);
        if let Some(of) = studies {
            return studies::publish(&beside, &named, run, of, replaces);
        }
        publish(&beside, &named, run, replaces).map(|()| true)
    }

    /// Says where the rows are, if the table did not get its name.
    pub fn complain_of_journal(&self) {
        if let Some(table) = self.file.as_ref().filter(|_| self.is_staged) {
            complain(&format!(
                "{self} is not whole: its rows are in {}, and --resume goes on",
                path_text(&self.kept_beside(table))
            ));
        }
    }

    fn begin(&self, predictions: &PredictionRows, out: Box<dyn Write>) -> Result<ResumedTable> {
        let table = TableWriter::begin(out, self.row_format(), predictions.columns());
        table.with_context(|| format!("writing {self}"))
    }

    /// Opens the file and locks it, so that no other run writes it; on a file system without locks, this
    /// is not certain. `None` after a signal.
    fn locked(&self, path: &Path, stop: &AtomicBool) -> Result<Option<File>> {
        let (mut waits, mut moved) = (false, 0);
        while !stop.load(Ordering::Relaxed) {
            let file = self.opened(path)?;
            if !file.metadata()?.is_file() {
                return Ok(Some(file));
            }
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if self.mode == WriteMode::Append => {
                    if !std::mem::replace(&mut waits, true) {
                        complain(&format!(
                            "waiting for another cxr predict that writes {self}"
                        ));
                    }
                    thread::sleep(WAIT);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Usage::error(format!(
                        "{self} is being written by another cxr predict"
                    )));
                }
                // Another run may have replaced the file after it was opened.
                _ if moved < MOVES && !leads_to(path, &file) => moved += 1,
                _ => return Ok(Some(file)),
            }
        }
        Ok(None)
    }

    fn opened(&self, path: &Path) -> Result<File> {
        let mut options = owner_only();
        options.create(true).read(self.mode.continues());
        let failed = |error: io::Error| Usage::error(format!("{self} cannot be written: {error}"));
        options.open(path).map_err(failed)
    }
}

/// Whether a path still leads to the file that was opened there.
fn leads_to(path: &Path, file: &File) -> bool {
    let is_same = |found: &fs::Metadata, opened: &fs::Metadata| {
        (found.dev(), found.ino()) == (opened.dev(), opened.ino())
    };
    match (fs::metadata(path), file.metadata()) {
        (Ok(found), Ok(opened)) => is_same(&found, &opened),
        _ => false,
    }
}

/// Refuses to overwrite a radiograph or a review store, as after a slip in the shell (`-o` before a glob).
fn refuse_radiograph(file: &Path, roots: &[PathBuf]) -> Result<()> {
    let Ok(metadata) = fs::metadata(file) else {
        return Ok(());
    };
    let is_root = |root: &PathBuf| {
        // A part of an archive is in its file.
        let found = Sources::of_process().metadata(root);
        found.is_some_and(|m| (m.dev(), m.ino()) == (metadata.dev(), metadata.ino()))
    };
    let is_read = || matches!(sight(file), Sighting::Image | Sighting::Archive);
    if metadata.is_file() && (roots.iter().any(is_root) || is_read()) {
        let file = path_text(file);
        return Err(Usage::error(format!(
            "-o {file} is an image to be read, not overwritten"
        )));
    }
    if is_database(file) {
        let file = path_text(file);
        return Err(Usage::error(format!("-o {file}: that is a database")));
    }
    Ok(())
}
