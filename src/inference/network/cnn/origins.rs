//! What other libraries call the networks, and what they have otherwise than torchvision.

use crate::domain::{NetworkSettings, SettingError, SettingValue};
use crate::inference::network::cnn_settings::{
    EPSILON_KEY, KERAS_EPSILON, PADDING_KEY, SAME, TORCH_EPSILON,
};
use crate::inference::network::efficientnet::{DEPTHWISE_PADDING_KEY, SCALES};
use crate::inference::network::mobilenet;

/// A network of another library, in the words of cards.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownCnn {
    pub architecture: &'static str,
    pub settings: NetworkSettings,
}

/// timm's names of networks that torchvision names otherwise.
const OF_TIMM: [(&str, &str); 3] = [
    ("mobilenetv2_100", mobilenet::NAME),
    ("mobilenetv3_large_100", "mobilenet_v3_large"),
    ("mobilenetv3_small_100", "mobilenet_v3_small"),
];
/// Those that both name alike, beside the EfficientNets.
const OF_BOTH: [&str; 9] = [
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
];
/// torchvision's names of the networks here.
pub const OF_TORCHVISION: [&str; 20] = [
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
];
/// Before the name of a network that has TensorFlow's padding and ε.
const TENSORFLOW: &str = "tf_";

/// The network that timm calls so, with or without the tag of its weights: `tf_efficientnet_b0.ns_jft_in1k`. `None`
/// where it is none of them.
pub fn of_timm(name: &str) -> Option<KnownCnn> {
    let name = name.split('.').next()?;
    let (plain, is_tensorflow) = match name.strip_prefix(TENSORFLOW) {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    if let Some(architecture) = OF_BOTH.into_iter().find(|known| *known == plain) {
        let settings = NetworkSettings::default();
        return (!is_tensorflow).then_some(KnownCnn {
            architecture,
            settings,
        });
    }
    let scaled = SCALES.into_iter().map(|(name, ..)| (name, name));
    let mut known = OF_TIMM.into_iter().chain(scaled);
    let (_, architecture) = known.find(|(of_timm, _)| *of_timm == plain)?;
    let has_tensorflow = architecture != mobilenet::NAME;
    if is_tensorflow && !has_tensorflow {
        return None;
    }
    // Written down in any case: torchvision's ε of the same network may be another.
    let settings = if is_tensorflow {
        NetworkSettings::default()
            .with(EPSILON_KEY, KERAS_EPSILON)
            .with(PADDING_KEY, SAME)
    } else {
        NetworkSettings::default().with(EPSILON_KEY, TORCH_EPSILON)
    };
    Some(KnownCnn {
        architecture,
        settings,
    })
}

/// The network that torchvision calls so. The networks here are torchvision's where no setting says otherwise.
pub fn of_torchvision(name: &str) -> Option<KnownCnn> {
    let name = OF_TORCHVISION.into_iter().find(|known| *known == name)?;
    Some(KnownCnn {
        architecture: match name {
            "mobilenet_v2" => mobilenet::NAME,
            other => other,
        },
        settings: NetworkSettings::default(),
    })
}

/// ε and padding of transformers' `MobileNetV2Config`.
pub const OF_MOBILENET_V2: [&str; 2] = ["layer_norm_eps", "tf_padding"];

/// Sets what a config of transformers leaves out, as its classes do: a config that was saved lacks the values that are
/// the defaults. Settings that have another name here get it.
///
/// # Errors
/// If a setting that gets another name is wrong.
pub fn complete_of_transformers(
    architecture: &str,
    settings: &mut NetworkSettings,
) -> Result<(), SettingError> {
    if SCALES.iter().any(|(name, ..)| *name == architecture) {
        if settings.get(EPSILON_KEY).is_none() {
            settings.set(EPSILON_KEY, KERAS_EPSILON);
        }
        if settings.get(DEPTHWISE_PADDING_KEY).is_none() {
            settings.set(DEPTHWISE_PADDING_KEY, SettingValue::List(Vec::new()));
        }
    }
    if architecture == mobilenet::NAME {
        let [epsilon, padding] = OF_MOBILENET_V2;
        settings.set(
            EPSILON_KEY,
            settings.number_or(epsilon, KERAS_EPSILON, 0.0, 1.0)?,
        );
        if settings.flag_or(padding, true)? {
            settings.set(PADDING_KEY, SAME);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::network::cnn::Cnn;

    #[test]
    fn every_name_of_timm_is_a_network_with_its_padding_and_epsilon() {
        for (name, architecture, epsilon, is_same) in [
            ("resnet34.a1_in1k", "resnet34", None, false),
            ("resnet50", "resnet50", None, false),
            ("densenet169.tv_in1k", "densenet169", None, false),
            (
                "efficientnet_b0.ra_in1k",
                "efficientnet_b0",
                Some(1e-5),
                false,
            ),
            ("efficientnet_b7", "efficientnet_b7", Some(1e-5), false),
            ("tf_efficientnet_b3", "efficientnet_b3", Some(1e-3), true),
            (
                "tf_mobilenetv3_large_100.in1k",
                "mobilenet_v3_large",
                Some(1e-3),
                true,
            ),
            (
                "mobilenetv3_small_100",
                "mobilenet_v3_small",
                Some(1e-5),
                false,
            ),
            ("mobilenetv2_100.ra_in1k", "mobilenet-v2", Some(1e-5), false),
        ] {
            let known = of_timm(name).unwrap();
            assert_eq!(known.architecture, architecture, "{name}");
            let found = known.settings.get(EPSILON_KEY);
            assert_eq!(found, epsilon.map(SettingValue::Float).as_ref(), "{name}");
            let padding = known.settings.get(PADDING_KEY);
            let same = SettingValue::from(SAME);
            assert_eq!(padding, is_same.then_some(&same), "{name}");
            let cnn = Cnn::of(architecture, &known.settings).unwrap();
            assert!(cnn.is_some(), "{name}");
        }
        for other in [
            "resnet50d",
            "tf_resnet50",
            "tf_mobilenetv2_100",
            "efficientnet_b0_gn",
            "mobilenetv3_large_075",
            "tf_mobilenetv3_large_minimal_100",
            "vit_base_patch16_224",
            "",
        ] {
            assert_eq!(of_timm(other), None, "{other}");
        }
    }

    #[test]
    fn every_name_of_torchvision_is_a_network_as_it_is() {
        for name in OF_TORCHVISION {
            let known = of_torchvision(name).unwrap();
            assert!(known.settings.is_empty());
            let cnn = Cnn::of(known.architecture, &known.settings).unwrap();
            assert!(cnn.is_some(), "{name}");
        }
        for other in ["mobilenet-v2", "resnet50d", "vit_b_16", ""] {
            assert_eq!(of_torchvision(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_config_of_transformers_leaves_out_is_its_default() {
        let completed = |name: &str, mut settings: NetworkSettings| {
            complete_of_transformers(name, &mut settings).unwrap();
            settings
        };
        let none = NetworkSettings::default;
        let settings = completed("efficientnet_b1", none());
        assert_eq!(settings.number(EPSILON_KEY, 0.0, 1.0), Ok(1e-3));
        let empty = SettingValue::List(Vec::new());
        assert_eq!(settings.get(DEPTHWISE_PADDING_KEY), Some(&empty));

        let said = none()
            .with(EPSILON_KEY, 1e-4)
            .with(DEPTHWISE_PADDING_KEY, vec![16]);
        assert_eq!(completed("efficientnet_b1", said.clone()), said);

        let settings = completed(mobilenet::NAME, none());
        assert_eq!(settings.number(EPSILON_KEY, 0.0, 1.0), Ok(1e-3));
        assert_eq!(settings.text(PADDING_KEY), Ok(SAME));
        let plain = none()
            .with("layer_norm_eps", 1e-5)
            .with("tf_padding", false);
        let settings = completed(mobilenet::NAME, plain);
        assert_eq!(settings.number(EPSILON_KEY, 0.0, 1.0), Ok(1e-5));
        assert_eq!(settings.get(PADDING_KEY), None);
        let mut wrong = none().with("tf_padding", "yes");
        assert!(complete_of_transformers(mobilenet::NAME, &mut wrong).is_err());

        assert!(completed("resnet50", none()).is_empty());
    }
}
