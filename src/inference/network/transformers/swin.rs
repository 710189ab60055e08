//! Swin: Liu et al. 2021, *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*, arXiv:2103.14030.
//! Tensor names are those of transformers' `SwinForImageClassification`:
//! `swin.encoder.layers.0.blocks.0.attention.self.query.weight`.
//!
//! It ends in an average and one linear layer, so that each label has an exact map.

use candle_core::{Device, Tensor};

use super::parts::{Parts, Shaped};
use super::{Described, ImageShape, StepSink, sizes};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;
use crate::inference::network::token_layers::{
    Patches, ReadoutKind, TokenActivation, TokenAttention, TokenMerge, TokenMlp, TokenReadout,
    TokenStep, Windows,
};

/// Its name on a card.
pub const SWIN: &str = "swin";

/// Of the normalisations of embeddings and of merges, whatever `layer_norm_eps` says: PyTorch's default.
const EPSILON: f64 = 1e-5;
/// Tokens of the side of a window.
const MOST_WINDOW: usize = 32;
/// Numbers that are added to the scores of all windows, once for each head and block. They take 128 MiB. Swin-L with
/// windows of 12 has a third of them.
const MOST_BIASES: usize = 1 << 25;

/// `SwinConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct SwinConfig {
    /// `embed_dim`; twice as many with each stage.
    width: usize,
    /// `depths` and `num_heads`
    stages: Vec<SwinStage>,
    /// `window_size`
    window: usize,
    /// `mlp_ratio`
    ratio: f64,
    activation: TokenActivation,
    epsilon: f64,
    /// `patch_size`
    patch: usize,
    has_qkv_bias: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct SwinStage {
    /// Blocks.
    depth: usize,
    heads: usize,
}

/// Whether a file may hold this, although it is computed or for training: the index of the bias table is a buffer that
/// older versions stored, and older versions of timm stored the masks of shifted windows.
pub fn is_unread(name: &str) -> bool {
    name == "swin.embeddings.mask_token"
        || name.ends_with(".attention.self.relative_position_index")
        || name.ends_with(".attn_mask")
}

impl SwinConfig {
    pub fn of(settings: &NetworkSettings) -> Result<Self, SettingError> {
        // transformers adds one position too many to the squares and fails.
        if settings.flag_or("use_absolute_embeddings", false)? {
            return Err(sizes::unusable(
                "use_absolute_embeddings",
                "is true, which transformers cannot compute",
            ));
        }
        let depths = sizes::stages(settings, "depths", &[2, 2, 6, 2], sizes::MOST_LAYERS)?;
        let heads = sizes::stages(settings, "num_heads", &[3, 6, 12, 24], sizes::MOST_WIDTH)?;
        if heads.len() != depths.len() {
            return Err(sizes::unusable(
                "num_heads",
                "has another length than depths",
            ));
        }
        let stages = depths.into_iter().zip(heads);
        let config = SwinConfig {
            width: settings.size_or("embed_dim", 96, sizes::MOST_WIDTH)?,
            stages: stages
                .map(|(depth, heads)| SwinStage { depth, heads })
                .collect(),
            window: sizes::square(settings, "window_size", 7, MOST_WINDOW)?,
            ratio: settings.number_or("mlp_ratio", 4.0, 1e-3, 64.0)?,
            activation: sizes::activation(settings)?,
            epsilon: sizes::epsilon(settings, EPSILON)?,
            patch: sizes::square(settings, "patch_size", 4, sizes::MOST_PATCH)?,
            has_qkv_bias: settings.flag_or("qkv_bias", true)?,
        };
        config.check()
    }

