//! The import of Keras files: layers, weights in PyTorch's layout, and a card.
//! [`network::keras_sequential`](super::network::keras_sequential) computes the model.

mod plan;
mod weights;

use std::collections::{BTreeMap, HashMap};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::plan::{End, KerasPlan};
use self::weights::Weights;
use super::InferenceError;
use super::card::write_card;
use super::network::keras_sequential::{KerasLayer, KerasShape, LAYERS, NAME};
use super::preprocess::{KERAS_224_1, KERAS_SIDE as SIDE};
use crate::domain::hex::hex;
use crate::domain::{LabelCard, ModelCard, Question};

/// Shape and values, row by row.
type ShapedValues = (Vec<usize>, Vec<f32>);

/// The safetensors file and the card of a Keras `Sequential` model.
///
/// `config` is its `model_config` (JSON). `tensors` are named by their path in the file. A single output without
/// `labels` is the Streamlit demo's, where less than 0.5 means COVID-19: its score becomes 1 − σ. Every weight must
/// be there, and no other tensor.
///
/// # Errors
/// [`InferenceError::Keras`], if a layer is of another kind, a weight is absent, of another shape,
/// left over or not a number, or the labels are not as many as the outputs.
pub fn assemble_keras(
    config: &str,
    tensors: BTreeMap<String, ShapedValues>,
    labels: Option<Vec<String>>,
    name: &str,
) -> Result<(Vec<u8>, String), InferenceError> {
    assemble(config, tensors, labels, name).map_err(InferenceError::Keras)
}

fn assemble(
    config: &str,
    tensors: BTreeMap<String, ShapedValues>,
    labels: Option<Vec<String>>,
    name: &str,
) -> Result<(Vec<u8>, String), String> {
    let config: Value = serde_json::from_str(config).map_err(|e| format!("its layers: {e}"))?;
    let mut plan = KerasPlan::of(&config)?;
    let end = plan
        .end
        .ok_or("it does not end in a sigmoid or a softmax")?;
    let outputs = match plan.shape {
        KerasShape::Flat(outputs) => outputs,
        KerasShape::Image(_) => return Err("it ends in images, not in numbers".to_owned()),
    };
    let is_demo = labels.is_none() && end == End::Sigmoid && outputs == 1;
    match (end, outputs) {
        (End::Softmax, 1) => return Err("a softmax of one output is always 1".to_owned()),
        (End::Softmax, _) => plan.layers.push(KerasLayer::LogOdds),
        (End::Sigmoid, _) if is_demo => plan.layers.push(KerasLayer::Negate),
        (End::Sigmoid, _) => {}
    }
    let labels = match labels {
        _ if is_demo => vec!["COVID-19".to_owned()],
        None => return Err(format!("it has {outputs} outputs: name them with --labels")),
        Some(labels) if labels.len() != outputs => {
            return Err(format!(
                "it has {outputs} outputs, and {} labels",
                labels.len()
            ));
        }
        Some(labels) => labels,
    };
    let weights = Weights::new(tensors).laid_out(&plan)?;
    let bytes = safetensors(&weights, &plan.layers)?;
    let card = card(name, &labels, is_demo, &bytes);
    let card = write_card(&card).map_err(|error| error.to_string())?;
    Ok((bytes, card))
}

