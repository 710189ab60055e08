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

use std::collections::BTreeMap;

use candle_core::Tensor;
pub use cxr_kernels::{Activation, Padding, ValueIndex, same_padding};

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
    /// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
    MaxPool(ValueIndex),
    /// A batch normalisation, a ReLU, and the average of adjacent squares of this many pixels a side. With 1,
    /// there is no average.
    NormReluAverage(ValueIndex, NormRelu, usize),
    /// The channels of the first value, then those of the second.
    Cat(ValueIndex, ValueIndex),
}

impl Layer {
    /// The values that it reads.
    pub fn inputs(&self) -> Vec<ValueIndex> {
        match self {
            Layer::Conv(conv) => [conv.input].into_iter().chain(conv.residual).collect(),
            Layer::MaxPool(input) | Layer::NormReluAverage(input, ..) => vec![*input],
            Layer::Cat(first, second) => vec![*first, *second],
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

/// Assembles the layers of a network.
pub struct Builder<'a> {
    tensors: &'a dyn WeightSource,
    epsilon: f64,
    padding: Padding,
    /// One number for each value.
    channels: Vec<usize>,
    layers: Vec<Layer>,
}

impl<'a> Builder<'a> {
    /// A network for images of `channels`, with PyTorch's defaults.
    pub fn new(tensors: &'a dyn WeightSource, channels: usize) -> Self {
        Builder {
            tensors,
            epsilon: 1e-5,
            padding: Padding::Half,
            channels: vec![channels],
            layers: Vec::new(),
        }
    }

    /// Uses TensorFlow's padding, and this ε in all batch normalisations.
    pub fn tensorflow(self, epsilon: f64) -> Self {
        Builder {
            epsilon,
            padding: Padding::Same,
            ..self
        }
    }

    /// Channels of a value.
    pub fn channels(&self, value: ValueIndex) -> usize {
        self.channels[value.0]
    }

    /// A convolution to `output` channels, with the weight `NAME.weight` and without a bias.
    pub fn conv(
        &mut self,
        name: impl Into<String>,
        output: usize,
        kernel: usize,
    ) -> ConvBuilder<'_, 'a> {
        ConvBuilder {
            net: self,
            name: name.into(),
            output: Some(output),
            kernel,
            stride: 1,
            before: None,
            norm: None,
            residual: None,
            activation: Activation::None,
        }
    }

    /// A convolution of each channel with its own kernel.
    pub fn depthwise(&mut self, name: impl Into<String>, kernel: usize) -> ConvBuilder<'_, 'a> {
        ConvBuilder {
            output: None,
            ..self.conv(name, 0, kernel)
        }
    }

    /// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
    pub fn max_pool(&mut self, input: ValueIndex) -> ValueIndex {
        let channels = self.channels(input);
        self.push(Layer::MaxPool(input), channels)
    }

    /// A batch normalisation and a ReLU.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn norm_relu(&mut self, name: &str, input: ValueIndex) -> LoadedLayers<ValueIndex> {
        self.norm_relu_average(name, 1, input)
    }

    /// A batch normalisation, a ReLU, and the average of `size` × `size` pixels.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn norm_relu_average(
        &mut self,
        name: &str,
        size: usize,
        input: ValueIndex,
    ) -> LoadedLayers<ValueIndex> {
        let channels = self.channels(input);
        let (scale, shift) = self.fold_batch_norm(name, channels)?;
        let layer = Layer::NormReluAverage(input, NormRelu { scale, shift }, size);
        Ok(self.push(layer, channels))
    }

    /// The channels of the first value, then those of the second.
    pub fn cat(&mut self, first: ValueIndex, second: ValueIndex) -> ValueIndex {
        let channels = self.channels(first) + self.channels(second);
        self.push(Layer::Cat(first, second), channels)
    }

    /// The finished network.
    pub fn build(self) -> Layers {
        Layers {
            channels: self.channels[0],
            layers: self.layers,
        }
    }

