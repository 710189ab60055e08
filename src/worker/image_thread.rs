//! The image thread: decodes the selected image and resamples it for the screen.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::bounded_cache::DecodedFile;
use super::classifier::{ClassifierRequest, DecodedImage};
use super::decoded_cache::DecodedCache;
use super::facts::Facts;
use super::latest_slot::{LatestSlot, SlotTask};
use super::prefetch::Prefetch;
use super::selected_film::SelectedFilm;
use super::{FileStamp, ImageJob, JobOutcome, OutcomeSink, RenderRequest, Shown};
use crate::domain::{Canvas, ContentId, Failure, PreviewImage, Radiograph, View};
use crate::imaging::{self, Decoder, Viewport};

/// How long a selection must stand before it is decoded, so that a reader who jumps to and fro causes
/// few decodings.
const DEBOUNCE: Duration = Duration::from_millis(30);
/// Selections that follow one another faster than this come from a key that is held: keyboards repeat
/// one 15 to 40 times a second, and people rarely press one that often.
const HELD_KEY: Duration = Duration::from_millis(80);

/// The state of the image thread.
pub struct ImageThread {
    requests: Arc<LatestSlot<ImageJob>>,
    classifier: Arc<LatestSlot<ClassifierRequest>>,
    prefetch: Arc<Prefetch>,
    decoded: Arc<DecodedCache>,
    decoder: Decoder,
    report: OutcomeSink,
    /// The image of the newest selection.
    selected: Arc<SelectedFilm>,
    /// The last picture. Another heat map over it needs no decoding and no resampling.
    plain: RefCell<Option<PlainPreview>>,
}

impl ImageThread {
    pub fn new(
        requests: Arc<LatestSlot<ImageJob>>,
        classifier: Arc<LatestSlot<ClassifierRequest>>,
        prefetch: Arc<Prefetch>,
        decoded: Arc<DecodedCache>,
        decoder: Decoder,
        selected: Arc<SelectedFilm>,
        report: OutcomeSink,
    ) -> Self {
        ImageThread {
            requests,
            classifier,
            prefetch,
            decoded,
            decoder,
            report,
            selected,
            plain: RefCell::default(),
        }
    }

