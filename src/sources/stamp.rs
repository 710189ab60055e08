//! A stamp of a file's metadata, which shows whether the file changed since it was read.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Sources;

/// A file that was changed this recently might change again with the same time stamp, because the
/// kernel's clock for files moves in steps of up to 10 ms.
const SETTLED: Duration = Duration::from_millis(50);

/// Differs after a file was replaced or written to. It covers device, inode, size, and the times of the
/// last change of content and of metadata. It shows which files must be read again. It never identifies
/// an image; the content id does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp(u64);

impl FileStamp {
    /// Take it before opening the film. `None` if there is no such film, its metadata cannot be read, or it was
    /// changed a moment ago, when a stamp could miss the next change. A member of an archive has the stamp of the
    /// archive.
    pub fn of(path: &Path) -> Option<Self> {
        Sources::of_process().stamp(path)
    }

    /// The stamp that a remote source gives.
    pub(super) fn of_number(number: u64) -> Self {
        FileStamp(number)
    }

    /// The stamp of a file on the disk; inside, `None` if it could miss the next change.
    ///
    /// # Errors
    /// If its metadata cannot be read.
    pub(super) fn of_file(path: &Path) -> io::Result<Option<Self>> {
        let file = fs::metadata(path)?;
        if !file.is_file() {
            return Ok(None);
        }
        let changed = time(file.ctime(), file.ctime_nsec());
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        let is_settled = age.is_some_and(|age| age >= SETTLED);
        Ok(is_settled.then(|| FileStamp::of_metadata(&file)))
    }

    /// The stamp of this metadata, however young it is.
    pub(super) fn of_metadata(file: &fs::Metadata) -> Self {
        let mut hasher = DefaultHasher::new();
        (file.dev(), file.ino(), file.len()).hash(&mut hasher);
        (file.mtime(), file.mtime_nsec()).hash(&mut hasher);
        (file.ctime(), file.ctime_nsec()).hash(&mut hasher);
        FileStamp(hasher.finish())
    }
}

fn time(seconds: i64, nanoseconds: i64) -> Option<SystemTime> {
    let seconds = Duration::from_secs(seconds.try_into().ok()?);
    let rest = Duration::from_nanos(nanoseconds.try_into().ok()?);
    UNIX_EPOCH.checked_add(seconds)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the file's last change is old enough for a stamp.
    fn settled(path: &Path) -> FileStamp {
        loop {
            if let Some(stamp) = FileStamp::of(path) {
                return stamp;
            }
            std::thread::sleep(SETTLED / 4);
        }
    }

    #[test]
    fn a_written_or_replaced_file_has_another_stamp_even_with_its_old_time_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let first = settled(&path);
        assert_eq!(settled(&path), first);
        fs::write(&path, "two").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(written).unwrap();
        let second = settled(&path);
        assert_ne!(second, first);
        fs::write(folder.path().join("b"), "two").unwrap();
        fs::rename(folder.path().join("b"), &path).unwrap();
        assert_ne!(settled(&path), second);
    }

    #[test]
    fn fresh_changes_folders_and_missing_files_have_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        assert_eq!(FileStamp::of(folder.path()), None);
        assert_eq!(FileStamp::of(&folder.path().join("gone")), None);
        assert_eq!(time(-1, 0), None);
    }
}
