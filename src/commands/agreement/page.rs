//! The report of a study: one page of HTML that loads nothing, for a browser or a printer.

use std::collections::HashSet;

use anyhow::Result;

use super::page_charts::{rating_chart, roc_chart};
use super::page_tables::{areas, interval_words, p_words, times};
use super::readings::{LogState, ReaderRow};
use crate::commands::shared::date::today;
use crate::commands::shared::html::Html;
use crate::commands::shared::study::LoadedStudy;
use crate::domain::ReadingMode;
use crate::evaluation::reader_study::{
    Known, LocalisationReport, ModeComparison, ReaderStudyReport, StudyDifference, StudyEstimate,
    StudyReading, TimesOfReaders,
};
use crate::export::path_text;
use crate::study::{RatingScale, StudyDesign, modes};

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<title>Reader study</title><style>\
@page{size:A4;margin:14mm}body{font:14px/1.45 sans-serif;max-width:60rem;margin:1rem auto;color:#111}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:1.6rem;border-bottom:1px solid #999}\
table{border-collapse:collapse;margin:.6rem 0}td{border:1px solid #bbb;padding:.15rem .5rem;vertical-align:top}\
tr:first-child td{font-weight:bold;background:#f2f2f2}pre{font-size:10px;line-height:1.3;overflow-x:auto}\
svg{max-width:100%;height:auto;break-inside:avoid}.small{font-size:11px;word-break:break-all}\
</style></head><body>\n";

/// What the page is made of.
pub struct StudyReportContents<'a> {
    pub study: &'a LoadedStudy,
    pub readings: &'a [ReaderRow],
    pub studies: &'a [ReaderStudyReport],
    /// The readings of each label.
    pub of_labels: Vec<(Vec<StudyReading>, String)>,
    /// The page of `cxr agreement`.
    pub text: &'a str,
    pub times: TimesOfReaders,
    /// The note on images without a patient.
    pub without_patients: Option<String>,
    pub log: &'a LogState,
    /// The digest of a reference standard that was named in place of that of the study.
    pub manifest_sha256: Option<String>,
}

/// The whole page.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn report_page(contents: &StudyReportContents) -> Result<String> {
    let mut html = Html::default();
    let file = &contents.study.file;
    html.markup(HEAD).element("<h1>", &file.name, "</h1>\n");
    html.element(
        "<p>",
        &format!(
            "Reader study, {}. For research; not for diagnosis.",
            today()
        ),
        "</p>\n",
    );
    flow(&mut html, contents);
    for report in contents.studies {
        html.element("<h2>", &report.label, "</h2>\n");
        primary(&mut html, report);
        areas(&mut html, report);
        let of_label = contents.of_labels.iter();
        let mut of_label = of_label.filter(|(_, name)| *name == report.label);
        if let Some((readings, _)) = of_label.next() {
            roc_chart(&mut html, readings, &report.label)?;
            rating_chart(&mut html, readings, report)?;
        }
        if let Some(found) = &report.localisation {
            marks(&mut html, found);
        }
    }
    times(&mut html, &contents.times);
    html.markup("<h2>All tables</h2>\n").lines(contents.text);
    methods(&mut html, contents);
    html.markup("</body></html>\n");
    Ok(html.finish())
}

/// From the films that were found to the readings that were made. Every column adds up.
fn flow(html: &mut Html, contents: &StudyReportContents) {
    let study = contents.study;
    let (cases, excluded) = (study.list.cases.len(), study.list.excluded.len());
    html.markup("<h2>Flow of cases</h2>\n<table>\n");
    html.row(["films", "left out", "cases"]);
    html.row([
        (cases + excluded).to_string(),
        excluded.to_string(),
        cases.to_string(),
    ]);
    html.markup("</table>\n");
    if excluded > 0 {
        html.markup("<table>\n").row(["left out", "reason"]);
        for (path, reason) in &study.list.excluded {
            html.row([path_text(path), reason.clone()]);
        }
        html.markup("</table>\n");
    }
    html.markup("<table>\n");
    html.row([
        "reader",
        "order of modes",
        "cases",
        "read in both",
        "unaided only",
        "aided only",
        "not read",
        "of those read: answer seen before",
        "of those read: no answer of the model",
    ]);
    let mut unlisted = contents.readings.len();
    for list in study.lists() {
        let listed: HashSet<String> = list
            .cases
            .iter()
            .map(|case| case.content.to_string())
            .collect();
        let own: Vec<&ReaderRow> = contents
            .readings
            .iter()
            .filter(|row| {
                row.word.reviewer == list.reader && listed.contains(&row.word.image.sha256)
            })
            .collect();
        unlisted -= own.len();
        let count = |is: &dyn Fn(&ReaderRow) -> bool| own.iter().filter(|row| is(row)).count();
        let read = |row: &ReaderRow| {
            let reading = &row.blinded;
            (reading.unaided.is_some(), reading.beside_answer().is_some())
        };
        let [both, unaided, aided] = [(true, true), (true, false), (false, true)]
            .map(|wanted| count(&|row| read(row) == wanted));
        let order = modes(&study.file, list.reader)
            .into_iter()
            .map(ReadingMode::word);
        let numbers = [
            list.cases.len(),
            both,
            unaided,
            aided,
            list.cases.len().saturating_sub(both + unaided + aided),
            count(&|row| row.was_seen),
            count(&|row| row.model.is_empty()),
        ];
        let words = [list.reader.to_owned(), order.collect::<Vec<_>>().join(", ")];
        html.row(
            words
                .into_iter()
                .chain(numbers.map(|number| number.to_string())),
        );
    }
    html.markup("</table>\n");
    if unlisted > 0 {
        html.element(
            "<p>",
            &format!("{unlisted} readings are of films or readers that are not in the plan: see cxr study verify."),
            "</p>\n",
        );
    }
    if let Some(report) = contents.studies.first() {
        html.element(
            "<p>",
            &format!(
                "The model has no answer where it refused the film or gave no number. Reference standard of {}: {} \
                 positive, {} negative, {} without, of {} images read.",
                report.label,
                report.positives,
                report.negatives,
                report.without_reference,
                report.images
            ),
            "</p>\n",
        );
    }
    if let Some(note) = &contents.without_patients {
        html.element("<p>", note, "</p>\n");
    }
}

fn primary(html: &mut Html, report: &ReaderStudyReport) {
    html.element(
        "<p>",
        &format!(
            "{} readers, {} readings of {} images of {} patients; unaided only {}, aided only {}.",
            report.readers,
            report.readings,
            report.images,
            report.patients,
            report.unaided_only,
            report.aided_only
        ),
        "</p>\n",
    );
    if report.comparisons.is_empty() {
        html.markup("<p>Without a reference standard there is agreement only: see below.</p>\n");
        return;
    }
    html.markup("<table>\n");
    html.row([
        "figure",
        "images",
        "readers",
        "aided",
        "unaided",
        "aided − unaided",
        "p",
        "p (Holm)",
    ]);
    for found in &report.comparisons {
        html.row(comparison(found));
    }
    html.markup("</table>\n");
    for found in &report.comparisons {
        let counts = &found.readings;
        if counts.aided_only + counts.unaided_only > 0 {
            html.element(
                "<p>",
                &format!(
                    "{}: of images that their reader has in one mode only, {} aided and {} unaided readings are left out; {} \
                     readings are compared.",
                    found.figure, counts.aided_only, counts.unaided_only, counts.compared
                ),
                "</p>\n",
            );
        }
        for (reader, reason) in &found.left_out {
            html.element(
                "<p>",
                &format!("{} without {reader}: {reason}.", found.figure),
                "</p>\n",
            );
        }
    }
}

fn comparison(found: &ModeComparison) -> [String; 8] {
    let (difference, p) = match &found.difference {
        Known::Value(difference) => (difference_words(difference), p_words(difference.p)),
        Known::Undefined { undefined } => (format!("n/a: {undefined}"), String::new()),
    };
    [
        found.figure.to_owned(),
        found.images.to_string(),
        found.readers.to_string(),
        estimate_words(&found.aided),
        estimate_words(&found.unaided),
        difference,
        p,
        found.holm_p.map_or_else(String::new, p_words),
    ]
}

fn estimate_words(found: &Known<StudyEstimate>) -> String {
    match found {
        Known::Undefined { undefined } => format!("n/a: {undefined}"),
        Known::Value(StudyEstimate { value, low, high }) => interval_words(*value, low.zip(*high)),
    }
}

fn difference_words(found: &StudyDifference) -> String {
    format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high)
}

