//! EfficientNet-Lite0: EfficientNet (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation
//! and with ReLU6, so that it runs well on processors. Tensor names are those of the PyPI package
//! `efficientnet-lite-pytorch`: `_conv_stem.weight`, `_blocks.0._depthwise_conv.weight`, `_fc.weight`.

use super::layers::{Builder, Layers, ValueIndex, WeightSource};
use crate::inference::InferenceError;

/// Its name on a card.
pub const NAME: &str = "efficientnet-lite0";

/// `batch_norm_epsilon` of the package.
const BATCH_NORM_EPSILON: f64 = 1e-3;
/// Weight and bias of the last layer.
pub const FC: [&str; 2] = ["_fc.weight", "_fc.bias"];
const STEM_CHANNELS: usize = 32;
pub const FEATURES: usize = 1280;

/// `(repeats, kernel, stride, expansion, output channels)`, Table 1 of the paper for width and
/// depth 1.0.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

/// `[N, 1, S, S]` → `[N, 1280, S/32, S/32]`.
///
/// # Errors
/// If a tensor is absent or of another shape.
pub fn layers(tensors: &dyn WeightSource, channels: usize) -> Result<Layers, InferenceError> {
    let mut net = Builder::new(tensors, channels).tensorflow(BATCH_NORM_EPSILON);
    let stem = net.conv("_conv_stem", STEM_CHANNELS, 3).stride(2);
    let mut x = stem.norm("_bn0").relu6().of(ValueIndex::INPUT)?;
    let mut index = 0;
    for (repeats, kernel, stride, expansion, output) in STAGES {
        for repeat in 0..repeats {
            let block = BlockSpec {
                kernel,
                stride: if repeat == 0 { stride } else { 1 },
                expansion,
                output,
            };
            x = mb_conv(&mut net, index, block, x)?;
            index += 1;
        }
    }
    net.conv("_conv_head", FEATURES, 1)
        .norm("_bn1")
        .relu6()
        .of(x)?;
    Ok(net.build())
}

#[derive(Clone, Copy)]
struct BlockSpec {
    kernel: usize,
    stride: usize,
    expansion: usize,
    output: usize,
}

/// Mobile inverted bottleneck (Sandler et al. 2018, arXiv:1801.04381): expand, depthwise, project.
/// The first block does not expand.
fn mb_conv(
    net: &mut Builder,
    index: usize,
    block: BlockSpec,
    x: ValueIndex,
) -> Result<ValueIndex, InferenceError> {
    let part = |part: &str| format!("_blocks.{index}.{part}");
    let input = net.channels(x);
    let y = match block.expansion {
        1 => x,
        expansion => {
            let expand = net.conv(part("_expand_conv"), input * expansion, 1);
            expand.norm(part("_bn0")).relu6().of(x)?
        }
    };
    let depthwise = net.depthwise(part("_depthwise_conv"), block.kernel);
    let depthwise = depthwise.stride(block.stride).norm(part("_bn1"));
    let y = depthwise.relu6().of(y)?;
    let skip = (block.stride == 1 && input == block.output).then_some(x);
    let project = net.conv(part("_project_conv"), block.output, 1);
    project.norm(part("_bn2")).plus_if(skip).of(y)
}
