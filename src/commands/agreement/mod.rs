//! `cxr agreement`: blinded readers compared with the model and with the reference standard.

mod figures;
mod localisation;
mod outputs;
mod page;
mod references;
mod study;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use self::localisation::MarkedStudy;
use self::outputs::Outputs;
use self::references::ReferenceCases;
use self::study::{ImrmcFile, studies};
use super::shared::reviews::{
    ReadingSelection, is_whole, not_opened, refuse_open_study, store_path, stored_path,
};
use super::shared::study::LoadedStudy;
use super::shared::{SOME_FAILED, Usage, complain, named, print};
use crate::cli::{self, AgreementFormat};
use crate::domain::patient::clusters;
use crate::domain::text::Printable;
use crate::domain::{
    BlindedReading, Call, ImageIdentity, Mark, PatientIdentity, ReadingMode, median_time,
};
use crate::evaluation::BinaryQuestion;
use crate::evaluation::reader_study::ReaderStudyReport;
use crate::evaluation::reader_study_table;
use crate::evaluation::reader_tables::terminal;
use crate::evaluation::readers::{ReaderCall, ReaderComparison, compare};
use crate::evaluation::tables::counted;
use crate::export::path_text;
use crate::store::{Audit, LastWord, Store, StudyAudit};
use crate::study::{adjudicator_of, reader_of};

/// Runs `cxr agreement`.
///
/// # Errors
/// [`Usage`], if there are no such readings or the manifest cannot be used; or if the store cannot be read.
pub fn run(arguments: &cli::Agreement) -> Result<ExitCode> {
    let study = arguments
        .study
        .as_deref()
        .map(LoadedStudy::read)
        .transpose()?;
    let wanted = ReadingSelection {
        store: match &study {
            Some(study) => study.store_path(),
            None => store_path(arguments.store.as_deref())?,
        },
        folders: arguments.folder.iter().cloned().collect(),
        reviewer: arguments.reviewer.clone(),
        study: study.as_ref().map(|study| study.file.digest.clone()),
    };
    let outputs = Outputs::of(arguments)?;
    let Some(StoredReadings {
        rows: readings,
        log,
    }) = readings(&wanted)?
    else {
        return Ok(ExitCode::from(SOME_FAILED));
    };
    if readings.is_empty() {
        return Err(Usage::error(
            "no blinded readings here: cxr --blinded FOLDER makes them",
        ));
    }
    let imrmc = ImrmcFile::of(arguments, &labels(&readings))?;
    let references = match reference_of(arguments, study.as_ref())? {
        Some(asked) => {
            let boxes = boxes_column(arguments, study.as_ref());
            ReferenceCases::read(&asked, &labels(&readings), boxes)?
        }
        None => ReferenceCases::default(),
    };
    references.complain_of(readings.iter().map(|reading| &reading.word.image));
    if let Some(file) = imrmc {
        file.write(&readings, &references)?;
    }
    let marked = MarkedStudy::of(study.as_ref(), &readings, &references);
    let asks_for_marks = study
        .as_ref()
        .is_some_and(|study| study.file.localisation.is_some());
    let compared = ComparedReadings {
        studies: studies(&readings, &references, marked.as_ref()),
        are_marks_left: asks_for_marks && marked.is_none(),
        readings,
        references,
        log,
    };
    outputs.write(study.as_ref(), &compared, marked.as_ref())?;
    let page = match arguments.format {
        AgreementFormat::Text => text(&compared),
        AgreementFormat::Json => format!("{:#}\n", as_json(&compared)),
    };
    print(&Printable::page(&page))
}

/// Readings beside the reference standard, and what they show.
struct ComparedReadings {
    readings: Vec<ReaderRow>,
    references: ReferenceCases,
    /// One for each label.
    studies: Vec<ReaderStudyReport>,
    /// Whether the study asks for marks, and there are no boxes to compare them with.
    are_marks_left: bool,
    log: LogState,
}

/// The column of lesions' boxes: that of `--boxes-column`, or that of the study where the reference standard is the study's.
fn boxes_column<'a>(
    arguments: &'a cli::Agreement,
    study: Option<&'a LoadedStudy>,
) -> Option<&'a str> {
    match &arguments.reference.manifest {
        Some(_) => arguments.boxes_column.as_deref(),
        None => study?.file.localisation.as_ref()?.boxes_column.as_deref(),
    }
}

