//! The convolutional networks that end in a global average and a linear layer, by their names on a card.

mod names;
mod origins;
#[cfg(test)]
mod tests;

use super::densenet::{self, DenseNetConfig};
use super::efficientnet::{self, EfficientNetConfig};
use super::efficientnet_lite;
use super::layers::{Layers, Shapes, WeightSource};
use super::mobilenet::{self, MobileNetV2Config};
use super::mobilenet_v3::{self, MobileNetV3Config};
use super::resnet::{self, ResNetConfig};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;

pub use names::ModuleNames;
pub use origins::{OF_TORCHVISION, complete_of_transformers, of_timm, of_torchvision};

/// A convolutional network without its weights.
#[derive(Debug, Clone, PartialEq)]
pub enum Cnn {
    DenseNet(DenseNetConfig),
    EfficientNet(EfficientNetConfig),
    EfficientNetLite,
    MobileNetV2(MobileNetV2Config),
    MobileNetV3(MobileNetV3Config),
    ResNet(ResNetConfig),
}

impl Cnn {
    /// The network that a card names, with the settings on the card; `None` if it is none of them.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn of(
        architecture: &str,
        settings: &NetworkSettings,
    ) -> Result<Option<Self>, SettingError> {
        match architecture {
            efficientnet_lite::NAME => return Ok(Some(Cnn::EfficientNetLite)),
            mobilenet::NAME => {
                let config = MobileNetV2Config::of(settings)?;
                return Ok(Some(Cnn::MobileNetV2(config)));
            }
            _ => {}
        }
        if let Some(config) = DenseNetConfig::of(architecture, settings)? {
            return Ok(Some(Cnn::DenseNet(config)));
        }
        if let Some(config) = EfficientNetConfig::of(architecture, settings)? {
            return Ok(Some(Cnn::EfficientNet(config)));
        }
        if let Some(config) = MobileNetV3Config::of(architecture, settings)? {
            return Ok(Some(Cnn::MobileNetV3(config)));
        }
        let config = ResNetConfig::of(architecture, settings)?;
        Ok(config.map(Cnn::ResNet))
    }

    /// Weight and bias of the last layer, by their names in the file.
    pub fn head(&self) -> [&'static str; 2] {
        match self {
            Cnn::DenseNet(_) => densenet::CLASSIFIER,
            Cnn::EfficientNet(_) => efficientnet::CLASSIFIER,
            Cnn::EfficientNetLite => efficientnet_lite::FC,
            Cnn::MobileNetV2(_) => mobilenet::CLASSIFIER,
            Cnn::MobileNetV3(_) => mobilenet_v3::CLASSIFIER,
            Cnn::ResNet(_) => resnet::FC,
        }
    }

    /// Numbers that the last layer reads.
    pub fn features(&self) -> usize {
        match self {
            Cnn::DenseNet(config) => config.features(),
            Cnn::EfficientNet(config) => config.features(),
            Cnn::EfficientNetLite => efficientnet_lite::FEATURES,
            Cnn::MobileNetV2(_) => mobilenet::FEATURES,
            Cnn::MobileNetV3(config) => config.features(),
            Cnn::ResNet(config) => config.features(),
        }
    }

    /// Whether the last layer reads the averages of maps, so that it can be applied to each of their cells: then there
    /// is an exact heat map.
    pub fn ends_in_averages(&self) -> bool {
        !matches!(self, Cnn::MobileNetV3(_))
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`. `None` for the
    /// network of the bundled model, which is not imported.
    pub fn shapes(&self, channels: usize, labels: usize) -> Option<Shapes> {
        match self {
            Cnn::DenseNet(config) => Some(config.shapes(channels, labels)),
            Cnn::EfficientNet(config) => Some(config.shapes(channels, labels)),
            Cnn::EfficientNetLite => None,
            Cnn::MobileNetV2(config) => Some(config.shapes(channels, labels)),
            Cnn::MobileNetV3(config) => Some(config.shapes(channels, labels)),
            Cnn::ResNet(config) => Some(config.shapes(channels, labels)),
        }
    }

    /// `[N, C, S, S]` → the last maps before the average, `[N, features, h, w]`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn layers(
        &self,
        tensors: &dyn WeightSource,
        channels: usize,
    ) -> Result<Layers, InferenceError> {
        match self {
            Cnn::DenseNet(config) => config.layers(tensors, channels),
            Cnn::EfficientNet(config) => config.layers(tensors, channels),
            Cnn::EfficientNetLite => efficientnet_lite::layers(tensors, channels),
            Cnn::MobileNetV2(config) => config.layers(tensors, channels),
            Cnn::MobileNetV3(config) => config.layers(tensors, channels),
            Cnn::ResNet(config) => config.layers(tensors, channels),
        }
    }
}
