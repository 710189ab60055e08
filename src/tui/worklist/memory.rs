//! What a large folder takes. A process has one peak, so that this is run alone:
//! `cargo test --lib worklist::memory -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;

use super::{EntryState, Sort, Worklist};
use crate::domain::{
    Calibrated, Conformal, Finding, Fingerprint, InputCheck, Issuer, OperatingPoint, Origin,
    Pathology, PatientIdentity, Prediction, PresenceSet, Prevalence, Question, Score, ScoreKind,
    Severity,
};

const FILES: u32 = 100_000;
/// Bytes a file, with its answer and its patient.
const MOST: u64 = 3_000;

/// As much as the bundled model says, of an image without a heat map.
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
    }
}

/// `VmHWM` of proc(5), in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[test]
#[ignore = "alone in its process"]
fn a_hundred_thousand_files_with_answers_and_patients_fit() {
    let Some(before) = peak() else {
        return println!("skipped: no /proc/self/status here");
    };
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
    assert!((sorted - before) / u64::from(FILES) < MOST);
}
