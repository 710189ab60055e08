//! What has been decoded, for the thread that reads what is asked for and the one that reads ahead
//! of it.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bounded_cache::{BoundedCache, DecodedFile};
use crate::domain::Radiograph;
use crate::imaging::FileStamp;

/// How often somebody who waits for a file looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(20);

pub struct DecodedCache {
    state: Mutex<DecodedCacheState>,
    changed: Condvar,
}

struct DecodedCacheState {
    cache: BoundedCache,
    /// Files that could not be read, each once.
    failed: Vec<Arc<Path>>,
    /// The file that is being read ahead.
    in_hand: Option<Arc<Path>>,
}

impl DecodedCache {
    /// Keeps up to `limit` bytes of radiographs.
    pub fn new(limit: usize) -> Self {
        let state = DecodedCacheState {
            cache: BoundedCache::new(limit),
            failed: Vec::new(),
            in_hand: None,
        };
        DecodedCache {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Whether it is there, or about to be.
    pub fn expects(&self, path: &Path) -> bool {
        let state = self.lock();
        state.cache.contains(path) || state.in_hand.as_deref() == Some(path)
    }

    /// The radiograph, if it is there and its file has been left alone since. If it is being read
    /// ahead just now, that is waited for, as long as it is `wanted`.
    pub fn get(&self, path: &Path, wanted: impl Fn() -> bool) -> Option<DecodedFile> {
        let mut state = self.lock();
        while state.in_hand.as_deref() == Some(path) && wanted() {
            state = self
                .changed
                .wait_timeout(state, GLANCE)
                .map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
        let decoded = state.cache.get(path)?;
        drop(state);
        let now = FileStamp::of(path);
        decoded.is_fresh(now).then_some(decoded)
    }

    /// Reads a file, and keeps what is in it.
    ///
    /// # Errors
    /// As `read` does.
    pub fn read<E>(
        &self,
        path: &Arc<Path>,
        read: impl FnOnce() -> Result<Radiograph, E>,
    ) -> Result<DecodedFile, E> {
        let stamp = FileStamp::of(path);
        let radiograph = Arc::new(read().inspect_err(|_| self.note_failure(path))?);
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

    /// Somebody asks for it: it may have become readable.
    pub fn forget_failure(&self, path: &Path) {
        self.lock().failed.retain(|p| **p != *path);
    }

    /// Reads a file that nobody waits for yet, unless it is there or is known to be unreadable: a
    /// bad neighbour says so when it is selected, and is not tried at every step before.
    pub fn read_ahead<E>(&self, path: &Arc<Path>, read: impl FnOnce() -> Result<Radiograph, E>) {
        {
            let mut state = self.lock();
            if state.cache.contains(path) || state.failed.contains(path) {
                return;
            }
            state.in_hand = Some(path.clone());
        }
        let hand = Hand(self);
        // A fault says itself when the file is selected.
        let _ = self.read(path, read);
        drop(hand);
    }

    /// The state is whole between any two statements: a thread that died left nothing half-done.
    fn lock(&self) -> MutexGuard<'_, DecodedCacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties the hand when reading ahead ends, in whatever way: somebody may be waiting.
struct Hand<'a>(&'a DecodedCache);

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.0.lock().in_hand = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::domain::Samples;

    /// A file that was written long enough ago for its stamp to tell.
    fn file(folder: &tempfile::TempDir, name: &str) -> Arc<Path> {
        let path: Arc<Path> = folder.path().join(name).into();
        std::fs::write(&path, name).unwrap();
        while FileStamp::of(&path).is_none() {
            thread::sleep(GLANCE);
        }
        path
    }

    fn radiograph() -> Radiograph {
        Radiograph::plain(1, 1, Samples::Grey8(vec![7]), "test")
    }

    #[test]
    fn a_file_in_hand_is_waited_for_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let slow = file(&folder, "slow");
        let shelf = Arc::new(DecodedCache::new(1 << 20));
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (reading, path) = (shelf.clone(), slow.clone());
        let ahead = thread::spawn(move || {
            reading.read_ahead(&path, || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok::<_, ()>(radiograph())
            });
        });
        has_begun.recv().unwrap();
        assert!(shelf.expects(&slow));
        assert!(shelf.get(Path::new("other"), || true).is_none());
        assert!(
            shelf.get(&slow, || false).is_none(),
            "who no longer wants it does not wait"
        );
        let waiting = shelf.clone();
        let asked = thread::spawn(move || waiting.get(&slow, || true).is_some());
        go_on.send(()).unwrap();
        assert!(asked.join().unwrap());
        ahead.join().unwrap();
    }

    #[test]
    fn a_reader_that_panics_lets_go() {
        let shelf = Arc::new(DecodedCache::new(1 << 20));
        let reading = shelf.clone();
        let ahead = thread::spawn(move || {
            let bad = Path::new("bad").into();
            reading.read_ahead(&bad, || -> Result<_, ()> { panic!("as planned") });
        });
        assert!(ahead.join().is_err());
        assert!(shelf.get(Path::new("bad"), || true).is_none());
    }

    #[test]
    fn what_failed_is_read_ahead_once() {
        let folder = tempfile::tempdir().unwrap();
        let bad = file(&folder, "bad");
        let shelf = DecodedCache::new(1 << 20);
        let mut tries = 0;
        for _ in 0..3 {
            shelf.read_ahead(&bad, || {
                tries += 1;
                Err::<Radiograph, _>(())
            });
        }
        assert_eq!(tries, 1);
        shelf.forget_failure(&bad);
        shelf.read_ahead(&bad, || Ok::<_, ()>(radiograph()));
        assert!(shelf.get(&bad, || true).is_some());
    }

    #[test]
    fn a_file_that_was_replaced_after_it_was_read_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "a");
        let shelf = DecodedCache::new(1 << 20);
        shelf.read_ahead(&path, || Ok::<_, ()>(radiograph()));
        assert!(shelf.get(&path, || true).is_some());
        std::fs::write(&path, "b").unwrap();
        assert!(shelf.get(&path, || true).is_none());
        // What was written a moment ago may be written again: it is not relied upon.
        let read = shelf.read(&path, || Ok::<_, ()>(radiograph())).unwrap();
        assert!(read.stamp.is_none() || shelf.get(&path, || true).is_some());
    }
}
