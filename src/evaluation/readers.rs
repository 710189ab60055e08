//! Readers against a model and against the reference standard: their calls before they saw the model's
//! answer (*unaided*) and after it (*aided*), one label at a time.

use std::collections::HashMap;

use serde::Serialize;

use super::bootstrap::intervals;
use super::report::{Interval, IntervalMethod};
use super::statistics::{cohens_kappa, observed_agreement, wilson};

/// One reader's call of one image for one label.
#[derive(Debug, Clone, PartialEq)]
pub struct ReaderCall {
    pub patient: String,
    /// `None` where the image was not read in that mode.
    pub unaided: Option<bool>,
    pub aided: Option<bool>,
    /// How sure the reader was, 0 to 100: aided, unaided.
    pub ratings: [Option<u8>; 2],
    /// `None` where the model refused the image, or its answer was not stored.
    pub model: Option<bool>,
    /// The reference standard; `None` where it is not known.
    pub truth: Option<bool>,
}

/// A statistic of a reader's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReaderStatistic {
    AgreementWithModel,
    KappaWithModel,
    Sensitivity,
    Specificity,
    KappaWithTruth,
}

impl ReaderStatistic {
    pub const ALL: [ReaderStatistic; 5] = [
        ReaderStatistic::AgreementWithModel,
        ReaderStatistic::KappaWithModel,
        ReaderStatistic::Sensitivity,
        ReaderStatistic::Specificity,
        ReaderStatistic::KappaWithTruth,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ReaderStatistic::AgreementWithModel => "same as the model",
            ReaderStatistic::KappaWithModel => "Cohen's κ with the model",
            ReaderStatistic::Sensitivity => "sensitivity",
            ReaderStatistic::Specificity => "specificity",
            ReaderStatistic::KappaWithTruth => "Cohen's κ with reference",
        }
    }

    fn is_share(self) -> bool {
        !matches!(
            self,
            ReaderStatistic::KappaWithModel | ReaderStatistic::KappaWithTruth
        )
    }
}

/// The calls that a statistic is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallSource {
    Unaided,
    Aided,
    Model,
    /// Aided less unaided, on the same images.
    Difference,
}

impl CallSource {
    pub const ALL: [CallSource; 4] = [
        CallSource::Unaided,
        CallSource::Aided,
        CallSource::Model,
        CallSource::Difference,
    ];

    pub fn name(self) -> &'static str {
        match self {
            CallSource::Unaided => "unaided",
            CallSource::Aided => "aided",
            CallSource::Model => "model",
            CallSource::Difference => "aided − unaided",
        }
    }
}

/// One statistic with its interval and number of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReaderFigure {
    pub statistic: ReaderStatistic,
    pub subject: CallSource,
    /// `None` is undefined.
    pub value: Option<f64>,
    /// 95 %.
    pub interval: Option<Interval>,
    /// Images that the statistic is computed from: those with the model's answer, with disease, without
    /// it, or with a reference standard.
    pub n: usize,
}

/// One reader and one label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReaderComparison {
    pub reviewer: String,
    pub label: String,
    pub images: usize,
    pub patients: usize,
    pub with_model: usize,
    pub with_truth: usize,
    pub positives: usize,
    /// Images with a call in each mode.
    pub unaided_calls: usize,
    pub aided_calls: usize,
    /// Images with another call after the answer was seen.
    pub changed: usize,
    pub figures: Vec<ReaderFigure>,
}

/// The statistics of one reader and one label.
pub fn compare(reviewer: &str, label: &str, reads: &[ReaderCall]) -> ReaderComparison {
    let mut patients = HashMap::new();
    let owner: Vec<usize> = reads
        .iter()
        .map(|read| {
            let next = patients.len();
            *patients.entry(read.patient.as_str()).or_insert(next)
        })
        .collect();
    let asked: Vec<(ReaderStatistic, CallSource)> = ReaderStatistic::ALL
        .into_iter()
        .flat_map(|statistic| CallSource::ALL.map(|subject| (statistic, subject)))
        .filter(|(statistic, subject)| is_asked(*statistic, *subject))
        .collect();
    let kinds = KindsOfReading::of(reads);
    let values = |weights: &[f64]| -> Vec<Option<f64>> {
        let weights = kinds.weights(weights);
        let all = asked.iter();
        all.map(|(statistic, subject)| value(*statistic, *subject, &kinds.first, &weights))
            .collect()
    };
    let bounds = intervals(&owner, patients.len(), asked.len(), values);
    let once = values(&vec![1.0; reads.len()]);
    let figures = asked.iter().zip(once).zip(bounds);
    ReaderComparison {
        reviewer: reviewer.to_owned(),
        label: label.to_owned(),
        images: reads.len(),
        patients: patients.len(),
        with_model: count(reads, |read| read.model.is_some()),
        with_truth: count(reads, |read| read.truth.is_some()),
        positives: count(reads, |read| read.truth == Some(true)),
        unaided_calls: count(reads, |read| read.unaided.is_some()),
        aided_calls: count(reads, |read| read.aided.is_some()),
        changed: count(reads, |read| has_both(read) && read.aided != read.unaided),
        figures: figures
            .map(|(((statistic, subject), value), bounds)| {
                let n = pairs(*statistic, *subject, reads).count();
                ReaderFigure {
                    statistic: *statistic,
                    subject: *subject,
                    value,
                    interval: value
                        .and_then(|value| interval(bounds, value, n, *statistic, *subject)),
                    n,
                }
            })
            .collect(),
    }
}

