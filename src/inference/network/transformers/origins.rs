//! timm's names of the networks here, with the sizes that these names stand for under the keys of transformers'
//! configs.

use super::sizes;
use super::vit::{NO_EMBED_CLASS, SCALE_KEY};
use super::{CONVNEXT, CONVNEXTV2, SWIN, VIT, VIT_AVERAGE};
use crate::domain::{NetworkSettings, SettingError, SettingValue};

/// A network of timm or torchvision, in the words of cards.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownTransformer {
    pub architecture: &'static str,
    /// The sizes of its name; its arguments may say others.
    pub settings: NetworkSettings,
    /// Arguments of timm's class, and the keys that these sizes have here.
    pub arguments: &'static [(&'static str, &'static str)],
    /// The values of `global_pool`, what makes one row of numbers of all tokens or maps; the default first.
    pub pooling: &'static [&'static str],
    /// Whether it takes images of `img_size` alone.
    pub is_of_one_size: bool,
}

/// Width, layers and heads of `VisionTransformer`.
const VIT_SIZES: [(&str, i64, i64, i64); 6] = [
    ("tiny", 192, 12, 3),
    ("small", 384, 12, 6),
    ("medium", 512, 12, 8),
    ("base", 768, 12, 12),
    ("large", 1024, 24, 16),
    ("huge", 1280, 32, 16),
];
const VIT_PATCHES: [i64; 4] = [8, 14, 16, 32];
/// `init_values` of DeiT-3 and of the ViTs of DINOv2.
const DEIT_3_SCALE: f64 = 1e-6;
const DINOV2_SCALE: f64 = 1e-5;
/// Sides of images, and of the windows of a Swin for them.
const SIDES: [(&str, i64); 2] = [("224", 7), ("384", 12)];
const VIT_ARGUMENTS: &[(&str, &str)] = &[
    ("embed_dim", "hidden_size"),
    ("depth", "num_hidden_layers"),
    ("num_heads", "num_attention_heads"),
    ("mlp_ratio", "mlp_ratio"),
    ("patch_size", "patch_size"),
    ("qkv_bias", "qkv_bias"),
    ("init_values", SCALE_KEY),
    ("no_embed_class", NO_EMBED_CLASS),
];
/// Width, depths and heads of `SwinTransformer`.
const SWIN_SIZES: [(&str, i64, [i64; 4], [i64; 4]); 4] = [
    ("tiny", 96, [2, 2, 6, 2], [3, 6, 12, 24]),
    ("small", 96, [2, 2, 18, 2], [3, 6, 12, 24]),
    ("base", 128, [2, 2, 18, 2], [4, 8, 16, 32]),
    ("large", 192, [2, 2, 18, 2], [6, 12, 24, 48]),
];
const SWIN_ARGUMENTS: &[(&str, &str)] = &[
    ("embed_dim", "embed_dim"),
    ("depths", "depths"),
    ("num_heads", "num_heads"),
    ("window_size", "window_size"),
    ("mlp_ratio", "mlp_ratio"),
    ("patch_size", "patch_size"),
    ("qkv_bias", "qkv_bias"),
];
/// The first width of `ConvNeXt`, which each stage doubles, and its depths.
const CONVNEXT_SIZES: [(&str, i64, [i64; 4]); 10] = [
    ("atto", 40, [2, 2, 6, 2]),
    ("femto", 48, [2, 2, 6, 2]),
    ("pico", 64, [2, 2, 6, 2]),
    ("nano", 80, [2, 2, 8, 2]),
    ("tiny", 96, [3, 3, 9, 3]),
    ("small", 96, [3, 3, 27, 3]),
    ("base", 128, [3, 3, 27, 3]),
    ("large", 192, [3, 3, 27, 3]),
    ("xlarge", 256, [3, 3, 27, 3]),
    ("huge", 352, [3, 3, 27, 3]),
];
const CONVNEXT_ARGUMENTS: &[(&str, &str)] = &[
    ("dims", "hidden_sizes"),
    ("depths", "depths"),
    ("patch_size", "patch_size"),
    ("ls_init_value", "layer_scale_init_value"),
];
/// Values of `global_pool`.
const CLASS_TOKEN: &str = "token";
const AVERAGE: &str = "avg";
pub const EPSILON_KEY: &str = "layer_norm_eps";
/// `eps` of timm's `LayerNorm`, which torchvision's ViT and ConvNeXt have too, and of PyTorch's, which Swin has.
pub const TIMM_EPSILON: f64 = 1e-6;
pub const TORCH_EPSILON: f64 = 1e-5;

