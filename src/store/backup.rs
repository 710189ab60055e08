//! A complete copy of the store in one file, while other processes write to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::file::{self, with_suffix};
use super::rescue::sync_folder;
use super::{Store, StoreError};

/// Pages that are copied in one step. Between two steps other processes may write.
const PAGES: i32 = 1_000;
/// Between two steps.
const PAUSE: Duration = Duration::from_millis(5);

impl Store {
    /// Copies the whole store, as it is at one moment, to `to`. Only its owner can read the copy, and it is
    /// on the disk when this returns. It needs no file beside it.
    ///
    /// # Errors
    /// If the store cannot be read, or the copy cannot be written. [`StoreError::There`] if `to` exists and
    /// may not be replaced, or is the store itself. There is no partial copy at `to` then.
    pub fn back_up(&self, to: &Path, replace: bool) -> Result<(), StoreError> {
        let there = to.symlink_metadata().ok();
        // Devices and pipes are never replaced.
        let may_replace = there.is_none_or(|there| replace && there.is_file());
        if file::is_part_of(&self.path, to) || !may_replace {
            return Err(StoreError::There {
                path: to.to_owned(),
            });
        }
        refuse_beside_a_log(to)?;
        let part = with_suffix(to, &format!(".{}.part", std::process::id()));
        let copied = self
            .copy_to(&part, to)
            .and_then(|()| put(&part, to, replace));
        copied.inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
    }

    fn copy_to(&self, part: &Path, to: &Path) -> Result<(), StoreError> {
        let io = |error: io::Error| StoreError::io(to, &error);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(part).map(drop).map_err(io)?;
        let fault = |error: rusqlite::Error| StoreError::new(to, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(part, flags).map_err(fault)?;
        Backup::new(&self.connection, &mut copy)
            .and_then(|backup| backup.run_to_completion(PAGES, PAUSE, None))
            .map_err(fault)?;
        // A write-ahead log would be a second file.
        copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
            .map_err(fault)?;
        copy.close().map_err(|(_, error)| fault(error))?;
        File::open(part)
            .and_then(|file| file.sync_all())
            .map_err(io)
    }
}

/// SQLite would use a log of that name for the copy, and the log may hold reviews of an earlier store.
fn refuse_beside_a_log(to: &Path) -> Result<(), StoreError> {
    match file::log_of(to) {
        Some(log) => Err(StoreError::There { path: log }),
        None => Ok(()),
    }
}

/// Gives the copy its name. A file that has taken that name meanwhile is not replaced.
fn put(part: &Path, to: &Path, replace: bool) -> Result<(), StoreError> {
    let io = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::There {
            path: to.to_owned(),
        },
        _ => StoreError::io(to, &error),
    };
    refuse_beside_a_log(to)?;
    if replace {
        fs::rename(part, to).map_err(io)?;
    } else {
        match fs::hard_link(part, to) {
            Ok(()) => fs::remove_file(part).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(io(error)),
            // Not every file system has links.
            Err(_) => fs::rename(part, to).map_err(io)?,
        }
    }
    sync_folder(to).map_err(io)
}
