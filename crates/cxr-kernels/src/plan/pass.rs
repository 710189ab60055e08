//! A pass over maps: one layer, or a few that are computed together.

use crate::bottleneck::Bottleneck;
use crate::conv::{PackedConv, PackedNormRelu};
use crate::conv_depthwise::ConvDepthwise;
use crate::curve::Curve;
use crate::depthwise::PackedDepthwise;
use crate::network::ValueIndex;
use crate::pooling::PoolingShape;
use crate::winograd::Winograd;

/// The operation of a pass.
pub enum Pass {
    Conv(PackedConv),
    /// Each input of a convolution by its number in a map of one pixel, which its weights are scaled by.
    ScaledConv(PackedConv),
    Winograd(Winograd),
    Depthwise(PackedDepthwise),
    Bottleneck(Box<Bottleneck>),
    ConvDepthwise(Box<ConvDepthwise>),
    MaxPool(PoolingShape),
    NormReluAverage(PoolingShape, PackedNormRelu),
    Average(PoolingShape),
    GlobalAverage,
    /// The input by a map of one pixel. The output may be the input itself.
    Scale,
    /// The sum of two maps, a clamp, and a curve.
    Add([f32; 2], Curve),
}

/// A pass, and the values that it reads and writes.
pub struct CompiledPass {
    pub input: ValueIndex,
    /// The second value that it reads: a convolution's residual, what scales, or what is added.
    pub other: Option<ValueIndex>,
    /// The value of one pixel that a convolution's weights are scaled by.
    pub by: Option<ValueIndex>,
    /// The values inside a bottleneck that have memory of their own.
    pub between: Vec<ValueIndex>,
    /// The value that is the average of the output.
    pub average: Option<ValueIndex>,
    pub output: ValueIndex,
    pub pass: Pass,
}
