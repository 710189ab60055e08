//! The analysis of variance of figures of merit whose errors are correlated.
//!
//! - Obuchowski and Rockette 1995, *Hypothesis testing of diagnostic accuracy for multiple readers and multiple
//!   tests*, Communications in Statistics B 24:285 (doi:10.1080/03610919508813243): the model.
//! - Hillis 2007, *A comparison of denominator degrees of freedom methods for multiple observer ROC analysis*,
//!   Statistics in Medicine 26:596 (doi:10.1002/sim.2532): the degrees of freedom.
//! - Hillis 2014, *A marginal-mean ANOVA approach for analyzing multireader multicase radiological imaging data*,
//!   Statistics in Medicine 33:330 (doi:10.1002/sim.5926): fixed readers, fixed cases, single modes, and designs in
//!   which readers read different cases (split-plot): their covariances are 0 and enter the means as such.
//!
//! ```text
//! θᵢⱼ = μ + τᵢ + Rⱼ + (τR)ᵢⱼ + εᵢⱼ       mode i of t, reader j of r
//! Cov₁: same reader, other mode   Cov₂: other reader, same mode   Cov₃: other reader, other mode
//! random readers and cases:  F = MS(T) / (MS(TR) + r max(Cov₂ − Cov₃, 0))
//!                            df₂ = (MS(TR) + r max(Cov₂ − Cov₃, 0))² / (MS(TR)² / ((t − 1)(r − 1)))
//! fixed readers:             χ² = (t − 1) MS(T) / (Var − Cov₁ + (r − 1)(Cov₂ − Cov₃))
//! fixed cases:               F = MS(T) / MS(TR),   df₂ = (t − 1)(r − 1)
//! ```
//!
//! For fixed readers Cov₂ − Cov₃ may be negative: there the denominator is r/2 times the variance of the difference of two modes'
//! means, as it follows from the covariances, and cutting off a part of it would bias it. MRMCaov (`.summary.mrmc_frrc` in
//! R/summary.R) and RJafroc (FRRC in its Obuchowski-Rockette analysis) have no max either. For random readers both have it, as here,
//! and so has MRMCaov for the mean of one mode.

use super::{CovarianceMatrix, FiguresOfMerit};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::distributions::{
    chi_squared_upper, f_upper, normal_quantile, normal_two_sided, student_quantile,
    student_two_sided,
};

/// What rounding leaves of a variance where nothing varies.
const ROUNDING: f64 = 1e-14;

/// For which readers and cases the conclusion is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorTypes {
    /// Others like these.
    RandomReadersRandomCases,
    /// These readers, other cases.
    FixedReaders,
    /// Other readers, these cases.
    FixedCases,
}

/// The figures and their covariances, mode by mode and within a mode reader by reader.
#[derive(Debug, Clone, PartialEq)]
pub struct MrmcEstimates {
    pub modes: usize,
    pub readers: usize,
    pub values: Vec<f64>,
    pub covariance: CovarianceMatrix,
}

impl MrmcEstimates {
    pub fn new(figures: &FiguresOfMerit, covariance: CovarianceMatrix) -> Self {
        MrmcEstimates {
            modes: figures.modes,
            readers: figures.readers.len(),
            values: figures.cells.iter().map(|cell| cell.value).collect(),
            covariance,
        }
    }

    fn value(&self, mode: usize, reader: usize) -> f64 {
        self.values[mode * self.readers + reader]
    }

    fn mode_mean(&self, mode: usize) -> f64 {
        mean((0..self.readers).map(|reader| self.value(mode, reader)))
    }

    /// The mean covariance of the pairs of (mode, reader) that `chosen` takes; `None` without such a pair.
    fn mean_covariance(
        &self,
        chosen: impl Fn((usize, usize), (usize, usize)) -> bool,
    ) -> Option<f64> {
        let size = self.values.len();
        let place = |at: usize| (at / self.readers, at % self.readers);
        let pairs = (0..size).flat_map(|one| (0..size).map(move |other| (one, other)));
        let chosen = pairs.filter(|(one, other)| chosen(place(*one), place(*other)));
        let (sum, count) = chosen.fold((0.0, 0.0), |(sum, count), (one, other)| {
            (sum + self.covariance.at(one, other), count + 1.0)
        });
        (count > 0.0).then(|| sum / count)
    }
}

/// Mean squares of the analysis of variance; `None` without degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSquares {
    pub mode: Option<f64>,
    pub reader: Option<f64>,
    pub mode_by_reader: Option<f64>,
}

