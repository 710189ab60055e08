//! The log behind a screen: one thread writes reviews, and says what is on the disk.

mod marker;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Bookmark, Entry, Pending};
use crate::domain::{ContentId, ImageIdentity, Opinion, Prediction, Review, Uids};
use marker::Marker;

/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A review of the image that was on the screen.
#[derive(Debug, Clone)]
pub struct Draft {
    pub source: Arc<Path>,
    /// Which image was on the screen, whatever lies at that path by now.
    pub content: ContentId,
    pub uids: Uids,
    pub patient_id: Option<String>,
    pub review: Review,
    /// What the model said, at the card's own prevalence.
    pub prediction: Option<Prediction>,
}

/// What is asked of the thread.
#[derive(Debug)]
pub enum Request {
    /// What does the reader hold of these?
    Found(Vec<Arc<Path>>),
    /// This image is there now: what does the reader hold of it?
    Opened(Arc<Path>, ContentId),
    Record(Box<Draft>),
    /// This is where the reader is in these folders.
    Mark(Arc<[PathBuf]>, Bookmark),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What the reader holds of images, from this session or an earlier one.
    Standing(Vec<(Arc<Path>, ContentId, Opinion)>),
    /// So many that were found have been looked up.
    LookedUp(usize),
    /// One review of this image is on the disk.
    Recorded(Arc<Path>, ContentId),
    /// So many reviews are not on the disk, and why; none, once all are.
    Waiting { count: usize, reason: String },
}

/// Handle to the thread.
pub struct Recorder {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<Option<String>>>,
}

impl Recorder {
    /// Records what `reviewer` says; `report` is called on the recorder's thread.
    pub fn start(pending: Pending, reviewer: &str, report: impl Fn(News) + Send + 'static) -> Self {
        let (requests, inbox) = mpsc::channel();
        let desk = Desk {
            known: Known::of(&pending, reviewer),
            pending,
            reviewer: reviewer.to_owned(),
            marker: Marker::default(),
            sources: VecDeque::new(),
            session: session(),
            number: 0,
            failing: false,
            report: Box::new(report),
        };
        Recorder {
            requests: Some(requests),
            thread: Some(thread::spawn(move || desk.run(&inbox))),
        }
    }

