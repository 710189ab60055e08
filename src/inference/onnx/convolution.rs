//! Convolutions, batch normalisations, and layers of weights without windows.

use std::rc::Rc;

use super::constant::Constant;
use super::draft::{ChannelNorm, DraftConv, DraftLayer, DraftPlace};
use super::graph::{GraphValue, GraphValues};
use super::node::GraphNode;
use super::view::{MapAxis, MapShape, MapView};
use crate::inference::network::imported::{StoredActivation, WIDEST_DEPTHWISE};
use crate::inference::network::layers::same_padding;

/// `BatchNormalization`'s default.
const EPSILON: f32 = 1e-5;

/// Zeros above, to the left, below and to the right of a map under a window, as the node says it.
///
/// # Errors
/// If the padding is negative, or of an unknown kind.
pub fn zeros(
    node: GraphNode,
    shape: MapShape,
    kernel: usize,
    stride: usize,
) -> Result<[usize; 4], String> {
    let [_, rows, columns] = shape;
    let same = [rows, columns].map(|size| same_padding(size, kernel, stride));
    let [(top, bottom), (left, right)] = same;
    match node.text("auto_pad")? {
        None | Some("" | "NOTSET") => {}
        Some("VALID") => return Ok([0; 4]),
        Some("SAME_UPPER") => return Ok([top, left, bottom, right]),
        Some("SAME_LOWER") => return Ok([bottom, right, top, left]),
        Some(_) => return Err(node.fault("it pads in a way that cxr does not have")),
    }
    let Some(pads) = node.integers("pads")? else {
        return Ok([0; 4]);
    };
    let sizes = pads.iter().map(|pad| usize::try_from(*pad).ok());
    let sizes: Option<Vec<usize>> = sizes.collect();
    match sizes.as_deref() {
        Some([top, left, bottom, right]) => Ok([*top, *left, *bottom, *right]),
        _ => Err(node.fault(format!("its pads are {pads:?}"))),
    }
}

/// Positions of a window, down or across.
///
/// # Errors
/// If the window is larger than what it lies on.
pub fn positions(
    node: GraphNode,
    size: usize,
    (before, after): (usize, usize),
    kernel: usize,
    stride: usize,
) -> Result<usize, String> {
    let padded = size
        .checked_add(before)
        .and_then(|sum| sum.checked_add(after));
    let left = padded.and_then(|padded| padded.checked_sub(kernel));
    left.map(|left| left / stride + 1)
        .ok_or_else(|| node.fault(format!("a window of {kernel} pixels on {size} pixels")))
}

/// `Conv`
pub fn conv(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (input, shape) = values.image_map(node, 0)?;
    let weight = values.constant(node, 1)?;
    let [channels, rows, columns] = shape;
    let (output, in_group, kernel) = match weight.shape[..] {
        [output, in_group, height, width] if height == width && height > 0 => {
            (output, in_group, height)
        }
        [_, _, height, width] => {
            return Err(node.fault(format!(
                "a kernel of {height} × {width} pixels, and cxr has only squares"
            )));
        }
        _ => return Err(node.fault("a convolution over something else than images")),
    };
    let stride = node.square("strides", 1)?;
    if node.square("dilations", 1)? != 1 {
        return Err(node.fault("a dilated convolution, which cxr does not have"));
    }
    let groups = node.integer("group", 1)?;
    let is_depthwise = usize::try_from(groups) == Ok(channels) && channels > 1;
    let is_fitting = if is_depthwise {
        in_group == 1 && output == channels && kernel <= WIDEST_DEPTHWISE
    } else {
        groups == 1 && in_group == channels && output > 0
    };
    if !is_fitting {
        return Err(node.fault(format!(
            "a convolution of {channels} channels in {groups} groups with a weight of shape {:?}, which cxr \
             does not have",
            weight.shape
        )));
    }
    let zeros = zeros(node, shape, kernel, stride)?;
    let [top, left, bottom, right] = zeros;
    let made = [
        output,
        positions(node, rows, (top, bottom), kernel, stride)?,
        positions(node, columns, (left, right), kernel, stride)?,
    ];
    let conv = DraftConv {
        input,
        before: None,
        weight: floats(node, weight)?,
        bias: match values.optional(node, 2)? {
            Some(_) => values.of_channels(node, 2, output)?,
            None => vec![0.0; output],
        },
        output,
        kernel,
        stride,
        zeros,
        is_depthwise,
        residual: None,
        activation: StoredActivation::None,
    };
    values.push(node, DraftLayer::Conv(conv), made, MapView::map())
}

