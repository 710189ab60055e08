//! What stays hidden: the answer in blinded reading, and what a study keeps from its readers.

use super::{Blinded, Model, StudySitting};

impl Model {
    /// Whether the answer for the selected image is hidden until the reader makes their own call.
    pub fn is_hidden(&self) -> bool {
        let selected = self.worklist.selected();
        selected.is_some_and(|entry| self.worklist.is_hidden(entry))
    }

    /// Whether identifying attributes of a header are shown. While blinded reading hides the answer, they stay hidden:
    /// reasons for the study and comments are among them.
    pub fn reveals_header(&self) -> bool {
        self.shows_identity() && !self.is_hidden()
    }

    /// Whether the patient's name and identifier may be on the screen, in any of its places.
    pub fn shows_identity(&self) -> bool {
        self.wants_identity && !self.hides_identity()
    }

    /// Whether the study keeps the patient's name and identifier hidden.
    pub fn hides_identity(&self) -> bool {
        self.study_sitting()
            .is_some_and(|sitting| sitting.hides_identity)
    }

    /// Whether the study keeps hidden what the DICOM header says.
    pub fn hides_header(&self) -> bool {
        self.study_sitting()
            .is_some_and(|sitting| sitting.hides_header)
    }

    /// Whether the screen may tell which films are of one patient, and when they were taken. A study keeps that hidden:
    /// whose film it is, and what came before it, is not a question of its readers.
    pub fn ties_films(&self) -> bool {
        self.study_sitting().is_none()
    }

    /// Shows the patient's name and identifier, or hides them again.
    ///
    /// # Errors
    /// The reason, if they stay hidden.
    pub fn turn_identity(&mut self) -> Result<(), &'static str> {
        if self.hides_identity() {
            return Err("hidden in this study: the patient");
        }
        self.wants_identity = !self.wants_identity;
        Ok(())
    }

    /// Begins blinded reading: the answer for each image stays hidden until the reader has made their own
    /// call. With a seed, the images come in a random order.
    pub fn read_blinded(&mut self, seed: Option<u64>) {
        self.worklist.read_blinded(seed);
        self.blinded = Some(Blinded {
            seed,
            ..Blinded::default()
        });
    }

    /// Begins a sitting of a study.
    pub fn read_for_study(&mut self, sitting: StudySitting) {
        self.worklist.read_for_study(sitting.mode);
        self.blinded = Some(Blinded {
            seed: Some(sitting.seed),
            sitting: Some(sitting),
            ..Blinded::default()
        });
    }

    /// The sitting of a study, while there is one.
    pub fn study_sitting(&self) -> Option<&StudySitting> {
        self.blinded.as_ref()?.sitting.as_ref()
    }
}
