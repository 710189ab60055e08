//! From the layers of a network to passes.

use super::pass::{CompiledPass, Pass};
use super::shapes::{ValueShape, average};
use crate::bottleneck::Bottleneck;
use crate::conv::{ConvShape, PackedConv, PackedNormRelu};
use crate::conv_depthwise::ConvDepthwise;
use crate::curve::Curve;
use crate::depthwise::{DepthwiseShape, PackedDepthwise};
use crate::isa::Kernels;
use crate::memory::AlignedBuf;
use crate::network::{Activation, ConvSpec, LayerSpec, NetworkSpec, NormReluSpec, ValueIndex};
use crate::products::{KernelPrecision, Products};
use crate::winograd::{SquareSide, Winograd};

/// An expanded map of this many bytes or more leaves the near caches before it is used, even where threads share
/// the work on it. Tests have small maps, and need both kinds.
pub const FAR_BYTES: usize = if cfg!(miri) {
    512
} else if cfg!(test) {
    4 << 10
} else {
    560 << 10
};

/// Chooses the passes of a network whose shapes were checked.
pub struct Compiler<'a> {
    pub network: &'a NetworkSpec<'a>,
    pub shapes: &'a [ValueShape],
    pub kernels: &'static Kernels,
    pub products: Products,
}

impl Compiler<'_> {
    /// One pass for each layer, or for the two or three that are computed together.
    pub fn passes(&self) -> Vec<CompiledPass> {
        let mut passes = Vec::new();
        let mut index = 0;
        while index < self.network.layers.len() {
            let together = self.bottleneck(index);
            let together = together.or_else(|| self.conv_depthwise(index));
            let together = together.or_else(|| self.scaled_conv(index));
            if let Some((pass, count)) = together {
                passes.push(pass);
                index += count;
            } else {
                passes.extend(self.pass(index));
                index += 1;
            }
        }
        passes
    }

    /// The pass of one layer. A concatenation needs none: its parts share a buffer.
    fn pass(&self, index: usize) -> Option<CompiledPass> {
        let (input, other, pass) = match &self.network.layers[index] {
            LayerSpec::Conv(conv) if conv.is_depthwise => {
                (conv.input, None, Pass::Depthwise(self.depthwise(conv)))
            }
            LayerSpec::Conv(conv) => (conv.input, conv.residual, self.dense(conv)),
            LayerSpec::MaxPool(input, size) => (*input, None, Pass::MaxPool(*size)),
            LayerSpec::NormReluAverage { input, norm, size } => {
                let pass = Pass::NormReluAverage(average(*size), packed(norm));
                (*input, None, pass)
            }
            LayerSpec::Average { input, size } => (*input, None, Pass::Average(average(*size))),
            LayerSpec::GlobalAverage(input) => (*input, None, Pass::GlobalAverage),
            LayerSpec::Scale { input, by } => (*input, Some(*by), Pass::Scale),
            LayerSpec::Add {
                first,
                second,
                activation,
            } => {
                let pass = Pass::Add(clamp(*activation), curve(*activation));
                (*first, Some(*second), pass)
            }
            LayerSpec::Cat(..) => return None,
        };
        Some(CompiledPass {
            input,
            other,
            by: None,
            between: Vec::new(),
            average: None,
            output: ValueIndex(index + 1),
            pass,
        })
    }

    /// The layers from `index` on as one pass, and their number, if they are a bottleneck: expand, depthwise and
    /// project, or the last two. Maps between them that are small get memory, for threads that share the work
    /// layer by layer. Tiles take more pixels at once than a row of them has, so that the layers come one by one.
    fn bottleneck(&self, index: usize) -> Option<(CompiledPass, usize)> {
        if self.products.tiles().is_some() {
            return None;
        }
        let plain = |conv: &&ConvSpec| is_pointwise(conv) && conv.before.is_none();
        let expand = self
            .conv_at(index)
            .filter(plain)
            .filter(|conv| conv.residual.is_none() && self.is_used_once(index));
        let middle = index + usize::from(expand.is_some());
        let (depthwise, project) = self.middle(middle)?;
        let ValueShape {
            height,
            width,
            channels,
        } = self.shapes[middle];
        let is_near = height * width * channels * size_of::<f32>() < FAR_BYTES;
        let inside = if expand.is_some() { middle } else { middle + 1 }..middle + 2;
        let between = if is_near { inside } else { 0..0 };
        let pass = Bottleneck {
            expand: expand.map(|conv| self.conv(conv)),
            depthwise: self.depthwise(depthwise),
            project: self.conv(project),
        };
        let made = CompiledPass {
            input: expand.map_or(depthwise.input, |conv| conv.input),
            other: project.residual,
            by: None,
            between: between.map(ValueIndex).collect(),
            average: None,
            output: ValueIndex(middle + 2),
            pass: Pass::Bottleneck(Box::new(pass)),
        };
        Some((made, middle + 2 - index))
    }

    /// The depthwise convolution at an index and the one that projects its output, if a bottleneck has both.
    fn middle(&self, index: usize) -> Option<(&ConvSpec<'_>, &ConvSpec<'_>)> {
        let depthwise = self.conv_at(index).filter(|conv| {
            conv.is_depthwise
                && conv.input == ValueIndex(index)
                && self.is_used_once(index)
                && self.can_hand_over(conv.activation)
        })?;
        let project = self.conv_at(index + 1).filter(|conv| {
            is_pointwise(conv) && conv.before.is_none() && conv.input == ValueIndex(index + 1)
        })?;
        Some((depthwise, project))
    }

    /// The layers from `index` on as one pass, and their number, if they are a convolution and the depthwise one after
    /// it, perhaps followed by the average of its channels, as squeeze-and-excitation has it.
    fn conv_depthwise(&self, index: usize) -> Option<(CompiledPass, usize)> {
        let conv = self.conv_at(index).filter(|conv| {
            !conv.is_depthwise && conv.residual.is_none() && self.is_used_once(index)
        })?;
        let depthwise = self
            .conv_at(index + 1)
            .filter(|conv| conv.is_depthwise && conv.input == ValueIndex(index + 1))?;
        // A bottleneck computes the projection at once, too.
        if self.middle(index + 1).is_some() && self.products.tiles().is_none() {
            return None;
        }
        let Pass::Conv(packed) = self.dense(conv) else {
            return None;
        };
        let ValueShape { height, width, .. } = self.shapes[index + 1];
        let tiles = width.div_ceil(self.kernels.pixels());
        // Rows one by one cost more than memory where they fill their tiles badly.
        if packed.is_packed() || 4 * width < 3 * tiles * self.kernels.pixels() {
            return None;
        }
        let output = ValueIndex(index + 2);
        let is_average =
            |layer: &&LayerSpec| matches!(layer, LayerSpec::GlobalAverage(of) if *of == output);
        let average = self.network.layers.get(index + 2).filter(is_average);
        let pass = ConvDepthwise {
            conv: packed,
            depthwise: self.depthwise(depthwise),
            middle: [height, width],
        };
        let made = CompiledPass {
            input: conv.input,
            other: None,
            by: None,
            between: Vec::new(),
            average: average.map(|_| ValueIndex(index + 3)),
            output,
            pass: Pass::ConvDepthwise(Box::new(pass)),
        };
        let count = if average.is_some() { 3 } else { 2 };
        Some((made, count))
    }

    /// The layers from `index` on as one pass, and their number, if they scale a map and convolve it, and the weights are
    /// fewer than the pixels.
    fn scaled_conv(&self, index: usize) -> Option<(CompiledPass, usize)> {
        let LayerSpec::Scale { input, by } = &self.network.layers[index] else {
            return None;
        };
        let conv = self.conv_at(index + 1).filter(|conv| {
            is_pointwise(conv) && conv.input == ValueIndex(index + 1) && self.is_used_once(index)
        })?;
        let packed = self.conv(conv);
        let ValueShape { height, width, .. } = self.shapes[input.0];
        if !packed.scales_weights(height * width) {
            return None;
        }
        let made = CompiledPass {
            input: *input,
            other: conv.residual,
            by: Some(*by),
            between: Vec::new(),
            average: None,
            output: ValueIndex(index + 2),
            pass: Pass::ScaledConv(packed),
        };
        Some((made, 2))
    }

    /// The convolution at an index, if the layer there is one.
    fn conv_at(&self, index: usize) -> Option<&ConvSpec<'_>> {
        match self.network.layers.get(index) {
            Some(LayerSpec::Conv(conv)) => Some(conv),
            _ => None,
        }
    }

    /// Whether a depthwise convolution inside a bottleneck may end in this function: a curve needs the numbers in
    /// `f32`, and pairs are stored rounded.
    fn can_hand_over(&self, activation: Activation) -> bool {
        self.products.pairs().is_none() || curve(activation) == Curve::None
    }

    /// Whether a single layer reads the value that layer `index` makes.
    fn is_used_once(&self, index: usize) -> bool {
        let uses = self.network.layers.iter().flat_map(LayerSpec::inputs);
        uses.filter(|value| value.0 == index + 1).count() == 1
    }

    /// A convolution that is not depthwise, in the fastest way.
    fn dense(&self, conv: &ConvSpec) -> Pass {
        let Some(side) = self.squares(conv) else {
            return Pass::Conv(self.conv(conv));
        };
        let shape = self.shape(conv);
        let winograd = Winograd::new(
            (self.kernels, side),
            [shape.output, shape.input],
            conv.weight,
            conv.bias,
            clamp(conv.activation),
        );
        Pass::Winograd(winograd.then(curve(conv.activation)))
    }

    /// The squares of a convolution, if Winograd's way is the fastest for it.
    fn squares(&self, conv: &ConvSpec) -> Option<SquareSide> {
        let ValueShape { height, width, .. } = self.shapes[conv.input.0];
        let around = |size| conv.padding.around(size, conv.kernel, conv.stride);
        // The output is as large as the input only if the padding is the same on both sides.
        let is_even = around(height) == (1, 1) && around(width) == (1, 1);
        if conv.before.is_some() || !is_even {
            return None;
        }
        let side = SquareSide::of(self.shape(conv), height, width)?;
        let is_faster = match self.products.precision() {
            KernelPrecision::F32 => true,
            // Tiles of rounded numbers save more than any squares, and pairs more than small ones.
            KernelPrecision::Bf16 => side == SquareSide::Four && self.products.tiles().is_none(),
            KernelPrecision::Split => side == SquareSide::Four,
        };
        is_faster.then_some(side)
    }

    fn shape(&self, conv: &ConvSpec) -> ConvShape {
        let (top, left) = self.padding(conv);
        ConvShape {
            input: self.shapes[conv.input.0].channels,
            output: conv.output,
            kernel: conv.kernel,
            stride: conv.stride,
            top,
            left,
        }
    }

    fn conv(&self, conv: &ConvSpec) -> PackedConv {
        let shape = self.shape(conv);
        PackedConv::new(
            (
                self.kernels,
                self.products.for_layer(shape.input, shape.output),
            ),
            shape,
            conv.weight,
            conv.bias,
            conv.before.as_ref().map(packed),
            clamp(conv.activation),
        )
        .then(curve(conv.activation))
    }

    fn depthwise(&self, conv: &ConvSpec) -> PackedDepthwise {
        let (top, left) = self.padding(conv);
        let shape = DepthwiseShape {
            channels: conv.output,
            kernel: conv.kernel,
            stride: conv.stride,
            top,
            left,
        };
        let clamp = clamp(conv.activation);
        let depthwise = PackedDepthwise::new(self.kernels, shape, conv.weight, conv.bias, clamp);
        depthwise.then(curve(conv.activation))
    }

    /// Zeros above and to the left of a convolution's input.
    fn padding(&self, conv: &ConvSpec) -> (usize, usize) {
        let input = self.shapes[conv.input.0];
        let along = |size| conv.padding.around(size, conv.kernel, conv.stride).0;
        (along(input.height), along(input.width))
    }
}

fn is_pointwise(conv: &ConvSpec) -> bool {
    !conv.is_depthwise && conv.stride == 1 && conv.kernel == 1
}

/// The part of an activation that a clamp expresses.
fn clamp(activation: Activation) -> [f32; 2] {
    match activation {
        Activation::Relu => [0.0, f32::INFINITY],
        Activation::Relu6 => [0.0, 6.0],
        Activation::None
        | Activation::Silu
        | Activation::HardSwish
        | Activation::Sigmoid
        | Activation::HardSigmoid => [f32::NEG_INFINITY, f32::INFINITY],
    }
}

/// The part of an activation that a clamp does not express.
fn curve(activation: Activation) -> Curve {
    match activation {
        Activation::None | Activation::Relu | Activation::Relu6 => Curve::None,
        Activation::Silu => Curve::Silu,
        Activation::HardSwish => Curve::HardSwish,
        Activation::Sigmoid => Curve::Sigmoid,
        Activation::HardSigmoid => Curve::HardSigmoid,
    }
}

fn packed(norm: &NormReluSpec) -> PackedNormRelu {
    PackedNormRelu {
        scale: AlignedBuf::of(norm.scale),
        shift: AlignedBuf::of(norm.shift),
    }
}
