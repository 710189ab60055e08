//! What has been decoded, for the thread that reads what is asked for and the one that reads ahead
//! of it.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cache::Cache;
use crate::domain::Radiograph;

/// How often somebody who waits for a file looks whether it is still wanted.
const GLANCE: Duration = Duration::from_millis(20);

pub struct Shelf {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    cache: Cache,
    /// Files that could not be read, each once.
    failed: Vec<Arc<Path>>,
    /// The file that is being read ahead.
    in_hand: Option<Arc<Path>>,
}

impl Shelf {
    /// Keeps up to `limit` bytes of radiographs.
    pub fn new(limit: usize) -> Self {
        let state = State {
            cache: Cache::new(limit),
            failed: Vec::new(),
            in_hand: None,
        };
        Shelf {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Whether it is there, or about to be.
    pub fn expects(&self, path: &Path) -> bool {
        let state = self.lock();
        state.cache.contains(path) || state.in_hand.as_deref() == Some(path)
    }

    /// The radiograph if it is there. If it is being read ahead just now, that is waited for, as
    /// long as it is `wanted`.
    pub fn get(&self, path: &Path, wanted: impl Fn() -> bool) -> Option<Arc<Radiograph>> {
        let mut state = self.lock();
        while state.in_hand.as_deref() == Some(path) && wanted() {
            state = self
                .changed
                .wait_timeout(state, GLANCE)
                .map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
        }
        state.cache.get(path)
    }

    pub fn put(&self, path: Arc<Path>, radiograph: Arc<Radiograph>) {
        self.lock().cache.insert(path, radiograph);
    }

    pub fn has_failed(&self, path: &Path) -> bool {
        self.lock().failed.iter().any(|p| **p == *path)
    }

    pub fn note_failure(&self, path: &Arc<Path>) {
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
        match read() {
            Ok(radiograph) => self.put(path.clone(), Arc::new(radiograph)),
            Err(_) => self.note_failure(path),
        }
        drop(hand);
    }

    /// The state is whole between any two statements: a thread that died left nothing half-done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties the hand when reading ahead ends, in whatever way: somebody may be waiting.
struct Hand<'a>(&'a Shelf);

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

    fn path(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    fn radiograph() -> Radiograph {
        Radiograph::plain(1, 1, Samples::Grey8(vec![7]), "test")
    }

    #[test]
    fn a_file_in_hand_is_waited_for_and_another_is_not() {
        let shelf = Arc::new(Shelf::new(1 << 20));
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let reading = shelf.clone();
        let ahead = thread::spawn(move || {
            reading.read_ahead(&path("slow"), || {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok::<_, ()>(radiograph())
            });
        });
        has_begun.recv().unwrap();
        assert!(shelf.expects(Path::new("slow")));
        assert!(shelf.get(Path::new("other"), || true).is_none());
        assert!(
            shelf.get(Path::new("slow"), || false).is_none(),
            "who no longer wants it does not wait"
        );
        let waiting = shelf.clone();
        let asked = thread::spawn(move || waiting.get(Path::new("slow"), || true).is_some());
        go_on.send(()).unwrap();
        assert!(asked.join().unwrap());
        ahead.join().unwrap();
    }

    #[test]
    fn a_reader_that_panics_lets_go() {
        let shelf = Arc::new(Shelf::new(1 << 20));
        let reading = shelf.clone();
        let ahead = thread::spawn(move || {
            reading.read_ahead(&path("bad"), || -> Result<_, ()> { panic!("as planned") });
        });
        assert!(ahead.join().is_err());
        assert!(shelf.get(Path::new("bad"), || true).is_none());
    }

    #[test]
    fn what_failed_is_read_ahead_once() {
        let shelf = Shelf::new(1 << 20);
        let mut tries = 0;
        for _ in 0..3 {
            shelf.read_ahead(&path("bad"), || {
                tries += 1;
                Err::<Radiograph, _>(())
            });
        }
        assert_eq!(tries, 1);
        shelf.forget_failure(Path::new("bad"));
        shelf.read_ahead(&path("bad"), || Ok::<_, ()>(radiograph()));
        assert!(shelf.get(Path::new("bad"), || true).is_some());
    }
}
