//! The layout of a card's file. [`parts`](super::parts) and [`write`](super::write) translate it from and to the
//! types of the domain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::recipe::RecipeFile;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub input_size: usize,
    pub preprocess: String,
    /// Cards had it before each label had its own calibration. It has no meaning any more.
    #[serde(rename = "calibrated", skip_serializing)]
    pub _calibrated: Option<bool>,
    pub licence: String,
    pub pretrained: String,
    pub training_data: String,
    pub limits: Vec<String>,
    pub pulled_from: Option<String>,
    pub sha256: String,
    pub preprocessing: Option<RecipeFile>,
    pub network: Option<NetworkFile>,
    pub label: Vec<LabelFile>,
    pub softmax: Option<SoftmaxFile>,
    pub causes: Option<CausesFile>,
    pub severity: Option<SeverityFile>,
    pub severity_line: Option<SeverityLineFile>,
    pub input_head: Option<ThresholdsFile>,
    pub distance: Option<ThresholdsFile>,
    pub lungs: Option<LungsFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prognosis: Vec<PrognosisFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measurement: Vec<MeasurementFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adaptation: Vec<AdaptationFile>,
}

/// What the architecture needs beside its name, with the keys of its own config.
pub type NetworkFile = BTreeMap<String, toml::Value>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxFile {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptationFile {
    pub method: String,
    pub manifest: String,
    pub date: String,
    pub labels: Vec<String>,
    pub images: usize,
    pub patients: usize,
    pub from_sha256: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFile {
    pub name: String,
    pub question: QuestionFile,
    pub calibration: Option<PlattFile>,
    pub op_threshold: Option<f32>,
    pub prevalence: Option<f64>,
    pub operating_point: Option<f32>,
    pub sensitive_point: Option<f32>,
    /// `false` where a calibrated score is not to be called a probability; else absent.
    pub probability: Option<bool>,
    /// A label that is present or absent, and a cause given pneumonia.
    pub product: Option<[String; 2]>,
    pub conformal: Option<ConformalFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration_for: Vec<GroupFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFile {
    pub view: Option<ViewFile>,
    /// In years, the first included and the second not.
    pub age: Option<[f64; 2]>,
    pub slope: f64,
    pub intercept: f64,
    pub operating_point: Option<f32>,
    pub sensitive_point: Option<f32>,
    pub conformal: Option<ConformalFile>,
}

#[derive(Deserialize, Serialize)]
pub enum ViewFile {
    /// Supine films too.
    #[serde(rename = "AP")]
    Ap,
    #[serde(rename = "PA")]
    Pa,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionFile {
    Presence,
    GivenPneumonia,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlattFile {
    pub slope: f64,
    pub intercept: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConformalFile {
    pub present: f32,
    pub absent: Option<f32>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CausesFile {
    pub temperature: f64,
    pub calibrated: bool,
    pub unlike: Option<f64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityFile {
    pub geographic_extent_error: f32,
    pub opacity_error: f32,
    pub n: usize,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityLineFile {
    pub label: String,
    pub geographic_extent: LineFile,
    pub opacity: LineFile,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LineFile {
    pub slope: f64,
    pub intercept: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdsFile {
    pub caution: f64,
    pub refuse: f64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrognosisFile {
    pub outcome: String,
    pub on: String,
    pub auc: f64,
    pub low: f64,
    pub high: f64,
    pub control_auc: f64,
    pub n: usize,
    pub patients: usize,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LungsFile {
    pub evidence_inside: f32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurementFile {
    pub label: String,
    pub on: String,
    pub statistic: String,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub n: usize,
    pub positives: Option<usize>,
    pub patients: Option<usize>,
}
