//! From the names of timm's tensors to those of transformers, which the networks here have.

use super::renamed::{FUSED, RenamedTensor, convnext_block};
use super::{HEAD, TransformerConfig};
use crate::inference::network::wrapped_names::unwrapped;

/// How timm names the tensors of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimmNames {
    Vit {
        is_averaged: bool,
    },
    Swin {
        /// Whether stages begin with their merge. transformers counts it, as timm before 0.9 did, as the end of the
        /// stage before.
        merges_first: bool,
    },
    Convnext {
        /// What all names in transformers begin with.
        prefix: &'static str,
    },
}

/// Only where stages end in their merge, the first has one.
const OLD_MERGE: &str = "layers.0.downsample.reduction.weight";

impl TimmNames {
    /// The names for a network in a file with tensors of these names. `None` for a network that timm does not have so.
    pub fn of<'a>(
        config: &TransformerConfig,
        mut names: impl Iterator<Item = &'a String>,
    ) -> Option<Self> {
        Some(match config {
            TransformerConfig::Vit(config) => TimmNames::Vit {
                is_averaged: config.is_averaged,
            },
            TransformerConfig::Swin(_) => TimmNames::Swin {
                merges_first: !names.any(|name| unwrapped(name) == OLD_MERGE),
            },
            TransformerConfig::Convnext(config) => TimmNames::Convnext {
                prefix: config.prefix(),
            },
            TransformerConfig::Dinov2(_) => return None,
        })
    }

    /// The name in transformers of a tensor. One of no layer here stays as it is.
    pub fn renamed(self, name: &str) -> String {
        let name = unwrapped(name);
        let renamed = match self {
            TimmNames::Vit { is_averaged } => of_vit(name, is_averaged),
            TimmNames::Swin { merges_first } => of_swin(name, merges_first),
            TimmNames::Convnext { prefix } => of_convnext(name, prefix),
        };
        renamed.unwrap_or_else(|| name.to_owned())
    }

    /// What a tensor of timm is in transformers, with the shapes that it has there: one tensor, or three. It has as many
    /// values as its shape says.
    pub fn tensors(
        self,
        name: &str,
        mut shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Vec<RenamedTensor> {
        let name = self.renamed(name);
        if let TimmNames::Convnext { .. } = self {
            shape = as_linear(&name, shape);
        }
        let tensor = RenamedTensor {
            name,
            shape,
            values,
        };
        tensor.divided()
    }
}

/// With `conv_mlp` timm has convolutions of one pixel where transformers has linear layers. Its factors of a response
/// normalisation are a row, and four axes in transformers.
fn as_linear(name: &str, shape: Vec<usize>) -> Vec<usize> {
    let is_linear = [".pwconv1.weight", ".pwconv2.weight"]
        .iter()
        .any(|end| name.ends_with(end));
    match shape[..] {
        [output, input, 1, 1] if is_linear => vec![output, input],
        [channels] if name.contains(".grn.") => vec![1, 1, 1, channels],
        _ => shape,
    }
}

/// `VisionTransformer`
fn of_vit(name: &str, is_averaged: bool) -> Option<String> {
    match name {
        "cls_token" => return Some("vit.embeddings.cls_token".to_owned()),
        "pos_embed" => return Some("vit.embeddings.position_embeddings".to_owned()),
        _ => {}
    }
    // The one that is not there has no weights.
    let last = if is_averaged { "fc_norm" } else { "norm" };
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "patch_embed.proj" => "vit.embeddings.patch_embeddings.projection".to_owned(),
        "head" => HEAD.to_owned(),
        module if module == last => "vit.layernorm".to_owned(),
        module => {
            let (block, part) = module.strip_prefix("blocks.")?.split_once('.')?;
            let layer = format!("vit.encoder.layer.{block}");
            // The factors of what a block adds have their names in transformers' DINOv2.
            match (part, parameter) {
                ("ls1", "gamma") => return Some(format!("{layer}.layer_scale1.lambda1")),
                ("ls2", "gamma") => return Some(format!("{layer}.layer_scale2.lambda1")),
                _ => {}
            }
            let part = of_block(part, "attention.attention")?;
            format!("{layer}.{part}")
        }
    };
    Some(format!("{module}.{parameter}"))
}