/// Components of variance, as estimated: that of readers, or of modes by readers, may come out negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrComponents {
    pub mean_squares: MeanSquares,
    /// σ²(R) and σ²(TR); `None` with one reader or one mode.
    pub reader: Option<f64>,
    pub mode_by_reader: Option<f64>,
    /// Mean error variance and covariances; a covariance of no pair is 0.
    pub error: f64,
    pub cov1: f64,
    pub cov2: f64,
    pub cov3: f64,
}

/// The test that all modes are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MrmcTest {
    /// F, or χ² where `df2` is `None`.
    pub statistic: f64,
    pub df1: f64,
    pub df2: Option<f64>,
    pub p: f64,
}

/// One mode less another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeDifference {
    pub first: usize,
    pub second: usize,
    pub value: f64,
    pub standard_error: f64,
    /// `None` is the normal distribution.
    pub df: Option<f64>,
    /// 95 %.
    pub interval: (f64, f64),
    pub p: f64,
}

/// One mode, from its own readings only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModeMean {
    pub mode: usize,
    pub value: f64,
    pub standard_error: f64,
    pub df: Option<f64>,
    /// 95 %, within 0 and 1.
    pub interval: (f64, f64),
}

/// The whole analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct OrAnalysis {
    pub factors: FactorTypes,
    pub components: OrComponents,
    pub test: Result<MrmcTest, Undefined>,
    /// Each pair of modes.
    pub differences: Result<Vec<ModeDifference>, Undefined>,
    pub means: Result<Vec<ModeMean>, Undefined>,
}

/// The mean figures of the modes, their differences and the test that they are equal.
pub fn obuchowski_rockette(
    estimates: &MrmcEstimates,
    factors: FactorTypes,
) -> Result<OrAnalysis, Undefined> {
    if estimates.readers == 0 {
        return Err(Undefined::NoReader);
    }
    let components = components(estimates);
    let denominator = denominator(estimates, &components, factors);
    let test = denominator.map(|denominator| test(estimates, &components, denominator));
    let differences = denominator.map(|denominator| differences(estimates, denominator));
    let means = (0..estimates.modes).map(|mode| mean_of(estimates, mode, factors));
    Ok(OrAnalysis {
        factors,
        components,
        test,
        differences,
        means: means.collect(),
    })
}

fn components(estimates: &MrmcEstimates) -> OrComponents {
    let (t, r) = (estimates.modes, estimates.readers);
    let mean_squares = mean_squares(estimates);
    let covariance = |same_mode: bool, same_reader: bool| {
        let chosen = move |(i, j): (usize, usize), (k, l): (usize, usize)| {
            (i == k) == same_mode && (j == l) == same_reader
        };
        estimates.mean_covariance(chosen).unwrap_or(0.0)
    };
    let (error, cov1) = (covariance(true, true), covariance(false, true));
    let (cov2, cov3) = (covariance(true, false), covariance(false, false));
    let interaction = mean_squares.mode_by_reader;
    let reader = mean_squares.reader.zip(interaction);
    OrComponents {
        mean_squares,
        reader: reader.map(|(reader, interaction)| (reader - interaction) / t as f64 - cov1 + cov3),
        mode_by_reader: interaction
            .filter(|_| r > 1)
            .map(|interaction| interaction - error + cov1 + (cov2 - cov3).max(0.0)),
        error,
        cov1,
        cov2,
        cov3,
    }
}

fn mean_squares(estimates: &MrmcEstimates) -> MeanSquares {
    let (t, r) = (estimates.modes, estimates.readers);
    let by_mode: Vec<f64> = (0..t).map(|mode| estimates.mode_mean(mode)).collect();
    let reader_mean = |reader| mean((0..t).map(|mode| estimates.value(mode, reader)));
    let by_reader: Vec<f64> = (0..r).map(reader_mean).collect();
    let all = mean(by_mode.iter().copied());
    let squares = |values: &[f64]| {
        values
            .iter()
            .map(|value| (value - all).powi(2))
            .sum::<f64>()
    };
    let rest = (0..t).flat_map(|mode| (0..r).map(move |reader| (mode, reader)));
    let rest: f64 = rest
        .map(|(mode, reader)| {
            (estimates.value(mode, reader) - by_mode[mode] - by_reader[reader] + all).powi(2)
        })
        .sum();
    let over = |sum: f64, df: usize| (df > 0).then(|| sum / df as f64);
    MeanSquares {
        mode: over(r as f64 * squares(&by_mode), t.saturating_sub(1)),
        reader: over(t as f64 * squares(&by_reader), r - 1),
        mode_by_reader: over(rest, t.saturating_sub(1) * (r - 1)),
    }
}

/// What a difference of modes is measured by, and its degrees of freedom.
#[derive(Debug, Clone, Copy)]
struct Denominator {
    value: f64,
    df: Option<f64>,
}

