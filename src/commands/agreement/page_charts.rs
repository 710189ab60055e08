//! The charts of the report of a study.

use anyhow::{Result, anyhow};

use crate::commands::shared::html::Html;
use crate::evaluation::plots::differences::{DifferenceChart, DifferencePoint, difference_chart};
use crate::evaluation::plots::lines::{ChartLine, LineChart, line_chart};
use crate::evaluation::reader_study::{
    Known, ReaderStudyReport, StudyReading, curves_of_readers, rating_changes,
};
use crate::evaluation::tables::counted;

/// Curves of more readers cannot be told apart; the tables have all.
const MOST_CURVES: usize = 6;

/// ROC curves by reader and mode: aided thick, unaided thin.
///
/// # Errors
/// If the chart cannot be drawn.
pub fn roc_chart(html: &mut Html, readings: &[StudyReading], label: &str) -> Result<()> {
    let curves = curves_of_readers(readings);
    if curves.is_empty() {
        html.markup("<p>No ROC curve: no reader has positive and negative images.</p>\n");
        return Ok(());
    }
    let mut readers: Vec<&str> = curves.iter().map(|curve| curve.reader.as_str()).collect();
    readers.dedup();
    let lines = curves.iter().filter_map(|curve| {
        let colour = readers.iter().position(|reader| *reader == curve.reader)?;
        (colour < MOST_CURVES).then(|| ChartLine {
            name: format!("{}, {}", curve.reader, curve.mode),
            is_thin: curve.mode == "unaided",
            colour,
            points: curve.points.clone(),
        })
    });
    let svg = line_chart(&LineChart {
        title: &format!("ROC of readers: {label}"),
        x: "1 − specificity",
        y: "sensitivity",
        xs: 0.0..1.0,
        guide: Some([(0.0, 0.0), (1.0, 1.0)]),
        lines: lines.collect(),
    })
    .map_err(|error| anyhow!("the ROC curves: {error}"))?;
    html.markup("<p>").chart(&svg).markup("</p>\n");
    let called = curves.iter().filter(|curve| !curve.is_rated).count();
    let unrated: usize = curves.iter().map(|curve| curve.unrated).sum();
    let drawn = match readers.len() {
        all if all > MOST_CURVES => format!(
            "Drawn are the first {MOST_CURVES} of {all} readers in the order of their readings"
        ),
        all => format!("{} drawn", counted(all, "reader")),
    };
    html.element(
        "<p class=\"small\">",
        &format!(
            "Aided thick, unaided thin; all images that were read in that mode. {drawn}. {called} of {} curves are of calls without \
             ratings and have one point between the corners. The other curves lack {} without a rating.",
            curves.len(),
            counted(unrated, "call")
        ),
        "</p>\n",
    );
    Ok(())
}

/// What the answer does to ratings: aided less unaided against their mean (Bland and Altman 1986). Nothing where nothing was rated.
///
/// # Errors
/// If the chart cannot be drawn.
pub fn rating_chart(
    html: &mut Html,
    readings: &[StudyReading],
    report: &ReaderStudyReport,
) -> Result<()> {
    let limits = match &report.rating_limits {
        None => return Ok(()),
        Some(Known::Undefined { undefined }) => {
            let words = format!("No comparison of aided and unaided ratings: {undefined}.");
            html.element("<p>", &words, "</p>\n");
            return Ok(());
        }
        Some(Known::Value(limits)) => limits,
    };
    let changes = rating_changes(readings);
    let mut readers: Vec<&str> = Vec::new();
    let points = changes.iter().map(|change| {
        let known = readers.iter().position(|reader| *reader == change.reader);
        let series = known.unwrap_or_else(|| {
            readers.push(&change.reader);
            readers.len() - 1
        });
        DifferencePoint {
            series,
            mean: change.mean,
            difference: change.difference,
        }
    });
    let points = points.collect();
    let svg = difference_chart(&DifferenceChart {
        title: &format!("Ratings, aided − unaided: {}", report.label),
        x: "mean of the two ratings",
        y: "aided − unaided",
        scale: 100.0,
        series: &readers,
        points,
        lines: [limits.lower.value, limits.bias.value, limits.upper.value],
    })
    .map_err(|error| anyhow!("the ratings: {error}"))?;
    html.markup("<p>").chart(&svg).markup("</p>\n");
    html.element(
        "<p class=\"small\">",
        &format!(
            "{} with a rating in both modes; points may lie on each other. Lines: the mean difference {:.1} and the limits of \
             agreement {:.1} and {:.1} (Bland and Altman), which take readings as independent.",
            counted(limits.readings, "reading"),
            limits.bias.value,
            limits.lower.value,
            limits.upper.value
        ),
        "</p>\n",
    );
    Ok(())
}
