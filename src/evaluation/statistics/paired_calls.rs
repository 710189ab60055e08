//! Two binary calls of the same images: whether one says yes more often than the other.
//!
//! - McNemar's test, exact and mid-p: McNemar 1947 (doi:10.1007/BF02295996); Fagerland, Lydersen and Laake 2013
//!   (doi:10.1186/1471-2288-13-91), who recommend the mid-p test.
//! - The interval of the difference: Newcombe 1998 (doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C),
//!   method 10.
//! - Images of one patient are not independent: Obuchowski 1998, *On the comparison of correlated proportions for
//!   clustered data*, Statistics in Medicine 17:1495
//!   (doi:10.1002/(SICI)1097-0258(19980715)17:13<1495::AID-SIM863>3.0.CO;2-I).

use std::collections::HashMap;

use super::distributions::{binomial_cdf, binomial_probability, normal_two_sided};
use super::{Undefined, Z_95, wilson};

/// What rounding leaves of a variance, as a share of it.
const ROUNDING: f64 = 1e-14;

/// How often the two calls were what. All images together are `images()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairedCounts {
    pub both: usize,
    pub first_only: usize,
    pub second_only: usize,
    pub neither: usize,
}

impl PairedCounts {
    /// From (first, second) of each image.
    pub fn of(calls: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = PairedCounts::default();
        for call in calls {
            *match call {
                (true, true) => &mut counts.both,
                (true, false) => &mut counts.first_only,
                (false, true) => &mut counts.second_only,
                (false, false) => &mut counts.neither,
            } += 1;
        }
        counts
    }

    pub fn images(&self) -> usize {
        self.both + self.first_only + self.second_only + self.neither
    }
}

/// McNemar's test of independent images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Share of yes of the first call less that of the second, and its 95 % interval.
    pub difference: f64,
    pub interval: (f64, f64),
    /// Two-sided.
    pub exact_p: f64,
    pub mid_p: f64,
}

/// The test; undefined where no pair differs.
pub fn mcnemar(counts: PairedCounts) -> Result<McNemar, Undefined> {
    let different = counts.first_only + counts.second_only;
    if counts.images() == 0 {
        return Err(Undefined::NoCase);
    }
    if different == 0 {
        return Err(Undefined::NoDifference);
    }
    let fewer = counts.first_only.min(counts.second_only);
    let at = binomial_probability(fewer, different, 0.5);
    let is_even = counts.first_only == counts.second_only;
    let exact_p = if is_even {
        1.0
    } else {
        (2.0 * binomial_cdf(fewer, different, 0.5)).min(1.0)
    };
    let n = counts.images() as f64;
    Ok(McNemar {
        difference: (counts.first_only as f64 - counts.second_only as f64) / n,
        interval: newcombe(counts),
        exact_p,
        mid_p: exact_p - if is_even { at / 2.0 } else { at },
    })
}

/// Newcombe's method 10: Wilson's bounds of both shares, and their correlation.
fn newcombe(counts: PairedCounts) -> (f64, f64) {
    let n = counts.images() as f64;
    let [a, b, c, d] = [
        counts.both,
        counts.first_only,
        counts.second_only,
        counts.neither,
    ]
    .map(|count| count as f64);
    let (first, second) = (a + b, a + c);
    let difference = (b - c) / n;
    let bounds = |part: f64| wilson(part, n).unwrap_or((0.0, 1.0));
    let ((l1, u1), (l2, u2)) = (bounds(first), bounds(second));
    let (p1, p2) = (first / n, second / n);
    let whole = first * (c + d) * second * (b + d);
    let product = a * d - b * c;
    let phi = match whole > 0.0 {
        true if product > n / 2.0 => (product - n / 2.0) / whole.sqrt(),
        true if product >= 0.0 => 0.0,
        true => product / whole.sqrt(),
        false => 0.0,
    };
    let half = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
    (
        difference - half(p1 - l1, u2 - p2),
        difference + half(u1 - p1, p2 - l2),
    )
}

/// Obuchowski's test of images that may be of one patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredComparison {
    pub images: usize,
    pub patients: usize,
    /// Share of yes of the first call less that of the second, and its 95 % interval (normal).
    pub difference: f64,
    pub interval: (f64, f64),
    /// χ² with one degree of freedom, of the variance where both shares are one.
    pub statistic: f64,
    pub p: f64,
}

