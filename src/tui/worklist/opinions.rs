//! The reader's opinions of the images, and whether they are saved.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{Disk, Sort, Worklist, WorklistEntry};
use crate::domain::{ContentId, Opinion, OpinionChange, Prediction, ReadingMode, Verdict};

/// The reader's opinion of one image, and whether it is in the review log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpinionState {
    /// The opinion as the reader gave it last.
    pub opinion: Opinion,
    /// The opinion in the review log.
    saved: Opinion,
    /// The image that it is about.
    content: Option<ContentId>,
    /// Reviews that are being written.
    unsaved: u32,
    /// Whether a verdict is among them.
    is_judged_anew: bool,
    /// Whether the saved verdict is about the answer of another model than the one in use.
    is_of_other_model: bool,
}

impl OpinionState {
    pub fn is_saved(&self) -> bool {
        self.unsaved == 0
    }

    /// The image that it is about.
    pub fn content(&self) -> Option<ContentId> {
        self.content
    }

    /// Whether there is a verdict, but about the answer of another model than the one in use.
    pub fn is_of_other_model(&self) -> bool {
        self.is_of_other_model
    }

    /// The verdict on what the model in use said, or is about to say.
    pub(super) fn current_verdict(&self) -> Option<Verdict> {
        self.opinion.verdict.filter(|_| !self.is_of_other_model)
    }

    /// Whether the reader is done with the image: with a verdict, or in blinded reading with a call.
    fn is_done(&self, is_blinded: bool) -> bool {
        if is_blinded {
            self.opinion.blinded.is_some()
        } else {
            self.current_verdict().is_some()
        }
    }

    /// Takes in the opinion in the log after one review. Returns whether it differs from the opinion here.
    fn confirm(&mut self, opinion: &Opinion) -> bool {
        self.note_written();
        self.saved = opinion.clone();
        let is_news = self.unsaved == 0 && self.opinion != *opinion;
        if is_news {
            self.opinion = opinion.clone();
        }
        is_news
    }

    fn note_written(&mut self) {
        self.unsaved = self.unsaved.saturating_sub(1);
        self.is_judged_anew &= self.unsaved > 0;
    }

    fn revert(&mut self) {
        self.note_written();
        if self.unsaved == 0 {
            self.opinion = self.saved.clone();
        }
    }

    fn set_saved(&mut self, opinion: &Opinion) {
        if self.unsaved == 0 {
            self.opinion = opinion.clone();
            self.saved = opinion.clone();
        }
    }
}

impl WorklistEntry {
    pub fn verdict(&self) -> Option<Verdict> {
        self.opinion_state.as_ref()?.opinion.verdict
    }

    pub fn opinion(&self) -> Opinion {
        let state = self.opinion_state.as_ref();
        state.map(|state| state.opinion.clone()).unwrap_or_default()
    }

    /// What orders and filters know of the opinion: it, and whether its verdict is on another model's answer.
    fn told_opinion(&self) -> (Opinion, bool) {
        let state = self.opinion_state.as_ref();
        let is_of_other_model = state.is_some_and(|state| state.is_of_other_model);
        (self.opinion(), is_of_other_model)
    }

    /// Whether the reader's own call is saved.
    fn is_called(&self) -> bool {
        let state = self.opinion_state.as_ref();
        state.is_some_and(|state| state.saved.blinded.is_some())
    }
}

/// Whether an opinion matches one of the filter's words about reviews.
pub(super) fn matches_review_word(state: Option<&OpinionState>, word: &str) -> bool {
    let opinion = state.map(|state| &state.opinion);
    let verdict = state.and_then(OpinionState::current_verdict);
    match word {
        "reviewed" => verdict.is_some(),
        "unreviewed" => verdict.is_none(),
        "key" => opinion.is_some_and(|opinion| opinion.key_image),
        "marked" => opinion.is_some_and(|opinion| !opinion.marks.is_empty()),
        "noted" => opinion.is_some_and(|opinion| !opinion.note.is_empty()),
        word => verdict.is_some_and(|verdict| verdict.word() == word),
    }
}

impl Worklist {
    /// Begins a blinded reading: answers are hidden for images without a call. With a seed, the order is
    /// random.
    pub fn read_blinded(&mut self, seed: Option<u64>) {
        self.blinded = true;
        self.sort = seed.map_or(Sort::Name, Sort::Random);
    }

    /// Begins a sitting of a study, whose images are named in their order.
    pub fn read_for_study(&mut self, mode: ReadingMode) {
        self.read_blinded(None);
        self.reading_mode = mode;
        self.is_order_of_study = true;
    }

    pub fn is_blinded(&self) -> bool {
        self.blinded
    }

    /// Whether blinded reading hides the answer for an image.
    pub fn is_hidden(&self, entry: &WorklistEntry) -> bool {
        self.blinded
            && match self.reading_mode {
                ReadingMode::Sequential => !entry.is_called(),
                ReadingMode::Unaided => true,
                ReadingMode::Aided => false,
            }
    }

