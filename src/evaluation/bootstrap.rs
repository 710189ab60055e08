//! Percentile intervals by drawing patients with replacement, each with all of their images (Efron
//! and Tibshirani 1993, *An Introduction to the Bootstrap*; clusters as in Field and Welsh 2007,
//! doi:10.1111/j.1467-9868.2007.00593.x).
//!
//! A draw is not a new sample but a weight for each case: how often its patient was drawn. So the
//! cases are sorted once, and every statistic of a draw is a pass over them.

use super::random::SplitMix64;

/// Number of draws.
pub const DRAWS: usize = 2000;
/// Seed of the draws, fixed so that a report is the same each time.
pub const SEED: u64 = 7;
/// Share of the draws that must have a value; fewer say too little.
const DEFINED: f64 = 0.9;
/// Draws that differ by no more, as a share of the value or of 1, are alike: the sums of a draw are rounded.
const ROUNDING: f64 = 1e-12;
/// Between the percentiles 2.5 and 97.5 lie 95 % of the draws.
const TAILS: [f64; 2] = [0.025, 0.975];

/// Calls `statistics` with the weights of each draw, and gives the interval of each of its values:
/// `None` where fewer than nine draws in ten have one, or where all are alike.
///
/// `owner` gives the patient of each case, below `patients`; `statistics` gives `count` values.
pub fn intervals(
    owner: &[usize],
    patients: usize,
    count: usize,
    mut statistics: impl FnMut(&[f64]) -> Vec<Option<f64>>,
) -> Vec<Option<(f64, f64)>> {
    let mut random = SplitMix64::new(SEED);
    let mut values = vec![Vec::with_capacity(DRAWS); count];
    let mut weights = vec![0.0; owner.len()];
    // A single patient has but one draw.
    let draws = if patients > 1 { DRAWS } else { 0 };
    for _ in 0..draws {
        let mut times = vec![0_u32; patients];
        for _ in 0..patients {
            times[random.below(patients)] += 1;
        }
        for (weight, &patient) in weights.iter_mut().zip(owner) {
            *weight = f64::from(times[patient]);
        }
        for (values, value) in values.iter_mut().zip(statistics(&weights)) {
            values.extend(value);
        }
    }
    values.into_iter().map(percentiles).collect()
}

/// The interval of a calibration error, from the percentiles of its draws. A draw has chance added to the chance of its
/// sample, and chance makes the error larger: so the draws lie too high, by as much as the value itself. The percentiles
/// are reflected at the value, as the basic interval of Davison and Hinkley 1997, *Bootstrap Methods and their
/// Application*, 5.2.1. It ends at 0, and holds the value even where all draws lie above it.
pub fn reflected(value: f64, (low, high): (f64, f64)) -> (f64, f64) {
    let reflected = |percentile: f64| (2.0 * value - percentile).max(0.0);
    (reflected(high).min(value), reflected(low).max(value))
}

fn percentiles(mut values: Vec<f64>) -> Option<(f64, f64)> {
    if (values.len() as f64) < DEFINED * DRAWS as f64 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let [low, high] = TAILS.map(|tail| quantile(&values, tail));
    let (least, most) = (*values.first()?, *values.last()?);
    let scale = least.abs().max(most.abs()).max(1.0);
    (most - least > ROUNDING * scale).then_some((low, high))
}

/// Linear between neighbours, as numpy's default. `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weighted mean of the numbers 0 to n − 1.
    fn mean(weights: &[f64]) -> Vec<Option<f64>> {
        let sum: f64 = weights.iter().enumerate().map(|(n, w)| n as f64 * w).sum();
        vec![Some(sum / weights.iter().sum::<f64>())]
    }

    fn each_its_own(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    #[test]
    fn a_quantile_is_numpys() {
        // numpy.percentile([1, 2, 3, 10], [2.5, 50, 97.5])
        let values = [1.0, 2.0, 3.0, 10.0];
        for (share, expected) in [(0.025, 1.075), (0.5, 2.5), (0.975, 9.475)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-12);
        }
    }

    /// For the mean of 400 equal steps the interval is known: ± 1.96 · σ/√n around 199.5.
    #[test]
    fn the_interval_of_a_mean_is_that_of_the_textbook() {
        let half = 1.96 * ((400.0_f64.powi(2) - 1.0) / 12.0 / 400.0).sqrt();
        let (low, high) = intervals(&each_its_own(400), 400, 1, mean)[0].unwrap();
        assert!((low - (199.5 - half)).abs() < 1.2, "{low}");
        assert!((high - (199.5 + half)).abs() < 1.2, "{high}");
    }

    #[test]
    fn images_of_one_patient_come_together() {
        // Ten patients with forty images each know less than 400 with one.
        let clustered: Vec<usize> = (0..400).map(|n| n / 40).collect();
        let (low, high) = intervals(&clustered, 10, 1, mean)[0].unwrap();
        let (l, h) = intervals(&each_its_own(400), 400, 1, mean)[0].unwrap();
        assert!(high - low > 4.0 * (h - l), "{low} {high}, {l} {h}");
        intervals(&clustered, 10, 1, |weights| {
            for images in weights.chunks(40) {
                assert!(images.iter().all(|w| w == &images[0]));
            }
            assert_eq!(weights.iter().sum::<f64>(), 400.0);
            vec![None]
        });
    }

    #[test]
    fn an_interval_that_is_reflected_holds_its_value_and_ends_at_0() {
        let near = |found: (f64, f64), expected: (f64, f64)| {
            let distance = (found.0 - expected.0).abs() + (found.1 - expected.1).abs();
            assert!(distance < 1e-12, "{found:?} {expected:?}");
        };
        near(reflected(0.3, (0.28, 0.4)), (0.2, 0.32));
        near(reflected(0.072, (0.057, 0.137)), (0.007, 0.087));
        near(reflected(0.048, (0.05, 0.121)), (0.0, 0.048));
    }

    #[test]
    fn it_is_the_same_each_time() {
        let once = intervals(&each_its_own(30), 30, 1, mean);
        assert_eq!(once, intervals(&each_its_own(30), 30, 1, mean));
    }

    #[test]
    fn draws_that_are_undefined_or_all_alike_give_no_interval() {
        let mut draw = 0;
        let found = intervals(&each_its_own(30), 30, 4, |weights| {
            draw += 1;
            let often = (draw % 20 != 0).then_some(mean(weights)[0].unwrap());
            let seldom = (draw % 5 != 0).then_some(mean(weights)[0].unwrap());
            vec![often, seldom, Some(1.0), None]
        });
        // A constant whose mean is off by a last digit in some draws, and a difference of two such.
        let constants = intervals(&each_its_own(30), 30, 2, |weights| {
            let whole: f64 = weights.iter().sum();
            let of = |value: f64| weights.iter().map(|weight| weight * value).sum::<f64>() / whole;
            vec![Some(of(0.1)), Some(of(0.7) - of(0.6) - of(0.1))]
        });
        assert_eq!(constants, [None, None]);
        let defined: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(defined, [true, false, false, false]);
        assert_eq!(intervals(&[0, 0], 1, 1, mean), [None]);
        assert_eq!(intervals(&[], 0, 1, mean), [None]);
    }
}
