//! Prevalence: the share of images that show a disease, and how a calibrated probability changes with it.
//!
//! A probability is calibrated for the share of positives in the data that it was fitted to. Where only
//! that share differs, the odds change by one factor (Saerens, Latinne & Decaestecker 2002, *Neural
//! Computation* 14:21, eq. 2.4 for two classes):
//!
//! ```text
//! odds' = odds · (π' / (1 − π')) / (π / (1 − π))
//! ```

use std::fmt;
use std::str::FromStr;

/// A share of positives, strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Prevalence(f64);

impl Prevalence {
    /// `None` unless it is strictly between 0 and 1: at the ends no image has to be classified.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Prevalence(share))
    }

    /// Strictly between 0 and 1.
    pub fn share(self) -> f64 {
        self.0
    }

    /// The number to add to log-odds that assume `self`, so that they assume `other`.
    pub fn log_odds_to(self, other: Prevalence) -> f64 {
        log_odds(other.0) - log_odds(self.0)
    }
}

/// ln(p / (1 − p)); infinite at 0 and 1.
pub fn log_odds(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

/// The probability of these log-odds: the logistic sigmoid.
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// `5 %`, `0.05 %`, `99.99 %`: enough decimals for three digits of the distance to the nearer end.
impl fmt::Display for Prevalence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let magnitude = percent.min(100.0 - percent).log10().floor();
        let decimals = (2.0 - magnitude).clamp(1.0, 12.0) as usize;
        let digits = format!("{percent:.decimals$}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{digits} %")
    }
}

/// From `0.05`, `5%` or `5 %`.
impl FromStr for Prevalence {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (text, 1.0),
        };
        let value: f64 = number.parse().map_err(drop)?;
        Prevalence::new(value / unit).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shifted(p: f64, from: f64, to: f64) -> f64 {
        let delta = Prevalence(from).log_odds_to(Prevalence(to));
        probability(log_odds(p) + delta)
    }

    /// By counting: at π = 0.5, p = 0.9 means a likelihood ratio of 9. Of 10,000 images at π = 0.05, 500
    /// are positive and 9,500 negative: 9 · 500 / (9 · 500 + 9,500) = 4,500 / 14,000.
    #[test]
    fn the_shift_follows_bayes_rule() {
        assert!((shifted(0.9, 0.5, 0.05) - 4_500.0 / 14_000.0).abs() < 1e-12);
        // Odds of 1/4 at π = 1/5 carry no evidence: at any other π the probability is that π.
        assert!((shifted(0.2, 0.2, 0.7) - 0.7).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_identity(
            p in 1e-6_f64..0.999_999, a in 1e-6_f64..0.999_999, b in 1e-6_f64..0.999_999,
        ) {
            let back = shifted(shifted(p, a, b), b, a);
            // The precision of 1 − p limits the precision of the result.
            prop_assert!((back - p).abs() < 1e-6, "{back} {p}");
        }

        #[test]
        fn more_prevalence_or_more_probability_is_more(
            p in 0.01_f64..0.98, a in 0.01_f64..0.98, more in 1e-4_f64..0.01,
        ) {
            prop_assert!(shifted(p + more, 0.5, a) > shifted(p, 0.5, a));
            prop_assert!(shifted(p, 0.5, a + more) > shifted(p, 0.5, a));
        }
    }

    #[test]
    fn a_share_is_read_and_written_as_a_number_or_as_per_cent() {
        for (text, share, shown) in [
            ("0.05", 0.05, "5 %"),
            ("5%", 0.05, "5 %"),
            (" 12.5 % ", 0.125, "12.5 %"),
            ("0.0005", 0.0005, "0.05 %"),
            ("99.99%", 0.9999, "99.99 %"),
            ("1e-3", 0.001, "0.1 %"),
        ] {
            let prevalence: Prevalence = text.parse().unwrap();
            assert!((prevalence.share() - share).abs() < 1e-12, "{text}");
            assert_eq!(prevalence.to_string(), shown, "{text}");
        }
        for bad in [
            "0", "1", "0%", "100%", "5", "-0.1", "NaN", "inf", "", "%", "a",
        ] {
            assert!(bad.parse::<Prevalence>().is_err(), "{bad}");
        }
    }
}
