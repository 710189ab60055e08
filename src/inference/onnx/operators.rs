//! From the nodes of a graph to layers: one function for each operator.

use std::collections::{HashMap, HashSet};

use super::arrange;
use super::constant::Constant;
use super::convolution;
use super::elementwise::{self, PairOperator};
use super::fold::fold;
use super::graph::{GraphValue, GraphValues, MapValue};
use super::node::{GraphNode, shown};
use super::pooling;
use crate::domain::OnnxNode;
use crate::inference::network::imported::StoredActivation;

/// Reads the nodes that a value needs, in order, and returns the value.
///
/// # Errors
/// If an operator is none that cxr has, or is used in another way; the reason names the node.
pub fn read(
    values: &mut GraphValues,
    nodes: &[OnnxNode],
    output: &str,
) -> Result<MapValue, String> {
    let needed = needed(nodes, output)?;
    for (node, is_needed) in nodes.iter().zip(needed) {
        if is_needed {
            let node = GraphNode(node);
            let value = value_of(values, node)?;
            values.set(node, value)?;
        }
    }
    match values.get(output) {
        Some(GraphValue::Map(value)) => Ok(value.clone()),
        Some(GraphValue::Constant(_)) => Err(format!(
            "its output {} does not depend on the image",
            shown(output)
        )),
        None => Err(format!("no node makes its output {}", shown(output))),
    }
}

/// Whether each node is needed for a value.
///
/// # Errors
/// If a value is made twice.
pub fn needed(nodes: &[OnnxNode], output: &str) -> Result<Vec<bool>, String> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (place, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if makers.insert(name, place).is_some() {
                let fault = format!("{} is made twice", shown(name));
                return Err(GraphNode(node).fault(fault));
            }
        }
    }
    let mut needed = vec![false; nodes.len()];
    let mut names: Vec<&str> = vec![output];
    let mut seen: HashSet<&str> = HashSet::new();
    while let Some(name) = names.pop() {
        if !seen.insert(name) {
            continue;
        }
        if let Some(place) = makers.get(name) {
            needed[*place] = true;
            names.extend(nodes[*place].inputs.iter().map(String::as_str));
        }
    }
    Ok(needed)
}

/// What a node makes.
fn value_of(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let inputs = values.inputs(node)?;
    let constants = inputs.iter().map(|input| match input {
        None => Some(None),
        Some(GraphValue::Constant(constant)) => Some(Some(constant)),
        Some(GraphValue::Map(_)) => None,
    });
    let constants: Option<Vec<Option<&Constant>>> = constants.collect();
    if let Some(constants) = constants {
        let made = fold(node, &constants, values.allowance())?;
        return values.spend(node, made);
    }
    of_maps(values, node)
}

/// What a node makes of values that depend on the image.
fn of_maps(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    match node.operator() {
        "Conv" => convolution::conv(values, node),
        "BatchNormalization" => convolution::batch_normalization(values, node),
        "Gemm" => convolution::gemm(values, node),
        "MatMul" => convolution::mat_mul(values, node),
        "MaxPool" => pooling::max_pool(values, node),
        "AveragePool" => pooling::average_pool(values, node),
        "GlobalAveragePool" => pooling::global_average(values, node),
        "GlobalMaxPool" => pooling::global_max(values, node),
        "ReduceMean" => pooling::reduce_mean(values, node),
        "Add" | "Sum" => elementwise::pair(values, node, PairOperator::Add),
        "Sub" => elementwise::pair(values, node, PairOperator::Subtract),
        "Mul" => elementwise::pair(values, node, PairOperator::Multiply),
        "Div" => elementwise::pair(values, node, PairOperator::Divide),
        "Relu" => elementwise::activation(values, node, StoredActivation::Relu),
        "Sigmoid" => elementwise::activation(values, node, StoredActivation::Sigmoid),
        "HardSwish" => elementwise::activation(values, node, StoredActivation::HardSwish),
        "HardSigmoid" => elementwise::hard_sigmoid(values, node),
        "Swish" => elementwise::swish(values, node),
        "Clip" => elementwise::clip(values, node),
        "Max" => elementwise::max(values, node),
        "Min" => elementwise::min(values, node),
        "Softmax" | "LogSoftmax" => elementwise::softmax(values, node),
        "Concat" => arrange::concat(values, node),
        "Pad" => arrange::pad(values, node),
        "Identity" | "Dropout" => arrange::same(values, node),
        "Cast" => arrange::cast(values, node),
        "Reshape" => arrange::reshape(values, node),
        "Flatten" => arrange::flatten(values, node),
        "Transpose" => arrange::transpose(values, node),
        "Squeeze" => arrange::squeeze(values, node),
        "Unsqueeze" => arrange::unsqueeze(values, node),
        "Shape" => {
            let counts = arrange::shape(values, node)?;
            values.spend(node, counts)
        }
        _ => Err(node.fault("an operator that cxr does not have in a network from a graph")),
    }
}
