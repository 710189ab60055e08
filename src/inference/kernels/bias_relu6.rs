use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};

/// `min(max(x + bias, 0), 6)` for `x [N, C, H, W]` and `bias [C]`, in place.
///
/// # Errors
/// If the shapes do not fit, or `x` is not contiguous `f32`.
pub fn bias_relu6(x: Tensor, bias: &Tensor) -> Result<Tensor> {
    x.inplace_op2(bias, &BiasRelu6)?;
    Ok(x)
}

struct BiasRelu6;

impl InplaceOp2 for BiasRelu6 {
    fn name(&self) -> &'static str {
        "bias-relu6"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let (_, channels, height, width) = x_layout.shape().dims4()?;
        let (Some((start, end)), Some((bias_start, bias_end))) = (
            x_layout.contiguous_offsets(),
            bias_layout.contiguous_offsets(),
        ) else {
            bail!("bias-relu6 needs contiguous tensors");
        };
        let (CpuStorage::F32(x), CpuStorage::F32(bias)) = (x, bias) else {
            bail!("bias-relu6 needs f32");
        };
        let bias = &bias[bias_start..bias_end];
        if bias.len() != channels {
            bail!("bias-relu6: {} biases for {channels} channels", bias.len());
        }
        for (plane, bias) in x[start..end]
            .chunks_exact_mut(height * width)
            .zip(bias.iter().cycle())
        {
            for value in plane {
                *value = (*value + bias).clamp(0.0, 6.0);
            }
        }
        Ok(())
    }
}
