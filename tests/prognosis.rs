//! `--prognosis` as a user and a script meet it, with a made-up model of two outcomes: one with evidence, whose score is
//! the same for every film, and one without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cxr::domain::{PrognosisCard, PrognosisEvidence};
use cxr::imaging::{DecodeLimits, open};
use cxr::inference::{Classifier, Compute, FeatureRow, ModelFiles, PrognosisRow};
use serde_json::{Value, json};

/// 1 / (1 + np.exp(-0.4))
const SCORE: &str = "0.598688";

const FILM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");

fn outcome(name: &str, auc: f64, interval: (f64, f64), n: usize) -> PrognosisCard {
    PrognosisCard {
        outcome: name.to_owned(),
        evidence: PrognosisEvidence {
            on: "made up, within AP".to_owned(),
            auc,
            interval,
            control_auc: 0.55,
            n,
            patients: n / 2,
        },
    }
}

/// A folder with the model, `made`, that ends with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let bundled = ModelFiles::bundled();
        let mut card = bundled.card().unwrap();
        card.name = "made".to_owned();
        card.prognoses = vec![
            outcome("intubation", 0.714, (0.6, 0.8), 72),
            outcome("death", 0.58, (0.44, 0.71), 32),
        ];
        let model = bundled.classifier(Compute::default()).unwrap();
        let channels = channels(&model);
        let rows = [("intubation", 0.4), ("death", 2.0)].map(|(name, bias)| PrognosisRow {
            outcome: name.to_owned(),
            row: FeatureRow {
                weight: vec![0.0; channels],
                bias,
            },
        });
        let made = bundled.adapted(card, &[], &rows).unwrap();
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.path("made.safetensors"), made.weights()).unwrap();
        fs::write(folder.path("made.toml"), made.card_text()).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command
            .args(arguments)
            .env_remove("CXR_MODEL")
            .env("CXR_CONFIG", "")
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_DATA_HOME", self.path("data"))
            .stdin(Stdio::null())
            .current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs `cxr predict` on the film, and returns the table.
    fn predict(&self, more: &[&str]) -> String {
        let always = ["predict", FILM, "--model", "made.safetensors", "-q"];
        succeeded(&self.run(&[&always[..], more].concat()))
    }
}

/// The number of features of a model.
fn channels(model: &Classifier) -> usize {
    let film = open(Path::new(FILM), &DecodeLimits::default()).unwrap();
    let (_, features) = model.classify_with_features(&film).unwrap();
    assert!(!features.is_empty(), "the film is accepted");
    features.len()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The names and the cells of the only row.
fn cells(table: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1, "{table}");
    let pairs = names.iter().zip(rows[0].iter());
    pairs
        .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
        .collect()
}

#[test]
fn a_table_has_outcomes_only_where_they_are_asked_for() {
    let folder = Folder::new();
    let plain = folder.predict(&[]);
    assert!(
        !plain.contains("prognos") && !plain.contains(SCORE),
        "{plain}"
    );
    let (mut outcomes, mut others): (Vec<_>, Vec<_>) = cells(&folder.predict(&["--prognosis"]))
        .into_iter()
        .partition(|(name, _)| name.starts_with("prognosis: "));
    let pair = |name: &str, cell: &str| (name.to_owned(), cell.to_owned());
    let death = outcomes.pop();
    assert_eq!(
        death,
        Some(pair("prognosis: death", "")),
        "no evidence, no number"
    );
    assert_eq!(outcomes, [pair("prognosis: intubation", SCORE)]);
    let mut before = cells(&plain);
    for table in [&mut others, &mut before] {
        table.retain(|(name, _)| name != "elapsed_ms");
    }
    assert_eq!(others, before, "nothing else changes");
}

#[test]
fn a_json_row_has_the_evidence_beside_the_score() {
    let folder = Folder::new();
    let line = folder.predict(&["--prognosis", "-f", "jsonl"]);
    let row: Value = serde_json::from_str(&line).unwrap();
    let evidence = |outcome: &str,
                    score: Value,
                    auc: f64,
                    low: f64,
                    high: f64,
                    n: u64,
                    bears: bool| {
        json!({
            "outcome": outcome, "score": score, "on": "made up, within AP", "auc": auc, "low": low,
            "high": high, "control_auc": 0.55, "n": n, "patients": n / 2, "bears_a_number": bears,
        })
    };
    let expected = [
        evidence("intubation", json!(0.598_688), 0.714, 0.6, 0.8, 72, true),
        evidence("death", Value::Null, 0.58, 0.44, 0.71, 32, false),
    ];
    assert_eq!(row["prognoses"], json!(expected));
    assert_eq!(row["prognosis: intubation"], json!(0.598_688));
    assert_eq!(row["prognosis: death"], Value::Null);
}

