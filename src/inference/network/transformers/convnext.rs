//! ConvNeXt: Liu et al. 2022, *A ConvNet for the 2020s*, arXiv:2201.03545, and ConvNeXt V2: Woo et al. 2023, *ConvNeXt
//! V2: Co-designing and Scaling ConvNets with Masked Autoencoders*, arXiv:2301.00808. Tensor names are those of
//! transformers' `ConvNextForImageClassification` and `ConvNextV2ForImageClassification`:
//! `convnext.encoder.stages.0.layers.0.dwconv.weight`.
//!
//! It ends in an average, a normalisation and one linear layer. For one image, the deviation of the normalisation is a
//! number like others, so that each label has a map whose mean is its logit.

use super::parts::{Parts, Shaped};
use super::{Described, ImageShape, StepSink, sizes};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::network::token_layers::{
    LinearWeights, Patches, ReadoutKind, TokenActivation, TokenConv, TokenMerge, TokenMlp,
    TokenReadout, TokenStep,
};

/// Its name on a card.
pub const CONVNEXT: &str = "convnext";
/// Its name on a card.
pub const CONVNEXTV2: &str = "convnextv2";

/// Of all normalisations but the last, whatever `layer_norm_eps` says.
const EPSILON: f64 = 1e-6;
/// Height and width of the depthwise kernels.
const KERNEL: usize = 7;
/// Channels between the layers of an MLP for each outside.
const EXPANSION: usize = 4;

/// `ConvNextConfig`, `ConvNextV2Config`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvnextConfig {
    is_v2: bool,
    /// `hidden_sizes` and `depths`
    stages: Vec<ConvnextStage>,
    activation: TokenActivation,
    /// Of the last normalisation.
    epsilon: f64,
    /// `patch_size`
    patch: usize,
    /// Whether a block has factors for its channels: `layer_scale_init_value` is above 0.
    has_scale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ConvnextStage {
    width: usize,
    /// Blocks.
    depth: usize,
}

impl ConvnextConfig {
    pub fn of(settings: &NetworkSettings, is_v2: bool) -> Result<Self, SettingError> {
        const WIDTHS: [usize; 4] = [96, 192, 384, 768];
        let widths = sizes::stages(settings, "hidden_sizes", &WIDTHS, sizes::MOST_WIDTH)?;
        let depths = sizes::stages(settings, "depths", &[3, 3, 9, 3], sizes::MOST_LAYERS)?;
        let count = settings.size_or("num_stages", 4, sizes::MOST_STAGES)?;
        for (key, length) in [("hidden_sizes", widths.len()), ("depths", depths.len())] {
            if length != count {
                return Err(sizes::unusable(key, "has another length than num_stages"));
            }
        }
        let scale = settings.number_or("layer_scale_init_value", 1e-6, -1.0, 1e3)?;
        let stages = widths.into_iter().zip(depths);
        Ok(ConvnextConfig {
            is_v2,
            stages: stages
                .map(|(width, depth)| ConvnextStage { width, depth })
                .collect(),
            activation: sizes::activation(settings)?,
            epsilon: sizes::epsilon(settings, 1e-12)?,
            patch: sizes::square(settings, "patch_size", 4, sizes::MOST_PATCH)?,
            has_scale: !is_v2 && scale > 0.0,
        })
    }

