//! Folders as transformers and timm save models: they give their numbers from a file, and every fault is one line.
//!
//! `tests/data/folders` and the numbers in its `expected.json` are made by `training/parity_folders.py`: tiny networks
//! with seeded random weights, each saved by transformers and loaded again from its folder alone.
//!
//! ```python
//! processor = AutoImageProcessor.from_pretrained(folder)
//! model = AutoModelForImageClassification.from_pretrained(folder).eval()
//! pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
//! logits = model(pixels).logits[0]
//! ```
//!
//! Those of timm's transformers, with `expected_timm.json`, are made by `training/parity_timm_transformers.py`:
//!
//! ```python
//! model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
//! transform = create_transform(**resolve_data_config({}, model=model), is_training=False)
//! logits = model(transform(Image.open(path).convert("RGB"))[None])[0]    # "L" for one channel
//! ```

mod home;

use std::fs;
use std::path::{Path, PathBuf};

use cxr::checkpoint::{CheckpointLimits, ModelFolder};
use cxr::domain::Radiograph;
use cxr::imaging::{self, DecodeLimits};
use cxr::inference::folder::{FolderOptions, FolderPlan, FolderTexts};
use cxr::inference::{Classifier, Classify};
use home::Home;
use serde_json::Value;

/// Largest |Δlogit| from the file to the logits.
const LOGIT: f64 = 1e-4;
/// Largest |Δscore|.
const SCORE: f64 = 2e-5;

/// What becomes of the rows of a last layer: the original's rows behind each logit here, the second one taken from the
/// first. The labels here, and as the original calls them.
struct KnownFolder {
    name: &'static str,
    rows: &'static [(usize, Option<usize>)],
    labels: &'static [(&'static str, &'static str)],
}

const FOLDERS: [KnownFolder; 5] = [
    KnownFolder {
        name: "vit-pneumonia",
        rows: &[(1, Some(0))],
        labels: &[("Pneumonia", "PNEUMONIA")],
    },
    KnownFolder {
        name: "swin-covid-bin",
        rows: &[(0, None), (1, None), (3, None), (2, None)],
        labels: &[
            ("COVID-19", "COVID"),
            ("Lung Opacity", "Lung_Opacity"),
            ("Viral pneumonia", "Viral Pneumonia"),
        ],
    },
    KnownFolder {
        name: "dinov2-findings-parts",
        rows: &[(0, None), (2, None)],
        labels: &[
            ("Cardiomegaly", "Cardiomegaly"),
            ("Effusion", "Pleural Effusion"),
        ],
    },
    KnownFolder {
        name: "vit-new",
        rows: &[(0, None), (1, None), (2, None)],
        labels: &[
            ("Bacterial pneumonia", "Bacterial"),
            ("Viral pneumonia", "Viral"),
        ],
    },
    KnownFolder {
        name: "convnext-tb",
        rows: &[(0, Some(1))],
        labels: &[("Tuberculosis", "TB")],
    },
];

/// The rows behind each logit, as in [`KnownFolder`].
type Rows = &'static [(usize, Option<usize>)];

const OF_TIMM: [(&str, Rows); 7] = [
    ("timm-vit", &[(1, Some(0))]),
    ("timm-deit-average", &[(0, Some(1))]),
    ("timm-deit3", &[(1, Some(0))]),
    ("timm-dinov2", &[(0, Some(1))]),
    ("timm-swin", &[(0, None), (1, None), (2, None)]),
    ("timm-convnext", &[(1, Some(0))]),
    ("timm-convnextv2", &[(0, None), (1, None), (2, None)]),
];

fn data(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/folders");
    folder.join(name)
}

fn film(name: &str) -> Radiograph {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name);
    imaging::open(&path, &DecodeLimits::default()).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(data("expected.json")).unwrap()).unwrap()
}

fn classifier(name: &str) -> Classifier {
    let folder = ModelFolder::open(&data(name)).unwrap();
    let texts = FolderTexts {
        config: &folder.config,
        preprocessor: folder.preprocessor.as_deref(),
        processor: folder.processor.as_deref(),
    };
    let plan = FolderPlan::new(&texts, &FolderOptions::default()).unwrap();
    let weights = folder.weights(&CheckpointLimits::default()).unwrap();
    let tensors = weights.tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name, (tensor.shape, tensor.values)));
    let (bytes, card) = plan
        .assemble(tensors.collect(), &weights.files, name)
        .unwrap();
    Classifier::from_parts(&card, &bytes).unwrap()
}

