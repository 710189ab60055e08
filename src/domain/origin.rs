//! The patient, the study and the time of an image: enough to sort the images of one patient.

use super::patient::PatientIdentity;
use super::radiograph::Radiograph;

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
