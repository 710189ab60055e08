//! ResNet-18 to -152: He et al. 2016, *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, with the stride
//! in the 3 × 3 convolution of a bottleneck as torchvision and timm have it ("v1.5"). Tensor names are torchvision's and
//! timm's: `conv1.weight`, `layer1.0.bn1.weight`, `layer2.0.downsample.0.weight`, `fc.weight`.

use super::cnn_settings::{TORCH_EPSILON, epsilon};
use super::layers::{Builder, Layers, Shapes, ValueIndex, WeightSource};
use crate::domain::{NetworkSettings, SettingError};
use crate::inference::InferenceError;

/// The name of ResNet-50 on a card.
pub const NAME: &str = "resnet50";
/// The layer after the average.
pub const HEAD: &str = "fc";
/// Its weight and bias.
pub const FC: [&str; 2] = ["fc.weight", "fc.bias"];
/// The setting of transformers' `ResNetConfig`: the stride of a bottleneck is in its first convolution.
pub const STRIDE_FIRST_KEY: &str = "downsample_in_bottleneck";

const STEM_CHANNELS: usize = 64;
/// `Bottleneck.expansion`: output channels for one in the middle.
const EXPANSION: usize = 4;

/// The kinds of torchvision's residual blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResidualKind {
    /// `BasicBlock`: two 3 × 3.
    Basic,
    /// `Bottleneck`: 1 × 1, 3 × 3, 1 × 1.
    Bottleneck,
}

/// The parameters of torchvision's `ResNet`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResNetConfig {
    kind: ResidualKind,
    /// Blocks of a layer.
    layers: [usize; 4],
    /// Whether the stride of a bottleneck is in its first convolution, as in the paper.
    is_stride_first: bool,
    /// ε of all batch normalisations.
    epsilon: f64,
}

/// ResNet-50.
pub const RESNET_50: ResNetConfig = ResNetConfig {
    kind: ResidualKind::Bottleneck,
    layers: [3, 4, 6, 3],
    is_stride_first: false,
    epsilon: TORCH_EPSILON,
};