#[test]
fn a_folder_gives_the_logits_of_transformers_from_a_file() {
    let expected = expected();
    for known in &FOLDERS {
        let classifier = classifier(known.name);
        let files = expected[known.name]["files"].as_object().unwrap();
        assert_eq!(files.len(), 3);
        for (file, theirs) in files {
            let theirs = |row: usize| theirs["logits"][row].as_f64().unwrap();
            let ours = classifier.logits(&film(file)).unwrap();
            assert_eq!(ours.len(), known.rows.len(), "{}", known.name);
            for (ours, (row, other)) in ours.iter().zip(known.rows) {
                let theirs = theirs(*row) - other.map_or(0.0, theirs);
                let difference = (f64::from(*ours) - theirs).abs();
                println!("{}, {file}: {difference:.1e}", known.name);
                assert!(difference < LOGIT, "{}: {ours} and {theirs}", known.name);
            }
        }
    }
}

#[test]
fn a_folder_gives_the_logits_of_timm_from_a_file() {
    let expected: Value =
        serde_json::from_slice(&fs::read(data("expected_timm.json")).unwrap()).unwrap();
    for (name, rows) in OF_TIMM {
        let classifier = classifier(name);
        let files = expected[name].as_object().unwrap();
        assert_eq!(files.len(), 3);
        for (file, theirs) in files {
            let theirs = |row: usize| theirs[row].as_f64().unwrap();
            let ours = classifier.logits(&film(file)).unwrap();
            assert_eq!(ours.len(), rows.len(), "{name}");
            for (ours, (row, other)) in ours.iter().zip(rows) {
                let theirs = theirs(*row) - other.map_or(0.0, theirs);
                let difference = (f64::from(*ours) - theirs).abs();
                println!("{name}, {file}: {difference:.1e}");
                assert!(difference < LOGIT, "{name}, {file}: {ours} and {theirs}");
            }
        }
    }
}

/// A ViT of timm that ends in an average has what one with a class token has not.
#[test]
fn a_vit_that_ends_in_an_average_has_maps_that_add_up_to_its_logits() {
    let film = film("clear_1.png");
    let prediction = classifier("timm-deit-average").classify(&film).unwrap();
    let maps = prediction.activation.expect("maps");
    assert_eq!((maps.width, maps.height, maps.labels.len()), (4, 4, 1));
    let difference = (maps.labels[0].logit() - prediction.findings[0].logit).abs();
    assert!(difference < 1e-3, "{difference}");
    let card = classifier("timm-vit");
    assert!(!card.card().has_label_maps() && card.card().has_heat_maps());
}

#[test]
fn a_folder_gives_the_scores_of_transformers() {
    let expected = expected();
    for known in &FOLDERS {
        let classifier = classifier(known.name);
        for file in ["clear_1.png", "pneumonia_1.png"] {
            let scores = &expected[known.name]["files"][file]["scores"];
            let prediction = classifier.classify(&film(file)).unwrap();
            assert_eq!(prediction.findings.len(), known.labels.len());
            for (finding, (label, written)) in prediction.findings.iter().zip(known.labels) {
                assert_eq!(finding.label.name(), *label);
                let (ours, theirs) = (finding.score.value(), scores[written].as_f64().unwrap());
                let difference = (f64::from(ours) - theirs).abs();
                assert!(
                    difference < SCORE,
                    "{}, {label}: {ours} and {theirs}",
                    known.name
                );
            }
        }
    }
}

