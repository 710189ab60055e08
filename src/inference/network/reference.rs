//! The layers one by one, by candle's own operations: plain, slow on a CPU, and on every device that candle
//! supports. [`PlannedLayers`](super::planned::PlannedLayers) is compared with it.

use candle_core::{D, DType, Result, Tensor, bail};

use super::layers::{Activation, Conv, Layer, Layers, NormRelu, PoolingShape, ValueIndex};

/// A convolution of each channel on its own, without padding: `[N, C, H, W]`, the weight
/// `[C, 1, K, K]` and the stride → `[N, C, h, w]`.
type DepthwiseCase = fn(&Tensor, &Tensor, usize) -> Result<Tensor>;

impl Layers {
    /// `[N, C, H, W]` → the last maps, `[N, F, h, w]`.
    ///
    /// # Errors
    /// If the input has another number of channels, or is too small.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_by(input, channel_by_channel)
    }

    /// As [`forward`](Layers::forward), with fewer operations that each cover many images and channels.
    ///
    /// # Errors
    /// As there.
    pub fn forward_in_batches(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_by(input, tap_by_tap)
    }

    fn forward_by(&self, input: &Tensor, depthwise: DepthwiseCase) -> Result<Tensor> {
        let last_use = self.last_use();
        let mut values = vec![Some(input.clone())];
        for (index, layer) in self.layers.iter().enumerate() {
            let get = |value: ValueIndex| match &values[value.0] {
                Some(tensor) => Ok(tensor),
                None => bail!("value {} is used after its last use", value.0),
            };
            let made = match layer {
                Layer::Conv(conv) => {
                    let residual = conv.residual.map(get).transpose()?;
                    conv.forward(get(conv.input)?, residual, depthwise)?
                }
                Layer::MaxPool(input, window) => max_pool(get(*input)?, *window)?,
                Layer::NormReluAverage(input, norm, 1) => norm.forward(get(*input)?)?,
                Layer::NormReluAverage(input, norm, size) => {
                    norm.forward(get(*input)?)?.avg_pool2d(*size)?
                }
                Layer::Average(input, size) => get(*input)?.avg_pool2d(*size)?,
                Layer::GlobalAverage(input) => global_average(get(*input)?)?,
                Layer::Scale(input, by) => get(*input)?.broadcast_mul(get(*by)?)?,
                Layer::Add(first, second, activation) => {
                    activated((get(*first)? + get(*second)?)?, *activation)?
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

    /// For each value, the last layer that reads it; `usize::MAX` for the output.
    fn last_use(&self) -> Vec<usize> {
        let mut last = vec![usize::MAX; self.layers.len() + 1];
        for (index, layer) in self.layers.iter().enumerate() {
            for value in layer.inputs() {
                last[value.0] = index;
            }
        }
        last
    }
}

impl Conv {
    fn forward(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        depthwise: DepthwiseCase,
    ) -> Result<Tensor> {
        let x = match &self.before {
            Some(norm) => &norm.forward(x)?,
            None => x,
        };
        let (_, _, height, width) = x.dims4()?;
        let kernel = self.weight.dim(D::Minus1)?;
        let (top, bottom) = self.padding.around(height, kernel, self.stride);
        let (left, right) = self.padding.around(width, kernel, self.stride);
        let x = x
            .pad_with_zeros(D::Minus2, top, bottom)?
            .pad_with_zeros(D::Minus1, left, right)?;
        let y = if self.is_depthwise {
            depthwise(&x, &self.weight, self.stride)?
        } else {
            x.conv2d(&self.weight, 0, self.stride, 1, 1)?
        };
        let y = y.broadcast_add(&per_channel(&self.bias)?)?;
        let y = match residual {
            Some(residual) => (y + residual)?,
            None => y,
        };
        activated(y, self.activation)
    }
}

fn activated(y: Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(y),
        Activation::Relu => y.relu(),
        Activation::Relu6 => y.clamp(0_f32, 6_f32),
        Activation::Silu => y.silu(),
        Activation::HardSwish => &y * hard_sigmoid(&y)?,
        Activation::Sigmoid => candle_nn::ops::sigmoid(&y),
        Activation::HardSigmoid => hard_sigmoid(&y),
    }
}

impl NormRelu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_mul(&per_channel(&self.scale)?)?
            .broadcast_add(&per_channel(&self.shift)?)?
            .relu()
    }
}

/// By candle's convolution, one channel after another.
fn channel_by_channel(x: &Tensor, weight: &Tensor, stride: usize) -> Result<Tensor> {
    x.conv2d(weight, 0, stride, 1, weight.dim(0)?)
}

