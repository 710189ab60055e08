//! All but the last layer of a network of tokens, by one of the engines.

#[cfg(test)]
mod tests;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{Linear, Module};
use cxr_kernels::{Kernels, Products};

use super::layers::WeightSource;
use super::offload::Offloaded;
use super::token_layers::TokenLayers;
use super::token_plan::{PlanBuilder, TokenPlanned};
use super::transformers::{ImageShape, TransformerConfig};
use crate::inference::InferenceError;
use crate::inference::device::DeviceChoice;
use crate::inference::engine::{Compute, Engine, Precision};
use crate::inference::fastest_way::{NetworkIdentity, fastest};

/// A trunk ready to run. Inputs and results are on the CPU, whichever device computes.
pub struct TokenTrunk {
    engine: TokenEngine,
    /// Maps, or numbers for the last layer.
    features: usize,
    /// Rows and columns of the last tokens.
    cells: usize,
    /// Whether it ends in maps.
    has_maps: bool,
    has_rollout: bool,
}

enum TokenEngine {
    Candle(TokenLayers),
    Kernels(Box<TokenPlanned>),
    Offloaded(Offloaded),
}

/// The features of some images, and the attention that they came by.
pub struct TokenLook {
    /// `[N, F]`
    pub features: Tensor,
    /// The attention rollout, `[N, h, w]`, with an average of 1 for each image; `None` if it was not asked for, or there
    /// is none.
    pub attention: Option<Tensor>,
}

impl TokenTrunk {
    /// The trunk of a network, filled with `tensors`. The kernels may read them several times.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape, the network does not fit images of this size, or the processor does
    /// not have the precision.
    pub fn new(
        config: &TransformerConfig,
        tensors: &dyn WeightSource,
        image: ImageShape,
        compute: Compute,
        network: NetworkIdentity<'_>,
    ) -> std::result::Result<Self, InferenceError> {
        let has_rollout = config.has_rollout(image.side);
        let engine = match compute.engine {
            Engine::Kernels => {
                let shape = [image.channels, image.side, image.side];
                let build = |kernels: &'static Kernels, products: Products| {
                    let mut builder = PlanBuilder::new(shape, kernels, products)?;
                    let readout =
                        config.describe(tensors, image, &mut |step| builder.push(&step))?;
                    builder.finish(&readout)
                };
                let pass =
                    |plan: &TokenPlanned, image: &Tensor| plan.answers(image, false).map(drop);
                let plan = fastest(compute.precision, network, shape, build, pass)?;
                TokenEngine::Kernels(Box::new(plan))
            }
            Engine::Candle => {
                let (device, dtype) = (compute.device.open()?, compute.precision.of_candle());
                let layers = layers_on(&device, dtype, config, tensors, image)?;
                match (compute.device, dtype) {
                    (DeviceChoice::Cpu, DType::F32) => TokenEngine::Candle(layers),
                    _ => {
                        let forward = move |images: &Tensor| layers.forward(images);
                        TokenEngine::Offloaded(Offloaded::new(device, dtype, forward))
                    }
                }
            }
        };
        Ok(TokenTrunk {
            engine,
            features: config.features(),
            cells: config.cells(image.side),
            has_maps: config.has_maps(),
            has_rollout,
        })
    }

    /// The precision that it is computed in, where this one was asked for.
    pub fn precision(&self, asked: Precision) -> Precision {
        match &self.engine {
            TokenEngine::Kernels(plan) => plan.precision(),
            TokenEngine::Candle(_) | TokenEngine::Offloaded(_) => asked,
        }
    }

    /// `[N, C, S, S]` → the last maps, `[N, F, h, w]`, for a trunk that ends in maps.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn maps(&self, images: &Tensor) -> Result<Tensor> {
        let count = images.dim(0)?;
        let rows = match &self.engine {
            TokenEngine::Candle(layers) => layers.forward(images)?,
            TokenEngine::Kernels(plan) => plan.answers(images, false)?.0,
            TokenEngine::Offloaded(trunk) => trunk.forward(images)?,
        };
        rows.reshape((count, self.features, self.cells, self.cells))
    }

    /// `[N, C, S, S]` → features, for a trunk that ends in a class token, and the attention if it is asked for.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn look(&self, images: &Tensor, wants_attention: bool) -> Result<TokenLook> {
        debug_assert!(!self.has_maps);
        let wants_attention = wants_attention && self.has_rollout;
        let (features, attention) = match &self.engine {
            TokenEngine::Kernels(plan) => plan.answers(images, wants_attention)?,
            TokenEngine::Candle(layers) => self.split(&layers.forward(images)?)?,
            TokenEngine::Offloaded(trunk) => self.split(&trunk.forward(images)?)?,
        };
        let count = images.dim(0)?;
        let attention = attention.filter(|_| wants_attention);
        let square = |attention: Tensor| attention.reshape((count, self.cells, self.cells));
        Ok(TokenLook {
            features,
            attention: attention.map(square).transpose()?,
        })
    }

    /// The features, and the attention after them.
    fn split(&self, rows: &Tensor) -> Result<(Tensor, Option<Tensor>)> {
        let features = rows.narrow(D::Minus1, 0, self.features)?.contiguous()?;
        let rest = rows.dim(D::Minus1)? - self.features;
        let attention = (rest > 0).then(|| {
            let attention = rows.narrow(D::Minus1, self.features, rest)?;
            attention.contiguous()
        });
        Ok((features, attention.transpose()?))
    }
}

/// The steps of a network on a device.
fn layers_on(
    device: &Device,
    dtype: DType,
    config: &TransformerConfig,
    tensors: &dyn WeightSource,
    image: ImageShape,
) -> std::result::Result<TokenLayers, InferenceError> {
    let mut steps = Vec::new();
    let readout = config.describe(tensors, image, &mut |step| {
        steps.push(step.on(device, dtype)?);
        Ok(())
    })?;
    Ok(TokenLayers {
        steps,
        readout: readout.on(device)?,
        keeps_shares: config.has_rollout(image.side),
    })
}

/// A network that ends in a class token and a linear layer: its labels have no maps of their own, but its attention shows
/// where its features come from.
pub struct AttentiveNetwork {
    trunk: TokenTrunk,
    head: Linear,
}

impl AttentiveNetwork {
    /// The last layer has as many inputs as the trunk has features.
    pub fn new(trunk: TokenTrunk, head: Linear) -> Self {
        AttentiveNetwork { trunk, head }
    }

    /// As [`TokenTrunk::precision`].
    pub fn precision(&self, asked: Precision) -> Precision {
        self.trunk.precision(asked)
    }

    /// `[N, C, S, S]` → features and attention.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn look(&self, images: &Tensor) -> Result<TokenLook> {
        self.trunk.look(images, true)
    }

    /// `[N, C, S, S]` → logits `[N, L]`.
    ///
    /// # Errors
    /// If the input has another shape.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.trunk.look(images, false)?.features)
    }

    /// The last layer: weight `[L, F]`, bias `[L]`.
    pub fn head(&self) -> &Linear {
        &self.head
    }
}
