//! ONNX graphs of both exporters of PyTorch, and such as tf2onnx writes: cxr's kernels and candle give the numbers of
//! ONNX Runtime, also where the operators are kept, and every fault is one line. `tests/data/onnx/make.py` made the files and the numbers.

mod home;

use std::fs;
use std::path::{Path, PathBuf};

use cxr::checkpoint::{CheckpointLimits, read_onnx};
use cxr::domain::PreprocessRecipe;
use cxr::inference::folder::ScoreFunction;
use cxr::inference::{
    Classifier, Classify, Compute, Engine, OnnxOptions, Precision, assemble_onnx,
    assemble_onnx_graph, parse_recipe,
};
use home::Home;
use serde_json::Value;

/// Largest |Δlogit|, and |Δscore| of a graph that ends in scores.
const LOGIT: f64 = 2e-5;
const SIDE: usize = 32;
const IMAGES: usize = 2;

/// What a graph ends in, and what it becomes.
struct KnownGraph {
    name: &'static str,
    end: Option<ScoreFunction>,
    architecture: &'static str,
}

const EXACT: &str = "onnx";
const HIDDEN: &str = "onnx-hidden";
/// The operators are kept.
const KEPT: &str = "onnx-graph";

const fn graph(name: &'static str, architecture: &'static str) -> KnownGraph {
    KnownGraph {
        name,
        end: None,
        architecture,
    }
}

const fn ending(name: &'static str, end: ScoreFunction, architecture: &'static str) -> KnownGraph {
    KnownGraph {
        name,
        end: Some(end),
        architecture,
    }
}

const GRAPHS: [KnownGraph; 15] = [
    graph("residual_13.onnx", EXACT),
    graph("residual_20.onnx", EXACT),
    graph("residual_external.onnx", EXACT),
    graph("dense_17.onnx", EXACT),
    graph("dense_18.onnx", EXACT),
    graph("inverted_13.onnx", HIDDEN),
    graph("inverted_20.onnx", HIDDEN),
    ending("keras.onnx", ScoreFunction::Softmax, EXACT),
    ending("flat.onnx", ScoreFunction::Sigmoid, HIDDEN),
    graph("tokens_17.onnx", KEPT),
    graph("tokens_20.onnx", KEPT),
    graph("windowed_13.onnx", KEPT),
    graph("windowed_18.onnx", KEPT),
    ending("response_17.onnx", ScoreFunction::Softmax, KEPT),
    ending("response_20.onnx", ScoreFunction::Softmax, KEPT),
];

const RECIPE: &str = r#"
preprocess = "recipe-1"
[preprocessing]
film = { values = "window", depth = "bytes", colour = "rgb", channels = 3 }
step = [
    { do = "resize", size = 32, filter = "pillow-bilinear" },
    { do = "range", low = -1, high = 1 },
]
"#;

fn data(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    folder.join(name)
}

fn expected(name: &str) -> Vec<Vec<f64>> {
    let all: Value = serde_json::from_slice(&fs::read(data("expected.json")).unwrap()).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

/// Stripes, as `image` in `make.py`.
fn images() -> Vec<f32> {
    let mut values = Vec::new();
    for n in 0..IMAGES {
        for c in 0..3 {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let wave = (x * (3 + n) + y * (5 + 2 * c) + 7 * c + 11 * n) % 32;
                    values.push(wave.abs_diff(16) as f32 / 8.0 - 1.0);
                }
            }
        }
    }
    values
}

fn recipe() -> PreprocessRecipe {
    parse_recipe(RECIPE).unwrap()
}

fn options(known: &KnownGraph) -> OnnxOptions {
    let labels = ["A", "B", "C"].map(str::to_owned);
    OnnxOptions {
        labels: Some(labels.to_vec()),
        scores: Some(known.end.unwrap_or(ScoreFunction::Sigmoid)),
        recipe: recipe(),
    }
}

