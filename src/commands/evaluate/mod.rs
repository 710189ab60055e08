//! `cxr evaluate`: how good the model is on the user's own cases.
//!
//! The manifest has the reference standard, the model (or a table of its predictions) gives the answers,
//! and [`evaluation`](crate::evaluation) compares the two. An image that cannot be read is counted and
//! named, and the others are measured.

mod folder;
mod notes;
mod predictions;
mod prevalence;
mod scores;
mod where_it_looks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::folder::{EvaluationInputs, ResultsFolder};
use self::predictions::{PredictionTable, WantedRows};
use super::shared::batch::{Crew, KnownFiles, Signals, guarded};
use super::shared::{CommandContext, SOME_FAILED, Usage, cases, complain, print};
use crate::cli;
use crate::domain::text::{Printable, clean};
use crate::domain::{ModelCard, Prediction, Radiograph};
use crate::evaluation::measure::{EvaluationResult, patients};
use crate::evaluation::pointing::PointingAnswers;
use crate::evaluation::report::{NamedThreshold, ReportScope};
use crate::evaluation::{
    Answers, CaseOutcome, EvaluationReport, EvaluationStudy, Manifest, MeasuredModel, bootstrap,
    measure, tables,
};
use crate::export::path_text;
use crate::imaging::DecodeLimits;
use crate::inference::{Classifier, Classify};

