//! `cxr agreement` as a user runs it, on blinded readings that the library wrote.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use cxr::domain::{
    Act, BlindedReading, Call, Finding, Fingerprint, ImageIdentity, InputCheck, OperatingPoint,
    Opinion, OpinionChange, Origin, Pathology, PatientIdentity, Prediction, Question, ReadingMode,
    Review, Score, ScoreKind, Seen, Uids,
};
use cxr::store::{ReviewEntry, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[path = "agreement/sittings.rs"]
mod sittings;

const LABEL: &str = "Pneumonia";
const MODEL: &str = "ab";

fn prediction(positive: bool) -> Prediction {
    Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology(LABEL.into()),
            question: Question::Presence,
            logit: 0.5,
            score: Score::new(if positive { 0.8 } else { 0.2 }, ScoreKind::Calibrated).unwrap(),
            operating_point: Some(OperatingPoint(0.5)),
            sensitive_point: None,
            calibrated: None,
            conformal: None,
            factors: None,
        }],
        severity: None,
        input: InputCheck::Accepted,
        model_sha256: MODEL.into(),
        preprocess: "cxr-1".into(),
        elapsed_ms: 3.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

fn sha256(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn call(present: bool, milliseconds: u64) -> Call {
    Call {
        present: present.then(|| LABEL.to_owned()).into_iter().collect(),
        took: Duration::from_millis(milliseconds),
        ..Call::default()
    }
}

/// Ten positive and ten negative images. Ann misses three positive ones, and finds two of them with the model's
/// help.
struct Study {
    folder: tempfile::TempDir,
    store: PathBuf,
}

impl Study {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir(base.join("ward3")).unwrap();
        let store = base.join("reviews.sqlite");
        let mut log = Store::open(&store).unwrap();
        let mut manifest = "filename,finding,patientid\n".to_owned();
        for n in 0..20 {
            let (ill, unaided, aided) = match n {
                0..7 => (true, true, None),
                7..9 => (true, false, Some(call(true, 900))),
                9 => (true, false, None),
                _ => (false, false, None),
            };
            let name = format!("ward3/{n}.png");
            fs::write(base.join(&name), n.to_string()).unwrap();
            let finding = if ill { "Pneumonia" } else { "No Finding" };
            manifest += &format!("{name},{finding},p{n}\n");
            // The model has no answer for the last image.
            let said = (n < 19).then(|| prediction(n < 9));
            log.append(&ReviewEntry {
                token: n.to_string(),
                image: ImageIdentity {
                    sha256: sha256(&n.to_string()),
                    path: base.join(&name),
                    uids: Uids::default(),
                    patient_id: None,
                },
                review: Review {
                    reviewer: "ann".into(),
                    at: SystemTime::now(),
                    act: Act::Called,
                    change: OpinionChange::to(&Opinion {
                        blinded: Some(BlindedReading {
                            asked: vec![LABEL.into()],
                            unaided: Some(call(unaided, 2_000 + 100 * n)),
                            aided,
                            model_sha256: MODEL.into(),
                            seed: Some(7),
                            position: n as usize + 1,
                            ..BlindedReading::default()
                        }),
                        ..Opinion::default()
                    }),
                    seen: Seen::default(),
                },
                prediction: said,
            })
            .unwrap();
        }
        fs::write(base.join("cases.csv"), manifest).unwrap();
        Study { folder, store }
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cxr"))
            .arg(command)
            .args(arguments)
            .arg("--store")
            .arg(&self.store)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}

#[test]
fn a_reader_is_compared_with_the_model_and_the_reference_standard() {
    let study = Study::new();
    let output = study.run(
        "agreement",
        &["ward3", "-m", "cases.csv", "--format", "json"],
    );
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["reviewers"]["ann"]["median_unaided_ms"], 2950);
    assert_eq!(report["reviewers"]["ann"]["median_aided_ms"], 900);
    let found = &report["comparisons"][0];
    for (name, expected) in [
        ("images", 20),
        ("patients", 20),
        ("with_model", 19),
        ("with_truth", 20),
        ("positives", 10),
        ("changed", 2),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    let figure = |statistic: &str, subject: &str| {
        let mut all = found["figures"].as_array().unwrap().iter();
        all.find(|f| f["statistic"] == statistic && f["subject"] == subject)
            .unwrap()
            .clone()
    };
    for (statistic, subject, value, n) in [
        ("sensitivity", "unaided", 0.7, 10),
        ("sensitivity", "aided", 0.9, 10),
        ("sensitivity", "model", 0.9, 10),
        ("specificity", "model", 1.0, 9),
        ("agreement_with_model", "unaided", 17.0 / 19.0, 19),
        ("kappa_with_model", "aided", 1.0, 19),
        ("kappa_with_truth", "aided", 0.9, 20),
    ] {
        let found = figure(statistic, subject);
        let close = (found["value"].as_f64().unwrap() - value).abs() < 1e-12;
        assert!(close && found["n"] == n, "{statistic} {subject}: {found}");
    }

    let text = study.run("agreement", &["ward3", "-m", "cases.csv"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("sensitivity (10)") && text.contains("0.70 ("),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 130),
        "{text}"
    );
}

/// Bob reads the same images. He misses two of the positive ones and finds one of these with the model's help.
fn bob_reads_too(study: &Study) {
    let mut log = Store::open(&study.store).unwrap();
    let base = study.folder.path().canonicalize().unwrap();
    for n in 0..20 {
        log.append(&ReviewEntry {
            token: format!("bob {n}"),
            image: ImageIdentity {
                sha256: sha256(&n.to_string()),
                path: base.join(format!("ward3/{n}.png")),
                uids: Uids::default(),
                patient_id: None,
            },
            review: Review {
                reviewer: "bob".into(),
                at: SystemTime::now(),
                act: Act::Called,
                change: OpinionChange::to(&Opinion {
                    blinded: Some(BlindedReading {
                        asked: vec![LABEL.into()],
                        unaided: Some(call(n < 8 || n == 15, 1_500)),
                        aided: (n == 8).then(|| call(true, 700)),
                        model_sha256: MODEL.into(),
                        seed: Some(7),
                        position: n as usize + 1,
                        ..BlindedReading::default()
                    }),
                    ..Opinion::default()
                }),
                seen: Seen::default(),
            },
            prediction: (n < 19).then(|| prediction(n < 9)),
        })
        .unwrap();
    }
}

#[test]
fn all_readers_together_come_first() {
    let study = Study::new();
    bob_reads_too(&study);
    let output = study.run("agreement", &["-m", "cases.csv", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = &report["studies"][0];
    for (name, expected) in [
        ("readers", 2),
        ("readings", 40),
        ("images", 20),
        ("positives", 10),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    let sensitivity = &found["comparisons"][0];
    // Unaided 0.7 and 0.8, aided 0.9 and 0.9.
    for (what, expected) in [("aided", 0.9), ("unaided", 0.75), ("difference", 0.15)] {
        let value = sensitivity[what]["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-12, "{what} {value}");
    }
    let p = sensitivity["difference"]["p"].as_f64().unwrap();
    assert!(p > 0.0 && p < 1.0, "{p}");
    let specificity = &found["comparisons"][1];
    assert_eq!(specificity["difference"]["undefined"], "nothing varies");
    let times = &report["reading_time"];
    let words = "in the sequential design the answer comes after the unaided call";
    assert_eq!(
        (&times["comparison"]["undefined"], &times["sequential"]),
        (&words.into(), &40.into())
    );
    let changes = &found["changes"];
    assert_eq!(
        (&changes["all"]["helped"], &changes["all"]["misled"]),
        (&3.into(), &0.into())
    );
    assert_eq!(changes["no_answer"]["right_both"], 2);

    let text = study.run("agreement", &["-m", "cases.csv"]);
    let text = String::from_utf8(text.stdout).unwrap();
    let first = "Pneumonia · all readers: 2 readers, 40 readings of 20 images";
    assert!(text.starts_with(first), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 130),
        "{text}"
    );
}

#[test]
fn imrmc_gets_its_file() {
    let study = Study::new();
    bob_reads_too(&study);
    let run = |more: &[&str]| {
        study.run(
            "agreement",
            &[&["-m", "cases.csv", "--imrmc"][..], more].concat(),
        )
    };
    let first = run(&["calls.imrmc"]);
    assert!(first.status.success());
    let said = String::from_utf8(first.stderr).unwrap();
    assert!(said.contains("calls.imrmc: calls, 1 or 0"), "{said}");
    let file = study.folder.path().join("calls.imrmc");
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("NR: 2\nN0: 10\nN1: 10\nNM: 2\n"),
        "{written}"
    );
    let has_names = written.contains("ward3") || written.contains(".png");
    assert!(!has_names, "{written}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // It is not replaced, and without a reference standard there is none.
    let again = run(&["calls.imrmc"]);
    assert_eq!(again.status.code(), Some(2));
    let error = String::from_utf8(again.stderr).unwrap();
    let names_it = error.contains("--imrmc calls.imrmc: already exists");
    assert!(names_it && error.lines().count() == 1, "{error}");
    assert!(run(&["calls.imrmc", "--force"]).status.success());
    assert_eq!(
        study
            .run("agreement", &["--imrmc", "other.imrmc"])
            .status
            .code(),
        Some(2)
    );
    let other = study.folder.path().join("none.csv");
    fs::write(other, "filename,finding\nother.png,Pneumonia\n").unwrap();
    let none = study.run("agreement", &["-m", "none.csv", "--imrmc", "none.imrmc"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(!study.folder.path().join("none.imrmc").exists());
}

#[test]
fn without_a_reference_standard_readers_are_compared_with_the_model_only() {
    let study = Study::new();
    let output = study.run("agreement", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Cohen's κ with the model (19)"), "{text}");
    assert!(!text.contains("sensitivity"), "{text}");
}

#[test]
fn a_table_has_both_calls_and_their_times() {
    let study = Study::new();
    let output = study.run("export", &["--all"]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let at = header.iter().position(|column| column == name).unwrap();
        rows[row][at].to_owned()
    };
    let row = (0..20)
        .find(|row| cell(*row, "path").ends_with("/8.png"))
        .unwrap();
    let cells = [
        "unaided_call",
        "unaided_ms",
        "aided_call",
        "aided_ms",
        "order_seed",
        "order_position",
    ];
    assert_eq!(
        cells.map(|name| cell(row, name)),
        ["none", "2800", "Pneumonia", "900", "7", "9"]
    );
    assert!(study.run("export", &["--verify"]).status.success());
}

#[test]
fn a_folder_without_blinded_readings_is_an_error() {
    let study = Study::new();
    fs::create_dir(study.folder.path().join("ward4")).unwrap();
    let output = study.run("agreement", &["ward4"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("no blinded readings") && error.lines().count() == 1,
        "{error}"
    );
}

/// Two files change names together with the manifest's rows, so that path and row fit each other as
/// before: the reference follows the content.
#[test]
fn a_reference_follows_its_image_and_not_its_name() {
    let study = Study::new();
    let sensitivity = || {
        let output = study.run("agreement", &["-m", "cases.csv", "--format", "json"]);
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let figures = report["comparisons"][0]["figures"]
            .as_array()
            .unwrap()
            .clone();
        let mut all = figures.into_iter();
        let found = all.find(|f| f["statistic"] == "sensitivity" && f["subject"] == "unaided");
        let found = found.unwrap()["value"].as_f64().unwrap();
        (found, String::from_utf8(output.stderr).unwrap())
    };
    let (before, complaint) = sensitivity();
    assert!(
        (before - 0.7).abs() < 1e-12 && complaint.is_empty(),
        "{complaint}"
    );
    let ward = study.folder.path().join("ward3");
    for (ill, well) in (0..10).zip(10..20) {
        let [ill, well] = [ill, well].map(|n| ward.join(format!("{n}.png")));
        let aside = ward.join("aside");
        fs::rename(&ill, &aside).unwrap();
        fs::rename(&well, &ill).unwrap();
        fs::rename(&aside, &well).unwrap();
    }
    let rows = (0..20).map(|n| {
        let finding = if n >= 10 { "Pneumonia" } else { "No Finding" };
        format!("ward3/{n}.png,{finding},p{n}\n")
    });
    let manifest = format!("filename,finding,patientid\n{}", rows.collect::<String>());
    fs::write(study.folder.path().join("cases.csv"), manifest).unwrap();
    let (after, complaint) = sensitivity();
    assert!((after - before).abs() < 1e-12, "{after}");
    let lines: Vec<_> = complaint.lines().collect();
    assert_eq!(lines.len(), 20, "{complaint}");
    assert!(
        lines[0].contains("another file is there now"),
        "{complaint}"
    );
}

/// A wrong `--root` leaves no reading with a case; files that were moved away since do not.
#[test]
fn a_manifest_of_no_image_that_was_read_is_refused_or_named() {
    let study = Study::new();
    let base = study.folder.path();
    let run = |root: &str| {
        let output = study.run("agreement", &["-m", "cases.csv", "--root", root]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), stderr)
    };
    let (code, stderr) = run("elsewhere");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("none of the 20 files of the manifest is there"),
        "{stderr}"
    );
    fs::create_dir_all(base.join("elsewhere/ward3")).unwrap();
    fs::write(base.join("elsewhere/ward3/3.png"), "another film").unwrap();
    let (code, stderr) = run("elsewhere");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("cases.csv: none of its 20 images was read"),
        "{stderr}"
    );
    fs::remove_dir_all(base.join("ward3")).unwrap();
    let (code, stderr) = run(base.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("found by the path alone") && !stderr.contains("none of its"),
        "{stderr}"
    );
}

/// The model gives no number for the label, since the last image is unlike those that it was learned from.
#[test]
fn an_image_without_a_number_is_no_answer_and_is_named() {
    let study = Study::new();
    let image = ImageIdentity {
        sha256: sha256("19"),
        path: study
            .folder
            .path()
            .canonicalize()
            .unwrap()
            .join("ward3/19.png"),
        uids: Uids::default(),
        patient_id: None,
    };
    let unlike = Prediction {
        findings: Vec::new(),
        withheld: vec![Pathology(LABEL.into())],
        ..prediction(false)
    };
    let mut log = Store::open(&study.store).unwrap();
    log.keep(&image, &unlike).unwrap();
    drop(log);
    let output = study.run("agreement", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let words =
        "Pneumonia: the model has no answer for 1 image, unlike those that it was learned from: ";
    let line = text.lines().find(|line| line.starts_with(words));
    assert!(
        line.is_some_and(|line| line.ends_with("/ward3/19.png")),
        "{text}"
    );
    assert!(
        text.contains("20 images of 20 patients, 19 with an answer"),
        "{text}"
    );
    let output = study.run("agreement", &["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = report["without_answer"][LABEL].as_array().unwrap();
    assert_eq!(images.len(), 1);
    assert!(images[0].as_str().unwrap().ends_with("/ward3/19.png"));
}

/// The prediction cache can be changed without a trace.
#[test]
fn the_model_s_answer_is_the_one_in_the_log() {
    let study = Study::new();
    let page = || {
        let output = study.run("agreement", &[]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let before = page();
    assert!(!before.contains("prediction cache"), "{before}");
    let connection = rusqlite::Connection::open(&study.store).unwrap();
    let sql = "UPDATE prediction SET answer = replace(answer, 'true', 'false')";
    assert!(connection.execute(sql, []).unwrap() > 0);
    assert!(study.run("export", &["--verify"]).status.success());
    assert_eq!(page(), before);

    // The last image was read before the model had an answer; the cache has one since.
    let path = study
        .folder
        .path()
        .canonicalize()
        .unwrap()
        .join("ward3/19.png");
    let image = ImageIdentity {
        sha256: sha256("19"),
        path,
        uids: Uids::default(),
        patient_id: None,
    };
    let mut log = Store::open(&study.store).unwrap();
    log.keep(&image, &prediction(false)).unwrap();
    drop(log);
    let after = page();
    assert!(
        after.contains("For 1 of the readings the log lacks"),
        "{after}"
    );

    let older = "DROP TRIGGER review_is_not_edited;
        UPDATE review SET calls = json_remove(calls, '$.answer')";
    connection.execute_batch(older).unwrap();
    let output = study.run("agreement", &[]);
    assert_eq!(output.status.code(), Some(1), "the log was edited");
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("row 1 was edited") && error.contains("no figures"),
        "{error}"
    );
}

/// Two patients with the identifier `ANON` have two images each.
#[test]
fn two_patients_with_one_identifier_are_two_patients_of_the_bootstrap() {
    let study = Study::new();
    let mut log = Store::open(&study.store).unwrap();
    for n in 0..4 {
        let image = ImageIdentity {
            sha256: sha256(&n.to_string()),
            path: study.folder.path().join(format!("ward3/{n}.png")),
            uids: Uids {
                study: Some(format!("1.2.{n}")),
                ..Uids::default()
            },
            patient_id: Some("ANON".into()),
        };
        let person = Some(Fingerprint(n / 2));
        let origin = Origin {
            patient: PatientIdentity {
                id: image.patient_id.clone(),
                name: person,
                birth_date: person,
                ..PatientIdentity::default()
            },
            study: image.uids.study.clone(),
            taken: None,
        };
        log.cache_prediction(&image, &origin, &prediction(true), "b")
            .unwrap();
    }
    drop(log);
    let page = |arguments: &[&str]| {
        let output = study.run("agreement", arguments);
        String::from_utf8(output.stdout).unwrap()
    };
    let text = page(&[]);
    assert!(text.contains("20 images of 18 patients"), "{text}");
    assert!(text.contains("16 of 20 images have no patient"), "{text}");
    // A manifest without patients changes nothing of that, and one that names the first image only speaks for the second, too,
    // which is of the same person.
    let manifest = study.folder.path().join("cases.csv");
    let rows = |patient: &str| {
        let finding = |n| if n < 10 { "Pneumonia" } else { "No Finding" };
        let row = |n| format!("ward3/{n}.png,{}{patient}\n", finding(n));
        (1..20).map(row).collect::<String>()
    };
    let table = format!("filename,finding\nward3/0.png,Pneumonia\n{}", rows(""));
    fs::write(&manifest, table).unwrap();
    let text = page(&["-m", "cases.csv"]);
    assert!(text.contains("20 images of 18 patients"), "{text}");
    assert!(text.contains("16 of 20 images have no patient"), "{text}");
    let table = format!(
        "filename,finding,patientid\nward3/0.png,Pneumonia,first\n{}",
        rows(",")
    );
    fs::write(&manifest, table).unwrap();
    let text = page(&["-m", "cases.csv"]);
    assert!(text.contains("20 images of 18 patients"), "{text}");
    // With a patient for each image there is nothing to say.
    let table = format!(
        "filename,finding,patientid\nward3/0.png,Pneumonia,first\n{}",
        rows(",second")
    );
    fs::write(&manifest, table).unwrap();
    let text = page(&["-m", "cases.csv"]);
    assert!(text.contains("20 images of 2 patients"), "{text}");
    assert!(!text.contains("have no patient"), "{text}");
}

/// A verdict before the first call shows that the answer was seen: the image is left out of all figures.
#[test]
fn an_image_whose_answer_was_seen_before_is_left_out_and_counted() {
    let study = Study::new();
    let mut log = Store::open(&study.store).unwrap();
    let image = ImageIdentity {
        sha256: format!("{:064x}", 99),
        path: study.store.with_file_name("ward3").join("99.png"),
        uids: Uids::default(),
        patient_id: None,
    };
    let mut record = |token: &str, opinion: &Opinion, act, seen: Option<Prediction>| {
        let review = Review {
            reviewer: "ann".into(),
            at: SystemTime::now(),
            act,
            change: OpinionChange::to(opinion),
            seen: Seen {
                prediction: seen,
                ..Seen::default()
            },
        };
        let entry = ReviewEntry {
            token: token.into(),
            image: image.clone(),
            review,
            prediction: Some(prediction(true)),
        };
        log.append(&entry).unwrap();
    };
    let judged = Opinion {
        verdict: Some(cxr::domain::Verdict::Agree),
        ..Opinion::default()
    };
    record("before", &judged, Act::Judged, Some(prediction(true)));
    let called = Opinion {
        blinded: Some(BlindedReading {
            asked: vec![LABEL.into()],
            unaided: Some(call(true, 1)),
            ..BlindedReading::default()
        }),
        ..judged
    };
    record("call", &called, Act::Called, None);
    let output = study.run("agreement", &["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["reviewers"]["ann"]["answer_seen_before"], 1);
    assert_eq!(report["reviewers"]["ann"]["median_unaided_ms"], 2950);
    assert_eq!(report["comparisons"][0]["images"], 20);
    let text = String::from_utf8(study.run("agreement", &[]).stdout).unwrap();
    assert!(text.contains("1 image left out, whose answer was seen before"));
    let table = study.run("export", &["--all"]);
    let mut reader = csv::Reader::from_reader(table.stdout.as_slice());
    let header = reader.headers().unwrap().clone();
    let at = header.iter().position(|name| name == "answer_seen_before");
    let cells = reader
        .records()
        .map(|row| row.unwrap()[at.unwrap()].to_owned());
    assert_eq!(cells.filter(|cell| cell == "1").count(), 1);
}

/// Every page names the end of the log, so that a rewritten log is noticed later.
#[test]
fn the_page_and_the_json_name_the_head_of_the_log() {
    let study = Study::new();
    let verified = study.run("export", &["--verify"]);
    let verified = String::from_utf8(verified.stdout).unwrap();
    let head = verified.trim().rsplit(' ').next().unwrap();
    assert_eq!(head.len(), 64);
    let page = String::from_utf8(study.run("agreement", &[]).stdout).unwrap();
    assert!(
        page.contains(&format!("Log: 20 reviews, head {head}.")),
        "{page}"
    );
    let json = study.run("agreement", &["--format", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["log"]["head"], head);
    assert_eq!(json["log"]["study_events"], Value::Null);
}

#[test]
fn the_table_has_every_reading_in_csv_and_parquet() {
    let study = Study::new();
    bob_reads_too(&study);
    let base = study.folder.path();
    let manifest = base.join("cases.csv");
    for name in ["readings.csv", "readings.parquet"] {
        let table = base.join(name);
        let arguments = [
            "-m",
            manifest.to_str().unwrap(),
            "--table",
            table.to_str().unwrap(),
        ];
        let written = study.run("agreement", &arguments);
        assert!(
            written.status.success(),
            "{}",
            String::from_utf8_lossy(&written.stderr)
        );
        let bytes = fs::read(&table).unwrap();
        if name.ends_with("parquet") {
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        } else {
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let header = reader.headers().unwrap().clone();
            let place = |wanted: &str| header.iter().position(|name| name == wanted).unwrap();
            let (reference, model) = (place("reference"), place("model"));
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 40);
            assert!(rows.iter().all(|row| ["0", "1"].contains(&&row[reference])));
            assert_eq!(rows.iter().filter(|row| row[model].is_empty()).count(), 2);
        }
        // Nothing is replaced without --force, and no input even with it.
        let cases = fs::read(&manifest).unwrap();
        let over = ["-m", arguments[1], "--table", arguments[1], "--force"];
        let refused = study.run("agreement", &over);
        let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(reason.contains("would be lost"), "{reason}");
        assert_eq!(fs::read(&manifest).unwrap(), cases);
        let again = study.run("agreement", &arguments);
        assert_eq!(again.status.code(), Some(2));
        assert_eq!(fs::read(&table).unwrap(), bytes);
    }
}

/// Bob read two films of a study. Cy read one of them before the study began, in the same store and of his own accord.
#[test]
fn the_results_of_a_study_are_of_its_own_readings() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let mut cases = "path,sha256,excluded\n".to_owned();
    for n in 0..2 {
        fs::write(base.join(format!("{n}.png")), n.to_string()).unwrap();
        cases += &format!("{n}.png,{},\n", sha256(&n.to_string()));
    }
    fs::write(base.join("study.cases.csv"), &cases).unwrap();
    let plan = format!(
        "format = 1\nname = \"pilot\"\ndesign = \"unaided\"\nseed = 7\nquestions = [\"{LABEL}\"]\n\
         readers = [\"bob\", \"cy\"]\nmodel_sha256 = \"{}\"\nstore = \"study.sqlite\"\n\
         [cases]\nfile = \"study.cases.csv\"\nsha256 = \"{}\"\n",
        "ab".repeat(32),
        sha256(&cases),
    );
    fs::write(base.join("study.toml"), &plan).unwrap();
    let mut log = Store::open(&base.join("study.sqlite")).unwrap();
    for (token, reader, n, study) in [
        ("early", "cy", 0, None),
        ("first", "bob", 0, Some(sha256(&plan))),
        ("second", "bob", 1, Some(sha256(&plan))),
    ] {
        log.append(&ReviewEntry {
            token: token.into(),
            image: ImageIdentity {
                sha256: sha256(&n.to_string()),
                path: base.join(format!("{n}.png")),
                uids: Uids::default(),
                patient_id: None,
            },
            review: Review {
                reviewer: reader.into(),
                at: SystemTime::now(),
                act: Act::Called,
                change: OpinionChange::to(&Opinion {
                    blinded: Some(BlindedReading {
                        mode: ReadingMode::Unaided,
                        asked: vec![LABEL.into()],
                        unaided: Some(call(n == 0, 2_000)),
                        model_sha256: MODEL.into(),
                        study,
                        ..BlindedReading::default()
                    }),
                    ..Opinion::default()
                }),
                seen: Seen::default(),
            },
            prediction: None,
        })
        .unwrap();
    }
    drop(log);
    let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(["agreement", "--study", "study.toml", "--format", "json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["readings"], 2);
    assert_eq!(report["studies"][0]["readers"], 1);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 blinded reading in the store is"), "{said}");
}

fn size(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(["study", "size"])
        .args(arguments)
        .env("CXR_CONFIG", "")
        .output()
        .unwrap()
}

fn size_page(arguments: &[&str]) -> String {
    let found = size(arguments);
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    String::from_utf8(found.stdout).unwrap()
}

/// The published components: 6 readers and 251 cases have a power of 0.80 for the difference that the study found.
#[test]
fn the_size_of_a_study_is_that_of_its_components() {
    let published = [
        "power",
        "--difference",
        "0.0438003",
        "--published",
        "van-dyke",
    ];
    let table = [&published[..], &["--readers", "5,6", "--cases", "114,251"]].concat();
    let page = size_page(&table);
    let row = |readers: &str| {
        let mut rows = page
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.first() == Some(&readers)).unwrap()
    };
    assert_eq!(&row("5")[1..2], ["0.51"]);
    assert_eq!(&row("6")[2..4], ["0.80", "251"]);

    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("power.svg");
    let plot = plot.to_str().unwrap();
    size_page(&[&published[..], &["-o", plot]].concat());
    assert!(fs::read_to_string(plot).unwrap().contains("15 readers"));
    let again = size(&[&published[..], &["-o", plot]].concat());
    assert_eq!(again.status.code(), Some(2));

    let precision = size_page(&[
        "precision",
        "--share",
        "0.9",
        "--half-width",
        "0.05",
        "--class-share",
        "0.25",
    ]);
    assert!(
        precision.contains("0.05") && precision.lines().count() == 3,
        "{precision}"
    );
    let validation = size_page(&[
        "validation",
        "--prevalence",
        "0.2",
        "--c-statistic",
        "0.8",
        "--predictor-mean",
        "-1.75",
        "--predictor-deviation",
        "1.2",
    ]);
    assert!(validation.contains("all of them: "), "{validation}");
}

/// A pilot's own report plans the next study; what it cannot plan has a reason.
#[test]
fn a_pilot_plans_the_next_study() {
    let study = Study::new();
    bob_reads_too(&study);
    let manifest = study.folder.path().join("cases.csv");
    let report = study.run(
        "agreement",
        &["-m", manifest.to_str().unwrap(), "--format", "json"],
    );
    let pilot = study.folder.path().join("pilot.json");
    fs::write(&pilot, &report.stdout).unwrap();
    let asked = [
        "power",
        "--difference",
        "0.1",
        "--pilot",
        pilot.to_str().unwrap(),
    ];
    let page = size_page(&asked);
    assert!(
        page.contains("of 10 positive cases") && page.contains("positive cases for 80 %"),
        "{page}"
    );
    // Half of the pilot's images are positive: twice as many have to be read.
    let in_all = "  in all    100 cases     200 cases ";
    assert!(page.contains(in_all), "{page}");
    assert!(
        page.contains("if 50 % are positive, as in the pilot (10 of 20)"),
        "{page}"
    );
    assert!(
        page.lines().all(|line| line.chars().count() <= 130),
        "{page}"
    );
    for (more, words) in [
        (&["--figure", "auc"][..], "it has no AUC"),
        (&["--question", "Scoliosis"], "one of its questions: "),
        (&["--power", "2"], "--power 2"),
        (&["--difference", "0"], "cannot be used multiple times"),
    ] {
        let refused = size(&[&asked[..], more].concat());
        assert_eq!(refused.status.code(), Some(2), "{more:?}");
        let line = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(line.contains(words), "{line}");
    }
    let none = size(&["power", "--difference", "0.1"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("components of variance are needed"));
    let zero = size(&["power", "--difference", "0", "--published", "van-dyke"]);
    assert!(String::from_utf8_lossy(&zero.stderr).contains("an assumption is outside its range"));
}
