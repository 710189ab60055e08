//! Sensitivity, specificity and, from ratings, the area under the ROC curve, aided and unaided, over readers and patients. All
//! are of images that the same reader read (for the area: rated) in both modes.

use std::collections::HashSet;

use serde::Serialize;

use super::compared::ReadingCounts;
use super::tables::{ComparedTable, call, rating, unrated};
use super::{Known, MODES, StudyEstimate, StudyReading};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::distributions::normal_quantile;
use crate::evaluation::statistics::mrmc::{
    CovarianceMatrix, FactorTypes, FigureOfMerit, FiguresOfMerit, MrmcEstimates, OrAnalysis,
    ReadingTable, area_difference, figures_of_merit, jackknife, obuchowski_rockette,
    proportion_difference,
};
use crate::evaluation::statistics::sample_size::VarianceComponents;

/// What rounding leaves of a variance where nothing varies.
const ROUNDING: f64 = 1e-14;

/// One figure of merit in both modes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeComparison {
    /// `sensitivity`, `specificity`, `AUC`, the area under the ROC curve, or of marks on lesions `wAFROC` or `AFROC`.
    pub figure: &'static str,
    /// Images of the class that the readers who enter the comparison read; where none does, that any reader read.
    pub images: usize,
    /// Readers who enter the comparison, and those who do not, with the reason.
    pub readers: usize,
    pub left_out: Vec<(String, String)>,
    /// Readings of the class: those that are compared, and those that are not.
    pub readings: ReadingCounts,
    /// The figure of each of the readers who enter it.
    pub by_reader: Vec<FigureOfReader>,
    /// For an area: calls without a rating, aided and unaided, which do not enter it.
    pub unrated: [usize; 2],
    pub aided: Known<StudyEstimate>,
    pub unaided: Known<StudyEstimate>,
    /// Aided less unaided. For readers and patients like these: the primary result.
    pub difference: Known<StudyDifference>,
    /// For these readers and patients like these; and for readers like these and these patients.
    pub fixed_readers: Known<StudyDifference>,
    pub fixed_cases: Known<StudyDifference>,
    /// The primary result by the U-statistics of Gallas. They know no patients: every image is its own.
    pub u_statistics: Known<StudyDifference>,
    /// Components of variance, to plan a study from this one.
    pub components: Known<PilotComponents>,
    /// The p-value of the primary result, adjusted for all primary results of the page (Holm).
    pub holm_p: Option<f64>,
}

/// The figure of one reader in one mode, of the images that are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureOfReader {
    pub reader: String,
    pub mode: String,
    pub images: usize,
    pub value: f64,
    /// 95 %, within 0 and 1: normal, with the jackknife's variance over patients, which is the analysis for fixed readers (Hillis
    /// 2014) of one reader. `None` where nothing varies.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The components of variance of a study: see [`VarianceComponents`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PilotComponents {
    pub mode_by_reader: f64,
    pub error: f64,
    pub cov1: f64,
    pub cov2: f64,
    pub cov3: f64,
    pub cases: usize,
    pub readers: usize,
}

/// A difference of modes with its test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StudyDifference {
    pub value: f64,
    /// 95 %.
    pub low: f64,
    pub high: f64,
    /// `None` is the normal distribution; also where readers do not differ at all.
    pub df: Option<f64>,
    pub p: f64,
}

impl ModeComparison {
    /// The p-value of the primary result.
    pub fn p(&self) -> Option<f64> {
        match &self.difference {
            Known::Value(difference) => Some(difference.p),
            Known::Undefined { .. } => None,
        }
    }

    /// Whether it is an area under a curve, and no share of calls.
    pub fn is_area(&self) -> bool {
        !matches!(self.figure, "sensitivity" | "specificity")
    }
}

/// Sensitivity, then specificity, then the area where there are ratings.
pub(super) fn comparisons(readings: &[StudyReading]) -> Vec<ModeComparison> {
    let calls = ComparedTable::of(readings, "read", call);
    let figures = [
        (FigureOfMerit::Sensitivity, "sensitivity"),
        (FigureOfMerit::Specificity, "specificity"),
    ];
    let mut found = Vec::from(figures.map(|(figure, name)| comparison(&calls, figure, name)));
    let ratings = ComparedTable::of(readings, "rated", rating);
    if !ratings.compared.modes.is_empty() {
        let area = comparison(&ratings, FigureOfMerit::Auc, "AUC");
        found.push(ModeComparison {
            unrated: [0, 1].map(|mode| unrated(readings, mode)),
            ..area
        });
    }
    found
}

