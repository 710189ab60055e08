//! `cxr export` as a user runs it, on stores that the library wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use cxr::domain::{
    Act, BlindedReading, Finding, ImageIdentity, InputCheck, Issuer, LungMeasures, Opinion,
    OpinionChange, Origin, Pathology, PatientIdentity, Prediction, Question, Review, Score,
    ScoreKind, Seen, Uids, Verdict,
};
use cxr::store::{ReviewEntry, Store};

/// The documented columns, in this order.
const COLUMNS: [&str; 31] = [
    "path",
    "image_sha256",
    "study_uid",
    "series_uid",
    "sop_uid",
    "reviewer",
    "verdict",
    "disagreed_label",
    "key_image",
    "note",
    "first_at",
    "last_at",
    "entries",
    "unaided_call",
    "unaided_ms",
    "aided_call",
    "aided_ms",
    "order_seed",
    "order_position",
    "answer_seen_before",
    "input_check",
    "reasons",
    "geographic_extent",
    "opacity",
    "window_centre",
    "window_width",
    "model_sha256",
    "preprocess",
    "cxr_version",
    "score:COVID-19",
    "score:Pneumonia",
];

fn prediction(label: &str, score: f32) -> Prediction {
    Prediction {
        content: Default::default(),
        findings: vec![Finding {
            label: Pathology(label.into()),
            question: Question::Presence,
            logit: 0.5,
            score: Score::new(score, ScoreKind::Sigmoid).unwrap(),
            operating_point: None,
            sensitive_point: None,
            calibrated: None,
            conformal: None,
            factors: None,
        }],
        severity: None,
        input: InputCheck::Caution(vec!["dark".into(), "=small".into()]),
        model_sha256: "ab".repeat(32),
        preprocess: "cxr-1".into(),
        elapsed_ms: 3.0,
        activation: None,
        withheld: Vec::new(),
        lung_fields: None,
        lungs: None,
        prognoses: Vec::new(),
    }
}

fn entry(number: u64, path: PathBuf, reviewer: &str, verdict: Verdict) -> ReviewEntry {
    let label = ["Pneumonia", "COVID-19"][number as usize % 2];
    let said = prediction(label, 0.25);
    ReviewEntry {
        token: number.to_string(),
        image: ImageIdentity {
            sha256: format!("{:064x}", number),
            path,
            uids: Uids {
                study: Some("1.2.840.1".into()),
                ..Uids::default()
            },
            patient_id: Some("P-4711".into()),
        },
        review: Review {
            reviewer: reviewer.into(),
            at: UNIX_EPOCH + Duration::from_millis(1_769_860_800_500 + number),
            act: Act::Judged,
            change: OpinionChange::to(&Opinion {
                verdict: Some(verdict),
                note: "=HYPERLINK(\"http://x\"),\u{1b}[2J \"quoted\"".into(),
                ..Opinion::default()
            }),
            seen: Seen {
                prediction: Some(said.clone()),
                window: Some((2048.0, 4096.5)),
                zoom: 1.0,
                ..Seen::default()
            },
        },
        prediction: Some(said),
    }
}

struct Study {
    folder: tempfile::TempDir,
    store: PathBuf,
}