/// Runs `cxr evaluate`.
///
/// # Errors
/// [`Usage`], if the manifest, a table or an option cannot be used; or if a result cannot be written.
pub fn run(arguments: &cli::Evaluate, context: &CommandContext) -> Result<ExitCode> {
    let classifier = context.classifier()?;
    let card = classifier.card();
    let read = |table: &Path| {
        let wanted = || WantedRows::of(&arguments.cases, &arguments.group_column);
        PredictionTable::read(table, wanted)
    };
    let table = arguments.predictions.as_deref().map(read).transpose()?;
    let against = arguments.against.as_deref().map(read).transpose()?;
    let tables = || table.iter().chain(&against);
    tables()
        .flat_map(PredictionTable::remarks)
        .for_each(|remark| complain(&remark));
    let labels = table
        .as_ref()
        .map_or_else(|| labels(card), PredictionTable::labels);
    let mut manifest = manifest(arguments, &labels, table.as_ref(), card)?;
    let is_own = table.as_ref().is_none_or(|table| table.is_of(card));
    if let Some(table) = table.as_ref().filter(|_| is_own) {
        table.refuse_another_prevalence(card)?;
    }
    let points = if is_own { points(card) } else { Vec::new() };
    let prevalences = prevalence::asked(&arguments.prevalence, &labels, &points)?;
    let root = cases::root(&arguments.cases);
    if table.is_none() {
        cases::refuse_if_none_exists(&manifest.cases, &root)?;
    }
    let answers = |table: &PredictionTable| table.answers(&manifest.cases, &root);
    let other = against.as_ref().map(answers).transpose()?;
    let own = match &table {
        None => None,
        Some(table) => {
            let rows = table.matched(&manifest.cases, &root)?;
            table.lend_patients(&rows, &mut manifest);
            Some(table.answers_of(&rows))
        }
    };
    let folder = arguments.output.as_deref();
    let inputs = EvaluationInputs {
        table: arguments.predictions.as_deref(),
        others: [Some(&arguments.cases.manifest), arguments.against.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .collect(),
    };
    let folder = folder.map(|folder| ResultsFolder::make(folder, arguments.force, &inputs));
    let folder = folder.transpose()?;
    let signals = Signals::watch().context("watching for signals")?;

    let batch = CaseEvaluator {
        classifier: &classifier,
        limits: &context.limits,
        manifest: &manifest,
        root: &root,
        folder: folder.as_ref(),
        maps: match arguments.boxes_column {
            Some(_) => where_it_looks::labels(card),
            None => Vec::new(),
        },
        crew: Crew::new(arguments.jobs, context.compute),
        quiet: arguments.quiet,
        place: path_text(&arguments.cases.manifest),
    };
    let (answers, pointing) = match own {
        Some(answers) => (answers, PointingAnswers::default()),
        None => batch.read(&signals)?,
    };
    if let Some(code) = interrupted(&signals, &answers, &manifest) {
        return Ok(code);
    }
    let model = MeasuredModel {
        answers,
        points,
        pointing,
    };
    let measured = measure(&EvaluationStudy {
        cases: &manifest.cases,
        group_columns: &manifest.group_columns,
        model: &model,
        against: other.as_ref(),
        prevalences: &prevalences,
        jobs: batch.crew.readers,
    });
    if let Some(code) = interrupted(&signals, &model.answers, &manifest) {
        return Ok(code);
    }
    let about = ReportScope {
        manifest: path_text(&arguments.cases.manifest),
        against: against.as_ref().map(PredictionTable::to_string),
        notes: [
            tables().flat_map(PredictionTable::remarks).collect(),
            notes::notes(card, table.as_ref(), &manifest, &model, &measured),
        ]
        .concat(),
        ..about(card, table.as_ref(), &manifest, &model)
    };
    conclude(about, measured, folder.as_ref())
}

/// The cases, with their boxes where these are asked for.
fn manifest(
    arguments: &cli::Evaluate,
    labels: &[String],
    table: Option<&PredictionTable>,
    card: &ModelCard,
) -> Result<Manifest> {
    let boxes = arguments.boxes_column.as_deref();
    if let Some(column) = boxes {
        where_it_looks::refuse_without_maps(column, table, card)?;
    }
    cases::read_with_boxes(&arguments.cases, &arguments.group_column, labels, boxes)
}

/// The model that was measured, and the cases.
fn about(
    card: &ModelCard,
    table: Option<&PredictionTable>,
    manifest: &Manifest,
    model: &MeasuredModel,
) -> ReportScope {
    let (name, digest) = match table.filter(|table| !table.is_of(card)) {
        Some(table) => (format!("of {table}"), table.model_sha256()),
        None => (
            format!("{} {}", card.name, card.version),
            card.sha256.as_str(),
        ),
    };
    ReportScope {
        cxr: env!("CARGO_PKG_VERSION").to_owned(),
        model: name,
        model_sha256: digest.to_owned(),
        group_columns: manifest.group_columns.clone(),
        rows: manifest.rows,
        skipped: manifest.skipped.clone(),
        images: model.answers.images(),
        patients: patients(&manifest.cases, &model.answers),
        bootstrap_draws: bootstrap::DRAWS,
        bootstrap_seed: bootstrap::SEED,
        boxes: where_it_looks::scope(manifest, &model.pointing),
        ..ReportScope::default()
    }
}

fn labels(card: &ModelCard) -> Vec<String> {
    card.labels.iter().map(|label| label.name.clone()).collect()
}

/// Prints the report and writes its files. The exit code tells whether every image was read.
fn conclude(
    about: ReportScope,
    measured: EvaluationResult,
    folder: Option<&ResultsFolder>,
) -> Result<ExitCode> {
    let failed = about.images.failed;
    let report = EvaluationReport {
        about,
        figures: measured.figures,
        comparisons: measured.comparisons,
    };
    let written = folder.map_or(Ok(()), |folder| {
        folder.write(&report, &measured.panels, &measured.severities)
    });
    // Hours of work are not lost on a folder that cannot be written any more.
    print(&Printable::page(&tables::terminal(&report)))?;
    written?;
    Ok(if failed > 0 {
        ExitCode::from(SOME_FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The exit code after a signal. No figures are reported then: those of some cases could be taken for those
/// of all.
fn interrupted(signals: &Signals, answers: &Answers, manifest: &Manifest) -> Option<ExitCode> {
    let code = signals.exit_code()?;
    complain(&format!(
        "interrupted after {} of {} images: nothing is reported",
        answers.outcomes.len(),
        manifest.cases.len()
    ));
    Some(code)
}

/// The operating points on the card, each with its label.
fn points(card: &ModelCard) -> Vec<(String, NamedThreshold)> {
    let mut points = Vec::new();
    for label in &card.labels {
        let both = [
            ("balanced", label.operating_point),
            ("90 % sensitivity", label.sensitive_point),
        ];
        for (name, threshold) in both {
            points.extend(threshold.map(|threshold| {
                let threshold = threshold.into();
                (
                    label.name.clone(),
                    NamedThreshold {
                        name: name.to_owned(),
                        threshold,
                    },
                )
            }));
        }
    }
    points
}

/// A prediction in the order of the card's labels.
fn outcome(prediction: &Prediction, card: &ModelCard) -> CaseOutcome {
    // An image may get no number for each of the labels, and not be refused.
    if prediction.findings.is_empty() && prediction.withheld.is_empty() {
        return CaseOutcome::Refused;
    }
    let score = |name: &str| prediction.finding(name).map(|f| f.score.value().into());
    let severity = prediction.severity;
    CaseOutcome::Scored {
        labels: card.labels.iter().map(|label| score(&label.name)).collect(),
        geographic_extent: severity.map(|s| s.geographic_extent.into()),
        opacity: severity.map(|s| s.opacity.into()),
    }
}

/// Everything that is needed to score the cases.
struct CaseEvaluator<'a> {
    classifier: &'a Classifier,
    limits: &'a DecodeLimits,
    manifest: &'a Manifest,
    root: &'a Path,
    folder: Option<&'a ResultsFolder>,
    /// The labels whose heat maps are measured; empty where no boxes were asked for.
    maps: Vec<String>,
    crew: Crew,
    quiet: bool,
    /// Where the cases are from, for the summary.
    place: String,
}

impl CaseEvaluator<'_> {
    /// The answers for the cases in their order, and where the heat maps look; after a signal, those for the
    /// first ones.
    fn read(&self, signals: &Signals) -> Result<(Answers, PointingAnswers)> {
        let card = self.classifier.card();
        let cases = self.manifest.cases.iter();
        let mut rows = self
            .folder
            .map(|folder| folder.predictions(card))
            .transpose()?;
        let open = self.crew.decoders(self.limits);
        let classify = |_: &Path, radiograph: &Radiograph| {
            let size = (radiograph.width, radiograph.height);
            let found = self.classifier.classify(radiograph);
            found
                .map(|prediction| (prediction, size))
                .map_err(|error| clean(&error.to_string()))
        };
        let known = KnownFiles {
            paths: cases.map(|case| cases::file(self.root, case)).collect(),
            threads: self.crew.threads,
            quiet: self.quiet,
            place: self.place.clone(),
            signals,
        };
        let (mut outcomes, mut films) = (Vec::new(), Vec::new());
        let read = known.read(
            || guarded(&open, classify),
            |(prediction, _)| prediction,
            |path, result| {
                let read = result.as_ref().map_err(|reason| *reason);
                let read = read.map(|(prediction, size)| (prediction, *size));
                if let Some(rows) = &mut rows {
                    rows.add(card, path, read.map(|(prediction, _)| prediction))?;
                }
                let boxes = &self.manifest.cases[outcomes.len()].boxes;
                films.push(read.ok().and_then(|(prediction, size)| {
                    where_it_looks::film(prediction, &self.maps, size, boxes)
                }));
                outcomes.push(read.map_or(CaseOutcome::Failed, |(prediction, _)| {
                    outcome(prediction, card)
                }));
                Ok(())
            },
        );
        read.context("writing predictions.csv")?;
        let answers = Answers {
            labels: labels(card),
            outcomes,
        };
        let pointing = PointingAnswers {
            labels: self.maps.clone(),
            films,
        };
        Ok((answers, pointing))
    }
}
