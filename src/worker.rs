//! Everything slow, off the thread that draws.
//!
//! Two threads, each with a slot that holds only the newest request:
//!
//! ```text
//! select ──► reader: cache or decode ──► Opened, Shown ──► classifier ──► Classified
//! redraw ──►    "    newest view only ──► Shown
//! ```
//!
//! A request carries a [`Generation`] and its source. Whoever holds a result of an older generation
//! drops it, here before reporting and again in the screen's `update`, since a result under the
//! wrong image is the worst fault this program can have.

mod cache;
mod desk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::domain::{
    Canvas, ModelCard, PatientFacts, Prediction, PreviewImage, Radiograph, View, ViewPosition,
};
use crate::imaging::{self, Decoder};
use crate::inference::{Classify, InferenceError};
use cache::Cache;
use desk::{Desk, Task};

/// How long a selection must stand before it is decoded, so that holding a key decodes a handful.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// Decoded radiographs kept: about ten of the largest, hundreds of the small.
const CACHE_BYTES: usize = 192 << 20;

/// Counts selections: a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl Generation {
    pub fn next(self) -> Self {
        Generation(self.0 + 1)
    }
}

/// How and how large to show an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub view: View,
    pub canvas: Canvas,
}

/// One image to open, show and classify.
#[derive(Debug, Clone)]
pub struct Job {
    pub source: Arc<Path>,
    pub generation: Generation,
    pub frame: Frame,
    /// False where the answer is known already.
    pub classify: bool,
    /// What the reader will probably want next, likeliest first.
    pub neighbours: Vec<Arc<Path>>,
}

/// What the screen says of an image beside its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub width: usize,
    pub height: usize,
    pub bits_stored: u8,
    pub frames: u32,
    pub format: String,
    pub view: ViewPosition,
    pub patient: PatientFacts,
}

/// A preview and the window that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub image: Arc<PreviewImage>,
    /// Window centre and width in units after the modality transform.
    pub window: (f64, f64),
}

/// What comes back. Errors are one line for people.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The model is there, or why not.
    Model(Result<Box<ModelCard>, String>),
    Opened {
        source: Arc<Path>,
        generation: Generation,
        result: Result<Facts, String>,
    },
    Shown {
        source: Arc<Path>,
        generation: Generation,
        shown: Shown,
    },
    Classified {
        source: Arc<Path>,
        generation: Generation,
        result: Result<Box<Prediction>, String>,
    },
}

/// Loads a classifier on the thread that will own it.
pub type Load = Box<dyn FnOnce() -> Result<Box<dyn Classify>, InferenceError> + Send>;

/// Where outcomes go, from both threads.
pub type Report = Arc<dyn Fn(Outcome) + Send + Sync>;

/// Handle to the two threads. Dropping it ends them.
pub struct Worker {
    reader: Arc<Desk<Job>>,
    classifier: Arc<Desk<Case>>,
    threads: Vec<JoinHandle<()>>,
}

/// A decoded image on its way to the classifier.
struct Case {
    source: Arc<Path>,
    generation: Generation,
    radiograph: Arc<Radiograph>,
}

impl Worker {
    pub fn start(decoder: Decoder, load: Load, report: Report) -> Self {
        let reader = Arc::new(Desk::new());
        let classifier = Arc::new(Desk::new());
        let reading = Reader {
            desk: reader.clone(),
            next: classifier.clone(),
            decoder,
            cache: Cache::new(CACHE_BYTES),
            failed: Vec::new(),
            report: report.clone(),
        };
        let cases = classifier.clone();
        let threads = vec![
            thread::spawn(move || reading.run()),
            thread::spawn(move || classify_all(&cases, load, &*report)),
        ];
        Worker {
            reader,
            classifier,
            threads,
        }
    }

    /// Opens, shows and classifies; whatever was asked before is forgotten.
    pub fn select(&self, job: Job) {
        self.classifier.forget_before(job.generation);
        self.reader.put(job.generation, Task::Select(job));
    }

