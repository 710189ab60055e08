//! From cases and answers to a report: every question, over all cases and over each group.

mod figures;
mod pointing;
mod severity;

use std::collections::{BTreeSet, HashSet};

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

pub use figures::figures;
use figures::{bootstrapped, figures_at};
pub use severity::SeverityPanel;

use super::bootstrap;
use super::delong::{self, Paired};
use super::manifest::Case;
use super::pointing::PointingAnswers;
use super::question::{BinaryQuestion, SeverityScale, questions};
use super::report::{CaseGroup, Compared, Estimate, Images, NamedThreshold};
use super::sample::Sample;
use super::statistics::area_under_roc;
use crate::domain::Prevalence;

/// A model's answer for one image.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseOutcome {
    /// A score from 0 to 1 for each label, in the order of the labels, and the scales of severity
    /// as far as the model has them.
    Scored {
        labels: Vec<Option<f64>>,
        geographic_extent: Option<f64>,
        opacity: Option<f64>,
    },
    /// The input check refused it.
    Refused,
    /// It could not be read, or has no row in a table of predictions.
    Failed,
}

/// A model's answer for each case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    pub labels: Vec<String>,
    /// As many as there are cases, in their order.
    pub outcomes: Vec<CaseOutcome>,
}

impl Answers {
    fn score(&self, case: usize, question: &BinaryQuestion) -> Option<f64> {
        let CaseOutcome::Scored { labels, .. } = &self.outcomes[case] else {
            return None;
        };
        let of = |name: &str| labels[self.labels.iter().position(|label| label == name)?];
        question.score(of)
    }

    fn severity(&self, case: usize, scale: SeverityScale) -> Option<f64> {
        match (&self.outcomes[case], scale) {
            (
                CaseOutcome::Scored {
                    geographic_extent, ..
                },
                SeverityScale::GeographicExtent,
            ) => *geographic_extent,
            (CaseOutcome::Scored { opacity, .. }, SeverityScale::Opacity) => *opacity,
            _ => None,
        }
    }

    /// How many were scored, refused, and neither.
    pub fn images(&self) -> Images {
        let mut images = Images::default();
        for outcome in &self.outcomes {
            *match outcome {
                CaseOutcome::Scored { .. } => &mut images.scored,
                CaseOutcome::Refused => &mut images.refused,
                CaseOutcome::Failed => &mut images.failed,
            } += 1;
        }
        images
    }
}

/// A model that is measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeasuredModel {
    pub answers: Answers,
    /// Operating points by the label that they are for.
    pub points: Vec<(String, NamedThreshold)>,
    /// Where its heat maps look; empty where no boxes were asked for.
    pub pointing: PointingAnswers,
}

impl MeasuredModel {
    fn points_for(&self, question: &BinaryQuestion) -> Vec<NamedThreshold> {
        let points = self.points.iter();
        let of_label = points.filter(|(label, _)| Some(label.as_str()) == question.label());
        of_label.map(|(_, point)| point.clone()).collect()
    }
}

/// Cases, models and options of one evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationStudy<'a> {
    pub cases: &'a [Case],
    pub group_columns: &'a [String],
    pub model: &'a MeasuredModel,
    /// A second model on the same cases.
    pub against: Option<&'a Answers>,
    /// Shares of positives to give predictive values for, by the name of the question.
    pub prevalences: &'a [(String, Prevalence)],
    /// Threads to use. The result does not depend on it.
    pub jobs: usize,
}

/// One question, for plots: all cases, then each group that has positive and negative ones.
#[derive(Debug, Clone)]
pub struct PlotPanel {
    pub question: BinaryQuestion,
    pub points: Vec<NamedThreshold>,
    pub all: Sample,
    pub groups: Vec<(CaseGroup, Sample)>,
}

/// The report of [`measure`], and the samples for plots.
#[derive(Debug, Clone, Default)]
pub struct EvaluationResult {
    pub figures: Vec<Estimate>,
    pub comparisons: Vec<Compared>,
    pub panels: Vec<PlotPanel>,
    /// The scales of severity that two cases have.
    pub severities: Vec<SeverityPanel>,
    /// Questions that no case answers.
    pub unanswered: Vec<String>,
}

