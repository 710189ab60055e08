//! Severity: how far the model's numbers are from the reference standard's.

use super::{EvaluationStudy, GroupTest, numbered};
use crate::evaluation::bootstrap;
use crate::evaluation::measure::figures::bootstrapped;
use crate::evaluation::question::SeverityScale;
use crate::evaluation::report::{Estimate, Statistic};
use crate::evaluation::statistics::bland_altman::bias_and_deviation;
use crate::evaluation::statistics::intraclass::agreement_of_two;
use crate::evaluation::statistics::{RatingPair, Z_95, mean_absolute_error, pearson};

/// What is measured of a scale, in the order of [`values`].
const STATISTICS: [Statistic; 6] = [
    Statistic::MeanAbsoluteError,
    Statistic::Pearson,
    Statistic::IntraclassCorrelation,
    Statistic::MeanDifference,
    Statistic::LowerLimitOfAgreement,
    Statistic::UpperLimitOfAgreement,
];

/// One scale of all cases, for a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct SeverityPanel {
    pub scale: SeverityScale,
    pub pairs: Vec<RatingPair>,
}

impl EvaluationStudy<'_> {
    /// The scale of all cases; `None` where fewer than two have it, which have no limits of agreement.
    pub(super) fn severity_panel(&self, scale: SeverityScale) -> Option<SeverityPanel> {
        let (pairs, _) = self.rated(scale, &None);
        (pairs.len() > 1).then_some(SeverityPanel { scale, pairs })
    }

    /// The figures of a scale in a group; none where no case has it.
    pub(super) fn severity(
        &self,
        scale: SeverityScale,
        (group, chosen): &GroupTest,
    ) -> Vec<Estimate> {
        let (pairs, owners) = self.rated(scale, chosen);
        if pairs.is_empty() {
            return Vec::new();
        }
        let (owner, patients) = numbered(&owners);
        let statistics = |weights: &[f64]| values(&pairs, weights);
        let values = statistics(&vec![1.0; pairs.len()]);
        let intervals = bootstrap::intervals(&owner, patients, values.len(), statistics);
        let found = STATISTICS.into_iter().zip(values).zip(intervals);
        found
            .map(|((statistic, value), interval)| Estimate {
                question: scale.name().to_owned(),
                group: group.clone(),
                statistic,
                operating_point: None,
                prevalence: None,
                value,
                interval: value.and(interval.map(bootstrapped)),
                n: pairs.len(),
                positives: None,
                patients,
            })
            .collect()
    }

    /// The cases of a group that both the model and the reference standard rate, and their patients.
    fn rated<'a>(
        &'a self,
        scale: SeverityScale,
        chosen: &'a Option<(usize, String)>,
    ) -> (Vec<RatingPair>, Vec<&'a str>) {
        let rated = self.members(chosen.as_ref()).filter_map(|(at, case)| {
            let predicted = self.model.answers.severity(at, scale)?;
            let truth = case.truth.severity(scale)?;
            Some((RatingPair { predicted, truth }, case.patient.as_str()))
        });
        rated.unzip()
    }
}

/// The statistics of these cases, each of which counts as often as its weight says.
fn values(pairs: &[RatingPair], weights: &[f64]) -> Vec<Option<f64>> {
    // A bootstrap draws a case a whole number of times.
    let drawn = pairs.iter().zip(weights).flat_map(|(pair, weight)| {
        std::iter::repeat_n((pair.predicted, pair.truth), *weight as usize)
    });
    let drawn: Vec<_> = drawn.collect();
    let spread = bias_and_deviation(&drawn);
    vec![
        mean_absolute_error(pairs, weights),
        pearson(pairs, weights),
        agreement_of_two(&drawn),
        spread.map(|(bias, _)| bias),
        spread.map(|(bias, deviation)| bias - Z_95 * deviation),
        spread.map(|(bias, deviation)| bias + Z_95 * deviation),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_is_drawn_twice_counts_twice_and_one_that_is_not_drawn_does_not() {
        let pair = |predicted, truth| RatingPair { predicted, truth };
        let pairs = [
            pair(1.0, 2.0),
            pair(3.0, 3.0),
            pair(5.0, 4.0),
            pair(8.0, 1.0),
        ];
        let drawn = [pairs[0], pairs[1], pairs[1], pairs[2]];
        let (weighted, repeated) = (
            values(&pairs, &[1.0, 2.0, 1.0, 0.0]),
            values(&drawn, &[1.0; 4]),
        );
        for (one, other) in weighted.iter().zip(&repeated) {
            assert!((one.unwrap() - other.unwrap()).abs() < 1e-12);
        }
        // Differences −1, 0, 0 and 1, with the deviation √(2/3).
        let [_, _, icc, bias, low, high] = weighted[..] else {
            panic!("six figures")
        };
        let deviation = (2.0_f64 / 3.0).sqrt();
        assert!(bias.unwrap().abs() < 1e-12);
        assert!((high.unwrap() - 1.959_964 * deviation).abs() < 1e-5);
        assert!((low.unwrap() + high.unwrap()).abs() < 1e-12);
        // Mean squares: of cases 3, of raters 0 and of the rest 1/3 (McGraw and Wong 1996, ICC(A,1)).
        let expected = (3.0 - 1.0 / 3.0) / (3.0 + 1.0 / 3.0 - 2.0 / 4.0 / 3.0);
        assert!((icc.unwrap() - expected).abs() < 1e-12, "{icc:?}");
    }

    #[test]
    fn one_case_has_an_error_and_no_limits() {
        let pair = RatingPair {
            predicted: 2.0,
            truth: 3.0,
        };
        let [error, r, icc, bias, low, high] = values(&[pair], &[1.0])[..] else {
            panic!("six figures")
        };
        assert_eq!(error, Some(1.0));
        assert_eq!([r, icc, bias, low, high], [None; 5]);
    }
}