fn denominator(
    estimates: &MrmcEstimates,
    components: &OrComponents,
    factors: FactorTypes,
) -> Result<Denominator, Undefined> {
    if estimates.modes < 2 {
        return Err(Undefined::OneMode);
    }
    let r = estimates.readers as f64;
    let between = components.cov2 - components.cov3;
    let of_readers = || {
        components
            .mean_squares
            .mode_by_reader
            .ok_or(Undefined::OneReader)
    };
    let own_df = (estimates.modes - 1) as f64 * (r - 1.0);
    let found = match factors {
        FactorTypes::RandomReadersRandomCases => {
            let interaction = of_readers()?;
            let value = interaction + r * between.max(0.0);
            Denominator {
                value,
                df: Some(hillis(value, interaction, own_df)),
            }
        }
        FactorTypes::FixedReaders => Denominator {
            value: components.error - components.cov1 + (r - 1.0) * between,
            df: None,
        },
        FactorTypes::FixedCases => Denominator {
            value: of_readers()?,
            df: Some(own_df),
        },
    };
    usable(found)
}

/// Degrees of freedom of a variance of which `part` has `df`. They are infinite where that part is 0 but for rounding:
/// readers do not differ, or not in what the modes do for them.
fn hillis(variance: f64, part: f64, df: f64) -> f64 {
    match part < ROUNDING {
        true => f64::INFINITY,
        false => variance.powi(2) / (part.powi(2) / df),
    }
}

fn usable(found: Denominator) -> Result<Denominator, Undefined> {
    match found.value {
        value if value.abs() < ROUNDING => Err(Undefined::NoVariance),
        value if value < 0.0 => Err(Undefined::NegativeVariance),
        _ => Ok(found),
    }
}

fn test(
    estimates: &MrmcEstimates,
    components: &OrComponents,
    denominator: Denominator,
) -> MrmcTest {
    let df1 = (estimates.modes - 1) as f64;
    let ratio = components.mean_squares.mode.unwrap_or(0.0) / denominator.value;
    let (statistic, p) = match denominator.df {
        Some(df2) => (ratio, f_upper(ratio, df1, df2)),
        None => (df1 * ratio, chi_squared_upper(df1 * ratio, df1)),
    };
    MrmcTest {
        statistic,
        df1,
        df2: denominator.df,
        p,
    }
}

fn differences(estimates: &MrmcEstimates, denominator: Denominator) -> Vec<ModeDifference> {
    let error = (2.0 / estimates.readers as f64 * denominator.value).sqrt();
    let pairs = (0..estimates.modes)
        .flat_map(|first| (first + 1..estimates.modes).map(move |second| (first, second)));
    pairs
        .map(|(first, second)| {
            let value = estimates.mode_mean(first) - estimates.mode_mean(second);
            let half = quantile(denominator.df) * error;
            ModeDifference {
                first,
                second,
                value,
                standard_error: error,
                df: denominator.df,
                interval: (value - half, value + half),
                p: match denominator.df {
                    Some(df) => student_two_sided(value / error, df),
                    None => normal_two_sided(value / error),
                },
            }
        })
        .collect()
}

fn mean_of(
    estimates: &MrmcEstimates,
    mode: usize,
    factors: FactorTypes,
) -> Result<ModeMean, Undefined> {
    let r = estimates.readers as f64;
    let value = estimates.mode_mean(mode);
    let own = |same_reader: bool| {
        estimates
            .mean_covariance(|(i, j), (k, l)| i == mode && k == mode && (j == l) == same_reader)
    };
    let (variance, cov2) = (own(true).unwrap_or(0.0), own(false).unwrap_or(0.0).max(0.0));
    let between_readers = || {
        let squares =
            (0..estimates.readers).map(|reader| (estimates.value(mode, reader) - value).powi(2));
        (estimates.readers > 1)
            .then(|| squares.sum::<f64>() / (r - 1.0))
            .ok_or(Undefined::OneReader)
    };
    let (square, df) = match factors {
        FactorTypes::RandomReadersRandomCases => {
            let between = between_readers()?;
            let df = hillis(between + r * cov2, between, r - 1.0);
            (between / r + cov2, Some(df))
        }
        FactorTypes::FixedReaders => ((variance + (r - 1.0) * cov2) / r, None),
        FactorTypes::FixedCases => (between_readers()? / r, Some(r - 1.0)),
    };
    if square < ROUNDING {
        return Err(Undefined::NoVariance);
    }
    let half = quantile(df) * square.sqrt();
    Ok(ModeMean {
        mode,
        value,
        standard_error: square.sqrt(),
        df,
        interval: ((value - half).max(0.0), (value + half).min(1.0)),
    })
}

fn quantile(df: Option<f64>) -> f64 {
    df.map_or_else(|| normal_quantile(0.975), |df| student_quantile(0.975, df))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests;
