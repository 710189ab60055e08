//! `tools/gpu_check.sh` goes through on a machine with a card and on one without: every step has its lines in the
//! table, and what needs a card says that there is none.

#![cfg(target_os = "linux")]

mod skip;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const STEPS: [&str; 11] = [
    "carry", "start", "card", "probe", "absent", "weights", "logits", "speed", "pytorch", "films",
    "taken",
];
/// The steps of which nothing can be measured without a card.
const OF_A_CARD: [&str; 4] = ["weights", "speed", "pytorch", "taken"];
const STATES: [&str; 3] = ["ok", "measured", "skipped"];
const NO_CARD: &str = "no card";
const FILMS: [&str; 3] = ["clear_1.png", "not_an_xray.png", "pneumonia_1.png"];

/// A line of the table.
#[derive(Debug)]
struct CheckRow {
    step: String,
    case: String,
    /// `ok`, `measured`, `skipped` or `failed`.
    state: String,
    words: String,
}

impl CheckRow {
    fn of(record: &csv::StringRecord) -> Self {
        let cell = |index: usize| record[index].to_owned();
        let result = cell(2);
        let (state, words) = result.split_once(": ").unwrap_or((&result, ""));
        CheckRow {
            step: cell(0),
            case: cell(1),
            state: state.to_owned(),
            words: words.to_owned(),
        }
    }
}

/// The lines of a step.
fn of<'a>(rows: &'a [CheckRow], step: &'a str) -> impl Iterator<Item = &'a CheckRow> {
    rows.iter().filter(move |row| row.step == step)
}

fn has_new_bash() -> bool {
    let says = ["-c", "((BASH_VERSINFO[0] >= 5))"];
    let bash = Command::new("bash").args(says).status();
    bash.is_ok_and(|status| status.success())
}

/// The script over `films`, with `out` for its table.
fn check(films: &Path, out: &Path) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new("bash")
        .arg(root.join("tools/gpu_check.sh"))
        .args(["--quick", "--films", "4", env!("CARGO_BIN_EXE_cxr")])
        .args([films, out])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_check_of_a_card_goes_through_with_and_without_one() {
    if !has_new_bash() {
        return skip::skip("no bash of version 5");
    }
    let folder = tempfile::tempdir().unwrap();
    let (films, out) = (folder.path().join("films"), folder.path().join("out"));
    fs::create_dir(&films).unwrap();
    for name in FILMS {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        fs::copy(sample.join(name), films.join(name)).unwrap();
    }
    let output = check(&films, &out);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");

    let mut table = csv::Reader::from_path(out.join("table.csv")).unwrap();
    let columns = ["step", "case", "result", "seconds"];
    assert_eq!(table.headers().unwrap(), &columns[..]);
    let rows: Vec<CheckRow> = table
        .records()
        .map(|record| CheckRow::of(&record.unwrap()))
        .collect();
    for step in STEPS {
        assert!(of(&rows, step).next().is_some(), "{step}: {said}");
    }
    for row in &rows {
        assert!(STATES.contains(&row.state.as_str()), "{row:?}");
    }
    let text = fs::read_to_string(out.join("table.txt")).unwrap();
    assert_eq!(text.lines().count(), 1 + rows.len(), "{text}");
    assert_eq!(text, String::from_utf8_lossy(&output.stdout));

    let card = of(&rows, "card").next().unwrap();
    if card.state == "ok" {
        return;
    }
    assert!(card.words.starts_with(NO_CARD), "{card:?}");
    for row in OF_A_CARD.iter().flat_map(|step| of(&rows, step)) {
        assert_eq!(row.state, "skipped", "{row:?}");
        assert_eq!(row.words, NO_CARD, "{row:?}");
    }
    // What the CPU can do was done.
    for row in of(&rows, "logits").chain(of(&rows, "films")) {
        let needs_card = row.case.contains("the card");
        assert_eq!(row.state == "skipped", needs_card, "{row:?}");
    }
    assert!(of(&rows, "absent").all(|row| row.state == "ok"), "{said}");
    let compared = of(&rows, "logits").filter(|row| row.state == "ok");
    assert_eq!(compared.count(), 4, "{said}");
}

#[test]
fn an_earlier_result_is_not_replaced() {
    if !has_new_bash() {
        return skip::skip("no bash of version 5");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.txt"), "earlier").unwrap();
    let output = check(folder.path(), folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.ends_with("is not empty\n"), "{said}");
}
