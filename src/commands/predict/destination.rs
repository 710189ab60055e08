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
use super::mode::WriteMode;
use super::previous::{Previous, ResumedTable, holds_no_row};
use crate::cli::{self, TableFormatArgument};
use crate::commands::shared::output_file::{is_database, owner_only};
use crate::commands::shared::{Usage, complain, standard_output};
use crate::domain::{ModelCard, Prevalences};
use crate::export::{PredictionRows, TableFormat, TableWriter, path_text};
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
    pub fn of(arguments: &cli::Predict) -> Result<Self> {
        let file = arguments.output.clone();
        let file = file.filter(|file| file != Path::new("-"));
        let asked = arguments.format.map(TableFormat::from);
        let format = TableFormat::of(asked, file.as_deref());
        let destination = TableDestination {
            format: format.map_err(|error| Usage::error(format!("-o {error}")))?,
            mode: WriteMode::of(arguments),
            file,
        };
        destination.check(&arguments.paths)?;
        Ok(destination)
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
        refuse_input(file, roots)?;
        let Ok(found) = fs::metadata(file) else {
            return Ok(());
        };
        if self.mode.continues() && !found.is_file() {
            return Err(Usage::error(format!(
                "{option} needs a file to continue, and {self} is none"
            )));
        }
        self.refuse_to_replace(&found)
    }

    /// Refuses a file that has rows. An empty file, a table without rows, a pipe and a device have
    /// nothing to lose.
    fn refuse_to_replace(&self, found: &fs::Metadata) -> Result<()> {
        let holds_none = || {
            let file = self.file.as_deref();
            found.len() == 0 || file.is_some_and(|file| holds_no_row(file, self.format))
        };
        if self.mode == WriteMode::New && found.is_file() && !holds_none() {
            return Err(Usage::error(format!(
                "-o {self}: already exists; use --resume to continue it, --append to add to it, or \
                 --force to replace it"
            )));
        }
        Ok(())
    }

    /// The rows of predictions in the format of this table.
    pub fn predictions<'a>(
        &self,
        card: &'a ModelCard,
        assumed: &'a Prevalences,
    ) -> PredictionRows<'a> {
        PredictionRows::new(self.format, card, assumed)
    }

    /// Opens the table for these predictions, and finds out which files it already has rows of. `None`
    /// after a signal; nothing is changed then.
    ///
    /// # Errors
    /// If the file cannot be made, or is a table that cannot be continued.
    pub fn open(
        &self,
        predictions: &PredictionRows,
        check: &Check,
    ) -> Result<Option<(ResumedTable, Done)>> {
        let Some(path) = &self.file else {
            let out = Box::new(standard_output()?);
            return Ok(Some((self.begin(predictions, out)?, Done::default())));
        };
        let Some(file) = self.locked(path, check.stop)? else {
            return Ok(None);
        };
        let found = file.metadata()?;
        self.refuse_to_replace(&found)?;
        if self.mode.continues() && found.len() > 0 {
            let previous = Previous {
                path,
                format: self.format,
                mode: self.mode,
                predictions,
            };
            return previous.resume(file, check);
        }
        if found.is_file() {
            file.set_len(0)
                .with_context(|| format!("emptying {self}"))?;
        }
        let table = self.begin(predictions, Box::new(file))?;
        Ok(Some((table, Done::default())))
    }

    fn begin(&self, predictions: &PredictionRows, out: Box<dyn Write>) -> Result<ResumedTable> {
        let table = TableWriter::begin(out, self.format, predictions.columns());
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

impl From<TableFormatArgument> for TableFormat {
    fn from(format: TableFormatArgument) -> Self {
        match format {
            TableFormatArgument::Csv => TableFormat::Csv,
            TableFormatArgument::Tsv => TableFormat::Tsv,
            TableFormatArgument::Jsonl => TableFormat::Jsonl,
            TableFormatArgument::Json => TableFormat::Json,
        }
    }
}

/// Refuses to overwrite a radiograph or a review store, as after a slip in the shell (`-o` before a glob).
fn refuse_input(file: &Path, roots: &[PathBuf]) -> Result<()> {
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
