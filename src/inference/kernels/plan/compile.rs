//! From layers to a plan.

use std::sync::Mutex;

use candle_core::{CpuStorage, Result, Storage, Tensor, bail};

use super::KernelPrecision;
use super::places::places;
use super::{NetworkPlan, Pass, PlanStep};
use crate::inference::kernels::conv::{self, PackedConv};
use crate::inference::kernels::depthwise::{self, Bottleneck, PackedDepthwise};
use crate::inference::kernels::isa::{Kernels, PairKernels};
use crate::inference::kernels::memory::AlignedBuf;
use crate::inference::kernels::pooling::PoolingShape;
use crate::inference::kernels::winograd::Winograd;
use crate::inference::network::layers::{self, Activation, Layer, Layers, Padding, ValueIndex};

/// An expanded map of so many bytes and more does not stay in the near caches until it is used, even
/// where threads share the work on it. Tests have small maps, and need both kinds.
const FAR_BYTES: usize = if cfg!(test) { 4 << 10 } else { 560 << 10 };

/// `MaxPool2d(kernel_size=3, stride=2, padding=1)`
const MAX_POOL: PoolingShape = PoolingShape {
    kernel: 3,
    stride: 2,
    padding: 1,
};

impl NetworkPlan {
    /// Makes `layers` ready for images of `height` × `width`.
    ///
    /// # Errors
    /// If an image of that size leaves nothing of a map, a value is a part of two others, or a tensor
    /// is not `f32`.
    pub fn compile(
        layers: &Layers,
        (height, width): (usize, usize),
        kernels: &'static Kernels,
        precision: KernelPrecision,
    ) -> Result<NetworkPlan> {
        let sizes = sizes(layers, height, width)?;
        let pairs = match precision {
            KernelPrecision::F32 => None,
            KernelPrecision::Bf16 => match kernels.pairs() {
                None => bail!("bf16 needs a processor with AVX-512 BF16"),
                pairs => pairs,
            },
        };
        let compiler = Compiler {
            layers,
            sizes: &sizes,
            kernels,
            pairs,
        };
        let passes = compiler.passes()?;
        let places = places(layers, &sizes, &passes)?;
        let steps = passes.into_iter().map(|made| PlanStep {
            input: places.of[made.input.0],
            residual: made.residual.map(|value| places.of[value.0]),
            between: made
                .between
                .iter()
                .map(|value| places.of[value.0])
                .collect(),
            output: places.of[made.output.0],
            pass: made.pass,
        });
        Ok(NetworkPlan {
            kernels,
            input: [layers.channels, height, width],
            steps: steps.collect(),
            forms: places.buffers,
            first: places.of[0],
            last: places.of[layers.layers.len()],
            idle: Mutex::default(),
        })
    }
}

/// Height, width and channels of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// A pass, and the values that it is from and to.
pub struct CompiledPass {
    pub input: ValueIndex,
    pub residual: Option<ValueIndex>,
    /// Those inside it that are kept, too.
    pub between: Vec<ValueIndex>,
    pub output: ValueIndex,
    pub pass: Pass,
}

/// The extent of every value.
fn sizes(layers: &Layers, height: usize, width: usize) -> Result<Vec<ValueShape>> {
    let mut sizes = vec![ValueShape {
        height,
        width,
        channels: layers.channels,
    }];
    for layer in &layers.layers {
        let of = |value: &ValueIndex| sizes[value.0];
        let made = match layer {
            Layer::ConvLayer(conv) => conv_output(conv, of(&conv.input))?,
            Layer::MaxPool(input) => pooled(MAX_POOL, of(input))?,
            Layer::NormReluAverage(input, _, size) => pooled(average(*size), of(input))?,
            Layer::Cat(first, second) => ValueShape {
                channels: of(first).channels + of(second).channels,
                ..of(first)
            },
        };
        sizes.push(made);
    }
    Ok(sizes)
}

fn conv_output(conv: &layers::Conv, input: ValueShape) -> Result<ValueShape> {
    let (output, _, kernel, _) = conv.weight.dims4()?;
    let along = |size: usize| {
        let (before, after) = conv.padding.around(size, kernel, conv.stride);
        let padded = before + size + after;
        match padded >= kernel {
            true => Ok((padded - kernel) / conv.stride + 1),
            false => bail!("nothing is left of {size} pixels under a kernel of {kernel}"),
        }
    };
    Ok(ValueShape {
        height: along(input.height)?,
        width: along(input.width)?,
        channels: output,
    })
}

