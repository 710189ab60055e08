//! Whole public corpora, file by file: each is read, or says why not, and its samples are those that
//! a reference decoder reads.
//!
//! A corpus is a folder below `CXR_CORPORA`, where `tests/data/corpora/fetch.py` puts it, and a table
//! below `tests/data/corpora` with what a reference decoder reads in its files, and the reason for
//! each file in which cxr reads something else. No picture is in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cxr::domain::{InputCheck, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, open};
use cxr::inference::{Classifier, Classify};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What a reference decoder reads in a corpus.
#[derive(Deserialize)]
struct Table {
    /// Its name and version.
    reader: String,
    /// Why cxr reads something else, by file.
    reasons: BTreeMap<String, String>,
    /// By path in the corpus; what is no image for it is left out.
    files: BTreeMap<String, Reference>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Reference {
    Picture(Picture),
    /// It is an image, and the reference decoder cannot read it.
    Error {
        error: String,
    },
}

/// A picture without its pixels.
#[derive(Deserialize, PartialEq, Debug)]
struct Picture {
    width: usize,
    height: usize,
    /// Grey, signed, floating point or colour, and bits.
    samples: String,
    /// Of the samples.
    mean: f64,
    /// Of the samples in little endian, row by row.
    sha256: String,
}

/// What becomes of a file.
struct Outcome {
    /// As `cxr predict` counts it.
    status: &'static str,
    picture: Result<Picture, ImageFault>,
}

#[test]
fn pydicoms_files_are_read_as_pydicom_reads_them() {
    run("pydicom", "pydicom/data");
}

/// Runs a corpus, whose files lie `below` its folder.
fn run(name: &str, below: &str) {
    let Some(root) = corpus(name, below) else {
        return;
    };
    let table = table(name);
    let model = Classifier::bundled().expect("the model");
    let mut counts = BTreeMap::<_, usize>::new();
    let mut equal = 0;
    let mut wrong = Vec::new();
    let mut paths = BTreeSet::new();
    for path in files(&root) {
        let outcome = outcome(&path, &model);
        *counts.entry(outcome.status).or_default() += 1;
        let file = path.strip_prefix(&root).expect("below it");
        let file = file.to_string_lossy().replace('\\', "/");
        let difference = difference(table.files.get(&file), &outcome.picture);
        match (difference, table.reasons.get(&file)) {
            (None, None) => equal += usize::from(outcome.picture.is_ok()),
            (Some(what), Some(reason)) => println!("{file}: {what}: {reason}"),
            (Some(what), None) => wrong.push(format!("{file}: {what}, and no reason is given")),
            (None, Some(_)) => wrong.push(format!("{file}: is read alike, and a reason is given")),
        }
        paths.insert(file);
    }
    let listed = table.files.keys().chain(table.reasons.keys());
    let missing = listed.filter(|file| !paths.contains(*file));
    wrong.extend(missing.map(|file| format!("{file}: is not there")));
    println!(
        "{name}: {} files, {equal} read as by {}, {} otherwise with a reason; {counts:?}",
        paths.len(),
        table.reader,
        table.reasons.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where a corpus lies, or a word that it is skipped.
fn corpus(name: &str, below: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CXR_CORPORA").map(PathBuf::from);
    let root = folder.map(|folder| folder.join(name).join(below));
    let root = root.filter(|root| root.is_dir());
    if root.is_none() {
        let required = std::env::var_os("CXR_REQUIRE_ALL").is_some();
        assert!(!required, "the corpus {name} is not below CXR_CORPORA");
        eprintln!(
            "skipped: the corpus {name} is not below CXR_CORPORA (tests/data/corpora/fetch.py)"
        );
    }
    root
}

fn table(name: &str) -> Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpora");
    let text = std::fs::read(folder.join(name).with_extension("json")).expect("a table");
    serde_json::from_slice(&text).expect("a table of the kind")
}

/// All files but the package's own programs.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name();
    let paths = entries.into_iter().map(|entry| entry.expect("an entry"));
    let files = paths.filter(|entry| entry.file_type().is_file());
    let is_program = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default();
        extension == "py" || extension == "pyc"
    };
    let files = files.map(walkdir::DirEntry::into_path);
    files.filter(|path| !is_program(path)).collect()
}

fn outcome(path: &Path, model: &Classifier) -> Outcome {
    match open(path, &DecodeLimits::default()) {
        Err(error) => Outcome {
            status: match error.fault() {
                ImageFault::NotAnImage(_) => "not an image",
                ImageFault::NoPicture(_) => "no picture in it",
                ImageFault::Damaged(_) => "damaged",
                ImageFault::Unsupported(_) => "not supported",
                fault => panic!("{}: {fault}", path.display()),
            },
            picture: Err(error.fault().clone()),
        },
        Ok(r) => Outcome {
            status: match model.classify(&r).expect("an answer").input {
                InputCheck::Accepted => "ok",
                InputCheck::Caution(_) => "caution",
                InputCheck::Refused(_) => "refused",
            },
            picture: Ok(Picture::of(&r.samples, r.width, r.height)),
        },
    }
}

impl Picture {
    fn of(samples: &Samples, width: usize, height: usize) -> Picture {
        fn of<T: Copy, const N: usize>(
            v: &[T],
            bytes: impl Fn(T) -> [u8; N],
            value: impl Fn(T) -> f64,
        ) -> (f64, Vec<u8>) {
            let mean = v.iter().map(|&s| value(s)).sum::<f64>() / v.len() as f64;
            (mean, v.iter().flat_map(|&s| bytes(s)).collect())
        }
        let (kind, (mean, bytes)) = match samples {
            Samples::Grey8(v) => ("grey8", of(v, u8::to_le_bytes, f64::from)),
            Samples::Rgb8(v) => ("rgb8", of(v, u8::to_le_bytes, f64::from)),
            Samples::Grey16(v) => ("grey16", of(v, u16::to_le_bytes, f64::from)),
            Samples::GreySigned16(v) => ("signed16", of(v, i16::to_le_bytes, f64::from)),
            Samples::GreyF32(v) => ("float32", of(v, f32::to_le_bytes, f64::from)),
        };
        let digest = Sha256::digest(bytes);
        Picture {
            width,
            height,
            samples: kind.to_owned(),
            mean,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// What differs from the reference, in words.
fn difference(
    reference: Option<&Reference>,
    found: &Result<Picture, ImageFault>,
) -> Option<String> {
    match (reference, found) {
        (Some(Reference::Picture(expected)), Ok(found)) if expected.sha256 == found.sha256 => None,
        (Some(Reference::Picture(expected)), Ok(found)) => Some(format!(
            "{} × {} {} of mean {:.3}, where {} × {} {} of mean {:.3} is right",
            found.width,
            found.height,
            found.samples,
            found.mean,
            expected.width,
            expected.height,
            expected.samples,
            expected.mean
        )),
        (Some(Reference::Picture(_)), Err(fault)) => Some(fault.to_string()),
        (Some(Reference::Error { error }), Ok(found)) => Some(format!(
            "{} × {} of mean {:.3}, where the reference says {error}",
            found.width, found.height, found.mean
        )),
        (None, Ok(_)) => Some("an image, and none for the reference".to_owned()),
        (None | Some(Reference::Error { .. }), Err(_)) => None,
    }
}
