//! From logits to probabilities: Platt scaling for labels that are present or absent, a temperature for the causes, and
//! the sets of split-conformal prediction.
//!
//! - Platt 1999, *Probabilistic outputs for support vector machines*: p = σ(a · logit + b).
//! - Guo et al. 2017 (arXiv:1706.04599): softmax(logits / T).
//! - Vovk 2012 (arXiv:1209.2673), class-conditional (Mondrian) split-conformal sets: an answer is in
//!   the set if its probability is at least the threshold that 90 % of the calibration images with
//!   that answer reach.
//!
//! [`prevalence`](crate::domain::prevalence) moves a probability to another prevalence.

use crate::domain::prevalence::probability;
use crate::domain::{Calibrated, Calibration, ConformalThresholds, PresenceSet};

/// A calibrated probability, and the log-odds that it comes from.
pub fn platt(calibration: &Calibration, logit: f32) -> (f32, Calibrated) {
    let log_odds = calibration.slope * f64::from(logit) + calibration.intercept;
    let calibrated = Calibrated {
        log_odds,
        prevalence: calibration.prevalence,
    };
    (probability(log_odds) as f32, calibrated)
}

/// A raw score, which is not a probability.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// torchxrayvision's `models.op_norm`: a sigmoid `p` on a scale whose middle is `threshold`, which
/// lies between 0 and 1. The result is not a probability.
pub fn op_normalised(p: f32, threshold: f32) -> f32 {
    if p < threshold {
        p / (threshold * 2.0)
    } else {
        // NaN stays NaN.
        1.0 - (1.0 - p) / ((1.0 - threshold) * 2.0)
    }
}

/// softmax(logits / temperature). A NaN among the logits makes NaN.
pub fn softmax(logits: impl Iterator<Item = f32> + Clone, temperature: f64) -> Vec<f32> {
    let scaled = logits.map(|x| f64::from(x) / temperature);
    let max = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
    let exp: Vec<f64> = scaled.map(|x| (x - max).exp()).collect();
    let sum: f64 = exp.iter().sum();
    // Rounding may put a single cause slightly above 1. `min` would turn NaN into 1.
    let share = |e: f64| if e > sum { 1.0 } else { e / sum };
    exp.into_iter().map(|e| share(e) as f32).collect()
}

