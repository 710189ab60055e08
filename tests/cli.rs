//! The program as a user and a script meet it: arguments in; rows, words and exit codes out.

mod calibrated;
mod skip;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use calibrated::{CALIBRATED, write_calibrated};
use image::{GrayImage, Rgb, RgbImage, imageops};
use serde_json::{Map, Value};

const COLUMNS: [&str; 19] = [
    "path",
    "status",
    "reasons",
    "Pneumonia",
    "COVID-19",
    "Bacterial",
    "Viral",
    "COVID-19 given pneumonia",
    "geographic_extent",
    "opacity",
    "model_sha256",
    "preprocess",
    "elapsed_ms",
    "image_sha256",
    "card_digest",
    "prevalence",
    "evidence_in_lungs",
    "cardiothoracic_ratio",
    "withheld",
];
/// What JSON rows have beside the columns.
const NESTED: [&str; 4] = ["reason_list", "prevalence", "findings", "severity"];
const LABELS: std::ops::Range<usize> = 3..8;
const ELAPSED: usize = 12;
const CONTENT: usize = 13;
const LUNGS: std::ops::Range<usize> = 16..18;

/// What a finished program left.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// The rows of a CSV file on standard output.
    fn rows(&self) -> Vec<Vec<String>> {
        rows(&self.stdout)
    }
}

