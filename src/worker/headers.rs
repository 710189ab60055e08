//! The header reader: patient, study, time and view of the films of a folder, from the first bytes of each file, one
//! file after the other at the lowest priority.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::background::lower_priority;
use crate::domain::FilmSummary;
use crate::imaging::{self, DecodeLimits, FileStamp};

/// The greatest age of a batch.
const BATCH_AGE: Duration = Duration::from_millis(60);
/// The most files of a batch.
const BATCH: usize = 500;

/// Files whose headers are to be read, each with a number of the caller's.
pub type HeaderJobs = Vec<(u32, Arc<Path>)>;

/// What some headers say.
#[derive(Debug, Default)]
pub struct HeaderBatch {
    /// By the numbers of the jobs, with the file's stamp just before it was read; files that say nothing are left
    /// out.
    pub films: Vec<(u32, Option<FileStamp>, FilmSummary)>,
    /// How many files were read.
    pub read: usize,
}

/// Reads headers in the order of the jobs until their sender is dropped, or `report` returns false.
pub fn read_headers(jobs: &Receiver<HeaderJobs>, report: impl Fn(HeaderBatch) -> bool) {
    lower_priority();
    while let Ok(files) = jobs.recv() {
        let mut batch = HeaderBatch::default();
        let mut since = Instant::now();
        for (number, path) in files {
            let stamp = FileStamp::of(&path);
            let film = film_summary(&path).filter(|film| !film.is_empty());
            batch.films.extend(film.map(|film| (number, stamp, film)));
            batch.read += 1;
            if batch.read >= BATCH || since.elapsed() >= BATCH_AGE {
                if !report(std::mem::take(&mut batch)) {
                    return;
                }
                since = Instant::now();
            }
        }
        if batch.read > 0 && !report(batch) {
            return;
        }
    }
}

/// What the first bytes of a film say. A file that cannot be read says nothing here: a reader who selects it is told why.
fn film_summary(path: &Path) -> Option<FilmSummary> {
    let read = AssertUnwindSafe(|| imaging::summary(path, &DecodeLimits::default()));
    catch_unwind(read).ok()?.ok()?
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_file_is_counted_and_the_reader_ends_with_its_sender() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| -> Arc<Path> {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.into()
        };
        let files = vec![
            (7, file("no.dcm", b"not a film")),
            (8, folder.path().join("gone.dcm").into()),
            (9, file("some.dcm", &film())),
        ];
        let (jobs, queue) = mpsc::channel();
        jobs.send(files).unwrap();
        drop(jobs);
        let batches = Mutex::new(Vec::new());
        read_headers(&queue, |batch| {
            batches.lock().unwrap().push(batch);
            true
        });
        let batches = batches.into_inner().unwrap();
        assert_eq!(batches.iter().map(|batch| batch.read).sum::<usize>(), 3);
        let films: Vec<_> = batches.iter().flat_map(|batch| &batch.films).collect();
        let [(9, _, film)] = &films[..] else {
            panic!("{films:?}");
        };
        assert_eq!(film.origin.patient.id.as_deref(), Some("4711"));
    }

    /// *Patient ID* in a data set without preamble, Explicit VR Little Endian.
    fn film() -> Vec<u8> {
        let mut bytes = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192".to_vec();
        bytes.extend(b"\x10\x00\x20\x00LO\x04\x004711");
        bytes
    }
}
