//! `cxr agreement`: readers who read blinded against the model and against the truth.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::export::{real, refused, store_path};
use super::{Usage, cases, print};
use crate::cli::{self, AgreementFormat};
use crate::domain::BlindedReading;
use crate::evaluation::readers::{Comparison, Read, compare, terminal};
use crate::evaluation::{Case, Question};
use crate::store::{LastWord, Store};

/// Which readings are compared.
pub struct Wanted {
    pub store: PathBuf,
    /// All where there is none.
    pub folders: Vec<PathBuf>,
    pub reviewer: Option<String>,
}

pub fn run(arguments: &cli::Agreement) -> Result<ExitCode> {
    let wanted = Wanted {
        store: store_path(arguments.store.as_deref())?,
        folders: arguments.folder.iter().cloned().collect(),
        reviewer: arguments.reviewer.clone(),
    };
    let readings = readings(&wanted)?;
    if readings.is_empty() {
        return Err(Usage::error(
            "nobody has read blinded here: cxr --blinded FOLDER",
        ));
    }
    let truths = truths(arguments, &labels(&readings))?;
    let page = match arguments.format {
        AgreementFormat::Text => text(&readings, &truths),
        AgreementFormat::Json => format!("{:#}\n", as_json(&readings, &truths)),
    };
    print(page)
}

/// The same in words at the end of a session, without a truth.
///
/// # Errors
/// If the store cannot be read.
pub fn summarise(wanted: &Wanted) -> Result<ExitCode> {
    let readings = readings(wanted)?;
    match readings.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => print(text(&readings, &Truths::new())),
    }
}

/// One image as one reader read it.
struct Reading {
    word: LastWord,
    blinded: BlindedReading,
    /// Whether the model says yes, for each label it has.
    model: HashMap<String, bool>,
    /// The reader had seen the answer before: neither call is one of a blinded reading.
    was_seen: bool,
}

/// The case of an image, by its path from the root.
type Truths = HashMap<PathBuf, Case>;

fn readings(wanted: &Wanted) -> Result<Vec<Reading>> {
    let folders: Vec<PathBuf> = wanted.folders.iter().map(|folder| real(folder)).collect();
    let store = Store::open_read_only(&wanted.store).map_err(refused)?;
    let is_wanted = |word: &LastWord| {
        let of_reader = wanted.reviewer.as_ref().is_none_or(|r| *r == word.reviewer);
        let path = &word.image.path;
        of_reader && (folders.is_empty() || folders.iter().any(|folder| path.starts_with(folder)))
    };
    store.at_one_moment(|store| {
        let mut found = Vec::new();
        store.last_words(|word| {
            if let Some(blinded) = word.opinion.blinded.clone().filter(|_| is_wanted(&word)) {
                found.push((word, blinded));
            }
            Ok::<_, anyhow::Error>(())
        })??;
        let seen = store.answers_seen()?;
        let with_model = |(word, blinded): (LastWord, BlindedReading)| {
            let key = (word.reviewer.clone(), word.image.sha256.clone());
            let said = store.last_prediction(&word.image.sha256, &blinded.model_sha256)?;
            Ok(Reading {
                model: positives(&said.unwrap_or_default()),
                word,
                blinded,
                was_seen: seen.contains(&key),
            })
        };
        found.into_iter().map(with_model).collect()
    })
}

fn positives(said: &Value) -> HashMap<String, bool> {
    let findings = said["findings"].as_array().into_iter().flatten();
    findings
        .filter_map(|finding| {
            let label = finding["label"].as_str()?;
            Some((label.to_owned(), finding["positive"].as_bool()?))
        })
        .collect()
}

/// All that somebody was asked about, in the order of asking.
fn labels(readings: &[Reading]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in readings.iter().flat_map(|reading| &reading.blinded.asked) {
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    labels
}

fn truths(arguments: &cli::Agreement, labels: &[String]) -> Result<Truths> {
    let Some(manifest) = arguments.manifest.clone() else {
        return Ok(Truths::new());
    };
    let asked = cli::Cases {
        manifest,
        root: arguments.root.clone(),
        path_column: arguments.path_column.clone(),
        label_column: arguments.label_column.clone(),
        patient_column: arguments.patient_column.clone(),
        split: None,
        filters: Vec::new(),
    };
    let root = cases::root(&asked);
    let cases = cases::read(&asked, &[], labels)?.cases.into_iter();
    Ok(cases
        .map(|case| (real(&cases::file(&root, &case)), case))
        .collect())
}

/// The readers, in the order of their names.
fn reviewers(readings: &[Reading]) -> Vec<&str> {
    let mut names: Vec<&str> = readings.iter().map(|r| r.word.reviewer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn comparisons(readings: &[Reading], truths: &Truths) -> Vec<Comparison> {
    let mut all = Vec::new();
    for reviewer in reviewers(readings) {
        for label in labels(readings) {
            let reads: Vec<Read> = readings
                .iter()
                .filter(|r| !r.was_seen)
                .filter(|r| r.word.reviewer == reviewer && r.blinded.asked.contains(&label))
                .map(|reading| read(reading, &label, truths))
                .collect();
            if !reads.is_empty() {
                all.push(compare(reviewer, &label, &reads));
            }
        }
    }
    all
}

fn read(reading: &Reading, label: &str, truths: &Truths) -> Read {
    let image = &reading.word.image;
    let at = |path: &Path| truths.get(path);
    // The table may name what a link was read by.
    let case = at(&image.path).or_else(|| at(&real(&image.path)));
    let named = case.map(|case| case.patient.clone());
    let patient = named.or_else(|| image.patient_id.clone());
    let called = |present: &[String]| present.iter().any(|called| called == label);
    let question = Question::Label(label.to_owned());
    Read {
        patient: patient.unwrap_or_else(|| image.sha256.clone()),
        unaided: called(&reading.blinded.unaided.present),
        aided: called(&reading.blinded.last().present),
        model: reading.model.get(label).copied(),
        truth: case.and_then(|case| question.answer(&case.truth)),
    }
}

fn text(readings: &[Reading], truths: &Truths) -> String {
    let mut page = String::new();
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
    for comparison in comparisons(readings, truths) {
        page += "\n";
        page += &terminal(&comparison);
    }
    page + "\nw: Wilson's interval, the others by bootstrap over patients. Not for diagnosis.\n"
}

fn as_json(readings: &[Reading], truths: &Truths) -> Value {
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
    json!({
        "reviewers": Value::Object(times.collect()),
        "comparisons": comparisons(readings, truths),
    })
}

/// How many images of one reader are in no figure, since they had seen the answer.
fn seen_before(readings: &[Reading], reviewer: &str) -> usize {
    let of_reader = readings.iter().filter(|r| r.word.reviewer == reviewer);
    of_reader.filter(|r| r.was_seen).count()
}

/// The medians of one reader's times.
fn times(readings: &[Reading], reviewer: &str) -> (Option<Duration>, Option<Duration>) {
    let of_reader = || {
        let counted = readings.iter().filter(|r| !r.was_seen);
        counted.filter(|r| r.word.reviewer == reviewer)
    };
    let unaided = of_reader().map(|r| r.blinded.unaided.took).collect();
    let aided = of_reader().filter_map(|r| r.blinded.aided.as_ref());
    (
        median(unaided),
        median(aided.map(|call| call.took).collect()),
    )
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    let (low, high) = (times.len().checked_sub(1)? / 2, times.len() / 2);
    Some((times[low] + times[high]) / 2)
}
