//! All names of small networks, and what is refused.

use serde_json::Value;

use super::super::json::JsonMembers;
use super::*;
use crate::domain::{NetworkSettings, SettingValue};
use crate::inference::tensor_file::check;

/// Small networks of torchvision and timm with the names of all their tensors, by `training/parity_origins.py`.
const REFERENCE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/parity_origins.json"
));
const LABELS: usize = 3;

fn described(
    architecture: &str,
    settings: NetworkSettings,
    layout: NameLayout,
) -> DescribedNetwork {
    DescribedNetwork {
        class: "a network".to_owned(),
        architecture: architecture.to_owned(),
        settings,
        layout,
        channels: 3,
        side: None,
    }
}

/// A network of the file, with its tensors, all of zeros.
fn small(network: &Value) -> (DescribedNetwork, NamedTensors) {
    let members = network["settings"].as_object().unwrap();
    let members = JsonMembers::new("settings", members);
    let mut settings = NetworkSettings::default();
    for key in members.keys() {
        settings.set(key, members.setting(key).unwrap().unwrap());
    }
    let layout = match network["library"].as_str() {
        Some("timm") => NameLayout::Timm,
        _ => NameLayout::Torchvision,
    };
    let architecture = network["architecture"].as_str().unwrap();
    let zeros = |(name, sizes): (&String, &Value)| {
        let sizes = sizes.as_array().unwrap().iter();
        let shape: Vec<usize> = sizes.map(|size| size.as_u64().unwrap() as usize).collect();
        let values = vec![0.0; shape.iter().product()];
        (name.clone(), (shape, values))
    };
    let tensors = network["tensors"].as_object().unwrap().iter();
    let described = described(architecture, settings, layout);
    (described, tensors.map(zeros).collect())
}

fn networks() -> Vec<Value> {
    let mut file: Value = serde_json::from_str(REFERENCE).unwrap();
    match file["networks"].take() {
        Value::Array(networks) => networks,
        other => panic!("{other}"),
    }
}

/// What the tensors of a file are not, in the words of an error.
fn fault(network: &DescribedNetwork, tensors: NamedTensors) -> String {
    let read = ReadTensors::of_state_dict(network).unwrap();
    let named = read.named(tensors).unwrap();
    let checked = check(&read.shapes(LABELS), &named);
    checked
        .err()
        .map_or_else(String::new, |fault| fault.to_string())
}

#[test]
fn all_names_of_a_library_are_those_here_and_none_is_left_over() {
    for network in networks() {
        let shown = &network["shown"];
        let (described, tensors) = small(&network);
        let read = ReadTensors::of_state_dict(&described).unwrap();
        assert_eq!(read.channels_of(&tensors), Some(3), "{shown}");
        assert_eq!(fault(&described, tensors.clone()), "", "{shown}");

        let in_grey = tensors.into_iter().map(|(name, (mut shape, mut values))| {
            if matches!(shape[..], [_, 3, _, _]) {
                shape[1] = 1;
                values.truncate(values.len() / 3);
            }
            (name, (shape, values))
        });
        assert_eq!(read.channels_of(&in_grey.collect()), Some(1), "{shown}");
    }
}

#[test]
fn what_is_absent_left_over_or_of_another_shape_is_named() {
    for network in networks() {
        let (described, tensors) = small(&network);
        let last = tensors.keys().next_back().unwrap().clone();
        let mut less = tensors.clone();
        less.remove(&last);
        assert!(fault(&described, less).starts_with("lacks "), "{last}");
        let mut more = tensors.clone();
        more.insert("aux.weight".to_owned(), (vec![1], vec![0.0]));
        assert_eq!(fault(&described, more), "has besides aux.weight");
        let mut longer = tensors;
        let (shape, values) = longer.get_mut(&last).unwrap();
        shape[0] += 3;
        values.resize(shape.iter().product(), 0.0);
        let longer = fault(&described, longer);
        assert!(longer.contains(" has shape ["), "{last}: {longer}");
    }
}

