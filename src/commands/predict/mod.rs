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
mod selection;
mod unread;

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use self::cache::BatchCache;
use self::destination::TableDestination;
use self::done::{Check, Done};
use self::earlier::EarlierContents;
use self::heat_maps::HeatMaps;
use self::journal::describe;
use self::pseudonyms::BatchPseudonyms;
use self::row::{FinishedRow, RowOutcome};
use self::selection::Selection;
use self::unread::Unread;
use super::shared::batch::{
    Ahead, BatchScorer, Crew, Progress, Signals, StatusCounts, Then, Workers, in_order,
    silence_workers,
};
use super::shared::shard::array;
use super::shared::{
    BAD_USAGE, CommandContext, SOME_FAILED, Usage, assumed, complain, is_broken_pipe, open_pacs,
};
use crate::cli;
use crate::domain::{ModelCard, Prediction, Prevalences, Radiograph};
use crate::export::{PredictionRows, RowPseudonyms, TableWriter, path_text};
use crate::imaging::{DecodeLimits, ImagingError, content_of};
use crate::inference::Classify;
use crate::library::{UNEXPANDED, WalkItem, exists, is_pattern};
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
    let shard = arguments.shard.map(|asked| {
        let shard = array::shard(asked, |name| std::env::var(name).ok());
        shard.map_err(|error| Usage::error(format!("--shard {error}")))
    });
    let shard = shard.transpose()?;
    let pseudonyms = BatchPseudonyms::of(arguments, limits)?;
    let roots = inputs::paths(arguments)?;
    // Addresses may stand in a list too.
    open_pacs(&roots, pacs)?;
    let selection = Selection::new(&roots, shard);
    let destination = TableDestination::of(arguments, &roots)?;
    refuse_if_nothing_exists(&roots)?;
    silence_workers();
    let ahead = if arguments.resume || selection.is_sharded() {
        // The first image most likely has its row already, or is in another shard.
        Ahead::default()
    } else {
        Ahead::open(roots.clone(), limits)
    };
    let classifier = context.classifier()?;
    let heat_maps = HeatMaps::of(arguments, &selection, classifier.card())?;
    let assumed = assumed(&arguments.assumptions, classifier.card())?;
    let foretells = arguments.prognosis.is_asked();
    refuse_if_nothing_is_foretold(foretells, classifier.card())?;
    let predictions = destination
        .predictions(classifier.card(), &assumed)
        .with_prognoses(foretells)
        .with_pseudonyms(pseudonyms.as_ref().map(BatchPseudonyms::key_name));
    let is_list = arguments.files_from.is_some();
    let run = describe(&predictions, &roots, is_list, shard);
    let earlier = EarlierContents::read(&arguments.since, &predictions)?;
    let cache = arguments
        .cache
        .then(|| BatchCache::open(context, classifier.card()))
        .transpose()?;
    let signals = Signals::watch().context("watching for signals")?;
    let crew = Crew::new(arguments.jobs, context.compute);
    let check = Check {
        roots: &roots,
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
    let ((tally, unread), table) = written.with_context(|| format!("writing {destination}"))?;
    if signals.exit_code().is_none() {
        destination.publish(&run)?;
    } else {
        destination.complain_of_journal();
    }
    // Until here, so that no other run takes up the rows.
    drop(table);
    unread.complain(arguments.list_unread);
    progress.summarise(&tally, &destination.to_string());
    if done.outdated > 0 {
        complain(&format!(
            "{destination}: {} files have changed since their rows were made; --resume reads them again",
            done.outdated
        ));
    }
    Ok(conclude(&tally, &done, &selection, &signals))
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

/// Everything that a run needs to read its images.
struct PredictRun<'a, Open> {
    selection: &'a Selection<'a>,
    done: &'a Done,
    reader: BatchScorer<'a, Open>,
    /// What earlier tables have rows for, if there are such.
    earlier: Option<&'a EarlierContents>,
    cache: Option<&'a BatchCache>,
    pseudonyms: Option<&'a BatchPseudonyms>,
    predictions: &'a PredictionRows<'a>,
    assumed: &'a Prevalences,
    limits: &'a DecodeLimits,
    /// Whether files in formats that are not read have rows.
    lists_unread: bool,
    threads: usize,
}

