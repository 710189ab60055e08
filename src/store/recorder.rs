//! The log behind a screen: one thread writes reviews, and says what is on the disk.

mod marker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::pending::TakenUp;
use super::wait::Wait;
use super::{Bookmark, Merged, Pending, ReviewEntry, StoreError};
use crate::domain::{ContentId, ImageIdentity, Opinion, OpinionChange, Prediction, Review, Uids};
use marker::Marker;

/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long the end waits for other processes to unlock the store. What waits lies in a file by then.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts of those.
const PAUSE: Duration = Duration::from_millis(100);
/// What is said where this program is at fault.
const FAULT: &str = "a fault of cxr in its review log";

/// A review of the image that was on the screen.
#[derive(Debug, Clone)]
pub struct ReviewDraft {
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
    Record(Box<ReviewDraft>),
    /// Had the reader seen the answers to these before they read them blinded?
    WereAnswersSeen(Vec<Arc<Path>>),
    /// The answers to these came on the screen, and no call before them.
    AnswersShown(Vec<ContentId>),
    /// This is where the reader is in these folders.
    Mark(Arc<[PathBuf]>, Bookmark),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What the reader holds of images, from this session or an earlier one.
    Standing(Vec<(Arc<Path>, ContentId, Opinion)>),
    /// Whether the answer to each had been seen before it was read blinded, as far as the log tells;
    /// images of which nothing is known are left out.
    AnswersSeen(Vec<(Arc<Path>, ContentId, bool)>),
    /// So many that were found have been looked up.
    LookedUp(usize),
    /// One review of this image is on the disk, and this is what the reader holds of it there: what
    /// other sessions of theirs said is in it.
    Recorded {
        source: Arc<Path>,
        content: ContentId,
        opinion: Opinion,
    },
    /// One review of this image was not kept: this program is at fault.
    Refused {
        source: Arc<Path>,
        content: ContentId,
        reason: String,
    },
    /// So many reviews are not on the disk, and why; none, once all are.
    Waiting { count: usize, reason: String },
    /// How many reviews that an earlier session could not write are being written, and which files
    /// of such cannot be read.
    TakenUp { count: usize, problems: Vec<String> },
}

/// What the thread is told.
enum Order {
    Serve(Request),
    End,
}

/// Handle to the thread.
pub struct Recorder {
    orders: Sender<Order>,
    ending: Ending,
    thread: Option<JoinHandle<Option<String>>>,
}

/// Has a recorder end though the thread that owns it may hang. Its clones are one.
#[derive(Clone)]
pub struct Ending {
    orders: Sender<Order>,
    wait: Wait,
    ended: Arc<(Mutex<bool>, Condvar)>,
}

impl Ending {
    /// Has everything that was asked before be written, or else saved beside the store, and waits for
    /// that, but no longer than `limit`.
    pub fn end_within(&self, limit: Duration) {
        self.ask();
        let (ended, changed) = &*self.ended;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Past the limit there is nothing left to do.
        let _ = changed.wait_timeout_while(ended, limit, |ended| !*ended);
    }

    fn ask(&self) {
        self.wait.hurry();
        // Where it has ended, there is nothing to ask.
        let _ = self.orders.send(Order::End);
    }

