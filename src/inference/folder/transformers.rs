//! transformers' `config.json`: which network it describes, with the settings that this network needs.

use serde_json::Value;

use super::described::{DescribedNetwork, NameLayout};
use super::json::{FolderError, JsonMembers, quoted};
use super::refusal::refusal;
use crate::domain::NetworkSettings;
use crate::inference::network::cnn;
use crate::inference::network::cnn_settings::EPSILON_KEY;
use crate::inference::network::efficientnet::{DEPTHWISE_PADDING_KEY, SCALES};
use crate::inference::network::mobilenet;
use crate::inference::network::resnet::STRIDE_FIRST_KEY;
use crate::inference::network::transformers::{
    CONVNEXT, CONVNEXTV2, DEIT, DINOV2, DINOV2_REGISTERS, SWIN, VIT,
};

/// A class of transformers that cxr has a network for.
struct KnownClass {
    /// As `architectures` names it.
    class: &'static str,
    model_type: &'static str,
    architecture: Named,
    /// The keys of its config that say how it computes. The others are of training, or say nothing.
    keys: &'static [&'static str],
    /// Whether it takes images of `image_size` alone: others interpolate their positions, or have none.
    is_of_one_size: bool,
}

/// The name on cards.
enum Named {
    Always(&'static str),
    /// The name depends on sizes, and says all of them.
    By(fn(&JsonMembers<'_>) -> Result<&'static str, FolderError>),
}

const OF_VIT: &[&str] = &[
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "image_size",
    "patch_size",
    "num_channels",
    "qkv_bias",
];

const OF_DINOV2: &[&str] = &[
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "mlp_ratio",
    "hidden_act",
    "layer_norm_eps",
    "image_size",
    "patch_size",
    "num_channels",
    "qkv_bias",
    "use_swiglu_ffn",
    "num_register_tokens",
];

const OF_SWIN: &[&str] = &[
    "image_size",
    "patch_size",
    "num_channels",
    "embed_dim",
    "depths",
    "num_heads",
    "window_size",
    "mlp_ratio",
    "qkv_bias",
    "hidden_act",
    "use_absolute_embeddings",
    "layer_norm_eps",
];

const OF_CONVNEXT: &[&str] = &[
    "num_channels",
    "patch_size",
    "num_stages",
    "hidden_sizes",
    "depths",
    "hidden_act",
    "layer_norm_eps",
    "layer_scale_init_value",
    "image_size",
];

static CLASSES: [KnownClass; 10] = [
    KnownClass {
        class: "ViTForImageClassification",
        model_type: "vit",
        architecture: Named::Always(VIT),
        keys: OF_VIT,
        is_of_one_size: true,
    },
    KnownClass {
        class: "DeiTForImageClassification",
        model_type: "deit",
        architecture: Named::Always(DEIT),
        keys: OF_VIT,
        is_of_one_size: true,
    },
    KnownClass {
        class: "Dinov2ForImageClassification",
        model_type: "dinov2",
        architecture: Named::Always(DINOV2),
        keys: OF_DINOV2,
        is_of_one_size: false,
    },
    KnownClass {
        class: "Dinov2WithRegistersForImageClassification",
        model_type: "dinov2_with_registers",
        architecture: Named::Always(DINOV2_REGISTERS),
        keys: OF_DINOV2,
        is_of_one_size: false,
    },
    KnownClass {
        class: "SwinForImageClassification",
        model_type: "swin",
        architecture: Named::Always(SWIN),
        keys: OF_SWIN,
        is_of_one_size: false,
    },
    KnownClass {
        class: "ConvNextForImageClassification",
        model_type: "convnext",
        architecture: Named::Always(CONVNEXT),
        keys: OF_CONVNEXT,
        is_of_one_size: false,
    },
    KnownClass {
        class: "ConvNextV2ForImageClassification",
        model_type: "convnextv2",
        architecture: Named::Always(CONVNEXTV2),
        keys: OF_CONVNEXT,
        is_of_one_size: false,
    },
    KnownClass {
        class: "ResNetForImageClassification",
        model_type: "resnet",
        architecture: Named::By(resnet),
        keys: &[STRIDE_FIRST_KEY],
        is_of_one_size: false,
    },
    KnownClass {
        class: "EfficientNetForImageClassification",
        model_type: "efficientnet",
        architecture: Named::By(efficientnet),
        keys: &[EPSILON_KEY, DEPTHWISE_PADDING_KEY],
        is_of_one_size: false,
    },
    KnownClass {
        class: "MobileNetV2ForImageClassification",
        model_type: "mobilenet_v2",
        architecture: Named::By(mobilenet_v2),
        keys: &["layer_norm_eps", "tf_padding"],
        is_of_one_size: false,
    },
];

/// The network that a config describes.
///
/// # Errors
/// If it is none that cxr has, with what would help, or a size makes no sense.
pub fn described(config: &JsonMembers<'_>) -> Result<DescribedNetwork, FolderError> {
    let class = class_of(config)?;
    let sized = config.side("image_size")?;
    let channels = config.count("num_channels")?.unwrap_or(3);
    if !matches!(channels, 1 | 3) {
        return Err(config.fault(&format!("num_channels is {channels}, not 1 or 3")));
    }
    let architecture = match class.architecture {
        Named::Always(name) => name,
        Named::By(of) => of(config)?,
    };
    let mut settings = settings(config, class.keys)?;
    let completed = cnn::complete_of_transformers(architecture, &mut settings);
    completed.map_err(|error| config.fault(&error.to_string()))?;
    Ok(DescribedNetwork {
        class: class.class.to_owned(),
        architecture: architecture.to_owned(),
        settings,
        layout: NameLayout::Transformers,
        channels,
        side: class
            .is_of_one_size
            .then(|| sized.unwrap_or(DEFAULT_IMAGE_SIZE)),
    })
}

/// `image_size` of `ViTConfig` and `DeiTConfig`, where the config does not say it.
const DEFAULT_IMAGE_SIZE: usize = 224;

/// The class of a config that is no code of its own.
fn class_of(config: &JsonMembers<'_>) -> Result<&'static KnownClass, FolderError> {
    if let Some(code) = config.get("auto_map") {
        return Err(config.fault(&format!(
            "the network is code of its own (auto_map: {}), and nothing in a folder is ever run: export it to \
             ONNX where that code is, and import the .onnx file",
            quoted(code)
        )));
    }
    if let Some(how) = config.get("quantization_config") {
        return Err(config.fault(&format!(
            "its weights are quantised ({}): import the ones before quantisation",
            quoted(how)
        )));
    }
    let named = match config.list("architectures")? {
        None | Some([]) => None,
        Some([Value::String(class)]) => Some(class.as_str()),
        Some(_) => {
            return Err(config.fault("architectures names more than one class, or none by text"));
        }
    };
    let model_type = config.text("model_type")?;
    let is_named = |known: &&KnownClass| match (named, model_type) {
        (Some(class), _) => known.class == class,
        (None, Some(model_type)) => known.model_type == model_type,
        (None, None) => false,
    };
    let Some(known) = CLASSES.iter().find(is_named) else {
        return Err(config.fault(&refusal(named, model_type)));
    };
    match model_type {
        Some(other) if other != known.model_type => Err(config.fault(&format!(
            "architectures is {}, and model_type is {other}, another network",
            known.class
        ))),
        _ => Ok(known),
    }
}

/// The settings of these keys, where they are there.
fn settings(config: &JsonMembers<'_>, keys: &[&str]) -> Result<NetworkSettings, FolderError> {
    let mut settings = NetworkSettings::default();
    for key in keys {
        if let Some(value) = config.setting(key)? {
            settings.set(key, value);
        }
    }
    let checked = settings.check();
    checked.map_err(|error| config.fault(&error.to_string()))?;
    Ok(settings)
}

/// The ResNets that torchvision has too: `depths` and `layer_type` of `ResNetConfig`.
fn resnet(config: &JsonMembers<'_>) -> Result<&'static str, FolderError> {
    const KNOWN: [(&str, [u64; 4], &str); 5] = [
        ("basic", [2, 2, 2, 2], "resnet18"),
        ("basic", [3, 4, 6, 3], "resnet34"),
        ("bottleneck", [3, 4, 6, 3], "resnet50"),
        ("bottleneck", [3, 4, 23, 3], "resnet101"),
        ("bottleneck", [3, 8, 36, 3], "resnet152"),
    ];
    let layer = config.text("layer_type")?.unwrap_or("bottleneck");
    let depths = counts(config, "depths")?.unwrap_or_else(|| vec![3, 4, 6, 3]);
    let sizes = match layer {
        "basic" => [64, 128, 256, 512],
        _ => [256, 512, 1024, 2048],
    };
    let is_plain = is_default(config, "hidden_sizes", &sizes)?
        && config
            .count("embedding_size")?
            .is_none_or(|size| size == 64)
        && config.text("hidden_act")?.is_none_or(|act| act == "relu")
        && !config.flag("downsample_in_first_stage")?.unwrap_or(false);
    let mut known = KNOWN.iter();
    let found = known.find(|(kind, of, _)| *kind == layer && depths == of);
    match found.filter(|_| is_plain) {
        Some((.., name)) => Ok(*name),
        None => Err(config.fault(&format!(
            "a ResNet of {layer} layers in stages of {depths:?}, with the sizes and switches of its config, is none \
             of ResNet-18, -34, -50, -101 and -152"
        ))),
    }
}

/// The EfficientNets from B0 to B7: `width_coefficient` and `depth_coefficient` of `EfficientNetConfig`.
fn efficientnet(config: &JsonMembers<'_>) -> Result<&'static str, FolderError> {
    let width = config.number("width_coefficient")?.unwrap_or(2.0);
    let depth = config.number("depth_coefficient")?.unwrap_or(3.1);
    let is_plain = is_default(config, "kernel_sizes", &[3, 3, 5, 3, 5, 5, 3])?
        && is_default(config, "in_channels", &[32, 16, 24, 40, 80, 112, 192])?
        && is_default(config, "out_channels", &[16, 24, 40, 80, 112, 192, 320])?
        && is_default(config, "strides", &[1, 2, 2, 2, 1, 2, 1])?
        && is_default(config, "num_block_repeats", &[1, 2, 2, 3, 3, 4, 1])?
        && is_default(config, "expand_ratios", &[1, 6, 6, 6, 6, 6, 6])?
        && config.count("depth_divisor")?.is_none_or(|by| by == 8)
        && config
            .number("squeeze_expansion_ratio")?
            .is_none_or(|ratio| ratio == 0.25)
        && config
            .text("hidden_act")?
            .is_none_or(|act| matches!(act, "swish" | "silu"))
        && config
            .text("pooling_type")?
            .is_none_or(|pooling| pooling == "mean");
    let mut known = SCALES.iter();
    let found = known.find(|(_, w, d)| *w == width && *d == depth);
    match found.filter(|_| is_plain) {
        Some((name, ..)) => Ok(*name),
        None => Err(config.fault(&format!(
            "an EfficientNet of width {width} and depth {depth}, with the sizes of its config, is none of B0 to B7"
        ))),
    }
}

/// The MobileNetV2 that torchvision has too: the defaults of `MobileNetV2Config`.
fn mobilenet_v2(config: &JsonMembers<'_>) -> Result<&'static str, FolderError> {
    let is = |key: &str, default: f64| -> Result<bool, FolderError> {
        Ok(config.number(key)?.is_none_or(|value| value == default))
    };
    let is_plain = is("depth_multiplier", 1.0)?
        && is("depth_divisible_by", 8.0)?
        && is("min_depth", 8.0)?
        && is("expand_ratio", 6.0)?
        && is("output_stride", 32.0)?
        && config.flag("first_layer_is_expansion")?.unwrap_or(true)
        && config.flag("finegrained_output")?.unwrap_or(true)
        && config.text("hidden_act")?.is_none_or(|act| act == "relu6");
    if is_plain {
        Ok(mobilenet::NAME)
    } else {
        Err(config.fault("its sizes and switches are not those of MobileNetV2 at width 1.0"))
    }
}

/// Whether a list is absent, or this one.
fn is_default(config: &JsonMembers<'_>, key: &str, default: &[u64]) -> Result<bool, FolderError> {
    Ok(counts(config, key)?.is_none_or(|counts| counts == default))
}

/// A list of counts.
fn counts(config: &JsonMembers<'_>, key: &str) -> Result<Option<Vec<u64>>, FolderError> {
    let Some(values) = config.list(key)? else {
        return Ok(None);
    };
    let counts: Option<Vec<u64>> = values.iter().map(Value::as_u64).collect();
    match counts {
        Some(counts) => Ok(Some(counts)),
        None => Err(config.fault(&format!("{key} is no list of counts"))),
    }
}
