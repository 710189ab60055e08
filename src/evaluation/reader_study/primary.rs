//! Sensitivity, specificity and, from ratings, the area under the ROC curve, aided and unaided, over readers and patients.

use serde::Serialize;

use super::{Known, MODES, StudyEstimate, StudyReading};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::mrmc::{
    FactorTypes, FigureOfMerit, FiguresOfMerit, LeftOutReader, MrmcEstimates, OrAnalysis,
    ReadingTable, StudyCase, area_difference, figures_of_merit, jackknife, obuchowski_rockette,
    proportion_difference,
};
use crate::evaluation::statistics::sample_size::VarianceComponents;

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

/// The figure of one reader in one mode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureOfReader {
    pub reader: String,
    pub mode: String,
    pub value: f64,
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
}

/// Sensitivity, then specificity, then the area where there are ratings.
pub(super) fn comparisons(readings: &[StudyReading]) -> Vec<ModeComparison> {
    let calls = table(readings);
    let figures = [
        (FigureOfMerit::Sensitivity, "sensitivity"),
        (FigureOfMerit::Specificity, "specificity"),
    ];
    let mut found = Vec::from(figures.map(|(figure, name)| comparison(&calls, figure, name)));
    let ratings = ratings(readings);
    if !ratings.modes().is_empty() {
        let area = comparison(&ratings, FigureOfMerit::Auc, "AUC");
        found.push(ModeComparison {
            unrated: [0, 1].map(|mode| unrated(readings, mode)),
            ..area
        });
    }
    found
}

/// The calls of images with a reference standard.
pub(super) fn table(readings: &[StudyReading]) -> ReadingTable {
    table_of(readings, |reading, mode| {
        let calls = [reading.call.aided, reading.call.unaided];
        calls[mode].map(|call| f64::from(u8::from(call)))
    })
}

/// The ratings of images with a reference standard.
fn ratings(readings: &[StudyReading]) -> ReadingTable {
    table_of(readings, |reading, mode| {
        reading.call.ratings[mode].map(f64::from)
    })
}

/// Calls of images with a reference standard that have no rating.
fn unrated(readings: &[StudyReading], mode: usize) -> usize {
    let calls = readings.iter().map(|reading| &reading.call);
    let known = calls.filter(|call| call.truth.is_some());
    let unrated = known
        .filter(|call| [call.aided, call.unaided][mode].is_some() && call.ratings[mode].is_none());
    unrated.count()
}