/// The network that timm calls so, with or without the tag of its weights: `vit_base_patch16_224.augreg_in21k`. `None`
/// where it is none of them.
pub fn of_timm(name: &str) -> Option<KnownTransformer> {
    let name = name.split('.').next()?;
    vit(name).or_else(|| swin(name)).or_else(|| convnext(name))
}

/// The architecture of a network with this value of `global_pool`.
pub fn with_pooling(architecture: &'static str, pooling: &str) -> &'static str {
    match (architecture, pooling) {
        (VIT, AVERAGE) => VIT_AVERAGE,
        (other, _) => other,
    }
}

/// Sets what follows from other settings: transformers has no `mlp_ratio` of a ViT.
///
/// # Errors
/// If one of them is wrong.
pub fn complete_of_timm(
    architecture: &str,
    settings: &mut NetworkSettings,
) -> Result<(), SettingError> {
    if let VIT | VIT_AVERAGE = architecture {
        let width = settings.size("hidden_size", sizes::MOST_WIDTH)?;
        let inside = sizes::inside(settings, width, 4.0)?;
        let inside = i64::try_from(inside).unwrap_or(i64::MAX);
        settings.set("intermediate_size", SettingValue::Integer(inside));
    }
    Ok(())
}

/// ViT, and DeiT without distillation, which is the same network. DeiT-3 and the ViTs of DINOv2 scale what their blocks
/// add.
fn vit(name: &str) -> Option<KnownTransformer> {
    let (kind, sized) = name.split_once('_')?;
    let (size, rest) = sized.split_once("_patch")?;
    let (patch, end) = rest.split_once('_')?;
    let mut known = VIT_SIZES.into_iter();
    let (_, width, layers, heads) = known.find(|(known, ..)| *known == size)?;
    let patch = VIT_PATCHES
        .into_iter()
        .find(|known| known.to_string() == patch)?;
    let is_sided = SIDES.iter().any(|(side, _)| *side == end);
    let own = NetworkSettings::default();
    let own = match kind {
        "vit" if end == "dinov2" => own.with(SCALE_KEY, DINOV2_SCALE),
        "vit" | "deit" if is_sided => own,
        "deit3" if is_sided => own.with(SCALE_KEY, DEIT_3_SCALE).with(NO_EMBED_CLASS, true),
        _ => return None,
    };
    let settings = own
        .with("hidden_size", width)
        .with("num_hidden_layers", layers)
        .with("num_attention_heads", heads)
        .with("patch_size", patch)
        .with(EPSILON_KEY, TIMM_EPSILON);
    Some(KnownTransformer {
        architecture: VIT,
        settings,
        arguments: VIT_ARGUMENTS,
        pooling: &[CLASS_TOKEN, AVERAGE],
        is_of_one_size: true,
    })
}

fn swin(name: &str) -> Option<KnownTransformer> {
    let (size, rest) = name.strip_prefix("swin_")?.split_once("_patch4_window")?;
    let mut known = SWIN_SIZES.into_iter();
    let (_, width, depths, heads) = known.find(|(known, ..)| *known == size)?;
    let is_named = |(side, window): &&(&str, i64)| format!("{window}_{side}") == rest;
    let (_, window) = SIDES.iter().find(is_named)?;
    let settings = NetworkSettings::default()
        .with("embed_dim", width)
        .with("depths", depths.to_vec())
        .with("num_heads", heads.to_vec())
        .with("window_size", *window)
        .with("patch_size", 4)
        .with(EPSILON_KEY, TORCH_EPSILON);
    Some(KnownTransformer {
        architecture: SWIN,
        settings,
        arguments: SWIN_ARGUMENTS,
        pooling: &[AVERAGE],
        is_of_one_size: true,
    })
}

/// Both versions. Whether timm has linear layers or convolutions of one pixel (`conv_mlp`) makes no difference.
fn convnext(name: &str) -> Option<KnownTransformer> {
    let (architecture, size) = match name.strip_prefix("convnextv2_") {
        Some(size) => (CONVNEXTV2, size),
        None => (CONVNEXT, name.strip_prefix("convnext_")?),
    };
    let mut known = CONVNEXT_SIZES.into_iter();
    let (_, width, depths) = known.find(|(known, ..)| *known == size)?;
    let settings = NetworkSettings::default()
        .with(
            "hidden_sizes",
            [1, 2, 4, 8].map(|times| times * width).to_vec(),
        )
        .with("depths", depths.to_vec())
        .with("patch_size", 4)
        .with(EPSILON_KEY, TIMM_EPSILON);
    Some(KnownTransformer {
        architecture,
        settings,
        arguments: CONVNEXT_ARGUMENTS,
        pooling: &[AVERAGE],
        is_of_one_size: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::network::transformers::TransformerConfig;

    /// `sum(p.numel() for p in timm.create_model(NAME, num_classes=5).parameters())`, timm 1.0.31.
    const PARAMETERS: [(&str, &str, usize); 18] = [
        ("vit_tiny_patch16_224", "vit", 5_525_381),
        ("vit_small_patch32_384.augreg_in21k", "vit", 22_532_357),
        ("vit_base_patch8_224", "vit", 85_811_717),
        ("vit_large_patch14_224", "vit", 303_183_877),
        ("vit_huge_patch14_224", "vit", 630_771_205),
        ("deit_small_patch16_224.fb_in1k", "vit", 21_667_589),
        ("deit3_small_patch16_224.fb_in1k", "vit", 21_676_421),
        ("deit3_medium_patch16_224", "vit", 38_339_077),
        ("deit3_base_patch16_384", "vit", 86_112_005),
        ("deit3_huge_patch14_224", "vit", 630_851_845),
        ("vit_small_patch14_dinov2.lvd142m", "vit", 22_058_117),
        ("vit_large_patch14_dinov2", "vit", 304_372_741),
        ("swin_tiny_patch4_window7_224", "swin", 27_523_199),
        ("swin_large_patch4_window12_384", "swin", 195_206_201),
        ("convnext_tiny.in12k_ft_in1k", "convnext", 27_823_973),
        ("convnext_femto", "convnext", 4_834_709),
        ("convnextv2_nano", "convnextv2", 14_986_005),
        ("convnextv2_huge", "convnextv2", 657_486_725),
    ];

    #[test]
    fn each_name_of_timm_has_the_parameters_of_its_network() {
        for (name, architecture, expected) in PARAMETERS {
            let KnownTransformer {
                architecture: found,
                mut settings,
                is_of_one_size,
                ..
            } = of_timm(name).unwrap();
            assert_eq!(found, architecture, "{name}");
            if is_of_one_size {
                let sides = [("384", 384), ("dinov2", 518)];
                let side = sides.into_iter().find(|(part, _)| name.contains(part));
                settings.set("image_size", side.map_or(224, |(_, side)| side));
            }
            complete_of_timm(architecture, &mut settings).unwrap();
            let config = TransformerConfig::of(architecture, &settings);
            let shapes = config.unwrap().unwrap().shapes(3, 5).0;
            let count: usize = shapes
                .values()
                .map(|shape| shape.iter().product::<usize>())
                .sum();
            assert_eq!(count, expected, "{name}");
        }
    }

    #[test]
    fn other_networks_of_timm_are_none_of_these() {
        for other in [
            "vit_base_patch16_clip_224",
            "vit_base_patch16_rope_224",
            "vit_base_patch14_reg4_dinov2",
            "vit_giant_patch14_dinov2",
            "vit_small_patch16_dinov3",
            "vit_base_patch16_224_miil",
            "vit_base_patch32_plus_256",
            "vit_base_patch16_gap_224",
            "vit_relpos_base_patch16_224",
            "vit_tiny_r_s16_p8_224",
            "deit_base_distilled_patch16_224",
            "deit3_base_patch16_256",
            "deit3_base_patch14_dinov2",
            "swinv2_tiny_window8_256",
            "swin_s3_tiny_224",
            "swin_tiny_patch4_window12_224",
            "convnext_tiny_hnf",
            "convnext_atto_ols",
            "convnext_large_mlp",
            "convnext_xxlarge",
            "resnet18",
            "vit_",
            "",
        ] {
            assert_eq!(of_timm(other), None, "{other}");
        }
    }

    #[test]
    fn a_vit_that_ends_in_an_average_is_another_architecture() {
        assert_eq!(with_pooling(VIT, "token"), "vit");
        assert_eq!(with_pooling(VIT, "avg"), "vit-average");
        assert_eq!(with_pooling(SWIN, "avg"), "swin");
        for (architecture, has_maps) in [(VIT, false), (VIT_AVERAGE, true)] {
            let config = TransformerConfig::of(architecture, &NetworkSettings::default());
            let config = config.unwrap().unwrap();
            assert_eq!(
                (config.has_maps(), config.has_rollout(224)),
                (has_maps, !has_maps)
            );
        }
    }

    #[test]
    fn the_inside_of_a_vit_follows_from_its_ratio() {
        let inside = |settings: NetworkSettings| {
            let mut settings = settings.with("hidden_size", 24);
            complete_of_timm(VIT, &mut settings)
                .map(|()| settings.size("intermediate_size", 1_000).unwrap())
        };
        let none = NetworkSettings::default;
        assert_eq!(inside(none()), Ok(96));
        assert_eq!(inside(none().with("mlp_ratio", 2.7)), Ok(64));
        assert!(inside(none().with("mlp_ratio", "4")).is_err());
    }
}
