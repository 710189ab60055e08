//! `cxr agreement`: blinded readers compared with the model and with the reference standard.

mod figures;
mod localisation;
mod outputs;
mod page;
mod page_charts;
mod page_tables;
mod patients;
mod readings;
mod references;
mod study;
mod summary;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use self::localisation::MarkedStudy;
use self::outputs::Outputs;
use self::patients::name_patients;
use self::readings::{LogState, ReaderRow, StoredReadings, labels, readings};
use self::references::ReferenceCases;
use self::study::{ImrmcFile, studies};
use self::summary::{as_json, text};
use super::shared::reviews::{ReadingSelection, store_path};
use super::shared::study::LoadedStudy;
use super::shared::{SOME_FAILED, Usage, print};
use crate::cli::{self, AgreementFormat};
use crate::domain::text::Printable;
use crate::evaluation::reader_study::ReaderStudyReport;

/// Runs `cxr agreement`.
///
/// # Errors
/// [`Usage`], if there are no such readings or the manifest cannot be used; or if the store cannot be read.
pub fn run(arguments: &cli::Agreement) -> Result<ExitCode> {
    let study = arguments
        .study
        .as_deref()
        .map(LoadedStudy::read)
        .transpose()?;
    let wanted = ReadingSelection {
        store: match &study {
            Some(study) => study.store_path(),
            None => store_path(arguments.store.as_deref())?,
        },
        folders: arguments.folder.iter().cloned().collect(),
        reviewer: arguments.reviewer.clone(),
        study: study.as_ref().map(|study| study.file.digest.clone()),
        cases: study.as_ref().map_or_else(HashSet::new, |study| {
            let cases = study.list.cases.iter();
            cases.map(|case| case.content.to_string()).collect()
        }),
    };
    let outputs = Outputs::of(arguments)?;
    let Some(StoredReadings {
        rows: mut readings,
        log,
    }) = readings(&wanted)?
    else {
        return Ok(ExitCode::from(SOME_FAILED));
    };
    if readings.is_empty() {
        return Err(Usage::error(
            "no blinded readings here: cxr --blinded FOLDER makes them",
        ));
    }
    let imrmc = ImrmcFile::of(arguments, &labels(&readings))?;
    let asked = reference_of(arguments, study.as_ref())?;
    let inputs = inputs(asked.as_ref(), study.as_ref());
    outputs.refuse_inputs(&inputs)?;
    if let Some(file) = &imrmc {
        file.refuse_inputs(&inputs)?;
    }
    let references = match asked {
        Some(asked) => {
            let boxes = boxes_column(arguments, study.as_ref());
            let references = ReferenceCases::read(&asked, &labels(&readings), boxes)?;
            let images = readings.iter().map(|reading| &reading.word.image);
            references.refuse_if_of_no_image(images, &asked)?;
            references
        }
        None => ReferenceCases::default(),
    };
    name_patients(&mut readings, &references);
    references.complain_of(readings.iter().map(|reading| &reading.word.image));
    if let Some(file) = imrmc {
        file.write(&readings, &references)?;
    }
    let marked = MarkedStudy::of(study.as_ref(), &readings, &references);
    let asks_for_marks = study
        .as_ref()
        .is_some_and(|study| study.file.localisation.is_some());
    let compared = ComparedReadings {
        studies: studies(&readings, &references, marked.as_ref()),
        are_marks_left: asks_for_marks && marked.is_none(),
        readings,
        references,
        log,
    };
    outputs.write(study.as_ref(), &compared, marked.as_ref())?;
    let page = match arguments.format {
        AgreementFormat::Text => text(&compared),
        AgreementFormat::Json => format!("{:#}\n", as_json(&compared)),
    };
    print(&Printable::page(&page))
}

/// Readings beside the reference standard, and what they show.
struct ComparedReadings {
    readings: Vec<ReaderRow>,
    references: ReferenceCases,
    /// One for each label.
    studies: Vec<ReaderStudyReport>,
    /// Whether the study asks for marks, and there are no boxes to compare them with.
    are_marks_left: bool,
    log: LogState,
}

/// The column of lesions' boxes: that of `--boxes-column`, or that of the study where the reference standard is the study's.
fn boxes_column<'a>(
    arguments: &'a cli::Agreement,
    study: Option<&'a LoadedStudy>,
) -> Option<&'a str> {
    match &arguments.reference.manifest {
        Some(_) => arguments.boxes_column.as_deref(),
        None => study?.file.localisation.as_ref()?.boxes_column.as_deref(),
    }
}

/// The files that the figures are made of.
fn inputs(asked: Option<&cli::CaseArguments>, study: Option<&LoadedStudy>) -> Vec<PathBuf> {
    let manifest = asked.map(|asked| asked.manifest.clone());
    let list = study.map(|study| study.folder.join(&study.file.cases.file));
    let study = study.map(|study| study.path.clone());
    [manifest, list, study].into_iter().flatten().collect()
}

/// The reference standard that `--manifest` names, or else that of the study.
///
/// # Errors
/// [`Usage`], if that of the study is not the one that it names.
fn reference_of(
    arguments: &cli::Agreement,
    study: Option<&LoadedStudy>,
) -> Result<Option<cli::CaseArguments>> {
    if let Some(named) = arguments.reference.cases() {
        return Ok(Some(named));
    }
    let Some(study) = study else { return Ok(None) };
    match study.reference_fault() {
        Some(fault) => Err(Usage::error(fault)),
        None => Ok(study.reference_arguments()),
    }
}

/// Prints the comparison at the end of a blinded session, without a reference standard.
///
/// # Errors
/// If the store cannot be read.
pub fn summarise(wanted: &ReadingSelection) -> Result<ExitCode> {
    match readings(wanted)? {
        None => Ok(ExitCode::from(SOME_FAILED)),
        Some(readings) if readings.rows.is_empty() => Ok(ExitCode::SUCCESS),
        Some(StoredReadings { rows, log }) => {
            let references = ReferenceCases::default();
            print(&Printable::page(&text(&ComparedReadings {
                studies: studies(&rows, &references, None),
                are_marks_left: false,
                readings: rows,
                references,
                log,
            })))
        }
    }
}
