//! Statistics of calling cases positive at or above a threshold (Altman and Bland 1994,
//! doi:10.1136/bmj.308.6943.1552 and doi:10.1136/bmj.309.6947.102).

use super::{ratio, wilson_at};
use crate::evaluation::Sample;

/// The four weights of a two-by-two table.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Confusion {
    pub true_positive: f64,
    pub false_positive: f64,
    pub false_negative: f64,
    pub true_negative: f64,
}

impl Confusion {
    /// Cases with a score of at least `threshold` are called positive.
    pub fn at(threshold: f64, sample: &Sample, weights: &[f64]) -> Self {
        let called = sample.scores().partition_point(|&score| score >= threshold);
        let mut table = Confusion::default();
        for (at, (&positive, &weight)) in sample.positive().iter().zip(weights).enumerate() {
            *match (at < called, positive) {
                (true, true) => &mut table.true_positive,
                (true, false) => &mut table.false_positive,
                (false, true) => &mut table.false_negative,
                (false, false) => &mut table.true_negative,
            } += weight;
        }
        table
    }

    /// Sensitivity, as numerator and denominator: the share of positive cases that are called positive.
    pub fn sensitivity(&self) -> (f64, f64) {
        (self.true_positive, self.true_positive + self.false_negative)
    }

    /// Specificity: the share of negative cases that are called negative.
    pub fn specificity(&self) -> (f64, f64) {
        (self.true_negative, self.true_negative + self.false_positive)
    }

    /// Positive predictive value: the share of those called positive that are. It holds for the
    /// prevalence of the sample only.
    pub fn positive_predictive_value(&self) -> (f64, f64) {
        (self.true_positive, self.true_positive + self.false_positive)
    }

    /// Negative predictive value: the share of those called negative that are.
    pub fn negative_predictive_value(&self) -> (f64, f64) {
        (self.true_negative, self.true_negative + self.false_negative)
    }

    /// Sensitivity, specificity, positive and negative predictive value. Where all cases are of one class, a predictive
    /// value is 0 or 1 whatever the scores are: it is undefined.
    pub fn rates(&self) -> [Option<f64>; 4] {
        let [sensitivity, specificity, ppv, npv] =
            self.counts().map(|(part, whole)| ratio(part, whole));
        let has_both_classes = sensitivity.and(specificity).is_some();
        let [ppv, npv] = [ppv, npv].map(|value| value.filter(|_| has_both_classes));
        [sensitivity, specificity, ppv, npv]
    }

    /// Positive and negative predictive value where `prevalence` of the cases are positive, by Bayes'
    /// rule from sensitivity and specificity.
    pub fn predictive_values_at(&self, prevalence: f64) -> [Option<f64>; 2] {
        let [sensitivity, specificity, ..] = self.rates();
        let both = sensitivity.zip(specificity);
        let values = both.map(|rates| predictive_values(rates, prevalence));
        [0, 1].map(|at| values.and_then(|values| values[at]))
    }

    /// 95 % intervals of [`predictive_values_at`](Confusion::predictive_values_at), over cases: both
    /// values rise with sensitivity and with specificity. Their Wilson intervals of 97.5 % each hold both
    /// in 95 % of the samples (Bonferroni). This is wide, and used only without a better interval.
    pub fn predictive_intervals_at(&self, prevalence: f64) -> [Option<(f64, f64)>; 2] {
        let [sensitivity, specificity] = [self.sensitivity(), self.specificity()]
            .map(|(part, whole)| wilson_at(part, whole, Z_97_5));
        let bounds = sensitivity.zip(specificity);
        let values = bounds.map(|((low, high), (least, most))| {
            [(low, least), (high, most)].map(|rates| predictive_values(rates, prevalence))
        });
        [0, 1].map(|at| values.and_then(|[low, high]| low[at].zip(high[at])))
    }

    /// Numerators and denominators of [`rates`](Confusion::rates).
    pub fn counts(&self) -> [(f64, f64); 4] {
        [
            self.sensitivity(),
            self.specificity(),
            self.positive_predictive_value(),
            self.negative_predictive_value(),
        ]
    }
}

/// The 98.75 % quantile of the normal distribution, for an interval of 97.5 %.
const Z_97_5: f64 = 2.241_402_727_604_945;