/// Measures every question that any case answers, in the order of the questions.
pub fn measure(study: &EvaluationStudy) -> EvaluationResult {
    let groups = study.groups();
    let questions = questions(&study.model.answers.labels);
    let (asked, unanswered): (Vec<_>, Vec<_>) = questions
        .into_iter()
        .partition(|question| !study.sample(question, None).is_empty());
    let tasks: Vec<_> = asked
        .iter()
        .flat_map(|question| groups.iter().map(move |group| (question, group)))
        .collect();
    let mut measured = EvaluationResult {
        unanswered: unanswered.iter().map(|q| q.name().to_owned()).collect(),
        panels: asked.iter().map(|q| study.panel(q, &groups)).collect(),
        severities: SeverityScale::ALL
            .into_iter()
            .filter_map(|scale| study.severity_panel(scale))
            .collect(),
        ..EvaluationResult::default()
    };
    let found = in_parallel(study.jobs, &tasks, |(question, group)| {
        (
            study.figures(question, group),
            study.comparison(question, group),
        )
    });
    for (figures, comparison) in found {
        measured.figures.extend(figures);
        measured.comparisons.extend(comparison);
    }
    for scale in SeverityScale::ALL {
        let figures = groups.iter().flat_map(|group| study.severity(scale, group));
        measured.figures.extend(figures);
    }
    let labels = 0..study.model.pointing.labels.len();
    let maps: Vec<_> = labels
        .flat_map(|label| groups.iter().map(move |group| (label, group)))
        .collect();
    let found = in_parallel(study.jobs, &maps, |(label, group)| {
        study.pointing_figures(*label, group)
    });
    measured.figures.extend(found.into_iter().flatten());
    measured
}

/// Number of different patients among the cases that were scored.
pub fn patients(cases: &[Case], answers: &Answers) -> usize {
    let scored = cases.iter().zip(&answers.outcomes);
    let scored = scored.filter(|(_, outcome)| matches!(outcome, CaseOutcome::Scored { .. }));
    scored
        .map(|(case, _)| &case.patient)
        .collect::<HashSet<_>>()
        .len()
}

/// A group, and how to tell its cases.
type GroupTest = (CaseGroup, Option<(usize, String)>);

impl EvaluationStudy<'_> {
    /// All, then the values of each group column in order.
    fn groups(&self) -> Vec<GroupTest> {
        let mut groups = vec![(CaseGroup::all(), None)];
        for (at, column) in self.group_columns.iter().enumerate() {
            let values: BTreeSet<_> = self.cases.iter().map(|case| &case.groups[at]).collect();
            groups.extend(values.into_iter().map(|value| {
                let group = CaseGroup {
                    column: Some(column.clone()),
                    value: value.clone(),
                };
                (group, Some((at, value.clone())))
            }));
        }
        groups
    }

    /// The cases of a group, by index.
    fn members<'a>(
        &'a self,
        chosen: Option<&'a (usize, String)>,
    ) -> impl Iterator<Item = (usize, &'a Case)> {
        let is_member =
            move |case: &Case| chosen.is_none_or(|(at, value)| case.groups[*at] == *value);
        let cases = self.cases.iter().enumerate();
        cases.filter(move |(_, case)| is_member(case))
    }

    fn sample(&self, question: &BinaryQuestion, chosen: Option<&(usize, String)>) -> Sample {
        Sample::new(self.members(chosen).filter_map(|(at, case)| {
            let score = self.model.answers.score(at, question)?;
            let answer = question.answer(&case.truth)?;
            Some((score, answer, case.patient.as_str()))
        }))
    }

    fn panel(&self, question: &BinaryQuestion, groups: &[GroupTest]) -> PlotPanel {
        let groups = groups.iter().filter(|(_, chosen)| chosen.is_some());
        let groups =
            groups.map(|(group, chosen)| (group.clone(), self.sample(question, chosen.as_ref())));
        PlotPanel {
            question: question.clone(),
            points: self.model.points_for(question),
            all: self.sample(question, None),
            groups: groups
                .filter(|(_, sample)| sample.has_both_classes())
                .collect(),
        }
    }

    fn figures(&self, question: &BinaryQuestion, (group, chosen): &GroupTest) -> Vec<Estimate> {
        let sample = self.sample(question, chosen.as_ref());
        let points = self.model.points_for(question);
        let mut assumed = self.prevalences.iter();
        let assumed = assumed.find(|(name, _)| name == question.name());
        let assumed = assumed.map(|(_, prevalence)| prevalence.share());
        figures_at(question.name(), group, &sample, &points, assumed)
    }

    /// The two models on the cases that both scored; `None` without a second one, or without both
    /// classes.
    fn comparison(
        &self,
        question: &BinaryQuestion,
        (group, chosen): &GroupTest,
    ) -> Option<Compared> {
        let against = self.against?;
        let mut cases: Vec<(Paired, &str)> = self
            .members(chosen.as_ref())
            .filter_map(|(at, case)| {
                let pair = Paired {
                    first: self.model.answers.score(at, question)?,
                    second: against.score(at, question)?,
                    positive: question.answer(&case.truth)?,
                    patient: 0,
                };
                Some((pair, case.patient.as_str()))
            })
            .collect();
        let names: Vec<&str> = cases.iter().map(|(_, who)| *who).collect();
        for ((pair, _), patient) in cases.iter_mut().zip(numbered(&names).0) {
            pair.patient = patient;
        }
        let pairs: Vec<Paired> = cases.iter().map(|(pair, _)| *pair).collect();
        let found = delong::compare(&pairs)?;
        // Both count patients in the order of the cases, so that a patient has one number.
        let sample = |score: fn(&Paired) -> f64| {
            Sample::new(
                cases
                    .iter()
                    .map(|(pair, who)| (score(pair), pair.positive, *who)),
            )
        };
        let (first, second) = (sample(|p| p.first), sample(|p| p.second));
        Some(Compared {
            question: question.name().to_owned(),
            group: group.clone(),
            n: first.len(),
            positives: first.positives(),
            patients: first.patients(),
            auc: found.first,
            auc_against: found.second,
            difference: found.difference,
            interval: interval_of_difference(&first, &second).map(bootstrapped),
            delong_low: found.interval.map(|(low, _)| low),
            delong_high: found.interval.map(|(_, high)| high),
            delong_z: found.z,
            delong_p: found.p,
        })
    }
}

