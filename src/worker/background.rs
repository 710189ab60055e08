//! The threads that read the rest of the folder, each an image at a time, with what the machine has to
//! spare; and what models said before.
//!
//! ```text
//! errand ─ nobody in front at work ─► hash ─ Memory ─► Background
//!                                       └─ unknown ─► decode ─► classify ─► Memory ─► Background
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::classifier::classify;
use super::idle_queue::{BackgroundJob, IdleQueue, NewPrediction, Next};
use super::{JobOutcome, OutcomeSink};
use crate::domain::{ContentId, Failure, ImageIdentity, ModelCard, Origin, Prediction, Radiograph};
use crate::imaging::{Decoder, FileStamp};
use crate::inference::{Classify, alone};

/// What models said of images, whenever and under whatever name. Without heat maps.
pub trait PredictionCache: Send {
    /// What the model of this card said of that image. `None` also if it cannot be read.
    fn recall(&mut self, image: ContentId, card: &ModelCard) -> Option<Recalled>;

    /// # Errors
    /// A few words for people.
    fn keep(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        said: &Prediction,
    ) -> Result<(), String>;
}

/// What a memory gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct Recalled {
    pub said: Prediction,
    /// `None` where the memory was made before it kept that: the file has to be asked.
    pub origin: Option<Origin>,
}

/// Opens a memory, on a background thread. The error is a few words for people.
pub type OpenMemory = Box<dyn FnOnce() -> Result<Box<dyn PredictionCache>, String> + Send>;

/// A memory for the threads that write it and another that looks something up.
#[derive(Clone, Default)]
pub struct CachedPrediction {
    memory: Arc<Mutex<Option<Box<dyn PredictionCache>>>>,
    closed: Arc<AtomicBool>,
}

/// How long the end waits for what is being kept.
const CLOSING: Duration = Duration::from_secs(2);

impl CachedPrediction {
    fn open(&self, memory: Box<dyn PredictionCache>) {
        let mut held = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closed.load(Ordering::SeqCst) {
            *held = Some(memory);
        }
    }

    /// Lets go of the memory, though a thread that uses it may be at work still: its file is closed when
    /// this returns, unless something is being written to it and does not come to an end.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < CLOSING {
            let memory = match self.memory.try_lock() {
                Ok(mut memory) => memory.take(),
                Err(TryLockError::Poisoned(memory)) => memory.into_inner().take(),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(Duration::from_millis(2));
                    continue;
                }
            };
            return drop(memory);
        }
    }

    fn recall(&self, image: ContentId, card: &ModelCard) -> Option<Recalled> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.as_mut()?.recall(image, card)
    }

    /// For somebody who waits: nothing, while the disk is being written.
    pub fn glance(&self, image: ContentId, card: &ModelCard) -> Option<Prediction> {
        let mut memory = match self.memory.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::Poisoned(memory)) => memory.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let recalled = memory.as_mut()?.recall(image, card);
        recalled.map(|recalled| recalled.said)
    }

    /// Forgets nothing that is kept; but after one failure no more is kept.
    fn keep(&self, answer: &NewPrediction) -> Result<(), String> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (origin, card) = (&answer.origin, answer.model.card());
        match memory.as_mut() {
            Some(memory) => memory.keep(&answer.image, origin, card, &answer.said),
            None => Ok(()),
        }
    }

    pub fn is_open(&self) -> bool {
        match self.memory.try_lock() {
            Ok(memory) => memory.is_some(),
            Err(_) => true,
        }
    }
}

/// What the threads share.
pub struct BackgroundScoring {
    backroom: Arc<IdleQueue>,
    recollection: CachedPrediction,
    report: OutcomeSink,
    /// Whether what is said is kept: not after a failure.
    keeps: AtomicBool,
}

impl BackgroundScoring {
    pub fn new(
        backroom: Arc<IdleQueue>,
        recollection: CachedPrediction,
        report: OutcomeSink,
    ) -> Self {
        BackgroundScoring {
            backroom,
            recollection,
            report,
            keeps: AtomicBool::new(false),
        }
    }

    /// Opens the memory, and works with a thread for each decoder until the backroom is closed.
    pub fn run(self, memory: Option<OpenMemory>, decoders: Vec<Decoder>) {
        lower_priority();
        // Before any image is read: it may be known.
        self.open(memory);
        let this = &self;
        thread::scope(|scope| {
            for decoder in decoders {
                scope.spawn(move || this.work(&decoder));
            }
        });
    }

    fn work(&self, decoder: &Decoder) {
        lower_priority();
        // Its thread is made here, and so has this one's priority.
        let pool = ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some(next) = self.backroom.take() {
            match next {
                Next::Keep(answer) => self.keep(&answer),
                Next::Run(errand) => {
                    let done = AssertUnwindSafe(|| self.answer(&errand, decoder, pool.as_ref()));
                    let answered = catch_unwind(done).unwrap_or_else(|_| Some(Answered::failed()));
                    (self.report)(outcome(errand, answered));
                }
            }
        }
    }

    fn open(&self, memory: Option<OpenMemory>) {
        match memory.map(|open| open()) {
            Some(Ok(memory)) => {
                self.recollection.open(memory);
                self.keeps.store(true, Ordering::Relaxed);
            }
            Some(Err(reason)) => (self.report)(JobOutcome::CacheDisabled(reason)),
            None => {}
        }
    }

