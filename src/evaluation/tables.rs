//! A report as words and tables for a terminal of a hundred columns, without colours.

mod words;

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

pub use words::{cell, counted, image_counts, share_with_interval, with_interval};
use words::{padded, share, unbroken, wrapped};

use crate::domain::Prevalence;

use super::report::{
    CaseGroup, Compared, Estimate, EvaluationReport, NamedThreshold, ReportScope, Statistic,
};

/// Widths in columns: a group's name, and a value with its interval.
const NAME: usize = 13;
const VALUE: usize = 21;
/// Width of a number of images.
const COUNT: usize = 10;

/// Width of the table, and of the heads of its first lines.
const WIDTH: usize = 100;
const TITLE: usize = 10;

/// Shown where a statistic is undefined.
const UNDEFINED: &str = "n/a";

/// The whole report, lines ended by a line feed.
pub fn terminal(report: &EvaluationReport) -> String {
    let mut text = head(&report.about);
    let is_of_map = |figure: &&Estimate| figure.statistic.is_of_heat_map();
    let (maps, scores): (Vec<_>, Vec<_>) = report.figures.iter().partition(is_of_map);
    for (question, figures) in by_question(&scores) {
        text.push('\n');
        block(question, &figures, &mut text);
    }
    for (label, figures) in by_question(&maps) {
        text.push('\n');
        heat_map(label, &figures, &mut text);
    }
    if !report.comparisons.is_empty() {
        text.push('\n');
        comparisons(report, &mut text);
    }
    text.push('\n');
    text += &foot(&report.about);
    text
}

/// The figures of each question, in the order in which the questions first come.
fn by_question<'a>(figures: &[&'a Estimate]) -> Vec<(&'a str, Vec<&'a Estimate>)> {
    let names = in_order(figures.iter().map(|figure| figure.question.as_str()));
    let of = |name: &str| {
        let figures = figures.iter().copied();
        figures.filter(|figure| figure.question == name).collect()
    };
    names.into_iter().map(|name| (name, of(name))).collect()
}

/// Model, cases, and how many were scored, refused or missing.
pub fn head(about: &ReportScope) -> String {
    let mut rows = vec![format!("{} rows", about.rows)];
    rows.extend(about.skipped.words());
    let images = about.images;
    let digest = about.model_sha256.get(..12).unwrap_or(&about.model_sha256);
    let mut text = String::new();
    for (title, words) in [
        ("model", format!("{} {digest}", about.model)),
        (
            "manifest",
            format!("{}: {}", about.manifest, rows.join(", ")),
        ),
        (
            "images",
            format!(
                "{} scored of {}, {} refused, {} failed",
                images.scored,
                counted(about.patients, "patient"),
                images.refused,
                images.failed
            ),
        ),
    ] {
        for (at, line) in wrapped(&words, WIDTH - TITLE).iter().enumerate() {
            let title = if at == 0 { title } else { "" };
            let _ = writeln!(text, "{title:TITLE$}{line}");
        }
    }
    text
}