/// What each reader marked in each mode. Every row adds up.
fn marks(html: &mut Html, found: &LocalisationReport) {
    html.element(
        "<p>",
        &format!(
            "Marks: {} images with {} lesions and {} without. A mark is on a lesion if {}.",
            found.lesion_images, found.lesions, found.normal_images, found.rule
        ),
        "</p>\n",
    );
    for (reason, images) in &found.left_out {
        html.element(
            "<p>",
            &format!("{images} images left out: {reason}."),
            "</p>\n",
        );
    }
    html.markup("<table>\n");
    html.row([
        "reader",
        "mode",
        found.figure,
        "lesions read",
        "marked",
        "missed",
        "marks on a lesion again",
        "on normal images",
        "beside lesions",
        "without a rating",
        "of another kind",
        "on images left out",
    ]);
    for own in &found.by_reader {
        let value = match &own.value {
            Known::Value(value) => format!("{value:.3}"),
            Known::Undefined { undefined } => format!("n/a: {undefined}"),
        };
        let numbers = [
            own.lesions,
            own.on_lesions,
            own.lesions - own.on_lesions,
            own.again,
            own.on_normal,
            own.beside_lesions,
            own.unrated,
            own.not_taken,
            own.on_left_out,
        ];
        let words = [own.reader.clone(), own.mode.to_owned(), value];
        html.row(
            words
                .into_iter()
                .chain(numbers.map(|number| number.to_string())),
        );
    }
    html.markup("</table>\n");
    html.element(
        "<p class=\"small\">",
        &format!(
            "{}: area under the (weighted) alternative free-response curve, by reader; the table above compares the modes. Only \
             lesions and the highest mark of each normal image enter it.",
            found.figure
        ),
        "</p>\n",
    );
}

