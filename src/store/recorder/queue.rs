//! The work of the recorder's thread.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::pending::{LostReviews, RefusedReview, ShownReview, TakenUp, WrittenReview};
use super::super::place::is_web_address;
use super::super::{Merged, ReviewEntry, StoreError};
use super::known::RecordedReviews;
use super::marker::Marker;
use super::{FAULT, News, Order, Pending, Request, ReviewDraft};
use crate::domain::{Act, ContentId, ImageIdentity, Opinion};

/// How often a review that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long the end waits for other processes to unlock the store. Waiting reviews are saved in a file by
/// then.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts at the end.
const PAUSE: Duration = Duration::from_millis(100);

/// The state of the recorder's thread.
pub struct RecorderQueue {
    pending: Pending,
    /// Images whose answers the reader had seen when the session began; read at the first request for it.
    answers: Option<HashSet<ContentId>>,
    /// Whether there was such a request: only blinded reading makes it.
    is_blinded: bool,
    reviewer: String,
    marker: Marker,
    known: RecordedReviews,
    /// A review that does not wait yet.
    in_hand: Option<ShownReview>,
    session: String,
    number: u64,
    failing: bool,
    /// How many reviews the store did not take, and why the last one.
    refused: Option<(usize, String)>,
    report: Box<dyn Fn(News) + Send>,
}

impl RecorderQueue {
    pub fn new(pending: Pending, reviewer: &str, report: Box<dyn Fn(News) + Send>) -> Self {
        RecorderQueue {
            known: RecordedReviews::of(&pending, reviewer),
            pending,
            answers: None,
            is_blinded: false,
            reviewer: reviewer.to_owned(),
            marker: Marker::default(),
            in_hand: None,
            session: session(),
            number: 0,
            failing: false,
            refused: None,
            report,
        }
    }

