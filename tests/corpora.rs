//! Whole public corpora, file by file: each file is read or has a fault, and its samples are those that
//! a reference decoder reads.
//!
//! A corpus is a folder below `CXR_CORPORA`, where `tests/data/corpora/fetch.py` puts it, and a table
//! in `tests/data/corpora`. The table holds the results of a reference decoder, and the reason for each
//! file in which cxr reads something else. It holds no picture.

mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cxr::domain::{InputCheck, Samples};
use cxr::imaging::{DecodeLimits, ImageFault, open};
use cxr::inference::{Classifier, Classify};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The results of a reference decoder for a corpus.
#[derive(Deserialize)]
struct Table {
    /// Name and version of the decoder.
    reader: String,
    /// The reason why cxr reads something else, by file.
    reasons: BTreeMap<String, String>,
    /// By path in the corpus. Files that are not images for the decoder are left out.
    files: BTreeMap<String, Reference>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Reference {
    Picture(Picture),
    /// An image that the reference decoder cannot read.
    Error {
        error: String,
    },
}

/// A picture without its pixels.
#[derive(Deserialize, PartialEq, Debug)]
struct Picture {
    width: usize,
    height: usize,
    /// Grey, signed, floating point or colour, with the number of bits.
    samples: String,
    /// Mean of the samples.
    mean: f64,
    /// Digest of the samples in little endian, row by row.
    sha256: String,
}

/// The result of cxr for a file.
struct Outcome {
    /// The status that `cxr predict` counts.
    status: &'static str,
    picture: Result<Picture, ImageFault>,
}

#[test]
fn pydicoms_files_are_read_as_pydicom_reads_them() {
    run("pydicom", "pydicom/data");
}

/// Checks a corpus whose files are `below` its folder.
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
            (Some(what), None) => {
                wrong.push(format!("{file}: {what}, without a reason in the table"))
            }
            (None, Some(_)) => {
                wrong.push(format!("{file}: is equal, but has a reason in the table"))
            }
        }
        paths.insert(file);
    }
    let listed = table.files.keys().chain(table.reasons.keys());
    let missing = listed.filter(|file| !paths.contains(*file));
    wrong.extend(missing.map(|file| format!("{file}: not found")));
    println!(
        "{name}: {} files, {equal} equal to {}, {} different with a reason; {counts:?}",
        paths.len(),
        table.reader,
        table.reasons.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The folder of a corpus; `None`, with a printed reason, if it was not fetched.
fn corpus(name: &str, below: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CXR_CORPORA").map(PathBuf::from);
    let root = folder.map(|folder| folder.join(name).join(below));
    let root = root.filter(|root| root.is_dir());
    if root.is_none() {
        skip::skip_on_this_machine(format_args!(
            "the corpus {name} is not below CXR_CORPORA (tests/data/corpora/fetch.py)"
        ));
    }
    root
}

fn table(name: &str) -> Table {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpora");
    let text = std::fs::read(folder.join(name).with_extension("json")).expect("a table");
    serde_json::from_slice(&text).expect("a table of the kind")
}

/// All files except the programs of the package.
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

/// The difference from the reference in words; `None` if there is none.
fn difference(
    reference: Option<&Reference>,
    found: &Result<Picture, ImageFault>,
) -> Option<String> {
    match (reference, found) {
        (Some(Reference::Picture(expected)), Ok(found)) if expected.sha256 == found.sha256 => None,
        (Some(Reference::Picture(expected)), Ok(found)) => Some(format!(
            "{} × {} {} of mean {:.3}, expected {} × {} {} of mean {:.3}",
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
            "{} × {} of mean {:.3}, but the reference decoder reports {error}",
            found.width, found.height, found.mean
        )),
        (None, Ok(_)) => Some("an image, but not for the reference decoder".to_owned()),
        (None | Some(Reference::Error { .. }), Err(_)) => None,
    }
}