    pub fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // It ends only with this handle.
            let _ = requests.send(request);
        }
    }

    /// Writes what is still to be written, once more, and ends. Says what is lost if that failed.
    pub fn end(mut self) -> Option<String> {
        self.close()
    }

    fn close(&mut self) -> Option<String> {
        self.requests = None;
        let thread = self.thread.take()?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Some("the review log failed".to_owned()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

struct Desk {
    pending: Pending,
    reviewer: String,
    marker: Marker,
    known: Known,
    /// Of the reviews that wait, in their order.
    sources: VecDeque<(Arc<Path>, ContentId)>,
    session: String,
    number: u64,
    failing: bool,
    report: Box<dyn Fn(News) + Send>,
}

impl Desk {
    fn run(mut self, inbox: &Receiver<Request>) -> Option<String> {
        loop {
            let next = match self.patience() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            match next {
                Ok(Request::Mark(folders, mark)) => {
                    self.marker.note(folders, mark, Instant::now());
                }
                Ok(Request::Found(paths)) => {
                    let (known, count) = (&mut self.known, paths.len());
                    let held = paths.into_iter().filter_map(|path| {
                        let (content, opinion) = known.by_place(&path)?;
                        Some((path, content, opinion))
                    });
                    let held = held.collect();
                    self.stand(held);
                    (self.report)(News::LookedUp(count));
                }
                Ok(Request::Opened(path, content)) => {
                    let opinion = self.known.by_content(&path, content);
                    let held = opinion.map(|opinion| (path, content, opinion));
                    self.stand(held.into_iter().collect());
                }
                Ok(Request::Record(draft)) => {
                    self.record(*draft);
                    self.marker.write(&mut self.pending, &self.reviewer);
                }
                Err(RecvTimeoutError::Timeout) if self.pending.waiting() > 0 => {
                    self.flush();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.last_words(),
            }
            let (marker, now) = (&mut self.marker, Instant::now());
            marker.write_if_due(&mut self.pending, &self.reviewer, now);
        }
    }

    /// How long it may sleep.
    fn patience(&self) -> Option<Duration> {
        let retry = (self.pending.waiting() > 0).then_some(RETRY);
        let mark = self.marker.wait(Instant::now());
        retry.into_iter().chain(mark).min()
    }

    fn stand(&self, held: Vec<(Arc<Path>, ContentId, Opinion)>) {
        if !held.is_empty() {
            (self.report)(News::Standing(held));
        }
    }

    fn record(&mut self, draft: Draft) {
        self.number += 1;
        let path = self.known.place(&draft.source);
        self.known.hold(draft.content, &path, &draft.review.opinion);
        self.pending.push(Entry {
            token: format!("{}-{}", self.session, self.number),
            image: ImageIdentity {
                sha256: draft.content.to_string(),
                path,
                uids: draft.uids,
                patient_id: draft.patient_id,
            },
            review: draft.review,
            prediction: draft.prediction,
        });
        self.sources.push_back((draft.source, draft.content));
        self.flush();
    }

    /// Tries to write what waits; the reason, if some of it cannot be.
    fn flush(&mut self) -> Option<String> {
        let flushed = self.pending.flush();
        for (source, content) in self.sources.drain(..flushed.written.len()) {
            (self.report)(News::Recorded(source, content));
        }
        let reason = flushed.error.map(|error| error.to_string());
        if reason.is_some() || self.failing {
            self.failing = reason.is_some();
            (self.report)(News::Waiting {
                count: self.pending.waiting(),
                reason: reason.clone().unwrap_or_default(),
            });
        }
        reason
    }

    fn last_words(&mut self) -> Option<String> {
        let reason = self.flush();
        self.marker.write(&mut self.pending, &self.reviewer);
        let reason = reason?;
        let lost = match self.pending.waiting() {
            1 => "1 review was".to_owned(),
            n => format!("{n} reviews were"),
        };
        Some(format!("{lost} not recorded: {reason}"))
    }
}

/// What the reader holds of which image, and which image lies where.
struct Known {
    held: HashMap<ContentId, Opinion>,
    places: HashMap<PathBuf, ContentId>,
    folders: HashMap<PathBuf, PathBuf>,
}

impl Known {
    fn of(pending: &Pending, reviewer: &str) -> Self {
        let mut known = Known {
            held: HashMap::new(),
            places: HashMap::new(),
            folders: HashMap::new(),
        };
        // What cannot be read now is not known: the reader may judge again.
        let standings = pending.store().map(|store| store.standings(reviewer));
        for standing in standings.and_then(Result::ok).unwrap_or_default() {
            if let Ok(content) = standing.image.parse() {
                known.hold(content, &standing.path, &standing.opinion);
            }
        }
        known
    }

    fn hold(&mut self, content: ContentId, path: &Path, opinion: &Opinion) {
        self.held.insert(content, opinion.clone());
        self.places.insert(path.to_owned(), content);
    }

    /// What is held of the image that was last at this path: nothing is read for it.
    fn by_place(&mut self, path: &Path) -> Option<(ContentId, Opinion)> {
        if self.places.is_empty() {
            return None;
        }
        let place = self.place(path);
        let content = *self.places.get(&place)?;
        Some((content, self.held.get(&content)?.clone()))
    }

    /// What is held of the image itself; nothing, if another was here before. `None` if there is
    /// nothing to say.
    fn by_content(&mut self, path: &Path, content: ContentId) -> Option<Opinion> {
        match self.held.get(&content) {
            Some(opinion) => Some(opinion.clone()),
            None => self.by_place(path).map(|_| Opinion::default()),
        }
    }

    /// The path from the root, links to its folder followed: the same from wherever one starts.
    fn place(&mut self, path: &Path) -> PathBuf {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return absolute;
        };
        if !self.folders.contains_key(folder) {
            let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            self.folders.insert(folder.to_owned(), real);
        }
        self.folders[folder].join(name)
    }
}

/// Unlike any other session's: time, process and the system's randomness.
fn session() -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::time::SystemTime;
    let now = SystemTime::now();
    let random = RandomState::new().hash_one((now, std::process::id()));
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}-{random:016x}", since.as_nanos())
}

#[cfg(test)]
mod tests;
