//! The film of the newest selection, for the image thread and for those who want it as it is on the screen.

use std::sync::{Arc, Mutex, PoisonError};

use super::Generation;
use crate::domain::Radiograph;

/// It is this film that is shown, zoomed and scored until another is selected, even if its file changes.
#[derive(Default)]
pub struct SelectedFilm(Mutex<Option<(Generation, Arc<Radiograph>)>>);

impl SelectedFilm {
    /// Puts the film of a newer selection in its place.
    pub fn replace(&self, generation: Generation, film: Arc<Radiograph>) {
        let mut selected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *selected = Some((generation, film));
    }

    /// The film of this selection; `None` if it is not open, or another one is selected.
    pub fn of(&self, generation: Generation) -> Option<Arc<Radiograph>> {
        let selected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_selection = selected.as_ref().filter(|(of, _)| *of == generation);
        of_selection.map(|(_, film)| film.clone())
    }
}
