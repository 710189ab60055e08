//! How far readers agree, what the answer does to their ratings, and to their reading times.

use super::{Page, coefficient, estimate_words, p_value, reason_of};
use crate::evaluation::reader_study::{
    AgreementOfReaders, Known, ReaderStudyReport, StudyEstimate, TimesOfReaders,
};
use crate::evaluation::tables::{counted, image_counts};

/// More readers have too many pairs for a page; JSON has them all.
const PAIRED_READERS: usize = 6;

pub(super) fn agreement(page: &mut Page, report: &ReaderStudyReport) {
    if report.agreement.is_empty() {
        return;
    }
    let heading = ["Fleiss' κ", "Gwet's AC1", "Krippendorff's α"].map(str::to_owned);
    page.row("between readers", &heading);
    for found in &report.agreement {
        let name = format!("{} ({})", found.mode, found.images);
        let cells = coefficients(found).map(|(_, found)| coefficient(found));
        page.row(&name, &cells);
    }
    for found in &report.agreement {
        for (name, coefficient) in coefficients(found) {
            if let Some(reason) = reason_of(coefficient) {
                page.line(&format!("  {name}, {}: n/a, {reason}", found.mode));
            }
        }
    }
    for found in &report.agreement {
        found
            .ratings
            .iter()
            .for_each(|ratings| page.line(&match ratings {
                Known::Undefined { undefined } => {
                    format!("  ratings, {}: no intraclass correlation, {undefined}", found.mode)
                }
                Known::Value(ratings) => format!(
                    "  ratings, {}: ICC(2,1) {}, of {} that all {} rated ({} rated by some of them)",
                    found.mode,
                    estimate_words(&ratings.agreement),
                    counted(ratings.images, "image"),
                    counted(ratings.readers, "reader"),
                    ratings.incomplete
                ),
            }));
    }
    if report.readers > PAIRED_READERS {
        page.line("  Cohen's κ of each pair of readers: --format json has it.");
        return;
    }
    page.row("Cohen's κ", &["unaided", "aided"].map(str::to_owned));
    for pair in &report.pairs {
        let images = image_counts([pair.unaided_images, pair.aided_images]);
        let images = images.unwrap_or_else(|| "0".to_owned());
        let name = format!("{}, {} ({images})", pair.first, pair.second);
        let cells = [&pair.unaided, &pair.aided].map(|found| match reason_of(found) {
            None => coefficient(found),
            Some(reason) => format!("n/a: {reason}"),
        });
        page.row(&name, &cells);
    }
}

fn coefficients(found: &AgreementOfReaders) -> [(&'static str, &Known<StudyEstimate>); 3] {
    [
        ("Fleiss' κ", &found.fleiss_kappa),
        ("Gwet's AC1", &found.gwet_ac1),
        ("Krippendorff's α", &found.krippendorff_alpha),
    ]
}

/// Aided against unaided ratings.
pub(super) fn ratings(page: &mut Page, report: &ReaderStudyReport) {
    match &report.rating_limits {
        None => {}
        Some(Known::Undefined { undefined }) => {
            page.line(&format!("  ratings, aided − unaided: n/a, {undefined}"));
        }
        Some(Known::Value(found)) => page.sentence(&format!(
            "ratings, aided − unaided (Bland-Altman): mean {}, limits of agreement {} and {}, of {}, taken as independent",
            estimate_words(&found.bias),
            estimate_words(&found.lower),
            estimate_words(&found.upper),
            counted(found.readings, "reading"),
        )),
    }
}

/// Reading times aided against unaided, of all questions: lines ended by a line feed.
pub fn reading_times(found: &TimesOfReaders) -> String {
    let mut page = Page(String::new());
    match &found.comparison {
        Known::Undefined { undefined } => {
            page.line(&format!("reading time, aided / unaided: n/a, {undefined}"));
        }
        Known::Value(times) => {
            page.line(&format!(
                "reading time, aided / unaided: {:.2} ({:.2} to {:.2}), p {}; geometric means {:.1} s aided, {:.1} s unaided",
                times.ratio,
                times.low,
                times.high,
                p_value(times.p),
                times.aided_seconds,
                times.unaided_seconds
            ));
            page.sentence(&format!(
                "Of {} in both modes by {}: {}.",
                counted(found.readings, "reading"),
                counted(times.readers, "reader"),
                times.method
            ));
        }
    }
    let left_out = [
        (found.one_mode_only, "in one mode only"),
        (found.without_time, "without a time"),
        (found.sequential, "of the sequential design"),
    ];
    for (count, words) in left_out.into_iter().filter(|(count, _)| *count > 0) {
        page.line(&format!("  {} {words} left out", counted(count, "reading")));
    }
    page.0
}
