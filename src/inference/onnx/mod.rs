//! The import of ONNX graphs: from operators to the layers that cxr computes with its kernels, or by candle.
//!
//! ```text
//! OnnxGraph ─ operators ─► drafts: one layer for each operation ─ fuse ─► merged layers ─ emit ─► StoredNetwork, weights
//!                │  ▲
//!                ▼  │
//!               fold: what is known without an image
//! ```
//!
//! A value of the graph is a constant or a map of each image. Transpositions and new shapes only name the axes of a map
//! in another way ([`view`]). An operator that cxr does not have, or not in this way, is refused with its node.
//! [`network::imported`](super::network::imported) loads what is stored.

mod arrange;
mod constant;
mod convolution;
mod draft;
mod elementwise;
mod emit;
mod fold;
mod fuse;
mod graph;
mod node;
mod operators;
mod pooling;
#[cfg(test)]
mod tests;
mod view;

use sha2::{Digest, Sha256};

use self::emit::{EmittedNetwork, GraphEnd, emit};
use self::graph::GraphValues;
use self::node::shown;
use self::view::{MapShape, MapView};
use super::card::{parse_card, write_card};
use super::family::first_limits;
use super::network::imported;
use super::outputs::{NetworkOutputs, ScoreFunction};
use super::preprocess::recipe_name;
use super::tensor_file::safetensors_with;
use crate::domain::hex::hex;
use crate::domain::text::clean;
use crate::domain::{ModelCard, OnnxGraph, OnnxInput, PreprocessRecipe};

/// The versions of the standard operators that are read. The operators of cxr mean the same in all of them.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=26;
/// The output that is taken where there are several.
const LOGITS: &str = "logits";

/// What a user says of a graph.
#[derive(Debug, Clone)]
pub struct OnnxOptions {
    /// The names of the outputs, in order.
    pub labels: Option<Vec<String>>,
    /// What makes scores of the outputs; `None` where the graph says it.
    pub scores: Option<ScoreFunction>,
    /// What is done to an image before the graph sees it.
    pub recipe: PreprocessRecipe,
}

/// Why a graph is not imported, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct OnnxError {
    reason: String,
    is_mendable: bool,
}

impl OnnxError {
    fn new(reason: impl AsRef<str>) -> Self {
        OnnxError {
            reason: clean(reason.as_ref()),
            is_mendable: false,
        }
    }

    /// The same, where an option that the reason names would help.
    fn mendable(reason: impl AsRef<str>) -> Self {
        OnnxError {
            is_mendable: true,
            ..OnnxError::new(reason)
        }
    }

    /// Whether another option would help.
    pub fn is_mendable(&self) -> bool {
        self.is_mendable
    }
}

/// The safetensors file of a graph, and the text of its card with this `name`.
///
/// # Errors
/// If an operator is none that cxr has, the graph takes other images than the preprocessing makes, does not end in one
/// number for each label, or a weight is not a number.
pub fn assemble_onnx(
    graph: OnnxGraph,
    options: &OnnxOptions,
    name: &str,
) -> Result<(Vec<u8>, String), OnnxError> {
    let origin = origin(&graph);
    let made = options.recipe.check();
    let made = made.map_err(|error| OnnxError::mendable(format!("--preprocess: {error}")))?;
    let image = [made.channels, made.side, made.side];
    let read = network_of(graph, image)?;
    let outputs = outputs_of(&read, options)?;
    let EmittedNetwork {
        network,
        mut tensors,
        ..
    } = read;
    let checked = network.check(made.side);
    checked.map_err(|error| OnnxError::new(error.to_string()))?;
    outputs.arrange(&mut tensors, imported::HEAD);
    let layers = network.text();
    let layers = layers.map_err(|error| OnnxError::new(error.to_string()))?;
    let weights = safetensors_with(tensors, Some((imported::LAYERS, &layers)));
    let mut limits = first_limits();
    limits.extend(outputs.limits());
    if !network.ends_in_averages {
        limits.push(
            "No exact heat map: it does not end in an average and one layer of weights.".to_owned(),
        );
    }
    let card = ModelCard {
        name: clean(name),
        version: "imported".to_owned(),
        architecture: if network.ends_in_averages {
            imported::NAME.to_owned()
        } else {
            imported::HIDDEN.to_owned()
        },
        input_size: made.side,
        preprocess: recipe_name(&options.recipe),
        recipe: Some(options.recipe.clone()),
        labels: outputs.label_cards(),
        softmax: outputs.softmax_card(),
        licence: "not known to cxr: ask the authors of the file".to_owned(),
        training_data: "not known to cxr".to_owned(),
        pretrained: origin,
        limits,
        sha256: hex(&Sha256::digest(&weights)),
        ..ModelCard::default()
    };
    // A label may have the name of a column of tables.
    let card = write_card(&card).and_then(|card| parse_card(&card).map(|_| card));
    let card = card.map_err(|error| OnnxError::mendable(format!("--labels: {error}")))?;
    Ok((weights, card))
}

/// What the card says of the file.
fn origin(graph: &OnnxGraph) -> String {
    let OnnxGraph {
        opset,
        producer,
        sha256,
        ..
    } = graph;
    let by = if producer.is_empty() {
        String::new()
    } else {
        format!(" by {}", shown(producer))
    };
    format!("an ONNX graph{by} (operators of version {opset}), SHA-256 {sha256}, unchanged")
}

