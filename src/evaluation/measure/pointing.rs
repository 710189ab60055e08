//! The statistics of where the heat map of one label looks, each with its interval.

use super::figures::{bootstrapped, of_wilson};
use super::{EvaluationStudy, GroupTest, numbered};
use crate::domain::PNEUMONIA;
use crate::evaluation::bootstrap;
use crate::evaluation::pointing::{FilmPointing, LabelPointing};
use crate::evaluation::report::{CaseGroup, Estimate, Statistic};
use crate::evaluation::statistics::{weighted_mean, weighted_quantile, wilson};

/// A number of one film; `None` where it is undefined.
type FilmNumber = fn(&FilmPointing, &LabelPointing) -> Option<f64>;

/// Statistics that are means over films.
const MEANS: [(Statistic, FilmNumber); 4] = [
    (Statistic::PointingAccuracy, hit),
    (Statistic::ControlPointingAccuracy, control),
    (Statistic::EvidenceInBoxes, evidence_in_boxes),
    (Statistic::IntersectionOverUnion, intersection_over_union),
];

/// Quantiles over films of the share of the evidence that lies in the lungs.
const IN_LUNGS: [(Statistic, f64); 2] = [
    (Statistic::EvidenceInLungsMedian, 0.5),
    (Statistic::EvidenceInLungsLow, 0.05),
];

fn hit(_: &FilmPointing, label: &LabelPointing) -> Option<f64> {
    Some(if label.is_hit { 1.0 } else { 0.0 })
}

fn control(film: &FilmPointing, _: &LabelPointing) -> Option<f64> {
    Some(film.control)
}

fn evidence_in_boxes(_: &FilmPointing, label: &LabelPointing) -> Option<f64> {
    label.overlap.evidence_in_boxes
}

fn intersection_over_union(_: &FilmPointing, label: &LabelPointing) -> Option<f64> {
    label.overlap.intersection_over_union
}

fn evidence_in_lungs(film: &FilmPointing, _: &LabelPointing) -> Option<f64> {
    film.evidence_in_lungs
}

impl EvaluationStudy<'_> {
    /// The statistics of the heat map of a label, by the label's place, over the films of a group that have
    /// boxes. What no film has a number for is absent.
    pub(super) fn pointing_figures(
        &self,
        label: usize,
        (group, chosen): &GroupTest,
    ) -> Vec<Estimate> {
        let pointing = &self.model.pointing;
        let name = &pointing.labels[label];
        let numbers = |number: FilmNumber| {
            let films = self.members(chosen.as_ref()).filter_map(|(at, case)| {
                let film = pointing.films.get(at)?.as_ref()?;
                let of_label = film.labels.get(label)?.as_ref()?;
                Some((number(film, of_label)?, case.patient.as_str()))
            });
            FilmNumbers::new(films.collect())
        };
        let mut figures = Vec::new();
        for (statistic, number) in MEANS {
            let numbers = numbers(number);
            let mut figure = numbers.estimate(name, group, statistic, weighted_mean);
            if statistic == Statistic::PointingAccuracy
                && let Some(figure) = &mut figure
            {
                numbers.wilson_where_all_are_alike(figure);
            }
            figures.extend(figure);
        }
        // The share in the lungs is that of this label's map.
        if name == PNEUMONIA {
            let numbers = numbers(evidence_in_lungs);
            for (statistic, share) in IN_LUNGS {
                let quantile =
                    |values: &[f64], weights: &[f64]| weighted_quantile(values, weights, share);
                figures.extend(numbers.estimate(name, group, statistic, quantile));
            }
        }
        figures
    }
}

/// A number of each film in rising order, and the film's patient.
struct FilmNumbers {
    values: Vec<f64>,
    owner: Vec<usize>,
    patients: usize,
}

impl FilmNumbers {
    fn new(mut films: Vec<(f64, &str)>) -> Self {
        films.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names: Vec<&str> = films.iter().map(|(_, patient)| *patient).collect();
        let (owner, patients) = numbered(&names);
        FilmNumbers {
            values: films.iter().map(|(value, _)| *value).collect(),
            owner,
            patients,
        }
    }

    /// A statistic of values and weights. `None` without a film.
    fn estimate(
        &self,
        question: &str,
        group: &CaseGroup,
        statistic: Statistic,
        of: impl Fn(&[f64], &[f64]) -> Option<f64>,
    ) -> Option<Estimate> {
        let value = of(&self.values, &vec![1.0; self.values.len()])?;
        let draw = |weights: &[f64]| vec![of(&self.values, weights)];
        let interval = bootstrap::intervals(&self.owner, self.patients, 1, draw).remove(0);
        Some(Estimate {
            question: question.to_owned(),
            group: group.clone(),
            statistic,
            operating_point: None,
            prevalence: None,
            value: Some(value),
            interval: interval.map(bootstrapped),
            n: self.values.len(),
            positives: None,
            patients: self.patients,
        })
    }

    /// Gives a share of hits, which the bootstrap cannot tell from certainty where all or none are, Wilson's
    /// interval.
    fn wilson_where_all_are_alike(&self, figure: &mut Estimate) {
        let hits: f64 = self.values.iter().sum();
        let wide = wilson(hits, self.values.len() as f64).map(of_wilson);
        figure.interval = figure.interval.or(wide);
    }
}

#[cfg(test)]
mod tests;
