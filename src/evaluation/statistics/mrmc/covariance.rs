//! Covariances of the figures of readers and modes, which come from reading the same cases.
//!
//! - Jackknife over patients, for any figure and design: (n − 1)/n · Σ (θ₍₋ᵢ₎ − mean)(ϑ₍₋ᵢ₎ − mean), as in
//!   Obuchowski and Rockette 1995 (doi:10.1080/03610919508813243) and Hillis 2014 (doi:10.1002/sim.5926).
//! - DeLong, DeLong and Clarke-Pearson 1988 (doi:10.2307/2531595), for areas where every reader read every case.
//! - The unbiased estimate of Gallas 2006 (*One-shot estimate of MRMC variance: AUC*, Academic Radiology 13:353,
//!   doi:10.1016/j.acra.2005.11.030), for areas and any design.

use super::figures_of_merit::below;
use super::pair_sums::PairSums;
use super::{FiguresOfMerit, ReadingTable};
use crate::evaluation::statistics::Undefined;

/// A symmetric matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct CovarianceMatrix {
    size: usize,
    values: Vec<f64>,
}

impl CovarianceMatrix {
    /// From the value of each pair.
    pub fn new(size: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let at = |place: usize| value(place / size, place % size);
        CovarianceMatrix {
            size,
            values: (0..size * size).map(at).collect(),
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }
}

/// From the figures without each patient in turn. Figures that share no case have no covariance.
pub fn jackknife(figures: &FiguresOfMerit) -> CovarianceMatrix {
    let centred: Vec<Vec<f64>> = figures
        .cells
        .iter()
        .map(|cell| {
            let mean = cell.without.iter().sum::<f64>() / cell.without.len() as f64;
            cell.without.iter().map(|value| value - mean).collect()
        })
        .collect();
    CovarianceMatrix::new(figures.cells.len(), |one, other| {
        if !share_a_case(&figures.cases[one], &figures.cases[other]) {
            return 0.0;
        }
        let count = centred[one].len() as f64;
        let products = centred[one].iter().zip(&centred[other]).map(|(a, b)| a * b);
        (count - 1.0) / count * products.sum::<f64>()
    })
}

/// Whether two rising lists have a member in common.
fn share_a_case(one: &[usize], other: &[usize]) -> bool {
    let (mut a, mut b) = (0, 0);
    while a < one.len() && b < other.len() {
        match one[a].cmp(&other[b]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
        }
    }
    false
}

/// DeLong's covariances of the areas of `figures`. It knows no patients: each case is its own.
pub fn delong(
    table: &ReadingTable,
    figures: &FiguresOfMerit,
) -> Result<CovarianceMatrix, Undefined> {
    if !table.is_fully_crossed() {
        return Err(Undefined::NotFullyCrossed);
    }
    let (positive, negative) = (table.of_class(true), table.of_class(false));
    if positive.len() < 2 || negative.len() < 2 {
        return Err(Undefined::FewCases);
    }
    let parts: Vec<[Vec<f64>; 2]> = cells(figures)
        .map(|(mode, reader)| {
            let ratings = |class: &[usize]| -> Vec<f64> {
                class
                    .iter()
                    .filter_map(|&case| table.rating(mode, reader, case))
                    .collect()
            };
            let (high, low) = (ratings(&positive), ratings(&negative));
            let sorted = |mut values: Vec<f64>| {
                values.sort_by(f64::total_cmp);
                values
            };
            let (rising_high, rising_low) = (sorted(high.clone()), sorted(low.clone()));
            let (m, n) = (high.len() as f64, low.len() as f64);
            [
                centred(high.iter().map(|rating| below(&rising_low, *rating) / n)),
                centred(
                    low.iter()
                        .map(|rating| 1.0 - below(&rising_high, *rating) / m),
                ),
            ]
        })
        .collect();
    Ok(CovarianceMatrix::new(parts.len(), |one, other| {
        let of = |class: usize| {
            let (a, b) = (&parts[one][class], &parts[other][class]);
            let count = a.len() as f64;
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (count * (count - 1.0))
        };
        of(0) + of(1)
    }))
}

/// The unbiased covariances of the areas of `figures`. Each case is its own patient.
pub fn unbiased(
    table: &ReadingTable,
    figures: &FiguresOfMerit,
) -> Result<CovarianceMatrix, Undefined> {
    let cells: Vec<_> = cells(figures).collect();
    let sums = PairSums::of(table, &cells);
    let size = cells.len();
    let mut values = vec![0.0; size * size];
    for one in 0..size {
        for other in 0..size {
            values[one * size + other] = sums
                .pair(one, other)
                .covariance()
                .ok_or(Undefined::FewCases)?;
        }
    }
    Ok(CovarianceMatrix { size, values })
}

/// (mode, reader) of each cell.
fn cells(figures: &FiguresOfMerit) -> impl Iterator<Item = (usize, usize)> {
    (0..figures.modes).flat_map(|mode| figures.readers.iter().map(move |reader| (mode, *reader)))
}

fn centred(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.into_iter().map(|value| value - mean).collect()
}
