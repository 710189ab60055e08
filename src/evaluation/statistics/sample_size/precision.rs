//! How many cases make one sensitivity or specificity precise enough: the half width of the 95 % interval that the
//! study will show if the share comes out as expected.
//!
//! Intervals: Wilson 1927 (doi:10.1080/01621459.1927.10502953); Clopper and Pearson 1934 (doi:10.1093/biomet/26.4.404).

use crate::evaluation::statistics::distributions::beta_quantile;
use crate::evaluation::statistics::{Undefined, wilson};

/// Above this no study is planned.
const MOST_CASES: usize = 10_000_000;

/// The interval of a proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProportionInterval {
    Wilson,
    /// Exact, and wider.
    ClopperPearson,
}

/// Half of the width of the interval where `share` of `cases` are found; the part found need not be whole. `None`
/// without a case, or for a share that is none.
pub fn expected_half_width(share: f64, cases: usize, interval: ProportionInterval) -> Option<f64> {
    if !(0.0..=1.0).contains(&share) || cases == 0 {
        return None;
    }
    let n = cases as f64;
    let part = share * n;
    let (low, high) = match interval {
        ProportionInterval::Wilson => wilson(part, n)?,
        ProportionInterval::ClopperPearson => {
            let low = if part > 0.0 {
                beta_quantile(0.025, part, n - part + 1.0)
            } else {
                0.0
            };
            let high = if part < n {
                beta_quantile(0.975, part + 1.0, n - part)
            } else {
                1.0
            };
            (low, high)
        }
    };
    Some((high - low) / 2.0)
}

/// The fewest cases of the class whose interval is no wider than `half_width` on average of both sides.
pub fn cases_for_half_width(
    share: f64,
    half_width: f64,
    interval: ProportionInterval,
) -> Result<usize, Undefined> {
    if !(0.0..=1.0).contains(&share) || half_width.is_nan() || half_width <= 0.0 {
        return Err(Undefined::OutOfRange);
    }
    // The width falls with the number of cases.
    let reaches = |cases: usize| {
        expected_half_width(share, cases, interval).is_some_and(|half| half <= half_width)
    };
    let (mut low, mut high) = (0, 1);
    while !reaches(high) {
        low = high;
        high *= 2;
        if high > MOST_CASES {
            return Err(Undefined::NoSize);
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if reaches(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share, cases, and half width of both intervals.
    const WIDTHS: [(f64, usize, f64, f64); 5] = [
        (0.9, 100, 0.059568262222119195, 0.06360895425926838),
        (0.9, 37, 0.09940173168282163, 0.10888505218556999),
        (1.0, 50, 0.035673799566679376, 0.03556086823209881),
        (0.0, 20, 0.0805625790264097, 0.08421673549154265),
        (0.73, 1000, 0.027477786835218843, 0.02798644368872616),
    ];
    /// Share, half width, and cases for both intervals.
    const CASES: [(f64, f64, usize, usize); 4] = [
        (0.9, 0.05, 141, 158),
        (0.8, 0.1, 60, 70),
        (1.0, 0.05, 35, 36),
        (0.95, 0.02, 469, 508),
    ];

    /// statsmodels 0.15's `proportion_confint(method="wilson")` and SciPy 1.17.1's `beta.ppf`.
    #[test]
    fn known_answers() {
        for (share, cases, wilson, clopper) in WIDTHS {
            let half = |interval| expected_half_width(share, cases, interval).unwrap();
            assert!((half(ProportionInterval::Wilson) - wilson).abs() < 1e-10);
            assert!((half(ProportionInterval::ClopperPearson) - clopper).abs() < 1e-8);
        }
        for (share, half_width, wilson, clopper) in CASES {
            let cases = |interval| cases_for_half_width(share, half_width, interval).unwrap();
            assert_eq!(cases(ProportionInterval::Wilson), wilson);
            assert_eq!(cases(ProportionInterval::ClopperPearson), clopper);
        }
    }

    #[test]
    fn what_is_no_share_has_no_size() {
        let cases = |share, half| cases_for_half_width(share, half, ProportionInterval::Wilson);
        assert_eq!(cases(1.2, 0.05).unwrap_err(), Undefined::OutOfRange);
        assert_eq!(cases(0.9, 0.0).unwrap_err(), Undefined::OutOfRange);
        assert_eq!(cases(0.9, f64::NAN).unwrap_err(), Undefined::OutOfRange);
        assert_eq!(cases(0.5, 1e-9).unwrap_err(), Undefined::NoSize);
        assert_eq!(
            expected_half_width(0.9, 0, ProportionInterval::Wilson),
            None
        );
        assert_eq!(
            expected_half_width(f64::NAN, 5, ProportionInterval::Wilson),
            None
        );
    }
}
