//! A prediction that can be read back whole: what [`seen`](super::seen) says of it, and `kept`, with
//! the rest and with what it rests on. Heat maps are not kept.
//!
//! ```text
//! { …, kept: { basis, findings: [{ log_odds, prevalence, conformal }], severity_errors: [a, b] } }
//! ```

use serde_json::{Map, Value, json};

use super::seen;
use crate::domain::{
    Calibrated, Conformal, ContentId, Finding, InputCheck, OperatingPoint, Pathology, Prediction,
    PresenceSet, Prevalence, Question, Score, ScoreKind, Severity,
};

const KEPT: &str = "kept";
const CONFORMAL: [(&str, Conformal); 6] = [
    ("present", Conformal::Presence(PresenceSet::Present)),
    ("absent", Conformal::Presence(PresenceSet::Absent)),
    ("either", Conformal::Presence(PresenceSet::Either)),
    ("neither", Conformal::Presence(PresenceSet::Neither)),
    ("in the set", Conformal::Cause(true)),
    ("not in the set", Conformal::Cause(false)),
];

/// `basis` stands for everything beside the image that the prediction depends on.
pub fn write(said: &Prediction, basis: &str) -> Value {
    let mut answer = seen::prediction(said);
    let errors = said.severity.map(|severity| {
        let errors = [severity.geographic_extent_error, severity.opacity_error];
        errors.map(|error| error.map(|error| error.to_string()))
    });
    answer[KEPT] = json!({
        "basis": basis,
        "findings": said.findings.iter().map(rest).collect::<Vec<_>>(),
        "severity_errors": errors,
    });
    answer
}

/// Numbers as text: every bit comes back.
fn rest(finding: &Finding) -> Value {
    let conformal = finding.conformal.and_then(|found| {
        let named = CONFORMAL.iter().find(|(_, other)| *other == found);
        named.map(|(word, _)| *word)
    });
    json!({
        "log_odds": finding.calibrated.map(|c| c.log_odds.to_string()),
        "prevalence": finding.calibrated.map(|c| c.prevalence.share().to_string()),
        "conformal": conformal,
    })
}

/// Whether an answer is this one, whatever is kept beside it.
pub fn says(kept: &Value, answer: &str) -> bool {
    // As text: numbers that were read back may differ from others in the last bit.
    without_kept(kept).as_deref() == Some(answer)
}

/// `None` if it rests on something else, or is not whole.
pub fn read(answer: &Value, image: ContentId, basis: &str) -> Option<Prediction> {
    let kept = &answer[KEPT];
    if kept["basis"].as_str()? != basis {
        return None;
    }
    let (findings, rests) = (answer["findings"].as_array()?, kept["findings"].as_array()?);
    if findings.len() != rests.len() {
        return None;
    }
    let findings = findings.iter().zip(rests);
    let said = Prediction {
        content: image,
        findings: findings
            .map(|(found, rest)| finding(found.as_object()?, rest))
            .collect::<Option<_>>()?,
        severity: optional(&answer["severity"], |found| {
            severity(found, &kept["severity_errors"])
        })?,
        input: input(answer)?,
        model_sha256: answer["model_sha256"].as_str()?.to_owned(),
        preprocess: answer["preprocess"].as_str()?.to_owned(),
        elapsed_ms: 0.0,
        activation: None,
    };
    // Whatever could not be read would be missing here.
    let again = Some(seen::prediction(&said).to_string());
    (again == without_kept(answer)).then_some(said)
}

fn without_kept(answer: &Value) -> Option<String> {
    let mut answer = answer.clone();
    answer.as_object_mut()?.remove(KEPT);
    Some(answer.to_string())
}

fn input(answer: &Value) -> Option<InputCheck> {
    let reasons = answer["reasons"].as_array()?.iter();
    let reasons = reasons
        .map(|reason| reason.as_str().map(str::to_owned))
        .collect::<Option<Vec<_>>>()?;
    match answer["input"].as_str()? {
        "ok" => Some(InputCheck::Accepted),
        "caution" => Some(InputCheck::Caution(reasons)),
        "refused" => Some(InputCheck::Refused(reasons)),
        _ => None,
    }
}

