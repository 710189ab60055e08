//! Runs every fuzz target over its corpus, the findings of fuzz campaigns (`fuzz/regressions`) and
//! mutants of both, as ordinary tests that need no nightly compiler.
//!
//! `CXR_WRITE_CORPUS=1` writes the files that [`made`] makes; `fuzz/corpus.py` makes the others.

#[path = "../imaging_files/mod.rs"]
mod imaging_files;
mod made;
#[path = "../parquet_files/mod.rs"]
mod parquet_files;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cxr::fuzzing::{FuzzTarget, TARGETS, is_answer, is_request};

/// Time limit for one input of a few kB, on a busy machine, without optimisation.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Limit for the whole corpus, so that a checkout stays small.
const MOST_BYTES: u64 = 1 << 20;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of a folder, sorted by name; none if the folder does not exist.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The file itself, cut off at each quarter, and with single bytes changed. The changes are spread over
/// the file and denser at its beginning, where headers are.
fn mutants(file: &[u8]) -> Vec<Vec<u8>> {
    let cut = (0..4).map(|quarter| file[..file.len() * quarter / 4].to_vec());
    let flipped = |(nth, bits): (usize, u8)| {
        let mut mutant = file.to_vec();
        let at = file.len() * nth * nth / (FLIPS * FLIPS);
        mutant[at] ^= bits;
        mutant
    };
    const FLIPS: usize = 12;
    let places = (0..FLIPS).flat_map(|nth| [(nth, 0xff), (nth, 0x80)]);
    let flips = places.filter(|_| !file.is_empty()).map(flipped);
    [file.to_vec()]
        .into_iter()
        .chain(cut)
        .chain(flips)
        .collect()
}

fn fault(target: FuzzTarget, input: &[u8]) -> Option<String> {
    let begun = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = begun.elapsed();
    match ended {
        Err(_) => Some("panicked, see the message above".to_owned()),
        Ok(()) if took > TIME_LIMIT => Some(format!("took {took:?}")),
        Ok(()) => None,
    }
}

/// Runs a target over its files and their mutants.
fn check(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = files(&fuzz().join("corpus").join(name));
    assert!(!seeds.is_empty(), "{name} has no corpus");
    let found = files(&fuzz().join("regressions").join(name));
    let faults: Vec<String> = seeds
        .iter()
        .chain(&found)
        .flat_map(|path| {
            let file = fs::read(path).unwrap();
            let faults = |(nth, input): (usize, Vec<u8>)| {
                let fault = fault(*target, &input)?;
                Some(format!("{}, mutant {nth}: {fault}", path.display()))
            };
            let mutants = mutants(&file).into_iter().enumerate();
            mutants.filter_map(faults).collect::<Vec<_>>()
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A test for each target, and one that the list is complete.
macro_rules! checked {
    ($($name:ident)*) => {
        mod corpus {
            $(#[test] fn $name() { super::check(stringify!($name)) })*
        }

        #[test]
        fn every_target_is_checked_and_built() {
            let checked = BTreeSet::from([$(stringify!($name)),*]);
            let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(checked, known);
            let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
            for name in known {
                let file = format!("fuzz_targets/{name}.rs");
                assert!(manifest.contains(&format!("path = \"{file}\"")), "{name}");
                let source = fs::read_to_string(fuzz().join(file)).unwrap();
                assert!(source.contains(&format!("cxr::fuzzing::{name}(")), "{name}");
            }
        }
    };
}

checked! {
    raster png jpeg webp tiff bmp gif jpeg_2000
    archive dicomdir header
    dicom dicom_native dicom_rle dicom_jpeg dicom_jpeg_ls dicom_jpeg_2000 dicom_deflated
    answer request
    pickle torch keras safetensors onnx model_folder part_index
    npy recipe card manifest filter configuration study dicomweb store pdu parquet
}

#[test]
fn the_corpus_is_complete_and_small() {
    let corpus = fuzz().join("corpus");
    for (target, name, bytes) in made::all() {
        let path = corpus.join(target).join(&name);
        if std::env::var_os("CXR_WRITE_CORPUS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        // Only the presence is checked: later encoders and versions of SQLite may write other, equally
        // good bytes.
        assert!(path.exists(), "{} is absent", path.display());
        // Numbers in messages have the byte order of the machine that wrote the corpus.
        if cfg!(target_endian = "little") {
            let is_stale = match target {
                "answer" => !is_answer(&fs::read(&path).unwrap()),
                "request" => is_request(&bytes) && !is_request(&fs::read(&path).unwrap()),
                _ => false,
            };
            let path = path.display();
            assert!(!is_stale, "{path} is in an older form: see fuzz/README.md");
        }
    }
    let all = walkdir::WalkDir::new(&corpus)
        .into_iter()
        .map(Result::unwrap);
    let bytes: u64 = all
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}
