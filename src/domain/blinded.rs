//! What a reader calls on a radiograph without the model's answer and then with it: the *unaided* and
//! the *aided* reading of a sequential reader study (Obuchowski and Bullen 2022,
//! doi:10.1177/09622802221111559).

use std::time::Duration;

/// Which of the labels that a reader was asked about they see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// In the order in which they were asked about; empty for none of them.
    pub present: Vec<String>,
    /// How long the image was on the screen until then: without the answer, or with it.
    pub took: Duration,
}

impl Call {
    /// The labels, or `none`.
    pub fn words(&self) -> String {
        match self.present.is_empty() {
            true => "none".to_owned(),
            false => self.present.join(" + "),
        }
    }
}

/// One image read blinded. The unaided call is made once and stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlindedReading {
    /// The labels that the reader was asked about.
    pub asked: Vec<String>,
    pub unaided: Call,
    /// `None` while the reader has said nothing else since the answer was shown.
    pub aided: Option<Call>,
    /// SHA-256 of the weights of the model whose answer was hidden.
    pub model_sha256: String,
    /// Of the order in which the images were read, where that was random.
    pub seed: Option<u64>,
    /// Place of the image in that order, from 1.
    pub position: usize,
}

impl BlindedReading {
    /// What the reader holds in the end.
    pub fn last(&self) -> &Call {
        self.aided.as_ref().unwrap_or(&self.unaided)
    }
}
