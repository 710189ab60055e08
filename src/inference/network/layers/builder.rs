//! Assembles [`Layers`] from the tensors of a file, by their names in PyTorch.

use candle_core::{DType, Tensor};

use super::{
    Activation, Conv, Layer, Layers, LoadedLayers, NormRelu, Padding, PoolingShape, ValueIndex,
    WeightSource,
};

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

    /// Uses this ε in all batch normalisations.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Builder { epsilon, ..self }
    }

    /// Uses this padding in all convolutions.
    pub fn padding(self, padding: Padding) -> Self {
        Builder { padding, ..self }
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
            padding: self.padding,
            net: self,
            name: name.into(),
            output: Some(output),
            kernel,
            stride: 1,
            before: None,
            norm: None,
            has_bias: false,
            is_linear: false,
            residual: None,
            activation: Activation::None,
        }
    }

    /// A linear layer over channels to `output` channels: a 1 × 1 convolution with a bias whose weight is
    /// `[output, input]`.
    pub fn linear(&mut self, name: impl Into<String>, output: usize) -> ConvBuilder<'_, 'a> {
        ConvBuilder {
            has_bias: true,
            is_linear: true,
            ..self.conv(name, output, 1)
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
        self.max_pool_of(MAX_POOL, input)
    }

    /// The largest value under a window.
    pub fn max_pool_of(&mut self, window: PoolingShape, input: ValueIndex) -> ValueIndex {
        let channels = self.channels(input);
        self.push(Layer::MaxPool(input, window), channels)
    }

    /// The average of adjacent squares of `size` × `size` pixels.
    #[cfg(test)]
    pub fn average(&mut self, size: usize, input: ValueIndex) -> ValueIndex {
        let channels = self.channels(input);
        self.push(Layer::Average(input, size), channels)
    }

    /// The average of each channel, a map of one pixel.
    pub fn global_average(&mut self, input: ValueIndex) -> ValueIndex {
        let channels = self.channels(input);
        self.push(Layer::GlobalAverage(input), channels)
    }

    /// Each channel of the first value times its number in `by`, a map of one pixel.
    pub fn scale(&mut self, input: ValueIndex, by: ValueIndex) -> ValueIndex {
        let channels = self.channels(input);
        self.push(Layer::Scale(input, by), channels)
    }

    /// `activation(first + second)`.
    #[cfg(test)]
    pub fn add(
        &mut self,
        first: ValueIndex,
        second: ValueIndex,
        activation: Activation,
    ) -> ValueIndex {
        let channels = self.channels(first);
        self.push(Layer::Add(first, second, activation), channels)
    }

    /// Squeeze-and-excitation (Hu et al. 2018, *Squeeze-and-Excitation Networks*, arXiv:1709.01507): each channel
    /// times a gate that is computed from the averages of all. `NAME.fc1` and `NAME.fc2` are 1 × 1 convolutions
    /// with biases, as in torchvision's `SqueezeExcitation`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn squeeze_excite(
        &mut self,
        name: &str,
        gate: &GateShape,
        input: ValueIndex,
    ) -> LoadedLayers<ValueIndex> {
        let channels = self.channels(input);
        let averages = self.global_average(input);
        let fc1 = self.conv(format!("{name}.fc1"), gate.squeezed, 1).bias();
        let squeezed = fc1.activation(gate.activation).of(averages)?;
        let fc2 = self.conv(format!("{name}.fc2"), channels, 1).bias();
        let gates = fc2.activation(gate.scale_activation).of(squeezed)?;
        Ok(self.scale(input, gates))
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

/// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
pub const MAX_POOL: PoolingShape = PoolingShape {
    kernel: 3,
    stride: 2,
    padding: 1,
};

/// The parameters of torchvision's `SqueezeExcitation`.
#[derive(Debug, Clone, Copy)]
pub struct GateShape {
    /// `squeeze_channels`: channels between the two convolutions.
    pub squeezed: usize,
    /// Comes after the first.
    pub activation: Activation,
    /// Comes after the second, and makes the gate.
    pub scale_activation: Activation,
}

/// A convolution that is being described.
pub struct ConvBuilder<'b, 'a> {
    net: &'b mut Builder<'a>,
    name: String,
    /// `None` if depthwise.
    output: Option<usize>,
    kernel: usize,
    stride: usize,
    padding: Padding,
    before: Option<String>,
    norm: Option<String>,
    /// Whether there is a `NAME.bias`.
    has_bias: bool,
    /// Whether the weight is a matrix.
    is_linear: bool,
    residual: Option<ValueIndex>,
    activation: Activation,
}

impl ConvBuilder<'_, '_> {
    /// The kernel steps by this many pixels.
    pub fn stride(self, stride: usize) -> Self {
        ConvBuilder { stride, ..self }
    }

    /// It has this padding, whatever the others have.
    pub fn padding(self, padding: Padding) -> Self {
        ConvBuilder { padding, ..self }
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

    /// It has a bias, `NAME.bias`. A normalisation comes after it.
    pub fn bias(self) -> Self {
        ConvBuilder {
            has_bias: true,
            ..self
        }
    }

    /// This function comes last.
    pub fn activation(self, activation: Activation) -> Self {
        ConvBuilder { activation, ..self }
    }

    /// A ReLU comes last.
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu)
    }

    /// A ReLU6 comes last.
    pub fn relu6(self) -> Self {
        self.activation(Activation::Relu6)
    }

    /// A SiLU comes last.
    pub fn silu(self) -> Self {
        self.activation(Activation::Silu)
    }

    /// A hard swish comes last.
    pub fn hard_swish(self) -> Self {
        self.activation(Activation::HardSwish)
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
        let weight = self.weight([output, in_group, self.kernel, self.kernel])?;
        let (weight, bias) = self.normalised(weight, output)?;
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
            padding: self.padding,
            residual: self.residual,
            activation: self.activation,
        });
        Ok(self.net.push(layer, output))
    }

    /// The weight of this shape, as it is in the file.
    fn weight(&self, shape: [usize; 4]) -> LoadedLayers<Tensor> {
        let name = format!("{}.weight", self.name);
        if self.is_linear {
            let matrix = self.net.tensors.get(&name, &shape[..2])?;
            return Ok(matrix.reshape(&shape[..])?);
        }
        self.net.tensors.get(&name, &shape)
    }

    /// Weight and bias, with the normalisation that follows folded into them.
    fn normalised(&self, weight: Tensor, output: usize) -> LoadedLayers<(Tensor, Tensor)> {
        let name = format!("{}.bias", self.name);
        let bias = self
            .has_bias
            .then(|| self.net.tensors.get(&name, &[output]));
        let bias = bias.transpose()?;
        let Some(norm) = &self.norm else {
            let zeros = || Tensor::zeros(output, DType::F32, weight.device());
            let bias = bias.map_or_else(zeros, Ok)?;
            return Ok((weight, bias));
        };
        let (scale, shift) = self.net.fold_batch_norm(norm, output)?;
        let weight = weight.broadcast_mul(&scale.reshape((output, 1, 1, 1))?)?;
        let bias = match bias {
            Some(bias) => ((bias * scale)? + shift)?,
            None => shift,
        };
        Ok((weight, bias))
    }
}