impl Study {
    /// Two images in ward 3, and one elsewhere. Two readers reviewed the first image, one of them twice.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Links to the folder are followed, as on the screen.
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("ward3")).unwrap();
        let store = base.join("reviews.sqlite");
        let mut log = Store::open(&store).unwrap();
        let first = base.join("ward3/a.png");
        let mut again = entry(1, first.clone(), "ann", Verdict::Disagree);
        again.token = "again".into();
        again.review.change = OpinionChange::to(&Opinion {
            verdict: Some(Verdict::Disagree),
            label: Some("COVID-19".into()),
            ..Opinion::default()
        });
        let mut bob = entry(1, first.clone(), "bob", Verdict::Unsure);
        bob.token = "bob".into();
        for entry in [
            entry(1, first, "ann", Verdict::Agree),
            entry(2, base.join("ward3/=b.png"), "ann", Verdict::Agree),
            again,
            bob,
            entry(3, base.join("ward33/c.png"), "ann", Verdict::Agree),
        ] {
            log.append(&entry).unwrap();
        }
        Study { folder, store }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cxr"))
            .arg("export")
            .args(arguments)
            .arg("--store")
            .arg(&self.store)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn table(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn complaint(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        assert!(output.stdout.is_empty(), "{output:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), complaint)
    }
}

fn rows(table: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let text = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
    let header = text(reader.headers().unwrap());
    let rows = reader.records().map(|row| text(&row.unwrap())).collect();
    (header, rows)
}

#[test]
fn a_row_is_the_last_review_of_one_image_by_one_reader() {
    let study = Study::new();
    let (header, rows) = rows(&study.table(&["--all"]));
    assert_eq!(header, COLUMNS);
    let cell = |row: usize, name: &str| {
        let at = header.iter().position(|column| column == name).unwrap();
        rows[row][at].as_str()
    };
    let who: Vec<_> = (0..rows.len())
        .map(|row| {
            (
                cell(row, "reviewer"),
                cell(row, "verdict"),
                cell(row, "entries"),
            )
        })
        .collect();
    assert_eq!(
        who,
        [
            ("ann", "agree", "1"),
            ("ann", "disagree", "2"),
            ("bob", "unsure", "1"),
            ("ann", "agree", "1"),
        ]
    );
    assert!(cell(1, "path").ends_with("/ward3/a.png"));
    assert_eq!(cell(1, "image_sha256"), format!("{:064x}", 1));
    assert_eq!(cell(1, "disagreed_label"), "COVID-19");
    assert_eq!(cell(1, "last_at"), "2026-01-31T12:00:00.501Z");
    assert_eq!(cell(1, "study_uid"), "1.2.840.1");
    assert_eq!(cell(1, "input_check"), "caution");
    assert_eq!(cell(1, "window_width"), "4096.500");
    assert_eq!(cell(1, "score:COVID-19"), "0.250000");
    assert_eq!(
        cell(1, "score:Pneumonia"),
        "",
        "that model has no such label"
    );
    assert_eq!(cell(1, "geographic_extent"), "");
}

#[test]
fn formulas_and_control_characters_are_made_harmless() {
    let study = Study::new();
    let table = study.table(&["ward3"]);
    assert!(!table.contains('\u{1b}'));
    let (header, rows) = rows(&table);
    let note = header.iter().position(|column| column == "note").unwrap();
    for row in &rows {
        assert_eq!(row[note], "'=HYPERLINK(\"http://x\"), [2J \"quoted\"");
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }
}

#[test]
fn a_folder_is_exactly_that_folder_and_not_one_with_the_same_beginning() {
    let study = Study::new();
    let count = |arguments: &[&str]| rows(&study.table(arguments)).1.len();
    assert_eq!(count(&["ward3"]), 3);
    assert_eq!(count(&["./ward3/../ward3/"]), 3);
    assert_eq!(count(&["."]), 4);
    let (code, complaint) = study.complaint(&["nothing/here"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert!(complaint.contains("nothing/here: no such file or folder"));
}

#[test]
fn the_patient_is_in_the_table_only_on_request() {
    let study = Study::new();
    for format in ["csv", "jsonl"] {
        assert!(!study.table(&["--all", "--format", format]).contains("4711"));
        let told = study.table(&["--all", "--format", format, "--with-patient"]);
        assert_eq!(told.matches("P-4711").count(), 4, "{told}");
    }
    let (header, _) = rows(&study.table(&["--all", "--with-patient"]));
    assert_eq!(header[5], "patient_id");
}

/// What a film of the patient states, as the store has it once the film was read.
fn origin() -> Origin {
    Origin {
        patient: PatientIdentity {
            id: Some("4711".into()),
            issuer: Issuer {
                local: Some("H".into()),
                universal: None,
            },
            ..PatientIdentity::default()
        },
        study: Some("1.2.3".into()),
        taken: None,
    }
}

#[test]
fn pseudonyms_stand_for_patients_and_uids_and_notes_are_left_out() {
    let study = Study::new();
    let key = study.folder.path().join("key");
    fs::write(&key, (0..32).collect::<Vec<u8>>()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    // The file of one image was read, those of the others were not.
    let mut log = Store::open(&study.store).unwrap();
    let mut image = entry(
        1,
        study.folder.path().join("ward3/a.png"),
        "ann",
        Verdict::Agree,
    )
    .image;
    image.uids.study = Some("1.2.3".into());
    image.patient_id = Some("4711".into());
    log.cache_prediction(&image, &origin(), &prediction("COVID-19", 0.25), "basis")
        .unwrap();
    log.close();
    for format in ["csv", "jsonl"] {
        let arguments = ["--all", "--format", format, "--pseudonym-key", "key"];
        let output = study.run(&arguments);
        assert!(output.status.success(), "{output:?}");
        let table = String::from_utf8(output.stdout).unwrap();
        // Of Python's hmac, as in the objects of `cxr dicom`.
        assert_eq!(table.matches("CXR-QND40Q8BDXYFCE97").count(), 2, "{table}");
        let uid = "2.25.90606281106066029229045644446162699460";
        assert_eq!(table.matches(uid).count(), 2, "{table}");
        for hidden in ["4711", "1.2.840.1", "HYPERLINK"] {
            assert!(!table.contains(hidden), "{hidden}: {table}");
        }
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("2 images have no pseudonym"), "{said}");
    }
    let (header, _) = rows(&study.table(&["--all", "--pseudonym-key", "key"]));
    assert_eq!(header[5], "patient");
    let (code, said) = study.complaint(&["--all", "--with-patient", "--pseudonym-key", "key"]);
    assert_eq!(code, Some(2), "{said}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = study.complaint(&["--all", "--pseudonym-key", "key"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("--pseudonym-key key: others can read it"),
        "{said}"
    );
}

#[test]
fn what_was_measured_by_the_lungs_has_the_last_columns_where_a_review_has_it() {
    let study = Study::new();
    let path = study.folder.path().canonicalize().unwrap();
    let mut measured = entry(4, path.join("ward3/d.png"), "ann", Verdict::Agree);
    let said = measured.review.seen.prediction.as_mut().unwrap();
    said.lungs = Some(LungMeasures {
        evidence_inside: Some(0.831_26),
        cardiothoracic_ratio: Some(0.516),
        cardiothoracic_error: Some(0.04),
    });
    Store::open(&study.store)
        .unwrap()
        .append(&measured)
        .unwrap();
    let (header, rows) = rows(&study.table(&["--all"]));
    let added = ["evidence_in_lungs", "cardiothoracic_ratio"];
    assert_eq!(header[..COLUMNS.len()], COLUMNS);
    assert_eq!(header[COLUMNS.len()..], added);
    let cells = |path: &str| {
        let row = rows.iter().find(|row| row[0].ends_with(path)).unwrap();
        &row[COLUMNS.len()..]
    };
    assert_eq!(cells("d.png"), ["0.831", "0.52"]);
    assert_eq!(cells("c.png"), ["", ""], "a review of before");
}

#[test]
fn json_rows_have_the_same_members_and_the_whole_screen() {
    let study = Study::new();
    let lines = study.table(&["--all", "--format", "jsonl"]);
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 4);
    for name in COLUMNS {
        assert!(rows[0].get(name).is_some(), "{name}");
    }
    assert_eq!(rows[1]["seen"]["prediction"]["findings"][0]["logit"], 0.5);
    assert_eq!(
        rows[1]["seen"]["prediction"]["findings"][0]["kind"],
        "score"
    );
    assert_eq!(rows[1]["key_image"], 0);
    assert_eq!(rows[1]["entries"], 2);
}

#[test]
fn a_file_is_readable_by_its_owner_and_its_name_gives_the_format() {
    use std::os::unix::fs::PermissionsExt;
    let study = Study::new();
    assert_eq!(study.table(&["--all", "-o", "out.jsonl"]), "");
    let (code, complaint) = study.complaint(&["ward3", "-o", "out.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(
        complaint.contains("out.jsonl: already exists"),
        "{complaint}"
    );
    assert_eq!(study.table(&["--all", "-o", "out.jsonl", "--force"]), "");
    assert_eq!(study.table(&["--all", "-o", "a.parquet"]), "");
    let columns = fs::read(study.folder.path().join("a.parquet")).unwrap();
    assert!(columns.starts_with(b"PAR1") && columns.ends_with(b"PAR1"));
    for (name, begin) in [("a.csv", "path,"), ("a.tsv", "path\t"), ("a.json", "[")] {
        assert_eq!(study.table(&["--all", "-o", name]), "");
        let text = fs::read_to_string(study.folder.path().join(name)).unwrap();
        assert!(text.starts_with(begin), "{text}");
    }
    for name in ["a.xlsx", "a"] {
        let (code, complaint) = study.complaint(&["--all", "-o", name]);
        assert_eq!(code, Some(2));
        assert!(
            complaint.contains(".csv, .tsv, .jsonl, .json or .parquet"),
            "{complaint}"
        );
        assert!(!study.folder.path().join(name).exists());
    }
    assert_eq!(study.table(&["--all", "-o", "a", "--format", "tsv"]), "");
    let path = study.folder.path().join("out.jsonl");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
    let (code, complaint) = study.complaint(&["--all", "-o", "no/such/folder.csv"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no/such/folder.csv"), "{complaint}");
}

#[test]
fn a_whole_log_is_reported_as_whole_with_its_head() {
    let study = Study::new();
    let said = study.table(&["--verify"]);
    let head = Store::open(&study.store).unwrap().verify().unwrap().head;
    assert_eq!(said, format!("5 reviews, the log is whole, head {head}\n"));
    let output = study.run(&["--verify", "--all"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&head));
    assert!(output.stdout.starts_with(b"path,"));
}

#[test]
fn an_edited_log_is_reported_and_makes_no_table() {
    let study = Study::new();
    let connection = rusqlite::Connection::open(&study.store).unwrap();
    let sql = "DROP TRIGGER review_is_not_edited;
        UPDATE review SET verdict = 'agree' WHERE id = 3";
    connection.execute_batch(sql).unwrap();
    drop(connection);
    for arguments in [
        &["--verify"][..],
        &["--verify", "--all"],
        &["--all"],
        &["ward3"],
    ] {
        let (code, complaint) = study.complaint(arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(complaint.contains("row 3 was edited"), "{complaint}");
    }
    // With --damaged there is a table, and the exit status is an error.
    let output = study.run(&["--all", "--damaged"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.starts_with(b"path,"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("row 3 was edited"));
    assert_eq!(study.complaint(&["--verify", "--damaged"]).0, Some(2));
}

/// Two wards have a copy of one image. Ann reviews hers in ward 3, Cem reviews the other one, and Ann reviews
/// that one, too.
#[test]
fn a_review_stays_where_it_was_made() {
    let study = Study::new();
    let base = study.folder.path().canonicalize().unwrap();
    let copy = base.join("ward4/a.png");
    let mut log = Store::open(&study.store).unwrap();
    let before = study.table(&["ward3"]);
    let mut cem = entry(1, copy.clone(), "cem", Verdict::Unsure);
    cem.token = "cem".into();
    log.append(&cem).unwrap();
    let said = prediction("COVID-19", 0.25);
    log.cache_prediction(&cem.image, &Default::default(), &said, "basis")
        .unwrap();
    assert_eq!(study.table(&["ward3"]), before);
    assert_eq!(rows(&study.table(&["ward4"])).1.len(), 1);

    let mut ann = entry(1, copy, "ann", Verdict::Unsure);
    ann.token = "ann, ward 4".into();
    log.append(&ann).unwrap();
    let (header, ward3) = rows(&study.table(&["ward3"]));
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    assert_eq!(ward3.len(), 3, "she reviewed it here");
    let hers = &ward3[1];
    assert!(hers[at("path")].ends_with("/ward3/a.png"));
    assert_eq!(
        (hers[at("verdict")].as_str(), hers[at("entries")].as_str()),
        ("unsure", "3"),
        "her last review of that image"
    );
    assert_eq!(rows(&study.table(&["ward4"])).1.len(), 2);
    assert_eq!(rows(&study.table(&["--all"])).1.len(), 5);
}

#[test]
fn a_backup_is_complete_while_the_store_is_written_and_replaces_no_file_without_force() {
    use std::os::unix::fs::PermissionsExt;
    let study = Study::new();
    // This review is in the write-ahead log only.
    let mut log = Store::open(&study.store).unwrap();
    let path = study.folder.path().join("late.png");
    log.append(&entry(9, path, "ann", Verdict::Agree)).unwrap();
    let copy = study.folder.path().join("copy.sqlite");
    let said = study.run(&["--backup", "copy.sqlite"]);
    assert!(said.status.success(), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("6 reviews, the log is whole"));
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The copy alone, in another folder.
    let elsewhere = tempfile::tempdir().unwrap();
    let alone = elsewhere.path().join("alone.sqlite");
    fs::copy(&copy, &alone).unwrap();
    let audit = Store::open_read_only(&alone).unwrap().verify().unwrap();
    assert_eq!((audit.rows, audit.faults), (6, vec![]));

    fs::write(&copy, "a thesis").unwrap();
    let (code, complaint) = study.complaint(&["--backup", "copy.sqlite"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("already exists"), "{complaint}");
    assert_eq!(fs::read(&copy).unwrap(), b"a thesis");
    let forced = study.run(&["--backup", "copy.sqlite", "--force"]);
    assert!(forced.status.success(), "{forced:?}");
    let store = study.store.to_str().unwrap();
    assert_eq!(study.complaint(&["--backup", store, "--force"]).0, Some(2));
    let (code, complaint) = study.complaint(&["--backup", "no/such/copy.sqlite"]);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("no/such/copy.sqlite"), "{complaint}");
}

/// Only regular files are replaced.
#[test]
fn a_table_goes_through_a_pipe_that_stays_one() {
    use std::io::Read;
    use std::os::unix::fs::FileTypeExt;
    let study = Study::new();
    let pipe = study.folder.path().join("pipe.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for force in [&[][..], &["--force"]] {
        // Open at both ends, so that neither waits for the other; the table fits into the pipe.
        let mut end = fs::File::options()
            .read(true)
            .write(true)
            .open(&pipe)
            .unwrap();
        let table = [&["--all", "-o", "pipe.csv"], force].concat();
        assert_eq!(study.table(&table), "");
        let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
        assert!(kind.is_fifo(), "{kind:?}");
        let mut begin = [0; 5];
        end.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"path,");
    }
}

#[test]
fn a_table_does_not_replace_another_database_either() {
    let study = Study::new();
    let other = study.folder.path().join("other.csv");
    fs::copy(&study.store, &other).unwrap();
    let before = fs::read(&other).unwrap();
    let (code, complaint) = study.complaint(&["--all", "-o", "other.csv", "--force"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("that is a database"), "{complaint}");
    assert_eq!(fs::read(&other).unwrap(), before);
}

#[test]
fn a_table_does_not_replace_the_store() {
    let study = Study::new();
    let before = fs::read(&study.store).unwrap();
    let (code, complaint) =
        study.complaint(&["--all", "--force", "-f", "csv", "-o", "./reviews.sqlite"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("the store itself"), "{complaint}");
    assert_eq!(fs::read(&study.store).unwrap(), before);
}

/// SQLite would use an old log beside the backup for the backup. A pipe is not a file.
#[test]
fn a_backup_is_not_written_beside_a_log_or_over_a_pipe() {
    let study = Study::new();
    let base = study.folder.path();
    fs::write(base.join("copy.sqlite-wal"), "reviews").unwrap();
    let (code, complaint) = study.complaint(&["--backup", "copy.sqlite", "--force"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("copy.sqlite-wal"), "{complaint}");
    let made = Command::new("mkfifo").arg(base.join("pipe")).status();
    assert!(made.unwrap().success());
    assert_eq!(study.complaint(&["--backup", "pipe", "--force"]).0, Some(2));
    use std::os::unix::fs::FileTypeExt;
    let kind = fs::symlink_metadata(base.join("pipe")).unwrap().file_type();
    assert!(kind.is_fifo());
}

/// A limit on file sizes is handled like a full disk, and does not kill the program.
#[test]
fn a_limit_on_file_sizes_is_an_error_message() {
    let study = Study::new();
    let command = format!(
        "ulimit -f 1; exec '{}' export --all -f json -o big.json --store '{}'",
        env!("CARGO_BIN_EXE_cxr"),
        study.store.display()
    );
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-c", &command])
        .current_dir(study.folder.path());
    let output = output.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!study.folder.path().join("big.json").exists());
}

/// Opening a pipe would wait forever for its other end.
#[test]
fn a_pipe_is_refused_as_a_store() {
    let mut study = Study::new();
    study.store = study.folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&study.store).status().unwrap();
    assert!(made.success());
    let (code, complaint) = study.complaint(&["--all"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("not a store of cxr"), "{complaint}");
    assert!(Store::open(&study.store).is_err());
}

#[test]
fn bad_usage_and_files_that_are_not_stores_exit_with_2_and_leave_no_file() {
    let study = Study::new();
    assert_eq!(study.complaint(&[]).0, Some(2));
    assert_eq!(study.complaint(&["--all", "ward3"]).0, Some(2));
    let mut missing = Study::new();
    missing.store = missing.folder.path().join("missing.sqlite");
    let (code, complaint) = missing.complaint(&["--all"]);
    assert_eq!(code, Some(2));
    assert!(
        complaint.contains("missing.sqlite: no such store"),
        "{complaint}"
    );
    assert!(!missing.store.exists());
    fs::write(&missing.store, "a thesis").unwrap();
    let (code, complaint) = missing.complaint(&["--verify"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("not a store of cxr"), "{complaint}");
    assert_eq!(fs::read(Path::new(&missing.store)).unwrap(), b"a thesis");
}

/// A table takes two passes: no row of the second may have a label that the first pass did not see.
struct StopAtEnd<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_table_shows_one_moment_while_others_write() {
    let study = Study::new();
    let mut log = Store::open(&study.store).unwrap();
    for number in 10..1_500 {
        let path = PathBuf::from(format!("/archive/{number}.png"));
        log.append(&entry(number, path, "ann", Verdict::Agree))
            .unwrap();
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let counts: Vec<usize> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 2_000.. {
                if stop.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let path = PathBuf::from(format!("/archive/{number}.png"));
                log.append(&entry(number, path, "ann", Verdict::Agree))
                    .unwrap();
            }
        });
        // A failure must end the writer too, or it is never told.
        let _stop = StopAtEnd(&stop);
        (0..3)
            .map(|_| rows(&study.table(&["--all"])).1.len())
            .collect()
    });
    assert!(counts[0] >= 1_494 && counts.is_sorted(), "{counts:?}");
    assert!(study.table(&["--verify"]).contains("whole"));
}

/// What each reviewer did, as text and as JSON; nothing of a patient, no path and no note.
#[test]
fn a_summary_counts_what_each_reviewer_did() {
    let study = Study::new();
    let text = study.table(&["--summary"]);
    let expected = "\
ann: 3 images reviewed, 4 entries in 1 sitting, 2026-01-31 to 2026-01-31
  verdicts       2 agree · 1 disagree · 0 unsure
  disagreements  COVID-19 1
  notes          3
";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("\nbob: 1 image reviewed, 1 entry in"),
        "{text}"
    );
    let json = study.table(&["--summary", "--format", "json"]);
    for told in ["4711", "ward", "HYPERLINK", "1.2.840", ".png"] {
        assert!(!text.contains(told) && !json.contains(told), "{told}");
    }
    let page: serde_json::Value = serde_json::from_str(&json).unwrap();
    let ann = &page["reviewers"][0];
    for (name, expected) in [
        ("reviewer", serde_json::json!("ann")),
        ("images", 3.into()),
        ("entries", 4.into()),
        ("sittings", 1.into()),
        ("agree", 2.into()),
        ("disagree", 1.into()),
        ("notes", 3.into()),
        ("marked", 0.into()),
        ("read_blinded", 0.into()),
        ("first_at", "2026-01-31T12:00:00.501Z".into()),
        (
            "disagreements",
            serde_json::json!([{ "label": "COVID-19", "images": 1 }]),
        ),
    ] {
        assert_eq!(ann[name], expected, "{name}: {json}");
    }
}

#[test]
fn a_summary_of_a_folder_is_of_that_folder_and_a_file_of_it_is_json() {
    let study = Study::new();
    let text = study.table(&["--summary", "ward3"]);
    assert!(text.starts_with("ann: 2 images reviewed"), "{text}");
    study.table(&["--summary", "-o", "summary.json"]);
    let file = fs::read_to_string(study.folder.path().join("summary.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&file).is_ok());
    for arguments in [
        &["--summary", "--format", "csv"][..],
        &["--summary", "-o", "summary.csv"],
    ] {
        let (code, complaint) = study.complaint(arguments);
        assert_eq!(code, Some(2), "{complaint}");
        assert!(complaint.contains("--format json"), "{complaint}");
    }
    let (code, _) = study.complaint(&["--summary", "--with-patient"]);
    assert_eq!(code, Some(2));
}

/// A reader of a study must not learn from it how often the model is wrong.
#[test]
fn a_summary_has_no_verdicts_on_images_that_were_read_blinded() {
    let study = Study::new();
    let mut log = Store::open(&study.store).unwrap();
    let mut blinded = entry(
        9,
        study.folder.path().join("x.png"),
        "cyd",
        Verdict::Disagree,
    );
    blinded.review.change = OpinionChange::to(&Opinion {
        verdict: Some(Verdict::Disagree),
        label: Some("COVID-19".into()),
        blinded: Some(BlindedReading::default()),
        ..Opinion::default()
    });
    log.append(&blinded).unwrap();
    log.close();
    let text = study.table(&["--summary"]);
    let cyd = text.split("cyd: ").nth(1).unwrap();
    assert!(cyd.contains("read blinded   1\n"), "{text}");
    assert!(
        !cyd.contains("disagree") && !cyd.contains("COVID"),
        "{text}"
    );
}
