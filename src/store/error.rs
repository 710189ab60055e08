//! Errors of the store.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::text::clean;

/// The reason why the store could not be opened, read or written. Each message names the file and, where
/// possible, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path}: not a store of cxr ({why}); it was left as it is: name another file with --store"
    )]
    Foreign { path: PathBuf, why: &'static str },
    #[error(
        "{path}: the store is damaged ({reason}); it was left as it is: keep a copy, \
         and name another file with --store or put a backup in its place"
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{path}: the store has schema version {found} and this cxr knows none beyond {known}: \
         use a newer cxr"
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("{path}: no such store")]
    Absent { path: PathBuf },
    #[error("{path}: the store cannot be written (read-only)")]
    ReadOnly { path: PathBuf },
    #[error("{path}: the disk is full")]
    Full { path: PathBuf },
    #[error("{path}: other processes kept the store locked")]
    Busy { path: PathBuf },
    /// A file that would be overwritten.
    #[error("{path}: already exists")]
    There { path: PathBuf },
    /// The open file no longer has that name.
    #[error("{path}: the store was moved or replaced")]
    Moved { path: PathBuf },
    #[error("{path}: {reason}")]
    Other { path: PathBuf, reason: String },
}

impl StoreError {
    pub(super) fn new(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        // SQLite quotes what it could not read.
        let reason = clean(&reason);
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::Foreign {
                path,
                why: "no SQLite file",
            },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, reason },
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path },
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
            _ => StoreError::Other { path, reason },
        }
    }

    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path },
            std::io::ErrorKind::StorageFull => StoreError::Full { path },
            std::io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
                let reason = if folder.is_none_or(Path::exists) {
                    "file not found"
                } else {
                    "folder not found"
                };
                StoreError::Other {
                    path,
                    reason: reason.to_owned(),
                }
            }
            kind => StoreError::Other {
                path,
                reason: kind.to_string(),
            },
        }
    }
}
