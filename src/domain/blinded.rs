//! Blinded reading: a reader's call without the model's answer and then with it. These are the *unaided*
//! and the *aided* reading of a sequential reader study (Obuchowski and Bullen 2022,
//! doi:10.1177/09622802221111559).

use std::time::Duration;

/// The labels that a reader sees, among those that they were asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// In the order of the question; empty if the reader sees none of them.
    pub present: Vec<String>,
    /// How long the image was on the screen before the call: without the answer, or with it.
    pub took: Duration,
}

impl Call {
    /// The labels, or `none`.
    pub fn words(&self) -> String {
        if self.present.is_empty() {
            "none".to_owned()
        } else {
            self.present.join(" + ")
        }
    }
}

/// One image read blinded. The unaided call is made once and stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlindedReading {
    /// The labels that the reader was asked about.
    pub asked: Vec<String>,
    /// The call before the answer was shown.
    pub unaided: Call,
    /// `None` while the reader has not changed the call since the answer was shown.
    pub aided: Option<Call>,
    /// SHA-256 of the weights of the model whose answer was hidden.
    pub model_sha256: String,
    /// The seed of the reading order, where that was random.
    pub seed: Option<u64>,
    /// The position of the image in the reading order, from 1.
    pub position: usize,
}

impl BlindedReading {
    /// The reader's final call.
    pub fn last(&self) -> &Call {
        self.aided.as_ref().unwrap_or(&self.unaided)
    }
}
