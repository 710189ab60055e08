//! Sensitivity and specificity, aided and unaided, over readers and patients.

use serde::Serialize;

use super::{Known, MODES, StudyEstimate, StudyReading};
use crate::evaluation::statistics::Undefined;
use crate::evaluation::statistics::mrmc::{
    FactorTypes, FigureOfMerit, MrmcEstimates, OrAnalysis, ReadingTable, StudyCase,
    figures_of_merit, jackknife, obuchowski_rockette, proportion_difference,
};

/// One figure of merit in both modes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeComparison {
    /// `sensitivity` or `specificity`.
    pub figure: &'static str,
    /// Images of the class that any reader read.
    pub images: usize,
    /// Readers who enter the comparison, and those who do not, with the reason.
    pub readers: usize,
    pub left_out: Vec<(String, String)>,
    pub aided: Known<StudyEstimate>,
    pub unaided: Known<StudyEstimate>,
    /// Aided less unaided. For readers and patients like these: the primary result.
    pub difference: Known<StudyDifference>,
    /// For these readers and patients like these; and for readers like these and these patients.
    pub fixed_readers: Known<StudyDifference>,
    pub fixed_cases: Known<StudyDifference>,
    /// The primary result by the U-statistics of Gallas. They know no patients: every image is its own.
    pub u_statistics: Known<StudyDifference>,
    /// The p-value of the primary result, adjusted for all primary results of the page (Holm).
    pub holm_p: Option<f64>,
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

/// Sensitivity, then specificity.
pub(super) fn comparisons(readings: &[StudyReading]) -> Vec<ModeComparison> {
    let table = table(readings);
    let figures = [
        (FigureOfMerit::Sensitivity, "sensitivity"),
        (FigureOfMerit::Specificity, "specificity"),
    ];
    figures
        .map(|(figure, name)| comparison(&table, figure, name))
        .into()
}

/// The calls of images with a reference standard.
pub(super) fn table(readings: &[StudyReading]) -> ReadingTable {
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
    for reading in readings
        .iter()
        .filter(|reading| reading.call.truth.is_some())
    {
        let calls = [reading.call.aided, reading.call.unaided];
        for (mode, call) in MODES.into_iter().zip(calls) {
            // The log has one last word of each reader on each image, so that none is read twice.
            let added = table.add(
                &reading.reader,
                mode,
                &reading.image,
                f64::from(u8::from(call)),
            );
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }
    table
}

fn comparison(table: &ReadingTable, figure: FigureOfMerit, name: &'static str) -> ModeComparison {
    let figures = figures_of_merit(table, figure);
    let estimates = MrmcEstimates::new(&figures, jackknife(&figures));
    let analysis = |factors| obuchowski_rockette(&estimates, factors);
    let random = analysis(FactorTypes::RandomReadersRandomCases);
    let positive = figure == FigureOfMerit::Sensitivity;
    let read = table
        .cases()
        .iter()
        .filter(|case| case.positive == positive)
        .count();
    // Without any reader, the reason of the first says why.
    let reason = figures.left_out.first().map(|left_out| left_out.reason);
    let no_reader = |found: Undefined| {
        reason
            .filter(|_| found == Undefined::NoReader)
            .unwrap_or(found)
    };
    let mean = |mode: usize| mean(&random, &estimates, mode).map_err(no_reader);
    let difference = |found: Result<OrAnalysis, Undefined>| difference(found).map_err(no_reader);
    let gallas = proportion_difference(table, figure, 0, 1).and_then(|found| {
        let (low, high) = found.interval;
        let p = found.p.ok_or(Undefined::NoVariance)?;
        Ok(StudyDifference {
            value: found.value,
            low,
            high,
            df: Some(found.df),
            p,
        })
    });
    let left_out = figures.left_out.iter();
    ModeComparison {
        figure: name,
        images: read,
        readers: figures.readers.len(),
        left_out: left_out
            .map(|out| (table.readers()[out.reader].clone(), out.reason.to_string()))
            .collect(),
        aided: mean(0).into(),
        unaided: mean(1).into(),
        difference: difference(random.clone()).into(),
        fixed_readers: difference(analysis(FactorTypes::FixedReaders)).into(),
        fixed_cases: difference(analysis(FactorTypes::FixedCases)).into(),
        u_statistics: gallas.into(),
        holm_p: None,
    }
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
