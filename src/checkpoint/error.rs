//! Why a model file was not read.

use std::path::Path;

use crate::domain::text::clean;

/// What is wrong with a file, in words that fit behind its name.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CheckpointFault {
    #[error("{0}")]
    Unreadable(String),
    #[error("larger than {} MiB", most >> 20)]
    TooLarge { most: u64 },
    #[error("not a model file that cxr knows (safetensors, PyTorch, Keras)")]
    UnknownForm,
    #[error("damaged or cut short: {0}")]
    Damaged(String),
    #[error("not read: {0}")]
    Unsupported(String),
    /// A pickle that calls what no model needs.
    #[error("refused: in Python, this file would run {0}")]
    Runs(String),
}

/// A file and what is wrong with it. One line.
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
