//! Reads a review store from an unknown source, and then writes to it.

use std::fs;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::is_one_line;
use crate::domain::{
    Act, ContentId, ImageIdentity, Opinion, OpinionChange, Review, Seen, Uids, Verdict,
};
use crate::store::{ReviewEntry, Store, StoreError};

const READER: &str = "ann";

/// Checks that reading changes nothing, that an acknowledged review is stored, and that a refused file is
/// unchanged.
pub fn target(data: &[u8]) {
    let folder = ScratchFolder::new();
    let path = folder.put(data);
    match Store::open_read_only(&path) {
        Ok(store) => read(&store),
        Err(error) => is_one_line(&error),
    }
    let now = fs::read(&path).expect("the file exists");
    assert!(now == data, "reading has changed the file");
    match Store::open(&path) {
        Ok(mut store) => write(&mut store),
        Err(error @ (StoreError::Foreign { .. } | StoreError::Newer { .. })) => {
            is_one_line(&error);
            let now = fs::read(&path).expect("the file exists");
            assert!(now == data, "refusing has changed the file");
        }
        Err(error) => is_one_line(&error),
    }
}

/// Calls every read function of a store. Errors are fine.
fn read(store: &Store) {
    let image = ContentId::from_digest([7; 32]);
    let sha256 = image.to_string();
    let _ = store.verify();
    let _ = store.standings(READER);
    let _ = store.standing(READER, image);
    let _ = store.last_words(&[], |_| Ok::<_, ()>(()));
    let _ = store.last_words(&[PathBuf::from("/x")], |_| Ok::<_, ()>(()));
    let _ = store.answers_seen();
    let _ = store.was_answer_seen(READER, image);
    let _ = store.bookmark(READER, &[PathBuf::from("/x")]);
    let _ = store.origin(&sha256);
    let _ = store.cached_prediction(image, "ab", "cxr-1", "basis");
    let _ = store.last_prediction(&sha256, "ab");
    let _ = store.open_study();
    let _ = store.study_calls("ab");
    let _ = store.verify_study_events();
}

fn write(store: &mut Store) {
    let image = ContentId::from_digest([7; 32]);
    let opinion = Opinion {
        verdict: Some(Verdict::Unsure),
        ..Opinion::default()
    };
    let entry = ReviewEntry {
        token: "from the target".to_owned(),
        image: ImageIdentity {
            sha256: image.to_string(),
            path: PathBuf::from("/x/7.png"),
            uids: Uids::default(),
            patient_id: None,
        },
        review: Review {
            reviewer: READER.to_owned(),
            at: UNIX_EPOCH,
            act: Act::Judged,
            change: OpinionChange::to(&opinion),
            seen: Seen::default(),
        },
        prediction: None,
    };
    if store.append(&entry).is_ok() {
        let held = store.standing(READER, image).expect("it can be read");
        let verdict = held.and_then(|held| held.verdict);
        assert_eq!(verdict, Some(Verdict::Unsure), "an acknowledged verdict");
    }
    read(store);
}

/// A temporary folder of this thread, which is empty at first and removed at the end.
struct ScratchFolder(PathBuf);

impl ScratchFolder {
    fn new() -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        let name = format!("cxr-fuzz-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a temporary folder");
        ScratchFolder(path)
    }

    fn put(&self, data: &[u8]) -> PathBuf {
        let path = self.0.join("store.sqlite");
        fs::write(&path, data).expect("a temporary file");
        path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
