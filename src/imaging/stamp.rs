//! Whether a file has been left alone since it was read.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that was changed this recently may change again without another time: a kernel's clock for
/// files moves on in steps of up to 10 ms.
const SETTLED: Duration = Duration::from_millis(50);

/// Differs once a file has been replaced or written to: device, inode, size, and when its content and
/// its state were changed last. It tells what has to be read anew, and never which image it is: that
/// is the content's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp(u64);

impl FileStamp {
    /// To be taken before the file is opened. `None` for what is no file, cannot be asked, or was
    /// changed a moment ago: then nothing tells whether it is still the same.
    pub fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let changed = time(file.ctime(), file.ctime_nsec())?;
        let age = SystemTime::now().duration_since(changed).ok()?;
        let mut hasher = DefaultHasher::new();
        (file.dev(), file.ino(), file.len()).hash(&mut hasher);
        (file.mtime(), file.mtime_nsec()).hash(&mut hasher);
        (file.ctime(), file.ctime_nsec()).hash(&mut hasher);
        (age >= SETTLED).then(|| FileStamp(hasher.finish()))
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

    /// A file's own clock has moved on from its last change.
    fn settled(path: &Path) -> FileStamp {
        loop {
            if let Some(stamp) = FileStamp::of(path) {
                return stamp;
            }
            std::thread::sleep(SETTLED / 4);
        }
    }

    #[test]
    fn a_file_that_is_written_or_replaced_has_another_stamp_even_with_its_old_time_and_size() {
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
    fn what_changed_a_moment_ago_and_what_is_no_file_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        assert_eq!(FileStamp::of(folder.path()), None);
        assert_eq!(FileStamp::of(&folder.path().join("gone")), None);
        assert_eq!(time(-1, 0), None);
    }
}
