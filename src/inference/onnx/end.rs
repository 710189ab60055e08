//! What makes scores at the end of a graph.
//!
//! What only names axes in another way, or makes other floats of the same numbers, may follow: it is looked through. What
//! takes a part of the scores or computes with them is refused, since its outputs are scores, and cxr would make scores of
//! them once more.

use std::collections::HashMap;

use super::node::{GraphNode, axis_of};
use super::operators::needed;
use crate::domain::OnnxNode;

/// The first version of `Softmax` that is over one axis. Before, it was over all axes from `axis` on.
const SOFTMAX_OF_ONE_AXIS: i64 = 13;

/// What a graph ends in, after its last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphEnd {
    /// The outputs of its last layer.
    Logits,
    Sigmoid,
    Softmax,
}

/// What makes scores, and the value that it makes them of.
#[derive(Clone, Copy)]
pub struct ScoresNode<'a> {
    pub node: GraphNode<'a>,
    pub before: &'a str,
    pub end: GraphEnd,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
enum ValueOrigin<'a> {
    Constant,
    Image,
    Scores {
        maker: GraphNode<'a>,
        /// What first took a part of them or computed with them.
        changed_by: Option<GraphNode<'a>>,
    },
}

/// What makes scores of the value `output`; `None` where they are still to be made.
///
/// # Errors
/// If its numbers are scores, and cxr cannot have what they are made of; the reason names the node.
pub fn scores_node<'a>(
    nodes: &'a [OnnxNode],
    image: &'a str,
    output: &str,
) -> Result<Option<ScoresNode<'a>>, String> {
    let mut origins = HashMap::from([(image, ValueOrigin::Image)]);
    for (node, is_needed) in nodes.iter().zip(needed(nodes, output)?) {
        if is_needed {
            let node = GraphNode(node);
            let origin = origin(node, &origins)?;
            let names = node.0.outputs.iter().map(String::as_str);
            origins.extend(names.map(|name| (name, origin)));
        }
    }
    let Some(ValueOrigin::Scores { maker, changed_by }) = origins.get(output).copied() else {
        return Ok(None);
    };
    if let Some(node) = changed_by {
        let maker = maker.label();
        return Err(node.fault(format!(
            "it takes a part of what {maker} makes, or computes with it, so that its outputs are scores already: export \
             the network without what follows {maker}"
        )));
    }
    let end = match maker.operator() {
        "Sigmoid" => GraphEnd::Sigmoid,
        "Softmax" | "LogSoftmax" => GraphEnd::Softmax,
        _ => {
            return Err(maker.fault(
                "it makes the scores, and cxr has a sigmoid or a softmax for that: export the network without it",
            ));
        }
    };
    let before = maker.0.inputs.first().map(String::as_str);
    let before = before.ok_or_else(|| maker.fault("it reads nothing"))?;
    Ok(Some(ScoresNode {
        node: maker,
        before,
        end,
    }))
}

fn origin<'a>(
    node: GraphNode<'a>,
    origins: &HashMap<&'a str, ValueOrigin<'a>>,
) -> Result<ValueOrigin<'a>, String> {
    let of_name = |name: &String| origins.get(name.as_str()).copied();
    let read = node.0.inputs.iter();
    // Initializers are no node's.
    let read = read.map(|name| of_name(name).unwrap_or(ValueOrigin::Constant));
    let mut read: Vec<ValueOrigin> = read.collect();
    if node.operator() == "Where" && !read.is_empty() {
        // The condition is none of the numbers.
        read.remove(0);
    }
    read.retain(|origin| !matches!(origin, ValueOrigin::Constant));
    if read.is_empty() || matches!(node.operator(), "Shape" | "Size") {
        return Ok(ValueOrigin::Constant);
    }
    match node.operator() {
        operator if makes_scores(operator) => Ok(ValueOrigin::Scores {
            maker: node,
            changed_by: None,
        }),
        _ if is_same_numbers(node)? => Ok(read[0]),
        operator if is_of_scores(operator) => Ok(changed(node, &read)),
        _ => Ok(ValueOrigin::Image),
    }
}

/// Whether an operator makes scores, or is what a sigmoid or a softmax that is written out begins with. In the middle of
/// a network they are part of an activation or of attention, and the next layer makes features of what they give.
fn makes_scores(operator: &str) -> bool {
    let whole = ["HardSigmoid", "LogSoftmax", "Sigmoid", "Softmax"];
    let beginning = ["Erf", "Exp", "Softsign", "Tanh"];
    whole.contains(&operator) || beginning.contains(&operator)
}

/// Whether a node gives the numbers of its first input, in their order.
fn is_same_numbers(node: GraphNode) -> Result<bool, String> {
    Ok(match node.operator() {
        "Identity" | "Dropout" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => true,
        "Cast" => node.is_cast_to_floats()?,
        _ => false,
    })
}

/// Whether an operator makes scores of scores, and not features of a layer.
fn is_of_scores(operator: &str) -> bool {
    matches!(
        operator,
        "Abs"
            | "Add"
            | "AveragePool"
            | "Cast"
            | "CastLike"
            | "Ceil"
            | "Clip"
            | "Concat"
            | "Div"
            | "Expand"
            | "Floor"
            | "Gather"
            | "GatherElements"
            | "GatherND"
            | "GlobalAveragePool"
            | "GlobalMaxPool"
            | "Log"
            | "Max"
            | "MaxPool"
            | "Mean"
            | "Min"
            | "Mul"
            | "Neg"
            | "Pad"
            | "Pow"
            | "Reciprocal"
            | "ReduceMax"
            | "ReduceMean"
            | "ReduceMin"
            | "ReduceProd"
            | "ReduceSum"
            | "Round"
            | "Slice"
            | "Split"
            | "Sqrt"
            | "Sub"
            | "Sum"
            | "Tile"
            | "TopK"
            | "Transpose"
            | "Where"
    )
}

/// What such an operator makes of these values. A product with features is a gate, and its numbers are features; what
/// joins scores with other numbers makes outputs of two kinds.
fn changed<'a>(node: GraphNode<'a>, read: &[ValueOrigin<'a>]) -> ValueOrigin<'a> {
    let joins = node.operator() == "Concat";
    let has_features = read
        .iter()
        .any(|origin| matches!(origin, ValueOrigin::Image));
    let scores = read.iter().find_map(|origin| match origin {
        ValueOrigin::Scores { maker, changed_by } => Some((*maker, *changed_by)),
        _ => None,
    });
    match scores {
        Some((maker, changed_by)) if joins || !has_features => ValueOrigin::Scores {
            maker,
            changed_by: Some(changed_by.unwrap_or(node)),
        },
        _ => ValueOrigin::Image,
    }
}

/// Refuses a softmax over some of the outputs: cxr has one question for all of them. `shape` is that of what it reads.
///
/// # Errors
/// If it is over some of the numbers alone.
pub fn refuse_part_of_outputs(
    softmax: GraphNode,
    opset: i64,
    shape: &[usize],
) -> Result<(), String> {
    let is_of_old = opset < SOFTMAX_OF_ONE_AXIS;
    let axis = softmax.integer("axis", if is_of_old { 1 } else { -1 })?;
    let over: usize = match axis_of(axis, shape.len()) {
        Some(place) if is_of_old => shape[place..].iter().product(),
        Some(place) => shape[place],
        None => 0,
    };
    if over == shape.iter().product::<usize>() {
        return Ok(());
    }
    Err(softmax.fault(format!(
        "over axis {axis} of {shape:?}, so that there are several questions, and cxr has a softmax over all outputs: export \
         the network for one question"
    )))
}
