//! One file for each architecture, with the names of its paper and of PyTorch.

pub(in crate::inference) mod densenet;
pub(in crate::inference) mod efficientnet_lite;
mod gather;
pub(in crate::inference) mod keras_sequential;
pub(in crate::inference) mod layers;
pub(in crate::inference) mod lung_fields;
pub(in crate::inference) mod mobilenet;
mod offload;
mod planned;
mod reference;
pub(in crate::inference) mod resnet;
#[cfg(test)]
mod tests;

use candle_core::{DType, Module, Tensor};
use candle_nn::Linear;
use cxr_kernels::Kernels;
use keras_sequential::KerasSequential;
use layers::Layers;
use offload::Offloaded;
use planned::PlannedLayers;

use super::InferenceError;
use super::device::DeviceChoice;
use super::engine::{Compute, Engine};
use super::weights::Tensors;
use crate::domain::ModelCard;

/// A network ready to run: convolutions, global average pooling, one linear layer. Inputs and results are on the
/// CPU, whichever device computes.
pub struct Network {
    trunk: Trunk,
    head: Linear,
}

/// All but the last layer.
enum Trunk {
    Candle(Layers),
    Kernels(Box<PlannedLayers>),
    Offloaded(Offloaded),
}

impl Network {
    /// `[N, C, S, S]` → the last maps before the average, `[N, F, h, w]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn maps(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        match &self.trunk {
            Trunk::Candle(layers) => layers.forward(input),
            Trunk::Kernels(plan) => plan.maps(input),
            Trunk::Offloaded(trunk) => trunk.forward(input),
        }
    }

    /// `[N, C, S, S]` → features, the average of each of the last maps, `[N, F]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn features(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        match &self.trunk {
            Trunk::Kernels(plan) => plan.averages(input),
            Trunk::Candle(_) | Trunk::Offloaded(_) => pool(&self.maps(input)?),
        }
    }

    /// The last layer: weight `[L, F]`, bias `[L]`.
    pub fn head(&self) -> &Linear {
        &self.head
    }
}

/// A network that ends in another way: logits, and neither an exact heat map nor features for heads.
pub trait Plain: Send + Sync {
    /// `[N, C, S, S]` → logits `[N, L]`.
    ///
    /// # Errors
    /// If the input has another shape.
    fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor>;
}

/// A network of either kind.
pub enum AnyNetwork {
    Pooled(Network),
    Plain(Box<dyn Plain>),
}

impl AnyNetwork {
    /// The network that the card names, for images of `channels`, filled with `tensors`.
    ///
    /// # Errors
    /// As [`build`].
    pub fn build(
        card: &ModelCard,
        channels: usize,
        tensors: &Tensors,
        compute: Compute,
    ) -> Result<Self, InferenceError> {
        let labels = card.outputs().count();
        match card.architecture.as_str() {
            keras_sequential::NAME => {
                let new =
                    |tensors: &Tensors| KerasSequential::new(tensors, card.input_size, labels);
                Ok(AnyNetwork::Plain(match compute.device {
                    DeviceChoice::Cpu => Box::new(new(tensors)?),
                    device => {
                        let device = device.open()?;
                        let network = new(&tensors.on(&device))?;
                        let forward = move |images: &Tensor| network.forward(images);
                        Box::new(Offloaded::new(device, DType::F32, forward))
                    }
                }))
            }
            _ => Ok(AnyNetwork::Pooled(build(card, channels, tensors, compute)?)),
        }
    }

    /// The number of features for heads; 0 if there are none.
    ///
    /// # Errors
    /// If the last layer is not a matrix.
    pub fn channels(&self) -> candle_core::Result<usize> {
        match self {
            AnyNetwork::Pooled(network) => network.head().weight().dim(1),
            AnyNetwork::Plain(_) => Ok(0),
        }
    }

    /// `[N, C, S, S]` → logits `[N, L]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            AnyNetwork::Pooled(network) => network.head().forward(&network.features(input)?),
            AnyNetwork::Plain(network) => network.forward(input),
        }
    }
}

/// Global average: `[N, C, h, w]` → features `[N, C]`, summed pixel by pixel as the kernels sum them, so that
/// features computed from the maps are the same to the bit.
///
/// # Errors
/// If the tensor has another rank, or is not `f32`.
pub fn pool(maps: &Tensor) -> candle_core::Result<Tensor> {
    let (count, channels, height, width) = maps.dims4()?;
    let share = 1.0 / (height * width) as f32;
    let values = maps.flatten_all()?.to_vec1::<f32>()?;
    let planes = values.chunks_exact(height * width);
    let averages = planes.map(|plane| plane.iter().sum::<f32>() * share);
    Tensor::from_vec(averages.collect(), (count, channels), maps.device())
}

/// The network that the card names, one that ends in global average pooling, for images of `channels`,
/// filled with `tensors`.
///
/// # Errors
/// If the architecture is unknown, or a tensor is absent or of another shape.
fn build(
    card: &ModelCard,
    channels: usize,
    tensors: &Tensors,
    compute: Compute,
) -> Result<Network, InferenceError> {
    let layers = match card.architecture.as_str() {
        efficientnet_lite::NAME if channels != 1 => {
            return Err(InferenceError::Card(format!(
                "{} takes one channel, and {} gives {channels}",
                card.architecture, card.preprocess
            )));
        }
        efficientnet_lite::NAME => efficientnet_lite::layers,
        densenet::NAME => densenet::layers,
        mobilenet::NAME => mobilenet::layers,
        resnet::NAME => resnet::layers,
        other => return Err(InferenceError::UnknownArchitecture(other.to_owned())),
    };
    let layers = layers(tensors, channels)?;
    Ok(Network {
        head: head(card, tensors)?.0,
        trunk: Trunk::new(layers, card.input_size, compute)?,
    })
}

/// The last layer, and the names of its weight and its bias in the file.
///
/// # Errors
/// If the architecture is unknown or has no such layer, or a tensor is absent or of another shape.
pub fn head(
    card: &ModelCard,
    tensors: &Tensors,
) -> Result<(Linear, [&'static str; 2]), InferenceError> {
    let (names, features) = match card.architecture.as_str() {
        efficientnet_lite::NAME => (efficientnet_lite::FC, efficientnet_lite::FEATURES),
        densenet::NAME => (densenet::CLASSIFIER, densenet::FEATURES),
        mobilenet::NAME => (mobilenet::CLASSIFIER, mobilenet::FEATURES),
        resnet::NAME => (resnet::FC, resnet::FEATURES),
        other => return Err(InferenceError::UnknownArchitecture(other.to_owned())),
    };
    let labels = card.outputs().count();
    let weight = tensors.get(names[0], &[labels, features])?;
    let bias = tensors.get(names[1], &[labels])?;
    Ok((Linear::new(weight, Some(bias)), names))
}

impl Trunk {
    fn new(layers: Layers, size: usize, compute: Compute) -> Result<Self, InferenceError> {
        let dtype = compute.precision.of_candle();
        Ok(match (compute.engine, compute.device, dtype) {
            (Engine::Candle, DeviceChoice::Cpu, DType::F32) => Trunk::Candle(layers),
            (Engine::Candle, device, dtype) => {
                Trunk::Offloaded(Offloaded::layers(&layers, &device.open()?, dtype)?)
            }
            (Engine::Kernels, ..) => {
                let precision = compute.precision.of_kernels();
                let plan =
                    PlannedLayers::compile(&layers, (size, size), Kernels::best(), precision)?;
                Trunk::Kernels(Box::new(plan))
            }
        })
    }
}
