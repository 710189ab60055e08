//! The screen at the moment of a review, as it stands in the log: JSON, since models differ in their
//! labels.
//!
//! ```text
//! { prediction: null | { model_sha256, preprocess, input, reasons,
//!                        findings: [{ label, question, kind, score, logit, operating_point,
//!                                     sensitive_point, prevalence, positive }],
//!                        severity: null | { geographic_extent, opacity } },
//!   window: null | { centre, width }, inverted, zoom, heat_map: null | label }
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stored::{StoredInputCheck, StoredNumber, StoredQuestion, StoredScoreKind};
use crate::domain::{Finding, Prediction, Seen, Severity};

/// The JSON of a screen.
pub fn seen(seen: &Seen) -> Value {
    json!(StoredSeen::from(seen))
}

/// The JSON of a prediction, without its activation map and its time.
pub fn prediction(prediction: &Prediction) -> Value {
    json!(StoredPrediction::from(prediction))
}

#[derive(Serialize)]
struct StoredSeen {
    prediction: Option<StoredPrediction>,
    window: Option<StoredWindow>,
    inverted: bool,
    zoom: f64,
    heat_map: Option<String>,
}

#[derive(Serialize)]
struct StoredWindow {
    centre: f64,
    width: f64,
}

#[derive(Serialize, Deserialize)]
pub struct StoredPrediction {
    pub model_sha256: String,
    pub preprocess: String,
    pub input: StoredInputCheck,
    pub reasons: Vec<String>,
    pub findings: Vec<StoredFinding>,
    pub severity: Option<StoredSeverity>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredFinding {
    pub label: String,
    pub question: StoredQuestion,
    pub kind: StoredScoreKind,
    pub score: StoredNumber,
    pub logit: StoredNumber,
    pub operating_point: Option<StoredNumber>,
    pub sensitive_point: Option<StoredNumber>,
    prevalence: Option<f64>,
    positive: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub struct StoredSeverity {
    pub geographic_extent: StoredNumber,
    pub opacity: StoredNumber,
}

impl From<&Seen> for StoredSeen {
    fn from(seen: &Seen) -> Self {
        StoredSeen {
            prediction: seen.prediction.as_ref().map(Into::into),
            window: seen
                .window
                .map(|(centre, width)| StoredWindow { centre, width }),
            inverted: seen.inverted,
            zoom: seen.zoom,
            heat_map: seen.heat_map.clone(),
        }
    }
}

impl From<&Prediction> for StoredPrediction {
    fn from(prediction: &Prediction) -> Self {
        StoredPrediction {
            model_sha256: prediction.model_sha256.clone(),
            preprocess: prediction.preprocess.clone(),
            input: (&prediction.input).into(),
            reasons: prediction.input.reasons().to_vec(),
            findings: prediction.findings.iter().map(Into::into).collect(),
            severity: prediction.severity.map(Into::into),
        }
    }
}

impl From<&Finding> for StoredFinding {
    fn from(finding: &Finding) -> Self {
        StoredFinding {
            label: finding.label.name().to_owned(),
            question: finding.question.into(),
            kind: finding.score.kind.into(),
            score: StoredNumber(finding.score.value()),
            logit: StoredNumber(finding.logit),
            operating_point: finding.operating_point.map(|point| StoredNumber(point.0)),
            sensitive_point: finding.sensitive_point.map(|point| StoredNumber(point.0)),
            prevalence: finding.calibrated.map(|c| c.prevalence.share()),
            positive: finding.is_positive(),
        }
    }
}

impl From<Severity> for StoredSeverity {
    fn from(severity: Severity) -> Self {
        StoredSeverity {
            geographic_extent: StoredNumber(severity.geographic_extent),
            opacity: StoredNumber(severity.opacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction as example;
    use super::*;

    /// The hash of a review covers this text.
    #[test]
    fn the_text_of_a_screen_stays_what_it_is() {
        let screen = Seen {
            prediction: Some(example()),
            window: Some((2048.0, 4096.5)),
            inverted: true,
            zoom: 1.5,
            heat_map: Some("COVID-19".into()),
        };
        let expected = concat!(
            r#"{"heat_map":"COVID-19","inverted":true,"prediction":{"findings":["#,
            r#"{"kind":"probability","label":"COVID-19","logit":0.1,"operating_point":0.25,"#,
            r#""positive":true,"prevalence":0.05,"question":"presence","score":0.3,"#,
            r#""sensitive_point":null}],"input":"caution","model_sha256":"ab","preprocess":"cxr-1","#,
            r#""reasons":["dark"],"severity":{"geographic_extent":3.1,"opacity":2.2}},"#,
            r#""window":{"centre":2048.0,"width":4096.5},"zoom":1.5}"#,
        );
        assert_eq!(seen(&screen).to_string(), expected);
        let nothing = concat!(
            r#"{"heat_map":null,"inverted":false,"prediction":null,"window":null,"#,
            r#""zoom":0.0}"#,
        );
        assert_eq!(seen(&Seen::default()).to_string(), nothing);
    }
}