impl<Open, Opener> PredictRun<'_, Open>
where
    Open: Fn() -> Opener + Sync,
    Opener: FnMut(&Path) -> Result<Radiograph, ImagingError>,
{
    fn write<W: io::Write>(
        &self,
        table: &mut TableWriter<W>,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> io::Result<(StatusCounts, Unread)> {
        let (mut tally, mut unread) = (StatusCounts::default(), Unread::default());
        let source = |give: &mut dyn FnMut(WalkItem) -> ControlFlow<()>| {
            self.selection.walk(|found| {
                if self.done.has(&found) {
                    GO_ON
                } else {
                    give(found)
                }
            });
        };
        let workers = Workers {
            jobs: self.threads,
            ahead: ROWS_AHEAD,
        };
        in_order(
            workers,
            stop,
            source,
            || self.worker(),
            |row: FinishedRow| {
                row.outcome.count(&mut tally);
                match &row.outcome {
                    RowOutcome::Unread(format) => unread.add(&row.path, *format),
                    RowOutcome::Problem(reason) => {
                        progress.aside(|| complain(&format!("{}: {reason}", path_text(&row.path))));
                    }
                    _ => {}
                }
                if let Some(cells) = &row.cells {
                    table.row(cells)?;
                }
                if row.cells.is_some() || matches!(row.outcome, RowOutcome::Known) {
                    progress.advance();
                }
                Ok(())
            },
        )?;
        Ok((tally, unread))
    }

    /// Whether a file in a format that is not read gets a row.
    fn lists(&self, unread: &Path) -> bool {
        self.lists_unread && !self.done.has_row(unread)
    }

    /// Returns the function with which one thread handles the items of the walk.
    fn worker(&self) -> impl FnMut(WalkItem) -> FinishedRow {
        let mut read = self.reader.thread();
        let mut whose = self.pseudonyms.map(|all| all.thread());
        move |found| {
            let (path, outcome) = match found {
                WalkItem::Problem { path, reason } => (path, RowOutcome::Problem(reason)),
                WalkItem::Unread { path, format } => (path, RowOutcome::Unread(format)),
                WalkItem::Image(path) => {
                    let outcome = self.known_answer(&path).unwrap_or_else(|| {
                        RowOutcome::of(&path, read(&path), self.assumed, self.limits)
                    });
                    (path, outcome)
                }
            };
            let whose = whose.as_mut().map(|whose| whose(&path, &outcome));
            self.finish(path, outcome, &whose.unwrap_or_default())
        }
    }

    /// What is known of the content of a file; `None` if it has to be scored.
    fn known_answer(&self, path: &Path) -> Option<RowOutcome> {
        if self.earlier.is_none() && self.cache.is_none() {
            return None;
        }
        // A file that cannot be read is read again for its reason.
        let content = content_of(path, self.limits).ok()?;
        if self.earlier.is_some_and(|earlier| earlier.has(content)) {
            return Some(RowOutcome::Known);
        }
        let found = self.cache?.get(content)?;
        Some(RowOutcome::Read(Box::new(found.assuming(self.assumed))))
    }

    /// Makes the cells of a row, so that the one thread that writes only writes, and rows that wait for a slow image
    /// are small.
    fn finish(&self, path: PathBuf, outcome: RowOutcome, whose: &RowPseudonyms) -> FinishedRow {
        let has_row = match outcome {
            RowOutcome::Unread(_) => self.lists(&path),
            RowOutcome::Known => false,
            _ => true,
        };
        let row = || self.predictions.row_of(&path, outcome.as_row(), whose);
        let cells = has_row.then(row);
        FinishedRow {
            path,
            outcome: outcome.without_maps(),
            cells,
        }
    }

    /// Walks a second time, without reading images, for the length of the progress bar. The first walk
    /// cannot tell it, because it is never far ahead of the classifier.
    fn count(&self, progress: &Progress, stop: &AtomicBool) {
        let mut total = 0;
        self.selection.walk(|found| {
            total += u64::from(match &found {
                WalkItem::Unread { path, .. } => self.lists(path),
                found => !self.done.has(found),
            });
            if progress.is_over(stop) {
                ControlFlow::Break(())
            } else {
                GO_ON
            }
        });
        progress.expect(total);
    }
}

/// How many rows of each thread may wait for an earlier one. An image that takes as long as 256 others stops no thread.
const ROWS_AHEAD: usize = 256;

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

#[cfg(test)]
mod tests;
