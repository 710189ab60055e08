//! How far readers agree with each other, whatever the reference standard says.

use std::collections::HashMap;

use serde::Serialize;

use super::ratings::{RatingsOfReaders, correlations};
use super::{Known, MODES, StudyEstimate, StudyReading, estimate, names};
use crate::evaluation::bootstrap;
use crate::evaluation::statistics::cohens_kappa;
use crate::evaluation::statistics::raters::{
    CategoryDistance, RatedUnits, fleiss_kappa, gwet, krippendorff_alpha,
};

/// Agreement of all readers in one mode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgreementOfReaders {
    pub mode: &'static str,
    /// Images that two readers or more read.
    pub images: usize,
    /// Undefined also where not all images have the same number of readers.
    pub fleiss_kappa: Known<StudyEstimate>,
    pub gwet_ac1: Known<StudyEstimate>,
    pub krippendorff_alpha: Known<StudyEstimate>,
    /// Of ratings; `None` where nothing was rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratings: Option<Known<RatingsOfReaders>>,
}

/// Cohen's κ of two readers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairOfReaders {
    pub first: String,
    pub second: String,
    /// Images that both read, in the mode with more of them.
    pub images: usize,
    /// Those that both read in each mode.
    pub unaided_images: usize,
    pub aided_images: usize,
    pub unaided: Known<StudyEstimate>,
    pub aided: Known<StudyEstimate>,
}

const ALIKE: &str = "all calls are alike";

/// Unaided, then aided; empty with one reader.
pub(super) fn of_all(readings: &[StudyReading]) -> Vec<AgreementOfReaders> {
    let calls = CallsOfReaders::of(readings);
    if calls.readers.len() < 2 {
        return Vec::new();
    }
    [1, 0]
        .map(|mode| {
            let rated = calls.rated(mode);
            let nominal = CategoryDistance::Nominal;
            let [fleiss_kappa, gwet_ac1, krippendorff_alpha] = calls.bootstrapped(|weights| {
                [
                    fleiss_kappa(&rated, weights),
                    gwet(&rated, nominal, weights),
                    krippendorff_alpha(&rated, nominal, weights),
                ]
            });
            let undefined = || match rated.pairable() {
                0 => "no image that two readers read".to_owned(),
                _ => ALIKE.to_owned(),
            };
            let of_unequal = || match rated.raters_per_unit() {
                Some((least, most)) if least != most && rated.pairable() > 0 => {
                    format!("not every image has the same number of readers, but {least} to {most}")
                }
                _ => undefined(),
            };
            AgreementOfReaders {
                mode: MODES[mode],
                images: rated.pairable(),
                fleiss_kappa: Known::of(fleiss_kappa, of_unequal),
                gwet_ac1: Known::of(gwet_ac1, undefined),
                krippendorff_alpha: Known::of(krippendorff_alpha, undefined),
                ratings: correlations(&calls.ratings(mode)),
            }
        })
        .into()
}

/// Each pair of readers that read an image in common. All have the same draws of patients.
pub(super) fn of_pairs(readings: &[StudyReading]) -> Vec<PairOfReaders> {
    let calls = CallsOfReaders::of(readings);
    let count = calls.readers.len();
    let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
    let is_read = |pair: &(usize, usize)| {
        let mut rows = calls.rows.iter();
        rows.any(|row| [0, 1].iter().any(|mode| cell(row, *pair, *mode) != APART))
    };
    let pairs: Vec<(usize, usize)> = pairs.filter(is_read).collect();
    let of_pair = |pair: &(usize, usize)| {
        [1, 0].map(|mode| {
            calls
                .rows
                .iter()
                .map(|row| cell(row, *pair, mode))
                .collect()
        })
    };
    let cells: Vec<Vec<u8>> = pairs.iter().flat_map(of_pair).collect();
    let kappas = |weights: &[f64]| cells.iter().map(|cells| kappa(cells, weights)).collect();
    let once: Vec<Option<f64>> = kappas(&vec![1.0; calls.rows.len()]);
    let bounds = bootstrap::intervals(&calls.owner, calls.patients, cells.len(), kappas);
    let estimate = |at: usize| {
        let value = once[at].map(|value| estimate(value, bounds[at]));
        Known::of(value, || match both_read(&cells[at]) {
            0 => "no image that both read".to_owned(),
            _ => ALIKE.to_owned(),
        })
    };
    let found = pairs
        .into_iter()
        .enumerate()
        .map(|(at, (one, other))| PairOfReaders {
            first: calls.readers[one].clone(),
            second: calls.readers[other].clone(),
            images: both_read(&cells[2 * at]).max(both_read(&cells[2 * at + 1])),
            unaided_images: both_read(&cells[2 * at]),
            aided_images: both_read(&cells[2 * at + 1]),
            unaided: estimate(2 * at),
            aided: estimate(2 * at + 1),
        });
    found.collect()
}

