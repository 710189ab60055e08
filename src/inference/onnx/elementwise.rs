//! Sums, products and functions of single numbers.

use super::constant::Constant;
use super::draft::{ChannelNorm, DraftLayer};
use super::graph::{GraphValue, GraphValues, MapValue};
use super::node::GraphNode;
use crate::inference::network::imported::StoredActivation;

/// An operator of two values, one of which may be a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// `Add`, `Sub`, `Mul` or `Div`
pub fn pair(
    values: &mut GraphValues,
    node: GraphNode,
    operator: PairOperator,
) -> Result<GraphValue, String> {
    let inputs = values.inputs(node)?;
    let [Some(first), Some(second)] = inputs[..] else {
        return Err(node.fault("it does not have two inputs"));
    };
    match (first, second) {
        (GraphValue::Map(map), GraphValue::Constant(constant)) => {
            let (map, constant) = (map.clone(), constant.clone());
            with_constant(values, node, operator, map, &constant, false)
        }
        (GraphValue::Constant(constant), GraphValue::Map(map)) => {
            let (map, constant) = (map.clone(), constant.clone());
            with_constant(values, node, operator, map, &constant, true)
        }
        (GraphValue::Map(first), GraphValue::Map(second)) => {
            let (first, second) = (first.clone(), second.clone());
            of_maps(values, node, operator, &first, &second)
        }
        // Constants were computed before.
        (GraphValue::Constant(_), GraphValue::Constant(_)) => {
            Err(node.fault("it has two constants"))
        }
    }
}

/// `x + c`, `x · c` and so on: a scale and a shift. `is_first` where the constant comes first.
fn with_constant(
    values: &mut GraphValues,
    node: GraphNode,
    operator: PairOperator,
    map: MapValue,
    constant: &Constant,
    is_first: bool,
) -> Result<GraphValue, String> {
    let shape = values.drafts.shape(map.draft);
    let Some(numbers) = map.view.for_each_channel(shape, constant) else {
        return Err(node.fault(format!(
            "a constant of shape {:?} with a value of {}, and cxr has one number for each channel",
            constant.shape,
            map.view.words(shape)
        )));
    };
    let channels = numbers.len();
    let all = |value: f32| vec![value; channels];
    let (scale, shift) = match (operator, is_first) {
        (PairOperator::Add, _) => (all(1.0), numbers),
        (PairOperator::Subtract, false) => (all(1.0), numbers.iter().map(|c| -c).collect()),
        (PairOperator::Subtract, true) => (all(-1.0), numbers),
        (PairOperator::Multiply, _) => (numbers.clone(), all(0.0)),
        (PairOperator::Divide, false) => (numbers.iter().map(|c| 1.0 / c).collect(), all(0.0)),
        (PairOperator::Divide, true) => {
            return Err(node.fault("it divides by a map, which cxr does not"));
        }
    };
    let layer = DraftLayer::Norm {
        input: map.draft,
        norm: ChannelNorm { scale, shift },
    };
    values.push(node, layer, shape, map.view)
}

fn of_maps(
    values: &mut GraphValues,
    node: GraphNode,
    operator: PairOperator,
    first: &MapValue,
    second: &MapValue,
) -> Result<GraphValue, String> {
    let shapes = [first, second].map(|value| values.drafts.shape(value.draft));
    let view = first.view.broadcast(shapes[0], &second.view, shapes[1]);
    let unlike = || {
        let (one, other) = (first.view.words(shapes[0]), second.view.words(shapes[1]));
        node.fault(format!("{one} with {other}, which cxr does not have"))
    };
    let view = view.ok_or_else(unlike)?;
    let (first, second) = (first.draft, second.draft);
    let is_gate = |gate: [usize; 3], map: [usize; 3]| gate == [map[0], 1, 1];
    match operator {
        PairOperator::Add if shapes[0] == shapes[1] => {
            let layer = DraftLayer::Add {
                first,
                second,
                activation: StoredActivation::None,
            };
            values.push(node, layer, shapes[0], view)
        }
        PairOperator::Multiply if is_gate(shapes[1], shapes[0]) => {
            let layer = DraftLayer::Multiply { first, second };
            values.push(node, layer, shapes[0], view)
        }
        PairOperator::Multiply if is_gate(shapes[0], shapes[1]) => {
            let layer = DraftLayer::Multiply {
                first: second,
                second: first,
            };
            values.push(node, layer, shapes[1], view)
        }
        // Only with its own sigmoid, which is found out later.
        PairOperator::Multiply if shapes[0] == shapes[1] => {
            let layer = DraftLayer::Multiply { first, second };
            values.push(node, layer, shapes[0], view)
        }
        PairOperator::Add | PairOperator::Multiply => Err(unlike()),
        PairOperator::Subtract | PairOperator::Divide => {
            Err(node.fault("of two maps, which cxr does not have"))
        }
    }
}

