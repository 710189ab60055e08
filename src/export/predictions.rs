//! What a row says of one image.
//!
//! CSV has the plain columns, one value each. The JSON formats have these too, with the same values,
//! and after them what needs more than one: see [`NESTED`]. Last comes what the row rests on, which
//! tables of earlier versions do not say: see [`BASIS`].

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Cell, Record, TableFormat, path_text};
use crate::domain::columns::{AFTER, BASIS, BEFORE, CARD, NESTED, is_reserved};
pub use crate::domain::columns::{CONTENT, PREVALENCE};
use crate::domain::{
    Conformal, ContentId, Finding, ModelCard, Prediction, PresenceSet, Prevalences, Question,
    Severity,
};

/// Decimals of scores and of severities, and of milliseconds.
const SCORE_DECIMALS: usize = 6;
const TIME_DECIMALS: usize = 3;

/// Bytes of the digest of a card.
const CARD_DIGEST: usize = 8;

/// Columns of such a table that hold no score of a label.
pub fn is_label(column: &str) -> bool {
    !is_reserved(column)
}

/// What became of one file.
#[derive(Clone, Copy)]
pub enum RowOf<'a> {
    /// It was read, and this is said of it.
    Read(&'a Prediction),
    /// It holds no image, and is not meant to: a structured report, for example.
    Skipped { kind: &'a str, content: ContentId },
    /// It looks like an image or an archive, and is not read because it is of this format.
    Unread(&'a dyn fmt::Display),
    /// It could not be read, for this reason.
    Failed(&'a str),
}

/// By what and how a row was made. Rows of one table have this in common; `None` is not known, as of
/// a row of an earlier version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowOrigin {
    pub model_sha256: String,
    pub preprocess: String,
    pub card_digest: Option<String>,
    pub prevalence: Option<String>,
}

impl RowOrigin {
    /// Of a row; `None` of one that no model made, because the file could not be read.
    pub fn of(row: &Record) -> Option<Self> {
        let optional = |column| row.value(column).map(str::to_owned);
        let card_digest = optional(CARD);
        // No prevalence that is assumed is as known as one that is; but in a row of an earlier
        // version the cell is empty because it says none, and has no digest of the card either.
        let prevalence =
            optional(PREVALENCE).or_else(|| card_digest.as_ref().map(|_| String::new()));
        Some(RowOrigin {
            model_sha256: optional("model_sha256")?,
            preprocess: optional("preprocess")?,
            card_digest,
            prevalence,
        })
    }

    /// Whether nothing that is known of both speaks against their being in one table.
    pub fn agrees_with(&self, other: &RowOrigin) -> bool {
        let agree = |one: &Option<String>, other: &Option<String>| {
            one.is_none() || other.is_none() || one == other
        };
        self.model_sha256 == other.model_sha256
            && self.preprocess == other.preprocess
            && agree(&self.card_digest, &other.card_digest)
            && agree(&self.prevalence, &other.prevalence)
    }
}

/// Letters of a model's digest that people compare.
const SHORT: usize = 12;

impl fmt::Display for RowOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model: String = self.model_sha256.chars().take(SHORT).collect();
        write!(f, "model {model} {}", self.preprocess)?;
        if let Some(card) = &self.card_digest {
            write!(f, " card {card}")?;
        }
        match self.prevalence.as_deref() {
            None => write!(f, " prevalence not said"),
            Some("" | "{}") => Ok(()),
            Some(prevalence) => {
                // The object of a JSON row, as a cell has it.
                let plain = prevalence.replace(['{', '}', '"'], "");
                write!(
                    f,
                    " prevalence {}",
                    plain.replace(':', "=").replace(',', "; ")
                )
            }
        }
    }
}

/// Makes rows of predictions by one model.
pub struct PredictionRows<'a> {
    format: TableFormat,
    card: &'a ModelCard,
    assumed: &'a Prevalences,
}

