//! The review store as commands open it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Usage, complain, folders};
use crate::library::real;
use crate::store::{Audit, StoreError};

/// Faults that are named one by one; the rest are counted.
const NAMED: usize = 20;

/// Which blinded readings are compared.
#[derive(Debug, Clone)]
pub struct ReadingSelection {
    pub store: PathBuf,
    /// Readings of images below these folders; of all images where there is none.
    pub folders: Vec<PathBuf>,
    /// Readings of this reader; of all readers where there is none.
    pub reviewer: Option<String>,
    /// Readings of the study whose file has this SHA-256; all where there is none.
    pub study: Option<String>,
    /// SHA-256 of the cases of that study.
    pub cases: HashSet<String>,
}

/// The store that `--store` or the configuration names, or else the one of this user.
///
/// # Errors
/// [`Usage`], if there is no home to look in.
pub fn store_path(named: Option<&Path>) -> Result<PathBuf> {
    named
        .map(Path::to_owned)
        .or_else(folders::reviews)
        .ok_or_else(|| {
            Usage::error("neither XDG_STATE_HOME nor HOME is set: name a store with --store")
        })
}

/// An error of opening a store: bad usage, if another file should have been named.
pub fn not_opened(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Foreign { .. } | StoreError::Absent { .. } | StoreError::Newer { .. } => {
            Usage::error(error.to_string())
        }
        other => other.into(),
    }
}

/// Whether a log is whole; names its faults on standard error.
pub fn is_whole(path: &Path, audit: &Audit) -> bool {
    for fault in audit.faults.iter().take(NAMED) {
        complain(&format!("{}: {fault}", path.display()));
    }
    let more = audit.faults.len().saturating_sub(NAMED);
    if more > 0 {
        complain(&format!("{}: and {more} more", path.display()));
    }
    audit.faults.is_empty()
}

/// A path as the store has it: absolute, with links followed. One that is gone is made absolute only.
pub fn stored_path(path: &Path) -> PathBuf {
    real(path)
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}
