//! torchvision's names of the networks here, with the sizes that these names stand for, and from the names of its
//! tensors to those of transformers, which the networks here have.
//!
//! Both compute the same: the merges of Swin concatenate in one order, and windows are padded after the normalisation.

use super::origins::{EPSILON_KEY, KnownTransformer, TIMM_EPSILON, TORCH_EPSILON};
use super::renamed::{FUSED, RenamedTensor, convnext_block};
use super::{CONVNEXT, HEAD, SWIN, TransformerConfig, VIT};
use crate::domain::NetworkSettings;
use crate::inference::network::wrapped_names::unwrapped;

/// Width, layers, heads and sides of squares of `VisionTransformer`. The weights of `vit_h_14` are larger than those of any
/// model may be.
const VIT_SIZES: [(&str, i64, i64, i64, i64); 4] = [
    ("vit_b_16", 768, 12, 12, 16),
    ("vit_b_32", 768, 12, 12, 32),
    ("vit_l_16", 1024, 24, 16, 16),
    ("vit_l_32", 1024, 24, 16, 32),
];
/// Width, depths and heads of `SwinTransformer`.
const SWIN_SIZES: [(&str, i64, [i64; 4], [i64; 4]); 3] = [
    ("swin_t", 96, [2, 2, 6, 2], [3, 6, 12, 24]),
    ("swin_s", 96, [2, 2, 18, 2], [3, 6, 12, 24]),
    ("swin_b", 128, [2, 2, 18, 2], [4, 8, 16, 32]),
];
const SWIN_WINDOW: i64 = 7;
/// The first width of `ConvNeXt`, which each stage doubles, and its depths.
const CONVNEXT_SIZES: [(&str, i64, [i64; 4]); 4] = [
    ("convnext_tiny", 96, [3, 3, 9, 3]),
    ("convnext_small", 96, [3, 3, 27, 3]),
    ("convnext_base", 128, [3, 3, 27, 3]),
    ("convnext_large", 192, [3, 3, 27, 3]),
];

/// torchvision's names of the networks here.
pub fn torchvision_names() -> Vec<&'static str> {
    let vits = VIT_SIZES.iter().map(|(name, ..)| *name);
    let swins = SWIN_SIZES.iter().map(|(name, ..)| *name);
    let convnexts = CONVNEXT_SIZES.iter().map(|(name, ..)| *name);
    vits.chain(swins).chain(convnexts).collect()
}

/// The network that torchvision calls so. `None` where it is none of them.
pub fn of_torchvision(name: &str) -> Option<KnownTransformer> {
    vit(name).or_else(|| swin(name)).or_else(|| convnext(name))
}

fn known(architecture: &'static str, settings: NetworkSettings) -> KnownTransformer {
    KnownTransformer {
        architecture,
        settings,
        arguments: &[],
        pooling: &[],
        is_of_one_size: architecture == VIT,
    }
}

fn vit(name: &str) -> Option<KnownTransformer> {
    let mut sizes = VIT_SIZES.into_iter();
    let (_, width, layers, heads, patch) = sizes.find(|(known, ..)| *known == name)?;
    let settings = NetworkSettings::default()
        .with("hidden_size", width)
        .with("num_hidden_layers", layers)
        .with("num_attention_heads", heads)
        .with("intermediate_size", 4 * width)
        .with("patch_size", patch)
        .with(EPSILON_KEY, TIMM_EPSILON);
    Some(known(VIT, settings))
}

fn swin(name: &str) -> Option<KnownTransformer> {
    let mut sizes = SWIN_SIZES.into_iter();
    let (_, width, depths, heads) = sizes.find(|(known, ..)| *known == name)?;
    let settings = NetworkSettings::default()
        .with("embed_dim", width)
        .with("depths", depths.to_vec())
        .with("num_heads", heads.to_vec())
        .with("window_size", SWIN_WINDOW)
        .with("patch_size", 4)
        .with(EPSILON_KEY, TORCH_EPSILON);
    Some(known(SWIN, settings))
}

fn convnext(name: &str) -> Option<KnownTransformer> {
    let mut sizes = CONVNEXT_SIZES.into_iter();
    let (_, width, depths) = sizes.find(|(known, ..)| *known == name)?;
    let widths = [1, 2, 4, 8].map(|times| times * width);
    let settings = NetworkSettings::default()
        .with("hidden_sizes", widths.to_vec())
        .with("depths", depths.to_vec())
        .with("patch_size", 4)
        .with(EPSILON_KEY, TIMM_EPSILON);
    Some(known(CONVNEXT, settings))
}

