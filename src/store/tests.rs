use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::place::path_from;
use super::schema::{MIGRATIONS, migrate};
use super::*;
use crate::domain::hex::hex;
use crate::domain::{
    Act, BlindedReading, Calibrated, Finding, Fingerprint, InputCheck, Issuer, Mark,
    OperatingPoint, OpinionChange, Origin, Pathology, PatientIdentity, Prevalence, Prognosis,
    PrognosisEvidence, Question, Score, ScoreKind, Seen, Severity, Uids, Verdict,
};

mod files;
mod log;
mod predictions;

/// The review by `ann` of the image number `n`.
pub fn entry(n: u64, verdict: &str) -> ReviewEntry {
    ReviewEntry {
        token: format!("{n}-{verdict}"),
        image: ImageIdentity {
            sha256: format!("{n:064x}"),
            path: format!("/x/ward/{n}.png").into(),
            uids: Uids {
                study: Some("1.2.3".into()),
                ..Uids::default()
            },
            patient_id: Some("P7".into()),
        },
        review: Review {
            reviewer: "ann".into(),
            at: UNIX_EPOCH + Duration::from_millis(1_769_860_800_123 + n),
            act: Act::Judged,
            change: OpinionChange::to(&Opinion {
                verdict: from_word::<StoredVerdict>(verdict).map(Into::into),
                ..Opinion::default()
            }),
            seen: Seen {
                prediction: Some(prediction()),
                window: Some((2048.0, 4096.0)),
                ..Seen::default()
            },
        },
        prediction: Some(prediction()),
    }
}

/// One outcome with a score, and one whose evidence bears none.
pub fn prognoses() -> Vec<Prognosis> {
    let intensive_care = Prognosis {
        outcome: "admission to intensive care".into(),
        score: Score::new(0.4, ScoreKind::Sigmoid),
        evidence: PrognosisEvidence {
            on: "hannover, within AP".into(),
            auc: 0.75,
            interval: (0.6, 0.875),
            control_auc: 0.55,
            n: 72,
            patients: 40,
        },
    };
    let intubation = Prognosis {
        outcome: "intubation".into(),
        score: None,
        evidence: PrognosisEvidence {
            on: "ieee8023".into(),
            auc: 0.58,
            interval: (0.44, 0.71),
            control_auc: 0.57,
            n: 32,
            patients: 16,
        },
    };
    vec![intensive_care, intubation]
}

pub fn prediction() -> Prediction {
    Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology("COVID-19".into()),
            question: Question::Presence,
            logit: 0.1,
            score: Score::new(0.3, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(0.25)),
            sensitive_point: None,
            calibrated: Some(Calibrated {
                log_odds: 0.0,
                prevalence: Prevalence::new(0.05).unwrap(),
            }),
            conformal: None,
            factors: None,
        }],
        severity: Some(Severity {
            geographic_extent: 3.1,
            opacity: 2.2,
            geographic_extent_error: Some(1.0),
            opacity_error: Some(1.0),
        }),
        input: InputCheck::Caution(vec!["dark".into()]),
        model_sha256: "ab".into(),
        preprocess: "cxr-1".into(),
        elapsed_ms: 11.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

fn new_store() -> (tempfile::TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/cxr/reviews.sqlite");
    let store = Store::open(&path).unwrap();
    (folder, path, store)
}

fn words(store: &Store) -> Vec<LastWord> {
    let mut all = Vec::new();
    let done: Result<(), ()> = store
        .last_words(&[], |word| {
            all.push(word);
            Ok(())
        })
        .unwrap();
    done.unwrap();
    all
}

/// The faults after a change with an SQLite shell and without the triggers.
fn tampered(path: &Path, sql: &str) -> Vec<ChainFault> {
    let connection = Connection::open(path).unwrap();
    for trigger in ["edited", "deleted", "replaced"] {
        let drop = format!("DROP TRIGGER review_is_not_{trigger}");
        connection.execute_batch(&drop).unwrap();
    }
    connection.execute_batch(sql).unwrap();
    Store::open_read_only(path)
        .unwrap()
        .verify()
        .unwrap()
        .faults
}
