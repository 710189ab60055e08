//! From a [`Radiograph`] to a [`Prediction`]. Only this module uses candle.
//!
//! ```text
//! Radiograph ─ Preprocess ─► tensor [1, C, S, S] ─ Network ─► logits [1, L] ─ read_out ─► Findings
//!      │                                ├─ activation_map ─► heat map
//!      │                                └► features [C] ─ heads ─► Severity
//!      └────── input_check ─► accepted | caution | refused ◄──────┘
//! ```

mod activation_map;
mod calibration;
mod card;
mod device;
mod distance;
mod engine;
pub mod family;
mod heads;
mod input_check;
mod keras;
mod model_file;
mod network;
mod preprocess;
mod read_out;
mod severity;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Module, Tensor};

use crate::domain::{
    ClassActivationMap, Finding, ModelCard, Prediction, Radiograph, Region, Severity,
};
pub use card::write_card;
pub use device::DeviceChoice;
pub use engine::{Compute, Engine, Precision, alone, set_threads};
use heads::Heads;
pub use input_check::RULES;
use input_check::Reasons;
pub use keras::assemble_keras;
pub use model_file::{HeadRow, ModelFiles};
use network::AnyNetwork;
pub use network::Network;
pub use preprocess::Preprocess;

/// Why a model could not be loaded, or an image not be scored.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("model card: {0}")]
    Card(String),
    #[error("model weights: {0}")]
    Weights(String),
    #[error("model weights: SHA-256 is {found}, the card says {expected}")]
    Digest { expected: String, found: String },
    #[error("Keras model: {0}")]
    Keras(String),
    #[error("{0} is not an architecture that cxr knows")]
    UnknownArchitecture(String),
    #[error("{0} is not a preprocessing that cxr knows")]
    UnknownPreprocess(String),
    #[error("the network's output is not a number for {label}")]
    NotFinite { label: String },
    /// Options that do not go together.
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("{device}: {reason}")]
    Device { device: String, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("computing: {}", in_words(.0))]
    Compute(#[from] candle_core::Error),
    #[error("computing: {0}")]
    Plan(#[from] cxr_kernels::PlanError),
}

/// The error in one line, without the backtrace that candle adds if `RUST_BACKTRACE` is set.
fn in_words(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => in_words(inner),
        error => error.to_string(),
    }
}

/// A model that scores radiographs. The screen's tests use a double with fixed answers.
pub trait Classify: Send + Sync {
    /// The model's card.
    fn card(&self) -> &ModelCard;

    /// Scores a radiograph.
    ///
    /// # Errors
    /// Only if the computation fails. An image that the model should not score gets a [`Prediction`] whose input
    /// check is refused.
    fn classify(&self, radiograph: &Radiograph) -> Result<Prediction, InferenceError>;
}

/// A network, its weights, its preprocessing and its card.
pub struct Classifier {
    network: AnyNetwork,
    heads: Heads,
    preprocess: Preprocess,
    card: ModelCard,
}

impl Classifier {
    /// The model inside the binary.
    ///
    /// # Errors
    /// If the embedded weights do not fit the embedded card: a broken build.
    pub fn bundled() -> Result<Self, InferenceError> {
        Self::from_parts(weights::BUNDLED_CARD, weights::BUNDLED_WEIGHTS)
    }

    /// A model from the text of its card and the bytes of its safetensors file, computed by the kernels
    /// in `f32` on the CPU.
    ///
    /// # Errors
    /// If the card cannot be read, the digest differs, or a tensor is absent or of another shape.
    pub fn from_parts(card: &str, weights: &[u8]) -> Result<Self, InferenceError> {
        Self::computed(card, weights, Compute::default())
    }

    /// [`from_parts`](Classifier::from_parts), computed in this way.
    ///
    /// # Errors
    /// As there, and if the engine does not have the precision on this device, or the device cannot be opened.
    pub fn computed(card: &str, weights: &[u8], compute: Compute) -> Result<Self, InferenceError> {
        compute.check()?;
        let card = card::parse_card(card)?;
        weights::verify(weights, &card)?;
        let tensors = weights::Tensors::parse(weights)?;
        let preprocess = Preprocess::named(&card.preprocess, card.input_size)?;
        let network = AnyNetwork::build(&card, preprocess.channels(), &tensors, compute)?;
        let heads = Heads::load(&card, &tensors, network.channels()?)?;
        let card = match &network {
            AnyNetwork::Pooled(_) => compute.noted_on(card),
            AnyNetwork::Plain(_) => card,
        };
        Ok(Classifier {
            network,
            heads,
            preprocess,
            card,
        })
    }