    fn check(self) -> Result<Self, SettingError> {
        let divides = |(stage, SwinStage { heads, .. }): (usize, &SwinStage)| {
            self.width_of(stage).is_multiple_of(*heads)
        };
        if !self.stages.iter().enumerate().all(divides) {
            return Err(sizes::unusable(
                "num_heads",
                "does not divide the channels of its stage",
            ));
        }
        if self.inside(0) == 0 {
            return Err(sizes::unusable(
                "mlp_ratio",
                "leaves no numbers between the layers",
            ));
        }
        let heads = |stage: &SwinStage| stage.depth * stage.heads;
        let heads: usize = self.stages.iter().map(heads).sum();
        if heads > MOST_BIASES / self.window.pow(4) {
            return Err(sizes::unusable(
                "window_size",
                "makes more position biases than any network has",
            ));
        }
        Ok(self)
    }

    /// Channels of a stage.
    fn width_of(&self, stage: usize) -> usize {
        self.width << stage
    }

    /// Numbers between the layers of an MLP.
    fn inside(&self, stage: usize) -> usize {
        (self.ratio * self.width_of(stage) as f64) as usize
    }

    /// Rows of tokens of a stage.
    fn side_of(&self, stage: usize, pixels: usize) -> usize {
        (0..stage).fold(pixels.div_ceil(self.patch), |side, _| side.div_ceil(2))
    }

    fn last(&self) -> usize {
        self.stages.len() - 1
    }

    /// Whether the squares and the windows of all stages lie side by side over an image of this side.
    pub fn fills_windows(&self, side: usize) -> bool {
        let is_full = |stage| self.side_of(stage, side).is_multiple_of(self.window);
        side.is_multiple_of(self.patch) && (0..self.stages.len()).all(is_full)
    }

    /// Whether an image of this side is whole squares, and no map is smaller than a window.
    pub fn holds_windows(&self, side: usize) -> bool {
        side.is_multiple_of(self.patch) && self.side_of(self.last(), side) >= self.window
    }

    pub fn features(&self) -> usize {
        self.width_of(self.last())
    }

    pub fn cells(&self, side: usize) -> usize {
        self.side_of(self.last(), side)
    }

    fn table(&self) -> usize {
        (2 * self.window - 1).pow(2)
    }

    pub fn shapes(&self, shaped: &mut Shaped, channels: usize) {
        let projection = "swin.embeddings.patch_embeddings.projection";
        shaped.patches(projection, [self.width, channels, self.patch]);
        shaped.norm("swin.embeddings.norm", self.width);
        for (stage, SwinStage { depth, heads }) in self.stages.iter().enumerate() {
            let (width, inside) = (self.width_of(stage), self.inside(stage));
            for block in 0..*depth {
                let name = format!("swin.encoder.layers.{stage}.blocks.{block}");
                let attention = format!("{name}.attention.self");
                shaped.norm(&format!("{name}.layernorm_before"), width);
                shaped.qkv(&attention, width, self.has_qkv_bias);
                let table = format!("{attention}.relative_position_bias_table");
                shaped.tensor(&table, &[self.table(), *heads]);
                shaped.linear(
                    &format!("{name}.attention.output.dense"),
                    width,
                    width,
                    true,
                );
                shaped.norm(&format!("{name}.layernorm_after"), width);
                shaped.linear(&format!("{name}.intermediate.dense"), inside, width, true);
                shaped.linear(&format!("{name}.output.dense"), width, inside, true);
            }
            if stage < self.last() {
                let name = format!("swin.encoder.layers.{stage}.downsample");
                shaped.norm(&format!("{name}.norm"), 4 * width);
                shaped.linear(&format!("{name}.reduction"), 2 * width, 4 * width, false);
            }
        }
        shaped.norm("swin.layernorm", self.features());
    }

