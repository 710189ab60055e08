//! A reader's opinion of one image.

use super::blinded::BlindedReading;
use super::mark::Mark;

/// A reader's verdict on the model's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is right.
    Agree,
    /// The answer is wrong, as a whole or for one label.
    Disagree,
    /// The reader cannot tell.
    Unsure,
}

impl Verdict {
    /// The word on the screen, in tables and in the worklist's filter. The store has words of its own.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Agree => "agree",
            Verdict::Disagree => "disagree",
            Verdict::Unsure => "unsure",
        }
    }
}

/// Everything that one reader has recorded for one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opinion {
    /// `None` where the reader gave none, or took it back.
    pub verdict: Option<Verdict>,
    /// The label that the reader disagrees with, for [`Verdict::Disagree`].
    pub label: Option<String>,
    /// Flagged for other readers.
    pub key_image: bool,
    /// One line; empty if there is none.
    pub note: String,
    /// The calls before and after the model's answer was shown, if the image was read blinded.
    pub blinded: Option<BlindedReading>,
    /// In the order in which they were made. No two are equal.
    pub marks: Vec<Mark>,
}
