//! How many threads read a batch, and how many of them open a file at the same time.
//!
//! On a CPU the two numbers are the same: the thread that opens an image also scores it. A graphics
//! processor scores several images together, so more threads wait for it, each with an opened image.
//! Opening takes memory and processor time, so the files that are open at the same time are limited.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Opener, decoder, decoders, opened};
use crate::commands::shared::available_cores;
use crate::imaging::DecodeLimits;
use crate::inference::Compute;

/// The threads of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// Files that are open at the same time.
    pub readers: usize,
    pub threads: usize,
}

impl Crew {
    /// Opens `jobs` files at the same time, or else one for each core.
    pub fn new(jobs: Option<NonZeroUsize>, compute: Compute) -> Self {
        let readers = jobs.map_or_else(available_cores, usize::from);
        Crew {
            readers,
            threads: compute.callers(readers),
        }
    }

    /// Returns a function that each thread calls once, for the function that opens its files.
    pub fn decoders(self, limits: &DecodeLimits) -> impl Fn() -> Opener + Sync {
        let each = decoders(limits);
        let shared = (self.threads > self.readers).then(|| {
            let first = decoder(limits);
            let decoders = (0..self.readers).map(|_| Arc::new(first.beside()));
            Arc::new(Turns::new(decoders.collect()))
        });
        move || match shared.clone() {
            None => each(),
            Some(shared) => Box::new(move |path: &Path| opened(&shared.take().0, path)),
        }
    }
}

/// A pool of values, for more threads than there are values.
struct Turns<T> {
    free: Mutex<Vec<Arc<T>>>,
    returned: Condvar,
}

impl<T> Turns<T> {
    fn new(free: Vec<Arc<T>>) -> Self {
        Turns {
            free: Mutex::new(free),
            returned: Condvar::new(),
        }
    }

    /// Waits until a value is free, and takes it.
    fn take(&self) -> TakenSeat<'_, T> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(thing) = free.pop() {
                return TakenSeat(thing, self);
            }
            let waited = self.returned.wait(free);
            free = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives its value back when it is dropped, after a panic too.
struct TakenSeat<'a, T>(Arc<T>, &'a Turns<T>);

impl<T> Drop for TakenSeat<'_, T> {
    fn drop(&mut self) {
        let TakenSeat(thing, turns) = self;
        let free = turns.free.lock();
        free.unwrap_or_else(PoisonError::into_inner)
            .push(thing.clone());
        turns.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_values_are_in_use_than_there_are_even_after_a_panic() {
        let turns = Turns::new(vec![Arc::new(()), Arc::new(())]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _taken = turns.take();
            panic!("in its turn");
        }));
        assert!(panicked.is_err());
        let (in_use, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let _taken = turns.take();
                        let now = in_use.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(1));
                        in_use.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn more_threads_than_readers_share_decoders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, "not a picture").unwrap();
        let limits = DecodeLimits::default();
        for threads in [2, 9] {
            let crew = Crew {
                readers: 2,
                threads,
            };
            let open = crew.decoders(&limits);
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let error = open()(&path).unwrap_err().to_string();
                        assert!(error.contains("not an image"), "{error}");
                    });
                }
            });
        }
    }
}
