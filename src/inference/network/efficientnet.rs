//! EfficientNet-B0 to -B7: Tan & Le 2019, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*,
//! arXiv:1905.11946. Tensor names are torchvision's: `features.0.0.weight`, `features.2.0.block.1.0.weight`,
//! `features.2.0.block.2.fc1.weight`, `classifier.1.weight`.

use super::cnn_settings::{self, KERAS_EPSILON, TORCH_EPSILON, epsilon, whole_eights};
use super::layers::{
    Activation, Builder, GateShape, Layers, Padding, Shapes, ValueIndex, WeightSource,
};
use crate::domain::{NetworkSettings, SettingError, SettingValue};
use crate::inference::InferenceError;

/// The layer after the average.
pub const HEAD: &str = "classifier.1";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.1.weight", "classifier.1.bias"];
/// The setting of transformers' `EfficientNetConfig` that says which blocks have zeros on all sides. If it is there, even
/// empty, the network is padded as transformers pads it.
pub const DEPTHWISE_PADDING_KEY: &str = "depthwise_padding";

/// Each name on a card, and its factors of width and depth: Section 5.1 of the paper, and torchvision's
/// `width_mult` and `depth_mult`.
pub const SCALES: [(&str, f64, f64); 8] = [
    ("efficientnet_b0", 1.0, 1.0),
    ("efficientnet_b1", 1.0, 1.1),
    ("efficientnet_b2", 1.1, 1.2),
    ("efficientnet_b3", 1.2, 1.4),
    ("efficientnet_b4", 1.4, 1.8),
    ("efficientnet_b5", 1.6, 2.2),
    ("efficientnet_b6", 1.8, 2.6),
    ("efficientnet_b7", 2.0, 3.1),
];
/// torchvision's B5 to B7 have the ε of Keras.
const OF_KERAS: [&str; 3] = ["efficientnet_b5", "efficientnet_b6", "efficientnet_b7"];

const STEM_CHANNELS: f64 = 32.0;
/// Channels of the last maps, over those of the last stage.
const LAST: usize = 4;
/// Channels of a block's input, over those between the two convolutions of its gate.
const SQUEEZE: usize = 4;

/// `(expansion, kernel, stride, output channels, repeats)`: Table 1 of the paper, for B0.
const STAGES: [(usize, usize, usize, f64, f64); 7] = [
    (1, 3, 1, 16.0, 1.0),
    (6, 3, 2, 24.0, 2.0),
    (6, 5, 2, 40.0, 2.0),
    (6, 3, 2, 80.0, 3.0),
    (6, 5, 1, 112.0, 3.0),
    (6, 5, 2, 192.0, 4.0),
    (6, 3, 1, 320.0, 1.0),
];

/// Where the zeros around the maps are.
#[derive(Debug, Clone, PartialEq)]
enum ZeroSides {
    /// As PyTorch and TensorFlow have them.
    Everywhere(Padding),
    /// As transformers has them: of a convolution of stride 2, one less before than after, whatever the size of the
    /// map; on all sides in these blocks, counted from 0.
    Transformers(Vec<usize>),
}

/// The parameters of torchvision's `EfficientNet`.
#[derive(Debug, Clone, PartialEq)]
pub struct EfficientNetConfig {
    width: f64,
    depth: f64,
    /// ε of all batch normalisations.
    epsilon: f64,
    zeros: ZeroSides,
}

impl EfficientNetConfig {
    /// The network of this name; `None` if it is none of them.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn of(name: &str, settings: &NetworkSettings) -> Result<Option<Self>, SettingError> {
        let Some((_, width, depth)) = SCALES.iter().find(|(known, ..)| *known == name) else {
            return Ok(None);
        };
        let default = if OF_KERAS.contains(&name) {
            KERAS_EPSILON
        } else {
            TORCH_EPSILON
        };
        Ok(Some(EfficientNetConfig {
            width: *width,
            depth: *depth,
            epsilon: epsilon(settings, default)?,
            zeros: zeros(settings)?,
        }))
    }

    /// Channels of the last maps.
    pub fn features(&self) -> usize {
        let (.., output, _) = STAGES[STAGES.len() - 1];
        LAST * self.channels(output)
    }

    fn channels(&self, channels: f64) -> usize {
        whole_eights(channels * self.width)
    }

    /// Blocks of each stage.
    pub fn repeats(&self) -> [usize; 7] {
        STAGES.map(|(.., repeats)| (repeats * self.depth).ceil() as usize)
    }

    /// All blocks, in order.
    fn blocks(&self) -> Vec<MbConvShape> {
        let mut blocks = Vec::new();
        let mut input = self.channels(STEM_CHANNELS);
        let stages = (1..).zip(STAGES).zip(self.repeats());
        for ((stage, (expansion, kernel, stride, output, _)), repeats) in stages {
            let output = self.channels(output);
            for repeat in 0..repeats {
                let stride = if repeat == 0 { stride } else { 1 };
                blocks.push(MbConvShape {
                    name: format!("features.{stage}.{repeat}.block"),
                    kernel,
                    stride,
                    padding: self.padding_of(blocks.len(), kernel, stride),
                    input,
                    expansion,
                    output,
                });
                input = output;
            }
        }
        blocks
    }

    /// The padding of a block's depthwise convolution.
    fn padding_of(&self, block: usize, kernel: usize, stride: usize) -> Padding {
        match &self.zeros {
            ZeroSides::Everywhere(padding) => *padding,
            ZeroSides::Transformers(even) if stride == 1 || even.contains(&block) => Padding::Half,
            ZeroSides::Transformers(_) => Padding::Fixed(kernel / 2 - 1, kernel / 2),
        }
    }

    /// The padding of the first convolution.
    fn stem_padding(&self) -> Padding {
        match &self.zeros {
            ZeroSides::Everywhere(padding) => *padding,
            ZeroSides::Transformers(_) => Padding::Fixed(0, 1),
        }
    }

    /// The name of the last convolution and its normalisation.
    fn last_name() -> String {
        format!("features.{}", STAGES.len() + 1)
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
    pub fn shapes(&self, channels: usize, labels: usize) -> Shapes {
        let mut shapes = Shapes::default();
        let mut width = self.channels(STEM_CHANNELS);
        shapes.conv("features.0.0", width, channels, 3);
        shapes.norm("features.0.1", width);
        for block in self.blocks() {
            block.shapes(&mut shapes);
            width = block.output;
        }
        let (last, features) = (Self::last_name(), self.features());
        shapes.conv(&format!("{last}.0"), features, width, 1);
        shapes.norm(&format!("{last}.1"), features);
        shapes.linear(HEAD, labels, features);
        shapes
    }

    /// `[N, C, S, S]` → the last maps, `[N, features, S/32, S/32]`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn layers(
        &self,
        tensors: &dyn WeightSource,
        channels: usize,
    ) -> Result<Layers, InferenceError> {
        let mut net = Builder::new(tensors, channels).epsilon(self.epsilon);
        let stem = net.conv("features.0.0", self.channels(STEM_CHANNELS), 3);
        let stem = stem.stride(2).padding(self.stem_padding());
        let mut x = stem.norm("features.0.1").silu().of(ValueIndex::INPUT)?;
        for block in self.blocks() {
            x = block.add(&mut net, x)?;
        }
        let last = Self::last_name();
        net.conv(format!("{last}.0"), self.features(), 1)
            .norm(format!("{last}.1"))
            .silu()
            .of(x)?;
        Ok(net.build())
    }
}