    /// Shows the selected image in another way.
    pub fn redraw(&self, job: Job) {
        self.reader.put(job.generation, Task::Redraw(job));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reader.close();
        self.classifier.close();
        for thread in self.threads.drain(..) {
            // A decoder may still be at work on a large file: leaving does not wait for it.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

struct Reader {
    desk: Arc<Desk<Job>>,
    next: Arc<Desk<Case>>,
    decoder: Decoder,
    cache: Cache,
    /// Files that could not be read, each once.
    failed: Vec<Arc<Path>>,
    report: Report,
}

impl Reader {
    fn run(mut self) {
        while let Some(task) = self.desk.take() {
            // One image's fault costs its row, not the thread that reads all others.
            let job = match &task {
                Task::Select(job) | Task::Redraw(job) => Some(job.clone()),
                Task::Ahead(_) => None,
            };
            let done = catch_unwind(AssertUnwindSafe(|| match task {
                Task::Select(job) => self.select(&job),
                Task::Redraw(job) => self.redraw(&job),
                Task::Ahead(path) => self.read_ahead(&path),
            }));
            if let (Err(_), Some(job)) = (done, job) {
                self.report_opened(&job, Err("cxr failed on this image".to_owned()));
            }
        }
    }

    fn select(&mut self, job: &Job) {
        let cached = self.cache.contains(&job.source);
        if !cached && !self.desk.settles(job.generation, DEBOUNCE) {
            return;
        }
        // Somebody asks for it: it may have become readable.
        self.failed.retain(|path| *path != job.source);
        let opened = self.open(&job.source);
        if self.desk.is_stale(job.generation) {
            return;
        }
        self.desk.look_ahead(job.neighbours.clone());
        match opened {
            Err(reason) => self.report_opened(job, Err(reason)),
            Ok(radiograph) => {
                self.report_opened(job, Ok(facts(&radiograph)));
                self.show(job, &radiograph);
                if job.classify {
                    let case = Case {
                        source: job.source.clone(),
                        generation: job.generation,
                        radiograph,
                    };
                    self.next.put(job.generation, Task::Select(case));
                }
            }
        }
    }

    fn redraw(&mut self, job: &Job) {
        if self.failed.contains(&job.source) {
            return;
        }
        if let Ok(radiograph) = self.open(&job.source) {
            self.show(job, &radiograph);
        }
    }

    /// A neighbour that cannot be read says so when it is selected. It is not tried again before:
    /// a slow one would stand in the way of every selection near it.
    fn read_ahead(&mut self, path: &Arc<Path>) {
        if !self.failed.contains(path) {
            let _ = self.open(path);
        }
    }

    fn report_opened(&self, job: &Job, result: Result<Facts, String>) {
        (self.report)(Outcome::Opened {
            source: job.source.clone(),
            generation: job.generation,
            result,
        });
    }

    fn show(&self, job: &Job, radiograph: &Radiograph) {
        let Frame { view, canvas } = job.frame;
        if canvas.width == 0 || canvas.height == 0 {
            return;
        }
        let (image, window) = imaging::show(radiograph, &view, canvas);
        if !self.desk.is_stale(job.generation) {
            (self.report)(Outcome::Shown {
                source: job.source.clone(),
                generation: job.generation,
                shown: Shown {
                    image: Arc::new(image),
                    window,
                },
            });
        }
    }

    fn open(&mut self, path: &Arc<Path>) -> Result<Arc<Radiograph>, String> {
        if let Some(radiograph) = self.cache.get(path) {
            return Ok(radiograph);
        }
        match self.decoder.open(path) {
            Ok(radiograph) => {
                let radiograph = Arc::new(radiograph);
                self.cache.insert(path.clone(), radiograph.clone());
                Ok(radiograph)
            }
            Err(error) => {
                self.failed.push(path.clone());
                Err(error.to_string())
            }
        }
    }
}

fn facts(radiograph: &Radiograph) -> Facts {
    Facts {
        width: radiograph.width,
        height: radiograph.height,
        bits_stored: radiograph.bits_stored,
        frames: radiograph.frames,
        format: radiograph.format.clone(),
        view: radiograph.view,
        patient: radiograph.patient.clone(),
    }
}

/// The thread that owns the classifier.
fn classify_all(desk: &Desk<Case>, load: Load, report: &dyn Fn(Outcome)) {
    let loaded = catch_unwind(AssertUnwindSafe(load));
    let classifier = match loaded {
        Ok(Ok(classifier)) => classifier,
        Ok(Err(error)) => return report(Outcome::Model(Err(error.to_string()))),
        Err(_) => return report(Outcome::Model(Err("it could not be loaded".to_owned()))),
    };
    report(Outcome::Model(Ok(Box::new(classifier.card().clone()))));
    while let Some(task) = desk.take() {
        let (Task::Select(case) | Task::Redraw(case)) = task else {
            continue;
        };
        let result = classify(classifier.as_ref(), &case.radiograph);
        if !desk.is_stale(case.generation) {
            let Case {
                source, generation, ..
            } = case;
            report(Outcome::Classified {
                source,
                generation,
                result: result.map(Box::new),
            });
        }
    }
}

/// One image's fault costs its row, not the session: a panic becomes its error.
fn classify(classifier: &dyn Classify, radiograph: &Radiograph) -> Result<Prediction, String> {
    match catch_unwind(AssertUnwindSafe(|| classifier.classify(radiograph))) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("the classifier failed on this image".to_owned()),
    }
}

impl Outcome {
    /// Which request it answers; `None` for the model's own news.
    pub fn answers(&self) -> Option<(&Arc<Path>, Generation)> {
        match self {
            Outcome::Model(_) => None,
            Outcome::Opened {
                source, generation, ..
            }
            | Outcome::Shown {
                source, generation, ..
            }
            | Outcome::Classified {
                source, generation, ..
            } => Some((source, *generation)),
        }
    }
}
