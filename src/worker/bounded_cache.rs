//! Decoded radiographs up to a limit in bytes; the least recently used is dropped first.

use std::path::Path;
use std::sync::Arc;

use crate::domain::Radiograph;
use crate::imaging::FileStamp;

pub struct BoundedCache {
    /// Most recently used last. There are a few dozen at most, so a scan is faster than a map.
    files: Vec<DecodedFile>,
    limit: usize,
}

/// A radiograph, and the file that it was read from.
#[derive(Clone)]
pub struct DecodedFile {
    pub path: Arc<Path>,
    /// The file's stamp just before it was read.
    pub stamp: Option<FileStamp>,
    pub radiograph: Arc<Radiograph>,
}

impl DecodedFile {
    /// Whether the file, which has this stamp now, is unchanged since it was read.
    pub fn is_fresh(&self, now: Option<FileStamp>) -> bool {
        now.is_some() && self.stamp == now
    }
}

impl BoundedCache {
    pub fn new(limit: usize) -> Self {
        BoundedCache {
            files: Vec::new(),
            limit,
        }
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.files.iter().any(|decoded| *decoded.path == *path)
    }

    pub fn get(&mut self, path: &Path) -> Option<DecodedFile> {
        let mut files = self.files.iter();
        let at = files.position(|decoded| *decoded.path == *path)?;
        let decoded = self.files.remove(at);
        self.files.push(decoded.clone());
        Some(decoded)
    }

    /// Adds a file, and drops the least recently used until all fit. The newest stays even if it alone
    /// exceeds the limit, since the reader is looking at it.
    pub fn insert(&mut self, decoded: DecodedFile) {
        self.files.retain(|other| other.path != decoded.path);
        self.files.push(decoded);
        let all = self.files.iter();
        let mut bytes: usize = all.map(|decoded| decoded.radiograph.bytes()).sum();
        while bytes > self.limit && self.files.len() > 1 {
            bytes -= self.files.remove(0).radiograph.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;

    fn decoded(name: &str, bytes: usize) -> DecodedFile {
        let samples = Samples::Grey8(vec![0; bytes]);
        DecodedFile {
            path: Path::new(name).into(),
            stamp: None,
            radiograph: Arc::new(Radiograph::plain(bytes, 1, samples, "test")),
        }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_newest_always_stays() {
        let mut cache = BoundedCache::new(25_000);
        cache.insert(decoded("a", 10_000));
        cache.insert(decoded("b", 10_000));
        assert!(cache.get(Path::new("a")).is_some());
        cache.insert(decoded("c", 10_000));
        assert!(cache.contains(Path::new("a")) && !cache.contains(Path::new("b")));
        cache.insert(decoded("huge", 100_000));
        assert!(cache.contains(Path::new("huge")) && !cache.contains(Path::new("c")));
    }
}
