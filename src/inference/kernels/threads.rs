//! One pool of threads for the whole process. A caller works itself, and never waits for a thread
//! that has not begun: on a busy machine it does most of the work alone.
//!
//! Between two calls of one network a thread spins, because waking it takes longer than most layers;
//! after [`PATIENCE`] it sleeps.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::cores::{Allowed, Thread, forbid_this_core, this_thread};
use super::shares::{Claims, Shares};

/// How long a thread without work spins.
const PATIENCE: Duration = Duration::from_micros(200);

/// With more sleepers than this there are cores enough for the scheduler to choose from.
const FEW: usize = 7;

/// Spins between two looks at the clock.
const SPINS: usize = 64;

/// Who does a computation.
#[derive(Clone, Copy)]
pub enum Workers {
    /// The thread that asks.
    Caller,
    /// It and those of the pool.
    Pool(&'static Pool),
}

static ASKED: OnceLock<usize> = OnceLock::new();

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Says how many threads a computation may use; the first word counts.
pub fn set_threads(threads: usize) {
    let _ = ASKED.set(threads.max(1));
}

/// Runs `f`, in which computations use this thread only.
pub fn alone<T>(f: impl FnOnce() -> T) -> T {
    struct EarlierAffinity(bool);
    impl Drop for EarlierAffinity {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = EarlierAffinity(ALONE.replace(true));
    f()
}

impl Workers {
    /// As many as [`set_threads`] said, or else as the processors that this process may use; in
    /// [`alone`], one.
    pub fn here() -> Self {
        static POOL: OnceLock<Option<Pool>> = OnceLock::new();
        if ALONE.get() {
            return Workers::Caller;
        }
        let cores = || match cfg!(test) {
            // However few there are: shares that are not equal.
            true => 3,
            false => thread::available_parallelism().map_or(1, usize::from),
        };
        let pool = POOL.get_or_init(|| {
            let threads = *ASKED.get_or_init(cores);
            (threads > 1).then(|| Pool::new(threads - 1))
        });
        pool.as_ref().map_or(Workers::Caller, Workers::Pool)
    }

    pub fn count(self) -> usize {
        match self {
            Workers::Caller => 1,
            Workers::Pool(pool) => pool.threads + 1,
        }
    }

    /// Calls `work` once with each number below `count`, and returns when all have returned.
    pub fn each(self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.share(count, &|claims| claims.for_each(work));
    }

    /// As [`each`](Workers::each), with the pieces of `values` of so many numbers; the last may be shorter.
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

    /// Calls `work` on every thread that there is something for, and returns when all have returned.
    /// Their claims together are the numbers below `count`.
    pub fn share(self, count: usize, work: &SharedWork<'_>) {
        match self {
            Workers::Pool(pool) if count > 1 => pool.share(count, work),
            _ => alone_with(count, work),
        }
    }
}

/// What threads do with their claims.
type SharedWork<'a> = dyn Fn(&mut Claims) + Sync + 'a;

fn alone_with(count: usize, work: &SharedWork<'_>) {
    work(&mut Shares::new(count, 1).claims(0));
}

/// Threads that wait for work.
pub struct Pool {
    threads: usize,
    shared: Arc<Shared>,
    /// Held while a job is under way: there is one at a time.
    job: Mutex<()>,
}

#[derive(Default)]
struct Shared {
    /// Counts the jobs.
    generation: AtomicUsize,
    board: Mutex<Board>,
    wake: Condvar,
}

#[derive(Default)]
struct Board {
    job: Option<Arc<ThreadJob>>,
    asleep: Vec<Sleeper>,
}

struct Sleeper {
    thread: Thread,
    /// Its cores, if one of them was forbidden to wake it.
    allowed: Option<Allowed>,
}

struct ThreadJob {
    /// Called only by who claimed a part.
    work: *const SharedWork<'static>,
    shares: Shares,
    /// Threads of the pool that may be at work.
    inside: AtomicUsize,
    /// Calls that panicked.
    panics: AtomicUsize,
}

// SAFETY: `work` is Sync, and whoever made the job waits until nobody is inside it.
unsafe impl Send for ThreadJob {}
// SAFETY: as above.
unsafe impl Sync for ThreadJob {}

impl ThreadJob {
    /// Does what there is for a thread of the pool.
    fn help(&self, thread: usize) {
        // Before the claim, which hands it on: who finds nothing left to claim sees who is inside.
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.work(thread);
        self.inside.fetch_sub(1, Ordering::Release);
    }

    fn work(&self, thread: usize) {
        let mut claims = self.shares.claims(thread);
        while claims.any() {
            // SAFETY: `Pool::share` keeps it alive until nothing is left to claim and nobody is
            // inside, and this thread has claimed something.
            let work = unsafe { &*self.work };
            let calling = std::panic::AssertUnwindSafe(|| work(&mut claims));
            if std::panic::catch_unwind(calling).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Pool {
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |n: &usize| {
            let (shared, n) = (shared.clone(), *n);
            let builder = thread::Builder::new().name(format!("network {n}"));
            builder.spawn(move || shared.serve(n)).is_ok()
        };
        let threads = (1..=threads).take_while(start).count();
        Pool {
            threads,
            shared,
            job: Mutex::new(()),
        }
    }

    fn share(&self, count: usize, work: &SharedWork<'_>) {
        let _held = match self.job.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            // Somebody else's job: no reason to wait for it.
            Err(TryLockError::WouldBlock) => return alone_with(count, work),
        };
        // SAFETY: only its lifetime changes, and this function does not return before all calls have.
        let work = unsafe { std::mem::transmute::<&SharedWork<'_>, &SharedWork<'static>>(work) };
        let job = Arc::new(ThreadJob {
            work,
            shares: Shares::new(count, self.threads + 1),
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

/// Spins, and once that takes long lets others run in between: one of them may be the thread that
/// this one waits for.
fn spin_until(is_done: impl Fn() -> bool) {
    if !spins_until(&is_done) {
        while !is_done() {
            thread::yield_now();
        }
    }
}

/// Spins, but not for longer than [`PATIENCE`]; whether it is done.
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

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, job: Arc<ThreadJob>) {
        let mut board = self.board();
        board.job = Some(job);
        self.generation.fetch_add(1, Ordering::Release);
        if board.asleep.is_empty() {
            return;
        }
        if board.asleep.len() <= FEW {
            for sleeper in board.asleep.iter_mut().filter(|s| s.allowed.is_none()) {
                sleeper.allowed = forbid_this_core(sleeper.thread);
            }
        }
        self.wake.notify_all();
    }

    /// What a thread of the pool does, for ever.
    fn serve(&self, thread: usize) {
        let mut seen = 0;
        loop {
            self.wait(seen);
            let job = {
                let board = self.board();
                seen = self.generation.load(Ordering::Acquire);
                board.job.clone()
            };
            if let Some(job) = job {
                job.help(thread);
            }
        }
    }

    /// Until there is another generation.
    fn wait(&self, seen: usize) {
        let is_new = || self.generation.load(Ordering::Acquire) != seen;
        if spins_until(is_new) {
            return;
        }
        let thread = this_thread();
        let mut board = self.board();
        board.asleep.push(Sleeper {
            thread,
            allowed: None,
        });
        while !is_new() {
            board = self
                .wake
                .wait(board)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let place = board.asleep.iter().position(|s| s.thread == thread);
        let sleeper = place.map(|place| board.asleep.swap_remove(place));
        drop(board);
        if let Some(allowed) = sleeper.and_then(|sleeper| sleeper.allowed) {
            allowed.again();
        }
    }
}
