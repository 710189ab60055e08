//! From logits to findings: a probability or else a sigmoid for each independent label, and a softmax over the causes
//! given pneumonia.

use super::InferenceError;
use super::calibration::{op_normalised, platt, presence_set, sigmoid, softmax};
use crate::domain::{
    Calibrated, Conformal, Finding, LabelCard, ModelCard, OperatingPoint, Pathology, Question,
    Score, ScoreKind,
};

/// One finding for each label of the card, in its order, at the card's own prevalences.
///
/// # Errors
/// If a logit is missing or is not a number.
pub fn findings(card: &ModelCard, logits: &[f32]) -> Result<Vec<Finding>, InferenceError> {
    let temperature = card.causes.map_or(1.0, |causes| causes.temperature);
    let causes = softmax(
        card.labels
            .iter()
            .zip(logits)
            .filter(|(label, _)| label.question == Question::GivenPneumonia)
            .map(|(_, logit)| *logit),
        temperature,
    );
    let mut causes = causes.into_iter();
    card.labels
        .iter()
        .enumerate()
        .map(|(i, label)| {
            let logit = logits.get(i).copied().unwrap_or(f32::NAN);
            let (value, calibrated) = match (label.question, &label.calibration) {
                (Question::GivenPneumonia, _) => (causes.next().unwrap_or(f32::NAN), None),
                (Question::Presence, None) => (sigmoid(logit), None),
                (Question::Presence, Some(calibration)) => {
                    let (p, calibrated) = platt(calibration, logit);
                    (p, Some(calibrated))
                }
            };
            let value = match label.op_threshold {
                Some(threshold) => op_normalised(value, threshold),
                None => value,
            };
            let kind = match (card.is_calibrated(label), label.op_threshold) {
                (true, _) => ScoreKind::Calibrated,
                (false, Some(_)) => ScoreKind::OperatingPointNormalised,
                (false, None) => ScoreKind::Sigmoid,
            };
            let score = Score::new(value, kind).ok_or_else(|| InferenceError::NotFinite {
                label: label.name.clone(),
            })?;
            Ok(finding(label, logit, score, calibrated))
        })
        .collect()
}

fn finding(label: &LabelCard, logit: f32, score: Score, calibrated: Option<Calibrated>) -> Finding {
    let value = score.value();
    let conformal = label.conformal.map(|thresholds| match label.question {
        Question::Presence => Conformal::Presence(presence_set(&thresholds, value)),
        Question::GivenPneumonia => Conformal::Cause(value >= thresholds.present),
    });
    Finding {
        label: Pathology(label.name.clone()),
        question: label.question,
        logit,
        score,
        operating_point: label.operating_point.map(OperatingPoint),
        sensitive_point: label.sensitive_point.map(OperatingPoint),
        calibrated,
        conformal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Calibration, CausesCard, ConformalThresholds, PresenceSet, Prevalence};

    fn card() -> ModelCard {
        ModelCard {
            labels: vec![
                LabelCard::new("Pneumonia", Question::Presence, Some(0.4)),
                LabelCard::new("Bacterial", Question::GivenPneumonia, None),
                LabelCard::new("Viral", Question::GivenPneumonia, None),
            ],
            ..ModelCard::default()
        }
    }

    #[test]
    fn presence_is_a_sigmoid_and_causes_sum_to_one() {
        let found = findings(&card(), &[0.0, 3.0, 1.0]).unwrap();
        assert_eq!(found[0].score.value(), 0.5);
        assert_eq!(found[0].is_positive(), Some(true));
        let sum: f32 = found[1..].iter().map(|f| f.score.value()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        // e² / (1 + e²)
        assert!((found[1].score.value() - 0.880_797).abs() < 1e-5);
        assert_eq!(found[1].is_positive(), None);
        assert!(found.iter().all(|f| f.score.kind == ScoreKind::Sigmoid));
    }

    #[test]
    fn a_calibrated_card_gives_probabilities_and_sets() {
        let mut card = card();
        let absent = |absent| ConformalThresholds {
            present: 0.3,
            absent,
        };
        card.labels[0].calibration = Some(Calibration {
            slope: 2.0,
            intercept: -1.0,
            prevalence: Prevalence::new(0.5).unwrap(),
        });
        card.labels[0].conformal = Some(absent(Some(0.2)));
        card.labels[1].conformal = Some(absent(None));
        card.labels[2].conformal = Some(absent(None));
        card.causes = Some(CausesCard {
            temperature: 2.0,
            calibrated: true,
        });
        let found = findings(&card, &[1.0, 3.0, 1.0]).unwrap();
        assert!(found.iter().all(|f| f.score.kind == ScoreKind::Calibrated));
        // σ(2 · 1 − 1)
        assert!((found[0].score.value() - 0.731_059).abs() < 1e-6);
        assert_eq!(
            found[0].conformal,
            Some(Conformal::Presence(PresenceSet::Either))
        );
        // e / (1 + e)
        assert!((found[1].score.value() - 0.731_059).abs() < 1e-6);
        assert_eq!(found[1].conformal, Some(Conformal::Cause(true)));
        assert_eq!(found[2].conformal, Some(Conformal::Cause(false)));
        assert_eq!(found[1].calibrated, None, "a cause assumes no prevalence");
    }

    #[test]
    fn an_operating_point_becomes_a_half() {
        let mut card = card();
        card.labels[0].op_threshold = Some(0.074_228_72);
        card.labels[0].operating_point = Some(0.5);
        let first = |logit| findings(&card, &[logit, 0.0, 0.0]).unwrap().swap_remove(0);
        // op_norm(torch.sigmoid(torch.tensor([[z]])), torch.tensor([0.07422872])) of torchxrayvision
        for (logit, expected) in [
            (-4.0, 0.121_153_98),
            (-2.5, 0.500_880_06),
            (0.0, 0.729_954_9),
            (3.0, 0.974_385_74),
        ] {
            let finding = first(logit);
            assert!(
                (finding.score.value() - expected).abs() < 1e-6,
                "{logit}: {finding:?}"
            );
            assert_eq!(finding.score.kind, ScoreKind::OperatingPointNormalised);
            assert_eq!(finding.is_positive(), Some(expected >= 0.5));
            assert_eq!((finding.logit, finding.calibrated), (logit, None));
        }
        for logit in [-200.0, 200.0] {
            assert!((0.0..=1.0).contains(&first(logit).score.value()));
        }
    }

    #[test]
    fn huge_logits_stay_finite_and_nan_is_an_error_that_names_the_label() {
        assert!(findings(&card(), &[1e30, -1e30, 1e30]).is_ok());
        let error = findings(&card(), &[f32::NAN, 0.0, 0.0]).unwrap_err();
        assert!(error.to_string().contains("Pneumonia"), "{error}");
        assert!(
            findings(&card(), &[0.0]).is_err(),
            "a missing logit is an error, not a zero"
        );
    }
}