/// Images with the same calls, answer and reference standard are alike to every statistic. There are 81 kinds at most, so a
/// draw is one pass over the images, however many statistics it has.
struct KindsOfReading {
    /// One image of each kind.
    first: Vec<ReaderCall>,
    /// The kind of each image.
    own: Vec<usize>,
}

impl KindsOfReading {
    fn of(reads: &[ReaderCall]) -> Self {
        let (mut known, mut first) = (HashMap::new(), Vec::new());
        let own = reads.iter().map(|read| {
            let kind = (read.unaided, read.aided, read.model, read.truth);
            *known.entry(kind).or_insert_with(|| {
                first.push(read.clone());
                first.len() - 1
            })
        });
        KindsOfReading {
            own: own.collect(),
            first,
        }
    }

    /// The sum of the weights of each kind. Weights are counts of draws, so that no rounding depends on their order.
    fn weights(&self, of_images: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.first.len()];
        for (kind, weight) in self.own.iter().zip(of_images) {
            sums[*kind] += weight;
        }
        sums
    }
}

/// The model always agrees with itself.
fn is_asked(statistic: ReaderStatistic, subject: CallSource) -> bool {
    let of_model = matches!(
        statistic,
        ReaderStatistic::AgreementWithModel | ReaderStatistic::KappaWithModel
    );
    !(of_model && subject == CallSource::Model)
}

fn value(
    statistic: ReaderStatistic,
    subject: CallSource,
    reads: &[ReaderCall],
    weights: &[f64],
) -> Option<f64> {
    if subject == CallSource::Difference {
        // Of the same images in both modes.
        let both = reads.iter().zip(weights);
        let both: Vec<f64> = both
            .map(|(read, weight)| if has_both(read) { *weight } else { 0.0 })
            .collect();
        let aided = value(statistic, CallSource::Aided, reads, &both)?;
        return Some(aided - value(statistic, CallSource::Unaided, reads, &both)?);
    }
    let found = pairs(statistic, subject, reads);
    let (pairs, weights): (Vec<_>, Vec<_>) = found.map(|(at, pair)| (pair, weights[at])).unzip();
    match statistic.is_share() {
        true => observed_agreement(&pairs, &weights),
        false => cohens_kappa(&pairs, &weights),
    }
}

/// Calls and what they are compared with, for the images that the statistic is about.
fn pairs(
    statistic: ReaderStatistic,
    subject: CallSource,
    reads: &[ReaderCall],
) -> impl Iterator<Item = (usize, (bool, bool))> {
    reads.iter().enumerate().filter_map(move |(at, read)| {
        let called = match subject {
            CallSource::Unaided => read.unaided?,
            CallSource::Aided => read.aided?,
            CallSource::Difference => read.unaided.and(read.aided)?,
            CallSource::Model => read.model?,
        };
        let other = match statistic {
            ReaderStatistic::AgreementWithModel | ReaderStatistic::KappaWithModel => read.model?,
            ReaderStatistic::Sensitivity => read.truth.filter(|truth| *truth)?,
            ReaderStatistic::Specificity => read.truth.filter(|truth| !truth)?,
            ReaderStatistic::KappaWithTruth => read.truth?,
        };
        Some((at, (called, other)))
    })
}