fn comparison(of: &ComparedTable, figure: FigureOfMerit, name: &'static str) -> ModeComparison {
    let is_of_class = |reading: &StudyReading| match figure {
        FigureOfMerit::Auc => true,
        FigureOfMerit::Sensitivity => reading.call.truth == Some(true),
        FigureOfMerit::Specificity => reading.call.truth == Some(false),
    };
    let all = figures_of_merit(&of.table, figure);
    let mut left_out = of.compared.left_out.clone();
    left_out.extend(all.left_out.iter().map(|out| {
        let reader = of.table.readers()[out.reader].clone();
        (reader, out.reason.to_string())
    }));
    // Cases that only others read would count as patients of the jackknife, and the readers are the same for both analyses.
    let own = of.table.only(&all.readers, &all.all_cases());
    let figures = figures_of_merit(&own, figure);
    let images = match own.readers() {
        [] => {
            let values = of.readings.iter().filter(|(r, has)| *has && is_of_class(r));
            values.map(|(r, _)| &r.image).collect::<HashSet<_>>().len()
        }
        _ => own.cases().len(),
    };
    analysed(AnalysedFigure {
        name,
        images,
        modes: &of.compared.mode_names(),
        readers: own.readers(),
        figures: &figures,
        left_out,
        readings: of
            .compared
            .counts(own.readers(), |at| is_of_class(of.readings[at].0)),
        u_statistics: gallas(&own, figure, of.compared.modes.len()),
    })
}

/// The figures of all readers, to be compared.
pub(super) struct AnalysedFigure<'a> {
    pub name: &'static str,
    /// Images that it is of.
    pub images: usize,
    /// In the order of the figures.
    pub modes: &'a [&'a str],
    pub readers: &'a [String],
    pub figures: &'a FiguresOfMerit,
    /// Readers who have none, with the reason.
    pub left_out: Vec<(String, String)>,
    pub readings: ReadingCounts,
    pub u_statistics: Result<StudyDifference, UStatisticsFault>,
}

/// Why there is no difference by U-statistics.
pub(super) enum UStatisticsFault {
    Undefined(Undefined),
    /// They are not defined for the figure.
    OfMarks,
}

/// The analysis of variance of a figure.
pub(super) fn analysed(of: AnalysedFigure) -> ModeComparison {
    let AnalysedFigure {
        figures, images, ..
    } = of;
    let covariance = jackknife(figures);
    let by_reader = by_reader(&of, &covariance);
    let estimates = MrmcEstimates::new(figures, covariance);
    let analysis = |factors| obuchowski_rockette(&estimates, factors);
    let random = analysis(FactorTypes::RandomReadersRandomCases);
    let place = |mode: usize| of.modes.iter().position(|name| *name == MODES[mode]);
    let mean = |mode: usize| {
        let mode = place(mode).ok_or(Undefined::OneMode)?;
        mean(&random, &estimates, mode)
    };
    let left_out = &of.left_out;
    ModeComparison {
        figure: of.name,
        images,
        readers: figures.readers.len(),
        readings: of.readings,
        by_reader,
        unrated: [0; 2],
        aided: known_of(mean(0), left_out),
        unaided: known_of(mean(1), left_out),
        difference: known_of(difference(random.clone()), left_out),
        fixed_readers: known_of(difference(analysis(FactorTypes::FixedReaders)), left_out),
        fixed_cases: known_of(difference(analysis(FactorTypes::FixedCases)), left_out),
        u_statistics: match of.u_statistics {
            Ok(found) => Known::Value(found),
            Err(UStatisticsFault::Undefined(reason)) => known_of(Err(reason), left_out),
            Err(UStatisticsFault::OfMarks) => Known::undefined("not defined for marks"),
        },
        components: known_of(components(&random, images, figures.readers.len()), left_out),
        holm_p: None,
        left_out: of.left_out,
    }
}

