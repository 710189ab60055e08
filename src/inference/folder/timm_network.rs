//! The network that timm's `config.json` names, with the arguments that it was built with.

use serde_json::Value;

use super::described::{DescribedNetwork, NameLayout};
use super::json::{FolderError, JsonMembers, quoted};
use super::refusal::refusal_of_timm;
use super::timm::{channels, side};
use crate::domain::{SettingError, SettingValue};
use crate::inference::network::cnn;
use crate::inference::network::transformers::{self, KnownTransformer};

const IMAGE_KEY: &str = "img_size";
const CHANNELS_KEY: &str = "in_chans";
const POOLING_KEY: &str = "global_pool";
/// Arguments of timm's models that change no answer, or are read elsewhere.
const IGNORED: [&str; 16] = [
    "num_classes",
    "drop_rate",
    "drop_path_rate",
    "drop_block_rate",
    "attn_drop_rate",
    "pos_drop_rate",
    "patch_drop_rate",
    "proj_drop_rate",
    "weight_init",
    "fix_init",
    "head_init_scale",
    "conv_mlp",
    "pretrained",
    IMAGE_KEY,
    CHANNELS_KEY,
    POOLING_KEY,
];
/// Switches, as the networks here have them.
const SWITCHES: [(&str, bool); 12] = [
    ("class_token", true),
    ("final_norm", true),
    ("proj_bias", true),
    ("conv_bias", true),
    ("strict_img_size", true),
    ("dynamic_img_size", false),
    ("dynamic_img_pad", false),
    ("pre_norm", false),
    ("qk_norm", false),
    ("always_partition", false),
    ("pool_include_prefix", false),
    ("head_norm_first", false),
];

/// The network that timm calls so, with or without the tag of its weights.
fn known(name: &str) -> Option<KnownTransformer> {
    let Some(known) = cnn::of_timm(name) else {
        return transformers::of_timm(name);
    };
    Some(KnownTransformer {
        architecture: known.architecture,
        settings: known.settings,
        arguments: &[],
        pooling: &["avg"],
        is_of_one_size: false,
    })
}

/// Whether timm calls a network so that cxr has.
pub fn is_known(name: &str) -> bool {
    known(name).is_some()
}

/// The network that timm calls so, for images of this shape; `None` where it is none that cxr has.
///
/// # Errors
/// If it cannot take such images.
pub fn by_name(
    name: &str,
    channels: usize,
    side: usize,
) -> Option<Result<DescribedNetwork, String>> {
    let name = name.split('.').next()?;
    let network = known(name)?;
    let described = network_of(name, network, channels, side);
    Some(described.map_err(|error| error.to_string()))
}

/// The network that a config names.
///
/// # Errors
/// If it is none that cxr has, with what would help, or it is built with arguments of its own that cxr cannot follow.
pub fn described(config: &JsonMembers<'_>) -> Result<DescribedNetwork, FolderError> {
    let whole = config.text("architecture")?.unwrap_or_default();
    // Behind a dot is the tag of the weights.
    let name = whole.split('.').next().unwrap_or_default();
    let mut network = known(name).ok_or_else(|| config.fault(&refusal_of_timm(name)))?;
    let arguments = config.inner("model_args")?;
    let pooling = pooling(config, arguments, network.pooling)?;
    network.architecture = transformers::with_pooling(network.architecture, pooling);
    let mut image = None;
    if let Some(arguments) = &arguments {
        check_arguments(config, arguments, network.arguments)?;
        for (theirs, ours) in network.arguments {
            if let Some(value) = arguments.setting(theirs)? {
                network.settings.set(ours, value);
            }
        }
        image = arguments.side(IMAGE_KEY)?;
    }
    let own = arguments.map(|arguments| arguments.count(CHANNELS_KEY));
    let channels = channels(config, own.transpose()?.flatten())?;
    let image = image.map_or_else(|| side(config), Ok)?;
    network_of(name, network, channels, image).map_err(|error| config.fault(&error.to_string()))
}

/// The network in the words of cards.
fn network_of(
    name: &str,
    network: KnownTransformer,
    channels: usize,
    image: usize,
) -> Result<DescribedNetwork, SettingError> {
    let KnownTransformer {
        architecture,
        mut settings,
        is_of_one_size,
        ..
    } = network;
    if is_of_one_size {
        let side = i64::try_from(image).unwrap_or(i64::MAX);
        settings.set("image_size", SettingValue::Integer(side));
    }
    transformers::complete_of_timm(architecture, &mut settings)?;
    settings.check()?;
    Ok(DescribedNetwork {
        class: format!("timm's {name}"),
        architecture: architecture.to_owned(),
        settings: settings.with("architecture", name),
        layout: NameLayout::Timm,
        channels,
        side: is_of_one_size.then_some(image),
    })
}

