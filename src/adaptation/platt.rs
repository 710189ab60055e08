//! Platt scaling (Platt 1999, *Probabilistic outputs for support vector machines*): logistic regression of the
//! class on one number. The targets are (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2) instead of 1 and 0, so that a
//! solution exists even where the number separates the classes completely. Newton's method with step halving
//! (Lin, Lin and Weng 2007, doi:10.1007/s10994-007-5018-6).

use crate::evaluation::statistics::{
    CalibrationLine, NewtonStep, RegressionCase, newton_step, regression_loss,
};

/// The most Newton steps.
const STEPS: usize = 200;
/// A gradient this small, for each case, ends the search.
const CLOSE: f64 = 1e-12;

/// `logit P(positive) = intercept + slope · logit`. `None` if all logits are equal, or a class is missing.
pub fn platt(logits: &[f64], positive: &[bool]) -> Option<CalibrationLine> {
    let n = logits.len() as f64;
    let positives = positive.iter().filter(|&&positive| positive).count() as f64;
    let first = logits.first()?;
    if positives == 0.0 || positives == n || logits.iter().all(|logit| logit == first) {
        return None;
    }
    let [yes, no] = [
        (positives + 1.0) / (positives + 2.0),
        1.0 / (n - positives + 2.0),
    ];
    let cases: Vec<RegressionCase> = logits
        .iter()
        .zip(positive)
        .map(|(&x, &positive)| RegressionCase {
            x,
            target: if positive { yes } else { no },
            weight: 1.0,
        })
        .collect();
    let mut line = CalibrationLine {
        slope: 0.0,
        intercept: ((positives + 1.0) / (n - positives + 1.0)).ln(),
    };
    for _ in 0..STEPS {
        let NewtonStep { step, gradient } = newton_step(line, cases.iter().copied())?;
        if gradient < CLOSE * n {
            break;
        }
        line = shortened(line, step, &cases)?;
    }
    (line.slope.is_finite() && line.intercept.is_finite()).then_some(line)
}

/// The line after the longest of the halved steps that lowers the loss. The same line where none does, since
/// the loss is then as low as rounding permits.
fn shortened(
    line: CalibrationLine,
    step: CalibrationLine,
    cases: &[RegressionCase],
) -> Option<CalibrationLine> {
    let loss = |line| regression_loss(line, cases.iter().copied());
    let before = loss(line);
    let mut share = 1.0;
    while share > 1e-12 {
        let next = CalibrationLine {
            slope: line.slope - share * step.slope,
            intercept: line.intercept - share * step.intercept,
        };
        if loss(next) <= before {
            return Some(next);
        }
        share /= 2.0;
    }
    before.is_finite().then_some(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::prevalence::probability;

    #[test]
    fn without_a_class_or_a_difference_there_is_no_line() {
        assert_eq!(platt(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(platt(&[1.0, 1.0], &[true, false]), None);
        assert_eq!(platt(&[], &[]), None);
    }

    proptest! {
        /// A linear change of the logits does not change the probabilities.
        #[test]
        fn the_unit_of_the_logit_does_not_matter(
            cases in prop::collection::vec((-3.0_f64..3.0, any::<bool>()), 6..40), unit in 0.1_f64..10.0, shift in -5.0_f64..5.0,
        ) {
            let logits: Vec<f64> = cases.iter().map(|case| case.0).collect();
            let positive: Vec<bool> = cases.iter().map(|case| case.1).collect();
            let moved: Vec<f64> = logits.iter().map(|x| x * unit + shift).collect();
            let Some(line) = platt(&logits, &positive) else {
                return Ok(());
            };
            let other = platt(&moved, &positive).unwrap();
            for (x, y) in logits.iter().zip(&moved) {
                let (a, b) = (line.intercept + line.slope * x, other.intercept + other.slope * y);
                prop_assert!((probability(a) - probability(b)).abs() < 1e-6, "{a} {b}");
            }
        }
    }
}
