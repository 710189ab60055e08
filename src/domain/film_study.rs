//! The study that a film belongs to, as its file states it.

use super::patient::PatientIdentity;

/// Study and patient of a film; all unknown for files other than DICOM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilmStudy {
    /// *Study Instance UID* (0020,000D).
    pub uid: Option<String>,
    pub patient: PatientIdentity,
}
