//! MobileNetV3, small and large: Howard et al. 2019, *Searching for MobileNetV3*, arXiv:1905.02244. Tensor names are
//! torchvision's: `features.0.0.weight`, `features.4.block.2.fc1.weight`, `classifier.0.weight`.
//!
//! After the average there is one more layer before the last one, so that there is no exact heat map.

use super::cnn_settings::{self, KERAS_EPSILON, epsilon, whole_eights};
use super::layers::{
    Activation, Builder, GateShape, Layers, Padding, Shapes, ValueIndex, WeightSource,
};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;

/// The layer after the average.
pub const HIDDEN: &str = "classifier.0";
/// The last layer.
pub const HEAD: &str = "classifier.3";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.3.weight", "classifier.3.bias"];

const STEM_CHANNELS: usize = 16;
/// Channels of the last maps, over those of the last block.
const LAST: usize = 6;

/// A row of the paper's tables: kernel, channels between the convolutions, output channels, whether it has a gate,
/// whether it has hard swish instead of ReLU, stride.
type BlockRow = (usize, usize, usize, bool, bool, usize);

/// Table 1.
const LARGE: [BlockRow; 15] = [
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];

/// Table 2.
const SMALL: [BlockRow; 11] = [
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2),
    (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2),
    (5, 240, 40, true, true, 1),
    (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1),
    (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2),
    (5, 576, 96, true, true, 1),
    (5, 576, 96, true, true, 1),
];

/// The parameters of torchvision's `MobileNetV3`.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileNetV3Config {
    rows: &'static [BlockRow],
    /// `last_channel`: channels before the last layer.
    hidden: usize,
    /// ε of all batch normalisations.
    epsilon: f64,
    padding: Padding,
}

impl MobileNetV3Config {
    /// The network of this name; `None` if it is none of them.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn of(name: &str, settings: &NetworkSettings) -> Result<Option<Self>, SettingError> {
        let (rows, hidden): (&[BlockRow], usize) = match name {
            "mobilenet_v3_large" => (&LARGE[..], 1280),
            "mobilenet_v3_small" => (&SMALL[..], 1024),
            _ => return Ok(None),
        };
        Ok(Some(MobileNetV3Config {
            rows,
            hidden,
            epsilon: epsilon(settings, KERAS_EPSILON)?,
            padding: cnn_settings::padding(settings)?,
        }))
    }

    /// Channels before the last layer.
    pub fn features(&self) -> usize {
        self.hidden
    }

    /// All blocks, in order.
    pub fn blocks(&self) -> Vec<InvertedShape> {
        let mut input = STEM_CHANNELS;
        let shape = |(index, row): (usize, &BlockRow)| {
            let (kernel, middle, output, has_gate, is_hard_swish, stride) = *row;
            let shape = InvertedShape {
                name: format!("features.{index}.block"),
                kernel,
                stride,
                input,
                middle,
                output,
                has_gate,
                activation: if is_hard_swish {
                    Activation::HardSwish
                } else {
                    Activation::Relu
                },
            };
            input = output;
            shape
        };
        (1..).zip(self.rows).map(shape).collect()
    }

    /// The name of the last convolution over maps.
    pub fn last_name(&self) -> String {
        format!("features.{}", self.rows.len() + 1)
    }

    /// Channels of the last maps.
    fn last_channels(&self) -> usize {
        let (_, _, output, ..) = self.rows[self.rows.len() - 1];
        LAST * output
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
    pub fn shapes(&self, channels: usize, labels: usize) -> Shapes {
        let mut shapes = Shapes::default();
        shapes.conv("features.0.0", STEM_CHANNELS, channels, 3);
        shapes.norm("features.0.1", STEM_CHANNELS);
        for block in self.blocks() {
            block.shapes(&mut shapes);
        }
        let (last, maps) = (self.last_name(), self.last_channels());
        shapes.conv(&format!("{last}.0"), maps, maps / LAST, 1);
        shapes.norm(&format!("{last}.1"), maps);
        shapes.linear(HIDDEN, self.hidden, maps);
        shapes.linear(HEAD, labels, self.hidden);
        shapes
    }

    /// `[N, C, S, S]` → what the last layer reads, as maps of one pixel, `[N, features, 1, 1]`.
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
        let stem = stem.norm("features.0.1").hard_swish();
        let mut x = stem.of(ValueIndex::INPUT)?;
        for block in self.blocks() {
            x = block.add(&mut net, x)?;
        }
        let last = self.last_name();
        let conv = net.conv(format!("{last}.0"), self.last_channels(), 1);
        let x = conv.norm(format!("{last}.1")).hard_swish().of(x)?;
        let averages = net.global_average(x);
        net.linear(HIDDEN, self.hidden).hard_swish().of(averages)?;
        Ok(net.build())
    }
}

/// torchvision's `InvertedResidual` of MobileNetV3.
pub struct InvertedShape {
    /// `features.4.block`
    pub name: String,
    kernel: usize,
    stride: usize,
    input: usize,
    middle: usize,
    output: usize,
    pub has_gate: bool,
    activation: Activation,
}

impl InvertedShape {
    fn part(&self, part: usize, what: &str) -> String {
        format!("{}.{part}{what}", self.name)
    }

    /// Whether there is a convolution before the depthwise one.
    pub fn expands(&self) -> bool {
        self.middle != self.input
    }

    fn squeezed(&self) -> usize {
        whole_eights((self.middle / 4) as f64)
    }

    /// The places of the gate and of the last convolution.
    fn places(&self) -> (usize, usize, usize) {
        let depthwise = usize::from(self.expands());
        let gate = depthwise + 1;
        (depthwise, gate, gate + usize::from(self.has_gate))
    }

    fn shapes(&self, shapes: &mut Shapes) {
        let (depthwise, gate, project) = self.places();
        if self.expands() {
            shapes.conv(&self.part(0, ".0"), self.middle, self.input, 1);
            shapes.norm(&self.part(0, ".1"), self.middle);
        }
        shapes.conv(&self.part(depthwise, ".0"), self.middle, 1, self.kernel);
        shapes.norm(&self.part(depthwise, ".1"), self.middle);
        if self.has_gate {
            shapes.squeeze_excite(&self.part(gate, ""), self.middle, self.squeezed());
        }
        shapes.conv(&self.part(project, ".0"), self.output, self.middle, 1);
        shapes.norm(&self.part(project, ".1"), self.output);
    }

    /// Expand, depthwise, gate, project.
    fn add(&self, net: &mut Builder, x: ValueIndex) -> Result<ValueIndex, InferenceError> {
        let (depthwise, gate, project) = self.places();
        let mut y = x;
        if self.expands() {
            let expand = net.conv(self.part(0, ".0"), self.middle, 1);
            let expand = expand.norm(self.part(0, ".1"));
            y = expand.activation(self.activation).of(x)?;
        }
        let conv = net.depthwise(self.part(depthwise, ".0"), self.kernel);
        let conv = conv.stride(self.stride).norm(self.part(depthwise, ".1"));
        y = conv.activation(self.activation).of(y)?;
        if self.has_gate {
            let shape = GateShape {
                squeezed: self.squeezed(),
                activation: Activation::Relu,
                scale_activation: Activation::HardSigmoid,
            };
            y = net.squeeze_excite(&self.part(gate, ""), &shape, y)?;
        }
        let skip = (self.stride == 1 && self.input == self.output).then_some(x);
        let conv = net.conv(self.part(project, ".0"), self.output, 1);
        conv.norm(self.part(project, ".1")).plus_if(skip).of(y)
    }
}
