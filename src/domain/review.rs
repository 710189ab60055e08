//! An entry of the review log: a reader's act, and the screen at that moment.

use std::path::PathBuf;
use std::time::SystemTime;

use super::change::OpinionChange;
use super::prediction::Prediction;
use super::radiograph::Uids;
use super::view::ShownPart;

/// A step by which a reader changes an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Gave a verdict.
    Judged,
    /// Made a call, before or after the model's answer was shown.
    Called,
    /// Flagged a key image, or took the flag away.
    Flagged,
    /// Wrote, changed or removed the note.
    Noted,
    /// Made, changed or removed a mark.
    Marked,
    /// Took back an act of this session.
    Undone,
    /// Did again what was undone.
    Redone,
}

impl Act {
    /// The word on the screen. The store has words of its own.
    pub fn word(self) -> &'static str {
        match self {
            Act::Judged => "verdict",
            Act::Called => "call",
            Act::Flagged => "key image",
            Act::Noted => "note",
            Act::Marked => "mark",
            Act::Undone => "undo",
            Act::Redone => "redo",
        }
    }
}

/// The screen at the moment of an act.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// At the prevalences that were assumed then. `None` if there was no answer on the screen.
    pub prediction: Option<Prediction>,
    /// Window centre and width in units after the modality transform; `None` if no picture of the
    /// image was on the screen.
    pub window: Option<(f64, f64)>,
    /// Whether the reader had swapped black and white.
    pub inverted: bool,
    /// 1 for the whole image, more for a part of it, 0 if no picture was on the screen. See
    /// [`View`](super::View).
    pub zoom: f64,
    /// The part of the image that was on the screen; `None` for the whole of it.
    pub part: Option<ShownPart>,
    /// The subject of the heat map over the image: a label, or a difference between two.
    pub heat_map: Option<String>,
}

/// One line of the review log.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// The name that the reader works under (`--reviewer`).
    pub reviewer: String,
    /// The clock of the reader's machine.
    pub at: SystemTime,
    /// What the reader did.
    pub act: Act,
    /// The parts of the opinion that the act changed.
    pub change: OpinionChange,
    /// What was on the screen just then.
    pub seen: Seen,
}

/// An image: the digest of its content, its last known path, and its DICOM identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIdentity {
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// Absolute; another file may lie there by now.
    pub path: PathBuf,
    /// All `None` for files other than DICOM.
    pub uids: Uids,
    /// *Patient ID* (0010,0020). Tables show it only on request.
    pub patient_id: Option<String>,
}
