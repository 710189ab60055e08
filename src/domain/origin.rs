//! The patient, the study and the time of an image: enough to sort the images of one patient.

use super::patient::PatientIdentity;
use super::radiograph::{Radiograph, ViewPosition};

/// Patient, study and time, as the file gives them. All are unknown for files other than DICOM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Name and birth date are fingerprints only.
    pub patient: PatientIdentity,
    /// *Study Instance UID* (0020,000D).
    pub study: Option<String>,
    /// See [`Radiograph::taken`].
    pub taken: Option<String>,
}

impl Origin {
    /// What the file of a radiograph says.
    pub fn of(radiograph: &Radiograph) -> Self {
        Origin {
            patient: radiograph.patient.identity(),
            study: radiograph.uids.study.clone(),
            taken: radiograph.taken.clone(),
        }
    }
}

/// What is known of an image without its pixels: enough to find the films of a patient, and to list them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilmSummary {
    /// Patient, study and time.
    pub origin: Origin,
    /// Projection of the beam.
    pub view: ViewPosition,
    /// See [`PatientFacts::age`](super::radiograph::PatientFacts::age).
    pub age: Option<String>,
}

impl FilmSummary {
    /// What the file of a radiograph says.
    pub fn of(radiograph: &Radiograph) -> Self {
        FilmSummary {
            origin: Origin::of(radiograph),
            view: radiograph.view,
            age: radiograph.patient.age.clone(),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == FilmSummary::default()
    }

    /// The same, with what another source says where this one says nothing. A placeholder in place of a *Patient
    /// ID* says nothing.
    pub fn or(mut self, other: &FilmSummary) -> Self {
        let patient = &self.origin.patient;
        if patient.id.is_none() || patient.has_placeholder() {
            self.origin.patient = other.origin.patient.clone();
        }
        let taken = self.origin.taken.take();
        self.origin.taken = taken.or_else(|| other.origin.taken.clone());
        if self.view == ViewPosition::Unknown {
            self.view = other.view;
        }
        self.age = self.age.or_else(|| other.age.clone());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::patient::PatientIdentity;
    use super::*;

    fn of(id: &str, taken: &str, view: ViewPosition) -> FilmSummary {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        FilmSummary {
            origin: Origin {
                patient: PatientIdentity {
                    id: known(id),
                    ..PatientIdentity::default()
                },
                study: None,
                taken: known(taken),
            },
            view,
            age: None,
        }
    }

    #[test]
    fn a_table_adds_what_the_file_does_not_say() {
        let table = of("t-1", "2020-03-01", ViewPosition::Ap);
        let silent = of("", "", ViewPosition::Unknown);
        assert_eq!(silent.clone().or(&table), table);
        assert!(silent.is_empty() && !table.is_empty());
        let named = of("4711", "2021-01-01", ViewPosition::Pa);
        assert_eq!(named.clone().or(&table), named);
        let anonymous = of("ANON", "2021-01-01", ViewPosition::Unknown).or(&table);
        assert_eq!(anonymous, of("t-1", "2021-01-01", ViewPosition::Ap));
    }
}
