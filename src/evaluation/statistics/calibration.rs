//! Calibration: whether cases with a score of 0.3 are positive three times in ten.
//!
//! - Brier score: mean of (score − outcome)² (Brier 1950).
//! - Expected calibration error: over [`ECE_BINS`] bins of equal width, the mean distance of a bin's
//!   mean score from its share of positive cases, each bin weighing as much as it holds (Naeini,
//!   Cooper and Hauskrecht 2015; Guo et al. 2017, arXiv:1706.04599). Bins are closed on the right,
//!   (0.1, 0.2], the first on both sides.
//! - Calibration intercept and slope: logistic regression of the outcome on logit(score) (Cox 1958,
//!   *Two further applications of a model for binary regression*). 0 and 1 are perfect; a slope
//!   below 1 is overconfidence.

use super::ratio;
use crate::domain::prevalence::probability;
use crate::evaluation::Sample;

/// Number of bins of the calibration error and of reliability plots.
pub const ECE_BINS: usize = 10;

/// Newton steps before a regression counts as one without an answer.
const STEPS: usize = 60;
/// A step this small ends it.
const CLOSE: f64 = 1e-11;

/// From 0 (perfect) to 1. `None` without a case.
pub fn brier(sample: &Sample, weights: &[f64]) -> Option<f64> {
    let (mut sum, mut whole) = (0.0, 0.0);
    let cases = sample.scores().iter().zip(sample.positive()).zip(weights);
    for ((score, &positive), weight) in cases {
        let miss = score - f64::from(u8::from(positive));
        sum += weight * miss * miss;
        whole += weight;
    }
    ratio(sum, whole)
}

/// One bin of scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// Sums of weights, of weighted scores, and of weights of positive cases.
    pub weight: f64,
    pub score: f64,
    pub positive: f64,
}

/// The bins of scores from 0 to 1, lowest first.
pub fn reliability(sample: &Sample, weights: &[f64]) -> [Bin; ECE_BINS] {
    let mut bins = [Bin::default(); ECE_BINS];
    let cases = sample.scores().iter().zip(sample.positive()).zip(weights);
    for ((&score, &positive), &weight) in cases {
        let at = (score * ECE_BINS as f64).ceil() as usize;
        let bin = &mut bins[at.saturating_sub(1).min(ECE_BINS - 1)];
        bin.weight += weight;
        bin.score += weight * score;
        if positive {
            bin.positive += weight;
        }
    }
    bins
}

/// From 0 (perfect) to 1. `None` without a case.
pub fn expected_calibration_error(sample: &Sample, weights: &[f64]) -> Option<f64> {
    let bins = reliability(sample, weights);
    let distance: f64 = bins
        .iter()
        .map(|bin| (bin.score - bin.positive).abs())
        .sum();
    ratio(distance, bins.iter().map(|bin| bin.weight).sum())
}

/// `logit P(positive) = intercept + slope · logit(score)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationLine {
    pub intercept: f64,
    pub slope: f64,
}

/// The line of greatest likelihood, by Newton's method from `start`; `None` where there is none:
/// one class, equal scores, or a threshold that tells the classes apart without a fault.
pub fn calibration_line(
    sample: &Sample,
    weights: &[f64],
    start: CalibrationLine,
) -> Option<CalibrationLine> {
    if !overlaps(sample, weights) {
        return None;
    }
    let mut line = start;
    let mut loss = regression_loss(line, regression_cases(sample, weights));
    for _ in 0..STEPS {
        let step = newton_step(line, regression_cases(sample, weights))?.step;
        let mut share = 1.0;
        let next = loop {
            let next = CalibrationLine {
                intercept: line.intercept - share * step.intercept,
                slope: line.slope - share * step.slope,
            };
            let next_loss = regression_loss(next, regression_cases(sample, weights));
            // Equal up to rounding is as low as it gets.
            if next_loss <= loss * (1.0 + 1e-14) || share < 1e-6 {
                loss = next_loss;
                break next;
            }
            share /= 2.0;
        };
        let moved = (next.slope - line.slope).abs() + (next.intercept - line.intercept).abs();
        line = next;
        if moved < CLOSE * (1.0 + line.slope.abs() + line.intercept.abs()) {
            return Some(line);
        }
    }
    None
}

/// Whether neither class lies wholly on one side of the other: else the likelihood has no maximum
/// (Albert and Anderson 1984, doi:10.1093/biomet/71.1.1).
fn overlaps(sample: &Sample, weights: &[f64]) -> bool {
    let range = |class: bool| {
        let mut values = (0..sample.len())
            .filter(|&at| weights[at] > 0.0 && sample.positive()[at] == class)
            .map(|at| sample.logits()[at]);
        let first = values.next()?;
        let last = values.next_back().unwrap_or(first);
        Some((last, first))
    };
    match (range(true), range(false)) {
        (Some((p_low, p_high)), Some((n_low, n_high))) => p_low < n_high && n_low < p_high,
        _ => false,
    }
}

