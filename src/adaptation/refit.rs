//! The row of a label in the last layer, fitted again on frozen features: a multiple of the old row (by Platt
//! scaling), and a correction by logistic regression. The correction is shrunk towards zero, so that few
//! cases change little; λ is chosen by the log loss on patients that a fit has not seen.
//!
//! Every figure needs logits from a fit without the patient, and so does the choice of λ inside such a fit.
//! So there is a fit without each fold, and without each pair of folds: the logit of a case in fold j, for a
//! fit without fold k, comes from the fit without both.

use super::logistic::{LinearModel, Problem, log_loss};
use super::platt::platt;
use super::{AdaptationError, FOLDS, FitProgress, LabelCases};
use crate::evaluation::measure::in_parallel;

/// Values of λ, from nearly no correction to one that needs many cases.
pub(super) const SHRINKAGES: [f64; 8] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];

/// Number of fits for one label, as [`FitProgress::advance`] counts them: five without one fold, ten without
/// two, and one to all cases.
pub const FITS: usize = (FOLDS * (FOLDS + 1) / 2 + 1) * SHRINKAGES.len();

/// The new row of the last layer: `scale` times the old row, plus `weight` and `bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    pub scale: f64,
    /// `[C]`
    pub weight: Vec<f64>,
    pub bias: f64,
    /// The chosen λ.
    pub shrinkage: f64,
}

impl Correction {
    /// The logit by the new row, from that by the old one and from the features.
    pub fn logit(&self, logit: f64, features: &[f32]) -> f64 {
        let terms = self.weight.iter().zip(features);
        let sum: f64 = terms.map(|(weight, x)| weight * f64::from(*x)).sum();
        self.scale * logit + sum + self.bias
    }
}

/// All fits for one label.
pub struct Refit<'a> {
    cases: &'a LabelCases<'a>,
    fold: &'a [usize],
    /// The logits of the cases in the folds that were left out, by pair of folds (a fold with itself is that
    /// fold alone) and λ. Other cases are NaN.
    left_out: Vec<Vec<Vec<f64>>>,
}

impl<'a> Refit<'a> {
    /// # Errors
    /// [`AdaptationError::Stopped`].
    pub fn new(
        cases: &'a LabelCases<'a>,
        fold: &'a [usize],
        work: &FitProgress,
    ) -> Result<Self, AdaptationError> {
        let left_out = in_parallel(work.jobs, &pairs(), |&pair| {
            left_out(cases, fold, pair, work)
        });
        Ok(Refit {
            cases,
            fold,
            left_out: left_out.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// A logit for each case, from a fit that has not seen its patient. With `without`, from fits without that
    /// fold: its own cases get the logits of a model that was fitted to the other folds.
    pub fn logits(&self, without: Option<usize>) -> Vec<f64> {
        let chosen = self.choice(without);
        (0..self.fold.len())
            .map(|at| self.logit(at, without, chosen))
            .collect()
    }

    fn logit(&self, at: usize, without: Option<usize>, shrinkage: usize) -> f64 {
        let own = self.fold[at];
        let other = without.unwrap_or(own);
        let pair = (own.min(other), own.max(other));
        self.left_out[place(pair)][shrinkage][at]
    }

    /// The λ with the least loss, without the cases of a fold; the greatest among equals.
    fn choice(&self, without: Option<usize>) -> usize {
        let loss = |shrinkage: usize| -> f64 {
            let seen = (0..self.fold.len()).filter(|&at| Some(self.fold[at]) != without);
            seen.map(|at| log_loss(self.logit(at, without, shrinkage), self.cases.positive[at]))
                .sum()
        };
        (0..SHRINKAGES.len())
            .min_by(|&a, &b| loss(a).total_cmp(&loss(b)))
            .unwrap_or(0)
    }

    /// The row that was fitted to all cases.
    ///
    /// # Errors
    /// [`AdaptationError::Stopped`].
    pub fn correction(&self, work: &FitProgress) -> Result<Correction, AdaptationError> {
        let chosen = self.choice(None);
        let (scale, path) = path(self.cases, |_| true, chosen, work)?;
        for _ in chosen + 1..SHRINKAGES.len() {
            (work.advance)();
        }
        let linear = path.into_iter().next_back();
        let LinearModel { weight, bias } = linear.ok_or(AdaptationError::AllAlike)?;
        Ok(Correction {
            scale,
            weight,
            bias,
            shrinkage: SHRINKAGES[chosen],
        })
    }
}

fn pairs() -> Vec<(usize, usize)> {
    (0..FOLDS)
        .flat_map(|one| (one..FOLDS).map(move |other| (one, other)))
        .collect()
}

/// The position of a pair in [`pairs`].
fn place((one, other): (usize, usize)) -> usize {
    one * FOLDS - one * one.saturating_sub(1) / 2 + other - one
}

fn left_out(
    cases: &LabelCases,
    fold: &[usize],
    (one, other): (usize, usize),
    work: &FitProgress,
) -> Result<Vec<Vec<f64>>, AdaptationError> {
    let is_out = |at: usize| fold[at] == one || fold[at] == other;
    let (scale, path) = path(cases, |at| !is_out(at), SHRINKAGES.len() - 1, work)?;
    let logit = |at: usize, linear: &LinearModel| {
        if is_out(at) {
            scale * cases.logits[at] + linear.apply(cases.features[at])
        } else {
            f64::NAN
        }
    };
    let logits = |linear: &LinearModel| (0..fold.len()).map(|at| logit(at, linear)).collect();
    Ok(path.iter().map(logits).collect())
}

/// The multiple of the old row, and the correction at each λ down to the one at `last`. Each fit starts at the
/// solution before.
fn path(
    cases: &LabelCases,
    is_in: impl Fn(usize) -> bool,
    last: usize,
    work: &FitProgress,
) -> Result<(f64, Vec<LinearModel>), AdaptationError> {
    let rows: Vec<usize> = (0..cases.logits.len()).filter(|&at| is_in(at)).collect();
    let logits: Vec<f64> = rows.iter().map(|&at| cases.logits[at]).collect();
    let positive: Vec<bool> = rows.iter().map(|&at| cases.positive[at]).collect();
    // An old row that points the wrong way on these cases is dropped.
    let scale = platt(&logits, &positive).map_or(0.0, |line| line.slope.max(0.0));
    let problem = Problem::new(rows.iter().map(|&at| {
        let offset = scale * cases.logits[at];
        (cases.features[at], cases.positive[at], offset)
    }));
    let mut at = problem.start();
    let mut path = Vec::new();
    for shrinkage in &SHRINKAGES[..=last] {
        work.go_on()?;
        at = problem.solve(*shrinkage, at);
        path.push(problem.linear(&at));
        (work.advance)();
    }
    Ok((scale, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_folds_has_its_position() {
        let places: Vec<usize> = pairs().into_iter().map(place).collect();
        assert_eq!(places, (0..15).collect::<Vec<_>>());
    }
}
