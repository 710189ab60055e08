//! DINOv2: Oquab et al. 2023, *DINOv2: Learning Robust Visual Features without Supervision*, arXiv:2304.07193, and with
//! registers: Darcet et al. 2024, *Vision Transformers Need Registers*, arXiv:2309.16588. Tensor names are those of
//! transformers' `Dinov2ForImageClassification` and `Dinov2WithRegistersForImageClassification`:
//! `dinov2.encoder.layer.0.attention.attention.query.weight`.
//!
//! The linear head reads the class token and the average of the tokens of the image.

use candle_core::Tensor;

use super::parts::{Parts, Shaped};
use super::positions::{PositionFilter, resized};
use super::{Described, ImageShape, StepSink, sizes};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::network::token_layers::{
    Patches, ReadoutKind, TokenActivation, TokenAttention, TokenMlp, TokenReadout, TokenStep,
};

/// Its name on a card.
pub const DINOV2: &str = "dinov2";
/// Its name on a card.
pub const DINOV2_REGISTERS: &str = "dinov2-registers";

/// `Dinov2Config`, `Dinov2WithRegistersConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dinov2Config {
    has_registers: bool,
    /// `num_register_tokens`; 0 without registers.
    registers: usize,
    /// `hidden_size`
    width: usize,
    /// `num_hidden_layers`
    pub layers: usize,
    /// `num_attention_heads`
    heads: usize,
    /// Numbers between the layers of an MLP.
    inside: usize,
    activation: TokenActivation,
    epsilon: f64,
    /// `image_size`, of the position embeddings.
    image: usize,
    /// `patch_size`
    patch: usize,
    has_qkv_bias: bool,
}

impl Dinov2Config {
    pub fn of(settings: &NetworkSettings, has_registers: bool) -> Result<Self, SettingError> {
        const MOST_REGISTERS: usize = 64;
        let width = settings.size_or("hidden_size", 768, sizes::MOST_WIDTH)?;
        let inside = sizes::inside(settings, width, 4.0)?;
        let gates = settings.flag_or("use_swiglu_ffn", false)?;
        let patch = if has_registers { 16 } else { 14 };
        let config = Dinov2Config {
            has_registers,
            registers: if has_registers {
                settings.size_or("num_register_tokens", 4, MOST_REGISTERS)?
            } else {
                0
            },
            width,
            layers: settings.size_or("num_hidden_layers", 12, sizes::MOST_LAYERS)?,
            heads: sizes::heads(settings, width)?,
            inside: if gates { gated(inside) } else { inside },
            activation: if gates {
                TokenActivation::SwiGlu
            } else {
                sizes::activation(settings)?
            },
            epsilon: sizes::epsilon(settings, 1e-6)?,
            image: sizes::square(settings, "image_size", 224, sizes::MOST_SIDE)?,
            patch: sizes::square(settings, "patch_size", patch, sizes::MOST_PATCH)?,
            has_qkv_bias: settings.flag_or("qkv_bias", true)?,
        };
        let cells = config.cells(config.image);
        if (1..=sizes::MOST_CELLS).contains(&cells) {
            Ok(config)
        } else {
            Err(sizes::unusable(
                "image_size",
                "has too few or too many patches",
            ))
        }
    }