/// From patient, first and second call of each image.
pub fn clustered_comparison<'a>(
    calls: impl IntoIterator<Item = (&'a str, bool, bool)>,
) -> Result<ClusteredComparison, Undefined> {
    let mut patients: HashMap<&str, (f64, f64)> = HashMap::new();
    let mut images = 0;
    for (patient, first, second) in calls {
        let own = patients.entry(patient).or_default();
        own.0 += f64::from(u8::from(first)) - f64::from(u8::from(second));
        own.1 += 1.0;
        images += 1;
    }
    let (count, n) = (patients.len() as f64, images as f64);
    match patients.len() {
        0 => return Err(Undefined::NoCase),
        1 => return Err(Undefined::OnePatient),
        _ => {}
    }
    // Sums in one order, so that the last digits are the same each time.
    let mut own: Vec<(f64, f64)> = patients.into_values().collect();
    own.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let difference = own.iter().map(|patient| patient.0).sum::<f64>() / n;
    let variance = |expected: f64| {
        let squares = own
            .iter()
            .map(|(sum, images)| (sum - images * expected).powi(2));
        count / (count - 1.0) * squares.sum::<f64>() / (n * n)
    };
    let null = variance(0.0);
    if null == 0.0 {
        return Err(Undefined::NoDifference);
    }
    let own_variance = variance(difference);
    // Every patient changed alike, but for rounding.
    if own_variance < ROUNDING * null {
        return Err(Undefined::NoVariance);
    }
    let half = Z_95 * own_variance.sqrt();
    let statistic = difference * difference / null;
    Ok(ClusteredComparison {
        images,
        patients: own.len(),
        difference,
        interval: (difference - half, difference + half),
        statistic,
        p: normal_two_sided(statistic.sqrt()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(both: usize, first_only: usize, second_only: usize, neither: usize) -> PairedCounts {
        PairedCounts {
            both,
            first_only,
            second_only,
            neither,
        }
    }

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs().max(1e-3),
            "{found} {expected}"
        );
    }

    /// Fagerland, Lydersen and Laake 2013: airway hyper-responsiveness (1, 1, 7, 12): exact 0.0703, mid-p 0.0391; and
    /// complications (59, 6, 16, 80): 0.0525, 0.0347. The further digits are sums of binomial probabilities.
    #[test]
    fn known_answers_of_mcnemar() {
        let found = mcnemar(counts(1, 1, 7, 12)).unwrap();
        close(found.exact_p, 18.0 / 256.0);
        close(found.mid_p, 10.0 / 256.0);
        close(found.difference, -6.0 / 21.0);
        let found = mcnemar(counts(59, 6, 16, 80)).unwrap();
        assert!((found.exact_p - 0.0525).abs() < 5e-5 && (found.mid_p - 0.0347).abs() < 5e-5);
        // P(X = 2) of four is 6/16.
        let even = mcnemar(counts(5, 2, 2, 5)).unwrap();
        close(even.exact_p, 1.0);
        close(even.mid_p, 1.0 - 3.0 / 16.0);
    }

    /// The formulas of Newcombe's method 10 in Python, for tables of the kinds that he compares.
    #[test]
    fn the_interval_is_newcombes() {
        for (table, low, high) in [
            (counts(36, 12, 2, 0), 0.0569295840032388, 0.3404276029749407),
            (
                counts(36, 14, 0, 0),
                0.1528395178558574,
                0.41665123695956563,
            ),
            (
                counts(43, 0, 0, 7),
                -0.06376407110523082,
                0.06376407110523082,
            ),
            (
                counts(0, 0, 1, 49),
                -0.10495443589637815,
                0.05322182657801247,
            ),
            (
                counts(59, 6, 16, 80),
                -0.1186211956387099,
                -0.00462511393305004,
            ),
        ] {
            let found = newcombe(table);
            close(found.0, low);
            close(found.1, high);
        }
    }

    /// Every patient changed alike. The difference has no spread to make an interval of, and one of no width would say that
    /// it is known for certain.
    #[test]
    fn a_change_of_all_patients_alike_has_no_interval() {
        let both = [("a", true, false), ("b", true, false), ("c", true, false)];
        assert_eq!(clustered_comparison(both), Err(Undefined::NoVariance));
        let half = [("a", true, false), ("a", true, true), ("a", true, true)];
        let half =
            half.into_iter()
                .chain([("b", true, false), ("b", true, true), ("b", true, true)]);
        assert_eq!(clustered_comparison(half), Err(Undefined::NoVariance));
    }

    #[test]
    fn undefined_tests_have_a_reason() {
        assert_eq!(
            mcnemar(counts(3, 0, 0, 4)).unwrap_err(),
            Undefined::NoDifference
        );
        assert_eq!(mcnemar(counts(0, 0, 0, 0)).unwrap_err(), Undefined::NoCase);
        assert_eq!(clustered_comparison([]).unwrap_err(), Undefined::NoCase);
        assert_eq!(
            clustered_comparison([("a", true, false); 3]).unwrap_err(),
            Undefined::OnePatient
        );
        let alike = [("a", true, true), ("b", false, false)];
        assert_eq!(
            clustered_comparison(alike).unwrap_err(),
            Undefined::NoDifference
        );
    }

    /// The statistic is (K − 1)/K · (Σ(b − c))² / Σ(b − c)² over patients, with b and c their discordant pairs (Yang,
    /// Sun and Hardin 2010, doi:10.1002/bimj.201000035); with one image a patient it is McNemar's χ² times (n − 1)/n.
    #[test]
    fn known_answers_of_the_clustered_test() {
        let calls = [
            ("a", true, false),
            ("a", true, false),
            ("a", true, true),
            ("b", false, true),
            ("b", true, false),
            ("c", true, false),
            ("c", false, false),
            ("d", true, true),
            ("e", true, false),
            ("e", true, false),
        ];
        let found = clustered_comparison(calls).unwrap();
        // b − c by patient: 2, 0, 1, 0, 2.
        close(found.statistic, 4.0 / 5.0 * 25.0 / 9.0);
        close(found.p, 0.13603712811414337);
        close(found.difference, 0.5);
        assert_eq!((found.images, found.patients), (10, 5));
        let names: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let independent = names
            .iter()
            .enumerate()
            .map(|(n, name)| (name.as_str(), n < 14, !(4..14).contains(&n) && n < 17));
        let found = clustered_comparison(independent).unwrap();
        close(found.statistic, 29.0 / 30.0 * 49.0 / 13.0);
    }
}
