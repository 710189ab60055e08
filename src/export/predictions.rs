//! The row of one image.
//!
//! CSV has the plain columns, with one value each. JSON rows have the same columns and values, followed
//! by members that hold several values ([`NESTED`]). Further columns say what the row is based on
//! ([`BASIS`]), and what was measured by the lungs ([`LUNGS`]); tables of earlier versions lack them. Where
//! outcomes are asked for, their columns come after these ([`PROGNOSIS`]), then the labels without a
//! number, if the model has such ([`WITHHELD`]), and last the pseudonyms, if they are asked for ([`PSEUDONYMS`]).

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Cell, RowOrigin, TableFormat, path_text};
use crate::domain::columns::{
    AFTER, BASIS, BEFORE, LUNGS, NESTED, PROGNOSES, PROGNOSIS, PSEUDONYMS, is_reserved,
};
pub use crate::domain::columns::{CONTENT, PREVALENCE, WITHHELD};
use crate::domain::hex::hex;
use crate::domain::{
    Conformal, ContentId, Finding, LabelCard, ModelCard, Pathology, Prediction, PresenceSet,
    Prevalences, Prognosis, Question, Severity, ViewPosition,
};

/// Decimals of scores and severities.
const SCORE_DECIMALS: usize = 6;
/// Decimals of the share of the evidence that lies in the lungs, and of the cardiothoracic ratio.
const SHARE_DECIMALS: usize = 3;
const RATIO_DECIMALS: usize = 2;
/// Decimals of milliseconds.
const TIME_DECIMALS: usize = 3;

/// Bytes of a card's digest that a row states.
const CARD_DIGEST_BYTES: usize = 8;

/// Whether a column of a table of predictions holds the score of a label.
pub fn is_label(column: &str) -> bool {
    !is_reserved(column)
}

/// The outcome for one file, as its row states it.
#[derive(Clone, Copy)]
pub enum RowOf<'a> {
    /// The image was read, and the model made this prediction.
    Read(&'a Prediction),
    /// The file holds no image by its kind, for example a structured report.
    Skipped {
        /// What the file is: `structured report`.
        kind: &'a str,
        /// The content of the file.
        content: ContentId,
    },
    /// The file looks like an image or an archive of this format, which is not supported.
    Unread(&'a dyn fmt::Display),
    /// The file could not be read, for this reason.
    Failed(&'a str),
}

/// The pseudonyms of the patient and the study of one file, as far as it names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowPseudonyms {
    pub patient: Option<String>,
    pub study: Option<String>,
}

/// Makes table rows from the predictions of one model.
pub struct PredictionRows<'a> {
    format: TableFormat,
    card: &'a ModelCard,
    assumed: &'a Prevalences,
    /// Whether the rows have the outcomes of the card.
    foretells: bool,
    /// The name of the key of the rows' pseudonyms; `None` if they have none.
    pseudonym_key: Option<String>,
    /// The same in every row: [`card_digest`], and [`PREVALENCE`] as text.
    card_digest: String,
    prevalence: String,
}

impl<'a> PredictionRows<'a> {
    /// `assumed` are the prevalences that the predictions assume in place of the card's.
    pub fn new(format: TableFormat, card: &'a ModelCard, assumed: &'a Prevalences) -> Self {
        PredictionRows {
            format,
            card,
            assumed,
            foretells: false,
            pseudonym_key: None,
            card_digest: card_digest(card),
            prevalence: prevalence_text(card, assumed),
        }
    }

    /// The same rows, with the outcomes of the card after the other columns if they are `asked` for.
    pub fn with_prognoses(mut self, asked: bool) -> Self {
        self.foretells = asked;
        self
    }

    /// The same rows, with pseudonyms after the other columns if they are made with a `key` of this name.
    pub fn with_pseudonyms(mut self, key: Option<String>) -> Self {
        self.pseudonym_key = key;
        self
    }

    /// The same predictions as rows of a table in this format.
    pub fn in_format(&self, format: TableFormat) -> Self {
        PredictionRows {
            format: format.of_rows(),
            pseudonym_key: self.pseudonym_key.clone(),
            card_digest: self.card_digest.clone(),
            prevalence: self.prevalence.clone(),
            ..*self
        }
    }

    /// The card of the model.
    pub fn card(&self) -> &ModelCard {
        self.card
    }

