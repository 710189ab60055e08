//! DenseNet-121, -161, -169 and -201: Huang et al. 2017, *Densely Connected Convolutional Networks*,
//! arXiv:1608.06993. Tensor names are those of torchvision's, timm's and torchxrayvision's `DenseNet`:
//! `features.conv0.weight`, `features.denseblock1.denselayer1.norm1.weight`, `classifier.weight`.
//!
//! The average of a transition comes before its 1 × 1 convolution here: the order does not matter, and the convolution
//! then has a quarter of the pixels.

use super::cnn_settings::{TORCH_EPSILON, epsilon};
use super::layers::{Builder, Layers, Shapes, ValueIndex, WeightSource};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;

/// The name of the smallest on a card.
pub const NAME: &str = "densenet121";
/// The layer after the average.
pub const HEAD: &str = "classifier";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.weight", "classifier.bias"];

/// `bn_size`: channels between the two convolutions of a layer, over those that it adds.
const BOTTLENECK: usize = 4;

/// The parameters of torchvision's `DenseNet`.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseNetConfig {
    /// `growth_rate`: channels that a layer adds.
    growth: usize,
    /// `block_config`: layers of a block.
    blocks: [usize; 4],
    /// `num_init_features`.
    stem: usize,
    /// ε of all batch normalisations.
    epsilon: f64,
}

/// DenseNet-121.
pub const DENSENET_121: DenseNetConfig = DenseNetConfig {
    growth: 32,
    blocks: [6, 12, 24, 16],
    stem: 64,
    epsilon: TORCH_EPSILON,
};

impl DenseNetConfig {
    /// The network of this name; `None` if it is none of them.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn of(name: &str, settings: &NetworkSettings) -> Result<Option<Self>, SettingError> {
        let (growth, blocks, stem) = match name {
            NAME => (32, DENSENET_121.blocks, 64),
            "densenet161" => (48, [6, 12, 36, 24], 96),
            "densenet169" => (32, [6, 12, 32, 32], 64),
            "densenet201" => (32, [6, 12, 48, 32], 64),
            _ => return Ok(None),
        };
        Ok(Some(DenseNetConfig {
            growth,
            blocks,
            stem,
            epsilon: epsilon(settings, TORCH_EPSILON)?,
        }))
    }

    /// Channels of the last maps.
    pub fn features(&self) -> usize {
        let mut width = self.stem;
        for (block, layers) in (1..).zip(self.blocks) {
            width += layers * self.growth;
            // The transition after it, which the last block has not.
            if block < self.blocks.len() {
                width /= 2;
            }
        }
        width
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
    pub fn shapes(&self, channels: usize, labels: usize) -> Shapes {
        let mut shapes = Shapes::default();
        shapes.conv("features.conv0", self.stem, channels, 7);
        shapes.norm("features.norm0", self.stem);
        let (mut width, middle) = (self.stem, BOTTLENECK * self.growth);
        for (block, layers) in (1..).zip(self.blocks) {
            for layer in 1..=layers {
                let name = layer_name(block, layer);
                shapes.norm(&format!("{name}.norm1"), width);
                shapes.conv(&format!("{name}.conv1"), middle, width, 1);
                shapes.norm(&format!("{name}.norm2"), middle);
                shapes.conv(&format!("{name}.conv2"), self.growth, middle, 3);
                width += self.growth;
            }
            if block < self.blocks.len() {
                let name = format!("features.transition{block}");
                shapes.norm(&format!("{name}.norm"), width);
                shapes.conv(&format!("{name}.conv"), width / 2, width, 1);
                width /= 2;
            }
        }
        shapes.norm("features.norm5", width);
        shapes.linear(HEAD, labels, width);
        shapes
    }

    /// `[N, C, S, S]` → relu(norm5(…)), `[N, features, S/32, S/32]`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn layers(
        &self,
        tensors: &dyn WeightSource,
        channels: usize,
    ) -> Result<Layers, InferenceError> {
        let mut net = Builder::new(tensors, channels).epsilon(self.epsilon);
        let stem = net.conv("features.conv0", self.stem, 7).stride(2);
        let x = stem.norm("features.norm0").relu().of(ValueIndex::INPUT)?;
        let mut x = net.max_pool(x);
        for (block, layers) in (1..).zip(self.blocks) {
            for layer in 1..=layers {
                let new = self.dense_layer(&mut net, &layer_name(block, layer), x)?;
                x = net.cat(x, new);
            }
            if block < self.blocks.len() {
                let name = format!("features.transition{block}");
                let half = net.channels(x) / 2;
                x = net.norm_relu_average(&format!("{name}.norm"), 2, x)?;
                x = net.conv(format!("{name}.conv"), half, 1).of(x)?;
            }
        }
        net.norm_relu("features.norm5", x)?;
        Ok(net.build())
    }

    /// norm1, ReLU, conv1 (1 × 1), norm2, ReLU, conv2 (3 × 3): the channels that a layer adds.
    fn dense_layer(
        &self,
        net: &mut Builder,
        name: &str,
        x: ValueIndex,
    ) -> Result<ValueIndex, InferenceError> {
        let part = |part: &str| format!("{name}.{part}");
        let conv1 = net.conv(part("conv1"), BOTTLENECK * self.growth, 1);
        let y = conv1
            .after_norm_relu(part("norm1"))
            .norm(part("norm2"))
            .relu()
            .of(x)?;
        net.conv(part("conv2"), self.growth, 3).of(y)
    }
}

fn layer_name(block: usize, layer: usize) -> String {
    format!("features.denseblock{block}.denselayer{layer}")
}
