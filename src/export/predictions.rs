//! What a row says of one image.
//!
//! CSV has the plain columns, one value each. The JSON formats have these too, with the same values,
//! and after them what needs more than one: see [`NESTED`].

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Cell, Format, path_text};
use crate::domain::{
    Conformal, Finding, ModelCard, Prediction, PresenceSet, Prevalences, Question, Severity,
};

/// Decimals of scores and of severities, and of milliseconds.
const SCORE_DECIMALS: usize = 6;
const TIME_DECIMALS: usize = 3;

/// The columns in order: those before and after the model's labels.
const BEFORE: [&str; 3] = ["path", "status", "reasons"];
const AFTER: [&str; 5] = [
    "geographic_extent",
    "opacity",
    "model_sha256",
    "preprocess",
    "elapsed_ms",
];
/// Further members of a JSON row: every reason by itself, the prevalence that each calibrated label
/// assumes, everything that is known of each label, and the errors of the severity head.
const NESTED: [&str; 4] = ["reason_list", "prevalence", "findings", "severity"];

/// Makes rows of predictions by one model.
pub struct Predictions<'a> {
    format: Format,
    card: &'a ModelCard,
    assumed: &'a Prevalences,
}

impl<'a> Predictions<'a> {
    /// `assumed` are the prevalences that the predictions assume instead of the card's.
    pub fn new(format: Format, card: &'a ModelCard, assumed: &'a Prevalences) -> Self {
        Predictions {
            format,
            card,
            assumed,
        }
    }

    pub fn card(&self) -> &ModelCard {
        self.card
    }

    /// One for each label of the model, in the card's order, between the others.
    pub fn columns(&self) -> Vec<String> {
        let labels = self.card.labels.iter().map(|label| label.name.as_str());
        BEFORE
            .into_iter()
            .chain(labels)
            .chain(AFTER)
            .chain(self.nested().iter().copied())
            .map(str::to_owned)
            .collect()
    }

    fn nested(&self) -> &'static [&'static str] {
        match self.format {
            Format::Csv => &[],
            Format::Jsonl | Format::Json => &NESTED,
        }
    }

    /// A row for these columns. An image that could not be read has a reason and nothing else;
    /// `status` is `ok`, `caution`, `refused` or `error`.
    pub fn row(&self, path: &Path, outcome: Result<&Prediction, &str>) -> Vec<Cell> {
        let mut row = vec![Cell::Text(path_text(path))];
        match outcome {
            Ok(prediction) => {
                self.plain_cells(prediction, &mut row);
                if !self.nested().is_empty() {
                    row.extend(self.nested_cells(prediction));
                }
            }
            Err(reason) => {
                row.push(Cell::text("error"));
                row.push(Cell::text(reason));
                row.resize(self.columns().len(), Cell::Empty);
            }
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

    /// Whether a row with these values (by column, as text) is what this model would say again.
    pub fn would_be_the_same<'r>(&self, value: impl Fn(&str) -> &'r str) -> bool {
        let assumes_the_same = match self.format {
            Format::Csv => true,
            _ => {
                let ours = self.prevalences().to_string();
                value("prevalence") == ours
            }
        };
        assumes_the_same
            && value("model_sha256") == self.card.sha256
            && value("preprocess") == self.card.preprocess
    }
}

fn score(value: Option<f32>) -> Cell {
    Cell::number(value.map(f64::from), SCORE_DECIMALS)
}

/// A number as in the plain columns; null if there is none.
fn number(value: Option<f32>) -> Value {
    json!(score(value))
}

fn finding(finding: &Finding) -> Value {
    json!({
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
    })
}

