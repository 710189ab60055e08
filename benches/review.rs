//! The speed of the review store: verdicts per second of eight processes that write to one file, where each process
//! syncs a verdict to the disk before the next; and the export of 100,000 rows.
//!
//! `cargo bench --bench review`. `CXR_BENCH_FOLDER` names a folder on the disk to measure; the default is the
//! temporary folder. Prints medians of three. This is a measurement, not a test: no limit can fail.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use cxr::domain::{
    Act, Finding, ImageIdentity, InputCheck, OperatingPoint, Opinion, OpinionChange, Pathology,
    Prediction, Question, Review, Score, ScoreKind, Seen, Severity, Uids, Verdict,
};
use cxr::store::{ReviewEntry, Store};

const WRITERS: usize = 8;
const SECONDS: u64 = 5;
const ROWS: usize = 100_000;
const ROUNDS: usize = 3;
const STORE: &str = "CXR_BENCH_STORE";
const WRITER: &str = "CXR_BENCH_WRITER";

fn main() {
    if let (Some(store), Ok(writer)) = (std::env::var_os(STORE), std::env::var(WRITER)) {
        return write(Path::new(&store), &writer);
    }
    let base = std::env::var_os("CXR_BENCH_FOLDER");
    let base = base.map_or_else(std::env::temp_dir, PathBuf::from);
    writing(&base);
    exporting(&base);
}

fn writing(base: &Path) {
    for writers in [1, WRITERS] {
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| rate(base, writers)).collect();
        rates.sort_by(f64::total_cmp);
        println!(
            "{writers} writing processes: {:.0} verdicts a second together ({:.0} to {:.0})",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1]
        );
    }
}

fn rate(base: &Path, writers: usize) -> f64 {
    let folder = tempfile::tempdir_in(base).expect("a folder");
    let path = folder.path().join("reviews.sqlite");
    drop(Store::open(&path).expect("a store"));
    let start = |n| -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(STORE, &path).env(WRITER, format!("reader {n}"));
        command.stdout(Stdio::null());
        command.spawn().expect("a writer")
    };
    let mut children: Vec<Child> = (0..writers).map(start).collect();
    for child in &mut children {
        assert!(child.wait().expect("its end").success());
    }
    let audit = Store::open(&path).and_then(|store| store.verify());
    let audit = audit.expect("the log");
    assert!(audit.faults.is_empty());
    audit.rows as f64 / SECONDS as f64
}

/// Runs in each of the processes: appends verdicts until the time is over.
fn write(path: &Path, writer: &str) {
    let mut store = Store::open(path).expect("the store");
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut number = 0;
    while Instant::now() < end {
        store.append(&entry(writer, number)).expect("a verdict");
        number += 1;
    }
}

/// Fills the store in shared memory if there is any, because syncing costs nothing there.
fn exporting(base: &Path) {
    let shared = Path::new("/dev/shm");
    let quick = if shared.is_dir() { shared } else { base };
    let folder = tempfile::tempdir_in(quick).expect("a folder");
    let path = folder.path().join("reviews.sqlite");
    let mut store = Store::open(&path).expect("a store");
    for number in 0..ROWS {
        store.append(&entry("reader", number)).expect("a verdict");
    }
    drop(store);
    let disk = tempfile::tempdir_in(base).expect("a folder");
    let store = disk.path().join("reviews.sqlite");
    std::fs::copy(&path, &store).expect("a copy");
    for format in ["csv", "jsonl"] {
        let out = disk.path().join(format);
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| export(&store, format, &out)).collect();
        times.sort_unstable();
        let size = std::fs::metadata(&out).map_or(0, |file| file.len());
        println!(
            "export of {ROWS} rows as {format}: {:.2} s ({:.2} to {:.2}), {} MiB",
            times[ROUNDS / 2].as_secs_f64(),
            times[0].as_secs_f64(),
            times[ROUNDS - 1].as_secs_f64(),
            size >> 20
        );
    }
}

fn export(store: &Path, format: &str, out: &Path) -> Duration {
    let _ = std::fs::remove_file(out);
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cxr"));
    command.args(["export", "--all", "--format", format, "-o"]);
    command.arg(out).arg("--store").arg(store);
    assert!(command.status().expect("cxr").success());
    begun.elapsed()
}

/// An entry as the screen writes it, with an answer like that of the bundled model.
fn entry(writer: &str, number: usize) -> ReviewEntry {
    ReviewEntry {
        token: format!("{writer}-{number}"),
        image: ImageIdentity {
            sha256: format!("{number:064x}"),
            path: PathBuf::from(format!("/archive/ward{}/{number}.dcm", number % 20)),
            uids: Uids::default(),
            patient_id: Some((number / 3).to_string()),
        },
        review: Review {
            reviewer: writer.to_owned(),
            at: SystemTime::now(),
            act: Act::Judged,
            change: OpinionChange::to(&Opinion {
                verdict: Some(Verdict::Agree),
                note: "blunted left angle, as before".to_owned(),
                ..Opinion::default()
            }),
            seen: Seen {
                prediction: Some(prediction()),
                window: Some((2048.0, 4096.0)),
                zoom: 1.0,
                ..Seen::default()
            },
        },
        prediction: Some(prediction()),
    }
}

fn prediction() -> Prediction {
    let finding = |label: &str, question| Finding {
        label: Pathology(label.to_owned()),
        question,
        logit: -0.731_058,
        score: Score::new(0.325_001, ScoreKind::Calibrated).expect("a score"),
        operating_point: Some(OperatingPoint(0.5)),
        sensitive_point: None,
        calibrated: None,
        conformal: None,
        factors: None,
    };
    Prediction {
        content: Default::default(),
        findings: vec![
            finding("Pneumonia", Question::Presence),
            finding("COVID-19", Question::Presence),
            finding("Bacterial given pneumonia", Question::GivenPneumonia),
            finding("Viral given pneumonia", Question::GivenPneumonia),
            finding("COVID-19 given pneumonia", Question::GivenPneumonia),
        ],
        severity: Some(Severity {
            geographic_extent: 3.1,
            opacity: 2.2,
            geographic_extent_error: Some(1.3),
            opacity_error: Some(0.9),
        }),
        input: InputCheck::Accepted,
        model_sha256: "3f9a1cde".repeat(8),
        preprocess: "cxr-1".to_owned(),
        elapsed_ms: 31.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}