    /// What is said of an image; `None` if its model is no longer in use, or everything ends.
    fn answer(
        &self,
        errand: &BackgroundJob,
        decoder: &Decoder,
        pool: Option<&ThreadPool>,
    ) -> Option<Answered> {
        let model = self.backroom.model(errand.model)?;
        let path = &errand.source;
        let stamp = FileStamp::of(path);
        let recalled = self.recalled(path, decoder, model.card());
        let known = match recalled {
            Some(Recalled {
                said,
                origin: Some(origin),
            }) => {
                return Some(Answered {
                    result: Ok(said),
                    origin: Some(origin),
                    stamp,
                });
            }
            Some(Recalled { said, origin: None }) => Some(said),
            None => None,
        };
        let radiograph = match decoder.open(path) {
            Ok(radiograph) => radiograph,
            Err(error) => {
                return Some(Answered {
                    result: known.ok_or_else(|| error.into()),
                    origin: None,
                    stamp,
                });
            }
        };
        // The file may have been replaced since it was hashed.
        let known = known.filter(|said| said.content == radiograph.content);
        let result = match known {
            Some(said) => Ok(said),
            None => {
                self.backroom.rest()?;
                ask(&*model, &radiograph, pool)
            }
        };
        if let Ok(said) = &result {
            let answer = NewPrediction {
                image: identity(path, &radiograph),
                origin: Origin::of(&radiograph),
                said: said.clone(),
                model,
            };
            self.keep(&answer);
        }
        Some(Answered {
            result,
            origin: Some(Origin::of(&radiograph)),
            stamp,
        })
    }

    /// What is known of an image without decoding it. Nothing is hashed that could not be known.
    fn recalled(&self, path: &Path, decoder: &Decoder, card: &ModelCard) -> Option<Recalled> {
        let image = self
            .recollection
            .is_open()
            .then(|| decoder.content_of(path))?;
        self.recollection.recall(image.ok()?, card)
    }

    fn keep(&self, answer: &NewPrediction) {
        if !self.keeps.load(Ordering::Relaxed) {
            return;
        }
        if let Err(reason) = self.recollection.keep(answer)
            && self.keeps.swap(false, Ordering::Relaxed)
        {
            (self.report)(JobOutcome::CacheDisabled(reason));
        }
    }
}

fn outcome(errand: BackgroundJob, answered: Option<Answered>) -> JobOutcome {
    let (result, origin, stamp) = match answered {
        Some(Answered {
            result,
            origin,
            stamp,
        }) => (Some(result.map(Box::new)), origin.map(Box::new), stamp),
        None => (None, None, None),
    };
    JobOutcome::Background {
        errand,
        result,
        origin,
        stamp,
    }
}

/// One answer on its way to the screen.
struct Answered {
    result: Result<Prediction, Failure>,
    origin: Option<Origin>,
    /// Of the file just before it was read.
    stamp: Option<FileStamp>,
}

impl Answered {
    fn failed() -> Self {
        Answered {
            result: Err("cxr failed on this image".into()),
            origin: None,
            stamp: None,
        }
    }
}

/// A hundred thousand maps would not fit: whoever wants to see one has it made anew.
fn ask(
    model: &dyn Classify,
    radiograph: &Radiograph,
    pool: Option<&ThreadPool>,
) -> Result<Prediction, Failure> {
    // This thread's priority is low, and so must be that of whoever computes for it.
    let read = || alone(|| classify(model, radiograph));
    let said = pool.map_or_else(read, |pool| pool.install(read))?;
    Ok(Prediction {
        activation: None,
        ..said
    })
}

pub fn identity(path: &Path, radiograph: &Radiograph) -> ImageIdentity {
    ImageIdentity {
        sha256: radiograph.content.to_string(),
        path: path.to_owned(),
        uids: radiograph.uids.clone(),
        patient_id: radiograph.patient.id.clone(),
    }
}

/// On Linux a thread has a priority of its own; elsewhere it would be the whole process's.
#[cfg(target_os = "linux")]
fn lower_priority() {
    // Where this is refused, it reads on as it is.
    let _ = rustix::process::setpriority_process(None, 19);
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says when it is gone.
    struct FakeCache(Arc<AtomicBool>);

    impl PredictionCache for FakeCache {
        fn recall(&mut self, _: ContentId, _: &ModelCard) -> Option<Recalled> {
            None
        }

        fn keep(
            &mut self,
            _: &ImageIdentity,
            _: &Origin,
            _: &ModelCard,
            _: &Prediction,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    impl Drop for FakeCache {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A thread may still hold a clone: it has no open file by it.
    #[test]
    fn a_closed_memory_is_gone_though_a_thread_holds_it_and_none_comes_after() {
        for opens_late in [false, true] {
            let gone = Arc::new(AtomicBool::new(false));
            let recollection = CachedPrediction::default();
            let of_thread = recollection.clone();
            if opens_late {
                recollection.close();
                of_thread.open(Box::new(FakeCache(gone.clone())));
            } else {
                of_thread.open(Box::new(FakeCache(gone.clone())));
                recollection.close();
            }
            assert!(gone.load(Ordering::SeqCst) && !of_thread.is_open());
        }
    }
}
