//! The columns of the table, and the row of one reader and one image.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::dicom::{FilmOwner, PseudonymKey, UidRoot};
use crate::domain::columns::{LUNGS, PATIENT};
use crate::domain::{BlindedReading, Call, Origin};
use crate::export::{Cell, TableFormat, path_text};
use crate::store::LastWord;

const SCORE_DECIMALS: usize = 6;
const WINDOW_DECIMALS: usize = 3;

/// The columns of every table, in this order.
const IMAGE: [&str; 5] = ["path", "image_sha256", "study_uid", "series_uid", "sop_uid"];
pub(super) const PATIENT_ID: &str = "patient_id";
const REVIEW: [&str; 15] = [
    "reviewer",
    "verdict",
    "disagreed_label",
    "key_image",
    "note",
    "first_at",
    "last_at",
    "entries",
    "unaided_call",
    "unaided_ms",
    "aided_call",
    "aided_ms",
    "order_seed",
    "order_position",
    "answer_seen_before",
];
const SEEN: [&str; 9] = [
    "input_check",
    "reasons",
    "geographic_extent",
    "opacity",
    "window_centre",
    "window_width",
    "model_sha256",
    "preprocess",
    "cxr_version",
];
/// The member of JSON rows with everything that was on the screen.
const NESTED: &str = "seen";
/// Columns of readings with ratings, or of a study; there are none without such a reading.
const STUDY: [&str; 4] = [
    "unaided_ratings",
    "aided_ratings",
    "reading_mode",
    "study_sha256",
];
/// Stands before a label in the name of the column of its score.
const SCORE: &str = "score:";
/// The members of the lungs in what was on the screen, and the decimals of their columns.
const LUNG_MEMBERS: [(&str, usize); LUNGS.len()] =
    [("evidence_inside", 3), ("cardiothoracic_ratio", 2)];

/// What a table says of patients.
pub enum ExportedPatients {
    /// Nothing, but the UIDs of study, series and image.
    Hidden,
    /// Their identifiers.
    Identified,
    /// Pseudonyms, and UIDs in place of others.
    Pseudonyms(Box<ExportPseudonyms>),
}

/// Pseudonyms by the key of the user.
pub struct ExportPseudonyms {
    key: PseudonymKey,
    /// By the digest of the image.
    patients: HashMap<String, String>,
    /// Images whose patient has an identifier, and whose files were not read for its issuer.
    unknown: HashSet<String>,
}

impl ExportPseudonyms {
    pub fn new(key: PseudonymKey) -> Self {
        ExportPseudonyms {
            key,
            patients: HashMap::new(),
            unknown: HashSet::new(),
        }
    }

    /// Notes whose image a review is about. `origin` is what the file says, as far as the store has it. An identifier
    /// without its issuer is no patient's, so it gets no pseudonym.
    fn note(&mut self, word: &LastWord, origin: Option<&Origin>) {
        let (image, study) = (&word.image, word.image.uids.study.as_deref());
        let owner = match (origin, &image.patient_id) {
            (Some(origin), _) => FilmOwner::of_origin(origin),
            (None, None) => FilmOwner {
                study,
                ..FilmOwner::default()
            },
            (None, Some(_)) => {
                self.unknown.insert(image.sha256.clone());
                return;
            }
        };
        if let Some(patient) = self.key.owner(&owner) {
            self.patients.insert(image.sha256.clone(), patient);
        }
    }
}

/// The number of marks, which have a table of their own.
const MARKS: &str = "marks";

/// Makes the rows of a table. The labels of all models that were used come last, by name, and after them what was
/// measured by the lungs, ratings and study, and the number of marks, if any review has them.
pub struct ExportRows {
    format: TableFormat,
    patients: ExportedPatients,
    /// Reader and image, for each image whose answer the reader had seen before reading it blinded.
    answers_seen: HashSet<(String, String)>,
    labels: BTreeSet<String>,
    has_lungs: bool,
    has_study: bool,
    has_marks: bool,
}

impl ExportRows {
    pub fn new(
        format: TableFormat,
        patients: ExportedPatients,
        answers_seen: HashSet<(String, String)>,
    ) -> Self {
        ExportRows {
            format,
            patients,
            answers_seen,
            labels: BTreeSet::new(),
            has_lungs: false,
            has_study: false,
            has_marks: false,
        }
    }

