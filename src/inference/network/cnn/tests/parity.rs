//! Networks with the weights and under the names of torchvision, timm and transformers give the numbers of these
//! libraries.
//!
//! The numbers in `tests/data/parity_cnns.json` are made by `training/parity_cnns.py`, which fills the libraries' own
//! modules with the weights of [`MadeWeights`], in the order of the names that these have there, and runs them over the same
//! formula:
//!
//! ```python
//! module = timm.create_model("tf_efficientnet_b1", num_classes=5).eval()
//! fill(module, spread)                                # splitmix64, see there
//! c, y, x = np.mgrid[0:3, 0:side, 0:side]
//! values = 2.0 * np.sin(0.2 * y + 0.5 * c) * np.cos(0.11 * x + 1.0)
//! logits = module(torch.from_numpy(values.astype(np.float32))[None])[0].tolist()
//! ```

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Module, Result, Tensor};
use candle_nn::Linear;
use cxr_kernels::{Kernels, Products};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::hex::hex;
use crate::domain::{NetworkSettings, SettingValue};
use crate::inference::InferenceError;
use crate::inference::network::cnn::{Cnn, complete_of_transformers, of_timm};
use crate::inference::network::layers::WeightSource;
use crate::inference::network::planned::PlannedLayers;
use crate::inference::network::pool;

const REFERENCE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/parity_cnns.json"
));
const LABELS: usize = 5;
/// Largest |Δlogit|, over the largest logit or 1.
const TOLERANCE: f32 = 2e-5;

/// Value i of all tensors together, in the order of their names.
struct MadeWeights {
    seed: u64,
    next: u64,
    /// The variance of normalisations.
    spread: f64,
}

impl MadeWeights {
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
        let fan_in: usize = shape[1..].iter().product();
        let bound = (6.0 / fan_in as f64).sqrt();
        let spread = self.spread;
        let scaled = |u: f64| match name.rsplit('.').next() {
            _ if shape.len() > 1 => u * bound,
            Some("running_var") => (1.0 + 0.5 * u) * spread,
            Some("running_mean" | "bias") => 0.1 * u,
            _ => 1.0 + 0.5 * u,
        };
        let size: usize = shape.iter().product();
        (0..size).map(|_| scaled(self.uniform()) as f32).collect()
    }
}

/// The tensors under the names here.
struct Filled(HashMap<String, Tensor>);

impl WeightSource for Filled {
    fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, InferenceError> {
        let tensor = &self.0[name];
        assert_eq!(tensor.dims(), shape, "{name}");
        Ok(tensor.clone())
    }
}

/// A case of the file.
struct ParityCase {
    case: Value,
    cnn: Cnn,
}

impl ParityCase {
    fn of(case: &Value) -> Self {
        let architecture = case["architecture"].as_str().unwrap();
        let settings = match case["timm"].as_str() {
            Some(name) => {
                let known = of_timm(name).unwrap();
                assert_eq!(known.architecture, architecture);
                known.settings
            }
            None => settings(case),
        };
        ParityCase {
            cnn: Cnn::of(architecture, &settings).unwrap().unwrap(),
            case: case.clone(),
        }
    }

    fn name(&self) -> String {
        let part = |key: &str| self.case[key].as_str().unwrap_or_default();
        let (library, architecture) = (part("library"), part("architecture"));
        format!("{library}'s {architecture} {}", self.case["settings"])
    }