/// The sum of the shifted images, each times one tap of the kernel. That is K² products over all channels, while
/// candle's convolution would start thousands of small ones on a graphics processor and wait for each.
pub(super) fn tap_by_tap(x: &Tensor, weight: &Tensor, stride: usize) -> Result<Tensor> {
    let (images, channels, height, width) = x.dims4()?;
    let kernel = weight.dim(D::Minus1)?;
    let (Some(above), Some(before)) = (height.checked_sub(kernel), width.checked_sub(kernel))
    else {
        bail!("{height} × {width} pixels are too few for a window of {kernel}");
    };
    let (rows, columns) = (above / stride + 1, before / stride + 1);
    // Squares of stride × stride, so that a step of the window is a step of one along an axis.
    let missing = |size: usize| size.next_multiple_of(stride) - size;
    let x = x
        .pad_with_zeros(D::Minus2, 0, missing(height))?
        .pad_with_zeros(D::Minus1, 0, missing(width))?;
    let (down, across) = (height.div_ceil(stride), width.div_ceil(stride));
    let x = x.reshape((images, channels, down, stride, across, stride))?;
    let product = |tap: usize| -> Result<Tensor> {
        let (row, column) = (tap / kernel, tap % kernel);
        let weight = weight.narrow(2, row, 1)?.narrow(3, column, 1)?;
        x.narrow(2, row / stride, rows)?
            .narrow(3, row % stride, 1)?
            .narrow(4, column / stride, columns)?
            .narrow(5, column % stride, 1)?
            .squeeze(5)?
            .squeeze(3)?
            .broadcast_mul(&weight.reshape((1, channels, 1, 1))?)
    };
    (1..kernel * kernel).try_fold(product(0)?, |sum, tap| sum + product(tap)?)
}

/// `[C]` → `[1, C, 1, 1]`
fn per_channel(values: &Tensor) -> Result<Tensor> {
    values.reshape((1, values.elem_count(), 1, 1))
}

/// The largest value under a window. The border repeats the pixels at the edge: each window that reaches into it
/// holds these pixels, too, so that it is never the maximum alone.
fn max_pool(x: &Tensor, window: PoolingShape) -> Result<Tensor> {
    let PoolingShape {
        kernel,
        stride,
        padding,
    } = window;
    let x = x
        .pad_with_same(D::Minus1, padding, padding)?
        .pad_with_same(D::Minus2, padding, padding)?;
    x.max_pool2d_with_stride(kernel, stride)
}

/// `[N, C, H, W]` → `[N, C, 1, 1]`. Sums are in `f32`, row by row, so that a large map of half precision neither
/// overflows nor loses its last pixels.
fn global_average(x: &Tensor) -> Result<Tensor> {
    let rows = x.to_dtype(DType::F32)?.mean_keepdim(D::Minus1)?;
    rows.mean_keepdim(D::Minus2)?.to_dtype(x.dtype())
}

/// `relu6(x + 3) / 6`, in the order of PyTorch.
fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    (x + 3.0)?.clamp(0_f32, 6_f32)? / 6.0
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use proptest::prelude::*;

    use super::*;

    /// Largest difference, over the largest value. A map of one value may be near 0, so that is not below 1.
    fn difference(found: &Tensor, expected: &Tensor) -> f32 {
        assert_eq!(found.dims(), expected.dims());
        let largest = |tensor: Tensor| {
            let tensor = tensor.abs().unwrap().max_all().unwrap();
            tensor
                .to_dtype(DType::F32)
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
        };
        largest((found - expected).unwrap()) / largest(expected.clone()).max(1.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_depthwise_convolution_tap_by_tap_is_candles(
            images in 1_usize..4, channels in 1_usize..20, half in 0_usize..4, stride in 1_usize..4,
            height in 1_usize..20, width in 1_usize..20,
        ) {
            let kernel = 2 * half + 1;
            let random = |shape: &[usize]| Tensor::randn(0_f32, 1.0, shape, &Device::Cpu).unwrap();
            let x = random(&[images, channels, height, width]);
            let weight = random(&[channels, 1, kernel, kernel]);
            let found = tap_by_tap(&x, &weight, stride);
            if height < kernel || width < kernel {
                prop_assert!(found.is_err());
                return Ok(());
            }
            let expected = channel_by_channel(&x, &weight, stride).unwrap();
            let difference = difference(&found.unwrap(), &expected);
            // A sum of K² products of deviation 1 has the deviation K.
            prop_assert!(difference < 1e-6 * kernel as f32, "{difference}");
        }
    }
}
