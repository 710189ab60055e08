//! Work on several threads, results in the order of the source.
//!
//! ```text
//! source ──┬─ (item, answer) ──► worker, worker, … ─┐
//!          └─ awaited ──► line ──► sink ◄── answer ─┘
//! ```
//!
//! Every item gets a channel for its one answer. The receiving ends wait in a queue in the source's
//! order, and the sink takes them from there: nothing has to be sorted, and the length of the queue
//! limits how far the workers may run ahead of one slow item.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Threads that work, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    pub jobs: usize,
    /// How many items for each worker may be finished while an earlier one is awaited. With few, a slow item stops all
    /// workers; with many, their results take memory.
    pub ahead: usize,
}

/// Items ahead of a slow one, for each worker, where results are large.
pub const AHEAD: usize = 16;

/// How soon a wait notices that it should stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// Name of the worker threads.
pub const WORKER_THREAD: &str = "predict";

/// Hands every item of `source` to one of the workers, and their results to `sink` in the
/// order of the source. Each thread calls `worker` once, for a function that may keep a state between
/// items. When `stop` is set, or `sink` fails, no further result is handed over.
///
/// # Errors
/// If the sink fails, or a thread cannot be started.
pub fn in_order<T: Send, R: Send, W: FnMut(T) -> R>(
    workers: Workers,
    stop: &AtomicBool,
    source: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) + Send,
    worker: impl Fn() -> W + Sync,
    sink: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let Workers { jobs, ahead } = workers;
    let (ask, asked) = mpsc::sync_channel(jobs);
    let (line_up, line) = mpsc::sync_channel(jobs * ahead);
    let asked = Mutex::new(asked);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let named = || Builder::new().name(WORKER_THREAD.to_owned());
        let started = (0..jobs).try_for_each(|_| {
            let work = || {
                let _pool = (jobs > 1).then(own_pool);
                serve(&asked, &over, worker());
            };
            named().spawn_scoped(scope, work).map(drop)
        });
        // The closure owns the senders, so that the workers end with it.
        let feed = move || source(&mut |item| line_up_and_ask(item, &line_up, &ask));
        let result = started
            .and_then(|()| named().spawn_scoped(scope, feed).map(drop))
            .and_then(|()| drain(line, stop, sink));
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// A pool of rayon that has the calling thread only. Candle's convolutions hand their parts to rayon; without a pool of
/// its own, every worker would wait for the one thread of the global pool.
fn own_pool() -> Option<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(1);
    pool.use_current_thread().build().ok()
}

/// Puts an item into the queue, which is limited, and then hands it to a worker.
fn line_up_and_ask<T, R>(
    item: T,
    line_up: &SyncSender<Receiver<R>>,
    ask: &SyncSender<(T, SyncSender<R>)>,
) -> ControlFlow<()> {
    let (answer, awaited) = mpsc::sync_channel(1);
    let sent = line_up.send(awaited).is_ok() && ask.send((item, answer)).is_ok();
    if sent {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// One worker: answers until the source has no more items, or the sink has stopped.
fn serve<T, R>(
    asked: &Mutex<Receiver<(T, SyncSender<R>)>>,
    over: &AtomicBool,
    mut work: impl FnMut(T) -> R,
) {
    let next = || asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok((item, answer)) = next() {
        if !over.load(Ordering::Relaxed) {
            // A sink that has stopped receives no answer.
            let _ = answer.send(work(item));
        }
    }
}

fn drain<R>(
    line: Receiver<Receiver<R>>,
    stop: &AtomicBool,
    mut sink: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(awaited) = wait(&line, stop) {
        match wait(&awaited, stop) {
            Some(result) => sink(result)?,
            None => break,
        }
    }
    Ok(())
}

/// Waits for a message; `None` if there will be none, or `stop` is set.
fn wait<T>(from: &Receiver<T>, stop: &AtomicBool) -> Option<T> {
    while !stop.load(Ordering::Relaxed) {
        match from.recv_timeout(PATIENCE) {
            Ok(message) => return Some(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use rayon::iter::ParallelIterator;

    use super::*;

    fn numbers(count: usize) -> impl FnOnce(&mut dyn FnMut(usize) -> ControlFlow<()>) + Send {
        move |give| {
            for n in 0..count {
                if give(n).is_break() {
                    return;
                }
            }
        }
    }

    fn few(jobs: usize) -> Workers {
        Workers { jobs, ahead: AHEAD }
    }

    #[test]
    fn what_a_worker_gives_to_rayon_is_done_by_its_own_thread() {
        let ids = Mutex::new(Vec::new());
        let work = |_| {
            let here = thread::current().id();
            let there = rayon::iter::repeat_n((), 8).map(|()| thread::current().id());
            let there: Vec<_> = there.collect();
            ids.lock().unwrap().push((here, there));
        };
        let sink = |()| Ok(());
        in_order(few(3), &AtomicBool::new(false), numbers(30), || work, sink).unwrap();
        let ids = ids.into_inner().unwrap();
        assert_eq!(ids.len(), 30);
        for (here, there) in ids {
            assert!(there.iter().all(|id| *id == here));
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_source_however_long_each_takes() {
        let mut results = Vec::new();
        let work = |n: usize| {
            thread::sleep(Duration::from_micros(((n * 7919) % 13) as u64 * 100));
            n * 2
        };
        let sink = |n| {
            results.push(n);
            Ok(())
        };
        in_order(few(4), &AtomicBool::new(false), numbers(300), || work, sink).unwrap();
        assert_eq!(results, (0..300).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn workers_do_not_run_ahead_without_bound_of_a_slow_item() {
        let (jobs, begun) = (2, AtomicUsize::new(0));
        let work = |n: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if n == 0 {
                let end = Instant::now() + Duration::from_secs(20);
                while begun.load(Ordering::Relaxed) <= jobs && Instant::now() < end {
                    thread::sleep(Duration::from_millis(1));
                }
                thread::sleep(Duration::from_millis(300));
                begun.load(Ordering::Relaxed)
            } else {
                0
            }
        };
        let mut begun_meanwhile = 0;
        let sink = |n| {
            begun_meanwhile = begun_meanwhile.max(n);
            Ok(())
        };
        in_order(
            few(jobs),
            &AtomicBool::new(false),
            numbers(10_000),
            || work,
            sink,
        )
        .unwrap();
        assert!(begun_meanwhile > jobs, "{begun_meanwhile}");
        assert!(begun_meanwhile <= jobs * (AHEAD + 2), "{begun_meanwhile}");
    }

    #[test]
    fn a_stop_or_a_failing_sink_ends_an_endless_source() {
        let stop = AtomicBool::new(false);
        let mut taken = 0;
        let sink = |_| {
            taken += 1;
            stop.store(taken == 10, Ordering::Relaxed);
            Ok(())
        };
        in_order(few(3), &stop, numbers(usize::MAX), || |n| n, sink).unwrap();
        assert_eq!(taken, 10);

        let full = |_| Err(io::ErrorKind::StorageFull.into());
        let error = in_order(
            few(3),
            &AtomicBool::new(false),
            numbers(usize::MAX),
            || |n| n,
            full,
        );
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