fn cxr(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
    command.args(arguments).stdin(Stdio::null());
    // Never the configuration and the reviews of the user who runs the tests.
    command.env("CXR_CONFIG", "");
    command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().expect("an exit code, not a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The rows below a header, which must be the documented one.
fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

/// Rows without the one column that differs between runs.
fn without_time(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.iter_mut().for_each(|row| row.truncate(ELAPSED));
    rows
}

/// A folder of images that ends with the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// A path where nothing is: writing over a hard link would change its other names too.
    fn vacant(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        path
    }

    /// A radiograph that passes the input check. A drawing would not pass the learned part of it.
    fn film(&self, name: impl AsRef<Path>) -> PathBuf {
        static FILM: LazyLock<GrayImage> = LazyLock::new(|| {
            let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/clear_1.png");
            imageops::thumbnail(&image::open(sample).unwrap().into_luma8(), 300, 320)
        });
        let path = self.vacant(name);
        FILM.save_with_format(&path, image::ImageFormat::Png)
            .unwrap();
        path
    }

    /// A colour photograph of nothing.
    fn photograph(&self, name: &str) {
        let pixel = |x: u32, y: u32| Rgb([(x % 256) as u8, (y % 256) as u8, (x * y % 256) as u8]);
        RgbImage::from_fn(300, 300, pixel)
            .save(self.vacant(name))
            .unwrap();
    }

    /// An image that ends in the middle.
    fn torn(&self, name: &str) {
        let whole = fs::read(self.film(name)).unwrap();
        fs::write(self.path(name), &whole[..whole.len() / 2]).unwrap();
    }

    /// `f0.png`, `f1.png` and so on: one film under many names, which costs no disk.
    fn films(&self, count: usize) {
        let first = self.film("f0.png");
        for n in 1..count {
            fs::hard_link(&first, self.path(format!("f{n}.png"))).unwrap();
        }
    }

    /// Runs here, so that paths are relative and short.
    fn run(&self, arguments: &[&str]) -> Outcome {
        run(cxr(arguments).current_dir(self.0.path()))
    }
}

#[test]
fn every_image_is_a_row_in_the_order_of_the_walk() {
    let folder = Folder::new();
    folder.film("s/10.png");
    folder.film("s/9.png");
    folder.film("s/b/1.png");
    folder.photograph("s/colour.png");
    folder.torn("s/torn.png");
    fs::write(folder.path("s/notes.txt"), "no image").unwrap();

    let outcome = folder.run(&["predict", "s", "--quiet"]);
    let rows = outcome.rows();
    let column = |n: usize| rows.iter().map(|row| row[n].as_str()).collect::<Vec<_>>();
    assert_eq!(
        column(0),
        [
            "s/9.png",
            "s/10.png",
            "s/b/1.png",
            "s/colour.png",
            "s/torn.png"
        ]
    );
    assert_eq!(column(1), ["ok", "ok", "ok", "refused", "error"]);
    assert_eq!(outcome.code, 1, "an image could not be read");
    assert_eq!(outcome.stderr, "", "--quiet");

    for row in &rows[..3] {
        assert_eq!(row[2], "");
        let scores: Vec<f64> = row[LABELS]
            .iter()
            .map(|score| score.parse().unwrap())
            .collect();
        assert!(
            scores.iter().all(|score| (0.0..=1.0).contains(score)),
            "{scores:?}"
        );
        assert!(
            row[LABELS]
                .iter()
                .all(|score| score.split('.').nth(1).unwrap().len() == 6)
        );
        assert!(
            (scores[2..].iter().sum::<f64>() - 1.0).abs() < 1e-5,
            "{scores:?}"
        );
        assert_eq!(row[10].len(), 64, "a SHA-256");
        assert!(row[ELAPSED].parse::<f64>().unwrap() > 0.0);
    }
    assert_eq!(
        without_time(rows[..1].to_vec())[0][1..],
        without_time(rows[1..2].to_vec())[0][1..]
    );
    let refused = &rows[3];
    assert!(refused[2].contains("colour"), "{refused:?}");
    assert!(refused[LABELS].iter().all(String::is_empty), "{refused:?}");
    assert_eq!(refused[10], rows[0][10]);
    let torn = &rows[4];
    assert!(
        !torn[2].is_empty() && torn[3..].iter().all(String::is_empty),
        "{torn:?}"
    );
}

#[test]
fn it_is_a_success_if_every_image_was_read() {
    let folder = Folder::new();
    folder.film("a.png");
    folder.photograph("colour.png");
    let outcome = folder.run(&["predict", "a.png", "colour.png"]);
    assert_eq!(outcome.code, 0, "refused is read: {}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .starts_with("1 ok, 0 caution, 1 refused, 0 failed; ")
    );
    assert!(
        !outcome.stderr.contains('\x1b'),
        "no bar where there is no terminal"
    );
}

/// A DICOM object that holds no image, in explicit VR little endian.
fn object(class: &str) -> Vec<u8> {
    let element = |group: u16, number: u16, vr: &str, value: &str| {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        let mut element = [group.to_le_bytes(), number.to_le_bytes()].concat();
        element.extend_from_slice(vr.as_bytes());
        element.extend_from_slice(&(value.len() as u16).to_le_bytes());
        [element, value].concat()
    };
    let meta = [
        element(2, 2, "UI", class),
        element(2, 3, "UI", "1.2.3"),
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1"),
    ]
    .concat();
    let mut length = vec![2, 0, 0, 0, b'U', b'L', 4, 0];
    length.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    let mut data_set = element(8, 0x18, "UI", "1.2.3");
    if class != DIRECTORY {
        // A directory says what it is nowhere but in its meta information.
        data_set = [element(8, 0x16, "UI", class), data_set].concat();
    }
    [&[0; 128][..], b"DICM", &length, &meta, &data_set].concat()
}

const DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// As an archive gives it: reports, key objects and presentation states beside the films.
#[test]
fn objects_without_an_image_are_skipped_and_named_and_are_no_errors() {
    let folder = Folder::new();
    folder.film("s/a.png");
    for (name, class) in [
        ("s/IM1", "1.2.840.10008.5.1.4.1.1.88.11"),
        ("s/IM2.dcm", "1.2.840.10008.5.1.4.1.1.88.33"),
        ("s/ko.dcm", "1.2.840.10008.5.1.4.1.1.88.59"),
        ("s/pr.dcm", "1.2.840.10008.5.1.4.1.1.11.1"),
        ("s/rt.dcm", "1.2.840.10008.5.1.4.1.1.481.3"),
        ("s/pdf.dcm", "1.2.840.10008.5.1.4.1.1.104.1"),
        ("s/DICOMDIR", DIRECTORY),
    ] {
        fs::write(folder.path(name), object(class)).unwrap();
    }
    let arguments = ["predict", "s", "-o", "t.csv"];
    let outcome = folder.run(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.starts_with(
            "1 ok, 0 caution, 0 refused, 0 failed, 6 skipped (1 × RT structure set, \
             1 × encapsulated PDF, 1 × key object selection, 1 × presentation state, \
             2 × structured report); "
        ),
        "{}",
        outcome.stderr
    );
    let all = rows(&fs::read_to_string(folder.path("t.csv")).unwrap());
    let skipped: Vec<_> = all.iter().filter(|row| row[1] == "skipped").collect();
    assert_eq!((all.len(), skipped.len()), (7, 6));
    assert!(
        skipped
            .iter()
            .all(|row| row[CONTENT].len() == 64 && row[10].is_empty())
    );
    assert!(
        skipped
            .iter()
            .any(|row| row[0] == "s/ko.dcm" && row[2] == "key object selection")
    );

    // They are known by their rows, and an image that comes in the place of one is read.
    fs::copy(folder.path("s/a.png"), folder.path("s/IM2.dcm")).unwrap();
    let resume = [&arguments[..], &["--resume"]].concat();
    let outcome = folder.run(&resume);
    assert!(
        outcome
            .stderr
            .starts_with("1 ok, 0 caution, 0 refused, 0 failed, 6 kept, 1 read again"),
        "{}",
        outcome.stderr
    );

    // An image that lost its pixels is no such thing.
    let image = object("1.2.840.10008.5.1.4.1.1.1.1");
    fs::write(folder.path("dx.dcm"), image).unwrap();
    let outcome = folder.run(&["predict", "dx.dcm", "s/ko.dcm"]);
    assert_eq!(outcome.code, 1);
    let said: Vec<_> = outcome.rows().iter().map(|row| row[1].clone()).collect();
    assert_eq!(said, ["error", "skipped"]);
}

#[test]
fn impossible_ways_of_computing_are_refused_in_one_line() {
    let folder = Folder::new();
    let adapt = "adapt -m cases.csv -o ours.safetensors --precision bf16 --device cpu";
    for (arguments, words) in [
        ("doctor --device cpu --precision f16", "f16 is for graphics"),
        (
            "doctor --device cpu --engine candle --precision bf16",
            "candle computes in f32 or",
        ),
        (adapt, "cxr adapt computes in f32 only"),
    ] {
        one_line_of_usage(&folder, arguments, words);
    }
    if !cfg!(feature = "cuda") {
        let words = "--device cuda:1: this build cannot use it";
        one_line_of_usage(&folder, "predict . --device cuda:1", words);
    }
}

/// Ends with 2 and one line with these words.
fn one_line_of_usage(folder: &Folder, arguments: &str, words: &str) {
    let outcome = folder.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(outcome.code, 2, "{arguments}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
}

#[test]
fn bad_usage_ends_with_two_and_changes_nothing() {
    let folder = Folder::new();
    let film = folder.film("a.png");
    let bytes = fs::read(&film).unwrap();
    fs::write(folder.path("old.csv"), "yesterday's").unwrap();
    fs::create_dir(folder.path("empty")).unwrap();
    for arguments in [
        &["predict"][..],
        &["predict", "nowhere", "-o", "old.csv", "--force"],
        &["predict", "a.png", "-o", "old.csv"],
        &["predict", "a.png", "-o", "old.csv", "--append"],
        &["predict", "a.png", "-o", "new.txt"],
        &["predict", "a.png", "-o", "new"],
        &["predict", "a.png", "-o", "new.csv", "--append", "--resume"],
        &["predict", "a.png", "--append"],
        &["predict", "a.png", "--format", "xml"],
        &["predict", "a.png", "--jobs", "0"],
        &["predict", "a.png", "--engine", "abacus"],
        &["predict", "a.png", "--resume"],
        &["predict", "a.png", "--resume", "-o", "-"],
        &["predict", "a.png", "--resume", "-o", "/dev/null"],
        &["predict", "a.png", "-o", "no/such/folder.csv"],
        &["predict", "a.png", "-o", "empty"],
        &["predict", "a.png", "--heatmap-label", "Pneumonia"],
        &[
            "predict",
            "a.png",
            "--heatmaps",
            "m",
            "--heatmap-label",
            "Gout",
        ],
        &["predict", ".", "--heatmaps", "m"],
        &["predict", "a.png", "--heatmaps", "old.csv"],
        &["predict", "a.png", "-o", "a.png"],
        &["predict", ".", "-o", "./a.png"],
        &["predict", "empty"],
        &["models", "show", "nobody"],
        &["frobnicate", "--nonsense"],
        // The screen, where there is no terminal.
        &["."],
    ] {
        let outcome = folder.run(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty(), "{arguments:?}");
        assert!(
            !outcome.stderr.contains("panicked"),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(fs::read(&film).unwrap(), bytes);
    assert_eq!(
        fs::read_to_string(folder.path("old.csv")).unwrap(),
        "yesterday's"
    );
    assert!(!folder.path("new.csv").exists());
}

#[test]
fn an_error_is_one_line() {
    let folder = Folder::new();
    let outcome = folder.run(&["predict", "no\u{1b}[31mwhere"]);
    assert_eq!(
        outcome.stderr,
        "cxr: no such file or folder: no\\x1B[31mwhere\n"
    );
}

#[test]
fn a_missing_file_among_others_has_a_row_and_a_message() {
    let folder = Folder::new();
    folder.film("a.png");
    let outcome = folder.run(&["predict", "gone", "a.png", "--quiet"]);
    let rows = outcome.rows();
    assert_eq!(rows[0][..3], ["gone", "error", "no such file or folder"]);
    assert_eq!(rows[1][..2], ["a.png", "ok"]);
    assert_eq!((outcome.code, rows.len()), (1, 2));
    assert_eq!(outcome.stderr, "cxr: gone: no such file or folder\n");
}

#[test]
fn a_loop_of_links_is_reported_and_ends() {
    let folder = Folder::new();
    folder.film("s/a.png");
    symlink("..", folder.path("s/up")).unwrap();
    symlink(".", folder.path("s/here")).unwrap();
    let outcome = folder.run(&["predict", "s"]);
    let found: Vec<_> = outcome
        .rows()
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let expected = [("s/a.png", "ok"), ("s/here", "error")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(found[..2], expected);
    // `up` leads above the root: to a folder that was not walked yet, and through it to itself.
    assert!(found.iter().all(|(path, _)| path.len() < 20), "{found:?}");
    assert_eq!(
        found.iter().filter(|(_, status)| status == "ok").count(),
        1,
        "{found:?}"
    );
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("s/here: link loop, not followed"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_reported_and_the_rest_is_read() {
    let folder = Folder::new();
    folder.film("s/shut/a.png");
    folder.film("s/z.png");
    let shut = folder.path("s/shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&shut).is_ok() {
        skip::skip_on_this_machine("this user may read every folder");
        return;
    }
    let outcome = folder.run(&["predict", "s"]);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
    let rows = outcome.rows();
    assert_eq!(rows[0][..3], ["s/shut", "error", "permission denied"]);
    assert_eq!(rows[1][..2], ["s/z.png", "ok"]);
    assert_eq!(outcome.code, 1);
}

#[test]
fn a_limit_that_is_asked_for_counts() {
    let folder = Folder::new();
    let film = image::open(folder.film("small.png")).unwrap();
    let large = film.resize_exact(1200, 1000, imageops::Triangle);
    large.save(folder.path("large.png")).unwrap();
    let read = folder.run(&["predict", "large.png", "--quiet"]);
    assert_eq!((read.code, read.rows()[0][1].as_str()), (0, "ok"));
    let arguments = ["predict", "large.png", "--quiet", "--max-megapixels", "1"];
    let refused = folder.run(&arguments);
    assert_eq!((refused.code, refused.rows()[0][1].as_str()), (1, "error"));
    assert!(
        refused.rows()[0][2].contains("too large: 1200000 pixels"),
        "{}",
        refused.stdout
    );
}

#[test]
fn json_lines_and_json_hold_the_same_as_csv() {
    let folder = Folder::new();
    folder.film("s/a.png");
    folder.photograph("s/b.png");
    folder.torn("s/c.png");
    let csv = folder.run(&["predict", "s"]).rows();
    let lines = folder.run(&["predict", "s", "--format", "jsonl"]).stdout;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let array = folder.run(&["predict", "s", "--format", "json"]).stdout;
    let array: Vec<Value> = serde_json::from_str(&array).unwrap();
    assert_eq!((csv.len(), lines.len(), array.len()), (3, 3, 3));
    for ((row, line), element) in csv.iter().zip(&lines).zip(&array) {
        for (column, text) in COLUMNS.iter().zip(row).take(ELAPSED) {
            assert_eq!(line[column], element[column]);
            match &line[column] {
                Value::Null => assert_eq!(text, ""),
                Value::Number(number) => {
                    assert_eq!(number.as_f64().unwrap(), text.parse::<f64>().unwrap());
                }
                Value::String(value) => assert_eq!(value, text),
                other => panic!("{column}: {other}"),
            }
        }
    }
    let keys: Map<String, Value> = lines[0].as_object().unwrap().clone();
    // The prevalence is a text in a cell, and an object in JSON.
    assert_eq!(keys.len(), COLUMNS.len() + NESTED.len() - 1);
    let findings = lines[0]["findings"].as_array().unwrap();
    for (column, finding) in COLUMNS[LABELS].iter().zip(findings) {
        assert_eq!(finding["label"], *column);
        assert_eq!(finding["score"], lines[0][column]);
        assert!(finding["logit"].is_f64());
        let says_what_it_assumes = finding["kind"] == "score"
            || finding["prevalence"].is_f64()
            || finding["product"].is_array()
            || finding["question"] == "given-pneumonia";
        assert!(says_what_it_assumes, "{finding}");
    }
    assert_eq!(lines[1]["findings"], Value::Array(vec![]), "refused");
    assert_eq!(
        lines[1]["reason_list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("; "),
        lines[1]["reasons"]
    );
    assert!(NESTED.iter().all(|member| lines[2][member].is_null()));
    assert!(lines[0]["Pneumonia"].is_f64() && lines[0]["elapsed_ms"].is_f64());
    assert!(lines[1]["Pneumonia"].is_null() && lines[2]["elapsed_ms"].is_null());
}

#[test]
fn an_invalid_prevalence_is_refused_with_a_reason_and_changes_nothing() {
    let folder = Folder::new();
    folder.film("a.png");
    for (text, words) in [
        ("Pneumonia", "write LABEL=SHARE"),
        (
            "Influenza=0.1",
            "no such label; the model has Pneumonia, COVID-19",
        ),
        (
            "COVID-19 given pneumonia=0.1",
            "one of the causes given a pneumonia",
        ),
    ] {
        for arguments in [
            &["predict", "a.png", "-o", "t.csv", "--prevalence", text][..],
            &["a.png", "--prevalence", text],
        ] {
            let outcome = folder.run(arguments);
            assert_eq!(outcome.code, 2, "{text}: {}", outcome.stderr);
            let start = format!("cxr: --prevalence {text}: ");
            assert!(outcome.stderr.starts_with(&start), "{}", outcome.stderr);
            assert!(outcome.stderr.contains(words), "{text}: {}", outcome.stderr);
            assert_eq!(outcome.stderr.lines().count(), 1);
        }
    }
    assert!(!folder.path("t.csv").exists());
}

#[test]
fn a_prevalence_is_refused_for_a_score() {
    let folder = Folder::new();
    folder.film("a.png");
    let arguments = ["predict", "a.png", "--prevalence", "Pneumonia=5%"];
    let outcome = folder.run(&arguments);
    assert_eq!(outcome.code, 2);
    let words = "Pneumonia is not calibrated in";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty());
}

#[test]
fn a_prevalence_moves_a_probability() {
    let folder = Folder::new();
    folder.film("a.png");
    write_calibrated(folder.0.path());
    let predict = |prevalence: &str| {
        let always = ["predict", "a.png", "--quiet", "--model", CALIBRATED];
        folder.run(&[&always[..], &["--prevalence", prevalence]].concat())
    };
    for bad in [
        "Pneumonia=0",
        "Pneumonia=1",
        "Pneumonia=NaN",
        "Pneumonia=100%",
    ] {
        let outcome = predict(bad);
        assert_eq!(outcome.code, 2);
        assert!(
            outcome.stderr.contains("neither end included"),
            "{}",
            outcome.stderr
        );
    }
    let odds = |prevalence: &str| {
        let outcome = predict(prevalence);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let p: f64 = outcome.rows()[0][3].parse().unwrap();
        p / (1.0 - p)
    };
    // Odds of 1 against odds of 1/4.
    let ratio = odds("Pneumonia=50%") / odds("Pneumonia=0.2");
    assert!((ratio - 4.0).abs() < 0.01, "{ratio}");
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn rows_under_another_assumption_or_model_are_refused_and_stay() {
    let folder = Folder::new();
    folder.films(3);
    folder.torn("f2.png");
    write_calibrated(folder.0.path());
    let by = format!("--model {CALIBRATED}");
    let at = format!("{by} --prevalence Pneumonia=0.2");
    let ways = [(&at, &by, "Pneumonia=0.2"), (&by, &at, "Pneumonia=0.2")];
    for name in ["t.csv", "t.tsv", "t.jsonl", "t.json"] {
        for (before, now, word) in &ways {
            let first = format!("predict . --force -o {name} {before}");
            assert_eq!(folder.run(&words(first.trim())).code, 1, "one is torn");
            let table = fs::read(folder.path(name)).unwrap();
            for option in ["--resume", "--append"] {
                let again = format!("predict . {option} -o {name} {now}");
                let outcome = folder.run(&words(again.trim()));
                assert_eq!(outcome.code, 2, "{name} {option}: {}", outcome.stderr);
                assert!(
                    outcome
                        .stderr
                        .contains("2 of its 3 rows are not (2 by model "),
                    "{}",
                    outcome.stderr
                );
                assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
                assert_eq!(fs::read(folder.path(name)).unwrap(), table);
            }
        }
    }
    // Another digest, another card, another precision: whose rows they are is said.
    let bundled = ["predict", ".", "-o", "t.csv", "--force"];
    assert_eq!(folder.run(&bundled).code, 1);
    let table = fs::read_to_string(folder.path("t.csv")).unwrap();
    let first = &rows(&table)[0];
    for (own, other) in [
        (first[10].clone(), "0".repeat(64)),
        (format!(",{},", first[11]), format!(",{}+bf16,", first[11])),
        (first[14].clone(), "0123456789abcdef".to_owned()),
    ] {
        let mixed = table.replacen(&own, &other, 1);
        assert_ne!(mixed, table);
        fs::write(folder.path("t.csv"), &mixed).unwrap();
        let outcome = folder.run(&["predict", ".", "-o", "t.csv", "--resume"]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        let other = other.trim_matches(',');
        let said = &other[..other.len().min(12)];
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("1 by model ")
                && outcome.stderr.contains("Nothing was changed"),
            "{}",
            outcome.stderr
        );
        assert_eq!(fs::read_to_string(folder.path("t.csv")).unwrap(), mixed);
    }
}

#[test]
fn the_table_of_a_model_with_other_labels_is_refused_with_whose_it_is() {
    let folder = Folder::new();
    folder.film("a.png");
    let digest = "ab".repeat(32);
    let csv =
        format!("path,status,reasons,Gout,model_sha256,preprocess\na.png,ok,,0.5,{digest},x-1\n");
    let json = format!(
        "{{\"path\":\"a.png\",\"status\":\"ok\",\"Gout\":0.5,\"model_sha256\":\"{digest}\",\"preprocess\":\"x-1\"}}\n"
    );
    for (name, text) in [("t.csv", csv), ("t.jsonl", json)] {
        fs::write(folder.path(name), &text).unwrap();
        for option in ["--resume", "--append"] {
            let outcome = folder.run(&["predict", "a.png", "-o", name, option]);
            assert_eq!(outcome.code, 2, "{}", outcome.stderr);
            assert!(
                outcome.stderr.contains("1 by model abababababab x-1"),
                "{}",
                outcome.stderr
            );
            assert_eq!(fs::read_to_string(folder.path(name)).unwrap(), text);
        }
    }
}

#[test]
fn an_output_file_is_its_owners_and_its_name_tells_the_format() {
    let folder = Folder::new();
    folder.film("a.png");
    fs::write(
        folder.path("t.json"),
        "a longer file that was there before, of another kind",
    )
    .unwrap();
    let outcome = folder.run(&["predict", "a.png", "-o", "t.json"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .contains("t.json: already exists; use --resume"),
        "{}",
        outcome.stderr
    );
    // Nothing is lost with an empty file.
    fs::write(folder.path("empty.csv"), "").unwrap();
    assert_eq!(folder.run(&["predict", "a.png", "-o", "empty.csv"]).code, 0);
    for name in ["t.csv", "t.tsv", "t.jsonl", "t.json"] {
        let outcome = folder.run(&["predict", "a.png", "-o", name, "--force"]);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (0, ""),
            "{}",
            outcome.stderr
        );
        let text = fs::read_to_string(folder.path(name)).unwrap();
        match name {
            "t.csv" => assert_eq!(rows(&text).len(), 1),
            "t.tsv" => assert_eq!(rows(&text.replace('\t', ",")).len(), 1),
            "t.jsonl" => assert!(serde_json::from_str::<Map<String, Value>>(&text).is_ok()),
            _ => assert_eq!(serde_json::from_str::<Vec<Value>>(&text).unwrap().len(), 1),
        }
    }
    let mode = fs::metadata(folder.path("t.csv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(folder.run(&["predict", "a.png", "-o", "-"]).rows().len(), 1);
}

#[test]
fn rows_do_not_depend_on_the_number_of_jobs() {
    let folder = Folder::new();
    folder.films(12);
    folder.torn("f5.png");
    folder.photograph("f7.png");
    let rows = |jobs| without_time(folder.run(&["predict", ".", "--jobs", jobs]).rows());
    let one = rows("1");
    assert_eq!(one.len(), 12);
    assert_eq!(one, rows("4"));
}

#[test]
fn a_table_cut_off_anywhere_is_resumed_to_the_same_table() {
    let folder = Folder::new();
    folder.films(4);
    folder.photograph("f2.png");
    for (name, option) in [
        ("t.csv", "--resume"),
        ("u.csv", "--append"),
        ("t.tsv", "--resume"),
        ("t.jsonl", "--resume"),
        ("t.json", "--resume"),
        ("u.json", "--append"),
    ] {
        assert_eq!(folder.run(&["predict", ".", "-o", name]).code, 0);
        let path = folder.path(name);
        let whole = fs::read(&path).unwrap();
        let lines: Vec<usize> = whole
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'\n')
            .map(|(at, _)| at + 1)
            .collect();
        for cut in [
            0,
            5,
            lines[0],
            lines[1] - 1,
            lines[1],
            lines[2] + 9,
            whole.len() - 1,
            whole.len(),
        ] {
            fs::write(&path, &whole[..cut]).unwrap();
            let outcome = folder.run(&["predict", ".", "-o", name, option]);
            assert_eq!(outcome.code, 0, "{name} cut at {cut}: {}", outcome.stderr);
            let kept = lines
                .iter()
                .rev()
                .find(|end| **end <= cut)
                .copied()
                .unwrap_or(0);
            let now = fs::read(&path).unwrap();
            assert_eq!(now[..kept], whole[..kept], "{name} cut at {cut}");
            assert_eq!(
                timeless(name, &now),
                timeless(name, &whole),
                "{name} cut at {cut}"
            );
        }
    }
}

/// The rows of a file, without the column that differs between runs.
fn timeless(name: &str, bytes: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(bytes).unwrap();
    match name.rsplit('.').next().unwrap() {
        "csv" => return without_time(rows(text)),
        "tsv" => return without_time(rows(&text.replace(',', ";").replace('\t', ","))),
        _ => {}
    }
    let objects: Vec<Map<String, Value>> = match name.ends_with("json") {
        true => serde_json::from_str(text).unwrap(),
        false => text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    };
    let row = |object: &Map<String, Value>| {
        COLUMNS[..ELAPSED]
            .iter()
            .map(|column| object[*column].to_string())
            .collect()
    };
    objects.iter().map(row).collect()
}

#[test]
fn resuming_reads_files_again_that_failed_or_have_changed_and_no_others() {
    let folder = Folder::new();
    folder.films(4);
    folder.torn("f1.png");
    folder.torn("s/f5.png");
    for name in ["t.csv", "t.jsonl", "t.json"] {
        folder.film("f3.png");
        folder.torn("f1.png");
        assert_eq!(folder.run(&["predict", ".", "-o", name]).code, 1);
        let before = timeless(name, &fs::read(folder.path(name)).unwrap());
        // The torn image becomes a whole one, and another comes under the name of the last film.
        folder.film("f1.png");
        folder.photograph("f3.png");

        let files = ["f0.png", "f1.png", "f2.png", "f3.png"];
        let resume = [&["predict"][..], &files, &["-o", name, "--resume"]].concat();
        let outcome = folder.run(&resume);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(
            outcome.stderr.starts_with(
                "1 ok, 0 caution, 1 refused, 0 failed, 3 kept, 1 read again: its file has changed; "
            ),
            "{}",
            outcome.stderr
        );
        let now = timeless(name, &fs::read(folder.path(name)).unwrap());
        let cell = |row: &Vec<String>, at: usize| row[at].trim_matches('"').to_owned();
        let said: Vec<_> = now.iter().map(|row| (cell(row, 0), cell(row, 1))).collect();
        let expected = [
            ("./f0.png", "ok"),
            ("./f2.png", "ok"),
            // It was not asked for, and its row is there yet.
            ("./s/f5.png", "error"),
            ("f1.png", "ok"),
            ("f3.png", "refused"),
        ]
        .map(|(path, status)| (path.to_owned(), status.to_owned()));
        assert_eq!(said, expected, "{name}");
        assert_eq!(now[..2], [before[0].clone(), before[2].clone()]);
        // Again: there is nothing to do.
        let table = fs::read(folder.path(name)).unwrap();
        assert_eq!(folder.run(&resume).code, 0);
        assert_eq!(
            timeless(name, &fs::read(folder.path(name)).unwrap()),
            timeless(name, &table)
        );
    }
    let left: Vec<_> = fs::read_dir(folder.0.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 8, "no draft is left behind: {left:?}");
}

#[test]
fn rows_are_appended_and_none_is_changed() {
    let folder = Folder::new();
    folder.films(4);
    folder.torn("f1.png");
    let append =
        |files: &[&str]| folder.run(&[&["predict", "--append", "-o", "t.csv"], files].concat());
    // As xargs calls it; the third time after a kill in the middle of a row.
    assert_eq!(append(&["f0.png", "f1.png"]).code, 1, "one is torn");
    let first = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert_eq!(append(&["f2.png"]).code, 0);
    let second = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert!(second.starts_with(&first));
    fs::write(folder.path("t.csv"), &second[..second.len() - 20]).unwrap();
    assert_eq!(append(&["f2.png", "f3.png"]).code, 0);
    let table = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert!(table.starts_with(&first));
    let said: Vec<_> = rows(&table)
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let expected = [
        ("f0.png", "ok"),
        ("f1.png", "error"),
        ("f2.png", "ok"),
        ("f3.png", "ok"),
    ]
    .map(|(path, status)| (path.to_owned(), status.to_owned()));
    assert_eq!(said, expected);

    // The same files have rows already, and the row of a file that has changed is out of date.
    assert_eq!(append(&["f0.png", "f3.png"]).code, 0);
    folder.photograph("f3.png");
    let outcome = append(&["f0.png", "f3.png"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("1 files have changed since"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_to_string(folder.path("t.csv")).unwrap(), table);
}

#[test]
fn runs_that_append_to_one_file_wait_for_each_other() {
    let folder = Folder::new();
    folder.films(24);
    let children: Vec<Child> = (0..6)
        .map(|n| {
            let files = (4 * n..4 * n + 4).map(|n| format!("f{n}.png"));
            let mut command = cxr(&["predict", "--append", "-q", "-o", "t.csv"]);
            let command = command.args(files).current_dir(folder.0.path());
            command.stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(folder.path("t.csv")).unwrap();
    let mut paths: Vec<_> = rows(&text).into_iter().map(|row| row[0].clone()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 24);
    assert_eq!(text.lines().count(), 25, "one header");
}

/// The end of a line of CSV without its last columns.
fn cut(line: &str, columns: usize) -> usize {
    line.rmatch_indices(',').nth(columns - 1).unwrap().0
}

/// The last columns are those of the lungs, and what is withheld.
#[test]
fn a_table_without_what_is_measured_by_the_lungs_is_continued() {
    let folder = Folder::new();
    folder.films(2);
    // A healthy film has no evidence for pneumonia.
    let ill = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/pneumonia_1.png");
    fs::copy(ill, folder.path("f2.png")).unwrap();
    for name in ["t.csv", "t.jsonl"] {
        let first = ["predict", "f0.png", "f1.png", "--force", "-o", name];
        assert_eq!(folder.run(&first).code, 0);
        let path = folder.path(name);
        let text = fs::read_to_string(&path).unwrap();
        let earlier = text.lines().map(|line| match name {
            "t.csv" => line[..cut(line, COLUMNS.len() - LUNGS.start)].to_owned() + "\n",
            _ => line[..line.find(",\"evidence_in_lungs\"").unwrap()].to_owned() + "}\n",
        });
        let earlier: String = earlier.collect();
        fs::write(&path, &earlier).unwrap();
        let outcome = folder.run(&["predict", ".", "-o", name, "--resume"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("2 kept"), "{}", outcome.stderr);
        let now = fs::read_to_string(&path).unwrap();
        if name == "t.csv" {
            let rows = rows(&now);
            assert!(rows[0][LUNGS].iter().all(String::is_empty));
            assert!(!rows[0][CONTENT].is_empty());
            assert!(rows[2][LUNGS].iter().all(|cell| !cell.is_empty()), "{now}");
        } else {
            assert!(now.starts_with(&earlier));
        }
    }
}

/// What version 0.1 wrote: no content, no card, and in CSV no prevalence.
#[test]
fn a_table_of_an_earlier_version_is_continued() {
    let folder = Folder::new();
    folder.films(3);
    for name in ["t.csv", "t.jsonl"] {
        for option in ["--resume", "--append"] {
            let first = ["predict", "f0.png", "f1.png", "--force", "-o", name];
            assert_eq!(folder.run(&first).code, 0);
            let path = folder.path(name);
            let text = fs::read_to_string(&path).unwrap();
            let earlier: String = text
                .lines()
                .map(|line| {
                    let end = match name {
                        "t.csv" => cut(line, COLUMNS.len() - CONTENT),
                        _ => line.find(",\"image_sha256\"").unwrap(),
                    };
                    line[..end].to_owned() + if name == "t.csv" { "\n" } else { "}\n" }
                })
                .collect();
            fs::write(&path, &earlier).unwrap();
            let outcome = folder.run(&["predict", ".", "-o", name, option]);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            assert!(
                outcome
                    .stderr
                    .contains("2 rows do not name the content of their files")
                    && outcome.stderr.contains("calibration"),
                "{}",
                outcome.stderr
            );
            let now = fs::read_to_string(&path).unwrap();
            // It can be continued again.
            let again = folder.run(&["predict", ".", "-o", name, option]);
            assert_eq!(again.code, 0, "{name} {option}: {}", again.stderr);
            assert_eq!(fs::read_to_string(&path).unwrap(), now);
            let before = timeless(name, text.as_bytes());
            assert_eq!(timeless(name, now.as_bytes())[..2], before);
            if name == "t.csv" {
                let rows = rows(&now);
                assert_eq!(rows.len(), 3);
                assert!(rows[0][CONTENT..].iter().all(String::is_empty));
                assert_eq!(rows[2][CONTENT].len(), 64);
            } else {
                assert!(now.starts_with(&earlier));
            }
            // A prevalence that may be another one is an error, and not only a message.
            if name == "t.csv" {
                fs::write(&path, &earlier).unwrap();
                write_calibrated(folder.0.path());
                let other = ["--model", CALIBRATED, "--prevalence", "Pneumonia=0.2"];
                let arguments = [&["predict", ".", "-o", name, option][..], &other].concat();
                let outcome = folder.run(&arguments);
                assert_eq!(outcome.code, 2, "{}", outcome.stderr);
                assert!(outcome.stderr.contains("do not say which prevalence"));
                assert_eq!(fs::read_to_string(&path).unwrap(), earlier);
            }
        }
    }
}

/// The new table is written under a name that no other file has.
#[test]
fn other_files_beside_a_table_are_not_written_when_it_is_resumed() {
    let folder = Folder::new();
    folder.film("a.png");
    folder.film("b.png");
    assert_eq!(folder.run(&["predict", ".", "-o", "t.csv"]).code, 0);
    fs::write(folder.path("precious"), "precious").unwrap();
    symlink("precious", folder.path("t.csv.resuming")).unwrap();
    folder.photograph("b.png");
    let outcome = folder.run(&["predict", ".", "-o", "t.csv", "--resume"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("1 read again"),
        "{}",
        outcome.stderr
    );
    let left = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    assert_eq!(left("precious"), "precious");
    assert!(folder.path("t.csv.resuming").is_symlink());
    assert_eq!(rows(&left("t.csv")).len(), 2);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 5);
}

/// The paths of two wards are the same, their films are not.
#[test]
fn a_table_that_was_made_in_another_folder_is_not_continued() {
    let folder = Folder::new();
    folder.film("w1/IM1.png");
    folder.film("w1/IM2.png");
    folder.photograph("w2/IM1.png");
    let run = |ward: &str, arguments: &[&str]| {
        run(cxr(&[&["predict", "."], arguments].concat()).current_dir(folder.path(ward)))
    };
    for name in ["../t.csv", "../t.jsonl"] {
        assert_eq!(run("w1", &["-o", name]).code, 0);
        let path = folder.path("w1").join(name);
        let before = fs::read_to_string(&path).unwrap();
        for option in ["--resume", "--append"] {
            let outcome = run("w2", &["-o", name, option]);
            assert_eq!(outcome.code, 2, "{option}: {}", outcome.stderr);
            assert!(
                outcome.stderr.contains("made in another folder"),
                "{}",
                outcome.stderr
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), before);
        }
    }
    // In its own folder, the row of another file shows that the table belongs there.
    folder.photograph("w1/IM1.png");
    let mut command = cxr(&["predict", "IM1.png", "-o", "../t.csv", "--resume"]);
    let outcome = self::run(command.current_dir(folder.path("w1")));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("1 read again"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_file_has_one_row_however_it_is_spelled_and_a_link_to_it_one_of_its_own() {
    let folder = Folder::new();
    folder.film("study/imgs/a.png");
    symlink("a.png", folder.path("study/imgs/link.png")).unwrap();
    symlink("imgs", folder.path("study/other")).unwrap();
    let study = folder.path("study");
    let predict = |arguments: &[&str]| {
        let outcome = run(cxr(&["predict"]).args(arguments).current_dir(&study));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        fs::read_to_string(study.join("t.csv")).unwrap()
    };
    let first = predict(&["imgs", "-o", "t.csv"]);
    assert_eq!(rows(&first).len(), 2);
    let absolute = study.join("imgs");
    for root in [
        absolute.to_str().unwrap(),
        "../study/imgs",
        "./imgs",
        "other",
    ] {
        for option in ["--append", "--resume"] {
            let now = predict(&[root, "-o", "t.csv", option]);
            assert_eq!(now, first, "{root} {option}");
        }
    }
}

/// As some editors leave a table, or programs that join lines.
#[test]
fn a_whole_last_row_without_a_line_end_is_not_lost_in_silence() {
    let folder = Folder::new();
    folder.films(3);
    for (name, option) in [
        ("t.csv", "--resume"),
        ("t.tsv", "--append"),
        ("t.jsonl", "--resume"),
        ("u.jsonl", "--append"),
    ] {
        assert_eq!(
            folder
                .run(&["predict", "f0.png", "f1.png", "-o", name])
                .code,
            0
        );
        let path = folder.path(name);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, whole.trim_end()).unwrap();
        let outcome = folder.run(&["predict", ".", "-o", name, option]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let now = fs::read_to_string(&path).unwrap();
        let said = timeless(name, now.as_bytes());
        assert_eq!(said.len(), 3, "{name}: {now}");
        let is_said = outcome
            .stderr
            .contains(&format!("{name}: its last row, of f1.png, has no line end"));
        let is_json = name.ends_with("jsonl");
        assert_eq!(is_said, !is_json, "{}", outcome.stderr);
        // An object says itself that it is whole.
        assert_eq!(now.starts_with(&whole), is_json);
    }
}

#[test]
fn a_table_without_a_row_and_a_database_are_told_from_a_table_that_would_be_lost() {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    folder.film("a.png");
    for name in ["t.csv", "t.tsv", "t.json", "t.jsonl"] {
        assert_eq!(folder.run(&["predict", "empty", "-o", name]).code, 2);
        assert!(folder.path(name).exists());
        let outcome = folder.run(&["predict", "a.png", "-o", name]);
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        let whole = fs::read(folder.path(name)).unwrap();
        assert_eq!(timeless(name, &whole).len(), 1);
        let outcome = folder.run(&["predict", "a.png", "-o", name]);
        assert_eq!(outcome.code, 2, "{name}: {}", outcome.stderr);
    }
    // A table of another program stays.
    fs::write(folder.path("x.csv"), "path,verdict\n").unwrap();
    assert_eq!(folder.run(&["predict", "a.png", "-o", "x.csv"]).code, 2);

    let database = b"SQLite format 3\0 and reviews";
    fs::write(folder.path("d.csv"), database).unwrap();
    for option in ["--force", "--resume", "--append", "--quiet"] {
        let outcome = folder.run(&["predict", "a.png", "-o", "d.csv", option]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("that is a database"),
            "{}",
            outcome.stderr
        );
        assert_eq!(fs::read(folder.path("d.csv")).unwrap(), database);
    }
}

#[test]
fn a_table_of_another_program_is_not_resumed_and_not_changed() {
    let folder = Folder::new();
    folder.film("a.png");
    for (name, text) in [
        ("t.csv", "path,label\na.png,1\n"),
        ("t.csv", "no newline"),
        ("t.jsonl", "{\"path\": \"a.png\"}\n"),
        ("t.jsonl", "[\n"),
        ("t.json", "[{\"path\": \"a.png\"}]\n"),
        ("t.json", "{}\n"),
    ] {
        fs::write(folder.path(name), text).unwrap();
        for option in ["--resume", "--append"] {
            let outcome = folder.run(&["predict", "a.png", "-o", name, option]);
            assert_eq!(outcome.code, 2, "{text:?}: {}", outcome.stderr);
            assert!(
                outcome.stderr.contains("cannot be resumed"),
                "{}",
                outcome.stderr
            );
            assert_eq!(fs::read_to_string(folder.path(name)).unwrap(), text);
        }
    }
}

#[test]
fn hostile_names_reach_neither_terminal_nor_spreadsheet_and_still_name_their_files() {
    let folder = Folder::new();
    let names: [&[u8]; 4] = [
        b"=cmd.png",
        b"a\x1b]0;x\x07.png",
        b"b\xff\\.png",
        b"c\n,\"d.png",
    ];
    for name in names {
        folder.film(OsStr::from_bytes(name));
    }
    let outcome = run(cxr(&["predict"])
        .args(names.map(OsStr::from_bytes))
        .arg("gone\x1b[2J")
        .current_dir(folder.0.path()));
    assert!(
        !outcome
            .stdout
            .contains(|c: char| c.is_control() && c != '\n'),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome
            .stderr
            .contains(|c: char| c.is_control() && c != '\n'),
        "{}",
        outcome.stderr
    );
    let paths: Vec<_> = outcome
        .rows()
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(
        paths,
        [
            "./=cmd.png",
            r"a\x1B]0;x\x07.png",
            r"b\xFF\\.png",
            r#"c\x0A,"d.png"#,
            r"gone\x1B[2J",
        ]
    );
    assert!(outcome.rows()[..4].iter().all(|row| row[1] == "ok"));
}

#[test]
fn a_pipe_named_like_an_image_does_not_hold_it_up() {
    let folder = Folder::new();
    folder.film("s/b.png");
    let pipe = folder.path("s/a.png");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let outcome = folder.run(&["predict", "s", "s/a.png"]);
    assert_eq!(outcome.rows()[0][..2], ["s/b.png", "ok"]);
    assert_eq!(outcome.rows()[1][..2], ["s/a.png", "error"]);
}

/// A program that is running, and is not left running.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

/// Starts a batch that takes a while, and waits for its first rows.
fn started(folder: &Folder, output: &str) -> Running {
    let mut command = cxr(&["predict", ".", "--quiet", "-o", output]);
    let child = command
        .current_dir(folder.0.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::read(folder.path(output)).map_or(0, |text| text.split(|b| *b == b'\n').count()) < 5 {
        assert!(Instant::now() < deadline, "no rows within a minute");
        thread::sleep(Duration::from_millis(5));
    }
    running
}

#[test]
fn ctrl_c_leaves_a_valid_table() {
    use rustix::process::Signal;
    let folder = Folder::new();
    folder.films(2_000);
    for (name, signal, code) in [
        ("t.json", Signal::INT, 130),
        ("t.csv", Signal::INT, 130),
        ("t.jsonl", Signal::TERM, 143),
    ] {
        let mut running = started(&folder, name);
        running.signal(signal);
        assert_eq!(running.code(), Some(code), "{name}");
        let text = fs::read_to_string(folder.path(name)).unwrap();
        let count = match name {
            "t.json" => serde_json::from_str::<Vec<Value>>(&text).unwrap().len(),
            "t.csv" => rows(&text).len(),
            _ => timeless(name, text.as_bytes()).len(),
        };
        assert!((3..2_000).contains(&count), "{name}: {count} rows");
    }
}

#[test]
fn two_runs_do_not_write_one_file() {
    let folder = Folder::new();
    folder.films(2_000);
    let _running = started(&folder, "t.csv");
    for (option, words) in [
        ("--quiet", "already exists"),
        ("--force", "is being written by another"),
        ("--resume", "is being written by another"),
    ] {
        let outcome = folder.run(&["predict", ".", "-o", "t.csv", option]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

/// A kill cannot be caught: what is there is whole up to a torn row at most, however often.
#[test]
fn a_table_of_a_run_that_was_killed_again_and_again_is_the_same_in_the_end() {
    let folder = Folder::new();
    folder.films(120);
    folder.torn("f7.png");
    let whole = folder.run(&["predict", ".", "--force", "-o", "whole.csv"]);
    assert_eq!(whole.code, 1);
    let whole = fs::read_to_string(folder.path("whole.csv")).unwrap();
    for (name, option) in [
        ("t.csv", "--resume"),
        ("t.json", "--resume"),
        ("u.csv", "--append"),
    ] {
        let rows_of = |name: &str| {
            fs::read(folder.path(name)).map_or(0, |text| text.split(|b| *b == b'\n').count())
        };
        for _ in 0..4 {
            let before = rows_of(name);
            let child = cxr(&["predict", ".", "-q", option, "-o", name])
                .current_dir(folder.0.path())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut running = Running(child);
            let deadline = Instant::now() + Duration::from_secs(60);
            while rows_of(name) < before + 10 && running.0.try_wait().unwrap().is_none() {
                assert!(Instant::now() < deadline, "no rows within a minute");
                thread::sleep(Duration::from_millis(1));
            }
        }
        let code = folder.run(&["predict", ".", "-q", option, "-o", name]).code;
        assert!(code <= 1, "{code}");
        let sorted = |name: &str, text: &[u8]| {
            let mut rows = timeless(name, text);
            rows.iter_mut().for_each(|row| {
                row.iter_mut().for_each(|cell| {
                    *cell = cell.trim_matches('"').replace("null", "");
                });
                // A number may have other digits in JSON.
                row.truncate(3);
            });
            rows.sort();
            rows
        };
        let now = fs::read(folder.path(name)).unwrap();
        assert_eq!(
            sorted(name, &now),
            sorted("whole.csv", whole.as_bytes()),
            "{name}"
        );
        if name == "t.csv" {
            let mut now = timeless(name, &now);
            let mut all = timeless(name, whole.as_bytes());
            now.sort();
            all.sort();
            assert_eq!(now, all);
        }
    }
}

#[test]
fn a_reader_that_has_had_enough_ends_it_quietly() {
    let folder = Folder::new();
    folder.films(300);
    let mut command = cxr(&["predict", "."]);
    command
        .current_dir(folder.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.starts_with("path,status,reasons,"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A shell's `| true`: nothing reads, not even the header.
#[test]
fn a_reader_that_never_was_ends_it_as_quietly() {
    let folder = Folder::new();
    folder.films(3);
    for arguments in [
        "predict .",
        "predict . -f jsonl",
        "models list",
        "man",
        "doctor",
    ] {
        let mut command = cxr(&words(arguments));
        // Closed before it begins, or else it might have written all meanwhile.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.current_dir(folder.0.path()).stdout(writer);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {said}");
        assert_eq!(said, "", "{arguments}");
    }
}

/// A shell's `>&-`: what is printed would be nowhere.
#[test]
fn a_closed_standard_output_is_an_error() {
    let folder = Folder::new();
    folder.film("a.png");
    for arguments in [
        "predict a.png",
        "predict a.png -f json",
        "models list",
        "man",
    ] {
        let mut shell = Command::new("sh");
        let line = format!("exec \"$0\" {arguments} >&-");
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_cxr")]);
        let outcome = run(shell.env("CXR_CONFIG", "").current_dir(folder.0.path()));
        assert_eq!(outcome.code, 1, "{arguments}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("standard output is closed"),
            "{}",
            outcome.stderr
        );
    }
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "exec \"$0\" predict a.png -o t.csv >&-",
        env!("CARGO_BIN_EXE_cxr"),
    ]);
    let outcome = run(shell.env("CXR_CONFIG", "").current_dir(folder.0.path()));
    assert_eq!(outcome.code, 0, "a file needs none: {}", outcome.stderr);
}

#[test]
fn a_full_disk_is_an_error_with_a_reason() {
    if !Path::new("/dev/full").exists() {
        skip::skip_on_this_machine("this system has no /dev/full");
        return;
    }
    let folder = Folder::new();
    folder.film("a.png");
    let outcome = folder.run(&["predict", "a.png", "-o", "/dev/full"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.starts_with("cxr: writing /dev/full: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn rows_are_there_while_later_images_are_still_read() {
    let folder = Folder::new();
    folder.films(2_000);
    let mut running = started(&folder, "t.csv");
    assert!(
        running.0.try_wait().unwrap().is_none(),
        "still at work, and rows are in the file"
    );
    let text = fs::read_to_string(folder.path("t.csv")).unwrap();
    assert!(text.ends_with('\n'), "whole rows only");
}

#[test]
fn the_models_card_is_shown_with_its_results() {
    let show = run(&mut cxr(&["models", "show"]));
    assert_eq!(show.code, 0, "{}", show.stderr);
    for word in [
        "Pneumonia",
        "COVID-19 given pneumonia",
        "SHA-256",
        "licence",
        "AUC",
        "n = ",
    ] {
        assert!(
            show.stdout.contains(word),
            "{word} is not in\n{}",
            show.stdout
        );
    }
    let list = run(&mut cxr(&["models", "list"]));
    let name = list.stdout.split(' ').next().unwrap();
    assert_eq!(run(&mut cxr(&["models", "show", name])).stdout, show.stdout);
}

#[test]
fn the_doctor_finds_everything_sound() {
    let state = tempfile::tempdir().unwrap();
    let outcome = run(cxr(&["doctor"]).env("XDG_STATE_HOME", state.path()));
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    for word in [
        "device",
        "model",
        "precision f32",
        "AMX tiles",
        "formats",
        "decoder",
        "a process of its own: ",
        "empty environment",
    ] {
        assert!(
            outcome.stdout.contains(word),
            "{word} is not in\n{}",
            outcome.stdout
        );
    }
}

/// Names of the files of a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The `tEXt` chunks of a PNG file.
fn words_in(path: &Path) -> Vec<(String, String)> {
    let file = BufReader::new(fs::File::open(path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    let text = &reader.info().uncompressed_latin1_text;
    text.iter()
        .map(|chunk| (chunk.keyword.clone(), chunk.text.clone()))
        .collect()
}

#[test]
fn heat_maps_are_pictures_of_what_was_scored_and_change_no_score() {
    let folder = Folder::new();
    folder.film("s/a.png");
    folder.film("s/deep/a.png");
    folder.photograph("s/colour.png");
    folder.torn("s/torn.png");
    let bare = folder.run(&["predict", "s", "--quiet"]);
    let arguments = ["predict", "s", "--quiet", "--heatmaps", "maps/new"];
    let outcome = folder.run(&arguments);
    assert_eq!(outcome.code, 1, "one file is torn");
    assert_eq!(without_time(outcome.rows()), without_time(bare.rows()));

    let maps = folder.path("maps/new");
    let first = names(&maps);
    assert_eq!(first.len(), 2, "no scores, no heat map: {first:?}");
    assert!(first.iter().all(|name| name.starts_with("a.png-")));
    let rows = outcome.rows();
    for name in &first {
        let path = maps.join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(
            picture.dimensions(),
            (300, 320),
            "no larger than it is stored"
        );
        let coloured = picture.pixels().filter(|p| p[0].abs_diff(p[2]) > 40);
        assert!(coloured.count() > 1000);
        let mut bare_rows = (0..300).flat_map(|x| (0..8).map(move |y| (x, y)));
        assert!(
            bare_rows.all(|(x, y)| picture[(x, y)][0] == picture[(x, y)][2]),
            "above the square that the model saw"
        );
        let words = words_in(&path);
        let word = |keyword: &str| {
            let found = words.iter().find(|(k, _)| k == keyword);
            found.map(|(_, text)| text.clone()).unwrap_or_default()
        };
        assert_eq!(word("Model-SHA256"), rows[0][10]);
        assert!(COLUMNS[3..5].contains(&word("Label").as_str()), "{words:?}");
        assert!(word("Description").contains("where, not how likely"));
    }

    // Again, and of one label: the same names, which are replaced only where that is asked for.
    let label = [&arguments[..], &["--heatmap-label", "Viral"]].concat();
    let refused = folder.run(&label);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("2 heat maps of these images already exist"),
        "{}",
        refused.stderr
    );
    let other = ["predict", "s/colour.png", "--heatmaps", "maps/new"];
    assert_eq!(folder.run(&other).code, 0, "none of the same name");
    let label = [&label[..], &["--force"]].concat();
    assert_eq!(folder.run(&label).code, 1);
    assert_eq!(names(&maps), first);
    let words = words_in(&maps.join(&first[0]));
    assert!(words.contains(&("Label".to_owned(), "Viral".to_owned())));
}

#[test]
fn a_heat_map_that_cannot_be_written_is_an_error_of_its_row() {
    let folder = Folder::new();
    folder.film("a.png");
    folder.film("b.png");
    // printf %s a.png | sha256sum
    folder.path("m/a.png-7f071235805fbf58.png/in_its_way");
    let outcome = folder.run(&["predict", "a.png", "b.png", "--quiet", "--heatmaps", "m"]);
    let rows = outcome.rows();
    assert_eq!(outcome.code, 1);
    assert_eq!((rows[0][1].as_str(), rows[1][1].as_str()), ("error", "ok"));
    assert!(rows[0][2].contains("heat map"), "{rows:?}");
    assert_eq!(
        names(&folder.path("m/x").with_file_name("")).len(),
        2,
        "no half files"
    );
}

#[test]
fn completions_and_the_manual_name_every_command_but_the_hidden_one() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = run(&mut cxr(&["completions", shell]));
        assert_eq!(outcome.code, 0);
        assert!(outcome.stdout.contains("predict"), "{shell}");
    }
    let manual = run(&mut cxr(&["man"])).stdout;
    assert!(manual.contains(".TH cxr 1"), "{manual}");
    for word in [
        "predict",
        "adapt",
        "doctor",
        "models",
        "completions",
        "resume",
        "graphics",
    ] {
        assert!(manual.contains(word), "{word} is not in the manual");
    }
    assert!(
        !manual.replace('\\', "").contains("decode-worker"),
        "a hidden command is in the manual"
    );
}

#[test]
fn the_samples_are_read_as_their_readme_says() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let outcome = run(cxr(&["predict"]).arg(&samples));
    let rows = outcome.rows();
    let count = |status: &str| rows.iter().filter(|row| row[1] == status).count();
    assert_eq!(
        outcome.code, 1,
        "one sample is truncated: {}",
        outcome.stderr
    );
    assert_eq!(count("error"), 1, "{rows:#?}");
    assert!(
        count("refused") >= 1,
        "one sample is no radiograph: {rows:#?}"
    );
    assert!(count("ok") + count("caution") >= 8, "{rows:#?}");
}

#[test]
fn a_closed_standard_error_is_no_reason_to_fail() {
    let folder = Folder::new();
    folder.film("a.png");
    let mut child = cxr(&["predict", "a.png", "gone"])
        .current_dir(folder.0.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(rows(std::str::from_utf8(&output.stdout).unwrap()).len(), 2);
}

/// Every mistake has a line of its own, before anything is read or written.
#[test]
fn mistakes_in_the_configuration_are_all_reported_with_their_lines() {
    let folder = Folder::new();
    folder.film("a.png");
    let file = folder.path("config.toml");
    fs::write(
        &file,
        "theme = \"drak\"\n\nfoo = 1\n[keys]\nquit = []\nnext = \"n\"\n",
    )
    .unwrap();
    let name = file.to_str().unwrap();
    let expected = [
        format!("cxr: {name}:1: theme is one of auto"),
        format!("cxr: {name}:3: foo: no such key"),
        format!("cxr: {name}:5: keys: quit needs a key"),
        format!("cxr: {name}:6: keys: \"n\" means both next and next-match"),
    ];
    for arguments in [
        &["predict", "a.png", "-o", "t.csv"][..],
        &["."],
        &["doctor"],
        &["config", "--check"],
    ] {
        let mut command = cxr(arguments);
        let outcome = run(command.env("CXR_CONFIG", name).current_dir(folder.0.path()));
        assert_eq!(outcome.code, 2, "{arguments:?}");
        assert_eq!(outcome.stdout, "");
        let lines: Vec<&str> = outcome.stderr.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{}", outcome.stderr);
        for (line, begin) in lines.iter().zip(&expected) {
            assert!(line.starts_with(begin.as_str()), "{line}");
        }
    }
    assert!(!folder.path("t.csv").exists());
}

#[test]
fn a_configuration_can_be_named_left_out_and_looked_for() {
    let folder = Folder::new();
    folder.film("a.png");
    let file = folder.path("config/cxr/config.toml");
    fs::write(&file, "max-megapixels = 0").unwrap();
    let home = |arguments: &[&str]| {
        let mut command = cxr(arguments);
        command.env("XDG_CONFIG_HOME", folder.path("config"));
        command
            .env_remove("CXR_CONFIG")
            .current_dir(folder.0.path());
        command
    };
    let predict = ["predict", "a.png", "-q"];
    assert_eq!(run(&mut home(&predict)).code, 2);
    assert_eq!(run(home(&predict).env("CXR_CONFIG", "")).code, 0);
    assert_eq!(run(home(&predict).arg("--no-config")).code, 0);
    assert_eq!(run(home(&predict).args(["--config", ""])).code, 0);
    let none = run(home(&predict).args(["--config", "gone.toml"]));
    assert_eq!(none.code, 2);
    assert_eq!(none.stderr, "cxr: gone.toml: no such configuration\n");
    let path = run(&mut home(&["config", "--path"]));
    assert_eq!(path.stdout, format!("{}\n", file.display()));
    fs::remove_file(&file).unwrap();
    let check = run(&mut home(&["config", "--check"]));
    assert_eq!(check.code, 0);
    assert!(
        check.stdout.contains("not found; using defaults"),
        "{}",
        check.stdout
    );
}

#[test]
fn the_printed_configuration_is_a_sound_one() {
    let folder = Folder::new();
    let file = folder.path("config.toml");
    let printed = run(&mut cxr(&["config", "--default"]));
    assert_eq!(printed.code, 0);
    fs::write(&file, &printed.stdout).unwrap();
    let check = run(cxr(&["config", "--check"]).arg(&file));
    assert_eq!(check.stdout, format!("{}: ok\n", file.display()));
    for word in ["theme", "max-megapixels", "next-match = [\"n\"]"] {
        assert!(printed.stdout.contains(word), "{word}");
    }
}

/// Command line, environment, configuration, default: the first that says something counts.
#[test]
fn a_limit_of_the_configuration_applies_without_an_option() {
    let folder = Folder::new();
    let file = folder.path("config.toml");
    GrayImage::new(1_500, 1_000)
        .save(folder.path("big.png"))
        .unwrap();
    fs::write(&file, "max-megapixels = 1\n").unwrap();
    let status = |arguments: &[&str], variable: Option<&str>| {
        let mut command = cxr(&["predict", "big.png", "-q", "--config", "config.toml"]);
        command.args(arguments).current_dir(folder.0.path());
        if let Some(value) = variable {
            command.env("CXR_MAX_MEGAPIXELS", value);
        }
        run(&mut command).rows()[0][1].clone()
    };
    assert_eq!(status(&[], None), "error");
    assert_ne!(status(&[], Some("2")), "error");
    assert_ne!(status(&["--max-megapixels", "2"], Some("1")), "error");
    assert_ne!(status(&["--no-config"], None), "error");
}

#[test]
fn the_configuration_chooses_a_model_and_is_named_where_there_is_none() {
    let folder = Folder::new();
    folder.film("a.png");
    let file = folder.path("config.toml");
    let home = |arguments: &[&str]| {
        let mut command = cxr(arguments);
        command
            .args(["--config", "config.toml"])
            .env_remove("CXR_MODEL");
        command.env("XDG_DATA_HOME", folder.path("data"));
        run(command.current_dir(folder.0.path()))
    };
    fs::write(&file, "\nmodel = \"nobody\"\n").unwrap();
    let outcome = home(&["predict", "a.png"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .starts_with("cxr: config.toml:2: model nobody: no such file")
    );
    assert_eq!(home(&["config", "--check"]).code, 2);
    // What needs no model works, and another model can be asked for.
    assert_eq!(home(&["models", "list"]).code, 0);
    assert_eq!(
        home(&["predict", "a.png", "-q", "--model", "cxr-lite0"]).code,
        0
    );
    fs::write(&file, "model = \"cxr-lite0\"\n").unwrap();
    assert_eq!(home(&["predict", "a.png", "-q"]).code, 0);
    assert_eq!(home(&["config", "--check"]).code, 0);
    fs::write(&file, "model = \"./gone.safetensors\"\n").unwrap();
    assert!(
        home(&["predict", "a.png"])
            .stderr
            .contains("gone.safetensors")
    );
}
