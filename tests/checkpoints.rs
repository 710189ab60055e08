//! Published networks give the numbers of PyTorch and torchxrayvision, from a tensor and from a file, and their heat
//! maps add up to the logits.
//!
//! The numbers in `tests/data/parity_checkpoints.json` are made by `training/parity_checkpoints.py`,
//! which fills torchxrayvision's and torchvision's own modules with the weights of [`Weights`] and
//! runs them over the same formulas and files:
//!
//! ```python
//! model = xrv.models.DenseNet(num_classes=18, in_channels=1).eval()   # or ResNet-50, or CheXNet's
//! fill(model, stem_range)                                             # splitmix64, see there
//! img = xrv.utils.normalize(values, 2**bits - 1)
//! img = XRayResizer(224)(XRayCenterCrop()(img[None]))
//! logits = model(torch.from_numpy(img)[None])[0].tolist()
//! ```

mod skip;
mod stated;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use cxr::domain::{Radiograph, Samples};
use cxr::imaging::{self, DecodeLimits};
use cxr::inference::family::{ModelFamily, NamedTensors, assemble};
use cxr::inference::{Classifier, Classify};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stated::as_stated;

/// Largest |Δlogit| of the network alone, on the same tensor.
const NETWORK: f32 = 1e-3;
/// Largest |Δlogit| from the file to the logits.
const END_TO_END: f32 = 1e-2;
/// Largest |mean(M_c) + b_c − logit_c|.
const HEAT_MAP: f32 = 1e-3;

/// The counter of the script: value i of all tensors together, in the order of their names.
struct Weights {
    seed: u64,
    next: u64,
    /// The range of the first convolution's input.
    stem_range: f64,
}

impl Weights {
    /// From −1 to 1, splitmix64 (Steele et al. 2014).
    fn uniform(&mut self) -> f64 {
        self.next += 1;
        let z = self.next.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = self.seed.wrapping_add(z);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        const STEM: [&str; 2] = ["features.norm0.running_", "bn1.running_"];
        let is_stem = STEM.iter().any(|stem| name.starts_with(stem));
        let spread = if is_stem { self.stem_range } else { 1.0 };
        let fan_in: usize = shape[1..].iter().product();
        let bound = (6.0 / fan_in as f64).sqrt();
        let residual = match name.splitn(3, '.').nth(2) {
            Some("bn3.weight") => 0.3,
            Some("downsample.1.weight") => 0.5,
            _ => 1.0,
        };
        let scaled = |u: f64| match name.rsplit('.').next() {
            _ if shape.len() > 1 => u * bound,
            Some("running_var") => (1.0 + 0.5 * u) * spread * spread,
            Some("running_mean") => 0.3 * u * spread,
            Some("bias") => 0.2 * u,
            _ => (1.0 + 0.5 * u) * residual,
        };
        let size: usize = shape.iter().product();
        (0..size).map(|_| scaled(self.uniform()) as f32).collect()
    }

    fn fill(&mut self, shapes: BTreeMap<String, Vec<usize>>) -> NamedTensors {
        let filled = shapes.into_iter().map(|(name, shape)| {
            let values = self.tensor(&name, &shape);
            (name, (shape, values))
        });
        filled.collect()
    }
}

fn reference() -> &'static Value {
    static REFERENCE: OnceLock<Value> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let path = root().join("tests/data/parity_checkpoints.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn numbers(family: ModelFamily) -> &'static Value {
    &reference()["families"][family.name()]
}

/// The model with the script's weights.
fn model(family: ModelFamily) -> Classifier {
    let mut weights = Weights {
        seed: reference()["seed"].as_u64().unwrap(),
        next: 0,
        stem_range: numbers(family)["stem_range"].as_f64().unwrap(),
    };
    let tensors = weights.fill(family.tensors(family.labels().len()));
    let (weights, card) = assemble(family, tensors, None, None, None, "made").unwrap();
    Classifier::from_parts(&card, &weights).unwrap()
}

fn floats(values: &Value) -> Vec<f32> {
    let values = values.as_array().unwrap().iter();
    values.map(|v| v.as_f64().unwrap() as f32).collect()
}

fn largest_difference(ours: &[f32], theirs: &Value) -> f32 {
    let theirs = floats(theirs);
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(&theirs);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn cases<'a>(family: ModelFamily, kind: &str) -> &'a [Value] {
    let cases = numbers(family)[kind].as_array().unwrap();
    assert!(
        cases.len() >= 3,
        "{family}: the file of numbers lost its {kind}"
    );
    cases
}

fn number(case: &Value, name: &str) -> f64 {
    case[name].as_f64().unwrap()
}

/// The script's `wave`.
fn wave(case: &Value, channels: usize, side: usize) -> Vec<f32> {
    let [row, column, phase, size] =
        ["row", "column", "phase", "size"].map(|name| number(case, name));
    let plane = side * side;
    let value = |i: usize| {
        let (channel, y, x) = (i / plane, i % plane / side, i % side);
        let (channel, y, x) = (channel as f64, y as f64, x as f64);
        (size * (row * y + 0.5 * channel).sin() * (column * x + phase).cos()) as f32
    };
    (0..channels * plane).map(value).collect()
}

/// The script's `made_image`.
fn made(case: &Value) -> Radiograph {
    let [width, height, bits] = ["width", "height", "bits"].map(|name| number(case, name) as usize);
    let top = (1 << bits) - 1;
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        let ramp = (x * 3 + y * 2) * top / (3 * width + 2 * height);
        let is_lit = (x * 7 / width + y * 5 / height).is_multiple_of(2);
        let edge = if is_lit { top / 5 } else { 0 };
        (ramp + edge + (x * y) % 17 * top / 255).min(top)
    };
    let pixels = (0..width * height).map(pixel);
    let samples = match bits {
        8 => Samples::Grey8(pixels.map(|v| v as u8).collect()),
        _ => Samples::Grey16(pixels.map(|v| v as u16).collect()),
    };
    Radiograph {
        bits_stored: bits as u8,
        ..Radiograph::plain(width, height, samples, "made")
    }
}

