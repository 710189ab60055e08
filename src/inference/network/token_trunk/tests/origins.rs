//! Networks of torchvision and timm give the logits of these libraries, with tensors under the names that these have.
//!
//! The numbers in `tests/data/parity_origins.json` are made by `training/parity_origins.py`, which fills the classes of both
//! with the weights of [`MadeTensors`] and runs them over the same formulas:
//!
//! ```python
//! model = torchvision.models.swin_transformer.SwinTransformer([2, 2], 12, [2, 2, 1], [2, 3, 4], [3, 3], num_classes=3).eval()
//! fill(model)
//! logits = model(wave(3, side, row, column, phase, size))[0]
//! ```

use super::*;
use crate::inference::network::transformers::{TimmNames, TorchvisionNames};

const REFERENCE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/parity_origins.json"
));
/// A buffer that is computed.
const UNREAD: &str = "relative_position_index";
const CHANNELS: usize = 3;
const LABELS: usize = 3;

fn of_libraries() -> Vec<ParityNetwork> {
    let file: Value = serde_json::from_str(REFERENCE).unwrap();
    let seed = file["seed"].as_u64().unwrap();
    let networks = file["networks"].as_array().unwrap();
    assert!(networks.len() >= 7, "the file of numbers lost networks");
    let network = |network| of_library(network, seed);
    networks.iter().map(network).collect()
}

fn of_library(network: &Value, seed: u64) -> ParityNetwork {
    let text = |key: &str| network[key].as_str().unwrap();
    let name = format!("{}'s {}", text("library"), text("shown"));
    let config = TransformerConfig::of(text("architecture"), &settings(&network["settings"]));
    let config = config.unwrap().expect("a known architecture");
    let tensors = named(network, &config, seed);
    let of_tensor = |(name, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| {
        let shape: Vec<usize> = shape.clone();
        (name.clone(), shape)
    };
    let shapes: BTreeMap<String, Vec<usize>> = tensors.0.iter().map(of_tensor).collect();
    assert_eq!(shapes, config.shapes(CHANNELS, LABELS).0, "{name}");
    ParityNetwork {
        name,
        config,
        tensors,
        image: ImageShape {
            channels: CHANNELS,
            side: network["side"].as_u64().unwrap() as usize,
        },
        waves: network["waves"].as_array().unwrap().clone(),
    }
}

/// All tensors with the script's values, under the names here.
fn named(network: &Value, config: &TransformerConfig, seed: u64) -> MadeTensors {
    let shape = |sizes: &Value| -> Vec<usize> {
        let sizes = sizes.as_array().unwrap().iter();
        sizes.map(|size| size.as_u64().unwrap() as usize).collect()
    };
    let said = network["tensors"].as_object().unwrap().iter();
    let read = said.filter(|(name, _)| !name.ends_with(UNREAD));
    let shapes = read.map(|(name, sizes)| (name.clone(), shape(sizes)));
    let MadeTensors(theirs) = MadeTensors::new(seed, shapes.collect());
    let of_timm = TimmNames::of(config, theirs.keys()).unwrap();
    let of_torchvision = TorchvisionNames::of(config).unwrap();
    let is_timm = network["library"] == "timm";
    let mut ours = BTreeMap::new();
    for (name, (shape, values)) in theirs {
        let renamed = if is_timm {
            of_timm.tensors(&name, shape, values)
        } else {
            of_torchvision.tensors(&name, shape, values)
        };
        ours.extend(
            renamed
                .into_iter()
                .map(|tensor| (tensor.name, (tensor.shape, tensor.values))),
        );
    }
    MadeTensors(ours)
}

fn logits(network: &ParityNetwork, trunk: &TokenTrunk, wave: &Value) -> Vec<f32> {
    let image = network.wave(wave);
    let features = if network.config.has_maps() {
        pool(&trunk.maps(&image).unwrap()).unwrap()
    } else {
        trunk.look(&image, false).unwrap().features
    };
    network.tensors.logits(&numbers(&features))
}

#[test]
fn each_engine_gives_the_numbers_of_the_library() {
    for network in of_libraries() {
        for engine in [Engine::Kernels, Engine::Candle] {
            let compute = Compute {
                engine,
                device: DeviceChoice::Cpu,
                precision: Precision::F32,
            };
            let trunk = network.trunk(compute);
            let what = format!("{}, {engine:?}", network.name);
            for wave in &network.waves {
                let found = logits(&network, &trunk, wave);
                assert_near(&found, &wave["logits"], IN_F32, &what);
            }
        }
    }
}
