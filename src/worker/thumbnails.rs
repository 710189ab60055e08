//! The thumbnail threads: make the small pictures of the grid, those that the screen shows first.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::decoded_cache::DecodedCache;
use super::idle_queue::BusyFlag;
use super::{JobOutcome, OutcomeSink};
use crate::domain::{Canvas, ContentId, Failure, PreviewImage, Radiograph, View};
use crate::imaging::{self, Decoder};

/// The most thumbnail threads: each may hold a large film in memory.
const MAX_THREADS: usize = 4;

/// The pictures that the grid lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct ThumbnailJobs {
    /// Size of each picture in pixels.
    pub canvas: Canvas,
    /// Files, the most urgent first.
    pub sources: Vec<Arc<Path>>,
}

/// A small picture of a file, in the file's own window.
#[derive(Debug, Clone)]
pub struct ThumbnailImage {
    /// Which image it is.
    pub content: ContentId,
    /// The picture.
    pub image: Arc<PreviewImage>,
}

/// How many thumbnail threads this machine can run.
pub fn thumbnail_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(MAX_THREADS)
}

/// The list of pictures to make. A new list replaces it: what was scrolled away and is not begun is not made.
#[derive(Default)]
pub struct ThumbnailList {
    state: Mutex<ThumbnailListState>,
    changed: Condvar,
    /// Set from a new list until the threads have worked it off.
    busy: Option<BusyFlag>,
}

#[derive(Default)]
struct ThumbnailListState {
    canvas: Option<Canvas>,
    sources: VecDeque<Arc<Path>>,
    /// What the threads are making now.
    begun: Vec<(Arc<Path>, Canvas)>,
    closed: bool,
}

impl ThumbnailList {
    pub fn with_busy_flag(busy: BusyFlag) -> Self {
        ThumbnailList {
            busy: Some(busy),
            ..ThumbnailList::default()
        }
    }

    pub fn replace(&self, jobs: ThumbnailJobs) {
        let mut state = self.lock();
        state.sources = jobs.sources.into();
        state.canvas = Some(jobs.canvas);
        self.note(&state);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the next, which [`ThumbnailList::end`] ends; `None` once closed. A picture that another thread is
    /// making is not begun twice.
    fn take(&self) -> Option<(Arc<Path>, Canvas)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let canvas = state.canvas;
            let next = canvas.and_then(|canvas| Some((state.sources.pop_front()?, canvas)));
            match next {
                Some(next) if state.begun.contains(&next) => continue,
                Some(next) => {
                    state.begun.push(next.clone());
                    return Some(next);
                }
                None => {
                    self.note(&state);
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn end(&self, done: &(Arc<Path>, Canvas)) {
        let mut state = self.lock();
        state.begun.retain(|begun| begun != done);
        self.note(&state);
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Tells the background threads whether pictures are being made.
    fn note(&self, state: &ThumbnailListState) {
        if let Some(busy) = &self.busy {
            busy.set(!state.sources.is_empty() || !state.begun.is_empty());
        }
    }

    fn lock(&self) -> MutexGuard<'_, ThumbnailListState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the threads: makes pictures until the list is closed.
pub fn run(list: &ThumbnailList, decoded: &DecodedCache, decoder: &Decoder, report: &OutcomeSink) {
    while let Some(job) = list.take() {
        let (source, canvas) = &job;
        let make = AssertUnwindSafe(|| make(source, *canvas, decoded, decoder));
        let result = catch_unwind(make).unwrap_or_else(|_| Err("cxr failed on this image".into()));
        // Before the report: its receiver may ask for the same picture again at once.
        list.end(&job);
        report(JobOutcome::Thumbnail {
            source: source.clone(),
            canvas: *canvas,
            result,
        });
    }
}

/// The picture of a file as it is now. A film that is decoded already, or just now, is not decoded again; one that is
/// decoded for a picture is not kept, since the films of a whole page would push out those around the selection.
fn make(
    source: &Path,
    canvas: Canvas,
    decoded: &DecodedCache,
    decoder: &Decoder,
) -> Result<ThumbnailImage, Failure> {
    match decoded.get(source, || true) {
        Some(file) => Ok(thumbnail(&file.radiograph, canvas)),
        None => Ok(thumbnail(&decoder.open(source)?, canvas)),
    }
}

fn thumbnail(radiograph: &Radiograph, canvas: Canvas) -> ThumbnailImage {
    let (image, _) = imaging::show(radiograph, &View::default(), canvas);
    ThumbnailImage {
        content: radiograph.content,
        image: Arc::new(image),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::imaging::DecodeLimits;

    const CANVAS: Canvas = Canvas {
        width: 30,
        height: 20,
        pixel_aspect: 1.0,
    };

    fn path(name: &str) -> Arc<Path> {
        Arc::from(Path::new(name))
    }

    fn jobs(names: &[&str]) -> ThumbnailJobs {
        ThumbnailJobs {
            canvas: CANVAS,
            sources: names.iter().map(|name| path(name)).collect(),
        }
    }

    #[test]
    fn what_is_scrolled_away_is_not_made_and_nothing_is_begun_twice() {
        let list = ThumbnailList::default();
        list.replace(jobs(&["a", "b", "c"]));
        let first = list.take().unwrap();
        assert_eq!(*first.0, *path("a"));
        // Another page, with the picture that is being made.
        list.replace(jobs(&["a", "d"]));
        assert_eq!(*list.take().unwrap().0, *path("d"));
        list.end(&first);
        list.replace(jobs(&["a"]));
        assert_eq!(*list.take().unwrap().0, *path("a"), "it is wanted again");
        list.close();
        assert_eq!(list.take(), None);
    }

    #[test]
    fn the_same_picture_in_another_size_is_another_picture() {
        let list = ThumbnailList::default();
        list.replace(jobs(&["a"]));
        list.take().unwrap();
        let canvas = Canvas {
            width: 60,
            ..CANVAS
        };
        list.replace(ThumbnailJobs {
            canvas,
            ..jobs(&["a"])
        });
        assert_eq!(list.take(), Some((path("a"), canvas)));
    }

    #[test]
    fn a_thread_makes_pictures_within_their_size_and_names_what_it_cannot_read() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        let sources: Vec<Arc<Path>> = ["clear_1.png", "missing.png"]
            .map(|name| samples.join(name).into())
            .to_vec();
        let list = Arc::new(ThumbnailList::default());
        list.replace(ThumbnailJobs {
            canvas: CANVAS,
            sources: sources.clone(),
        });
        let (sender, outcomes) = mpsc::channel();
        let report: OutcomeSink = Arc::new(move |outcome| sender.send(outcome).unwrap());
        let working = list.clone();
        let thread = thread::spawn(move || {
            let decoder = Decoder::new(DecodeLimits::default(), None);
            run(&working, &DecodedCache::new(0), &decoder, &report);
        });
        for (n, wanted) in sources.iter().enumerate() {
            let outcome = outcomes.recv_timeout(Duration::from_secs(60)).unwrap();
            let JobOutcome::Thumbnail { source, result, .. } = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(source, *wanted);
            match result {
                Ok(thumbnail) => {
                    let PreviewImage { width, height, .. } = *thumbnail.image;
                    assert!(n == 0 && width <= 30 && height <= 20 && width > 10);
                    assert_ne!(thumbnail.content, ContentId::default());
                }
                Err(reason) => assert!(n == 1, "{reason:?}"),
            }
        }
        list.close();
        thread.join().unwrap();
    }
}