/// What makes one row of numbers of all tokens or maps. timm since 1.0.31 writes it twice, and builds the network with
/// that in its arguments.
fn pooling<'a>(
    config: &JsonMembers<'a>,
    arguments: Option<JsonMembers<'a>>,
    known: &[&'static str],
) -> Result<&'a str, FolderError> {
    let own = match arguments {
        Some(arguments) => arguments.text(POOLING_KEY)?,
        None => None,
    };
    let written = config.text(POOLING_KEY)?;
    let pooling = own.or(written).unwrap_or(known[0]);
    match own
        .into_iter()
        .chain(written)
        .find(|pooling| !known.contains(pooling))
    {
        Some(other) => Err(config.fault(&format!(
            "{POOLING_KEY} is {other:?}: cxr has such networks with {}",
            known.join(" or ")
        ))),
        None => Ok(pooling),
    }
}

/// Refuses arguments that change the network in another way than its sizes.
fn check_arguments(
    config: &JsonMembers<'_>,
    arguments: &JsonMembers<'_>,
    sizes: &[(&str, &str)],
) -> Result<(), FolderError> {
    let is_followed = |key: &str| {
        let is_as_here = |(switch, value): &(&str, bool)| {
            *switch == key && arguments.get(key).and_then(Value::as_bool) == Some(*value)
        };
        IGNORED.contains(&key)
            || sizes.iter().any(|(theirs, _)| *theirs == key)
            || SWITCHES.iter().any(is_as_here)
    };
    for key in arguments.keys().filter(|key| !is_followed(key)) {
        if let Some(value) = arguments.get(key) {
            return Err(config.fault(&format!(
                "model_args has {key} = {}, which cxr cannot follow: export it to ONNX, and import the .onnx file",
                quoted(value)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    const FILE: &str = "config.json";

    fn of(text: &str) -> Result<DescribedNetwork, String> {
        let members = object(FILE, text).unwrap();
        described(&JsonMembers::new(FILE, &members)).map_err(|error| error.to_string())
    }

    const RESNET: &str = r#"{"architecture": "resnet34", "num_classes": 2, "global_pool": "avg", "pretrained_cfg":
        {"tag": "a1_in1k", "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95}}"#;
    /// As timm 1.0.31 saves `create_model("vit_tiny_patch16_224", num_classes=2, embed_dim=24, …)`.
    const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 2, "global_pool": "token",
        "model_args": {"num_classes": 2, "embed_dim": 24, "depth": 2, "img_size": [32, 32], "patch_size": 8, "in_chans": 3,
        "global_pool": "token"}, "pretrained_cfg": {"input_size": [3, 32, 32], "fixed_input_size": true}}"#;

    /// With other texts in their place, each of which has to be there.
    fn with(text: &str, changes: &[(&str, &str)]) -> String {
        changes.iter().fold(text.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
    }

    const CLASSES: &str = "\"num_classes\": 2, \"global_pool\": \"avg\"";

    #[test]
    fn a_config_names_a_network_and_its_channels() {
        let network = of(RESNET).unwrap();
        assert_eq!(
            (network.architecture.as_str(), network.channels),
            ("resnet34", 3)
        );
        assert_eq!(network.settings.text("architecture"), Ok("resnet34"));
        let arguments = |arguments: &str| format!("{CLASSES}, \"model_args\": {{{arguments}}}");
        let grey = arguments("\"in_chans\": 1, \"drop_rate\": 0.2");
        let grey = with(RESNET, &[("[3, 224", "[1, 224"), (CLASSES, &grey)]);
        assert_eq!(of(&grey).unwrap().channels, 1);
        // As timm 1.0.31 saves every model.
        let new = arguments("\"num_classes\": 2, \"in_chans\": 3, \"global_pool\": \"avg\"");
        assert_eq!(of(&with(RESNET, &[(CLASSES, &new)])), of(RESNET));
        let max = arguments("\"global_pool\": \"max\"");
        let stride = arguments("\"output_stride\": 16");
        let one = arguments("\"in_chans\": 1");
        for (from, to, words) in [
            (
                "\"resnet34\"",
                "\"resnet34d\"",
                "timm's resnet34d is no network that cxr has",
            ),
            ("\"avg\"", "\"catavgmax\"", "global_pool is \"catavgmax\""),
            (
                CLASSES,
                &max,
                "global_pool is \"max\": cxr has such networks with avg",
            ),
            (CLASSES, &stride, "output_stride = 16"),
            (CLASSES, &one, "in_chans = 1, and input_size"),
            ("[3, 224, 224]", "[4, 224, 224]", "4 channels, not 1 or 3"),
            ("[3, 224, 224]", "[3, 224, 256]", "input_size is not"),
        ] {
            let error = of(&with(RESNET, &[(from, to)])).unwrap_err();
            assert!(
                error.starts_with("config.json: ") && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_of_a_transformer_are_those_of_its_name_and_of_its_arguments() {
        let network = of(VIT).unwrap();
        assert_eq!(
            (network.architecture.as_str(), network.side),
            ("vit", Some(32))
        );
        let size = |key: &str| network.settings.size(key, 10_000);
        assert_eq!(
            ["hidden_size", "num_hidden_layers", "num_attention_heads"].map(size),
            [Ok(24), Ok(2), Ok(3)]
        );
        assert_eq!(
            ["patch_size", "image_size", "intermediate_size"].map(size),
            [Ok(8), Ok(32), Ok(96)]
        );

        let averaged = of(&VIT.replace("\"token\"", "\"avg\"")).unwrap();
        assert_eq!(averaged.architecture, "vit-average");
        assert_eq!(averaged.settings, network.settings);
        // Nothing but the name and what is done to an image.
        let bare = of(
            r#"{"architecture": "swin_base_patch4_window12_384.ms_in22k", "pretrained_cfg": {"input_size": [3, 384, 384]}}"#,
        );
        let bare = bare.unwrap();
        assert_eq!(bare.side, Some(384));
        assert_eq!(bare.settings.size("window_size", 99), Ok(12));
        let convnext =
            of(r#"{"architecture": "convnextv2_atto", "model_args": {"conv_mlp": true}}"#);
        assert_eq!(convnext.unwrap().side, None);
    }

    #[test]
    fn factors_and_positions_of_a_vit_follow_its_name_and_its_arguments() {
        let found = |text: &str| {
            let settings = of(text).unwrap().settings;
            let scale = settings.number("layer_scale_init_value", 0.0, 1.0);
            (scale.ok(), settings.flag("no_embed_class").ok())
        };
        let named = |name: &str| VIT.replace("vit_tiny_patch16_224", name);
        assert_eq!(found(VIT), (None, None));
        assert_eq!(
            found(&named("deit3_base_patch16_384.fb_in1k")),
            (Some(1e-6), Some(true))
        );
        assert_eq!(
            found(&named("vit_base_patch14_dinov2.lvd142m")),
            (Some(1e-5), None)
        );
        let own = "\"depth\": 2, \"init_values\": 0.5, \"no_embed_class\": true";
        let own = with(VIT, &[("\"depth\": 2", own)]);
        assert_eq!(found(&own), (Some(0.5), Some(true)));
        let without = "\"depth\": 2, \"init_values\": 0, \"no_embed_class\": false";
        let without = with(
            &named("deit3_small_patch16_224"),
            &[("\"depth\": 2", without)],
        );
        assert_eq!(found(&without), (Some(0.0), Some(false)));
    }

    #[test]
    fn arguments_that_change_a_transformer_otherwise_are_refused() {
        let plain = with(
            VIT,
            &[(
                "\"depth\": 2",
                "\"depth\": 2, \"qk_norm\": false, \"init_values\": null",
            )],
        );
        assert_eq!(of(&plain), of(VIT));
        let depth = "\"depth\": 2";
        for (from, to, words) in [
            (depth, "\"qk_norm\": true", "qk_norm = true"),
            (depth, "\"class_token\": false", "class_token = false"),
            (depth, "\"init_values\": {}", "init_values is {}"),
            (
                depth,
                "\"dynamic_img_size\": true",
                "dynamic_img_size = true",
            ),
            (depth, "\"reg_tokens\": 4", "reg_tokens = 4"),
            (depth, "\"norm_layer\": \"layernorm\"", "norm_layer = "),
            (depth, "\"depth\": {}", "depth is {}"),
            (depth, "\"mlp_ratio\": \"4\"", "mlp_ratio is text"),
            ("[32, 32]", "[32, 48]", "img_size is [32,48]"),
        ] {
            let error = of(&with(VIT, &[(from, to)])).unwrap_err();
            assert!(
                error.starts_with("config.json: ") && error.contains(words),
                "{error}"
            );
        }
        let swin = with(
            VIT,
            &[("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224")],
        );
        let error = of(&swin).unwrap_err();
        assert!(error.contains("global_pool is \"token\""), "{error}");
    }
}
