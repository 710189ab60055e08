//! What a network is made of, as its paper says it: a list of layers, each from values that came
//! before. The [reference](super::reference) computes them one by one with candle, and a
//! [plan](crate::inference::kernels::Plan) in passes of its own.
//!
//! ```text
//! let y = net.conv("conv1", 64, 1).norm("bn1").relu().of(x)?;
//! let y = net.conv("conv2", 64, 3).stride(2).norm("bn2").relu().of(y)?;
//! let x = net.conv("conv3", 256, 1).norm("bn3").plus(x).relu().of(y)?;
//! ```
//!
//! A batch normalisation after a convolution is folded into it; one before a convolution has a ReLU
//! between.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::inference::InferenceError;
use crate::inference::weights::Tensors;

type LoadedLayers<T> = Result<T, InferenceError>;

/// What a layer makes: its index among the values. The first is the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueIndex(pub usize);

impl ValueIndex {
    pub const INPUT: ValueIndex = ValueIndex(0);
}

/// Layer `i` makes value `i + 1`; the last one is what the network makes.
pub struct Layers {
    /// Of the input.
    pub channels: usize,
    pub layers: Vec<Layer>,
}

pub enum Layer {
    ConvLayer(Conv),
    /// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
    MaxPool(ValueIndex),
    /// A batch normalisation and a ReLU, and the average of squares of so many pixels, side by side;
    /// of one pixel, nothing more.
    NormReluAverage(ValueIndex, NormRelu, usize),
    /// The channels of both.
    Cat(ValueIndex, ValueIndex),
}

/// `max(scale · x + shift, 0)`, each `[C]`: a batch normalisation and the ReLU after it.
pub struct NormRelu {
    pub scale: Tensor,
    pub shift: Tensor,
}

/// A convolution, and what comes right before and after it.
pub struct Conv {
    pub input: ValueIndex,
    pub before: Option<NormRelu>,
    /// `[output, input, K, K]`; of a depthwise one `[C, 1, K, K]`.
    pub weight: Tensor,
    /// `[output]`
    pub bias: Tensor,
    pub is_depthwise: bool,
    pub stride: usize,
    pub padding: Padding,
    /// What is added.
    pub residual: Option<ValueIndex>,
    pub activation: Activation,
}

/// Zeros around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Half the kernel on all sides, as PyTorch's networks have it.
    Half,
    /// TensorFlow's `SAME`: as many as the output needs, the odd one after.
    Same,
}

impl Padding {
    /// Zeros before and after so many pixels.
    pub fn around(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Half => (kernel / 2, kernel / 2),
            Padding::Same => same_padding(size, kernel, stride),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    None,
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
}

/// TensorFlow's `SAME`: zeros before and after, the odd one after.
pub fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let output = size.div_ceil(stride);
    let total = ((output - 1) * stride + kernel).saturating_sub(size);
    (total / 2, total - total / 2)
}

/// Where weights come from.
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

/// Puts layers together.
pub struct Builder<'a> {
    tensors: &'a dyn WeightSource,
    epsilon: f64,
    padding: Padding,
    /// Of each value.
    channels: Vec<usize>,
    layers: Vec<Layer>,
}

impl<'a> Builder<'a> {
    /// For images of `channels`, with PyTorch's defaults.
    pub fn new(tensors: &'a dyn WeightSource, channels: usize) -> Self {
        Builder {
            tensors,
            epsilon: 1e-5,
            padding: Padding::Half,
            channels: vec![channels],
            layers: Vec::new(),
        }
    }

    /// TensorFlow's padding, and the ε of all batch normalisations.
    pub fn tensorflow(self, epsilon: f64) -> Self {
        Builder {
            epsilon,
            padding: Padding::Same,
            ..self
        }
    }

    pub fn channels(&self, value: ValueIndex) -> usize {
        self.channels[value.0]
    }

    /// A convolution with the weight `NAME.weight` and no bias of its own, to `output` channels.
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

    /// A convolution of each channel with a kernel of its own.
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

    /// The channels of both.
    pub fn cat(&mut self, first: ValueIndex, second: ValueIndex) -> ValueIndex {
        let channels = self.channels(first) + self.channels(second);
        self.push(Layer::Cat(first, second), channels)
    }

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
    /// `None` for a depthwise one.
    output: Option<usize>,
    kernel: usize,
    stride: usize,
    before: Option<String>,
    norm: Option<String>,
    residual: Option<ValueIndex>,
    activation: Activation,
}

impl ConvBuilder<'_, '_> {
    pub fn stride(self, stride: usize) -> Self {
        ConvBuilder { stride, ..self }
    }

    /// This batch normalisation and a ReLU come before it.
    pub fn after_norm_relu(self, name: impl Into<String>) -> Self {
        let before = Some(name.into());
        ConvBuilder { before, ..self }
    }

    /// This batch normalisation comes after it.
    pub fn norm(self, name: impl Into<String>) -> Self {
        let norm = Some(name.into());
        ConvBuilder { norm, ..self }
    }

    /// What is added to it, before the activation.
    pub fn plus(self, value: ValueIndex) -> Self {
        self.plus_if(Some(value))
    }

    pub fn plus_if(self, residual: Option<ValueIndex>) -> Self {
        ConvBuilder { residual, ..self }
    }

    pub fn relu(self) -> Self {
        let activation = Activation::Relu;
        ConvBuilder { activation, ..self }
    }

    pub fn relu6(self) -> Self {
        let activation = Activation::Relu6;
        ConvBuilder { activation, ..self }
    }

    /// Adds it to the network, from `input`.
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
        let layer = Layer::ConvLayer(Conv {
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
