//! A label that is present or absent on its own: what its card becomes, and what is to be expected of
//! it.

use super::reading::CardReading;
use super::refit::{Correction, Refit};
use super::{AdaptationError, FOLDS, FitProgress, LabelCases};

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitMethod {
    /// How the logit is read.
    Recalibrate,
    /// That, and the row of the last layer that makes the logit.
    Refit,
}

/// What a model fitted to the other folds says of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOutScore {
    /// Which fold the case is in; answers of two folds are by two fits.
    pub fold: usize,
    pub probability: f32,
    /// Whether it is at or above that model's balanced point.
    pub is_called: bool,
}

/// A label after its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapted {
    pub reading: CardReading,
    /// For [`Method::Refit`].
    pub correction: Option<Correction>,
    /// Of each case, out of fold.
    pub answers: Vec<HeldOutScore>,
}

/// Fits a label to all cases, and tries the same on each fold with the others.
///
/// # Errors
/// If the score is the same for all cases or does not rise with the truth, or it was stopped.
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

/// `logits` of all cases, by a procedure that leaves a fold out, if one is given.
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
                is_called: probability >= reading.balanced,
            });
        }
    }
    Ok(Adapted {
        reading,
        correction: None,
        answers: answers.into_iter().flatten().collect(),
    })
}