    pub fn prefix(&self) -> &'static str {
        if self.is_v2 { "convnextv2" } else { "convnext" }
    }

    pub fn features(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.width)
    }

    pub fn cells(&self, side: usize) -> usize {
        (1..self.stages.len()).fold(side / self.patch, |side, _| side / 2)
    }

    fn block_name(&self, stage: usize, block: usize) -> String {
        format!("{}.encoder.stages.{stage}.layers.{block}", self.prefix())
    }

    fn downsampling_name(&self, stage: usize) -> String {
        format!(
            "{}.encoder.stages.{stage}.downsampling_layer",
            self.prefix()
        )
    }

    pub fn shapes(&self, shaped: &mut Shaped, channels: usize) {
        let embeddings = format!("{}.embeddings", self.prefix());
        let mut before = self.stages[0].width;
        let stem = format!("{embeddings}.patch_embeddings");
        shaped.patches(&stem, [before, channels, self.patch]);
        shaped.norm(&format!("{embeddings}.layernorm"), before);
        for (stage, ConvnextStage { width, depth }) in self.stages.iter().enumerate() {
            if stage > 0 {
                let name = self.downsampling_name(stage);
                shaped.norm(&format!("{name}.0"), before);
                shaped.patches(&format!("{name}.1"), [*width, before, 2]);
            }
            for block in 0..*depth {
                self.block_shapes(shaped, &self.block_name(stage, block), *width);
            }
            before = *width;
        }
        shaped.norm(&format!("{}.layernorm", self.prefix()), before);
    }

    fn block_shapes(&self, shaped: &mut Shaped, name: &str, width: usize) {
        let inside = EXPANSION * width;
        shaped.patches(&format!("{name}.dwconv"), [width, 1, KERNEL]);
        shaped.norm(&format!("{name}.layernorm"), width);
        shaped.linear(&format!("{name}.pwconv1"), inside, width, true);
        shaped.linear(&format!("{name}.pwconv2"), width, inside, true);
        if self.has_scale {
            shaped.tensor(&format!("{name}.layer_scale_parameter"), &[width]);
        }
        if self.is_v2 {
            shaped.tensor(&format!("{name}.grn.weight"), &[1, 1, 1, inside]);
            shaped.tensor(&format!("{name}.grn.bias"), &[1, 1, 1, inside]);
        }
    }

    pub fn describe(
        &self,
        parts: &Parts,
        image: ImageShape,
        sink: &mut StepSink,
    ) -> Described<TokenReadout> {
        let embeddings = format!("{}.embeddings", self.prefix());
        let mut before = self.stages[0].width;
        let stem = format!("{embeddings}.patch_embeddings");
        sink(TokenStep::Patches(Patches {
            side: self.patch,
            pads: false,
            linear: parts.patches(&stem, [before, image.channels, self.patch])?,
            positions: None,
            prefix: None,
            norm: Some(parts.norm(&format!("{embeddings}.layernorm"), before, EPSILON)?),
        }))?;
        for (stage, ConvnextStage { width, depth }) in self.stages.iter().enumerate() {
            if stage > 0 {
                let name = self.downsampling_name(stage);
                sink(TokenStep::Merge(downsampling(
                    parts, &name, before, *width,
                )?))?;
            }
            for block in 0..*depth {
                let name = self.block_name(stage, block);
                sink(TokenStep::Mlp(self.block(parts, &name, *width)?))?;
            }
            before = *width;
        }
        let name = format!("{}.layernorm", self.prefix());
        Ok(TokenReadout {
            norm: parts.norm(&name, before, self.epsilon)?,
            kind: ReadoutKind::NormalisedAverage,
        })
    }

    fn block(&self, parts: &Parts, name: &str, width: usize) -> Described<TokenMlp> {
        let inside = EXPANSION * width;
        let tensor = |part: &str, shape: &[usize]| parts.tensor(&format!("{name}.{part}"), shape);
        let mut down = parts.linear(&format!("{name}.pwconv2"), [width, inside], true)?;
        if self.has_scale {
            down = down.scaled(&tensor("layer_scale_parameter", &[width])?)?;
        }
        let response = if self.is_v2 {
            let shape = [1, 1, 1, inside];
            let (weight, bias) = (tensor("grn.weight", &shape)?, tensor("grn.bias", &shape)?);
            Some([weight.flatten_all()?, bias.flatten_all()?])
        } else {
            None
        };
        Ok(TokenMlp {
            depthwise: Some(TokenConv {
                weight: tensor("dwconv.weight", &[width, 1, KERNEL, KERNEL])?,
                bias: tensor("dwconv.bias", &[width])?,
            }),
            norm: parts.norm(&format!("{name}.layernorm"), width, EPSILON)?,
            up: parts.linear(&format!("{name}.pwconv1"), [inside, width], true)?,
            activation: self.activation,
            response,
            down,
        })
    }
}

/// A normalisation, and a convolution of 2 × 2 pixels whose stride is 2.
fn downsampling(parts: &Parts, name: &str, before: usize, after: usize) -> Described<TokenMerge> {
    let weight = parts.tensor(&format!("{name}.1.weight"), &[after, before, 2, 2])?;
    // From [output, input, rows, columns] to the order of a merge: columns, rows, input.
    let weight = weight.permute((0, 3, 2, 1))?.contiguous()?;
    Ok(TokenMerge {
        before: Some(parts.norm(&format!("{name}.0"), before, EPSILON)?),
        after: None,
        linear: LinearWeights {
            weight: weight.reshape((after, 4 * before))?,
            bias: Some(parts.tensor(&format!("{name}.1.bias"), &[after])?),
        },
        pads: false,
    })
}
