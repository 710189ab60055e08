//! From logits to findings: a sigmoid for each label that stands on its own, a softmax over the
//! causes given pneumonia.

use super::InferenceError;
use crate::domain::{Finding, ModelCard, OperatingPoint, Pathology, Question, Score, ScoreKind};

/// One finding for each label of the card, in its order.
///
/// # Errors
/// If a logit is missing or is not a number.
pub fn findings(card: &ModelCard, logits: &[f32]) -> Result<Vec<Finding>, InferenceError> {
    let causes = softmax(
        card.labels
            .iter()
            .zip(logits)
            .filter(|(label, _)| label.question == Question::GivenPneumonia)
            .map(|(_, logit)| *logit),
    );
    let mut causes = causes.into_iter();
    let kind = if card.calibrated {
        ScoreKind::Calibrated
    } else {
        ScoreKind::Sigmoid
    };
    card.labels
        .iter()
        .enumerate()
        .map(|(i, label)| {
            let logit = logits.get(i).copied().unwrap_or(f32::NAN);
            let value = match label.question {
                Question::Presence => sigmoid(logit),
                Question::GivenPneumonia => causes.next().unwrap_or(f32::NAN),
            };
            let score = Score::new(value, kind).ok_or_else(|| InferenceError::NotFinite {
                label: label.name.clone(),
            })?;
            Ok(Finding {
                label: Pathology(label.name.clone()),
                question: label.question,
                logit,
                score,
                operating_point: label.operating_point.map(OperatingPoint),
            })
        })
        .collect()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(logits: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let max = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.map(|x| (x - max).exp()).collect();
    let sum: f32 = exp.iter().sum();
    // Rounding may leave a lone cause a hair above one.
    exp.into_iter().map(|e| (e / sum).min(1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model_card::LabelCard;

    fn card() -> ModelCard {
        let label = |name: &str, question, operating_point| LabelCard {
            name: name.into(),
            question,
            operating_point,
        };
        ModelCard {
            labels: vec![
                label("Pneumonia", Question::Presence, Some(0.4)),
                label("Bacterial", Question::GivenPneumonia, None),
                label("Viral", Question::GivenPneumonia, None),
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
