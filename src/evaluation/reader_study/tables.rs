//! Calls and ratings as the tables that the statistics take.

use std::collections::HashSet;

use super::compared::BothModes;
use super::{MODES, StudyReading};
use crate::evaluation::statistics::mrmc::{ReadingTable, StudyCase};

/// A call of one of [`MODES`] as a number.
pub(super) fn call(reading: &StudyReading, mode: usize) -> Option<f64> {
    let calls = [reading.call.aided, reading.call.unaided];
    calls[mode].map(|call| f64::from(u8::from(call)))
}

pub(super) fn rating(reading: &StudyReading, mode: usize) -> Option<f64> {
    reading.call.ratings[mode].map(f64::from)
}

/// Calls of images with a reference standard that have no rating.
pub(super) fn unrated(readings: &[StudyReading], mode: usize) -> usize {
    let known = readings.iter().filter(|r| r.call.truth.is_some());
    let unrated = known.filter(|r| call(r, mode).is_some() && rating(r, mode).is_none());
    unrated.count()
}

/// A table of all values of images with a reference standard, in the modes `MODES`, in that order.
pub(super) fn table(
    readings: &[StudyReading],
    value: impl Fn(&StudyReading, usize) -> Option<f64>,
) -> ReadingTable {
    table_of(&known(readings), value)
}

/// The readings of images with a reference standard.
fn known(readings: &[StudyReading]) -> Vec<&StudyReading> {
    let known = readings.iter().filter(|r| r.call.truth.is_some());
    known.collect()
}

fn table_of(
    readings: &[&StudyReading],
    value: impl Fn(&StudyReading, usize) -> Option<f64>,
) -> ReadingTable {
    let mut cases: Vec<StudyCase> = Vec::new();
    let mut known = HashSet::new();
    for reading in readings {
        if let Some(positive) = reading.call.truth.filter(|_| known.insert(&reading.image)) {
            cases.push(StudyCase {
                name: reading.image.clone(),
                patient: reading.call.patient.clone(),
                positive,
            });
        }
    }
    let mut table = ReadingTable::new(cases).unwrap_or_default();
    // Mode by mode, because the table numbers modes in the order in which they come.
    for (at, mode) in MODES.into_iter().enumerate() {
        for reading in readings {
            let Some(value) = value(reading, at) else {
                continue;
            };
            // The log has one last word of each reader on each image, so that none is read twice.
            let added = table.add(&reading.reader, mode, &reading.image, value);
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }
    table
}

/// The values of a comparison.
pub(super) struct ComparedTable<'a> {
    /// Of images that the same reader read in both modes.
    pub table: ReadingTable,
    pub compared: BothModes,
    /// All readings of images with a reference standard, and whether they have a value.
    pub readings: Vec<(&'a StudyReading, bool)>,
}

impl<'a> ComparedTable<'a> {
    pub fn of(
        readings: &'a [StudyReading],
        done: &str,
        value: impl Fn(&StudyReading, usize) -> Option<f64>,
    ) -> Self {
        let known = known(readings);
        let has = |reading: &StudyReading| [0, 1].map(|mode| value(reading, mode).is_some());
        let compared = BothModes::of(known.iter().map(|r| (r.reader.as_str(), has(r))), done);
        let kept = known
            .iter()
            .enumerate()
            .filter(|(at, _)| compared.is_kept(*at));
        let kept: Vec<&StudyReading> = kept.map(|(_, reading)| *reading).collect();
        ComparedTable {
            table: table_of(&kept, &value),
            compared,
            readings: known
                .into_iter()
                .map(|r| (r, has(r) != [false; 2]))
                .collect(),
        }
    }
}