/// The card and the weights of a graph, with three labels.
fn imported(known: &KnownGraph) -> (String, Vec<u8>) {
    let read = || read_onnx(&data(known.name), &CheckpointLimits::default()).unwrap();
    let options = options(known);
    let made = match assemble_onnx(read(), &options, "graph") {
        Err(error) if error.is_of_layers() => assemble_onnx_graph(read(), &options, "graph"),
        made => made,
    };
    let (weights, card) = made.unwrap();
    (card, weights)
}

/// As [`imported`], with the operators kept, whether cxr's layers can say the graph or not.
fn kept(known: &KnownGraph) -> (String, Vec<u8>) {
    let read = read_onnx(&data(known.name), &CheckpointLimits::default()).unwrap();
    let (weights, card) = assemble_onnx_graph(read, &options(known), "graph").unwrap();
    (card, weights)
}

/// What the graph ends in, of three logits.
fn ended(logits: &[f32], end: Option<ScoreFunction>) -> Vec<f64> {
    let exp = |logit: &f32| f64::from(*logit).exp();
    let sum: f64 = logits.iter().map(exp).sum();
    let value = |logit: &f32| match end {
        None => f64::from(*logit),
        Some(ScoreFunction::Sigmoid) => exp(logit) / (1.0 + exp(logit)),
        Some(ScoreFunction::Softmax) => exp(logit) / sum,
    };
    logits.iter().map(value).collect()
}

#[test]
fn graphs_give_the_numbers_of_onnx_runtime() {
    for known in &GRAPHS {
        for engine in [Engine::Kernels, Engine::Candle] {
            let compute = Compute {
                engine,
                ..Compute::default()
            };
            compare(known, &imported(known), compute);
        }
    }
}

#[test]
fn so_do_their_operators_one_by_one() {
    for known in &GRAPHS {
        compare(known, &kept(known), Compute::default());
    }
}

fn compare(known: &KnownGraph, (card, weights): &(String, Vec<u8>), compute: Compute) {
    let classifier = Classifier::computed(card, weights, compute).unwrap();
    let logits = classifier.logits_of_values(images()).unwrap();
    assert_eq!(logits.len(), 3 * IMAGES, "{}", known.name);
    for (logits, expected) in logits.chunks_exact(3).zip(&expected(known.name)) {
        let ours = ended(logits, known.end);
        let differences = ours.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let difference = differences.fold(0.0, f64::max);
        println!("{}, {:?}: {difference:.1e}", known.name, compute.engine);
        assert!(
            difference < LOGIT,
            "{}, {:?}: {ours:?} and {expected:?}",
            known.name,
            compute.engine
        );
    }
}

#[test]
fn a_card_says_what_the_file_is_and_what_it_has_not() {
    for known in &GRAPHS {
        let (text, weights) = imported(known);
        let classifier = Classifier::from_parts(&text, &weights).unwrap();
        let card = classifier.card();
        let has_exact_map = known.architecture == EXACT;
        assert_eq!(card.architecture, known.architecture);
        assert_eq!(card.has_heat_maps(), has_exact_map);
        assert_eq!(card.input_size, SIDE);
        assert!(card.pretrained.starts_with("an ONNX graph by "), "{text}");
        assert!(card.pretrained.contains("SHA-256"), "{text}");
        let is_softmax = known.end == Some(ScoreFunction::Softmax);
        assert_eq!(card.softmax.is_some(), is_softmax, "{}", known.name);
        let says_no_map = card
            .limits
            .iter()
            .any(|limit| limit.starts_with("No exact heat map"));
        assert_eq!(says_no_map, !has_exact_map, "{}", known.name);
        let mut limits = card.limits.iter();
        let says_engine = limits.any(|limit| limit.contains("one by one, by candle"));
        assert_eq!(says_engine, known.architecture == KEPT, "{}", known.name);
    }
}

/// A last layer of weights is taken off a graph whose operators are kept; where there is none, its outputs are features.
#[test]
fn rows_of_the_last_layer_can_be_refitted_and_the_layers_stay() {
    refitted("residual_13.onnx", 12);
    refitted("tokens_17.onnx", 12);
    refitted("windowed_18.onnx", 12);
    refitted("response_20.onnx", 3);
}