fn finding(found: &Map<String, Value>, rest: &Value) -> Option<Finding> {
    let point = |name: &str| optional(found.get(name)?, |v| single(v).map(OperatingPoint));
    let question = match found.get("question")?.as_str()? {
        "presence" => Question::Presence,
        "given pneumonia" => Question::GivenPneumonia,
        _ => return None,
    };
    let kind = [
        ScoreKind::Sigmoid,
        ScoreKind::OperatingPointNormalised,
        ScoreKind::Calibrated,
    ];
    let word = found.get("kind")?.as_str()?;
    let kind = kind.into_iter().find(|kind| kind.word() == word)?;
    Some(Finding {
        label: Pathology(found.get("label")?.as_str()?.to_owned()),
        question,
        logit: single(found.get("logit")?)?,
        score: Score::new(single(found.get("score")?)?, kind)?,
        operating_point: point("operating_point")?,
        sensitive_point: point("sensitive_point")?,
        calibrated: optional(&rest["log_odds"], |log_odds| {
            Some(Calibrated {
                log_odds: log_odds.as_str()?.parse().ok()?,
                prevalence: Prevalence::new(rest["prevalence"].as_str()?.parse().ok()?)?,
            })
        })?,
        conformal: optional(&rest["conformal"], |word| {
            let named = CONFORMAL
                .iter()
                .find(|(other, _)| Some(*other) == word.as_str());
            named.map(|(_, conformal)| *conformal)
        })?,
    })
}

fn severity(found: &Value, errors: &Value) -> Option<Severity> {
    let error = |at: usize| optional(&errors[at], |error| error.as_str()?.parse().ok());
    Some(Severity {
        geographic_extent: single(&found["geographic_extent"])?,
        opacity: single(&found["opacity"])?,
        geographic_extent_error: error(0)?,
        opacity_error: error(1)?,
    })
}

/// `null` is nothing; anything else must be readable.
fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        value => read(value).map(Some),
    }
}

/// From the shortest decimal that stands for it.
fn single(value: &Value) -> Option<f32> {
    value.as_f64()?.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::prediction;
    use super::*;

    fn full() -> Prediction {
        let mut said = prediction();
        said.elapsed_ms = 0.0;
        said.findings[0].calibrated = Some(Calibrated {
            log_odds: -1.0 / 3.0,
            prevalence: Prevalence::new(0.1 + 0.2).unwrap(),
        });
        for (number, (_, conformal)) in CONFORMAL.iter().enumerate() {
            said.findings.push(Finding {
                logit: -1.234_567_9e-7 * number as f32,
                conformal: Some(*conformal),
                sensitive_point: Some(OperatingPoint(1.0 / 3.0)),
                ..said.findings[0].clone()
            });
        }
        said.findings.push(Finding {
            question: Question::GivenPneumonia,
            score: Score::new(0.999_999_94, ScoreKind::OperatingPointNormalised).unwrap(),
            operating_point: None,
            calibrated: None,
            ..said.findings[0].clone()
        });
        said
    }

    #[test]
    fn every_bit_comes_back_through_text_on_the_same_basis_only() {
        for input in [
            InputCheck::Accepted,
            InputCheck::Refused(vec!["not a radiograph".into()]),
        ] {
            let said = Prediction { input, ..full() };
            let text = write(&said, "basis").to_string();
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                read(&answer, ContentId::default(), "basis"),
                Some(said.clone())
            );
            assert_eq!(read(&answer, ContentId::default(), "another"), None);
            let again = write(
                &read(&answer, ContentId::default(), "basis").unwrap(),
                "basis",
            );
            assert_eq!(again.to_string(), text);
            assert!(says(&answer, &seen::prediction(&said).to_string()));
        }
    }

    #[test]
    fn what_is_not_whole_is_not_known() {
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
