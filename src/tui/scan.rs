//! The walk over the folders, the archives and the servers that were named, and what it finds in batches.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::BATCH;
use super::update::Message;
use crate::domain::text::clean;
use crate::library::{self, UnreadFormat, WalkItem};
use crate::store;

/// The time between two batches.
const BATCH_AGE: Duration = Duration::from_millis(40);

/// How long the walk waits for the watch over the folders, which is to stand first.
const HEAD_START: Duration = Duration::from_millis(100);

/// Walks the folders in a thread, and sends what it finds in batches. The files of the review log are left
/// alone under any name: opening and closing one of them would release the locks on the log. `stands` tells when the watch
/// over the folders stands.
pub fn spawn_scan(
    paths: Vec<PathBuf>,
    log: PathBuf,
    stands: Receiver<()>,
    sender: Sender<Message>,
) {
    let (found, items) = mpsc::channel();
    let to_screen = sender.clone();
    thread::spawn(move || {
        let walk = || {
            let is_log = |path: &Path| store::is_part_of(&log, path);
            library::scan_except(&paths, is_log, |item| match found.send(item) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            drop(found);
        };
        if !sees_all(&stands, walk) {
            let _ = to_screen.send(Message::LookAgain);
        }
    });
    thread::spawn(move || send_batches(&items, &sender));
}

/// Walks once the watch stands, or has had its time. Returns whether each file is seen by one of the two. What comes into
/// a folder that the walk has left, while there is no watch on it yet, is seen by none. Without any watch nothing is
/// promised.
fn sees_all(stands: &Receiver<()>, walk: impl FnOnce()) -> bool {
    let stood = stands.recv_timeout(HEAD_START);
    walk();
    stood != Err(RecvTimeoutError::Timeout) || stands.recv().is_err()
}

/// Sends what was found: when there is much of it, and when the last batch is long ago. So a film is in the worklist
/// although the walk waits for more, as for the next page of a server.
fn send_batches(items: &Receiver<WalkItem>, sender: &Sender<Message>) {
    let mut batch = FoundBatch::default();
    let mut sent = Instant::now();
    loop {
        let age = sent.elapsed();
        let next = if batch.is_empty() {
            items.recv().map_err(RecvTimeoutError::from)
        } else {
            items.recv_timeout(BATCH_AGE.saturating_sub(age))
        };
        match next {
            Ok(item) => batch.add(item),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if batch.images.len() < BATCH && sent.elapsed() < BATCH_AGE {
            continue;
        }
        sent = Instant::now();
        if batch.send(sender).is_none() {
            return;
        }
    }
    batch.send(sender);
    let _ = sender.send(Message::ScanFinished);
}

/// What was found since the last batch.
#[derive(Default)]
struct FoundBatch {
    images: Vec<Arc<Path>>,
    problems: Vec<String>,
    left_out: Vec<(Arc<Path>, UnreadFormat)>,
}

impl FoundBatch {
    fn is_empty(&self) -> bool {
        self.images.is_empty() && self.problems.is_empty() && self.left_out.is_empty()
    }

    fn add(&mut self, item: WalkItem) {
        match item {
            WalkItem::Image(path) => self.images.push(path.into()),
            WalkItem::Unread { path, format } => self.left_out.push((path.into(), format)),
            WalkItem::Problem { path, reason } => {
                let line = clean(&format!("{}: {reason}", path.display()));
                self.problems.push(line);
            }
        }
    }

    /// `None` if the screen is gone.
    fn send(&mut self, sender: &Sender<Message>) -> Option<()> {
        let FoundBatch {
            images,
            problems,
            left_out,
        } = std::mem::take(self);
        if !left_out.is_empty() {
            sender.send(Message::LeftOut(left_out)).ok()?;
        }
        if !images.is_empty() || !problems.is_empty() {
            sender.send(Message::Found { images, problems }).ok()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: Message) -> usize {
        match message {
            Message::Found { images, .. } => images.len(),
            _ => 0,
        }
    }

    #[test]
    fn a_watch_that_stands_after_the_walk_began_has_it_done_again() {
        let (stand, stands) = mpsc::channel();
        stand.send(()).unwrap();
        assert!(sees_all(&stands, || {}), "the watch stood first");
        assert!(!sees_all(&stands, || stand.send(()).unwrap()));
        assert!(sees_all(&stands, || drop(stand)), "there is no watch");
    }

    /// A walk that waits for a slow server has not ended, and what it found so far is there.
    #[test]
    fn what_was_found_is_sent_although_the_walk_waits() {
        let ((give, items), (sender, messages)) = (mpsc::channel(), mpsc::channel());
        let batches = thread::spawn(move || send_batches(&items, &sender));
        let image = |name: &str| WalkItem::Image(name.into());
        give.send(image("a")).unwrap();
        let first = messages.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(found(first), 1, "and nothing came after it");
        give.send(WalkItem::Problem {
            path: "b".into(),
            reason: "gone".to_owned(),
        })
        .unwrap();
        let second = messages.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(second, Message::Found { problems, .. } if problems == ["b: gone"]));
        for number in 0..3 * BATCH {
            give.send(image(&number.to_string())).unwrap();
        }
        drop(give);
        batches.join().unwrap();
        let rest: Vec<Message> = messages.try_iter().collect();
        assert!(matches!(rest.last(), Some(Message::ScanFinished)));
        let counts: Vec<usize> = rest.into_iter().map(found).collect();
        assert_eq!(counts.iter().sum::<usize>(), 3 * BATCH);
        assert!(counts.iter().all(|count| *count <= BATCH));
    }
}
