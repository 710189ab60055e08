//! The threads behind the screen: all slow work happens here, never on the thread that draws.
//!
//! | thread | waits for | sends |
//! |---|---|---|
//! | image thread (`image_thread`) | the newest selection or view, in a latest slot | `Opened` and `Shown`; the radiograph to the classifier thread; the neighbours to the prefetch thread |
//! | prefetch thread (`prefetch`) | the neighbours of the selection, in a list that each selection replaces | nothing: it decodes into the decoded cache |
//! | classifier thread (`classifier`) | the newest radiograph or choice of a model, in a latest slot | `Model` and `Classified`; new predictions to the idle queue |
//! | comparison thread (`comparison_thread`) | the newest film to show beside the selected one, in a latest slot | `ComparedOpened` and `ComparedShown` |
//! | thumbnail threads (`thumbnails`) | the pictures that the grid lacks, in a list that each scroll replaces | `Thumbnail` |
//! | background threads (`background`) | predictions to cache, and images to score while the threads above are idle, in the idle queue | `Background` and `CacheDisabled` |
//!
//! ```text
//! select ──► image thread ──► Opened, Shown ──► classifier thread ──► Classified
//! redraw ──►   │  │    ▲                            │
//!              │  │    └─ decoded cache ◄─┐         └─► prediction cache ◄─┐
//!              │  └─ neighbours ──► prefetch thread                        │
//! score_in_background ──► idle queue ──► background threads ──► Background ┘
//! ```
//!
//! A request carries a [`Generation`] and its source. A result of an older generation is dropped, here
//! before it is reported and again in the screen's `update`: a result under the wrong image is the worst
//! fault that this program can have.

mod background;
mod bounded_cache;
mod classifier;
mod comparison_thread;
mod contents;
mod decoded_cache;
mod facts;
mod headers;
mod idle_queue;
mod image_thread;
mod latest_slot;
mod models;
mod prediction_cache;
mod prefetch;
mod selected_film;
mod thumbnails;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::domain::{
    Canvas, ContentId, Failure, HeaderLine, HeatMapLayer, HeatMapLegend, MarkLayer, ModelCard,
    Origin, Prediction, PreviewImage, Radiograph, View,
};
pub use crate::imaging::FileStamp;
use crate::imaging::{self, DecodeLimits, Decoder};
use crate::predictions::OpenPredictionCache;
use background::BackgroundScoring;
use classifier::{ClassifierRequest, ClassifierThread};
use comparison_thread::ComparisonThread;
pub use comparison_thread::{ComparedFacts, ComparisonJob};
pub use contents::{FileContent, read_contents};
use decoded_cache::DecodedCache;
pub use facts::Facts;
pub use headers::{HeaderBatch, HeaderJobs, read_headers};
pub use idle_queue::BackgroundJob;
use idle_queue::{BusyFlag, Foreground, IdleQueue};
use image_thread::ImageThread;
use latest_slot::{LatestSlot, SlotTask};
pub use models::{LOADED_MODEL_BYTES, Load, ModelSet, ModelSource};
use prediction_cache::SharedPredictionCache;
use prefetch::Prefetch;
use selected_film::SelectedFilm;
pub use thumbnails::{ThumbnailImage, ThumbnailJobs};
use thumbnails::{ThumbnailList, thumbnail_threads};

/// The most background threads: each may hold a large file in memory.
const MAX_BACKGROUND_THREADS: usize = 8;
/// Limit of the decoded cache: about ten of the largest radiographs, hundreds of the small ones.
const DECODED_CACHE_BYTES: usize = 192 << 20;

/// The DICOM header of a file as lines for people, and the content that it is of. `None` inside for a format without
/// one. It reads the whole file, so it belongs on a thread of its own.
///
/// # Errors
/// The reason in one line.
pub fn header(path: &Path) -> Result<(ContentId, Option<Vec<HeaderLine>>), String> {
    imaging::header(path, &DecodeLimits::default()).map_err(|error| error.to_string())
}

/// How many background threads this machine can run. One core is left for the selected image.
pub fn background_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores - 1).clamp(1, MAX_BACKGROUND_THREADS)
}

/// Counts selections: a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of the selection after this one.
    pub fn next(self) -> Self {
        Generation(self.0 + 1)
    }
}

/// How to show an image, and how large.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderRequest {
    /// Window, zoom and position.
    pub view: View,
    /// Size of the picture in pixels.
    pub canvas: Canvas,
    /// Drawn over the picture, if it belongs to this image.
    pub heat_map: Option<HeatMapLayer>,
    /// Drawn over that, likewise.
    pub marks: Option<Arc<MarkLayer>>,
}

/// One image to open, show and classify.
#[derive(Debug, Clone)]
pub struct ImageJob {
    /// Its file.
    pub source: Arc<Path>,
    /// The selection that it belongs to.
    pub generation: Generation,
    /// How it is shown.
    pub frame: RenderRequest,
    /// The content that has a prediction already. An image with another content is classified.
    pub scored: Option<ContentId>,
    /// The activation maps are wanted too, so the prediction cache, which has none, is not asked.
    pub maps: bool,
    /// Index of the model that classifies it.
    pub model: usize,
    /// Files that the reader will probably open next, likeliest first.
    pub neighbours: Vec<Arc<Path>>,
}

