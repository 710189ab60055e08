//! ResNet-50: He et al. 2016, *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, with
//! the stride in the 3 × 3 convolution as torchvision has it. Tensor names are torchvision's:
//! `conv1.weight`, `layer1.0.bn1.weight`, `layer2.0.downsample.0.weight`, `fc.weight`.

use super::layers::{Builder, Layers, Shapes, ValueIndex, WeightSource};
use crate::inference::InferenceError;

/// Its name on a card.
pub const NAME: &str = "resnet50";
/// The layer after the average.
pub const HEAD: &str = "fc";
/// Its weight and bias.
pub const FC: [&str; 2] = ["fc.weight", "fc.bias"];

/// Blocks of a layer.
const LAYERS: [usize; 4] = [3, 4, 6, 3];
const STEM_CHANNELS: usize = 64;
/// `Bottleneck.expansion`: output channels for one in the middle.
const EXPANSION: usize = 4;
pub const FEATURES: usize = 2048;

/// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
pub fn shapes(channels: usize, labels: usize) -> Shapes {
    let mut shapes = Shapes::default();
    shapes.conv("conv1", STEM_CHANNELS, channels, 7);
    shapes.norm("bn1", STEM_CHANNELS);
    for block in blocks() {
        let BlockShape {
            name,
            input,
            middle,
            ..
        } = &block;
        shapes.conv(&format!("{name}.conv1"), *middle, *input, 1);
        shapes.norm(&format!("{name}.bn1"), *middle);
        shapes.conv(&format!("{name}.conv2"), *middle, *middle, 3);
        shapes.norm(&format!("{name}.bn2"), *middle);
        shapes.conv(&format!("{name}.conv3"), block.output(), *middle, 1);
        shapes.norm(&format!("{name}.bn3"), block.output());
        if block.has_downsample() {
            shapes.conv(&format!("{name}.downsample.0"), block.output(), *input, 1);
            shapes.norm(&format!("{name}.downsample.1"), block.output());
        }
    }
    shapes.linear(HEAD, labels, FEATURES);
    shapes
}

struct BlockShape {
    /// `layer1.0`
    name: String,
    input: usize,
    middle: usize,
    stride: usize,
}

impl BlockShape {
    fn output(&self) -> usize {
        self.middle * EXPANSION
    }

    fn has_downsample(&self) -> bool {
        self.stride > 1 || self.input != self.output()
    }
}

/// All blocks, in order.
fn blocks() -> Vec<BlockShape> {
    let mut blocks = Vec::new();
    let (mut input, mut middle) = (STEM_CHANNELS, STEM_CHANNELS);
    for (layer, count) in (1..).zip(LAYERS) {
        for block in 0..count {
            blocks.push(BlockShape {
                name: format!("layer{layer}.{block}"),
                input,
                middle,
                stride: if layer > 1 && block == 0 { 2 } else { 1 },
            });
            input = middle * EXPANSION;
        }
        middle *= 2;
    }
    blocks
}

/// `[N, C, S, S]` → the output of layer4, `[N, 2048, S/32, S/32]`.
///
/// # Errors
/// If a tensor is absent or of another shape.
pub fn layers(tensors: &dyn WeightSource, channels: usize) -> Result<Layers, InferenceError> {
    let mut net = Builder::new(tensors, channels);
    let stem = net.conv("conv1", STEM_CHANNELS, 7).stride(2);
    let x = stem.norm("bn1").relu().of(ValueIndex::INPUT)?;
    let mut x = net.max_pool(x);
    for block in blocks() {
        x = bottleneck(&mut net, &block, x)?;
    }
    Ok(net.build())
}

/// 1 × 1, 3 × 3, 1 × 1, and the input added.
fn bottleneck(
    net: &mut Builder,
    block: &BlockShape,
    x: ValueIndex,
) -> Result<ValueIndex, InferenceError> {
    let part = |part: &str| format!("{}.{part}", block.name);
    let conv1 = net.conv(part("conv1"), block.middle, 1);
    let y = conv1.norm(part("bn1")).relu().of(x)?;
    let conv2 = net.conv(part("conv2"), block.middle, 3);
    let y = conv2.stride(block.stride).norm(part("bn2")).relu().of(y)?;
    let identity = if block.has_downsample() {
        let downsample = net.conv(part("downsample.0"), block.output(), 1);
        let downsample = downsample.stride(block.stride);
        downsample.norm(part("downsample.1")).of(x)?
    } else {
        x
    };
    let conv3 = net.conv(part("conv3"), block.output(), 1);
    conv3.norm(part("bn3")).plus(identity).relu().of(y)
}
