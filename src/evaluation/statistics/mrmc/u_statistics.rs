//! U-statistics of the area under the ROC curve of readers and cases: "one-shot" analysis (BDG), as the program
//! iMRMC computes it.
//!
//! - Gallas 2006, *One-shot estimate of MRMC variance: AUC*, Academic Radiology 13:353
//!   (doi:10.1016/j.acra.2005.11.030): the variance as a sum of eight moments, each with its coefficient.
//! - Gallas, Bandos, Samuelson and Wagner 2009, *A framework for random-effects ROC analysis*, Communications in
//!   Statistics A 38:2586 (doi:10.1080/03610920802610084): the components of variance (BCK) that follow.
//! - Gallas and Brown 2008, *Reader studies for validation of CAD systems*, Neural Networks 21:387
//!   (doi:10.1016/j.neunet.2007.12.013): designs in which not every reader reads every case (split-plot).
//!
//! The moments are means of products of two wins s(i, j, r), whether the positive case j has a higher rating than
//! the negative case i by reader r:
//!
//! | moment | readers | negative cases | positive cases |
//! |--------|---------|----------------|----------------|
//! | M₁     | same    | same           | same           |
//! | M₂     | same    | different      | same           |
//! | M₃     | same    | same           | different      |
//! | M₄     | same    | different      | different      |
//! | M₅…M₈  | different | as M₁…M₄     | as M₁…M₄       |
//!
//! Readers of different cases have no pair for some of these; the coefficient of such a moment is 0.

use super::ReadingTable;
use super::pair_sums::{PairSums, UNBIASED};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::distributions::{
    normal_quantile, normal_two_sided, student_quantile, student_two_sided,
};

/// Above these degrees of freedom the test is the normal one, as in iMRMC.
pub(super) const NORMAL_ABOVE: f64 = 50.0;
/// What is left of a variance where nothing varies.
const ROUNDING: f64 = 1e-14;

/// An area, or the difference of two, over readers and cases as random samples.
#[derive(Debug, Clone, PartialEq)]
pub struct UEstimate {
    pub value: f64,
    pub variance: f64,
    /// Of Satterthwaite's approximation, at least those of the smallest sample (Gaylor and Hopper 1969).
    pub df: f64,
    /// 95 %, by Student's distribution with the whole part of `df`, or the normal one above 50.
    pub interval: (f64, f64),
    /// Two-sided, of no difference; `None` for a single area.
    pub p: Option<f64>,
    /// The unbiased moments M₁ to M₈ and their coefficients, M₈'s less 1: the variance is the sum of the products.
    /// A moment of which the study has no pair is `None`. Of a difference, the moments of the first area.
    pub moments: [Option<f64>; 8],
    pub coefficients: [f64; 8],
    pub readers: usize,
    /// Cases that any of the readers read.
    pub negatives: usize,
    pub positives: usize,
}

/// The area of one mode, over its readers weighted by their pairs of cases.
pub fn area(table: &ReadingTable, mode: usize) -> Result<UEstimate, Undefined> {
    let sums = PairSums::of(table, &cells(table, mode));
    let all: Vec<usize> = (0..sums.cells.len()).collect();
    let own = moments(table, &sums, &all, &all)?;
    let variance = usable(own.variance()?)?;
    Ok(own.estimate(own.areas.0, variance, own.df(variance)?, false))
}

/// The area of the first mode less that of the second.
pub fn area_difference(
    table: &ReadingTable,
    first: usize,
    second: usize,
) -> Result<UEstimate, Undefined> {
    let cells = [cells(table, first), cells(table, second)].concat();
    let sums = PairSums::of(table, &cells);
    let of = |mode: usize| -> Vec<usize> {
        (0..cells.len()).filter(|&at| cells[at].0 == mode).collect()
    };
    let (one, two) = (of(first), of(second));
    let own = moments(table, &sums, &one, &one)?;
    let other = moments(table, &sums, &two, &two)?;
    let both = moments(table, &sums, &one, &two)?;
    let variance = own.variance()? + other.variance()? - 2.0 * both.variance()?;
    let variance = usable(variance)?;
    let of_difference =
        |at: usize| own.components[at] + other.components[at] - 2.0 * both.components[at];
    let least = |at: usize| own.sample_df[at].min(other.sample_df[at]);
    let df = satterthwaite(variance, [0, 1, 2].map(|at| (of_difference(at), least(at))))?;
    let mut found = own.estimate(own.areas.0 - other.areas.0, variance, df, true);
    let counted = both.counts;
    (found.readers, found.negatives, found.positives) = counted;
    Ok(found)
}

/// A variance that a test can divide by.
pub(super) fn usable(variance: f64) -> Result<f64, Undefined> {
    match () {
        () if variance.abs() < ROUNDING => Err(Undefined::NoVariance),
        () if variance < 0.0 => Err(Undefined::NegativeVariance),
        () => Ok(variance),
    }
}

/// The readers of a mode, as (mode, reader).
fn cells(table: &ReadingTable, mode: usize) -> Vec<(usize, usize)> {
    let has_both = |reader: &usize| {
        let counts = table.counts(mode, *reader);
        counts.positives > 0 && counts.negatives > 0
    };
    (0..table.readers().len())
        .filter(has_both)
        .map(|reader| (mode, reader))
        .collect()
}

