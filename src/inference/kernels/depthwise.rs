use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use crate::inference::network::same_padding;

/// A convolution of each channel with a kernel of its own, TensorFlow's `SAME` padding, with bias
/// and ReLU6: `[N, C, H, W]` → `[N, C, ⌈H/stride⌉, ⌈W/stride⌉]`.
pub struct DepthwiseConv {
    /// `[C, K, K]`, row by row.
    weight: Vec<f32>,
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
}

impl DepthwiseConv {
    /// `weight [C, 1, K, K]`, `bias [C]`.
    ///
    /// # Errors
    /// If the shapes do not fit or are not `f32`.
    pub fn new(weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Self> {
        let (channels, one, kernel, kernel_w) = weight.dims4()?;
        if one != 1 || kernel != kernel_w || bias.dims() != [channels] {
            bail!(
                "depthwise: weight {:?} and bias {:?} do not fit",
                weight.dims(),
                bias.dims()
            );
        }
        let weight = weight.flatten_all()?.to_vec1()?;
        Ok(DepthwiseConv {
            weight,
            bias: bias.to_vec1()?,
            kernel,
            stride,
        })
    }

    /// # Errors
    /// If `x` has another number of channels, or is not contiguous `f32`.
    pub fn forward_relu6(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(self)
    }

    /// One channel. The input is copied into a frame of zeros once, so that the loops over taps
    /// have no edges and the compiler can make vectors of them.
    fn plane(
        &self,
        channel: usize,
        input: &[f32],
        size: (usize, usize),
        frame: &mut Frame,
        out: &mut [f32],
    ) {
        let taps = self.kernel * self.kernel;
        let weight = &self.weight[channel * taps..][..taps];
        frame.fill(input, size.1);
        let out_width = size.1.div_ceil(self.stride);
        for (y, row) in out.chunks_exact_mut(out_width).enumerate() {
            row.fill(self.bias[channel]);
            for (dy, kernel_row) in weight.chunks_exact(self.kernel).enumerate() {
                let source = frame.row(y * self.stride + dy);
                for (dx, w) in kernel_row.iter().enumerate() {
                    accumulate(row, &source[dx..], *w, self.stride);
                }
            }
            for value in row {
                *value = value.clamp(0.0, 6.0);
            }
        }
    }
}

/// `out[i] += w · source[i · stride]`
fn accumulate(out: &mut [f32], source: &[f32], w: f32, stride: usize) {
    if stride == 1 {
        for (o, s) in out.iter_mut().zip(source) {
            *o += w * s;
        }
    } else {
        for (o, s) in out.iter_mut().zip(source.iter().step_by(stride)) {
            *o += w * s;
        }
    }
}

/// A channel with zeros around it.
struct Frame {
    values: Vec<f32>,
    width: usize,
    top: usize,
    left: usize,
}

impl Frame {
    fn new(height: usize, width: usize, kernel: usize, stride: usize) -> Self {
        let (top, bottom) = same_padding(height, kernel, stride);
        let (left, right) = same_padding(width, kernel, stride);
        let padded = left + width + right;
        Frame {
            values: vec![0.0; (top + height + bottom) * padded],
            width: padded,
            top,
            left,
        }
    }

    fn fill(&mut self, input: &[f32], width: usize) {
        for (y, row) in input.chunks_exact(width).enumerate() {
            let start = (self.top + y) * self.width + self.left;
            self.values[start..start + width].copy_from_slice(row);
        }
    }

    fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..][..self.width]
    }
}

impl CustomOp1 for DepthwiseConv {
    fn name(&self) -> &'static str {
        "depthwise-conv-relu6"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, channels, height, width) = layout.shape().dims4()?;
        if channels != self.bias.len() {
            bail!(
                "depthwise: {channels} channels for {} kernels",
                self.bias.len()
            );
        }
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            bail!("depthwise needs a contiguous f32 tensor");
        };
        let (out_h, out_w) = (height.div_ceil(self.stride), width.div_ceil(self.stride));
        let mut output = vec![0.0; n * channels * out_h * out_w];
        let mut frame = Frame::new(height, width, self.kernel, self.stride);
        let planes = values[start..end].chunks_exact(height * width);
        for (i, (input, out)) in planes
            .zip(output.chunks_exact_mut(out_h * out_w))
            .enumerate()
        {
            self.plane(i % channels, input, (height, width), &mut frame, out);
        }
        Ok((
            CpuStorage::F32(output),
            Shape::from((n, channels, out_h, out_w)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use proptest::prelude::*;

    use super::*;

    /// Stock candle on the same numbers: pad, grouped convolution, bias, clamp.
    fn reference(x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Tensor> {
        let (_, channels, height, width) = x.dims4()?;
        let kernel = weight.dim(3)?;
        let (top, bottom) = same_padding(height, kernel, stride);
        let (left, right) = same_padding(width, kernel, stride);
        x.pad_with_zeros(2, top, bottom)?
            .pad_with_zeros(3, left, right)?
            .conv2d(weight, 0, stride, 1, channels)?
            .broadcast_add(&bias.reshape((1, channels, 1, 1))?)?
            .clamp(0f32, 6f32)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_candles_grouped_convolution(
            n in 1usize..3, channels in 1usize..5, height in 1usize..20, width in 1usize..20,
            wide in any::<bool>(), stride in 1usize..3,
        ) {
            let kernel = if wide { 5 } else { 3 };
            let cpu = Device::Cpu;
            let x = Tensor::randn(0f32, 2., (n, channels, height, width), &cpu).unwrap();
            let weight = Tensor::randn(0f32, 1., (channels, 1, kernel, kernel), &cpu).unwrap();
            let bias = Tensor::randn(0f32, 1., channels, &cpu).unwrap();
            let ours = DepthwiseConv::new(&weight, &bias, stride).unwrap().forward_relu6(&x).unwrap();
            let theirs = reference(&x, &weight, &bias, stride).unwrap();
            prop_assert_eq!(ours.dims(), theirs.dims());
            let worst = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
            prop_assert!(worst.to_scalar::<f32>().unwrap() < 1e-4);
        }
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_an_error() {
        let cpu = Device::Cpu;
        let weight = Tensor::zeros((2, 1, 3, 3), candle_core::DType::F32, &cpu).unwrap();
        let bias = Tensor::zeros(2, candle_core::DType::F32, &cpu).unwrap();
        let conv = DepthwiseConv::new(&weight, &bias, 1).unwrap();
        let x = Tensor::zeros((1, 3, 4, 4), candle_core::DType::F32, &cpu).unwrap();
        assert!(conv.forward_relu6(&x).is_err());
        assert!(DepthwiseConv::new(&bias, &bias, 1).is_err());
    }
}
