//! The description of a network in the terms of its paper: a list of layers, each of which reads values that
//! came before. The [reference](super::reference) computes them one by one with candle, and
//! [`PlannedLayers`](super::planned::PlannedLayers) with the kernels of [`cxr_kernels`].
//!
//! ```text
//! let y = net.conv("conv1", 64, 1).norm("bn1").relu().of(x)?;
//! let y = net.conv("conv2", 64, 3).stride(2).norm("bn2").relu().of(y)?;
//! let x = net.conv("conv3", 256, 1).norm("bn3").plus(x).relu().of(y)?;
//! ```
//!
//! A batch normalisation after a convolution is folded into it. One before a convolution has a ReLU between.

pub mod builder;

use std::collections::BTreeMap;

pub use builder::{Builder, GateShape};
use candle_core::Tensor;
pub use cxr_kernels::{Activation, Padding, PoolingShape, ValueIndex, same_padding};

use crate::inference::InferenceError;
use crate::inference::weights::Tensors;

type LoadedLayers<T> = Result<T, InferenceError>;

/// A network: layer `i` makes value `i + 1`, and the last layer makes the result.
pub struct Layers {
    /// Channels of the input.
    pub channels: usize,
    pub layers: Vec<Layer>,
}

/// A layer, with the values that it reads.
pub enum Layer {
    Conv(Conv),
    /// The largest value under a window. Padding never counts.
    MaxPool(ValueIndex, PoolingShape),
    /// A batch normalisation, a ReLU, and the average of adjacent squares of this many pixels a side. With 1,
    /// there is no average.
    NormReluAverage(ValueIndex, NormRelu, usize),
    /// `AvgPool2d(kernel_size=SIZE, stride=SIZE)`: the average of adjacent squares of this many pixels a side.
    Average(ValueIndex, usize),
    /// `AdaptiveAvgPool2d(1)`: the average of each channel, `[C, 1, 1]`.
    GlobalAverage(ValueIndex),
    /// The first value, `[C, h, w]`, each channel times its number in the second, `[C, 1, 1]`.
    Scale(ValueIndex, ValueIndex),
    /// The sum of two values of one size, and a function of it.
    Add(ValueIndex, ValueIndex, Activation),
    /// The channels of the first value, then those of the second.
    Cat(ValueIndex, ValueIndex),
}

impl Layer {
    /// The values that it reads.
    pub fn inputs(&self) -> Vec<ValueIndex> {
        match self {
            Layer::Conv(conv) => [conv.input].into_iter().chain(conv.residual).collect(),
            Layer::MaxPool(input, _)
            | Layer::NormReluAverage(input, ..)
            | Layer::Average(input, _)
            | Layer::GlobalAverage(input) => vec![*input],
            Layer::Scale(first, second)
            | Layer::Add(first, second, _)
            | Layer::Cat(first, second) => vec![*first, *second],
        }
    }
}

/// `max(scale · x + shift, 0)`, each `[C]`: a batch normalisation and the ReLU after it.
pub struct NormRelu {
    pub scale: Tensor,
    pub shift: Tensor,
}

/// A convolution, and the operations right before and after it.
pub struct Conv {
    pub input: ValueIndex,
    /// Comes before the convolution.
    pub before: Option<NormRelu>,
    /// `[output, input, K, K]`, or `[C, 1, K, K]` if depthwise.
    pub weight: Tensor,
    /// `[output]`
    pub bias: Tensor,
    pub is_depthwise: bool,
    pub stride: usize,
    pub padding: Padding,
    /// Added before the activation.
    pub residual: Option<ValueIndex>,
    pub activation: Activation,
}

/// A source of weights.
pub trait WeightSource {
    /// The tensor of that name and shape.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    fn get(&self, name: &str, shape: &[usize]) -> LoadedLayers<Tensor>;
}

impl WeightSource for Tensors<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> LoadedLayers<Tensor> {
        Tensors::get(self, name, shape)
    }
}

/// Names and shapes of an architecture's tensors.
#[derive(Debug, Default)]
pub struct Shapes(pub BTreeMap<String, Vec<usize>>);

impl Shapes {
    pub fn conv(&mut self, name: &str, output: usize, input: usize, kernel: usize) {
        let shape = vec![output, input, kernel, kernel];
        self.0.insert(format!("{name}.weight"), shape);
    }

    /// A convolution that has a bias.
    pub fn conv_with_bias(&mut self, name: &str, output: usize, input: usize, kernel: usize) {
        self.conv(name, output, input, kernel);
        self.0.insert(format!("{name}.bias"), vec![output]);
    }

    /// The two convolutions of [`Builder::squeeze_excite`].
    pub fn squeeze_excite(&mut self, name: &str, channels: usize, squeezed: usize) {
        self.conv_with_bias(&format!("{name}.fc1"), squeezed, channels, 1);
        self.conv_with_bias(&format!("{name}.fc2"), channels, squeezed, 1);
    }

    pub fn norm(&mut self, name: &str, channels: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.0.insert(format!("{name}.{part}"), vec![channels]);
        }
    }

    pub fn linear(&mut self, name: &str, output: usize, input: usize) {
        self.0.insert(format!("{name}.weight"), vec![output, input]);
        self.0.insert(format!("{name}.bias"), vec![output]);
    }
}