    /// Serves requests until the end. Returns a message about the reviews that are not in the store.
    pub fn run(mut self, inbox: &Receiver<Order>) -> Option<String> {
        self.guarded(Self::take_up);
        loop {
            let next = match self.patience() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => inbox.recv_timeout(wait),
            };
            if matches!(next, Ok(Order::End) | Err(RecvTimeoutError::Disconnected)) {
                break;
            }
            self.guarded(|queue| queue.turn(next));
        }
        let unwritten = self.guarded(Self::finish);
        unwritten.unwrap_or_else(|| Some(FAULT.to_owned()))
    }

    /// A panic costs the review that it happened to, and is reported at once. Waiting reviews are tried
    /// again.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        if done.is_err() {
            // The state of the store's handle is unknown.
            self.pending.let_go();
            if let Some(review) = self.in_hand.take() {
                (self.report)(News::Refused {
                    source: review.source,
                    content: review.content,
                    reason: FAULT.to_owned(),
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
            Request::Found(paths) => self.look_for_places(paths),
            Request::Compared(files) => self.tell_opinions(files),
            Request::Opened(path, content) => {
                self.known.note_opened(path.clone(), content);
                self.read_standing(content);
                let opinion = self.known.by_content(&path, content);
                let found = opinion.map(|opinion| (path, content, opinion));
                self.stand(found.into_iter().collect());
            }
            Request::WereAnswersSeen(paths) => {
                self.is_blinded = true;
                self.look_for_answers(paths);
            }
            Request::Record(draft) => {
                self.record(*draft);
                // As in `Marker::write_if_due`.
                let _ = self.marker.write(&mut self.pending, &self.reviewer);
            }
        }
    }

    /// A path alone proves nothing: the file may hold another patient's film since it was reviewed.
    fn look_for_places(&mut self, paths: Vec<Arc<Path>>) {
        let count = paths.len();
        let (mut found, mut unproven) = (Vec::new(), Vec::new());
        for path in paths {
            match self.known.by_place(&path) {
                Some((content, opinion)) if is_web_address(&path) => {
                    found.push((path, content, opinion));
                }
                Some(_) => unproven.push(path),
                None => {}
            }
        }
        self.stand(found);
        let looked_up = count - unproven.len();
        if !unproven.is_empty() {
            (self.report)(News::KnownByPlace(unproven));
        }
        (self.report)(News::LookedUp(looked_up));
    }

    fn tell_opinions(&mut self, files: Vec<(Arc<Path>, Option<ContentId>)>) {
        let (known, count) = (&mut self.known, files.len());
        let found = files.into_iter().filter_map(|(path, content)| {
            let content = content?;
            known.note_opened(path.clone(), content);
            let opinion = known.by_content(&path, content)?;
            Some((path, content, opinion))
        });
        let found = found.collect();
        self.stand(found);
        (self.report)(News::LookedUp(count));
    }

    /// Another session of the same reader may have changed the opinion since. Waiting reviews come after it.
    fn read_standing(&mut self, content: ContentId) {
        if self.pending.waiting() > 0 {
            return;
        }
        let store = self.pending.store();
        let read = store.and_then(|store| store.standing(&self.reviewer, content).ok());
        if let Some(opinion) = read.flatten() {
            let model = self.judged_model(content, &opinion);
            self.known.hold(content, &opinion);
            self.known.hold_model(content, model.as_deref());
        }
    }

    /// The model that the reader's verdict is about, in the store.
    fn judged_model(&self, content: ContentId, opinion: &Opinion) -> Option<String> {
        let model = self
            .pending
            .store()?
            .judged_model(&self.reviewer, content, opinion);
        model.ok().flatten()
    }

    /// Writes the reviews that earlier sessions could not write.
    fn take_up(&mut self) {
        let TakenUp { count, problems } = self.pending.take_up();
        if count == 0 && problems.is_empty() {
            return;
        }
        (self.report)(News::TakenUp { count, problems });
        self.flush();
    }

    /// How long the thread may sleep.
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

    fn stand(&self, opinions: Vec<(Arc<Path>, ContentId, Opinion)>) {
        let contents = opinions.iter().map(|(_, content, _)| *content);
        self.tell_models(contents.collect());
        if !opinions.is_empty() {
            (self.report)(News::Standing(opinions));
        }
    }

    /// Reports which models the verdicts on these images are about, as far as any was ever known.
    fn tell_models(&self, contents: Vec<ContentId>) {
        let models = contents.into_iter().filter_map(|content| {
            let model = self.known.model(content)?;
            Some((content, model.cloned()))
        });
        let models: Vec<_> = models.collect();
        if !models.is_empty() {
            (self.report)(News::JudgedModels(models));
        }
    }

    fn record(&mut self, draft: ReviewDraft) {
        let shown = ShownReview {
            source: draft.source.clone(),
            content: draft.content,
            number: draft.number,
        };
        self.in_hand = Some(shown.clone());
        self.number += 1;
        let path = self.known.place(&draft.source);
        self.known
            .change(draft.content, &path, &draft.review.change);
        if draft.review.act == Act::Judged {
            let seen = draft.review.seen.prediction.as_ref();
            let model = seen.map(|prediction| prediction.model_sha256.as_str());
            self.known.hold_model(draft.content, model);
        }
        let entry = ReviewEntry {
            token: format!("{}-{}", self.session, self.number),
            image: ImageIdentity {
                sha256: draft.content.to_string(),
                path,
                uids: draft.uids,
                patient_id: draft.patient_id,
            },
            review: draft.review,
            prediction: draft.prediction,
        };
        self.pending.push(&entry, Some(shown));
        self.in_hand = None;
        // At the end there is one attempt for all of them.
        if !(self.failing && self.pending.wait().is_hurried()) {
            self.flush();
        }
    }

    /// Tries to write the waiting reviews. The reason, if some of them cannot be written.
    fn flush(&mut self) -> Option<StoreError> {
        let mut failed = None;
        while let Some(next) = self.pending.write_next() {
            match next {
                Ok(written) => self.note_written(written),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        for refused in self.pending.take_refused() {
            self.note_refused(refused);
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

    fn note_written(&mut self, written: WrittenReview) {
        let Merged {
            image,
            before,
            opinion,
            judged_model,
            ..
        } = written.merged;
        // What another reader said must never stand as this reader's: blinded calls would rest on it.
        if written.reviewer == self.reviewer
            && let Ok(content) = image.parse()
        {
            self.known.hold(content, &opinion);
            self.known.hold_model(content, judged_model.as_deref());
        }
        if let Some(ShownReview {
            source,
            content,
            number,
        }) = written.shown
        {
            // Before the opinion is reported, since it may have to be hidden.
            if self.is_blinded {
                self.tell_whether_seen(&source, content);
            }
            self.tell_models(vec![content]);
            (self.report)(News::Recorded {
                source,
                content,
                number,
                before: before.into(),
                opinion: opinion.into(),
            });
        }
    }

    /// What the reader said is not in the log, so it must not stand on the screen either.
    fn note_refused(&mut self, refused: RefusedReview) {
        let RefusedReview {
            reviewer,
            shown,
            reason,
        } = refused;
        let count = self.refused.as_ref().map_or(0, |(count, _)| *count);
        self.refused = Some((count + 1, reason.clone()));
        let Some(ShownReview {
            source, content, ..
        }) = shown
        else {
            return;
        };
        if reviewer == self.reviewer {
            let store = self.pending.store();
            let standing = store.and_then(|store| store.standing(&reviewer, content).ok());
            let standing = standing.flatten().unwrap_or_default();
            let model = self.judged_model(content, &standing);
            self.known.hold(content, &standing);
            self.known.hold_model(content, model.as_deref());
            self.tell_models(vec![content]);
        }
        (self.report)(News::Refused {
            source,
            content,
            reason,
        });
    }

    /// Waiting reviews are saved beside the store before the last attempts, which may be cut short.
    fn finish(&mut self) -> Option<String> {
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
            let (marker, pending) = (&mut self.marker, &mut self.pending);
            marker.write_at_the_end(pending, &self.reviewer);
        }
        let waiting = self.pending.waiting();
        let lost = self.pending.close(&self.session);
        let lost = lost.map(
            |LostReviews {
                 count,
                 reason,
                 saved,
             }| { unwritten(count, saved.map(Some), &reason) },
        );
        let unwritten = reason.map(|reason| unwritten(waiting, saved, &reason));
        let refused = self.refused.take().map(|(count, reason)| match count {
            1 => format!("1 review was not recorded: {reason}"),
            _ => format!("{count} reviews were not recorded: {reason}"),
        });
        let all: Vec<String> = [lost, unwritten, refused].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// The message about reviews that are not in the store: their number, the file that they are in, and the
/// reason.
fn unwritten(waiting: usize, saved: io::Result<Option<PathBuf>>, reason: &StoreError) -> String {
    let (reviews, wait) = match waiting {
        1 => ("1 review".to_owned(), "waits"),
        n => (format!("{n} reviews"), "wait"),
    };
    match saved {
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
    }
}

/// A name that no other session has: from time, process and the system's randomness.
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
