//! The patients of the worklist's rows.

use super::{PatientKey, Sharing};
use crate::domain::{FilmSummary, Origin, Severity, days_between, is_before, shown_day};
use crate::tui::worklist::{Sort, Worklist};

/// The patient of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatientRow<'a> {
    /// From 1.
    pub number: u32,
    /// *Patient ID* (0010,0020): shown only on request.
    pub id: Option<&'a str>,
    /// Why the identifier is not enough to tell this patient from others.
    pub sharing: Option<Sharing>,
    /// The row before belongs to another patient.
    pub is_first: bool,
}

/// The change of a patient's opacities since the image before in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Severity of the image before.
    pub before: Severity,
    /// Difference of the geographic extents, −8 to 8.
    pub extent: f32,
    /// Days between the two; `None` if a file does not state its time.
    pub days: Option<i64>,
    /// The difference is greater than the model's mean error, if that is known.
    pub is_clear: bool,
}

/// Smaller differences are shown as none.
const LEAST_DIFFERENCE: f32 = 0.05;

impl Worklist {
    /// Takes in what a file states about its patient. View and age stay as they are known.
    pub fn set_origin_at(&mut self, index: u32, origin: Origin) {
        let Some(entry) = self.entries.get(index as usize) else {
            return;
        };
        let film = FilmSummary {
            origin,
            view: entry.view,
            age: entry.age.as_deref().map(str::to_owned),
        };
        self.set_film_at(index, film);
    }

    pub(in crate::tui::worklist) fn insert_origin(&mut self, index: u32, origin: Origin) {
        let is_new = (index as usize) < self.entries.len() && self.patients.insert(index, origin);
        self.stale |= is_new && self.sort == Sort::Patient;
    }

    /// The day on which the image of a row was taken, as `2024-03-02`, where its file or a table says it.
    pub fn day_taken(&self, row: usize) -> Option<String> {
        let image = self.patients.images.get(self.rows.get(row)?)?;
        shown_day(image.taken.as_deref()?)
    }

    /// Whether any file states its patient or study.
    pub fn has_patients(&self) -> bool {
        !self.patients.is_empty()
    }

    /// The patient of a row, if the list is sorted by patients.
    pub fn patient(&self, row: usize) -> Option<PatientRow<'_>> {
        let of = |row: usize| Some(self.patients.images.get(self.rows.get(row)?)?.patient);
        let at = of(row).filter(|_| self.sort == Sort::Patient)?;
        let patient = &self.patients.patients[at as usize];
        let id = match &self.patients.identifiers[patient.identifier as usize].key {
            PatientKey::Id(id) => Some(id.as_str()),
            PatientKey::Study(_) => None,
        };
        let is_first = row == 0 || of(row - 1) != Some(at);
        // A patient that was added since the list was sorted has no number yet.
        (patient.number > 0).then_some(PatientRow {
            number: patient.number,
            id,
            sharing: self.sharing(row),
            is_first,
        })
    }

    /// Why the identifier of a row's patient is not enough to tell whose image it is. `None` if it is enough,
    /// or if there is none.
    pub fn sharing(&self, row: usize) -> Option<Sharing> {
        let image = self.patients.images.get(self.rows.get(row)?)?;
        self.patients.identities[image.identity as usize].sharing
    }

    /// The change of severity since the patient's image before, even if the filter hides that. Only answers of
    /// one model are compared.
    pub fn progression(&self, row: usize) -> Option<Change> {
        let index = self.rows.get(row)?;
        let image = self.patients.images.get(index)?;
        let taken = image.taken.as_deref()?;
        let prediction = self.shown_of(*index)?;
        let now = prediction.severity?;
        let images = &self.patients.patients[image.patient as usize].images;
        let (before, severity) = images.iter().rev().find_map(|other| {
            let earlier = self.patients.images[other].taken.as_deref()?;
            if !self.is_comparable(*index, *other) {
                return None;
            }
            let answer = self.shown_of(*other)?;
            let is_same = (&answer.model_sha256, &answer.preprocess)
                == (&prediction.model_sha256, &prediction.preprocess);
            let severity = answer
                .severity
                .filter(|_| is_same && is_before(earlier, taken))?;
            Some((earlier, severity))
        })?;
        let extent = now.geographic_extent - severity.geographic_extent;
        let error = now
            .geographic_extent_error
            .unwrap_or(LEAST_DIFFERENCE)
            .max(LEAST_DIFFERENCE);
        Some(Change {
            before: severity,
            extent,
            days: days_between(before, taken),
            is_clear: extent.abs() > error,
        })
    }
}