/// `SwinTransformer`
fn of_swin(name: &str, merges_first: bool) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "patch_embed.proj" => "swin.embeddings.patch_embeddings.projection".to_owned(),
        "patch_embed.norm" => "swin.embeddings.norm".to_owned(),
        "norm" => "swin.layernorm".to_owned(),
        "head.fc" | "head" => HEAD.to_owned(),
        module => {
            let (stage, part) = module.strip_prefix("layers.")?.split_once('.')?;
            let stage: usize = stage.parse().ok()?;
            let (stage, part) = if let Some(part) = part.strip_prefix("downsample.") {
                let stage = stage.checked_sub(usize::from(merges_first))?;
                (stage, format!("downsample.{part}"))
            } else {
                let (block, part) = part.strip_prefix("blocks.")?.split_once('.')?;
                let part = of_block(part, "attention.self")?;
                (stage, format!("blocks.{block}.{part}"))
            };
            format!("swin.encoder.layers.{stage}.{part}")
        }
    };
    Some(format!("{module}.{parameter}"))
}

/// A part of the blocks of both.
fn of_block(part: &str, attention: &str) -> Option<String> {
    Some(match part {
        "norm1" => "layernorm_before".to_owned(),
        "attn" => attention.to_owned(),
        "attn.qkv" => format!("{attention}{FUSED}"),
        "attn.proj" => "attention.output.dense".to_owned(),
        "norm2" => "layernorm_after".to_owned(),
        "mlp.fc1" => "intermediate.dense".to_owned(),
        "mlp.fc2" => "output.dense".to_owned(),
        _ => return None,
    })
}

/// `ConvNeXt`
fn of_convnext(name: &str, prefix: &str) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "stem.0" => format!("{prefix}.embeddings.patch_embeddings"),
        "stem.1" => format!("{prefix}.embeddings.layernorm"),
        "head.norm" => format!("{prefix}.layernorm"),
        "head.fc" => HEAD.to_owned(),
        module => {
            let (stage, part) = module.strip_prefix("stages.")?.split_once('.')?;
            let (kind, part) = part.split_once('.')?;
            let stage = format!("{prefix}.encoder.stages.{stage}");
            match kind {
                "downsample" => format!("{stage}.downsampling_layer.{part}"),
                "blocks" => return of_convnext_block(&stage, part, parameter),
                _ => return None,
            }
        }
    };
    Some(format!("{module}.{parameter}"))
}

