//! Reading files that are all known beforehand: a progress bar with an end, the first failures by
//! name, the number of the others, and a summary.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{
    AHEAD, EarlierRows, Progress, Signals, StatusCounts, Workers, in_order, silence_workers,
};
use crate::commands::shared::complain;
use crate::domain::Prediction;
use crate::export::path_text;

/// Files that are named when they cannot be read; the rest are counted.
const LISTED: usize = 10;

/// The files of a batch.
pub struct KnownFiles<'a> {
    pub paths: Vec<PathBuf>,
    pub threads: usize,
    /// Show neither progress bar nor summary.
    pub quiet: bool,
    /// Where the files are from, for the summary.
    pub place: String,
    pub signals: &'a Signals,
}

impl KnownFiles<'_> {
    /// Hands each result to `sink`, in the order of the paths. Each thread calls `thread` once, for the
    /// function that reads its files; `prediction` is the part of a result that is counted. Ends early
    /// after a signal.
    ///
    /// # Errors
    /// If the sink fails, or a thread cannot be started.
    pub fn read<T: Send, E: ToString, Read: FnMut(&Path) -> Result<T, E>>(
        self,
        thread: impl Fn() -> Read + Sync,
        prediction: impl Fn(&T) -> &Prediction,
        mut sink: impl FnMut(&Path, Result<T, &str>) -> io::Result<()>,
    ) -> io::Result<()> {
        silence_workers();
        let progress = Progress::new(!self.quiet, EarlierRows::default());
        progress.expect(self.paths.len() as u64);
        let (mut tally, paths) = (StatusCounts::default(), self.paths);
        let workers = Workers {
            jobs: self.threads,
            ahead: AHEAD,
        };
        let read = in_order(
            workers,
            self.signals.stop(),
            |give: &mut dyn FnMut(PathBuf) -> ControlFlow<()>| hand_over(paths, give),
            || {
                let mut read = thread();
                move |path: PathBuf| (read(&path).map_err(|error| error.to_string()), path)
            },
            |(result, path): (Result<T, String>, PathBuf)| -> io::Result<()> {
                tally.count(result.as_ref().ok().map(&prediction));
                if let Err(reason) = &result
                    && tally.errors <= LISTED
                {
                    progress.aside(|| complain(&format!("{}: {reason}", path_text(&path))));
                }
                match result {
                    Ok(read) => sink(&path, Ok(read))?,
                    Err(reason) => sink(&path, Err(&reason))?,
                }
                progress.advance();
                Ok(())
            },
        );
        progress.clear();
        read?;
        if tally.errors > LISTED {
            complain(&format!(
                "and {} more could not be read",
                tally.errors - LISTED
            ));
        }
        if !self.signals.stop().load(Ordering::Relaxed) {
            progress.summarise(&tally, &self.place);
        }
        Ok(())
    }
}

fn hand_over(paths: Vec<PathBuf>, give: &mut dyn FnMut(PathBuf) -> ControlFlow<()>) {
    for path in paths {
        if give(path).is_break() {
            return;
        }
    }
}
