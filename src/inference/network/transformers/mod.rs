//! Vision transformers, and networks built like them, with the names of transformers' `…ForImageClassification`
//! classes: their sizes are on the card under the keys of `config.json`, and their tensors have the names of its
//! `state_dict`.
//!
//! candle-transformers has some of these networks, but with timm's names, one size of image, and no windows.

mod convnext;
mod dinov2;
mod origins;
mod parts;
mod positions;
mod renamed;
mod sizes;
mod swin;
#[cfg(test)]
mod tests;
mod timm_names;
mod torchvision;
mod vit;

use convnext::ConvnextConfig;
use dinov2::Dinov2Config;
use parts::{Parts, Shaped};
use swin::SwinConfig;
use vit::VitConfig;

use super::layers::{Shapes, WeightSource};
use super::token_layers::{TokenReadout, TokenStep};
use crate::domain::{ModelCard, NetworkSettings, SettingError};
use crate::inference::InferenceError;

pub use convnext::{CONVNEXT, CONVNEXTV2};
pub use dinov2::{DINOV2, DINOV2_REGISTERS};
pub use origins::{KnownTransformer, complete_of_timm, of_timm, with_pooling};
pub use renamed::RenamedTensor;
pub use swin::SWIN;
pub use timm_names::TimmNames;
pub use torchvision::{TorchvisionNames, of_torchvision, torchvision_names};
pub use vit::{DEIT, VIT, VIT_AVERAGE};

/// The layer whose rows are the labels.
pub const HEAD: &str = "classifier";
/// Its weight and bias.
pub const CLASSIFIER: [&str; 2] = ["classifier.weight", "classifier.bias"];

/// A function that takes the steps of a network one by one, so that no more than the weights of one of them are there
/// twice.
pub type StepSink<'a> = dyn FnMut(TokenStep) -> Described<()> + 'a;

type Described<T> = Result<T, InferenceError>;

/// The images that a network is described for.
#[derive(Debug, Clone, Copy)]
pub struct ImageShape {
    pub channels: usize,
    /// Height and width in pixels.
    pub side: usize,
}

/// The sizes of a network by its `config.json`, checked: none is larger than any network has.
#[derive(Debug, Clone, PartialEq)]
pub enum TransformerConfig {
    Vit(VitConfig),
    Dinov2(Dinov2Config),
    Swin(SwinConfig),
    Convnext(ConvnextConfig),
}

impl TransformerConfig {
    /// The sizes of this architecture; a key that is absent has the default of transformers. `None` for an architecture
    /// of another kind.
    ///
    /// # Errors
    /// If a setting is of another kind, out of its range, or contradicts another one; each names its key.
    pub fn of(
        architecture: &str,
        settings: &NetworkSettings,
    ) -> Result<Option<Self>, SettingError> {
        Ok(Some(match architecture {
            VIT | VIT_AVERAGE | DEIT => Self::Vit(VitConfig::of(settings, architecture)?),
            DINOV2 | DINOV2_REGISTERS => {
                let has_registers = architecture == DINOV2_REGISTERS;
                Self::Dinov2(Dinov2Config::of(settings, has_registers)?)
            }
            SWIN => Self::Swin(SwinConfig::of(settings)?),
            CONVNEXT | CONVNEXTV2 => {
                Self::Convnext(ConvnextConfig::of(settings, architecture == CONVNEXTV2)?)
            }
            _ => return Ok(None),
        }))
    }

    /// The sizes that a card gives; `None` for an architecture of another kind.
    ///
    /// # Errors
    /// As [`of`](TransformerConfig::of).
    pub fn of_card(card: &ModelCard) -> Described<Option<Self>> {
        let none = NetworkSettings::default();
        let settings = card.network.as_ref().unwrap_or(&none);
        let config = Self::of(&card.architecture, settings);
        config.map_err(|error| InferenceError::Card(format!("[network] {error}")))
    }

    /// Names and shapes of all its tensors, for images of `channels` channels and this many `outputs`. A file may have
    /// more that [are never read](TransformerConfig::is_unread).
    pub fn shapes(&self, channels: usize, outputs: usize) -> Shapes {
        let mut shaped = Shaped::default();
        match self {
            Self::Vit(config) => config.shapes(&mut shaped, channels),
            Self::Dinov2(config) => config.shapes(&mut shaped, channels),
            Self::Swin(config) => config.shapes(&mut shaped, channels),
            Self::Convnext(config) => config.shapes(&mut shaped, channels),
        }
        shaped.linear(HEAD, outputs, self.features(), true);
        Shapes(shaped.0)
    }

