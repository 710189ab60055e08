//! One function for each operator. Semantics are those of [the standard](https://onnx.ai/onnx/operators/).

use candle_core::{Result, Tensor, bail};

use super::arithmetic::{self, Comparison, FloatFunction, FloatPair};
use super::call::StepCall;
use super::reduce::{self, Reduction};
use super::{arrange, create, index, layers, resize, windows};

/// What a step makes.
///
/// # Errors
/// If the operator is none that cxr has, is used in another way, or the steps of an image together take too long.
pub fn compute(call: &StepCall) -> Result<Vec<Tensor>> {
    for input in call.inputs.iter().flatten() {
        call.touch(&[input.elem_count()])?;
    }
    let made = if call.step.operator == "Split" {
        arrange::split(call)?
    } else {
        vec![one(call)?]
    };
    for output in &made {
        call.touch(&[output.elem_count()])?;
    }
    Ok(made)
}

fn one(call: &StepCall) -> Result<Tensor> {
    match call.step.operator.as_str() {
        "Identity" | "Dropout" => call.input(0).cloned(),
        "Cast" | "CastLike" => arithmetic::cast(call),
        "Clip" => arithmetic::clip(call),
        "Pow" => arithmetic::pow(call),
        "Where" => arithmetic::choose(call),
        "Not" => arithmetic::not(call),
        "IsNaN" => arithmetic::is_nan(call),
        "Reshape" => arrange::reshape(call),
        "Flatten" => arrange::flatten(call),
        "Transpose" => arrange::transpose(call),
        "Squeeze" => arrange::squeeze(call),
        "Unsqueeze" => arrange::unsqueeze(call),
        "Concat" => arrange::concat(call),
        "Expand" => arrange::expand(call),
        "Tile" => arrange::tile(call),
        "Pad" => arrange::pad(call),
        "Slice" => index::slice(call),
        "Gather" => index::gather(call),
        "GatherND" => index::gather_nd(call),
        "ScatterND" => index::scatter_nd(call),
        "Shape" => create::shape(call),
        "Size" => create::size(call),
        "ConstantOfShape" => create::constant_of_shape(call),
        "Range" => create::range(call),
        "Trilu" => create::triangle(call),
        "Conv" => windows::conv(call),
        "MatMul" => layers::mat_mul(call),
        "Gemm" => layers::gemm(call),
        "LayerNormalization" => layers::layer_normalization(call),
        "BatchNormalization" => layers::batch_normalization(call),
        "InstanceNormalization" => layers::instance_normalization(call),
        "Softmax" => layers::softmax(call),
        "MaxPool" => windows::pool(call, true),
        "AveragePool" => windows::pool(call, false),
        "GlobalAveragePool" => reduce::global(call, Reduction::Mean),
        "GlobalMaxPool" => reduce::global(call, Reduction::Max),
        "Resize" | "Upsample" => resize::resize(call),
        operator => other(call, operator),
    }
}

fn other(call: &StepCall, operator: &str) -> Result<Tensor> {
    if let Some(function) = FloatFunction::of(operator) {
        return arithmetic::function(call, function);
    }
    if let Some(pair) = FloatPair::of(operator) {
        return arithmetic::pair(call, pair);
    }
    if let Some(comparison) = Comparison::of(operator) {
        return arithmetic::compare(call, comparison);
    }
    match Reduction::of(operator) {
        Some(reduction) => reduce::reduce(call, reduction),
        None => bail!("an operator that cxr does not have"),
    }
}
