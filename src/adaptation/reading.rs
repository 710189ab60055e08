//! From a label's logit to its probability, its two operating points and the thresholds of its conformal
//! sets. The logits must come from a fit that has not seen the cases.

use std::collections::BTreeSet;

use super::platt::platt;
use super::{Count, ENOUGH_IMAGES};
use crate::domain::prevalence::probability;
use crate::domain::{Calibration, ConformalThresholds, Prevalence};
use crate::evaluation::statistics::beta_interval;

/// The sensitivity of the sensitive point.
const SENSITIVITY: f64 = 0.9;
/// One case in this number may lie outside the set of its own class.
const OUTSIDE: usize = 10;

/// The calibration and the thresholds of a label, for its card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CardReading {
    /// A slope of 0 or less is possible, and is not accepted by a card.
    pub calibration: Calibration,
    /// On the scale of the calibrated probability.
    pub points: ScorePoints,
}

/// The thresholds of a label, for its card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScorePoints {
    /// The balanced operating point.
    pub balanced: f32,
    /// The sensitive operating point, never above the balanced one.
    pub sensitive: f32,
    /// Number of positive cases at or above the sensitive point.
    pub found: usize,
    /// Of the sets of present and absent.
    pub conformal: ConformalThresholds,
}

impl CardReading {
    /// `sources` holds the source of each case, or is empty. `None` if all logits are equal, or a class is
    /// missing.
    pub fn fit(logits: &[f64], positive: &[bool], sources: &[&str]) -> Option<Self> {
        let line = platt(logits, positive)?;
        let positives = positive.iter().filter(|&&positive| positive).count();
        let calibration = Calibration {
            slope: line.slope,
            intercept: line.intercept,
            prevalence: Prevalence::new(positives as f64 / positive.len() as f64)?,
        };
        let scores = logits.iter().map(|&logit| shown(&calibration, logit));
        let scores: Vec<f32> = scores.collect();
        Some(CardReading {
            calibration,
            points: ScorePoints::fix(&scores, positive, sources)?,
        })
    }

    /// The probability that the model shows for a logit.
    pub fn probability(&self, logit: f64) -> f32 {
        shown(&self.calibration, logit)
    }
}

impl ScorePoints {
    /// The thresholds for these scores. `sources` holds the source of each case, or is empty. `None` if a class is
    /// missing.
    pub fn fix(scores: &[f32], positive: &[bool], sources: &[&str]) -> Option<Self> {
        let positives = positive.iter().filter(|&&positive| positive).count();
        if positives == positive.len() {
            return None;
        }
        let mut cases: Vec<(f32, bool)> = scores
            .iter()
            .copied()
            .zip(positive.iter().copied())
            .collect();
        let positives_by_source: Vec<(f32, &str)> = cases
            .iter()
            .enumerate()
            .filter(|(_, case)| case.1)
            .map(|(at, case)| (case.0, sources.get(at).copied().unwrap_or_default()))
            .collect();
        cases.sort_by(|a, b| b.0.total_cmp(&a.0));
        let of = |class| {
            let cases = cases.iter().filter(move |case| case.1 == class);
            cases.map(|case| case.0)
        };
        let balanced = balanced(&cases, positives);
        let sensitive = sensitive(&positives_by_source, balanced)?;
        Some(ScorePoints {
            balanced,
            sensitive,
            found: of(true).filter(|&p| p >= sensitive).count(),
            conformal: ConformalThresholds {
                present: conformal(of(true).collect()),
                absent: Some(conformal(of(false).map(|p| 1.0 - p).collect())),
            },
        })
    }
}

fn shown(calibration: &Calibration, logit: f64) -> f32 {
    probability(calibration.slope * logit + calibration.intercept) as f32
}

/// The threshold with the greatest sensitivity + specificity (Youden 1950), halfway between two neighbouring
/// probabilities. `cases` are in descending order, and `positives` of them are positive.
fn balanced(cases: &[(f32, bool)], positives: usize) -> f32 {
    let [gain, cost] = [positives, cases.len() - positives].map(|count| 1.0 / count as f64);
    let (mut index, mut best, mut point) = (0.0, f64::NEG_INFINITY, 1.0);
    for (at, &(p, positive)) in cases.iter().enumerate() {
        index += if positive { gain } else { -cost };
        let next = cases.get(at + 1).map(|next| next.0);
        if next != Some(p) && index > best + 1e-12 {
            best = index;
            // Rounding may put the middle on the lower probability, which must stay below the threshold.
            let middle = next.map(|next| (next + (p - next) / 2.0, next));
            point = middle
                .filter(|(middle, next)| middle > next)
                .map_or(p, |(middle, _)| middle);
        }
    }
    point
}

