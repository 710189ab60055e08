//! A label that is present or absent: its new card, and the performance to expect.

use super::reading::CardReading;
use super::refit::{Correction, Refit};
use super::{AdaptationError, FOLDS, FitProgress, LabelCases};

/// The parts that are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitMethod {
    /// The calibration and the thresholds.
    Recalibrate,
    /// The same, and the row of the last layer that computes the logit.
    Refit,
}

/// The score of one case by a model that was fitted to the other folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOutScore {
    /// The fold of the case. Scores of different folds come from different fits.
    pub fold: usize,
    pub probability: f32,
    /// Whether the probability is at or above that model's balanced point.
    pub is_called: bool,
}

/// A label after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapted {
    pub reading: CardReading,
    /// For [`FitMethod::Refit`].
    pub correction: Option<Correction>,
    /// One for each case.
    pub answers: Vec<HeldOutScore>,
}

/// Fits a label to all cases, and for each fold to the other folds.
///
/// # Errors
/// If the score is the same for all cases, if it does not rise with the reference standard, or if the fit was
/// stopped.
pub fn adapt(
    cases: &LabelCases,
    method: FitMethod,
    work: &FitProgress,
) -> Result<Adapted, AdaptationError> {
    let fold = cases.folds();
    match method {
        FitMethod::Recalibrate => {
            work.go_on()?;
            cross_fitted(cases, &fold, |_| cases.logits.clone())
        }
        FitMethod::Refit => {
            let refit = Refit::new(cases, &fold, work)?;
            let adapted = cross_fitted(cases, &fold, |without| refit.logits(without))?;
            Ok(Adapted {
                correction: Some(refit.correction(work)?),
                ..adapted
            })
        }
    }
}

/// `logits` returns the logits of all cases, by a fit without the given fold.
fn cross_fitted(
    cases: &LabelCases,
    fold: &[usize],
    logits: impl Fn(Option<usize>) -> Vec<f64>,
) -> Result<Adapted, AdaptationError> {
    let reading = CardReading::fit(&logits(None), &cases.positive, &cases.sources)
        .ok_or(AdaptationError::AllAlike)?;
    let slope = reading.calibration.slope;
    if slope.is_nan() || slope <= 0.0 {
        return Err(AdaptationError::NotRising { slope });
    }
    let mut answers = vec![None; fold.len()];
    for left_out in 0..FOLDS {
        let logits = logits(Some(left_out));
        let others: Vec<usize> = (0..fold.len()).filter(|&at| fold[at] != left_out).collect();
        let (seen, positive): (Vec<f64>, Vec<bool>) = others
            .iter()
            .map(|&at| (logits[at], cases.positive[at]))
            .unzip();
        let sources: Vec<&str> = others
            .iter()
            .filter_map(|&at| cases.sources.get(at).copied())
            .collect();
        let reading =
            CardReading::fit(&seen, &positive, &sources).ok_or(AdaptationError::AllAlike)?;
        for at in (0..fold.len()).filter(|&at| fold[at] == left_out) {
            let probability = reading.probability(logits[at]);
            answers[at] = Some(HeldOutScore {
                fold: left_out,
                probability,
                is_called: probability >= reading.points.balanced,
            });
        }
    }
    Ok(Adapted {
        reading,
        correction: None,
        answers: answers.into_iter().flatten().collect(),
    })
}
