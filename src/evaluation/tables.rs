//! A report as words and tables for a terminal of a hundred columns, without colours.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::Prevalence;

use super::report::{
    CaseGroup, Compared, Estimate, EvaluationReport, Interval, IntervalMethod, NamedThreshold,
    ReportScope, Statistic,
};

/// Columns of a group's name, and of a value with its interval.
const NAME: usize = 13;
const VALUE: usize = 21;
/// Of a number of images.
const COUNT: usize = 10;

/// Of the whole, and of what begins its first lines.
const WIDTH: usize = 100;
const TITLE: usize = 10;

/// What is undefined.
const UNDEFINED: &str = "n/a";

/// The whole report, lines ended by a line feed.
pub fn terminal(report: &EvaluationReport) -> String {
    let mut text = head(&report.about);
    for question in in_order(report.figures.iter().map(|f| f.question.as_str())) {
        let figures: Vec<_> = report
            .figures
            .iter()
            .filter(|f| f.question == question)
            .collect();
        text.push('\n');
        block(question, &figures, &mut text);
    }
    if !report.comparisons.is_empty() {
        text.push('\n');
        comparisons(report, &mut text);
    }
    text.push('\n');
    text += &foot(&report.about);
    text
}

/// Which model, which cases, and what became of them.
pub fn head(about: &ReportScope) -> String {
    let skipped = about.skipped;
    let mut rows = vec![format!("{} rows", about.rows)];
    for (count, what) in [
        (skipped.filtered, "not selected"),
        (skipped.duplicates, "duplicates"),
        (skipped.not_frontal, "not frontal radiographs"),
        (skipped.without_file, "without a file name"),
        (skipped.unanswered, "that answer no question"),
    ] {
        if count > 0 {
            rows.push(format!("{count} {what}"));
        }
    }
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

/// What the intervals are, and what should be known before a number is believed.
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

/// A question: what needs no threshold, each operating point, calibration.
fn block(question: &str, figures: &[&Estimate], text: &mut String) {
    let _ = writeln!(text, "{question}");
    if figures
        .iter()
        .any(|f| f.statistic == Statistic::MeanAbsoluteError)
    {
        let columns = [Statistic::MeanAbsoluteError, Statistic::Pearson];
        rows(figures, None, &columns, true, text);
        return;
    }
    let columns = [Statistic::Auc, Statistic::AveragePrecision];
    rows(figures, None, &columns, true, text);
    let points = in_order(figures.iter().filter_map(|f| f.operating_point.as_ref()));
    for (at, point) in points.iter().enumerate() {
        let is_same = |other: &&&NamedThreshold| other.threshold == point.threshold;
        // Two points may be one threshold, whose figures are the same.
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

/// Positive and negative predictive value, and whose share of positives they stand at.
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
    let mut line = padded("", NAME + 2);
    if counts {
        for title in ["images", "positive", "patients"] {
            line += &format!("{title:>COUNT$}");
        }
        line += "  ";
    }
    for column in columns {
        line += &padded(title(*column), VALUE);
    }
    let _ = writeln!(text, "{}", line.trim_end());
    let groups = figures.iter().map(|f| &f.group);
    for group in in_order(groups) {
        let found: Vec<Option<&Estimate>> = columns
            .iter()
            .map(|column| {
                let mut figures = figures.iter().copied();
                figures.find(|f| {
                    f.group == *group
                        && f.statistic == *column
                        && f.operating_point.as_ref() == point
                })
            })
            .collect();
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
        for figure in &found {
            line += &unbroken(&figure.map_or(String::new(), cell), VALUE);
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

/// A value with its interval in at most 20 columns.
pub fn cell(figure: &Estimate) -> String {
    let Some(value) = figure.value else {
        return UNDEFINED.to_owned();
    };
    match figure.statistic {
        // These may be negative, which a dash would hide.
        Statistic::CalibrationIntercept
        | Statistic::CalibrationSlope
        | Statistic::Pearson
        | Statistic::MeanAbsoluteError => with_interval(value, figure.interval, 2, " to "),
        _ => share_with_interval(value, figure.interval, 3),
    }
}

/// `1 image`, `2 images`.
pub fn counted(n: usize, one: &str) -> String {
    let end = if n == 1 { "" } else { "s" };
    format!("{n} {one}{end}")
}

/// A share of 0 to 1 for people: what would be rounded to none or all, and is neither, is said as
/// `< 0.001` or `> 0.999`.
fn share(value: f64, decimals: usize) -> String {
    // Of a sum in double precision no more than this is left over.
    const NOTHING: f64 = 1e-12;
    let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(3));
    let words = fixed(value, decimals);
    if words == fixed(1.0, decimals) && value < 1.0 - NOTHING {
        format!("> {}", fixed(1.0 - step, decimals))
    } else if words == fixed(0.0, decimals) && value > NOTHING {
        format!("< {}", fixed(step, decimals))
    } else {
        words
    }
}

/// A share and its interval, if it has one. Written closer where it would not fit into a column.
pub fn share_with_interval(value: f64, interval: Option<Interval>, decimals: usize) -> String {
    let text = joined(value, interval, "–", |value| share(value, decimals));
    match text.width() < VALUE {
        true => text,
        false => text.replace("> ", ">").replace("< ", "<"),
    }
}

/// A value and its interval, if it has one.
pub fn with_interval(value: f64, interval: Option<Interval>, decimals: usize, to: &str) -> String {
    let bounds = interval.map_or([value; 2], |interval| [interval.low, interval.high]);
    let largest = bounds
        .iter()
        .fold(value.abs(), |most, bound| most.max(bound.abs()));
    // What is large needs fewer digits, and has no room for more.
    let decimals = match largest {
        large if large >= 100.0 => 0,
        large if large >= 10.0 => 1,
        _ => decimals,
    };
    joined(value, interval, to, |value| fixed(value, decimals))
}

/// A zero has no sign.
fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if is_zero { text.replace('-', "") } else { text }
}

fn joined(
    value: f64,
    interval: Option<Interval>,
    to: &str,
    words: impl Fn(f64) -> String,
) -> String {
    let interval = interval.map_or(String::new(), |interval| {
        let mark = match interval.method {
            IntervalMethod::Bootstrap => "",
            IntervalMethod::Wilson => "w",
        };
        format!(
            " ({}{to}{}){mark}",
            words(interval.low),
            words(interval.high)
        )
    });
    words(value) + &interval
}

fn group_name(group: &CaseGroup) -> String {
    group.value.clone()
}

/// A number is not cut: rather is the table crooked.
fn unbroken(text: &str, width: usize) -> String {
    text.to_owned() + &" ".repeat(width.saturating_sub(text.width()).max(1))
}

/// The name of a statistic where calibration stands above it.
fn title(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::CalibrationIntercept => "intercept",
        Statistic::CalibrationSlope => "slope",
        other => other.name(),
    }
}

/// Exactly `width` columns: cut with a sign, or filled with spaces; at least one of them at the end.
fn padded(text: &str, width: usize) -> String {
    if text.width() < width {
        return text.to_owned() + &" ".repeat(width - text.width());
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.width().unwrap_or(0) > width - 2 {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    let rest = width - cut.width();
    cut + &" ".repeat(rest)
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
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
mod tests {
    use super::*;
    use crate::evaluation::report::Images;

    fn figure(group: CaseGroup, statistic: Statistic, value: Option<f64>) -> Estimate {
        Estimate {
            question: "COVID-19".to_owned(),
            group,
            statistic,
            operating_point: None,
            prevalence: None,
            value,
            interval: value.map(|value| Interval {
                low: value - 0.05,
                high: value + 0.05,
                method: IntervalMethod::Bootstrap,
            }),
            n: 1672,
            positives: Some(195),
            patients: 1201,
        }
    }

    fn report() -> EvaluationReport {
        let point = NamedThreshold {
            name: "balanced".to_owned(),
            threshold: 0.1487,
        };
        let other = CaseGroup {
            column: Some("source".to_owned()),
            value: "a very long name of a hospital, 大学病院".to_owned(),
        };
        let mut figures = Vec::new();
        for group in [CaseGroup::all(), other] {
            figures.push(figure(group.clone(), Statistic::Auc, Some(0.9)));
            figures.push(figure(group.clone(), Statistic::AveragePrecision, None));
            figures.push(figure(
                group.clone(),
                Statistic::CalibrationSlope,
                Some(-12.5),
            ));
            let mut rate = figure(group, Statistic::Sensitivity, Some(0.95));
            rate.operating_point = Some(point.clone());
            rate.interval = rate.interval.map(|interval| Interval {
                method: IntervalMethod::Wilson,
                ..interval
            });
            figures.push(rate.clone());
            let mut same = rate.clone();
            same.operating_point = Some(NamedThreshold {
                name: "90 % sensitivity".to_owned(),
                ..point.clone()
            });
            figures.push(same);
            for (statistic, share) in [
                (Statistic::PositivePredictiveValue, 195.0 / 1672.0),
                (Statistic::PositivePredictiveValueAssumed, 0.0005),
            ] {
                figures.push(Estimate {
                    statistic,
                    prevalence: Some(share),
                    ..rate.clone()
                });
            }
        }
        EvaluationReport {
            about: ReportScope {
                model: "cxr-lite0 0.1.0".to_owned(),
                model_sha256: "6b2443b655b773935eee7ba2".to_owned(),
                manifest: "manifest.csv".to_owned(),
                images: Images {
                    scored: 1672,
                    refused: 3,
                    failed: 0,
                },
                notes: vec!["a note ".repeat(40)],
                ..ReportScope::default()
            },
            figures,
            comparisons: vec![Compared {
                question: "COVID-19".to_owned(),
                group: CaseGroup::all(),
                n: 1672,
                positives: 195,
                patients: 1201,
                auc: 0.984,
                auc_against: 0.9,
                difference: 0.084,
                interval: Some(Interval {
                    low: -0.01,
                    high: 0.1,
                    method: IntervalMethod::Bootstrap,
                }),
                delong_low: None,
                delong_high: None,
                delong_z: Some(3.5),
                delong_p: Some(0.000_4),
            }],
        }
    }

    #[test]
    fn it_fits_a_hundred_columns() {
        for line in terminal(&report()).lines() {
            assert!(line.width() <= 100, "{}: {line}", line.width());
        }
    }

    #[test]
    fn values_stand_beside_their_intervals_and_what_is_undefined_says_so() {
        let text = terminal(&report());
        for part in [
            "0.900 (0.850–0.950)",
            "n/a",
            "0.950 (0.900–1.000)w",
            "-12.5 (-12.6 to -12.4)",
            "at the balanced and 90 % sensitivity operating point, score ≥ 0.1487",
            "at positives of",
            "11.7 %, as here      0.950 (0.900–1.000)w",
            "0.05 %, as asked",
            "0.084 (-0.010 to 0.100)",
            "< 0.001",
            "1672 scored of 0 patients, 3 refused, 0 failed",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_zero_has_no_sign_and_a_large_number_fewer_digits() {
        assert_eq!(with_interval(-0.001, None, 2, "–"), "0.00");
        let interval = Some(Interval {
            low: -123.4,
            high: 0.2,
            method: IntervalMethod::Bootstrap,
        });
        assert_eq!(with_interval(-1.4, interval, 2, " to "), "-1 (-123 to 0)");
    }

    #[test]
    fn no_share_is_all_or_none_that_is_not() {
        let within = |low, high| {
            Some(Interval {
                low,
                high,
                method: IntervalMethod::Wilson,
            })
        };
        let words = |value, interval| share_with_interval(value, interval, 3);
        assert_eq!(words(0.99978, None), "> 0.999");
        assert_eq!(words(0.0002, within(0.0, 0.001)), "<0.001 (0.000–0.001)w");
        let all = within(0.99951, 1.0 - 1e-7);
        assert_eq!(words(0.99978, all), ">0.999 (>0.999–>0.999)w");
        assert_eq!(words(1.0, within(0.95, 1.0)), "1.000 (0.950–1.000)w");
        assert_eq!(words(1.0 - 1e-15, None), "1.000");
        assert_eq!(words(0.0, None), "0.000");
        assert_eq!(share_with_interval(0.996, None, 2), "> 0.99");

        let mut report = report();
        for figure in &mut report.figures {
            figure.value = figure.value.map(|_| 0.99978);
            figure.interval = all;
        }
        report.comparisons[0].auc = 0.99978;
        let text = terminal(&report);
        assert!(text.contains(" > 0.999   0.900"), "{text}");
        for line in text.lines() {
            assert!(line.width() <= 100, "{}: {line}", line.width());
        }
    }

    #[test]
    fn text_is_cut_to_its_width() {
        assert_eq!(padded("ab", 5), "ab   ");
        assert_eq!(padded("abcdef", 5), "abc… ");
        assert_eq!(padded("大学病院", 6), "大学… ");
    }
}
