//! `cxr adapt`: the model, fitted to the user's own cases, as a new one.
//!
//! The network reads every case once. What it said is then fitted by
//! [`adaptation`](crate::adaptation), compared with the model before by
//! [`evaluation`](crate::evaluation), and written beside it; the model before stays as it is.

mod card;
pub mod date;
mod destination;
mod fit;
mod study;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::destination::ModelDestination;
use self::fit::Fits;
use self::study::{AdaptationStudy, FitPlan};
use super::batch::{Crew, EarlierRows, Progress, Signals};
use super::{SOME_FAILED, Usage, available_cores, cases, classifier, complain, model_files, print};
use crate::adaptation::{FITS, FitMethod, FitProgress};
use crate::cli;
use crate::domain::text::Printable;
use crate::domain::{ModelCard, Prevalences, Question};
use crate::evaluation::{BinaryQuestion as Asked, Manifest};
use crate::export::path_text;
use crate::imaging::DecodeLimits;
use crate::inference::{Classify, Compute, HeadRow, ModelFiles, Precision};

pub fn run(
    arguments: &cli::Adapt,
    limits: &DecodeLimits,
    model: Option<&Path>,
) -> Result<ExitCode> {
    if Compute::of_process().precision != Precision::F32 {
        // What is fitted goes on a card that is read with any precision.
        return Err(Usage::error("cxr adapt computes in f32 only"));
    }
    let before = model_files(model)?;
    let destination = ModelDestination::new(&arguments.output, arguments.force, before.path())?;
    let date = date::asked_or_today(arguments.date.as_deref())?;
    let classifier = classifier(model)?;
    let manifest = manifest(arguments, classifier.card())?;
    // Before minutes of reading, not after.
    FitPlan::new(classifier.card(), &manifest.cases, |_| true)?;
    let signals = Signals::watch().context("watching for signals")?;

    let root = cases::root(&arguments.cases);
    let study = study::CaseScorer {
        classifier: &classifier,
        limits,
        manifest: &manifest,
        root: &root,
        crew: Crew::of(arguments.jobs),
        quiet: arguments.quiet,
        place: path_text(&arguments.cases.manifest),
    }
    .read(&signals)?;
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    let fits = fits(arguments, &study, &signals);
    // Stopped fits are an error of their own, which nobody needs to read.
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    let fits = fits?;
    let (adapted, contradiction) = adapted(arguments, &before, &study, &fits, &date)?;
    let mut text = table::terminal(arguments, &study, &manifest, &fits);
    text.extend(contradiction.map(|words| words + "\n"));
    if let Some(code) = interrupted(&signals) {
        return Ok(code);
    }
    destination.write(&adapted)?;
    print(&Printable::page(&(text + &destination.to_string())))?;
    Ok(match study.images.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(SOME_FAILED),
    })
}

/// The cases that say something of a label that can be fitted.
fn manifest(arguments: &cli::Adapt, card: &ModelCard) -> Result<Manifest> {
    let labels: Vec<String> = card.labels.iter().map(|label| label.name.clone()).collect();
    let mut manifest = cases::read(&arguments.cases, &[], &labels)?;
    let before = manifest.cases.len();
    manifest.cases.retain(|case| {
        let mut asked = labels.iter().cloned().map(Asked::Label);
        asked.any(|question| question.answer(&case.truth).is_some())
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

/// Fits all that can be fitted, with a bar if that takes long.
fn fits(arguments: &cli::Adapt, study: &AdaptationStudy, signals: &Signals) -> Result<Fits> {
    let plan = FitPlan::new(study.card, study.cases, |at| study.read[at].is_some())?;
    let method = method(arguments);
    let progress = Progress::new(
        !arguments.quiet && method == FitMethod::Refit,
        EarlierRows::default(),
    );
    progress.expect((plan.labels.len() * FITS) as u64);
    let work = FitProgress {
        jobs: arguments.jobs.map_or_else(available_cores, usize::from),
        stop: signals.stop(),
        advance: &|| progress.advance(),
    };
    let fits = fit::fit(study, plan, method, &work);
    progress.clear();
    fits
}

/// The new model, and that it can be loaded; and what is to be said of shares of its card that cannot be.
fn adapted(
    arguments: &cli::Adapt,
    before: &ModelFiles,
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
    let adapted = before.adapted(card, &rows).context("the new model")?;
    adapted.classifier().context("the new model")?;
    Ok((adapted, contradiction))
}

/// As a shell reports a program that a signal ended.
fn interrupted(signals: &Signals) -> Option<ExitCode> {
    let signal = signals.received()?;
    complain("interrupted: nothing is written");
    Some(ExitCode::from(128 + signal))
}

/// Of what the labels are: present or absent on their own, or causes.
fn labels_that(card: &ModelCard, question: Question) -> Vec<usize> {
    let labels = card.labels.iter().enumerate();
    let labels = labels.filter(|(_, label)| label.question == question);
    labels.map(|(at, _)| at).collect()
}
