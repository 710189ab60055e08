//! `--model FILE`: another model than the bundled one, and the errors for files that are not models.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cxr::inference::{Classifier, Compute, ModelFiles};

const WEIGHTS: &[u8] = include_bytes!("../weights/cxr-lite0.safetensors");
const CARD: &str = include_str!("../weights/cxr-lite0.toml");

fn cxr(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
    command
        .stdin(Stdio::null())
        .env_remove("CXR_MODEL")
        .current_dir(folder);
    command
}

/// The bundled model under another name.
fn other(folder: &Path) {
    fs::write(folder.join("other.safetensors"), WEIGHTS).unwrap();
    let card = CARD.replacen("name = \"cxr-lite0\"", "name = \"other\"", 1);
    assert_ne!(card, CARD);
    fs::write(folder.join("other.toml"), card).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_given_model_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    other(folder.path());
    let show = ["models", "show"];
    let bundled = cxr(folder.path()).args(show).output().unwrap();
    assert!(succeeded(&bundled).contains("cxr-lite0 "));
    let file = ["--model", "other.safetensors"];
    let option = cxr(folder.path()).args(show).args(file).output().unwrap();
    assert!(succeeded(&option).starts_with("model       other "));
    let mut variable = cxr(folder.path());
    variable.args(show).env("CXR_MODEL", "other.safetensors");
    assert_eq!(variable.output().unwrap().stdout, option.stdout);
    let mut list = cxr(folder.path());
    list.args(file).args(["models", "list"]);
    let line = succeeded(&list.output().unwrap());
    assert!(line.ends_with("  other.safetensors\n"), "{line}");
}

#[test]
fn a_file_that_was_loaded_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    other(folder.path());
    let files = ModelFiles::read(&folder.path().join("other.safetensors")).unwrap();
    let logits = |classifier: Classifier| {
        let side = classifier.preprocess().size();
        let values = (0..side * side).map(|i| (i as f32 * 0.37).sin());
        classifier.logits_of_values(values.collect()).unwrap()
    };
    let expected = logits(Classifier::bundled().unwrap());
    for _ in 0..2 {
        let loaded = files.classifier(Compute::default()).unwrap();
        assert_eq!(logits(loaded), expected);
    }
    assert_eq!(files.weights(), WEIGHTS);
}

/// The card has another calibration than the bundled one, so that its numbers show which model was used.
#[test]
fn predict_scores_with_the_given_model() {
    let folder = tempfile::tempdir().unwrap();
    other(folder.path());
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
    fs::copy(sample, folder.path().join("film.png")).unwrap();
    let file = folder.path().join("other.toml");
    let mut card: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    // The input check might refuse a drawing. Its sections must stay with their tensors, so that they are relaxed.
    for section in ["input_head", "distance"] {
        if let Some(limits) = card.get_mut(section).and_then(toml::Value::as_table_mut) {
            let most = if section == "distance" { 1e12 } else { 1.0 };
            limits.insert("caution".into(), most.into());
            limits.insert("refuse".into(), most.into());
        }
    }
    let label = card["label"].as_array_mut().unwrap()[0]
        .as_table_mut()
        .unwrap();
    let platt: toml::Table = "slope = 0.000001\nintercept = -1.0986122886681098"
        .parse()
        .unwrap();
    label.insert("calibration".into(), platt.into());
    label.insert("prevalence".into(), 0.25.into());
    let name = label["name"].as_str().unwrap().to_owned();
    fs::write(&file, toml::to_string(&card).unwrap()).unwrap();

    let mut predict = cxr(folder.path());
    predict.args(["predict", "film.png", "--model", "other.safetensors"]);
    let table = succeeded(&predict.args(["-q", "-f", "csv"]).output().unwrap());
    let mut lines = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let (header, row) = (lines.next().unwrap(), lines.next().unwrap());
    let column = header.iter().position(|title| *title == name).unwrap();
    // σ(−ln 3) for any output of the network.
    let p: f64 = row[column].parse().unwrap();
    assert!((p - 0.25).abs() < 1e-4, "{table}");
}

#[test]
fn a_file_that_is_not_a_model_is_one_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    other(folder.path());
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("alone.safetensors", WEIGHTS);
    write("junk.safetensors", b"junk");
    write("junk.toml", CARD.as_bytes());
    write("odd.safetensors", WEIGHTS);
    write("odd.toml", b"\xff\xfe");
    write("wrong.safetensors", WEIGHTS);
    write("wrong.toml", b"name = 3");
    fs::create_dir(folder.path().join("folder.safetensors")).unwrap();
    for (file, reason) in [
        ("gone.safetensors", "gone.safetensors: no such file"),
        ("other.toml", "other.toml: its name does not end in"),
        ("alone.safetensors", "alone.toml: no such file"),
        (
            "junk.safetensors",
            "junk.safetensors: model weights: SHA-256",
        ),
        ("odd.safetensors", "odd.toml: it is not text"),
        ("wrong.safetensors", "wrong.toml: model card: "),
        ("folder.safetensors", "folder.safetensors: not a file"),
    ] {
        for command in [&["models", "show"][..], &["predict", "."], &["."]] {
            let mut cxr = cxr(folder.path());
            let output = cxr.args(command).args(["--model", file]).output().unwrap();
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{file}: {stderr}");
            assert!(stderr.contains(reason), "{file}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            assert!(output.stdout.is_empty());
        }
    }
}