    /// Adds columns for the labels of a review, and for its lungs.
    pub fn note_labels(&mut self, word: &LastWord) {
        self.has_lungs |= !word.seen["prediction"]["lungs"].is_null();
        self.has_study |= word.opinion.blinded.as_ref().is_some_and(is_of_study);
        self.has_marks |= !word.opinion.marks.is_empty();
        for finding in findings(word) {
            let label = finding["label"].as_str().unwrap_or_default();
            if !self.labels.contains(label) {
                self.labels.insert(label.to_owned());
            }
        }
    }

    /// Notes whose image it is, if the table has pseudonyms. `origin` looks it up.
    ///
    /// # Errors
    /// That of `origin`.
    pub fn note_patient<E>(
        &mut self,
        word: &LastWord,
        origin: impl FnOnce(&str) -> Result<Option<Origin>, E>,
    ) -> Result<(), E> {
        if let ExportedPatients::Pseudonyms(pseudonyms) = &mut self.patients {
            pseudonyms.note(word, origin(&word.image.sha256)?.as_ref());
        }
        Ok(())
    }

    /// How many images have no pseudonym, because the issuer of their patient's identifier is not known.
    pub fn without_pseudonym(&self) -> usize {
        match &self.patients {
            ExportedPatients::Pseudonyms(pseudonyms) => pseudonyms.unknown.len(),
            ExportedPatients::Hidden | ExportedPatients::Identified => 0,
        }
    }

    pub fn columns(&self) -> Vec<String> {
        let patient = match &self.patients {
            ExportedPatients::Hidden => None,
            ExportedPatients::Identified => Some(PATIENT_ID),
            ExportedPatients::Pseudonyms(_) => Some(PATIENT),
        };
        let nested = self.is_nested().then_some(NESTED);
        let scores = self.labels.iter().map(|label| format!("{SCORE}{label}"));
        let fixed = IMAGE.into_iter().chain(patient).chain(REVIEW).chain(SEEN);
        fixed
            .map(str::to_owned)
            .chain(scores)
            .chain(nested.map(str::to_owned))
            .chain(self.lungs().iter().map(|&name| name.to_owned()))
            .chain(self.study().iter().map(|&name| name.to_owned()))
            .chain(self.has_marks.then(|| MARKS.to_owned()))
            .collect()
    }

    fn is_nested(&self) -> bool {
        self.format.is_json()
    }

    fn lungs(&self) -> &'static [&'static str] {
        if self.has_lungs { &LUNGS } else { &[] }
    }

    fn study(&self) -> &'static [&'static str] {
        if self.has_study { &STUDY } else { &[] }
    }

    /// A cell for each column.
    pub fn row(&self, word: &LastWord) -> Vec<Cell> {
        let image = &word.image;
        let uids = &image.uids;
        let mut row = vec![
            Cell::Text(path_text(&image.path)),
            Cell::text(&image.sha256),
        ];
        row.extend(
            [&uids.study, &uids.series, &uids.sop_instance].map(|uid| self.uid(uid.as_deref())),
        );
        row.extend(match &self.patients {
            ExportedPatients::Hidden => None,
            ExportedPatients::Identified => Some(optional(image.patient_id.as_deref())),
            ExportedPatients::Pseudonyms(all) => {
                let patient = all.patients.get(&image.sha256);
                Some(optional(patient.map(String::as_str)))
            }
        });
        row.extend(self.review(word));
        row.extend(seen(word));
        let scores = self.labels.iter().map(|label| {
            let mut all = findings(word);
            number(
                all.find(|finding| finding["label"] == **label)
                    .map(|finding| &finding["score"]),
                SCORE_DECIMALS,
            )
        });
        row.extend(scores);
        if self.is_nested() {
            row.push(Cell::Nested(word.seen.clone()));
        }
        if self.has_lungs {
            let lungs = &word.seen["prediction"]["lungs"];
            let cells = LUNG_MEMBERS.map(|(member, decimals)| number(lungs.get(member), decimals));
            row.extend(cells);
        }
        if self.has_study {
            row.extend(of_study(word.opinion.blinded.as_ref()));
        }
        if self.has_marks {
            let marks = word.opinion.marks.len() as u64;
            row.push(Cell::Nested(marks.into()));
        }
        row
    }

    /// A UID, or the one in its place.
    fn uid(&self, stated: Option<&str>) -> Cell {
        let stated = stated.filter(|uid| !uid.is_empty());
        match (&self.patients, stated) {
            (ExportedPatients::Pseudonyms(all), Some(uid)) => {
                Cell::text(&all.key.uid(&UidRoot::OfUuid, uid))
            }
            (_, stated) => optional(stated),
        }
    }

    /// The reader's note, unless the table is for people who may not know the patient: a note may name them.
    fn note<'a>(&self, word: &'a LastWord) -> Option<&'a str> {
        let is_told = !matches!(self.patients, ExportedPatients::Pseudonyms(_));
        is_told.then_some(word.opinion.note.as_str())
    }

    fn review(&self, word: &LastWord) -> [Cell; 15] {
        let opinion = &word.opinion;
        let reading = opinion.blinded.as_ref();
        let [unaided_call, unaided_ms] = call(reading.and_then(|reading| reading.unaided.as_ref()));
        let [aided_call, aided_ms] = call(reading.and_then(|reading| reading.aided.as_ref()));
        let key = (word.reviewer.clone(), word.image.sha256.clone());
        let was_seen = self.answers_seen.contains(&key);
        let seed = reading.and_then(|reading| reading.seed);
        [
            Cell::text(&word.reviewer),
            optional(opinion.verdict.map(|verdict| verdict.word())),
            optional(opinion.label.as_deref()),
            Cell::Nested(u8::from(opinion.key_image).into()),
            optional(self.note(word)),
            Cell::text(&word.first_at),
            Cell::text(&word.last_at),
            Cell::Nested(word.entries.into()),
            unaided_call,
            unaided_ms,
            aided_call,
            aided_ms,
            // As text, because numbers of a spreadsheet do not have 64 bits.
            optional(seed.map(|seed| seed.to_string()).as_deref()),
            reading.map_or(Cell::Empty, |reading| Cell::Nested(reading.position.into())),
            reading.map_or(Cell::Empty, |_| Cell::Nested(u8::from(was_seen).into())),
        ]
    }
}