fn safetensors(
    tensors: &BTreeMap<String, ShapedValues>,
    layers: &[KerasLayer],
) -> Result<Vec<u8>, String> {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            (name, shape, bytes.collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name, TensorView::new(Dtype::F32, (*shape).clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| e.to_string())?;
    let layers = serde_json::to_string(layers).map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(LAYERS.to_owned(), layers)]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

/// The card of the model: nothing on it is measured by cxr.
fn card(name: &str, labels: &[String], is_demo: bool, weights: &[u8]) -> ModelCard {
    let mut limits = vec![
        "Imported from a Keras file. cxr has not measured it.".to_owned(),
        "No heat map: it does not end in an average and one linear layer.".to_owned(),
    ];
    if is_demo {
        limits.push(
            "As in the Streamlit demo, an output σ below 0.5 means COVID-19, so that the score here is 1 − σ."
                .to_owned(),
        );
    }
    let point = is_demo.then_some(0.5);
    let label = |label: &String| LabelCard::new(label, Question::Presence, point);
    ModelCard {
        name: name.to_owned(),
        version: "imported".to_owned(),
        architecture: NAME.to_owned(),
        input_size: SIDE,
        preprocess: KERAS_224_1.to_owned(),
        labels: labels.iter().map(label).collect(),
        licence: "unknown: ask its authors".to_owned(),
        training_data: "unknown".to_owned(),
        pretrained: "unknown".to_owned(),
        limits,
        sha256: hex(&Sha256::digest(weights)),
        ..ModelCard::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of a model with these layers. Its weights are zero, and named as in an HDF5 file.
    fn error(layers: &str, labels: Option<&[&str]>) -> String {
        let input = r#"{"class_name":"InputLayer","config":{"batch_shape":[null,224,224,3]}}"#;
        let config =
            format!(r#"{{"class_name":"Sequential","config":{{"layers":[{input},{layers}]}}}}"#);
        let labels = labels.map(|labels| labels.iter().map(|l| (*l).to_owned()).collect());
        let weights = [("d/d/kernel:0", vec![150_528, 2]), ("d/d/bias:0", vec![2])];
        let weights = weights.into_iter().map(|(name, shape)| {
            let count = shape.iter().product();
            (name.to_owned(), (shape, vec![0.0; count]))
        });
        assemble(&config, weights.collect(), labels, "m").unwrap_err()
    }

    #[test]
    fn a_model_that_cannot_be_imported_is_an_error_that_says_why() {
        const FLAT: &str = r#"{"class_name":"Flatten","config":{"name":"f"}}"#;
        let dense = |units: usize, activation: &str| {
            format!(
                r#"{FLAT},{{"class_name":"Dense","config":{{"name":"d","units":{units},"activation":"{activation}"}}}}"#
            )
        };
        for (layers, labels, words) in [
            (dense(2, "linear"), None, "does not end in a sigmoid"),
            (dense(2, "softmax"), None, "2 outputs: name them with --labels"),
            (dense(2, "softmax"), Some(&["a"][..]), "2 outputs, and 1 labels"),
            (dense(1, "softmax"), Some(&["a"]), "always 1"),
            (dense(2, "tanh"), None, "the activation tanh"),
            (dense(3, "sigmoid"), Some(&["a", "b", "c"]), "shape [150528, 2], not [150528, 3]"),
            (dense(2, "sigmoid").replace("\"d\"", "\"e\""), Some(&["a", "b"]), "kernel of e is absent"),
            (r#"{"class_name":"LSTM","config":{"name":"l"}}"#.into(), None, "l is a LSTM"),
            (
                r#"{"class_name":"Conv2D","config":{"name":"c","filters":1,"kernel_size":[3,3],"strides":[2,2]}}"#.into(),
                None,
                "c has strides",
            ),
            (
                r#"{"class_name":"MaxPooling2D","config":{"name":"p","pool_size":[300,2]}}"#.into(),
                None,
                "does not fit",
            ),
        ] {
            let fault = error(&layers, labels);
            assert!(fault.contains(words), "{fault}");
            assert!(!fault.contains('\n'));
        }
        let flat = [r#"{"class_name":"Flatten","config":{"name":"f"}}"#; 1_000];
        let many = format!(
            r#"{{"class_name":"Sequential","config":[{},{}]}}"#,
            flat[0],
            flat.join(",")
        );
        let many = assemble(&many, BTreeMap::new(), None, "m").unwrap_err();
        assert!(
            many.contains("1001 layers, and at most 1000 are read"),
            "{many}"
        );
        let other = assemble(r#"{"class_name":"Functional"}"#, BTreeMap::new(), None, "m");
        assert!(other.unwrap_err().contains("Functional, not Sequential"));
        let small = assemble(
            r#"{"class_name":"Sequential","config":{"layers":[{"class_name":"InputLayer","config":{"batch_shape":[null,150,150,3]}}]}}"#,
            BTreeMap::new(),
            None,
            "m",
        );
        assert!(small.unwrap_err().contains("150 × 150 × 3"));
    }
}