/// How torchvision names the tensors of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TorchvisionNames {
    Vit,
    Swin,
    Convnext,
}

impl TorchvisionNames {
    /// The names for a network. `None` for one that torchvision does not have.
    pub fn of(config: &TransformerConfig) -> Option<Self> {
        Some(match config {
            TransformerConfig::Vit(_) => TorchvisionNames::Vit,
            TransformerConfig::Swin(_) => TorchvisionNames::Swin,
            TransformerConfig::Convnext(_) => TorchvisionNames::Convnext,
            TransformerConfig::Dinov2(_) => return None,
        })
    }

    /// The name in transformers of a tensor. One of no layer here stays as it is.
    pub fn renamed(self, name: &str) -> String {
        let name = unwrapped(name);
        let renamed = match self {
            TorchvisionNames::Vit => of_vit(name),
            TorchvisionNames::Swin => of_swin(name),
            TorchvisionNames::Convnext => of_convnext(name),
        };
        renamed.unwrap_or_else(|| name.to_owned())
    }

    /// What a tensor of torchvision is in transformers, with the shapes that it has there: one tensor, or three. It has as
    /// many values as its shape says.
    pub fn tensors(self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> Vec<RenamedTensor> {
        let name = self.renamed(name);
        let is_scale = name.ends_with(".layer_scale_parameter");
        // The factors of a ConvNeXt block are maps of one pixel.
        let shape = match shape[..] {
            [channels, 1, 1] if is_scale => vec![channels],
            _ => shape,
        };
        let tensor = RenamedTensor {
            name,
            shape,
            values,
        };
        tensor.divided()
    }
}

/// `VisionTransformer`
fn of_vit(name: &str) -> Option<String> {
    match name {
        "class_token" => return Some("vit.embeddings.cls_token".to_owned()),
        "encoder.pos_embedding" => {
            return Some("vit.embeddings.position_embeddings".to_owned());
        }
        _ => {}
    }
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "conv_proj" => "vit.embeddings.patch_embeddings.projection",
        "encoder.ln" => "vit.layernorm",
        // Who has other outputs often puts one layer in the place of the sequence with its one layer.
        "heads.head" | "heads" => HEAD,
        module => return of_vit_layer(module, parameter),
    };
    Some(format!("{module}.{parameter}"))
}

/// A parameter of `EncoderBlock`. Query, key and value are parameters of `nn.MultiheadAttention` itself; the layers of the
/// MLP had other names before torchvision 0.13.
fn of_vit_layer(module: &str, parameter: &str) -> Option<String> {
    let (layer, part) = module
        .strip_prefix("encoder.layers.encoder_layer_")?
        .split_once('.')?;
    let layer = format!("vit.encoder.layer.{layer}");
    let part = match (part, parameter) {
        ("self_attention", "in_proj_weight") => {
            return Some(format!("{layer}.attention.attention{FUSED}.weight"));
        }
        ("self_attention", "in_proj_bias") => {
            return Some(format!("{layer}.attention.attention{FUSED}.bias"));
        }
        ("self_attention.out_proj", _) => "attention.output.dense",
        ("ln_1", _) => "layernorm_before",
        ("ln_2", _) => "layernorm_after",
        ("mlp.0" | "mlp.linear_1", _) => "intermediate.dense",
        ("mlp.3" | "mlp.linear_2", _) => "output.dense",
        _ => return None,
    };
    Some(format!("{layer}.{part}.{parameter}"))
}

/// The place of a module in `features`, and the part of it that a name means. Place 0 is the stem; then stages and what
/// lies between two of them take turns.
fn feature(module: &str) -> Option<(usize, &str)> {
    let (place, part) = module.strip_prefix("features.")?.split_once('.')?;
    Some((place.parse().ok()?, part))
}