fn floats(node: GraphNode, constant: &Constant) -> Result<Rc<Vec<f32>>, String> {
    let floats = constant.as_floats().map(Rc::clone);
    floats.ok_or_else(|| node.fault("its weight is whole numbers"))
}

/// `BatchNormalization`, as in use: [`sound`](super::sound) refuses those that train.
pub fn batch_normalization(
    values: &mut GraphValues,
    node: GraphNode,
) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let channels = shape[0];
    if value.view.axes.get(1) != Some(&MapAxis::Channels) && channels > 1 {
        let words = value.view.words(shape);
        return Err(node.fault(format!("its input is {words}, without channels in front")));
    }
    let epsilon = f64::from(node.float("epsilon", EPSILON)?);
    let part = |place| values.of_channels(node, place, channels);
    let (weight, bias, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
    let mut norm = ChannelNorm {
        scale: Vec::new(),
        shift: Vec::new(),
    };
    for channel in 0..channels {
        let deviation = (f64::from(variance[channel]) + epsilon).sqrt();
        let scale = f64::from(weight[channel]) / deviation;
        let shift = f64::from(bias[channel]) - f64::from(mean[channel]) * scale;
        norm.scale.push(scale as f32);
        norm.shift.push(shift as f32);
    }
    let input = value.draft;
    values.push(node, DraftLayer::Norm { input, norm }, shape, value.view)
}

/// `Gemm`
pub fn gemm(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    if node.integer("transA", 0)? != 0 {
        return Err(node.fault("it transposes its input"));
    }
    let is_output_first = node.integer("transB", 0)? != 0;
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let weight = values.constant(node, 1)?.clone();
    let weight = matrix(node, &weight, is_output_first, alpha)?;
    let output = weight.output;
    let bias = match values.optional(node, 2)? {
        None => vec![0.0; output],
        Some(constant) => {
            // A bias is broadcast, and may be a single number.
            let row = MapView::row();
            let bias = row.for_each_channel([output, 1, 1], constant);
            let bias = bias.ok_or_else(|| node.fault("its bias does not fit"))?;
            bias.into_iter().map(|value| beta * value).collect()
        }
    };
    linear(values, node, weight, bias)
}

/// `MatMul` with a constant matrix.
pub fn mat_mul(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let weight = values.constant(node, 1)?.clone();
    let weight = matrix(node, &weight, false, 1.0)?;
    let bias = vec![0.0; weight.output];
    linear(values, node, weight, bias)
}

/// A weight, `[output, input]`.
struct LinearWeight {
    values: Rc<Vec<f32>>,
    output: usize,
    input: usize,
}

fn matrix(
    node: GraphNode,
    constant: &Constant,
    is_output_first: bool,
    times: f32,
) -> Result<LinearWeight, String> {
    let [rows, columns] = constant.shape[..] else {
        let shape = &constant.shape;
        return Err(node.fault(format!("its weight has shape {shape:?}, and is no matrix")));
    };
    let values = floats(node, constant)?;
    if rows == 0 || columns == 0 {
        return Err(node.fault("its weight is empty"));
    }
    let (output, input) = if is_output_first {
        (rows, columns)
    } else {
        (columns, rows)
    };
    let at = |index: usize| {
        if is_output_first {
            values[index]
        } else {
            values[index % input * output + index / input]
        }
    };
    let values = if is_output_first && times == 1.0 {
        Rc::clone(&values)
    } else {
        Rc::new((0..rows * columns).map(|index| times * at(index)).collect())
    };
    Ok(LinearWeight {
        values,
        output,
        input,
    })
}

