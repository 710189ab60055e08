//! Outcomes that a model foretells: each is a sigmoid of a linear function of the features. It was fitted in few
//! directions of the features and folded into one row, as `severity.weight` is. The sigmoid is a score, and no
//! probability.

use super::InferenceError;
use super::distance::dot;
use super::weights::Tensors;
use crate::domain::prevalence::probability;
use crate::domain::{Prognosis, PrognosisCard, Score, ScoreKind};

/// The tensors of the outcomes: weight `[K, C]` and bias `[K]`, in the order of the card's sections.
pub const TENSORS: [&str; 2] = ["prognosis.weight", "prognosis.bias"];

/// A linear function of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRow {
    /// `[C]`
    pub weight: Vec<f64>,
    /// The value where all features are 0.
    pub bias: f64,
}

/// The outcomes of a model.
pub struct PrognosisHead {
    /// Row by row, `[K, C]`.
    weight: Vec<f32>,
    /// `[K]`
    bias: Vec<f32>,
    /// `[K]`
    cards: Vec<PrognosisCard>,
}

impl PrognosisHead {
    /// `channels` is the number of features. `None` if the card has no outcome.
    ///
    /// # Errors
    /// If a tensor is absent or has another shape.
    pub fn load(
        tensors: &Tensors,
        cards: &[PrognosisCard],
        channels: usize,
    ) -> Result<Option<Self>, InferenceError> {
        if cards.is_empty() {
            return Ok(None);
        }
        let [weight, bias] = TENSORS;
        Ok(Some(PrognosisHead {
            weight: tensors.values(weight, &[cards.len(), channels])?,
            bias: tensors.values(bias, &[cards.len()])?,
            cards: cards.to_vec(),
        }))
    }

    /// The outcomes of the image with these features, in the card's order.
    ///
    /// # Errors
    /// If a result is not a finite number.
    pub fn of(&self, features: &[f32]) -> Result<Vec<Prognosis>, InferenceError> {
        let rows = self.weight.chunks_exact(features.len().max(1));
        let rows = rows.zip(&self.bias).zip(&self.cards);
        rows.map(|((row, bias), card)| {
            let z = f64::from(*bias) + dot(row, features.iter().copied().map(f64::from));
            let score = Score::new(probability(z) as f32, ScoreKind::Sigmoid);
            let score = score.ok_or_else(|| InferenceError::NotFinite {
                label: card.outcome.clone(),
            })?;
            Ok(card.with(score))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PrognosisEvidence;

    fn card(outcome: &str, low: f64) -> PrognosisCard {
        PrognosisCard {
            outcome: outcome.to_owned(),
            evidence: PrognosisEvidence {
                on: "made up".to_owned(),
                auc: 0.7,
                interval: (low, 0.8),
                control_auc: 0.55,
                n: 72,
                patients: 40,
            },
        }
    }

    fn head(bias: [f32; 2]) -> PrognosisHead {
        PrognosisHead {
            weight: vec![1.0, -2.0, 0.5, 0.25, 0.0, -1.0],
            bias: bias.to_vec(),
            cards: vec![card("intensive care", 0.6), card("intubation", 0.5)],
        }
    }

    /// ```python
    /// W = np.array([[1, -2, .5], [.25, 0, -1]]); f = np.array([.5, .75, 2])
    /// 1 / (1 + np.exp(-(W @ f + [.25, -1])))  # 0.5621765, 0.0534033
    /// ```
    #[test]
    fn a_score_is_a_sigmoid_and_without_evidence_there_is_none() {
        let found = head([0.25, -1.0]).of(&[0.5, 0.75, 2.0]).unwrap();
        let score = found[0].score.unwrap();
        assert_eq!(score.kind, ScoreKind::Sigmoid, "never a probability");
        assert!((score.value() - 0.562_176_5).abs() < 1e-6, "{score:?}");
        let names = [&found[0], &found[1]].map(|prognosis| prognosis.outcome.as_str());
        assert_eq!(names, ["intensive care", "intubation"]);
        assert_eq!(found[1].score, None);
        assert_eq!(found[1].evidence, card("intubation", 0.5).evidence);
    }

    #[test]
    fn a_number_that_is_none_is_an_error_that_names_the_outcome() {
        let error = head([0.0, f32::NAN]).of(&[0.0; 3]).unwrap_err();
        assert!(error.to_string().contains("intubation"), "{error}");
        assert!(head([1e30, -1e30]).of(&[0.0; 3]).is_ok());
    }
}
