//! The thread that reads the rest of the folder, one image at a time, with what the machine has to
//! spare; and what models said before.
//!
//! ```text
//! errand ─ nobody in front at work ─► hash ─ Memory ─► Background
//!                                       └─ unknown ─► decode ─► classify ─► Memory ─► Background
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::backroom::{Answer, Backroom, Errand, Next};
use super::classifier::classify;
use super::seal::Seal;
use super::{Outcome, Report};
use crate::domain::{ImageIdentity, ModelCard, Prediction, Radiograph};
use crate::imaging::Decoder;

/// What models said of images, whenever and under whatever name. Without heat maps.
pub trait Memory: Send {
    /// What the model of this card said of the image of that SHA-256. `None` also if it cannot be
    /// read.
    fn recall(&mut self, sha256: &str, card: &ModelCard) -> Option<Prediction>;

    /// # Errors
    /// A few words for people.
    fn keep(
        &mut self,
        image: &ImageIdentity,
        card: &ModelCard,
        said: &Prediction,
    ) -> Result<(), String>;
}

/// Opens a memory, on the background thread. The error is a few words for people.
pub type OpenMemory = Box<dyn FnOnce() -> Result<Box<dyn Memory>, String> + Send>;

/// A memory for the thread that writes it and another that looks something up.
#[derive(Clone, Default)]
pub struct Recollection(Arc<Mutex<Option<Box<dyn Memory>>>>);

impl Recollection {
    fn open(&self, memory: Box<dyn Memory>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
    }

    fn recall(&self, seal: &Seal, card: &ModelCard) -> Option<Prediction> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.as_mut()?.recall(&seal.sha256, card)
    }

    /// For somebody who waits: nothing, while the disk is being written.
    pub fn glance(&self, seal: &Seal, card: &ModelCard) -> Option<Prediction> {
        let mut memory = match self.0.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::Poisoned(memory)) => memory.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        memory.as_mut()?.recall(&seal.sha256, card)
    }

    /// Forgets nothing that is kept; but after one failure no more is kept.
    fn keep(
        &self,
        image: &ImageIdentity,
        card: &ModelCard,
        said: &Prediction,
    ) -> Result<(), String> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.as_mut() {
            Some(memory) => memory.keep(image, card, said),
            None => Ok(()),
        }
    }

    pub fn is_open(&self) -> bool {
        match self.0.try_lock() {
            Ok(memory) => memory.is_some(),
            Err(_) => true,
        }
    }
}

pub struct Background {
    pub backroom: Arc<Backroom>,
    pub decoder: Decoder,
    pub recollection: Recollection,
    pub memory: Option<OpenMemory>,
    pub report: Report,
}

impl Background {
    pub fn run(mut self) {
        lower_priority();
        // Its thread is made here, and so has this one's priority.
        let pool = ThreadPoolBuilder::new().num_threads(1).build().ok();
        let mut keeps = self.open_memory();
        while let Some(next) = self.backroom.take() {
            match next {
                Next::Keep(answer) => self.keep(&answer, &mut keeps),
                Next::Run(errand) => {
                    let done = AssertUnwindSafe(|| self.answer(&errand, pool.as_ref(), &mut keeps));
                    let failed = "cxr failed on this image".to_owned();
                    let result = catch_unwind(done).unwrap_or(Some(Err(failed)));
                    (self.report)(Outcome::Background {
                        errand,
                        result: result.map(|result| result.map(Box::new)),
                    });
                }
            }
        }
    }

    fn open_memory(&mut self) -> bool {
        match self.memory.take().map(|open| open()) {
            Some(Ok(memory)) => self.recollection.open(memory),
            Some(Err(reason)) => {
                (self.report)(Outcome::Forgetful(reason));
                return false;
            }
            None => return false,
        }
        true
    }

    /// What is said of an image; `None` if its model is no longer in use, or everything ends.
    fn answer(
        &self,
        errand: &Errand,
        pool: Option<&ThreadPool>,
        keeps: &mut bool,
    ) -> Option<Result<Prediction, String>> {
        let model = self.backroom.model(errand.model)?;
        let path = &errand.source;
        let seal = self.seal(path);
        if let Some(seal) = &seal
            && let Some(said) = self.recollection.recall(seal, model.card())
        {
            return Some(Ok(said));
        }
        let radiograph = match self.decoder.open(path) {
            Ok(radiograph) => radiograph,
            Err(error) => return Some(Err(error.to_string())),
        };
        self.backroom.rest()?;
        let read = || classify(&*model, &radiograph);
        let said = match pool.map_or_else(read, |pool| pool.install(read)) {
            // A hundred thousand maps would not fit: whoever wants to see one has it made anew.
            Ok(said) => Prediction {
                activation: None,
                ..said
            },
            Err(reason) => return Some(Err(reason)),
        };
        if let Some(seal) = seal {
            let answer = Answer {
                image: identity(path, &radiograph, &seal),
                seal,
                said: said.clone(),
                model,
            };
            self.keep(&answer, keeps);
        }
        Some(Ok(said))
    }

    fn seal(&self, path: &Path) -> Option<Seal> {
        self.recollection
            .is_open()
            .then(|| Seal::of(path))
            .flatten()
    }

    /// Unless the file was changed meanwhile: nothing says which of its contents was read then.
    fn keep(&self, answer: &Answer, keeps: &mut bool) {
        let Answer { image, said, .. } = answer;
        if !*keeps || !answer.seal.is_unbroken(&image.path) {
            return;
        }
        if let Err(reason) = self.recollection.keep(image, answer.model.card(), said) {
            *keeps = false;
            (self.report)(Outcome::Forgetful(reason));
        }
    }
}

pub fn identity(path: &Path, radiograph: &Radiograph, seal: &Seal) -> ImageIdentity {
    ImageIdentity {
        sha256: seal.sha256.clone(),
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
