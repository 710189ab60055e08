//! Everything slow, off the thread that draws.
//!
//! Two threads have a slot that holds only the newest request; a third reads what will probably be
//! asked for next, so that nobody waits behind it; others read the rest of the folder while those three
//! rest (see `background`):
//!
//! ```text
//! select ──► reader: shelf or decode ──► Opened, Shown ──► classifier ──► Classified
//! redraw ──►    "    newest view only ──► Shown
//!               └─ neighbours ──► read ahead ──► shelf
//! ```
//!
//! A request carries a [`Generation`] and its source. Whoever holds a result of an older generation
//! drops it, here before reporting and again in the screen's `update`, since a result under the
//! wrong image is the worst fault this program can have.

mod background;
mod bounded_cache;
mod classifier;
mod decoded_cache;
mod facts;
mod idle_queue;
mod latest_slot;
mod models;

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::domain::{
    Canvas, ContentId, Failure, HeatMapLayer, HeatMapLegend, ModelCard, Origin, Prediction,
    PreviewImage, Radiograph, View,
};
pub use crate::imaging::FileStamp;
use crate::imaging::{self, Decoder, Viewport};
use background::{BackgroundScoring, CachedPrediction};
pub use background::{OpenMemory, PredictionCache, Recalled};
use bounded_cache::DecodedFile;
use classifier::{ClassifierRequest, ClassifierThread, DecodedImage};
use decoded_cache::DecodedCache;
pub use facts::Facts;
pub use idle_queue::BackgroundJob;
use idle_queue::{Front, IdleQueue, Sign};
use latest_slot::{LatestSlot, Prefetch, SlotTask};
pub use models::{KEPT_BYTES, Load, ModelSet, ModelSource};

/// How long a selection must stand before it is decoded, so that jumping to and fro decodes a handful.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// Selections that follow one another faster than this come from a key that is held: keyboards repeat
/// one 15 to 40 times a second, and hardly anybody presses one so often.
const HELD: Duration = Duration::from_millis(80);
/// Threads that read behind, at most: each may have a large file in hand.
const MOST_BEHIND: usize = 8;
/// Decoded radiographs kept: about ten of the largest, hundreds of the small.
const CACHE_BYTES: usize = 192 << 20;

/// How many images are read at once behind what is looked at: one core is left for that.
pub fn threads_behind() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores - 1).clamp(1, MOST_BEHIND)
}

/// Counts selections: a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl Generation {
    pub fn next(self) -> Self {
        Generation(self.0 + 1)
    }
}

/// How and how large to show an image.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderRequest {
    pub view: View,
    pub canvas: Canvas,
    /// Laid over the picture. Of this image, and no other.
    pub heat_map: Option<HeatMapLayer>,
}

/// One image to open, show and classify.
#[derive(Debug, Clone)]
pub struct ImageJob {
    pub source: Arc<Path>,
    pub generation: Generation,
    pub frame: RenderRequest,
    /// The content of which an answer is known already. An image of another content is classified.
    pub scored: Option<ContentId>,
    /// Where its logits come from is wanted too: an answer from memory will not do.
    pub maps: bool,
    /// Which of the models classifies it.
    pub model: usize,
    /// What the reader will probably want next, likeliest first.
    pub neighbours: Vec<Arc<Path>>,
}

/// A preview and the window that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Which image it is.
    pub content: ContentId,
    pub image: Arc<PreviewImage>,
    /// Window centre and width in units after the modality transform.
    pub window: (f64, f64),
    /// What has to be said of the heat map in it, if there is one.
    pub legend: Option<HeatMapLegend>,
}