fn average(size: usize) -> PoolingShape {
    PoolingShape {
        kernel: size,
        stride: size,
        padding: 0,
    }
}

fn pooled(size: PoolingShape, input: ValueShape) -> Result<ValueShape> {
    let least = size.kernel - size.padding;
    if input.height < least || input.width < least {
        bail!(
            "nothing is left of {} × {} pixels",
            input.height,
            input.width
        );
    }
    Ok(ValueShape {
        height: size.output(input.height),
        width: size.output(input.width),
        channels: input.channels,
    })
}

/// What passes are made from.
struct Compiler<'a> {
    layers: &'a Layers,
    sizes: &'a [ValueShape],
    kernels: &'static Kernels,
    /// For convolutions in `bf16`.
    pairs: Option<&'static PairKernels>,
}

impl Compiler<'_> {
    /// One pass a layer, or one for the three of a bottleneck.
    fn passes(&self) -> Result<Vec<CompiledPass>> {
        let mut passes = Vec::new();
        let mut index = 0;
        while index < self.layers.layers.len() {
            let (made, count) = match self.bottleneck(index)? {
                Some(found) => found,
                None => (self.pass(index)?, 1),
            };
            passes.extend(made);
            index += count;
        }
        Ok(passes)
    }

    /// The pass of one layer; none for a concatenation, which is a matter of [`places`].
    fn pass(&self, index: usize) -> Result<Option<CompiledPass>> {
        let output = ValueIndex(index + 1);
        let made = |input: ValueIndex, pass| {
            Some(CompiledPass {
                input,
                residual: None,
                between: Vec::new(),
                output,
                pass,
            })
        };
        Ok(match &self.layers.layers[index] {
            Layer::ConvLayer(conv) if conv.is_depthwise => {
                if conv.residual.is_some() || conv.before.is_some() {
                    bail!("a depthwise convolution with more around it than there is a kernel for");
                }
                let pass = self.depthwise(conv)?;
                made(conv.input, Pass::Depthwise(pass))
            }
            Layer::ConvLayer(conv) => Some(CompiledPass {
                input: conv.input,
                residual: conv.residual,
                between: Vec::new(),
                output,
                pass: self.dense(conv)?,
            }),
            Layer::MaxPool(input) => made(*input, Pass::Largest(MAX_POOL)),
            Layer::NormReluAverage(input, norm, size) => made(
                *input,
                Pass::NormReluAverage(average(*size), norm_relu(norm)?),
            ),
            Layer::Cat(..) => None,
        })
    }

    /// The three layers from `index` on, or the two where nothing is expanded, as one pass, if they are a
    /// bottleneck; and how many layers that is. What is between them is kept if it is small, for threads
    /// that share the work.
    fn bottleneck(&self, index: usize) -> Result<Option<(Option<CompiledPass>, usize)>> {
        let used_once = |index: usize| {
            let uses = self.layers.layers.iter().flat_map(Layer::inputs);
            uses.filter(|value| value.0 == index + 1).count() == 1
        };
        let at = |index: usize| match self.layers.layers.get(index) {
            Some(Layer::ConvLayer(conv)) => Some(conv),
            _ => None,
        };
        let plain = |conv: &&layers::Conv| is_pointwise(conv) && conv.before.is_none();
        let expand = at(index)
            .filter(plain)
            .filter(|conv| conv.residual.is_none() && used_once(index));
        let middle = index + usize::from(expand.is_some());
        let is_middle = |conv: &&layers::Conv| {
            conv.is_depthwise && conv.input == ValueIndex(middle) && used_once(middle)
        };
        let depthwise = at(middle).filter(is_middle);
        let project = at(middle + 1)
            .filter(plain)
            .filter(|conv| conv.input == ValueIndex(middle + 1));
        let (Some(depthwise), Some(project)) = (depthwise, project) else {
            return Ok(None);
        };
        let ValueShape {
            height,
            width,
            channels,
        } = self.sizes[middle];
        let is_near = height * width * channels * size_of::<f32>() < FAR_BYTES;
        let inside = if expand.is_some() { middle } else { middle + 1 }..middle + 2;
        let between = if is_near { inside } else { 0..0 };
        let pass = Bottleneck {
            expand: expand.map(|conv| self.conv(conv)).transpose()?,
            depthwise: self.depthwise(depthwise)?,
            project: self.conv(project)?,
        };
        let made = CompiledPass {
            input: expand.map_or(depthwise.input, |conv| conv.input),
            residual: project.residual,
            between: between.map(ValueIndex).collect(),
            output: ValueIndex(middle + 2),
            pass: Pass::Bottleneck(Box::new(pass)),
        };
        Ok(Some((Some(made), middle + 2 - index)))
    }

    /// A convolution that is not depthwise, in the better of two ways.
    fn dense(&self, conv: &layers::Conv) -> Result<Pass> {
        let shape = self.shape(conv)?;
        let ValueShape { height, width, .. } = self.sizes[conv.input.0];
        let is_bare = conv.before.is_none() && conv.residual.is_none();
        if !is_bare || !Winograd::suits(shape, height, width) {
            return Ok(Pass::Conv(self.conv(conv)?));
        }
        let channels = [shape.output, shape.input];
        let clamp = clamp(conv.activation);
        let winograd = with_weights(conv, |weight, bias| {
            Winograd::new(self.kernels, channels, weight, bias, clamp)
        });
        Ok(Pass::Winograd(winograd?))
    }

    fn shape(&self, conv: &layers::Conv) -> Result<conv::ConvShape> {
        let (output, input, kernel, _) = conv.weight.dims4()?;
        let (top, left) = padding(conv.padding, self.sizes[conv.input.0], kernel, conv.stride);
        Ok(conv::ConvShape {
            input,
            output,
            kernel,
            stride: conv.stride,
            top,
            left,
        })
    }

    fn conv(&self, conv: &layers::Conv) -> Result<PackedConv> {
        let shape = self.shape(conv)?;
        if conv.before.is_some() && !is_pointwise(conv) {
            bail!(
                "there is no kernel for a normalisation before a convolution of {0} × {0}",
                shape.kernel
            );
        }
        let before = conv.before.as_ref().map(norm_relu).transpose()?;
        let kernels = (self.kernels, self.pairs);
        let clamp = clamp(conv.activation);
        with_weights(conv, |weight, bias| {
            PackedConv::new(kernels, shape, weight, bias, before, clamp)
        })
    }

    fn depthwise(&self, conv: &layers::Conv) -> Result<PackedDepthwise> {
        let (channels, _, kernel, _) = conv.weight.dims4()?;
        let (top, left) = padding(conv.padding, self.sizes[conv.input.0], kernel, conv.stride);
        let shape = depthwise::DepthwiseShape {
            channels,
            kernel,
            stride: conv.stride,
            top,
            left,
        };
        let clamp = clamp(conv.activation);
        with_weights(conv, |weight, bias| {
            PackedDepthwise::new(self.kernels, shape, weight, bias, clamp)
        })
    }
}