    /// Whether a file may hold a tensor of this name that its answers do not depend on: a token for training, a pooler
    /// that the class for images leaves out, an index that is computed.
    pub fn is_unread(&self, name: &str) -> bool {
        match self {
            Self::Vit(config) => config.is_unread(name),
            Self::Dinov2(config) => config.is_unread(name),
            Self::Swin(_) => swin::is_unread(name),
            Self::Convnext(_) => false,
        }
    }

    /// Inputs of the last layer.
    pub fn features(&self) -> usize {
        match self {
            Self::Vit(config) => config.features(),
            Self::Dinov2(config) => config.features(),
            Self::Swin(config) => config.features(),
            Self::Convnext(config) => config.features(),
        }
    }

    /// Whether the network ends in an average of maps and one linear layer, so that each label has an exact map.
    /// Otherwise it ends in a class token.
    pub fn has_maps(&self) -> bool {
        match self {
            Self::Vit(config) => config.is_averaged,
            Self::Dinov2(_) => false,
            Self::Swin(_) | Self::Convnext(_) => true,
        }
    }

    /// Whether there is an attention rollout for images of this side: the network ends in a class token, and the shares
    /// of all its layers take no more memory than is sensible.
    pub fn has_rollout(&self, side: usize) -> bool {
        let layers = match self {
            Self::Vit(config) if config.is_averaged => return false,
            Self::Vit(config) => config.layers,
            Self::Dinov2(config) => config.layers,
            Self::Swin(_) | Self::Convnext(_) => return false,
        };
        // The class token and a few more hardly count.
        let tokens = self.cells(side).pow(2);
        tokens > 0 && layers.saturating_mul(tokens.saturating_mul(tokens)) <= sizes::MOST_SHARES
    }

    /// Whether the windows of all stages lie side by side over an image of this side, without padding: timm pads them in
    /// another way than transformers. True for networks without windows.
    pub fn fills_windows(&self, side: usize) -> bool {
        match self {
            Self::Vit(_) | Self::Dinov2(_) | Self::Convnext(_) => true,
            Self::Swin(config) => config.fills_windows(side),
        }
    }

    /// Whether an image of this side is whole squares, and no map is smaller than a window: elsewhere torchvision pads or
    /// leaves out what transformers does not. True for networks without windows.
    pub fn holds_windows(&self, side: usize) -> bool {
        match self {
            Self::Vit(_) | Self::Dinov2(_) | Self::Convnext(_) => true,
            Self::Swin(config) => config.holds_windows(side),
        }
    }

    /// Rows and columns of the last tokens of an image of this side, in pixels; 0 if it is too small.
    pub fn cells(&self, side: usize) -> usize {
        match self {
            Self::Vit(config) => config.cells(side),
            Self::Dinov2(config) => config.cells(side),
            Self::Swin(config) => config.cells(side),
            Self::Convnext(config) => config.cells(side),
        }
    }

    /// Gives the steps to `sink`, in order, and returns the last one. The head is not among them.
    ///
    /// # Errors
    /// If a tensor is absent or of another shape, the image is too small or has too many tokens, or those of `sink`.
    pub fn describe(
        &self,
        tensors: &dyn WeightSource,
        image: ImageShape,
        sink: &mut StepSink,
    ) -> Described<TokenReadout> {
        let cells = self.cells(image.side);
        if cells == 0 || cells > sizes::MOST_CELLS {
            return Err(InferenceError::Card(format!(
                "images of {side} × {side} pixels become {cells} × {cells} tokens, not from 1 to {most}",
                side = image.side,
                most = sizes::MOST_CELLS
            )));
        }
        let parts = Parts(tensors);
        match self {
            Self::Vit(config) => config.describe(&parts, image, sink),
            Self::Dinov2(config) => config.describe(&parts, image, sink),
            Self::Swin(config) => config.describe(&parts, image, sink),
            Self::Convnext(config) => config.describe(&parts, image, sink),
        }
    }
}
