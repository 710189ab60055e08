//! DenseNet-121: Huang et al. 2017, *Densely Connected Convolutional Networks*, arXiv:1608.06993.
//! Tensor names are those of torchvision's and torchxrayvision's `DenseNet`:
//! `features.conv0.weight`, `features.denseblock1.denselayer1.norm1.weight`, `classifier.weight`.
//!
//! The average of a transition comes before its 1 × 1 convolution here: the order does not matter, and the convolution
//! then has a quarter of the pixels.

use super::layers::{Builder, Layers, Shapes, ValueIndex, WeightSource};
use crate::inference::InferenceError;

/// Its name on a card.
pub const NAME: &str = "densenet121";
/// The layer after the average.
pub const HEAD: &str = "classifier";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.weight", "classifier.bias"];

/// `growth_rate`: channels that a layer adds.
const GROWTH: usize = 32;
/// `block_config`: layers of a block.
const BLOCKS: [usize; 4] = [6, 12, 24, 16];
/// `bn_size` · `growth_rate`: channels between the two convolutions of a layer.
const BOTTLENECK: usize = 4 * GROWTH;
/// `num_init_features`.
const STEM_CHANNELS: usize = 64;
pub const FEATURES: usize = 1024;

/// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
pub fn shapes(channels: usize, labels: usize) -> Shapes {
    let mut shapes = Shapes::default();
    shapes.conv("features.conv0", STEM_CHANNELS, channels, 7);
    shapes.norm("features.norm0", STEM_CHANNELS);
    let mut width = STEM_CHANNELS;
    for (block, layers) in (1..).zip(BLOCKS) {
        for layer in 1..=layers {
            let name = layer_name(block, layer);
            shapes.norm(&format!("{name}.norm1"), width);
            shapes.conv(&format!("{name}.conv1"), BOTTLENECK, width, 1);
            shapes.norm(&format!("{name}.norm2"), BOTTLENECK);
            shapes.conv(&format!("{name}.conv2"), GROWTH, BOTTLENECK, 3);
            width += GROWTH;
        }
        if block < BLOCKS.len() {
            let name = format!("features.transition{block}");
            shapes.norm(&format!("{name}.norm"), width);
            shapes.conv(&format!("{name}.conv"), width / 2, width, 1);
            width /= 2;
        }
    }
    shapes.norm("features.norm5", width);
    shapes.linear(HEAD, labels, FEATURES);
    shapes
}

fn layer_name(block: usize, layer: usize) -> String {
    format!("features.denseblock{block}.denselayer{layer}")
}

/// `[N, C, S, S]` → relu(norm5(…)), `[N, 1024, S/32, S/32]`.
///
/// # Errors
/// If a tensor is absent or of another shape.
pub fn layers(tensors: &dyn WeightSource, channels: usize) -> Result<Layers, InferenceError> {
    let mut net = Builder::new(tensors, channels);
    let stem = net.conv("features.conv0", STEM_CHANNELS, 7).stride(2);
    let x = stem.norm("features.norm0").relu().of(ValueIndex::INPUT)?;
    let mut x = net.max_pool(x);
    for (block, layers) in (1..).zip(BLOCKS) {
        for layer in 1..=layers {
            let new = dense_layer(&mut net, &layer_name(block, layer), x)?;
            x = net.cat(x, new);
        }
        if block < BLOCKS.len() {
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
fn dense_layer(net: &mut Builder, name: &str, x: ValueIndex) -> Result<ValueIndex, InferenceError> {
    let part = |part: &str| format!("{name}.{part}");
    let conv1 = net.conv(part("conv1"), BOTTLENECK, 1);
    let y = conv1
        .after_norm_relu(part("norm1"))
        .norm(part("norm2"))
        .relu()
        .of(x)?;
    net.conv(part("conv2"), GROWTH, 3).of(y)
}
