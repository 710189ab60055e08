//! Why a model file was not read.

use std::path::Path;

use crate::domain::text::clean;

/// The fault of a file, as words that follow its name.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CheckpointFault {
    #[error("{0}")]
    Unreadable(String),
    #[error("larger than {} MiB", most >> 20)]
    TooLarge { most: u64 },
    #[error("not a model file that cxr knows (safetensors, PyTorch, Keras)")]
    UnknownFormat,
    #[error("damaged or cut short: {0}")]
    Damaged(String),
    #[error("not read: {0}")]
    Unsupported(String),
    /// A pickle that names or calls a function that no model needs.
    #[error("refused: in Python, this file would run {0}")]
    Runs(String),
}

/// A file and its fault, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct CheckpointError {
    path: String,
    fault: String,
}

impl CheckpointError {
    pub(super) fn new(path: &Path, fault: CheckpointFault) -> Self {
        CheckpointError {
            path: clean(&path.to_string_lossy()),
            fault: clean(&fault.to_string()),
        }
    }
}

pub(super) fn damaged<T>(words: impl Into<String>) -> Result<T, CheckpointFault> {
    Err(CheckpointFault::Damaged(words.into()))
}
