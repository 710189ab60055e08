//! The review log behind a screen: one thread writes reviews, and reports what is on the disk.

mod known;
mod marker;
mod queue;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::wait::Wait;
use super::{Bookmark, Pending};
use crate::domain::{ContentId, Opinion, Prediction, Review, Uids};
use queue::RecorderQueue;

/// Stands in place of a reason where this program is at fault.
const FAULT: &str = "a fault of cxr in its review log";

/// A review of the image that was on the screen.
#[derive(Debug, Clone)]
pub struct ReviewDraft {
    /// The number that the screen gave this review: it is reported with it.
    pub number: u64,
    /// Path of the image, as the screen has it.
    pub source: Arc<Path>,
    /// The image that was on the screen, even if another one lies at that path by now.
    pub content: ContentId,
    /// DICOM identifiers, all `None` for other files.
    pub uids: Uids,
    /// *Patient ID* (0010,0020).
    pub patient_id: Option<String>,
    /// What the reader did, and saw.
    pub review: Review,
    /// The model's answer, at the card's own prevalence.
    pub prediction: Option<Prediction>,
}

/// A request to the thread.
#[derive(Debug)]
pub enum Request {
    /// Report which of these files have to be read before an opinion may be told of them: images that were reviewed
    /// lay there, and another one may lie there by now. Of films on a server the opinions are reported at once: an
    /// address names one instance.
    Found(Vec<Arc<Path>>),
    /// These files were read for their opinions, which are to be reported. `None` for one that cannot be read.
    Compared(Vec<(Arc<Path>, Option<ContentId>)>),
    /// This image is at this path now: report the reader's opinion of it.
    Opened(Arc<Path>, ContentId),
    /// Write a review.
    Record(Box<ReviewDraft>),
    /// Report whether the reader had seen the answers for these images before they read them blinded.
    WereAnswersSeen(Vec<Arc<Path>>),
    /// Note that the answers for these images were shown without a call before.
    AnswersShown(Vec<ContentId>),
    /// Write the reader's place in these folders.
    Mark(Arc<[PathBuf]>, Bookmark),
}

/// A report of the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The reader's opinions of images, from this session and earlier ones.
    Standing(Vec<(Arc<Path>, ContentId, Opinion)>),
    /// The models, by their SHA-256, whose answers the reader's verdicts in the log are about; `None` where the log does not
    /// tell. Comes before the opinions.
    JudgedModels(Vec<(ContentId, Option<Arc<str>>)>),
    /// Images that were reviewed lay at these paths: see [`Request::Found`].
    KnownByPlace(Vec<Arc<Path>>),
    /// Whether the answer for each image was seen before it was read blinded, according to the log. Unknown
    /// images are left out.
    AnswersSeen(Vec<(Arc<Path>, ContentId, bool)>),
    /// This number of paths has been looked up: their opinions are reported, or they have none.
    LookedUp(usize),
    /// One review of this image is on the disk. The opinion is the one in the log, with the changes of the
    /// reader's other sessions.
    Recorded {
        /// Path of the image, as the screen has it.
        source: Arc<Path>,
        /// The image that was reviewed.
        content: ContentId,
        /// The number of the review in its draft.
        number: u64,
        /// The reader's opinion of it in the log before the review.
        before: Box<Opinion>,
        /// The reader's opinion of it in the log.
        opinion: Box<Opinion>,
    },
    /// One review of this image is not recorded: the store does not take it, or a fault of this program lost it.
    Refused {
        /// Path of the image, as the screen has it.
        source: Arc<Path>,
        /// The image that was reviewed.
        content: ContentId,
        /// One line for the reader.
        reason: String,
    },
    /// This number of reviews is not on the disk, and the reason. A count of 0 follows once all are.
    Waiting {
        /// Reviews that wait in memory.
        count: usize,
        /// One line for the reader.
        reason: String,
    },
    /// The number of reviews of earlier sessions that are being written, and their files that cannot be read,
    /// with the reasons.
    TakenUp {
        /// Reviews of earlier sessions.
        count: usize,
        /// One line for each file that stays as it is.
        problems: Vec<String>,
    },
}

/// A message to the thread.
enum Order {
    Serve(Request),
    End,
}

/// The handle of the thread.
pub struct Recorder {
    orders: Sender<Order>,
    ending: Ending,
    thread: Option<JoinHandle<Option<String>>>,
}

/// Ends a recorder even if the thread that owns it hangs. Clones share the state.
#[derive(Clone)]
pub struct Ending {
    orders: Sender<Order>,
    wait: Wait,
    ended: Arc<(Mutex<bool>, Condvar)>,
}

impl Ending {
    /// Waits until all earlier requests are written, or saved beside the store, but no longer than `limit`.
    pub fn end_within(&self, limit: Duration) {
        self.ask();
        let (ended, changed) = &*self.ended;
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        // After the limit there is nothing left to do.
        let _ = changed.wait_timeout_while(ended, limit, |ended| !*ended);
    }

    fn ask(&self) {
        self.wait.hurry();
        // A recorder that has ended needs no message.
        let _ = self.orders.send(Order::End);
    }

    fn note(&self) {
        let (ended, changed) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

impl Recorder {
    /// Starts the thread, for the reviews of `reviewer`. It writes the reviews of earlier sessions first.
    /// `report` is called on the thread.
    pub fn start(pending: Pending, reviewer: &str, report: impl Fn(News) + Send + 'static) -> Self {
        let (orders, inbox) = mpsc::channel();
        let ending = Ending {
            orders: orders.clone(),
            wait: pending.wait().clone(),
            ended: Arc::default(),
        };
        let queue = RecorderQueue::new(pending, reviewer, Box::new(report));
        let told = ending.clone();
        let thread = thread::spawn(move || {
            let unwritten = queue.run(&inbox);
            told.note();
            unwritten
        });
        Recorder {
            orders,
            ending,
            thread: Some(thread),
        }
    }

    /// Sends a request and does not wait. Requests are served in their order.
    pub fn ask(&self, request: Request) {
        // The thread ends only with the program.
        let _ = self.orders.send(Order::Serve(request));
    }

    /// For a thread that ends the program even if the owner of this handle hangs.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Writes the remaining reviews, or saves them beside the store for the next session, and ends the thread.
    /// Returns a message about the reviews that are not in the store, and where they are.
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

#[cfg(test)]
mod tests;