/// The network of a graph, for images of this shape.
fn network_of(graph: OnnxGraph, image: MapShape) -> Result<EmittedNetwork, OnnxError> {
    if !OPSETS.contains(&graph.opset) {
        return Err(OnnxError::new(format!(
            "its operators are of version {}, and cxr reads {} to {}",
            graph.opset,
            OPSETS.start(),
            OPSETS.end()
        )));
    }
    let (input, images) = input_of(&graph.inputs, image)?;
    let output = output_of(&graph.outputs)?.to_owned();
    let OnnxGraph {
        nodes, constants, ..
    } = graph;
    let mut values = GraphValues::new(constants, input, image, images);
    let value = operators::read(&mut values, &nodes, &output).map_err(OnnxError::new)?;
    let shape = values.drafts.shape(value.draft);
    if value.view.row_axes().is_none() {
        let words = value.view.words(shape);
        return Err(OnnxError::new(format!(
            "its output {} is {words}, and not a row of numbers for each image",
            shown(&output)
        )));
    }
    emit(values.into_drafts(), value.draft).map_err(OnnxError::new)
}

/// The name of the image with its axes, and the number of images that the graph is fixed to.
fn input_of(
    inputs: &[OnnxInput],
    image: MapShape,
) -> Result<((String, MapView), Option<usize>), OnnxError> {
    let [input] = inputs else {
        let names: Vec<String> = inputs.iter().take(4).map(|i| shown(&i.name)).collect();
        return Err(OnnxError::new(format!(
            "it has {} inputs ({}), and cxr gives it one image",
            inputs.len(),
            names.join(", ")
        )));
    };
    let name = input.name.clone();
    let Some(sizes) = &input.shape else {
        return Ok(((name, MapView::map()), None));
    };
    let [images, rest @ ..] = &sizes[..] else {
        return Err(OnnxError::new("its input is a single number"));
    };
    let [channels, rows, columns] = image;
    let is_fitting = |order: [usize; 3]| {
        let pairs = rest.iter().zip(order);
        let is_same = |(size, wanted): (&Option<usize>, usize)| size.is_none_or(|s| s == wanted);
        rest.len() == order.len() && pairs.into_iter().all(is_same)
    };
    if is_fitting([channels, rows, columns]) {
        Ok(((name, MapView::map()), *images))
    } else if is_fitting([rows, columns, channels]) {
        Ok(((name, MapView::channels_last()), *images))
    } else {
        let word = |size: &Option<usize>| size.map_or("?".to_owned(), |size| size.to_string());
        let words: Vec<String> = rest.iter().map(word).collect();
        Err(OnnxError::mendable(format!(
            "its input {} is {}, and --preprocess makes {channels} × {rows} × {columns}",
            shown(&name),
            words.join(" × ")
        )))
    }
}

/// The output with the scores.
fn output_of(outputs: &[String]) -> Result<&str, OnnxError> {
    match outputs {
        [output] => Ok(output),
        [] => Err(OnnxError::new("it has no output")),
        several => {
            let logits = several.iter().find(|name| *name == LOGITS);
            logits.map(String::as_str).ok_or_else(|| {
                let names: Vec<String> = several.iter().take(4).map(|name| shown(name)).collect();
                OnnxError::new(format!(
                    "it has {} outputs ({}), and none is called {LOGITS}: export it with the scores alone",
                    several.len(),
                    names.join(", ")
                ))
            })
        }
    }
}

/// The outputs by name, and what makes scores of them.
fn outputs_of(read: &EmittedNetwork, options: &OnnxOptions) -> Result<NetworkOutputs, OnnxError> {
    let count = read.outputs;
    let of_graph = match read.end {
        GraphEnd::Logits => None,
        GraphEnd::Sigmoid => Some(ScoreFunction::Sigmoid),
        GraphEnd::Softmax => Some(ScoreFunction::Softmax),
    };
    let scores = match (of_graph, options.scores) {
        (Some(of_graph), Some(asked)) if of_graph != asked => {
            return Err(OnnxError::mendable(
                "--scores: the graph ends in the other function itself",
            ));
        }
        (Some(scores), _) | (None, Some(scores)) => scores,
        (None, None) if count == 1 => ScoreFunction::Sigmoid,
        (None, None) => {
            return Err(OnnxError::mendable(format!(
                "it has {count} outputs and ends in neither a sigmoid nor a softmax: say which makes scores of them, \
                 with --scores sigmoid where several findings may be present, or --scores softmax where one of the \
                 classes is right"
            )));
        }
    };
    let Some(labels) = &options.labels else {
        let s = if count == 1 { "" } else { "s" };
        return Err(OnnxError::mendable(format!(
            "it has {count} output{s}: name them with --labels"
        )));
    };
    if labels.len() != count {
        let labels = labels.len();
        return Err(OnnxError::mendable(format!(
            "it has {count} outputs, and there are {labels} labels"
        )));
    }
    let outputs = NetworkOutputs::new(labels, scores);
    outputs.map_err(|reason| OnnxError::mendable(format!("--labels: {reason}")))
}