/// A layer of weights: a convolution of single pixels, or of a whole map that was flattened.
fn linear(
    values: &mut GraphValues,
    node: GraphNode,
    weight: LinearWeight,
    bias: Vec<f32>,
) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let [channels, rows, columns] = shape;
    let fault = || {
        let words = value.view.words(shape);
        let LinearWeight { output, input, .. } = weight;
        node.fault(format!(
            "its input is {words}, and its weight {output} × {input}"
        ))
    };
    let (axes, kernel) = match (value.view.row_axes(), value.view.axes.last()) {
        (Some(axes), _) => (axes, rows),
        // Pixel by pixel, where the channels come last.
        (None, Some(MapAxis::Channels)) => (Vec::new(), 1),
        _ => return Err(fault()),
    };
    if kernel == 1 && weight.input == channels && (columns == 1 || axes.is_empty()) {
        let conv = pointwise(value.draft, &weight, bias);
        let made = [weight.output, rows, columns];
        let mut view = value.view;
        if let Some(last) = view.axes.last_mut() {
            *last = MapAxis::Channels;
        }
        return values.push(node, DraftLayer::Conv(conv), made, view);
    }
    if rows != columns || weight.input != channels * rows * columns {
        return Err(fault());
    }
    let conv = DraftConv {
        weight: Rc::new(over_map(&weight, &axes, shape)),
        kernel,
        ..pointwise(value.draft, &weight, bias)
    };
    let made = [weight.output, 1, 1];
    values.push(node, DraftLayer::Conv(conv), made, MapView::row())
}

fn pointwise(input: DraftPlace, weight: &LinearWeight, bias: Vec<f32>) -> DraftConv {
    DraftConv {
        input,
        before: None,
        weight: Rc::clone(&weight.values),
        bias,
        output: weight.output,
        kernel: 1,
        stride: 1,
        zeros: [0; 4],
        is_depthwise: false,
        residual: None,
        activation: StoredActivation::None,
    }
}

/// The weight for a flattened map as one for the map, `[output, channels, rows, columns]`. `axes` are those of the flat
/// map, in their order.
fn over_map(weight: &LinearWeight, axes: &[MapAxis], shape: MapShape) -> Vec<f32> {
    let [channels, rows, columns] = shape;
    // The distance of neighbours in the flat map.
    let step = |wanted: MapAxis| {
        let after = axes.iter().rev().take_while(|axis| **axis != wanted);
        after
            .map(|axis| match axis {
                MapAxis::Channels => channels,
                MapAxis::Rows => rows,
                MapAxis::Columns => columns,
                _ => 1,
            })
            .product::<usize>()
    };
    let steps = [MapAxis::Channels, MapAxis::Rows, MapAxis::Columns].map(step);
    let mut turned = Vec::with_capacity(weight.values.len());
    for row_of_weight in weight.values.chunks_exact(weight.input) {
        for channel in 0..channels {
            for row in 0..rows {
                for column in 0..columns {
                    let flat = channel * steps[0] + row * steps[1] + column * steps[2];
                    turned.push(row_of_weight[flat]);
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With Python: `w.reshape(1, 2, 2, 3).transpose(0, 3, 1, 2).ravel()` of `np.arange(12)`.
    #[test]
    fn a_weight_for_a_flat_map_is_turned_as_numpy_does() {
        let weight = LinearWeight {
            values: Rc::new((0..12).map(|i| i as f32).collect()),
            output: 1,
            input: 12,
        };
        let keras = [MapAxis::Rows, MapAxis::Columns, MapAxis::Channels];
        let turned = over_map(&weight, &keras, [3, 2, 2]);
        let expected = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|i| i as f32);
        assert_eq!(turned, expected);
        let pytorch = [MapAxis::Channels, MapAxis::Rows, MapAxis::Columns];
        assert_eq!(over_map(&weight, &pytorch, [3, 2, 2]), *weight.values);
        // An axis of size 1 is not among them.
        let thin = [MapAxis::Rows, MapAxis::Columns];
        let weight = LinearWeight {
            values: Rc::new(vec![1.0, 2.0, 3.0, 4.0]),
            output: 1,
            input: 4,
        };
        assert_eq!(over_map(&weight, &thin, [1, 2, 2]), [1.0, 2.0, 3.0, 4.0]);
    }
}
