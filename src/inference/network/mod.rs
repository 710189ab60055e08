//! One file for each architecture, with the names of its paper and of PyTorch.

pub(in crate::inference) mod cnn;
pub(in crate::inference) mod cnn_settings;
pub(in crate::inference) mod densenet;
pub(in crate::inference) mod efficientnet;
pub(in crate::inference) mod efficientnet_lite;
mod gather;
pub(in crate::inference) mod graph;
pub(in crate::inference) mod imported;
pub(in crate::inference) mod keras_sequential;
pub(in crate::inference) mod layers;
pub(in crate::inference) mod lung_fields;
pub(in crate::inference) mod mobilenet;
pub(in crate::inference) mod mobilenet_v3;
mod offload;
mod planned;
mod reference;
pub(in crate::inference) mod resnet;
#[cfg(test)]
mod tests;
mod token_layers;
mod token_plan;
mod token_reference;
mod token_trunk;
pub(in crate::inference) mod transformers;
pub(in crate::inference) mod wrapped_names;

use candle_core::{DType, Module, Tensor};
use candle_nn::Linear;
use cnn::Cnn;
use cxr_kernels::{Kernels, Products};
use graph::GraphProgram;
use imported::StoredNetwork;
use keras_sequential::KerasSequential;
use layers::Layers;
use offload::Offloaded;
use planned::PlannedLayers;
use token_trunk::{AttentiveNetwork, TokenTrunk};
use transformers::{ImageShape, TransformerConfig};

use super::InferenceError;
use super::device::DeviceChoice;
use super::engine::{Compute, Engine, Precision};
use super::fastest_way::{NetworkIdentity, fastest};
use super::weights::Tensors;
use crate::domain::{ModelCard, NetworkSettings};

/// A network ready to run: convolutions, global average pooling, one linear layer. Inputs and results are on the
/// CPU, whichever device computes.
pub struct Network {
    trunk: Trunk,
    head: Linear,
    ends_in_averages: bool,
}