    fn note(&self) {
        let (ended, changed) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

impl Recorder {
    /// Records what `reviewer` says; `report` is called on the recorder's thread. What earlier sessions
    /// could not write comes first.
    pub fn start(pending: Pending, reviewer: &str, report: impl Fn(News) + Send + 'static) -> Self {
        let (orders, inbox) = mpsc::channel();
        let ending = Ending {
            orders: orders.clone(),
            wait: pending.wait().clone(),
            ended: Arc::default(),
        };
        let desk = RecorderQueue {
            known: RecordedReviews::of(&pending, reviewer),
            pending,
            answers: None,
            is_blinded: false,
            reviewer: reviewer.to_owned(),
            marker: Marker::default(),
            sources: VecDeque::new(),
            in_hand: None,
            session: session(),
            number: 0,
            failing: false,
            report: Box::new(report),
        };
        let told = ending.clone();
        let thread = thread::spawn(move || {
            let last_words = desk.run(&inbox);
            told.note();
            last_words
        });
        Recorder {
            orders,
            ending,
            thread: Some(thread),
        }
    }

    pub fn ask(&self, request: Request) {
        // It ends only at the end of everything.
        let _ = self.orders.send(Order::Serve(request));
    }

    /// For a thread that ends the program although this handle's owner hangs.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Writes what is still to be written, or saves it beside the store for the next start, and ends.
    /// Says what did not come into the store, and where it is.
    pub fn end(mut self) -> Option<String> {
        self.close()
    }

    fn close(&mut self) -> Option<String> {
        let thread = self.thread.take()?;
        self.ending.ask();
        thread.join().unwrap_or_else(|_| Some(FAULT.to_owned()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

struct RecorderQueue {
    pending: Pending,
    /// Images whose answers the reader had seen when the session began; read when it is first asked.
    answers: Option<HashSet<ContentId>>,
    /// Whether it was asked at all: only who reads blinded does.
    is_blinded: bool,
    reviewer: String,
    marker: Marker,
    known: RecordedReviews,
    /// Of the reviews that wait, in their order; `None` for one of an earlier session.
    sources: VecDeque<Option<(Arc<Path>, ContentId)>>,
    /// Of a review that is not among those that wait yet.
    in_hand: Option<(Arc<Path>, ContentId)>,
    session: String,
    number: u64,
    failing: bool,
    report: Box<dyn Fn(News) + Send>,
}

impl RecorderQueue {
    fn run(mut self, inbox: &Receiver<Order>) -> Option<String> {
        self.guarded(Self::take_up);
        loop {
            let next = match self.patience() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            if matches!(next, Ok(Order::End) | Err(RecvTimeoutError::Disconnected)) {
                break;
            }
            self.guarded(|desk| desk.turn(next));
        }
        let last_words = self.guarded(Self::last_words);
        last_words.unwrap_or_else(|| Some(FAULT.to_owned()))
    }

    /// A fault costs what it happened to, and is said at once; what waits is tried again.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        if done.is_err() {
            // Nothing says what state the store's handle is in.
            self.pending.let_go();
            if let Some((source, content)) = self.in_hand.take() {
                let reason = FAULT.to_owned();
                (self.report)(News::Refused {
                    source,
                    content,
                    reason,
                });
            }
            self.failing = true;
            (self.report)(News::Waiting {
                count: self.pending.waiting(),
                reason: FAULT.to_owned(),
            });
        }
        done.ok()
    }

    fn turn(&mut self, next: Result<Order, RecvTimeoutError>) {
        match next {
            Ok(Order::Serve(request)) => self.serve(request),
            Err(RecvTimeoutError::Timeout) if self.pending.waiting() > 0 => {
                self.flush();
            }
            _ => {}
        }
        let (marker, now) = (&mut self.marker, Instant::now());
        marker.write_if_due(&mut self.pending, &self.reviewer, now);
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::AnswersShown(images) => self.marker.note_shown(images, Instant::now()),
            Request::Mark(folders, mark) => self.marker.note(folders, mark, Instant::now()),
            Request::Found(paths) => {
                let (known, count) = (&mut self.known, paths.len());
                let held = paths.into_iter().filter_map(|path| {
                    let (content, opinion) = known.by_place(&path)?;
                    Some((path, content, opinion))
                });
                let held = held.collect();
                self.stand(held);
                (self.report)(News::LookedUp(count));
            }
            Request::Opened(path, content) => {
                self.known.shown.insert(path.clone(), content);
                self.read_standing(content);
                let opinion = self.known.by_content(&path, content);
                let held = opinion.map(|opinion| (path, content, opinion));
                self.stand(held.into_iter().collect());
            }
            Request::WereAnswersSeen(paths) => {
                self.is_blinded = true;
                self.look_for_answers(paths);
            }
            Request::Record(draft) => {
                self.record(*draft);
                self.marker.write(&mut self.pending, &self.reviewer);
            }
        }
    }

    /// Another session of the same reader may have said something since; what waits here comes after it.
    fn read_standing(&mut self, content: ContentId) {
        if self.pending.waiting() > 0 {
            return;
        }
        let store = self.pending.store();
        let read = store.and_then(|store| store.standing(&self.reviewer, content).ok());
        if let Some(opinion) = read.flatten() {
            self.known.hold(content, &opinion);
        }
    }

    /// What an earlier session could not write.
    fn take_up(&mut self) {
        let TakenUp { count, problems } = self.pending.take_up();
        if count == 0 && problems.is_empty() {
            return;
        }
        self.sources.extend((0..count).map(|_| None));
        (self.report)(News::TakenUp { count, problems });
        self.flush();
    }

    /// How long it may sleep.
    fn patience(&self) -> Option<Duration> {
        let retry = (self.pending.waiting() > 0).then_some(RETRY);
        let mark = self.marker.wait(Instant::now());
        retry.into_iter().chain(mark).min()
    }

    fn look_for_answers(&mut self, paths: Vec<Arc<Path>>) {
        if let [path] = &paths[..] {
            let content = self.known.image_at(path);
            return content
                .into_iter()
                .for_each(|content| self.tell_whether_seen(path, content));
        }
        let (pending, reviewer) = (&self.pending, &self.reviewer);
        let answers = self.answers.get_or_insert_with(|| {
            let all = pending.store().and_then(|store| store.answers_seen().ok());
            let all = all.unwrap_or_default().into_iter();
            all.filter_map(|(reader, image)| (reader == *reviewer).then(|| image.parse().ok())?)
                .collect()
        });
        let seen = paths.into_iter().filter_map(|path| {
            let content = self.known.image_at(&path)?;
            Some((path, content, answers.contains(&content)))
        });
        let seen: Vec<_> = seen.collect();
        if !seen.is_empty() {
            (self.report)(News::AnswersSeen(seen));
        }
    }

    /// Another session of the same reader may have shown the answer since this one began.
    fn tell_whether_seen(&self, path: &Arc<Path>, content: ContentId) {
        let store = self.pending.store();
        let seen = store.and_then(|store| store.was_answer_seen(&self.reviewer, content).ok());
        if let Some(is_seen) = seen {
            (self.report)(News::AnswersSeen(vec![(path.clone(), content, is_seen)]));
        }
    }

    fn stand(&self, held: Vec<(Arc<Path>, ContentId, Opinion)>) {
        if !held.is_empty() {
            (self.report)(News::Standing(held));
        }
    }

    fn record(&mut self, draft: ReviewDraft) {
        let image = (draft.source.clone(), draft.content);
        self.in_hand = Some(image.clone());
        self.number += 1;
        let path = self.known.place(&draft.source);
        self.known
            .change(draft.content, &path, &draft.review.change);
        self.pending.push(&ReviewEntry {
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
        self.sources.push_back(Some(image));
        self.in_hand = None;
        // At the end one attempt is made for all of them.
        if !(self.failing && self.pending.wait().is_hurried()) {
            self.flush();
        }
    }

    /// Tries to write what waits; the reason, if some of it cannot be.
    fn flush(&mut self) -> Option<StoreError> {
        let mut failed = None;
        while let Some(next) = self.pending.write_next() {
            match next {
                Ok(merged) => self.note_written(merged),
                Err(error) => {
                    let again = self.pending.take_again();
                    (0..again).for_each(|_| self.sources.push_front(None));
                    failed = Some(error);
                    break;
                }
            }
        }
        if failed.is_some() || self.failing {
            self.failing = failed.is_some();
            let reason = failed.as_ref().map(ToString::to_string);
            (self.report)(News::Waiting {
                count: self.pending.waiting(),
                reason: reason.unwrap_or_default(),
            });
        }
        failed
    }

    fn note_written(&mut self, merged: Merged) {
        let Merged { image, opinion, .. } = merged;
        if let Ok(content) = image.parse() {
            self.known.hold(content, &opinion);
        }
        if let Some((source, content)) = self.sources.pop_front().flatten() {
            // Before what is held: it may have to be hidden.
            if self.is_blinded {
                self.tell_whether_seen(&source, content);
            }
            (self.report)(News::Recorded {
                source,
                content,
                opinion,
            });
        }
    }

    /// What waits is put beside the store before the last attempts: they may be cut short.
    fn last_words(&mut self) -> Option<String> {
        let mut reason = self.flush();
        let mut saved = Ok(None);
        if reason.is_some() {
            saved = self
                .pending
                .save(&self.session)
                .map(|file| file.map(Path::to_owned));
        }
        let begun = Instant::now();
        while matches!(reason, Some(StoreError::Busy { .. })) && begun.elapsed() < LAST_PATIENCE {
            thread::sleep(PAUSE);
            reason = self.flush();
        }
        if reason.is_none() {
            self.marker.write(&mut self.pending, &self.reviewer);
        }
        let waiting = self.pending.waiting();
        self.pending.close();
        let reason = reason?;
        let (reviews, wait) = match waiting {
            1 => ("1 review".to_owned(), "waits"),
            n => (format!("{n} reviews"), "wait"),
        };
        Some(match saved {
            Ok(Some(file)) => format!(
                "{reviews} {wait} in {} until cxr is started again: {reason}",
                file.display()
            ),
            Ok(None) => format!("{reviews} of an earlier session {wait} still: {reason}"),
            Err(error) => {
                let were = if waiting == 1 { "was" } else { "were" };
                format!(
                    "{reviews} {were} not recorded: {reason}; beside it: {}",
                    error.kind()
                )
            }
        })
    }
}

/// What the reader holds of which image, and which image lies where.
struct RecordedReviews {
    held: HashMap<ContentId, Opinion>,
    places: HashMap<PathBuf, ContentId>,
    /// Of the files that were looked at.
    shown: HashMap<Arc<Path>, ContentId>,
    folders: HashMap<PathBuf, PathBuf>,
}

impl RecordedReviews {
    fn of(pending: &Pending, reviewer: &str) -> Self {
        let mut known = RecordedReviews {
            held: HashMap::new(),
            places: HashMap::new(),
            shown: HashMap::new(),
            folders: HashMap::new(),
        };
        // What cannot be read now is not known: the reader may judge again.
        let standings = pending.store().map(|store| store.standings(reviewer));
        for standing in standings.and_then(Result::ok).unwrap_or_default() {
            let Ok(content) = standing.image.parse() else {
                continue;
            };
            known.hold(content, &standing.opinion);
            let places = standing.places.into_iter();
            let places = places.map(|place| (place, content));
            known.places.extend(places);
        }
        known
    }

    fn hold(&mut self, content: ContentId, opinion: &Opinion) {
        self.held.insert(content, opinion.clone());
    }

    fn change(&mut self, content: ContentId, path: &Path, change: &OpinionChange) {
        let held = self.held.entry(content).or_default();
        *held = change.on(held);
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

    /// The image at this path, if it was looked at or is known to be there: nothing is read for it.
    fn image_at(&mut self, path: &Path) -> Option<ContentId> {
        if let Some(content) = self.shown.get(path) {
            return Some(*content);
        }
        let place = self.place(path);
        self.places.get(&place).copied()
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