/// The answers that the set holds; of a cause, whether the set of causes holds it.
fn conformal(conformal: Conformal) -> &'static [&'static str] {
    match conformal {
        Conformal::Presence(PresenceSet::Present) | Conformal::Cause(true) => &["present"],
        Conformal::Presence(PresenceSet::Absent) => &["absent"],
        Conformal::Presence(PresenceSet::Either) => &["present", "absent"],
        Conformal::Presence(PresenceSet::Neither) | Conformal::Cause(false) => &[],
    }
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
pub mod tests {
    use super::*;
    use crate::domain::{
        Calibrated, Calibration, InputCheck, LabelCard, OperatingPoint, Pathology, Prevalence,
        Score, ScoreKind,
    };
    use crate::export::{TableWriter, parse_row};

    pub fn card() -> ModelCard {
        let label = |name: &str| LabelCard::new(name, Question::Presence, None);
        ModelCard {
            name: "double".to_owned(),
            version: "1".to_owned(),
            preprocess: "cxr-1".to_owned(),
            labels: vec![label("Pneumonia"), label("COVID-19")],
            sha256: "ab".to_owned(),
            ..ModelCard::default()
        }
    }

    fn raw(name: &str, score: f32) -> Finding {
        Finding {
            label: Pathology(name.to_owned()),
            question: Question::Presence,
            logit: 0.0,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: None,
            sensitive_point: None,
            calibrated: None,
            conformal: None,
        }
    }

    fn prediction() -> Prediction {
        Prediction {
            content: Default::default(),
            findings: vec![raw("Pneumonia", 0.7712345), raw("COVID-19", 0.0)],
            severity: None,
            input: InputCheck::Caution(vec!["small".to_owned(), "dark, \"very\"".to_owned()]),
            model_sha256: "ab".to_owned(),
            preprocess: "cxr-1".to_owned(),
            elapsed_ms: 11.0,
            activation: None,
        }
    }

    /// A caution, a refusal, and one that could not be read.
    pub fn three_rows(format: Format) -> Vec<Vec<Cell>> {
        let refused = Prediction {
            content: Default::default(),
            findings: Vec::new(),
            input: InputCheck::Refused(vec!["colour".to_owned()]),
            ..prediction()
        };
        let (card, assumed) = (card(), Prevalences::default());
        let predictions = Predictions::new(format, &card, &assumed);
        vec![
            predictions.row(Path::new("a.png"), Ok(&prediction())),
            predictions.row(Path::new("b.png"), Ok(&refused)),
            predictions.row(Path::new("=c.png"), Err("=1 is\nno image")),
        ]
    }

    pub fn columns(format: Format) -> Vec<String> {
        Predictions::new(format, &card(), &Prevalences::default()).columns()
    }

    pub fn written(format: Format, rows: &[Vec<Cell>]) -> String {
        let mut table = TableWriter::begin(Vec::new(), format, columns(format)).unwrap();
        for row in rows {
            table.row(row).unwrap();
        }
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn csv_has_the_columns_in_order_and_empty_cells_for_what_is_unknown() {
        assert_eq!(
            written(Format::Csv, &three_rows(Format::Csv)),
            "path,status,reasons,Pneumonia,COVID-19,geographic_extent,opacity,model_sha256,\
             preprocess,elapsed_ms\n\
             a.png,caution,\"small; dark, \"\"very\"\"\",0.771235,0.000000,,,ab,cxr-1,11.000\n\
             b.png,refused,colour,,,,,ab,cxr-1,11.000\n\
             ./=c.png,error,'=1 is no image,,,,,,,\n"
        );
    }

    #[test]
    fn json_lines_keep_the_order_of_columns_and_numbers_as_numbers() {
        let lines = written(Format::Jsonl, &three_rows(Format::Jsonl));
        let lines: Vec<_> = lines.lines().collect();
        assert!(
            lines[0].starts_with(r#"{"path":"a.png","status":"caution","reasons":"small; dark, \"very\"","Pneumonia":0.771235,"COVID-19":0.0,"geographic_extent":null,"opacity":null,"model_sha256":"ab","preprocess":"cxr-1","elapsed_ms":11.0,"reason_list":["small","dark, \"very\""],"prevalence":{},"findings":[{"#),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].contains(r#""findings":[],"severity":null}"#),
            "{}",
            lines[1]
        );
        for line in lines {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }

    /// A label that says everything a label can say, at another prevalence than the card's.
    fn calibrated() -> (ModelCard, Prevalences, Prediction) {
        let mut card = card();
        let prevalence = Prevalence::new(0.5).unwrap();
        card.labels[0].calibration = Some(Calibration {
            slope: 2.0,
            intercept: 0.0,
            prevalence,
        });
        let mut assumed = Prevalences::default();
        assumed.assume(&card, "Pneumonia=20%").unwrap();
        let pneumonia = Finding {
            logit: 3_f32.ln() / 2.0,
            score: Score::new(0.75, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(0.5)),
            sensitive_point: Some(OperatingPoint(0.8)),
            calibrated: Some(Calibrated {
                log_odds: 3_f64.ln(),
                prevalence,
            }),
            conformal: Some(Conformal::Presence(PresenceSet::Either)),
            ..raw("Pneumonia", 0.75)
        };
        let prediction = Prediction {
            content: Default::default(),
            findings: vec![pneumonia, raw("COVID-19", 0.25)],
            severity: Some(Severity {
                geographic_extent: 3.125,
                opacity: 2.25,
                geographic_extent_error: Some(1.5),
                opacity_error: Some(0.75),
            }),
            ..prediction()
        };
        let prediction = prediction.assuming(&assumed);
        (card, assumed, prediction)
    }

    /// Odds of 3 at 50 % are odds of 3/4 at 20 %; lines of odds 1 and 4 become 1/4 and 1.
    #[test]
    fn a_json_row_says_everything_at_the_prevalence_that_was_asked_for() {
        let (card, assumed, prediction) = calibrated();
        let predictions = Predictions::new(Format::Jsonl, &card, &assumed);
        let cells = predictions.row(Path::new("a.png"), Ok(&prediction));
        let row: Map<String, Value> = predictions
            .columns()
            .into_iter()
            .zip(cells.iter().map(|cell| json!(cell)))
            .collect();
        assert_eq!(row["Pneumonia"], 0.428_571);
        assert_eq!(row["prevalence"], json!({"Pneumonia": 0.2}));
        assert_eq!(
            row["findings"][0],
            json!({
                "label": "Pneumonia", "question": "presence", "kind": "probability",
                "score": 0.428_571, "logit": 0.549_306, "prevalence": 0.2,
                "operating_point": 0.2, "sensitive_point": 0.5, "positive": true,
                "conformal_set": ["present", "absent"],
            })
        );
        assert_eq!(row["findings"][1]["kind"], "score");
        assert!(row["findings"][1]["conformal_set"].is_null());
        assert_eq!(
            row["severity"],
            json!({
                "geographic_extent": 3.125, "geographic_extent_error": 1.5,
                "opacity": 2.25, "opacity_error": 0.75,
            })
        );
    }

    #[test]
    fn a_row_that_assumes_another_prevalence_is_not_the_same() {
        let (card, assumed, prediction) = calibrated();
        let predictions = Predictions::new(Format::Jsonl, &card, &assumed);
        let columns = predictions.columns();
        let mut table = TableWriter::resume(Vec::new(), Format::Jsonl, columns.clone());
        table
            .row(&predictions.row(Path::new("a.png"), Ok(&prediction)))
            .unwrap();
        let line = table.finish().unwrap();
        let values = parse_row(Format::Jsonl, &columns, &line).unwrap();
        let value = |column: &str| {
            let at = columns.iter().position(|c| c == column).unwrap();
            values[at].as_str()
        };
        assert!(predictions.would_be_the_same(value));
        let own = Prevalences::default();
        assert!(!Predictions::new(Format::Jsonl, &card, &own).would_be_the_same(value));
    }
}