/// What comes back. Errors are one line for people.
#[derive(Debug, Clone)]
pub enum JobOutcome {
    /// The model is there, or why not.
    Model(Result<Box<ModelCard>, String>),
    /// What was read in the background, without heat maps; nothing if it was put off, or another
    /// model is in use by now.
    Background {
        errand: BackgroundJob,
        result: Option<Result<Box<Prediction>, Failure>>,
        /// What the file says of its patient, if it could be read.
        origin: Option<Box<Origin>>,
        /// Of the file just before it was read; see [`FileStamp`].
        stamp: Option<FileStamp>,
    },
    /// From now on nothing that a model says is kept, and why.
    CacheDisabled(String),
    Opened {
        source: Arc<Path>,
        generation: Generation,
        result: Result<Box<Facts>, Failure>,
        /// Of the file just before it was read; see [`FileStamp`].
        stamp: Option<FileStamp>,
    },
    Shown {
        source: Arc<Path>,
        generation: Generation,
        shown: Shown,
    },
    Classified {
        source: Arc<Path>,
        generation: Generation,
        result: Result<Box<Prediction>, Failure>,
    },
}

/// Where outcomes go, from all threads.
pub type OutcomeSink = Arc<dyn Fn(JobOutcome) + Send + Sync>;

/// Handle to the threads. Dropping it ends them.
pub struct Worker {
    reader: Arc<LatestSlot<ImageJob>>,
    ahead: Arc<Prefetch>,
    classifier: Arc<LatestSlot<ClassifierRequest>>,
    backroom: Arc<IdleQueue>,
    recollection: CachedPrediction,
    report: OutcomeSink,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// `decoder` is called once for each thread that opens files.
    pub fn start(
        decoder: impl Fn() -> Decoder,
        models: impl Into<ModelSet>,
        report: OutcomeSink,
    ) -> Self {
        Self::with_memory(decoder, models, None, 1, report)
    }

    /// The same, with a memory of what models said, and so many threads that read what nobody looks
    /// at; see [`threads_behind`].
    pub fn with_memory(
        decoder: impl Fn() -> Decoder,
        models: impl Into<ModelSet>,
        memory: Option<OpenMemory>,
        behind: usize,
        report: OutcomeSink,
    ) -> Self {
        let models = models.into();
        let backroom = Arc::new(IdleQueue::default());
        let sign = |who| Sign {
            backroom: backroom.clone(),
            who,
        };
        let reader = Arc::new(LatestSlot::with(sign(Front::Reader)));
        let classifier = Arc::new(LatestSlot::with(sign(Front::Classifier)));
        let ahead = Arc::new(Prefetch::with(sign(Front::ReaderAhead)));
        let shelf = Arc::new(DecodedCache::new(CACHE_BYTES));
        let reading = DecodingThread {
            desk: reader.clone(),
            next: classifier.clone(),
            ahead: ahead.clone(),
            decoder: decoder(),
            shelf: shelf.clone(),
            report: report.clone(),
            on_screen: RefCell::default(),
            bare: RefCell::default(),
        };
        let recollection = CachedPrediction::default();
        let decoders: Vec<Decoder> = (0..behind).map(|_| decoder()).collect();
        let behind = BackgroundScoring::new(backroom.clone(), recollection.clone(), report.clone());
        let clerk = ClassifierThread {
            desk: classifier.clone(),
            backroom: backroom.clone(),
            recollection: recollection.clone(),
            report: report.clone(),
        };
        let (wishes, other) = (ahead.clone(), decoder());
        let threads = vec![
            thread::spawn(move || reading.run()),
            thread::spawn(move || read_ahead(&wishes, &shelf, &other)),
            thread::spawn(move || clerk.run(models)),
            thread::spawn(move || behind.run(memory, decoders)),
        ];
        Worker {
            reader,
            ahead,
            classifier,
            backroom,
            recollection,
            report,
            threads,
        }
    }

    /// Opens, shows and classifies; whatever was asked before is forgotten.
    pub fn select(&self, job: ImageJob) {
        self.classifier.forget_before(job.generation);
        self.reader.put(job.generation, SlotTask::Select(job));
    }

    /// Loads the model of that number if it is not there, and classifies with it.
    pub fn use_model(&self, generation: Generation, model: usize) {
        let work = ClassifierRequest { model, case: None };
        self.classifier.put(generation, SlotTask::Redraw(work));
    }