    /// Works until the slot of requests is closed.
    pub fn run(self) {
        while let Some(task) = self.requests.take() {
            // A panic over one image costs its row, not the thread that reads all others.
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
        if !self.requests.settles(job.generation, self.delay(job)) {
            return;
        }
        self.decoded.forget_failure(&job.source);
        let opened = self.open(job);
        if self.requests.is_stale(job.generation) {
            return;
        }
        match opened {
            Ok(opened) => self.take_in(job, opened),
            Err(reason) => self.report_opened(job, Err(reason), None),
        }
        // Only now: what is seen next is not to slow down what is looked at.
        self.prefetch.replace(job.neighbours.clone());
    }

    /// Reports the selected film, shows it, and has it classified.
    fn take_in(&self, job: &ImageJob, opened: DecodedFile) {
        let DecodedFile {
            radiograph, stamp, ..
        } = opened;
        self.selected.replace(job.generation, radiograph.clone());
        let facts = Facts::of(&radiograph, &job.frame.view);
        self.report_opened(job, Ok(Box::new(facts)), stamp);
        self.show(job, &radiograph);
        if job.maps || job.scored != Some(radiograph.content) {
            self.send_to_classifier(job, radiograph);
        }
    }

    fn send_to_classifier(&self, job: &ImageJob, radiograph: Arc<Radiograph>) {
        let image = DecodedImage {
            source: job.source.clone(),
            generation: job.generation,
            radiograph,
            maps: job.maps,
        };
        let request = ClassifierRequest {
            model: job.model,
            image: Some(image),
        };
        self.classifier
            .put(job.generation, SlotTask::Select(request));
    }

    /// How long the selection has to stand before it is opened. While a key is held nothing is shown, not
    /// even a decoded image: each picture would go to the terminal only to be replaced.
    fn delay(&self, job: &ImageJob) -> Duration {
        let interval = self.requests.interval();
        if interval.is_some_and(|interval| interval < HELD_KEY) {
            HELD_KEY
        } else if self.decoded.expects(&job.source) {
            Duration::ZERO
        } else {
            DEBOUNCE
        }
    }

    fn redraw(&self, job: &ImageJob) {
        // A file that could not be opened has no picture.
        let Some(radiograph) = self.selected.of(job.generation) else {
            return;
        };
        let plain = self.plain.borrow();
        let has_picture = plain
            .as_ref()
            .is_some_and(|plain| plain.answers(job, radiograph.content));
        drop(plain);
        if has_picture {
            self.report_shown(job);
        } else {
            self.show(job, &radiograph);
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
        let before = self.plain.take();
        let picture = PlainPreview::new(job, radiograph, before.as_ref());
        self.plain.replace(Some(picture));
        self.report_shown(job);
    }

    /// Reports the last picture, with the heat map and the marks that the job asks for.
    fn report_shown(&self, job: &ImageJob) {
        let plain = self.plain.borrow();
        let shown = plain.as_ref().map(|plain| plain.with(&job.frame));
        drop(plain);
        let Some(shown) = shown else { return };
        if !self.requests.is_stale(job.generation) {
            (self.report)(JobOutcome::Shown {
                source: job.source.clone(),
                generation: job.generation,
                shown,
            });
        }
    }

    fn open(&self, job: &ImageJob) -> Result<DecodedFile, Failure> {
        let is_wanted = || !self.requests.is_stale(job.generation);
        if let Some(decoded) = self.decoded.get(&job.source, is_wanted) {
            return Ok(decoded);
        }
        if !is_wanted() {
            return Err("no longer wanted".into());
        }
        let decode = || self.decoder.open(&job.source);
        self.decoded
            .decode(&job.source, decode)
            .map_err(Failure::from)
    }
}

/// A picture without a heat map, and what it shows.
struct PlainPreview {
    content: ContentId,
    view: View,
    canvas: Canvas,
    image: Arc<PreviewImage>,
    window: (f64, f64),
    viewport: Viewport,
    /// Stored pixels across and down.
    whole: (usize, usize),
    /// While the image is zoomed: the whole image, small.
    map: Option<Arc<PreviewImage>>,
}

/// The map is this much shorter than the canvas, on each side.
const MAP: usize = 5;

impl PlainPreview {
    /// `before` is the last picture: its map may serve again.
    fn new(job: &ImageJob, radiograph: &Radiograph, before: Option<&PlainPreview>) -> Self {
        let RenderRequest { view, canvas, .. } = job.frame;
        let (image, window) = imaging::show(radiograph, &view, canvas);
        PlainPreview {
            content: radiograph.content,
            view,
            canvas,
            image: Arc::new(image),
            window,
            viewport: imaging::seen(radiograph, &view, canvas),
            whole: (radiograph.width, radiograph.height),
            map: (view.zoom > 1.0).then(|| Self::map(job, radiograph, before)),
        }
    }

    /// The whole image, small, in the window of the job.
    fn map(
        job: &ImageJob,
        radiograph: &Radiograph,
        before: Option<&PlainPreview>,
    ) -> Arc<PreviewImage> {
        let RenderRequest { view, canvas, .. } = job.frame;
        let before = before.filter(|before| {
            before.content == radiograph.content
                && before.canvas == canvas
                && before.view.window == view.window
                && before.view.inverted == view.inverted
        });
        if let Some(map) = before.and_then(|before| before.map.clone()) {
            return map;
        }
        let all = View {
            window: view.window,
            inverted: view.inverted,
            ..View::default()
        };
        let small = Canvas {
            width: canvas.width / MAP,
            height: canvas.height / MAP,
            ..canvas
        };
        Arc::new(imaging::show(radiograph, &all, small).0)
    }

    fn answers(&self, job: &ImageJob, content: ContentId) -> bool {
        self.content == content && self.view == job.frame.view && self.canvas == job.frame.canvas
    }

    /// The picture with a heat map and marks, if those belong to this image.
    fn with(&self, frame: &RenderRequest) -> Shown {
        let layer = frame.heat_map.as_ref();
        let layer = layer.filter(|layer| layer.content == self.content);
        let image = match layer {
            Some(layer) => Arc::new(imaging::overlay(&self.image, self.viewport, layer)),
            None => self.image.clone(),
        };
        let marks = frame.marks.as_ref();
        let image = match marks.filter(|marks| marks.content == self.content) {
            Some(marks) => Arc::new(imaging::draw_marks(&image, self.viewport, marks)),
            None => image,
        };
        // Over the heat map and the marks, which do not belong there.
        let image = match &self.map {
            Some(map) => Arc::new(imaging::with_map(&image, map, self.viewport, self.whole)),
            None => image,
        };
        Shown {
            content: self.content,
            image,
            window: self.window,
            legend: layer.map(imaging::legend),
        }
    }
}
