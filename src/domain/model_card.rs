//! What a model says of itself: `NAME.toml` beside `NAME.safetensors`.

use super::finding::Question;
use super::prevalence::Prevalence;

/// One measured figure, poor ones included.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Which label.
    pub label: String,
    /// Which data: `nih test split`.
    pub on: String,
    /// Which statistic: `AUC`.
    pub statistic: String,
    pub value: f64,
    /// 95 % interval, if one was computed.
    pub interval: Option<(f64, f64)>,
    /// Images, positives among them, and patients.
    pub n: usize,
    pub positives: Option<usize>,
    pub patients: Option<usize>,
}

/// Platt scaling (Platt 1999) fitted on held-out patients: p = σ(slope · logit + intercept).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// More than 0.
    pub slope: f64,
    pub intercept: f64,
    /// The share of positives that p assumes.
    pub prevalence: Prevalence,
}

/// Class-conditional split-conformal thresholds at 90 %, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConformalThresholds {
    /// The set holds "present", or this cause, if p is at or above it.
    pub present: f32,
    /// The set holds "absent" if 1 − p is at or above it; `None` for a cause.
    pub absent: Option<f32>,
}

/// One output of the network, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCard {
    pub name: String,
    pub question: Question,
    /// Balanced operating point (Youden), on validation data and on the shown scale at the card's
    /// own prevalence; `None` where there is none.
    pub operating_point: Option<f32>,
    /// The one of at least 90 % sensitivity on validation data, on the same scale; never above the
    /// balanced one.
    pub sensitive_point: Option<f32>,
    /// Only with it may the number be called a probability.
    pub calibration: Option<Calibration>,
    /// torchxrayvision's `op_threshs`: the sigmoid that becomes 0.5 of an operating-point-normalised
    /// score.
    pub op_threshold: Option<f32>,
    pub conformal: Option<ConformalThresholds>,
}

impl LabelCard {
    /// A label that is not calibrated.
    pub fn new(name: &str, question: Question, operating_point: Option<f32>) -> Self {
        LabelCard {
            name: name.to_owned(),
            question,
            operating_point,
            sensitive_point: None,
            calibration: None,
            op_threshold: None,
            conformal: None,
        }
    }
}

/// How the causes given pneumonia are read: softmax(logit / temperature) (Guo et al. 2017,
/// arXiv:1706.04599).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CausesCard {
    /// More than 0.
    pub temperature: f64,
    pub calibrated: bool,
}

/// Mean absolute errors of the severity head, by patient-grouped cross-validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeverityCard {
    /// On the scale of 0 to 8.
    pub geographic_extent_error: f32,
    /// On the scale of 0 to 6.
    pub opacity_error: f32,
    /// Images.
    pub n: usize,
}

/// Severity as two lines over the logit z of one label: slope · z + intercept, clamped to the scale.
/// How far it is off is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct SeverityLineCard {
    /// Which label's logit.
    pub label: String,
    pub geographic_extent: SeverityLine,
    pub opacity: SeverityLine,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeverityLine {
    pub slope: f64,
    pub intercept: f64,
}

/// From where on an input is doubted, and from where on refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputThresholds {
    pub caution: f64,
    pub refuse: f64,
}

/// One time that a model was fitted to somebody's own cases (`cxr adapt`).
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptation {
    /// `recalibrate` or `refit`.
    pub method: String,
    /// Name of the table of cases.
    pub manifest: String,
    /// Year, month and day: `2026-01-31`.
    pub date: String,
    /// Which labels were fitted.
    pub labels: Vec<String>,
    /// Images that were read, and their patients.
    pub images: usize,
    pub patients: usize,
    /// SHA-256 of the model before.
    pub from_sha256: String,
}

/// The card of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelCard {
    pub name: String,
    pub version: String,
    /// Names a file under `inference/network/`: `efficientnet-lite0`.
    pub architecture: String,
    /// Side of the square input in pixels.
    pub input_size: usize,
    /// Name and version of the preprocessing: `cxr-1`.
    pub preprocess: String,
    pub labels: Vec<LabelCard>,
    /// `None` reads the causes as a plain softmax, uncalibrated.
    pub causes: Option<CausesCard>,
    pub severity: Option<SeverityCard>,
    /// Never together with `severity`.
    pub severity_line: Option<SeverityLineCard>,
    /// Scores of the head that tells frontal chest X-rays from other things, 0 to 1.
    pub input_head: Option<InputThresholds>,
    /// Shrunk Mahalanobis distances to the training features.
    pub distance: Option<InputThresholds>,
    pub licence: String,
    pub training_data: String,
    pub pretrained: String,
    /// What it is not for, and how far the figures go.
    pub limits: Vec<String>,
    pub measurements: Vec<Measurement>,
    /// Oldest first; empty for a model as it was made.
    pub adaptations: Vec<Adaptation>,
    /// SHA-256 of the safetensors file, lower-case hexadecimal.
    pub sha256: String,
}

/// The architecture of models that do not end in an average and one linear layer.
pub const KERAS_SEQUENTIAL: &str = "keras-sequential";

impl ModelCard {
    /// Whether the network has an exact class activation map.
    pub fn has_heat_maps(&self) -> bool {
        self.architecture != KERAS_SEQUENTIAL
    }

    /// Whether the number of this label may be called a probability.
    pub fn is_calibrated(&self, label: &LabelCard) -> bool {
        match label.question {
            Question::Presence => label.calibration.is_some(),
            Question::GivenPneumonia => self.causes.is_some_and(|causes| causes.calibrated),
        }
    }
}