/// The sentence of the methods about marks; nothing where they were not asked for.
fn methods_of_marks(contents: &StudyReportContents) -> String {
    let Some(task) = &contents.study.file.localisation else {
        return String::new();
    };
    format!(
        " Readers marked the lesions of {}, each mark with a rating from 0 to 100. A mark was on a lesion if {}; of several \
         marks on a lesion the highest counted. The figure of merit was the area under the {} curve (Chakraborty and Berbaum \
         2004; Chakraborty and Zhai 2016).",
        task.question,
        task.rule.words(),
        task.figure.word()
    )
}

fn methods(html: &mut Html, contents: &StudyReportContents) {
    let file = &contents.study.file;
    let design = match file.design {
        StudyDesign::Sequential => {
            "sequential: each case was called without the model's answer, and could be called again once it was shown"
                .to_owned()
        }
        StudyDesign::Independent => format!(
            "two sittings apart, one without the model's answer and one beside it, with a wash-out of {} days and the \
             order of modes from the seed",
            file.washout_days
        ),
        StudyDesign::Concurrent => "concurrent: the model's answer was shown from the start".to_owned(),
        StudyDesign::Unaided => "without the model's answer, in one sitting".to_owned(),
    };
    let per_case = contents.study.readers_per_case();
    let rating = match file.rating {
        RatingScale::Percent => "calls and, where given, ratings from 0 to 100",
        RatingScale::None => "calls without ratings",
    };
    html.markup("<h2>Methods</h2>\n").element(
        "<p>",
        &format!(
            "{} readers read {} cases, {per_case} readers each, with {rating} for {}. The design was {design}. Assignment \
             and order of cases were drawn from the seed {}. Names of files were hidden{}{}. Sensitivity, specificity \
             and areas were compared by the analysis of variance of Obuchowski and Rockette with the degrees of freedom of \
             Hillis, readers and patients as random samples, with covariances by the jackknife over patients, on the images \
             that the same reader read (for areas: rated) in both modes; p-values of all primary results were adjusted by Holm. Other intervals are by bootstrap over patients.{} All figures are by \
             cxr {}.",
            file.readers.len(),
            contents.study.list.cases.len(),
            file.questions.join(", "),
            file.seed,
            if file.hide.identity { ", patients' names and identifiers too" } else { "" },
            if file.hide.header { ", DICOM headers too" } else { "" },
            methods_of_marks(contents),
            env!("CARGO_PKG_VERSION")
        ),
        "</p>\n",
    );
    html.markup("<table class=\"small\">\n")
        .row(["what", "SHA-256"]);
    html.row(["study.toml (pre-registered)", &file.digest]);
    html.row(["list of cases", &file.cases.sha256]);
    let pinned = file.reference.as_ref();
    let pinned = pinned.map_or("none", |reference| &reference.file.sha256);
    match &contents.manifest_sha256 {
        None => html.row(["reference standard", pinned]),
        Some(named) => html.row(["reference standard (not that of study.toml)", named]),
    };
    html.row(["model", &file.model_sha256]);
    let reviews = &contents.log.reviews;
    html.row([
        format!("log of readings, head of {} rows", reviews.rows),
        reviews.head.clone(),
    ]);
    if let Some(events) = &contents.log.events {
        html.row([
            format!("log of the study, head of {} events", events.events),
            events.head.clone(),
        ]);
    }
    html.markup("</table>\n");
}
