//! The list of images, in the order and with the filter that the reader chose.

mod blinded;
mod counts;
mod disk;
mod films;
mod filter;
mod left_out;
mod names;
mod opinions;
mod other_models;
mod patients;
mod position;
mod sort;
mod times;
mod unread;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use counts::WorklistCounts;
pub use disk::{Disk, Rescanned};
use films::HeadersAsked;
pub use films::KnownFilms;
pub use filter::{Completion, FilterError, FilterTerms, rewritten};
use filter::{WorklistFilter, below_root, complete};
pub use left_out::LeftOut;
use names::DistinctNames;
pub use opinions::OpinionState;
use other_models::OtherModel;
use patients::Patients;
pub use patients::{Change, FilmRelation, NoPrior, Sharing, TimelineFilm};
pub use position::FilterPosition;
pub use sort::{Sort, nearest};
use times::Times;
pub use times::Undated;

use crate::domain::text::clean;
use crate::domain::{ContentId, Failure, Prediction, ReadingMode, ViewPosition};
use crate::worker::FileStamp;

/// One file. 100,000 of them must fit into memory, so the larger fields are behind pointers.
#[derive(Debug)]
pub struct WorklistEntry {
    pub path: Arc<Path>,
    /// The answer of the model in use.
    pub state: EntryState,
    /// The reader's opinion; `None` if there is none.
    pub opinion_state: Option<Box<OpinionState>>,
    /// The content of the image, once it has been read.
    pub content: Option<ContentId>,
    /// The file's stamp just before it was read.
    pub stamp: Option<FileStamp>,
    /// Whether what its header says is shown. Until the image has been read, `stamp` is of that reading.
    pub has_header: bool,
    /// Whether the file was written to since: `content` is of the image that was there then.
    pub is_outdated: bool,
    /// What has happened to the file since the folder was opened.
    pub disk: Disk,
    /// Projection of the beam, as far as it is known.
    pub view: ViewPosition,
    /// *Patient's Age* (0010,1010), as it is stored (`054Y`).
    pub age: Option<Box<str>>,
}

/// What is known of an image.
#[derive(Debug)]
pub enum EntryState {
    /// Not read yet.
    Unread,
    /// The model's answer.
    Read(Box<Prediction>),
    /// A kind of file that holds no image, such as a structured report.
    NoPicture(Box<str>),
    /// Why it could not be read or classified.
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

    /// The model's score of a label, if the image was read and not refused.
    #[cfg(test)]
    pub fn score(&self, label: &str) -> Option<f32> {
        self.prediction()?.finding(label).map(|f| f.score.value())
    }

    /// The state as a word of the filter.
    fn state_word(&self) -> &'static str {
        match &self.state {
            EntryState::Unread => "unread",
            EntryState::NoPicture(_) => "skipped",
            EntryState::Failed(_) => "error",
            EntryState::Read(prediction) => prediction.input.word(),
        }
    }
}