    pub fn describe(
        &self,
        parts: &Parts,
        image: ImageShape,
        sink: &mut StepSink,
    ) -> Described<TokenReadout> {
        let projection = "swin.embeddings.patch_embeddings.projection";
        sink(TokenStep::Patches(Patches {
            side: self.patch,
            pads: true,
            linear: parts.patches(projection, [self.width, image.channels, self.patch])?,
            positions: None,
            prefix: None,
            norm: Some(parts.norm("swin.embeddings.norm", self.width, EPSILON)?),
        }))?;
        for (stage, SwinStage { depth, .. }) in self.stages.iter().enumerate() {
            let side = self.side_of(stage, image.side);
            if side < self.window {
                return Err(InferenceError::Card(format!(
                    "stage {stage} has {side} × {side} tokens, fewer than its windows of {window} × {window}; so \
                     transformers fails too",
                    window = self.window
                )));
            }
            for block in 0..*depth {
                // Windows are not shifted where there is one.
                let is_shifted = block % 2 == 1 && side > self.window;
                let shift = if is_shifted { self.window / 2 } else { 0 };
                self.block(parts, [stage, block], shift, sink)?;
            }
            if stage < self.last() {
                sink(TokenStep::Merge(self.merge(parts, stage)?))?;
            }
        }
        Ok(TokenReadout {
            norm: parts.norm("swin.layernorm", self.features(), self.epsilon)?,
            kind: ReadoutKind::Maps,
        })
    }

    fn block(
        &self,
        parts: &Parts,
        [stage, block]: [usize; 2],
        shift: usize,
        sink: &mut StepSink,
    ) -> Described<()> {
        let name = format!("swin.encoder.layers.{stage}.blocks.{block}");
        let attention = format!("{name}.attention.self");
        let output = format!("{name}.attention.output.dense");
        let (width, inside) = (self.width_of(stage), self.inside(stage));
        let heads = self.stages[stage].heads;
        let table = format!("{attention}.relative_position_bias_table");
        let table = parts.tensor(&table, &[self.table(), heads])?;
        sink(TokenStep::Attention(TokenAttention {
            norm: parts.norm(&format!("{name}.layernorm_before"), width, self.epsilon)?,
            qkv: parts.qkv(&attention, width, self.has_qkv_bias)?,
            heads,
            windows: Some(Windows {
                side: self.window,
                shift,
                bias: biases(&table, self.window, heads)?,
            }),
            output: parts.linear(&output, [width, width], true)?,
        }))?;
        let (up, down) = (
            format!("{name}.intermediate.dense"),
            format!("{name}.output.dense"),
        );
        sink(TokenStep::Mlp(TokenMlp {
            depthwise: None,
            norm: parts.norm(&format!("{name}.layernorm_after"), width, self.epsilon)?,
            up: parts.linear(&up, [inside, width], true)?,
            activation: self.activation,
            response: None,
            down: parts.linear(&down, [width, inside], true)?,
        }))
    }

    /// `SwinPatchMerging`, which concatenates upper left, lower left, upper right and lower right.
    fn merge(&self, parts: &Parts, stage: usize) -> Described<TokenMerge> {
        let name = format!("swin.encoder.layers.{stage}.downsample");
        let width = self.width_of(stage);
        let reduction = format!("{name}.reduction");
        Ok(TokenMerge {
            before: None,
            after: Some(parts.norm(&format!("{name}.norm"), 4 * width, EPSILON)?),
            linear: parts.linear(&reduction, [2 * width, 4 * width], false)?,
            pads: true,
        })
    }
}

/// A table of biases by the distance of two tokens, `[(2w − 1)², heads]`, as the biases of all pairs,
/// `[heads, w², w²]`.
fn biases(table: &Tensor, window: usize, heads: usize) -> candle_core::Result<Tensor> {
    let table: Vec<f32> = table.flatten_all()?.to_vec1()?;
    let tokens = window * window;
    let row = 2 * window - 1;
    let bias = |at: usize| {
        let (head, pair) = (at / (tokens * tokens), at % (tokens * tokens));
        let (one, other) = (pair / tokens, pair % tokens);
        let apart = |one: usize, other: usize| one + window - 1 - other;
        let down = apart(one / window, other / window);
        let across = apart(one % window, other % window);
        table[(down * row + across) * heads + head]
    };
    let biases: Vec<f32> = (0..heads * tokens * tokens).map(bias).collect();
    Tensor::from_vec(biases, (heads, tokens, tokens), &Device::Cpu)
}