fn is_pointwise(conv: &layers::Conv) -> bool {
    !conv.is_depthwise && conv.stride == 1 && conv.weight.dims()[2..] == [1, 1]
}

/// Zeros above and to the left.
fn padding(padding: Padding, input: ValueShape, kernel: usize, stride: usize) -> (usize, usize) {
    let along = |size| padding.around(size, kernel, stride).0;
    (along(input.height), along(input.width))
}

fn clamp(activation: Activation) -> [f32; 2] {
    match activation {
        Activation::None => [f32::NEG_INFINITY, f32::INFINITY],
        Activation::Relu => [0.0, f32::INFINITY],
        Activation::Relu6 => [0.0, 6.0],
    }
}

fn norm_relu(norm: &layers::NormRelu) -> Result<conv::PackedNormRelu> {
    Ok(conv::PackedNormRelu {
        scale: AlignedBuf::of(&norm.scale.to_vec1()?),
        shift: AlignedBuf::of(&norm.shift.to_vec1()?),
    })
}

/// Calls `make` with the weight and the bias of a convolution.
fn with_weights<T>(conv: &layers::Conv, make: impl FnOnce(&[f32], &[f32]) -> T) -> Result<T> {
    let bias: Vec<f32> = conv.bias.to_vec1()?;
    with_numbers(&conv.weight, |weight| make(weight, &bias))
}

/// Calls `make` with the numbers of a tensor, row by row. They are copied only where they have to be.
fn with_numbers<T>(tensor: &Tensor, make: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    if let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    {
        return Ok(make(&values[start..end]));
    }
    drop(storage);
    Ok(make(&tensor.flatten_all()?.to_vec1::<f32>()?))
}
