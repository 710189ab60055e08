//! What `cxr agreement` prints: a page, or JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::ComparedReadings;
use super::patients::without_patients;
use super::readings::{
    ReaderRow, from_cache, labels, read, reviewers, seen_before, timed, times, without_answer,
};
use super::references::ReferenceCases;
use crate::commands::shared::named;
use crate::evaluation::reader_study::times_of_readers;
use crate::evaluation::reader_study_table::{self, reading_times};
use crate::evaluation::reader_tables::terminal;
use crate::evaluation::readers::{ReaderCall, ReaderComparison, compare};
use crate::evaluation::tables::counted;

/// A comparison for each reader and label.
fn comparisons(readings: &[ReaderRow], references: &ReferenceCases) -> Vec<ReaderComparison> {
    let mut all = Vec::new();
    for reviewer in reviewers(readings) {
        for label in labels(readings) {
            let reads: Vec<ReaderCall> = readings
                .iter()
                .filter(|r| !r.was_seen)
                .filter(|r| r.word.reviewer == reviewer && r.blinded.asked.contains(&label))
                .map(|reading| read(reading, &label, references))
                .collect();
            if !reads.is_empty() {
                all.push(compare(reviewer, &label, &reads));
            }
        }
    }
    all
}

/// A page for the terminal.
pub fn text(compared: &ComparedReadings) -> String {
    let ComparedReadings {
        readings,
        references,
        log,
        ..
    } = compared;
    let mut page = String::new();
    for study in &compared.studies {
        page += &reader_study_table::terminal(study);
        page += "\n";
    }
    if compared.are_marks_left {
        page += "No figure of marks: the reference standard has no boxes of lesions (--boxes-column names their column).\n\n";
    }
    page += &reading_times(&times_of_readers(&timed(readings)));
    for reviewer in reviewers(readings) {
        let (unaided, aided) = times(readings, reviewer);
        let seconds = |time: Option<Duration>| {
            time.map_or("n/a".to_owned(), |time| {
                format!("{:.1} s", time.as_secs_f64())
            })
        };
        page += &format!(
            "{reviewer}: median time of a call {} unaided, {} aided\n",
            seconds(unaided),
            seconds(aided)
        );
        match seen_before(readings, reviewer) {
            0 => {}
            1 => page += &format!("{reviewer}: 1 image left out, whose answer was seen before\n"),
            n => {
                page +=
                    &format!("{reviewer}: {n} images left out, whose answers were seen before\n")
            }
        }
    }
    for comparison in comparisons(readings, references) {
        page += "\n";
        page += &terminal(&comparison);
    }
    page += "\nw: Wilson's interval, the others by bootstrap over patients where nothing else is said. \
         Not for diagnosis.\n";
    if let Some(note) = without_patients(readings) {
        page += &format!("{note}\n");
    }
    for (label, images) in without_answer(readings) {
        let paths: Vec<&str> = images.iter().map(String::as_str).collect();
        page += &format!(
            "{label}: the model has no answer for {}, unlike those that it was learned from: {}\n",
            counted(images.len(), "image"),
            named(&paths)
        );
    }
    page += &log.words();
    match from_cache(readings) {
        0 => page,
        n => format!(
            "{page}For {n} of the readings the log lacks the model's answer. It is from the \
             prediction cache, which no chain of hashes protects.\n"
        ),
    }
}

/// The same as JSON.
pub fn as_json(compared: &ComparedReadings) -> Value {
    let ComparedReadings {
        readings,
        references,
        studies,
        log,
        ..
    } = compared;
    let milliseconds = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
    let times = reviewers(readings).into_iter().map(|reviewer| {
        let (unaided, aided) = times(readings, reviewer);
        let times = json!({
            "median_unaided_ms": milliseconds(unaided),
            "median_aided_ms": milliseconds(aided),
            "answer_seen_before": seen_before(readings, reviewer),
        });
        (reviewer.to_owned(), times)
    });
    let without: BTreeMap<String, Vec<String>> = without_answer(readings).into_iter().collect();
    json!({
        "reviewers": Value::Object(times.collect()),
        "studies": studies,
        "reading_time": times_of_readers(&timed(readings)),
        "without_patients": without_patients(readings),
        "comparisons": comparisons(readings, references),
        "readings": readings.len(),
        "log": log.as_json(),
        "without_answer": without,
        "answers_not_in_the_log": from_cache(readings),
    })
}
