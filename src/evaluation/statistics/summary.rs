//! The mean and the quantiles of numbers, each counted as often as its weight says.

use super::ratio;

/// The mean. `None` where the weights sum to 0.
pub fn weighted_mean(values: &[f64], weights: &[f64]) -> Option<f64> {
    let pairs = values.iter().zip(weights);
    let sum: f64 = pairs.map(|(value, weight)| value * weight).sum();
    ratio(sum, weights.iter().sum())
}

/// The quantile at `share`, from 0 to 1, of values in rising order with whole weights: that of a list in which
/// each value stands as often as its weight, linear between neighbours, as numpy's default. `None` where the
/// weights sum to 0.
pub fn weighted_quantile(rising: &[f64], weights: &[f64], share: f64) -> Option<f64> {
    let count: f64 = weights.iter().sum();
    if count <= 0.0 {
        return None;
    }
    let at = |rank: f64| {
        let mut before = 0.0;
        let mut pairs = rising.iter().zip(weights);
        let found = pairs.find(|(_, weight)| {
            before += **weight;
            rank < before
        });
        found.map(|(value, _)| *value)
    };
    let place = share * (count - 1.0);
    let (low, high) = (at(place.floor())?, at(place.ceil())?);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_counts_weights() {
        assert_eq!(
            weighted_mean(&[1.0, 2.0, 6.0], &[1.0, 0.0, 3.0]),
            Some(4.75)
        );
        assert_eq!(weighted_mean(&[1.0], &[0.0]), None);
        assert_eq!(weighted_mean(&[], &[]), None);
    }

    /// numpy.percentile(numpy.repeat([0.1, 0.4, 0.5, 0.9], [1, 3, 0, 2]), [0, 5, 50, 80, 100]), and the same of
    /// [0.2, 0.6, 0.7, 1.0], each once.
    #[test]
    fn a_quantile_is_numpys() {
        let repeated = [1.0, 3.0, 0.0, 2.0];
        for (values, weights, expected) in [
            ([0.1, 0.4, 0.5, 0.9], repeated, [0.1, 0.175, 0.4, 0.9, 0.9]),
            ([0.2, 0.6, 0.7, 1.0], [1.0; 4], [0.2, 0.26, 0.65, 0.82, 1.0]),
        ] {
            for (share, expected) in [0.0, 0.05, 0.5, 0.8, 1.0].into_iter().zip(expected) {
                let found = weighted_quantile(&values, &weights, share).unwrap();
                assert!((found - expected).abs() < 1e-12, "{share}: {found}");
            }
        }
        assert_eq!(weighted_quantile(&[0.1], &[0.0], 0.5), None);
        assert_eq!(weighted_quantile(&[], &[], 0.5), None);
    }
}
