//! Results as DICOM objects: made here as bytes, and written by the commands.
//!
//! ```text
//! SourceHeader ── Evidence, PatientPolicy ──► ObjectMaker ─┬─ measurement_report   Comprehensive 3D SR, TID 1500
//!                                                          ├─ secondary_capture    the film under its heat map
//!                                                          ├─ presentation_state   GSPS: window, inversion, zoom, marks
//!                                                          └─ key_objects          KOS: films that readers flagged
//! ```
//!
//! What leaves is de-identified unless a [`PatientPolicy`] copies the patient: then patient and study modules are those
//! of the films, and the objects belong beside them in the archive.

mod bitmap_text;
mod codes;
mod content_item;
mod data_set;
mod evidence;
mod film_groups;
mod finding_groups;
mod graphic_annotation;
mod key_objects;
mod measurement_group;
mod measurement_report;
mod object_maker;
mod patient_policy;
mod presentation_state;
mod presented_values;
mod pseudonym;
mod secondary_capture;
mod uid;

pub use evidence::Evidence;
pub use film_groups::{FilmOutcome, FilmResult, ReaderWord};
pub use object_maker::{ModelDevice, Moment, ObjectMaker, SeriesPlace};
pub use patient_policy::PatientPolicy;
pub use presentation_state::PresentedFilm;
pub use presented_values::{PresentedVoi, stated_transform};
pub use pseudonym::{FilmOwner, LEAST_KEY_BYTES, PseudonymKey};
pub use secondary_capture::{Capture, has_burned_in_text};
pub use uid::{NewUids, UidRoot};

/// Why an object cannot be made. The message is one line, without a name of a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DicomError {
    /// A film cannot be referred to.
    #[error("its header has no valid {0}, so no object can refer to it")]
    NoReference(&'static str),
    /// A root that no UID can start with (PS3.5 9.1).
    #[error(
        "numbers with dots between them, without leading zeros, and at most {longest} characters, as in 1.2.276.0.7230010"
    )]
    BadRoot {
        /// The most characters of a root.
        longest: usize,
    },
    /// A key that could be guessed.
    #[error("a key needs at least {least} bytes; head -c {least} /dev/urandom makes one")]
    ShortKey {
        /// The fewest bytes of a key.
        least: usize,
    },
    /// The system gives no random numbers for new UIDs.
    #[error("no random numbers for new UIDs: {0}")]
    NoRandom(String),
    /// The object cannot be written as bytes.
    #[error("cannot be encoded: {0}")]
    Encoding(String),
    /// A picture whose size no element can hold, or without pixels.
    #[error("a picture of {0} × {1} pixels cannot be a secondary capture")]
    BadPicture(usize, usize),
}

/// An object as the bytes of a DICOM file, and the UID that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeObject {
    /// *SOP Instance UID* (0008,0018).
    pub uid: String,
    /// *Study Instance UID* (0020,000D) in the object.
    pub study: String,
    /// The whole file (PS3.10).
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests;
