//! Steps of a network of tokens on another device. What is added in `f32` stays in `f32`.

use candle_core::{DType, Device, Result, Tensor};

use crate::inference::network::offload::put;
use crate::inference::network::token_layers::{
    LayerNormWeights, LinearWeights, Patches, TokenAttention, TokenConv, TokenMerge, TokenMlp,
    TokenReadout, TokenStep, Windows,
};

impl TokenStep {
    /// The same step on another device.
    ///
    /// # Errors
    /// If the device has no room for it, or a weight is too large for `dtype`.
    pub fn on(&self, device: &Device, dtype: DType) -> Result<TokenStep> {
        let linear = |linear: &LinearWeights| linear.on(device, dtype);
        let norm = |norm: &LayerNormWeights| norm.on(device);
        let tensor = |tensor: &Tensor| put(tensor, device, dtype);
        Ok(match self {
            TokenStep::Patches(patches) => TokenStep::Patches(Patches {
                linear: linear(&patches.linear)?,
                positions: patches.positions.as_ref().map(tensor).transpose()?,
                prefix: patches.prefix.as_ref().map(tensor).transpose()?,
                norm: patches.norm.as_ref().map(norm).transpose()?,
                ..*patches
            }),
            TokenStep::Attention(attention) => {
                let windows = attention.windows.as_ref();
                let windows = windows.map(|windows| {
                    Ok::<_, candle_core::Error>(Windows {
                        // Added to scores, which are in `f32`.
                        bias: put(&windows.bias, device, DType::F32)?,
                        ..*windows
                    })
                });
                TokenStep::Attention(TokenAttention {
                    norm: norm(&attention.norm)?,
                    qkv: linear(&attention.qkv)?,
                    heads: attention.heads,
                    windows: windows.transpose()?,
                    output: linear(&attention.output)?,
                })
            }
            TokenStep::Mlp(mlp) => {
                let convolution = mlp.depthwise.as_ref().map(|convolution| {
                    Ok::<_, candle_core::Error>(TokenConv {
                        weight: tensor(&convolution.weight)?,
                        bias: tensor(&convolution.bias)?,
                    })
                });
                let in_f32 = |tensor: &Tensor| put(tensor, device, DType::F32);
                let response = mlp.response.as_ref().map(|[weight, bias]| {
                    Ok::<_, candle_core::Error>([in_f32(weight)?, in_f32(bias)?])
                });
                TokenStep::Mlp(TokenMlp {
                    depthwise: convolution.transpose()?,
                    norm: norm(&mlp.norm)?,
                    up: linear(&mlp.up)?,
                    activation: mlp.activation,
                    response: response.transpose()?,
                    down: linear(&mlp.down)?,
                })
            }
            TokenStep::Merge(merge) => TokenStep::Merge(TokenMerge {
                before: merge.before.as_ref().map(norm).transpose()?,
                after: merge.after.as_ref().map(norm).transpose()?,
                linear: linear(&merge.linear)?,
                pads: merge.pads,
            }),
        })
    }
}

impl TokenReadout {
    /// The same on another device, in `f32`.
    ///
    /// # Errors
    /// If the device has no room for it.
    pub fn on(&self, device: &Device) -> Result<TokenReadout> {
        Ok(TokenReadout {
            norm: self.norm.on(device)?,
            kind: self.kind,
        })
    }
}

impl LinearWeights {
    fn on(&self, device: &Device, dtype: DType) -> Result<Self> {
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| put(bias, device, dtype)).transpose()?;
        Ok(LinearWeights {
            weight: put(&self.weight, device, dtype)?,
            bias,
        })
    }
}

impl LayerNormWeights {
    /// In `f32`.
    fn on(&self, device: &Device) -> Result<Self> {
        Ok(LayerNormWeights {
            weight: put(&self.weight, device, DType::F32)?,
            bias: put(&self.bias, device, DType::F32)?,
            epsilon: self.epsilon,
        })
    }
}
