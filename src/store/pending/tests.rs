use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::tests::entry;
use super::*;
use crate::domain::{Opinion, OpinionChange};

/// The result of one attempt.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Reviews that are on the disk now.
    pub written: Vec<Merged>,
    /// Why the others are not.
    pub error: Option<StoreError>,
}

impl Pending {
    /// Writes all waiting reviews, oldest first, until one cannot be written.
    fn flush(&mut self) -> Flushed {
        let mut flushed = Flushed::default();
        while let Some(next) = self.write_next() {
            match next {
                Ok(written) => flushed.written.push(written.merged),
                Err(error) => {
                    flushed.error = Some(error);
                    break;
                }
            }
        }
        flushed
    }
}

/// A store with room for a limited number of pages.
fn cramped(path: &Path, room: &Arc<AtomicI64>) -> Pending {
    let (file, room) = (path.to_owned(), room.clone());
    let open = move |_: &Wait| {
        let store = Store::open(&file)?;
        store.limit(room.load(Ordering::SeqCst));
        Ok(store)
    };
    Pending::with(path, Box::new(open))
}

#[test]
fn on_a_full_disk_reviews_wait_in_order_and_are_written_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let room = Arc::new(AtomicI64::new(30));
    let mut pending = cramped(&path, &room);
    let mut written = 0;
    for n in 0..60 {
        let mut entry = entry(n, "agree");
        entry.review.change = OpinionChange::to(&Opinion {
            note: "a long note ".repeat(100),
            ..Opinion::default()
        });
        pending.push(&entry, None);
        let flushed = pending.flush();
        written += flushed.written.len();
        if n == 59 {
            assert!(matches!(flushed.error, Some(StoreError::Full { .. })));
        }
    }
    assert!(
        written > 0 && pending.waiting() == 60 - written,
        "{written}"
    );
    assert!(pending.store().is_none());

    room.store(1_000, Ordering::SeqCst);
    let flushed = pending.flush();
    assert!(flushed.error.is_none() && pending.waiting() == 0);
    assert_eq!(flushed.written.len(), 60 - written);
    let store = Store::open(&path).unwrap();
    let audit = store.verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (60, vec![]));
    let images: Vec<_> = store.standings("ann").unwrap();
    let expected: Vec<_> = (0..60).map(|n| entry(n, "agree").image.sha256).collect();
    let found: Vec<_> = images.into_iter().map(|standing| standing.image).collect();
    assert_eq!(found, expected);
}

#[test]
fn reviews_wait_while_the_file_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let store = Store::open(&path).unwrap();
    drop(store);
    let file = path.clone();
    let open = move |_: &Wait| Store::open_read_only(&file);
    let mut pending = Pending::with(&path, Box::new(open));
    pending.push(&entry(1, "agree"), None);
    let error = pending.flush().error.unwrap();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("reviews.sqlite"));
    let file = path.clone();
    pending.open = Box::new(move |_: &Wait| Store::open(&file));
    assert_eq!(pending.flush().written.len(), 1);
}

/// A file without a name vanishes with the process.
#[test]
fn a_store_that_was_removed_meanwhile_is_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut pending = Pending::open(&path).unwrap();
    assert!(!path.exists(), "there is no review yet");
    pending.push(&entry(0, "agree"), None);
    assert_eq!(pending.flush().written.len(), 1);
    for name in ["reviews.sqlite", "reviews.sqlite-wal", "reviews.sqlite-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    pending.push(&entry(1, "unsure"), None);
    let error = pending.flush().error.unwrap();
    assert!(matches!(error, StoreError::Moved { .. }), "{error}");
    assert_eq!(pending.waiting(), 2, "the acknowledged review waits again");
    assert_eq!(pending.flush().written.len(), 2);
    let rows = Store::open(&path).unwrap().verify().unwrap().rows;
    assert_eq!(rows, 2);
}

/// The write-ahead log keeps the old name: SQLite would remove it with the new store.
#[test]
fn a_store_that_was_renamed_meanwhile_is_complete_and_the_new_one_has_this_sessions_reviews() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let mut earlier = Store::open(&place("s.sqlite")).unwrap();
    earlier.append(&entry(5, "agree")).unwrap();
    earlier.close();
    let mut pending = Pending::open(&place("s.sqlite")).unwrap();
    pending.push(&entry(0, "agree"), None);
    assert_eq!(pending.flush().written.len(), 1);
    std::fs::rename(place("s.sqlite"), place("kept.sqlite")).unwrap();
    pending.push(&entry(1, "unsure"), None);
    assert!(matches!(
        pending.flush().error,
        Some(StoreError::Moved { .. })
    ));
    assert_eq!(pending.flush().written.len(), 2);
    assert!(pending.close("here").is_none());
    for (name, rows) in [("kept.sqlite", 2), ("s.sqlite", 2)] {
        let audit = Store::open_read_only(&place(name))
            .unwrap()
            .verify()
            .unwrap();
        assert_eq!((audit.rows, audit.faults), (rows, vec![]), "{name}");
    }
    // A log without its database may hold reviews: no store is created beside it.
    std::fs::write(place("t.sqlite-wal"), "reviews").unwrap();
    let error = Store::open(&place("t.sqlite")).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(!place("t.sqlite").exists());
}

