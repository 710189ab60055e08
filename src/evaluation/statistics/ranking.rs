//! Discrimination: how well scores rank positive cases above negative ones.
//!
//! - Area under the ROC curve: the share of pairs of a positive and a negative case in which the
//!   positive one scores higher, ties a half (Mann and Whitney 1947; Hanley and McNeil 1982,
//!   doi:10.1148/radiology.143.1.7063747).
//! - Average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over the falling scores, without interpolation, as
//!   scikit-learn's `average_precision_score`. Its chance level is the share of positive cases.

use super::ratio;
use crate::evaluation::Sample;

/// From 0 to 1; 0.5 is chance. `None` without a case of each class.
pub fn area_under_roc(sample: &Sample, weights: &[f64]) -> Option<f64> {
    let (mut positive, mut negative, mut wins) = (0.0, 0.0, 0.0);
    for level in sample.levels(weights) {
        wins += level.negative * (positive + level.positive / 2.0);
        positive += level.positive;
        negative += level.negative;
    }
    ratio(wins, positive * negative)
}

/// From 0 to 1. `None` without a case of each class: with positive cases alone it would be 1 for
/// any scores.
pub fn average_precision(sample: &Sample, weights: &[f64]) -> Option<f64> {
    let (mut positive, mut found, mut sum) = (0.0, 0.0, 0.0);
    for level in sample.levels(weights) {
        positive += level.positive;
        found += level.positive + level.negative;
        if level.positive > 0.0 {
            sum += level.positive * positive / found;
        }
    }
    ratio(sum, positive).filter(|_| positive < found)
}

/// (1 − specificity, sensitivity) from (0, 0) to (1, 1); empty without a case of each class.
pub fn roc_curve(sample: &Sample) -> Vec<(f64, f64)> {
    let positives = sample.positives() as f64;
    let negatives = sample.len() as f64 - positives;
    if positives * negatives == 0.0 {
        return Vec::new();
    }
    let (mut found, mut alarms) = (0.0, 0.0);
    let mut curve = vec![(0.0, 0.0)];
    for level in sample.levels(&sample.once()) {
        found += level.positive;
        alarms += level.negative;
        curve.push((alarms / negatives, found / positives));
    }
    curve
}

/// (recall, precision) from the highest score down, begun with recall 0 at the first precision;
/// empty without a positive case.
pub fn precision_recall_curve(sample: &Sample) -> Vec<(f64, f64)> {
    let positives = sample.positives() as f64;
    let (mut positive, mut found) = (0.0, 0.0);
    let mut curve = Vec::new();
    for level in sample.levels(&sample.once()) {
        positive += level.positive;
        found += level.positive + level.negative;
        let Some(recall) = ratio(positive, positives) else {
            return Vec::new();
        };
        if curve.is_empty() {
            curve.push((0.0, positive / found));
        }
        curve.push((recall, positive / found));
    }
    curve
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::evaluation::sample::tests::each_its_own;

    fn auc(scores: &[f64], answers: &[bool]) -> Option<f64> {
        let sample = each_its_own(scores, answers);
        area_under_roc(&sample, &sample.once())
    }

    #[test]
    fn known_answers() {
        let answers = [false, false, true, true];
        // The example of scikit-learn's documentation of roc_auc_score.
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &answers), Some(0.75));
        assert_eq!(auc(&[0.5; 4], &answers), Some(0.5));
        assert_eq!(auc(&[0.1, 0.2, 0.3, 0.4], &answers), Some(1.0));
        let sample = each_its_own(&[0.1, 0.4, 0.35, 0.8], &answers);
        // The example of average_precision_score.
        let precision = average_precision(&sample, &sample.once()).unwrap();
        assert!((precision - 0.8333333333333333).abs() < 1e-12);
    }

    #[test]
    fn without_both_classes_there_is_no_area() {
        assert_eq!(auc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(auc(&[0.1, 0.2], &[false, false]), None);
        assert_eq!(auc(&[], &[]), None);
        let none = each_its_own(&[0.1], &[false]);
        assert_eq!(average_precision(&none, &none.once()), None);
        let every = each_its_own(&[0.1], &[true]);
        assert_eq!(average_precision(&every, &every.once()), None);
        assert!(roc_curve(&none).is_empty() && precision_recall_curve(&none).is_empty());
    }

    #[test]
    fn a_weight_is_a_case_that_came_so_often() {
        let once = each_its_own(&[0.9, 0.6, 0.6, 0.2], &[true, false, true, false]);
        let thrice = each_its_own(
            &[0.9, 0.6, 0.6, 0.6, 0.6, 0.2],
            &[true, false, true, true, true, false],
        );
        let weights = [1.0, 1.0, 3.0, 1.0];
        for statistic in [area_under_roc, average_precision] {
            assert_eq!(
                statistic(&once, &weights),
                statistic(&thrice, &thrice.once())
            );
        }
    }

    #[test]
    fn curves_begin_and_end_where_they_should() {
        let sample = each_its_own(&[0.9, 0.6, 0.6, 0.2], &[true, false, true, false]);
        assert_eq!(
            roc_curve(&sample),
            [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
        assert_eq!(
            precision_recall_curve(&sample),
            [(0.0, 1.0), (0.5, 1.0), (1.0, 2.0 / 3.0), (1.0, 0.5)]
        );
    }

    proptest! {
        #[test]
        fn an_area_counts_pairs(cases in vec((0_u8..9, any::<bool>()), 0..60)) {
            let scores: Vec<f64> = cases.iter().map(|c| f64::from(c.0) / 8.0).collect();
            let answers: Vec<bool> = cases.iter().map(|c| c.1).collect();
            let (mut wins, mut pairs) = (0.0, 0.0);
            for (p, _) in cases.iter().filter(|c| c.1) {
                for (n, _) in cases.iter().filter(|c| !c.1) {
                    pairs += 1.0;
                    wins += if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 };
                }
            }
            let expected = (pairs > 0.0).then(|| wins / pairs);
            prop_assert_eq!(auc(&scores, &answers), expected);
        }

        #[test]
        fn only_the_order_counts_and_the_mirror_is_the_complement(
            cases in vec((0.0..1.0_f64, any::<bool>()), 1..60)
        ) {
            let scores: Vec<f64> = cases.iter().map(|c| c.0).collect();
            let answers: Vec<bool> = cases.iter().map(|c| c.1).collect();
            let squeezed: Vec<f64> = scores.iter().map(|s| 0.25 + s / 2.0).collect();
            let mirrored: Vec<f64> = scores.iter().map(|s| -s).collect();
            let area = auc(&scores, &answers);
            prop_assert_eq!(auc(&squeezed, &answers), area);
            match (area, auc(&mirrored, &answers)) {
                (Some(area), Some(mirror)) => {
                    prop_assert!((0.0..=1.0).contains(&area));
                    prop_assert!((area + mirror - 1.0).abs() < 1e-12);
                }
                both => prop_assert_eq!(both, (None, None)),
            }
        }
    }
}