/// Predictive values from (sensitivity, specificity); undefined for a call that is never made.
fn predictive_values((sensitivity, specificity): (f64, f64), prevalence: f64) -> [Option<f64>; 2] {
    let (found, alarms) = (
        sensitivity * prevalence,
        (1.0 - specificity) * (1.0 - prevalence),
    );
    let (cleared, missed) = (
        specificity * (1.0 - prevalence),
        (1.0 - sensitivity) * prevalence,
    );
    [
        ratio(found, found + alarms),
        ratio(cleared, cleared + missed),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::sample::tests::each_its_own;

    /// Altman and Bland 1994 (doi:10.1136/bmj.309.6947.102): liver scans, sensitivity 231/258 and
    /// specificity 54/86; at a prevalence of 25 % the predictive values are 0.45 and 0.95, and at that of the
    /// sample they are those of the table.
    #[test]
    fn predictive_values_move_with_the_prevalence() {
        let table = Confusion {
            true_positive: 231.0,
            false_positive: 32.0,
            false_negative: 27.0,
            true_negative: 54.0,
        };
        let [ppv, npv] = table.predictive_values_at(0.25).map(Option::unwrap);
        assert!(
            (ppv - 0.445).abs() < 5e-4 && (npv - 0.947).abs() < 5e-4,
            "{ppv} {npv}"
        );
        let [_, _, own_ppv, own_npv] = table.rates().map(Option::unwrap);
        let [ppv, npv] = table
            .predictive_values_at(258.0 / 344.0)
            .map(Option::unwrap);
        assert!((ppv - own_ppv).abs() < 1e-12 && (npv - own_npv).abs() < 1e-12);
        for prevalence in [0.01, 0.25, 0.9] {
            let values = table.predictive_values_at(prevalence);
            for (value, interval) in values
                .into_iter()
                .zip(table.predictive_intervals_at(prevalence))
            {
                let (low, high) = interval.unwrap();
                assert!((low..high).contains(&value.unwrap()), "{low} {high}");
            }
        }
    }

    #[test]
    fn a_perfect_table_promises_no_perfect_predictive_value() {
        let table = Confusion {
            true_positive: 20.0,
            true_negative: 20.0,
            ..Confusion::default()
        };
        assert_eq!(table.predictive_values_at(0.01), [Some(1.0), Some(1.0)]);
        let [ppv, npv] = table.predictive_intervals_at(0.01).map(Option::unwrap);
        assert!(ppv.0 < 0.05 && npv.0 > 0.99, "{ppv:?} {npv:?}");
        let ill = Confusion {
            true_positive: 20.0,
            ..Confusion::default()
        };
        assert_eq!(ill.predictive_values_at(0.5), [None, None]);
        assert_eq!(ill.predictive_intervals_at(0.5), [None, None]);
    }

    #[test]
    fn a_score_at_the_threshold_is_positive() {
        let sample = each_its_own(
            &[0.9, 0.5, 0.5, 0.4, 0.1],
            &[true, true, false, true, false],
        );
        let table = Confusion::at(0.5, &sample, &sample.once());
        let expected = Confusion {
            true_positive: 2.0,
            false_positive: 1.0,
            false_negative: 1.0,
            true_negative: 1.0,
        };
        assert_eq!(table, expected);
        let two_thirds = Some(2.0 / 3.0);
        assert_eq!(
            table.rates(),
            [two_thirds, Some(0.5), two_thirds, Some(0.5)]
        );
    }

    #[test]
    fn a_rate_of_nothing_is_undefined() {
        let ill = each_its_own(&[0.9, 0.8], &[true, true]);
        let rates = Confusion::at(0.5, &ill, &ill.once()).rates();
        assert_eq!(rates, [Some(1.0), None, None, None]);
        let nobody = Confusion::at(0.95, &ill, &ill.once()).rates();
        assert_eq!(nobody, [Some(0.0), None, None, None]);
        let well = each_its_own(&[0.9, 0.1], &[false, false]);
        let rates = Confusion::at(0.5, &well, &well.once()).rates();
        assert_eq!(rates, [None, Some(0.5), None, None]);
    }
}