/// One case of a logistic regression on one number.
#[derive(Debug, Clone, Copy)]
pub struct RegressionCase {
    pub x: f64,
    /// From 0 to 1.
    pub target: f64,
    pub weight: f64,
}

fn regression_cases(sample: &Sample, weights: &[f64]) -> impl Iterator<Item = RegressionCase> {
    let cases = sample.logits().iter().zip(sample.positive()).zip(weights);
    cases.map(|((&x, &positive), &weight)| RegressionCase {
        x,
        target: f64::from(u8::from(positive)),
        weight,
    })
}

/// Minus the log-likelihood of a line.
pub fn regression_loss(line: CalibrationLine, cases: impl Iterator<Item = RegressionCase>) -> f64 {
    cases
        .map(|RegressionCase { x, target, weight }| {
            let z = line.intercept + line.slope * x;
            // ln(1 + eᶻ) − t·z without overflow.
            weight * (z.max(0.0) - target * z + (-z.abs()).exp().ln_1p())
        })
        .sum()
}

/// A step of Newton's method: what is to be taken off the line.
#[derive(Debug, Clone, Copy)]
pub struct NewtonStep {
    pub step: CalibrationLine,
    /// The largest component of the gradient.
    pub gradient: f64,
}

/// Gradient divided by curvature; `None` if the curvature is zero.
pub fn newton_step(
    line: CalibrationLine,
    cases: impl Iterator<Item = RegressionCase>,
) -> Option<NewtonStep> {
    let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for RegressionCase { x, target, weight } in cases {
        let p = probability(line.intercept + line.slope * x);
        let miss = weight * (p - target);
        let curve = weight * p * (1.0 - p);
        g0 += miss;
        g1 += miss * x;
        h00 += curve;
        h01 += curve * x;
        h11 += curve * x * x;
    }
    let determinant = h00 * h11 - h01 * h01;
    (determinant > 0.0).then(|| NewtonStep {
        step: CalibrationLine {
            intercept: (h11 * g0 - h01 * g1) / determinant,
            slope: (h00 * g1 - h01 * g0) / determinant,
        },
        gradient: f64::max(g0.abs(), g1.abs()),
    })
}

/// Start of a regression without a better guess: a calibrated score.
impl Default for CalibrationLine {
    fn default() -> Self {
        CalibrationLine {
            intercept: 0.0,
            slope: 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::sample::tests::each_its_own;

    fn line(scores: &[f64], answers: &[bool]) -> Option<CalibrationLine> {
        let sample = each_its_own(scores, answers);
        calibration_line(&sample, &sample.once(), CalibrationLine::default())
    }

    #[test]
    fn bins_are_closed_on_the_right() {
        let sample = each_its_own(&[1.0, 0.1001, 0.1, 0.0], &[true, true, false, false]);
        let bins = reliability(&sample, &sample.once());
        assert_eq!(
            (bins[0].weight, bins[1].weight, bins[9].weight),
            (2.0, 1.0, 1.0)
        );
    }

    #[test]
    fn known_answers() {
        let sample = each_its_own(&[0.9, 0.8, 0.3, 0.2], &[true, false, true, false]);
        let brier = brier(&sample, &sample.once()).unwrap();
        assert!((brier - (0.01 + 0.64 + 0.49 + 0.04) / 4.0).abs() < 1e-12);
        let error = expected_calibration_error(&sample, &sample.once()).unwrap();
        assert!((error - (0.1 + 0.8 + 0.7 + 0.2) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn the_line_is_found_where_it_is_known_exactly() {
        // Two scores, 0.8 and 0.2; half of the high and a quarter of the low are positive, so that
        // logit(1/2) = a + b·ln 4 and logit(1/4) = a − b·ln 4.
        let scores = [0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.2];
        let answers = [true, true, false, false, true, false, false, false];
        let found = line(&scores, &answers).unwrap();
        let third = -(3.0_f64.ln());
        assert!((found.intercept - third / 2.0).abs() < 1e-9, "{found:?}");
        assert!((found.slope + third / (2.0 * 4.0_f64.ln())).abs() < 1e-9);
    }

    #[test]
    fn without_overlap_there_is_no_line() {
        assert_eq!(line(&[0.9, 0.8, 0.2], &[true, true, false]), None);
        assert_eq!(line(&[0.9, 0.8, 0.2], &[false, false, true]), None);
        assert_eq!(
            line(&[0.9, 0.5, 0.5], &[true, true, false]),
            None,
            "they touch"
        );
        assert_eq!(line(&[0.5, 0.5, 0.5], &[true, true, false]), None);
        assert_eq!(line(&[0.9, 0.5], &[true, true]), None);
        assert_eq!(line(&[], &[]), None);
    }
}
