//! What must hold of a graph, whether its operators become layers or are kept.

use std::collections::{BTreeMap, HashMap};

use super::node::{GraphNode, shown};
use super::operators::needed;
use crate::domain::{OnnxAttribute, OnnxNode, OnnxNumbers, OnnxTensor};

/// Refuses values that are made twice or read before they are made, and operators as they are in training.
///
/// # Errors
/// If there is such a node among those that `output` needs; the reason names it.
pub fn refuse_unsound(
    nodes: &[OnnxNode],
    constants: &BTreeMap<String, OnnxTensor>,
    image: &str,
    output: &str,
) -> Result<(), String> {
    // The values that nodes made, and the truth value of those that are one.
    let mut made: HashMap<&str, Option<bool>> = HashMap::from([(image, None)]);
    for (node, is_needed) in nodes.iter().zip(needed(nodes, output)?) {
        if !is_needed {
            continue;
        }
        let node = GraphNode(node);
        let is_absent = |name: &&String| {
            let is_known = made.contains_key(name.as_str()) || constants.contains_key(*name);
            !name.is_empty() && !is_known
        };
        if let Some(name) = node.0.inputs.iter().find(is_absent) {
            return Err(node.fault(format!(
                "it reads {}, which no node before it makes: the graph is a circle, or not in order",
                shown(name)
            )));
        }
        let is_true = |name: &String| match made.get(name.as_str()) {
            Some(truth) => *truth,
            None => constants.get(name).and_then(truth_of),
        };
        if is_in_training(node, is_true)? {
            return Err(node.fault("it was exported for training"));
        }
        let truth = constant_truth(node);
        let names = node.0.outputs.iter();
        made.extend(names.map(|name| (name.as_str(), truth)));
    }
    Ok(())
}

/// Whether a node computes as in training.
fn is_in_training(
    node: GraphNode,
    is_true: impl Fn(&String) -> Option<bool>,
) -> Result<bool, String> {
    match node.operator() {
        // Before version 14, further outputs say it.
        "BatchNormalization" => {
            let further = node.0.outputs.iter().skip(1).any(|name| !name.is_empty());
            Ok(further || node.integer("training_mode", 0)? != 0)
        }
        // Without this input it drops nothing. One that is no constant may be true.
        "Dropout" => {
            let mode = node.0.inputs.get(2).filter(|name| !name.is_empty());
            Ok(mode.is_some_and(|name| is_true(name) != Some(false)))
        }
        _ => Ok(false),
    }
}

/// The truth value that a `Constant` makes.
fn constant_truth(node: GraphNode) -> Option<bool> {
    if node.operator() != "Constant" {
        return None;
    }
    match node.0.attributes.values().next()? {
        OnnxAttribute::Tensor(tensor) => truth_of(tensor),
        OnnxAttribute::Integer(value) => Some(*value != 0),
        _ => None,
    }
}

/// A single truth value.
fn truth_of(tensor: &OnnxTensor) -> Option<bool> {
    match &tensor.numbers {
        OnnxNumbers::Integers(values) => match values[..] {
            [value] => Some(value != 0),
            _ => None,
        },
        OnnxNumbers::Floats(_) => None,
    }
}