/// The reference standard that `--manifest` names, or else that of the study.
///
/// # Errors
/// [`Usage`], if that of the study is not the one that it names.
fn reference_of(
    arguments: &cli::Agreement,
    study: Option<&LoadedStudy>,
) -> Result<Option<cli::CaseArguments>> {
    if let Some(named) = arguments.reference.cases() {
        return Ok(Some(named));
    }
    let Some(study) = study else { return Ok(None) };
    match study.reference_fault() {
        Some(fault) => Err(Usage::error(fault)),
        None => Ok(study.reference_arguments()),
    }
}

/// Prints the comparison at the end of a blinded session, without a reference standard.
///
/// # Errors
/// If the store cannot be read.
pub fn summarise(wanted: &ReadingSelection) -> Result<ExitCode> {
    match readings(wanted)? {
        None => Ok(ExitCode::from(SOME_FAILED)),
        Some(readings) if readings.rows.is_empty() => Ok(ExitCode::SUCCESS),
        Some(StoredReadings { rows, log }) => {
            let references = ReferenceCases::default();
            print(&Printable::page(&text(&ComparedReadings {
                studies: studies(&rows, &references, None),
                are_marks_left: false,
                readings: rows,
                references,
                log,
            })))
        }
    }
}

/// The reading of one image by one reader.
struct ReaderRow {
    word: LastWord,
    blinded: BlindedReading,
    /// Whether the model is positive, for each of its labels.
    model: HashMap<String, bool>,
    /// The labels that got no number, because the image is unlike those that they were learned from.
    withheld: Vec<String>,
    /// Whether the model's answer is from the prediction cache, and not from the log.
    from_cache: bool,
    /// The patient that the file names.
    patient: PatientIdentity,
    /// A name that all images of one patient share, as far as their files tell.
    cluster: String,
    /// Whether the reader had seen the answer before, so that the reading was not blinded.
    was_seen: bool,
    /// The marks of each mode that was read: aided, unaided.
    marks: [Option<Vec<Mark>>; 2],
}

/// What the log holds.
struct StoredReadings {
    rows: Vec<ReaderRow>,
    log: LogState,
}

/// The log at the moment when it was read.
struct LogState {
    reviews: Audit,
    /// Events of a study, if there are any.
    events: Option<StudyAudit>,
}

impl LogState {
    fn words(&self) -> String {
        let mut words = format!(
            "Log: {} reviews, head {}.\n",
            self.reviews.rows, self.reviews.head
        );
        if let Some(events) = &self.events {
            words += &format!(
                "Log of the study: {} events, head {}.\n",
                events.events, events.head
            );
        }
        words
    }

    fn as_json(&self) -> Value {
        json!({
            "reviews": self.reviews.rows,
            "head": self.reviews.head,
            "study_events": self.events.as_ref().map(|events| events.events),
            "study_head": self.events.as_ref().map(|events| events.head.clone()),
        })
    }
}

/// The selected readings. `None`, with the faults named, if the log is not whole: its figures would not be
/// reliable.
fn readings(wanted: &ReadingSelection) -> Result<Option<StoredReadings>> {
    let folders: Vec<PathBuf> = wanted
        .folders
        .iter()
        .map(|folder| stored_path(folder))
        .collect();
    let store = Store::open_read_only(&wanted.store).map_err(not_opened)?;
    let is_wanted = |word: &LastWord| {
        let of_reader = wanted.reviewer.as_ref();
        of_reader.is_none_or(|reviewer| {
            *reviewer == word.reviewer || reviewer == reader_of(&word.reviewer)
        })
    };
    refuse_open_study(&store, "agreement")?;
    store.at_one_moment(|store| {
        let log = LogState {
            reviews: store.verify()?,
            events: Some(store.verify_study_events()?).filter(|audit| audit.events > 0),
        };
        let faults = log.events.as_ref().map(|events| &events.faults);
        faults
            .into_iter()
            .flatten()
            .for_each(|fault| complain(fault));
        if !is_whole(&wanted.store, &log.reviews) || faults.is_some_and(|faults| !faults.is_empty())
        {
            complain("no figures: the log is not whole");
            return Ok(None);
        }
        let is_of_study = |blinded: &BlindedReading| {
            let study = wanted.study.as_ref();
            study.is_none_or(|study| blinded.study.as_ref() == Some(study))
        };
        let (mut found, mut others) = (Vec::new(), 0);
        store.last_words(&folders, |word| {
            // An adjudicator is no reader: what they decide is in the reference standard.
            let is_reading = is_wanted(&word) && adjudicator_of(&word.reviewer).is_none();
            match word.opinion.blinded.clone().filter(|_| is_reading) {
                Some(blinded) if is_of_study(&blinded) => found.push((word, blinded)),
                Some(_) => others += 1,
                None => {}
            }
            Ok::<_, anyhow::Error>(())
        })??;
        if others > 0 {
            let are = if others == 1 { "is" } else { "are" };
            let readings = counted(others, "blinded reading");
            complain(&format!(
                "{readings} in the store {are} not of this study: left out"
            ));
        }
        let seen = store.answers_seen()?;
        let mut first = store.marks_at_first_calls()?;
        let found = found.into_iter();
        let readings = found.map(|(word, blinded)| {
            let key = (word.reviewer.clone(), word.image.sha256.clone());
            let first = first.remove(&key).unwrap_or_default();
            let marks = marks(&blinded, first, &word.opinion.marks);
            let found = reading(store, word, blinded, seen.contains(&key))?;
            Ok::<_, anyhow::Error>(ReaderRow { marks, ..found })
        });
        let readings = readings.collect::<Result<_>>()?;
        Ok(Some(StoredReadings {
            rows: clustered(joined(readings)),
            log,
        }))
    })
}