/// How the intervals were made, and the limitations of the numbers.
pub fn foot(about: &ReportScope) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "In brackets 95 % intervals: bootstrap over patients, {} draws, seed {}; w: Wilson, over images.",
        about.bootstrap_draws, about.bootstrap_seed
    );
    for note in &about.notes {
        for line in wrapped(note, WIDTH) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// One question: statistics without a threshold, each operating point, calibration.
fn block(question: &str, figures: &[&Estimate], text: &mut String) {
    let _ = writeln!(text, "{question}");
    if figures
        .iter()
        .any(|f| f.statistic == Statistic::MeanAbsoluteError)
    {
        let columns = [Statistic::MeanAbsoluteError, Statistic::Pearson];
        rows(figures, None, &columns, true, text);
        text.push_str("  agreement, model − reference\n");
        // Four columns of signed numbers have no room beside one another.
        let agreement = [Statistic::IntraclassCorrelation, Statistic::MeanDifference];
        rows(figures, None, &agreement, false, text);
        let limits = [
            Statistic::LowerLimitOfAgreement,
            Statistic::UpperLimitOfAgreement,
        ];
        rows(figures, None, &limits, false, text);
        return;
    }
    let columns = [Statistic::Auc, Statistic::AveragePrecision];
    rows(figures, None, &columns, true, text);
    let points = in_order(figures.iter().filter_map(|f| f.operating_point.as_ref()));
    for (at, point) in points.iter().enumerate() {
        let is_same = |other: &&&NamedThreshold| other.threshold == point.threshold;
        // Two operating points may share a threshold: its figures are shown once.
        if points[..at].iter().any(|other| is_same(&other)) {
            continue;
        }
        let names = points.iter().filter(is_same);
        let names: Vec<&str> = names.map(|point| point.name.as_str()).collect();
        let _ = writeln!(
            text,
            "  at the {} operating point, score ≥ {:.4}",
            names.join(" and "),
            point.threshold
        );
        let columns = [Statistic::Sensitivity, Statistic::Specificity];
        rows(figures, Some(point), &columns, false, text);
        predictive_values(figures, point, text);
    }
    text.push_str("  calibration\n");
    let columns = [
        Statistic::Brier,
        Statistic::CalibrationError,
        Statistic::CalibrationIntercept,
        Statistic::CalibrationSlope,
    ];
    rows(figures, None, &columns, false, text);
}

/// Where the heat map of a label looks, beside the control that looks at no film.
fn heat_map(label: &str, figures: &[&Estimate], text: &mut String) {
    let _ = writeln!(text, "{label}: where the heat map looks");
    let pointing = [
        Statistic::PointingAccuracy,
        Statistic::ControlPointingAccuracy,
    ];
    rows(figures, None, &pointing, true, text);
    let mut columns = vec![
        Statistic::EvidenceInBoxes,
        Statistic::IntersectionOverUnion,
        Statistic::EvidenceInLungsMedian,
        Statistic::EvidenceInLungsLow,
    ];
    columns.retain(|column| figures.iter().any(|figure| figure.statistic == *column));
    if !columns.is_empty() {
        rows(figures, None, &columns, false, text);
    }
}

/// Predictive values, with the share of positives at which each stands. A row without a value is left
/// out.
fn predictive_values(figures: &[&Estimate], point: &NamedThreshold, text: &mut String) {
    let of = |group: &CaseGroup, statistic: Statistic| {
        figures.iter().copied().find(|f| {
            f.group == *group
                && f.statistic == statistic
                && f.operating_point.as_ref() == Some(point)
        })
    };
    let mut lines = String::new();
    for group in in_order(figures.iter().map(|f| &f.group)) {
        let mut name = group_name(group);
        for (statistics, whose) in PREDICTIVE_VALUES {
            let found = statistics.map(|statistic| of(group, statistic));
            let Some(share) = found.iter().flatten().find_map(|f| f.prevalence) else {
                continue;
            };
            if found.iter().flatten().all(|f| f.value.is_none()) {
                continue;
            }
            let share = Prevalence::new(share).map_or_else(
                || format!("{:.0} %", 100.0 * share),
                |share| share.to_string(),
            );
            let mut line = format!(
                "  {}{}",
                padded(&name, NAME),
                padded(&format!("{share}, {whose}"), VALUE)
            );
            for figure in found {
                line += &unbroken(&figure.map_or(String::new(), cell), VALUE);
            }
            let _ = writeln!(lines, "{}", line.trim_end());
            name.clear();
        }
    }
    if !lines.is_empty() {
        let head = [padded("at positives of", VALUE), padded("PPV", VALUE)];
        let _ = writeln!(text, "{}{}NPV", padded("", NAME + 2), head.concat());
        text.push_str(&lines);
    }
}

/// Positive and negative predictive value, and the share of positives that they hold for.
const PREDICTIVE_VALUES: [([Statistic; 2], &str); 2] = [
    (
        [
            Statistic::PositivePredictiveValue,
            Statistic::NegativePredictiveValue,
        ],
        "as here",
    ),
    (
        [
            Statistic::PositivePredictiveValueAssumed,
            Statistic::NegativePredictiveValueAssumed,
        ],
        "as asked",
    ),
];

/// A table of groups and statistics. Groups where nothing of it is defined have no row.
fn rows(
    figures: &[&Estimate],
    point: Option<&NamedThreshold>,
    columns: &[Statistic],
    counts: bool,
    text: &mut String,
) {
    let groups = in_order(figures.iter().map(|figure| &figure.group));
    let of = |group: &CaseGroup, column: Statistic| {
        let mut figures = figures.iter().copied();
        figures.find(|f| {
            f.group == *group && f.statistic == column && f.operating_point.as_ref() == point
        })
    };
    // A number that has no room moves its whole column, not only the rest of its row.
    let width = |column: &Statistic| {
        let cells = groups
            .iter()
            .filter_map(|group| of(group, *column))
            .map(cell);
        cells.map(|cell| cell.width() + 1).fold(VALUE, usize::max)
    };
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let mut line = padded("", NAME + 2);
    if counts {
        for title in ["images", "positive", "patients"] {
            line += &format!("{title:>COUNT$}");
        }
        line += "  ";
    }
    for (column, width) in columns.iter().zip(&widths) {
        line += &padded(title(*column), *width);
    }
    let _ = writeln!(text, "{}", line.trim_end());
    for &group in &groups {
        let found = columns.iter().map(|column| of(group, *column));
        let found: Vec<Option<&Estimate>> = found.collect();
        let Some(first) = found.iter().flatten().next() else {
            continue;
        };
        if !counts && found.iter().flatten().all(|figure| figure.value.is_none()) {
            continue;
        }
        let mut line = format!("  {}", padded(&group_name(group), NAME));
        if counts {
            let positives = first.positives.map_or(String::new(), |n| n.to_string());
            line += &format!(
                "{:>COUNT$}{positives:>COUNT$}{:>COUNT$}  ",
                first.n, first.patients
            );
        }
        for (figure, width) in found.iter().zip(&widths) {
            line += &unbroken(&figure.map_or(String::new(), cell), *width);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn comparisons(report: &EvaluationReport, text: &mut String) {
    let against = report.about.against.as_deref().unwrap_or("the other model");
    let _ = writeln!(
        text,
        "AUC against that of {against}, on the images that both scored"
    );
    let _ = writeln!(
        text,
        "{}{:>8}{:>8}{:>8}  {}p (DeLong)",
        padded("", 36),
        "images",
        "this",
        "other",
        padded("difference", 25)
    );
    for question in in_order(report.comparisons.iter().map(|c| c.question.as_str())) {
        let _ = writeln!(text, "  {question}");
        let compared = report.comparisons.iter();
        for compared in compared.filter(|c| c.question == question) {
            let _ = writeln!(text, "{}", comparison(compared));
        }
    }
}

fn comparison(compared: &Compared) -> String {
    let difference = with_interval(compared.difference, compared.interval, 3, " to ");
    let [auc, against] = [compared.auc, compared.auc_against].map(|auc| share(auc, 3));
    let p = match compared.delong_p {
        None => UNDEFINED.to_owned(),
        Some(p) if p < 0.001 => "< 0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
    };
    format!(
        "    {}{:>8}{auc:>8}{against:>8}  {}{p}",
        padded(&group_name(&compared.group), 32),
        compared.n,
        padded(&difference, 25)
    )
}

fn group_name(group: &CaseGroup) -> String {
    group.value.clone()
}

/// The name of a statistic in a table whose heading says what it is of.
fn title(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::CalibrationIntercept => "intercept",
        Statistic::CalibrationSlope => "slope",
        Statistic::ControlPointingAccuracy => "middle of each lung",
        Statistic::EvidenceInBoxes => "evidence in boxes",
        Statistic::EvidenceInLungsMedian => "in lungs, median",
        Statistic::EvidenceInLungsLow => "in lungs, 5th pct.",
        Statistic::LowerLimitOfAgreement => "lower limit",
        Statistic::UpperLimitOfAgreement => "upper limit",
        other => other.name(),
    }
}

/// Each item once, in the order in which they first come.
fn in_order<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests;
