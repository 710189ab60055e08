//! Decoded radiographs, least recently used out first, bounded in bytes.

use std::path::Path;
use std::sync::Arc;

use crate::domain::Radiograph;
use crate::imaging::FileStamp;

pub struct BoundedCache {
    /// Most recently used last. A few dozen at most: a scan is faster than a map.
    kept: Vec<DecodedFile>,
    limit: usize,
}

/// A radiograph, and the file that it was read from.
#[derive(Clone)]
pub struct DecodedFile {
    pub path: Arc<Path>,
    /// Of the file just before it was read.
    pub stamp: Option<FileStamp>,
    pub radiograph: Arc<Radiograph>,
}

impl DecodedFile {
    /// Whether it is what a file with this stamp holds.
    pub fn is_fresh(&self, now: Option<FileStamp>) -> bool {
        now.is_some() && self.stamp == now
    }
}

impl BoundedCache {
    pub fn new(limit: usize) -> Self {
        BoundedCache {
            kept: Vec::new(),
            limit,
        }
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.kept.iter().any(|decoded| *decoded.path == *path)
    }

    pub fn get(&mut self, path: &Path) -> Option<DecodedFile> {
        let mut kept = self.kept.iter();
        let at = kept.position(|decoded| *decoded.path == *path)?;
        let decoded = self.kept.remove(at);
        self.kept.push(decoded.clone());
        Some(decoded)
    }

    /// Keeps one, and drops the oldest until all fit. One that alone exceeds the limit is kept
    /// while it is the newest, since somebody is looking at it.
    pub fn insert(&mut self, decoded: DecodedFile) {
        self.kept.retain(|other| other.path != decoded.path);
        self.kept.push(decoded);
        let all = self.kept.iter();
        let mut bytes: usize = all.map(|decoded| decoded.radiograph.bytes()).sum();
        while bytes > self.limit && self.kept.len() > 1 {
            bytes -= self.kept.remove(0).radiograph.bytes();
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
