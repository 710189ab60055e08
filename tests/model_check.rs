//! `cxr models check`: the numbers and the arrays of another program beside those of a model.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use cxr::domain::Radiograph;
use cxr::imaging::{self, DecodeLimits};
use cxr::inference::Classifier;

const FILM: &str = "clear_1.png";

struct CheckFolder(tempfile::TempDir);

impl CheckFolder {
    fn new() -> Self {
        let folder = CheckFolder(tempfile::tempdir().unwrap());
        fs::copy(sample(), folder.path(FILM)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Standard output and the exit status of a check of the bundled model against a table.
    fn check(&self, table: &str, more: &[&str]) -> (String, i32) {
        fs::write(self.path("reference.csv"), table).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
            .args(["models", "check", "cxr-lite0", "--against", "reference.csv"])
            .args(more)
            .stdin(Stdio::null())
            .env_remove("CXR_MODEL")
            .env("XDG_DATA_HOME", self.path("data"))
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (text, output.status.code().unwrap())
    }

    /// Writes an array as `numpy.save` does.
    fn array(&self, name: &str, shape: &str, values: &[f32]) {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        fs::write(self.path(name), file).unwrap();
    }
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(FILM)
}

fn film() -> Radiograph {
    imaging::open(&sample(), &DecodeLimits::default()).unwrap()
}

/// The output of the bundled model for *Pneumonia*, and its input.
fn own_numbers() -> (f32, Vec<f32>) {
    let model = Classifier::bundled().unwrap();
    let input = model.input(&film()).unwrap();
    let answer = model.raw_answer(input.clone()).unwrap();
    let logit = answer.logits.iter().find(|(label, _)| label == "Pneumonia");
    (logit.unwrap().1, input)
}

#[test]
fn equal_numbers_agree_and_others_differ() {
    let folder = CheckFolder::new();
    let (logit, _) = own_numbers();
    let score = 1.0 / (1.0 + (-logit).exp());
    let (text, code) = folder.check(&format!("path,Pneumonia,site\n{FILM},{score},x\n"), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("clear_1.png: agrees, to "), "{text}");
    assert!(
        text.contains("1 image: 1 agree, 0 differ; largest"),
        "{text}"
    );
    assert!(
        text.contains("neither labels nor steps, and left out: site"),
        "{text}"
    );
    let logits = format!("path,Pneumonia\n{FILM},{logit}\n");
    let (text, code) = folder.check(&logits, &["--logits"]);
    assert_eq!(code, 0, "{text}");
    let wrong = format!("path,Pneumonia\n{FILM},{}\nabsent.png,0.5\n", 1.0 - score);
    let (text, code) = folder.check(&wrong, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("clear_1.png: differs: Pneumonia ") && text.contains(" in the reference"),
        "{text}"
    );
    assert!(text.contains("absent.png: not compared: "), "{text}");
    assert!(
        text.contains("2 images: 0 agree, 1 differ, 1 not compared"),
        "{text}"
    );
}

#[test]
fn a_row_without_a_number_is_not_compared_and_nan_differs() {
    let folder = CheckFolder::new();
    let (text, code) = folder.check(&format!("path,Pneumonia\n{FILM},\n"), &[]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("clear_1.png: not compared: its row has no number")
            && text.contains("1 image: 0 agree, 0 differ, 1 not compared"),
        "{text}"
    );
    let (text, code) = folder.check(&format!("path,Pneumonia\n{FILM},NaN\n"), &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("clear_1.png: differs: Pneumonia "), "{text}");
}

#[test]
fn the_step_at_which_two_programs_part_is_named() {
    let folder = CheckFolder::new();
    let (logit, input) = own_numbers();
    let model = Classifier::bundled().unwrap();
    let steps = model.seen_steps(&film(), &|number| number == 2).unwrap();
    let shape = format!("({}, {})", steps[0].height, steps[0].width);
    let mut resized = steps[0].planes[0].clone();
    folder.array("resized.npy", &shape, &resized);
    folder.array("input.npy", &shape, &input);
    let table =
        |logit: f32| format!("path,Pneumonia,step 2,input\n{FILM},{logit},resized.npy,input.npy\n");
    let (text, code) = folder.check(&table(logit), &["--logits"]);
    assert_eq!(code, 0, "{text}");

    // The network is another one: its input is the same.
    let (text, code) = folder.check(&table(logit + 1.0), &["--logits"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the same until here: step 2, 4\n"), "{text}");
    assert!(
        text.contains("the network gives other numbers too"),
        "{text}"
    );

    // The resize is another one.
    let brightest = resized.iter().copied().fold(0.0, f32::max);
    resized[225] += brightest;
    folder.array("resized.npy", &shape, &resized);
    let (text, code) = folder.check(&table(logit), &["--logits"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(
            "they part at step 2, resize to 224 × 224 by pillow-bilinear: 1 of 50176 values"
        ),
        "{text}"
    );
    assert!(text.contains("row 1, column 1: "), "{text}");

    // It is no array.
    fs::write(folder.path("resized.npy"), "PK").unwrap();
    let (text, code) = folder.check(&table(logit), &["--logits"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("not compared: ") && text.contains("resized.npy: damaged"),
        "{text}"
    );
}

#[test]
fn a_table_without_a_use_is_refused() {
    let folder = CheckFolder::new();
    for (table, words) in [
        (
            "path,Gout\na.png,1\n",
            "reference.csv: no column is called as a label of the model",
        ),
        (
            "path,Pneumonia\na.png,7\n",
            "row 1: Pneumonia is 7, no score: --logits",
        ),
        (
            "path,step 9\na.png,a.npy\n",
            "the steps of the model are 0 to 4",
        ),
    ] {
        let (text, code) = folder.check(table, &[]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(words), "{text}");
    }
}