    /// The same by path. A file that is not in the list is not hidden.
    pub fn is_hidden_at(&self, path: &Path) -> bool {
        let index = self.index_of(path);
        index.is_some_and(|index| self.is_hidden(&self.entries[index]))
    }

    /// The answer for an image, unless it is hidden.
    pub(super) fn shown_of(&self, index: u32) -> Option<&Prediction> {
        let entry = &self.entries[index as usize];
        (!self.is_hidden(entry)).then(|| entry.prediction())?
    }

    /// Whether an order is allowed: it must not tell answers that are hidden.
    pub fn may_sort_by(&self, sort: &Sort) -> bool {
        !(self.blinded && sort.tells_answers())
    }

    /// Whether the reader is done with an image.
    fn is_done(&self, entry: &WorklistEntry) -> bool {
        let state = entry.opinion_state.as_deref();
        state.is_some_and(|state| state.is_done(self.blinded))
    }

    /// Sets the model in use, by its SHA-256: verdicts on the answers of other models are none on its own.
    pub fn use_model(&mut self, sha256: &str) {
        if self.model.as_deref() == Some(sha256) {
            return;
        }
        self.model = Some(sha256.into());
        self.reviewed = 0;
        for index in 0..self.entries.len() {
            let state = self.entries[index].opinion_state.as_deref();
            let is_of_other_model = state.is_some_and(|state| self.is_on_other_model(state));
            if let Some(state) = &mut self.entries[index].opinion_state {
                state.is_of_other_model = is_of_other_model;
            }
            self.reviewed += usize::from(self.is_done(&self.entries[index]));
        }
        self.stale |= self.is_arranged_by_reviews();
    }

    /// Takes in which models the verdicts in the log are about. The opinions come after it.
    pub fn set_judged_models(&mut self, models: Vec<(ContentId, Option<Arc<str>>)>) {
        for (content, model) in models {
            match model {
                Some(model) => self.judged_models.insert(content, model),
                None => self.judged_models.remove(&content),
            };
        }
    }

    /// The SHA-256 of the model that the verdict of an opinion is about, if that is another one than the one in use.
    pub fn other_judged_model(&self, state: &OpinionState) -> Option<&str> {
        let model = self.judged_models.get(&state.content?)?;
        state.is_of_other_model.then_some(&**model)
    }

    /// A verdict that is not saved yet was given a moment ago. Where a model is not known, nothing is said.
    fn is_on_other_model(&self, state: &OpinionState) -> bool {
        let judged = state
            .content
            .and_then(|image| self.judged_models.get(&image));
        let is_other = judged.zip(self.model.as_ref()).is_some_and(|(a, b)| a != b);
        is_other && !state.is_judged_anew && state.opinion.verdict.is_some()
    }

    fn is_arranged_by_reviews(&self) -> bool {
        self.sort == Sort::Review || self.filter.uses_reviews()
    }

    /// The number of images that the reader is done with.
    pub fn reviewed(&self) -> usize {
        self.reviewed
    }

    /// Changes the reader's opinion, which is being written to the review log: wherever this image lies.
    pub fn set_opinion(&mut self, path: &Path, content: ContentId, change: &OpinionChange) {
        self.change(path, content, |state| {
            state.opinion = change.on(&state.opinion);
            state.unsaved += 1;
            state.is_judged_anew |= change.judgement.is_some();
        });
    }

    /// The reader's opinion on this image, if it is the one at that path.
    pub fn opinion_on(&self, path: &Path, content: ContentId) -> Option<&Opinion> {
        let state = self.entries[self.index_of(path)?].opinion_state.as_deref();
        let state = state.filter(|state| state.content == Some(content));
        state.map(|state| &state.opinion)
    }

    /// One review of this image is saved. `opinion` is the reader's opinion in the review log. Returns whether
    /// it differs from the opinion here, as after a review in another session.
    pub fn confirm(&mut self, path: &Path, content: ContentId, opinion: Opinion) -> bool {
        let mut is_news = false;
        let own = self.index_of(path);
        for index in self.places_of(path, content) {
            self.change_at(index, content, |state| {
                is_news |= state.confirm(&opinion) && Some(index) == own;
            });
        }
        is_news
    }

    /// One review of this image was not recorded: the opinion is as before.
    pub fn revert(&mut self, path: &Path, content: ContentId) {
        self.change(path, content, OpinionState::revert);
    }

    /// Takes in opinions of the review log, except for images with an unsaved opinion.
    pub fn set_saved_opinions(&mut self, opinions: Vec<(Arc<Path>, ContentId, Opinion)>) {
        let mut opinions: HashMap<Arc<Path>, (ContentId, Opinion)> = opinions
            .into_iter()
            .map(|(path, content, opinion)| (path, (content, opinion)))
            .collect();
        // A single image is nearly always the selected one. Several are found in one pass.
        if opinions.len() == 1 {
            for (path, (content, opinion)) in opinions.drain() {
                self.change(&path, content, |state| state.set_saved(&opinion));
            }
        }
        for index in 0..self.entries.len() {
            if opinions.is_empty() {
                return;
            }
            if let Some((content, opinion)) = opinions.remove(&self.entries[index].path) {
                self.change_at(index, content, |state| state.set_saved(&opinion));
            }
        }
    }