fn refitted(name: &str, features: usize) {
    let known = GRAPHS.iter().find(|known| known.name == name);
    let (card, weights) = imported(known.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph.safetensors");
    fs::write(&path, &weights).unwrap();
    fs::write(path.with_extension("toml"), &card).unwrap();
    let before = cxr::inference::ModelFiles::read(&path).unwrap();
    let row = cxr::inference::HeadRow {
        label: 1,
        scale: 2.0,
        weight: vec![0.0; features],
        bias: 0.5,
    };
    let card = before.card().unwrap();
    let adapted = |rows: &[_]| before.adapted(card.clone(), rows, &[]).unwrap();
    let after = adapted(std::slice::from_ref(&row));
    let again = adapted(std::slice::from_ref(&row));
    assert_eq!(after.weights(), again.weights(), "the same each time");
    let logits = |files: &cxr::inference::ModelFiles| {
        let classifier = files.classifier(Compute::default()).unwrap();
        classifier.logits_of_values(images()).unwrap()
    };
    let (before, after) = (logits(&before), logits(&after));
    assert_eq!(before[0], after[0]);
    assert!((2.0 * before[1] + 0.5 - after[1]).abs() < 1e-5);
}

#[test]
fn operators_that_are_kept_are_computed_in_f32_only() {
    let (card, weights) = imported(&GRAPHS[9]);
    let compute = Compute {
        precision: Precision::Bf16,
        ..Compute::default()
    };
    let refused = Classifier::computed(&card, &weights, compute);
    let reason = refused.err().unwrap().to_string();
    assert!(reason.contains("leave --precision out"), "{reason}");
}

/// A home with the preprocessing file of the graphs.
fn home() -> Home {
    let home = Home::new();
    home.write("square.toml", RECIPE.as_bytes());
    home
}

impl Home {
    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_graph_is_imported_shown_and_used_by_its_name() {
    let home = home();
    for part in ["residual_external.onnx", "residual_external.onnx.data"] {
        home.write(part, &fs::read(data(part)).unwrap());
    }
    let said = home.succeeds(&[
        "models",
        "import",
        "residual_external.onnx",
        "--name",
        "mine",
        "--preprocess",
        "square.toml",
        "--labels",
        "Pneumonia,Effusion,Mass",
        "--scores",
        "sigmoid",
    ]);
    assert_eq!(said, "mine: imported, 3 labels; cxr --model mine uses it\n");
    let shown = home.succeeds(&["models", "show", "mine"]);
    for words in [
        "onnx",
        "32 × 32 pixels, recipe-1-",
        "by pytorch",
        "plain sigmoids",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    home.film();
    let table = home.succeeds(&["predict", "film.png", "--model", "mine", "-q", "-f", "csv"]);
    assert!(
        table.lines().next().unwrap().contains("Effusion"),
        "{table}"
    );
}

#[test]
fn a_graph_whose_operators_are_kept_is_imported_and_scored() {
    let home = home();
    home.write("tokens_17.onnx", &fs::read(data("tokens_17.onnx")).unwrap());
    let said = home.succeeds(&[
        "models",
        "import",
        "tokens_17.onnx",
        "--preprocess",
        "square.toml",
        "--labels",
        "Pneumonia,Effusion,Mass",
        "--scores",
        "sigmoid",
    ]);
    assert!(said.contains("computed one by one by candle"), "{said}");
    let shown = home.succeeds(&["models", "show", "tokens_17"]);
    assert!(shown.contains("onnx-graph"), "{shown}");
    home.succeeds(&["models", "verify", "tokens_17"]);
    home.film();
    let table = home.succeeds(&[
        "predict",
        "film.png",
        "--model",
        "tokens_17",
        "-q",
        "-f",
        "csv",
    ]);
    assert!(
        table.lines().next().unwrap().contains("Effusion"),
        "{table}"
    );
}

#[test]
fn what_a_graph_needs_and_does_not_say_is_asked_for() {
    let home = home();
    for name in ["residual_13.onnx", "keras.onnx"] {
        home.write(name, &fs::read(data(name)).unwrap());
    }
    let of = |name: &'static str, more: &[&'static str]| -> Vec<&'static str> {
        let start = ["models", "import", name];
        start.into_iter().chain(more.iter().copied()).collect()
    };
    let all = ["--preprocess", "square.toml", "--labels", "a,b,c"];
    for (arguments, words) in [
        (
            of("residual_13.onnx", &all[2..]),
            "say it with --preprocess",
        ),
        (
            of(
                "residual_13.onnx",
                &["--preprocess", "square.toml", "--scores", "sigmoid"],
            ),
            "it has 3 outputs: name them with --labels",
        ),
        (
            of("residual_13.onnx", &all),
            "with --scores sigmoid where several",
        ),
        (
            of(
                "keras.onnx",
                &["--preprocess", "square.toml", "--labels", "a,b"],
            ),
            "it has 3 outputs, and there are 2 labels",
        ),
        (
            of("keras.onnx", &[&all[..], &["--scores", "sigmoid"]].concat()),
            "--scores: the graph ends in the other function",
        ),
        (
            of(
                "keras.onnx",
                &["--preprocess", "xrv-224-1", "--labels", "a,b,c"],
            ),
            "its input image is 32 × 32 × 3, and --preprocess makes 1 × 224 × 224",
        ),
        (
            of("keras.onnx", &[&all[..], &["--as", "chexnet"]].concat()),
            "--as is for other",
        ),
    ] {
        let said = home.fails(&arguments, 2);
        assert!(said.contains(words), "{said}");
    }
}

/// Bytes of a file with those at a text changed.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = fs::read(data(name)).unwrap();
    assert_eq!(from.len(), to.len());
    let mut windows = bytes.windows(from.len());
    let at = windows.position(|window| window == from);
    let at = at.unwrap_or_else(|| panic!("{name} does not hold it"));
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_graph_that_cannot_be_imported_gives_one_line_and_leaves_nothing() {
    let home = home();
    home.write("secret.onnx.data", &[0; 64]);
    let outside = changed(
        "residual_external.onnx",
        b"residual_external.onnx.data",
        b"../../../../secret.onnx.dat",
    );
    let cut = fs::read(data("residual_20.onnx")).unwrap();
    let keras = data("keras.onnx");
    let nan = {
        // The bias of the last layer.
        let mut bytes = fs::read(&keras).unwrap();
        let name = b"dense.b";
        let mut windows = bytes.windows(name.len());
        let at = windows.rposition(|window| window == name).unwrap();
        let raw = (at + name.len()..bytes.len())
            .find(|i| bytes[*i] == 0x4a)
            .unwrap();
        bytes[raw + 2..raw + 6].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes
    };
    for (name, bytes, words) in [
        (
            "empty.onnx",
            Vec::new(),
            "damaged or cut short: it is empty",
        ),
        ("text.onnx", b"not a graph".to_vec(), "damaged"),
        (
            "cut.onnx",
            cut[..cut.len() / 2].to_vec(),
            "longer than what is left of the file",
        ),
        ("outside.onnx", outside, "outside the folder of the model"),
        (
            "absent.onnx",
            fs::read(data("residual_external.onnx")).unwrap(),
            "which is absent: it belongs beside the model",
        ),
        (
            "operator.onnx",
            changed("keras.onnx", b"Clip", b"Clap"),
            "Clap c6: an operator that cxr does not have",
        ),
        (
            "other.onnx",
            changed(
                "tokens_17.onnx",
                // The length and the name of an operator, and no name of a value.
                b"\x12LayerNormalization",
                b"\x12LayerNormalizatiox",
            ),
            ": an operator that cxr does not have",
        ),
        ("nan.onnx", nan, "a value that is not a number"),
    ] {
        home.write(name, &bytes);
        let arguments = [
            "models",
            "import",
            name,
            "--preprocess",
            "square.toml",
            "--labels",
            "a,b,c",
        ];
        let said = home.fails(&arguments, 1);
        assert!(said.contains(words), "{said}");
        assert!(said.contains(name), "{said}");
    }
}
