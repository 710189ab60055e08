//! One file an architecture, with the names of its paper and of PyTorch.

mod efficientnet_lite;

pub(in crate::inference) use efficientnet_lite::same_padding;

use candle_core::Tensor;

use super::InferenceError;
use super::weights::Tensors;
use crate::domain::ModelCard;

/// A network ready to run.
pub trait Network: Send + Sync {
    /// `[N, 1, S, S]` → logits `[N, L]`.
    ///
    /// # Errors
    /// If the input has another shape.
    fn forward(&self, input: &Tensor) -> candle_core::Result<Tensor>;
}

/// The network that the card names, filled with `tensors`.
///
/// # Errors
/// If the architecture is unknown, or a tensor is absent or of another shape.
pub fn build(card: &ModelCard, tensors: &Tensors) -> Result<Box<dyn Network>, InferenceError> {
    match card.architecture.as_str() {
        efficientnet_lite::NAME => Ok(Box::new(efficientnet_lite::EfficientNetLite::new(
            tensors,
            card.labels.len(),
        )?)),
        other => Err(InferenceError::UnknownArchitecture(other.to_owned())),
    }
}
