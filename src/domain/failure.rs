//! The reason why a file has no answer.

use std::fmt;

/// The reason why a file has no answer, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The file is not meant to hold an image. The text names its kind: a structured report, for example.
    NoPicture(String),
    /// The file could not be read, or its image could not be classified.
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
