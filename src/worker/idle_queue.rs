//! The queue of the background threads: its jobs wait until the foreground threads are idle.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::prediction_cache::NewPrediction;
use crate::inference::Classify;

/// One image to score while the reader looks at others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundJob {
    /// Its file.
    pub source: Arc<Path>,
    /// Index of the model that classifies it.
    pub model: usize,
}

/// The next task of a background thread.
pub enum Next {
    Cache(Box<NewPrediction>),
    Score(BackgroundJob),
}

/// The threads that come before the background threads, because the reader waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreground {
    Image,
    Prefetch,
    Thumbnails,
    Classifier,
    Comparison,
}

#[derive(Default)]
pub struct IdleQueue {
    state: Mutex<IdleQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct IdleQueueState {
    /// First in, first out.
    jobs: VecDeque<BackgroundJob>,
    new_predictions: VecDeque<NewPrediction>,
    /// By [`Foreground`].
    busy: [bool; 5],
    /// The model in use, and its index.
    model: Option<(usize, Arc<dyn Classify>)>,
    closed: bool,
}

impl IdleQueue {
    /// Adds a job at the end.
    pub fn push(&self, job: BackgroundJob) {
        self.change(|state| state.jobs.push_back(job));
    }

    /// Takes back all jobs that were not begun.
    pub fn cancel(&self) -> Vec<BackgroundJob> {
        self.lock().jobs.drain(..).collect()
    }

    /// Has a prediction stored in the cache, before any job and even while a foreground thread is busy.
    pub fn cache(&self, new: NewPrediction) {
        self.change(|state| state.new_predictions.push_back(new));
    }

    pub fn set_busy(&self, thread: Foreground, is_busy: bool) {
        self.change(|state| state.busy[thread as usize] = is_busy);
    }

    pub fn use_model(&self, model: Option<(usize, Arc<dyn Classify>)>) {
        self.change(|state| state.model = model);
    }

    /// The model with that index, if it is the one in use.
    pub fn model(&self, index: usize) -> Option<Arc<dyn Classify>> {
        let state = self.lock();
        let (_, model) = state.model.as_ref().filter(|(at, _)| *at == index)?;
        Some(model.clone())
    }

    /// Waits for a task: a job only while all foreground threads are idle. `None` once closed.
    pub fn take(&self) -> Option<Next> {
        self.wait(|state| {
            if let Some(new) = state.new_predictions.pop_front() {
                return Some(Next::Cache(Box::new(new)));
            }
            let job = state.is_idle().then(|| state.jobs.pop_front())?;
            job.map(Next::Score)
        })
    }

    /// Waits until all foreground threads are idle; `None` once closed.
    pub fn wait_until_idle(&self) -> Option<()> {
        self.wait(|state| state.is_idle().then_some(()))
    }

    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn wait<T>(&self, mut ready: impl FnMut(&mut IdleQueueState) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(found) = ready(&mut state) {
                return Some(found);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut IdleQueueState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, IdleQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleQueueState {
    fn is_idle(&self) -> bool {
        self.busy.iter().all(|busy| !busy)
    }
}

/// Tells the queue whether one of the foreground threads is busy.
#[derive(Clone)]
pub struct BusyFlag {
    pub queue: Arc<IdleQueue>,
    pub thread: Foreground,
}

impl BusyFlag {
    pub fn set(&self, is_busy: bool) {
        self.queue.set_busy(self.thread, is_busy);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn job(name: &str) -> BackgroundJob {
        BackgroundJob {
            source: Path::new(name).into(),
            model: 0,
        }
    }

    #[test]
    fn jobs_wait_for_all_foreground_threads_and_are_taken_in_order() {
        let queue = Arc::new(IdleQueue::default());
        queue.set_busy(Foreground::Image, true);
        queue.set_busy(Foreground::Classifier, true);
        queue.push(job("old"));
        assert_eq!(queue.cancel(), [job("old")]);
        for name in ["a", "b"] {
            queue.push(job(name));
        }
        let waiting = queue.clone();
        let taken = thread::spawn(move || [waiting.take(), waiting.take()]);
        queue.set_busy(Foreground::Image, false);
        assert!(!queue.lock().is_idle());
        assert_eq!(queue.lock().jobs.len(), 2);
        queue.set_busy(Foreground::Classifier, false);
        let found = taken.join().unwrap().map(|next| match next {
            Some(Next::Score(found)) => found,
            _ => panic!("no job"),
        });
        assert_eq!(found, [job("a"), job("b")]);
        assert_eq!(queue.cancel(), []);
    }

    #[test]
    fn closing_wakes_a_waiting_thread() {
        let queue = Arc::new(IdleQueue::default());
        queue.set_busy(Foreground::Prefetch, true);
        let waiting = queue.clone();
        let idle = thread::spawn(move || waiting.wait_until_idle().is_none());
        queue.close();
        assert!(idle.join().unwrap() && queue.take().is_none());
    }
}
