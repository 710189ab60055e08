//! Files that are replaced while the program runs: nothing is ever recorded under another image.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::CXR;
use crate::samples;
use crate::session::Session;

/// An image, and its true score and patient.
struct Expected {
    bytes: Vec<u8>,
    pneumonia: f64,
    patient: Option<String>,
}

/// Images of several patients and formats by SHA-256, each scored in a process of its own.
fn pool() -> HashMap<String, Expected> {
    let names = [
        ("clear_1.png", None),
        ("clear_3.png", None),
        ("clear_16bit.dcm", Some("SYNTHETIC-clear_16bit")),
        ("pneumonia_1.png", None),
        ("pneumonia_2.jfif", None),
        (
            "pneumonia_12bit_mono1.dcm",
            Some("SYNTHETIC-pneumonia_12bit_mono1"),
        ),
        ("covid_like_ap.dcm", Some("SYNTHETIC-covid_like_ap")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut all = HashMap::new();
    for (name, patient) in names {
        let image = samples().join(name);
        let table = folder.path().join(format!("{name}.jsonl"));
        let mut predict = Command::new(CXR);
        predict.arg("predict").arg(&image).arg("-o").arg(&table);
        assert!(
            predict
                .env("CXR_CONFIG", "")
                .output()
                .unwrap()
                .status
                .success()
        );
        let row: Value = serde_json::from_slice(&fs::read(&table).unwrap()).unwrap();
        let expected = Expected {
            bytes: fs::read(&image).unwrap(),
            pneumonia: row["Pneumonia"].as_f64().unwrap(),
            patient: patient.map(str::to_owned),
        };
        all.insert(sha256(&image), expected);
    }
    all
}

fn sha256(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SplitMix64: the same sequence from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// Replaces a file by another image: by writing into it, by deleting it first, or by renaming a new file.
fn replace(path: &Path, bytes: &[u8], random: &mut Random) {
    match random.below(3) {
        0 => fs::write(path, bytes).unwrap(),
        1 => {
            let _ = fs::remove_file(path);
            fs::write(path, bytes).unwrap();
        }
        _ => {
            let new = path.with_file_name(".new");
            fs::write(&new, bytes).unwrap();
            fs::rename(&new, path).unwrap();
        }
    }
}

/// Waits for scores, for a short time: on a slow machine there would be none to confuse.
fn wait_a_moment_for_scores(session: &Session) {
    for _ in 0..300 {
        let screen = session.screen();
        // The processor alone is named before there is an answer.
        let is_answered = [" ms cpu", " s cpu", " cached "].map(|words| screen.contains(words));
        if is_answered.contains(&true) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn start(folder: &Path, store: &Path) -> Session {
    let mut command = CommandBuilder::new(CXR);
    command.arg(folder);
    command.args(["--reviewer", "Ann", "--fresh", "--store"]);
    command.arg(store);
    Session::spawn(35, 120, command)
}

/// The rows of the review log: image, patient, and the answer that was on the screen.
fn rows(store: &Path) -> Vec<(String, Option<String>, Value)> {
    let store = rusqlite::Connection::open(store).unwrap();
    let sql = "SELECT review.image, patient_id, seen FROM review JOIN image
        ON image.sha256 = review.image ORDER BY id";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let seen: String = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, seen))
    });
    rows.unwrap()
        .map(Result::unwrap)
        .map(|(image, patient, seen)| (image, patient, serde_json::from_str(&seen).unwrap()))
        .collect()
}

/// The rows of the prediction cache: image and answer.
fn cached(store: &Path) -> Vec<(String, Value)> {
    let store = rusqlite::Connection::open(store).unwrap();
    let mut statement = store
        .prepare("SELECT image, answer FROM prediction")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let answer: String = row.get(1)?;
        Ok((row.get(0)?, answer))
    });
    rows.unwrap()
        .map(Result::unwrap)
        .map(|(image, answer)| (image, serde_json::from_str(&answer).unwrap()))
        .collect()
}

fn pneumonia(answer: &Value) -> Option<f64> {
    let findings = answer["findings"].as_array()?.iter();
    let mut findings = findings.filter(|finding| finding["label"] == "Pneumonia");
    findings.next()?["score"].as_f64()
}

#[track_caller]
fn assert_score_of(pool: &HashMap<String, Expected>, image: &str, answer: &Value) {
    let expected = pool[image].pneumonia;
    let score = pneumonia(answer).unwrap();
    assert!(
        (score - expected).abs() < 1e-3,
        "the score of {image} is {expected}, and {score} is recorded"
    );
}

/// All files are scored. Then the last one is replaced by another image, and the reader selects it and agrees.
#[test]
fn a_file_that_was_replaced_after_it_was_scored_has_its_own_scores_and_verdict() {
    let pool = pool();
    let mut images: Vec<_> = pool.iter().collect();
    images.sort_by(|a, b| a.1.pneumonia.total_cmp(&b.1.pneumonia));
    let ((least, before), (most, after)) = (images[0], images[images.len() - 1]);
    assert!(after.pneumonia - before.pneumonia > 0.3);
    let folder = tempfile::tempdir().unwrap();
    let films = folder.path().join("films");
    fs::create_dir(&films).unwrap();
    for (number, (_, expected)) in images.iter().enumerate() {
        fs::write(films.join(format!("{number}.img")), &expected.bytes).unwrap();
    }
    let last = films.join("9.img");
    fs::write(&last, &before.bytes).unwrap();
    let store = folder.path().join("reviews.sqlite");
    let mut session = start(&films, &store);
    let all = pool.len() + 1;
    session.wait_for_text(&format!("{all} scored"));
    let new = films.join(".new");
    fs::write(&new, &after.bytes).unwrap();
    fs::rename(&new, &last).unwrap();
    session.press("G");
    session.wait_for_cursor("9.img");
    session.wait_for_text("changed ");
    session.wait_for_text(&format!("{all} scored"));
    session.wait_for("a radiograph", |session| session.painted_cells() > 400);
    let is_marked = |session: &Session| session.is_marked('✓', "9.img");
    while !is_marked(&session) {
        session.press("a");
        // A file that was read just after it was written is read again when the watch tells of it. Until then there is
        // nothing to judge.
        session.wait_for("an answer to the key", |session| {
            is_marked(session) || session.screen().contains("nothing to judge")
        });
        if !is_marked(&session) {
            session.dismiss("nothing to judge");
            thread::sleep(Duration::from_millis(500));
        }
    }
    session.press("q");
    assert_eq!(session.wait_for_end(), 0);
    let rows = rows(&store);
    let [(image, patient, seen)] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_ne!(image, least);
    assert_eq!((image, patient), (most, &after.patient));
    assert_score_of(&pool, image, &seen["prediction"]);
}

/// For a longer run: `CXR_KEYS=2000 cargo test --test terminal random_keys -- --nocapture`.
#[test]
fn random_keys_while_files_are_replaced_record_nothing_under_another_image() {
    const KEYS: [&str; 26] = [
        "j",
        "j",
        "k",
        "G",
        "gg",
        "a",
        "a",
        "d1",
        "d2",
        "u",
        "*",
        "U",
        "\x12",
        "\t",
        "R",
        "o",
        "O",
        "+",
        "i",
        "s",
        "S",
        "cleft lung\r",
        "c\x1b",
        "b",
        "0",
        "P",
    ];
    let count = std::env::var("CXR_KEYS").map_or(200, |n| n.parse().unwrap());
    let pool = pool();
    let mut images: Vec<_> = pool.keys().collect();
    images.sort();
    let folder = tempfile::tempdir().unwrap();
    let films = folder.path().join("films");
    fs::create_dir(&films).unwrap();
    let paths: Vec<PathBuf> = (0..5).map(|n| films.join(format!("{n}.img"))).collect();
    for (path, image) in paths.iter().zip(&images) {
        fs::write(path, &pool[*image].bytes).unwrap();
    }
    let store = folder.path().join("reviews.sqlite");
    let mut session = start(&films, &store);
    session.wait_for_text("0.img");
    let mut random = Random(20_201_128);
    for _ in 0..count {
        if random.below(6) == 0 {
            let image = images[random.below(images.len())];
            let path = &paths[random.below(paths.len())];
            replace(path, &pool[image].bytes, &mut random);
        }
        session.press(KEYS[random.below(KEYS.len())]);
        match random.below(2) {
            0 => wait_a_moment_for_scores(&session),
            _ => thread::sleep(Duration::from_millis(random.below(60) as u64)),
        }
    }
    assert_eq!(session.leave_by_keys(), 0);
    let rows = rows(&store);
    let mut with_scores = 0;
    for (image, patient, seen) in &rows {
        assert_eq!(*patient, pool[image].patient, "{image}");
        if !seen["prediction"].is_null() {
            with_scores += 1;
            assert_score_of(&pool, image, &seen["prediction"]);
        }
    }
    let cached = cached(&store);
    for (image, answer) in &cached {
        assert_score_of(&pool, image, answer);
    }
    println!(
        "{count} keys, {} rows, {with_scores} of them with scores, {} cached predictions: none under \
         another image",
        rows.len(),
        cached.len()
    );
    assert!(with_scores >= 5 && cached.len() > 3);
}