/// The highest threshold that finds nine in ten of the `positives` (probability and source of each), and nine
/// in ten of those of each source with [`ENOUGH_IMAGES`]. Over all sources together, easy hospitals would
/// outweigh difficult ones. Never above `balanced`, since a higher threshold would be less sensitive than
/// the balanced one.
fn sensitive(positives: &[(f32, &str)], balanced: f32) -> Option<f32> {
    let of = |source: Option<&str>| -> Vec<f32> {
        let cases = positives.iter();
        let own = cases.filter(|case| source.is_none_or(|source| case.1 == source));
        own.map(|case| case.0).collect()
    };
    let sources: BTreeSet<&str> = positives.iter().map(|case| case.1).collect();
    let large = sources.into_iter().map(|source| of(Some(source)));
    let large = large.filter(|cases| cases.len() >= ENOUGH_IMAGES);
    let all = nine_in_ten(of(None))?;
    let lines = large.filter_map(nine_in_ten).chain([all, balanced]);
    lines.min_by(f32::total_cmp)
}

/// The highest threshold that finds nine in ten of these probabilities.
fn nine_in_ten(mut positives: Vec<f32>) -> Option<f32> {
    positives.sort_by(|a, b| b.total_cmp(a));
    let needed = (SENSITIVITY * positives.len() as f64 - 1e-9).ceil() as usize;
    positives.get(needed.checked_sub(1)?).copied()
}

/// The sensitivity to expect on new cases from a threshold that found `found` of the `positive` cases it was
/// set on: the central 95 % interval of Beta(found, positive + 1 − found), which holds for an order statistic
/// of any scores (Wilks 1941). Patients are counted, since images of one patient are not independent.
pub fn expected_sensitivity(found: usize, positive: Count) -> Option<(f64, f64)> {
    let patients = positive.patients.min(positive.images);
    let share = found as f64 / positive.images.max(1) as f64;
    let found = (share * patients as f64).round() as usize;
    beta_interval(found, (patients + 1).checked_sub(found)?)
}

/// The share of new cases of a class whose set holds that class, with the threshold of [`conformal`]: the
/// central 95 % interval of Beta(n + 1 − l, l) with l = ⌊(n + 1) / 10⌋ (Vovk 2012, proposition 2a), for n
/// patients. `None` for fewer than nine, where every set holds the class.
pub fn expected_coverage(class: Count) -> Option<(f64, f64)> {
    let n = class.patients.min(class.images);
    let outside = (n + 1) / OUTSIDE;
    beta_interval(n + 1 - outside, outside)
}

