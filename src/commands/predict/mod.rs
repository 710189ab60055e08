//! `cxr predict`: a table of the classifier's answers, one row for each image, written as they are ready
//! and in the order of the walk.
//!
//! A failure of one image costs its row only. A failure of the run leaves a file that is complete up to
//! its last row, and that `--resume` continues.

mod cache;
mod destination;
mod done;
mod earlier;
mod heat_maps;
mod inputs;
mod journal;
mod mode;
mod previous;
mod pseudonyms;
mod row;
mod scoring;
mod selection;
mod studies;
mod unread;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::cache::BatchCache;
use self::destination::TableDestination;
use self::done::{Check, Done};
use self::earlier::EarlierContents;
use self::heat_maps::HeatMaps;
use self::journal::describe;
use self::pseudonyms::BatchPseudonyms;
use self::scoring::{PredictRun, WrittenRows};
use self::selection::Selection;
use self::studies::{StudyTable, study_columns};
use super::shared::batch::{
    Ahead, BatchScorer, Crew, Progress, Signals, StatusCounts, Then, silence_workers,
};
use super::shared::shard::group::Unit;
use super::shared::shard::{Shard, array};
use super::shared::{
    BAD_USAGE, CommandContext, SOME_FAILED, Usage, assumed, complain, is_broken_pipe, open_pacs,
};
use crate::cli;
use crate::domain::{ModelCard, Prediction, Radiograph};
use crate::export::path_text;
use crate::inference::Classify;
use crate::library::{UNEXPANDED, exists, is_pattern};
use crate::sources::is_remote;