/// A function of each number.
pub fn activation(
    values: &mut GraphValues,
    node: GraphNode,
    activation: StoredActivation,
) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    of_value(values, node, value, activation)
}

fn of_value(
    values: &mut GraphValues,
    node: GraphNode,
    value: MapValue,
    activation: StoredActivation,
) -> Result<GraphValue, String> {
    let shape = values.drafts.shape(value.draft);
    let layer = DraftLayer::Activation {
        input: value.draft,
        activation,
    };
    values.push(node, layer, shape, value.view)
}

/// `HardSigmoid` with PyTorch's slope. Keras' of old has another one.
pub fn hard_sigmoid(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    const ALPHA: f32 = 0.2;
    const BETA: f32 = 0.5;
    let (alpha, beta) = (node.float("alpha", ALPHA)?, node.float("beta", BETA)?);
    if (alpha - 1.0 / 6.0).abs() > 1e-6 || beta != BETA {
        return Err(node.fault(format!(
            "its slope is {alpha} and its middle {beta}, and cxr has 1/6 and 0.5"
        )));
    }
    activation(values, node, StoredActivation::HardSigmoid)
}

/// `Swish` (version 24).
pub fn swish(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    if node.float("alpha", 1.0)? != 1.0 {
        return Err(node.fault("its alpha is not 1"));
    }
    activation(values, node, StoredActivation::Silu)
}

/// `Clip`: ReLU or ReLU6. Its limits are attributes before version 11, and inputs since.
pub fn clip(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let limit = |place: usize, attribute: &str, default: f32| -> Result<f32, String> {
        match values.optional(node, place)? {
            Some(constant) => constant
                .scalar()
                .ok_or_else(|| node.fault("its limits are not single numbers")),
            None => node.float(attribute, default),
        }
    };
    let (least, most) = (limit(1, "min", f32::MIN)?, limit(2, "max", f32::MAX)?);
    let kind = match (least, most) {
        (0.0, 6.0) => StoredActivation::Relu6,
        (0.0, most) if most >= f32::MAX => StoredActivation::Relu,
        _ => {
            return Err(node.fault(format!(
                "to the range from {least} to {most}, and cxr has ReLU and ReLU6"
            )));
        }
    };
    activation(values, node, kind)
}

/// `Max` with 0, which is a ReLU.
pub fn max(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (value, limit) = with_scalar(values, node)?;
    if limit != 0.0 {
        return Err(node.fault(format!("with {limit}, and cxr has that with 0")));
    }
    of_value(values, node, value, StoredActivation::Relu)
}

/// `Min` of a ReLU with 6, which is a ReLU6.
pub fn min(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (value, limit) = with_scalar(values, node)?;
    let input = match values.drafts.layer(value.draft) {
        DraftLayer::Activation {
            input,
            activation: StoredActivation::Relu,
        } if limit == 6.0 => *input,
        _ => {
            return Err(node.fault(format!("with {limit}, and cxr has a ReLU with 6")));
        }
    };
    let before = MapValue {
        draft: input,
        view: value.view,
    };
    of_value(values, node, before, StoredActivation::Relu6)
}

/// A map and a number, in either order.
fn with_scalar(values: &GraphValues, node: GraphNode) -> Result<(MapValue, f32), String> {
    let inputs = values.inputs(node)?;
    let found = match inputs[..] {
        [
            Some(GraphValue::Map(map)),
            Some(GraphValue::Constant(constant)),
        ]
        | [
            Some(GraphValue::Constant(constant)),
            Some(GraphValue::Map(map)),
        ] => constant.scalar().map(|scalar| (map.clone(), scalar)),
        _ => None,
    };
    found.ok_or_else(|| node.fault("of something else than a map and a number"))
}

/// `Softmax` or `LogSoftmax` over the channels. It may only come last.
pub fn softmax(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let rank = value.view.axes.len();
    // Of a row of numbers, the axis is the same before and since version 13.
    let axis = node.integer("axis", -1)?;
    let is_last = axis == -1 || usize::try_from(axis).is_ok_and(|axis| axis + 1 == rank);
    if !is_last || shape[1..] != [1, 1] || value.view.row_axes().is_none() {
        let words = value.view.words(shape);
        return Err(node.fault(format!(
            "over axis {axis} of {words}, and cxr has it at the end"
        )));
    }
    let layer = DraftLayer::Softmax { input: value.draft };
    values.push(node, layer, shape, value.view)
}
