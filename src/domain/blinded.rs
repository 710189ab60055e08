//! Readings of a reader study: a reader's call without the model's answer, with it, or both. A sequential study has both
//! at once (Obuchowski and Bullen 2022, doi:10.1177/09622802221111559); one of sittings apart has one in each sitting.

use std::collections::BTreeMap;
use std::time::Duration;

/// The labels that a reader sees, among those that they were asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// In the order of the question; empty if the reader sees none of them.
    pub present: Vec<String>,
    /// How long the image was on the screen before the call: without the answer, or with it. In whole milliseconds.
    pub took: Duration,
    /// How sure the reader is that a label is present: 0 certainly not, 100 certainly. Labels without a rating are left
    /// out.
    pub ratings: BTreeMap<String, u8>,
}

/// The highest rating.
pub const HIGHEST_RATING: u8 = 100;

impl Call {
    /// The labels, or `none`.
    pub fn words(&self) -> String {
        if self.present.is_empty() {
            "none".to_owned()
        } else {
            self.present.join(" + ")
        }
    }

    /// Whether both say the same, however long they took.
    pub fn says_the_same(&self, other: &Call) -> bool {
        self.present == other.present && self.ratings == other.ratings
    }
}

/// Where the model's answer is while an image is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReadingMode {
    /// It is hidden until the reader has made a call, and shown then.
    #[default]
    Sequential,
    /// It stays hidden.
    Unaided,
    /// It is shown from the start.
    Aided,
}

impl ReadingMode {
    /// The word on the screen and in tables. The store has words of its own.
    pub fn word(self) -> &'static str {
        match self {
            ReadingMode::Sequential => "sequential",
            ReadingMode::Unaided => "unaided",
            ReadingMode::Aided => "aided",
        }
    }
}

/// One image as it was read. The first call is made once and stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlindedReading {
    /// Where the answer was.
    pub mode: ReadingMode,
    /// The labels that the reader was asked about.
    pub asked: Vec<String>,
    /// The call before the answer was shown; `None` in the mode [`ReadingMode::Aided`].
    pub unaided: Option<Call>,
    /// The call beside the answer. In the sequential mode `None` while the reader has not changed the call since the
    /// answer was shown.
    pub aided: Option<Call>,
    /// SHA-256 of the weights of the model whose answer was hidden or shown.
    pub model_sha256: String,
    /// The seed of the reading order, where that was random.
    pub seed: Option<u64>,
    /// The position of the image in the reading order, from 1.
    pub position: usize,
    /// SHA-256 of the file of the study that the reading belongs to, if it belongs to one.
    pub study: Option<String>,
}

impl BlindedReading {
    /// The reader's last call.
    pub fn last(&self) -> Option<&Call> {
        self.aided.as_ref().or(self.unaided.as_ref())
    }

    /// The call beside the answer. A sequential reader who changed nothing kept the unaided one.
    pub fn beside_answer(&self) -> Option<&Call> {
        match self.mode {
            ReadingMode::Sequential => self.last(),
            ReadingMode::Unaided | ReadingMode::Aided => self.aided.as_ref(),
        }
    }
}
