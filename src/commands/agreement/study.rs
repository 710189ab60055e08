//! All readers of each label together, and the file for iMRMC.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::localisation::MarkedStudy;
use super::readings::{ReaderRow, labels, read};
use super::references::ReferenceCases;
use crate::cli;
use crate::commands::shared::output_file::{
    ALREADY_EXISTS, OutputFile, cannot_replace, refuse_input,
};
use crate::commands::shared::{Usage, complain};
use crate::evaluation::reader_study::{
    ImrmcInput, ReaderStudyReport, StudyReading, adjust, imrmc, reader_study,
};
use crate::evaluation::tables::counted;
use crate::export::path_text;

/// Enough of a digest to tell images apart, and no name of a file or a patient.
const DIGITS: usize = 16;

/// A study for each label that readers were asked about, with marks where these were asked for, and p-values adjusted for all
/// of them.
pub fn studies(
    readings: &[ReaderRow],
    references: &ReferenceCases,
    marked: Option<&MarkedStudy>,
) -> Vec<ReaderStudyReport> {
    let labels = labels(readings).into_iter();
    let mut reports: Vec<ReaderStudyReport> = labels
        .map(|label| reader_study(&label, &of_label(readings, &label, references)))
        .filter(|report| report.readings > 0)
        .collect();
    if let Some(marked) = marked {
        marked.add_to(&mut reports);
    }
    adjust(&mut reports);
    reports
}

pub fn of_label(
    readings: &[ReaderRow],
    label: &String,
    references: &ReferenceCases,
) -> Vec<StudyReading> {
    let asked = readings
        .iter()
        .filter(|reading| !reading.was_seen && reading.blinded.asked.contains(label));
    asked
        .map(|reading| StudyReading {
            reader: reading.word.reviewer.clone(),
            image: reading.word.image.sha256.chars().take(DIGITS).collect(),
            call: read(reading, label, references),
        })
        .collect()
}

/// The file for iMRMC that `--imrmc` asks for.
pub struct ImrmcFile {
    label: String,
    path: PathBuf,
    force: bool,
}

impl ImrmcFile {
    /// # Errors
    /// [`Usage`], if it does not say which label, or something is there that may not be replaced.
    pub fn of(arguments: &cli::Agreement, labels: &[String]) -> Result<Option<Self>> {
        let Some(asked) = arguments.imrmc.as_deref() else {
            return Ok(None);
        };
        let named = asked
            .split_once('=')
            .filter(|(label, _)| labels.iter().any(|known| known == label));
        let (label, path) = match (named, labels) {
            (Some((label, path)), _) => (label.to_owned(), path),
            (None, [label]) => (label.clone(), asked),
            (None, labels) => {
                let known = labels.join(", ");
                return Err(Usage::error(format!(
                    "--imrmc LABEL=FILE: one of the labels {known}"
                )));
            }
        };
        let path = PathBuf::from(path);
        let file = ImrmcFile {
            label,
            path,
            force: arguments.force,
        };
        file.refuse()?;
        Ok(Some(file))
    }

    /// # Errors
    /// [`Usage`], if it would replace an input.
    pub fn refuse_inputs(&self, inputs: &[PathBuf]) -> Result<()> {
        refuse_input("--imrmc", &self.path, inputs.iter().map(PathBuf::as_path))
    }

    fn refuse(&self) -> Result<()> {
        let fail =
            |reason: &str| Usage::error(format!("--imrmc {}: {reason}", path_text(&self.path)));
        match cannot_replace(&self.path) {
            Some(reason) => Err(fail(reason)),
            None if !self.force && Path::new(&self.path).symlink_metadata().is_ok() => {
                Err(fail(ALREADY_EXISTS))
            }
            None => Ok(()),
        }
    }

    /// # Errors
    /// [`Usage`], if no image has a reference standard; or if the file cannot be written.
    pub fn write(&self, readings: &[ReaderRow], references: &ReferenceCases) -> Result<()> {
        let input = imrmc(&self.label, &of_label(readings, &self.label, references));
        let input = input.map_err(|reason| {
            Usage::error(format!(
                "--imrmc: {reason} with a reference standard for {}",
                self.label
            ))
        })?;
        let writing = || format!("writing {}", path_text(&self.path));
        let file = OutputFile::holding(&self.path, input.text.as_bytes()).with_context(writing)?;
        self.refuse()?;
        file.publish(&self.path, self.force).with_context(writing)?;
        complain(&format!("{}: {}", path_text(&self.path), contents(&input)));
        Ok(())
    }
}

/// What the file is of.
fn contents(input: &ImrmcInput) -> String {
    match (input.has_ratings, input.unrated) {
        (false, _) => "calls, 1 or 0, since there is no rating".to_owned(),
        (true, [0, 0]) => "ratings, 0 to 100".to_owned(),
        (true, [aided, unaided]) => format!(
            "ratings, 0 to 100; without {} that have none ({aided} aided, {unaided} unaided)",
            counted(aided + unaided, "call")
        ),
    }
}
