//! Each reader's aided calls against the unaided ones of the same images.

use serde::Serialize;

use super::{Known, StudyDifference, StudyReading, names};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::paired_calls::{PairedCounts, clustered_comparison, mcnemar};

/// One reader: positive calls of positive images, and negative calls of negative ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedReader {
    pub reader: String,
    pub sensitivity: PairedTests,
    pub specificity: PairedTests,
}

/// The tests of one class of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedTests {
    pub images: usize,
    /// Right calls: aided only, and unaided only.
    pub aided_only: usize,
    pub unaided_only: usize,
    /// Aided less unaided, with the images of a patient as one cluster (Obuchowski 1998).
    pub clustered: Known<StudyDifference>,
    /// McNemar's mid-p, of images as if each were of its own patient.
    pub mcnemar_mid_p: Known<f64>,
    pub mcnemar_exact_p: Known<f64>,
}

pub(super) fn of_readers(readings: &[StudyReading]) -> Vec<PairedReader> {
    let readers = names(readings, |reading| &reading.reader).into_iter();
    readers
        .map(|reader| {
            let own: Vec<&StudyReading> = readings
                .iter()
                .filter(|reading| reading.reader == reader)
                .collect();
            PairedReader {
                reader: reader.to_owned(),
                sensitivity: tests(&own, true),
                specificity: tests(&own, false),
            }
        })
        .collect()
}

fn tests(readings: &[&StudyReading], positive: bool) -> PairedTests {
    let own = readings
        .iter()
        .filter(|reading| reading.call.truth == Some(positive));
    let right: Vec<(&str, bool, bool)> = own
        .filter_map(|reading| {
            let call = &reading.call;
            let (aided, unaided) = call.aided.zip(call.unaided)?;
            Some((
                call.patient.as_str(),
                aided == positive,
                unaided == positive,
            ))
        })
        .collect();
    let counts = PairedCounts::of(right.iter().map(|(_, aided, unaided)| (*aided, *unaided)));
    let clustered = clustered_comparison(right.iter().copied()).map(|found| StudyDifference {
        value: found.difference,
        low: found.interval.0,
        high: found.interval.1,
        df: None,
        p: found.p,
    });
    let tests = mcnemar(counts);
    let none = |found: Result<f64, Undefined>| {
        found.map_err(|reason| match (reason, positive) {
            (Undefined::NoCase, true) => Undefined::NoPositive,
            (Undefined::NoCase, false) => Undefined::NoNegative,
            (reason, _) => reason,
        })
    };
    PairedTests {
        images: counts.images(),
        aided_only: counts.first_only,
        unaided_only: counts.second_only,
        clustered: clustered.into(),
        mcnemar_mid_p: none(tests.map(|found| found.mid_p)).into(),
        mcnemar_exact_p: none(tests.map(|found| found.exact_p)).into(),
    }
}
