//! One pool of threads for the whole process. The calling thread works too, and never waits for a thread that
//! has not begun: on a busy machine it does most of the work alone.
//!
//! Between two layers a thread spins, because waking it would take longer than most layers. After [`PATIENCE`]
//! it sleeps.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::affinity::{AllowedCores, ThreadId, forbid_this_core, this_thread};
use crate::shares::{Claims, Shares};

/// Parts of a pass for each thread: more than one, so that a thread that is delayed does fewer of them.
pub const PARTS: usize = 4;

/// How long a thread without work spins.
const PATIENCE: Duration = Duration::from_micros(200);

/// With more sleepers than this the scheduler has enough other cores to choose from.
const FEW_SLEEPERS: usize = 7;

/// Checks between two looks at the clock.
const SPINS: usize = 64;

/// The threads that do a computation.
#[derive(Clone, Copy)]
pub enum Workers {
    /// The calling thread alone.
    Caller,
    /// The calling thread and the pool.
    Pool(&'static Pool),
}

static THREADS: OnceLock<usize> = OnceLock::new();

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Sets the number of threads that a computation may use, the calling thread included. Only the first call
/// counts, and only before the first computation.
pub fn set_threads(threads: usize) {
    let _ = THREADS.set(threads.max(1));
}

/// Runs `f`, in which computations use the calling thread only.
pub fn alone<T>(f: impl FnOnce() -> T) -> T {
    /// Also restores the flag when `f` panics.
    struct RestoreAlone(bool);
    impl Drop for RestoreAlone {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _restore = RestoreAlone(ALONE.replace(true));
    f()
}

impl Workers {
    /// As many threads as [`set_threads`] set, or as this process has processors. Inside [`alone`], the caller.
    pub fn current() -> Self {
        static POOL: OnceLock<Option<Pool>> = OnceLock::new();
        if ALONE.get() {
            return Workers::Caller;
        }
        let cores = || {
            if cfg!(miri) {
                // This pool would never end, which Miri calls an error. Tests under Miri make pools that do.
                1
            } else if cfg!(test) {
                // Unequal shares on every machine.
                3
            } else {
                thread::available_parallelism().map_or(1, usize::from)
            }
        };
        let pool = POOL.get_or_init(|| {
            let threads = *THREADS.get_or_init(cores);
            (threads > 1).then(|| Pool::new(threads - 1))
        });
        pool.as_ref().map_or(Workers::Caller, Workers::Pool)
    }

    /// The number of threads.
    pub fn count(self) -> usize {
        match self {
            Workers::Caller => 1,
            Workers::Pool(pool) => pool.threads.len() + 1,
        }
    }

    /// Calls `work` once with each number below `count`, and returns when all have returned.
    pub fn each(self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.share(count, &|claims| claims.for_each(work));
    }

    /// Calls `work` once with each of the nearly equal ranges that `0..count` is cut into, `parts` for each thread.
    pub fn each_part(self, count: usize, parts: usize, work: impl Fn(Range<usize>) + Sync) {
        let parts = match self.count() {
            1 => 1,
            threads => (threads * parts).min(count),
        };
        self.each(parts, &|part| work(share(count, parts, part)));
    }

    /// As [`each`](Workers::each), with the pieces of `values`, `length` numbers each; the last may be shorter.
    pub fn each_piece(
        self,
        values: &mut [f32],
        length: usize,
        work: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) {
        let pieces: Vec<_> = values.chunks_mut(length).map(Mutex::new).collect();
        self.each(pieces.len(), &|n| {
            let mut piece = pieces[n].lock().unwrap_or_else(PoisonError::into_inner);
            work(n, &mut piece);
        });
    }

    /// Calls `work` on every thread that finds a part to claim, and returns when all calls have returned. The
    /// claims together are the numbers below `count`.
    pub fn share(self, count: usize, work: &SharedWork<'_>) {
        match self {
            Workers::Pool(pool) if count > 1 => pool.share(count, work),
            _ => alone_with(count, work),
        }
    }
}

/// Part `part` of `parts` nearly equal parts of `0..count`.
pub fn share(count: usize, parts: usize, part: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

/// The work of a thread on its claims.
type SharedWork<'a> = dyn Fn(&mut Claims) + Sync + 'a;

fn alone_with(count: usize, work: &SharedWork<'_>) {
    work(&mut Shares::new(count, 1).claims(0));
}

/// Threads that wait for work.
pub struct Pool {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<PoolShared>,
    /// Held during a job, so that there is one at a time.
    busy: Mutex<()>,
}

#[derive(Default)]
struct PoolShared {
    /// The number of jobs so far.
    generation: AtomicUsize,
    is_ending: AtomicBool,
    state: Mutex<PoolState>,
    wake: Condvar,
}

#[derive(Default)]
struct PoolState {
    /// The latest job. It may be finished.
    job: Option<Arc<ThreadJob>>,
    asleep: Vec<Sleeper>,
}

struct Sleeper {
    thread: ThreadId,
    /// Its cores, if one was forbidden before it is woken.
    allowed: Option<AllowedCores>,
}

struct ThreadJob {
    /// Called only by a thread that has claimed a part.
    work: *const SharedWork<'static>,
    shares: Shares,
    /// Threads of the pool that may be working.
    inside: AtomicUsize,
    /// Calls that panicked.
    panics: AtomicUsize,
}

// SAFETY: `work` is Sync, and the thread that made the job waits until no other thread is inside.
unsafe impl Send for ThreadJob {}
// SAFETY: as above.
unsafe impl Sync for ThreadJob {}

impl ThreadJob {
    /// Does the work that a thread of the pool finds.
    fn help(&self, thread: usize) {
        // Comes before the claim, which publishes it: a thread that finds nothing left to claim sees that this
        // thread is inside.
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.work(thread);
        self.inside.fetch_sub(1, Ordering::Release);
    }

    fn work(&self, thread: usize) {
        let mut claims = self.shares.claims(thread);
        while claims.any() {
            // SAFETY: `Pool::share` keeps the closure alive until no part is left to claim and no thread is
            // inside. This thread is inside, and has claimed a part.
            let work = unsafe { &*self.work };
            let calling = std::panic::AssertUnwindSafe(|| work(&mut claims));
            if std::panic::catch_unwind(calling).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Pool {
    /// Starts this many threads, or fewer if the system refuses.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(PoolShared::default());
        let start = |n: usize| {
            let shared = shared.clone();
            let builder = thread::Builder::new().name(format!("network {n}"));
            builder.spawn(move || shared.serve(n)).ok()
        };
        let threads = (1..=threads).map_while(start).collect();
        Pool {
            threads,
            shared,
            busy: Mutex::new(()),
        }
    }

    fn share(&self, count: usize, work: &SharedWork<'_>) {
        let _held = match self.busy.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            // Another caller has a job: computing alone is faster than waiting for it.
            Err(TryLockError::WouldBlock) => return alone_with(count, work),
        };
        // SAFETY: only the lifetime changes, and this function returns after all calls have returned.
        let work = unsafe { std::mem::transmute::<&SharedWork<'_>, &SharedWork<'static>>(work) };
        let job = Arc::new(ThreadJob {
            work,
            shares: Shares::new(count, self.threads.len() + 1),
            inside: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
        });
        self.shared.offer(job.clone());
        job.work(0);
        spin_until(|| job.inside.load(Ordering::Acquire) == 0);
        let panics = job.panics.load(Ordering::Relaxed);
        assert!(panics == 0, "{panics} parts of a layer failed");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.end();
        for thread in self.threads.drain(..) {
            // Its panics were counted already, and there is no job left to fail.
            let _ = thread.join();
        }
    }
}

/// Spins. After [`PATIENCE`] it yields to other threads: one of them may be the thread that this one waits for.
fn spin_until(is_done: impl Fn() -> bool) {
    if !spins_until(&is_done) {
        while !is_done() {
            thread::yield_now();
        }
    }
}

/// Spins for [`PATIENCE`] at most, and returns whether it is done.
fn spins_until(is_done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for _ in 0..SPINS {
            if is_done() {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}

impl PoolShared {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this the current job, and wakes the sleepers.
    fn offer(&self, job: Arc<ThreadJob>) {
        let mut state = self.state();
        state.job = Some(job);
        self.generation.fetch_add(1, Ordering::Release);
        if state.asleep.is_empty() {
            return;
        }
        if state.asleep.len() <= FEW_SLEEPERS {
            for sleeper in state.asleep.iter_mut().filter(|s| s.allowed.is_none()) {
                sleeper.allowed = forbid_this_core(sleeper.thread);
            }
        }
        self.wake.notify_all();
    }

    /// Makes the threads of the pool return.
    fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        // Under the lock, so that no thread misses it between its last look and its sleep.
        let state = self.state();
        self.generation.fetch_add(1, Ordering::Release);
        drop(state);
        self.wake.notify_all();
    }

    /// The loop of a thread of the pool.
    fn serve(&self, thread: usize) {
        let mut seen = 0;
        loop {
            self.wait(seen);
            let job = {
                let state = self.state();
                seen = self.generation.load(Ordering::Acquire);
                state.job.clone()
            };
            // Looked at after the generation: the end that it counts is seen here, or it is waited for no more.
            if self.is_ending.load(Ordering::Relaxed) {
                return;
            }
            if let Some(job) = job {
                job.help(thread);
            }
        }
    }

    /// Waits for a later generation than `seen`.
    fn wait(&self, seen: usize) {
        let is_new = || self.generation.load(Ordering::Acquire) != seen;
        if spins_until(is_new) {
            return;
        }
        let thread = this_thread();
        let mut state = self.state();
        state.asleep.push(Sleeper {
            thread,
            allowed: None,
        });
        while !is_new() {
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let index = state.asleep.iter().position(|s| s.thread == thread);
        let sleeper = index.map(|index| state.asleep.swap_remove(index));
        drop(state);
        if let Some(allowed) = sleeper.and_then(|sleeper| sleeper.allowed) {
            allowed.restore();
        }
    }
}
