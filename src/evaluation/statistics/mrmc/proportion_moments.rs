//! U-statistics of a share of calls over readers and cases: sensitivity or specificity, or the difference of two
//! (Gallas, Pennello and Myers 2007, *Multireader multicase variance analysis for binary data*, Journal of the
//! Optical Society of America A 24:B70, doi:10.1364/JOSAA.24.000B70). It is [`u_statistics`](super::u_statistics)
//! with one sample of cases in place of two:
//!
//! | moment | readers   | cases     |
//! |--------|-----------|-----------|
//! | M₁     | same      | same      |
//! | M₂     | same      | different |
//! | M₃     | different | same      |
//! | M₄     | different | different |

use super::u_statistics::{NORMAL_ABOVE, satterthwaite, usable};
use super::{FigureOfMerit, ReadingTable};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::distributions::{
    normal_quantile, normal_two_sided, student_quantile, student_two_sided,
};

/// A share, or the difference of two, over readers and cases as random samples.
#[derive(Debug, Clone, PartialEq)]
pub struct ProportionEstimate {
    pub value: f64,
    pub variance: f64,
    pub df: f64,
    /// 95 %.
    pub interval: (f64, f64),
    /// Two-sided, of no difference; `None` for a single share.
    pub p: Option<f64>,
    pub readers: usize,
    /// Cases of the class that any of the readers read.
    pub cases: usize,
}

/// Sensitivity or specificity of one mode, over its readers weighted by their cases. Ratings are calls.
pub fn proportion(
    table: &ReadingTable,
    figure: FigureOfMerit,
    mode: usize,
) -> Result<ProportionEstimate, Undefined> {
    let calls = ClassCalls::of(table, figure, mode)?;
    let own = moments(&calls, &calls)?;
    let samples = [0, 1].map(|at| (own.components[at], own.sample_df[at]));
    estimate(calls.share(), own.variance, samples, false, own.counts)
}

/// Sensitivity or specificity of the first mode less that of the second.
pub fn proportion_difference(
    table: &ReadingTable,
    figure: FigureOfMerit,
    first: usize,
    second: usize,
) -> Result<ProportionEstimate, Undefined> {
    let [one, two] = [
        ClassCalls::of(table, figure, first)?,
        ClassCalls::of(table, figure, second)?,
    ];
    let (own, other, both) = (
        moments(&one, &one)?,
        moments(&two, &two)?,
        moments(&one, &two)?,
    );
    let variance = own.variance + other.variance - 2.0 * both.variance;
    let sample = |at: usize| {
        let component = own.components[at] + other.components[at] - 2.0 * both.components[at];
        (component, own.sample_df[at].min(other.sample_df[at]))
    };
    let samples = [0, 1].map(sample);
    estimate(
        one.share() - two.share(),
        variance,
        samples,
        true,
        both.counts,
    )
}

fn estimate(
    value: f64,
    variance: f64,
    samples: [(f64, f64); 2],
    is_difference: bool,
    (readers, cases): (usize, usize),
) -> Result<ProportionEstimate, Undefined> {
    let variance = usable(variance)?;
    let df = satterthwaite(variance, samples)?;
    let is_normal = df > NORMAL_ABOVE;
    let quantile = if is_normal {
        normal_quantile(0.975)
    } else {
        student_quantile(0.975, df.floor())
    };
    let error = variance.sqrt();
    let t = value / error;
    let p = if is_normal {
        normal_two_sided(t)
    } else {
        student_two_sided(t, df.floor())
    };
    Ok(ProportionEstimate {
        value,
        variance,
        df,
        interval: (value - quantile * error, value + quantile * error),
        p: is_difference.then_some(p),
        readers,
        cases,
    })
}

/// Whether each reader was right on each case of the class; `None` where it was not read.
struct ClassCalls(Vec<Vec<Option<f64>>>);