/// Where the zeros are, by the settings.
fn zeros(settings: &NetworkSettings) -> Result<ZeroSides, SettingError> {
    let Some(blocks) = settings.get(DEPTHWISE_PADDING_KEY) else {
        let padding = cnn_settings::padding(settings)?;
        return Ok(ZeroSides::Everywhere(padding));
    };
    let fault = |expected| {
        Err(SettingError::Kind {
            key: DEPTHWISE_PADDING_KEY.to_owned(),
            expected,
            found: "something else",
        })
    };
    let SettingValue::List(blocks) = blocks else {
        return fault("a list");
    };
    let mut even = Vec::new();
    for block in blocks {
        let SettingValue::Integer(block) = block else {
            return fault("a list of whole numbers");
        };
        // A block that there is not changes nothing, in transformers neither.
        even.extend(usize::try_from(*block));
    }
    Ok(ZeroSides::Transformers(even))
}

/// A mobile inverted bottleneck with squeeze-and-excitation: torchvision's `MBConv`.
struct MbConvShape {
    /// `features.2.0.block`
    name: String,
    kernel: usize,
    stride: usize,
    padding: Padding,
    input: usize,
    expansion: usize,
    output: usize,
}

impl MbConvShape {
    fn part(&self, part: usize, what: &str) -> String {
        format!("{}.{part}{what}", self.name)
    }

    fn expands(&self) -> bool {
        self.expansion != 1
    }

    fn middle(&self) -> usize {
        self.input * self.expansion
    }

    fn squeezed(&self) -> usize {
        (self.input / SQUEEZE).max(1)
    }

    fn shapes(&self, shapes: &mut Shapes) {
        let (middle, next) = (self.middle(), usize::from(self.expands()));
        if self.expands() {
            shapes.conv(&self.part(0, ".0"), middle, self.input, 1);
            shapes.norm(&self.part(0, ".1"), middle);
        }
        shapes.conv(&self.part(next, ".0"), middle, 1, self.kernel);
        shapes.norm(&self.part(next, ".1"), middle);
        shapes.squeeze_excite(&self.part(next + 1, ""), middle, self.squeezed());
        shapes.conv(&self.part(next + 2, ".0"), self.output, middle, 1);
        shapes.norm(&self.part(next + 2, ".1"), self.output);
    }

    /// Expand, depthwise, gate, project. The first stage does not expand.
    fn add(&self, net: &mut Builder, x: ValueIndex) -> Result<ValueIndex, InferenceError> {
        let next = usize::from(self.expands());
        let mut y = x;
        if self.expands() {
            let expand = net.conv(self.part(0, ".0"), self.middle(), 1);
            y = expand.norm(self.part(0, ".1")).silu().of(x)?;
        }
        let depthwise = net.depthwise(self.part(next, ".0"), self.kernel);
        let depthwise = depthwise.stride(self.stride).padding(self.padding);
        let y = depthwise.norm(self.part(next, ".1")).silu().of(y)?;
        let gate = GateShape {
            squeezed: self.squeezed(),
            activation: Activation::Silu,
            scale_activation: Activation::Sigmoid,
        };
        let y = net.squeeze_excite(&self.part(next + 1, ""), &gate, y)?;
        let skip = (self.stride == 1 && self.input == self.output).then_some(x);
        let project = net.conv(self.part(next + 2, ".0"), self.output, 1);
        project.norm(self.part(next + 2, ".1")).plus_if(skip).of(y)
    }
}
