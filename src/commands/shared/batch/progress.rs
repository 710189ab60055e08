//! The progress of a batch: a bar on standard error, if that is a terminal, and one line of summary.
//! Without colours, so that there are none to switch off.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::commands::shared::note;
use crate::domain::text::Printable;
use crate::domain::{InputCheck, Prediction};

/// While the number of images is not known yet.
const COUNTING: &str = "{human_pos} images, {rate}, counting";
/// Once it is.
const COUNTED: &str = "{bar:30} {human_pos}/{human_len}, {rate}, {eta} left";
/// How often the bar is drawn while no image finishes.
const TICK: Duration = Duration::from_millis(250);

/// A bar for a download, in bytes.
#[cfg(feature = "pull")]
pub fn download_bar(name: &str) -> ProgressBar {
    const FETCHED: &str = "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.with_style(style(FETCHED))
        .with_message(Printable::line(name).to_string())
}

/// How many rows have each status.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StatusCounts {
    pub ok: usize,
    pub caution: usize,
    pub refused: usize,
    pub errors: usize,
    /// Files that are not meant to hold an image, by the kind of object.
    pub skipped: BTreeMap<String, usize>,
    /// Files of formats that are not read.
    pub unread: usize,
    /// Images that an earlier table has rows for.
    pub known: usize,
}

impl StatusCounts {
    /// Counts a row; `None` is an image that could not be read.
    pub fn count(&mut self, prediction: Option<&Prediction>) {
        *match prediction.map(|p| &p.input) {
            Some(InputCheck::Accepted) => &mut self.ok,
            Some(InputCheck::Caution(_)) => &mut self.caution,
            Some(InputCheck::Refused(_)) => &mut self.refused,
            None => &mut self.errors,
        } += 1;
    }

    /// Counts what was counted apart.
    pub fn add(&mut self, other: &StatusCounts) {
        self.ok += other.ok;
        self.caution += other.caution;
        self.refused += other.refused;
        self.errors += other.errors;
        self.unread += other.unread;
        for (kind, number) in &other.skipped {
            *self.skipped.entry(kind.clone()).or_default() += number;
        }
    }

    /// Counts a file without an image.
    pub fn skip(&mut self, kind: &str) {
        *self.skipped.entry(kind.to_owned()).or_default() += 1;
    }

    pub fn rows(&self) -> usize {
        let skipped: usize = self.skipped.values().sum();
        self.ok + self.caution + self.refused + self.errors + skipped
    }
}

impl fmt::Display for StatusCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ok, {} caution, {} refused, {} failed",
            HumanCount(self.ok as u64),
            HumanCount(self.caution as u64),
            HumanCount(self.refused as u64),
            HumanCount(self.errors as u64)
        )?;
        let count = |count: usize| HumanCount(count as u64);
        if !self.skipped.is_empty() {
            let kinds = self.skipped.iter();
            let kinds: Vec<String> = kinds
                .map(|(kind, n)| format!("{} × {kind}", count(*n)))
                .collect();
            let skipped = count(self.skipped.values().sum());
            write!(f, ", {skipped} skipped ({})", kinds.join(", "))?;
        }
        if self.unread > 0 {
            write!(f, ", {} not read", count(self.unread))?;
        }
        match self.known {
            0 => Ok(()),
            known => write!(f, ", {} known", count(known)),
        }
    }
}

/// The bar, and the clock.
pub struct Progress {
    bar: ProgressBar,
    shown: bool,
    before: EarlierRows,
    start: Instant,
}

/// The rows that a table had before this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EarlierRows {
    /// Rows that stay.
    pub kept: usize,
    /// Rows of files that have changed since, and are read again.
    pub changed: usize,
}

impl Progress {
    /// `shown` is the user's wish. If standard error is no terminal, there is a summary, but no bar.
    pub fn new(shown: bool, before: EarlierRows) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_style(style(COUNTING));
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Progress {
            bar,
            shown,
            before,
            start: Instant::now(),
        }
    }

    /// Sets the number of images.
    pub fn expect(&self, total: u64) {
        self.bar.set_length(total);
        self.bar.set_style(style(COUNTED));
    }

    pub fn advance(&self) {
        self.bar.inc(1);
    }

    /// Hides the bar while `print` writes on standard error.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Whether the number of images is no longer needed.
    pub fn is_over(&self, stop: &AtomicBool) -> bool {
        self.bar.is_finished() || stop.load(Ordering::Relaxed)
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Leaves one line: how many images have each status, how fast they were read, and where they are.
    pub fn summarise(&self, tally: &StatusCounts, place: &str) {
        if !self.shown {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = tally.rows() as f64 / seconds.max(f64::MIN_POSITIVE);
        let part = |count: usize, words: &str| match count {
            0 => String::new(),
            count => format!(", {} {words}", HumanCount(count as u64)),
        };
        let kept = part(self.before.kept, "kept");
        let changed = match self.before.changed {
            1 => ", 1 read again: its file has changed".to_owned(),
            count => part(count, "read again: their files have changed"),
        };
        note(&Printable::line(&format!(
            "{tally}{kept}{changed}; {seconds:.1} s, {rate:.1} images/s; {place}"
        )));
    }
}

fn style(template: &str) -> ProgressStyle {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
        // A bar that cannot be drawn is no reason to fail.
        let _ = write!(out, "{:.1}/s", state.per_sec());
    })
}
