//! `cxr adapt` as a user and a script meet it: a manifest and a model in; a table, another model and
//! an exit code out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::DynamicImage;
use serde_json::Value;

const WEIGHTS: &[u8] = include_bytes!("../weights/cxr-lite0.safetensors");
const CARD: &str = include_str!("../weights/cxr-lite0.toml");

/// Pictures that are made of each sample, and the samples.
const VARIANTS: usize = 12;
const SAMPLES: [&str; 4] = [
    "clear_1.png",
    "clear_2.jpg",
    "clear_3.png",
    "pneumonia_1.png",
];

/// What a finished program left.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A folder that ends with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    /// With a model, `base`, whose input check lets everything pass: a drawing is one as little as a
    /// radiograph is the other.
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("base.safetensors", WEIGHTS);
        let mut card: toml::Table = CARD.parse().unwrap();
        for (section, most) in [("input_head", 1.0), ("distance", 1e12)] {
            if let Some(limits) = card.get_mut(section).and_then(toml::Value::as_table_mut) {
                limits.insert("caution".into(), most.into());
                limits.insert("refuse".into(), most.into());
            }
        }
        folder.write("base.toml", toml::to_string(&card).unwrap());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn card(&self, name: &str) -> toml::Table {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.parse().unwrap()
    }

    /// Everything in it, hidden files too, with what is in them.
    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let files = entries.map(|entry| entry.unwrap());
        files
            .filter(|file| file.file_type().unwrap().is_file())
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, fs::read(file.path()).unwrap())
            })
            .collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command
            .args(arguments)
            .env_remove("CXR_MODEL")
            .stdin(Stdio::null())
            .current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().unwrap();
        Outcome {
            code: output.status.code().expect("an exit code, not a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Adapts `base`, on the day 2026-01-31.
    fn adapt(&self, arguments: &[&str]) -> Outcome {
        let always = [
            "adapt",
            "--model",
            "base.safetensors",
            "--date",
            "2026-01-31",
        ];
        self.run(&[&always[..], arguments].concat())
    }

    /// A row for each picture, in order.
    fn predictions(&self, model: &str) -> Vec<Value> {
        let outcome = self.run(&["predict", "scans", "--model", model, "-f", "jsonl", "-q"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let lines = outcome.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Draws the pictures of 24 patients, and writes down which are ill: mostly those that the model
    /// scores highest, so that every model has something to fit. The last row has no file. Gives the
    /// name of the label.
    fn study(&self) -> String {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        fs::create_dir(self.path("scans")).unwrap();
        for (at, sample) in SAMPLES.iter().enumerate() {
            let film = image::open(samples.join(sample)).unwrap();
            for n in 0..VARIANTS {
                let name = format!("scans/{:02}.png", at * VARIANTS + n);
                variant(&film, n).save(self.path(&name)).unwrap();
            }
        }
        let card = self.card("base.toml");
        let label = card["label"][0]["name"].as_str().unwrap().to_owned();
        let rows = self.predictions("base.safetensors");
        assert_eq!(rows.len(), VARIANTS * SAMPLES.len());
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let score = |at: usize| rows[at][&label].as_f64().expect("a score");
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let mut manifest = "path,patient,ill\n".to_owned();
        for at in 0..rows.len() {
            let rank = order.iter().position(|&other| other == at).unwrap();
            let is_ill = (rank < rows.len() / 2) != (rank % 6 == 5);
            manifest += &format!("{at:02}.png,p{},{}\n", at / 2, u8::from(is_ill));
        }
        self.write("cases.csv", &manifest);
        self.write("with_gap.csv", manifest + "gone.png,p0,1\n");
        label
    }
}

/// Another exposure and another crop.
fn variant(film: &DynamicImage, n: usize) -> DynamicImage {
    let edge = 4 * (n as u32 % 5);
    let small = film.thumbnail(256, 256).grayscale();
    let (width, height) = (small.width() - 2 * edge, small.height() - edge);
    let cropped = small.crop_imm(edge, edge / 2, width, height);
    let contrast = cropped.adjust_contrast(4.0 * n as f32 - 20.0);
    contrast.brighten(5 * (n as i32 % 7) - 15)
}

fn finding<'a>(row: &'a Value, label: &str) -> &'a Value {
    let found = row["findings"].as_array().unwrap().iter();
    let mut found = found.filter(|finding| finding["label"] == label);
    found.next().unwrap_or_else(|| panic!("{label} in {row}"))
}

#[test]
fn a_recalibrated_model_names_its_adaptation_and_is_used() {
    let folder = Folder::new();
    let label = folder.study();
    let before = folder.contents();
    let column = format!("{label}=ill");
    let arguments = [
        "-m",
        "cases.csv",
        "--root",
        "scans",
        "--label-column",
        &column,
    ];
    let outcome = folder.adapt(&[&arguments[..], &["-o", "ours.safetensors"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for words in [
        "after, out of fold",
        "  AUC ",
        "  Brier ",
        "  ECE ",
        "  sensitivity ",
        "balanced point",
        "48 scored of 24 patients, 0 refused, 0 failed",
        "Too few cases, and left as before: the causes",
        "COVID-19 has no operating point and no 90 % set any more",
        "  90 % point finds ",
        "  90 % set, absent, holds ",
        "TOO FEW CASES to fix a threshold",
        "cxr --model ours.safetensors",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    for line in outcome.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }

    // The old model is as it was, and no temporary file is left.
    let mut after = folder.contents();
    let written = ["ours.safetensors", "ours.toml"].map(|name| (name, after.remove(name)));
    assert_eq!(after, before);
    for (name, _) in &written {
        let mode = folder.path(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (old, new) = (folder.card("base.toml"), folder.card("ours.toml"));
    assert_ne!(new["sha256"], old["sha256"]);
    let adaptation = &new["adaptation"][0];
    assert_eq!(adaptation["from_sha256"], old["sha256"]);
    assert_eq!(adaptation["manifest"].as_str(), Some("cases.csv"));
    assert_eq!(adaptation["date"].as_str(), Some("2026-01-31"));
    assert_eq!(adaptation["images"].as_integer(), Some(48));
    assert_eq!(adaptation["patients"].as_integer(), Some(24));
    let size = |card: &toml::Table, key: &str| card[key].as_array().unwrap().len();
    assert_eq!(size(&new, "limits"), size(&old, "limits") + 2);
    let last = new["limits"].as_array().unwrap().last().unwrap();
    let last = last.as_str().unwrap();
    assert!(
        last.contains("90 % point finds") && last.contains("too few"),
        "{last}"
    );
    let point = |key: &str| new["label"][0][key].as_float().unwrap();
    assert!(point("sensitive_point") <= point("operating_point"));
    let measured = |card: &toml::Table, of_label: bool| -> Vec<toml::Value> {
        let all = card["measurement"].as_array().unwrap().iter();
        // Those of the product of the label do not hold any more.
        let all = all.filter(|m| m["label"].as_str() != Some("COVID-19"));
        let of = all.filter(|m| (m["label"].as_str() == Some(&label)) == of_label);
        of.cloned().collect()
    };
    assert_eq!(measured(&new, false), measured(&old, false), "others stay");
    let own = measured(&new, true);
    let is_new = |m: &toml::Value| m["on"].as_str() == Some("cases.csv, out of fold");
    assert!(own.len() >= 5 && own.iter().all(is_new), "{own:?}");

    let shown = folder.run(&["models", "show", "--model", "ours.safetensors"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let adapted = format!("Adapted: recalibrated for {label} on cases.csv, 2026-01-31: 48 images");
    assert!(shown.stdout.contains(&adapted), "{}", shown.stdout);
    assert!(
        shown.stdout.starts_with("model       ours "),
        "{}",
        shown.stdout
    );

    // The same outputs of the network, another reading of one of them.
    let rows = folder.predictions("base.safetensors");
    let again = folder.predictions("ours.safetensors");
    let platt = &new["label"][0]["calibration"];
    let [slope, intercept] = ["slope", "intercept"].map(|key| platt[key].as_float().unwrap());
    assert!(slope > 0.0);
    for (row, again) in rows.iter().zip(&again) {
        assert_eq!(again["model_sha256"].as_str(), new["sha256"].as_str());
        let (old, new) = (finding(row, &label), finding(again, &label));
        assert_eq!(old["logit"], new["logit"]);
        let log_odds = slope * old["logit"].as_f64().unwrap() + intercept;
        let p = 1.0 / (1.0 + (-log_odds).exp());
        assert!(
            (again[&label].as_f64().unwrap() - p).abs() < 1e-5,
            "{again}"
        );
        assert_eq!(row["Bacterial"], again["Bacterial"]);
    }

    // A file that is there is not replaced unless that is said; then it is, by the same bytes.
    let there = folder.contents();
    let refused = folder.adapt(&[&arguments[..], &["-o", "ours.safetensors"]].concat());
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .stderr
            .contains("ours.safetensors: already exists; use --force"),
        "{}",
        refused.stderr
    );
    assert_eq!(folder.contents(), there);
    folder.write("ours.toml", "something else");
    let forced = [
        &arguments[..],
        &["-o", "ours.safetensors", "--force", "-j", "1"],
    ]
    .concat();
    assert_eq!(folder.adapt(&forced).code, 0);
    assert_eq!(
        folder.contents(),
        there,
        "the same cases give the same model"
    );
}

/// As torchxrayvision's weights have it: scores on a scale whose middle is the published operating point.
#[test]
fn a_normalised_label_is_on_the_scale_of_probabilities_when_it_is_adapted() {
    let folder = Folder::new();
    let mut card = folder.card("base.toml");
    let label = folder.study();
    let labels = card["label"].as_array_mut().unwrap();
    labels.retain(|other| other.get("product").is_none());
    let own = labels[0].as_table_mut().unwrap();
    for key in [
        "calibration",
        "calibration_for",
        "prevalence",
        "probability",
        "operating_point",
        "sensitive_point",
        "conformal",
    ] {
        own.remove(key);
    }
    own.insert("op_threshold".into(), 0.3.into());
    card.remove("measurement");
    folder.write("base.toml", toml::to_string(&card).unwrap());
    let before = folder.predictions("base.safetensors");
    let column = format!("{label}=ill");
    let outcome = folder.adapt(&[
        "-m",
        "cases.csv",
        "--root",
        "scans",
        "--label-column",
        &column,
        "-o",
        "ours.safetensors",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let new = folder.card("ours.toml");
    let own = label_of(&new, &label);
    assert!(own.get("op_threshold").is_none(), "{own}");
    assert!(own.get("calibration").is_some() && own.get("sensitive_point").is_some());
    let limits = new["limits"].as_array().unwrap().iter();
    let says = format!("No longer operating-point-normalised: {label}.");
    let mut limits = limits.filter_map(toml::Value::as_str);
    assert!(limits.any(|limit| limit.starts_with(&says)), "{new}");

    // The score is the calibrated probability of the same logit.
    let [slope, intercept] =
        ["slope", "intercept"].map(|key| own["calibration"][key].as_float().unwrap());
    let after = folder.predictions("ours.safetensors");
    for (old, new) in before.iter().zip(&after) {
        let logit = finding(old, &label)["logit"].as_f64().unwrap();
        assert_eq!(finding(new, &label)["logit"].as_f64(), Some(logit));
        let p = 1.0 / (1.0 + (-(slope * logit + intercept)).exp());
        assert!((new[&label].as_f64().unwrap() - p).abs() < 1e-5, "{new}");
    }
}

#[test]
fn a_refitted_model_answers_otherwise_and_only_where_it_was_fitted() {
    let folder = Folder::new();
    let label = folder.study();
    let column = format!("{label}=ill");
    let cases = [
        "-m",
        "with_gap.csv",
        "--root",
        "scans",
        "--label-column",
        &column,
    ];
    let refit = ["--method", "refit", "-o", "ours.safetensors"];
    let outcome = folder.adapt(&[&cases[..], &refit].concat());
    assert_eq!(outcome.code, 1, "one file is not there: {}", outcome.stderr);
    assert!(
        outcome.stderr.contains("cxr: scans/gone.png: "),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome
            .stdout
            .contains("48 scored of 24 patients, 0 refused, 1 failed")
    );
    let verdict = format!("{label}: ");
    assert!(
        outcome.stdout.lines().any(|line| {
            let line = line.to_lowercase();
            line.starts_with(&verdict.to_lowercase()) && line.contains("the refit")
        }),
        "{}",
        outcome.stdout
    );
    let card = folder.card("ours.toml");
    assert_eq!(card["adaptation"][0]["method"].as_str(), Some("refit"));
    assert!(card["version"].as_str().unwrap().ends_with("+refit"));

    let rows = folder.predictions("base.safetensors");
    let again = folder.predictions("ours.safetensors");
    let mut moved = 0;
    for (row, again) in rows.iter().zip(&again) {
        for finding_before in row["findings"].as_array().unwrap() {
            let name = finding_before["label"].as_str().unwrap();
            let same = finding_before["logit"] == finding(again, name)["logit"];
            // The product moves with its factor.
            let may_move = name == label || !finding_before["product"].is_null();
            assert!(same || may_move, "{name} was not fitted");
            moved += usize::from(!same && name == label);
        }
    }
    assert!(moved > 40, "{moved}");

    // An adapted model is adapted again, and remembers both times.
    let second = [
        "-o",
        "twice.safetensors",
        "--model",
        "ours.safetensors",
        "-q",
    ];
    let outcome = folder.run(&[&["adapt"], &cases[..], &second].concat());
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let card = folder.card("twice.toml");
    assert_eq!(card["adaptation"].as_array().unwrap().len(), 2);
    assert_eq!(
        card["adaptation"][1]["from_sha256"],
        folder.card("ours.toml")["sha256"]
    );
}

const PRODUCT: &str = "Product";

impl Folder {
    /// Gives the model `base` the product of its first label and its last cause, found from 0.3 on. Gives the name of
    /// the cause.
    fn with_product(&self) -> String {
        let mut card = self.card("base.toml");
        // A cause for every film.
        card["causes"].as_table_mut().unwrap().remove("unlike");
        let labels = card["label"].as_array_mut().unwrap();
        let name = |label: &toml::Value| label["name"].as_str().unwrap().to_owned();
        let is_cause = |label: &&toml::Value| label["question"].as_str() == Some("given-pneumonia");
        let cause = name(labels.iter().rev().find(is_cause).unwrap());
        let product = format!(
            "name = \"{PRODUCT}\"\nquestion = \"presence\"\nproduct = [\"{}\", \"{cause}\"]\n\
             operating_point = 0.3\n",
            name(&labels[0])
        );
        let product: toml::Table = product.parse().unwrap();
        labels.push(product.into());
        self.write("base.toml", toml::to_string(&card).unwrap());
        cause
    }
}

fn label_of<'a>(card: &'a toml::Table, name: &str) -> &'a toml::Value {
    let mut labels = card["label"].as_array().unwrap().iter();
    let found = labels.find(|label| label["name"].as_str() == Some(name));
    found.unwrap()
}

#[test]
fn a_product_gets_new_thresholds_and_no_fit_of_its_own() {
    let folder = Folder::new();
    let label = folder.study();
    let cause = folder.with_product();
    let columns = [format!("{label}=ill"), format!("{PRODUCT}=ill")];
    let adapt = |columns: &[String], output: &str| {
        let mut arguments = vec!["-m", "cases.csv", "--root", "scans", "-o", output];
        for column in columns {
            arguments.extend(["--label-column", column]);
        }
        folder.adapt(&arguments)
    };
    let outcome = adapt(&columns, "both.safetensors");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for words in [
        "Product: positive ",
        "A label that is the product of two is not fitted itself.",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    let card = folder.card("both.toml");
    let product = label_of(&card, PRODUCT);
    let point = |key: &str| product[key].as_float().unwrap();
    assert!(point("sensitive_point") <= point("operating_point"));
    assert!(product.get("conformal").is_some() && product.get("calibration").is_none());
    let fitted = card["adaptation"][0]["labels"].as_array().unwrap();
    assert!(fitted.iter().any(|label| label.as_str() == Some(PRODUCT)));
    let rows = folder.predictions("both.safetensors");
    for row in &rows {
        let share = finding(row, &cause)["score"].as_f64().unwrap();
        let (whole, part) = (
            row[&label].as_f64().unwrap(),
            row[PRODUCT].as_f64().unwrap(),
        );
        assert!((part - whole * share).abs() < 2e-6, "{row}");
        // The causes are not calibrated, so the product of a probability and a share is a score.
        assert_eq!(finding(row, &label)["kind"], "probability");
        assert_eq!(finding(row, PRODUCT)["kind"], "score");
    }

    // Its factor moved, and nothing says where its thresholds went.
    let outcome = adapt(&columns[..1], "first.safetensors");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let said = outcome
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("Product has no operating point and no 90 % set any more"),
        "{said}"
    );
    let card = folder.card("first.toml");
    assert!(label_of(&card, PRODUCT).get("operating_point").is_none());

    // Its own cases alone fix its thresholds, and move no score.
    let outcome = adapt(&columns[1..], "own.safetensors");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let (old, new) = (folder.card("base.toml"), folder.card("own.toml"));
    let point = |card: &toml::Table, name: &str| {
        let point = &label_of(card, name)["operating_point"];
        point.as_float().unwrap()
    };
    assert!((point(&new, &label) - point(&old, &label)).abs() < 1e-6);
    assert!((point(&new, PRODUCT) - point(&old, PRODUCT)).abs() > 1e-6);
    let before = folder.predictions("base.safetensors");
    for (row, again) in before.iter().zip(folder.predictions("own.safetensors")) {
        assert_eq!(row[PRODUCT], again[PRODUCT]);
    }
}

#[test]
fn images_without_a_number_for_the_causes_are_counted_and_left_out() {
    let folder = Folder::new();
    let label = folder.study();
    folder.with_product();
    let mut card = folder.card("base.toml");
    let causes = "temperature = 1.0\ncalibrated = true\nunlike = 1e-9";
    let causes: toml::Table = causes.parse().unwrap();
    card.insert("causes".to_owned(), causes.into());
    folder.write("base.toml", toml::to_string(&card).unwrap());
    let columns = [format!("{label}=ill"), format!("{PRODUCT}=ill")];
    let cases = [
        "-m",
        "cases.csv",
        "--root",
        "scans",
        "-o",
        "ours.safetensors",
    ];
    let own = ["--label-column", &columns[1]];
    let refused = folder.adapt(&[&cases[..], &own].concat());
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("too few cases for any label"),
        "{}",
        refused.stderr
    );
    let both = ["--label-column", &columns[0]];
    let outcome = folder.adapt(&[&cases[..], &own, &both].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let said = outcome
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("48 of 48 scored images are unlike those that the causes"),
        "{said}"
    );
    assert!(said.contains("Product has no operating point"), "{said}");
    let unlike = folder.card("ours.toml")["causes"]["unlike"].as_float();
    assert_eq!(unlike, Some(1e-9), "the limit stays");
}

#[test]
fn impossible_requests_are_refused_at_once_and_nothing_is_written() {
    let folder = Folder::new();
    let label = folder.card("base.toml")["label"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let few: String = (0..30)
        .map(|n| format!("{n}.png,p{},{}\n", n / 2, n % 2))
        .collect();
    folder.write("few.csv", format!("path,patient,ill\n{few}"));
    let one: String = (0..60)
        .map(|n| format!("{n}.png,p{},{}\n", n / 8, n % 2))
        .collect();
    folder.write("one.csv", format!("path,patient,ill\n{one}"));
    let before = folder.contents();
    let column = format!("{label}=ill");
    let few = ["-m", "few.csv", "--label-column", &column];
    for (arguments, words) in [
        (
            &["-o", "a.safetensors"][..],
            "positive 15 images of 15 patients, negative 15 images of 15 patients",
        ),
        (
            &["-o", "a.safetensors"],
            "It takes 20 images of 10 patients",
        ),
        (&["-o", "a.toml"], "its name does not end in .safetensors"),
        (
            &["-o", "no/such/a.safetensors"],
            "-o no/such/a.safetensors: ",
        ),
        (
            &["-o", "base.safetensors", "--force"],
            "the old model, which stays as it is",
        ),
        (
            &["-o", "./base.safetensors", "--force"],
            "the old model, which stays as it is",
        ),
        (
            &["-o", "a.safetensors", "--date", "31.1.2026"],
            "as in 2026-01-31",
        ),
        (
            &["-o", "a.safetensors", "--method", "guess"],
            "possible values",
        ),
    ] {
        let arguments = [
            &["adapt", "--model", "base.safetensors"],
            &few[..],
            arguments,
        ]
        .concat();
        let outcome = folder.run(&arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(words),
            "{arguments:?}: {}",
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty());
        assert_eq!(folder.contents(), before, "{arguments:?}");
    }
    let outcome = folder.adapt(&[
        "-m",
        "one.csv",
        "--label-column",
        &column,
        "-o",
        "a.safetensors",
    ]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("positive 30 images of 8 patients"),
        "{}",
        outcome.stderr
    );
}

/// Whether a process catches SIGINT by now.
fn catches_interrupts(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << 1) != 0)
}

#[test]
fn ctrl_c_leaves_nothing() {
    let folder = Folder::new();
    image::GrayImage::from_fn(300, 320, |x, y| {
        image::Luma([(40 + (x * y / 480) % 180) as u8])
    })
    .save(folder.path("0.png"))
    .unwrap();
    let label = folder.card("base.toml")["label"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut manifest = "path,patient,ill\n0.png,p0,0\n".to_owned();
    fs::create_dir(folder.path("more")).unwrap();
    for n in 1..5000 {
        fs::hard_link(folder.path("0.png"), folder.path(&format!("more/{n}.png"))).unwrap();
        manifest += &format!("more/{n}.png,p{n},{}\n", n % 2);
    }
    folder.write("m.csv", manifest);
    let before = folder.contents();
    let column = format!("{label}=ill");
    let arguments = [
        "adapt",
        "-m",
        "m.csv",
        "--label-column",
        &column,
        "-o",
        "a.safetensors",
    ];
    let mut command = folder.command(&arguments);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !catches_interrupts(child.id()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stderr, "cxr: interrupted: nothing is written\n");
    assert!(output.stdout.is_empty());
    assert_eq!(folder.contents(), before);
}

/// A table of the study's pictures with an outcome that their looks tell, except in one patient of six. Some rows have no
/// answer.
fn outcomes(folder: &Folder) {
    let mut manifest = "path,patient,view,went_icu,ill\n".to_owned();
    let ill = fs::read_to_string(folder.path("cases.csv")).unwrap();
    let ill: Vec<&str> = ill
        .lines()
        .skip(1)
        .map(|row| &row[row.len() - 1..])
        .collect();
    for (at, ill) in ill.iter().enumerate() {
        let patient = at / 2;
        let came = (at / VARIANTS >= SAMPLES.len() / 2) != (patient % 6 == 5);
        let answer = if came { "Y" } else { "N" };
        let view = if at % 4 < 2 { "AP Supine" } else { "PA" };
        manifest += &format!("{at:02}.png,p{patient},{view},{answer},{ill}\n");
    }
    folder.write("outcomes.csv", &manifest);
    let gaps = manifest.replace(",p0,AP Supine,N,", ",p0,AP Supine,,");
    assert_ne!(gaps, manifest);
    folder.write("gaps.csv", gaps);
}

fn table(card: &toml::Table, key: &str, at: usize) -> toml::Table {
    card[key].as_array().unwrap()[at]
        .as_table()
        .unwrap()
        .clone()
}

/// The last outcome of a card.
fn last_outcome(card: &toml::Table) -> toml::Table {
    let count = card["prognosis"].as_array().unwrap().len();
    table(card, "prognosis", count - 1)
}

#[test]
fn an_outcome_is_fitted_alone_with_its_control_and_is_shown_only_with_evidence() {
    let folder = Folder::new();
    folder.study();
    outcomes(&folder);
    let arguments = ["-m", "outcomes.csv", "--root", "scans"];
    let of = ["--outcome-column", "icu=went_icu", "-o", "ours.safetensors"];
    let outcome = folder.adapt(&[&arguments[..], &of].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for words in [
        "icu: with it 24 images of 12 patients, without it 24 images of 12 patients",
        "  AUC  ",
        "  AUC of the control  ",
        "  directions  ",
        "  --prognosis shows  ",
        "TOO FEW CASES to foretell by: icu",
        "cxr --model ours.safetensors",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    assert!(!outcome.stdout.contains("Pneumonia:"), "{}", outcome.stdout);
    for line in outcome.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }

    let (old, new) = (folder.card("base.toml"), folder.card("ours.toml"));
    assert_eq!(old["label"], new["label"], "labels stay as they were");
    let section = last_outcome(&new);
    assert_eq!(section["outcome"].as_str(), Some("icu"));
    assert_eq!(section["on"].as_str(), Some("outcomes.csv, out of fold"));
    assert_eq!(
        (section["n"].as_integer(), section["patients"].as_integer()),
        (Some(48), Some(24))
    );
    let number = |key: &str| section[key].as_float().unwrap();
    let (auc, low, high) = (number("auc"), number("low"), number("high"));
    assert!(low < auc && auc < high, "{section:?}");
    // Five patients of six look like the others with their outcome.
    assert!(auc > 0.65, "{section:?}");
    let bears = low > 0.5 && low > number("control_auc");
    let last = table(
        &new,
        "adaptation",
        new["adaptation"].as_array().unwrap().len() - 1,
    );
    assert_eq!(last["method"].as_str(), Some("outcome"));
    assert_eq!(last["labels"].as_array().unwrap()[0].as_str(), Some("icu"));
    assert!(new["version"].as_str().unwrap().ends_with("+outcome"));
    let shown = folder.run(&["models", "show", "--model", "ours.safetensors"]);
    assert!(shown.stdout.contains("\nOutcomes\n") && shown.stdout.contains("· icu: "));
    assert!(
        shown
            .stdout
            .contains("Adapted: fitted for icu on outcomes.csv")
    );

    // The same findings as before, and the outcome beside them only where it is asked for.
    let predict = |more: &[&str]| {
        let model = ["predict", "scans", "--model", "ours.safetensors", "-q"];
        let outcome = folder.run(&[&model[..], more].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.stdout
    };
    let plain = predict(&[]);
    assert!(!plain.contains("prognos"), "{plain}");
    let asked = predict(&["--prognosis"]);
    let mut reader = csv::Reader::from_reader(asked.as_bytes());
    let head = reader.headers().unwrap().clone();
    let at = head.iter().position(|name| name == "prognosis: icu");
    for row in reader.records().map(Result::unwrap) {
        let cell = &row[at.unwrap()];
        assert_eq!(cell.parse::<f32>().is_ok(), bears, "{row:?}");
    }
    let lines = predict(&["--prognosis", "-f", "jsonl"]);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let found = row["prognoses"].as_array().unwrap().last().unwrap();
        assert_eq!(found["outcome"], "icu");
        assert_eq!(found["score"].is_number(), bears, "{found}");
        assert_eq!(found["bears_a_number"], bears, "{found}");
        assert!(
            (found["auc"].as_f64().unwrap() - auc).abs() < 1e-9,
            "{found}"
        );
        assert_eq!(found["score"], row["prognosis: icu"]);
    }
}

#[test]
fn an_outcome_is_fitted_beside_labels_and_again_under_its_name() {
    let folder = Folder::new();
    let label = folder.study();
    outcomes(&folder);
    let column = format!("{label}=ill");
    let both = [
        "-m",
        "gaps.csv",
        "--root",
        "scans",
        "--label-column",
        &column,
        "--outcome-column",
        "icu=went_icu",
        "-o",
        "ours.safetensors",
    ];
    let outcome = folder.adapt(&both);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let head = format!("{label}: positive 24 images");
    for words in [
        head.as_str(),
        "icu: with it 24 images of 12 patients, without it 22 images of 11 patients",
        "2 images without an answer",
        "balanced point",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words} in\n{}",
            outcome.stdout
        );
    }
    let card = folder.card("ours.toml");
    let version = card["version"].as_str().unwrap();
    assert!(version.ends_with("+recalibrate.outcome"), "{version}");
    let history = card["adaptation"].as_array().unwrap();
    let methods: Vec<&str> = history
        .iter()
        .map(|a| a["method"].as_str().unwrap())
        .collect();
    assert!(
        methods.ends_with(&["recalibrate", "outcome"]),
        "{methods:?}"
    );
    assert_eq!(last_outcome(&card)["n"].as_integer(), Some(46));
    let outcomes = card["prognosis"].as_array().unwrap().len();

    // Again, under the same name and under another.
    let again = [
        "adapt",
        "--model",
        "ours.safetensors",
        "-m",
        "outcomes.csv",
        "--root",
        "scans",
        "--outcome-column",
        "icu=went_icu",
        "--outcome-column",
        "illness=ill",
        "-o",
        "twice.safetensors",
        "-q",
    ];
    let outcome = folder.run(&again);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let card = folder.card("twice.toml");
    let names: Vec<&str> = card["prognosis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|section| section["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), outcomes + 1, "{names:?}");
    assert!(names.ends_with(&["icu", "illness"]), "{names:?}");
    let first = table(&card, "prognosis", outcomes - 1);
    assert_eq!(first["n"].as_integer(), Some(48), "the newer fit");
    let measured = card["measurement"].as_array().unwrap().iter();
    let of_icu = measured.filter(|m| m["label"].as_str() == Some("icu"));
    assert_eq!(of_icu.count(), 2, "the area and that of the control, once");

    // The same cases give the same model.
    let there = folder.contents();
    let forced = [&again[..], &["--force", "-j", "1"]].concat();
    assert_eq!(folder.run(&forced).code, 0);
    assert_eq!(folder.contents(), there);
}

#[test]
fn an_outcome_that_cannot_be_fitted_is_refused_at_once_with_the_counts() {
    let folder = Folder::new();
    let label = folder.card("base.toml")["label"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let rows: String = (0..60)
        .map(|n| format!("{n}.png,p{},{},1,{}\n", n / 2, u8::from(n < 10), n % 3))
        .collect();
    folder.write("few.csv", format!("path,patient,died,alive,stage\n{rows}"));
    let before = folder.contents();
    let of_label = format!("{label}=died");
    for (column, words) in [
        (
            "death=died",
            "too few cases for an outcome: death (with it 10 images of 5 patients, without it 50 images of 25 \
             patients). It takes 20 images of 10 patients, with it and without it",
        ),
        (
            "survival=alive",
            "survival (with it 60 images of 30 patients, without it 0 images of 0 patients)",
        ),
        ("stage=stage", "\"2\" in column stage is neither yes nor no"),
        ("icu=went_icu", "no column went_icu"),
        ("went_icu", "--outcome-column went_icu: write NAME=COLUMN"),
        ("=died", "write NAME=COLUMN"),
        (of_label.as_str(), "that is a label of the model"),
    ] {
        let outcome = folder.adapt(&[
            "-m",
            "few.csv",
            "--outcome-column",
            column,
            "-o",
            "a.safetensors",
        ]);
        assert_eq!(outcome.code, 2, "{column}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(words),
            "{column}: {}",
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty());
        assert_eq!(folder.contents(), before, "{column}");
    }
    let twice = [
        "-m",
        "few.csv",
        "--outcome-column",
        "a=died",
        "--outcome-column",
        "a=alive",
        "-o",
        "a.safetensors",
    ];
    let outcome = folder.adapt(&twice);
    assert!(
        outcome.stderr.contains("of that name before it"),
        "{}",
        outcome.stderr
    );
}