/// The list. Its entries stay where they are; its rows are sorted and filtered.
#[derive(Default)]
pub struct Worklist {
    /// In the order in which they were found. An index into it identifies an image for the whole session.
    entries: Vec<WorklistEntry>,
    /// The indices of the entries that match the filter, sorted.
    rows: Vec<u32>,
    cursor: usize,
    /// The image that was selected when the filter was set that nothing matches.
    before_no_match: Option<u32>,
    sort: Sort,
    reversed: bool,
    filter: WorklistFilter,
    /// The names of the model in use; `None` while no model is loaded.
    terms: Option<FilterTerms>,
    scanned: bool,
    /// Of all entries, by the model in use.
    counts: WorklistCounts,
    /// How many the reader is done with: see [`Worklist::reviewed`].
    reviewed: usize,
    /// The entries that hold each image, by index: the reader's opinion is of the image, wherever it lies.
    by_content: HashMap<ContentId, Vec<u32>>,
    /// The models, by their SHA-256, whose answers the verdicts in the log are about.
    judged_models: HashMap<ContentId, Arc<str>>,
    /// The SHA-256 of the model in use, once it is known.
    model: Option<Arc<str>>,
    /// Folders and links that could not be followed.
    problems: Vec<String>,
    left_out: LeftOut,
    /// The folders that were opened. A filter looks at the paths below them.
    roots: Vec<PathBuf>,
    /// The rows depend on something that has changed since they were arranged.
    stale: bool,
    /// The answers of models that are not in use; the last used comes last.
    other_models: Vec<OtherModel>,
    times: Times,
    names: DistinctNames,
    /// The reader is asked for calls, and answers are hidden as `reading_mode` says.
    blinded: bool,
    reading_mode: ReadingMode,
    /// The images are in the order of a study, which stays.
    is_order_of_study: bool,
    /// Images, by index, whose answer the reader saw before they read them blinded.
    answers_seen: HashMap<u32, ContentId>,
    patients: Patients,
    /// Films of which a table of the reader tells patient, time or view.
    known_films: KnownFilms,
    headers: HeadersAsked,
}

impl Worklist {
    /// Adds files at the end.
    pub fn add(&mut self, paths: impl IntoIterator<Item = Arc<Path>>) {
        let first = self.entries.len();
        self.entries
            .extend(paths.into_iter().map(|path| WorklistEntry {
                path,
                state: EntryState::Unread,
                opinion_state: None,
                content: None,
                stamp: None,
                has_header: false,
                is_outdated: false,
                disk: Disk::default(),
                view: ViewPosition::default(),
                age: None,
            }));
        self.take_known_films(first);
        self.tell_names_apart();
        let new = (first..self.entries.len()).map(|i| i as u32);
        // In an order by answers, an image without an answer comes last.
        if self.sort.uses_answers() || (self.sort == Sort::Name && !self.reversed) {
            let new: Vec<u32> = new.filter(|i| self.is_match(*i)).collect();
            self.rows.extend(new);
        } else {
            self.arrange();
        }
    }

    /// Sets the folders that were opened.
    pub fn set_roots(&mut self, roots: Vec<PathBuf>) {
        self.roots = roots;
    }

