//! A reader study as a table for a terminal of a hundred columns: the primary result first.

mod agreement;

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::reader_study::{
    ChangesOfCalls, Known, LocalisationReport, ModeComparison, PairedReader, ReaderStudyReport,
    StudyDifference, StudyEstimate,
};
use super::report::{Interval, IntervalMethod};
use super::statistics::call_changes::ChangeCounts;
use super::tables::{counted, share_with_interval, with_interval};
pub use agreement::reading_times;

const NAME: usize = 26;
const VALUE: usize = 23;
/// The longest line of a sentence.
const SENTENCE: usize = 110;
const UNDEFINED: &str = "n/a";

/// The page of one question, lines ended by a line feed.
pub fn terminal(report: &ReaderStudyReport) -> String {
    let mut page = Page(String::new());
    page.line(&format!(
        "{} · all readers: {}, {} of {} of {} ({} positive, {} negative, {} without reference)",
        report.label,
        counted(report.readers, "reader"),
        counted(report.readings, "reading"),
        counted(report.images, "image"),
        counted(report.patients, "patient"),
        report.positives,
        report.negatives,
        report.without_reference,
    ));
    if report.unaided_only + report.aided_only > 0 {
        page.line(&format!(
            "  unaided only: {}; aided only: {}; no comparison of the two has them",
            counted(report.unaided_only, "reading"),
            counted(report.aided_only, "reading"),
        ));
    }
    primary(&mut page, &report.comparisons);
    areas(&mut page, &report.comparisons);
    agreement::agreement(&mut page, report);
    agreement::ratings(&mut page, report);
    paired(&mut page, &report.paired);
    report
        .changes
        .iter()
        .for_each(|found| changes(&mut page, found));
    report
        .localisation
        .iter()
        .for_each(|found| marks(&mut page, found));
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{}", text.trim_end());
    }

    /// A sentence in as many lines as it needs.
    fn sentence(&mut self, text: &str) {
        let mut line = String::from(" ");
        for word in text.split(' ') {
            if line.width() + word.width() >= SENTENCE {
                self.line(&line);
                line = String::from(" ");
            }
            line += " ";
            line += word;
        }
        self.line(&line);
    }

    fn row(&mut self, name: &str, cells: &[String]) {
        let mut line = format!("  {}", padded(name, NAME));
        cells.iter().for_each(|cell| line += &padded(cell, VALUE));
        self.line(&line);
    }
}

fn primary(page: &mut Page, comparisons: &[ModeComparison]) {
    if comparisons.is_empty() {
        return;
    }
    let heading = ["aided", "unaided", "aided − unaided", "p"].map(str::to_owned);
    page.row("", &heading);
    for found in comparisons {
        let (difference, p) = match &found.difference {
            Known::Value(difference) => (of_difference(difference), p_value(difference.p)),
            Known::Undefined { undefined } => (format!("{UNDEFINED}: {undefined}"), String::new()),
        };
        let name = format!("{} ({})", found.figure, found.images);
        page.row(
            &name,
            &[share(&found.aided), share(&found.unaided), difference, p],
        );
    }
    page.line(
        "  Intervals and p above: readers and patients as random samples (Obuchowski-Rockette, Hillis; jackknife by patient).",
    );
    for found in comparisons {
        let others = [
            ("for these readers", &found.fixed_readers),
            ("for these patients", &found.fixed_cases),
            ("by U-statistics", &found.u_statistics),
        ];
        for (name, difference) in others {
            page.line(&format!(
                "  {} {name}: {}",
                found.figure,
                with_p(difference)
            ));
        }
        if let (Known::Value(_), Some(p)) = (&found.difference, found.holm_p) {
            page.line(&format!(
                "  {}, p adjusted for all primary results (Holm): {}",
                found.figure,
                p_value(p)
            ));
        }
        for (mode, count) in ["aided", "unaided"].into_iter().zip(found.unrated) {
            if count > 0 {
                let calls = counted(count, &format!("{mode} call"));
                page.line(&format!("  {}: {calls} without a rating", found.figure));
            }
        }
        let counts = &found.readings;
        if counts.aided_only + counts.unaided_only > 0 {
            page.line(&format!(
                "  {}: of images that their reader has in one mode only, {} aided and {} left out; {} compared",
                found.figure,
                counts.aided_only,
                counted(counts.unaided_only, "unaided reading"),
                counts.compared
            ));
        }
        for (reader, reason) in &found.left_out {
            page.line(&format!("  {} without {reader}: {reason}", found.figure));
        }
    }
}

