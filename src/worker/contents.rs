//! The content reader: which images files hold that were reviewed earlier, one file after the other at the lowest
//! priority. Another image may have taken the place of the one that was reviewed.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::background::lower_priority;
use crate::domain::ContentId;
use crate::imaging::{self, DecodeLimits, FileStamp};

/// The greatest age of a batch, but for the file that is being read: the screen looks at its whole list for each batch.
const BATCH_AGE: Duration = Duration::from_millis(250);

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// The file.
    pub path: Arc<Path>,
    /// Its image, and the stamp that the file has before and after it was read. `None` if it cannot be read, or is
    /// being written to.
    pub content: Option<(ContentId, FileStamp)>,
}

/// Reads files in the order in which they were sent until their sender is dropped, or `report` returns false.
pub fn read_contents(jobs: &Receiver<Vec<Arc<Path>>>, report: impl Fn(Vec<FileContent>) -> bool) {
    lower_priority();
    while let Ok(files) = jobs.recv() {
        let (mut batch, mut since) = (Vec::new(), Instant::now());
        for path in files {
            let content = content(&path);
            batch.push(FileContent { path, content });
            if since.elapsed() >= BATCH_AGE {
                if !report(unchanged(std::mem::take(&mut batch))) {
                    return;
                }
                since = Instant::now();
            }
        }
        if !batch.is_empty() && !report(unchanged(batch)) {
            return;
        }
    }
}

fn content(path: &Path) -> Option<(ContentId, FileStamp)> {
    let stamp = FileStamp::of(path)?;
    let content = imaging::content_of(path, &DecodeLimits::default()).ok()?;
    Some((content, stamp))
}

/// Without what a file held that was written to meanwhile: a report of the change may have been sent already.
fn unchanged(mut batch: Vec<FileContent>) -> Vec<FileContent> {
    for FileContent { path, content } in &mut batch {
        content.take_if(|(_, stamp)| FileStamp::of(path) != Some(*stamp));
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A file has a stamp once its last change is a moment ago.
    const SETTLED: Duration = Duration::from_millis(120);

    #[test]
    fn each_file_is_told_with_what_it_holds_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| -> Arc<Path> { folder.path().join(name).into() };
        fs::write(file("a.png"), "one").unwrap();
        fs::write(file("b.png"), "two").unwrap();
        thread::sleep(SETTLED);
        let (jobs, queue) = mpsc::channel();
        jobs.send(["a.png", "gone.png", "b.png"].map(file).into())
            .unwrap();
        drop(jobs);
        let told = Mutex::new(Vec::new());
        read_contents(&queue, |batch| {
            told.lock().unwrap().extend(batch);
            true
        });
        let told = told.into_inner().unwrap();
        let contents = told
            .iter()
            .map(|file| file.content.map(|(content, _)| content));
        let expected = [
            Some(imaging::content_id(b"one")),
            None,
            Some(imaging::content_id(b"two")),
        ];
        assert_eq!(contents.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_a_file_held_before_it_was_written_to_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path: Arc<Path> = folder.path().join("a.png").into();
        fs::write(&path, "one").unwrap();
        thread::sleep(SETTLED);
        let read = content(&path);
        assert!(read.is_some());
        fs::write(&path, "another").unwrap();
        let content = read;
        let told = unchanged(vec![FileContent { path, content }]);
        assert_eq!(told[0].content, None);
    }
}
