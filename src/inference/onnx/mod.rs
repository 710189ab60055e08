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
//! [`network::imported`](super::network::imported) loads what is stored. A graph that these layers cannot say, such as a
//! transformer, keeps its operators ([`whole`]), and [`network::graph`](super::network::graph) computes them.

mod arrange;
mod constant;
mod convolution;
mod draft;
mod elementwise;
mod emit;
mod end;
mod error;
mod fold;
mod fuse;
mod graph;
mod node;
mod operators;
mod pooling;
mod sound;
#[cfg(test)]
mod tests;
mod view;
mod whole;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use self::emit::{EmittedNetwork, emit};
use self::end::{GraphEnd, scores_node};
pub use self::error::OnnxError;
use self::graph::GraphValues;
use self::node::shown;
use self::sound::refuse_unsound;
use self::view::{MapShape, MapView};
use self::whole::{GraphImage, WholeNetwork};
use super::card::{parse_card, write_card};
use super::family::first_limits;
use super::model_file::{LARGEST_CARD, LARGEST_WEIGHTS};
use super::network::{graph as kept, imported};
use super::outputs::{NetworkOutputs, ScoreFunction};
use super::preprocess::recipe_name;
use super::tensor_file::{FoundTensor, safetensors_with};
use crate::domain::hex::hex;
use crate::domain::text::clean;
use crate::domain::{ModelCard, OnnxData, OnnxGraph, OnnxInput, PreprocessRecipe};

/// The versions of the standard operators that are read. The operators of cxr mean the same in all of them.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=26;
/// The output that is taken where there are several.
const LOGITS: &str = "logits";
/// The most bytes of the steps of a graph whose operators are kept. They are in the header of the weights.
const LONGEST_STEPS: usize = 4 << 20;

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

