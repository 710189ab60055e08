//! From a [`Radiograph`] to a [`Prediction`]. Only this module uses candle.
//!
//! ```text
//! Radiograph ─ Preprocess ─► tensor [1, C, S, S] ─ Network ─► logits [1, L] ─ read_out ─► Findings
//!      │          ▲ cxr-2               ├─ activation_map ─► heat map ─┐
//!      ├─ lungs ──┴─────────────────────┼──────────────────────────────┴─► LungMeasures
//!      │    │                           └► features [C] ─ heads ─► Severity, Prognosis
//!      └────┴─ input_check ─► accepted | caution | refused ◄──────┘
//! ```

mod activation_map;
mod calibration;
mod card;
mod device;
mod distance;
mod engine;
pub mod family;
mod fastest_way;
pub mod folder;
mod heads;
mod input_check;
mod keras;
mod lungs;
mod model_file;
mod network;
mod onnx;
mod outputs;
mod preprocess;
mod prognosis;
mod raw_answer;
mod read_out;
mod severity;
mod softmax;
mod tensor_file;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Module, Tensor};
use candle_nn::Linear;

use crate::domain::{
    ClassActivationMap, Finding, LungFields, LungMeasures, ModelCard, PNEUMONIA, Pathology,
    Prediction, Prognosis, Radiograph, Region, Severity, SeverityLine,
};
pub use card::{parse_recipe, write_card, write_recipe};
pub use device::DeviceChoice;
pub use engine::{Compute, Engine, Precision, alone, set_threads};
pub use fastest_way::{ChoiceKey, ProcessorWays, WayChoice, keep_choices_in, processor_ways};
use heads::Heads;
pub use input_check::RULES;
use input_check::Reasons;
pub use keras::assemble_keras;
pub use lungs::{LungNetworkCard, Lungs, lungs_card};
pub use model_file::{HeadRow, ModelFiles, PrognosisRow};
use network::AnyNetwork;
pub use network::Network;
pub use onnx::{OnnxError, OnnxOptions, assemble_onnx, assemble_onnx_graph};
pub use preprocess::{Preprocess, SeenStep, family_recipe, recipe_name};
pub use prognosis::FeatureRow;
pub use raw_answer::RawAnswer;
use weights::StoredBytes;