impl ClassCalls {
    fn of(table: &ReadingTable, figure: FigureOfMerit, mode: usize) -> Result<Self, Undefined> {
        let positive = figure != FigureOfMerit::Specificity;
        let class = table.of_class(positive);
        if class.is_empty() {
            return Err(if positive {
                Undefined::NoPositive
            } else {
                Undefined::NoNegative
            });
        }
        let right = |call: f64| if positive { call } else { 1.0 - call };
        let of = |reader| {
            class
                .iter()
                .map(|&case| table.rating(mode, reader, case).map(right))
                .collect()
        };
        Ok(ClassCalls((0..table.readers().len()).map(of).collect()))
    }

    fn share(&self) -> f64 {
        let (sum, count) = self.total();
        sum / count
    }

    fn total(&self) -> (f64, f64) {
        let calls = self.0.iter().flatten().flatten();
        (calls.clone().sum(), calls.count() as f64)
    }
}

struct CallMoments {
    variance: f64,
    /// The biased components of cases and of readers.
    components: [f64; 2],
    sample_df: [f64; 2],
    counts: (usize, usize),
}

fn moments(one: &ClassCalls, other: &ClassCalls) -> Result<CallMoments, Undefined> {
    // Biased: same reader and case; same reader; same case; all. Each as (sum, count).
    let mut biased = [(0.0, 0.0); 4];
    let add = |place: &mut (f64, f64), (sum, count): (f64, f64)| {
        place.0 += sum;
        place.1 += count;
    };
    let total = |calls: &mut dyn Iterator<Item = &Option<f64>>| {
        calls
            .flatten()
            .fold((0.0, 0.0), |(sum, count), call| (sum + call, count + 1.0))
    };
    let times = |a: (f64, f64), b: (f64, f64)| (a.0 * b.0, a.1 * b.1);
    for (a, b) in one.0.iter().zip(&other.0) {
        for pair in a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))) {
            add(&mut biased[0], (pair.0 * pair.1, 1.0));
        }
        add(
            &mut biased[1],
            times(total(&mut a.iter()), total(&mut b.iter())),
        );
    }
    let cases = one.0.first().map_or(0, Vec::len);
    for case in 0..cases {
        let column = |calls: &ClassCalls| total(&mut calls.0.iter().map(|row| &row[case]));
        add(&mut biased[2], times(column(one), column(other)));
    }
    add(&mut biased[3], times(one.total(), other.total()));
    let counts = counts(one, other, cases);
    if counts.0 < 2 {
        return Err(if counts.0 == 1 {
            Undefined::OneReader
        } else {
            Undefined::NoReader
        });
    }
    if counts.1 < 2 {
        return Err(Undefined::FewCases);
    }
    let [same, of_reader, of_case, all] = biased;
    let less = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0, a.1 - b.1);
    let different = less(less(all, of_reader), less(of_case, same));
    let unbiased = [same, less(of_reader, same), less(of_case, same), different];
    let mean = |(sum, count): (f64, f64)| if count > 0.0 { sum / count } else { 0.0 };
    let share = |(_, count): (f64, f64)| count / all.1;
    let variance = unbiased
        .iter()
        .map(|of| share(*of) * mean(*of))
        .sum::<f64>()
        - mean(different);
    let degrees = |of: (f64, f64)| (share(of).recip() - 1.0).round();
    Ok(CallMoments {
        variance,
        components: [mean(of_case) - mean(all), mean(of_reader) - mean(all)],
        sample_df: [degrees(of_case), degrees(of_reader)],
        counts,
    })
}

/// Readers with a call, and cases with one.
fn counts(one: &ClassCalls, other: &ClassCalls, cases: usize) -> (usize, usize) {
    let is_any = |row: &[Option<f64>]| row.iter().any(Option::is_some);
    let readers = one
        .0
        .iter()
        .zip(&other.0)
        .filter(|(a, b)| is_any(a) || is_any(b))
        .count();
    let is_read = |case: usize| one.0.iter().chain(&other.0).any(|row| row[case].is_some());
    (readers, (0..cases).filter(|&case| is_read(case)).count())
}
