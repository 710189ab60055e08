//! All readers of one question together: whether the model's answer helps readers like these, how far they agree with
//! each other, and what became of their calls.
//!
//! ```text
//! StudyReading ─► ReadingTable ─► Obuchowski-Rockette, U-statistics   sensitivity, specificity: the primary table
//!           ├───► κ, AC₁, α of all readers; κ of each pair             bootstrap over patients
//!           ├───► ratings: intraclass correlation, limits of agreement of the modes
//!           ├───► Obuchowski 1998, McNemar                             each reader
//!           └───► helped, misled, automation bias                      bootstrap over patients
//! MarkedReading ─► (weighted) AFROC ─► Obuchowski-Rockette             marks on lesions, in the primary table
//! TimedReading ──► mixed model of the logarithms                       reading time, aided over unaided
//! ```

mod agreement;
mod compared;
mod curves;
mod localisation;
mod paired;
mod primary;
mod ratings;
mod tables;
mod times;

use std::collections::HashMap;

use serde::Serialize;

pub use agreement::{AgreementOfReaders, PairOfReaders};
pub use compared::ReadingCounts;
pub use curves::{ReaderCurve, curves_of_readers};
pub use localisation::{
    LesionCase, LocalisationReport, MarkPlace, MarkScore, MarkedReading, MarksOfReader, PlacedMark,
};
pub use paired::PairedReader;
pub use primary::{FigureOfReader, ModeComparison, StudyDifference};
pub use ratings::{RatingChange, RatingLimits, RatingsOfReaders, rating_changes};
pub use times::{ComparedTimes, TimedReading, TimesOfReaders, times_of_readers};

use super::bootstrap;
use super::readers::ReaderCall;
use super::statistics::Undefined;
use super::statistics::call_changes::{
    AutomationBias, CallChanges, CallPair, automation_bias, call_changes,
};
use super::statistics::holm::holm;
use super::statistics::mrmc::imrmc_file;
use crate::domain::{LocalisationFigure, LocalisationRule};

/// Names of the two modes, in iMRMC's file, too.
pub const MODES: [&str; 2] = ["aided", "unaided"];

/// One image as one reader read it.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyReading {
    pub reader: String,
    /// A name of the image that is the same for all readers.
    pub image: String,
    pub call: ReaderCall,
}

/// A figure, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Known<T> {
    Value(T),
    Undefined { undefined: String },
}

impl<T> Known<T> {
    pub fn undefined(reason: &str) -> Self {
        Known::Undefined {
            undefined: reason.to_owned(),
        }
    }

    /// The value, or the reason why there is none.
    pub fn of(found: Option<T>, reason: impl FnOnce() -> String) -> Self {
        match found {
            Some(value) => Known::Value(value),
            None => Known::Undefined {
                undefined: reason(),
            },
        }
    }
}

impl<T> From<Result<T, Undefined>> for Known<T> {
    fn from(found: Result<T, Undefined>) -> Self {
        match found {
            Ok(value) => Known::Value(value),
            Err(reason) => Known::undefined(&reason.to_string()),
        }
    }
}

/// A value and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StudyEstimate {
    pub value: f64,
    /// `None` where there is no interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Everything about one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReaderStudyReport {
    pub label: String,
    pub readers: usize,
    pub readings: usize,
    /// Of these, those with the call of one mode only. They compare nothing.
    pub unaided_only: usize,
    pub aided_only: usize,
    pub images: usize,
    pub patients: usize,
    /// Images with a reference standard: positive and negative ones; and those without one. They are all images.
    pub positives: usize,
    pub negatives: usize,
    pub without_reference: usize,
    /// Sensitivity and specificity; empty without a reference standard.
    pub comparisons: Vec<ModeComparison>,
    pub agreement: Vec<AgreementOfReaders>,
    pub pairs: Vec<PairOfReaders>,
    pub paired: Vec<PairedReader>,
    /// `None` without a reference standard, and where no image was read in both modes.
    pub changes: Option<ChangesOfCalls>,
    /// Aided less unaided ratings; `None` where no image was rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating_limits: Option<Known<RatingLimits>>,
    /// Marks on lesions; `None` where they were not asked for, or there is no reference standard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub localisation: Option<LocalisationReport>,
}

impl ReaderStudyReport {
    /// Adds the figure of marks on lesions, as the last of the primary table.
    pub fn add_localisation(
        &mut self,
        rule: LocalisationRule,
        figure: LocalisationFigure,
        readings: &[MarkedReading],
    ) {
        let (report, comparison) = localisation::localisation(rule, figure, readings);
        self.localisation = Some(report);
        self.comparisons.push(comparison);
    }
}

/// Calls before and after the answer, of all readers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangesOfCalls {
    #[serde(flatten)]
    pub counts: CallChanges,
    /// Wrong calls where the model was wrong, aided less unaided.
    pub automation_bias: Known<StudyEstimate>,
    pub wrong_aided: Option<f64>,
    pub wrong_unaided: Option<f64>,
}

