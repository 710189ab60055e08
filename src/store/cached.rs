//! A cached prediction: the JSON of [`seen`], and `kept` with the rest and with its basis, so
//! that it can be read back whole. Activation maps are not cached.
//!
//! ```text
//! { …, kept: { basis, findings: [{ log_odds, prevalence, conformal, factors }], severity_errors: [a, b],
//!              prognoses: [[auc, low, high, control_auc]] } }
//! ```
//!
//! Numbers are text here, so that every bit is read back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::seen::{self, StoredFinding, StoredPrediction, StoredPrognosis, StoredSeverity};
use super::stored::StoredConformal;
use crate::domain::{
    Calibrated, ContentId, Factors, Finding, OperatingPoint, Pathology, Prediction, Prevalence,
    Prognosis, PrognosisCard, PrognosisEvidence, Score, ScoreKind, Severity,
};

const KEPT: &str = "kept";

#[derive(Serialize, Deserialize)]
struct StoredRest {
    /// Everything beside the image that the prediction depends on.
    basis: String,
    findings: Vec<StoredFindingRest>,
    /// Of the geographic extent and the opacity.
    severity_errors: Option<[Option<String>; 2]>,
    /// The areas of each outcome: AUC, the two ends of its interval, and the AUC of the control.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    prognoses: Vec<[String; 4]>,
}

#[derive(Serialize, Deserialize)]
struct StoredFindingRest {
    log_odds: Option<String>,
    prevalence: Option<String>,
    conformal: Option<StoredConformal>,
    /// The labels that the score is the product of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    factors: Option<[String; 2]>,
}

/// `basis` stands for everything beside the image that the prediction depends on.
pub fn write(prediction: &Prediction, basis: &str) -> Value {
    let errors = prediction.severity.map(|severity| {
        let errors = [severity.geographic_extent_error, severity.opacity_error];
        errors.map(|error| error.map(|error| error.to_string()))
    });
    let rest = StoredRest {
        basis: basis.to_owned(),
        findings: prediction.findings.iter().map(Into::into).collect(),
        severity_errors: errors,
        prognoses: prediction.prognoses.iter().map(areas).collect(),
    };
    let mut answer = seen::prediction(prediction);
    answer[KEPT] = json!(rest);
    answer
}

fn areas(prognosis: &Prognosis) -> [String; 4] {
    let evidence = &prognosis.evidence;
    let (low, high) = evidence.interval;
    [evidence.auc, low, high, evidence.control_auc].map(|area| area.to_string())
}

impl From<&Finding> for StoredFindingRest {
    fn from(finding: &Finding) -> Self {
        let calibrated = finding.calibrated;
        StoredFindingRest {
            log_odds: calibrated.map(|c| c.log_odds.to_string()),
            prevalence: calibrated.map(|c| c.prevalence.share().to_string()),
            conformal: finding.conformal.map(Into::into),
            factors: finding.factors.as_ref().map(|factors| {
                let Factors { presence, cause } = &**factors;
                [presence, cause].map(|label| label.0.clone())
            }),
        }
    }
}

/// Whether a stored answer, without its rest, is this answer.
pub fn has_answer(stored: &Value, answer: &str) -> bool {
    // Compared as text: numbers that were read back may differ in the last bit.
    without_rest(stored).as_deref() == Some(answer)
}

/// `None` if the prediction has another basis, or is not whole.
pub fn read(answer: &Value, image: ContentId, basis: &str) -> Option<Prediction> {
    let rest = StoredRest::deserialize(&answer[KEPT]).ok()?;
    let stored = StoredPrediction::deserialize(answer).ok()?;
    if rest.basis != basis
        || rest.findings.len() != stored.findings.len()
        || rest.prognoses.len() != stored.prognoses.len()
    {
        return None;
    }
    let findings = stored.findings.into_iter().zip(rest.findings);
    let prognoses = stored.prognoses.into_iter().zip(rest.prognoses);
    let prediction = Prediction {
        content: image,
        findings: findings
            .map(|(stored, rest)| finding(stored, rest))
            .collect::<Option<_>>()?,
        severity: match stored.severity {
            None => None,
            Some(stored) => Some(severity(stored, rest.severity_errors)?),
        },
        input: stored.input.with(stored.reasons),
        model_sha256: stored.model_sha256,
        preprocess: stored.preprocess,
        elapsed_ms: 0.0,
        activation: None,
        withheld: stored.withheld.into_iter().map(Pathology).collect(),
        lung_fields: None,
        lungs: stored.lungs.map(Into::into),
        prognoses: prognoses
            .map(|(stored, areas)| prognosis(stored, areas))
            .collect::<Option<_>>()?,
    };
    // A part that this version cannot read would be missing here.
    let again = seen::prediction(&prediction).to_string();
    has_answer(answer, &again).then_some(prediction)
}

