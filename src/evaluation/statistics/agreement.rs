//! Agreement of two measurements on one scale: mean absolute error, and Pearson's product-moment
//! correlation (Pearson 1895, doi:10.1098/rspl.1895.0041). Of two readers who say yes or no: Cohen's κ
//! (Cohen 1960, doi:10.1177/001316446002000104).

use super::ratio;

/// A predicted value and the readers' value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatingPair {
    pub predicted: f64,
    pub truth: f64,
}

/// The mean absolute error, in the unit of the scale. `None` without a pair.
pub fn mean_absolute_error(pairs: &[RatingPair], weights: &[f64]) -> Option<f64> {
    mean(pairs, weights, |pair| (pair.predicted - pair.truth).abs())
}

/// Pearson's correlation, from −1 to 1. `None` where one of the two does not vary.
pub fn pearson(pairs: &[RatingPair], weights: &[f64]) -> Option<f64> {
    // Counted from one of the cases, equal values are 0 and have a spread of 0. Their mean may lie beside them by a last
    // digit, and that would be a spread, and a correlation.
    let (first, _) = pairs
        .iter()
        .zip(weights)
        .find(|(_, weight)| **weight > 0.0)?;
    let from_first = |pair: &RatingPair| RatingPair {
        predicted: pair.predicted - first.predicted,
        truth: pair.truth - first.truth,
    };
    let pairs: Vec<RatingPair> = pairs.iter().map(from_first).collect();
    let pairs = pairs.as_slice();
    let predicted = mean(pairs, weights, |pair| pair.predicted)?;
    let truth = mean(pairs, weights, |pair| pair.truth)?;
    let moment = |f: fn(f64, f64) -> f64| {
        mean(pairs, weights, |pair| {
            f(pair.predicted - predicted, pair.truth - truth)
        })
    };
    let spread = (moment(|p, _| p * p)? * moment(|_, t| t * t)?).sqrt();
    ratio(moment(|p, t| p * t)?, spread).map(|r| r.clamp(-1.0, 1.0))
}

/// Share of the cases with the same call from both readers. `None` without a case.
pub fn observed_agreement(pairs: &[(bool, bool)], weights: &[f64]) -> Option<f64> {
    share(pairs, weights, |(a, b)| a == b)
}

/// Cohen's κ, from −1 to 1: agreement beyond chance. `None` without a case, and where chance alone
/// would always agree: both readers make one call for every case.
pub fn cohens_kappa(pairs: &[(bool, bool)], weights: &[f64]) -> Option<f64> {
    let observed = observed_agreement(pairs, weights)?;
    let one = share(pairs, weights, |(a, _)| a)?;
    let other = share(pairs, weights, |(_, b)| b)?;
    let chance = one * other + (1.0 - one) * (1.0 - other);
    ratio(observed - chance, 1.0 - chance)
}

fn share(
    pairs: &[(bool, bool)],
    weights: &[f64],
    is_so: impl Fn((bool, bool)) -> bool,
) -> Option<f64> {
    let so = pairs.iter().zip(weights).filter(|(pair, _)| is_so(**pair));
    ratio(so.map(|(_, weight)| weight).sum(), weights.iter().sum())
}

fn mean(pairs: &[RatingPair], weights: &[f64], value: impl Fn(&RatingPair) -> f64) -> Option<f64> {
    let sum: f64 = pairs.iter().zip(weights).map(|(p, w)| w * value(p)).sum();
    ratio(sum, weights.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &[(f64, f64)]) -> Vec<RatingPair> {
        let pair = |&(predicted, truth)| RatingPair { predicted, truth };
        values.iter().map(pair).collect()
    }

    #[test]
    fn known_answers() {
        let pairs = pairs(&[(1.0, 2.0), (2.0, 1.0), (4.0, 4.0), (5.0, 3.0)]);
        assert_eq!(mean_absolute_error(&pairs, &[1.0; 4]), Some(1.0));
        // numpy.corrcoef([1, 2, 4, 5], [2, 1, 4, 3])[0, 1]
        let r = pearson(&pairs, &[1.0; 4]).unwrap();
        assert!((r - 0.7071067811865475).abs() < 1e-12, "{r}");
        let doubled = mean_absolute_error(&pairs, &[2.0, 0.0, 0.0, 1.0]);
        assert_eq!(doubled, Some(4.0 / 3.0));
    }

    /// sklearn.metrics.cohen_kappa_score gives 0.4 for the first, from Wikipedia's example, and 0.13
    /// (0.1304…) for the second.
    #[test]
    fn kappas_are_those_of_the_textbook() {
        let table = |both: usize, first: usize, second: usize, neither: usize| {
            let cells = [
                ((true, true), both),
                ((true, false), first),
                ((false, true), second),
                ((false, false), neither),
            ];
            let all = cells.into_iter();
            all.flat_map(|(pair, n)| vec![pair; n]).collect::<Vec<_>>()
        };
        for (pairs, agreement, kappa) in [
            (table(20, 5, 10, 15), 0.7, 0.4),
            (table(45, 15, 25, 15), 0.6, 0.06 / 0.46),
            (table(25, 35, 5, 35), 0.6, 0.14 / 0.54),
        ] {
            let ones = vec![1.0; pairs.len()];
            assert!((observed_agreement(&pairs, &ones).unwrap() - agreement).abs() < 1e-12);
            assert!((cohens_kappa(&pairs, &ones).unwrap() - kappa).abs() < 1e-12);
        }
        assert_eq!(cohens_kappa(&[(true, true); 3], &[1.0; 3]), None);
        assert_eq!(cohens_kappa(&[], &[]), None);
        assert_eq!(observed_agreement(&[], &[]), None);
    }

    /// The mean of equal numbers may lie beside them by a last digit.
    #[test]
    fn a_constant_has_no_correlation_whatever_its_digits() {
        for constant in [0.1, 0.7, 1e-3, 3.3, 1e9 + 0.1] {
            for count in 2..40 {
                let varies = |at: usize| (at * at % 7) as f64 + 0.1;
                let values: Vec<_> = (0..count).map(|at| (constant, varies(at))).collect();
                let weights: Vec<f64> = (0..count).map(|at| (at % 3) as f64).collect();
                assert_eq!(
                    pearson(&pairs(&values), &vec![1.0; count]),
                    None,
                    "{constant}"
                );
                assert_eq!(pearson(&pairs(&values), &weights), None, "{constant}");
                let turned: Vec<_> = values.iter().map(|(a, b)| (*b, *a)).collect();
                assert_eq!(
                    pearson(&pairs(&turned), &vec![1.0; count]),
                    None,
                    "{constant}"
                );
            }
        }
        // One draw of a bootstrap may have a case several times, and no other.
        let both = pairs(&[(0.1, 3.0), (0.3, 0.7), (0.1, 0.2)]);
        assert_eq!(pearson(&both, &[3.0, 0.0, 2.0]), None);
        assert_eq!(pearson(&both, &[0.0, 7.0, 0.0]), None);
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&pairs(&[(1.0, 2.0), (1.0, 3.0)]), &[1.0; 2]), None);
        assert_eq!(pearson(&[], &[]), None);
        assert_eq!(mean_absolute_error(&[], &[]), None);
    }
}
