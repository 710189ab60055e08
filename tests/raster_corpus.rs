//! The images of Pillow's own tests, file by file, against what Pillow reads in them
//! (`tests/data/corpora/pillow.py` makes the table).
//!
//! They are no part of the project. Their folder is `$CXR_CORPORA/pillow`, the source of the version of
//! Pillow that the table names, unpacked. Without it the test is skipped, and fails if
//! `CXR_REQUIRE_ALL` is 1.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use cxr::domain::{Radiograph, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, open};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What Pillow reads, and why cxr reads something else.
#[derive(Deserialize)]
struct Table {
    pillow: String,
    /// Why samples differ, or are read by one of both only: by name, or by all that precedes a `*`.
    reasons: BTreeMap<String, String>,
    files: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Film(Film),
    Error {
        #[allow(dead_code)] // It is there for readers of the table.
        error: String,
    },
}

/// Samples in few words.
#[derive(Deserialize, PartialEq, Debug)]
struct Film {
    width: usize,
    height: usize,
    samples: String,
    sha256: String,
}

impl Film {
    fn of(r: &Radiograph) -> Film {
        let (samples, bytes): (_, Vec<u8>) = match &r.samples {
            Samples::Grey8(v) => ("grey8", v.clone()),
            Samples::Rgb8(v) => ("rgb8", v.clone()),
            Samples::Grey16(v) => ("grey16", v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Samples::GreySigned16(v) => {
                ("signed16", v.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Samples::GreyF32(v) => ("float32", v.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        let digest = Sha256::digest(bytes);
        let sha256 = digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Film {
            width: r.width,
            height: r.height,
            samples: samples.to_owned(),
            sha256,
        }
    }
}

fn folder() -> Option<PathBuf> {
    let corpora = std::env::var_os("CXR_CORPORA").map(PathBuf::from);
    let folder = corpora.map(|corpora| corpora.join("pillow/Tests/images"));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        let required = std::env::var_os("CXR_REQUIRE_ALL").is_some_and(|v| v == "1");
        assert!(!required, "CXR_CORPORA names no folder with pillow in it");
        eprintln!("skipped: CXR_CORPORA names no folder with pillow in it");
    }
    folder
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

#[test]
fn every_picture_of_pillows_tests_is_read_as_pillow_reads_it_or_has_a_reason() {
    let Some(folder) = folder() else { return };
    let table: Table = serde_json::from_str(include_str!("data/corpora/pillow.json")).unwrap();
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let (mut counts, mut unexplained) = (BTreeMap::new(), Vec::new());
    let mut used = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(&folder).unwrap();
        let name = name.to_str().expect("a plain name").replace('\\', "/");
        let read = open(path, &DecodeLimits::default());
        let read = read.as_ref().map(Film::of).map_err(|e| e.fault().clone());
        let Some((outcome, detail)) = outcome(table.files.get(&name), read) else {
            continue;
        };
        let key = table.reasons.keys().find(|key| covers(key, &name));
        let agrees = matches!(outcome, "equal" | "refused by both");
        if agrees == key.is_some() {
            unexplained.push(format!("{name}: {outcome}: {detail}"));
        }
        used.extend(key);
        *counts.entry(outcome).or_insert(0) += 1;
    }
    println!("Pillow {}: {counts:?}", table.pillow);
    let idle: Vec<_> = table.reasons.keys().filter(|k| !used.contains(k)).collect();
    assert!(
        unexplained.is_empty() && idle.is_empty(),
        "{counts:?}\n{}\nreasons for nothing: {idle:?}",
        unexplained.join("\n")
    );
}

fn covers(key: &str, name: &str) -> bool {
    match key.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => key == name,
    }
}

/// In a word, and what it was; `None` for what neither takes for a picture of these formats.
fn outcome(row: Option<&Row>, read: Result<Film, ImageFault>) -> Option<(&'static str, String)> {
    match (row, read) {
        (Some(Row::Film(film)), Ok(read)) if *film == read => Some(("equal", String::new())),
        (Some(Row::Film(film)), Ok(read)) => Some(("differs", format!("{read:?} not {film:?}"))),
        (Some(Row::Film(_)), Err(fault)) => Some(("refused by cxr", fault.to_string())),
        (_, Err(ImageFault::NotAnImage(_))) => None,
        (_, Err(fault)) => Some(("refused by both", fault.to_string())),
        (_, Ok(read)) => Some(("read by cxr", format!("{read:?}"))),
    }
}