/// Runs `cxr predict`.
///
/// # Errors
/// [`Usage`], if the options make no sense or an existing table would be lost; or if the table cannot be
/// written.
pub fn run(
    arguments: &cli::Predict,
    pacs: &cli::PacsArguments,
    context: &CommandContext,
) -> Result<ExitCode> {
    match predict(arguments, pacs, context) {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn predict(
    arguments: &cli::Predict,
    pacs: &cli::PacsArguments,
    context: &CommandContext,
) -> Result<ExitCode> {
    let limits = &context.limits;
    let shard = asked_shard(arguments)?;
    let pseudonyms = BatchPseudonyms::of(arguments, limits)?;
    let roots = inputs::paths(arguments)?;
    // Addresses may stand in a list too.
    open_pacs(&roots, pacs)?;
    let unit = Unit::from(arguments.unit);
    refuse_contradictions(unit, &roots, pseudonyms.is_some())?;
    let selection = Selection::new(&roots, shard, unit, limits);
    let destination = TableDestination::of(arguments, &roots)?;
    refuse_if_nothing_exists(&roots)?;
    silence_workers();
    let ahead = if arguments.resume || shard.is_some_and(|shard| shard.of > 1) {
        // The first image most likely has its row already, or is in another shard.
        Ahead::default()
    } else {
        Ahead::open(roots.clone(), limits)
    };
    let classifier = context.classifier()?;
    let assumed = assumed(&arguments.assumptions, classifier.card())?;
    let foretells = arguments.prognosis.is_asked();
    refuse_if_nothing_is_foretold(foretells, classifier.card())?;
    let predictions = destination
        .predictions(classifier.card(), &assumed)
        .with_prognoses(foretells)
        .with_pseudonyms(pseudonyms.as_ref().map(BatchPseudonyms::key_name))
        .with_study(unit.is_group());
    let is_list = arguments.files_from.is_some();
    let mut run = describe(&predictions, &roots, is_list, shard);
    if unit.is_group() {
        run.about.unit = unit.code().to_owned();
        run.about.columns = study_columns(&run.about.columns);
    }
    let earlier = EarlierContents::read(&arguments.since, &predictions)?;
    let heat_maps = HeatMaps::of(arguments, &selection, classifier.card(), &earlier, limits)?;
    let cache = arguments
        .cache
        .then(|| BatchCache::open(context, classifier.card()))
        .transpose()?;
    let signals = Signals::watch().context("watching for signals")?;
    let crew = Crew::new(arguments.jobs, context.compute);
    let check = Check {
        selection: &selection,
        lists_unread: arguments.list_unread,
        threads: crew.readers,
        shown: !arguments.quiet,
        limits,
        stop: signals.stop(),
    };
    let opened = destination.open(&predictions, &run, &check)?;
    let Some((mut table, done)) = opened else {
        return Ok(conclude(
            &StatusCounts::default(),
            &Done::default(),
            &selection,
            &signals,
        ));
    };

    let further = |path: &Path, radiograph: &Radiograph, prediction: &Prediction| {
        if let Some(cache) = &cache {
            cache.insert(path, radiograph, prediction);
        }
        if let Some(pseudonyms) = &pseudonyms {
            pseudonyms.note(path, radiograph);
        }
        let maps = heat_maps.as_ref();
        maps.map_or(Ok(()), |maps| maps.write(path, radiograph, prediction))
    };
    let has_further = heat_maps.is_some() || cache.is_some() || pseudonyms.is_some();
    let progress = Progress::new(!arguments.quiet, done.before);
    let batch = PredictRun {
        selection: &selection,
        done: &done,
        reader: BatchScorer {
            classifier: &classifier,
            open: ahead.then(crew.decoders(limits)),
            then: has_further.then_some(&further as &Then),
        },
        earlier: (!arguments.since.is_empty()).then_some(&earlier),
        cache: cache.as_ref(),
        pseudonyms: pseudonyms.as_ref(),
        heat_maps: heat_maps.as_ref(),
        predictions: &predictions,
        assumed: &assumed,
        limits,
        lists_unread: arguments.list_unread,
        threads: crew.threads,
    };
    // A PACS is not asked a second time for a progress bar with an end.
    let is_local = !roots.iter().any(|path| is_remote(path));
    let counted = is_local && !arguments.quiet && io::stderr().is_terminal();
    let written = std::thread::scope(|scope| {
        if counted {
            scope.spawn(|| batch.count(&progress, signals.stop()));
        }
        let written = batch.write(&mut table, &progress, signals.stop());
        progress.clear();
        written
    });
    let written = written.and_then(|written| Ok((written, table.finish()?)));
    let (written, table) = written.with_context(|| format!("writing {destination}"))?;
    let WrittenRows {
        tally,
        unread,
        unread_headers,
    } = written;
    let studies = unit.is_group().then(|| StudyTable {
        card: classifier.card(),
        film_columns: predictions.columns(),
        limits,
        threads: crew.readers,
        stop: signals.stop(),
        unread_headers: (unit == Unit::Study).then_some(&unread_headers),
    });
    let is_whole = signals.exit_code().is_none() && destination.publish(&run, studies.as_ref())?;
    if !is_whole {
        destination.complain_of_journal();
    }
    // Until here, so that no other run takes up the rows.
    drop(table);
    unread.complain(arguments.list_unread);
    progress.summarise(&tally, &destination.to_string());
    complain_of_doubts(&destination, &done, unread_headers.count);
    Ok(conclude(&tally, &done, &selection, &signals))
}

/// Which part of the images is asked for, as the options or an array say.
fn asked_shard(arguments: &cli::Predict) -> Result<Option<Shard>> {
    let asked = arguments.shard.map(|asked| {
        let shard = array::shard(asked, |name| std::env::var(name).ok());
        shard.map_err(|error| Usage::error(format!("--shard {error}")))
    });
    asked.transpose()
}

/// Refuses what cannot be in one table.
fn refuse_contradictions(unit: Unit, roots: &[PathBuf], has_pseudonyms: bool) -> Result<()> {
    if unit == Unit::Folder && roots.iter().any(|root| is_remote(root)) {
        return Err(Usage::error(
            "--unit folder: an address has no folders; --unit study is for films of a PACS",
        ));
    }
    if unit.is_group() && has_pseudonyms {
        return Err(Usage::error(
            "--pseudonym-key goes with a row for each film: --unit study names the studies themselves",
        ));
    }
    Ok(())
}

/// Says what makes a table doubtful that was written.
fn complain_of_doubts(destination: &TableDestination, done: &Done, unread_headers: u64) {
    if done.outdated > 0 {
        complain(&format!(
            "{destination}: {} files have changed since their rows were made; --resume reads them again",
            done.outdated
        ));
    }
    if unread_headers > 0 {
        complain(&format!(
            "{unread_headers} files whose header could not be read: each counts as a study of its own"
        ));
    }
}

/// Refuses mistyped paths before anything is created: they must not cost yesterday's table.
fn refuse_if_nothing_exists(roots: &[PathBuf]) -> Result<()> {
    if roots.iter().any(|root| exists(root)) {
        return Ok(());
    }
    let names = roots.iter().take(NAMED).map(|root| {
        let hint = if is_pattern(root) { UNEXPANDED } else { "" };
        format!("{}{hint}", path_text(root))
    });
    let mut names: Vec<_> = names.collect();
    if let Some(more @ 1..) = roots.len().checked_sub(NAMED) {
        names.push(format!("and {more} more"));
    }
    Err(Usage::error(format!(
        "no such file or folder: {}",
        names.join(", ")
    )))
}

/// How many missing paths are named; the others are counted.
const NAMED: usize = 20;

/// Refuses `--prognosis` where the table could have no column for it.
fn refuse_if_nothing_is_foretold(asked: bool, card: &ModelCard) -> Result<()> {
    if asked && card.prognoses.is_empty() {
        return Err(Usage::error(format!(
            "--prognosis: {} {} foretells no outcome; cxr adapt --outcome-column fits one to your own cases",
            card.name, card.version
        )));
    }
    Ok(())
}

fn conclude(
    tally: &StatusCounts,
    done: &Done,
    selection: &Selection,
    signals: &Signals,
) -> ExitCode {
    if let Some(code) = signals.exit_code() {
        return code;
    }
    // With many shards and few images, one may have none.
    if tally.rows() + tally.known + done.before.kept == 0 && !selection.is_sharded() {
        complain("no images found");
        return ExitCode::from(BAD_USAGE);
    }
    if tally.errors + tally.unread + done.outdated > 0 {
        ExitCode::from(SOME_FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests;
