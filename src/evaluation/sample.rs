//! The scores of one question on one group of cases, with reference standard and patients.

use std::collections::HashMap;

/// Scores closer to 0 or 1 than this count as this close: `logit` of 0 and 1 is infinite, and a
/// table has six decimals.
const CLIP: f64 = 1e-6;

/// Scores in falling order, each with its answer and its patient.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    scores: Vec<f64>,
    /// `ln(s / (1 − s))` of each score, clipped to ±ln(999999).
    logits: Vec<f64>,
    positive: Vec<bool>,
    owner: Vec<usize>,
    patients: usize,
}

impl Sample {
    /// From (score from 0 to 1, answer, patient) of each case, in any order. Scores must not be
    /// NaN.
    pub fn new<'a>(cases: impl IntoIterator<Item = (f64, bool, &'a str)>) -> Self {
        let mut index = HashMap::new();
        let mut rows: Vec<(f64, bool, usize)> = cases
            .into_iter()
            .map(|(score, positive, patient)| {
                let next = index.len();
                (score, positive, *index.entry(patient).or_insert(next))
            })
            .collect();
        // Stable, so that the order of the cases decides between equal scores, not the sorting.
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        Sample {
            scores: rows.iter().map(|row| row.0).collect(),
            logits: rows.iter().map(|row| logit(row.0)).collect(),
            positive: rows.iter().map(|row| row.1).collect(),
            owner: rows.iter().map(|row| row.2).collect(),
            patients: index.len(),
        }
    }

    /// Number of cases.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub fn positives(&self) -> usize {
        self.positive.iter().filter(|&&positive| positive).count()
    }

    pub fn has_both_classes(&self) -> bool {
        (1..self.len()).contains(&self.positives())
    }

    /// Number of different patients.
    pub fn patients(&self) -> usize {
        self.patients
    }

    /// Falling.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    pub fn logits(&self) -> &[f64] {
        &self.logits
    }

    pub fn positive(&self) -> &[bool] {
        &self.positive
    }

    /// The patient of each case, from 0 to [`patients`](Sample::patients).
    pub fn owner(&self) -> &[usize] {
        &self.owner
    }

    /// A weight of one for each case.
    pub fn once(&self) -> Vec<f64> {
        vec![1.0; self.len()]
    }

    /// Runs of equal scores, highest first, each with the weight of its positive and its negative
    /// cases.
    pub fn levels<'a>(&'a self, weights: &'a [f64]) -> impl Iterator<Item = Level> + 'a {
        let mut at = 0;
        std::iter::from_fn(move || {
            let score = *self.scores.get(at)?;
            let mut level = Level {
                score,
                positive: 0.0,
                negative: 0.0,
            };
            while self.scores.get(at) == Some(&score) {
                if self.positive[at] {
                    level.positive += weights[at];
                } else {
                    level.negative += weights[at];
                }
                at += 1;
            }
            Some(level)
        })
    }
}

/// All cases of one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub score: f64,
    /// Sum of the weights of positive and of negative cases.
    pub positive: f64,
    pub negative: f64,
}

fn logit(score: f64) -> f64 {
    let score = score.clamp(CLIP, 1.0 - CLIP);
    (score / (1.0 - score)).ln()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A patient for each case.
    pub fn each_its_own(scores: &[f64], answers: &[bool]) -> Sample {
        let names: Vec<String> = (0..scores.len()).map(|n| n.to_string()).collect();
        let rows = scores.iter().zip(answers).zip(&names);
        Sample::new(rows.map(|((&score, &answer), name)| (score, answer, name.as_str())))
    }

    #[test]
    fn cases_are_sorted_and_keep_their_answers_and_patients() {
        let sample = Sample::new([(0.2, false, "a"), (0.9, true, "b"), (0.5, true, "a")]);
        assert_eq!(sample.scores(), [0.9, 0.5, 0.2]);
        assert_eq!(sample.positive(), [true, true, false]);
        assert_eq!(sample.owner(), [1, 0, 0]);
        assert_eq!((sample.patients(), sample.positives()), (2, 2));
    }

    #[test]
    fn equal_scores_are_one_level() {
        let sample = each_its_own(&[0.5, 0.1, 0.5, 0.5], &[true, true, false, true]);
        let levels: Vec<_> = sample.levels(&[1.0, 2.0, 1.0, 1.0]).collect();
        let level = |score, positive, negative| Level {
            score,
            positive,
            negative,
        };
        assert_eq!(levels, [level(0.5, 2.0, 2.0), level(0.1, 1.0, 0.0)]);
    }

    #[test]
    fn a_logit_is_finite_at_the_ends() {
        let sample = each_its_own(&[1.0, 0.5, 0.0], &[true, false, false]);
        assert!(sample.logits().iter().all(|l| l.is_finite()));
        assert_eq!(sample.logits()[1], 0.0);
    }
}
