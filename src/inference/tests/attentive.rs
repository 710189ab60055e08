//! A small ViT: its prediction has one attention rollout in the place of maps, and otherwise what others have.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{LabelCard, NetworkSettings};
use crate::inference::network::transformers::TransformerConfig;
use crate::inference::tensor_file::{FoundTensor, safetensors};

const ARCHITECTURE: &str = "vit";
/// Tokens of a side: 224 / 32.
const CELLS: usize = 7;

fn settings() -> NetworkSettings {
    let sizes = [
        ("hidden_size", 12),
        ("num_hidden_layers", 2),
        ("num_attention_heads", 2),
        ("intermediate_size", 24),
        ("image_size", 224),
        ("patch_size", 32),
    ];
    let mut settings = NetworkSettings::default();
    for (key, value) in sizes {
        settings.set(key, value);
    }
    settings
}

/// Weights that look random and are the same each time.
fn weights_of(labels: usize) -> Vec<u8> {
    let config = TransformerConfig::of(ARCHITECTURE, &settings());
    let shapes = config.unwrap().unwrap().shapes(3, labels).0;
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let filled = shapes.into_iter().map(|(name, shape)| {
        let count: usize = shape.iter().product();
        let tensor = FoundTensor {
            found_as: name.clone(),
            values: (0..count).map(|_| next()).collect(),
            shape,
        };
        (name, tensor)
    });
    safetensors(filled.collect::<BTreeMap<_, _>>())
}

const LABELS: [&str; 2] = ["Pneumonia", "Effusion"];

/// The text of a card with these settings.
fn card_of(settings: NetworkSettings, weights: &[u8]) -> String {
    let label = |name| LabelCard::new(name, Question::Presence, Some(0.5));
    let card = ModelCard {
        name: "small".to_owned(),
        version: "1".to_owned(),
        architecture: ARCHITECTURE.to_owned(),
        input_size: 224,
        preprocess: preprocess::CHEXNET_224_1.to_owned(),
        network: Some(settings),
        labels: LABELS.map(label).into(),
        sha256: hex(&Sha256::digest(weights)),
        ..ModelCard::default()
    };
    write_card(&card).unwrap()
}

fn attentive(compute: Compute) -> Classifier {
    let weights = weights_of(LABELS.len());
    Classifier::computed(&card_of(settings(), &weights), &weights, compute).unwrap()
}

#[test]
fn attention_stands_in_the_place_of_maps_and_is_no_evidence() {
    let model = attentive(Compute::default());
    let (said, features) = model.classify_with_features(&film()).unwrap();
    assert_eq!((said.findings.len(), features.len()), (2, 12));
    let maps = said.activation.as_deref().unwrap();
    assert!(maps.labels.is_empty());
    assert_eq!((maps.width, maps.height), (CELLS, CELLS));
    let average = maps.attention.iter().sum::<f32>() / (CELLS * CELLS) as f32;
    assert!((average - 1.0).abs() < 1e-4, "{average}");
    let spread = maps
        .attention
        .iter()
        .any(|share| (share - 1.0).abs() > 1e-3);
    assert!(spread, "all places are alike");
    let label = HeatMapChoice::Label(Pathology("Effusion".to_owned()));
    for choice in [HeatMapChoice::Foremost, label] {
        let map = said.heat_map(&choice).unwrap();
        assert_eq!(map.subject, HeatMapSubject::Attention);
        assert_eq!(map.values, maps.attention);
    }
    assert_eq!(said.lungs.unwrap().evidence_inside, None);
}

#[test]
fn each_engine_gives_the_same_scores_and_the_same_attention() {
    let kernels = attentive(Compute::default()).classify(&film()).unwrap();
    let engine = Engine::Candle;
    let candle = Compute {
        engine,
        ..Compute::default()
    };
    let candle = attentive(candle).classify(&film()).unwrap();
    let attention = |said: &Prediction| said.activation.as_deref().unwrap().attention.clone();
    for (one, other) in attention(&kernels).iter().zip(attention(&candle)) {
        assert!((one - other).abs() < 1e-4, "{one} {other}");
    }
    for (one, other) in kernels.findings.iter().zip(&candle.findings) {
        assert!((one.logit - other.logit).abs() < 1e-4, "{one:?} {other:?}");
    }
}

#[test]
fn a_setting_that_no_network_has_is_an_error_of_the_card() {
    let weights = weights_of(LABELS.len());
    let wrong = settings().with("num_attention_heads", 5);
    let error = Classifier::from_parts(&card_of(wrong, &weights), &weights);
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("[network] num_attention_heads does not divide hidden_size"),
        "{error}"
    );
}