fn interval_of_difference(first: &Sample, second: &Sample) -> Option<(f64, f64)> {
    let everyone: Vec<usize> = (0..first.patients()).collect();
    let area = |sample: &Sample, times: &[f64]| {
        let weights: Vec<f64> = sample.owner().iter().map(|&who| times[who]).collect();
        area_under_roc(sample, &weights)
    };
    let difference = |times: &[f64]| {
        let areas = area(first, times).zip(area(second, times));
        vec![areas.map(|(first, second)| first - second)]
    };
    bootstrap::intervals(&everyone, everyone.len(), 1, difference).remove(0)
}

/// AUC of the first samples minus that of the second, over pairs of cases of the same stratum only,
/// and its interval; `None` if no stratum has such a pair. The samples of a stratum are of the same
/// cases in the same order, and no patient is in two strata.
pub fn difference_within(strata: &[(Sample, Sample)]) -> Option<(f64, Option<(f64, f64)>)> {
    let patients: Vec<usize> = strata.iter().map(|(one, _)| one.patients()).collect();
    mean_within(&patients, |stratum, times| {
        let (one, other) = &strata[stratum];
        let (one, pairs) = area_and_pairs(one, times)?;
        let (other, _) = area_and_pairs(other, times)?;
        Some((one - other, pairs))
    })
}

/// AUC over pairs of cases of the same stratum only, and its interval; `None` if no stratum has such a
/// pair. No patient is in two strata.
pub fn area_within(strata: &[Sample]) -> Option<(f64, Option<(f64, f64)>)> {
    let patients: Vec<usize> = strata.iter().map(Sample::patients).collect();
    mean_within(&patients, |stratum, times| {
        area_and_pairs(&strata[stratum], times)
    })
}

/// AUC of a sample whose patients were drawn so often, and the number of pairs of a positive and a negative
/// case.
fn area_and_pairs(sample: &Sample, times: &[f64]) -> Option<(f64, f64)> {
    let weights: Vec<f64> = sample.owner().iter().map(|&who| times[who]).collect();
    let of = |class: bool| -> f64 {
        let cases = weights.iter().zip(sample.positive());
        cases
            .filter(|case| *case.1 == class)
            .map(|case| case.0)
            .sum()
    };
    Some((area_under_roc(sample, &weights)?, of(true) * of(false)))
}

/// The mean over strata of a value with a weight, and its interval by drawing the patients of all strata;
/// `None` if no stratum has a value. `patients` is the number of each stratum; `value` takes the stratum and
/// how often each of its patients was drawn.
fn mean_within(
    patients: &[usize],
    value: impl Fn(usize, &[f64]) -> Option<(f64, f64)>,
) -> Option<(f64, Option<(f64, f64)>)> {
    let mean = |times: &[f64]| {
        let (mut sum, mut weights, mut first) = (0.0, 0.0, 0);
        for (stratum, count) in patients.iter().enumerate() {
            let own = &times[first..first + count];
            first += count;
            if let Some((value, weight)) = value(stratum, own) {
                sum += value * weight;
                weights += weight;
            }
        }
        vec![(weights > 0.0).then(|| sum / weights)]
    };
    let everyone: Vec<usize> = (0..patients.iter().sum()).collect();
    let value = mean(&vec![1.0; everyone.len()]).remove(0)?;
    let interval = bootstrap::intervals(&everyone, everyone.len(), 1, mean).remove(0);
    Some((value, interval))
}

/// A number for each name, in the order in which they come, and how many there are.
fn numbered(names: &[&str]) -> (Vec<usize>, usize) {
    let sample = Sample::new(names.iter().map(|name| (0.0, false, *name)));
    (sample.owner().to_vec(), sample.patients())
}

/// Applies `work` to every item on `jobs` threads; results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = jobs.clamp(1, items.len().max(1));
    match ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(|| items.par_iter().map(&work).collect()),
        // The system grants no thread.
        Err(_) => items.iter().map(work).collect(),
    }
}

#[cfg(test)]
mod tests;