/// The bootstrap's interval; for a share where it has none, Wilson's.
fn interval(
    bounds: Option<(f64, f64)>,
    value: f64,
    n: usize,
    statistic: ReaderStatistic,
    subject: CallSource,
) -> Option<Interval> {
    let is_share = statistic.is_share() && subject != CallSource::Difference;
    let wilson = || {
        let (low, high) = wilson(value * n as f64, n as f64)?;
        is_share.then_some((low, high, IntervalMethod::Wilson))
    };
    let drawn = bounds.map(|(low, high)| (low, high, IntervalMethod::Bootstrap));
    let (low, high, method) = drawn.or_else(wilson)?;
    Some(Interval { low, high, method })
}

/// Whether the image was read in both modes.
fn has_both(read: &ReaderCall) -> bool {
    read.unaided.is_some() && read.aided.is_some()
}

fn count(reads: &[ReaderCall], is_so: impl Fn(&ReaderCall) -> bool) -> usize {
    reads.iter().filter(|read| is_so(read)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(n: usize, unaided: bool, aided: bool, model: bool, truth: bool) -> ReaderCall {
        ReaderCall {
            patient: n.to_string(),
            unaided: Some(unaided),
            aided: Some(aided),
            ratings: [None; 2],
            model: Some(model),
            truth: Some(truth),
        }
    }

    fn figure(
        found: &ReaderComparison,
        statistic: ReaderStatistic,
        subject: CallSource,
    ) -> ReaderFigure {
        let mut all = found.figures.iter();
        let is_it = |f: &&ReaderFigure| f.statistic == statistic && f.subject == subject;
        all.find(is_it).unwrap().clone()
    }

    /// Ten ill and ten well; the reader misses three of the ill, and the model shows them two.
    #[test]
    fn a_reader_who_is_helped() {
        let reads: Vec<ReaderCall> = (0..20)
            .map(|n| match n {
                0..7 => read(n, true, true, true, true),
                7..9 => read(n, false, true, true, true),
                9 => read(n, false, false, false, true),
                10 => read(n, true, true, false, false),
                n => read(n, false, false, false, false),
            })
            .collect();
        let found = compare("ann", "Pneumonia", &reads);
        assert_eq!((found.images, found.patients, found.changed), (20, 20, 2));
        let value = |statistic, subject| figure(&found, statistic, subject).value.unwrap();
        assert_eq!(
            value(ReaderStatistic::Sensitivity, CallSource::Unaided),
            0.7
        );
        assert_eq!(value(ReaderStatistic::Sensitivity, CallSource::Aided), 0.9);
        assert_eq!(value(ReaderStatistic::Sensitivity, CallSource::Model), 0.9);
        let gain = figure(&found, ReaderStatistic::Sensitivity, CallSource::Difference);
        assert!((gain.value.unwrap() - 0.2).abs() < 1e-12 && gain.n == 10);
        let Interval { low, high, method } = gain.interval.unwrap();
        assert!((0.0..0.2).contains(&low) && high > 0.2 && method == IntervalMethod::Bootstrap);
        assert_eq!(value(ReaderStatistic::Specificity, CallSource::Aided), 0.9);
        let model = figure(&found, ReaderStatistic::Specificity, CallSource::Model);
        assert_eq!(model.value, Some(1.0));
        // It is the same in every draw.
        assert_eq!(model.interval.unwrap().method, IntervalMethod::Wilson);
        assert_eq!(
            value(ReaderStatistic::AgreementWithModel, CallSource::Unaided),
            0.85
        );
        // Both say yes of 7, the reader alone of 1, the model alone of 2.
        let kappa = (0.85 - (0.4 * 0.45 + 0.6 * 0.55)) / (1.0 - (0.4 * 0.45 + 0.6 * 0.55));
        let found = value(ReaderStatistic::KappaWithModel, CallSource::Unaided);
        assert!((found - kappa).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_known_is_not_counted_and_of_nothing_is_nothing() {
        let mut unknown = read(1, true, true, true, true);
        (unknown.model, unknown.truth) = (None, None);
        let found = compare(
            "ann",
            "Pneumonia",
            &[unknown, read(2, true, true, true, true)],
        );
        assert_eq!((found.with_model, found.with_truth), (1, 1));
        assert_eq!(
            figure(&found, ReaderStatistic::Sensitivity, CallSource::Aided).n,
            1
        );
        let well = figure(&found, ReaderStatistic::Specificity, CallSource::Aided);
        assert_eq!((well.value, well.interval, well.n), (None, None, 0));
        let kappa = figure(&found, ReaderStatistic::KappaWithModel, CallSource::Aided);
        assert_eq!(kappa.value, None, "both said yes of everything");
        assert!(
            compare("ann", "x", &[])
                .figures
                .iter()
                .all(|f| f.value.is_none())
        );
    }
}