#[test]
fn settings_that_lie_about_the_tensors_are_refused_by_a_name() {
    let list = |values: [i64; 3]| SettingValue::from(values.to_vec());
    for (place, key, value, words) in [
        (
            0,
            "num_hidden_layers",
            SettingValue::Integer(3),
            "lacks vit.encoder.layer.2.attention.attention.key.bias",
        ),
        (
            0,
            "hidden_size",
            SettingValue::Integer(48),
            "has shape [1, 1, 24], not [1, 1, 48]",
        ),
        (
            0,
            "layer_scale_init_value",
            SettingValue::Float(1e-6),
            "lacks vit.encoder.layer.0.layer_scale1.lambda1",
        ),
        (
            1,
            "depths",
            list([2, 2, 2]),
            "lacks swin.encoder.layers.2.blocks.1.",
        ),
        (
            1,
            "window_size",
            SettingValue::Integer(4),
            "relative_position_bias_table has shape [25, 2], not [49, 2]",
        ),
        (3, "hidden_sizes", list([8, 20, 16]), "[12], not [16]"),
        (
            4,
            "layer_scale_init_value",
            SettingValue::Integer(0),
            "has besides blocks.0.ls1.gamma",
        ),
        (
            4,
            "no_embed_class",
            SettingValue::Bool(true),
            "has shape [1, 17, 24], not [1, 16, 24]",
        ),
        (
            5,
            "no_embed_class",
            SettingValue::Bool(false),
            "has shape [1, 16, 24], not [1, 17, 24]",
        ),
    ] {
        let (mut described, tensors) = small(&networks()[place]);
        described.settings.set(key, value);
        let fault = fault(&described, tensors);
        assert!(fault.contains(words), "{key}: {fault}");
    }
}

/// The names of the last layer's weight and bias here, for a module of a file.
fn heads(read: &ReadTensors, module: &str) -> Vec<String> {
    let tensor = |parameter: &str| (format!("{module}.{parameter}"), (vec![1], vec![0.0]));
    let tensors = ["bias", "weight"].map(tensor).into();
    let named = read.named(tensors).unwrap();
    named.into_keys().collect()
}

#[test]
fn a_last_layer_that_is_alone_in_a_sequence_is_the_last_layer() {
    use NameLayout::{Timm, Torchvision};
    for (architecture, layout, module, head) in [
        ("densenet121", Torchvision, "classifier.1", "classifier"),
        ("densenet121", Timm, "classifier.0", "classifier"),
        ("resnet18", Torchvision, "module.fc.1", "fc"),
        (
            "efficientnet_b0",
            Torchvision,
            "classifier.1",
            "classifier.1",
        ),
        (
            "efficientnet_b0",
            Torchvision,
            "classifier.1.1",
            "classifier.1",
        ),
        ("efficientnet_b0", Timm, "classifier.0", "classifier.1"),
        (
            "mobilenet-v2",
            Torchvision,
            "classifier.1.1",
            "classifier.1",
        ),
        (
            "mobilenet_v3_small",
            Torchvision,
            "classifier.3.1",
            "classifier.3",
        ),
        ("vit", Torchvision, "heads", "classifier"),
        ("vit", Torchvision, "heads.1", "classifier"),
        ("vit", Torchvision, "heads.head.1", "classifier"),
        ("vit", Timm, "head.1", "classifier"),
        ("swin", Torchvision, "head.1", "classifier"),
        ("swin", Timm, "head.fc.1", "classifier"),
        ("convnext", Torchvision, "classifier.2.1", "classifier"),
        ("convnext", Timm, "head.fc.0", "classifier"),
    ] {
        let network = described(architecture, NetworkSettings::default(), layout);
        let read = ReadTensors::of_state_dict(&network).unwrap();
        let expected = ["bias", "weight"].map(|parameter| format!("{head}.{parameter}"));
        assert_eq!(heads(&read, module), expected, "{architecture}: {module}");
    }
    // The class that a folder names has its last layer alone.
    for layout in [Timm, NameLayout::Transformers] {
        let network = described("resnet18", NetworkSettings::default(), layout);
        let read = ReadTensors::of(&network).unwrap();
        assert_eq!(heads(&read, "fc.1"), ["fc.1.bias", "fc.1.weight"]);
    }
}