    /// Drops an opinion of another image than this one.
    pub(super) fn drop_other_opinion(&mut self, index: usize, content: ContentId) {
        let state = self.entries[index].opinion_state.as_ref();
        if state.is_some_and(|state| state.content != Some(content)) {
            self.change_at(index, content, |_| {});
        }
    }

    /// Forgets a saved opinion: the file may hold another image now, which is known once it is read.
    pub(super) fn forget_saved_opinion(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        if entry
            .opinion_state
            .as_ref()
            .is_none_or(|state| !state.is_saved())
        {
            return;
        }
        let before = entry.opinion_state.take();
        let was_done = before.is_some_and(|state| state.is_done(self.blinded));
        self.reviewed -= usize::from(was_done);
        self.stale |= self.is_arranged_by_reviews();
    }

    /// Gives an image whose content is known now the opinion that another file with this content has: also one that is
    /// being written, which the log does not have yet.
    pub(super) fn share_opinion(&mut self, index: usize, content: ContentId) {
        if !self.needs_lookup(index as u32, content) {
            return;
        }
        let equal = self.by_content.get(&content).into_iter().flatten();
        let mut equal = equal.map(|other| *other as usize);
        let known = equal.find(|other| *other != index && !self.entries[*other].is_outdated);
        let Some(known) = known else {
            return;
        };
        if self.answers_seen.get(&(known as u32)) == Some(&content) {
            self.answers_seen.insert(index as u32, content);
        }
        let state = self.entries[known].opinion_state.clone();
        if let Some(state) = state.filter(|state| state.content == Some(content)) {
            self.change_at(index, content, |own| own.clone_from(&state));
        }
    }

    /// The row of the next image that the reader is not done with, and that can be judged. After the last row it continues
    /// at the top.
    pub fn next_unreviewed(&self) -> Option<usize> {
        let mut rows = (self.cursor + 1..self.rows.len()).chain(0..=self.cursor);
        rows.find(|row| {
            let entry = self.row(*row).filter(|entry| self.can_be_judged(entry));
            entry.is_some_and(|entry| !self.is_done(entry))
        })
    }

    /// How many images the reader is not done with and cannot be, by the filter.
    pub fn not_to_be_judged(&self) -> usize {
        let entries = (0..self.rows.len()).filter_map(|row| self.row(row));
        let left = entries.filter(|entry| !self.is_done(entry));
        left.filter(|entry| !self.can_be_judged(entry)).count()
    }

    /// A verdict is about an answer. A call is about the film alone, which may be shown though the model failed.
    fn can_be_judged(&self, entry: &WorklistEntry) -> bool {
        let is_shown = entry.content.is_some() && entry.disk != Disk::Gone;
        !entry.is_unreadable() || (self.blinded && is_shown)
    }

    /// The row of an image, if it matches the filter.
    pub fn row_of(&self, path: &Path) -> Option<usize> {
        (0..self.rows.len()).find(|row| self.row(*row).is_some_and(|entry| *entry.path == *path))
    }

    fn change(&mut self, path: &Path, content: ContentId, change: impl Fn(&mut OpinionState)) {
        for index in self.places_of(path, content) {
            self.change_at(index, content, &change);
        }
    }

    /// The entry at that path, and those of the other files that are known to hold this image.
    pub(super) fn places_of(&self, path: &Path, content: ContentId) -> Vec<usize> {
        let own = self.index_of(path);
        let equal = self.by_content.get(&content).into_iter().flatten();
        let equal = equal.map(|index| *index as usize);
        let others = equal.filter(|index| Some(*index) != own && !self.entries[*index].is_outdated);
        own.into_iter().chain(others).collect()
    }

    /// Changes the opinion of an image, unless the file is known to hold another image now. Where it may hold another
    /// one, an opinion stays only as long as it is being written to the log.
    fn change_at(
        &mut self,
        index: usize,
        content: ContentId,
        change: impl FnOnce(&mut OpinionState),
    ) {
        let was_done = self.is_done(&self.entries[index]);
        let entry = &mut self.entries[index];
        if entry.content.is_some_and(|there| there != content) {
            return;
        }
        let before = entry.told_opinion();
        let state = entry.opinion_state.get_or_insert_default();
        if state.content != Some(content) {
            **state = OpinionState {
                content: Some(content),
                ..OpinionState::default()
            };
        }
        change(state);
        if entry.is_outdated && state.is_saved() {
            entry.opinion_state = None;
        }
        let state = self.entries[index].opinion_state.as_deref();
        let is_of_other_model = state.is_some_and(|state| self.is_on_other_model(state));
        if let Some(state) = &mut self.entries[index].opinion_state {
            state.is_of_other_model = is_of_other_model;
        }
        let entry = &self.entries[index];
        self.reviewed -= usize::from(was_done);
        self.reviewed += usize::from(self.is_done(entry));
        let is_changed = before != entry.told_opinion();
        self.stale |= is_changed && self.is_arranged_by_reviews();
    }
}