    /// The names and shapes of all tensors as the library has them.
    fn their_shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let library = self.case["library"].as_str().unwrap();
        let names = self.cnn.module_names();
        let shapes = self.cnn.shapes(3, LABELS).unwrap().0;
        let theirs = |(ours, mut shape): (String, Vec<usize>)| {
            let (module, parameter) = ours.rsplit_once('.').unwrap();
            let their_module = match library {
                "torchvision" => module,
                library => names.theirs(module, library == "transformers"),
            };
            if their_module == "conv_head" && shape.len() == 2 {
                shape.extend([1, 1]);
            }
            (format!("{their_module}.{parameter}"), shape)
        };
        shapes.into_iter().map(theirs).collect()
    }

    /// All tensors with the script's values, under the names here.
    fn filled(&self, seed: u64) -> Filled {
        let shapes = self.their_shapes();
        let mut lines = Sha256::new();
        for (name, shape) in &shapes {
            lines.update(format!("{name} {shape:?}\n"));
        }
        let expected = self.case["names_sha256"].as_str().unwrap();
        assert_eq!(hex(&lines.finalize()), expected, "{}", self.name());
        let mut made = MadeWeights {
            seed,
            next: 0,
            spread: self.case["variance"].as_f64().unwrap(),
        };
        let names = self.cnn.module_names();
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let values = made.tensor(&name, &shape);
            let (name, shape) = names.canonical(&name, &shape);
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            (name, tensor)
        };
        Filled(shapes.into_iter().map(tensor).collect())
    }

    /// The logits by the kernels, and by candle.
    fn logits(&self, tensors: &Filled, side: usize) -> Result<[Vec<f32>; 2]> {
        let layers = self.cnn.layers(tensors, 3).unwrap();
        let [weight, bias] = self.cnn.head().map(|name| tensors.0[name].clone());
        let head = Linear::new(weight, Some(bias));
        let input = wave(side)?;
        let (kernels, products) = (Kernels::best(), Products::F32);
        let plan = PlannedLayers::compile(&layers, (side, side), kernels, products).unwrap();
        let features = [plan.averages(&input)?, pool(&layers.forward(&input)?)?];
        let logits = |features: &Tensor| head.forward(features)?.flatten_all()?.to_vec1::<f32>();
        let [first, second] = &features;
        Ok([logits(first)?, logits(second)?])
    }

    fn check(&self, seed: u64) {
        let tensors = self.filled(seed);
        for (side, expected) in self.case["logits"].as_object().unwrap() {
            let expected = expected.as_array().unwrap().iter();
            let expected: Vec<f32> = expected.map(|z| z.as_f64().unwrap() as f32).collect();
            let largest = expected.iter().fold(1.0_f32, |most, z| most.max(z.abs()));
            for found in self.logits(&tensors, side.parse().unwrap()).unwrap() {
                assert_eq!(found.len(), expected.len());
                let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                let worst = differences.fold(0.0, f32::max) / largest;
                let name = self.name();
                assert!(worst < TOLERANCE, "{name}, {side}: {worst}, {found:?}");
            }
        }
    }
}

/// The settings that a folder of the library gives.
fn settings(case: &Value) -> NetworkSettings {
    let value = |value: &Value| match value {
        Value::Bool(value) => SettingValue::Bool(*value),
        Value::Array(values) => {
            let integers = values.iter().map(|value| value.as_i64().unwrap());
            SettingValue::from(integers.collect::<Vec<i64>>())
        }
        value => SettingValue::Float(value.as_f64().unwrap()),
    };
    let said = case["settings"].as_object().unwrap().iter();
    let mut settings: NetworkSettings = said.map(|(key, v)| (key.clone(), value(v))).collect();
    if case["library"] == "transformers" {
        let architecture = case["architecture"].as_str().unwrap();
        complete_of_transformers(architecture, &mut settings).unwrap();
    }
    settings
}

/// The input by the script's formula, `[1, 3, side, side]`.
fn wave(side: usize) -> Result<Tensor> {
    let value = |i: usize| {
        let (c, y, x) = (i / (side * side), i / side % side, i % side);
        let (c, y, x) = (c as f64, y as f64, x as f64);
        (2.0 * (0.2 * y + 0.5 * c).sin() * (0.11 * x + 1.0).cos()) as f32
    };
    let values: Vec<f32> = (0..3 * side * side).map(value).collect();
    Tensor::from_vec(values, (1, 3, side, side), &Device::Cpu)
}

#[test]
fn every_network_gives_the_numbers_of_its_library() {
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    let seed = reference["seed"].as_u64().unwrap();
    let cases = reference["cases"].as_array().unwrap();
    assert!(cases.len() >= 25, "the file of numbers lost its cases");
    for case in cases {
        ParityCase::of(case).check(seed);
    }
}

/// A setting that differs shows in the numbers: the comparison above sees what it should.
#[test]
fn a_wrong_padding_or_epsilon_gives_other_numbers() {
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    let seed = reference["seed"].as_u64().unwrap();
    let cases = reference["cases"].as_array().unwrap().iter();
    let mut cases = cases.map(ParityCase::of);
    let of_transformers = cases.find(|case| case.name().starts_with("transformers's efficientnet"));
    let right = of_transformers.unwrap();
    let tensors = right.filled(seed);
    let [expected, _] = right.logits(&tensors, 75).unwrap();
    let other_padding = NetworkSettings::default().with("batch_norm_eps", 1e-3);
    let other_epsilon = NetworkSettings::default()
        .with("batch_norm_eps", 1e-5)
        .with("depthwise_padding", Vec::<i64>::new());
    for settings in [other_padding, other_epsilon] {
        let wrong = ParityCase {
            cnn: Cnn::of("efficientnet_b0", &settings).unwrap().unwrap(),
            case: right.case.clone(),
        };
        let [found, _] = wrong.logits(&tensors, 75).unwrap();
        let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0.0, f32::max);
        assert!(worst > 10.0 * TOLERANCE, "{settings:?}: {worst}");
    }
}