/// A preview and the window that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Which image it is.
    pub content: ContentId,
    /// The picture.
    pub image: Arc<PreviewImage>,
    /// Window centre and width in units after the modality transform.
    pub window: (f64, f64),
    /// The legend of the heat map in the picture, if it has one.
    pub legend: Option<HeatMapLegend>,
}

/// Why a model could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFailure {
    /// Index of the model.
    pub model: usize,
    /// The reason in a line.
    pub reason: String,
}

/// A result from one of the threads. Errors are one line that the reader sees.
#[derive(Debug, Clone)]
pub enum JobOutcome {
    /// A model is loaded, or could not be.
    Model(Result<Box<ModelCard>, ModelFailure>),
    /// A background job has ended.
    Background {
        /// The job.
        job: BackgroundJob,
        /// The prediction, without activation maps. `None` if the job was cancelled, or if another model is
        /// in use by now.
        result: Option<Result<Box<Prediction>, Failure>>,
        /// Patient, study and time in the file; `None` if it could not be read.
        origin: Option<Box<Origin>>,
        /// The file's stamp just before it was read; see [`FileStamp`].
        stamp: Option<FileStamp>,
    },
    /// From now on no prediction is cached, and why.
    CacheDisabled(String),
    /// The selected file was opened, or could not be.
    Opened {
        /// The file.
        source: Arc<Path>,
        /// The selection that asked for it.
        generation: Generation,
        /// Facts beside the pixels.
        result: Result<Box<Facts>, Failure>,
        /// The file's stamp just before it was read; see [`FileStamp`].
        stamp: Option<FileStamp>,
    },
    /// A picture of the selected image is ready.
    Shown {
        /// The file.
        source: Arc<Path>,
        /// The selection that asked for it.
        generation: Generation,
        /// The picture.
        shown: Shown,
    },
    /// The film beside the selected one was opened, or could not be.
    ComparedOpened {
        /// The file.
        source: Arc<Path>,
        /// That of its [`ComparisonJob`].
        generation: Generation,
        /// What is known of it.
        result: Result<Box<ComparedFacts>, Failure>,
        /// The file's stamp just before it was read; see [`FileStamp`].
        stamp: Option<FileStamp>,
    },
    /// A picture of the film beside the selected one is ready.
    ComparedShown {
        /// The file.
        source: Arc<Path>,
        /// That of its [`ComparisonJob`].
        generation: Generation,
        /// The picture.
        shown: Shown,
    },
    /// A picture of the grid is made, or could not be.
    Thumbnail {
        /// The file.
        source: Arc<Path>,
        /// The size that was asked for.
        canvas: Canvas,
        /// The picture.
        result: Result<ThumbnailImage, Failure>,
    },
    /// The selected image was classified, or could not be.
    Classified {
        /// The file.
        source: Arc<Path>,
        /// The selection that asked for it.
        generation: Generation,
        /// The prediction.
        result: Result<Box<Prediction>, Failure>,
    },
}