    /// Whether the rows no longer follow the order or the filter.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    pub fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub fn finish_scan(&mut self) {
        self.scanned = true;
        self.tell_names_apart();
    }

    pub fn is_scanning(&self) -> bool {
        !self.scanned
    }

    /// The number of all entries.
    pub fn total(&self) -> usize {
        self.entries.len()
    }

    /// The number of rows: entries that match the filter.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many entries were read, with or without success.
    pub fn read(&self) -> usize {
        self.counts.read
    }

    pub fn counts(&self) -> WorklistCounts {
        self.counts
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

    /// The first row on a screen of `height` rows. The cursor stays in the middle of the screen, except near
    /// the ends.
    pub fn first_visible(&self, height: usize) -> usize {
        let last_start = self.rows.len().saturating_sub(height);
        self.cursor.saturating_sub(height / 2).min(last_start)
    }

    /// Moves to a row, or to the last one if the list is shorter.
    pub fn go_to(&mut self, row: usize) {
        self.cursor = row.min(self.rows.len().saturating_sub(1));
    }

    pub fn move_by(&mut self, rows: isize) {
        self.go_to(self.cursor.saturating_add_signed(rows));
    }

    /// Records the state of an image. Its row does not move until the list is sorted again: the reader would
    /// lose their place.
    pub fn record(&mut self, path: &Path, state: EntryState) {
        let Some(index) = self.index_of(path) else {
            return;
        };
        if let EntryState::Read(prediction) = &state {
            let stamp = self.entries[index].stamp;
            self.identify_at(index, prediction.content, stamp);
        }
        self.set_state(index, state);
    }

    fn set_state(&mut self, index: usize, state: EntryState) {
        self.counts.remove(&self.entries[index].state);
        self.counts.add(&state);
        self.entries[index].state = state;
        self.stale |= self.is_arranged_by_state();
    }

    fn index_of(&self, path: &Path) -> Option<usize> {
        // Most results are for the selected image.
        match self.rows.get(self.cursor) {
            Some(i) if *self.entries[*i as usize].path == *path => Some(*i as usize),
            _ => self.entries.iter().position(|e| *e.path == *path),
        }
    }

    /// Whether an image is still to be read, or to be read again.
    pub fn is_unread_at(&self, path: &Path) -> bool {
        let index = self.index_of(path);
        index.is_some_and(|index| self.entries[index].is_unread())
    }

    /// The answer of the model in use for an image.
    pub fn prediction_of(&self, path: &Path) -> Option<&Prediction> {
        self.entries[self.index_of(path)?].prediction()
    }

    fn is_arranged_by_state(&self) -> bool {
        self.sort.uses_answers() || self.filter.uses_answers()
    }

    fn is_match(&self, index: u32) -> bool {
        let entry = &self.entries[index as usize];
        let terms = self.terms.as_ref();
        let opinion = self.shown_opinion_of(index);
        self.filter.is_match(entry, opinion, &self.roots, terms)
    }

    /// Sets the names that a filter can use, by the model in use. Rows stay where they are.
    pub fn set_terms(&mut self, terms: FilterTerms) {
        if self.terms.as_ref() == Some(&terms) {
            return;
        }
        let text = self.filter.text().to_owned();
        self.filter = WorklistFilter::new(text, Some(&terms));
        self.terms = Some(terms);
        let is_by_score = matches!(self.sort, Sort::Score(_));
        self.stale |= is_by_score || self.filter.uses_answers();
    }

    /// Checks a filter that is being typed.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn check(&self, text: &str) -> Result<(), FilterError> {
        let filter = self.filter_of(text.to_owned());
        filter.error().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn filter_of(&self, text: String) -> WorklistFilter {
        let filter = WorklistFilter::new(text, self.terms.as_ref());
        if self.blinded {
            filter.blinded()
        } else {
            filter
        }
    }

    /// The completions of the last word of a filter.
    pub fn complete(&self, text: &str) -> Option<Completion> {
        complete(text, self.terms.as_ref())
    }

    /// Why the filter in use matches nothing, if the model in use does not know its names.
    pub fn filter_error(&self) -> Option<&FilterError> {
        self.filter.error()
    }

    /// The filter as it was understood, if it is more than plain words.
    pub fn understood_filter(&self) -> Option<String> {
        self.filter.understood()
    }

    /// Sorts in this order, unless blinded reading forbids it.
    pub fn set_sort(&mut self, sort: Sort) {
        if !self.may_sort_by(&sort) || self.is_order_fixed() {
            return;
        }
        self.sort = sort;
        self.arrange();
    }

    /// Reverses the order, unless it is fixed.
    pub fn reverse(&mut self) {
        if self.is_order_fixed() {
            return;
        }
        self.reversed = !self.reversed;
        self.arrange();
    }

    /// Sets the filter. An invalid text changes nothing: the reader may still be typing.
    pub fn set_filter(&mut self, text: String) {
        let filter = self.filter_of(text);
        if filter.error().is_none() {
            self.filter = filter;
            self.arrange();
        }
    }

    /// Filters and sorts all entries. The cursor stays on its image, or on its row if the image no longer
    /// matches. After a filter that nothing matched it comes back to the image from before.
    fn arrange(&mut self) {
        let selected = self.rows.get(self.cursor).copied();
        let selected = selected.or(self.before_no_match);
        let all = 0..self.entries.len() as u32;
        self.rows = all.filter(|i| self.is_match(*i)).collect();
        self.before_no_match = selected.filter(|_| self.rows.is_empty());
        self.sort_rows();
        self.stale = false;
        let row = selected.and_then(|i| self.rows.iter().position(|row| *row == i));
        self.go_to(row.unwrap_or(self.cursor));
    }
}

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;
