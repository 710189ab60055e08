//! Why a network cannot be planned.

use crate::depthwise_kernel::WIDEST;

/// Why a network cannot be made ready for images of a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The description has no layers.
    #[error("a network without layers")]
    NoLayers,
    /// The image is too small for a layer.
    #[error(
        "layer {layer}: nothing is left of {height} × {width} pixels under a window of {window}"
    )]
    TooSmall {
        /// Counted from 0.
        layer: usize,
        /// Pixels of the layer's input.
        height: usize,
        /// Pixels of the layer's input.
        width: usize,
        /// Height and width of the window.
        window: usize,
    },
    /// A layer reads a value that is not there yet.
    #[error("layer {layer} reads value {value}, which comes later")]
    ReadsAhead {
        /// Counted from 0.
        layer: usize,
        /// Counted from 0.
        value: usize,
    },
    /// Weights, bias or a normalisation have another length than the layer's sizes ask for.
    #[error("layer {layer}: {found} numbers, and its sizes ask for {expected}")]
    Length {
        /// Counted from 0.
        layer: usize,
        /// Numbers of the slice.
        found: usize,
        /// Numbers that the sizes ask for.
        expected: usize,
    },
    /// Two values that are added or concatenated differ in size, or a depthwise convolution changes the number
    /// of channels.
    #[error("layer {layer}: its values differ in size")]
    Mismatch {
        /// Counted from 0.
        layer: usize,
    },
    /// A size, a kernel, a stride or a number of channels is 0.
    #[error("layer {layer}: a size of 0")]
    Zero {
        /// Counted from 0.
        layer: usize,
    },
    /// A window would lie in the padding alone.
    #[error("layer {layer}: more padding than its window allows")]
    Padding {
        /// Counted from 0.
        layer: usize,
    },
    /// A map would need more bytes than addresses exist for.
    #[error("value {value} is too large for any memory")]
    TooLarge {
        /// Counted from 0.
        value: usize,
    },
    /// The kernel of a depthwise convolution is too wide.
    #[error("layer {layer}: a depthwise kernel of {kernel} pixels; at most {most} are supported", most = WIDEST)]
    WideKernel {
        /// Counted from 0.
        layer: usize,
        /// Height and width of the kernel.
        kernel: usize,
    },
    /// There is no kernel for a normalisation before this convolution.
    #[error(
        "layer {layer}: only a 1 × 1 convolution of stride 1 may have a normalisation before it"
    )]
    Before {
        /// Counted from 0.
        layer: usize,
    },
    /// There is no kernel for a depthwise convolution with a residual.
    #[error("layer {layer}: a depthwise convolution to which another value is added")]
    DepthwiseResidual {
        /// Counted from 0.
        layer: usize,
    },
    /// A value would have to lie in two buffers.
    #[error("value {value} is a part of two others, or the image")]
    PartOfTwo {
        /// Counted from 0.
        value: usize,
    },
    /// The first step of a network of tokens cuts the image, and no other does. A class token is one of those before
    /// the tokens of the image.
    #[error("step {layer}: only the first one makes tokens of an image, and a class token")]
    Order {
        /// Counted from 0.
        layer: usize,
    },
    /// The channels of a token cannot be divided among the heads of attention.
    #[error("step {layer}: its channels are no multiple of its heads")]
    Heads {
        /// Counted from 0.
        layer: usize,
    },
    /// A step needs neighbours, and some tokens have none.
    #[error("step {layer}: its tokens are not all those of an image")]
    NoMap {
        /// Counted from 0.
        layer: usize,
    },
}