#[test]
fn a_table_is_continued_only_with_the_same_columns() {
    let folder = Folder::new();
    let always = [
        "predict",
        FILM,
        "--model",
        "made.safetensors",
        "-q",
        "-o",
        "t.csv",
    ];
    let run = |more: &[&str]| folder.run(&[&always[..], more].concat());
    succeeded(&run(&["--prognosis"]));
    let table = fs::read(folder.path("t.csv")).unwrap();
    succeeded(&run(&["--prognosis", "--resume"]));
    assert_eq!(fs::read(folder.path("t.csv")).unwrap(), table);
    let refused = run(&["--resume"]);
    assert_eq!(refused.status.code(), Some(2));
    let words = "with --prognosis and with --pseudonym-key a table has more columns than without";
    assert!(
        text(&refused.stderr).contains(words),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(fs::read(folder.path("t.csv")).unwrap(), table);
}

#[test]
fn a_report_has_outcomes_only_where_they_are_asked_for() {
    let folder = Folder::new();
    let report = |name: &str, more: &[&str]| {
        let always = ["report", FILM, "--model", "made.safetensors", "-o", name];
        succeeded(&folder.run(&[&always[..], more].concat()));
        fs::read_to_string(folder.path(name)).unwrap()
    };
    let plain = report("plain.html", &[]);
    assert!(!plain.contains("Outcomes") && !plain.contains("intubation"));
    let asked = report("asked.html", &["--prognosis"]);
    for words in [
        "<h2>Outcomes</h2>",
        "<td>intubation<td class=\"number\">0.599<td",
        "0.71 (0.60–0.80)",
        "<td>death<td>no evidence (AUC 0.58, 0.44–0.71, n 32)<td",
        "A score is no probability.",
    ] {
        assert!(asked.contains(words), "{words}");
    }
    // By the configuration, too, unless the command line says otherwise.
    fs::write(folder.path("c.toml"), "prognosis = true\n").unwrap();
    let always = ["report", FILM, "--model", "made.safetensors"];
    let by = |name: &str, more: &[&str]| {
        let mut command = folder.command(&[&always[..], &["-o", name], more].concat());
        succeeded(
            &command
                .env("CXR_CONFIG", folder.path("c.toml"))
                .output()
                .unwrap(),
        );
        fs::read_to_string(folder.path(name)).unwrap()
    };
    assert!(by("configured.html", &[]).contains("<h2>Outcomes</h2>"));
    assert!(!by("off.html", &["--prognosis=false"]).contains("Outcomes"));
}

#[test]
fn the_card_says_which_outcome_has_a_number_and_why() {
    let folder = Folder::new();
    let shown = succeeded(&folder.run(&["models", "show", "--model", "made.safetensors"]));
    for words in [
        "\nOutcomes\n",
        "· intubation: a score, no probability; AUC 0.71, 0.60–0.80, n 72 of 36 patients on made up",
        "· death: no evidence, so no number; AUC 0.58, 0.44–0.71, n 32 of 16 patients on made up",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
}

#[test]
fn a_model_without_outcomes_and_a_model_in_two_minds_are_refused() {
    let folder = Folder::new();
    let card = fs::read_to_string(folder.path("made.toml")).unwrap();
    let without: String = card
        .split("[[prognosis]]")
        .enumerate()
        .map(|(at, part)| match part.find("\n[") {
            _ if at == 0 => part,
            Some(end) => &part[end..],
            None => "",
        })
        .collect();
    assert!(!without.contains("[[prognosis]]"), "{without}");
    let weights = fs::read(folder.path("made.safetensors")).unwrap();
    fs::write(folder.path("torn.safetensors"), weights).unwrap();
    fs::write(folder.path("torn.toml"), without).unwrap();
    let torn = folder.run(&["predict", FILM, "--model", "torn.safetensors", "-q"]);
    assert_eq!(torn.status.code(), Some(2));
    let words = "[[prognosis]] is absent, and the weights have prognosis.weight";
    assert!(text(&torn.stderr).contains(words), "{}", text(&torn.stderr));

    let bundled = ModelFiles::bundled();
    if bundled.card().unwrap().prognoses.is_empty() {
        let refused = folder.run(&["predict", FILM, "--prognosis", "-q"]);
        assert_eq!(refused.status.code(), Some(2));
        let words = "foretells no outcome; cxr adapt --outcome-column fits one";
        assert!(
            text(&refused.stderr).contains(words),
            "{}",
            text(&refused.stderr)
        );
    }
}
