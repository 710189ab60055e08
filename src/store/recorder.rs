//! The log behind a screen: one thread hashes images, writes reviews, and says what is on the disk.

mod marker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Bookmark, Entry, Pending};
use crate::domain::{ImageIdentity, Opinion, Prediction, Review, Uids};
use marker::Marker;

/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A review of an image that is known by its path only.
#[derive(Debug, Clone)]
pub struct Draft {
    pub source: Arc<Path>,
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
    /// It is being looked at: which image is it, and what does the reader hold of it?
    Opened(Arc<Path>),
    Record(Box<Draft>),
    /// Had the reader seen the answers to these before they read them blinded?
    WereAnswersSeen(Vec<Arc<Path>>),
    /// This is where the reader is in these folders.
    Mark(Arc<[PathBuf]>, Bookmark),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What the reader holds of images, from this session or an earlier one.
    Standing(Vec<(Arc<Path>, Opinion)>),
    /// Whether the answer to each had been seen before it was read blinded, as far as the log tells;
    /// images of which nothing is known are left out.
    AnswersSeen(Vec<(Arc<Path>, bool)>),
    /// So many that were found have been looked up.
    LookedUp(usize),
    /// One review of this image is on the disk.
    Recorded(Arc<Path>),
    /// One review of this image cannot be kept: the file cannot be read, so nothing says which image
    /// it is.
    Refused { source: Arc<Path>, reason: String },
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
            answers: None,
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
    /// Images whose answers the reader had seen when the session began; read when it is first asked.
    answers: Option<HashSet<String>>,
    reviewer: String,
    marker: Marker,
    known: Known,
    /// Of the reviews that wait, in their order.
    sources: VecDeque<Arc<Path>>,
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
                        let opinion = known.by_place(&path)?;
                        Some((path, opinion))
                    });
                    let held = held.collect();
                    self.stand(held);
                    (self.report)(News::LookedUp(count));
                }
                Ok(Request::Opened(path)) => {
                    let held = self.known.by_content(&path);
                    self.stand(held.map(|opinion| (path, opinion)).into_iter().collect());
                }
                Ok(Request::WereAnswersSeen(paths)) => self.look_for_answers(paths),
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

    fn look_for_answers(&mut self, paths: Vec<Arc<Path>>) {
        let (pending, reviewer) = (&self.pending, &self.reviewer);
        let answers = self.answers.get_or_insert_with(|| {
            let all = pending.store().and_then(|store| store.answers_seen().ok());
            let all = all.unwrap_or_default().into_iter();
            all.filter_map(|(reader, image)| (reader == *reviewer).then_some(image))
                .collect()
        });
        let seen = paths.into_iter().filter_map(|path| {
            let is_seen = answers.contains(&self.known.image_at(&path)?);
            Some((path, is_seen))
        });
        let seen: Vec<_> = seen.collect();
        if !seen.is_empty() {
            (self.report)(News::AnswersSeen(seen));
        }
    }

    fn stand(&self, held: Vec<(Arc<Path>, Opinion)>) {
        if !held.is_empty() {
            (self.report)(News::Standing(held));
        }
    }

    fn record(&mut self, draft: Draft) {
        let sha256 = match self.known.shown(&draft.source) {
            Ok(sha256) => sha256,
            Err(error) => {
                let reason = error.kind().to_string();
                let source = draft.source;
                return (self.report)(News::Refused { source, reason });
            }
        };
        self.number += 1;
        let path = self.known.place(&draft.source);
        self.known.hold(&sha256, &path, &draft.review.opinion);
        self.pending.push(Entry {
            token: format!("{}-{}", self.session, self.number),
            image: ImageIdentity {
                sha256,
                path,
                uids: draft.uids,
                patient_id: draft.patient_id,
            },
            review: draft.review,
            prediction: draft.prediction,
        });
        self.sources.push_back(draft.source);
        self.flush();
    }

    /// Tries to write what waits; the reason, if some of it cannot be.
    fn flush(&mut self) -> Option<String> {
        let flushed = self.pending.flush();
        for source in self.sources.drain(..flushed.written.len()) {
            (self.report)(News::Recorded(source));
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
    held: HashMap<String, Opinion>,
    places: HashMap<PathBuf, String>,
    /// Of the images that were looked at: what they were then.
    shown: HashMap<Arc<Path>, (Stamp, String)>,
    folders: HashMap<PathBuf, PathBuf>,
}

/// Changes when a file does: device, inode, size, and when it was written, in seconds and
/// nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl Known {
    fn of(pending: &Pending, reviewer: &str) -> Self {
        let mut known = Known {
            held: HashMap::new(),
            places: HashMap::new(),
            shown: HashMap::new(),
            folders: HashMap::new(),
        };
        // What cannot be read now is not known: the reader may judge again.
        let standings = pending.store().map(|store| store.standings(reviewer));
        for standing in standings.and_then(Result::ok).unwrap_or_default() {
            known.hold(&standing.image, &standing.path, &standing.opinion);
        }
        known
    }

    fn hold(&mut self, image: &str, path: &Path, opinion: &Opinion) {
        self.held.insert(image.to_owned(), opinion.clone());
        self.places.insert(path.to_owned(), image.to_owned());
    }

    /// What is held of the image that was last at this path: nothing is read for it.
    fn by_place(&mut self, path: &Path) -> Option<Opinion> {
        if self.places.is_empty() {
            return None;
        }
        let place = self.place(path);
        self.held.get(self.places.get(&place)?).cloned()
    }

    /// SHA-256 of the image at this path, if it was looked at or is known to be there: nothing is read
    /// for it.
    fn image_at(&mut self, path: &Arc<Path>) -> Option<String> {
        if let Some((_, sha256)) = self.shown.get(path) {
            return Some(sha256.clone());
        }
        let place = self.place(path);
        self.places.get(&place).cloned()
    }

    /// What is held of the image itself; nothing, if another was here before. `None` if there is
    /// nothing to say.
    fn by_content(&mut self, path: &Arc<Path>) -> Option<Opinion> {
        let sha256 = self.look(path).ok()?;
        match self.held.get(&sha256) {
            Some(opinion) => Some(opinion.clone()),
            None => self.by_place(path).map(|_| Opinion::default()),
        }
    }

    /// SHA-256 of an image that is being looked at.
    fn look(&mut self, path: &Arc<Path>) -> io::Result<String> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let stamp = (
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        );
        if let Some((_, sha256)) = self.shown.get(path).filter(|(known, _)| *known == stamp) {
            return Ok(sha256.clone());
        }
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut hasher)?;
        let digest = hasher.finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.shown.insert(path.clone(), (stamp, sha256.clone()));
        Ok(sha256)
    }

    /// SHA-256 of an image as it was when it was looked at, whatever has become of the file.
    fn shown(&mut self, path: &Arc<Path>) -> io::Result<String> {
        match self.shown.get(path) {
            Some((_, sha256)) => Ok(sha256.clone()),
            None => self.look(path),
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