/// The figures of each reader that stand nowhere else: areas. Sensitivity and specificity are in the table of each reader.
fn areas(page: &mut Page, comparisons: &[ModeComparison]) {
    let areas = comparisons.iter().filter(|found| found.is_area());
    for found in areas.filter(|found| !found.by_reader.is_empty()) {
        let heading = ["aided", "unaided"].map(str::to_owned);
        page.row(&format!("each reader's {}", found.figure), &heading);
        let mut readers: Vec<&str> = Vec::new();
        for own in &found.by_reader {
            if !readers.contains(&own.reader.as_str()) {
                readers.push(&own.reader);
            }
        }
        for reader in readers {
            let of_mode = |mode: &str| {
                let mut all = found.by_reader.iter();
                all.find(|own| own.reader == reader && own.mode == mode)
            };
            let [aided, unaided] = ["aided", "unaided"].map(of_mode);
            let images = aided.or(unaided).map_or(0, |own| own.images);
            let cells = [aided, unaided].map(|own| {
                own.map_or_else(String::new, |own| {
                    share_with_interval(own.value, bounds(own.low, own.high), 2)
                })
            });
            page.row(&format!("{reader} ({images})"), &cells);
        }
        page.line("  Intervals: jackknife by patient, normal, for this reader and patients as random samples.");
    }
}

fn paired(page: &mut Page, readers: &[PairedReader]) {
    if readers.is_empty() {
        return;
    }
    let heading = [
        "right aided only",
        "right unaided only",
        "p by patient",
        "p by image",
    ];
    page.row("each reader's calls", &heading.map(str::to_owned));
    for reader in readers {
        let classes = [
            ("positive", &reader.sensitivity),
            ("negative", &reader.specificity),
        ];
        for (class, tests) in classes.into_iter().filter(|(_, tests)| tests.images > 0) {
            let clustered = match &tests.clustered {
                Known::Value(difference) => p_value(difference.p),
                Known::Undefined { undefined } => format!("{UNDEFINED}: {undefined}"),
            };
            let by_image = match &tests.mcnemar_mid_p {
                Known::Value(p) => p_value(*p),
                Known::Undefined { undefined } => format!("{UNDEFINED}: {undefined}"),
            };
            let [aided, unaided] =
                [tests.aided_only, tests.unaided_only].map(|count| count.to_string());
            let name = format!("{}, {class} ({})", reader.reader, tests.images);
            page.row(&name, &[aided, unaided, clustered, by_image]);
        }
    }
    page.line(
        "  By patient: Obuchowski 1998. By image: McNemar's mid-p, for one image of each patient.",
    );
}

fn changes(page: &mut Page, found: &ChangesOfCalls) {
    let counts = &found.counts;
    let heading = ["helped", "misled", "right both times", "wrong both times"].map(str::to_owned);
    page.row("calls beside the answer", &heading);
    let parts: [(&str, &ChangeCounts); 4] = [
        ("all", &counts.all),
        ("model right", &counts.model_right),
        ("model wrong", &counts.model_wrong),
        ("no answer", &counts.no_answer),
    ];
    for (name, counts) in parts.into_iter().filter(|(_, counts)| counts.images() > 0) {
        let cells = [
            counts.helped,
            counts.misled,
            counts.right_both,
            counts.wrong_both,
        ];
        page.row(
            &format!("{name} ({})", counts.images()),
            &cells.map(|count| count.to_string()),
        );
    }
    let shares = found.wrong_aided.zip(found.wrong_unaided);
    match (&found.automation_bias, shares) {
        (Known::Value(bias), Some((aided, unaided))) => page.line(&format!(
            "  automation bias, wrong calls where the model was wrong: {aided:.2} aided, {unaided:.2} unaided, difference {}",
            estimate_words(bias)
        )),
        (Known::Undefined { undefined }, _) => {
            page.line(&format!("  automation bias: {UNDEFINED}, {undefined}"));
        }
        (Known::Value(_), None) => {}
    }
}

