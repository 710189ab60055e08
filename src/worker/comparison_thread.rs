//! The comparison thread: opens the film that stands beside the selected one, and resamples it for the screen. The
//! image thread works for the selected film at the same time.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::bounded_cache::DecodedFile;
use super::decoded_cache::DecodedCache;
use super::latest_slot::{LatestSlot, SlotTask};
use super::{FileStamp, Generation, JobOutcome, OutcomeSink, RenderRequest, Shown};
use crate::domain::{
    ContentId, Failure, FilmShape, FilmSummary, PatientFacts, PreviewImage, Radiograph,
};
use crate::imaging::{self, Decoder};

/// A film to show beside the selected one.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonJob {
    /// Its file.
    pub source: Arc<Path>,
    /// Counts the films that stood beside others: a larger one is newer.
    pub generation: Generation,
    /// How it is shown.
    pub frame: RenderRequest,
    /// It is opened only if it is decoded already: the selected film is being opened, and comes first.
    pub only_if_ready: bool,
}

/// What is known of a film beside the selected one.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedFacts {
    /// Which image it is.
    pub content: ContentId,
    /// Patient, study, time and view.
    pub summary: FilmSummary,
    /// The patient, as far as the file says.
    pub patient: PatientFacts,
    /// Its stored pixels.
    pub shape: FilmShape,
    /// *Bits Stored* (0028,0101), or the depth of a raster image.
    pub bits_stored: u8,
    /// The step from one grey value to the next, in units after the modality transform.
    pub step: f64,
}

impl ComparedFacts {
    fn of(radiograph: &Radiograph) -> Self {
        ComparedFacts {
            content: radiograph.content,
            summary: FilmSummary::of(radiograph),
            patient: radiograph.patient.clone(),
            shape: FilmShape {
                width: radiograph.width as f64,
                height: radiograph.height as f64,
                pixel_aspect: radiograph.pixel_aspect,
            },
            bits_stored: radiograph.bits_stored,
            step: imaging::step(radiograph),
        }
    }
}

/// The state of the comparison thread.
pub struct ComparisonThread {
    requests: Arc<LatestSlot<ComparisonJob>>,
    decoded: Arc<DecodedCache>,
    decoder: Decoder,
    report: OutcomeSink,
    /// The film of the newest generation.
    opened: RefCell<Option<(Generation, Arc<Radiograph>)>>,
}

impl ComparisonThread {
    pub fn new(
        requests: Arc<LatestSlot<ComparisonJob>>,
        decoded: Arc<DecodedCache>,
        decoder: Decoder,
        report: OutcomeSink,
    ) -> Self {
        ComparisonThread {
            requests,
            decoded,
            decoder,
            report,
            opened: RefCell::default(),
        }
    }

    /// Works until the slot of requests is closed.
    pub fn run(self) {
        while let Some(task) = self.requests.take() {
            let (SlotTask::Select(job) | SlotTask::Redraw(job)) = task;
            // A panic over one film costs its picture, not the thread.
            let done = catch_unwind(AssertUnwindSafe(|| self.work(&job)));
            if done.is_err() {
                self.report_opened(&job, Err("cxr failed on this image".into()), None);
            }
        }
    }

    fn work(&self, job: &ComparisonJob) {
        let opened = self.opened.borrow().clone();
        let known = opened.filter(|(generation, _)| *generation == job.generation);
        let radiograph = match known {
            Some((_, radiograph)) => radiograph,
            None => match self.open(job) {
                Some(radiograph) => radiograph,
                None => return,
            },
        };
        let canvas = job.frame.canvas;
        if canvas.width == 0 || canvas.height == 0 || self.requests.is_stale(job.generation) {
            return;
        }
        let (image, window) = drawn(&radiograph, &job.frame);
        let shown = Shown {
            content: radiograph.content,
            image: Arc::new(image),
            window,
            legend: None,
        };
        if !self.requests.is_stale(job.generation) {
            (self.report)(JobOutcome::ComparedShown {
                source: job.source.clone(),
                generation: job.generation,
                shown,
            });
        }
    }

    /// Opens the film, and reports it. `None` if it cannot be read, or is no longer wanted.
    fn open(&self, job: &ComparisonJob) -> Option<Arc<Radiograph>> {
        let is_wanted = || !self.requests.is_stale(job.generation);
        let waits = || !job.only_if_ready && is_wanted();
        let decoded = self.decoded.get(&job.source, waits);
        if !is_wanted() || (job.only_if_ready && decoded.is_none()) {
            return None;
        }
        let decode = || self.decoder.open(&job.source);
        let opened = decoded.map_or_else(
            || {
                let decoded = self.decoded.decode(&job.source, decode);
                decoded.map_err(Failure::from)
            },
            Ok,
        );
        match opened {
            Ok(DecodedFile {
                radiograph, stamp, ..
            }) => {
                let facts = Box::new(ComparedFacts::of(&radiograph));
                self.report_opened(job, Ok(facts), stamp);
                self.opened
                    .replace(Some((job.generation, radiograph.clone())));
                Some(radiograph)
            }
            Err(reason) => {
                self.report_opened(job, Err(reason), None);
                None
            }
        }
    }

    fn report_opened(
        &self,
        job: &ComparisonJob,
        result: Result<Box<ComparedFacts>, Failure>,
        stamp: Option<FileStamp>,
    ) {
        if self.requests.is_stale(job.generation) {
            return;
        }
        (self.report)(JobOutcome::ComparedOpened {
            source: job.source.clone(),
            generation: job.generation,
            result,
            stamp,
        });
    }
}

/// The picture of a film with the marks that lie on it, and its window.
fn drawn(radiograph: &Radiograph, frame: &RenderRequest) -> (PreviewImage, (f64, f64)) {
    let (image, window) = imaging::show(radiograph, &frame.view, frame.canvas);
    let marks = frame.marks.as_ref();
    let marks = marks.filter(|marks| marks.content == radiograph.content);
    let image = match marks {
        Some(marks) => {
            let seen = imaging::seen(radiograph, &frame.view, frame.canvas);
            imaging::draw_marks(&image, seen, marks)
        }
        None => image,
    };
    (image, window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Canvas, MarkDrawing, MarkKind, MarkLayer, MarkPoint, MarkTone, Samples, View,
    };

    #[test]
    fn marks_are_drawn_over_the_film_that_they_lie_on_only() {
        let film = Radiograph::plain(40, 40, Samples::Grey8(vec![100; 1600]), "test");
        let picture = |content: Option<ContentId>| {
            let line = MarkDrawing {
                kind: MarkKind::Ruler,
                points: vec![MarkPoint::at(5.0, 20.0), MarkPoint::at(35.0, 20.0)],
                number: Some(1),
                tone: MarkTone::Plain,
            };
            let layer = content.map(|content| MarkLayer {
                content,
                marks: vec![line],
                cursor: None,
            });
            let frame = RenderRequest {
                view: View::default(),
                canvas: Canvas {
                    width: 80,
                    height: 80,
                    pixel_aspect: 1.0,
                },
                heat_map: None,
                marks: layer.map(Arc::new),
            };
            drawn(&film, &frame).0
        };
        let bare = picture(None);
        assert_eq!(picture(Some(ContentId::from_digest([9; 32]))), bare);
        let marked = picture(Some(film.content));
        let rows =
            |image: &PreviewImage| -> Vec<[u8; 3]> { (20..60).map(|x| image.rgb(x, 40)).collect() };
        assert_ne!(rows(&marked), rows(&bare));
    }
}
