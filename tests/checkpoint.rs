//! Published model files: files of PyTorch and Keras are read as these read them, and a damaged or hostile file is one
//! line. `tests/data/checkpoints/make.py` made the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cxr::checkpoint::{self, Checkpoint, CheckpointFault, CheckpointFormat, CheckpointLimits};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn read(name: &str) -> Checkpoint {
    checkpoint::read(&folder().join(name), &CheckpointLimits::default()).unwrap()
}

fn expected(name: &str) -> BTreeMap<String, Expected> {
    let all: serde_json::Value = serde_json::from_slice(&file("expected.json")).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

/// Compares exactly: numbers stored as 16 or 32 bits are the same in 64, and 64 bits are rounded once.
fn is_as_pytorch_has_it(name: &str, format: CheckpointFormat) -> Checkpoint {
    let checkpoint = read(name);
    let expected = expected(name);
    assert_eq!(checkpoint.format, format, "{name}");
    let names: Vec<_> = checkpoint.tensors.keys().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{name}");
    for (key, tensor) in &checkpoint.tensors {
        let expected = &expected[key];
        assert_eq!(tensor.shape, expected.shape, "{name} {key}");
        let values: Vec<f32> = expected.values.iter().map(|v| *v as f32).collect();
        assert_eq!(tensor.values, values, "{name} {key}");
    }
    checkpoint
}

#[test]
fn state_dicts_are_read_with_every_kind_of_number_and_view() {
    for name in [
        "kinds_zip.pt",
        "kinds_legacy.pt",
        "nested_zip.pth.tar",
        "nested_legacy.pth.tar",
    ] {
        let checkpoint = is_as_pytorch_has_it(name, CheckpointFormat::TorchStateDict);
        assert_eq!(
            (checkpoint.op_threshs, checkpoint.pathologies),
            (None, None)
        );
    }
}

#[test]
fn pickled_modules_are_read_without_the_classes_that_they_name() {
    for name in ["module_zip.pt", "module_legacy.pt", "numpy_legacy.pt"] {
        let checkpoint = is_as_pytorch_has_it(name, CheckpointFormat::TorchModule);
        let labels = ["Effusion", "", "Lung Opacity"].map(str::to_owned);
        assert_eq!(
            checkpoint.pathologies.as_deref(),
            Some(&labels[..]),
            "{name}"
        );
        let points = [Some(0.25), None, Some(0.5)];
        assert_eq!(
            checkpoint.op_threshs.as_deref(),
            Some(&points[..]),
            "{name}"
        );
    }
    let parallel = is_as_pytorch_has_it("parallel.pt", CheckpointFormat::TorchModule);
    assert!(
        parallel
            .tensors
            .keys()
            .all(|name| name.starts_with("module."))
    );
}

#[test]
fn keras_files_are_read_with_their_layers() {
    for (name, format) in [
        ("demo.h5", CheckpointFormat::KerasH5),
        ("demo.keras", CheckpointFormat::Keras3),
        ("three.h5", CheckpointFormat::KerasH5),
        ("three.keras", CheckpointFormat::Keras3),
    ] {
        let checkpoint = read(name);
        assert_eq!(checkpoint.format, format);
        let config: serde_json::Value =
            serde_json::from_str(checkpoint.keras_config.as_deref().unwrap()).unwrap();
        assert_eq!(config["class_name"], "Sequential");
    }
    let shapes = |name: &str| -> Vec<Vec<usize>> {
        let tensors = read(name).tensors;
        let mut shapes: Vec<_> = tensors.into_values().map(|tensor| tensor.shape).collect();
        shapes.sort();
        shapes
    };
    assert_eq!(shapes("demo.h5"), shapes("demo.keras"));
    assert_eq!(shapes("demo.h5").len(), 12);
}

#[test]
fn the_digest_is_of_the_file() {
    // sha256sum
    let digest = read("kinds_zip.pt").sha256;
    let output = std::process::Command::new("sha256sum")
        .arg(folder().join("kinds_zip.pt"))
        .output();
    if let Ok(output) = output {
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(line.split(' ').next(), Some(digest.as_str()));
    }
    assert_eq!(digest.len(), 64);
}

#[test]
fn a_file_that_would_run_code_is_refused_with_its_name_and_runs_nothing() {
    let ran = Path::new("/tmp/cxr-was-here");
    let was_there = ran.exists();
    for (name, what) in [
        ("hostile/system.pt", "posix.system"),
        ("hostile/legacy.pt", "posix.system"),
        ("hostile/eval.pt", "eval"),
        ("hostile/getattr.pt", "getattr"),
    ] {
        match checkpoint::parse(&file(name)) {
            Err(CheckpointFault::Runs(named)) => assert!(named.contains(what), "{name}: {named}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(ran.exists(), was_there);
    let error = checkpoint::read(
        &folder().join("hostile/system.pt"),
        &CheckpointLimits::default(),
    );
    let words = error.unwrap_err().to_string();
    assert!(
        words.ends_with("system.pt: refused: in Python, this file would run posix.system"),
        "{words}"
    );
}

/// Pickles written by hand, each of which names one function.
#[test]
fn other_ways_to_run_code_are_refused_too() {
    for (pickle, what) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "os.system"),
        (b"ios\nsystem\n.", "system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"\x80\x04\x8c\x02nt\x8c\x06system\x93.", "nt.system"),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x0bobject.__x.\x93.",
            "object.__x",
        ),
        (b"csubprocess\nPopen\n)\x81.", "subprocess.Popen"),
        (b"cmodels\nload\n)R.", "models.load"),
        (b"ctorch.hub\nload\n)R.", "torch.hub.load"),
        (
            b"ccollections\nOrderedDict\n)R)R.",
            "a function that it makes itself",
        ),
    ] {
        match checkpoint::parse(&zipped(pickle)) {
            Err(CheckpointFault::Runs(named)) => assert!(named.contains(what), "{named}"),
            Err(CheckpointFault::Damaged(_)) if what == "system" => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// A zip file like PyTorch's, with this pickle and no storages.
fn zipped(pickle: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", stored).unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn circles_and_stretched_views_end() {
    is_as_pytorch_has_it("hostile/circle.pt", CheckpointFormat::TorchStateDict);
    for (name, words) in [
        ("hostile/circle_of_modules.pt", "circle"),
        ("hostile/stretched.pt", "beyond its storage"),
    ] {
        let fault = checkpoint::parse(&file(name)).unwrap_err().to_string();
        assert!(fault.contains(words), "{name}: {fault}");
    }
    // Lists in lists, ten thousand deep, and a tuple that is doubled until it would fill any memory.
    let deep = [&b"]q\0"[..], &b"]h\0aq\0".repeat(10_000), b"."].concat();
    let doubled = [&b"]q\0"[..], &b"h\0h\0\x86q\0".repeat(10_000), b"."].concat();
    for pickle in [deep, doubled] {
        assert!(matches!(
            checkpoint::parse(&zipped(&pickle)),
            Err(CheckpointFault::Damaged(_))
        ));
    }
}

/// Descriptions that would take many times their size in memory are refused by their length.
#[test]
fn descriptions_that_no_model_needs_are_not_read() {
    use std::io::Write;
    let tensor = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#.to_vec();
    let header = |spaces: usize| {
        let json = [&tensor[..], &b" ".repeat(spaces), b"}"].concat();
        [&(json.len() as u64).to_le_bytes()[..], &json, &[0; 4]].concat()
    };
    assert!(checkpoint::parse(&header(0)).is_ok());
    let fault = checkpoint::parse(&header(8 << 20)).unwrap_err().to_string();
    assert!(fault.contains("header is longer than 8 MiB"), "{fault}");

    let keras = |spaces: usize| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file("config.json", stored).unwrap();
        zip.write_all(&b" ".repeat(spaces)).unwrap();
        zip.start_file("model.weights.h5", stored).unwrap();
        zip.write_all(b"no weights").unwrap();
        checkpoint::parse(&zip.finish().unwrap().into_inner()).unwrap_err()
    };
    let fault = keras((2 << 20) + 1).to_string();
    assert!(fault.contains("described in more than 2 MiB"), "{fault}");
    assert!(keras(2 << 20).to_string().contains("as HDF5"));
}

#[test]
fn a_file_that_is_not_a_model_is_an_error_of_one_line() {
    let tar = [&[b'x'; 257][..], b"ustar", &[0; 300]].concat();
    let png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (bytes, words) in [
        (Vec::new(), "it is empty"),
        (png, "not a model file that cxr knows"),
        (tar, "before 0.2"),
        (file("hostile/header.safetensors"), "as safetensors"),
        (zipped(b"N."), "neither a module nor a dict"),
        (zipped(b"}."), "neither a module nor a dict"),
        (zipped(b""), "ends too early"),
        (b"PK\x03\x04 and no more".to_vec(), "as a zip file"),
        (b"\x89HDF\r\n\x1a\n and no more".to_vec(), "as HDF5"),
    ] {
        let fault = checkpoint::parse(&bytes).unwrap_err().to_string();
        assert!(fault.contains(words), "{fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
    let limits = CheckpointLimits { max_bytes: 100 };
    let large = checkpoint::read(&folder().join("kinds_zip.pt"), &limits);
    assert!(large.unwrap_err().to_string().contains("larger than 0 MiB"));
    let gone = checkpoint::read(Path::new("gone\u{1b}.pt"), &CheckpointLimits::default());
    let gone = gone.unwrap_err().to_string();
    assert!(
        gone.ends_with(": no such file") && !gone.contains('\u{1b}'),
        "{gone}"
    );
}

const SMALL: [&str; 9] = [
    "kinds_zip.pt",
    "kinds_legacy.pt",
    "module_zip.pt",
    "nested_legacy.pth.tar",
    "numpy_legacy.pt",
    "hostile/circle_of_modules.pt",
    "hostile/other_layer.h5",
    "three.h5",
    "three.keras",
];

/// Reading gives at most as many values as the file has bytes.
fn is_bounded(bytes: &[u8]) {
    if let Ok(checkpoint) = checkpoint::parse(bytes) {
        let values: usize = checkpoint.tensors.values().map(|t| t.values.len()).sum();
        assert!(values <= 8 * bytes.len());
        for tensor in checkpoint.tensors.values() {
            assert_eq!(tensor.values.len(), tensor.shape.iter().product::<usize>());
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_bounded() {
    for name in SMALL {
        let whole = file(name);
        // At every byte of a small file. The larger ones are mostly weights.
        let step = (whole.len() / 3000).max(1);
        for length in (0..whole.len()).step_by(step) {
            is_bounded(&whole[..length]);
        }
        assert!(
            checkpoint::parse(&whole[..whole.len() / 2]).is_err(),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_changes_break_nothing(
        which in 0..SMALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = file(SMALL[which]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        is_bounded(&bytes);
    }

    #[test]
    fn random_pickles_break_nothing(pickle in prop::collection::vec(any::<u8>(), 0..400)) {
        is_bounded(&zipped(&pickle));
    }

    /// Mostly instructions, so that the machine runs longer.
    #[test]
    fn random_instructions_break_nothing(
        pickle in prop::collection::vec(
            prop::sample::select(&b"(.012NIJKM\x8a]}lt)\x85\x86\x87deasu\x90\x91oR\x81\x92bq\x94hQctorch\n\0\x01"[..]),
            0..200,
        )
    ) {
        is_bounded(&zipped(&pickle));
    }
}
