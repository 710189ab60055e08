//! ViT: Dosovitskiy et al. 2021, *An Image is Worth 16x16 Words*, arXiv:2010.11929, and DeiT: Touvron et al. 2021,
//! *Training data-efficient image transformers & distillation through attention*, arXiv:2012.12877. Tensor names are
//! those of transformers' `ViTForImageClassification` and `DeiTForImageClassification`:
//! `vit.encoder.layer.0.attention.attention.query.weight`.
//!
//! DeiT has a second token, which its answers do not use. timm has ViTs that end in an average of the tokens of the image:
//! they have an exact map for each label. DeiT III (Touvron et al. 2022, *DeiT III: Revenge of the ViT*, arXiv:2204.07118)
//! and timm's ViTs of DINOv2 scale what their blocks add. The names of these factors are those of transformers' DINOv2:
//! `vit.encoder.layer.0.layer_scale1.lambda1`.

use candle_core::Tensor;

use super::parts::{Parts, Shaped};
use super::positions::{PositionFilter, resized};
use super::{Described, ImageShape, StepSink, sizes};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::network::token_layers::{
    LinearWeights, Patches, ReadoutKind, TokenActivation, TokenAttention, TokenMlp, TokenReadout,
    TokenStep,
};

/// Its name on a card.
pub const VIT: &str = "vit";
/// Its name on a card.
pub const DEIT: &str = "deit";
/// The name on a card of a ViT that ends in the average of the tokens of the image, with the last normalisation behind
/// it: timm's `VisionTransformer` with `global_pool="avg"`.
pub const VIT_AVERAGE: &str = "vit-average";
/// The setting of the factors' first value, as ConvNeXt has it; timm calls it `init_values`. Above 0 there are factors.
pub const SCALE_KEY: &str = "layer_scale_init_value";
/// timm's setting of position embeddings that leave out the class token.
pub const NO_EMBED_CLASS: &str = "no_embed_class";

/// The factors of a block: of its attention, and of its MLP.
const SCALES: [&str; 2] = ["layer_scale1", "layer_scale2"];

/// `ViTConfig`, `DeiTConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct VitConfig {
    is_deit: bool,
    /// `hidden_size`
    width: usize,
    /// `num_hidden_layers`
    pub layers: usize,
    /// `num_attention_heads`
    heads: usize,
    /// `intermediate_size`
    inside: usize,
    activation: TokenActivation,
    epsilon: f64,
    /// `image_size`, of the position embeddings.
    image: usize,
    /// `patch_size`
    patch: usize,
    has_qkv_bias: bool,
    /// Whether a block has factors for the channels of what it adds.
    has_scale: bool,
    /// Whether the tokens before the image have positions.
    has_first_positions: bool,
    /// Whether it ends in the average of the tokens of the image, and not in the class token.
    pub is_averaged: bool,
}

impl VitConfig {
    /// The sizes of one of the three architectures.
    pub fn of(settings: &NetworkSettings, architecture: &str) -> Result<Self, SettingError> {
        let width = settings.size_or("hidden_size", 768, sizes::MOST_WIDTH)?;
        let config = VitConfig {
            is_deit: architecture == DEIT,
            width,
            layers: settings.size_or("num_hidden_layers", 12, sizes::MOST_LAYERS)?,
            heads: sizes::heads(settings, width)?,
            inside: settings.size_or("intermediate_size", 3072, sizes::MOST_INSIDE)?,
            activation: sizes::activation(settings)?,
            epsilon: sizes::epsilon(settings, 1e-12)?,
            image: sizes::square(settings, "image_size", 224, sizes::MOST_SIDE)?,
            patch: sizes::square(settings, "patch_size", 16, sizes::MOST_PATCH)?,
            has_qkv_bias: settings.flag_or("qkv_bias", true)?,
            has_scale: settings.number_or(SCALE_KEY, 0.0, 0.0, 1e3)? > 0.0,
            has_first_positions: !settings.flag_or(NO_EMBED_CLASS, false)?,
            is_averaged: architecture == VIT_AVERAGE,
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

    /// The name that all tensors but the head's begin with.
    fn prefix(&self) -> &'static str {
        if self.is_deit { "deit" } else { "vit" }
    }

    /// Tokens before those of the image, by their names.
    fn before(&self) -> &'static [&'static str] {
        if self.is_deit {
            &["cls_token", "distillation_token"]
        } else {
            &["cls_token"]
        }
    }

    /// How many of them have positions.
    fn positions_before(&self) -> usize {
        if self.has_first_positions {
            self.before().len()
        } else {
            0
        }
    }

