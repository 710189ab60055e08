//! Why there is no answer for a file.

use std::fmt;

/// Why there is no answer for a file, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It holds no image, and is not meant to. What it is, in a few words: a structured report, for
    /// example.
    NoPicture(String),
    /// It could not be read, or not be classified.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoPicture(kind) => write!(f, "not an image: {kind}"),
            Failure::Failed(reason) => f.write_str(reason),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Failure::Failed(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Failure::Failed(reason.to_owned())
    }
}
