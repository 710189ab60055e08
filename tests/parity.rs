//! The network and its preprocessing give PyTorch's numbers.
//!
//! The numbers in `tests/data/parity_*.json` are made by `training/parity.py`, which comes to this
//! (`python -m training.parity --data ../shared/data`):
//!
//! ```python
//! model = EfficientNet.from_name("efficientnet-lite0", in_channels=1, num_classes=4)
//! model.load_state_dict({k: v.float() for k, v in load_file("weights/cxr-lite0.safetensors").items()},
//!                       strict=False)  # num_batches_tracked is not kept
//! model.eval()
//! x = sin(row * y) * cos(column * x + phase)          # parity_formula.json: [1, 1, 224, 224]
//! x = cxr2(pixels, fields_of(student("weights/lungs.safetensors"), pixels))   # parity_real.json
//! logits = model(x)[0].tolist()
//! ```

mod skip;
mod stated;

use std::fs;
use std::path::{Path, PathBuf};

use cxr::imaging::{self, DecodeLimits};
use cxr::inference::{Classifier, Lungs, Preprocess};
use serde_json::Value;
use stated::as_stated;

const SIDE: usize = 224;
/// Largest |Δlogit| of the network alone, on the same tensor.
const NETWORK: f32 = 1e-3;
/// Largest |Δlogit| from the file to the logits.
const END_TO_END: f32 = 1e-2;

fn numbers(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(values: &Value) -> Vec<f32> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

fn largest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// The folder of private radiographs, if this machine has it.
fn data() -> Option<PathBuf> {
    skip::private_data("cxr/manifest.csv")
}

#[test]
fn the_network_gives_pytorchs_logits_on_made_inputs() {
    let classifier = Classifier::bundled().unwrap();
    for case in numbers("parity_formula.json")["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let (row, column, phase) = (number("row"), number("column"), number("phase"));
        let wave = |i: usize| {
            let (y, x) = ((i / SIDE) as f64, (i % SIDE) as f64);
            ((row * y).sin() * (column * x + phase).cos()) as f32
        };
        let logits = classifier
            .logits_of_values((0..SIDE * SIDE).map(wave).collect())
            .unwrap();
        let worst = largest_difference(&logits, &floats(&case["logits"]));
        println!("wave {row} {column} {phase}: max |Δlogit| {worst:.2e}");
        assert!(worst < NETWORK, "{worst}");
    }
}

#[test]
fn real_radiographs_get_pytorchs_logits_from_file_to_answer() {
    let Some(folder) = data() else { return };
    let classifier = Classifier::bundled().unwrap();
    let mut worst = 0_f32;
    let numbers = numbers("parity_real.json");
    let cases = numbers["cases"].as_array().unwrap();
    for case in cases {
        let path = case["path"].as_str().unwrap();
        let radiograph = imaging::open(&folder.join(path), &DecodeLimits::default()).unwrap();
        let ours = classifier.logits(&as_stated(radiograph)).unwrap();
        let difference = largest_difference(&ours, &floats(&case["logits"]));
        println!("{path}: max |Δlogit| {difference:.2e}");
        worst = worst.max(difference);
    }
    println!("{} files, worst {worst:.2e}", cases.len());
    assert!(cases.len() >= 40, "the file of numbers lost its cases");
    assert!(worst < END_TO_END, "{worst}");
}

#[test]
fn real_radiographs_are_prepared_as_in_training() {
    let Some(folder) = data() else { return };
    let preprocess = Preprocess::named("cxr-2", SIDE).unwrap();
    let numbers = numbers("parity_real.json");
    let detailed = numbers["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| !c["tensor"].is_null());
    let mut seen = 0;
    for case in detailed {
        let path = folder.join(case["path"].as_str().unwrap());
        let film = imaging::open(&path, &DecodeLimits::default()).unwrap();
        let film = as_stated(film);
        let lungs = Lungs::of(&film).unwrap();
        let values = preprocess.apply(&film, lungs.region());
        for (index, expected) in case["tensor"]["values"].as_object().unwrap() {
            let ours = values[index.parse::<usize>().unwrap()];
            let difference = (f64::from(ours) - expected.as_f64().unwrap()).abs();
            assert!(
                difference < 0.02,
                "{} at {index}: {ours} {expected}",
                path.display()
            );
        }
        seen += 1;
    }
    assert!(seen > 0);
}
