//! What a reader says of a radiograph, and what they saw when they said it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::blinded::BlindedReading;
use super::change::OpinionChange;
use super::prediction::Prediction;
use super::radiograph::Uids;

/// What a reader says of the model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Agree,
    Disagree,
    Unsure,
}

impl Verdict {
    /// The word in tables and in the worklist's filter.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Agree => "agree",
            Verdict::Disagree => "disagree",
            Verdict::Unsure => "unsure",
        }
    }

    /// The verdict of which `word` is the word.
    pub fn named(word: &str) -> Option<Self> {
        [Verdict::Agree, Verdict::Disagree, Verdict::Unsure]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// Everything that one reader holds of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opinion {
    pub verdict: Option<Verdict>,
    /// The label that a [`Verdict::Disagree`] is about.
    pub label: Option<String>,
    /// Flagged, for others to look at.
    pub key_image: bool,
    /// One line; empty if there is none.
    pub note: String,
    /// What they called before and after they saw the model's answer, if they read blinded.
    pub blinded: Option<BlindedReading>,
}

/// What the reader did to come to an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Judged,
    /// Before the model's answer was seen, or after.
    Called,
    Flagged,
    Noted,
    Undone,
    Redone,
}

impl Act {
    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Act::Judged => "verdict",
            Act::Called => "call",
            Act::Flagged => "key image",
            Act::Noted => "note",
            Act::Undone => "undo",
            Act::Redone => "redo",
        }
    }
}

/// What was on the screen at that moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// At the prevalences that were assumed then. `None` if the model had not answered.
    pub prediction: Option<Prediction>,
    /// Window centre and width in units after the modality transform; `None` if no picture of the
    /// image was on the screen.
    pub window: Option<(f64, f64)>,
    pub inverted: bool,
    /// 1 shows the whole image, 0 if none of it was on the screen. See [`View`](super::View).
    pub zoom: f64,
    /// The label or the difference that a heat map was laid over the image for.
    pub heat_map: Option<String>,
}

/// One line of the review log.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    pub reviewer: String,
    pub at: SystemTime,
    pub act: Act,
    /// What of the opinion that act changed.
    pub change: OpinionChange,
    pub seen: Seen,
}

/// Which image it is: its content, and where it was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIdentity {
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    pub path: PathBuf,
    pub uids: Uids,
    /// *Patient ID* (0010,0020). In no table unless asked for.
    pub patient_id: Option<String>,
}