/// The moments of two modes, or of one and itself.
struct Moments {
    areas: (f64, f64),
    unbiased: [Option<f64>; 8],
    coefficients: [f64; 8],
    /// The biased components of variance of negative cases, positive cases and readers.
    components: [f64; 3],
    /// The degrees of freedom of the same samples.
    sample_df: [f64; 3],
    counts: (usize, usize, usize),
}

/// The moments whose pairs have the same negative case, the same positive case, and the same reader.
const SAME: [[usize; 4]; 3] = [[0, 2, 4, 6], [0, 1, 4, 5], [0, 1, 2, 3]];

/// Where each component of variance lies: this moment less the last one.
const COMPONENTS: [usize; 3] = [6, 5, 3];

fn moments(
    table: &ReadingTable,
    sums: &PairSums,
    first: &[usize],
    second: &[usize],
) -> Result<Moments, Undefined> {
    if first.is_empty() || second.is_empty() {
        return Err(Undefined::NoReader);
    }
    let (mut numerators, mut denominators) = ([0.0; 8], [0.0; 8]);
    let mut areas = [(0.0, 0.0); 2];
    for &one in first {
        for &other in second {
            let pair = sums.pair(one, other);
            for at in 0..4 {
                if sums.cells[one].1 == sums.cells[other].1 {
                    numerators[at] += pair.sums[at];
                    denominators[at] += pair.counts[at];
                }
                numerators[4 + at] += pair.sums[at];
                denominators[4 + at] += pair.counts[at];
            }
            for (area, cell) in areas.iter_mut().zip([one, other]) {
                area.0 += sums.totals[cell];
                area.1 += sums.pairs[cell];
            }
        }
    }
    let apply =
        |of: &[f64; 8]| UNBIASED.map(|row| row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>());
    let (unbiased, counts) = (apply(&numerators), apply(&denominators));
    let mut coefficients = counts.map(|count| count / denominators[7]);
    coefficients[7] -= 1.0;
    let biased = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| match denominators[at] > 0.0 {
        true => numerators[at] / denominators[at],
        false => 0.0,
    });
    let same = |at: usize| {
        SAME[at]
            .iter()
            .map(|&moment| coefficients[moment])
            .sum::<f64>()
    };
    let cells: Vec<usize> = first.iter().chain(second).copied().collect();
    Ok(Moments {
        areas: (areas[0].0 / areas[0].1, areas[1].0 / areas[1].1),
        unbiased: [0, 1, 2, 3, 4, 5, 6, 7]
            .map(|at| (counts[at] > 0.0).then(|| unbiased[at] / counts[at])),
        coefficients,
        components: COMPONENTS.map(|at| biased[at] - biased[7]),
        sample_df: [0, 1, 2].map(|at| (same(at).recip() - 1.0).round()),
        counts: sums.read(table, &cells),
    })
}

impl Moments {
    /// It takes two readers, and two cases of each class.
    fn variance(&self) -> Result<f64, Undefined> {
        let (readers, negatives, positives) = self.counts;
        match () {
            () if readers < 2 => return Err(Undefined::OneReader),
            () if negatives < 2 || positives < 2 || self.unbiased[7].is_none() => {
                return Err(Undefined::FewCases);
            }
            () => {}
        }
        let products = self.coefficients.iter().zip(&self.unbiased);
        Ok(products
            .map(|(coefficient, moment)| coefficient * moment.unwrap_or(0.0))
            .sum())
    }

    fn df(&self, variance: f64) -> Result<f64, Undefined> {
        satterthwaite(
            variance,
            [0, 1, 2].map(|at| (self.components[at], self.sample_df[at])),
        )
    }

    fn estimate(&self, value: f64, variance: f64, df: f64, is_difference: bool) -> UEstimate {
        let error = variance.max(0.0).sqrt();
        let quantile = match df > NORMAL_ABOVE {
            true => normal_quantile(0.975),
            false => student_quantile(0.975, df.floor()),
        };
        let p = |t: f64| match df > NORMAL_ABOVE {
            true => normal_two_sided(t),
            false => student_two_sided(t, df.floor()),
        };
        UEstimate {
            value,
            variance,
            df,
            interval: (value - quantile * error, value + quantile * error),
            p: is_difference.then(|| p(value / error)),
            moments: self.unbiased,
            coefficients: self.coefficients,
            readers: self.counts.0,
            negatives: self.counts.1,
            positives: self.counts.2,
        }
    }
}

/// Degrees of freedom of a variance, from (component, degrees of freedom) of each random sample. A sample may have fewer
/// than one: of two readers with 400 and 25 pairs of cases, the first is nearly all of the sample. Nothing is known of how
/// such a sample varies, and the variance has no distribution.
pub(super) fn satterthwaite<const N: usize>(
    variance: f64,
    samples: [(f64, f64); N],
) -> Result<f64, Undefined> {
    let least = samples
        .iter()
        .map(|sample| sample.1)
        .fold(f64::INFINITY, f64::min);
    if least.is_nan() || least < 1.0 {
        return Err(Undefined::FewDegreesOfFreedom);
    }
    let spread: f64 = samples
        .iter()
        .map(|(component, df)| component * component / df.powi(3))
        .sum();
    Ok((variance * variance / spread).max(least))
}

#[cfg(test)]
mod tests;
