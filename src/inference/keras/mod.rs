//! From what a Keras file holds to a model of cxr's: layers, weights as PyTorch lays them out, and a
//! card. [`network::keras_sequential`](super::network::keras_sequential) runs it.

mod plan;
mod weights;

use std::collections::{BTreeMap, HashMap};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use sha2::{Digest, Sha256};
use toml::Table;

use self::plan::{End, KerasPlan};
use self::weights::Weights;
use super::network::keras_sequential::{KerasLayer, KerasShape, LAYERS, NAME};
use super::preprocess::{KERAS_224_1, KERAS_SIDE as SIDE};
use super::{InferenceError, card};

/// Shape and values, row by row.
type ShapedValues = (Vec<usize>, Vec<f32>);

/// The safetensors file and the card of a Keras `Sequential` model.
///
/// `config` is its `model_config` (JSON). `tensors` are named by their place in the file. A single
/// output without `labels` is the Streamlit demo's, where less than a half means COVID-19: its score
/// becomes 1 − σ. Nothing is left out and nothing made up: every weight must be there, and no other.
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
    Ok((bytes.clone(), card_text(name, &labels, is_demo, &bytes)))
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

fn card_text(name: &str, labels: &[String], is_demo: bool, weights: &[u8]) -> String {
    let mut limits = vec![
        "Somebody else's model, imported from a Keras file; cxr has not measured it.",
        "No heat map: it does not end in an average and one linear layer.",
    ];
    if is_demo {
        limits.push(
            "Read as the Streamlit demo reads it: its output σ below 0.5 means COVID-19, so the score \
             here is 1 − σ.",
        );
    }
    let label = |label: &String| {
        let mut table = Table::new();
        table.insert("name".into(), label.as_str().into());
        table.insert("question".into(), "presence".into());
        if is_demo {
            table.insert("operating_point".into(), 0.5.into());
        }
        toml::Value::Table(table)
    };
    let digest = Sha256::digest(weights);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = |text: &str| toml::Value::from(text);
    let card: Table = [
        ("name", text(name)),
        ("version", text("imported")),
        ("architecture", text(NAME)),
        ("input_size", (SIDE as i64).into()),
        ("preprocess", text(KERAS_224_1)),
        ("licence", text("unknown: ask whoever made it")),
        ("pretrained", text("unknown")),
        ("training_data", text("unknown")),
        (
            "limits",
            limits.into_iter().map(text).collect::<Vec<_>>().into(),
        ),
        ("sha256", text(&digest)),
        ("label", labels.iter().map(label).collect::<Vec<_>>().into()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    // The names of labels come from people; the card is read again before it is used.
    let card = card.to_string();
    debug_assert!(card::parse_card(&card).is_ok());
    card
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of these layers, `input` pixels a side, with weights of zero in an HDF5 file's places.
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
    fn what_is_not_such_a_model_is_said() {
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
