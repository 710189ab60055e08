//! Sharded runs as a script meets them: parts, merge, what is missing, and runs that are killed.

#[path = "../imaging_files/mod.rs"]
mod imaging_files;
#[path = "../parquet_files/mod.rs"]
mod parquet_files;
#[path = "../skip/mod.rs"]
mod skip;

mod columns;
mod kills;
mod large;
mod lists;
mod refusals;
mod studies;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{Mode, OFlags, open};

/// The column that differs from run to run.
const ELAPSED: &str = "elapsed_ms";

/// A folder with an archive of films, in which cxr is run.
struct Archive(tempfile::TempDir);

impl Archive {
    /// Films, of which some are no images, in folders.
    fn new(films: usize) -> Self {
        let archive = Archive(tempfile::tempdir().unwrap());
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        for number in 0..films {
            let name = format!("archive/w{}/IM {number}.png", number % 3);
            let to = archive.at(&name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if number % 7 == 6 {
                fs::write(&to, "no image").unwrap();
            } else {
                let sample = ["clear_1.png", "clear_3.png", "not_an_xray.png"][number % 3];
                fs::copy(samples.join(sample), &to).unwrap();
            }
        }
        archive
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env("CXR_CONFIG", "")
            .env("XDG_STATE_HOME", self.at("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Scores a shard.
    fn shard(&self, shard: &str, output: &str) -> Outcome {
        let arguments = [
            "predict", "archive", "--shard", shard, "-o", output, "--quiet",
        ];
        self.run(&[&arguments[..], &["--resume"]].concat())
    }

    /// Scores all shards into `parts/K.ENDING`.
    fn shards(&self, of: usize, ending: &str) -> Vec<String> {
        fs::create_dir_all(self.at("parts")).unwrap();
        (1..=of)
            .map(|number| {
                let part = format!("parts/{number}.{ending}");
                let outcome = self.shard(&format!("{number}/{of}"), &part);
                assert!(outcome.code < 2, "{}", outcome.stderr);
                part
            })
            .collect()
    }

    fn merge(&self, parts: &[String], more: &[&str]) -> Outcome {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.run(&[&["merge"], &parts[..], more].concat())
    }

    /// The lines of a table without the time that a film took.
    fn rows(&self, table: &str) -> Vec<Vec<String>> {
        let mut reader = csv::Reader::from_path(self.at(table)).unwrap();
        let head = reader.headers().unwrap().clone();
        let elapsed = head.iter().position(|name| name == ELAPSED).unwrap();
        reader
            .records()
            .map(|row| {
                let row = row.unwrap();
                let cells = row.iter().enumerate().filter(|(at, _)| *at != elapsed);
                cells.map(|(_, cell)| cell.to_owned()).collect()
            })
            .collect()
    }

    /// The names in a folder. What a killed process may leave is none of them where a file needs a name from the start.
    fn files(&self, folder: &str) -> Vec<String> {
        let place = self.at(folder);
        let nameless = open(&place, OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR).is_ok();
        let entries = fs::read_dir(place).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| nameless || !name.ends_with(".part"));
        names.sort();
        names
    }
}

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Outcome {
            code: output.status.code().expect("an exit code, not a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn merged_parts_are_the_table_of_one_run() {
    let archive = Archive::new(15);
    let whole = archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    assert_eq!(whole.code, 1, "some files are no images");
    let parts = archive.shards(4, "csv");
    assert_eq!(archive.files("parts"), ["1.csv", "2.csv", "3.csv", "4.csv"]);
    let merged = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!((merged.code, &*merged.stdout), (0, ""), "{}", merged.stderr);
    assert!(
        merged.stderr.contains("15 rows of 4 parts"),
        "{}",
        merged.stderr
    );
    assert_eq!(archive.rows("all.csv"), archive.rows("whole.csv"));
    let mode = fs::metadata(archive.at("all.csv")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    // The order in which parts are named means nothing; that of rows can be chosen.
    let turned: Vec<String> = parts.iter().rev().cloned().collect();
    assert_eq!(archive.merge(&turned, &["-o", "turned.csv"]).code, 0);
    assert_eq!(archive.rows("turned.csv"), archive.rows("whole.csv"));
    let sorted = archive.merge(&parts, &["-o", "s.csv", "--sort", "Pneumonia", "--reverse"]);
    assert_eq!(sorted.code, 0, "{}", sorted.stderr);
    let scores: Vec<Option<f64>> = archive
        .rows("s.csv")
        .iter()
        .map(|row| row[3].parse().ok())
        .collect();
    let known = scores.iter().flatten().count();
    assert!(known > 5 && known < scores.len());
    assert!(
        scores[..known].iter().all(Option::is_some),
        "empty ones last"
    );
    assert!(scores[..known].is_sorted_by(|a, b| a >= b), "{scores:?}");

    // It is a table like any other.
    let resumed = archive.run(&["predict", "archive", "-o", "all.csv", "--resume"]);
    assert!(resumed.stderr.contains("13 kept"), "{}", resumed.stderr);
}

#[test]
fn parts_in_json_lines_make_a_table_in_every_format() {
    let archive = Archive::new(8);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    let parts = archive.shards(3, "jsonl");
    for output in ["all.jsonl", "all.json", "all.csv"] {
        let merged = archive.merge(&parts, &["-o", output, "--quiet"]);
        assert_eq!((merged.code, &*merged.stderr), (0, ""));
    }
    let array = fs::read_to_string(archive.at("all.json")).unwrap();
    let array: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
    assert_eq!(array.len(), 8);
    let lines = fs::read_to_string(archive.at("all.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 8);
    assert!(!lines.contains("cxr_part"));
    for (found, expected) in archive
        .rows("all.csv")
        .iter()
        .zip(archive.rows("whole.csv"))
    {
        for (found, expected) in found.iter().zip(&expected) {
            match (found.parse::<f64>(), expected.parse::<f64>()) {
                (Ok(found), Ok(expected)) => assert!((found - expected).abs() < 1e-6),
                _ => assert_eq!(found, expected),
            }
        }
    }
    let parts = archive.shards(3, "csv");
    let refused = archive.merge(&parts, &["-o", "b.jsonl"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("only parts in .jsonl"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_shard_may_have_no_image_and_an_engine_may_say_which_it_is() {
    let archive = Archive::new(2);
    fs::create_dir(archive.at("parts")).unwrap();
    for index in 0..5 {
        let part = format!("parts/{index}.csv");
        let arguments = ["predict", "archive", "--shard", "auto/5", "-o", &part];
        let mut command = archive.command(&arguments);
        command.env("JOB_COMPLETION_INDEX", index.to_string());
        assert_eq!(Outcome::of(command.output().unwrap()).code, 0);
    }
    let parts: Vec<String> = (0..5).map(|index| format!("parts/{index}.csv")).collect();
    assert_eq!(archive.merge(&parts, &["-o", "all.csv"]).code, 0);
    assert_eq!(archive.rows("all.csv").len(), 2);
}

#[test]
fn a_whole_part_is_continued_and_finds_what_has_changed() {
    let archive = Archive::new(8);
    let part = "part.csv";
    archive.shard("1/1", part);
    let before = archive.rows_of_part(part);
    assert_eq!(before.len(), 8);
    fs::copy(
        archive.at("archive/w1/IM 1.png"),
        archive.at("archive/w0/IM 3.png"),
    )
    .unwrap();
    let outcome = archive.shard("1/1", part);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert_eq!(archive.rows_of_part(part).len(), 8);
    assert!(!archive.at("part.csv.partial").exists());
    // The new row is the last of the part, and at its place in the table.
    let merged = archive.merge(&[part.to_owned()], &["-o", "all.csv"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    archive.run(&["predict", "archive", "-o", "whole.csv", "--quiet"]);
    assert_eq!(archive.rows("all.csv"), archive.rows("whole.csv"));
    assert_ne!(archive.rows_of_part(part), archive.rows("whole.csv"));
}

impl Archive {
    /// The rows of a part, without its end.
    fn rows_of_part(&self, part: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.at(part)).unwrap();
        let end = text.find("#cxr-part ").expect("a part has an end");
        fs::write(self.at("rows.csv"), &text[..end]).unwrap();
        self.rows("rows.csv")
    }
}

#[test]
fn the_version_is_for_programs_too() {
    let archive = Archive::new(0);
    for arguments in [["--version", "--json"], ["--json", "--version"]] {
        let outcome = archive.run(&arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let said: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(said["version"], env!("CARGO_PKG_VERSION"));
        let digest = said["models"][0]["sha256"].as_str().unwrap();
        assert_eq!(digest.len(), 64);
        assert!(said["features"].is_array());
        assert!(said.get("commit").is_some());
    }
    let plain = archive.run(&["--version"]);
    assert_eq!(plain.stdout, format!("cxr {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(archive.run(&["--json"]).code, 2);
}
