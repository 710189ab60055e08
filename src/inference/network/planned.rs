//! Layers computed by [`cxr_kernels`]: translated into its description, and its plan for tensors of candle.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Result, Storage, StorageRef, Tensor, bail};
use cxr_kernels::{
    Activation, ConvSpec, Kernels, LayerSpec, NetworkPlan, NetworkSpec, NormReluSpec, PoolingShape,
    Products, ValueIndex,
};

use super::layers::{Conv, Layer, Layers, NormRelu};
use crate::inference::InferenceError;
use crate::inference::engine::Precision;

/// Layers made ready for images of one size.
pub struct PlannedLayers {
    plan: NetworkPlan,
    products: Products,
}

impl PlannedLayers {
    /// Packs the weights for images of `height` × `width`, and for this way to compute products.
    ///
    /// # Errors
    /// If a layer leaves nothing of an image of this size, or a tensor is not `f32`.
    pub fn compile(
        layers: &Layers,
        size: (usize, usize),
        kernels: &'static Kernels,
        products: Products,
    ) -> std::result::Result<Self, InferenceError> {
        let numbers: Vec<LayerNumbers> = layers
            .layers
            .iter()
            .map(LayerNumbers::of)
            .collect::<Result<_>>()?;
        let network = NetworkSpec {
            channels: layers.channels,
            layers: numbers.iter().map(LayerNumbers::spec).collect(),
        };
        let plan = NetworkPlan::compile(&network, size, kernels, products)?;
        Ok(PlannedLayers { plan, products })
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.products.precision().into()
    }

    /// `[N, C, H, W]` → the last maps, `[N, F, h, w]`.
    ///
    /// # Errors
    /// If the images have another size than the plan was made for, or are not `f32`.
    pub fn maps(&self, images: &Tensor) -> Result<Tensor> {
        let count = self.count(images)?;
        let maps = self.plan.maps(&TensorNumbers::of(images)?);
        let [channels, height, width] = self.plan.output();
        Tensor::from_vec(maps, (count, channels, height, width), &Device::Cpu)
    }

    /// `[N, C, H, W]` → the average of each of the last maps, `[N, F]`.
    ///
    /// # Errors
    /// As [`maps`](PlannedLayers::maps).
    pub fn averages(&self, images: &Tensor) -> Result<Tensor> {
        let count = self.count(images)?;
        let averages = self.plan.averages(&TensorNumbers::of(images)?);
        let [channels, ..] = self.plan.output();
        Tensor::from_vec(averages, (count, channels), &Device::Cpu)
    }

    /// The number of images, if they have the size of the plan.
    fn count(&self, images: &Tensor) -> Result<usize> {
        let (count, channels, height, width) = images.dims4()?;
        let [c, h, w] = self.plan.input();
        if [channels, height, width] != [c, h, w] {
            bail!(
                "an image of {channels} × {height} × {width} for a network made ready for {c} × {h} × {w}"
            );
        }
        Ok(count)
    }
}

/// The numbers of an `f32` tensor, row by row: borrowed if they lie so in memory, otherwise copied.
pub(super) enum TensorNumbers<'a> {
    Borrowed(StorageRef<'a>, Range<usize>),
    Copied(Vec<f32>),
}

impl<'a> TensorNumbers<'a> {
    /// # Errors
    /// If the tensor is not `f32`.
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let is_cpu = matches!(&*storage, Storage::Cpu(CpuStorage::F32(_)));
        if let (true, Some((start, end))) = (is_cpu, layout.contiguous_offsets()) {
            return Ok(TensorNumbers::Borrowed(storage, start..end));
        }
        drop(storage);
        Ok(TensorNumbers::Copied(tensor.flatten_all()?.to_vec1()?))
    }
}

impl Deref for TensorNumbers<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            TensorNumbers::Copied(values) => values,
            TensorNumbers::Borrowed(storage, range) => match &**storage {
                Storage::Cpu(CpuStorage::F32(values)) => &values[range.clone()],
                _ => unreachable!("only f32 on the CPU is borrowed"),
            },
        }
    }
}

