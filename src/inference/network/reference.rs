//! The layers one by one, by candle's own operations: slow, plain, and on every device that candle
//! knows. The [plan](crate::inference::kernels::Plan) is held against it.

use candle_core::{D, Result, Tensor, bail};

use super::layers::{Activation, Conv, Layer, Layers, NormRelu};

impl Layers {
    /// `[N, C, H, W]` → the last maps, `[N, F, h, w]`.
    ///
    /// # Errors
    /// If the input has another number of channels, or is too small.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let last_use = self.last_use();
        let mut values = vec![Some(input.clone())];
        for (index, layer) in self.layers.iter().enumerate() {
            let get = |value: super::layers::Value| match &values[value.0] {
                Some(tensor) => Ok(tensor),
                None => bail!("value {} is used after its last use", value.0),
            };
            let made = match layer {
                Layer::Conv(conv) => {
                    let residual = conv.residual.map(get).transpose()?;
                    conv.forward(get(conv.input)?, residual)?
                }
                Layer::MaxPool(input) => max_pool(get(*input)?)?,
                Layer::NormReluAverage(input, norm, 1) => norm.forward(get(*input)?)?,
                Layer::NormReluAverage(input, norm, size) => {
                    norm.forward(get(*input)?)?.avg_pool2d(*size)?
                }
                Layer::Cat(first, second) => Tensor::cat(&[get(*first)?, get(*second)?], 1)?,
            };
            values.push(Some(made));
            for (value, last) in values.iter_mut().zip(&last_use) {
                if *last == index {
                    *value = None;
                }
            }
        }
        match values.pop().flatten() {
            Some(output) => Ok(output),
            None => bail!("a network without layers"),
        }
    }

    /// For each value, the last layer that it goes into; for the output, none that there is.
    pub fn last_use(&self) -> Vec<usize> {
        let mut last = vec![usize::MAX; self.layers.len() + 1];
        for (index, layer) in self.layers.iter().enumerate() {
            for value in layer.inputs() {
                last[value.0] = index;
            }
        }
        last
    }
}

impl Layer {
    /// The values that it is made from.
    pub fn inputs(&self) -> Vec<super::layers::Value> {
        match self {
            Layer::Conv(conv) => [conv.input].into_iter().chain(conv.residual).collect(),
            Layer::MaxPool(input) | Layer::NormReluAverage(input, ..) => vec![*input],
            Layer::Cat(first, second) => vec![*first, *second],
        }
    }
}

impl Conv {
    fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let x = match &self.before {
            Some(norm) => &norm.forward(x)?,
            None => x,
        };
        let (_, channels, height, width) = x.dims4()?;
        let kernel = self.weight.dim(D::Minus1)?;
        let (top, bottom) = self.padding.around(height, kernel, self.stride);
        let (left, right) = self.padding.around(width, kernel, self.stride);
        let groups = if self.is_depthwise { channels } else { 1 };
        let y = x
            .pad_with_zeros(D::Minus2, top, bottom)?
            .pad_with_zeros(D::Minus1, left, right)?
            .conv2d(&self.weight, 0, self.stride, 1, groups)?
            .broadcast_add(&per_channel(&self.bias)?)?;
        let y = match residual {
            Some(residual) => (y + residual)?,
            None => y,
        };
        match self.activation {
            Activation::None => Ok(y),
            Activation::Relu => y.relu(),
            Activation::Relu6 => y.clamp(0_f32, 6_f32),
        }
    }
}

impl NormRelu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&per_channel(&self.scale)?)?
            .broadcast_add(&per_channel(&self.shift)?)?
            .relu()
    }
}

/// `[C]` → `[1, C, 1, 1]`
fn per_channel(values: &Tensor) -> Result<Tensor> {
    values.reshape((1, values.elem_count(), 1, 1))
}

/// `MaxPool2d(kernel_size=3, stride=2, padding=1)` of what is nowhere negative, so that zeros at the
/// border never win.
fn max_pool(x: &Tensor) -> Result<Tensor> {
    let x = x
        .pad_with_zeros(D::Minus1, 1, 1)?
        .pad_with_zeros(D::Minus2, 1, 1)?;
    x.max_pool2d_with_stride(3, 2)
}
