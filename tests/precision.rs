//! `--precision` on the CPU: the portable model of tiles shows on every machine what a processor with AMX tiles computes.

mod home;

use std::path::{Path, PathBuf};
use std::process::Command;

use cxr::imaging::{DecodeLimits, open};
use cxr::inference::{Classifier, Classify, Compute, ModelFiles, Precision};
use home::Home;

/// Its value `model` takes the model in the place of the processor's tiles.
const TILES: &str = "CXR_TILES";
const FILMS: [&str; 2] = ["clear_1.png", "pneumonia_1.png"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn largest_difference(one: &Classifier, other: &Classifier) -> f32 {
    let of_film = |name: &str| {
        let film = open(&root().join("samples").join(name), &DecodeLimits::default()).unwrap();
        let [one, other] = [one, other].map(|model| model.logits(&film).unwrap());
        let differences = one.iter().zip(&other).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    FILMS.into_iter().map(of_film).fold(0.0, f32::max)
}

/// Not a test by itself: the child process of the test below.
#[test]
fn child_with_the_model_of_tiles() {
    if std::env::var(TILES).as_deref() != Ok("model") {
        return;
    }
    let files = ModelFiles::bundled();
    let model = |precision| {
        let compute = Compute {
            precision,
            ..Compute::default()
        };
        files.classifier(compute).unwrap()
    };
    let exact = model(Precision::F32);
    for (precision, most) in [(Precision::Bf16, 0.25), (Precision::Split, 1e-4)] {
        let other = model(precision);
        let name = precision.name();
        assert_eq!(other.why_f32(), None, "{name}");
        let preprocess = format!("{}+{name}", exact.card().preprocess);
        assert_eq!(other.card().preprocess, preprocess);
        let worst = largest_difference(&exact, &other);
        println!("{name}: {worst:.1e}");
        assert!(worst > 0.0 && worst < most, "{name}: {worst}");
    }
}

#[test]
fn products_by_tiles_are_near_those_in_f32() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_with_the_model_of_tiles", "--nocapture"]);
    let output = child.env(TILES, "model").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("split: "), "nothing was compared: {said}");
}

/// What a run of cxr with the model of tiles wrote to standard output and standard error.
fn run(home: &Home, arguments: &[&str]) -> [String; 2] {
    let mut command = home.command(env!("CARGO_BIN_EXE_cxr"));
    command
        .args(arguments)
        .env(TILES, "model")
        .env("CXR_CONFIG", "")
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .env("XDG_STATE_HOME", home.path().join("state"));
    let output = command.output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The preprocessing of the only row.
fn preprocess(table: &str) -> String {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let at = columns.iter().position(|name| name == "preprocess");
    let row = reader.records().next().unwrap().unwrap();
    row[at.unwrap()].to_owned()
}

#[test]
fn split_is_named_in_the_table_and_by_the_doctor() {
    let home = Home::new();
    home.film();
    let predict = ["predict", "film.png", "-q", "--device", "cpu"];
    let [plain, said] = run(&home, &predict);
    assert_eq!(said, "");
    let split = [&predict[..], &["--precision", "split"]].concat();
    let [table, said] = run(&home, &split);
    assert_eq!(preprocess(&table), preprocess(&plain) + "+split");
    assert!(said.contains("computing in split: scores differ"), "{said}");
    let [report, _] = run(&home, &["doctor"]);
    let has = |words: &str| report.contains(words);
    assert!(
        has("split by modelled tiles") && has("no AMX tiles"),
        "{report}"
    );
    let cache = home.path().join("cache");
    assert!(!cache.exists(), "the model was measured");
}

#[test]
fn a_network_without_other_precisions_is_computed_in_f32_and_a_line_says_so() {
    let home = Home::new();
    home.film();
    let demo: &Path = &root().join("tests/data/checkpoints/demo.h5");
    home.succeeds(&["models", "import", demo.to_str().unwrap()]);
    let options = ["--model", "demo", "--precision", "bf16", "--device", "cpu"];
    let predict = [&["predict", "film.png", "-q"][..], &options].concat();
    let [table, said] = run(&home, &predict);
    assert_eq!(preprocess(&table), "keras-224-1");
    let words = "bf16 is not for this kind of network; f32 is used";
    assert!(said.contains(words), "{said}");
}

#[test]
fn split_is_refused_where_the_engine_does_not_have_it() {
    let home = Home::new();
    let predict = ["predict", ".", "--device", "cpu", "--engine", "candle"];
    let said = home.fails(&[&predict[..], &["--precision", "split"]].concat(), 2);
    assert!(said.contains("candle computes in f32 or f16"), "{said}");
}
