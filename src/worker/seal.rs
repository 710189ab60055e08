//! Which content a file has, and that it is still the one that was decoded.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Files larger than this are not hashed: what is said of them is not kept.
const MAX_BYTES: u64 = 1 << 30;

/// Changes when a file does: device, inode, size, and when it was written, in seconds and
/// nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

/// A file's content at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    stamp: Stamp,
}

impl Seal {
    /// `None` for what is no file, is too large, cannot be read, or changes meanwhile.
    pub fn of(path: &Path) -> Option<Self> {
        let before = stamp(path)?;
        let sha256 = digest(path).ok()?;
        let seal = Seal {
            sha256,
            stamp: before,
        };
        seal.is_unbroken(path).then_some(seal)
    }

    /// Whether the file has been left alone since.
    pub fn is_unbroken(&self, path: &Path) -> bool {
        stamp(path) == Some(self.stamp)
    }
}

/// What the files that were decoded looked like just before.
#[derive(Default)]
pub struct Seals {
    /// `None` for a file that was decoded in several states: nothing tells which one is at hand.
    decoded: Mutex<HashMap<Arc<Path>, Option<Stamp>>>,
}

impl Seals {
    /// To be called before the file is opened for decoding.
    pub fn note(&self, path: &Arc<Path>) {
        let found = stamp(path);
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let known = decoded.entry(path.clone()).or_insert(found);
        if *known != found {
            *known = None;
        }
    }

    /// The content of a file that was decoded, if it has been left alone since.
    pub fn seal(&self, path: &Path) -> Option<Seal> {
        let decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = decoded.get(path).copied().flatten()?;
        drop(decoded);
        Seal::of(path).filter(|seal| seal.stamp == stamp)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok().filter(|file| file.is_file())?;
    Some((
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
    ))
    .filter(|stamp| stamp.2 <= MAX_BYTES)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    // A file may grow while it is read.
    io::copy(&mut File::open(path)?.take(MAX_BYTES), &mut hasher)?;
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_since_it_was_decoded_has_no_seal() {
        let folder = tempfile::tempdir().unwrap();
        let path: Arc<Path> = folder.path().join("a").into();
        fs::write(&path, "one").unwrap();
        let seals = Seals::default();
        assert_eq!(seals.seal(&path), None, "it was never decoded");
        seals.note(&path);
        let seal = seals.seal(&path).unwrap();
        // SHA-256 of "one".
        assert!(seal.sha256.starts_with("7692c3ad3540bb80"), "{seal:?}");
        fs::write(&path, "other").unwrap();
        assert!(!seal.is_unbroken(&path));
        assert_eq!(seals.seal(&path), None);
        seals.note(&path);
        assert_eq!(seals.seal(&path), None, "which of the two is at hand?");
    }

    #[test]
    fn what_is_no_file_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Seal::of(folder.path()), None);
        assert_eq!(Seal::of(&folder.path().join("gone")), None);
    }
}