    fn prefix(&self) -> &'static str {
        if self.has_registers {
            "dinov2_with_registers"
        } else {
            "dinov2"
        }
    }

    fn gates(&self) -> bool {
        self.activation == TokenActivation::SwiGlu
    }

    /// Names of the two layers of an MLP, and the numbers that the first one makes.
    fn mlp(&self) -> ([&'static str; 2], usize) {
        if self.gates() {
            (["mlp.weights_in", "mlp.weights_out"], 2 * self.inside)
        } else {
            (["mlp.fc1", "mlp.fc2"], self.inside)
        }
    }

    pub fn features(&self) -> usize {
        2 * self.width
    }

    pub fn cells(&self, side: usize) -> usize {
        side / self.patch
    }

    pub fn is_unread(&self, name: &str) -> bool {
        let name = name.strip_prefix(self.prefix()).unwrap_or_default();
        name == ".embeddings.mask_token"
    }

    pub fn shapes(&self, shaped: &mut Shaped, channels: usize) {
        let width = self.width;
        let embeddings = format!("{}.embeddings", self.prefix());
        shaped.tensor(&format!("{embeddings}.cls_token"), &[1, 1, width]);
        let places = self.cells(self.image).pow(2) + 1;
        let positions = format!("{embeddings}.position_embeddings");
        shaped.tensor(&positions, &[1, places, width]);
        if self.has_registers {
            let registers = format!("{embeddings}.register_tokens");
            shaped.tensor(&registers, &[1, self.registers, width]);
        }
        let projection = format!("{embeddings}.patch_embeddings.projection");
        shaped.patches(&projection, [width, channels, self.patch]);
        let ([up, down], made) = self.mlp();
        for layer in 0..self.layers {
            let name = self.layer(layer);
            shaped.norm(&format!("{name}.norm1"), width);
            shaped.qkv(
                &format!("{name}.attention.attention"),
                width,
                self.has_qkv_bias,
            );
            shaped.linear(
                &format!("{name}.attention.output.dense"),
                width,
                width,
                true,
            );
            shaped.tensor(&format!("{name}.layer_scale1.lambda1"), &[width]);
            shaped.norm(&format!("{name}.norm2"), width);
            shaped.linear(&format!("{name}.{up}"), made, width, true);
            shaped.linear(&format!("{name}.{down}"), width, self.inside, true);
            shaped.tensor(&format!("{name}.layer_scale2.lambda1"), &[width]);
        }
        shaped.norm(&format!("{}.layernorm", self.prefix()), width);
    }

    fn layer(&self, layer: usize) -> String {
        format!("{}.encoder.layer.{layer}", self.prefix())
    }

    pub fn describe(
        &self,
        parts: &Parts,
        image: ImageShape,
        sink: &mut StepSink,
    ) -> Described<TokenReadout> {
        sink(TokenStep::Patches(self.patches(parts, image)?))?;
        let width = self.width;
        let ([up, down], made) = self.mlp();
        for layer in 0..self.layers {
            let name = self.layer(layer);
            let output = parts.linear(
                &format!("{name}.attention.output.dense"),
                [width, width],
                true,
            )?;
            sink(TokenStep::Attention(TokenAttention {
                norm: parts.norm(&format!("{name}.norm1"), width, self.epsilon)?,
                qkv: parts.qkv(
                    &format!("{name}.attention.attention"),
                    width,
                    self.has_qkv_bias,
                )?,
                heads: self.heads,
                windows: None,
                output: parts.scaled(output, &format!("{name}.layer_scale1"))?,
            }))?;
            let output = parts.linear(&format!("{name}.{down}"), [width, self.inside], true)?;
            sink(TokenStep::Mlp(TokenMlp {
                depthwise: None,
                norm: parts.norm(&format!("{name}.norm2"), width, self.epsilon)?,
                up: parts.linear(&format!("{name}.{up}"), [made, width], true)?,
                activation: self.activation,
                response: None,
                down: parts.scaled(output, &format!("{name}.layer_scale2"))?,
            }))?;
        }
        Ok(TokenReadout {
            norm: parts.norm(&format!("{}.layernorm", self.prefix()), width, self.epsilon)?,
            kind: ReadoutKind::ClassAndMean,
        })
    }

    /// The embeddings. The positions are resampled where there are more or fewer squares than of `image_size`. Registers
    /// come after the class token, and have none.
    fn patches(&self, parts: &Parts, image: ImageShape) -> Described<Patches> {
        let width = self.width;
        let name = |part: &str| format!("{}.embeddings.{part}", self.prefix());
        let (from, to) = (self.cells(self.image), self.cells(image.side));
        let places = from * from + 1;
        let positions = parts.tensor(&name("position_embeddings"), &[1, places, width])?;
        let positions = positions.squeeze(0)?;
        let class = parts.tensor(&name("cls_token"), &[1, 1, width])?;
        let mut prefix = (class.squeeze(0)? + positions.narrow(0, 0, 1)?)?;
        if self.has_registers {
            let shape = [1, self.registers, width];
            let registers = parts.tensor(&name("register_tokens"), &shape)?;
            prefix = Tensor::cat(&[prefix, registers.squeeze(0)?], 0)?;
        }
        let filter = if self.has_registers {
            PositionFilter::BicubicAntialias
        } else {
            PositionFilter::Bicubic
        };
        let of_squares = positions.narrow(0, 1, from * from)?.contiguous()?;
        let of_squares = if from == to {
            of_squares
        } else {
            resized(&of_squares, from, to, filter)?
        };
        let projection = name("patch_embeddings.projection");
        Ok(Patches {
            side: self.patch,
            pads: false,
            linear: parts.patches(&projection, [width, image.channels, self.patch])?,
            positions: Some(of_squares),
            prefix: Some(prefix),
            norm: None,
        })
    }
}

/// Numbers of a half of `Dinov2SwiGLUFFN` for `inside` of a plain MLP: two thirds, rounded down and then up to whole
/// eights.
fn gated(inside: usize) -> usize {
    ((inside as f64 * 2.0 / 3.0) as usize).next_multiple_of(8)
}
