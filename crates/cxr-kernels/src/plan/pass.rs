//! A pass over maps: one layer, or the layers of a bottleneck.

use crate::conv::{PackedConv, PackedNormRelu};
use crate::depthwise::{Bottleneck, PackedDepthwise};
use crate::network::ValueIndex;
use crate::pooling::PoolingShape;
use crate::winograd::Winograd;

/// The operation of a pass.
pub enum Pass {
    Conv(PackedConv),
    Winograd(Winograd),
    Depthwise(PackedDepthwise),
    Bottleneck(Box<Bottleneck>),
    MaxPool(PoolingShape),
    NormReluAverage(PoolingShape, PackedNormRelu),
}

/// A pass, and the values that it reads and writes.
pub struct CompiledPass {
    pub input: ValueIndex,
    pub residual: Option<ValueIndex>,
    /// The values inside a bottleneck that have memory of their own.
    pub between: Vec<ValueIndex>,
    pub output: ValueIndex,
    pub pass: Pass,
}
