//! What a model says of itself: `NAME.toml` beside `NAME.safetensors`.

use super::finding::Question;

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

/// One output of the network, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCard {
    pub name: String,
    pub question: Question,
    /// Balanced operating point (Youden), on validation data; `None` where there is none.
    pub operating_point: Option<f32>,
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
    /// Whether scores are calibrated; raw ones are never called probabilities.
    pub calibrated: bool,
    pub licence: String,
    pub training_data: String,
    pub pretrained: String,
    /// What it is not for, and how far the figures go.
    pub limits: Vec<String>,
    pub measurements: Vec<Measurement>,
    /// SHA-256 of the safetensors file, lower-case hexadecimal.
    pub sha256: String,
}