/// `SwinTransformer`
fn of_swin(name: &str) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "features.0.0" => "swin.embeddings.patch_embeddings.projection".to_owned(),
        "features.0.2" => "swin.embeddings.norm".to_owned(),
        "norm" => "swin.layernorm".to_owned(),
        "head" => HEAD.to_owned(),
        module => {
            let (place, part) = feature(module)?;
            if place.is_multiple_of(2) {
                // transformers counts a merge as the end of the stage before.
                let stage = (place / 2).checked_sub(1)?;
                format!("swin.encoder.layers.{stage}.downsample.{part}")
            } else {
                let (block, part) = part.split_once('.')?;
                let part = of_swin_block(part)?;
                format!("swin.encoder.layers.{}.blocks.{block}.{part}", place / 2)
            }
        }
    };
    Some(format!("{module}.{parameter}"))
}

/// A part of `SwinTransformerBlock`.
fn of_swin_block(part: &str) -> Option<String> {
    Some(match part {
        "norm1" => "layernorm_before".to_owned(),
        "attn" => "attention.self".to_owned(),
        "attn.qkv" => format!("attention.self{FUSED}"),
        "attn.proj" => "attention.output.dense".to_owned(),
        "norm2" => "layernorm_after".to_owned(),
        "mlp.0" => "intermediate.dense".to_owned(),
        "mlp.3" => "output.dense".to_owned(),
        _ => return None,
    })
}

/// `ConvNeXt`
fn of_convnext(name: &str) -> Option<String> {
    let (module, parameter) = name.rsplit_once('.')?;
    let module = match module {
        "features.0.0" => "convnext.embeddings.patch_embeddings".to_owned(),
        "features.0.1" => "convnext.embeddings.layernorm".to_owned(),
        "classifier.0" => "convnext.layernorm".to_owned(),
        "classifier.2" => HEAD.to_owned(),
        module => {
            let (place, part) = feature(module)?;
            let stage = format!("convnext.encoder.stages.{}", place / 2);
            match place {
                0 => return None,
                place if place.is_multiple_of(2) => format!("{stage}.downsampling_layer.{part}"),
                _ => return of_convnext_block(&stage, part, parameter),
            }
        }
    };
    Some(format!("{module}.{parameter}"))
}

