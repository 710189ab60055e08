//! Shapes and settings of all networks; [`parity`] has their numbers.

mod parity;

use std::cell::RefCell;
use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use super::*;
use crate::domain::hex::hex;
use crate::domain::{LabelCard, ModelCard, Question};
use crate::imaging::{self, DecodeLimits};
use crate::inference::preprocess::CHEXNET_224_1;
use crate::inference::tensor_file::{FoundTensor, safetensors};
use crate::inference::{Classifier, Classify, write_card};

fn cnn(name: &str) -> Cnn {
    let cnn = Cnn::of(name, &NetworkSettings::default());
    cnn.unwrap().unwrap_or_else(|| panic!("{name} is unknown"))
}

/// Notes what is asked for, and gives zeros.
#[derive(Default)]
struct Noting(RefCell<BTreeMap<String, Vec<usize>>>);

impl WeightSource for Noting {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        let before = self
            .0
            .borrow_mut()
            .insert(name.to_owned(), shape.to_owned());
        assert_eq!(before, None, "{name} is asked for twice");
        Ok(Tensor::zeros(shape, DType::F32, &Device::Cpu)?)
    }
}

/// Networks of more parameters would take some hundred megabytes here, and have no other layers.
const MOST_PARAMETERS: usize = 24_000_000;

#[test]
fn the_layers_ask_for_the_tensors_that_the_shapes_name() {
    let small = |(_, count): &(&str, usize)| *count < MOST_PARAMETERS;
    for (name, _) in PARAMETERS.into_iter().filter(small) {
        let (cnn, asked) = (cnn(name), Noting::default());
        let layers = cnn.layers(&asked, 3).unwrap();
        assert_eq!(layers.channels, 3, "{name}");
        let mut named = cnn.shapes(3, 5).unwrap().0;
        let [weight, bias] = cnn.head();
        assert_eq!(named.remove(weight), Some(vec![5, cnn.features()]));
        assert_eq!(named.remove(bias), Some(vec![5]));
        assert_eq!(asked.0.into_inner(), named, "{name}");
    }
}

/// `sum(p.numel() for p in torchvision.models.NAME(num_classes=5).parameters())`; for timm's and transformers'
/// networks of the same name as well.
#[test]
fn each_network_has_the_parameters_of_its_original() {
    for (name, expected) in PARAMETERS {
        let shapes = cnn(name).shapes(3, 5).unwrap().0;
        let trained = shapes
            .iter()
            .filter(|(name, _)| !name.contains(".running_"));
        let count: usize = trained
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum();
        assert_eq!(count, expected, "{name}");
    }
}

const PARAMETERS: [(&str, usize); 20] = [
    ("densenet121", 6_958_981),
    ("densenet161", 26_483_045),
    ("densenet169", 12_492_805),
    ("densenet201", 18_102_533),
    ("efficientnet_b0", 4_013_953),
    ("efficientnet_b1", 6_519_589),
    ("efficientnet_b2", 7_708_039),
    ("efficientnet_b3", 10_703_917),
    ("efficientnet_b4", 17_557_581),
    ("efficientnet_b5", 28_351_029),
    ("efficientnet_b6", 40_747_229),
    ("efficientnet_b7", 63_799_765),
    ("mobilenet-v2", 2_230_277),
    ("mobilenet_v3_large", 4_208_437),
    ("mobilenet_v3_small", 1_522_981),
    ("resnet18", 11_179_077),
    ("resnet34", 21_287_237),
    ("resnet50", 23_518_277),
    ("resnet101", 42_510_405),
    ("resnet152", 58_154_053),
];

#[test]
fn settings_that_are_wrong_are_errors_and_other_names_are_none() {
    let zero = NetworkSettings::default().with("batch_norm_eps", 0.0);
    let odd = NetworkSettings::default().with("pad_type", "reflect");
    let text = NetworkSettings::default().with("depthwise_padding", "none");
    for (name, settings) in [
        ("densenet121", &zero),
        ("resnet18", &zero),
        ("mobilenet-v2", &odd),
        ("mobilenet_v3_small", &odd),
        ("efficientnet_b0", &odd),
        ("efficientnet_b0", &text),
    ] {
        assert!(Cnn::of(name, settings).is_err(), "{name}");
    }
    for other in ["vit", "resnet51", "", "efficientnet_b8"] {
        let none = Cnn::of(other, &NetworkSettings::default());
        assert_eq!(none, Ok(None), "{other}");
    }
}

/// A network of this name with two labels, for pictures of 224 × 224 in three channels.
fn classifier(name: &str) -> Classifier {
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let value = if name.ends_with("running_var") {
            1.0
        } else {
            0.01
        };
        let values = vec![value; shape.iter().product()];
        let found_as = name.clone();
        let tensor = FoundTensor {
            found_as,
            shape,
            values,
        };
        (name, tensor)
    };
    let shapes = cnn(name).shapes(3, 2).unwrap().0;
    let weights = safetensors(shapes.into_iter().map(tensor).collect());
    let label = |label: &str| LabelCard::new(label, Question::Presence, None);
    let card = ModelCard {
        name: "made".to_owned(),
        version: "1".to_owned(),
        architecture: name.to_owned(),
        input_size: 224,
        preprocess: CHEXNET_224_1.to_owned(),
        labels: vec![label("Pneumonia"), label("Effusion")],
        licence: "none".to_owned(),
        training_data: "none".to_owned(),
        pretrained: "none".to_owned(),
        sha256: hex(&Sha256::digest(&weights)),
        ..ModelCard::default()
    };
    Classifier::from_parts(&write_card(&card).unwrap(), &weights).unwrap()
}

#[test]
fn only_a_network_that_ends_in_averages_has_a_heat_map() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
    let film = imaging::open(sample.as_ref(), &DecodeLimits::default()).unwrap();
    for (name, has_map) in [("mobilenet_v3_small", false), ("resnet18", true)] {
        let prediction = classifier(name).classify(&film).unwrap();
        assert_eq!(prediction.findings.len(), 2, "{name}");
        assert_eq!(prediction.activation.is_some(), has_map, "{name}");
    }
}