/// The calls of two readers, and the cell of an image that one of them did not read.
const CELLS: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];
const APART: u8 = 4;

fn both_read(cells: &[u8]) -> usize {
    cells.iter().filter(|cell| **cell != APART).count()
}

fn cell(row: &[[Option<bool>; 2]], (one, other): (usize, usize), mode: usize) -> u8 {
    let both = row[one][mode].zip(row[other][mode]);
    let place = both.and_then(|both| CELLS.iter().position(|cell| *cell == both));
    place.map_or(APART, |place| place as u8)
}

fn kappa(cells: &[u8], weights: &[f64]) -> Option<f64> {
    let mut sums = [0.0; 5];
    cells
        .iter()
        .zip(weights)
        .for_each(|(cell, weight)| sums[usize::from(*cell)] += weight);
    cohens_kappa(&CELLS, &sums[..4])
}

/// Calls and ratings by image and reader: aided, unaided.
struct CallsOfReaders {
    readers: Vec<String>,
    rows: Vec<Vec<[Option<bool>; 2]>>,
    rated_rows: Vec<Vec<[Option<u8>; 2]>>,
    /// The patient of each image.
    owner: Vec<usize>,
    patients: usize,
}

impl CallsOfReaders {
    fn of(readings: &[StudyReading]) -> Self {
        let readers = names(readings, |reading| &reading.reader);
        let column: HashMap<&str, usize> = readers
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, at))
            .collect();
        let (mut row, mut patient) = (HashMap::new(), HashMap::new());
        let (mut rows, mut rated_rows, mut owner) = (Vec::new(), Vec::new(), Vec::new());
        for reading in readings {
            let at = *row.entry(reading.image.as_str()).or_insert_with(|| {
                let next = patient.len();
                owner.push(*patient.entry(reading.call.patient.as_str()).or_insert(next));
                rows.push(vec![[None; 2]; readers.len()]);
                rated_rows.push(vec![[None; 2]; readers.len()]);
                rows.len() - 1
            });
            let reader = column[reading.reader.as_str()];
            rows[at][reader] = [reading.call.aided, reading.call.unaided];
            rated_rows[at][reader] = reading.call.ratings;
        }
        CallsOfReaders {
            patients: patient.len(),
            readers: readers.into_iter().map(str::to_owned).collect(),
            rows,
            rated_rows,
            owner,
        }
    }

    fn ratings(&self, mode: usize) -> Vec<Vec<Option<f64>>> {
        let rows = self.rated_rows.iter();
        rows.map(|row| row.iter().map(|own| own[mode].map(f64::from)).collect())
            .collect()
    }

    fn rated(&self, mode: usize) -> RatedUnits {
        let value = |calls: &[Option<bool>; 2]| calls[mode].map(|call| f64::from(u8::from(call)));
        let rows: Vec<Vec<Option<f64>>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(value).collect())
            .collect();
        RatedUnits::with_categories(&rows, vec![0.0, 1.0])
    }

    /// With intervals by drawing patients.
    fn bootstrapped<const N: usize>(
        &self,
        statistics: impl Fn(&[f64]) -> [Option<f64>; N],
    ) -> [Option<StudyEstimate>; N] {
        let once = statistics(&vec![1.0; self.rows.len()]);
        let bounds = bootstrap::intervals(&self.owner, self.patients, N, |weights| {
            statistics(weights).into()
        });
        std::array::from_fn(|at| once[at].map(|value| estimate(value, bounds[at])))
    }
}
