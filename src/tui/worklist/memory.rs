//! The memory that a large folder takes. It is measured as the peak of a process, so the test runs itself once
//! more in a process of its own. To see the figures:
//! `cargo test --lib worklist::memory -- --nocapture`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::{EntryState, Sort, Worklist};
use crate::domain::{
    Calibrated, Conformal, Finding, Fingerprint, InputCheck, Issuer, OperatingPoint, Origin,
    Pathology, PatientIdentity, Prediction, PresenceSet, Prevalence, Question, Score, ScoreKind,
    Severity,
};

const FILES: u32 = 100_000;
/// The most bytes per file, with its answer and its patient.
const MAX_BYTES_PER_FILE: u64 = 3_000;
/// Set in the process that measures.
const MEASURES: &str = "CXR_TEST_MEASURES_WORKLIST";

/// An answer as large as those of the bundled model, without activation maps.
fn prediction(n: u32) -> Prediction {
    let score = n as f32 / FILES as f32;
    let finding = |label: &str, question| Finding {
        label: Pathology(label.to_owned()),
        question,
        logit: score,
        score: Score::new(score, ScoreKind::Calibrated).unwrap(),
        operating_point: Some(OperatingPoint(0.5)),
        sensitive_point: Some(OperatingPoint(0.3)),
        calibrated: Some(Calibrated {
            log_odds: 0.1,
            prevalence: Prevalence::new(0.5).unwrap(),
        }),
        conformal: Some(Conformal::Presence(PresenceSet::Either)),
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
            geographic_extent: score,
            opacity: score,
            geographic_extent_error: Some(1.3),
            opacity_error: Some(0.9),
        }),
        input: InputCheck::Caution(vec!["darker than the images it was trained on".to_owned()]),
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

/// The peak of this process's memory in bytes: `VmHWM` of proc(5).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[test]
fn a_hundred_thousand_files_with_answers_and_patients_fit() {
    let Some(before) = peak() else {
        return crate::skip::skip_on_this_machine("this system has no /proc/self/status");
    };
    if std::env::var_os(MEASURES).is_some() {
        return measure(before);
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = format!("{module}::a_hundred_thousand_files_with_answers_and_patients_fit");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(MEASURES, "1")
        .output()
        .unwrap();
    let figures = String::from_utf8_lossy(&output.stdout);
    println!("{figures}");
    let has_measured = output.status.success() && figures.contains("1 passed");
    assert!(has_measured, "{output:?}");
}

/// Builds the list in this process. `before` is the peak of its memory so far.
fn measure(before: u64) {
    let mut list = Worklist::default();
    list.add(
        (0..FILES).map(|n| -> Arc<Path> {
            Path::new(&format!("/archive/2020/ward3/IM-{n:06}.dcm")).into()
        }),
    );
    let found = peak().unwrap();
    for n in 0..FILES {
        let origin = Origin {
            patient: PatientIdentity {
                id: Some(format!("MRN-{:07}", n / 3)),
                issuer: Issuer {
                    local: Some("HOSPITAL".to_owned()),
                    universal: None,
                },
                name: Some(Fingerprint(u64::from(n) / 3)),
                birth_date: Some(Fingerprint(u64::from(n) / 3)),
                sex: None,
            },
            study: Some(format!("1.2.840.113619.2.{n:040}")),
            taken: Some("2020-03-01T10:20:30".to_owned()),
        };
        list.record_unread(n, EntryState::Read(Box::new(prediction(n))));
        list.set_origin_at(n, origin);
    }
    let read = peak().unwrap();
    list.set_sort(Sort::Patient);
    list.set_sort(Sort::Score("COVID-19".into()));
    let sorted = peak().unwrap();
    let mebibytes = |bytes: u64| (bytes - before) >> 20;
    println!(
        "{FILES} files: {} MiB; with answers and patients: {} MiB; sorted: {} MiB",
        mebibytes(found),
        mebibytes(read),
        mebibytes(sorted)
    );
    assert_eq!(list.read(), FILES as usize);
    assert!((sorted - before) / u64::from(FILES) < MAX_BYTES_PER_FILE);
}
