//! What the background threads wait for: work, and that nobody in front is at work.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::domain::{ImageIdentity, Origin, Prediction};
use crate::inference::Classify;

/// One image to read behind whatever is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundJob {
    pub source: Arc<Path>,
    /// Which of the models classifies it.
    pub model: usize,
}

/// What a model said of an image, to be kept.
pub struct NewPrediction {
    pub image: ImageIdentity,
    pub origin: Origin,
    pub said: Prediction,
    pub model: Arc<dyn Classify>,
}

/// Next for a background thread.
pub enum Next {
    Keep(Box<NewPrediction>),
    Run(BackgroundJob),
}

/// Those who come before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    Reader,
    ReaderAhead,
    Classifier,
}

#[derive(Default)]
pub struct IdleQueue {
    state: Mutex<IdleQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct IdleQueueState {
    /// In the order in which they are to be begun.
    errands: VecDeque<BackgroundJob>,
    answers: Vec<NewPrediction>,
    at_work: [bool; 3],
    /// The one in use, and its number.
    model: Option<(usize, Arc<dyn Classify>)>,
    closed: bool,
}

impl IdleQueue {
    /// The last of those to be begun.
    pub fn send(&self, errand: BackgroundJob) {
        self.change(|state| state.errands.push_back(errand));
    }

    /// Takes back what was not begun.
    pub fn put_off(&self) -> Vec<BackgroundJob> {
        self.lock().errands.drain(..).collect()
    }

    pub fn keep(&self, answer: NewPrediction) {
        self.change(|state| state.answers.push(answer));
    }

    pub fn sign(&self, who: Front, at_work: bool) {
        self.change(|state| state.at_work[who as usize] = at_work);
    }

    pub fn use_model(&self, model: Option<(usize, Arc<dyn Classify>)>) {
        self.change(|state| state.model = model);
    }

    /// The model of that number, if it is the one in use.
    pub fn model(&self, index: usize) -> Option<Arc<dyn Classify>> {
        let state = self.lock();
        let (_, model) = state.model.as_ref().filter(|(at, _)| *at == index)?;
        Some(model.clone())
    }

    /// Waits for something to do, an errand only while nobody in front is at work; `None` once
    /// closed.
    pub fn take(&self) -> Option<Next> {
        self.wait(|state| {
            if !state.answers.is_empty() {
                return Some(Next::Keep(Box::new(state.answers.remove(0))));
            }
            let errand = state.is_calm().then(|| state.errands.pop_front())?;
            errand.map(Next::Run)
        })
    }

    /// Waits until nobody in front is at work; `None` once closed.
    pub fn rest(&self) -> Option<()> {
        self.wait(|state| state.is_calm().then_some(()))
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
    fn is_calm(&self) -> bool {
        self.at_work.iter().all(|at_work| !at_work)
    }
}

/// How one of those in front says whether it is at work.
#[derive(Clone)]
pub struct Sign {
    pub backroom: Arc<IdleQueue>,
    pub who: Front,
}

impl Sign {
    pub fn set(&self, at_work: bool) {
        self.backroom.sign(self.who, at_work);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn errand(name: &str) -> BackgroundJob {
        BackgroundJob {
            source: Path::new(name).into(),
            model: 0,
        }
    }

    #[test]
    fn errands_wait_for_all_in_front_and_are_begun_in_their_order() {
        let backroom = Arc::new(IdleQueue::default());
        backroom.sign(Front::Reader, true);
        backroom.sign(Front::Classifier, true);
        backroom.send(errand("old"));
        assert_eq!(backroom.put_off(), [errand("old")]);
        for name in ["a", "b"] {
            backroom.send(errand(name));
        }
        let waiting = backroom.clone();
        let taken = thread::spawn(move || [waiting.take(), waiting.take()]);
        backroom.sign(Front::Reader, false);
        assert!(!backroom.lock().is_calm());
        assert_eq!(backroom.lock().errands.len(), 2);
        backroom.sign(Front::Classifier, false);
        let found = taken.join().unwrap().map(|next| match next {
            Some(Next::Run(found)) => found,
            _ => panic!("no errand"),
        });
        assert_eq!(found, [errand("a"), errand("b")]);
        assert_eq!(backroom.put_off(), []);
    }

    #[test]
    fn closing_wakes_whoever_waits() {
        let backroom = Arc::new(IdleQueue::default());
        backroom.sign(Front::ReaderAhead, true);
        let waiting = backroom.clone();
        let resting = thread::spawn(move || waiting.rest().is_none());
        backroom.close();
        assert!(resting.join().unwrap() && backroom.take().is_none());
    }
}