    /// All columns: the fixed ones, between them one for each label in the card's order, and then one for each outcome
    /// that is asked for.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = self.columns_with(&[self.basis(), &LUNGS[..]].concat());
        columns.extend(self.further_columns());
        columns
    }

    /// The columns of tables by earlier versions, which lack those of [`LUNGS`] and [`WITHHELD`], or of [`BASIS`] as
    /// well. No such table has outcomes or pseudonyms, so that none can be continued with them.
    pub fn earlier_columns(&self) -> [Vec<String>; 2] {
        [&[], self.basis()].map(|basis| {
            let mut columns = self.columns_with(basis);
            columns.extend(self.prognosis_columns());
            columns.extend(self.pseudonym_columns());
            columns
        })
    }

    fn columns_with(&self, basis: &[&str]) -> Vec<String> {
        let labels = self.card.labels.iter().map(|label| label.name.as_str());
        BEFORE
            .into_iter()
            .chain(labels)
            .chain(AFTER)
            .chain(self.nested().iter().copied())
            .chain(basis.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    /// The columns after [`LUNGS`], which only some models have.
    fn further_columns(&self) -> Vec<String> {
        let mut columns = self.prognosis_columns();
        columns.extend(self.card.can_withhold().then(|| WITHHELD.to_owned()));
        columns.extend(self.pseudonym_columns());
        columns
    }

    /// The columns of the pseudonyms; none where they are not asked for.
    fn pseudonym_columns(&self) -> impl Iterator<Item = String> + use<> {
        let columns: &'static [&'static str] = match self.pseudonym_key {
            Some(_) => &PSEUDONYMS,
            None => &[],
        };
        columns.iter().map(|&name| name.to_owned())
    }

    /// The columns of the outcomes; empty where none are asked for.
    fn prognosis_columns(&self) -> Vec<String> {
        if !self.foretells {
            return Vec::new();
        }
        let outcomes = self.card.prognoses.iter();
        let mut columns: Vec<String> = outcomes
            .map(|card| format!("{PROGNOSIS}{}", card.outcome))
            .collect();
        columns.extend(self.format.is_json().then(|| PROGNOSES.to_owned()));
        columns
    }

    fn nested(&self) -> &'static [&'static str] {
        if self.format.is_json() { &NESTED } else { &[] }
    }

    fn basis(&self) -> &'static [&'static str] {
        if self.format.is_json() {
            &BASIS[..2]
        } else {
            &BASIS
        }
    }

    /// The row of one file, a cell for each of [`columns`](Self::columns). A file that could not be read
    /// has a reason and no scores. `status` is `ok`, `caution`, `refused`, `skipped`, `unread` or
    /// `error`.
    pub fn row(&self, path: &Path, outcome: RowOf) -> Vec<Cell> {
        let mut row = vec![Cell::Text(path_text(path))];
        let columns = self.columns().len();
        let further = self.further_columns().len();
        let without_scores = |row: &mut Vec<Cell>, status: &str, reason: &str| {
            row.extend([Cell::text(status), Cell::text(reason)]);
            row.resize(columns, Cell::Empty);
        };
        match outcome {
            RowOf::Read(prediction) => {
                self.plain_cells(prediction, &mut row);
                if !self.nested().is_empty() {
                    row.extend(self.nested_cells(prediction));
                }
                let content = Cell::text(&prediction.content.to_string());
                row.extend([content, Cell::Text(self.card_digest.clone())]);
                let basis_end = columns - further - LUNGS.len();
                row.resize_with(basis_end, || Cell::text(&self.prevalence));
                row.extend(lung_cells(prediction));
                if self.foretells {
                    row.extend(self.prognosis_cells(prediction));
                }
                let can_withhold = self.card.can_withhold();
                row.extend(can_withhold.then(|| self.withheld_cell(prediction)));
                row.resize(columns, Cell::Empty);
            }
            RowOf::Skipped { kind, content } => {
                without_scores(&mut row, "skipped", kind);
                let basis = columns - further - LUNGS.len() - self.basis().len();
                row[basis] = Cell::text(&content.to_string());
            }
            RowOf::Unread(format) => without_scores(&mut row, "unread", &format.to_string()),
            RowOf::Failed(reason) => without_scores(&mut row, "error", reason),
        }
        row
    }

    /// The same row, with the pseudonyms of its patient and its study if the rows have such.
    pub fn row_of(&self, path: &Path, outcome: RowOf, whose: &RowPseudonyms) -> Vec<Cell> {
        let mut row = self.row(path, outcome);
        if let Some(key) = &self.pseudonym_key {
            row.truncate(row.len().saturating_sub(PSEUDONYMS.len()));
            let cells = [&whose.patient, &whose.study, &Some(key.clone())]
                .map(|text| text.as_deref().map_or(Cell::Empty, Cell::text));
            row.extend(cells);
        }
        row
    }

    fn plain_cells(&self, prediction: &Prediction, row: &mut Vec<Cell>) {
        row.push(Cell::text(prediction.input.word()));
        row.push(Cell::text(&prediction.input.reasons().join("; ")));
        row.extend(self.card.labels.iter().map(|label| {
            let finding = prediction.finding(&label.name);
            score(finding.map(|f| f.score.value()))
        }));
        let severity = prediction.severity;
        row.push(score(severity.map(|s| s.geographic_extent)));
        row.push(score(severity.map(|s| s.opacity)));
        row.push(Cell::text(&prediction.model_sha256));
        row.push(Cell::text(&prediction.preprocess));
        row.push(Cell::number(Some(prediction.elapsed_ms), TIME_DECIMALS));
    }

    /// The labels that get no number, and have an empty cell: a list in JSON, else separated by semicolons.
    fn withheld_cell(&self, prediction: &Prediction) -> Cell {
        let names = prediction.withheld.iter().map(Pathology::name);
        let names: Vec<&str> = names.collect();
        if self.format.is_json() {
            Cell::Nested(json!(names))
        } else if names.is_empty() {
            Cell::Empty
        } else {
            Cell::text(&names.join("; "))
        }
    }

    /// The score of each outcome; empty where there is no evidence that bears one.
    fn prognosis_cells(&self, prediction: &Prediction) -> Vec<Cell> {
        let found = |outcome: &str| {
            let mut prognoses = prediction.prognoses.iter();
            prognoses.find(|prognosis| prognosis.outcome == outcome)
        };
        let outcomes = self.card.prognoses.iter();
        let mut cells: Vec<Cell> = outcomes
            .map(|card| {
                let value = found(&card.outcome).and_then(|prognosis| prognosis.score);
                score(value.map(|score| score.value()))
            })
            .collect();
        let details = || -> Value { prediction.prognoses.iter().map(prognosis).collect() };
        cells.extend(self.format.is_json().then(|| Cell::Nested(details())));
        cells
    }

    fn nested_cells(&self, prediction: &Prediction) -> [Cell; NESTED.len()] {
        let findings: Vec<Value> = prediction.findings.iter().map(finding).collect();
        let severity = prediction.severity.as_ref().map(severity);
        [
            Cell::Nested(json!(prediction.input.reasons())),
            Cell::Nested(self.prevalences()),
            Cell::Nested(Value::Array(findings)),
            severity.map_or(Cell::Empty, Cell::Nested),
        ]
    }

    fn prevalences(&self) -> Value {
        let shown = self.assumed.shown(self.card);
        let members = shown.map(|(label, p)| (label.to_owned(), json!(p.share())));
        Value::Object(members.collect::<Map<_, _>>())
    }

    /// The origin that these rows state.
    pub fn origin(&self) -> RowOrigin {
        let prevalence = if self.format.is_json() {
            self.prevalences().to_string()
        } else {
            Cell::text(&self.prevalence).to_csv()
        };
        RowOrigin {
            model_sha256: self.card.sha256.clone(),
            preprocess: self.card.preprocess.clone(),
            card_digest: Some(self.card_digest.clone()),
            prevalence: Some(prevalence),
            pseudonym_key: self.pseudonym_key.clone(),
        }
    }

    /// Whether the user assumes prevalences other than the card's.
    pub fn assumes_others(&self) -> bool {
        !self.assumed.is_empty()
    }
}