/// The marks that belong to a reading: aided, unaided. In the sequential mode the unaided ones are those that stood when the
/// reader made the first call; all others are the last ones.
fn marks(blinded: &BlindedReading, first: Vec<Mark>, last: &[Mark]) -> [Option<Vec<Mark>>; 2] {
    let unaided = match blinded.mode {
        ReadingMode::Sequential => first,
        ReadingMode::Unaided | ReadingMode::Aided => last.to_vec(),
    };
    [
        blinded.beside_answer().map(|_| last.to_vec()),
        blinded.unaided.as_ref().map(|_| unaided),
    ]
}

/// The readings of one image by one reader in two sittings apart become one. They have the reader's own name then.
fn joined(readings: Vec<ReaderRow>) -> Vec<ReaderRow> {
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    let mut joined: Vec<ReaderRow> = Vec::new();
    for mut reading in readings {
        if reading.blinded.mode != ReadingMode::Sequential {
            reading.word.reviewer = reader_of(&reading.word.reviewer).to_owned();
        }
        let key = (
            reading.word.reviewer.clone(),
            reading.word.image.sha256.clone(),
        );
        match places.get(&key) {
            Some(&at) if joined[at].blinded.mode != reading.blinded.mode => {
                joined[at].join(reading);
            }
            // The log has one last word of each of its readers on each image.
            Some(_) => {}
            None => {
                places.insert(key, joined.len());
                joined.push(reading);
            }
        }
    }
    joined
}

impl ReaderRow {
    /// Takes the call of the other mode.
    fn join(&mut self, other: ReaderRow) {
        let (own, others) = (&mut self.blinded, other.blinded);
        own.unaided = own.unaided.take().or(others.unaided);
        own.aided = own.aided.take().or(others.aided);
        for (own, other) in self.marks.iter_mut().zip(other.marks) {
            *own = own.take().or(other);
        }
        own.mode = ReadingMode::Aided;
        self.was_seen |= other.was_seen;
        if self.model.is_empty() && self.withheld.is_empty() {
            self.model = other.model;
            self.withheld = other.withheld;
            self.from_cache = other.from_cache;
        }
    }
}

/// One reading with the model's answer. That is in the row, or, in rows of an older version, among the
/// values on the screen. The prediction cache can be changed without a trace, so it is asked last.
fn reading(
    store: &Store,
    word: LastWord,
    blinded: BlindedReading,
    was_seen: bool,
) -> Result<ReaderRow> {
    let model = &blinded.model_sha256;
    let seen = &word.seen["prediction"];
    let seen = (seen["model_sha256"] == **model).then_some(seen);
    let logged = word.answer.as_ref().or(seen);
    let cached = match logged {
        Some(_) => None,
        None => store.last_prediction(&word.image.sha256, model)?,
    };
    let answer = logged.or(cached.as_ref());
    Ok(ReaderRow {
        from_cache: cached.is_some(),
        model: answer.map(positives).unwrap_or_default(),
        withheld: answer.map(withheld).unwrap_or_default(),
        patient: patient(store, &word.image)?,
        cluster: String::new(),
        // Beside the answer, it does not matter that it was seen.
        was_seen: was_seen && blinded.mode != ReadingMode::Aided,
        marks: [None, None],
        word,
        blinded,
    })
}

