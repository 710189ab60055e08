//! The columns of the table, and the row of one reader and one image.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use crate::domain::Call;
use crate::domain::columns::LUNGS;
use crate::export::{Cell, TableFormat, path_text};
use crate::store::LastWord;

const SCORE_DECIMALS: usize = 6;
const WINDOW_DECIMALS: usize = 3;

/// The columns of every table, in this order.
const IMAGE: [&str; 5] = ["path", "image_sha256", "study_uid", "series_uid", "sop_uid"];
pub(super) const PATIENT: &str = "patient_id";
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
/// Stands before a label in the name of the column of its score.
const SCORE: &str = "score:";
/// The members of the lungs in what was on the screen, and the decimals of their columns.
const LUNG_MEMBERS: [(&str, usize); LUNGS.len()] =
    [("evidence_inside", 3), ("cardiothoracic_ratio", 2)];

/// The number of marks, which have a table of their own.
const MARKS: &str = "marks";

/// Makes the rows of a table. The labels of all models that were used come last, by name, and after them what was
/// measured by the lungs, and the number of marks, if any review has them.
pub struct ExportRows {
    format: TableFormat,
    with_patient: bool,
    /// Reader and image, for each image whose answer the reader had seen before reading it blinded.
    answers_seen: HashSet<(String, String)>,
    labels: BTreeSet<String>,
    has_lungs: bool,
    has_marks: bool,
}

impl ExportRows {
    pub fn new(
        format: TableFormat,
        with_patient: bool,
        answers_seen: HashSet<(String, String)>,
    ) -> Self {
        ExportRows {
            format,
            with_patient,
            answers_seen,
            labels: BTreeSet::new(),
            has_lungs: false,
            has_marks: false,
        }
    }

    /// Adds columns for the labels of a review, and for its lungs.
    pub fn note_labels(&mut self, word: &LastWord) {
        self.has_lungs |= !word.seen["prediction"]["lungs"].is_null();
        self.has_marks |= !word.opinion.marks.is_empty();
        for finding in findings(word) {
            let label = finding["label"].as_str().unwrap_or_default();
            if !self.labels.contains(label) {
                self.labels.insert(label.to_owned());
            }
        }
    }

    pub fn columns(&self) -> Vec<String> {
        let patient = self.with_patient.then_some(PATIENT);
        let nested = self.is_nested().then_some(NESTED);
        let scores = self.labels.iter().map(|label| format!("{SCORE}{label}"));
        let fixed = IMAGE.into_iter().chain(patient).chain(REVIEW).chain(SEEN);
        fixed
            .map(str::to_owned)
            .chain(scores)
            .chain(nested.map(str::to_owned))
            .chain(self.lungs().iter().map(|&name| name.to_owned()))
            .chain(self.has_marks.then(|| MARKS.to_owned()))
            .collect()
    }

    fn is_nested(&self) -> bool {
        self.format.is_json()
    }

    fn lungs(&self) -> &'static [&'static str] {
        if self.has_lungs { &LUNGS } else { &[] }
    }

    /// A cell for each column.
    pub fn row(&self, word: &LastWord) -> Vec<Cell> {
        let image = &word.image;
        let mut row = vec![
            Cell::Text(path_text(&image.path)),
            Cell::text(&image.sha256),
            optional(image.uids.study.as_deref()),
            optional(image.uids.series.as_deref()),
            optional(image.uids.sop_instance.as_deref()),
        ];
        if self.with_patient {
            row.push(optional(image.patient_id.as_deref()));
        }
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
        if self.has_marks {
            let marks = word.opinion.marks.len() as u64;
            row.push(Cell::Nested(marks.into()));
        }
        row
    }

    fn review(&self, word: &LastWord) -> [Cell; 15] {
        let opinion = &word.opinion;
        let reading = opinion.blinded.as_ref();
        let [unaided_call, unaided_ms] = call(reading.map(|reading| &reading.unaided));
        let [aided_call, aided_ms] = call(reading.and_then(|reading| reading.aided.as_ref()));
        let key = (word.reviewer.clone(), word.image.sha256.clone());
        let was_seen = self.answers_seen.contains(&key);
        let seed = reading.and_then(|reading| reading.seed);
        [
            Cell::text(&word.reviewer),
            optional(opinion.verdict.map(|verdict| verdict.word())),
            optional(opinion.label.as_deref()),
            Cell::Nested(u8::from(opinion.key_image).into()),
            optional(Some(&opinion.note)),
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