/// A table of values in the modes `MODES`, in that order.
fn table_of(
    readings: &[StudyReading],
    value: impl Fn(&StudyReading, usize) -> Option<f64>,
) -> ReadingTable {
    let mut cases: Vec<StudyCase> = Vec::new();
    let mut known = std::collections::HashSet::new();
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
    let known = || {
        readings
            .iter()
            .filter(|reading| reading.call.truth.is_some())
    };
    // Mode by mode, because the table numbers modes in the order in which they come.
    for (at, mode) in MODES.into_iter().enumerate() {
        for reading in known() {
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

/// Why a reader enters no comparison.
fn reason(table: &ReadingTable, out: &LeftOutReader) -> String {
    let counts = table.counts(out.mode, out.reader);
    if counts.positives + counts.negatives == 0 {
        return format!("nothing read {}", table.modes()[out.mode]);
    }
    out.reason.to_string()
}

fn comparison(table: &ReadingTable, figure: FigureOfMerit, name: &'static str) -> ModeComparison {
    let all = figures_of_merit(table, figure);
    let u_statistics = gallas(table, figure).into();
    let entered = all.all_cases();
    if all.readers.is_empty() || entered.len() == table.cases().len() {
        return compared(table, figure, name, &all, u_statistics);
    }
    // Cases that only others read would count as patients of the jackknife.
    let own = table.only_cases(&entered);
    let figures = FiguresOfMerit {
        left_out: all.left_out,
        ..figures_of_merit(&own, figure)
    };
    let reasons = |out: &LeftOutReader| reason(table, out);
    let left_out = figures.left_out.iter();
    ModeComparison {
        left_out: left_out
            .map(|out| (table.readers()[out.reader].clone(), reasons(out)))
            .collect(),
        ..compared(&own, figure, name, &figures, u_statistics)
    }
}

/// The comparison of figures of merit of a table.
fn compared(
    table: &ReadingTable,
    figure: FigureOfMerit,
    name: &'static str,
    figures: &FiguresOfMerit,
    u_statistics: Known<StudyDifference>,
) -> ModeComparison {
    let positive = figure == FigureOfMerit::Sensitivity;
    let is_read = |case: usize| {
        let modes = 0..table.modes().len();
        let mut cells = modes.flat_map(|mode| (0..table.readers().len()).map(move |r| (mode, r)));
        cells.any(|(mode, reader)| table.rating(mode, reader, case).is_some())
    };
    let of_class = table.cases().iter().enumerate();
    let of_class =
        of_class.filter(|(_, case)| figure == FigureOfMerit::Auc || case.positive == positive);
    // Of an area, only images with a rating.
    let read = of_class.filter(|(at, _)| is_read(*at)).count();
    let modes: Vec<&str> = table.modes().iter().map(String::as_str).collect();
    analysed(AnalysedFigure {
        name,
        images: read,
        modes: &modes,
        readers: table.readers(),
        figures,
        reason: &|out| reason(table, out),
        u_statistics,
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
    /// Why a reader has none.
    pub reason: &'a dyn Fn(&LeftOutReader) -> String,
    pub u_statistics: Known<StudyDifference>,
}

/// The analysis of variance of a figure.
pub(super) fn analysed(of: AnalysedFigure) -> ModeComparison {
    let AnalysedFigure {
        figures, images, ..
    } = of;
    let estimates = MrmcEstimates::new(figures, jackknife(figures));
    let analysis = |factors| obuchowski_rockette(&estimates, factors);
    let random = analysis(FactorTypes::RandomReadersRandomCases);
    // Without any reader, the reason of the first says why.
    let first = figures.left_out.first().map(|left_out| left_out.reason);
    let no_reader = |found: Undefined| {
        first
            .filter(|_| found == Undefined::NoReader)
            .unwrap_or(found)
    };
    let place = |mode: usize| of.modes.iter().position(|name| *name == MODES[mode]);
    let mean = |mode: usize| {
        let mode = place(mode).ok_or(Undefined::OneMode)?;
        mean(&random, &estimates, mode).map_err(no_reader)
    };
    let difference = |found: Result<OrAnalysis, Undefined>| difference(found).map_err(no_reader);
    let left_out = figures.left_out.iter();
    ModeComparison {
        figure: of.name,
        images,
        readers: figures.readers.len(),
        by_reader: by_reader(&of),
        left_out: left_out
            .map(|out| (of.readers[out.reader].clone(), (of.reason)(out)))
            .collect(),
        unrated: [0; 2],
        aided: mean(0).into(),
        unaided: mean(1).into(),
        difference: difference(random.clone()).into(),
        fixed_readers: difference(analysis(FactorTypes::FixedReaders)).into(),
        fixed_cases: difference(analysis(FactorTypes::FixedCases)).into(),
        u_statistics: of.u_statistics,
        components: components(&random, images, figures.readers.len())
            .map_err(no_reader)
            .into(),
        holm_p: None,
    }
}

fn by_reader(of: &AnalysedFigure) -> Vec<FigureOfReader> {
    let readers = &of.figures.readers;
    let cells = readers.iter().enumerate().flat_map(|(at, reader)| {
        let cell = move |place: usize| place * readers.len() + at;
        of.modes
            .iter()
            .enumerate()
            .map(move |(place, mode)| FigureOfReader {
                reader: of.readers[*reader].clone(),
                mode: (*mode).to_owned(),
                value: of.figures.cells[cell(place)].value,
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
fn gallas(table: &ReadingTable, figure: FigureOfMerit) -> Result<StudyDifference, Undefined> {
    if table.modes().len() < MODES.len() {
        return Err(Undefined::OneMode);
    }
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