#[test]
fn reviews_that_were_saved_at_the_end_are_in_the_log_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    drop(Store::open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut pending = Pending::open(&path).unwrap();
    pending.wait().hurry();
    for n in 0..2 {
        pending.push(&entry(n, "agree"), None);
    }
    let error = pending.flush().error.unwrap();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    let saved = pending.save("here").unwrap().unwrap().to_owned();
    let text = std::fs::read(&saved).unwrap();
    drop(pending);

    let mut next = Pending::open(&path).unwrap();
    assert_eq!(next.take_up().count, 2);
    next.wait().hurry();
    assert!(next.flush().error.is_some(), "it is still locked");
    assert_eq!(next.save("next").unwrap(), None, "they have a file already");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(next.flush().written.len(), 2);
    assert!(!saved.exists());

    // As if the program was killed between the last commit and the removal.
    std::fs::write(&saved, text).unwrap();
    let mut again = Pending::open(&path).unwrap();
    assert_eq!(again.take_up().count, 2);
    again.flush();
    assert!(!saved.exists());
    let audit = Store::open(&path).unwrap().verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (2, vec![]));
}

/// The file is removed once its reviews are in the log: a part that is not understood would be gone with it.
#[test]
fn reviews_of_a_newer_version_wait_for_it_and_those_of_an_older_one_are_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut pending = Pending::open(&path).unwrap();
    pending.push(&entry(0, "agree"), None);
    let saved = pending.save("here").unwrap().unwrap().to_owned();
    let text = std::fs::read_to_string(&saved).unwrap();
    for (known, newer) in [
        (r#""change":{"#, r#""change":{"urgency":{"to":"now"},"#),
        (r#"{"token""#, r#"{"witness":"bob","token""#),
    ] {
        let newer = text.replacen(known, newer, 1);
        assert_ne!(newer, text);
        std::fs::write(&saved, &newer).unwrap();
        let mut older = Pending::open(&path).unwrap();
        let taken_up = older.take_up();
        assert_eq!(taken_up.count, 0, "{newer}");
        let problem = &taken_up.problems[0];
        assert!(problem.contains("newer"), "{problem}");
        assert!(older.flush().written.is_empty());
        assert_eq!(std::fs::read_to_string(&saved).unwrap(), newer);
    }
    // As the first version with such files wrote it.
    let digest = "0".repeat(64);
    let first = format!(
        concat!(
            r#"{{"token":"t-1","image":{{"sha256":"{}","path":"/x/1.png","study":null,"#,
            r#""series":null,"sop":null,"patient":null}},"reviewer":"ann","at_ms":5,"#,
            r#""act":"verdict","change":{{"judgement":{{"to":["agree",null]}}}},"seen":"{{}}","#,
            r#""program":"0.1.0","said":null}}"#,
        ),
        digest
    );
    std::fs::write(&saved, first + "\n").unwrap();
    let mut pending = Pending::open(&path).unwrap();
    assert_eq!(pending.take_up().count, 1);
    assert_eq!(pending.flush().written.len(), 1);
    assert!(!saved.exists());
}

#[test]
fn reviews_that_are_written_after_all_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut pending = Pending::open(&path).unwrap();
    pending.push(&entry(0, "agree"), None);
    let saved = pending.save("here").unwrap().unwrap().to_owned();
    assert!(saved.exists());
    assert!(pending.flush().error.is_none() && !saved.exists());
    assert_eq!(pending.save("here").unwrap(), None);
}

/// As on a full disk, for a store whose folder cannot be made.
#[test]
fn reviews_that_waited_in_a_spare_folder_are_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("state");
    std::fs::write(&in_the_way, "no folder").unwrap();
    let path = in_the_way.join("reviews.sqlite");
    let open = || {
        let pending = Pending::open(&path).unwrap();
        pending.with_spare_folders(vec![folder.path().join("run")])
    };
    let mut pending = open();
    pending.push(&entry(0, "agree"), None);
    assert!(pending.flush().error.is_some());
    let saved = pending.save("here").unwrap().unwrap().to_owned();
    assert!(saved.starts_with(folder.path().join("run")));
    drop(pending);
    std::fs::remove_file(&in_the_way).unwrap();
    let mut next = open();
    assert_eq!(next.take_up().count, 1);
    assert_eq!(next.flush().written.len(), 1);
    assert!(!saved.exists());
}

/// As by `cp`: the file keeps its name, and the open store notices nothing.
#[test]
fn reviews_in_a_store_that_was_written_over_in_place_wait_for_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reviews.sqlite");
    let mut earlier = Store::open(&path).unwrap();
    for n in 10..60 {
        earlier.append(&entry(n, "agree")).unwrap();
    }
    earlier.close();
    let older = std::fs::read(&path).unwrap();
    for (first, content, reason) in [
        (0, "no store ".repeat(10_000).into_bytes(), None),
        (2, older, Some("moved or replaced")),
    ] {
        let mut pending = Pending::open(&path).unwrap();
        for number in [first, first + 1, first + 1] {
            pending.push(&entry(number, "agree"), None);
        }
        assert!(pending.flush().error.is_none());
        // All of it is in the file by then, as after a while.
        let checkpoint = rusqlite::Connection::open(&path).unwrap();
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        checkpoint.query_row(sql, [], |_| Ok(())).unwrap();
        drop(checkpoint);
        std::fs::write(&path, content).unwrap();
        let lost = pending.close("here").unwrap();
        assert_eq!(lost.count, 3);
        let words = lost.reason.to_string();
        assert!(
            reason.is_none_or(|reason| words.contains(reason)),
            "{words}"
        );
        let saved = lost.saved.unwrap();
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("reviews.sqlite{ending}")));
        }
        let mut next = Pending::open(&path).unwrap();
        assert_eq!(next.take_up().count, 3);
        assert_eq!(next.flush().written.len(), 3);
        assert!(next.close("next").is_none() && !saved.exists());
    }
}