/// The ⌊(n + 1) / 10⌋-th smallest probability of the right answer among n cases of a class (Vovk 2012,
/// arXiv:1209.2673). 0 for fewer than nine cases: too little is known, and every set holds the answer.
pub fn conformal(mut right: Vec<f32>) -> f32 {
    right.sort_by(f32::total_cmp);
    let rank = (right.len() + 1) / OUTSIDE;
    let place = rank.checked_sub(1);
    place.map_or(0.0, |place| right[place])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_balanced_point_is_halfway_between_cases_and_ties_stay_together() {
        let cases = [
            (0.9, true),
            (0.8, true),
            (0.4, false),
            (0.1, true),
            (0.1, false),
        ];
        assert!((balanced(&cases, 3) - 0.6).abs() < 1e-6);
        // All cases of the tie at 0.5 are called: 2 of 2 positive ones, and 1 of 2 negative ones.
        let tied = [(0.5, true), (0.5, false), (0.5, true), (0.2, false)];
        assert!((balanced(&tied, 2) - 0.35).abs() < 1e-6);
        let neighbours = [(0.5, true), (0.5_f32.next_down(), false)];
        assert_eq!(balanced(&neighbours, 1), 0.5);
    }

    #[test]
    fn at_least_nine_in_ten_are_found() {
        let positives: Vec<f32> = (0..20).map(|n| 1.0 - n as f32 / 20.0).collect();
        let of = |count: usize| nine_in_ten(positives[..count].to_vec());
        assert_eq!(of(20), Some(positives[17]));
        assert_eq!(of(10), Some(positives[8]));
        assert_eq!(of(11), Some(positives[9]));
        assert_eq!(of(0), None);
        assert_eq!(sensitive(&[], 0.5), None);
    }

    #[test]
    fn a_difficult_source_sets_the_sensitive_point_if_it_has_enough() {
        let source =
            |name, count: usize, top: f32| (0..count).map(move |n| (top - n as f32 / 100.0, name));
        let easy = || source("easy", 200, 3.0);
        let together: Vec<_> = easy().chain(source("hard", ENOUGH_IMAGES, 0.5)).collect();
        // The 18th of the 20, although it is nearly the last of all.
        assert_eq!(sensitive(&together, 1.0), Some(0.5 - 0.17));
        let few: Vec<_> = easy()
            .chain(source("hard", ENOUGH_IMAGES - 1, 0.5))
            .collect();
        assert!(sensitive(&few, 10.0).unwrap() > 0.5);
    }

    /// The positives are told from the well so easily that nine in ten of them lie far above the line.
    #[test]
    fn the_sensitive_point_is_not_above_the_balanced_one() {
        let logits: Vec<f64> = (0..80)
            .map(|n| f64::from(n) - 40.0 + if n < 40 { -9.0 } else { 9.0 })
            .collect();
        let positive: Vec<bool> = (0..80).map(|n| n >= 40).collect();
        let reading = CardReading::fit(&logits, &positive, &[]).unwrap();
        let positives = logits[40..]
            .iter()
            .map(|&x| reading.probability(x))
            .collect();
        let points = reading.points;
        assert!(nine_in_ten(positives).unwrap() > points.balanced);
        assert_eq!(points.sensitive, points.balanced);
        assert_eq!(points.found, 40);
    }

    /// scipy.stats.beta.ppf([0.025, 0.975], a, b)
    #[test]
    fn few_cases_promise_little() {
        let of = |count| Count {
            images: count,
            patients: count,
        };
        let close = |found: Option<(f64, f64)>, low: f64, high: f64| {
            let (a, b) = found.unwrap();
            assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
        };
        close(expected_coverage(of(20)), 0.75127, 0.98765);
        close(expected_coverage(of(1000)), 0.88079, 0.91789);
        assert_eq!(expected_coverage(of(8)), None);
        close(expected_sensitivity(18, of(20)), 0.68302, 0.96793);
        let clustered = Count {
            images: 40,
            patients: 20,
        };
        assert_eq!(
            expected_sensitivity(36, clustered),
            expected_sensitivity(18, of(20))
        );
        assert_eq!(expected_sensitivity(0, of(0)), None);
    }

    #[test]
    fn a_conformal_threshold_is_an_order_statistic() {
        let right: Vec<f32> = (1..=39).rev().map(|n| n as f32 / 100.0).collect();
        assert_eq!(conformal(right), 0.04);
        assert_eq!(conformal(vec![0.5; 8]), 0.0);
    }

    proptest! {
        #[test]
        fn the_points_have_their_properties_on_their_own_cases(
            logits in prop::collection::vec(-4.0_f64..4.0, 20..80), noise in prop::collection::vec(-3.0_f64..3.0, 80),
        ) {
            let positive: Vec<bool> = logits.iter().zip(&noise).map(|(x, e)| x + e > 0.0).collect();
            let Some(reading) = CardReading::fit(&logits, &positive, &[]) else { return Ok(()) };
            let points = reading.points;
            prop_assert!(points.sensitive <= points.balanced);
            let rates = |point: f32| {
                let share = |class: bool| {
                    let of = logits.iter().zip(&positive).filter(|case| *case.1 == class);
                    let called = of.clone().filter(|case| reading.probability(*case.0) >= point).count();
                    called as f64 / of.count() as f64
                };
                (share(true), 1.0 - share(false))
            };
            prop_assert!(rates(points.sensitive).0 >= SENSITIVITY - 1e-9);
            let (found, spared) = rates(points.balanced);
            for &logit in &logits {
                let (a, b) = rates(reading.probability(logit));
                prop_assert!(found + spared >= a + b - 1e-9);
            }
            let covered = logits.iter().zip(&positive).filter(|case| *case.1)
                .filter(|case| reading.probability(*case.0) >= points.conformal.present).count();
            let positives = positive.iter().filter(|&&p| p).count();
            prop_assert!(covered * 10 >= positives * 9 - 9);
        }
    }
}
