//! `cxr agreement`: readers who read blinded against the model and against the truth.

mod truths;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use self::truths::Truths;
use super::export::{is_whole, real, refused, store_path};
use super::{SOME_FAILED, Usage, complain, print};
use crate::cli::{self, AgreementFormat};
use crate::domain::patient::clusters;
use crate::domain::text::Printable;
use crate::domain::{BlindedReading, ImageIdentity, PatientIdentity};
use crate::evaluation::BinaryQuestion;
use crate::evaluation::readers::{ReaderCall, ReaderComparison, compare, terminal};
use crate::store::{LastWord, Store};

/// Which readings are compared.
pub struct ReadingSelection {
    pub store: PathBuf,
    /// All where there is none.
    pub folders: Vec<PathBuf>,
    pub reviewer: Option<String>,
}

pub fn run(arguments: &cli::Agreement) -> Result<ExitCode> {
    let wanted = ReadingSelection {
        store: store_path(arguments.store.as_deref())?,
        folders: arguments.folder.iter().cloned().collect(),
        reviewer: arguments.reviewer.clone(),
    };
    let Some(readings) = readings(&wanted)? else {
        return Ok(ExitCode::from(SOME_FAILED));
    };
    if readings.is_empty() {
        return Err(Usage::error(
            "nobody has read blinded here: cxr --blinded FOLDER",
        ));
    }
    let truths = Truths::read(arguments, &labels(&readings))?;
    truths.complain_of(readings.iter().map(|reading| &reading.word.image));
    let page = match arguments.format {
        AgreementFormat::Text => text(&readings, &truths),
        AgreementFormat::Json => format!("{:#}\n", as_json(&readings, &truths)),
    };
    print(&Printable::page(&page))
}

/// The same in words at the end of a session, without a truth.
///
/// # Errors
/// If the store cannot be read.
pub fn summarise(wanted: &ReadingSelection) -> Result<ExitCode> {
    match readings(wanted)? {
        None => Ok(ExitCode::from(SOME_FAILED)),
        Some(readings) if readings.is_empty() => Ok(ExitCode::SUCCESS),
        Some(readings) => print(&Printable::page(&text(&readings, &Truths::default()))),
    }
}

/// One image as one reader read it.
struct ReaderRow {
    word: LastWord,
    blinded: BlindedReading,
    /// Whether the model says yes, for each label it has.
    model: HashMap<String, bool>,
    /// That is not from the log, but from what is kept of the model's answers.
    is_kept: bool,
    /// What the file says of its patient.
    patient: PatientIdentity,
    /// The same for all images of a patient, as far as files say whose they are.
    cluster: String,
    /// The reader had seen the answer before: neither call is one of a blinded reading.
    was_seen: bool,
}

/// `None`, with its faults named, if the log is not whole: figures of it would claim too much.
fn readings(wanted: &ReadingSelection) -> Result<Option<Vec<ReaderRow>>> {
    let folders: Vec<PathBuf> = wanted.folders.iter().map(|folder| real(folder)).collect();
    let store = Store::open_read_only(&wanted.store).map_err(refused)?;
    let is_wanted = |word: &LastWord| {
        let of_reader = wanted.reviewer.as_ref();
        of_reader.is_none_or(|reviewer| *reviewer == word.reviewer)
    };
    store.at_one_moment(|store| {
        if !is_whole(&wanted.store, &store.verify()?) {
            complain("no figures: the log is not whole");
            return Ok(None);
        }
        let mut found = Vec::new();
        store.last_words(&folders, |word| {
            if let Some(blinded) = word.opinion.blinded.clone().filter(|_| is_wanted(&word)) {
                found.push((word, blinded));
            }
            Ok::<_, anyhow::Error>(())
        })??;
        let seen = store.answers_seen()?;
        let found = found.into_iter();
        let readings = found.map(|(word, blinded)| {
            let key = (word.reviewer.clone(), word.image.sha256.clone());
            reading(store, word, blinded, seen.contains(&key))
        });
        let readings = readings.collect::<Result<_>>()?;
        Ok(Some(clustered(readings)))
    })
}