/// `LABEL=SHARE`, separated by semicolons.
fn prevalence_text(card: &ModelCard, assumed: &Prevalences) -> String {
    let shown = assumed.shown(card);
    let shown = shown.map(|(label, p)| format!("{label}={}", p.share()));
    shown.collect::<Vec<_>>().join("; ")
}

/// Digest of the card's thresholds and calibration. Two models may share their weights and differ in
/// these, as before and after `cxr adapt`. Do not change the digested text: every existing table
/// would then count as made by another model.
fn card_digest(card: &ModelCard) -> String {
    let labels = card.labels.iter().map(digested_label);
    let thresholds = [card.input_head, card.distance];
    let line = card.severity_line.as_ref().map(|line| {
        let lines = [line.geographic_extent, line.opacity];
        (&line.label, lines.map(|line| [line.slope, line.intercept]))
    });
    let mut text = json!({
        "labels": labels.collect::<Vec<_>>(),
        "temperature": card.causes.map(|causes| causes.temperature),
        "thresholds": thresholds.map(|t| t.map(|t| [t.caution, t.refuse])),
        "severity_line": line,
    });
    // Without these, the text is that of earlier versions.
    if let Some(unlike) = card.causes.and_then(|causes| causes.unlike) {
        text["unlike"] = json!(unlike);
    }
    let outcomes = card.prognoses.iter();
    let outcomes: Vec<_> = outcomes
        .map(|card| {
            let evidence = &card.evidence;
            let (low, control) = (evidence.interval.0, evidence.control_auc);
            (&card.outcome, evidence.auc, low, control)
        })
        .collect();
    if !outcomes.is_empty() {
        text["prognoses"] = json!(outcomes);
    }
    if let Some(lungs) = card.lungs {
        text["lungs"] = json!(lungs.evidence_inside);
    }
    let digest = Sha256::digest(text.to_string());
    hex(&digest[..CARD_DIGEST_BYTES])
}