/// The patient of an image. If the store has no more of the file, only the identifier is known.
fn patient(store: &Store, image: &ImageIdentity) -> Result<PatientIdentity> {
    let known = store.origin(&image.sha256)?.map(|origin| origin.patient);
    Ok(known.unwrap_or_else(|| PatientIdentity {
        id: image.patient_id.clone(),
        ..PatientIdentity::default()
    }))
}

/// Names the cluster of each reading: images of one patient have the same.
fn clustered(mut readings: Vec<ReaderRow>) -> Vec<ReaderRow> {
    let study = |reading: &ReaderRow| reading.word.image.uids.study.clone();
    let studies: Vec<Option<String>> = readings.iter().map(study).collect();
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

/// Whether each label of a stored prediction is positive.
fn positives(prediction: &Value) -> HashMap<String, bool> {
    let findings = prediction["findings"].as_array().into_iter().flatten();
    findings
        .filter_map(|finding| {
            let label = finding["label"].as_str()?;
            Some((label.to_owned(), finding["positive"].as_bool()?))
        })
        .collect()
}

/// The labels without a number in a stored prediction.
fn withheld(prediction: &Value) -> Vec<String> {
    let labels = prediction["withheld"].as_array().into_iter().flatten();
    let labels = labels.filter_map(Value::as_str);
    labels.map(str::to_owned).collect()
}

/// For each label that readers were asked about, the images for which the model gave no number, because they are unlike
/// those that it was learned from. Labels with an answer for every image are left out.
fn without_answer(readings: &[ReaderRow]) -> Vec<(String, Vec<String>)> {
    let images = |label: &String| -> Vec<String> {
        let read = readings.iter().filter(|r| !r.was_seen);
        let asked = read.filter(|r| r.blinded.asked.contains(label) && r.withheld.contains(label));
        let paths: BTreeSet<String> = asked.map(|r| path_text(&r.word.image.path)).collect();
        paths.into_iter().collect()
    };
    let labels = labels(readings).into_iter();
    labels
        .map(|label| (images(&label), label))
        .filter(|(images, _)| !images.is_empty())
        .map(|(images, label)| (label, images))
        .collect()
}

/// All labels that readers were asked about, in that order.
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

/// One reading as the statistics take it.
fn read(reading: &ReaderRow, label: &str, references: &ReferenceCases) -> ReaderCall {
    let image = &reading.word.image;
    let case = references.of_image(image);
    let named = case.map(|case| case.patient.clone());
    let called = |call: &Call| call.present.iter().any(|called| called == label);
    let calls = [
        reading.blinded.beside_answer(),
        reading.blinded.unaided.as_ref(),
    ];
    let question = BinaryQuestion::Label(label.to_owned());
    ReaderCall {
        patient: named.unwrap_or_else(|| reading.cluster.clone()),
        unaided: calls[1].map(called),
        aided: calls[0].map(called),
        ratings: calls.map(|call| call?.ratings.get(label).copied()),
        model: reading.model.get(label).copied(),
        truth: case.and_then(|case| question.answer(&case.truth)),
    }
}

fn text(compared: &ComparedReadings) -> String {
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

/// The number of readings with the model's answer from the prediction cache.
fn from_cache(readings: &[ReaderRow]) -> usize {
    readings.iter().filter(|reading| reading.from_cache).count()
}

fn as_json(compared: &ComparedReadings) -> Value {
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
        "comparisons": comparisons(readings, references),
        "readings": readings.len(),
        "log": log.as_json(),
        "without_answer": without,
        "answers_not_in_the_log": from_cache(readings),
    })
}

/// How many images of one reader are left out, because the reader had seen the answer.
fn seen_before(readings: &[ReaderRow], reviewer: &str) -> usize {
    let of_reader = readings.iter().filter(|r| r.word.reviewer == reviewer);
    of_reader.filter(|r| r.was_seen).count()
}

/// The median times of one reader: unaided, aided.
fn times(readings: &[ReaderRow], reviewer: &str) -> (Option<Duration>, Option<Duration>) {
    let of_reader = || {
        let counted = readings.iter().filter(|r| !r.was_seen);
        counted.filter(|r| r.word.reviewer == reviewer)
    };
    let unaided = of_reader().filter_map(|r| r.blinded.unaided.as_ref());
    let unaided = unaided.map(|call| call.took).collect();
    let aided = of_reader().filter_map(|r| r.blinded.aided.as_ref());
    (
        median_time(unaided),
        median_time(aided.map(|call| call.took).collect()),
    )
}