/// A layer with the numbers of its tensors.
enum LayerNumbers<'a> {
    Conv(ConvNumbers<'a>),
    MaxPool(ValueIndex, PoolingShape),
    NormReluAverage(ValueIndex, NormNumbers<'a>, usize),
    Average(ValueIndex, usize),
    GlobalAverage(ValueIndex),
    Scale(ValueIndex, ValueIndex),
    Add(ValueIndex, ValueIndex, Activation),
    Cat(ValueIndex, ValueIndex),
}

impl<'a> LayerNumbers<'a> {
    fn of(layer: &'a Layer) -> Result<Self> {
        Ok(match layer {
            Layer::Conv(conv) => LayerNumbers::Conv(ConvNumbers::of(conv)?),
            Layer::MaxPool(input, window) => LayerNumbers::MaxPool(*input, *window),
            Layer::NormReluAverage(input, norm, size) => {
                LayerNumbers::NormReluAverage(*input, NormNumbers::of(norm)?, *size)
            }
            Layer::Average(input, size) => LayerNumbers::Average(*input, *size),
            Layer::GlobalAverage(input) => LayerNumbers::GlobalAverage(*input),
            Layer::Scale(input, by) => LayerNumbers::Scale(*input, *by),
            Layer::Add(first, second, activation) => {
                LayerNumbers::Add(*first, *second, *activation)
            }
            Layer::Cat(first, second) => LayerNumbers::Cat(*first, *second),
        })
    }

    fn spec(&self) -> LayerSpec<'_> {
        match self {
            LayerNumbers::Conv(conv) => LayerSpec::Conv(conv.spec()),
            LayerNumbers::MaxPool(input, window) => LayerSpec::MaxPool(*input, *window),
            LayerNumbers::NormReluAverage(input, norm, size) => LayerSpec::NormReluAverage {
                input: *input,
                norm: norm.spec(),
                size: *size,
            },
            LayerNumbers::Average(input, size) => LayerSpec::Average {
                input: *input,
                size: *size,
            },
            LayerNumbers::GlobalAverage(input) => LayerSpec::GlobalAverage(*input),
            LayerNumbers::Scale(input, by) => LayerSpec::Scale {
                input: *input,
                by: *by,
            },
            LayerNumbers::Add(first, second, activation) => LayerSpec::Add {
                first: *first,
                second: *second,
                activation: *activation,
            },
            LayerNumbers::Cat(first, second) => LayerSpec::Cat(*first, *second),
        }
    }
}

struct ConvNumbers<'a> {
    conv: &'a Conv,
    before: Option<NormNumbers<'a>>,
    weight: TensorNumbers<'a>,
    bias: TensorNumbers<'a>,
    output: usize,
    kernel: usize,
}

impl<'a> ConvNumbers<'a> {
    fn of(conv: &'a Conv) -> Result<Self> {
        let (output, _, kernel, _) = conv.weight.dims4()?;
        Ok(ConvNumbers {
            conv,
            before: conv.before.as_ref().map(NormNumbers::of).transpose()?,
            weight: TensorNumbers::of(&conv.weight)?,
            bias: TensorNumbers::of(&conv.bias)?,
            output,
            kernel,
        })
    }

    fn spec(&self) -> ConvSpec<'_> {
        ConvSpec {
            input: self.conv.input,
            before: self.before.as_ref().map(NormNumbers::spec),
            weight: &self.weight,
            bias: &self.bias,
            output: self.output,
            kernel: self.kernel,
            is_depthwise: self.conv.is_depthwise,
            stride: self.conv.stride,
            padding: self.conv.padding,
            residual: self.conv.residual,
            activation: self.conv.activation,
        }
    }
}

struct NormNumbers<'a> {
    scale: TensorNumbers<'a>,
    shift: TensorNumbers<'a>,
}

impl<'a> NormNumbers<'a> {
    fn of(norm: &'a NormRelu) -> Result<Self> {
        Ok(NormNumbers {
            scale: TensorNumbers::of(&norm.scale)?,
            shift: TensorNumbers::of(&norm.shift)?,
        })
    }

    fn spec(&self) -> NormReluSpec<'_> {
        NormReluSpec {
            scale: &self.scale,
            shift: &self.shift,
        }
    }
}
