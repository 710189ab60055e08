//! Limits of agreement of two measurements on one scale (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8),
//! with the intervals of the bias and of the limits (Bland and Altman 1999, *Measuring agreement in method
//! comparison studies*, doi:10.1177/096228029900800204, section 2.1).

use super::distributions::student_quantile;
use super::{Undefined, Z_95};

/// Differences, first less second, in the unit of the scale. Between the limits lie 95 % of them if they are
/// normally distributed and do not depend on the size of what is measured, which a plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsOfAgreement {
    pub pairs: usize,
    pub bias: f64,
    pub bias_interval: (f64, f64),
    pub standard_deviation: f64,
    pub low: f64,
    pub low_interval: (f64, f64),
    pub high: f64,
    pub high_interval: (f64, f64),
    /// Mean and difference of each pair, for the plot.
    pub points: Vec<(f64, f64)>,
}

/// The mean of the differences, first less second, and their standard deviation. `None` of fewer than two pairs.
pub fn bias_and_deviation(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    if pairs.len() < 2 {
        return None;
    }
    let count = pairs.len() as f64;
    let differences = || pairs.iter().map(|(a, b)| a - b);
    let bias = differences().sum::<f64>() / count;
    let squares: f64 = differences().map(|d| (d - bias).powi(2)).sum();
    Some((bias, (squares / (count - 1.0)).sqrt()))
}

/// From pairs of measurements. The intervals take pairs as independent, one of each patient.
pub fn limits_of_agreement(pairs: &[(f64, f64)]) -> Result<LimitsOfAgreement, Undefined> {
    let Some((bias, deviation)) = bias_and_deviation(pairs) else {
        return Err(if pairs.is_empty() {
            Undefined::NoCase
        } else {
            Undefined::FewCases
        });
    };
    let count = pairs.len() as f64;
    let points: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| ((a + b) / 2.0, a - b)).collect();
    let t = student_quantile(0.975, count - 1.0);
    let around = |middle: f64, error: f64| (middle - t * error, middle + t * error);
    let error = deviation / count.sqrt();
    let limit_error = deviation * (1.0 / count + Z_95 * Z_95 / (2.0 * (count - 1.0))).sqrt();
    let (low, high) = (bias - Z_95 * deviation, bias + Z_95 * deviation);
    Ok(LimitsOfAgreement {
        pairs: pairs.len(),
        bias,
        bias_interval: around(bias, error),
        standard_deviation: deviation,
        low,
        low_interval: around(low, limit_error),
        high,
        high_interval: around(high, limit_error),
        points,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bland and Altman 1986, table: peak flow by the large and the mini Wright meter. They give a bias of −2.1 and a
    /// standard deviation of 38.8 l/min, limits of −79.7 and 75.5 (with 2 in place of 1.96), and for the bias an
    /// interval of −22.0 to 17.8. The interval of the limits here is that of 1999: 38.8 √(1/17 + 1.96²/32) = 16.4 in
    /// place of √(3/17) · 38.8 = 16.3.
    #[test]
    fn known_answers() {
        let large = [
            494.0, 395.0, 516.0, 434.0, 476.0, 557.0, 413.0, 442.0, 650.0, 433.0, 417.0, 656.0,
            267.0, 478.0, 178.0, 423.0, 427.0,
        ];
        let mini = [
            512.0, 430.0, 520.0, 428.0, 500.0, 600.0, 364.0, 380.0, 658.0, 445.0, 432.0, 626.0,
            260.0, 477.0, 259.0, 350.0, 451.0,
        ];
        let pairs: Vec<(f64, f64)> = large.into_iter().zip(mini).collect();
        let found = limits_of_agreement(&pairs).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 0.06, "{found} {expected}")
        };
        near(found.bias, -2.1);
        near(found.standard_deviation, 38.8);
        near(found.bias - 2.0 * found.standard_deviation, -79.7);
        near(found.bias_interval.0, -22.0);
        near(found.bias_interval.1, 17.8);
        let half =
            2.119905 * found.standard_deviation * (1.0_f64 / 17.0 + Z_95 * Z_95 / 32.0).sqrt();
        near(found.low_interval.0, found.low - half);
        near(found.high_interval.1, found.high + half);
        assert_eq!((found.points[0], found.pairs), ((503.0, -18.0), 17));
    }

    #[test]
    fn undefined_limits_have_a_reason() {
        assert_eq!(limits_of_agreement(&[]).unwrap_err(), Undefined::NoCase);
        assert_eq!(
            limits_of_agreement(&[(1.0, 2.0)]).unwrap_err(),
            Undefined::FewCases
        );
        let alike = limits_of_agreement(&[(1.0, 2.0), (3.0, 4.0)]).unwrap();
        assert_eq!((alike.bias, alike.low, alike.high), (-1.0, -1.0, -1.0));
    }
}