impl Home {
    /// A copy of a folder of the test's data, named so.
    fn folder(&self, of: &str, name: &str) -> PathBuf {
        let folder = self.path().join(name);
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(data(of)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
        folder
    }
}

#[test]
fn a_folder_is_imported_shown_and_used_by_its_name() {
    let home = Home::new();
    home.folder("vit-pneumonia", "vit-x");
    let said = home.succeeds(&["models", "import", "vit-x"]);
    assert_eq!(
        said,
        "vit-x: imported, 1 label; cxr --model vit-x uses it\n"
    );
    let shown = home.succeeds(&["models", "show", "vit-x"]);
    for words in [
        "vit",
        "hidden_size = 24",
        "32 × 32 pixels, recipe-1-",
        "Pneumonia is its PNEUMONIA",
        "model.safetensors, SHA-256",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    home.film();
    let table = home.succeeds(&["predict", "film.png", "--model", "vit-x", "-q", "-f", "csv"]);
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = columns.iter().position(|column| *column == "Pneumonia");
    let ours: f64 = cells[at.unwrap()].parse().unwrap();
    let theirs = &expected()["vit-pneumonia"]["files"]["clear_1.png"]["scores"]["PNEUMONIA"];
    assert!((ours - theirs.as_f64().unwrap()).abs() < SCORE, "{table}");
    assert!(table.contains("recipe-1-"), "{table}");
}

#[test]
fn labels_and_scores_of_the_user_go_before_those_of_the_folder() {
    let home = Home::new();
    home.folder("vit-new", "new");
    let arguments = [
        "models", "import", "new", "--name", "mine", "--labels", "a,b,c", "--scores", "sigmoid",
    ];
    let said = home.succeeds(&arguments);
    assert!(said.starts_with("mine: imported, 3 labels"), "{said}");
    let shown = home.succeeds(&["models", "show", "mine"]);
    assert!(
        shown.contains("plain sigmoids") && !shown.contains("softmax"),
        "{shown}"
    );
}

#[test]
fn a_folder_that_cannot_be_imported_gives_one_line_and_leaves_nothing() {
    let home = Home::new();
    let folder = home.folder("vit-pneumonia", "vit");
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    let changed = |from: &str, to: &str| {
        let text = config.replace(from, to);
        assert_ne!(text, config, "{from}");
        text
    };
    for (name, text, code, words) in [
        (
            "class",
            changed("ViTForImageClassification", "CLIPModel"),
            1,
            "CLIPModel is for images and text",
        ),
        (
            "size",
            changed("\"hidden_size\": 24", "\"hidden_size\": 1000000000"),
            1,
            "hidden_size is 1000000000",
        ),
        (
            "layers",
            changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
            1,
            "lacks vit.encoder.layer.2.",
        ),
        (
            "labels",
            changed("id2label", "other"),
            2,
            "name them with --labels",
        ),
        ("json", "{".to_owned(), 1, "config.json: it is no JSON"),
    ] {
        let folder = home.folder("vit-pneumonia", name);
        fs::write(folder.join("config.json"), text).unwrap();
        let said = home.fails(&["models", "import", name], code);
        assert!(said.contains(words), "{said}");
    }
    let cut = home.folder("vit-pneumonia", "cut");
    fs::write(cut.join("model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    let said = home.fails(&["models", "import", "cut"], 1);
    assert!(said.contains("model.safetensors: damaged"), "{said}");

    let bad = home.folder("vit-pneumonia", "nan");
    let mut bytes = weights;
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(bad.join("model.safetensors"), bytes).unwrap();
    let said = home.fails(&["models", "import", "nan"], 1);
    assert!(said.contains("a value that is not a number"), "{said}");

    let run = home.folder("swin-covid-bin", "code");
    let evil =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints/hostile/system.pt");
    fs::copy(evil, run.join("pytorch_model.bin")).unwrap();
    let said = home.fails(&["models", "import", "code"], 1);
    assert!(said.contains("would run posix.system"), "{said}");

    let part = home.fails(&["models", "import", "vit/model.safetensors"], 2);
    assert!(part.contains("`cxr models import vit`"), "{part}");
    let family = home.fails(&["models", "import", "vit", "--as", "chexnet"], 2);
    assert!(family.contains("--as is for files"), "{family}");
    fs::create_dir(home.path().join("empty")).unwrap();
    let empty = home.fails(&["models", "import", "empty"], 1);
    assert!(empty.contains("it has no config.json"), "{empty}");
    let labels = home.fails(&["models", "import", "vit", "--labels", "a,b,c"], 2);
    assert!(
        labels.contains("2 outputs, and there are 3 labels"),
        "{labels}"
    );
}
