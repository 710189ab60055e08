//! Work that costs hardly more for many than for one: threads that ask at the same time share a batch.
//!
//! ```text
//! caller ─┐
//! caller ─┼─► waiting ── the first that finds nobody computing ──► one batch ──► to each its own
//! caller ─┘
//! ```
//!
//! Nobody waits for company: a caller that is alone computes at once, and a batch is whoever came
//! while the one before was computed. There is no thread of its own, and never do two compute.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Makes an answer `A` or an error `E` for each item `T`, several at a time.
pub struct Gather<T, A, E> {
    together: Box<Together<T, A, E>>,
    most: usize,
    desk: Mutex<BatchQueue<T, A, E>>,
    /// Somebody has stopped computing.
    changed: Condvar,
}

/// As many answers as items, in their order, or an error that concerns at least one of them.
type Together<T, A, E> = dyn Fn(&[T]) -> Result<Vec<A>, E> + Send + Sync;

/// What a caller gets: an error or a panic too is of its own item alone.
type BatchResult<A, E> = Result<Result<A, E>, Box<dyn Any + Send>>;

struct BatchQueue<T, A, E> {
    /// Items that came so far.
    count: u64,
    /// In the order in which they came.
    waiting: VecDeque<(u64, T)>,
    /// Not fetched yet.
    answers: HashMap<u64, BatchResult<A, E>>,
    is_computing: bool,
}