impl<'a> PredictionRows<'a> {
    /// `assumed` are the prevalences that the predictions assume instead of the card's.
    pub fn new(format: TableFormat, card: &'a ModelCard, assumed: &'a Prevalences) -> Self {
        PredictionRows {
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
            .chain(self.basis().iter().copied())
            .map(str::to_owned)
            .collect()
    }

    /// The columns as they were before rows said what they rest on: the same without the last.
    pub fn earlier_columns(&self) -> Vec<String> {
        let mut columns = self.columns();
        columns.truncate(columns.len() - self.basis().len());
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

    /// A row for these columns. An image that could not be read has a reason and nothing else;
    /// `status` is `ok`, `caution`, `refused`, `skipped`, `unread` or `error`.
    pub fn row(&self, path: &Path, what: RowOf) -> Vec<Cell> {
        let mut row = vec![Cell::Text(path_text(path))];
        let columns = self.columns().len();
        let word = |row: &mut Vec<Cell>, status: &str, reason: &str| {
            row.extend([Cell::text(status), Cell::text(reason)]);
            row.resize(columns, Cell::Empty);
        };
        match what {
            RowOf::Read(prediction) => {
                self.plain_cells(prediction, &mut row);
                if !self.nested().is_empty() {
                    row.extend(self.nested_cells(prediction));
                }
                let content = Cell::text(&prediction.content.to_string());
                row.extend([content, Cell::Text(self.card_digest())]);
                row.resize_with(columns, || Cell::text(&self.prevalence_text()));
            }
            RowOf::Skipped { kind, content } => {
                word(&mut row, "skipped", kind);
                row[columns - self.basis().len()] = Cell::text(&content.to_string());
            }
            RowOf::Unread(format) => word(&mut row, "unread", &format.to_string()),
            RowOf::Failed(reason) => word(&mut row, "error", reason),
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

    /// `LABEL=SHARE`, separated by semicolons.
    fn prevalence_text(&self) -> String {
        let shown = self.assumed.shown(self.card);
        let shown = shown.map(|(label, p)| format!("{label}={}", p.share()));
        shown.collect::<Vec<_>>().join("; ")
    }

    /// By what and how these rows are made, as they say it.
    pub fn origin(&self) -> RowOrigin {
        let prevalence = match self.format.is_json() {
            true => self.prevalences().to_string(),
            false => Cell::text(&self.prevalence_text()).to_csv(),
        };
        RowOrigin {
            model_sha256: self.card.sha256.clone(),
            preprocess: self.card.preprocess.clone(),
            card_digest: Some(self.card_digest()),
            prevalence: Some(prevalence),
        }
    }

    /// Whether the user assumes other prevalences than the card does.
    pub fn assumes_others(&self) -> bool {
        !self.assumed.is_empty()
    }

    /// Of what the card makes of the network's outputs: two models may share their weights and
    /// differ in this, as before and after `cxr adapt`. Changing what is written here makes every
    /// table one of another model.
    fn card_digest(&self) -> String {
        let card = self.card;
        let labels = card.labels.iter().map(|label| {
            json!({
                "name": label.name,
                "operating_point": label.operating_point,
                "sensitive_point": label.sensitive_point,
                "calibration": label.calibration.map(|c| [c.slope, c.intercept, c.prevalence.share()]),
                "op_threshold": label.op_threshold,
                "conformal": label.conformal.map(|c| (c.present, c.absent)),
            })
        });
        let thresholds = [card.input_head, card.distance];
        let line = card.severity_line.as_ref().map(|line| {
            let lines = [line.geographic_extent, line.opacity];
            (&line.label, lines.map(|line| [line.slope, line.intercept]))
        });
        let text = json!({
            "labels": labels.collect::<Vec<_>>(),
            "temperature": card.causes.map(|causes| causes.temperature),
            "thresholds": thresholds.map(|t| t.map(|t| [t.caution, t.refuse])),
            "severity_line": line,
        });
        let digest = Sha256::digest(text.to_string());
        let digest = digest[..CARD_DIGEST].iter();
        digest.map(|byte| format!("{byte:02x}")).collect()
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
    use crate::export::{ReadError, TableWriter, read_table};

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
            content: ContentId::from_digest([0xc0; 32]),
            findings: vec![raw("Pneumonia", 0.7712345), raw("COVID-19", 0.0)],
            severity: None,
            input: InputCheck::Caution(vec!["small".to_owned(), "dark, \"very\"".to_owned()]),
            model_sha256: "ab".to_owned(),
            preprocess: "cxr-1".to_owned(),
            elapsed_ms: 11.0,
            activation: None,
        }
    }

    fn read(prediction: &Prediction) -> RowOf<'_> {
        RowOf::Read(prediction)
    }

    /// A caution, a refusal, and one that could not be read.
    pub fn three_rows(format: TableFormat) -> Vec<Vec<Cell>> {
        let refused = Prediction {
            findings: Vec::new(),
            input: InputCheck::Refused(vec!["colour".to_owned()]),
            ..prediction()
        };
        let (card, assumed) = (card(), Prevalences::default());
        let predictions = PredictionRows::new(format, &card, &assumed);
        vec![
            predictions.row(Path::new("a.png"), read(&prediction())),
            predictions.row(Path::new("b.png"), read(&refused)),
            predictions.row(Path::new("=c.png"), RowOf::Failed("=1 is\nno image")),
        ]
    }

    pub fn columns(format: TableFormat) -> Vec<String> {
        PredictionRows::new(format, &card(), &Prevalences::default()).columns()
    }

    pub fn written(format: TableFormat, rows: &[Vec<Cell>]) -> String {
        let mut table = TableWriter::begin(Vec::new(), format, columns(format)).unwrap();
        for row in rows {
            table.row(row).unwrap();
        }
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn csv_has_the_columns_in_order_and_empty_cells_for_what_is_unknown() {
        assert_eq!(
            written(TableFormat::Csv, &three_rows(TableFormat::Csv)),
            "path,status,reasons,Pneumonia,COVID-19,geographic_extent,opacity,model_sha256,\
             preprocess,elapsed_ms,image_sha256,card_digest,prevalence\n\
             a.png,caution,\"small; dark, \"\"very\"\"\",0.771235,0.000000,,,ab,cxr-1,11.000,CONTENT,CARD,\n\
             b.png,refused,colour,,,,,ab,cxr-1,11.000,CONTENT,CARD,\n\
             ./=c.png,error,'=1 is no image,,,,,,,,,,\n"
                .replace("CARD", &digest())
                .replace("CONTENT", &"c0".repeat(32))
        );
        let tabs = written(TableFormat::Tsv, &three_rows(TableFormat::Tsv));
        assert!(
            tabs.starts_with("path\tstatus\treasons\tPneumonia\t"),
            "{tabs}"
        );
        assert!(tabs.contains("\nb.png\trefused\tcolour\t\t"), "{tabs}");
    }

    fn digest() -> String {
        PredictionRows::new(TableFormat::Csv, &card(), &Prevalences::default()).card_digest()
    }

    #[test]
    fn a_file_without_an_image_has_a_row_that_says_what_it_is() {
        let (card, assumed) = (card(), Prevalences::default());
        for format in [TableFormat::Csv, TableFormat::Jsonl] {
            let predictions = PredictionRows::new(format, &card, &assumed);
            let skipped = RowOf::Skipped {
                kind: "structured report",
                content: ContentId::from_digest([0xc0; 32]),
            };
            let row = predictions.row(Path::new("sr.dcm"), skipped);
            let text = written(format, &[row]);
            read_table(format, text.as_bytes(), |row| {
                assert_eq!(row.value("status"), Some("skipped"));
                assert_eq!(row.value("reasons"), Some("structured report"));
                assert_eq!(row.value("image_sha256"), Some(&*"c0".repeat(32)));
                assert_eq!(RowOrigin::of(&row), None);
                Ok::<_, ReadError>(())
            })
            .unwrap();
        }
    }

    #[test]
    fn json_lines_keep_the_order_of_columns_and_numbers_as_numbers() {
        let lines = written(TableFormat::Jsonl, &three_rows(TableFormat::Jsonl));
        let lines: Vec<_> = lines.lines().collect();
        assert!(
            lines[0].starts_with(r#"{"path":"a.png","status":"caution","reasons":"small; dark, \"very\"","Pneumonia":0.771235,"COVID-19":0.0,"geographic_extent":null,"opacity":null,"model_sha256":"ab","preprocess":"cxr-1","elapsed_ms":11.0,"reason_list":["small","dark, \"very\""],"prevalence":{},"findings":[{"#),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].contains(&format!(
                r#""findings":[],"severity":null,"image_sha256":"{}","card_digest":""#,
                "c0".repeat(32)
            )),
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
        let predictions = PredictionRows::new(TableFormat::Jsonl, &card, &assumed);
        let cells = predictions.row(Path::new("a.png"), read(&prediction));
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

    /// What a row that these predictions write says of how it was made.
    fn origin_of_row(predictions: &PredictionRows, prediction: &Prediction) -> RowOrigin {
        let columns = predictions.columns();
        let mut table = TableWriter::begin(Vec::new(), predictions.format, columns).unwrap();
        let row = predictions.row(Path::new("a.png"), read(prediction));
        table.row(&row).unwrap();
        let text = table.finish().unwrap();
        let mut origin = None;
        read_table(predictions.format, &text[..], |row| {
            origin = RowOrigin::of(&row);
            Ok::<_, ReadError>(())
        })
        .unwrap();
        origin.unwrap()
    }

    /// As a table of an earlier version has them after it was gone on with.
    #[test]
    fn an_empty_prevalence_is_known_only_where_the_row_says_its_card() {
        let origin = |line: &str| {
            let text = format!("model_sha256,preprocess,{CARD},{PREVALENCE}\n{line}\n");
            let mut origin = None;
            read_table(TableFormat::Csv, text.as_bytes(), |row| {
                origin = RowOrigin::of(&row);
                Ok::<_, ReadError>(())
            })
            .unwrap();
            origin.unwrap()
        };
        assert_eq!(origin("ab,cxr-1,,").prevalence, None);
        assert_eq!(origin("ab,cxr-1,c0,").prevalence.as_deref(), Some(""));
        assert_eq!(
            origin("ab,cxr-1,,A=0.5").prevalence.as_deref(),
            Some("A=0.5")
        );
    }

    #[test]
    fn a_row_says_how_it_was_made_and_another_prevalence_or_card_is_another_way() {
        let (card, assumed, prediction) = calibrated();
        let own = Prevalences::default();
        let mut adapted = card.clone();
        adapted.labels[0].calibration.as_mut().unwrap().intercept = 0.5;
        for format in [
            TableFormat::Csv,
            TableFormat::Tsv,
            TableFormat::Jsonl,
            TableFormat::Json,
        ] {
            let predictions = PredictionRows::new(format, &card, &assumed);
            let origin = origin_of_row(&predictions, &prediction);
            assert_eq!(origin, predictions.origin());
            assert!(origin.agrees_with(&predictions.origin()));
            let others = [
                PredictionRows::new(format, &card, &own).origin(),
                PredictionRows::new(format, &adapted, &assumed).origin(),
                RowOrigin {
                    preprocess: "cxr-1+bf16".to_owned(),
                    ..origin.clone()
                },
            ];
            for other in others {
                assert!(!origin.agrees_with(&other), "{other}");
            }
            let earlier = RowOrigin {
                card_digest: None,
                prevalence: None,
                ..origin.clone()
            };
            assert!(origin.agrees_with(&earlier) && earlier.agrees_with(&origin));
        }
    }
}