impl ResNetConfig {
    /// The network of this name; `None` if it is none of them.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn of(name: &str, settings: &NetworkSettings) -> Result<Option<Self>, SettingError> {
        let (kind, layers) = match name {
            "resnet18" => (ResidualKind::Basic, [2, 2, 2, 2]),
            "resnet34" => (ResidualKind::Basic, [3, 4, 6, 3]),
            NAME => (ResidualKind::Bottleneck, RESNET_50.layers),
            "resnet101" => (ResidualKind::Bottleneck, [3, 4, 23, 3]),
            "resnet152" => (ResidualKind::Bottleneck, [3, 8, 36, 3]),
            _ => return Ok(None),
        };
        Ok(Some(ResNetConfig {
            kind,
            layers,
            is_stride_first: settings.flag_or(STRIDE_FIRST_KEY, false)?,
            epsilon: epsilon(settings, TORCH_EPSILON)?,
        }))
    }

    /// Channels of the last maps.
    pub fn features(&self) -> usize {
        STEM_CHANNELS * 8 * self.expansion()
    }

    /// Blocks of each layer.
    pub fn depths(&self) -> [usize; 4] {
        self.layers
    }

    /// Convolutions of a block, without that of its input.
    pub fn convolutions_in_block(&self) -> usize {
        match self.kind {
            ResidualKind::Basic => 2,
            ResidualKind::Bottleneck => 3,
        }
    }

    fn expansion(&self) -> usize {
        match self.kind {
            ResidualKind::Basic => 1,
            ResidualKind::Bottleneck => EXPANSION,
        }
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `labels`.
    pub fn shapes(&self, channels: usize, labels: usize) -> Shapes {
        let mut shapes = Shapes::default();
        shapes.conv("conv1", STEM_CHANNELS, channels, 7);
        shapes.norm("bn1", STEM_CHANNELS);
        for block in self.blocks() {
            for (n, conv) in (1..).zip(&block.convolutions) {
                let [output, input] = conv.channels;
                shapes.conv(&block.part(&format!("conv{n}")), output, input, conv.kernel);
                shapes.norm(&block.part(&format!("bn{n}")), output);
            }
            if block.has_downsample() {
                let [output, input] = [block.output, block.input];
                shapes.conv(&block.part("downsample.0"), output, input, 1);
                shapes.norm(&block.part("downsample.1"), output);
            }
        }
        shapes.linear(HEAD, labels, self.features());
        shapes
    }

    /// All blocks, in order.
    fn blocks(&self) -> Vec<ResidualShape> {
        let mut blocks = Vec::new();
        let (mut input, mut middle) = (STEM_CHANNELS, STEM_CHANNELS);
        for (layer, count) in (1..).zip(self.layers) {
            for block in 0..count {
                let output = middle * self.expansion();
                let stride = if layer > 1 && block == 0 { 2 } else { 1 };
                blocks.push(ResidualShape {
                    name: format!("layer{layer}.{block}"),
                    input,
                    output,
                    stride,
                    convolutions: self.convolutions([input, middle, output], stride),
                });
                input = output;
            }
            middle *= 2;
        }
        blocks
    }

    /// The convolutions of a block.
    fn convolutions(
        &self,
        [input, middle, output]: [usize; 3],
        stride: usize,
    ) -> Vec<ResidualConv> {
        let conv = |from: usize, to: usize, kernel, stride| ResidualConv {
            channels: [to, from],
            kernel,
            stride,
        };
        match self.kind {
            ResidualKind::Basic => vec![conv(input, middle, 3, stride), conv(middle, output, 3, 1)],
            ResidualKind::Bottleneck => {
                let strides = if self.is_stride_first {
                    [stride, 1]
                } else {
                    [1, stride]
                };
                vec![
                    conv(input, middle, 1, strides[0]),
                    conv(middle, middle, 3, strides[1]),
                    conv(middle, output, 1, 1),
                ]
            }
        }
    }

    /// `[N, C, S, S]` → the output of layer4, `[N, features, S/32, S/32]`.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn layers(
        &self,
        tensors: &dyn WeightSource,
        channels: usize,
    ) -> Result<Layers, InferenceError> {
        let mut net = Builder::new(tensors, channels).epsilon(self.epsilon);
        let stem = net.conv("conv1", STEM_CHANNELS, 7).stride(2);
        let x = stem.norm("bn1").relu().of(ValueIndex::INPUT)?;
        let mut x = net.max_pool(x);
        for block in self.blocks() {
            x = block.add(&mut net, x)?;
        }
        Ok(net.build())
    }
}

/// A convolution of a block.
struct ResidualConv {
    /// Output and input.
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
}

struct ResidualShape {
    /// `layer1.0`
    name: String,
    input: usize,
    output: usize,
    stride: usize,
    convolutions: Vec<ResidualConv>,
}

impl ResidualShape {
    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    fn has_downsample(&self) -> bool {
        self.stride > 1 || self.input != self.output
    }

    /// The convolutions one after another, and the input added before the last ReLU.
    fn add(&self, net: &mut Builder, x: ValueIndex) -> Result<ValueIndex, InferenceError> {
        let mut y = x;
        for (n, shape) in (1..).zip(&self.convolutions) {
            let residual = if n == self.convolutions.len() {
                Some(self.identity(net, x)?)
            } else {
                None
            };
            let name = self.part(&format!("conv{n}"));
            let conv = net.conv(name, shape.channels[0], shape.kernel);
            let conv = conv.stride(shape.stride).norm(self.part(&format!("bn{n}")));
            y = conv.plus_if(residual).relu().of(y)?;
        }
        Ok(y)
    }

    /// The input, with the size of the output.
    fn identity(&self, net: &mut Builder, x: ValueIndex) -> Result<ValueIndex, InferenceError> {
        if !self.has_downsample() {
            return Ok(x);
        }
        let downsample = net.conv(self.part("downsample.0"), self.output, 1);
        let downsample = downsample.stride(self.stride);
        downsample.norm(self.part("downsample.1")).of(x)
    }
}