/// Why a model could not be loaded, or an image not be scored.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("model card: {0}")]
    Card(String),
    #[error("preprocessing: {0}")]
    Recipe(String),
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
    why_f32: Option<&'static str>,
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
    /// As there, and if the engine or the processor does not have the precision, or the device cannot be opened.
    pub fn computed(card: &str, weights: &[u8], compute: Compute) -> Result<Self, InferenceError> {
        Self::stored(card, StoredBytes::InMemory(weights), compute)
    }

    /// [`computed`](Classifier::computed), from a file that may be mapped.
    fn stored(
        card: &str,
        weights: StoredBytes<'_>,
        compute: Compute,
    ) -> Result<Self, InferenceError> {
        compute.check()?;
        // Now, so that the first image does not wait for it.
        lungs_card()?;
        let card = card::parse_card(card)?;
        // A mapped file was compared with its card when it was opened.
        if let StoredBytes::InMemory(bytes) = weights {
            weights::verify(bytes, &card)?;
        }
        let tensors = weights::Tensors::of(weights)?;
        let preprocess = Preprocess::of(&card)?;
        let network = AnyNetwork::build(&card, preprocess.channels(), &tensors, compute)?;
        let heads = Heads::load(&card, &tensors, network.channels()?)?;
        let precision = network.precision(compute.precision);
        let why_f32 = (precision != compute.precision).then_some(match &network {
            AnyNetwork::Plain(_) => "is not for this kind of network",
            _ => "is not faster than f32 on this processor",
        });
        Ok(Classifier {
            network,
            heads,
            preprocess,
            card: precision.noted_on(card),
            why_f32,
        })
    }

    /// Why it is computed in `f32` although another precision was asked for: the end of a sentence that begins with that
    /// precision. `None` if it is computed as asked.
    pub fn why_f32(&self) -> Option<&'static str> {
        self.why_f32
    }

    /// Raw outputs for one radiograph, in the order of [`ModelCard::outputs`].
    ///
    /// # Errors
    /// If the computation fails.
    pub fn logits(&self, radiograph: &Radiograph) -> Result<Vec<f32>, InferenceError> {
        self.logits_of_values(self.input(radiograph)?)
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
        let lungs = Lungs::of(radiograph)?;
        let input = self.tensor(self.preprocess.apply(radiograph, lungs.region()))?;
        let mut output = match &self.network {
            AnyNetwork::Pooled(network) => {
                let maps = network.maps(&input)?;
                let features = network::pool(&maps)?;
                let explain = |head: &Linear, region| {
                    let map = || activation_map::of(&maps, head, self.card.outputs(), region);
                    network.ends_in_averages().then(map).transpose()
                };
                let last = (network.head(), &features);
                self.score_features(last, explain, radiograph, &lungs, reasons)?
            }
            AnyNetwork::Attentive(network) => {
                let look = network.look(&input)?;
                let explain = |_: &Linear, region| {
                    let of = |attention| activation_map::of_attention(attention, region);
                    look.attention.as_ref().map(of).transpose()
                };
                let last = (network.head(), &look.features);
                self.score_features(last, explain, radiograph, &lungs, reasons)?
            }
            AnyNetwork::Plain(network) => {
                lungs.check(false, reasons);
                if reasons.is_refusal() {
                    return Ok(ModelOutput::default());
                }
                let logits = numbers(&network.forward(&input)?)?;
                ModelOutput {
                    findings: read_out::findings(&self.card, &logits, &radiograph.film_facts())?,
                    ..ModelOutput::default()
                }
            }
        };
        if !reasons.is_refusal() {
            let mut measures = lungs.measures(output.activation.as_deref());
            self.check_evidence(&measures, &output.findings, reasons);
            if output.findings.iter().any(is_found_pneumonia) {
                // It was measured on films without a finding: an opacity beside the heart hides its border.
                measures.cardiothoracic_error = None;
            }
            output.lung_fields = Some(Arc::clone(lungs.fields()));
            output.lungs = Some(measures);
        }
        Ok(output)
    }

    /// Doubts a pneumonia whose evidence lies outside the lungs.
    fn check_evidence(&self, lungs: &LungMeasures, findings: &[Finding], reasons: &mut Reasons) {
        let limit = self.card.lungs.map(|lungs| lungs.evidence_inside);
        if let (Some(inside), Some(limit)) = (lungs.evidence_inside, limit)
            && inside < limit
            && findings.iter().any(is_found_pneumonia)
        {
            let share = 100.0 * inside;
            reasons.doubt(format!(
                "looked outside the lungs ({share:.0} % of the evidence in them)"
            ));
        }
    }

    /// Scores an image by the last layer and what it reads, `[1, C]`. `explain` makes the heat maps, of a last layer and
    /// over a region, if there are any.
    fn score_features(
        &self,
        (head, features): (&Linear, &Tensor),
        explain: impl FnOnce(&Linear, Region) -> candle_core::Result<Option<ClassActivationMap>>,
        radiograph: &Radiograph,
        lungs: &Lungs,
        reasons: &mut Reasons,
    ) -> Result<ModelOutput, InferenceError> {
        let values = numbers(features)?;
        let signs = self.heads.check(&values, reasons)?;
        if lungs.check(signs.is_turned, reasons) {
            signs.and_doubtful_lungs(reasons);
        }
        if reasons.is_refusal() {
            return Ok(ModelOutput::default());
        }
        let region = self.preprocess.region(radiograph, lungs.region());
        let part = self.preprocess.film_part(radiograph, lungs.region());
        let logits = numbers(&head.forward(features)?)?;
        let activation = explain(&self.explained(head, &logits)?, region)?;
        let mut findings = read_out::findings(&self.card, &logits, &radiograph.film_facts())?;
        let severity = match &self.card.severity_line {
            Some(line) => severity::by_line(line, &findings),
            None => self.heads.severity(&values)?,
        };
        let prognoses = self.heads.prognoses(&values)?;
        let withheld = if self.is_unlike(signs.distance) {
            read_out::withhold(&mut findings)
        } else {
            Vec::new()
        };
        Ok(ModelOutput {
            activation: activation.map(|map| Arc::new(map.on_film(part))),
            findings,
            withheld,
            severity,
            prognoses,
            features: values,
            ..ModelOutput::default()
        })
    }

    /// The last layer that gives the logits of the findings: that of the network, or else, for a softmax, that of the
    /// log-odds of an image with these outputs.
    fn explained(&self, head: &Linear, logits: &[f32]) -> candle_core::Result<Linear> {
        match &self.card.softmax {
            Some(_) => softmax::against_the_others(head, logits, self.card.labels.len()),
            None => Ok(head.clone()),
        }
    }

    /// Whether features at this distance from those of training are too far for the causes.
    fn is_unlike(&self, distance: Option<f64>) -> bool {
        let most = self.card.causes.and_then(|causes| causes.unlike);
        let pair = distance.zip(most);
        pair.is_some_and(|(distance, most)| distance > most)
    }

    /// Geographic extent and opacity as functions of the features, before they are kept to their scales. Empty if the
    /// model has no severity, or no features.
    ///
    /// # Errors
    /// If the last layer is no matrix of numbers.
    pub fn severity_rows(&self) -> Result<Vec<FeatureRow>, InferenceError> {
        let Some(head) = self.network.head() else {
            return Ok(Vec::new());
        };
        if let Some(rows) = self.heads.severity_rows() {
            return Ok(rows.into());
        }
        let Some(line) = &self.card.severity_line else {
            return Ok(Vec::new());
        };
        let mut labels = self.card.outputs();
        let Some(at) = labels.position(|label| label.name == line.label) else {
            return Ok(Vec::new());
        };
        let logit: Vec<f32> = head.weight().get(at)?.to_vec1()?;
        let bias = match head.bias() {
            Some(bias) => bias.get(at)?.to_scalar::<f32>()?,
            None => 0.0,
        };
        let row = |line: SeverityLine| FeatureRow {
            weight: logit.iter().map(|w| line.slope * f64::from(*w)).collect(),
            bias: line.slope * f64::from(bias) + line.intercept,
        };
        Ok(vec![row(line.geographic_extent), row(line.opacity)])
    }

    /// As [`classify`](Classify::classify), with the features of the image, `[C]`: what the last layer reads, such as the
    /// average of each of the last maps. They are empty if the image is refused.
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
            withheld: answer.withheld,
            lung_fields: answer.lung_fields,
            lungs: answer.lungs,
            prognoses: answer.prognoses,
        };
        Ok((prediction, answer.features))
    }
}

/// Whether this is a pneumonia that was found.
fn is_found_pneumonia(finding: &Finding) -> bool {
    finding.label.name() == PNEUMONIA && finding.is_positive() == Some(true)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, InferenceError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// The output for an image that is not refused.
#[derive(Default)]
struct ModelOutput {
    findings: Vec<Finding>,
    withheld: Vec<Pathology>,
    severity: Option<Severity>,
    prognoses: Vec<Prognosis>,
    activation: Option<Arc<ClassActivationMap>>,
    lung_fields: Option<Arc<LungFields>>,
    lungs: Option<LungMeasures>,
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
