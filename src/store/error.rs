//! Errors of the store.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::text::clean;

/// The reason why the store could not be opened, read or written. Each message names the file and, where
/// possible, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No SQLite file, or not one that cxr made.
    #[error(
        "{path}: not a store of cxr ({why}); it was left as it is: name another file with --store"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the file is instead.
        why: &'static str,
    },
    /// A store that SQLite or cxr cannot trust.
    #[error(
        "{path}: the store is damaged ({reason}); it was left as it is: keep a copy, \
         and name another file with --store or put a backup in its place"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In a few words, cleaned.
        reason: String,
    },
    /// A store of a later version of cxr.
    #[error(
        "{path}: the store has schema version {found} and this cxr knows none beyond {known}: \
         use a newer cxr"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of the file's schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// There is no file, and none was to be created.
    #[error("{path}: no such store")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The file or its file system cannot be written.
    #[error("{path}: the store cannot be written (read-only)")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The disk has no space left.
    #[error("{path}: the disk is full")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Other processes held the lock longer than a write waits.
    #[error("{path}: other processes kept the store locked")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file that would be overwritten.
    #[error("{path}: already exists")]
    There {
        /// The file.
        path: PathBuf,
    },
    /// The open file no longer has that name.
    #[error("{path}: the store was moved or replaced")]
    Moved {
        /// The file.
        path: PathBuf,
    },
    /// A review of a sitting of a study whose reader has opened the next one meanwhile.
    #[error("the sitting {second} was opened meanwhile, and {reader} takes nothing after it")]
    SittingOver {
        /// The file.
        path: PathBuf,
        /// Name of the reader in the reviews.
        reader: String,
        /// The name in the sitting that was opened.
        second: String,
    },
    /// Any other error of SQLite or the system.
    #[error("{path}: {reason}")]
    Other {
        /// The file.
        path: PathBuf,
        /// In a few words, cleaned.
        reason: String,
    },
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
