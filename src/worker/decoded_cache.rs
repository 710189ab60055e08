//! The decoded cache: radiographs that the image thread and the prefetch thread have decoded.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounded_cache::{BoundedCache, DecodedFile};
use crate::domain::Radiograph;
use crate::imaging::FileStamp;

/// How often a thread that waits for a file checks whether the file is still wanted.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub struct DecodedCache {
    state: Mutex<DecodedCacheState>,
    changed: Condvar,
}

struct DecodedCacheState {
    cache: BoundedCache,
    /// Files that could not be decoded, each once.
    failed: Vec<Arc<Path>>,
    /// The file that the prefetch thread is decoding.
    in_progress: Option<Arc<Path>>,
}

impl DecodedCache {
    /// Keeps up to `limit` bytes of radiographs.
    pub fn new(limit: usize) -> Self {
        let state = DecodedCacheState {
            cache: BoundedCache::new(limit),
            failed: Vec::new(),
            in_progress: None,
        };
        DecodedCache {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Whether the file is in the cache, or being decoded for it.
    pub fn expects(&self, path: &Path) -> bool {
        let state = self.lock();
        state.cache.contains(path) || state.in_progress.as_deref() == Some(path)
    }

    /// The radiograph, if it is in the cache and its file has not changed since. If the prefetch thread is
    /// decoding it, waits for that as long as `is_wanted`.
    pub fn get(&self, path: &Path, is_wanted: impl Fn() -> bool) -> Option<DecodedFile> {
        let mut state = self.lock();
        while state.in_progress.as_deref() == Some(path) && is_wanted() {
            state = self
                .changed
                .wait_timeout(state, POLL_INTERVAL)
                .map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
        let decoded = state.cache.get(path)?;
        drop(state);
        let now = FileStamp::of(path);
        decoded.is_fresh(now).then_some(decoded)
    }

    /// Decodes a file into the cache.
    ///
    /// # Errors
    /// The error of `decode`.
    pub fn decode<E>(
        &self,
        path: &Arc<Path>,
        decode: impl FnOnce() -> Result<Radiograph, E>,
    ) -> Result<DecodedFile, E> {
        let stamp = FileStamp::of(path);
        let radiograph = Arc::new(decode().inspect_err(|_| self.note_failure(path))?);
        let decoded = DecodedFile {
            path: path.clone(),
            stamp,
            radiograph,
        };
        self.lock().cache.insert(decoded.clone());
        Ok(decoded)
    }

    fn note_failure(&self, path: &Arc<Path>) {
        let mut state = self.lock();
        if !state.failed.contains(path) {
            state.failed.push(path.clone());
        }
    }

    /// The reader selects the file: it may have become readable.
    pub fn forget_failure(&self, path: &Path) {
        self.lock().failed.retain(|p| **p != *path);
    }

    /// Decodes a file ahead, unless it is in the cache or could not be decoded before: an unreadable
    /// neighbour is not tried again with every selection.
    pub fn prefetch<E>(&self, path: &Arc<Path>, decode: impl FnOnce() -> Result<Radiograph, E>) {
        {
            let mut state = self.lock();
            if state.cache.contains(path) || state.failed.contains(path) {
                return;
            }
            state.in_progress = Some(path.clone());
        }
        let guard = InProgressGuard(self);
        // The image thread reports an error when the reader selects the file.
        let _ = self.decode(path, decode);
        drop(guard);
    }

    /// A poisoned lock is taken over: the state is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, DecodedCacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the prefetch of a file, even after a panic: the image thread may be waiting for it.
struct InProgressGuard<'a>(&'a DecodedCache);

impl Drop for InProgressGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().in_progress = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::domain::Samples;

    /// A file that was written long enough ago to have a stamp.
    fn file(folder: &tempfile::TempDir, name: &str) -> Arc<Path> {
        let path: Arc<Path> = folder.path().join(name).into();
        std::fs::write(&path, name).unwrap();
        while FileStamp::of(&path).is_none() {
            thread::sleep(POLL_INTERVAL);
        }
        path
    }

    fn radiograph() -> Radiograph {
        Radiograph::plain(1, 1, Samples::Grey8(vec![7]), "test")
    }

    #[test]
    fn a_file_being_prefetched_is_waited_for_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let slow = file(&folder, "slow");
        let cache = Arc::new(DecodedCache::new(1 << 20));
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (prefetching, path) = (cache.clone(), slow.clone());
        let ahead = thread::spawn(move || {
            prefetching.prefetch(&path, || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok::<_, ()>(radiograph())
            });
        });
        has_begun.recv().unwrap();
        assert!(cache.expects(&slow));
        assert!(cache.get(Path::new("other"), || true).is_none());
        assert!(
            cache.get(&slow, || false).is_none(),
            "a file that is no longer wanted is not waited for"
        );
        let waiting = cache.clone();
        let asked = thread::spawn(move || waiting.get(&slow, || true).is_some());
        go_on.send(()).unwrap();
        assert!(asked.join().unwrap());
        ahead.join().unwrap();
    }

    #[test]
    fn a_panic_ends_the_prefetch() {
        let cache = Arc::new(DecodedCache::new(1 << 20));
        let prefetching = cache.clone();
        let ahead = thread::spawn(move || {
            let bad = Path::new("bad").into();
            prefetching.prefetch(&bad, || -> Result<_, ()> { panic!("as planned") });
        });
        assert!(ahead.join().is_err());
        assert!(cache.get(Path::new("bad"), || true).is_none());
    }

    #[test]
    fn a_file_that_failed_is_prefetched_once() {
        let folder = tempfile::tempdir().unwrap();
        let bad = file(&folder, "bad");
        let cache = DecodedCache::new(1 << 20);
        let mut tries = 0;
        for _ in 0..3 {
            cache.prefetch(&bad, || {
                tries += 1;
                Err::<Radiograph, _>(())
            });
        }
        assert_eq!(tries, 1);
        cache.forget_failure(&bad);
        cache.prefetch(&bad, || Ok::<_, ()>(radiograph()));
        assert!(cache.get(&bad, || true).is_some());
    }

    #[test]
    fn a_file_that_was_replaced_is_decoded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "a");
        let cache = DecodedCache::new(1 << 20);
        cache.prefetch(&path, || Ok::<_, ()>(radiograph()));
        assert!(cache.get(&path, || true).is_some());
        std::fs::write(&path, "b").unwrap();
        assert!(cache.get(&path, || true).is_none());
        // A file that was written a moment ago has no stamp: it may be written again in the same instant.
        let decoded = cache.decode(&path, || Ok::<_, ()>(radiograph())).unwrap();
        assert!(decoded.stamp.is_none() || cache.get(&path, || true).is_some());
    }
}
