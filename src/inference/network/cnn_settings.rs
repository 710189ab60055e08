//! What convolutional networks of one architecture differ in from library to library: the ε of their batch
//! normalisations, and the zeros around their maps.

use super::layers::Padding;
use crate::domain::{NetworkSettings, SettingError};

/// `eps` of PyTorch's `BatchNorm2d`.
pub const TORCH_EPSILON: f64 = 1e-5;
/// `epsilon` of Keras' `BatchNormalization`, which networks that began in TensorFlow have.
pub const KERAS_EPSILON: f64 = 1e-3;
/// The setting of ε, as transformers' `EfficientNetConfig` calls it. timm has `bn_eps` as an argument.
pub const EPSILON_KEY: &str = "batch_norm_eps";
/// The setting of padding, an argument of timm's `EfficientNet` and `MobileNetV3`.
pub const PADDING_KEY: &str = "pad_type";
/// TensorFlow's `SAME`, which timm's networks whose names begin with `tf_` have.
pub const SAME: &str = "same";

/// ε of all batch normalisations.
///
/// # Errors
/// If it is no number, or not a small one.
pub fn epsilon(settings: &NetworkSettings, default: f64) -> Result<f64, SettingError> {
    settings.number_or(EPSILON_KEY, default, 1e-12, 1.0)
}

/// The padding of all convolutions: half the kernel, as PyTorch's networks have it, or TensorFlow's.
///
/// # Errors
/// If it is another word.
pub fn padding(settings: &NetworkSettings) -> Result<Padding, SettingError> {
    Ok(match settings.choice_or(PADDING_KEY, "", &["", SAME])? {
        SAME => Padding::Same,
        _ => Padding::Half,
    })
}

/// The nearest multiple of 8, but never less than nine tenths: torchvision's `_make_divisible(channels, 8)` and
/// timm's `round_channels`.
pub fn whole_eights(channels: f64) -> usize {
    let rounded = ((channels + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * channels {
        rounded + 8
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[torchvision.models._utils._make_divisible(c, 8) for c in (3, 12, 18, 28.8, 35.2, 352.0, 537.6)]`
    #[test]
    fn channels_are_rounded_as_torchvision_does() {
        let found = [3.0, 12.0, 18.0, 28.8, 35.2, 352.0, 537.6].map(whole_eights);
        assert_eq!(found, [8, 16, 24, 32, 32, 352, 536]);
    }

    #[test]
    fn settings_are_torchs_unless_they_say_otherwise() {
        let none = NetworkSettings::default();
        assert_eq!(epsilon(&none, TORCH_EPSILON), Ok(1e-5));
        assert_eq!(padding(&none), Ok(Padding::Half));
        let tensorflow = none.with(EPSILON_KEY, 1e-3).with(PADDING_KEY, SAME);
        assert_eq!(epsilon(&tensorflow, TORCH_EPSILON), Ok(1e-3));
        assert_eq!(padding(&tensorflow), Ok(Padding::Same));
        let wrong = tensorflow
            .with(EPSILON_KEY, 0.0)
            .with(PADDING_KEY, "reflect");
        assert!(epsilon(&wrong, TORCH_EPSILON).is_err());
        let error = padding(&wrong).unwrap_err().to_string();
        assert!(error.starts_with("pad_type is \"reflect\""), "{error}");
    }
}
