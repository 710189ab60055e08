//! The screen at the moment of a review, as it stands in the log: JSON, since models differ in their
//! labels.
//!
//! ```text
//! { prediction: null | { model_sha256, preprocess, input, reasons,
//!                        findings: [{ label, question, kind, score, logit, operating_point,
//!                                     sensitive_point, prevalence, positive }],
//!                        severity: null | { geographic_extent, opacity },
//!                        prognoses: [{ outcome, score: null | number, on, auc, low, high, control_auc, n,
//!                                      patients }],
//!                        withheld: [label],
//!                        lungs: { evidence_inside, cardiothoracic_ratio, cardiothoracic_error } },
//!   window: null | { centre, width }, inverted, zoom, part: { left, top, right, bottom }, heat_map: null | label }
//! ```
//!
//! `part` is what was on the screen of a larger image, as fractions of its width and height.
//!
//! A member that came later, such as `prognoses`, is left out where there is nothing of it, so that the texts of before
//! stay what they were.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stored::{StoredInputCheck, StoredNumber, StoredQuestion, StoredScoreKind};
use crate::domain::{Finding, LungMeasures, Prediction, Prognosis, Seen, Severity};

/// The JSON of a screen.
pub fn seen(seen: &Seen) -> Value {
    json!(StoredSeen::from(seen))
}

/// The JSON of a prediction, without its activation map and its time.
pub fn prediction(prediction: &Prediction) -> Value {
    json!(StoredPrediction::from(prediction))
}

/// The answer on the screen, in a JSON of the log; `None` if there was none, or the text cannot be read.
pub fn answer_seen(seen: &str) -> Option<AnswerSeen> {
    #[derive(Deserialize)]
    struct WithAnswer {
        prediction: Option<AnswerSeen>,
    }
    serde_json::from_str::<WithAnswer>(seen).ok()?.prediction
}

