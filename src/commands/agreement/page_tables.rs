//! Tables of the report of a study: areas of each reader, and reading times.

use crate::commands::shared::html::Html;
use crate::evaluation::reader_study::{Known, ReaderStudyReport, TimesOfReaders};

/// The areas of each reader.
pub fn areas(html: &mut Html, report: &ReaderStudyReport) {
    let areas = report.comparisons.iter().filter(|found| found.is_area());
    let areas: Vec<_> = areas.filter(|found| !found.by_reader.is_empty()).collect();
    if areas.is_empty() {
        return;
    }
    html.markup("<table>\n");
    html.row(["figure", "reader", "mode", "images", "value (95 %)"]);
    for found in areas {
        for own in &found.by_reader {
            html.row([
                found.figure,
                &own.reader,
                &own.mode,
                &own.images.to_string(),
                &interval_words(own.value, own.low.zip(own.high)),
            ]);
        }
    }
    html.markup("</table>\n<p class=\"small\">Of the images that are compared. Intervals: jackknife over patients, normal.</p>\n");
}

/// Reading times aided and unaided.
pub fn times(html: &mut Html, found: &TimesOfReaders) {
    html.markup("<h2>Reading time</h2>\n");
    match &found.comparison {
        Known::Undefined { undefined } => {
            html.element(
                "<p>",
                &format!("Aided over unaided: n/a, {undefined}."),
                "</p>\n",
            );
        }
        Known::Value(times) => {
            html.markup("<table>\n");
            html.row([
                "readings",
                "readers",
                "aided",
                "unaided",
                "aided / unaided",
                "p",
            ]);
            html.row([
                found.readings.to_string(),
                times.readers.to_string(),
                format!("{:.1} s", times.aided_seconds),
                format!("{:.1} s", times.unaided_seconds),
                interval_words(times.ratio, Some((times.low, times.high))),
                p_words(times.p),
            ]);
            html.markup("</table>\n");
            html.element(
                "<p class=\"small\">",
                &format!("Geometric means; {}.", times.method),
                "</p>\n",
            );
        }
    }
    html.element(
        "<p class=\"small\">",
        &format!(
            "Left out: {} readings in one mode only, {} without a time, {} of the sequential design.",
            found.one_mode_only, found.without_time, found.sequential
        ),
        "</p>\n",
    );
}

pub fn interval_words(value: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some((low, high)) => format!("{value:.3} ({low:.3} to {high:.3})"),
        None => format!("{value:.3} (no interval)"),
    }
}

/// Never 0.
pub fn p_words(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}