    /// Raw outputs for one radiograph, in the card's order.
    ///
    /// # Errors
    /// If the computation fails.
    pub fn logits(&self, radiograph: &Radiograph) -> Result<Vec<f32>, InferenceError> {
        self.logits_of_values(self.preprocess.apply(radiograph))
    }

    /// Raw outputs, `N · L`, for a preprocessed `[N, C, S, S]` tensor given as `N · C · S²` values,
    /// image by image, channel by channel and row by row.
    ///
    /// # Errors
    /// If the number of values is no multiple of `C · S²`, or the computation fails.
    pub fn logits_of_values(&self, values: Vec<f32>) -> Result<Vec<f32>, InferenceError> {
        numbers(&self.network.forward(&self.tensor(values)?)?)
    }

    /// The values of preprocessed images as `[N, C, S, S]`.
    fn tensor(&self, values: Vec<f32>) -> Result<Tensor, InferenceError> {
        let (channels, size) = (self.preprocess.channels(), self.preprocess.size());
        let shape = ((), channels, size, size);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Scores an image. The network's own checks add their reasons; if one is to refuse, the output is empty.
    fn score(
        &self,
        radiograph: &Radiograph,
        reasons: &mut Reasons,
    ) -> Result<ModelOutput, InferenceError> {
        let input = self.tensor(self.preprocess.apply(radiograph))?;
        match &self.network {
            AnyNetwork::Pooled(network) => {
                let region = self.preprocess.region(radiograph);
                self.score_maps(network, &network.maps(&input)?, region, reasons)
            }
            AnyNetwork::Plain(network) => Ok(ModelOutput {
                findings: read_out::findings(&self.card, &numbers(&network.forward(&input)?)?)?,
                ..ModelOutput::default()
            }),
        }
    }

    /// Scores an image by its last maps.
    fn score_maps(
        &self,
        network: &Network,
        maps: &Tensor,
        region: Region,
        reasons: &mut Reasons,
    ) -> Result<ModelOutput, InferenceError> {
        let features = network::pool(maps)?;
        let values = numbers(&features)?;
        self.heads.check(&values, reasons)?;
        if reasons.is_refusal() {
            return Ok(ModelOutput::default());
        }
        let activation = activation_map::of(maps, network.head(), &self.card.labels, region)?;
        let logits = numbers(&network.head().forward(&features)?)?;
        let findings = read_out::findings(&self.card, &logits)?;
        let severity = match &self.card.severity_line {
            Some(line) => severity::by_line(line, &findings),
            None => self.heads.severity(&values)?,
        };
        Ok(ModelOutput {
            activation: Some(Arc::new(activation)),
            findings,
            severity,
            features: values,
        })
    }

    /// As [`classify`](Classify::classify), with the features of the image, `[C]`: the average of each of the last
    /// maps. They are empty if the image is refused.
    ///
    /// # Errors
    /// If the computation fails.
    pub fn classify_with_features(
        &self,
        radiograph: &Radiograph,
    ) -> Result<(Prediction, Vec<f32>), InferenceError> {
        let start = Instant::now();
        let mut reasons = input_check::check(radiograph);
        let answer = if reasons.is_refusal() {
            ModelOutput::default()
        } else {
            self.score(radiograph, &mut reasons)?
        };
        let prediction = Prediction {
            content: radiograph.content,
            findings: answer.findings,
            severity: answer.severity,
            input: reasons.verdict(),
            model_sha256: self.card.sha256.clone(),
            preprocess: self.card.preprocess.clone(),
            elapsed_ms: start.elapsed().as_secs_f64() * 1e3,
            activation: answer.activation,
        };
        Ok((prediction, answer.features))
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, InferenceError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// The output for an image that is not refused.
#[derive(Default)]
struct ModelOutput {
    findings: Vec<Finding>,
    severity: Option<Severity>,
    activation: Option<Arc<ClassActivationMap>>,
    features: Vec<f32>,
}

impl Classify for Classifier {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn classify(&self, radiograph: &Radiograph) -> Result<Prediction, InferenceError> {
        Ok(self.classify_with_features(radiograph)?.0)
    }
}
