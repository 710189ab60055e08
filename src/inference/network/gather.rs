//! Batches for work that costs hardly more for many items than for one: threads that ask at the same time share a
//! batch.
//!
//! ```text
//! caller ─┐
//! caller ─┼─► waiting ── the first that finds no batch running ──► one batch ──► each gets its answer
//! caller ─┘
//! ```
//!
//! No caller waits for others: if it is alone it computes at once, and a batch holds the items that came while the
//! batch before was computed. A caller's thread computes, and never two at a time.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Computes an answer `A` or an error `E` for each item `T`, several at a time.
pub struct Gather<T, A, E> {
    together: Box<Together<T, A, E>>,
    most: usize,
    queue: Mutex<BatchQueue<T, A, E>>,
    /// Notified when a batch is done.
    changed: Condvar,
}

/// Computes one answer for each item, in their order, or an error that concerns at least one of them.
type Together<T, A, E> = dyn Fn(&[T]) -> Result<Vec<A>, E> + Send + Sync;

/// The result for one caller. An error or a panic, too, concerns its own item only.
type BatchResult<A, E> = Result<Result<A, E>, Box<dyn Any + Send>>;

struct BatchQueue<T, A, E> {
    /// Items so far.
    count: u64,
    /// In the order in which they came.
    waiting: VecDeque<(u64, T)>,
    /// Answers that their callers have not fetched yet.
    answers: HashMap<u64, BatchResult<A, E>>,
    is_computing: bool,
}

impl<T, A, E> Gather<T, A, E> {
    /// `together` computes at most `most` items at once.
    pub fn new(
        most: usize,
        together: impl Fn(&[T]) -> Result<Vec<A>, E> + Send + Sync + 'static,
    ) -> Self {
        Gather {
            together: Box::new(together),
            most: most.max(1),
            queue: Mutex::new(BatchQueue {
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
        let mut queue = self.queue();
        let number = queue.count;
        queue.count += 1;
        queue.waiting.push_back((number, item));
        loop {
            if let Some(answer) = queue.answers.remove(&number) {
                drop(queue);
                return answer.unwrap_or_else(|panic| resume_unwind(panic));
            }
            queue = if queue.is_computing {
                let waited = self.changed.wait(queue);
                waited.unwrap_or_else(PoisonError::into_inner)
            } else {
                self.compute(queue)
            };
        }
    }

    /// Computes the items that have waited longest. The lock is released meanwhile, so that more can come.
    fn compute<'a>(
        &'a self,
        mut queue: MutexGuard<'a, BatchQueue<T, A, E>>,
    ) -> MutexGuard<'a, BatchQueue<T, A, E>> {
        let count = queue.waiting.len().min(self.most);
        let (numbers, items): (Vec<_>, Vec<_>) = queue.waiting.drain(..count).unzip();
        queue.is_computing = true;
        drop(queue);
        let answers = self.answers(&items);
        let mut queue = self.queue();
        queue.answers.extend(numbers.into_iter().zip(answers));
        queue.is_computing = false;
        self.changed.notify_all();
        queue
    }

    /// One result for each item. A batch that fails is halved, down to the items that fail alone: so no item costs
    /// another its answer, and a batch that needs too much memory is computed in parts.
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

    /// No code that may panic runs while the lock is held.
    fn queue(&self) -> MutexGuard<'_, BatchQueue<T, A, E>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The results for the numbers below `count`, and the batches that they were computed in. 0 is alone, and is
    /// answered only when all others wait.
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
                until(|| gather.queue().is_computing && gather.queue().waiting.len() == n);
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
    fn items_that_come_while_one_is_computed_make_the_next_batch() {
        let (answers, batches) = after_zero(10, 4, |n| Ok(n * 2));
        let doubled: Vec<_> = (0..10).map(|n| (n * 2).to_string()).collect();
        assert_eq!(answers, doubled);
        assert_eq!(
            batches,
            [vec![0], vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9]]
        );
    }

    #[test]
    fn an_error_or_a_panic_concerns_its_own_item_only() {
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
    fn a_batch_that_is_too_large_is_computed_in_parts() {
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
        // 8, 4 and 4 fail, then four times 2.
        assert_eq!(calls.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn too_few_answers_are_a_panic() {
        let gather: Numbers = Gather::new(8, |_: &[usize]| Ok(Vec::new()));
        assert!(catch_unwind(AssertUnwindSafe(|| gather.one(1))).is_err());
    }

    #[test]
    fn one_thread_at_a_time_computes_and_each_gets_its_own_answer() {
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
        let queue = gather.queue();
        assert!(queue.waiting.is_empty() && queue.answers.is_empty() && !queue.is_computing);
    }
}
