//! `cxr predict`: a table of what the classifier says, one row for each image, written as it
//! finishes and in the order of the walk.
//!
//! Whatever happens to one image costs its row only. Whatever happens to the run leaves a file
//! that is whole up to its last row, and that `--resume` goes on with.

mod destination;
mod done;
mod heat_maps;
mod mode;
mod previous;
mod unread;

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use self::destination::TableDestination;
use self::done::{Check, Done};
use self::heat_maps::HeatMaps;
pub use self::heat_maps::known as heat_map_label;
use self::unread::Unread;
use super::batch::{
    Ahead, BatchScorer, Crew, Progress, Signals, StatusCounts, Then, in_order, silence_workers,
};
use super::{BAD_USAGE, SOME_FAILED, Usage, assumed, classifier, complain, is_broken_pipe};
use crate::cli;
use crate::domain::text::clean;
use crate::domain::{ContentId, Failure, Prediction, Prevalences, Radiograph};
use crate::export::{PredictionRows, RowOf, TableWriter, path_text};
use crate::imaging::{DecodeLimits, ImagingError, content_of};
use crate::inference::Classify;
use crate::library::{UnreadFormat, WalkItem, scan};

pub fn run(
    arguments: &cli::Predict,
    limits: &DecodeLimits,
    model: Option<&Path>,
) -> Result<ExitCode> {
    match predict(arguments, limits, model) {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn predict(
    arguments: &cli::Predict,
    limits: &DecodeLimits,
    model: Option<&Path>,
) -> Result<ExitCode> {
    let destination = TableDestination::of(arguments)?;
    refuse_if_nothing_exists(&arguments.paths)?;
    silence_workers();
    let ahead = match arguments.resume {
        // The first image is most likely done already.
        true => Ahead::default(),
        false => Ahead::open(arguments.paths.clone(), limits),
    };
    let classifier = classifier(model)?;
    let heat_maps = HeatMaps::of(arguments, classifier.card())?;
    let assumed = assumed(&arguments.assumptions, classifier.card())?;
    let predictions = destination.predictions(classifier.card(), &assumed);
    let signals = Signals::watch().context("watching for signals")?;
    let crew = Crew::of(arguments.jobs);
    let check = Check {
        roots: &arguments.paths,
        threads: crew.readers,
        shown: !arguments.quiet,
        limits,
        stop: signals.stop(),
    };
    let Some((mut table, done)) = destination.open(&predictions, &check)? else {
        return Ok(conclude(
            &StatusCounts::default(),
            &Done::default(),
            &signals,
        ));
    };

    let draw = |path: &Path, radiograph: &Radiograph, prediction: &Prediction| {
        let maps = heat_maps.as_ref();
        maps.map_or(Ok(()), |maps| maps.write(path, radiograph, prediction))
    };
    let progress = Progress::new(!arguments.quiet, done.before);
    let batch = PredictRun {
        roots: &arguments.paths,
        done: &done,
        reader: BatchScorer {
            classifier: &classifier,
            open: ahead.then(crew.decoders(limits)),
            then: heat_maps.as_ref().map(|_| &draw as &Then),
        },
        predictions: &predictions,
        assumed: &assumed,
        limits,
        lists_unread: arguments.list_unread,
        threads: crew.threads,
    };
    let counted = !arguments.quiet && io::stderr().is_terminal();
    let written = std::thread::scope(|scope| {
        if counted {
            scope.spawn(|| batch.count(&progress, signals.stop()));
        }
        let written = batch.write(&mut table, &progress, signals.stop());
        progress.clear();
        written
    });
    let written = written.and_then(|written| table.finish().map(|_| written));
    let (tally, unread) = written.with_context(|| format!("writing {destination}"))?;
    unread.complain(arguments.list_unread);
    progress.summarise(&tally, &destination.to_string());
    if done.outdated > 0 {
        complain(&format!(
            "{destination}: {} files were changed since their rows were made; --resume reads them \
             anew",
            done.outdated
        ));
    }
    Ok(conclude(&tally, &done, &signals))
}

/// Before anything is created: a mistyped path must not cost yesterday's table.
fn refuse_if_nothing_exists(roots: &[PathBuf]) -> Result<()> {
    if roots.iter().any(|root| root.exists()) {
        return Ok(());
    }
    let names: Vec<_> = roots.iter().map(|root| path_text(root)).collect();
    Err(Usage::error(format!(
        "no such file or folder: {}",
        names.join(", ")
    )))
}

fn conclude(tally: &StatusCounts, done: &Done, signals: &Signals) -> ExitCode {
    if let Some(signal) = signals.received() {
        // As a shell reports a program that a signal ended.
        return ExitCode::from(128 + signal);
    }
    if tally.rows() + done.before.kept == 0 {
        complain("no images found");
        return ExitCode::from(BAD_USAGE);
    }
    if tally.errors + tally.unread + done.outdated > 0 {
        ExitCode::from(SOME_FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

/// What became of one thing that the walk found.
struct FinishedRow {
    path: PathBuf,
    outcome: RowOutcome,
}

enum RowOutcome {
    Read(Box<Prediction>),
    /// No image, and not meant to be one.
    Skipped {
        kind: String,
        content: ContentId,
    },
    Failed(String),
    /// Trouble with a folder, which nobody would look for in the table.
    Problem(String),
    /// A format that is not read, which has a row where that was asked for.
    Unread(UnreadFormat),
}

impl RowOutcome {
    fn of(
        path: &Path,
        read: Result<Prediction, Failure>,
        assumed: &Prevalences,
        limits: &DecodeLimits,
    ) -> Self {
        match read {
            Ok(said) => RowOutcome::Read(Box::new(said.assuming(assumed))),
            Err(Failure::NoPicture(kind)) => match content_of(path, limits) {
                Ok(content) => RowOutcome::Skipped { kind, content },
                Err(error) => RowOutcome::Failed(clean(&error.to_string())),
            },
            Err(Failure::Failed(reason)) => RowOutcome::Failed(reason),
        }
    }

    fn as_row(&self) -> RowOf<'_> {
        match self {
            RowOutcome::Read(said) => RowOf::Read(said),
            RowOutcome::Unread(format) => RowOf::Unread(format),
            RowOutcome::Skipped { kind, content } => RowOf::Skipped {
                kind,
                content: *content,
            },
            RowOutcome::Failed(reason) | RowOutcome::Problem(reason) => RowOf::Failed(reason),
        }
    }

    fn count(&self, tally: &mut StatusCounts) {
        match self {
            RowOutcome::Read(said) => tally.count(Some(said)),
            RowOutcome::Skipped { kind, .. } => tally.skip(kind),
            RowOutcome::Failed(_) | RowOutcome::Problem(_) => tally.count(None),
            RowOutcome::Unread(_) => tally.unread += 1,
        }
    }
}

/// Everything that reading a batch needs.
struct PredictRun<'a, Open> {
    roots: &'a [PathBuf],
    done: &'a Done,
    reader: BatchScorer<'a, Open>,
    predictions: &'a PredictionRows<'a>,
    assumed: &'a Prevalences,
    limits: &'a DecodeLimits,
    /// Whether what is not read has rows.
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
            scan(self.roots, |found| {
                if self.done.has(&found) {
                    GO_ON
                } else {
                    give(found)
                }
            });
        };
        in_order(
            self.threads,
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
                if !matches!(row.outcome, RowOutcome::Unread(_)) || self.lists(&row.path) {
                    table.row(&self.predictions.row(&row.path, row.outcome.as_row()))?;
                    progress.advance();
                }
                Ok(())
            },
        )?;
        Ok((tally, unread))
    }

    /// Whether a file that is not read gets a row, as all others do.
    fn lists(&self, unread: &Path) -> bool {
        self.lists_unread && !self.done.has_row(unread)
    }

    /// What one thread does with what the walk finds.
    fn worker(&self) -> impl FnMut(WalkItem) -> FinishedRow {
        let mut read = self.reader.thread();
        move |found| match found {
            WalkItem::Problem { path, reason } => FinishedRow {
                path,
                outcome: RowOutcome::Problem(reason),
            },
            WalkItem::Unread { path, format } => FinishedRow {
                path,
                outcome: RowOutcome::Unread(format),
            },
            WalkItem::Image(path) => FinishedRow {
                outcome: RowOutcome::of(&path, read(&path), self.assumed, self.limits),
                path,
            },
        }
    }

    /// A second walk, which reads no image, for the length of the bar. Without one there is no telling
    /// how long it will take, because the first is never far ahead of the classifier.
    fn count(&self, progress: &Progress, stop: &AtomicBool) {
        let mut total = 0;
        scan(self.roots, |found| {
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

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::domain::{InputCheck, LabelCard, ModelCard, Question, Samples};
    use crate::export::TableFormat;
    use crate::inference::InferenceError;

    /// Accepts everything, and panics over an image that is 13 pixels wide.
    struct Superstitious(ModelCard);

    impl Classify for Superstitious {
        fn card(&self) -> &ModelCard {
            &self.0
        }

        fn classify(&self, radiograph: &Radiograph) -> Result<Prediction, InferenceError> {
            assert_ne!(radiograph.width, 13, "thirteen\x1b[2J");
            Ok(Prediction {
                content: Default::default(),
                findings: Vec::new(),
                severity: None,
                input: InputCheck::Accepted,
                model_sha256: self.0.sha256.clone(),
                preprocess: self.0.preprocess.clone(),
                elapsed_ms: 1.0,
                activation: None,
            })
        }
    }

    fn superstitious() -> Superstitious {
        Superstitious(ModelCard {
            name: "double".to_owned(),
            preprocess: "cxr-1".to_owned(),
            labels: vec![LabelCard::new("Pneumonia", Question::Presence, None)],
            sha256: "ab".to_owned(),
            ..ModelCard::default()
        })
    }

    /// An image as wide as the number that is its name.
    fn as_wide_as_its_name(path: &Path) -> Radiograph {
        let width = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        Radiograph::plain(width, 1, Samples::Grey8(vec![0; width]), "double")
    }

    #[test]
    fn a_panic_costs_one_row_and_its_place_is_kept() {
        silence_workers();
        let folder = tempfile::tempdir().unwrap();
        for width in 1..=40 {
            std::fs::write(folder.path().join(format!("{width}.png")), "").unwrap();
        }
        let (classifier, done) = (superstitious(), Done::default());
        let assumed = Prevalences::default();
        let predictions = PredictionRows::new(TableFormat::Csv, classifier.card(), &assumed);
        let batch = PredictRun {
            roots: &[folder.path().to_owned()],
            done: &done,
            reader: BatchScorer {
                classifier: &classifier,
                open: || |path: &Path| Ok(as_wide_as_its_name(path)),
                then: None,
            },
            predictions: &predictions,
            assumed: &assumed,
            limits: &DecodeLimits::default(),
            lists_unread: false,
            threads: 3,
        };
        let columns = predictions.columns();
        let mut table = TableWriter::begin(Vec::new(), TableFormat::Csv, columns).unwrap();
        let stop = AtomicBool::new(false);
        let (tally, _) = batch
            .write(&mut table, &Progress::new(false, done.before), &stop)
            .unwrap();
        assert_eq!(
            tally,
            StatusCounts {
                ok: 39,
                errors: 1,
                ..StatusCounts::default()
            }
        );

        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(rows.len(), 40);
        assert!(rows[11].contains("/12.png,ok,"), "{}", rows[11]);
        assert!(
            rows[12].contains("/13.png,error,cxr failed on it: "),
            "{}",
            rows[12]
        );
        assert!(rows[12].contains("thirteen [2J"), "{}", rows[12]);
        assert!(rows[13].contains("/14.png,ok,"), "{}", rows[13]);
        assert!(!stop.load(Ordering::Relaxed));
    }
}