/// A parameter of a block: `part` is its number, and behind a dot its layer.
fn of_convnext_block(stage: &str, part: &str, parameter: &str) -> Option<String> {
    convnext_block(stage, part, parameter, "gamma", |layer| {
        Some(match layer {
            "conv_dw" => "dwconv",
            "norm" => "layernorm",
            "mlp.fc1" => "pwconv1",
            "mlp.fc2" => "pwconv2",
            "mlp.grn" => "grn",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NetworkSettings;

    fn names(architecture: &str, settings: &NetworkSettings, file: &[&str]) -> TimmNames {
        let config = TransformerConfig::of(architecture, settings);
        let file: Vec<String> = file.iter().map(|&name| name.to_owned()).collect();
        TimmNames::of(&config.unwrap().unwrap(), file.iter()).unwrap()
    }

    /// Names from the `state_dict` of timm 1.0.31 and transformers 5.24.0.
    #[test]
    fn each_name_of_timm_is_transformers() {
        let none = NetworkSettings::default();
        for (architecture, theirs, ours) in [
            ("vit", "cls_token", "vit.embeddings.cls_token"),
            (
                "vit",
                "model.pos_embed",
                "vit.embeddings.position_embeddings",
            ),
            (
                "vit",
                "patch_embed.proj.bias",
                "vit.embeddings.patch_embeddings.projection.bias",
            ),
            (
                "vit",
                "blocks.11.norm1.weight",
                "vit.encoder.layer.11.layernorm_before.weight",
            ),
            (
                "vit",
                "timm_model.blocks.0.attn.proj.weight",
                "vit.encoder.layer.0.attention.output.dense.weight",
            ),
            (
                "vit",
                "blocks.0.mlp.fc2.bias",
                "vit.encoder.layer.0.output.dense.bias",
            ),
            ("vit", "norm.weight", "vit.layernorm.weight"),
            ("vit", "fc_norm.weight", "fc_norm.weight"),
            ("vit", "head.bias", "classifier.bias"),
            (
                "vit",
                "blocks.0.ls1.gamma",
                "vit.encoder.layer.0.layer_scale1.lambda1",
            ),
            (
                "vit-average",
                "model.blocks.11.ls2.gamma",
                "vit.encoder.layer.11.layer_scale2.lambda1",
            ),
            ("vit", "blocks.0.ls3.gamma", "blocks.0.ls3.gamma"),
            ("vit", "reg_token", "reg_token"),
            ("vit", "dist_token", "dist_token"),
            (
                "swin",
                "layers.0.blocks.1.attn.relative_position_bias_table",
                "swin.encoder.layers.0.blocks.1.attention.self.relative_position_bias_table",
            ),
            (
                "swin",
                "layers.3.downsample.reduction.weight",
                "swin.encoder.layers.2.downsample.reduction.weight",
            ),
            ("swin", "patch_embed.norm.bias", "swin.embeddings.norm.bias"),
            ("swin", "head.fc.weight", "classifier.weight"),
            ("swin", "head.weight", "classifier.weight"),
            (
                "convnext",
                "stem.0.weight",
                "convnext.embeddings.patch_embeddings.weight",
            ),
            (
                "convnext",
                "stages.2.downsample.1.bias",
                "convnext.encoder.stages.2.downsampling_layer.1.bias",
            ),
            (
                "convnext",
                "stages.0.blocks.2.gamma",
                "convnext.encoder.stages.0.layers.2.layer_scale_parameter",
            ),
            (
                "convnext",
                "stages.3.blocks.0.conv_dw.weight",
                "convnext.encoder.stages.3.layers.0.dwconv.weight",
            ),
            (
                "convnextv2",
                "stages.3.blocks.0.mlp.grn.bias",
                "convnextv2.encoder.stages.3.layers.0.grn.bias",
            ),
            (
                "convnextv2",
                "head.norm.weight",
                "convnextv2.layernorm.weight",
            ),
            (
                "convnext",
                "head.pre_logits.fc.weight",
                "head.pre_logits.fc.weight",
            ),
        ] {
            let found = names(architecture, &none, &[]).renamed(theirs);
            assert_eq!(found, ours, "{architecture}: {theirs}");
        }
        let averaged = names("vit-average", &none, &[]);
        assert_eq!(averaged.renamed("fc_norm.bias"), "vit.layernorm.bias");
        assert_eq!(averaged.renamed("norm.bias"), "norm.bias");
    }

    #[test]
    fn a_swin_of_an_older_timm_ends_its_stages_with_merges() {
        let none = NetworkSettings::default();
        let old = names(
            "swin",
            &none,
            &["model.layers.0.downsample.reduction.weight"],
        );
        assert_eq!(
            old.renamed("layers.2.downsample.norm.bias"),
            "swin.encoder.layers.2.downsample.norm.bias"
        );
    }

    #[test]
    fn query_key_and_value_are_thirds() {
        let vit = names("vit", &NetworkSettings::default(), &[]);
        let values: Vec<f32> = (0_u8..6).map(f32::from).collect();
        let weights = vit.tensors("blocks.0.attn.qkv.weight", vec![3, 2], values);
        let part = |name: &str, values: &[f32]| RenamedTensor {
            name: format!("vit.encoder.layer.0.attention.attention.{name}.weight"),
            shape: vec![1, 2],
            values: values.to_vec(),
        };
        assert_eq!(
            weights,
            [
                part("query", &[0.0, 1.0]),
                part("key", &[2.0, 3.0]),
                part("value", &[4.0, 5.0])
            ]
        );
        // What cannot be divided stays whole, and is refused by its name.
        let odd = vit.tensors("blocks.0.attn.qkv.bias", vec![4], vec![0.0; 4]);
        assert_eq!(odd.len(), 1);
        assert_eq!(odd[0].shape, [4]);
        let single = vit.tensors("blocks.0.attn.qkv.bias", Vec::new(), vec![0.0]);
        assert_eq!(single.len(), 1);
    }

    #[test]
    fn a_convolution_of_one_pixel_is_a_linear_layer() {
        let convnext = names("convnextv2", &NetworkSettings::default(), &[]);
        let shape = |name: &str, shape: &[usize]| {
            let values = vec![0.0; shape.iter().product()];
            let mut made = convnext.tensors(name, shape.to_vec(), values);
            made.remove(0).shape
        };
        assert_eq!(
            shape("stages.0.blocks.0.mlp.fc1.weight", &[8, 2, 1, 1]),
            [8, 2]
        );
        assert_eq!(shape("stages.0.blocks.0.mlp.fc2.weight", &[2, 8]), [2, 8]);
        assert_eq!(
            shape("stages.0.blocks.0.mlp.grn.weight", &[8]),
            [1, 1, 1, 8]
        );
        assert_eq!(
            shape("stages.0.blocks.0.conv_dw.weight", &[2, 1, 1, 1]),
            [2, 1, 1, 1]
        );
    }
}