fn names_are_pytorchs(family: ModelFamily) {
    let lines: String = family
        .tensors(family.labels().len())
        .iter()
        .map(|(name, shape)| format!("{name} {shape:?}\n"))
        .collect();
    let digest = hexadecimal(lines.as_bytes());
    assert_eq!(digest, numbers(family)["names_sha256"].as_str().unwrap());
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

fn tensors_give_pytorchs_logits(family: ModelFamily, model: &Classifier, channels: usize) {
    let side = model.card().input_size;
    let mut worst = 0_f32;
    for case in cases(family, "waves") {
        let logits = model.logits_of_values(wave(case, channels, side)).unwrap();
        worst = worst.max(largest_difference(&logits, &case["logits"]));
    }
    println!("{family}, tensor to logits: max |Δ| {worst:.1e}");
    assert!(worst < NETWORK, "{worst}");
}

fn made_images_give_pythons_logits(family: ModelFamily, model: &Classifier) {
    for case in cases(family, "made") {
        let logits = model.logits(&made(case)).unwrap();
        let worst = largest_difference(&logits, &case["logits"]);
        let [width, height, bits] = ["width", "height", "bits"].map(|name| number(case, name));
        println!("{family}, {width} × {height} of {bits} bits: max |Δ| {worst:.1e}");
        assert!(worst < END_TO_END, "{worst}");
    }
}

/// The files must be the ones that the script read. The private radiographs may be absent.
fn files_give_pythons_logits(family: ModelFamily, model: &Classifier) {
    let (mut seen, mut absent, mut worst) = (0, 0, 0_f32);
    for case in cases(family, "files") {
        let name = case["path"].as_str().unwrap();
        let folder = if case["root"] == "samples" {
            root().join("samples")
        } else if let Some(data) = skip::private_data(name) {
            data
        } else {
            absent += 1;
            continue;
        };
        let path = folder.join(name);
        let digest = hexadecimal(&fs::read(&path).unwrap());
        assert_eq!(
            digest, case["sha256"],
            "{name} changed: run training/parity_checkpoints.py"
        );
        let radiograph = imaging::open(&path, &DecodeLimits::default()).unwrap();
        let logits = model.logits(&as_stated(radiograph)).unwrap();
        let difference = largest_difference(&logits, &case["logits"]);
        println!("{family}, {name}: max |Δ| {difference:.1e}");
        worst = worst.max(difference);
        seen += 1;
    }
    println!("{family}: {seen} files, worst {worst:.1e}; {absent} absent");
    assert!(seen >= 8 && worst < END_TO_END, "{worst}");
}

/// Every map adds up to its logit, and lies over the network's input.
fn heat_maps_add_up(model: &Classifier) {
    let films = ["clear_2.jpg", "pneumonia_12bit_mono1.dcm"];
    for film in films {
        let path = root().join("samples").join(film);
        let radiograph = imaging::open(&path, &DecodeLimits::default()).unwrap();
        let prediction = model.classify(&radiograph).unwrap();
        let maps = prediction.activation.expect("maps");
        assert_eq!(maps.labels.len(), model.card().labels.len());
        for (map, finding) in maps.labels.iter().zip(&prediction.findings) {
            assert_eq!(map.label, finding.label);
            let difference = (map.logit() - finding.logit).abs();
            assert!(difference < HEAT_MAP, "{film}: {difference}");
        }
        let cells = model.card().input_size / 32;
        assert_eq!((maps.width, maps.height), (cells, cells));
        assert!(maps.region.left + maps.region.width <= radiograph.width);
        assert!(maps.region.top + maps.region.height <= radiograph.height);
        // CheXNet's longer side is rounded down to a whole number, so that its crop is not quite square.
        let (width, height) = (maps.region.width as f64, maps.region.height as f64);
        assert!((width / height - 1.0).abs() < 0.01, "{:?}", maps.region);
    }
}

fn gives_pythons_numbers(family: ModelFamily, channels: usize) {
    names_are_pytorchs(family);
    let model = model(family);
    tensors_give_pytorchs_logits(family, &model, channels);
    made_images_give_pythons_logits(family, &model);
    files_give_pythons_logits(family, &model);
    heat_maps_add_up(&model);
}

#[test]
fn torchxrayvisions_densenet() {
    gives_pythons_numbers(ModelFamily::XrvDensenet121, 1);
}

#[test]
fn torchxrayvisions_resnet() {
    gives_pythons_numbers(ModelFamily::XrvResnet50_512, 1);
}

#[test]
fn chexnet() {
    gives_pythons_numbers(ModelFamily::Chexnet, 3);
}