/// What a graph became.
struct ReadGraph {
    architecture: &'static str,
    tensors: BTreeMap<String, FoundTensor>,
    /// The key of the safetensors file's metadata, and what is under it.
    metadata: (&'static str, String),
    /// What the card says of it.
    limits: Vec<String>,
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
    let image = image_of(options)?;
    let read = network_of(graph, image)?;
    let outputs = outputs_of(read.outputs, read.end, options)?;
    let EmittedNetwork {
        network, tensors, ..
    } = read;
    let checked = network.check(image[1]);
    checked.map_err(|error| OnnxError::new(error.to_string()))?;
    let layers = network.text();
    let layers = layers.map_err(|error| OnnxError::new(error.to_string()))?;
    let (architecture, limits) = if network.ends_in_averages {
        (imported::NAME, Vec::new())
    } else {
        let limit = "No exact heat map: it does not end in an average and one layer of weights.";
        (imported::HIDDEN, vec![limit.to_owned()])
    };
    let read = ReadGraph {
        architecture,
        tensors,
        metadata: (imported::LAYERS, layers),
        limits,
    };
    assembled(read, outputs, origin, options, name)
}

/// As [`assemble_onnx`], for a graph that cxr's layers cannot say: its operators are kept.
///
/// # Errors
/// As there.
pub fn assemble_onnx_graph(
    graph: OnnxGraph,
    options: &OnnxOptions,
    name: &str,
) -> Result<(Vec<u8>, String), OnnxError> {
    let origin = origin(&graph);
    let image = image_of(options)?;
    let read = whole_of(graph, image)?;
    let outputs = outputs_of(read.outputs, read.end, options)?;
    let steps = serde_json::to_string(&read.graph);
    let steps = steps.map_err(|error| OnnxError::new(error.to_string()))?;
    if steps.len() > LONGEST_STEPS {
        return Err(OnnxError::new(
            "its steps and whole numbers take more room than those of any model that cxr reads",
        ));
    }
    let limits = [
        "No exact heat map: the operators of its graph are kept as they are.",
        "Its operators are computed one by one, by candle, and --engine does not change that. On a CPU they take longer \
         than a network that the kernels compute.",
    ];
    let read = ReadGraph {
        architecture: kept::NAME,
        tensors: read.tensors,
        metadata: (kept::GRAPH, steps),
        limits: limits.map(str::to_owned).into(),
    };
    assembled(read, outputs, origin, options, name)
}

/// The shape of an image after the preprocessing.
fn image_of(options: &OnnxOptions) -> Result<MapShape, OnnxError> {
    let made = options.recipe.check();
    let made = made.map_err(|error| OnnxError::mendable(format!("--preprocess: {error}")))?;
    Ok([made.channels, made.side, made.side])
}

/// The safetensors file and the card.
fn assembled(
    read: ReadGraph,
    outputs: NetworkOutputs,
    origin: String,
    options: &OnnxOptions,
    name: &str,
) -> Result<(Vec<u8>, String), OnnxError> {
    let side = image_of(options)?[1];
    let mut tensors = read.tensors;
    outputs.arrange(&mut tensors, imported::HEAD);
    let (key, text) = &read.metadata;
    let weights = safetensors_with(tensors, Some((*key, text)));
    if weights.len() as u64 > LARGEST_WEIGHTS {
        let most = LARGEST_WEIGHTS >> 20;
        return Err(OnnxError::new(format!(
            "more than {most} MiB in single precision"
        )));
    }
    let mut limits = first_limits();
    limits.extend(outputs.limits());
    limits.extend(read.limits);
    let card = ModelCard {
        name: clean(name),
        version: "imported".to_owned(),
        architecture: read.architecture.to_owned(),
        input_size: side,
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
    if card.len() as u64 > LARGEST_CARD {
        return Err(OnnxError::mendable(
            "--labels: its names are longer than a card may be",
        ));
    }
    Ok((weights, card))
}

/// What the card says of the file.
fn origin(graph: &OnnxGraph) -> String {
    let OnnxGraph {
        opset,
        producer,
        sha256,
        data,
        ..
    } = graph;
    let data = match data {
        None => String::new(),
        Some(OnnxData { files: 1, sha256 }) => {
            format!(", with the file of its data, SHA-256 {sha256}")
        }
        Some(OnnxData { files, sha256 }) => format!(
            ", with the {files} files of its data, SHA-256 of one after the other in the order of their names {sha256}"
        ),
    };
    let by = if producer.is_empty() {
        String::new()
    } else {
        format!(" by {}", shown(producer))
    };
    format!("an ONNX graph{by} (operators of version {opset}), SHA-256 {sha256}{data}, unchanged")
}

/// The network of a graph, for images of this shape.
fn network_of(graph: OnnxGraph, image: MapShape) -> Result<EmittedNetwork, OnnxError> {
    check_opset(graph.opset)?;
    let (input, images) = input_of(&graph.inputs, image)?;
    let output = output_of(&graph.outputs)?.to_owned();
    refuse_unsound(&graph.nodes, &graph.constants, &input.0, &output).map_err(OnnxError::new)?;
    scores_node(&graph.nodes, &input.0, &output).map_err(OnnxError::new)?;
    let OnnxGraph {
        nodes, constants, ..
    } = graph;
    let mut values = GraphValues::new(constants, input, image, images);
    let value = operators::read(&mut values, &nodes, &output).map_err(OnnxError::of_layers)?;
    let shape = values.drafts.shape(value.draft);
    if value.view.row_axes().is_none() {
        let words = value.view.words(shape);
        return Err(OnnxError::of_layers(format!(
            "its output {} is {words}, and not a row of numbers for each image",
            shown(&output)
        )));
    }
    emit(values.into_drafts(), value.draft).map_err(OnnxError::of_layers)
}

/// The network of a graph whose operators are kept, for images of this shape.
fn whole_of(graph: OnnxGraph, [channels, side, _]: MapShape) -> Result<WholeNetwork, OnnxError> {
    check_opset(graph.opset)?;
    let ((name, view), images) = input_of(&graph.inputs, [channels, side, side])?;
    if let Some(images) = images.filter(|images| *images != 1) {
        return Err(OnnxError::new(format!(
            "it is for {images} images at once: export it for one, or for any number"
        )));
    }
    let output = output_of(&graph.outputs)?.to_owned();
    refuse_unsound(&graph.nodes, &graph.constants, &name, &output).map_err(OnnxError::new)?;
    let image = GraphImage {
        name,
        channels,
        side,
        channels_last: view != MapView::map(),
    };
    // A step that candle does not expect must not end the program.
    let read = catch_unwind(AssertUnwindSafe(|| whole::read(graph, image, &output)));
    let read = read.unwrap_or_else(|_| Err("one of its operators cannot be computed".to_owned()));
    read.map_err(OnnxError::new)
}

fn check_opset(opset: i64) -> Result<(), OnnxError> {
    if OPSETS.contains(&opset) {
        return Ok(());
    }
    Err(OnnxError::new(format!(
        "its operators are of version {opset}, and cxr reads {} to {}",
        OPSETS.start(),
        OPSETS.end()
    )))
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
fn outputs_of(
    count: usize,
    end: GraphEnd,
    options: &OnnxOptions,
) -> Result<NetworkOutputs, OnnxError> {
    let of_graph = match end {
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