    fn push(&mut self, layer: Layer, channels: usize) -> ValueIndex {
        self.layers.push(layer);
        self.channels.push(channels);
        ValueIndex(self.layers.len())
    }

    /// Scale and shift of a batch normalisation at inference, each `[channels]`:
    /// γ / √(σ² + ε) and β − μ · scale.
    fn fold_batch_norm(&self, name: &str, channels: usize) -> LoadedLayers<(Tensor, Tensor)> {
        let get = |part: &str| self.tensors.get(&format!("{name}.{part}"), &[channels]);
        let deviation = (get("running_var")? + self.epsilon)?.sqrt()?;
        let scale = (get("weight")? / deviation)?;
        let shift = (get("bias")? - (get("running_mean")? * &scale)?)?;
        Ok((scale, shift))
    }
}

/// A convolution that is being described.
pub struct ConvBuilder<'b, 'a> {
    net: &'b mut Builder<'a>,
    name: String,
    /// `None` if depthwise.
    output: Option<usize>,
    kernel: usize,
    stride: usize,
    before: Option<String>,
    norm: Option<String>,
    residual: Option<ValueIndex>,
    activation: Activation,
}

impl ConvBuilder<'_, '_> {
    /// The kernel steps by this many pixels.
    pub fn stride(self, stride: usize) -> Self {
        ConvBuilder { stride, ..self }
    }

    /// This batch normalisation and a ReLU come before the convolution.
    pub fn after_norm_relu(self, name: impl Into<String>) -> Self {
        let before = Some(name.into());
        ConvBuilder { before, ..self }
    }

    /// This batch normalisation comes after the convolution.
    pub fn norm(self, name: impl Into<String>) -> Self {
        let norm = Some(name.into());
        ConvBuilder { norm, ..self }
    }

    /// This value is added before the activation.
    pub fn plus(self, value: ValueIndex) -> Self {
        self.plus_if(Some(value))
    }

    /// This value is added before the activation, if there is one.
    pub fn plus_if(self, residual: Option<ValueIndex>) -> Self {
        ConvBuilder { residual, ..self }
    }

    /// A ReLU comes last.
    pub fn relu(self) -> Self {
        let activation = Activation::Relu;
        ConvBuilder { activation, ..self }
    }

    /// A ReLU6 comes last.
    pub fn relu6(self) -> Self {
        let activation = Activation::Relu6;
        ConvBuilder { activation, ..self }
    }

    /// Adds the convolution of `input` to the network.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn of(self, input: ValueIndex) -> LoadedLayers<ValueIndex> {
        let channels = self.net.channels(input);
        let is_depthwise = self.output.is_none();
        let output = self.output.unwrap_or(channels);
        let in_group = if is_depthwise { 1 } else { channels };
        let shape = [output, in_group, self.kernel, self.kernel];
        let weight = self
            .net
            .tensors
            .get(&format!("{}.weight", self.name), &shape)?;
        let (weight, bias) = match &self.norm {
            None => {
                let zeros = Tensor::zeros(output, candle_core::DType::F32, weight.device())?;
                (weight, zeros)
            }
            Some(norm) => {
                let (scale, shift) = self.net.fold_batch_norm(norm, output)?;
                (
                    weight.broadcast_mul(&scale.reshape((output, 1, 1, 1))?)?,
                    shift,
                )
            }
        };
        let before = self
            .before
            .map(|name| self.net.fold_batch_norm(&name, channels));
        let before = before.transpose()?;
        let layer = Layer::Conv(Conv {
            input,
            before: before.map(|(scale, shift)| NormRelu { scale, shift }),
            weight,
            bias,
            is_depthwise,
            stride: self.stride,
            padding: self.net.padding,
            residual: self.residual,
            activation: self.activation,
        });
        Ok(self.net.push(layer, output))
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