    /// Reads an image once nobody waits for another, after those that were sent before.
    pub fn read_behind(&self, errand: BackgroundJob) {
        self.backroom.send(errand);
    }

    /// Takes back those that were not begun. Each is reported, without a result.
    pub fn put_off(&self) {
        for errand in self.backroom.put_off() {
            (self.report)(JobOutcome::Background {
                errand,
                result: None,
                origin: None,
                stamp: None,
            });
        }
    }

    /// Shows the selected image in another way.
    pub fn redraw(&self, job: ImageJob) {
        self.reader.put(job.generation, SlotTask::Redraw(job));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reader.close();
        self.ahead.close();
        self.classifier.close();
        self.backroom.close();
        for thread in self.threads.drain(..) {
            // A decoder may still be at work on a large file: leaving does not wait for it.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        // Its file is one that others may copy once the program has ended.
        self.recollection.close();
    }
}

struct DecodingThread {
    desk: Arc<LatestSlot<ImageJob>>,
    next: Arc<LatestSlot<ClassifierRequest>>,
    ahead: Arc<Prefetch>,
    decoder: Decoder,
    shelf: Arc<DecodedCache>,
    report: OutcomeSink,
    /// What was opened for the newest selection. Whatever becomes of its file, it is this image that is
    /// shown, zoomed and scored until another is selected.
    on_screen: RefCell<Option<(Generation, Arc<Radiograph>)>>,
    /// The last picture, for another heat map over it: that reads and resamples nothing.
    bare: RefCell<Option<Bare>>,
}

/// A picture without a heat map, and what it shows.
struct Bare {
    content: ContentId,
    view: View,
    canvas: Canvas,
    image: Arc<PreviewImage>,
    window: (f64, f64),
    seen: Viewport,
}

impl Bare {
    fn new(job: &ImageJob, radiograph: &Radiograph) -> Self {
        let RenderRequest { view, canvas, .. } = job.frame;
        let (image, window) = imaging::show(radiograph, &view, canvas);
        Bare {
            content: radiograph.content,
            view,
            canvas,
            image: Arc::new(image),
            window,
            seen: imaging::seen(radiograph, &view, canvas),
        }
    }

    fn answers(&self, job: &ImageJob, content: ContentId) -> bool {
        self.content == content && self.view == job.frame.view && self.canvas == job.frame.canvas
    }

    /// With a heat map, if it is of this image.
    fn with(&self, layer: Option<&HeatMapLayer>) -> Shown {
        let layer = layer.filter(|layer| layer.content == self.content);
        let image = match layer {
            Some(layer) => Arc::new(imaging::overlay(&self.image, self.seen, layer)),
            None => self.image.clone(),
        };
        Shown {
            content: self.content,
            image,
            window: self.window,
            legend: layer.map(imaging::legend),
        }
    }
}

impl DecodingThread {
    fn run(self) {
        while let Some(task) = self.desk.take() {
            // One image's fault costs its row, not the thread that reads all others.
            let (SlotTask::Select(job) | SlotTask::Redraw(job)) = &task;
            let done = catch_unwind(AssertUnwindSafe(|| match &task {
                SlotTask::Select(job) => self.select(job),
                SlotTask::Redraw(job) => self.redraw(job),
            }));
            if done.is_err() {
                self.report_opened(job, Err("cxr failed on this image".into()), None);
            }
        }
    }

    fn select(&self, job: &ImageJob) {
        if !self.desk.settles(job.generation, self.rest_before(job)) {
            return;
        }
        self.shelf.forget_failure(&job.source);
        let opened = self.open(job);
        if self.desk.is_stale(job.generation) {
            return;
        }
        self.ahead.replace(job.neighbours.clone());
        match opened {
            Err(reason) => self.report_opened(job, Err(reason), None),
            Ok(DecodedFile {
                radiograph, stamp, ..
            }) => {
                self.on_screen
                    .replace(Some((job.generation, radiograph.clone())));
                self.report_opened(job, Ok(Box::new(Facts::of(&radiograph))), stamp);
                self.show(job, &radiograph);
                if job.maps || job.scored != Some(radiograph.content) {
                    let case = DecodedImage {
                        source: job.source.clone(),
                        generation: job.generation,
                        radiograph,
                        maps: job.maps,
                    };
                    let work = ClassifierRequest {
                        model: job.model,
                        case: Some(case),
                    };
                    self.next.put(job.generation, SlotTask::Select(work));
                }
            }
        }
    }