    pub fn features(&self) -> usize {
        self.width
    }

    pub fn cells(&self, side: usize) -> usize {
        side / self.patch
    }

    pub fn is_unread(&self, name: &str) -> bool {
        let name = name.strip_prefix(self.prefix()).unwrap_or_default();
        name == ".embeddings.mask_token" || name.starts_with(".pooler.dense.")
    }

    pub fn shapes(&self, shaped: &mut Shaped, channels: usize) {
        let (width, before) = (self.width, self.before());
        let embeddings = format!("{}.embeddings", self.prefix());
        for token in before {
            shaped.tensor(&format!("{embeddings}.{token}"), &[1, 1, width]);
        }
        let places = self.cells(self.image).pow(2) + self.positions_before();
        let positions = format!("{embeddings}.position_embeddings");
        shaped.tensor(&positions, &[1, places, width]);
        let projection = format!("{embeddings}.patch_embeddings.projection");
        shaped.patches(&projection, [width, channels, self.patch]);
        for layer in 0..self.layers {
            let name = self.layer(layer);
            shaped.norm(&format!("{name}.layernorm_before"), width);
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
            shaped.norm(&format!("{name}.layernorm_after"), width);
            shaped.linear(
                &format!("{name}.intermediate.dense"),
                self.inside,
                width,
                true,
            );
            shaped.linear(&format!("{name}.output.dense"), width, self.inside, true);
            if self.has_scale {
                for scale in SCALES {
                    shaped.tensor(&format!("{name}.{scale}.lambda1"), &[width]);
                }
            }
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
        for layer in 0..self.layers {
            let name = self.layer(layer);
            let attention = format!("{name}.attention.attention");
            let [of_attention, of_mlp] = SCALES.map(|scale| format!("{name}.{scale}"));
            let output = format!("{name}.attention.output.dense");
            let output = parts.linear(&output, [width, width], true)?;
            sink(TokenStep::Attention(TokenAttention {
                norm: parts.norm(&format!("{name}.layernorm_before"), width, self.epsilon)?,
                qkv: parts.qkv(&attention, width, self.has_qkv_bias)?,
                heads: self.heads,
                windows: None,
                output: self.scaled(parts, output, &of_attention)?,
            }))?;
            let (up, down) = (
                format!("{name}.intermediate.dense"),
                format!("{name}.output.dense"),
            );
            let down = parts.linear(&down, [width, self.inside], true)?;
            sink(TokenStep::Mlp(TokenMlp {
                depthwise: None,
                norm: parts.norm(&format!("{name}.layernorm_after"), width, self.epsilon)?,
                up: parts.linear(&up, [self.inside, width], true)?,
                activation: self.activation,
                response: None,
                down: self.scaled(parts, down, &of_mlp)?,
            }))?;
        }
        Ok(TokenReadout {
            norm: parts.norm(&format!("{}.layernorm", self.prefix()), width, self.epsilon)?,
            kind: if self.is_averaged {
                ReadoutKind::NormalisedAverage
            } else {
                ReadoutKind::ClassToken
            },
        })
    }

    /// The last layer of a branch, with its factors if there are any.
    fn scaled(&self, parts: &Parts, linear: LinearWeights, name: &str) -> Described<LinearWeights> {
        if self.has_scale {
            parts.scaled(linear, name)
        } else {
            Ok(linear)
        }
    }

    /// The embeddings. Of images of another side, the positions are resampled, as with transformers'
    /// `interpolate_pos_encoding=True`.
    fn patches(&self, parts: &Parts, image: ImageShape) -> Described<Patches> {
        let (width, before) = (self.width, self.before());
        let name = |part: &str| format!("{}.embeddings.{part}", self.prefix());
        let token = |part: &&str| parts.tensor(&name(part), &[1, 1, width]);
        let tokens = before.iter().map(token).collect::<Described<Vec<_>>>()?;
        let (from, to) = (self.cells(self.image), self.cells(image.side));
        let positioned = self.positions_before();
        let places = from * from + positioned;
        let positions = parts.tensor(&name("position_embeddings"), &[1, places, width])?;
        let positions = positions.squeeze(0)?;
        let tokens = Tensor::cat(&tokens, 1)?.squeeze(0)?;
        let prefix = if positioned > 0 {
            (tokens + positions.narrow(0, 0, positioned)?)?
        } else {
            tokens
        };
        let of_squares = positions.narrow(0, positioned, from * from)?.contiguous()?;
        let of_squares = if from == to {
            of_squares
        } else {
            resized(&of_squares, from, to, PositionFilter::Bicubic)?
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
