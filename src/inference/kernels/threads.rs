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
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
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
        let cores = || thread::available_parallelism().map_or(1, usize::from);
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
        match self {
            Workers::Pool(pool) if count > 1 => pool.each(count, work),
            _ => (0..count).for_each(work),
        }
    }
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
    job: Option<Arc<Job>>,
    asleep: Vec<Sleeper>,
}

struct Sleeper {
    thread: Thread,
    /// Its cores, if one of them was forbidden to wake it.
    allowed: Option<Allowed>,
}

struct Job {
    /// Called only with numbers below `count`, each claimed once.
    work: *const (dyn Fn(usize) + Sync),
    count: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    /// Tasks that panicked.
    panics: AtomicUsize,
}

// SAFETY: `work` is Sync, and whoever made the job waits until nobody is inside it.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl Job {
    /// Claims tasks until there are none.
    fn help(&self) {
        loop {
            let task = self.next.fetch_add(1, Ordering::Relaxed);
            if task >= self.count {
                return;
            }
            // SAFETY: `Pool::each` keeps it alive until `done` is `count`, which it is not before
            // this task is counted.
            let work = unsafe { &*self.work };
            let calling = std::panic::AssertUnwindSafe(|| work(task));
            if std::panic::catch_unwind(calling).is_err() {
                self.panics.fetch_add(1, Ordering::Relaxed);
            }
            self.done.fetch_add(1, Ordering::Release);
        }
    }
}

impl Pool {
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |n: &usize| {
            let shared = shared.clone();
            let builder = thread::Builder::new().name(format!("network {n}"));
            builder.spawn(move || shared.serve()).is_ok()
        };
        let threads = (1..=threads).take_while(start).count();
        Pool {
            threads,
            shared,
            job: Mutex::new(()),
        }
    }

    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        let _held = match self.job.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            // Somebody else's job: no reason to wait for it.
            Err(TryLockError::WouldBlock) => return (0..count).for_each(work),
        };
        // SAFETY: only its lifetime changes, and this function does not return before all calls have.
        let work = unsafe {
            std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work)
        };
        let job = Arc::new(Job {
            work,
            count,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
        });
        self.shared.offer(job.clone());
        job.help();
        spin_until(|| job.done.load(Ordering::Acquire) == count);
        let panics = job.panics.load(Ordering::Relaxed);
        assert!(panics == 0, "{panics} parts of a layer failed");
    }
}

/// Spins, and once that takes long lets others run in between: one of them may be the thread that
/// this one waits for.
fn spin_until(mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        match start.elapsed() < PATIENCE {
            true => (0..SPINS).for_each(|_| std::hint::spin_loop()),
            false => thread::yield_now(),
        }
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, job: Arc<Job>) {
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
    fn serve(&self) {
        let mut seen = 0;
        loop {
            self.wait(seen);
            let job = {
                let board = self.board();
                seen = self.generation.load(Ordering::Acquire);
                board.job.clone()
            };
            if let Some(job) = job {
                job.help();
            }
        }
    }

    /// Until there is another generation.
    fn wait(&self, seen: usize) {
        let is_new = || self.generation.load(Ordering::Acquire) != seen;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            for _ in 0..SPINS {
                if is_new() {
                    return;
                }
                std::hint::spin_loop();
            }
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