/// All but the last layer.
enum Trunk {
    Candle(Layers),
    Kernels(Box<PlannedLayers>),
    Offloaded(Offloaded),
    Tokens(TokenTrunk),
    Graph(Box<GraphProgram>),
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
            Trunk::Tokens(trunk) => trunk.maps(input),
            Trunk::Graph(program) => program.forward(input),
        }
    }

    /// `[N, C, S, S]` → features, the average of each of the last maps, `[N, F]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn features(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        match &self.trunk {
            Trunk::Kernels(plan) => plan.averages(input),
            Trunk::Candle(_) | Trunk::Offloaded(_) | Trunk::Tokens(_) | Trunk::Graph(_) => {
                pool(&self.maps(input)?)
            }
        }
    }

    /// The last layer: weight `[L, F]`, bias `[L]`.
    pub fn head(&self) -> &Linear {
        &self.head
    }

    /// Whether the last layer reads the averages of the last maps, so that there is an exact heat map. Otherwise there
    /// is a layer between the average and the last one, and the last maps have one pixel.
    pub fn ends_in_averages(&self) -> bool {
        self.ends_in_averages
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

/// A network of any kind.
pub enum AnyNetwork {
    Pooled(Network),
    Attentive(AttentiveNetwork),
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
        if let Some(config) = TransformerConfig::of_card(card)? {
            return Self::of_tokens(&config, card, channels, tensors, compute);
        }
        let labels = card.output_count();
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

    /// A network of tokens: one of maps, or one that ends in a class token.
    fn of_tokens(
        config: &TransformerConfig,
        card: &ModelCard,
        channels: usize,
        tensors: &Tensors,
        compute: Compute,
    ) -> Result<Self, InferenceError> {
        let image = ImageShape {
            channels,
            side: card.input_size,
        };
        let head = head(card, tensors)?.0;
        let network = NetworkIdentity::of(card);
        let trunk = TokenTrunk::new(config, tensors, image, compute, network)?;
        Ok(if config.has_maps() {
            AnyNetwork::Pooled(Network {
                trunk: Trunk::Tokens(trunk),
                head,
                ends_in_averages: true,
            })
        } else {
            AnyNetwork::Attentive(AttentiveNetwork::new(trunk, head))
        })
    }

    /// The precision that it is computed in, where this one was asked for: `f32` if the network has no other, or the
    /// other one is not faster.
    pub fn precision(&self, asked: Precision) -> Precision {
        match self {
            AnyNetwork::Pooled(network) => network.trunk.precision(asked),
            AnyNetwork::Attentive(network) => network.precision(asked),
            AnyNetwork::Plain(_) => Precision::F32,
        }
    }

    /// The last layer, weight `[L, F]` and bias `[L]`, if it reads features.
    pub fn head(&self) -> Option<&Linear> {
        match self {
            AnyNetwork::Pooled(network) => Some(network.head()),
            AnyNetwork::Attentive(network) => Some(network.head()),
            AnyNetwork::Plain(_) => None,
        }
    }

    /// The number of features for heads; 0 if there are none.
    ///
    /// # Errors
    /// If the last layer is not a matrix.
    pub fn channels(&self) -> candle_core::Result<usize> {
        self.head().map_or(Ok(0), |head| head.weight().dim(1))
    }

    /// `[N, C, S, S]` → logits `[N, L]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            AnyNetwork::Pooled(network) => network.head().forward(&network.features(input)?),
            AnyNetwork::Attentive(network) => network.forward(input),
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
    if imported::is_imported(&card.architecture) {
        let stored = StoredNetwork::of(tensors)?;
        let layers = stored.layers(tensors, channels, card.input_size)?;
        return Ok(Network {
            head: head(card, tensors)?.0,
            trunk: Trunk::new(layers, card, compute)?,
            ends_in_averages: stored.ends_in_averages,
        });
    }
    if card.architecture == graph::NAME {
        return Ok(Network {
            head: head(card, tensors)?.0,
            trunk: Trunk::of_graph(tensors, channels, card.input_size, compute)?,
            ends_in_averages: false,
        });
    }
    let cnn = cnn(card)?;
    if cnn == Cnn::EfficientNetLite && channels != 1 {
        return Err(InferenceError::Card(format!(
            "{} takes one channel, and {} gives {channels}",
            card.architecture, card.preprocess
        )));
    }
    let layers = cnn.layers(tensors, channels)?;
    Ok(Network {
        head: head(card, tensors)?.0,
        trunk: Trunk::new(layers, card, compute)?,
        ends_in_averages: cnn.ends_in_averages(),
    })
}

/// The convolutional network that the card names.
///
/// # Errors
/// If the architecture is unknown, or a setting on the card is wrong.
fn cnn(card: &ModelCard) -> Result<Cnn, InferenceError> {
    let none = NetworkSettings::default();
    let settings = card.network.as_ref().unwrap_or(&none);
    let cnn = Cnn::of(&card.architecture, settings);
    let cnn = cnn.map_err(|error| InferenceError::Card(format!("[network]: {error}")))?;
    cnn.ok_or_else(|| InferenceError::UnknownArchitecture(card.architecture.clone()))
}

/// The last layer, and the names of its weight and its bias in the file.
///
/// # Errors
/// If the architecture is unknown or has no such layer, or a tensor is absent or of another shape.
pub fn head(
    card: &ModelCard,
    tensors: &Tensors,
) -> Result<(Linear, [&'static str; 2]), InferenceError> {
    let (names, features) = match TransformerConfig::of_card(card)? {
        Some(config) => (transformers::CLASSIFIER, config.features()),
        None if imported::is_imported(&card.architecture) => {
            (imported::HEAD, StoredNetwork::of(tensors)?.features)
        }
        None if card.architecture == graph::NAME => (graph::HEAD, graph::stored(tensors)?.features),
        None => {
            let cnn = cnn(card)?;
            (cnn.head(), cnn.features())
        }
    };
    let labels = card.output_count();
    let weight = tensors.get(names[0], &[labels, features])?;
    let bias = tensors.get(names[1], &[labels])?;
    Ok((Linear::new(weight, Some(bias)), names))
}

impl Trunk {
    /// Operators that are kept: candle computes them, whichever engine is asked for.
    fn of_graph(
        tensors: &Tensors,
        channels: usize,
        size: usize,
        compute: Compute,
    ) -> Result<Self, InferenceError> {
        let device = compute.device.open()?;
        let program = graph::program(tensors, channels, size, device.clone(), compute)?;
        Ok(match compute.device {
            DeviceChoice::Cpu => Trunk::Graph(Box::new(program)),
            _ => Trunk::Offloaded(Offloaded::new(device, DType::F32, move |images| {
                program.forward(images)
            })),
        })
    }

    /// Layers for images of the card's size.
    fn new(layers: Layers, card: &ModelCard, compute: Compute) -> Result<Self, InferenceError> {
        let dtype = compute.precision.of_candle();
        Ok(match (compute.engine, compute.device, dtype) {
            (Engine::Candle, DeviceChoice::Cpu, DType::F32) => Trunk::Candle(layers),
            (Engine::Candle, device, dtype) => {
                Trunk::Offloaded(Offloaded::layers(&layers, &device.open()?, dtype)?)
            }
            (Engine::Kernels, ..) => {
                let size = card.input_size;
                let build = |kernels: &'static Kernels, products: Products| {
                    PlannedLayers::compile(&layers, (size, size), kernels, products)
                };
                let pass = |plan: &PlannedLayers, image: &Tensor| plan.maps(image).map(drop);
                let (network, shape) = (NetworkIdentity::of(card), [layers.channels, size, size]);
                let plan = fastest(compute.precision, network, shape, build, pass)?;
                Trunk::Kernels(Box::new(plan))
            }
        })
    }

    /// The precision that it is computed in, where this one was asked for.
    fn precision(&self, asked: Precision) -> Precision {
        match self {
            Trunk::Kernels(plan) => plan.precision(),
            Trunk::Tokens(trunk) => trunk.precision(asked),
            Trunk::Candle(_) | Trunk::Offloaded(_) | Trunk::Graph(_) => asked,
        }
    }
}