impl JobOutcome {
    /// The selection that it answers: file and generation. `None` for news of a model, of the film beside the
    /// selected one, of the grid, of the background threads and of the prediction cache.
    pub fn answers(&self) -> Option<(&Arc<Path>, Generation)> {
        match self {
            JobOutcome::Model(_)
            | JobOutcome::Background { .. }
            | JobOutcome::CacheDisabled(_)
            | JobOutcome::ComparedOpened { .. }
            | JobOutcome::ComparedShown { .. }
            | JobOutcome::Thumbnail { .. } => None,
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

/// Receives the outcomes of all threads.
pub type OutcomeSink = Arc<dyn Fn(JobOutcome) + Send + Sync>;

/// Handle to the threads. Dropping it ends them.
pub struct Worker {
    images: Arc<LatestSlot<ImageJob>>,
    comparison: Arc<LatestSlot<ComparisonJob>>,
    prefetch: Arc<Prefetch>,
    thumbnails: Arc<ThumbnailList>,
    classifier: Arc<LatestSlot<ClassifierRequest>>,
    idle_queue: Arc<IdleQueue>,
    predictions: SharedPredictionCache,
    selected: Arc<SelectedFilm>,
    report: OutcomeSink,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the threads without a prediction cache, with one background thread. `decoder` is called once
    /// for each thread that opens files.
    pub fn start(
        decoder: impl Fn() -> Decoder,
        models: impl Into<ModelSet>,
        report: OutcomeSink,
    ) -> Self {
        Self::with_cache(decoder, models, None, 1, report)
    }

    /// Starts the threads with a prediction cache and a number of background threads; see
    /// [`background_threads`].
    pub fn with_cache(
        decoder: impl Fn() -> Decoder,
        models: impl Into<ModelSet>,
        cache: Option<OpenPredictionCache>,
        background_threads: usize,
        report: OutcomeSink,
    ) -> Self {
        let models = models.into();
        let idle_queue = Arc::new(IdleQueue::default());
        let busy_flag = |thread| BusyFlag {
            queue: idle_queue.clone(),
            thread,
        };
        let images = Arc::new(LatestSlot::with_busy_flag(busy_flag(Foreground::Image)));
        let classifier = Arc::new(LatestSlot::with_busy_flag(busy_flag(
            Foreground::Classifier,
        )));
        let comparison = Arc::new(LatestSlot::with_busy_flag(busy_flag(
            Foreground::Comparison,
        )));
        let prefetch = Arc::new(Prefetch::with_busy_flag(busy_flag(Foreground::Prefetch)));
        let thumbnails = Arc::new(ThumbnailList::with_busy_flag(busy_flag(
            Foreground::Thumbnails,
        )));
        let decoded = Arc::new(DecodedCache::new(DECODED_CACHE_BYTES));
        let predictions = SharedPredictionCache::default();
        let selected = Arc::new(SelectedFilm::default());

        let image_thread = ImageThread::new(
            images.clone(),
            classifier.clone(),
            prefetch.clone(),
            decoded.clone(),
            decoder(),
            selected.clone(),
            report.clone(),
        );
        let comparison_thread = ComparisonThread::new(
            comparison.clone(),
            decoded.clone(),
            decoder(),
            report.clone(),
        );
        let (neighbours, prefetch_decoder) = (prefetch.clone(), decoder());
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        for _ in 0..thumbnail_threads() {
            let (list, decoded) = (thumbnails.clone(), decoded.clone());
            let (decoder, report) = (decoder(), report.clone());
            threads.push(thread::spawn(move || {
                thumbnails::run(&list, &decoded, &decoder, &report);
            }));
        }
        let classifier_thread = ClassifierThread {
            requests: classifier.clone(),
            idle_queue: idle_queue.clone(),
            predictions: predictions.clone(),
            report: report.clone(),
        };
        let background =
            BackgroundScoring::new(idle_queue.clone(), predictions.clone(), report.clone());
        let decoders: Vec<Decoder> = (0..background_threads).map(|_| decoder()).collect();
        threads.extend([
            thread::spawn(move || image_thread.run()),
            thread::spawn(move || comparison_thread.run()),
            thread::spawn(move || prefetch::run(&neighbours, &decoded, &prefetch_decoder)),
            thread::spawn(move || classifier_thread.run(models)),
            thread::spawn(move || background.run(cache, decoders)),
        ]);
        Worker {
            images,
            comparison,
            prefetch,
            thumbnails,
            classifier,
            idle_queue,
            predictions,
            selected,
            report,
            threads,
        }
    }

    /// Opens, shows and classifies an image, in place of all older requests.
    pub fn select(&self, job: ImageJob) {
        self.classifier.invalidate_before(job.generation);
        self.images.put(job.generation, SlotTask::Select(job));
    }

    /// Shows the selected image in another way.
    pub fn redraw(&self, job: ImageJob) {
        self.images.put(job.generation, SlotTask::Redraw(job));
    }

    /// Shows a film beside the selected one, in place of all older requests.
    pub fn compare(&self, job: ComparisonJob) {
        self.comparison.put(job.generation, SlotTask::Select(job));
    }

    /// Makes the pictures that the grid lacks, in place of those that were asked for before and are not begun.
    pub fn make_thumbnails(&self, jobs: ThumbnailJobs) {
        // The films around the selection are not what the reader looks at now.
        if !jobs.sources.is_empty() {
            self.prefetch.replace(vec![]);
        }
        self.thumbnails.replace(jobs);
    }

    /// The film of this selection, as it was decoded; `None` if it is not open, or another one is selected.
    pub fn film(&self, generation: Generation) -> Option<Arc<Radiograph>> {
        self.selected.of(generation)
    }

    /// Changes to the model with this index, and loads it if necessary.
    pub fn use_model(&self, generation: Generation, model: usize) {
        let request = ClassifierRequest { model, image: None };
        self.classifier.put(generation, SlotTask::Redraw(request));
    }

    /// Scores an image once the other threads are idle, after the jobs that were sent before.
    pub fn score_in_background(&self, job: BackgroundJob) {
        self.idle_queue.push(job);
    }

    /// Takes back the background jobs that were not begun. Each is reported without a result.
    pub fn cancel_background(&self) {
        for job in self.idle_queue.cancel() {
            (self.report)(JobOutcome::Background {
                job,
                result: None,
                origin: None,
                stamp: None,
            });
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.images.close();
        self.comparison.close();
        self.prefetch.close();
        self.thumbnails.close();
        self.classifier.close();
        self.idle_queue.close();
        for thread in self.threads.drain(..) {
            // A decoder may still be at work on a large file: the program's end does not wait for it.
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        // The reader may copy its file once the program has ended.
        self.predictions.close();
    }
}
