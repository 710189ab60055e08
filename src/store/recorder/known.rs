//! The reviews that are known to a session, without reading any file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::place::{absolute_path_in, real_folder};
use super::Pending;
use crate::domain::{ContentId, Opinion, OpinionChange};

/// The reader's opinion of each image, and the image at each path.
pub struct RecordedReviews {
    opinions: HashMap<ContentId, Opinion>,
    /// The models that the verdicts are about; `None` where the log does not tell of one that was known.
    models: HashMap<ContentId, Option<Arc<str>>>,
    /// Each model's name once, for the images of a whole archive.
    names: HashSet<Arc<str>>,
    /// By the absolute path.
    places: HashMap<PathBuf, ContentId>,
    /// The images of the files that were opened.
    opened: HashMap<Arc<Path>, ContentId>,
    /// Folders with links followed.
    folders: HashMap<PathBuf, PathBuf>,
}

impl RecordedReviews {
    pub fn of(pending: &Pending, reviewer: &str) -> Self {
        let mut known = RecordedReviews {
            opinions: HashMap::new(),
            models: HashMap::new(),
            names: HashSet::new(),
            places: HashMap::new(),
            opened: HashMap::new(),
            folders: HashMap::new(),
        };
        // Opinions that cannot be read now are unknown: the reader may give them again.
        let standings = pending.store().map(|store| store.standings(reviewer));
        for standing in standings.and_then(Result::ok).unwrap_or_default() {
            let Ok(content) = standing.image.parse() else {
                continue;
            };
            known.hold(content, &standing.opinion);
            let places = standing.places.into_iter();
            let places = places.map(|place| (place, content));
            known.places.extend(places);
        }
        let models = pending.store().map(|store| store.judged_models(reviewer));
        for (image, model) in models.and_then(Result::ok).unwrap_or_default() {
            if let Ok(content) = image.parse() {
                known.hold_model(content, Some(&model));
            }
        }
        known
    }

    /// Notes the image of an opened file.
    pub fn note_opened(&mut self, path: Arc<Path>, content: ContentId) {
        self.opened.insert(path, content);
    }

    /// Notes an opinion from the log.
    pub fn hold(&mut self, content: ContentId, opinion: &Opinion) {
        self.opinions.insert(content, opinion.clone());
    }

    /// Notes the model that the verdict on an image is about.
    pub fn hold_model(&mut self, content: ContentId, model: Option<&str>) {
        let model = model.map(|model| match self.names.get(model) {
            Some(name) => name.clone(),
            None => {
                let name: Arc<str> = model.into();
                self.names.insert(name.clone());
                name
            }
        });
        if model.is_some() || self.models.contains_key(&content) {
            self.models.insert(content, model);
        }
    }

    /// The model that the verdict on an image is about. The outer `None` where none was ever known.
    pub fn model(&self, content: ContentId) -> Option<Option<&Arc<str>>> {
        self.models.get(&content).map(Option::as_ref)
    }

    /// Applies a change that is not in the log yet. `path` is absolute.
    pub fn change(&mut self, content: ContentId, path: &Path, change: &OpinionChange) {
        let opinion = self.opinions.entry(content).or_default();
        *opinion = change.on(opinion);
        self.places.insert(path.to_owned(), content);
    }

    /// The image that was last at this path, and the opinion of it.
    pub fn by_place(&mut self, path: &Path) -> Option<(ContentId, Opinion)> {
        if self.places.is_empty() {
            return None;
        }
        let place = self.place(path);
        let content = *self.places.get(&place)?;
        Some((content, self.opinions.get(&content)?.clone()))
    }

    /// The image at this path, if the file was opened, or the path is in the log.
    pub fn image_at(&mut self, path: &Path) -> Option<ContentId> {
        if let Some(content) = self.opened.get(path) {
            return Some(*content);
        }
        let place = self.place(path);
        self.places.get(&place).copied()
    }

    /// The opinion of the image itself. An empty one if the path had another image before, whose opinion must
    /// not stay on the screen. `None` if neither is known.
    pub fn by_content(&mut self, path: &Path, content: ContentId) -> Option<Opinion> {
        match self.opinions.get(&content) {
            Some(opinion) => Some(opinion.clone()),
            None => self.by_place(path).map(|_| Opinion::default()),
        }
    }

    /// The absolute path, with links to its folder followed. Each folder is looked up once.
    pub fn place(&mut self, path: &Path) -> PathBuf {
        let folders = &mut self.folders;
        absolute_path_in(path, |folder| {
            let real = folders.entry(folder.to_owned());
            real.or_insert_with(|| real_folder(folder)).clone()
        })
    }
}