/// Which answer was on the screen: two of them differ if another model made them, in another way, or at other prevalences.
#[derive(Debug, PartialEq, Deserialize)]
pub struct AnswerSeen {
    pub model_sha256: String,
    preprocess: String,
    findings: Vec<FindingSeen>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct FindingSeen {
    label: String,
    prevalence: Option<f64>,
}

#[derive(Serialize)]
struct StoredSeen {
    prediction: Option<StoredPrediction>,
    window: Option<StoredWindow>,
    inverted: bool,
    zoom: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<StoredPart>,
    heat_map: Option<String>,
}

#[derive(Serialize)]
struct StoredPart {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prognoses: Vec<StoredPrognosis>,
    /// Labels without a number, because the image is unlike those that they were learned from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lungs: Option<StoredLungs>,
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

#[derive(Serialize, Deserialize)]
pub struct StoredPrognosis {
    pub outcome: String,
    pub score: Option<StoredNumber>,
    pub on: String,
    auc: f64,
    low: f64,
    high: f64,
    control_auc: f64,
    pub n: usize,
    pub patients: usize,
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
            part: seen.part.map(|part| StoredPart {
                left: part.left,
                top: part.top,
                right: part.right,
                bottom: part.bottom,
            }),
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
            prognoses: prediction.prognoses.iter().map(Into::into).collect(),
            withheld: prediction.withheld.iter().map(|l| l.0.clone()).collect(),
            lungs: prediction.lungs.map(Into::into),
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

/// Members that are not known are left out.
#[derive(Serialize, Deserialize)]
pub struct StoredLungs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence_inside: Option<StoredNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cardiothoracic_ratio: Option<StoredNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cardiothoracic_error: Option<StoredNumber>,
}

impl From<LungMeasures> for StoredLungs {
    fn from(lungs: LungMeasures) -> Self {
        StoredLungs {
            evidence_inside: lungs.evidence_inside.map(StoredNumber),
            cardiothoracic_ratio: lungs.cardiothoracic_ratio.map(StoredNumber),
            cardiothoracic_error: lungs.cardiothoracic_error.map(StoredNumber),
        }
    }
}

impl From<StoredLungs> for LungMeasures {
    fn from(stored: StoredLungs) -> Self {
        let number = |number: Option<StoredNumber>| number.map(|number| number.0);
        LungMeasures {
            evidence_inside: number(stored.evidence_inside),
            cardiothoracic_ratio: number(stored.cardiothoracic_ratio),
            cardiothoracic_error: number(stored.cardiothoracic_error),
        }
    }
}

impl From<&Prognosis> for StoredPrognosis {
    fn from(prognosis: &Prognosis) -> Self {
        let evidence = &prognosis.evidence;
        StoredPrognosis {
            outcome: prognosis.outcome.clone(),
            score: prognosis.score.map(|score| StoredNumber(score.value())),
            on: evidence.on.clone(),
            auc: rounded(evidence.auc),
            low: rounded(evidence.interval.0),
            high: rounded(evidence.interval.1),
            control_auc: rounded(evidence.control_auc),
            n: evidence.n,
            patients: evidence.patients,
        }
    }
}

/// Six decimals: JSON with more digits may be read back as another number.
fn rounded(area: f64) -> f64 {
    (area * 1e6).round() / 1e6
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
    use super::super::tests::{prediction as example, prognoses};
    use super::*;
    use crate::domain::{Pathology, ShownPart};

    /// The hash of a review covers this text.
    #[test]
    fn the_text_of_a_screen_stays_what_it_is() {
        let screen = Seen {
            prediction: Some(example()),
            window: Some((2048.0, 4096.5)),
            inverted: true,
            zoom: 1.5,
            part: None,
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
        let zoomed = Seen {
            zoom: 2.0,
            part: Some(ShownPart {
                left: 0.25,
                top: 0.125,
                right: 0.75,
                bottom: 0.5,
            }),
            ..Seen::default()
        };
        let part = r#""part":{"bottom":0.5,"left":0.25,"right":0.75,"top":0.125}"#;
        assert!(seen(&zoomed).to_string().contains(part));
    }

    /// That a label got no number is part of what the reader saw.
    #[test]
    fn the_text_of_labels_without_a_number_stays_what_it_is() {
        let prediction = Prediction {
            withheld: ["COVID-19", "Viral"]
                .map(|name| Pathology(name.into()))
                .into(),
            ..example()
        };
        let text = super::prediction(&prediction).to_string();
        let expected = r#","severity":{"geographic_extent":3.1,"opacity":2.2},"withheld":["COVID-19","Viral"]}"#;
        assert!(text.ends_with(expected), "{text}");
    }

    /// What was measured by the lungs is part of the text, and so of the hash, as far as it is known.
    #[test]
    fn the_text_of_the_lungs_stays_what_it_is() {
        let text = |lungs| {
            let prediction = Prediction { lungs, ..example() };
            super::prediction(&prediction).to_string()
        };
        let lungs = LungMeasures {
            evidence_inside: Some(0.83),
            cardiothoracic_ratio: Some(0.52),
            cardiothoracic_error: Some(0.04),
        };
        let expected = concat!(
            r#","lungs":{"cardiothoracic_error":0.04,"cardiothoracic_ratio":0.52,"#,
            r#""evidence_inside":0.83},"model_sha256""#,
        );
        let measured = text(Some(lungs));
        assert!(measured.contains(expected), "{measured}");
        let unknown = text(Some(LungMeasures::default()));
        assert!(
            unknown.contains(r#","lungs":{},"model_sha256""#),
            "{unknown}"
        );
        assert!(!text(None).contains("lungs"));
    }

    /// Outcomes that the reader saw are part of the text, and so of the hash.
    #[test]
    fn the_text_of_outcomes_stays_what_it_is() {
        let prediction = Prediction {
            prognoses: prognoses(),
            ..example()
        };
        let expected = concat!(
            r#""prognoses":[{"auc":0.75,"control_auc":0.55,"high":0.875,"low":0.6,"n":72,"#,
            r#""on":"hannover, within AP","outcome":"admission to intensive care","patients":40,"#,
            r#""score":0.4},{"auc":0.58,"control_auc":0.57,"high":0.71,"low":0.44,"n":32,"#,
            r#""on":"ieee8023","outcome":"intubation","patients":16,"score":null}],"reasons""#,
        );
        let text = super::prediction(&prediction).to_string();
        assert!(text.contains(expected), "{text}");
    }
}
