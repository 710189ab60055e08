//! The last layer's row of a label, fitted again on frozen features: Platt's multiple of the row
//! before, and a correction by logistic regression. The correction is shrunk towards none, so that
//! few cases change little; λ is chosen by the log loss on patients that a fit has not seen.
//!
//! Every figure needs logits by a fit without the patient, and so does the choice of λ inside such a
//! fit. So there is a fit for each fold left out, and for each two: a logit of a case in fold j, for a
//! fit without fold k, is by the fit without both.

use super::logistic::{LinearModel, Problem, log_loss};
use super::platt::platt;
use super::{AdaptationError, FOLDS, FitProgress, LabelCases};
use crate::evaluation::measure::in_parallel;

/// λ, from a correction that is next to none to one that few cases could carry.
const SHRINKAGES: [f64; 8] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];

/// Fits for one label, as [`Work::advance`] counts them: five without a fold, ten without two, and
/// one of all.
pub const FITS: usize = (FOLDS * (FOLDS + 1) / 2 + 1) * SHRINKAGES.len();

/// What a row of the last layer becomes: `scale` times the row before, and `weight`, `bias` added.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    pub scale: f64,
    /// `[C]`
    pub weight: Vec<f64>,
    pub bias: f64,
    /// λ that was chosen.
    pub shrinkage: f64,
}

/// All fits for one label.
pub struct Refit<'a> {
    cases: &'a LabelCases<'a>,
    fold: &'a [usize],
    /// For each pair of folds left out (a fold with itself is that fold alone), for each λ: the
    /// logits of the cases in them; the others are not set.
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

    /// A logit for each case, by a fit that has not seen its patient. Without `fold`, if one is
    /// given: its own cases get the logits that a model fitted to the others gives them.
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

    /// Which λ tells the cases best, without those of a fold: of equals the strongest.
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

    /// The row that is fitted to all cases.
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

/// Where a pair is among them.
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
    let logit = |at: usize, linear: &LinearModel| match is_out(at) {
        true => scale * cases.logits[at] + linear.apply(cases.features[at]),
        false => f64::NAN,
    };
    let logits = |linear: &LinearModel| (0..fold.len()).map(|at| logit(at, linear)).collect();
    Ok(path.iter().map(logits).collect())
}

/// The multiple of the row before, and the correction at each λ down to the one at `last`. Each
/// begins where the one before ended.
fn path(
    cases: &LabelCases,
    is_in: impl Fn(usize) -> bool,
    last: usize,
    work: &FitProgress,
) -> Result<(f64, Vec<LinearModel>), AdaptationError> {
    let rows: Vec<usize> = (0..cases.logits.len()).filter(|&at| is_in(at)).collect();
    let logits: Vec<f64> = rows.iter().map(|&at| cases.logits[at]).collect();
    let positive: Vec<bool> = rows.iter().map(|&at| cases.positive[at]).collect();
    // A row that points the wrong way here is worth nothing.
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
    fn every_pair_of_folds_has_its_place() {
        let places: Vec<usize> = pairs().into_iter().map(place).collect();
        assert_eq!(places, (0..15).collect::<Vec<_>>());
    }
}
