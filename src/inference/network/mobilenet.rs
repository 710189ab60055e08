//! MobileNetV2: Sandler et al. 2018, *MobileNetV2: Inverted Residuals and Linear Bottlenecks*,
//! arXiv:1801.04381. Tensor names are torchvision's: `features.0.0.weight`,
//! `features.2.conv.1.0.weight`, `classifier.1.weight`.

use super::cnn_settings::{self, TORCH_EPSILON, epsilon};
use super::layers::{Builder, Layers, Padding, Shapes, ValueIndex, WeightSource};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;

/// Its name on a card.
pub const NAME: &str = "mobilenet-v2";
/// The layer after the average.
pub const HEAD: &str = "classifier.1";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.1.weight", "classifier.1.bias"];
const STEM_CHANNELS: usize = 32;
pub const FEATURES: usize = 1280;

/// `(expansion, output channels, repeats, stride)`, Table 2 of the paper.
pub const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// What libraries differ in.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileNetV2Config {
    /// ε of all batch normalisations.
    epsilon: f64,
    padding: Padding,
}

impl MobileNetV2Config {
    /// # Errors
    /// If a setting is wrong.
    pub fn of(settings: &NetworkSettings) -> Result<Self, SettingError> {
        Ok(MobileNetV2Config {
            epsilon: epsilon(settings, TORCH_EPSILON)?,
            padding: cnn_settings::padding(settings)?,
        })
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
    pub fn shapes(&self, channels: usize, labels: usize) -> Shapes {
        let mut shapes = Shapes::default();
        shapes.conv("features.0.0", STEM_CHANNELS, channels, 3);
        shapes.norm("features.0.1", STEM_CHANNELS);
        let (mut input, mut index) = (STEM_CHANNELS, 1);
        for (expansion, output, repeats, _) in STAGES {
            for _ in 0..repeats {
                residual_shapes(&mut shapes, index, expansion, [input, output]);
                input = output;
                index += 1;
            }
        }
        shapes.conv(&format!("features.{index}.0"), FEATURES, input, 1);
        shapes.norm(&format!("features.{index}.1"), FEATURES);
        shapes.linear(HEAD, labels, FEATURES);
        shapes
    }

    /// `[N, C, S, S]` → `[N, 1280, S/32, S/32]`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn layers(
        &self,
        tensors: &dyn WeightSource,
        channels: usize,
    ) -> Result<Layers, InferenceError> {
        let net = Builder::new(tensors, channels).epsilon(self.epsilon);
        let mut net = net.padding(self.padding);
        let stem = net.conv("features.0.0", STEM_CHANNELS, 3).stride(2);
        let mut x = stem.norm("features.0.1").relu6().of(ValueIndex::INPUT)?;
        let mut index = 1;
        for (expansion, output, repeats, stride) in STAGES {
            for repeat in 0..repeats {
                let stride = if repeat == 0 { stride } else { 1 };
                x = inverted_residual(&mut net, index, (expansion, stride, output), x)?;
                index += 1;
            }
        }
        let last = net.conv(format!("features.{index}.0"), FEATURES, 1);
        last.norm(format!("features.{index}.1")).relu6().of(x)?;
        Ok(net.build())
    }
}

/// The tensors of a block.
fn residual_shapes(
    shapes: &mut Shapes,
    index: usize,
    expansion: usize,
    [input, output]: [usize; 2],
) {
    let part = |part: &str| format!("features.{index}.conv.{part}");
    let (middle, next) = (input * expansion, usize::from(expansion != 1));
    if expansion != 1 {
        shapes.conv(&part("0.0"), middle, input, 1);
        shapes.norm(&part("0.1"), middle);
    }
    shapes.conv(&part(&format!("{next}.0")), middle, 1, 3);
    shapes.norm(&part(&format!("{next}.1")), middle);
    shapes.conv(&part(&(next + 1).to_string()), output, middle, 1);
    shapes.norm(&part(&(next + 2).to_string()), output);
}

/// Expand, depthwise, project. The first block does not expand.
fn inverted_residual(
    net: &mut Builder,
    index: usize,
    (expansion, stride, output): (usize, usize, usize),
    x: ValueIndex,
) -> Result<ValueIndex, InferenceError> {
    let part = |part: &str| format!("features.{index}.conv.{part}");
    let input = net.channels(x);
    let mut y = x;
    let mut next = 0;
    if expansion != 1 {
        let expand = net.conv(part("0.0"), input * expansion, 1);
        y = expand.norm(part("0.1")).relu6().of(x)?;
        next = 1;
    }
    let depthwise = net.depthwise(part(&format!("{next}.0")), 3).stride(stride);
    let y = depthwise.norm(part(&format!("{next}.1"))).relu6().of(y)?;
    let skip = (stride == 1 && input == output).then_some(x);
    let project = net.conv(part(&(next + 1).to_string()), output, 1);
    project
        .norm(part(&(next + 2).to_string()))
        .plus_if(skip)
        .of(y)
}
