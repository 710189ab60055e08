//! Networks of tokens give the logits and the attention of transformers, by each engine and with every instruction set.
//!
//! The numbers in `tests/data/parity_transformers.json` are made by `training/parity_transformers.py`, which fills the
//! classes of transformers with the weights of [`MadeTensors`] and runs them over the same formulas:
//!
//! ```python
//! model = transformers.ViTForImageClassification.from_pretrained(place, attn_implementation="eager").eval()
//! out = model(wave(channels, side, row, column, phase, size), output_attentions=True)
//! logits, attention = out.logits, rollout(out.attentions, architecture, cells)
//! ```

mod origins;

use std::collections::BTreeMap;
use std::fmt::Write;

use cxr_kernels::alone;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::hex::hex;
use crate::domain::{ATTENTIVE, NetworkSettings, SettingValue};
use crate::inference::network::pool;
use crate::inference::network::token_layers::TokenStep;
use crate::inference::network::transformers::CLASSIFIER;

/// Largest |Δlogit| and |Δattention| of a network in `f32`.
const IN_F32: f32 = 1e-4;
/// The same with factors or numbers of eleven bits.
const IN_F16: f32 = 0.05;

/// The tensors of a network by the formula of the script: a counter over all of them, in the order of their names.
struct MadeTensors(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl MadeTensors {
    fn new(seed: u64, shapes: BTreeMap<String, Vec<usize>>) -> Self {
        let mut counter = 0;
        let filled = shapes.into_iter().map(|(name, shape)| {
            let size: usize = shape.iter().product();
            let values =
                (counter..counter + size as u64).map(|n| scaled(&name, &shape, uniform(seed, n)));
            let values = values.map(|value| value as f32).collect();
            counter += size as u64;
            (name, (shape, values))
        });
        MadeTensors(filled.collect())
    }

    /// The last layer of these features.
    fn logits(&self, features: &[f32]) -> Vec<f32> {
        let [weight, bias] = CLASSIFIER.map(|name| &self.0[name].1);
        let rows = weight.chunks_exact(features.len()).zip(bias);
        rows.map(|(row, bias)| {
            let products = row.iter().zip(features).map(|(w, x)| w * x);
            products.sum::<f32>() + bias
        })
        .collect()
    }
}

impl WeightSource for MadeTensors {
    fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, InferenceError> {
        let absent = || InferenceError::Weights(format!("{name} is absent"));
        let (stored, values) = self.0.get(name).ok_or_else(absent)?;
        assert_eq!(stored, shape, "{name}");
        Ok(Tensor::from_slice(values, shape, &Device::Cpu)?)
    }
}

/// From −1 to 1, splitmix64 (Steele et al. 2014).
fn uniform(seed: u64, n: u64) -> f64 {
    let z = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = seed.wrapping_add(z);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let z = z ^ (z >> 31);
    (z >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// The script's `scaled`.
fn scaled(name: &str, shape: &[usize], u: f64) -> f64 {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_embedding = ["_token", "_tokens", "_embeddings"]
        .iter()
        .any(|end| last.ends_with(end));
    match last {
        "relative_position_bias_table" => u,
        _ if name.contains(".grn.") || is_embedding => 0.5 * u,
        "lambda1" | "layer_scale_parameter" => 0.5 + 0.3 * u,
        _ if shape.len() > 1 => {
            let fan_in: usize = shape[1..].iter().product();
            u * (3.0 / fan_in as f64).sqrt()
        }
        "bias" => 0.2 * u,
        _ => 1.0 + 0.5 * u,
    }
}

/// A network of the file of numbers.
struct ParityNetwork {
    /// For messages.
    name: String,
    config: TransformerConfig,
    tensors: MadeTensors,
    image: ImageShape,
    waves: Vec<Value>,
}

fn networks() -> Vec<ParityNetwork> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/parity_transformers.json"
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let seed = file["seed"].as_u64().unwrap();
    let networks = file["networks"].as_array().unwrap();
    assert!(networks.len() >= 15, "the file of numbers lost networks");
    networks
        .iter()
        .map(|network| ParityNetwork::of(network, seed))
        .collect()
}

impl ParityNetwork {
    fn of(network: &Value, seed: u64) -> Self {
        let text = |key: &str| network[key].as_str().unwrap();
        let number = |key: &str| network[key].as_u64().unwrap() as usize;
        let architecture = text("architecture");
        let name = format!("{architecture}, {}", text("shown"));
        let config = TransformerConfig::of(architecture, &settings(&network["settings"]));
        let config = config.unwrap().expect("a known architecture");
        let image = ImageShape {
            channels: number("channels"),
            side: number("side"),
        };
        let outputs = network["waves"][0]["logits"].as_array().unwrap().len();
        let shapes = config.shapes(image.channels, outputs).0;
        assert_eq!(shapes.len(), number("tensors"), "{name}");
        assert_eq!(digest(&shapes), text("names_sha256"), "{name}");
        ParityNetwork {
            name,
            tensors: MadeTensors::new(seed, shapes),
            config,
            image,
            waves: network["waves"].as_array().unwrap().clone(),
        }
    }

    /// Compares what is read of each wave, and the attention, if there is one.
    fn check(&self, engine: &str, most: f32, look: impl Fn(&Tensor) -> (Tensor, Option<Tensor>)) {
        for wave in &self.waves {
            let (read, attention) = look(&self.wave(wave));
            let features = if self.config.has_maps() {
                let cells = self.config.cells(self.image.side);
                let shape = (1, self.config.features(), cells, cells);
                pool(&read.reshape(shape).unwrap()).unwrap()
            } else {
                read
            };
            let what = format!("{}, {engine}", self.name);
            let logits = self.tensors.logits(&numbers(&features));
            assert_near(&logits, &wave["logits"], most, &what);
            let is_attentive = !self.config.has_maps();
            assert_eq!(attention.is_some(), is_attentive, "{what}");
            if let Some(attention) = attention {
                assert_near(&numbers(&attention), &wave["attention"], most, &what);
            }
        }
    }

    /// The script's `wave`: `[1, C, S, S]`.
    fn wave(&self, wave: &Value) -> Tensor {
        let [row, column, phase, size] =
            ["row", "column", "phase", "size"].map(|name| wave[name].as_f64().unwrap());
        let ImageShape { channels, side } = self.image;
        let value = |at: usize| {
            let (channel, y, x) = (at / (side * side), at / side % side, at % side);
            let (channel, y, x) = (channel as f64, y as f64, x as f64);
            (size * (row * y + 0.5 * channel).sin() * (column * x + phase).cos()) as f32
        };
        let values: Vec<f32> = (0..channels * side * side).map(value).collect();
        Tensor::from_vec(values, (1, channels, side, side), &Device::Cpu).unwrap()
    }

    fn trunk(&self, compute: Compute) -> TokenTrunk {
        let network = NetworkIdentity {
            name: &self.name,
            version: "1",
            sha256: "",
        };
        let trunk = TokenTrunk::new(&self.config, &self.tensors, self.image, compute, network);
        trunk.unwrap()
    }

    fn layers(&self) -> TokenLayers {
        let mut steps = Vec::new();
        let mut sink = |step: TokenStep| {
            steps.push(step);
            Ok(())
        };
        let readout = self.config.describe(&self.tensors, self.image, &mut sink);
        TokenLayers {
            readout: readout.unwrap(),
            steps,
            keeps_shares: true,
        }
    }
}

/// The settings of a config.
fn settings(config: &Value) -> NetworkSettings {
    let members = config.as_object().unwrap().iter();
    members
        .map(|(key, value)| (key.clone(), setting(value)))
        .collect()
}

fn setting(value: &Value) -> SettingValue {
    match value {
        Value::Bool(value) => SettingValue::Bool(*value),
        Value::String(value) => SettingValue::Text(value.clone()),
        Value::Array(values) => SettingValue::List(values.iter().map(setting).collect()),
        other => match other.as_i64() {
            Some(integer) => SettingValue::Integer(integer),
            None => SettingValue::Float(other.as_f64().unwrap()),
        },
    }
}

/// The SHA-256 of names and shapes, one per line.
fn digest(shapes: &BTreeMap<String, Vec<usize>>) -> String {
    let mut lines = String::new();
    for (name, shape) in shapes {
        writeln!(lines, "{name} {shape:?}").unwrap();
    }
    hex(&Sha256::digest(lines.as_bytes()))
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_near(found: &[f32], expected: &Value, most: f32, what: &str) {
    let expected = expected.as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let expected = expected.as_f64().unwrap() as f32;
        let difference = (found - expected).abs();
        assert!(difference <= most, "{what}: {found}, not {expected}");
    }
}

#[test]
fn candle_gives_the_numbers_of_transformers() {
    for network in networks() {
        let layers = network.layers();
        let length = network.config.features();
        network.check("candle", IN_F32, |image| {
            let rows = layers.forward(image).unwrap();
            if network.config.has_maps() {
                return (rows, None);
            }
            let rest = rows.dim(1).unwrap() - length;
            let attention = rows.narrow(1, length, rest).unwrap();
            (rows.narrow(1, 0, length).unwrap(), Some(attention))
        });
    }
}

#[test]
fn the_kernels_give_the_numbers_of_transformers() {
    // Shares are then unequal on every machine, unless another test has set the number.
    cxr_kernels::set_threads(3);
    for network in networks() {
        let ImageShape { channels, side } = network.image;
        for kernels in Kernels::all() {
            let builder = PlanBuilder::new([channels, side, side], kernels, Products::F32);
            let mut builder = builder.unwrap();
            let sink = &mut |step: TokenStep| builder.push(&step);
            let readout = network
                .config
                .describe(&network.tensors, network.image, sink);
            let plan = builder.finish(&readout.unwrap()).unwrap();
            let look = |image: &Tensor| plan.answers(image, true).unwrap();
            network.check(kernels.name(), IN_F32, look);
            let one = format!("{}, one thread", kernels.name());
            network.check(&one, IN_F32, |image| alone(|| look(image)));
        }
    }
}

#[test]
fn a_batch_gives_each_image_its_own_answer() {
    for network in networks() {
        let trunk = network.trunk(Compute::default());
        let answer = |images: &Tensor| {
            if network.config.has_maps() {
                trunk.maps(images).unwrap()
            } else {
                trunk.look(images, false).unwrap().features
            }
        };
        let images: Vec<Tensor> = network
            .waves
            .iter()
            .map(|wave| network.wave(wave))
            .collect();
        let both = answer(&Tensor::cat(&images, 0).unwrap());
        for (n, image) in images.iter().enumerate() {
            let (found, single) = (numbers(&both.get(n).unwrap()), numbers(&answer(image)));
            let pairs = found.iter().zip(&single);
            let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < IN_F32, "{}: {worst}", network.name);
        }
    }
}

#[test]
fn f16_is_near_the_numbers_of_transformers() {
    let compute = Compute {
        engine: Engine::Candle,
        device: DeviceChoice::Cpu,
        precision: Precision::F16,
    };
    for network in networks() {
        let trunk = network.trunk(compute);
        network.check("f16", IN_F16, |image| {
            if network.config.has_maps() {
                return (trunk.maps(image).unwrap(), None);
            }
            let look = trunk.look(image, true).unwrap();
            (look.features, look.attention)
        });
    }
}

#[test]
fn an_image_of_another_size_is_an_error_that_says_both() {
    let network = networks().remove(0);
    let trunk = network.trunk(Compute::default());
    let image = Tensor::zeros((1, 3, 32, 40), DType::F32, &Device::Cpu).unwrap();
    let error = trunk.look(&image, false).err().unwrap().to_string();
    assert!(
        error.contains("3 × 32 × 40") && error.contains("3 × 32 × 32"),
        "{error}"
    );
}

#[test]
fn the_card_knows_which_networks_have_attention_in_the_place_of_maps() {
    for architecture in [
        "vit",
        "vit-average",
        "deit",
        "dinov2",
        "dinov2-registers",
        "swin",
        "convnext",
        "convnextv2",
    ] {
        let config = TransformerConfig::of(architecture, &NetworkSettings::default());
        let has_maps = config.unwrap().unwrap().has_maps();
        assert_eq!(
            ATTENTIVE.contains(&architecture),
            !has_maps,
            "{architecture}"
        );
    }
}
