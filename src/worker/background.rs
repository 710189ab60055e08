//! The background threads: score the rest of the folder, one image per thread at a time, while the other
//! threads are idle, and store predictions in the prediction cache.
//!
//! ```text
//! job ─ other threads idle ─► hash ─► cached ────────────────────────────────────► Background
//!                               └───► not cached ─► decode ─► classify ─► cache ─► Background
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::idle_queue::{BackgroundJob, IdleQueue, Next};
use super::models::classify;
use super::prediction_cache::{NewPrediction, SharedPredictionCache};
use super::{JobOutcome, OutcomeSink};
use crate::domain::{Failure, ModelCard, Origin, Prediction, Radiograph};
use crate::imaging::{Decoder, FileStamp};
use crate::inference::{Classify, alone};
use crate::predictions::{CachedPrediction, OpenPredictionCache};

/// The state that the background threads share.
pub struct BackgroundScoring {
    queue: Arc<IdleQueue>,
    predictions: SharedPredictionCache,
    report: OutcomeSink,
    /// Whether predictions are stored: no longer after a failure.
    is_caching: AtomicBool,
}

impl BackgroundScoring {
    pub fn new(
        queue: Arc<IdleQueue>,
        predictions: SharedPredictionCache,
        report: OutcomeSink,
    ) -> Self {
        BackgroundScoring {
            queue,
            predictions,
            report,
            is_caching: AtomicBool::new(false),
        }
    }

    /// Opens the prediction cache, and works with a thread for each decoder until the queue is closed.
    pub fn run(self, cache: Option<OpenPredictionCache>, decoders: Vec<Decoder>) {
        lower_priority();
        // Before the first job: its image may be in the cache.
        self.open(cache);
        let this = &self;
        thread::scope(|scope| {
            for decoder in decoders {
                scope.spawn(move || this.work(&decoder));
            }
        });
    }

    fn work(&self, decoder: &Decoder) {
        lower_priority();
        // The pool's thread is made here, so it inherits the low priority.
        let pool = ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some(next) = self.queue.take() {
            match next {
                Next::Cache(new) => self.cache(&new),
                Next::Score(job) => {
                    let answer = AssertUnwindSafe(|| self.answer(&job, decoder, pool.as_ref()));
                    let answer =
                        catch_unwind(answer).unwrap_or_else(|_| Some(BackgroundAnswer::failed()));
                    (self.report)(outcome(job, answer));
                }
            }
        }
    }

    fn open(&self, cache: Option<OpenPredictionCache>) {
        match cache.map(|open| open()) {
            Some(Ok(cache)) => {
                self.predictions.open(cache);
                self.is_caching.store(true, Ordering::Relaxed);
            }
            Some(Err(reason)) => (self.report)(JobOutcome::CacheDisabled(reason)),
            None => {}
        }
    }

    /// The answer to a job; `None` if its model is no longer in use, or the program ends.
    fn answer(
        &self,
        job: &BackgroundJob,
        decoder: &Decoder,
        pool: Option<&ThreadPool>,
    ) -> Option<BackgroundAnswer> {
        let model = self.queue.model(job.model)?;
        let path = &job.source;
        let stamp = FileStamp::of(path);
        let cached = match self.cached(path, decoder, model.card()) {
            Some(CachedPrediction {
                prediction,
                origin: Some(origin),
            }) => {
                return Some(BackgroundAnswer {
                    result: Ok(prediction),
                    origin: Some(origin),
                    stamp,
                });
            }
            Some(CachedPrediction {
                prediction,
                origin: None,
            }) => Some(prediction),
            None => None,
        };
        let (result, origin) = match decoder.open(path) {
            Ok(radiograph) => {
                let result = self.score(path, &radiograph, cached, model, pool)?;
                (result, Some(Origin::of(&radiograph)))
            }
            Err(error) => (cached.ok_or_else(|| error.into()), None),
        };
        Some(BackgroundAnswer {
            result,
            origin,
            stamp,
        })
    }

    /// The prediction for a decoded image: the cached one or a new one, which is stored. `None` if the program
    /// ends.
    fn score(
        &self,
        path: &Path,
        radiograph: &Radiograph,
        cached: Option<Prediction>,
        model: Arc<dyn Classify>,
        pool: Option<&ThreadPool>,
    ) -> Option<Result<Prediction, Failure>> {
        // The file may have been replaced since it was hashed.
        let cached = cached.filter(|cached| cached.content == radiograph.content);
        let result = match cached {
            Some(prediction) => Ok(prediction),
            None => {
                self.queue.wait_until_idle()?;
                classify_in(pool, &*model, radiograph)
            }
        };
        if let Ok(prediction) = &result {
            self.cache(&NewPrediction::new(path, radiograph, prediction, model));
        }
        Some(result)
    }

    /// The cache's entry for a file, without decoding it. Without a cache the file is not even hashed.
    fn cached(&self, path: &Path, decoder: &Decoder, card: &ModelCard) -> Option<CachedPrediction> {
        let content = self
            .predictions
            .is_open()
            .then(|| decoder.content_of(path))?;
        self.predictions.get(content.ok()?, card)
    }

    fn cache(&self, new: &NewPrediction) {
        if !self.is_caching.load(Ordering::Relaxed) {
            return;
        }
        if let Err(reason) = self.predictions.insert(new)
            && self.is_caching.swap(false, Ordering::Relaxed)
        {
            (self.report)(JobOutcome::CacheDisabled(reason));
        }
    }
}

fn outcome(job: BackgroundJob, answer: Option<BackgroundAnswer>) -> JobOutcome {
    let (result, origin, stamp) = match answer {
        Some(BackgroundAnswer {
            result,
            origin,
            stamp,
        }) => (Some(result.map(Box::new)), origin.map(Box::new), stamp),
        None => (None, None, None),
    };
    JobOutcome::Background {
        job,
        result,
        origin,
        stamp,
    }
}

/// One answer on its way to the screen.
struct BackgroundAnswer {
    result: Result<Prediction, Failure>,
    origin: Option<Origin>,
    /// The file's stamp just before it was read.
    stamp: Option<FileStamp>,
}

impl BackgroundAnswer {
    fn failed() -> Self {
        BackgroundAnswer {
            result: Err("cxr failed on this image".into()),
            origin: None,
            stamp: None,
        }
    }
}

/// Classifies on the thread of `pool`, which has a low priority. Drops the activation maps and the lung fields: those
/// of a whole folder would not fit, so they are computed again for an image that the reader selects.
fn classify_in(
    pool: Option<&ThreadPool>,
    model: &dyn Classify,
    radiograph: &Radiograph,
) -> Result<Prediction, Failure> {
    let classify = || alone(|| classify(model, radiograph));
    let prediction = pool.map_or_else(classify, |pool| pool.install(classify))?;
    Ok(Prediction {
        activation: None,
        lung_fields: None,
        ..prediction
    })
}

/// On Linux a thread has a priority of its own; elsewhere this would change the whole process.
#[cfg(target_os = "linux")]
pub(super) fn lower_priority() {
    // If the system refuses, the thread goes on with its normal priority.
    let _ = rustix::process::setpriority_process(None, 19);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lower_priority() {}
