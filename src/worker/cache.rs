//! Decoded radiographs, least recently used out first, bounded in bytes.

use std::path::Path;
use std::sync::Arc;

use crate::domain::Radiograph;

pub struct Cache {
    /// Most recently used last. A few dozen at most: a scan is faster than a map.
    kept: Vec<(Arc<Path>, Arc<Radiograph>)>,
    limit: usize,
}

impl Cache {
    pub fn new(limit: usize) -> Self {
        Cache {
            kept: Vec::new(),
            limit,
        }
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.kept.iter().any(|(p, _)| **p == *path)
    }

    pub fn get(&mut self, path: &Path) -> Option<Arc<Radiograph>> {
        let at = self.kept.iter().position(|(p, _)| **p == *path)?;
        let entry = self.kept.remove(at);
        let radiograph = entry.1.clone();
        self.kept.push(entry);
        Some(radiograph)
    }

    /// Keeps one, and drops the oldest until all fit. One that alone exceeds the limit is kept
    /// while it is the newest, since somebody is looking at it.
    pub fn insert(&mut self, path: Arc<Path>, radiograph: Arc<Radiograph>) {
        self.kept.retain(|(p, _)| *p != path);
        self.kept.push((path, radiograph));
        let mut bytes: usize = self.kept.iter().map(|(_, r)| r.bytes()).sum();
        while bytes > self.limit && self.kept.len() > 1 {
            bytes -= self.kept.remove(0).1.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Samples;

    fn radiograph(bytes: usize) -> Arc<Radiograph> {
        Arc::new(Radiograph::plain(
            bytes,
            1,
            Samples::Grey8(vec![0; bytes]),
            "test",
        ))
    }

    fn key(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_newest_always_stays() {
        let mut cache = Cache::new(25_000);
        cache.insert(key("a"), radiograph(10_000));
        cache.insert(key("b"), radiograph(10_000));
        assert!(cache.get(Path::new("a")).is_some());
        cache.insert(key("c"), radiograph(10_000));
        assert!(cache.contains(Path::new("a")) && !cache.contains(Path::new("b")));
        cache.insert(key("huge"), radiograph(100_000));
        assert!(cache.contains(Path::new("huge")) && !cache.contains(Path::new("c")));
    }
}
