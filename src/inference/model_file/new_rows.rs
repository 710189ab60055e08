//! New rows of the last layer and of the outcomes, in a file of weights.

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::super::prognosis::{FeatureRow, TENSORS};
use super::super::{InferenceError, network, weights};
use crate::domain::ModelCard;

/// The entry of `__metadata__` that the weights of an adapted model have. Others, such as the layers of a network from a
/// graph, stay as they are.
const ADAPTED: &str = "cxr.adapted";

/// A new row of the last layer: `scale` times the old row, plus `weight` and `bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadRow {
    /// The index of the label, in the card's order. A product has no row.
    pub label: usize,
    pub scale: f64,
    /// `[C]`
    pub weight: Vec<f64>,
    pub bias: f64,
}

/// The row of one outcome in `prognosis.weight` and `prognosis.bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrognosisRow {
    /// As on the new card.
    pub outcome: String,
    /// Its sigmoid is the score.
    pub row: FeatureRow,
}

/// A safetensors file with these tensors, in place of those of the same names.
pub fn with_parts(
    bytes: &[u8],
    parts: &[HeadPart],
    signature: String,
) -> Result<Vec<u8>, InferenceError> {
    let fault = |error: safetensors::SafeTensorError| InferenceError::Weights(error.to_string());
    let stored = SafeTensors::deserialize(bytes).map_err(fault)?;
    let mut views: Vec<(&str, TensorView)> = stored
        .iter()
        .filter(|(name, _)| parts.iter().all(|part| part.name != *name))
        .collect();
    for part in parts {
        let view = TensorView::new(Dtype::F32, part.shape.clone(), &part.bytes).map_err(fault)?;
        views.push((part.name, view));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(fault)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    metadata.insert(ADAPTED.to_owned(), signature);
    let is_alone = metadata.len() == 1;
    let made = serialize(views, Some(metadata)).map_err(fault)?;
    if is_alone { Ok(made) } else { in_order(&made) }
}

/// The same file with the members of its header in the order of their names: several texts of the metadata would come
/// in another order each time, and the digest with them.
fn in_order(bytes: &[u8]) -> Result<Vec<u8>, InferenceError> {
    let fault = || InferenceError::Weights("a header that cannot be written".to_owned());
    let (length, rest) = bytes.split_first_chunk().ok_or_else(fault)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| fault())?;
    let (header, values) = rest.split_at_checked(length).ok_or_else(fault)?;
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|_| fault())?;
    let mut header = header.to_string();
    let padding = header.len().next_multiple_of(8) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    let length = (header.len() as u64).to_le_bytes();
    Ok([&length[..], header.as_bytes(), values].concat())
}

/// A new tensor: of the last layer, or of the outcomes.
pub struct HeadPart {
    name: &'static str,
    shape: Vec<usize>,
    /// Little-endian `f32`.
    bytes: Vec<u8>,
}

/// Both tensors of a linear layer with these rows, as `f32`.
fn linear_parts(names: [&'static str; 2], weight: &[f32], bias: &[f32]) -> Vec<HeadPart> {
    let le = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let [weight_name, bias_name] = names;
    let rows = bias.len();
    vec![
        HeadPart {
            name: weight_name,
            shape: vec![rows, weight.len() / rows.max(1)],
            bytes: le(weight),
        },
        HeadPart {
            name: bias_name,
            shape: vec![rows],
            bytes: le(bias),
        },
    ]
}

/// The tensors of the outcomes of the new card, `after`: new rows, and the old ones of other outcomes. Empty if there are
/// no new rows.
pub fn outcomes_with(
    bytes: &[u8],
    before: &ModelCard,
    after: &ModelCard,
    rows: &[PrognosisRow],
) -> Result<Vec<HeadPart>, InferenceError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tensors = weights::Tensors::parse(bytes)?;
    let (_, channels) = network::head(before, &tensors)?.0.weight().dims2()?;
    let old = &before.prognoses;
    let (old_weight, old_bias) = if old.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        let weight = tensors.values(TENSORS[0], &[old.len(), channels])?;
        (weight, tensors.values(TENSORS[1], &[old.len()])?)
    };
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    for card in &after.prognoses {
        let new = rows.iter().find(|row| row.outcome == card.outcome);
        let kept = old.iter().position(|old| old.outcome == card.outcome);
        match (new.map(|new| &new.row), kept) {
            (Some(row), _) if row.weight.len() == channels => {
                weight.extend(row.weight.iter().map(|value| *value as f32));
                bias.push(row.bias as f32);
            }
            (None, Some(at)) => {
                weight.extend_from_slice(&old_weight[at * channels..][..channels]);
                bias.push(old_bias[at]);
            }
            _ => {
                return Err(InferenceError::Weights(format!(
                    "the outcome {} has no row of {channels} values",
                    card.outcome
                )));
            }
        }
    }
    Ok(linear_parts(TENSORS, &weight, &bias))
}

/// The last layer with new rows, as `f32`; empty if there are no new rows.
pub fn head_with(
    bytes: &[u8],
    card: &ModelCard,
    rows: &[HeadRow],
) -> Result<Vec<HeadPart>, InferenceError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tensors = weights::Tensors::parse(bytes)?;
    let (head, names) = network::head(card, &tensors)?;
    let (labels, channels) = head.weight().dims2()?;
    let mut weight = tensors.values(names[0], &[labels, channels])?;
    let mut bias = tensors.values(names[1], &[labels])?;
    for row in rows {
        let output = card.output_of(row.label);
        let Some(output) = output.filter(|_| row.weight.len() == channels) else {
            return Err(InferenceError::Weights(format!(
                "a row of {} values for label {} does not fit a last layer of {labels} × {channels}",
                row.weight.len(),
                row.label
            )));
        };
        let range = output * channels..(output + 1) * channels;
        for (value, added) in weight[range].iter_mut().zip(&row.weight) {
            *value = (row.scale * f64::from(*value) + added) as f32;
        }
        bias[output] = (row.scale * f64::from(bias[output]) + row.bias) as f32;
    }
    Ok(linear_parts(names, &weight, &bias))
}
