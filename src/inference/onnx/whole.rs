//! Graphs that cxr's layers cannot say, such as transformers: the operators are kept, as
//! [`network::graph`](crate::inference::network::graph) computes them.
//!
//! The graph is computed once, for one image of zeros. What does not depend on the image, the arithmetic of shapes among
//! it, becomes constants; so the steps that stay have shapes that fit. A last layer of weights is taken off, so that it can
//! be refitted.

mod numbers;
mod reading;

use std::collections::BTreeMap;

use self::reading::GraphReading;
use super::end::{GraphEnd, refuse_part_of_outputs, scores_node};
use crate::domain::OnnxGraph;
use crate::inference::network::graph::{HEAD, StoredGraph};
use crate::inference::tensor_file::FoundTensor;

/// A network whose operators are kept.
pub struct WholeNetwork {
    pub graph: StoredGraph,
    pub tensors: BTreeMap<String, FoundTensor>,
    pub end: GraphEnd,
    pub outputs: usize,
}

/// The image as the graph names and orders it.
pub struct GraphImage {
    pub name: String,
    pub channels: usize,
    pub side: usize,
    pub channels_last: bool,
}

/// The network that makes the value `output` of an image.
///
/// # Errors
/// If an operator is none that cxr has, or the result is not a row of numbers; the reason names the node.
pub fn read(graph: OnnxGraph, image: GraphImage, output: &str) -> Result<WholeNetwork, String> {
    let OnnxGraph {
        opset,
        nodes,
        constants,
        ..
    } = graph;
    let scores = scores_node(&nodes, &image.name, output)?;
    let (output, end) = scores.map_or((output, GraphEnd::Logits), |s| (s.before, s.end));
    let (mut reading, output) = GraphReading::new(&nodes, constants, &image.name, output)?;
    let last = reading.last_layer(output);
    let zeros = reading.compute(opset, &image, output, last.as_ref())?;
    let outputs = zeros.outputs;
    if let Some(softmax) = scores.filter(|scores| scores.end == GraphEnd::Softmax) {
        refuse_part_of_outputs(softmax.node, opset, &zeros.shape)?;
    }
    let mut tensors = BTreeMap::new();
    let head = last.and_then(|last| reading.head(&last, &zeros));
    let (value, features) = match head {
        Some(head) => {
            let made = (head.value, head.features);
            insert_head(&mut tensors, head.features, head.weight, head.bias);
            made
        }
        None => {
            // Without a last layer of weights, each output is its own feature.
            let diagonal = |at: usize| {
                if at.is_multiple_of(outputs + 1) {
                    1.0
                } else {
                    0.0
                }
            };
            let weight = (0..outputs * outputs).map(diagonal).collect();
            insert_head(&mut tensors, outputs, weight, vec![0.0; outputs]);
            (output, outputs)
        }
    };
    let (steps, constants) = reading.remaining(value, &mut tensors)?;
    if steps.is_empty() {
        return Err("it has no layers before the last one".to_owned());
    }
    Ok(WholeNetwork {
        graph: StoredGraph {
            opset,
            channels: image.channels,
            side: image.side,
            channels_last: image.channels_last,
            values: reading.constants.len(),
            constants,
            steps,
            output: value,
            features,
        },
        tensors,
        end,
        outputs,
    })
}

fn insert_head(
    tensors: &mut BTreeMap<String, FoundTensor>,
    features: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
) {
    let [weight_name, bias_name] = HEAD;
    let mut insert = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
        let found_as = name.to_owned();
        let tensor = FoundTensor {
            found_as,
            shape,
            values,
        };
        tensors.insert(name.to_owned(), tensor);
    };
    let outputs = bias.len();
    insert(weight_name, vec![outputs, features], weight);
    insert(bias_name, vec![outputs], bias);
}
