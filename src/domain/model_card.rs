//! The card of a model: `NAME.toml` beside `NAME.safetensors`.

use super::finding::Question;
use super::prevalence::Prevalence;

/// One measured figure. Poor figures are listed too.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The label.
    pub label: String,
    /// The data: `nih test split`.
    pub on: String,
    /// The statistic: `AUC`.
    pub statistic: String,
    pub value: f64,
    /// 95 % interval, if one was computed.
    pub interval: Option<(f64, f64)>,
    /// Number of images.
    pub n: usize,
    /// Number of positive images.
    pub positives: Option<usize>,
    /// Number of patients.
    pub patients: Option<usize>,
}

/// Platt scaling (Platt 1999) fitted on held-out patients: p = σ(slope · logit + intercept).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// More than 0.
    pub slope: f64,
    pub intercept: f64,
    /// The share of positives that `p` assumes.
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
    /// Balanced operating point (Youden) from validation data, on the scale of the shown score at the card's
    /// own prevalence; `None` where there is none.
    pub operating_point: Option<f32>,
    /// The point with a sensitivity of at least 90 % on validation data, on the same scale; never above the
    /// balanced point.
    pub sensitive_point: Option<f32>,
    /// Only with a calibration may the score be called a probability.
    pub calibration: Option<Calibration>,
    /// torchxrayvision's `op_threshs`: the sigmoid at which an operating-point-normalised score is 0.5.
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

/// The scores of the causes given pneumonia: softmax(logit / temperature) (Guo et al. 2017,
/// arXiv:1706.04599).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CausesCard {
    /// More than 0.
    pub temperature: f64,
    /// Whether the shares may be called probabilities.
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

/// Severity as two lines over the logit z of one label: slope · z + intercept, clamped to the scale. Its
/// error is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct SeverityLineCard {
    /// The label whose logit is z.
    pub label: String,
    pub geographic_extent: SeverityLine,
    pub opacity: SeverityLine,
}

/// One of the two lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeverityLine {
    pub slope: f64,
    pub intercept: f64,
}

/// The values from which an input is doubted, and from which it is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputThresholds {
    pub caution: f64,
    pub refuse: f64,
}

/// One fit of a model to local cases (`cxr adapt`).
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptation {
    /// `recalibrate` or `refit`.
    pub method: String,
    /// Name of the table of cases.
    pub manifest: String,
    /// Year, month and day: `2026-01-31`.
    pub date: String,
    /// The labels that were fitted.
    pub labels: Vec<String>,
    /// Number of images that were scored.
    pub images: usize,
    /// Number of their patients.
    pub patients: usize,
    /// SHA-256 of the model before the fit.
    pub from_sha256: String,
}

/// The card of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelCard {
    pub name: String,
    pub version: String,
    /// Name of a network of `inference/network/`: `efficientnet-lite0`.
    pub architecture: String,
    /// Side of the square input in pixels.
    pub input_size: usize,
    /// Name and version of the preprocessing: `cxr-1`.
    pub preprocess: String,
    pub labels: Vec<LabelCard>,
    /// `None` for a plain softmax over the causes, uncalibrated.
    pub causes: Option<CausesCard>,
    pub severity: Option<SeverityCard>,
    /// Never together with `severity`.
    pub severity_line: Option<SeverityLineCard>,
    /// Thresholds for the head that recognises frontal chest X-rays, from 0 to 1.
    pub input_head: Option<InputThresholds>,
    /// Thresholds for the shrunk Mahalanobis distance to the training features.
    pub distance: Option<InputThresholds>,
    pub licence: String,
    pub training_data: String,
    pub pretrained: String,
    /// What the model is not meant for, and the limits of its figures.
    pub limits: Vec<String>,
    pub measurements: Vec<Measurement>,
    /// Oldest first; empty for a model that was not adapted.
    pub adaptations: Vec<Adaptation>,
    /// SHA-256 of the safetensors file, lower-case hexadecimal.
    pub sha256: String,
}

/// The architecture of models that do not end with an average and one linear layer.
pub const KERAS_SEQUENTIAL: &str = "keras-sequential";

impl ModelCard {
    /// Whether the network has an exact class activation map.
    pub fn has_heat_maps(&self) -> bool {
        self.architecture != KERAS_SEQUENTIAL
    }

    /// Whether the score of this label may be called a probability.
    pub fn is_calibrated(&self, label: &LabelCard) -> bool {
        match label.question {
            Question::Presence => label.calibration.is_some(),
            Question::GivenPneumonia => self.causes.is_some_and(|causes| causes.calibrated),
        }
    }
}