/// The conformal set of a label that is present or absent; `p` at the card's own prevalence.
pub fn presence_set(thresholds: &ConformalThresholds, p: f32) -> PresenceSet {
    let holds_absent = thresholds.absent.is_some_and(|least| 1.0 - p >= least);
    PresenceSet::new(p >= thresholds.present, holds_absent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Prevalence;

    fn calibration(slope: f64, intercept: f64) -> Calibration {
        Calibration {
            slope,
            intercept,
            prevalence: Prevalence::new(0.5).unwrap(),
        }
    }

    /// `1 / (1 + np.exp(-(0.81 * x - 0.3)))` for x in (-3, 0, 1.5, 20)
    #[test]
    fn platt_scaling_as_numpy_has_it() {
        for (logit, expected) in [
            (-3.0, 0.061_226),
            (0.0, 0.425_557),
            (1.5, 0.714_022),
            (20.0, 0.999_999_9),
        ] {
            let (p, calibrated) = platt(&calibration(0.81, -0.3), logit);
            assert!((p - expected).abs() < 1e-6, "{logit}: {p}");
            assert!((calibrated.log_odds - (0.81 * f64::from(logit) - 0.3)).abs() < 1e-6);
        }
    }

    /// `z = np.array([3, 1, -2]) / 1.7; np.exp(z) / np.exp(z).sum()`
    #[test]
    fn a_temperature_flattens_as_numpy_has_it() {
        let shares = softmax([3.0, 1.0, -2.0].into_iter(), 1.7);
        for (share, expected) in shares.iter().zip([0.734_663, 0.226_544, 0.038_793]) {
            assert!((share - expected).abs() < 2e-6, "{shares:?}");
        }
    }

    proptest! {
        #[test]
        fn platt_keeps_the_order(slope in 0.01_f64..10.0, intercept in -5.0_f64..5.0, a in -8.0_f32..8.0, b in -8.0_f32..8.0) {
            let p = |logit| platt(&calibration(slope, intercept), logit).0;
            prop_assert_eq!(a <= b, p(a) <= p(b) && (a <= b));
        }

        #[test]
        fn a_temperature_keeps_the_order_and_the_sum(t in 0.05_f64..20.0, a in -9.0_f32..9.0, b in -9.0_f32..9.0, c in -9.0_f32..9.0) {
            let plain = softmax([a, b, c].into_iter(), 1.0);
            let scaled = softmax([a, b, c].into_iter(), t);
            prop_assert!((scaled.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            for i in 0..3 {
                for j in 0..3 {
                    if plain[i] > plain[j] {
                        prop_assert!(scaled[i] >= scaled[j]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_nan_among_the_causes_makes_nan_of_all() {
        let causes = softmax([0.0, f32::NAN, 1.0].into_iter(), 1.0);
        assert!(causes.iter().all(|share| share.is_nan()), "{causes:?}");
        assert_eq!(softmax([3.0].into_iter(), 1.0), [1.0]);
    }

    #[test]
    fn a_set_holds_the_answers_that_reach_their_threshold() {
        let thresholds = ConformalThresholds {
            present: 0.25,
            absent: Some(0.125),
        };
        for (p, set) in [
            (0.2, PresenceSet::Absent),
            (0.25, PresenceSet::Either),
            (0.875, PresenceSet::Either),
            (0.9, PresenceSet::Present),
        ] {
            assert_eq!(presence_set(&thresholds, p), set, "{p}");
        }
        let apart = ConformalThresholds {
            present: 0.75,
            absent: Some(0.75),
        };
        assert_eq!(presence_set(&apart, 0.5), PresenceSet::Neither);
    }

    /// Numbers from 0 to 1 that look random and are the same each time (Knuth's MMIX generator).
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// p of images of one class: more often high if they are ill, never cleanly apart.
    fn probabilities(ill: bool, n: usize, random: &mut impl FnMut() -> f64) -> Vec<f32> {
        let one = |random: &mut dyn FnMut() -> f64| {
            let spread: f64 = (0..4).map(|_| random()).sum::<f64>() - 2.0;
            probability(spread * 2.0 + if ill { 0.7 } else { -0.7 }) as f32
        };
        (0..n).map(|_| one(random)).collect()
    }

    /// The rule that makes a threshold: of n calibration images of a class, the ⌊(n + 1) / 10⌋-th
    /// smallest probability of the right answer.
    fn threshold(mut right: Vec<f32>) -> f32 {
        right.sort_by(f32::total_cmp);
        right[(right.len() + 1) / 10 - 1]
    }

    #[test]
    fn sets_hold_the_right_answer_in_90_percent_of_each_class() {
        let (mut held, mut draws) = ([0, 0], 0);
        for seed in 0..200 {
            let random = &mut noise(seed);
            let absent = probabilities(false, 99, random);
            let thresholds = ConformalThresholds {
                present: threshold(probabilities(true, 99, random)),
                absent: Some(threshold(absent.iter().map(|p| 1.0 - p).collect())),
            };
            draws += 100;
            for (class, ill) in [(0, false), (1, true)] {
                let right = if ill {
                    PresenceSet::Present
                } else {
                    PresenceSet::Absent
                };
                held[class] += probabilities(ill, 100, random)
                    .into_iter()
                    .map(|p| presence_set(&thresholds, p))
                    .filter(|set| *set == right || *set == PresenceSet::Either)
                    .count();
            }
        }
        for count in held {
            let share = count as f64 / f64::from(draws);
            // 0.9 exactly in expectation for n = 99; the spread over 200 draws is 0.003.
            assert!((0.89..0.915).contains(&share), "{held:?} of {draws}");
        }
    }
}