/// Where no reader is left, the reason is that of the readers, if all have the same.
fn known_of<T>(found: Result<T, Undefined>, left_out: &[(String, String)]) -> Known<T> {
    match (&found, left_out) {
        (Err(Undefined::NoReader), [(_, first), others @ ..])
            if others.iter().all(|(_, reason)| reason == first) =>
        {
            Known::undefined(first)
        }
        _ => found.into(),
    }
}

fn by_reader(of: &AnalysedFigure, covariance: &CovarianceMatrix) -> Vec<FigureOfReader> {
    let readers = &of.figures.readers;
    let cells = readers.iter().enumerate().flat_map(|(at, reader)| {
        let cell = move |place: usize| place * readers.len() + at;
        of.modes.iter().enumerate().map(move |(place, mode)| {
            let cell = cell(place);
            let value = of.figures.cells[cell].value;
            let variance = covariance.at(cell, cell);
            let half = normal_quantile(0.975) * variance.max(0.0).sqrt();
            let has_interval = variance > ROUNDING;
            FigureOfReader {
                reader: of.readers[*reader].clone(),
                mode: (*mode).to_owned(),
                images: of.figures.cases[cell].len(),
                value,
                low: has_interval.then_some((value - half).max(0.0)),
                high: has_interval.then_some((value + half).min(1.0)),
            }
        })
    });
    cells.collect()
}

/// The components of an analysis of `cases` cases.
fn components(
    random: &Result<OrAnalysis, Undefined>,
    cases: usize,
    readers: usize,
) -> Result<PilotComponents, Undefined> {
    let analysis = random.as_ref().map_err(|reason| *reason)?;
    let found = VarianceComponents::of(&analysis.components, cases);
    let found = found.ok_or(Undefined::OneReader)?;
    Ok(PilotComponents {
        mode_by_reader: found.mode_by_reader,
        error: found.error,
        cov1: found.cov1,
        cov2: found.cov2,
        cov3: found.cov3,
        cases,
        readers,
    })
}

/// The difference by U-statistics.
fn gallas(
    table: &ReadingTable,
    figure: FigureOfMerit,
    modes: usize,
) -> Result<StudyDifference, UStatisticsFault> {
    if modes < MODES.len() {
        return Err(UStatisticsFault::Undefined(Undefined::OneMode));
    }
    if table.readers().is_empty() {
        return Err(UStatisticsFault::Undefined(Undefined::NoReader));
    }
    by_u_statistics(table, figure).map_err(UStatisticsFault::Undefined)
}

fn by_u_statistics(
    table: &ReadingTable,
    figure: FigureOfMerit,
) -> Result<StudyDifference, Undefined> {
    let (value, (low, high), df, p) = match figure {
        FigureOfMerit::Auc => {
            let found = area_difference(table, 0, 1)?;
            (found.value, found.interval, found.df, found.p)
        }
        FigureOfMerit::Sensitivity | FigureOfMerit::Specificity => {
            let found = proportion_difference(table, figure, 0, 1)?;
            (found.value, found.interval, found.df, found.p)
        }
    };
    Ok(StudyDifference {
        value,
        low,
        high,
        df: Some(df).filter(|df| df.is_finite()),
        p: p.ok_or(Undefined::NoVariance)?,
    })
}

/// The mean of a mode is known even where its interval is not.
fn mean(
    random: &Result<OrAnalysis, Undefined>,
    estimates: &MrmcEstimates,
    mode: usize,
) -> Result<StudyEstimate, Undefined> {
    let analysis = random.as_ref().map_err(|reason| *reason)?;
    let bounds = analysis
        .means
        .as_ref()
        .ok()
        .map(|means| means[mode].interval);
    let own = &estimates.values[mode * estimates.readers..(mode + 1) * estimates.readers];
    let value = own.iter().sum::<f64>() / own.len() as f64;
    Ok(super::estimate(value, bounds))
}

fn difference(found: Result<OrAnalysis, Undefined>) -> Result<StudyDifference, Undefined> {
    let found = found?.differences?;
    let difference = found.first().ok_or(Undefined::OneMode)?;
    let (low, high) = difference.interval;
    Ok(StudyDifference {
        value: difference.value,
        low,
        high,
        df: difference.df.filter(|df| df.is_finite()),
        p: difference.p,
    })
}
