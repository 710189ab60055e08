//! The images, in the order and selection that the reader chose.

mod blinded;
mod disk;
mod elsewhere;
mod filter;
mod held;
mod left_out;
mod patients;
mod returning;
mod sort;
mod tally;
mod times;
mod unread;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use disk::{Disk, Rescanned};
use elsewhere::Elsewhere;
pub use filter::{Completion, FilterError, FilterTerms, rewritten};
use filter::{WorklistFilter, below_root, complete};
pub use held::HeldOpinion;
pub use left_out::LeftOut;
use patients::Patients;
pub use patients::{Change, Sharing};
pub use sort::{Sort, nearest};
pub use tally::WorklistCounts;
use times::Times;
pub use times::Undated;

use crate::domain::text::clean;
use crate::domain::{ContentId, Failure, Prediction};
use crate::worker::FileStamp;

/// One file. 100,000 of them must fit: what is known of it is behind a pointer.
#[derive(Debug)]
pub struct WorklistEntry {
    pub path: Arc<Path>,
    pub state: EntryState,
    /// What the reader holds of it; `None` if they have said nothing.
    pub held: Option<Box<HeldOpinion>>,
    /// Which image lies there, once it has been read.
    pub content: Option<ContentId>,
    /// Of the file just before that.
    pub stamp: Option<FileStamp>,
    pub disk: Disk,
}

#[derive(Debug)]
pub enum EntryState {
    /// Not looked at yet.
    Unread,
    Read(Box<Prediction>),
    /// Holds no image, and is not meant to; what it is: a structured report, for example.
    NoPicture(Box<str>),
    /// Could not be read, or could not be classified, and why.
    Failed(Box<str>),
}

impl From<Failure> for EntryState {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoPicture(kind) => EntryState::NoPicture(kind.into()),
            Failure::Failed(reason) => EntryState::Failed(reason.into()),
        }
    }
}

impl WorklistEntry {
    pub fn prediction(&self) -> Option<&Prediction> {
        match &self.state {
            EntryState::Read(prediction) => Some(prediction),
            _ => None,
        }
    }

    pub fn is_unread(&self) -> bool {
        matches!(self.state, EntryState::Unread)
    }

    /// Its file name, safe for a terminal.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        clean(&name.to_string_lossy())
    }

    /// Score of a label as the model said it, if it has been read and was not refused.
    #[cfg(test)]
    pub fn score(&self, label: &str) -> Option<f32> {
        self.prediction()?.finding(label).map(|f| f.score.value())
    }

    /// The word that a filter matches beside the path.
    fn state_word(&self) -> &'static str {
        match &self.state {
            EntryState::Unread => "unread",
            EntryState::NoPicture(_) => "skipped",
            EntryState::Failed(_) => "error",
            EntryState::Read(prediction) => prediction.input.word(),
        }
    }
}

/// A filter and the image that was selected under it.
pub struct FilterPosition {
    filter: String,
    selected: Option<u32>,
}

#[derive(Default)]
pub struct Worklist {
    /// As found; an index into it names an image for good.
    entries: Vec<WorklistEntry>,
    /// Rows: indices of those that the filter lets through, sorted.
    rows: Vec<u32>,
    cursor: usize,
    sort: Sort,
    reversed: bool,
    filter: WorklistFilter,
    /// Of the model in use; `None` while none is there.
    terms: Option<FilterTerms>,
    scanned: bool,
    /// What the model in use said of all of them.
    tally: WorklistCounts,
    /// How many have a verdict.
    reviewed: usize,
    /// Folders and links that could not be followed.
    problems: Vec<String>,
    left_out: LeftOut,
    /// What was asked for: a filter looks at names below it, not at how one got there.
    roots: Vec<PathBuf>,
    /// Something was read since the rows were arranged by what is read.
    stale: bool,
    /// Of the models that are not in use; the last used last.
    elsewhere: Vec<Elsewhere>,
    times: Times,
    /// What is said of an image is hidden until the reader has made a call.
    blinded: bool,
    /// Images, by index, whose answer the reader saw before they read blinded.
    answers_seen: HashMap<u32, ContentId>,
    patients: Patients,
}

impl Worklist {
    pub fn add(&mut self, paths: impl IntoIterator<Item = Arc<Path>>) {
        let first = self.entries.len();
        self.entries
            .extend(paths.into_iter().map(|path| WorklistEntry {
                path,
                state: EntryState::Unread,
                held: None,
                content: None,
                stamp: None,
                disk: Disk::default(),
            }));
        let new = (first..self.entries.len()).map(|i| i as u32);
        // What nothing is known of yet comes last in an order by answers.
        if self.sort.asks_of_answers() || (self.sort == Sort::Name && !self.reversed) {
            let new: Vec<u32> = new.filter(|i| self.lets_through(*i)).collect();
            self.rows.extend(new);
        } else {
            self.arrange();
        }
    }

