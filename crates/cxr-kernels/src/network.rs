//! The description of a network that a plan is compiled from: a list of layers with borrowed weights.

use crate::pooling::PoolingShape;

/// The index of a value. Value 0 is the network's input, and layer `i` makes value `i + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueIndex(
    /// The index.
    pub usize,
);

impl ValueIndex {
    /// The network's input.
    pub const INPUT: ValueIndex = ValueIndex(0);
}

/// A network: each layer reads values that came before it, and the last layer makes the result.
#[derive(Debug, Clone)]
pub struct NetworkSpec<'a> {
    /// Channels of the input.
    pub channels: usize,
    /// In the order in which they are computed.
    pub layers: Vec<LayerSpec<'a>>,
}

/// A layer.
#[derive(Debug, Clone)]
pub enum LayerSpec<'a> {
    /// A convolution, and the operations around it.
    Conv(ConvSpec<'a>),
    /// PyTorch's `MaxPool2d`.
    MaxPool(ValueIndex, PoolingShape),
    /// A batch normalisation, a ReLU, and the average of adjacent squares of `size` × `size` pixels.
    NormReluAverage {
        /// The value that is normalised.
        input: ValueIndex,
        /// The normalisation.
        norm: NormReluSpec<'a>,
        /// At least 1. With 1, there is no average.
        size: usize,
    },
    /// The average of adjacent squares of `size` × `size` pixels.
    Average {
        /// The value that is averaged.
        input: ValueIndex,
        /// At least 1.
        size: usize,
    },
    /// The average of each channel, a map of one pixel.
    GlobalAverage(ValueIndex),
    /// Each channel times a number of its own, as squeeze-and-excitation has it.
    Scale {
        /// The value that is scaled.
        input: ValueIndex,
        /// A map of one pixel, with as many channels.
        by: ValueIndex,
    },
    /// `activation(first + second)`, for two values of one size.
    Add {
        /// One value.
        first: ValueIndex,
        /// The other one.
        second: ValueIndex,
        /// Comes last.
        activation: Activation,
    },
    /// The channels of the first value, then those of the second.
    Cat(ValueIndex, ValueIndex),
}

/// `max(scale · x + shift, 0)`: a batch normalisation and the ReLU after it.
#[derive(Debug, Clone, Copy)]
pub struct NormReluSpec<'a> {
    /// `[channels]`
    pub scale: &'a [f32],
    /// `[channels]`
    pub shift: &'a [f32],
}

/// A convolution, and the operations right before and after it:
/// `activation(conv(norm_relu(input)) + bias + residual)`.
#[derive(Debug, Clone, Copy)]
pub struct ConvSpec<'a> {
    /// The value that is convolved.
    pub input: ValueIndex,
    /// Comes before the convolution. Only a 1 × 1 convolution of stride 1 may have it.
    pub before: Option<NormReluSpec<'a>>,
    /// Row by row: `[output, input, kernel, kernel]`, or `[output, 1, kernel, kernel]` if depthwise.
    pub weight: &'a [f32],
    /// `[output]`
    pub bias: &'a [f32],
    /// Channels of the output. A depthwise convolution has as many as its input.
    pub output: usize,
    /// Height and width of the kernel in pixels. At most 7 if depthwise.
    pub kernel: usize,
    /// Whether each channel has its own kernel and is not mixed with others.
    pub is_depthwise: bool,
    /// Pixels from one position of the kernel to the next.
    pub stride: usize,
    /// The zeros around the input.
    pub padding: Padding,
    /// A value of the output's size that is added before the activation.
    pub residual: Option<ValueIndex>,
    /// Comes last.
    pub activation: Activation,
}

impl LayerSpec<'_> {
    /// The values that the layer reads.
    pub fn inputs(&self) -> impl Iterator<Item = ValueIndex> {
        let (first, second) = match self {
            LayerSpec::Conv(conv) => (conv.input, conv.residual),
            LayerSpec::MaxPool(input, _)
            | LayerSpec::NormReluAverage { input, .. }
            | LayerSpec::Average { input, .. }
            | LayerSpec::GlobalAverage(input) => (*input, None),
            LayerSpec::Scale { input, by } => (*input, Some(*by)),
            LayerSpec::Add { first, second, .. } | LayerSpec::Cat(first, second) => {
                (*first, Some(*second))
            }
        };
        std::iter::once(first).chain(second)
    }
}

/// Zeros around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Half the kernel on all sides, as PyTorch's networks have it.
    Half,
    /// TensorFlow's `SAME`: as many as the output needs, the odd one after.
    Same,
    /// These before (above, to the left) and these after (below, to the right), fewer than the kernel has.
    Fixed(usize, usize),
}

impl Padding {
    /// Zeros before and after `size` pixels, in one direction.
    ///
    /// # Panics
    /// If the size or the stride is 0.
    pub fn around(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Half => (kernel / 2, kernel / 2),
            Padding::Same => same_padding(size, kernel, stride),
            Padding::Fixed(before, after) => (before, after),
        }
    }
}

/// TensorFlow's `SAME` padding of `size` pixels in one direction: zeros before and after, the odd one after.
///
/// # Panics
/// If the size or the stride is 0.
pub fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let output = size.div_ceil(stride);
    let total = ((output - 1) * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}

/// The function after a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The identity.
    None,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x · relu6(x + 3) / 6`
    HardSwish,
    /// `1 / (1 + exp(−x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
}

#[cfg(test)]
mod tests {
    use super::same_padding;

    #[test]
    fn same_padding_is_tensorflows() {
        assert_eq!(same_padding(192, 3, 2), (0, 1));
        assert_eq!(same_padding(48, 5, 2), (1, 2));
        assert_eq!(same_padding(12, 5, 1), (2, 2));
        assert_eq!(same_padding(7, 3, 2), (1, 1));
    }
}