/// A parameter of `CNBlock`: `part` is its number, and behind a dot its layer.
fn of_convnext_block(stage: &str, part: &str, parameter: &str) -> Option<String> {
    convnext_block(stage, part, parameter, "layer_scale", |layer| {
        Some(match layer {
            "block.0" => "dwconv",
            "block.2" => "layernorm",
            "block.3" => "pwconv1",
            "block.5" => "pwconv2",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sum(p.numel() for p in torchvision.models.NAME(num_classes=5).parameters())`, torchvision 0.29.2.
    const PARAMETERS: [(&str, usize); 11] = [
        ("vit_b_16", 85_802_501),
        ("vit_b_32", 87_459_077),
        ("vit_l_16", 303_306_757),
        ("vit_l_32", 305_515_525),
        ("swin_t", 27_523_199),
        ("swin_s", 48_841_103),
        ("swin_b", 86_748_349),
        ("convnext_tiny", 27_823_973),
        ("convnext_small", 49_458_533),
        ("convnext_base", 87_571_589),
        ("convnext_large", 196_238_021),
    ];

    #[test]
    fn each_name_of_torchvision_has_the_parameters_of_its_network() {
        let names: Vec<&str> = PARAMETERS.iter().map(|(name, _)| *name).collect();
        assert_eq!(torchvision_names(), names);
        for (name, expected) in PARAMETERS {
            let known = of_torchvision(name).unwrap();
            let config = TransformerConfig::of(known.architecture, &known.settings);
            let shapes = config.unwrap().unwrap().shapes(3, 5).0;
            let size = |shape: &Vec<usize>| shape.iter().product::<usize>();
            let count: usize = shapes.values().map(size).sum();
            assert_eq!(count, expected, "{name}");
        }
        for other in ["vit_h_14", "swin_v2_t", "vit_b_8", "resnet18", "vit", ""] {
            assert_eq!(of_torchvision(other), None, "{other}");
        }
    }

    fn names(architecture: &str) -> TorchvisionNames {
        let config = TransformerConfig::of(architecture, &NetworkSettings::default());
        TorchvisionNames::of(&config.unwrap().unwrap()).unwrap()
    }

    /// Names from the `state_dict` of torchvision 0.29.2 and transformers 5.24.0. All names of small networks are in
    /// `tests/data/parity_origins.json`.
    #[test]
    fn each_name_of_torchvision_is_transformers() {
        for (architecture, theirs, ours) in [
            ("vit", "class_token", "vit.embeddings.cls_token"),
            (
                "vit",
                "module.encoder.pos_embedding",
                "vit.embeddings.position_embeddings",
            ),
            (
                "vit",
                "encoder.layers.encoder_layer_11.self_attention.in_proj_bias",
                "vit.encoder.layer.11.attention.attention.qkv.bias",
            ),
            (
                "vit",
                "encoder.layers.encoder_layer_0.mlp.linear_1.weight",
                "vit.encoder.layer.0.intermediate.dense.weight",
            ),
            (
                "vit",
                "encoder.layers.encoder_layer_0.mlp.linear_2.bias",
                "vit.encoder.layer.0.output.dense.bias",
            ),
            (
                "vit",
                "encoder.layers.encoder_layer_0.mlp.3.bias",
                "vit.encoder.layer.0.output.dense.bias",
            ),
            ("vit", "heads.weight", "classifier.weight"),
            ("vit", "heads.head.bias", "classifier.bias"),
            // A head of two layers, and a stem of convolutions.
            ("vit", "heads.pre_logits.weight", "heads.pre_logits.weight"),
            (
                "vit",
                "conv_proj.conv_last.bias",
                "conv_proj.conv_last.bias",
            ),
            (
                "swin",
                "features.7.1.attn.relative_position_index",
                "swin.encoder.layers.3.blocks.1.attention.self.relative_position_index",
            ),
            (
                "swin",
                "features.2.reduction.weight",
                "swin.encoder.layers.0.downsample.reduction.weight",
            ),
            (
                "swin",
                "features.6.norm.bias",
                "swin.encoder.layers.2.downsample.norm.bias",
            ),
            // Version 2 has such a layer, and such a factor.
            (
                "swin",
                "features.1.0.attn.cpb_mlp.0.bias",
                "features.1.0.attn.cpb_mlp.0.bias",
            ),
            ("swin", "features.0.1.bias", "features.0.1.bias"),
            (
                "convnext",
                "features.4.1.weight",
                "convnext.encoder.stages.2.downsampling_layer.1.weight",
            ),
            (
                "convnext",
                "features.5.8.layer_scale",
                "convnext.encoder.stages.2.layers.8.layer_scale_parameter",
            ),
            (
                "convnext",
                "features.1.0.block.1.bias",
                "features.1.0.block.1.bias",
            ),
            ("convnext", "features.0.2.bias", "features.0.2.bias"),
        ] {
            let found = names(architecture).renamed(theirs);
            assert_eq!(found, ours, "{architecture}: {theirs}");
        }
        let dinov2 = TransformerConfig::of("dinov2", &NetworkSettings::default());
        assert_eq!(TorchvisionNames::of(&dinov2.unwrap().unwrap()), None);
    }

    #[test]
    fn shapes_are_those_of_transformers() {
        let shapes = |architecture: &str, name: &str, shape: &[usize]| {
            let values = vec![0.0; shape.iter().product()];
            let made = names(architecture).tensors(name, shape.to_vec(), values);
            let made = made.into_iter().map(|tensor| tensor.shape);
            made.collect::<Vec<_>>()
        };
        let scale = "features.1.0.layer_scale";
        assert_eq!(shapes("convnext", scale, &[8, 1, 1]), [[8]]);
        assert_eq!(shapes("convnext", scale, &[8, 1, 2]), [[8, 1, 2]]);
        let first = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight";
        assert_eq!(shapes("vit", first, &[6, 2]), [[2, 2]; 3]);
        assert_eq!(shapes("vit", first, &[5, 2]), [[5, 2]]);
        assert_eq!(shapes("swin", "features.1.0.attn.qkv.bias", &[6]), [[2]; 3]);
    }

    /// transformers pads squares and windows; torchvision leaves out pixels that are no whole square, and fills a window
    /// that is larger than its map.
    #[test]
    fn windows_that_are_larger_than_a_map_are_not_held() {
        let holds = |architecture: &str, side: usize| {
            let config = TransformerConfig::of(architecture, &NetworkSettings::default());
            config.unwrap().unwrap().holds_windows(side)
        };
        assert!([224, 256, 448, 196].iter().all(|side| holds("swin", *side)));
        assert!([192, 226, 32].iter().all(|side| !holds("swin", *side)));
        assert!(holds("vit", 226) && holds("convnext", 226));
    }
}