fn without_rest(answer: &Value) -> Option<String> {
    let mut answer = answer.clone();
    answer.as_object_mut()?.remove(KEPT);
    Some(answer.to_string())
}

/// `None` if a number cannot be read, or is out of its range.
fn finding(stored: StoredFinding, rest: StoredFindingRest) -> Option<Finding> {
    let calibrated = match rest.log_odds {
        None => None,
        Some(log_odds) => Some(Calibrated {
            log_odds: log_odds.parse().ok()?,
            prevalence: Prevalence::new(rest.prevalence?.parse().ok()?)?,
        }),
    };
    Some(Finding {
        label: Pathology(stored.label),
        question: stored.question.into(),
        logit: stored.logit.0,
        score: Score::new(stored.score.0, stored.kind.into())?,
        operating_point: stored.operating_point.map(|point| OperatingPoint(point.0)),
        sensitive_point: stored.sensitive_point.map(|point| OperatingPoint(point.0)),
        calibrated,
        conformal: rest.conformal.map(Into::into),
        factors: rest.factors.map(|[presence, cause]| {
            Box::new(Factors {
                presence: Pathology(presence),
                cause: Pathology(cause),
            })
        }),
    })
}

/// `None` if an error cannot be read.
fn severity(stored: StoredSeverity, errors: Option<[Option<String>; 2]>) -> Option<Severity> {
    let read = |error: Option<String>| match error {
        None => Some(None),
        Some(error) => error.parse().ok().map(Some),
    };
    let [extent, opacity] = errors.unwrap_or_default();
    Some(Severity {
        geographic_extent: stored.geographic_extent.0,
        opacity: stored.opacity.0,
        geographic_extent_error: read(extent)?,
        opacity_error: read(opacity)?,
    })
}