/// What the model said is in the row; where an older version wrote it, perhaps only in what was seen
/// then. What is kept beside the log can be changed without a trace, so it comes last.
fn reading(
    store: &Store,
    word: LastWord,
    blinded: BlindedReading,
    was_seen: bool,
) -> Result<ReaderRow> {
    let model = &blinded.model_sha256;
    let seen = &word.seen["prediction"];
    let seen = (seen["model_sha256"] == **model).then_some(seen);
    let logged = word.answer.as_ref().or(seen).map(positives);
    let kept = match logged {
        Some(_) => None,
        None => store.last_prediction(&word.image.sha256, model)?,
    };
    let kept = kept.as_ref().map(positives);
    Ok(ReaderRow {
        is_kept: kept.is_some(),
        model: logged.or(kept).unwrap_or_default(),
        patient: patient(store, &word.image)?,
        cluster: String::new(),
        was_seen,
        word,
        blinded,
    })
}

/// Of an image whose file was never asked for all of it, the identifier alone is known.
fn patient(store: &Store, image: &ImageIdentity) -> Result<PatientIdentity> {
    let known = store.origin(&image.sha256)?.map(|origin| origin.patient);
    Ok(known.unwrap_or_else(|| PatientIdentity {
        id: image.patient_id.clone(),
        ..PatientIdentity::default()
    }))
}

fn clustered(mut readings: Vec<ReaderRow>) -> Vec<ReaderRow> {
    let said = |reading: &ReaderRow| reading.word.image.uids.study.clone();
    let studies: Vec<Option<String>> = readings.iter().map(said).collect();
    let images = readings.iter().zip(&studies);
    let images: Vec<_> = images
        .map(|(reading, study)| (&reading.patient, study.as_deref()))
        .collect();
    let first = clusters(&images);
    let names: Vec<String> = first
        .into_iter()
        .map(|first| readings[first].word.image.sha256.clone())
        .collect();
    for (reading, name) in readings.iter_mut().zip(names) {
        reading.cluster = name;
    }
    readings
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
fn labels(readings: &[ReaderRow]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in readings.iter().flat_map(|reading| &reading.blinded.asked) {
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    labels
}

/// The readers, in the order of their names.
fn reviewers(readings: &[ReaderRow]) -> Vec<&str> {
    let mut names: Vec<&str> = readings.iter().map(|r| r.word.reviewer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn comparisons(readings: &[ReaderRow], truths: &Truths) -> Vec<ReaderComparison> {
    let mut all = Vec::new();
    for reviewer in reviewers(readings) {
        for label in labels(readings) {
            let reads: Vec<ReaderCall> = readings
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

fn read(reading: &ReaderRow, label: &str, truths: &Truths) -> ReaderCall {
    let image = &reading.word.image;
    let case = truths.of_image(image);
    let named = case.map(|case| case.patient.clone());
    let called = |present: &[String]| present.iter().any(|called| called == label);
    let question = BinaryQuestion::Label(label.to_owned());
    ReaderCall {
        patient: named.unwrap_or_else(|| reading.cluster.clone()),
        unaided: called(&reading.blinded.unaided.present),
        aided: called(&reading.blinded.last().present),
        model: reading.model.get(label).copied(),
        truth: case.and_then(|case| question.answer(&case.truth)),
    }
}

fn text(readings: &[ReaderRow], truths: &Truths) -> String {
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
    page += "\nw: Wilson's interval, the others by bootstrap over patients. Not for diagnosis.\n";
    match kept(readings) {
        0 => page,
        n => format!(
            "{page}Of {n} of the readings the log does not say what the model said: that is from the answers \
             kept beside it, which no chain protects.\n"
        ),
    }
}

/// Readings whose model's answer is not from the log.
fn kept(readings: &[ReaderRow]) -> usize {
    readings.iter().filter(|reading| reading.is_kept).count()
}

fn as_json(readings: &[ReaderRow], truths: &Truths) -> Value {
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
        "readings": readings.len(),
        "answers_not_in_the_log": kept(readings),
    })
}

/// How many images of one reader are in no figure, since they had seen the answer.
fn seen_before(readings: &[ReaderRow], reviewer: &str) -> usize {
    let of_reader = readings.iter().filter(|r| r.word.reviewer == reviewer);
    of_reader.filter(|r| r.was_seen).count()
}

/// The medians of one reader's times.
fn times(readings: &[ReaderRow], reviewer: &str) -> (Option<Duration>, Option<Duration>) {
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
