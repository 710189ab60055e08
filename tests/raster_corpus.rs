//! Compares cxr with Pillow on every image of Pillow's own tests. `tests/data/corpora/pillow.py` makes
//! the table of Pillow's results.
//!
//! The images are not part of the project. They are in `$CXR_CORPORA/pillow`, the unpacked source of the
//! Pillow version that the table names. Without it the test is skipped.

mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cxr::domain::hex::hex;
use cxr::domain::{Radiograph, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, open};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Pillow's results, and the reasons why cxr differs from some of them.
#[derive(Deserialize)]
struct Table {
    pillow: String,
    /// Reasons why samples differ, or why only one of both programs reads a file. The key is a name, or
    /// a prefix that ends in `*`.
    reasons: BTreeMap<String, String>,
    files: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Film(Film),
    Error {
        #[allow(dead_code)] // Documentation in the table.
        error: String,
    },
}

/// A summary of the samples.
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
        Film {
            width: r.width,
            height: r.height,
            samples: samples.to_owned(),
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}

fn folder() -> Option<PathBuf> {
    let corpora = std::env::var_os("CXR_CORPORA").map(PathBuf::from);
    let folder = corpora.map(|corpora| corpora.join("pillow/Tests/images"));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        skip::skip_on_this_machine("CXR_CORPORA names no folder with pillow in it");
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
fn every_image_of_pillows_tests_is_read_as_pillow_reads_it_or_has_a_reason() {
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
    let unused: Vec<_> = table.reasons.keys().filter(|k| !used.contains(k)).collect();
    assert!(
        unexplained.is_empty() && unused.is_empty(),
        "{counts:?}\n{}\nunused reasons: {unused:?}",
        unexplained.join("\n")
    );
}

fn covers(key: &str, name: &str) -> bool {
    match key.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => key == name,
    }
}

/// The outcome and its details; `None` if neither program takes the file for an image of these formats.
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