/// `None` if a number cannot be read or is out of its range, or the evidence does not bear the score.
fn prognosis(stored: StoredPrognosis, areas: [String; 4]) -> Option<Prognosis> {
    let mut numbers = [0.0; 4];
    for (number, area) in numbers.iter_mut().zip(areas) {
        *number = area.parse().ok()?;
    }
    let [auc, low, high, control_auc] = numbers;
    let card = PrognosisCard {
        outcome: stored.outcome,
        evidence: PrognosisEvidence {
            on: stored.on,
            auc,
            interval: (low, high),
            control_auc,
            n: stored.n,
            patients: stored.patients,
        },
    };
    match stored.score {
        Some(score) => {
            let prognosis = card.with(Score::new(score.0, ScoreKind::Sigmoid)?);
            prognosis.score.is_some().then_some(prognosis)
        }
        None => Some(Prognosis {
            outcome: card.outcome,
            score: None,
            evidence: card.evidence,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{prediction, prognoses};
    use super::*;
    use crate::domain::{Conformal, InputCheck, LungMeasures, PresenceSet, Question};

    const CONFORMAL: [Conformal; 6] = [
        Conformal::Presence(PresenceSet::Present),
        Conformal::Presence(PresenceSet::Absent),
        Conformal::Presence(PresenceSet::Either),
        Conformal::Presence(PresenceSet::Neither),
        Conformal::Cause(true),
        Conformal::Cause(false),
    ];

    fn full() -> Prediction {
        let mut full = prediction();
        full.elapsed_ms = 0.0;
        full.findings[0].calibrated = Some(Calibrated {
            log_odds: -1.0 / 3.0,
            prevalence: Prevalence::new(0.1 + 0.2).unwrap(),
        });
        for (number, conformal) in CONFORMAL.iter().enumerate() {
            full.findings.push(Finding {
                logit: -1.234_567_9e-7 * number as f32,
                conformal: Some(*conformal),
                sensitive_point: Some(OperatingPoint(1.0 / 3.0)),
                ..full.findings[0].clone()
            });
        }
        full.findings.push(Finding {
            question: Question::GivenPneumonia,
            score: Score::new(0.999_999_94, ScoreKind::OperatingPointNormalised).unwrap(),
            operating_point: None,
            calibrated: None,
            ..full.findings[0].clone()
        });
        full
    }

    #[test]
    fn every_bit_is_read_back_and_only_on_the_same_basis() {
        for input in [
            InputCheck::Accepted,
            InputCheck::Refused(vec!["not a radiograph".into()]),
        ] {
            let prediction = Prediction { input, ..full() };
            let text = write(&prediction, "basis").to_string();
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                read(&answer, ContentId::default(), "basis"),
                Some(prediction.clone())
            );
            assert_eq!(read(&answer, ContentId::default(), "another"), None);
            let again = write(
                &read(&answer, ContentId::default(), "basis").unwrap(),
                "basis",
            );
            assert_eq!(again.to_string(), text);
            assert!(has_answer(
                &answer,
                &seen::prediction(&prediction).to_string()
            ));
        }
    }

    #[test]
    fn what_is_measured_by_the_lungs_is_read_back_and_rows_of_before_have_none() {
        let mut prediction = full();
        let measures = LungMeasures {
            evidence_inside: Some(1.0 / 3.0),
            cardiothoracic_ratio: Some(0.1 + 0.4),
            cardiothoracic_error: None,
        };
        for lungs in [None, Some(measures), Some(LungMeasures::default())] {
            prediction.lungs = lungs;
            let text = write(&prediction, "b").to_string();
            let answer: Value = serde_json::from_str(&text).unwrap();
            let again = read(&answer, ContentId::default(), "b");
            assert_eq!(again, Some(prediction.clone()));
        }
        let mut broken = write(&prediction, "b");
        broken["lungs"]["evidence_inside"] = json!("most");
        assert_eq!(read(&broken, ContentId::default(), "b"), None);
    }

    #[test]
    fn outcomes_are_read_back_bit_for_bit_and_rows_of_before_have_none() {
        let mut prediction = full();
        prediction.prognoses = prognoses();
        prediction.prognoses[0].evidence.auc = 0.1 + 0.6;
        prediction.prognoses[0].evidence.interval = (1.0 / 1.9, 0.1 + 0.7);
        prediction.prognoses[0].evidence.control_auc = 1.0 / 3.0;
        let text = write(&prediction, "b").to_string();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let again = read(&answer, ContentId::default(), "b");
        assert_eq!(again, Some(prediction.clone()));
        let seen = seen::prediction(&prediction).to_string();
        assert!(has_answer(&answer, &seen));
        let before = write(&full(), "b");
        assert!(!before.to_string().contains("prognoses"));
        let before = read(&before, ContentId::default(), "b").unwrap();
        assert_eq!(before.prognoses, []);
        for (at, value) in [
            ("/prognoses/0/score", json!(1.5)),
            // Its evidence bears none.
            ("/prognoses/1/score", json!(0.5)),
            ("/prognoses/0/n", json!("many")),
            ("/kept/prognoses", json!([])),
            ("/kept/prognoses/0/0", json!("much")),
        ] {
            let mut broken = answer.clone();
            *broken.pointer_mut(at).unwrap() = value;
            assert_eq!(read(&broken, ContentId::default(), "b"), None, "{at}");
        }
    }

    #[test]
    fn products_and_labels_without_a_number_are_read_back_and_rows_of_before_have_none() {
        let mut prediction = full();
        prediction.findings[1].calibrated = None;
        prediction.findings[1].factors = Some(Box::new(Factors {
            presence: Pathology("Pneumonia".into()),
            cause: Pathology("COVID-19 given pneumonia".into()),
        }));
        prediction.withheld = vec![Pathology("Viral".into())];
        let text = write(&prediction, "b").to_string();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read(&answer, ContentId::default(), "b"),
            Some(prediction.clone())
        );
        let before = write(&full(), "b");
        for later in ["withheld", "factors"] {
            assert!(text.contains(later) && !before.to_string().contains(later));
        }
        let before = read(&before, ContentId::default(), "b").unwrap();
        assert_eq!(
            (before.withheld, &before.findings[1].factors),
            (vec![], &None)
        );
        for (at, value) in [
            ("/withheld", json!(["Viral", 1])),
            ("/kept/findings/1/factors", json!(["Pneumonia"])),
        ] {
            let mut broken = answer.clone();
            *broken.pointer_mut(at).unwrap() = value;
            assert_eq!(read(&broken, ContentId::default(), "b"), None, "{at}");
        }
    }

    #[test]
    fn a_prediction_that_is_not_whole_is_not_read() {
        let whole = write(&full(), "b");
        assert!(read(&whole, ContentId::default(), "b").is_some());
        assert_eq!(
            read(&seen::prediction(&full()), ContentId::default(), "b"),
            None
        );
        assert_eq!(read(&Value::Null, ContentId::default(), "b"), None);
        for (at, value) in [
            ("/findings/0/score", json!(1.5)),
            ("/findings/0/score", json!("0.3")),
            ("/findings/0/kind", json!("certainty")),
            ("/findings/1", json!(7)),
            ("/kept/findings", json!([])),
            ("/kept/findings/0/log_odds", json!("much")),
            ("/kept/findings/0/prevalence", json!("2")),
            ("/kept/findings/1/conformal", json!("perhaps")),
            ("/input", json!("fine")),
            ("/severity", json!(3)),
        ] {
            let mut broken = whole.clone();
            *broken.pointer_mut(at).unwrap() = value;
            assert_eq!(read(&broken, ContentId::default(), "b"), None, "{at}");
        }
    }
}