    pub fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots;
    }

    /// Whether the order or the filter is older than what has been read.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// What [`Worklist::restore`] needs to come back here.
    pub fn place(&self) -> FilterPosition {
        FilterPosition {
            filter: self.filter.text().to_owned(),
            selected: self.rows.get(self.cursor).copied(),
        }
    }

    /// Filter and selection as they were.
    pub fn restore(&mut self, place: FilterPosition) {
        self.filter = self.filter_of(place.filter);
        self.arrange();
        let row = place
            .selected
            .and_then(|i| self.rows.iter().position(|r| *r == i));
        self.go_to(row.unwrap_or(self.cursor));
    }

    pub fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub fn finish_scan(&mut self) {
        self.scanned = true;
    }

    pub fn is_scanning(&self) -> bool {
        !self.scanned
    }

    /// All that were found, whatever the filter says.
    pub fn total(&self) -> usize {
        self.entries.len()
    }

    /// Rows that the filter lets through.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many have been read, with or without success.
    pub fn read(&self) -> usize {
        self.tally.read
    }

    pub fn tally(&self) -> WorklistCounts {
        self.tally
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn sort(&self) -> &Sort {
        &self.sort
    }

    pub fn is_reversed(&self) -> bool {
        self.reversed
    }

    pub fn filter(&self) -> &str {
        self.filter.text()
    }

    pub fn row(&self, row: usize) -> Option<&WorklistEntry> {
        self.rows.get(row).map(|i| &self.entries[*i as usize])
    }

    pub fn selected(&self) -> Option<&WorklistEntry> {
        self.row(self.cursor)
    }

    /// The first row on a screen of `height` rows: the cursor is kept in the middle of it, except
    /// near the ends.
    pub fn first_visible(&self, height: usize) -> usize {
        let last_start = self.rows.len().saturating_sub(height);
        self.cursor.saturating_sub(height / 2).min(last_start)
    }

    /// Moves to a row, or to the last if there are not so many.
    pub fn go_to(&mut self, row: usize) {
        self.cursor = row.min(self.rows.len().saturating_sub(1));
    }

    pub fn move_by(&mut self, rows: isize) {
        self.go_to(self.cursor.saturating_add_signed(rows));
    }

    /// Records what became of an image. Rows stay where they are until the list is sorted again: one
    /// that moved as it was read would take the reader's place with it.
    pub fn record(&mut self, path: &Path, state: EntryState) {
        let Some(index) = self.index_of(path) else {
            return;
        };
        if let EntryState::Read(said) = &state {
            let stamp = self.entries[index].stamp;
            self.identify_at(index, said.content, stamp);
        }
        self.set_state(index, state);
    }

    fn set_state(&mut self, index: usize, state: EntryState) {
        self.tally.remove(&self.entries[index].state);
        self.tally.add(&state);
        self.entries[index].state = state;
        self.stale |= self.is_arranged_by_state();
    }

    fn index_of(&self, path: &Path) -> Option<usize> {
        // What comes is mostly about the selected image: look there before searching.
        match self.rows.get(self.cursor) {
            Some(i) if *self.entries[*i as usize].path == *path => Some(*i as usize),
            _ => self.entries.iter().position(|e| *e.path == *path),
        }
    }

    /// What the model in use said of an image.
    pub fn said_of(&self, path: &Path) -> Option<&Prediction> {
        self.entries[self.index_of(path)?].prediction()
    }

    fn is_arranged_by_state(&self) -> bool {
        self.sort.asks_of_answers() || self.filter.asks_of_answers()
    }

    fn lets_through(&self, index: u32) -> bool {
        let entry = &self.entries[index as usize];
        let terms = self.terms.as_ref();
        let held = self.shown_held_of(index);
        self.filter.lets_through(entry, held, &self.roots, terms)
    }

    /// What the model in use can be asked for. Rows stay where they are.
    pub fn set_terms(&mut self, terms: FilterTerms) {
        if self.terms.as_ref() == Some(&terms) {
            return;
        }
        let text = self.filter.text().to_owned();
        self.filter = WorklistFilter::new(text, Some(&terms));
        self.terms = Some(terms);
        let is_by_score = matches!(self.sort, Sort::Score(_));
        self.stale |= is_by_score || self.filter.asks_of_answers();
    }

    /// What is wrong with a filter that is being typed.
    pub fn check(&self, text: &str) -> Result<(), FilterError> {
        let filter = self.filter_of(text.to_owned());
        filter.error().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn filter_of(&self, text: String) -> WorklistFilter {
        let filter = WorklistFilter::new(text, self.terms.as_ref());
        match self.blinded {
            true => filter.blinded(),
            false => filter,
        }
    }

    /// How its last word may go on.
    pub fn complete(&self, text: &str) -> Option<Completion> {
        complete(text, self.terms.as_ref())
    }

    /// Why the filter in use lets nothing through, if the model does not understand it.
    pub fn filter_error(&self) -> Option<&FilterError> {
        self.filter.error()
    }

    /// How the filter was understood, where that is more than plain words.
    pub fn filter_reading(&self) -> Option<String> {
        self.filter.reading()
    }

    pub fn set_sort(&mut self, sort: Sort) {
        if !self.may_sort_by(&sort) || self.fixed_order().is_some() {
            return;
        }
        self.sort = sort;
        self.arrange();
    }

    pub fn reverse(&mut self) {
        if self.fixed_order().is_some() {
            return;
        }
        self.reversed = !self.reversed;
        self.arrange();
    }

    /// What is no filter changes nothing: more of it may still be typed.
    pub fn set_filter(&mut self, text: String) {
        let filter = self.filter_of(text);
        if filter.error().is_none() {
            self.filter = filter;
            self.arrange();
        }
    }

    /// Filters and sorts anew. The cursor stays on its image, or on its row if that is gone.
    fn arrange(&mut self) {
        let selected = self.rows.get(self.cursor).copied();
        let all = 0..self.entries.len() as u32;
        self.rows = all.filter(|i| self.lets_through(*i)).collect();
        self.sort_rows();
        self.stale = false;
        let kept = selected.and_then(|i| self.rows.iter().position(|row| *row == i));
        self.go_to(kept.unwrap_or(self.cursor));
    }
}

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;