/// What the digest of a card covers of a label. A label without the later parts gives the text of earlier versions.
fn digested_label(label: &LabelCard) -> Value {
    let mut digested = json!({
        "name": label.name,
        "operating_point": label.operating_point,
        "sensitive_point": label.sensitive_point,
        "calibration": label.calibration.map(|c| [c.slope, c.intercept, c.prevalence.share()]),
        "op_threshold": label.op_threshold,
        "conformal": label.conformal.map(|c| (c.present, c.absent)),
    });
    if let Some(product) = &label.product {
        digested["product"] = json!([product.presence, product.cause]);
    }
    if !label.is_probability {
        digested["probability"] = json!(false);
    }
    let groups = label.calibration_for.iter().map(|group| {
        json!({
            "view": group.view.map(ViewPosition::code),
            "age": group.age,
            "calibration": [group.calibration.slope, group.calibration.intercept],
            "operating_point": group.operating_point,
            "sensitive_point": group.sensitive_point,
            "conformal": group.conformal.map(|c| (c.present, c.absent)),
        })
    });
    if !label.calibration_for.is_empty() {
        digested["calibration_for"] = groups.collect();
    }
    digested
}

/// The cells of [`LUNGS`].
fn lung_cells(prediction: &Prediction) -> [Cell; LUNGS.len()] {
    let lungs = prediction.lungs.unwrap_or_default();
    let cell = |value: Option<f32>, decimals| Cell::number(value.map(f64::from), decimals);
    [
        cell(lungs.evidence_inside, SHARE_DECIMALS),
        cell(lungs.cardiothoracic_ratio, RATIO_DECIMALS),
    ]
}

fn score(value: Option<f32>) -> Cell {
    Cell::number(value.map(f64::from), SCORE_DECIMALS)
}

/// A number rounded as in the plain columns; null if there is none.
fn number(value: Option<f32>) -> Value {
    json!(score(value))
}

fn finding(finding: &Finding) -> Value {
    let mut details = json!({
        "label": finding.label.name(),
        "question": match finding.question {
            Question::Presence => "presence",
            Question::GivenPneumonia => "given-pneumonia",
        },
        "score": number(Some(finding.score.value())),
        "kind": finding.score.kind.word(),
        "logit": number(Some(finding.logit)),
        "prevalence": finding.calibrated.map(|c| c.prevalence.share()),
        "operating_point": number(finding.operating_point.map(|p| p.0)),
        "sensitive_point": number(finding.sensitive_point.map(|p| p.0)),
        "positive": finding.is_positive(),
        "conformal_set": finding.conformal.map(conformal),
    });
    if let Some(factors) = &finding.factors {
        details["product"] = json!([factors.presence.name(), factors.cause.name()]);
    }
    details
}

/// The answers in the conformal set of a label. For a cause, `present` if the set of causes contains it.
fn conformal(conformal: Conformal) -> &'static [&'static str] {
    match conformal {
        Conformal::Presence(PresenceSet::Present) | Conformal::Cause(true) => &["present"],
        Conformal::Presence(PresenceSet::Absent) => &["absent"],
        Conformal::Presence(PresenceSet::Either) => &["present", "absent"],
        Conformal::Presence(PresenceSet::Neither) | Conformal::Cause(false) => &[],
    }
}

fn prognosis(prognosis: &Prognosis) -> Value {
    let evidence = &prognosis.evidence;
    let area = |value: f64| json!(Cell::number(Some(value), SCORE_DECIMALS));
    json!({
        "outcome": prognosis.outcome,
        "score": number(prognosis.score.map(|score| score.value())),
        "on": evidence.on,
        "auc": area(evidence.auc),
        "low": area(evidence.interval.0),
        "high": area(evidence.interval.1),
        "control_auc": area(evidence.control_auc),
        "n": evidence.n,
        "patients": evidence.patients,
        "bears_a_number": evidence.bears_a_number(),
    })
}

fn severity(severity: &Severity) -> Value {
    json!({
        "geographic_extent": number(Some(severity.geographic_extent)),
        "geographic_extent_error": number(severity.geographic_extent_error),
        "opacity": number(Some(severity.opacity)),
        "opacity_error": number(severity.opacity_error),
    })
}

#[cfg(test)]
pub mod tests;