/// The study of one question.
pub fn reader_study(label: &str, readings: &[StudyReading]) -> ReaderStudyReport {
    let mut truth: HashMap<&str, Option<bool>> = HashMap::new();
    for reading in readings {
        truth.insert(&reading.image, reading.call.truth);
    }
    let count = |wanted: Option<bool>| truth.values().filter(|truth| **truth == wanted).count();
    let (positives, negatives) = (count(Some(true)), count(Some(false)));
    let has_reference = positives + negatives > 0;
    let only = |is_only: fn(&ReaderCall) -> bool| {
        let only = readings.iter().filter(|reading| is_only(&reading.call));
        only.count()
    };
    let mut calls = readings.iter().map(|reading| &reading.call);
    let is_compared =
        has_reference && calls.any(|call| call.unaided.is_some() && call.aided.is_some());
    ReaderStudyReport {
        label: label.to_owned(),
        readers: names(readings, |reading| &reading.reader).len(),
        readings: readings.len(),
        unaided_only: only(|call| call.aided.is_none()),
        aided_only: only(|call| call.unaided.is_none()),
        images: truth.len(),
        patients: names(readings, |reading| &reading.call.patient).len(),
        positives,
        negatives,
        without_reference: count(None),
        comparisons: if has_reference {
            primary::comparisons(readings)
        } else {
            Vec::new()
        },
        agreement: agreement::of_all(readings),
        pairs: agreement::of_pairs(readings),
        paired: if is_compared {
            paired::of_readers(readings)
        } else {
            Vec::new()
        },
        changes: is_compared.then(|| changes(readings)),
        rating_limits: ratings::limits(readings),
        localisation: None,
    }
}

/// Adjusts the p-values of the primary tables of several questions together (Holm). Each question has two, or three with
/// ratings, and one more with marks.
pub fn adjust(reports: &mut [ReaderStudyReport]) {
    let comparisons = || reports.iter().flat_map(|report| &report.comparisons);
    let adjusted = holm(&comparisons().map(ModeComparison::p).collect::<Vec<_>>());
    let places = reports
        .iter_mut()
        .flat_map(|report| &mut report.comparisons);
    for (comparison, p) in places.zip(adjusted) {
        comparison.holm_p = p;
    }
}

/// An input file for iMRMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImrmcInput {
    pub text: String,
    /// Whether it has ratings, and not calls.
    pub has_ratings: bool,
    /// Of ratings: calls without one, aided and unaided. They are not in it.
    pub unrated: [usize; 2],
}

/// The file for iMRMC, of the images with a reference standard: ratings, which are what the primary AUC is of; calls, 1 or 0,
/// where there is no rating at all.
///
/// # Errors
/// [`Undefined::NoCase`], if no image has a reference standard.
pub fn imrmc(label: &str, readings: &[StudyReading]) -> Result<ImrmcInput, Undefined> {
    let ratings = tables::table(readings, tables::rating);
    if ratings.cases().is_empty() {
        return Err(Undefined::NoCase);
    }
    let has_ratings = !ratings.modes().is_empty();
    let (table, values) = match has_ratings {
        true => (ratings, "ratings of blinded readers from 0 to 100"),
        false => (
            tables::table(readings, tables::call),
            "calls of blinded readers: 1 is present",
        ),
    };
    Ok(ImrmcInput {
        text: imrmc_file(&table, &format!("{label}: {values}")),
        has_ratings,
        unrated: match has_ratings {
            true => [0, 1].map(|mode| tables::unrated(readings, mode)),
            false => [0; 2],
        },
    })
}

/// Different names, in the order in which they come.
fn names<'a, R>(readings: &'a [R], of: impl Fn(&'a R) -> &'a String) -> Vec<&'a str> {
    let mut known = HashMap::new();
    for reading in readings {
        let next = known.len();
        known.entry(of(reading).as_str()).or_insert(next);
    }
    let mut names: Vec<(&str, usize)> = known.into_iter().collect();
    names.sort_by_key(|name| name.1);
    names.into_iter().map(|name| name.0).collect()
}

/// The number of each name among all.
fn numbers<'a>(
    readings: &'a [StudyReading],
    of: impl Fn(&'a StudyReading) -> &'a String,
) -> (Vec<usize>, usize) {
    let all = names(readings, &of);
    let number: HashMap<&str, usize> = all
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, at))
        .collect();
    (
        readings
            .iter()
            .map(|reading| number[of(reading).as_str()])
            .collect(),
        all.len(),
    )
}

fn changes(readings: &[StudyReading]) -> ChangesOfCalls {
    let known: Vec<StudyReading> = readings
        .iter()
        .filter(|reading| {
            let call = &reading.call;
            call.truth.is_some() && call.unaided.is_some() && call.aided.is_some()
        })
        .cloned()
        .collect();
    let pair = |reading: &StudyReading| {
        let call = &reading.call;
        Some(CallPair {
            unaided: call.unaided?,
            aided: call.aided?,
            model: call.model,
            truth: call.truth?,
        })
    };
    let pairs: Vec<CallPair> = known.iter().filter_map(pair).collect();
    let (owner, patients) = numbers(&known, |reading| &reading.call.patient);
    let bias = |weights: &[f64]| automation_bias(&pairs, weights);
    let once: Option<AutomationBias> = bias(&vec![1.0; pairs.len()]);
    let bounds = bootstrap::intervals(&owner, patients, 1, |weights| {
        vec![bias(weights).map(|found| found.bias)]
    });
    ChangesOfCalls {
        counts: call_changes(&pairs),
        automation_bias: Known::of(
            once.map(|found| estimate(found.bias, bounds[0])),
            || match pairs.iter().any(|pair| pair.model.is_some()) {
                true => "the model was never wrong".to_owned(),
                false => "no answer of the model".to_owned(),
            },
        ),
        wrong_aided: once.map(|found| found.aided),
        wrong_unaided: once.map(|found| found.unaided),
    }
}

fn estimate(value: f64, bounds: Option<(f64, f64)>) -> StudyEstimate {
    StudyEstimate {
        value,
        low: bounds.map(|bounds| bounds.0),
        high: bounds.map(|bounds| bounds.1),
    }
}

#[cfg(test)]
mod tests;
