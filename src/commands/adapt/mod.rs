//! `cxr adapt`: a new model, fitted to the user's own cases.
//!
//! The network scores every case once. [`adaptation`](crate::adaptation) fits its answers, and
//! [`evaluation`](crate::evaluation) compares the fits with the old model, which stays as it is.

mod card;
mod destination;
mod fit;
mod outcomes;
mod products;
mod study;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::destination::ModelDestination;
use self::fit::Fits;
use self::study::{AdaptationStudy, FitPlan};
use super::shared::batch::{Crew, EarlierRows, Progress, Signals};
use super::shared::{
    CommandContext, SOME_FAILED, Usage, available_cores, cases, complain, date, print,
};
use crate::adaptation::{FITS, FitMethod, FitProgress, OUTCOME_FITS};
use crate::cli;
use crate::domain::text::Printable;
use crate::domain::{ModelCard, Prevalences, Question};
use crate::evaluation::manifest::LabelColumn;
use crate::evaluation::{BinaryQuestion as Asked, Manifest};
use crate::export::path_text;
use crate::inference::{
    Classifier, Classify, Compute, HeadRow, ModelFiles, Precision, PrognosisRow,
};

/// Runs `cxr adapt`.
///
/// # Errors
/// [`Usage`], if an option or the manifest cannot be used, or there are too few cases; or if the model cannot
/// be written.
pub fn run(arguments: &cli::Adapt, context: &CommandContext) -> Result<ExitCode> {
    if context.compute.precision != Precision::F32 {
        // The new card will be used with every precision.
        return Err(Usage::error("cxr adapt computes in f32 only"));
    }
    let before = context.model_files()?;
    let destination = ModelDestination::new(&arguments.output, arguments.force, before.path())?;
    let date = date::asked_or_today(arguments.date.as_deref())?;
    let columns = outcomes::columns(arguments)?;
    let classifier = context.classifier()?;
    let card = classifier.card();
    if card.softmax.is_some() && method(arguments) == FitMethod::Refit {
        return Err(Usage::error(format!(
            "--method refit: the scores of {} are one softmax, so that a row of its last layer is no label's own; \
             --method recalibrate fits them",
            card.name
        )));
    }
    let manifest = manifest(arguments, card, &columns)?;
    // Too few cases are reported before minutes of reading.
    FitPlan::new(card, &manifest.cases, !columns.is_empty(), |_, _| true)?;
    outcomes::refuse(&columns, card, &manifest.cases, |_| true)?;
    let signals = Signals::watch().context("watching for signals")?;

    let root = cases::root(&arguments.cases);
    let study = study::CaseScorer {
        classifier: &classifier,
        limits: &context.limits,
        manifest: &manifest,
        root: &root,
        crew: Crew::new(arguments.jobs, context.compute),
        quiet: arguments.quiet,
        place: path_text(&arguments.cases.manifest),
    }
    .read(&signals)?;
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    let fits = fits(arguments, &columns, &study, &classifier, &signals);
    // After a signal, the error of the stopped fits is not reported.
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    let fits = fits?;
    let (adapted, contradiction) =
        adapted(arguments, &before, context.compute, &study, &fits, &date)?;
    let mut text = table::terminal(arguments, &study, &manifest, &fits);
    text.extend(contradiction.map(|words| words + "\n"));
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    destination.write(&adapted)?;
    print(&Printable::page(&(text + &destination.to_string())))?;
    Ok(if study.images.failed > 0 {
        ExitCode::from(SOME_FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The cases with a reference standard for a label that can be fitted, and those with one of the outcomes.
fn manifest(
    arguments: &cli::Adapt,
    card: &ModelCard,
    outcomes: &[LabelColumn],
) -> Result<Manifest> {
    let labels: Vec<String> = card.labels.iter().map(|label| label.name.clone()).collect();
    let mut manifest = cases::read_with_outcomes(&arguments.cases, &labels, outcomes)?;
    let before = manifest.cases.len();
    manifest.cases.retain(|case| {
        let mut asked = labels.iter().cloned().map(Asked::Label);
        asked.any(|question| question.answer(&case.truth).is_some()) || !case.outcomes.is_empty()
    });
    manifest.skipped.unanswered += before - manifest.cases.len();
    Ok(manifest)
}

fn method(arguments: &cli::Adapt) -> FitMethod {
    match arguments.method {
        cli::MethodArgument::Recalibrate => FitMethod::Recalibrate,
        cli::MethodArgument::Refit => FitMethod::Refit,
    }
}

/// Fits every label that can be fitted, and the outcomes, with a progress bar for what takes long.
fn fits(
    arguments: &cli::Adapt,
    columns: &[LabelColumn],
    study: &AdaptationStudy,
    classifier: &Classifier,
    signals: &Signals,
) -> Result<Fits> {
    let has_outcomes = !columns.is_empty();
    let plan = FitPlan::new(study.card, study.cases, has_outcomes, |at, label| {
        study.has(at, label)
    })?;
    outcomes::refuse(columns, study.card, study.cases, |at| {
        study.read[at].is_some()
    })?;
    let method = method(arguments);
    let of_labels = match method {
        FitMethod::Recalibrate => 0,
        FitMethod::Refit => plan.labels.len() * FITS,
    };
    let expected = of_labels + columns.len() * OUTCOME_FITS;
    let progress = Progress::new(!arguments.quiet && expected > 0, EarlierRows::default());
    progress.expect(expected as u64);
    let work = FitProgress {
        jobs: arguments.jobs.map_or_else(available_cores, usize::from),
        stop: signals.stop(),
        advance: &|| progress.advance(),
    };
    let with_products = plan.products.clone();
    let fits = fit::fit(study, plan, method, &work).and_then(|fits| {
        let outcomes = outcomes::fit(columns, study, classifier, &work)?;
        Ok(Fits { outcomes, ..fits })
    });
    progress.clear();
    let mut fits = fits?;
    products::fix(study, &mut fits, &with_products);
    if fits.is_empty() {
        return Err(Usage::error(format!(
            "nothing was fitted: {}",
            fits.kept.join(" ")
        )));
    }
    Ok(fits)
}

/// The new model, which is loaded once as a check, and a remark if the prevalences on its card contradict
/// each other.
fn adapted(
    arguments: &cli::Adapt,
    before: &ModelFiles,
    compute: Compute,
    study: &AdaptationStudy,
    fits: &Fits,
    date: &str,
) -> Result<(ModelFiles, Option<String>)> {
    let about = card::AdaptationRecord {
        name: arguments
            .output
            .file_stem()
            .map_or_else(String::new, |stem| path_text(Path::new(stem))),
        manifest: arguments
            .cases
            .manifest
            .file_name()
            .map_or_else(String::new, |name| path_text(Path::new(name))),
        date: date.to_owned(),
        method: method(arguments),
    };
    let card = card::adapted(study, fits, &about);
    let contradiction = Prevalences::default().contradiction(&card);
    let contradiction = contradiction.map(|error| format!("{error}, and is on the new card: COVID-19 is shown as at most as probable as Pneumonia."));
    let rows: Vec<HeadRow> = fits.labels.iter().filter_map(fit::LabelFit::row).collect();
    let outcomes = fits.outcomes.iter().map(outcomes::FittedOutcome::row);
    let outcomes: Vec<PrognosisRow> = outcomes.collect();
    let adapted = before.adapted(card, &rows, &outcomes);
    let adapted = adapted.context("the new model")?;
    adapted.classifier(compute).context("the new model")?;
    Ok((adapted, contradiction))
}

/// The exit code after a signal.
fn interrupted(signals: &Signals) -> Option<ExitCode> {
    let code = signals.exit_code()?;
    complain("interrupted: nothing is written");
    Some(code)
}

/// The outputs of the network that answer this kind of question, by their place on the card.
fn labels_that(card: &ModelCard, question: Question) -> Vec<usize> {
    let labels = card.labels.iter().enumerate();
    let outputs = labels.filter(|(_, label)| label.product.is_none());
    let outputs = outputs.filter(|(_, label)| label.question == question);
    outputs.map(|(at, _)| at).collect()
}