    /// How long it has to stand. While a key is held nothing is shown, not even what is at hand: each
    /// picture would go down the line only to be replaced.
    fn rest_before(&self, job: &ImageJob) -> Duration {
        if self.desk.pause().is_some_and(|pause| pause < HELD) {
            return HELD;
        }
        match self.shelf.expects(&job.source) {
            true => Duration::ZERO,
            false => DEBOUNCE,
        }
    }

    fn redraw(&self, job: &ImageJob) {
        let on_screen = self.on_screen.borrow();
        let Some((generation, radiograph)) = &*on_screen else {
            return;
        };
        // What could not be opened has no picture.
        if *generation != job.generation {
            return;
        }
        let bare = self.bare.borrow();
        let has_picture = bare
            .as_ref()
            .is_some_and(|bare| bare.answers(job, radiograph.content));
        drop(bare);
        match has_picture {
            true => self.report_shown(job),
            false => self.show(job, radiograph),
        }
    }

    fn report_opened(
        &self,
        job: &ImageJob,
        result: Result<Box<Facts>, Failure>,
        stamp: Option<FileStamp>,
    ) {
        (self.report)(JobOutcome::Opened {
            source: job.source.clone(),
            generation: job.generation,
            result,
            stamp,
        });
    }

    fn show(&self, job: &ImageJob, radiograph: &Radiograph) {
        let canvas = job.frame.canvas;
        if canvas.width == 0 || canvas.height == 0 {
            return;
        }
        *self.bare.borrow_mut() = Some(Bare::new(job, radiograph));
        self.report_shown(job);
    }

    /// Reports the picture that is at hand, with the heat map that is wanted.
    fn report_shown(&self, job: &ImageJob) {
        let layer = job.frame.heat_map.as_ref();
        let shown = self.bare.borrow().as_ref().map(|bare| bare.with(layer));
        let Some(shown) = shown else { return };
        if !self.desk.is_stale(job.generation) {
            (self.report)(JobOutcome::Shown {
                source: job.source.clone(),
                generation: job.generation,
                shown,
            });
        }
    }

    fn open(&self, job: &ImageJob) -> Result<DecodedFile, Failure> {
        let wanted = || !self.desk.is_stale(job.generation);
        if let Some(decoded) = self.shelf.get(&job.source, wanted) {
            return Ok(decoded);
        }
        if !wanted() {
            return Err("no longer wanted".into());
        }
        let read = || self.decoder.open(&job.source);
        self.shelf.read(&job.source, read).map_err(Failure::from)
    }
}

/// The thread for which nobody waits.
fn read_ahead(wishes: &Prefetch, shelf: &DecodedCache, decoder: &Decoder) {
    while let Some(path) = wishes.take() {
        let read = || shelf.read_ahead(&path, || decoder.open(&path));
        // A fault says itself when the file is selected.
        let _ = catch_unwind(AssertUnwindSafe(read));
    }
}

impl JobOutcome {
    /// Which request of the screen's it answers; `None` for the model's own news and the background's.
    pub fn answers(&self) -> Option<(&Arc<Path>, Generation)> {
        match self {
            JobOutcome::Model(_) | JobOutcome::Background { .. } | JobOutcome::CacheDisabled(_) => {
                None
            }
            JobOutcome::Opened {
                source, generation, ..
            }
            | JobOutcome::Shown {
                source, generation, ..
            }
            | JobOutcome::Classified {
                source, generation, ..
            } => Some((source, *generation)),
        }
    }
}