impl<T, A, E> Gather<T, A, E> {
    /// `together` is asked for `most` items at once, at most.
    pub fn new(
        most: usize,
        together: impl Fn(&[T]) -> Result<Vec<A>, E> + Send + Sync + 'static,
    ) -> Self {
        Gather {
            together: Box::new(together),
            most: most.max(1),
            desk: Mutex::new(BatchQueue {
                count: 0,
                waiting: VecDeque::new(),
                answers: HashMap::new(),
                is_computing: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// The answer for one item, computed together with those of other threads.
    ///
    /// # Errors
    /// As for this item alone.
    ///
    /// # Panics
    /// If this item alone does.
    pub fn one(&self, item: T) -> Result<A, E> {
        let mut desk = self.desk();
        let number = desk.count;
        desk.count += 1;
        desk.waiting.push_back((number, item));
        loop {
            if let Some(answer) = desk.answers.remove(&number) {
                drop(desk);
                return answer.unwrap_or_else(|panic| resume_unwind(panic));
            }
            desk = if desk.is_computing {
                let waited = self.changed.wait(desk);
                waited.unwrap_or_else(PoisonError::into_inner)
            } else {
                self.compute(desk)
            };
        }
    }

    /// Computes those that have waited longest, without holding up whoever comes meanwhile.
    fn compute<'a>(
        &'a self,
        mut desk: MutexGuard<'a, BatchQueue<T, A, E>>,
    ) -> MutexGuard<'a, BatchQueue<T, A, E>> {
        let count = desk.waiting.len().min(self.most);
        let (numbers, items): (Vec<_>, Vec<_>) = desk.waiting.drain(..count).unzip();
        desk.is_computing = true;
        drop(desk);
        let answers = self.answers(&items);
        let mut desk = self.desk();
        desk.answers.extend(numbers.into_iter().zip(answers));
        desk.is_computing = false;
        self.changed.notify_all();
        desk
    }

    /// One for each item. A batch that fails is halved, down to the items that it fails for: so one
    /// costs no other its answer, and what is too much at once (memory) is done in parts.
    fn answers(&self, items: &[T]) -> Vec<BatchResult<A, E>> {
        let computed = catch_unwind(AssertUnwindSafe(|| {
            let answers = (self.together)(items)?;
            assert_eq!(answers.len(), items.len(), "an answer for each item");
            Ok(answers)
        }));
        match computed {
            Ok(Ok(answers)) => answers.into_iter().map(|answer| Ok(Ok(answer))).collect(),
            _ if items.len() > 1 => {
                let (first, second) = items.split_at(items.len() / 2);
                let mut answers = self.answers(first);
                answers.extend(self.answers(second));
                answers
            }
            Ok(Err(error)) => vec![Ok(Err(error))],
            Err(panic) => vec![Err(panic)],
        }
    }

    /// Nothing that may panic is done while it is held.
    fn desk(&self) -> MutexGuard<'_, BatchQueue<T, A, E>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Items, answers and errors are numbers.
    type Numbers = Gather<usize, usize, String>;

    fn until(happened: impl Fn() -> bool) {
        while !happened() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What becomes of the numbers below `count`, and the batches that they came in: 0 is alone, and
    /// is not answered before all others wait.
    fn after_zero(
        count: usize,
        most: usize,
        each: impl Fn(usize) -> Result<usize, String> + Send + Sync + 'static,
    ) -> (Vec<String>, Vec<Vec<usize>>) {
        let go = Arc::new(AtomicBool::new(false));
        let batches = Arc::new(Mutex::new(Vec::new()));
        let (may_go, said) = (go.clone(), batches.clone());
        let gather = Arc::new(Gather::new(most, move |items: &[usize]| {
            said.lock().unwrap().push(items.to_vec());
            until(|| may_go.load(Ordering::SeqCst));
            items.iter().map(|n| each(*n)).collect()
        }));
        let asked: Vec<_> = (0..count)
            .map(|n| {
                let asking = gather.clone();
                let asked = thread::spawn(move || asking.one(n));
                until(|| gather.desk().is_computing && gather.desk().waiting.len() == n);
                asked
            })
            .collect();
        go.store(true, Ordering::SeqCst);
        let answers = asked.into_iter().map(|asked| match asked.join() {
            Ok(answer) => answer.map_or_else(|error| error, |n| n.to_string()),
            Err(panic) => panic.downcast_ref::<String>().unwrap().clone(),
        });
        let answers = answers.collect();
        let batches = batches.lock().unwrap().clone();
        (answers, batches)
    }

    #[test]
    fn whoever_comes_while_one_is_computed_makes_the_next_batch() {
        let (answers, batches) = after_zero(10, 4, |n| Ok(n * 2));
        let doubled: Vec<_> = (0..10).map(|n| (n * 2).to_string()).collect();
        assert_eq!(answers, doubled);
        assert_eq!(
            batches,
            [vec![0], vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9]]
        );
    }

    #[test]
    fn an_error_or_a_panic_is_of_those_alone_whom_it_concerns() {
        let (answers, batches) = after_zero(9, 8, |n| match n {
            2 => Err("two".to_owned()),
            5 => panic!("five is {n}"),
            6 => Err("six".to_owned()),
            n => Ok(n),
        });
        assert_eq!(
            answers,
            ["0", "1", "two", "3", "4", "five is 5", "six", "7", "8"]
        );
        assert_eq!(batches[1].len(), 8);
    }

    #[test]
    fn what_is_too_much_at_once_is_done_in_parts() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let gather = Gather::new(8, move |items: &[usize]| {
            counted.fetch_add(1, Ordering::Relaxed);
            match items.len() {
                0..=2 => Ok(items.to_vec()),
                more => Err(format!("{more}")),
            }
        });
        let answers = gather.answers(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let answers: Vec<_> = answers.into_iter().map(|a| a.unwrap().unwrap()).collect();
        assert_eq!(answers, [1, 2, 3, 4, 5, 6, 7, 8]);
        // 8, 4 and 4 in vain, and four times 2.
        assert_eq!(calls.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn too_few_answers_are_nobodys() {
        let gather: Numbers = Gather::new(8, |_: &[usize]| Ok(Vec::new()));
        assert!(catch_unwind(AssertUnwindSafe(|| gather.one(1))).is_err());
    }

    #[test]
    fn of_many_threads_one_computes_and_each_gets_its_own() {
        const THREADS: usize = 24;
        const ITEMS: usize = 200;
        let is_busy = AtomicBool::new(false);
        let gather: Numbers = Gather::new(7, move |items: &[usize]| {
            assert!(!is_busy.swap(true, Ordering::SeqCst), "two compute");
            thread::yield_now();
            let fails = items.iter().find(|n| **n % 13 == 0);
            let answers = match fails {
                Some(n) => Err(n.to_string()),
                None => Ok(items.iter().map(|n| n * 3).collect()),
            };
            is_busy.store(false, Ordering::SeqCst);
            answers
        });
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let gather = &gather;
                scope.spawn(move || {
                    for n in (0..ITEMS).map(|item| item * THREADS + thread) {
                        let expected = match n % 13 {
                            0 => Err(n.to_string()),
                            _ => Ok(n * 3),
                        };
                        assert_eq!(gather.one(n), expected);
                    }
                });
            }
        });
        let desk = gather.desk();
        assert!(desk.waiting.is_empty() && desk.answers.is_empty() && !desk.is_computing);
    }
}
