//! The files that `cxr agreement` writes beside its page: the report of a study, and the table of all readings.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::ComparedReadings;
use super::figures;
use super::localisation::{self, MarkedStudy};
use super::page::{StudyReportContents, report_page};
use super::patients::without_patients;
use super::readings::{ReaderRow, labels, read, timed};
use super::references::ReferenceCases;
use super::study::of_label;
use super::summary::text;
use crate::cli;
use crate::commands::shared::output_file::{refuse_input, refuse_to_replace, write_whole};
use crate::commands::shared::study::LoadedStudy;
use crate::commands::shared::{Usage, table_bytes};
use crate::domain::Call;
use crate::evaluation::reader_study::times_of_readers;
use crate::export::{Cell, TableFormat, path_text};
use crate::study::digest;

const COLUMNS: [&str; 13] = [
    "reader",
    "image_sha256",
    "label",
    "unaided_call",
    "unaided_rating",
    "unaided_ms",
    "aided_call",
    "aided_rating",
    "aided_ms",
    "model",
    "reference",
    "answer_seen_before",
    "order_position",
];

/// The files that were asked for.
pub struct Outputs<'a> {
    report: Option<&'a Path>,
    table: Option<(&'a Path, TableFormat)>,
    figures: Option<(&'a Path, TableFormat)>,
    marks: Option<(&'a Path, TableFormat)>,
    manifest: Option<&'a Path>,
    force: bool,
}

impl<'a> Outputs<'a> {
    /// # Errors
    /// [`Usage`], if one of them may not be written.
    pub fn of(arguments: &'a cli::Agreement) -> Result<Self> {
        let report = arguments.report.as_deref();
        if let Some(path) = report.filter(|path| path.extension().is_none_or(|e| e != "html")) {
            return Err(Usage::error(format!(
                "--report {}: a .html file, please",
                path_text(path)
            )));
        }
        if let Some((path, reviewer)) = report.zip(arguments.reviewer.as_deref()) {
            return Err(Usage::error(format!(
                "--report {}: the page counts the readings of all readers of the study, and cannot be of {reviewer} alone; \
                 leave --reviewer out",
                path_text(path)
            )));
        }
        let outputs = Outputs {
            report,
            table: table_of(arguments.table.as_deref())?,
            figures: table_of(arguments.figures.as_deref())?,
            marks: table_of(arguments.marks.as_deref())?,
            manifest: arguments.reference.manifest.as_deref(),
            force: arguments.force,
        };
        let tables = [outputs.table, outputs.figures, outputs.marks];
        let tables = tables.into_iter().flatten().map(|(path, _)| path);
        for path in report.into_iter().chain(tables) {
            refuse_to_replace(path, arguments.force)?;
        }
        Ok(outputs)
    }

    /// # Errors
    /// [`Usage`], if one of them would replace an input.
    pub fn refuse_inputs(&self, inputs: &[PathBuf]) -> Result<()> {
        let table = |of: Option<(&'a Path, TableFormat)>| of.map(|(path, _)| path);
        for (option, output) in [
            ("--report", self.report),
            ("--table", table(self.table)),
            ("--figures", table(self.figures)),
            ("--marks", table(self.marks)),
        ] {
            if let Some(output) = output {
                refuse_input(option, output, inputs.iter().map(PathBuf::as_path))?;
            }
        }
        Ok(())
    }

    /// Writes them.
    ///
    /// # Errors
    /// [`Usage`], if marks are asked for where there is nothing to score them by; or if one of the files cannot be written.
    pub fn write(
        &self,
        study: Option<&LoadedStudy>,
        compared: &ComparedReadings,
        marked: Option<&MarkedStudy>,
    ) -> Result<()> {
        let ComparedReadings {
            readings,
            references,
            studies,
            log,
            ..
        } = compared;
        let marks = match (self.marks, marked) {
            (None, _) => None,
            (Some((path, format)), Some(marked)) => Some((path, format, marked)),
            (Some(_), None) => {
                return Err(Usage::error(
                    "--marks: marks are scored in a study whose study.toml has [localisation], with a reference standard \
                     that has boxes",
                ));
            }
        };
        if let Some((path, format)) = self.table {
            let bytes = table_bytes(format, &COLUMNS, &rows(readings, references))?;
            write_whole(path, &bytes, self.force)?;
        }
        if let Some((path, format)) = self.figures {
            let bytes = table_bytes(
                format,
                &figures::COLUMNS,
                &figures::rows(studies, &times_of_readers(&timed(readings))),
            )?;
            write_whole(path, &bytes, self.force)?;
        }
        if let Some((path, format, marked)) = marks {
            let bytes = table_bytes(format, &localisation::COLUMNS, &marked.rows())?;
            write_whole(path, &bytes, self.force)?;
        }
        if let (Some(path), Some(study)) = (self.report, study) {
            let of_labels = labels(readings).into_iter();
            let page = report_page(&StudyReportContents {
                study,
                readings,
                studies,
                of_labels: of_labels
                    .map(|label| (of_label(readings, &label, references), label))
                    .collect(),
                text: &text(compared),
                times: times_of_readers(&timed(readings)),
                without_patients: without_patients(readings),
                log,
                manifest_sha256: self
                    .manifest
                    .map(std::fs::read)
                    .transpose()?
                    .map(|b| digest(&b)),
            })?;
            write_whole(path, page.as_bytes(), self.force)?;
        }
        Ok(())
    }
}

/// The format that the ending of a table names.
///
/// # Errors
/// [`Usage`], if it names none.
fn table_of(path: Option<&Path>) -> Result<Option<(&Path, TableFormat)>> {
    let Some(path) = path else { return Ok(None) };
    match TableFormat::of(None, Some(path)) {
        Ok(format) => Ok(Some((path, format))),
        Err(error) => Err(Usage::error(error.to_string())),
    }
}

/// One row for each reading and label, also of those that enter no figure.
fn rows(readings: &[ReaderRow], references: &ReferenceCases) -> Vec<Vec<Cell>> {
    let of_reading = |reading: &ReaderRow| -> Vec<Vec<Cell>> {
        let asked = reading.blinded.asked.iter();
        asked.map(|label| row(reading, label, references)).collect()
    };
    readings.iter().flat_map(of_reading).collect()
}

fn row(reading: &ReaderRow, label: &str, references: &ReferenceCases) -> Vec<Cell> {
    let call = read(reading, label, references);
    let yes = |answer: Option<bool>| match answer {
        Some(answer) => Cell::Nested(u8::from(answer).into()),
        None => Cell::Empty,
    };
    let number = |number: Option<u64>| number.map_or(Cell::Empty, |n| Cell::Nested(n.into()));
    let milliseconds = |call: Option<&Call>| {
        let took = call.map(|call| call.took.as_millis());
        number(took.and_then(|took| u64::try_from(took).ok()))
    };
    let [aided_rating, unaided_rating] = call.ratings.map(|rating| number(rating.map(u64::from)));
    vec![
        Cell::text(&reading.word.reviewer),
        Cell::text(&reading.word.image.sha256),
        Cell::text(label),
        yes(call.unaided),
        unaided_rating,
        milliseconds(reading.blinded.unaided.as_ref()),
        yes(call.aided),
        aided_rating,
        milliseconds(reading.blinded.aided.as_ref()),
        yes(call.model),
        yes(call.truth),
        yes(Some(reading.was_seen)),
        number(u64::try_from(reading.blinded.position).ok()),
    ]
}
