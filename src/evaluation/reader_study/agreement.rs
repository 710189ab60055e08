//! How far readers agree with each other, whatever the reference standard says.

use std::collections::HashMap;

use serde::Serialize;

use super::{MODES, StudyEstimate, StudyReading, estimate, names};
use crate::evaluation::bootstrap;
use crate::evaluation::statistics::raters::{
    CategoryDistance, RatedUnits, fleiss_kappa, gwet, krippendorff_alpha, weighted_kappa,
};

/// Agreement of all readers in one mode. A coefficient that is undefined is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgreementOfReaders {
    pub mode: &'static str,
    /// Images that two readers or more read.
    pub images: usize,
    /// `None` also where not all images have the same number of readers.
    pub fleiss_kappa: Option<StudyEstimate>,
    pub gwet_ac1: Option<StudyEstimate>,
    pub krippendorff_alpha: Option<StudyEstimate>,
}

/// Cohen's κ of two readers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairOfReaders {
    pub first: String,
    pub second: String,
    /// Images that both read.
    pub images: usize,
    pub unaided: Option<StudyEstimate>,
    pub aided: Option<StudyEstimate>,
}

/// Unaided, then aided; empty with one reader.
pub(super) fn of_all(readings: &[StudyReading]) -> Vec<AgreementOfReaders> {
    let calls = Calls::of(readings);
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
            AgreementOfReaders {
                mode: MODES[mode],
                images: rated.pairable(),
                fleiss_kappa,
                gwet_ac1,
                krippendorff_alpha,
            }
        })
        .into()
}

/// Each pair of readers that read an image in common.
pub(super) fn of_pairs(readings: &[StudyReading]) -> Vec<PairOfReaders> {
    let calls = Calls::of(readings);
    let [aided, unaided] = [0, 1].map(|mode| calls.rated(mode));
    let count = calls.readers.len();
    let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
    let found = pairs.map(|pair| {
        let nominal = CategoryDistance::Nominal;
        let [unaided, aided] = calls.bootstrapped(|weights| {
            [
                weighted_kappa(&unaided, pair, nominal, weights),
                weighted_kappa(&aided, pair, nominal, weights),
            ]
        });
        let both = |row: &&Vec<Option<[bool; 2]>>| row[pair.0].is_some() && row[pair.1].is_some();
        PairOfReaders {
            first: calls.readers[pair.0].clone(),
            second: calls.readers[pair.1].clone(),
            images: calls.rows.iter().filter(both).count(),
            unaided,
            aided,
        }
    });
    found.filter(|pair| pair.images > 0).collect()
}

/// Calls by image and reader: aided, unaided.
struct Calls {
    readers: Vec<String>,
    rows: Vec<Vec<Option<[bool; 2]>>>,
    /// The patient of each image.
    owner: Vec<usize>,
    patients: usize,
}

impl Calls {
    fn of(readings: &[StudyReading]) -> Self {
        let readers = names(readings, |reading| &reading.reader);
        let column: HashMap<&str, usize> = readers
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, at))
            .collect();
        let (mut row, mut patient) = (HashMap::new(), HashMap::new());
        let (mut rows, mut owner) = (Vec::new(), Vec::new());
        for reading in readings {
            let at = *row.entry(reading.image.as_str()).or_insert_with(|| {
                let next = patient.len();
                owner.push(*patient.entry(reading.call.patient.as_str()).or_insert(next));
                rows.push(vec![None; readers.len()]);
                rows.len() - 1
            });
            rows[at][column[reading.reader.as_str()]] =
                Some([reading.call.aided, reading.call.unaided]);
        }
        Calls {
            patients: patient.len(),
            readers: readers.into_iter().map(str::to_owned).collect(),
            rows,
            owner,
        }
    }

    fn rated(&self, mode: usize) -> RatedUnits {
        let value = |call: &Option<[bool; 2]>| call.map(|calls| f64::from(u8::from(calls[mode])));
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