/// Whether a reading has something for the columns of studies.
fn is_of_study(reading: &BlindedReading) -> bool {
    let calls = [&reading.unaided, &reading.aided];
    let mut calls = calls.into_iter().flatten();
    reading.study.is_some() || calls.any(|call| !call.ratings.is_empty())
}

/// Ratings as `LABEL=70; LABEL=5`.
fn of_study(reading: Option<&BlindedReading>) -> [Cell; STUDY.len()] {
    let ratings = |call: Option<&Call>| {
        let ratings = call.into_iter().flat_map(|call| &call.ratings);
        let words: Vec<String> = ratings
            .map(|(label, rating)| format!("{label}={rating}"))
            .collect();
        optional(Some(&words.join("; ")))
    };
    let Some(reading) = reading else {
        return [const { Cell::Empty }; STUDY.len()];
    };
    [
        ratings(reading.unaided.as_ref()),
        ratings(reading.aided.as_ref()),
        Cell::text(reading.mode.word()),
        optional(reading.study.as_deref()),
    ]
}

/// The labels of a call with `;` between them, or `none`, and the time that it took.
fn call(call: Option<&Call>) -> [Cell; 2] {
    let Some(call) = call else {
        return [Cell::Empty, Cell::Empty];
    };
    let labels = if call.present.is_empty() {
        "none".to_owned()
    } else {
        call.present.join("; ")
    };
    let milliseconds = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX);
    [Cell::text(&labels), Cell::Nested(milliseconds.into())]
}

fn seen(word: &LastWord) -> [Cell; 9] {
    let prediction = &word.seen["prediction"];
    let reasons: Vec<&str> = prediction["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let severity = |name: &str| number(prediction["severity"].get(name), SCORE_DECIMALS);
    let window = |name: &str| number(word.seen["window"].get(name), WINDOW_DECIMALS);
    [
        optional(prediction["input"].as_str()),
        optional(Some(&reasons.join("; "))),
        severity("geographic_extent"),
        severity("opacity"),
        window("centre"),
        window("width"),
        optional(prediction["model_sha256"].as_str()),
        optional(prediction["preprocess"].as_str()),
        Cell::text(&word.program),
    ]
}

fn findings(word: &LastWord) -> impl Iterator<Item = &Value> {
    let all = word.seen["prediction"]["findings"].as_array();
    all.into_iter().flatten()
}

pub(super) fn optional(text: Option<&str>) -> Cell {
    match text {
        Some(text) if !text.is_empty() => Cell::text(text),
        _ => Cell::Empty,
    }
}

fn number(value: Option<&Value>, decimals: usize) -> Cell {
    Cell::number(value.and_then(Value::as_f64), decimals)
}
