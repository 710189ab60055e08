//! The readings of a store, one for each reader and image, with the model's answers.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::references::ReferenceCases;
use crate::commands::shared::complain;
use crate::commands::shared::reviews::{ReadingSelection, is_whole, not_opened, stored_path};
use crate::commands::shared::study::refuse_open_study;
use crate::domain::patient::clusters;
use crate::domain::{
    BlindedReading, Call, ImageIdentity, Mark, PatientIdentity, ReadingMode, median_time,
};
use crate::evaluation::BinaryQuestion;
use crate::evaluation::reader_study::TimedReading;
use crate::evaluation::readers::ReaderCall;
use crate::evaluation::tables::counted;
use crate::export::path_text;
use crate::store::{Audit, LastWord, Store, StudyAudit};
use crate::study::{adjudicator_of, reader_of};

/// The reading of one image by one reader.
pub struct ReaderRow {
    pub word: LastWord,
    pub blinded: BlindedReading,
    /// Whether the model is positive, for each of its labels.
    pub model: HashMap<String, bool>,
    /// The labels that got no number, because the image is unlike those that they were learned from.
    pub withheld: Vec<String>,
    /// Whether the model's answer is from the prediction cache, and not from the log.
    pub from_cache: bool,
    /// The patient that the file names.
    pub patient: PatientIdentity,
    /// A name that all images of one patient share, as far as their files tell, and the manifest: see [`name_patients`](super::patients::name_patients).
    pub cluster: String,
    /// Whether neither file nor manifest tells of a patient, so that the image, or its study, counts as one of its own.
    pub is_own_patient: bool,
    /// Whether the reader had seen the answer before, so that the reading was not blinded.
    pub was_seen: bool,
    /// The marks of each mode that was read: aided, unaided.
    pub marks: [Option<Vec<Mark>>; 2],
}

/// What the log holds.
pub struct StoredReadings {
    pub rows: Vec<ReaderRow>,
    pub log: LogState,
}

/// The log at the moment when it was read.
pub struct LogState {
    pub reviews: Audit,
    /// Events of a study, if there are any.
    pub events: Option<StudyAudit>,
}

impl LogState {
    pub fn words(&self) -> String {
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

    pub fn as_json(&self) -> Value {
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
pub fn readings(wanted: &ReadingSelection) -> Result<Option<StoredReadings>> {
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
        let is_case =
            |word: &LastWord| wanted.study.is_none() || wanted.cases.contains(&word.image.sha256);
        let (mut found, mut others, mut films) = (Vec::new(), 0, 0);
        store.last_words(&folders, |word| {
            // An adjudicator is no reader: what they decide is in the reference standard.
            let is_reading = is_wanted(&word) && adjudicator_of(&word.reviewer).is_none();
            match word.opinion.blinded.clone().filter(|_| is_reading) {
                Some(blinded) if is_of_study(&blinded) && !is_case(&word) => films += 1,
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
        if films > 0 {
            let are = if films == 1 {
                "is of a film"
            } else {
                "are of films"
            };
            let readings = counted(films, "blinded reading");
            complain(&format!(
                "{readings} {are} not in the case list, because a file was replaced: left out"
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
        is_own_patient: false,
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
        reading.is_own_patient = !is_known(&reading.patient);
        reading.cluster = name;
    }
    readings
}

/// Whether another image of the same patient would be known as such.
fn is_known(patient: &PatientIdentity) -> bool {
    let is_person = patient.name.is_some() && patient.birth_date.is_some();
    patient.id.is_some() && (is_person || !patient.has_placeholder())
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
pub fn without_answer(readings: &[ReaderRow]) -> Vec<(String, Vec<String>)> {
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
pub fn labels(readings: &[ReaderRow]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in readings.iter().flat_map(|reading| &reading.blinded.asked) {
        if !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    labels
}

/// The readers, in the order of their names.
pub fn reviewers(readings: &[ReaderRow]) -> Vec<&str> {
    let mut names: Vec<&str> = readings.iter().map(|r| r.word.reviewer.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The number of readings with the model's answer from the prediction cache.
pub fn from_cache(readings: &[ReaderRow]) -> usize {
    readings.iter().filter(|reading| reading.from_cache).count()
}

/// How many images of one reader are left out, because the reader had seen the answer.
pub fn seen_before(readings: &[ReaderRow], reviewer: &str) -> usize {
    let of_reader = readings.iter().filter(|r| r.word.reviewer == reviewer);
    of_reader.filter(|r| r.was_seen).count()
}

/// The times of all readings whose answers were not seen before.
pub fn timed(readings: &[ReaderRow]) -> Vec<TimedReading> {
    let counted = readings.iter().filter(|r| !r.was_seen);
    let seconds = |call: Option<&Call>| call.map(|call| call.took.as_secs_f64());
    counted
        .map(|reading| TimedReading {
            reader: reading.word.reviewer.clone(),
            is_sequential: reading.blinded.mode == ReadingMode::Sequential,
            seconds: [
                seconds(reading.blinded.aided.as_ref()),
                seconds(reading.blinded.unaided.as_ref()),
            ],
        })
        .collect()
}

/// The median times of one reader: unaided, aided.
pub fn times(readings: &[ReaderRow], reviewer: &str) -> (Option<Duration>, Option<Duration>) {
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

/// One reading as the statistics take it.
pub fn read(reading: &ReaderRow, label: &str, references: &ReferenceCases) -> ReaderCall {
    let image = &reading.word.image;
    let case = references.of_image(image);
    let called = |call: &Call| call.present.iter().any(|called| called == label);
    let calls = [
        reading.blinded.beside_answer(),
        reading.blinded.unaided.as_ref(),
    ];
    let question = BinaryQuestion::Label(label.to_owned());
    ReaderCall {
        patient: reading.cluster.clone(),
        unaided: calls[1].map(called),
        aided: calls[0].map(called),
        ratings: calls.map(|call| call?.ratings.get(label).copied()),
        model: reading.model.get(label).copied(),
        truth: case.and_then(|case| question.answer(&case.truth)),
    }
}