fn marks(page: &mut Page, found: &LocalisationReport) {
    page.line(&format!(
        "  marks: {} with {}, {} without",
        counted(found.lesion_images, "image"),
        counted(found.lesions, "lesion"),
        found.normal_images,
    ));
    for (reason, images) in &found.left_out {
        page.line(&format!(
            "  marks: {} left out: {reason}",
            counted(*images, "image")
        ));
    }
    page.sentence(&format!("A mark is on a lesion if {}.", found.rule));
    let heading = [found.figure, "lesions marked", "marks on none"];
    page.row("each reader's marks", &heading.map(str::to_owned));
    for own in &found.by_reader {
        let value = match &own.value {
            Known::Value(value) => format!("{value:.2}"),
            Known::Undefined { undefined } => format!("{UNDEFINED}: {undefined}"),
        };
        let name = format!(
            "{}, {} ({})",
            own.reader,
            own.mode,
            own.lesion_images + own.normal_images
        );
        let on_none = format!(
            "{} of normal images, {} of others",
            own.on_normal, own.beside_lesions
        );
        page.row(
            &name,
            &[
                value,
                format!("{} of {}", own.on_lesions, own.lesions),
                on_none,
            ],
        );
        let others = [
            (own.again, "again on a lesion"),
            (own.unrated, "without a rating"),
            (own.not_taken, "of another kind"),
            (own.on_left_out, "on images that are left out"),
        ];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        let others: Vec<String> = others
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        if !others.is_empty() {
            page.line(&format!(
                "    and marks that enter nothing: {}",
                others.join(", ")
            ));
        }
    }
    page.line(
        "  Marks of images with lesions that are on none of them do not enter the figure either.",
    );
}

fn share(found: &Known<StudyEstimate>) -> String {
    match found {
        Known::Value(found) => share_with_interval(found.value, interval(found), 2),
        Known::Undefined { undefined } => format!("{UNDEFINED}: {undefined}"),
    }
}

/// Without the reason, for which a column has no room.
fn coefficient(found: &Known<StudyEstimate>) -> String {
    match found {
        Known::Value(found) => estimate_words(found),
        Known::Undefined { .. } => UNDEFINED.to_owned(),
    }
}

fn reason_of<T>(found: &Known<T>) -> Option<&str> {
    match found {
        Known::Value(_) => None,
        Known::Undefined { undefined } => Some(undefined),
    }
}

/// A value that may be negative, and its interval.
fn estimate_words(found: &StudyEstimate) -> String {
    with_interval(found.value, interval(found), 2, " to ")
}

fn with_p(found: &Known<StudyDifference>) -> String {
    match found {
        Known::Value(found) => format!("{}, p {}", of_difference(found), p_value(found.p)),
        Known::Undefined { undefined } => format!("{UNDEFINED}, {undefined}"),
    }
}

fn of_difference(found: &StudyDifference) -> String {
    let bounds = StudyEstimate {
        value: found.value,
        low: Some(found.low),
        high: Some(found.high),
    };
    with_interval(found.value, interval(&bounds), 2, " to ")
}

fn interval(found: &StudyEstimate) -> Option<Interval> {
    bounds(found.low, found.high)
}

fn bounds(low: Option<f64>, high: Option<f64>) -> Option<Interval> {
    let (low, high) = low.zip(high)?;
    // No mark in the table: these are not Wilson's.
    Some(Interval {
        low,
        high,
        method: IntervalMethod::Bootstrap,
    })
}

/// Two digits, or three below 0.1; never 0.
fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".to_owned(),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

fn padded(text: &str, width: usize) -> String {
    let spaces = width.saturating_sub(text.width()).max(1);
    format!("{text}{}", " ".repeat(spaces))
}
