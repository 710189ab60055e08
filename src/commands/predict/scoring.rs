//! Scoring what is selected, and writing its rows.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::cache::BatchCache;
use super::done::Done;
use super::earlier::EarlierContents;
use super::heat_maps::HeatMaps;
use super::pseudonyms::BatchPseudonyms;
use super::row::{FinishedRow, RowOutcome};
use super::selection::Selection;
use super::unread::Unread;
use crate::commands::shared::batch::{BatchScorer, Progress, StatusCounts, Workers, in_order};
use crate::commands::shared::complain;
use crate::commands::shared::shard::group::FilmGroup;
use crate::commands::shared::shard::part::UnreadHeaders;
use crate::domain::{Prevalences, Radiograph};
use crate::export::{Cell, PredictionRows, RowPseudonyms, TableWriter, path_text};
use crate::imaging::{DecodeLimits, ImagingError, content_of};
use crate::library::WalkItem;

/// Everything that a run needs to read its images.
pub struct PredictRun<'a, Open> {
    pub selection: &'a Selection<'a>,
    pub done: &'a Done,
    pub reader: BatchScorer<'a, Open>,
    /// What earlier tables have rows for, if there are such.
    pub earlier: Option<&'a EarlierContents>,
    pub cache: Option<&'a BatchCache>,
    pub pseudonyms: Option<&'a BatchPseudonyms>,
    pub heat_maps: Option<&'a HeatMaps>,
    pub predictions: &'a PredictionRows<'a>,
    pub assumed: &'a Prevalences,
    pub limits: &'a DecodeLimits,
    /// Whether files in formats that are not read have rows.
    pub lists_unread: bool,
    pub threads: usize,
}

/// What was written, and what was not.
#[derive(Default)]
pub struct WrittenRows {
    pub tally: StatusCounts,
    pub unread: Unread,
    pub unread_headers: UnreadHeaders,
}

impl<Open, Opener> PredictRun<'_, Open>
where
    Open: Fn() -> Opener + Sync,
    Opener: FnMut(&Path) -> Result<Radiograph, ImagingError>,
{
    /// Writes a row for each image, in the order of the walk. Ends early after a signal.
    ///
    /// # Errors
    /// If the table cannot be written, or a thread cannot be started.
    pub fn write<W: io::Write>(
        &self,
        table: &mut TableWriter<W>,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> io::Result<WrittenRows> {
        let mut written = WrittenRows::default();
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
                row.outcome.count(&mut written.tally);
                if let Some(name) = &row.unread_header {
                    written.unread_headers.add(name);
                }
                match &row.outcome {
                    RowOutcome::Unread(format) => written.unread.add(&row.path, *format),
                    RowOutcome::Problem(reason) => {
                        progress.aside(|| complain(&format!("{}: {reason}", path_text(&row.path))));
                    }
                    _ => {}
                }
                if let Some(cells) = &row.cells {
                    table.row(cells)?;
                }
                // As `count` counts.
                if row.cells.is_some() || !matches!(row.outcome, RowOutcome::Unread(_)) {
                    progress.advance();
                }
                Ok(())
            },
        )?;
        Ok(written)
    }

    /// Whether a file in a format that is not read gets a row: also where the table had one that was removed.
    fn lists(&self, unread: &Path) -> bool {
        let is_asked = self.lists_unread || self.done.lost_row(unread);
        is_asked && !self.done.has_row(unread)
    }

    /// Returns the function with which one thread handles the items of the walk.
    fn worker(&self) -> impl FnMut(WalkItem) -> FinishedRow {
        let mut read = self.reader.thread();
        let mut whose = self.pseudonyms.map(|all| all.thread());
        let mut outcome = move |found: &WalkItem| {
            let known = match found {
                WalkItem::Image(path) => self.known_answer(path),
                _ => None,
            };
            // Its heat map stays where an earlier run has put it.
            if let Some(RowOutcome::Known) = known {
                return RowOutcome::Known;
            }
            if let Err(reason) = self.forget_heat_map(found.path()) {
                return RowOutcome::Failed(reason);
            }
            match found {
                WalkItem::Problem { reason, .. } => RowOutcome::Problem(reason.clone()),
                WalkItem::Unread { format, .. } => RowOutcome::Unread(*format),
                WalkItem::Image(path) => known
                    .unwrap_or_else(|| RowOutcome::of(path, read(path), self.assumed, self.limits)),
            }
        };
        move |found| {
            let group = self.selection.group(&found);
            let is_here = |group: &FilmGroup| self.selection.is_in_shard(group);
            let outcome = if !group.as_ref().is_none_or(is_here) {
                RowOutcome::Elsewhere
            } else {
                match outcome(&found) {
                    // Its numbers would stand under the study of the film before.
                    read if read.is_of_film() && self.selection.group(&found) != group => {
                        RowOutcome::Failed(REPLACED.to_owned())
                    }
                    read => read,
                }
            };
            let path = found.path().to_owned();
            let whose = whose.as_mut().map(|whose| whose(&path, &outcome));
            let mut row = self.finish(path, outcome, &whose.unwrap_or_default());
            let study = row.cells.as_mut().and_then(|cells| cells.last_mut());
            if let (Some(study), Some(group)) = (study, &group) {
                *study = Cell::text(&group.name);
            }
            row.unread_header = group
                .filter(|group| group.is_unread)
                .map(|group| group.name);
            row
        }
    }

    /// Removes the heat map of an earlier film under the name of one that is read now. That of a row that stays, stays.
    fn forget_heat_map(&self, path: &Path) -> Result<(), String> {
        let maps = self.heat_maps.filter(|_| !self.done.has_row(path));
        maps.map_or(Ok(()), |maps| maps.forget(path))
    }

    /// What is known of the content of a file; `None` if it has to be scored.
    fn known_answer(&self, path: &Path) -> Option<RowOutcome> {
        if self.earlier.is_none() && self.cache.is_none() {
            return None;
        }
        // A file that cannot be read is read again for its reason.
        let content = content_of(path, self.limits).ok()?;
        let is_known = self.earlier.is_some_and(|earlier| earlier.has(content));
        // A row that was removed for a new one gets it, even if other tables have the content.
        if is_known && !self.done.lost_row(path) {
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
            RowOutcome::Problem(_) => !self.done.has_row(&path),
            RowOutcome::Known | RowOutcome::Elsewhere => false,
            _ => true,
        };
        let row = || self.predictions.row_of(&path, outcome.as_row(), whose);
        let cells = has_row.then(row);
        FinishedRow {
            path,
            outcome: outcome.without_maps(),
            cells,
            unread_header: None,
        }
    }

    /// Walks a second time, without reading images, for the length of the progress bar. The first walk
    /// cannot tell it, because it is never far ahead of the classifier.
    pub fn count(&self, progress: &Progress, stop: &AtomicBool) {
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

/// Why a film has no numbers whose study is not known any more.
const REPLACED: &str = "it was replaced by a film of another study while it was read";
