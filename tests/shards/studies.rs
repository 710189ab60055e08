//! `--unit study` and `--unit folder`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dicom_core::VR;
use dicom_dictionary_std::tags;
use sha2::{Digest, Sha256};

use super::{Archive, Outcome};
use crate::imaging_files::{Dicom, EXPLICIT, IMPLICIT};

/// A picture as a DICOM film of a study and a patient.
fn film(picture: &str, study: &str, patient: &str, number: usize) -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let picture = image::open(samples.join(picture)).unwrap().into_luma8();
    let (width, height) = picture.dimensions();
    let film = Dicom::radiograph(width as u16, height as u16, 8)
        .text(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.9.{number}"))
        .text(tags::STUDY_INSTANCE_UID, VR::UI, study)
        .text(tags::PATIENT_ID, VR::LO, patient)
        .text(tags::VIEW_POSITION, VR::CS, "PA")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .bytes(picture.as_raw());
    film.file([EXPLICIT, IMPLICIT][number % 2])
}

/// Studies of three films each in three folders, one film in each folder, and pictures that are of no study.
fn studies(count: usize) -> Archive {
    let archive = Archive::new(0);
    for folder in ["a", "b", "c"] {
        fs::create_dir_all(archive.at("archive").join(folder)).unwrap();
    }
    for study in 0..count {
        for (at, folder) in ["a", "b", "c"].into_iter().enumerate() {
            let picture = ["clear_1.png", "pneumonia_1.png", "not_an_xray.png"][(at + study) % 3];
            let number = study * 3 + at;
            let bytes = film(picture, &uid(study), &format!("P{study}"), number);
            fs::write(archive.at(format!("archive/{folder}/{study}.dcm")), bytes).unwrap();
        }
    }
    for name in ["archive/a/plain.png", "archive/plain.png"] {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/clear_3.png");
        fs::copy(sample, archive.at(name)).unwrap();
    }
    archive
}

fn uid(study: usize) -> String {
    format!("1.2.826.0.1.{study}")
}

/// The name of a study in a table.
fn name(key: &str) -> String {
    let digest = Sha256::digest(key);
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Archive {
    fn predict(&self, more: &[&str]) -> Outcome {
        self.run(&[&["predict", "archive", "--quiet", "--unit", "study"], more].concat())
    }

    /// The rows of a table, each by the names of its columns.
    fn named_rows(&self, table: &str) -> Vec<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.at(table)).unwrap();
        let text = &text[..text.find("#cxr-part ").unwrap_or(text.len())];
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let head = reader.headers().unwrap().clone();
        let row = |row: csv::StringRecord| {
            let cells = head.iter().zip(row.iter());
            cells
                .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
                .collect()
        };
        reader.records().map(Result::unwrap).map(row).collect()
    }
}

#[test]
fn a_row_has_the_highest_number_of_the_studys_films() {
    let archive = studies(3);
    let outcome = archive.predict(&["-o", "s.csv"]);
    assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
    let films = archive.run(&["predict", "archive", "-o", "films.csv", "--quiet"]);
    assert_eq!(films.code, 0, "{}", films.stderr);
    let films = archive.named_rows("films.csv");
    let rows = archive.named_rows("s.csv");
    // Three studies, and two films of none.
    assert_eq!(rows.len(), 5);
    for study in 0..3 {
        let row = rows
            .iter()
            .find(|row| row["study"] == name(&uid(study)))
            .unwrap();
        let end = format!("/{study}.dcm");
        let of = films.iter().filter(|film| film["path"].ends_with(&end));
        let of: Vec<_> = of.collect();
        assert_eq!((row["films"].as_str(), of.len()), ("3", 3));
        let refused = of.iter().filter(|film| film["status"] == "refused").count();
        assert!(refused > 0);
        assert_eq!(row["films_refused"], refused.to_string());
        for label in ["Pneumonia", "COVID-19"] {
            let scored = of.iter().filter(|film| !film[label].is_empty());
            let highest = scored.max_by(|a, b| a[label].cmp(&b[label])).unwrap();
            assert_eq!(row[label], highest[label], "{label}");
            assert_eq!(row[&format!("film: {label}")], highest["path"], "{label}");
        }
        let label = &row["highest_finding"];
        assert_eq!(row["path"], row[&format!("film: {label}")]);
        assert_eq!(row["model_sha256"].len(), 64);
    }
    for (path, key) in [
        ("archive/plain.png", "1/plain.png"),
        ("archive/a/plain.png", "1/a/plain.png"),
    ] {
        let row = rows.iter().find(|row| row["path"] == path).unwrap();
        assert_eq!((&*row["study"], &*row["films"]), (&*name(key), "1"));
    }
    // No UID leaves, and the films' own table is one that evaluate takes.
    for table in ["s.csv", "s.csv.films"] {
        let text = fs::read_to_string(archive.at(table)).unwrap();
        assert!(!text.contains("1.2.826"), "{table}");
    }
    let refused = archive.run(&["evaluate", "--manifest", "s.csv", "--predictions", "s.csv"]);
    assert!(
        refused.stderr.contains("studies or folders"),
        "{}",
        refused.stderr
    );
}

#[test]
fn all_films_of_a_study_are_in_one_shard_and_merged_parts_are_the_table_of_one_run() {
    let archive = studies(6);
    assert_eq!(archive.predict(&["-o", "whole.csv"]).code, 0);
    for ending in ["csv", "jsonl", "parquet"] {
        fs::create_dir_all(archive.at("parts")).unwrap();
        let (mut parts, mut seen) = (Vec::new(), BTreeSet::new());
        for number in 1..=4 {
            let (part, shard) = (format!("parts/{number}.{ending}"), format!("{number}/4"));
            let outcome = archive.predict(&["--shard", &shard, "-o", &part]);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            for film in archive.named_rows(&format!("{part}.films")) {
                assert!(
                    seen.insert(film["path"].clone()),
                    "{} is in two",
                    film["path"]
                );
            }
            parts.push(part);
        }
        assert_eq!(seen.len(), 20);
        let merged = archive.merge(&parts, &["-o", "all.csv", "--force"]);
        assert_eq!(merged.code, 0, "{}", merged.stderr);
        if ending == "jsonl" {
            // Numbers in JSON have no zeros at their end.
            assert_eq!(
                archive.rows("all.csv").len(),
                archive.rows("whole.csv").len()
            );
            let array = archive.merge(&parts, &["-o", "all.json", "--force"]);
            assert_eq!(array.code, 0, "{}", array.stderr);
            let text = fs::read_to_string(archive.at("all.json")).unwrap();
            let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            assert!(rows.iter().all(|row| row["films"].is_u64()));
        } else {
            assert_eq!(
                archive.rows("all.csv"),
                archive.rows("whole.csv"),
                "{ending}"
            );
        }
        let missing = archive.merge(&parts[1..], &["-o", "none.csv"]);
        assert_eq!((missing.code, &*missing.stdout), (1, "--array=1\n"));
        fs::remove_dir_all(archive.at("parts")).unwrap();
    }
}

#[test]
fn a_shard_of_studies_that_was_killed_goes_on_and_the_table_is_the_same() {
    let archive = studies(4);
    assert_eq!(archive.predict(&["-o", "whole.csv"]).code, 0);
    let expected = archive.rows("whole.csv");
    let arguments = [
        "predict", "archive", "--unit", "study", "--shard", "1/1", "-o", "p.csv", "--quiet",
        "--resume", "--jobs", "1",
    ];
    let begin = Instant::now();
    archive.run(&arguments);
    let whole = begin.elapsed();
    for kill in 1..=6 {
        for file in ["p.csv", "p.csv.films"] {
            let _ = fs::remove_file(archive.at(file));
        }
        let mut child = archive.command(&arguments).spawn().unwrap();
        thread::sleep(
            whole
                .mul_f64(f64::from(kill) / 6.5)
                .max(Duration::from_millis(1)),
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let outcome = archive.run(&arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let merged = archive.merge(&["p.csv".to_owned()], &["-o", "all.csv", "--force"]);
        assert_eq!(merged.code, 0, "{}", merged.stderr);
        assert_eq!(archive.rows("all.csv"), expected, "kill {kill}");
        let mut files = archive.files(".");
        // A kill between the two steps that name a file anew leaves its hidden name.
        files.retain(|name| !name.ends_with(".part"));
        assert_eq!(
            files,
            [
                "all.csv",
                "archive",
                "p.csv",
                "p.csv.films",
                "whole.csv",
                "whole.csv.films"
            ]
        );
    }
    // A film that has changed is read again, and the row of its study with it.
    let other = film("clear_1.png", &uid(9), "P9", 99);
    fs::write(archive.at("archive/a/0.dcm"), other).unwrap();
    assert_eq!(archive.run(&arguments).code, 0);
    let rows = archive.named_rows("p.csv");
    let films = |study: usize| {
        let row = rows.iter().find(|row| row["study"] == name(&uid(study)));
        row.map(|row| row["films"].clone())
    };
    assert_eq!(
        (films(0).as_deref(), films(9).as_deref()),
        (Some("2"), Some("1"))
    );
}

#[test]
fn a_study_whose_films_name_two_patients_has_no_numbers() {
    let archive = studies(1);
    let bytes = film("clear_1.png", &uid(0), "another", 50);
    fs::write(archive.at("archive/other.dcm"), bytes).unwrap();
    assert_eq!(archive.predict(&["-o", "s.csv"]).code, 0);
    let rows = archive.named_rows("s.csv");
    let row = rows
        .iter()
        .find(|row| row["study"] == name(&uid(0)))
        .unwrap();
    assert_eq!(
        (&*row["status"], &*row["Pneumonia"], &*row["films"]),
        ("error", "", "4")
    );
    assert_eq!(row["reasons"], "its films name several patients");
    // Without the film nobody can tell whose its number is: the row goes on without it, and says so.
    fs::remove_file(archive.at("archive/other.dcm")).unwrap();
    let outcome = archive.predict(&["-o", "s.csv", "--resume"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("1 film,"), "{}", outcome.stderr);
    let rows = archive.named_rows("s.csv");
    let mut rows = rows.iter();
    let row = rows.find(|row| row["study"] == name(&uid(0))).unwrap();
    assert_eq!((&*row["status"], &*row["films"]), ("caution", "3"));
    assert!(
        row["reasons"].contains("1 of 4 films"),
        "{}",
        row["reasons"]
    );
    assert!(!row["Pneumonia"].is_empty());
    assert!(row.values().all(|cell| !cell.contains("other.dcm")));
}

/// Two folders with a film each of one name.
fn two_folders() -> Archive {
    let archive = Archive::new(0);
    for (folder, sample) in [("A", "clear_1.png"), ("B", "pneumonia_1.png")] {
        let film = archive.at(format!("{folder}/p1/x.png"));
        fs::create_dir_all(film.parent().unwrap()).unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
        fs::copy(samples.join(sample), film).unwrap();
    }
    archive
}

/// `1/p1` is a folder of A in one run, and of B in another.
#[test]
fn rows_of_a_run_of_other_folders_are_not_continued() {
    let archive = two_folders();
    let predict = |typed: &str| {
        let typed: Vec<&str> = typed.split(' ').collect();
        archive.run(&[&["predict", "--quiet", "-o"], &typed[..]].concat())
    };
    for (before, after) in [
        ("s.csv --unit folder A", "s.csv --unit folder B"),
        ("s.csv --unit study A", "s.csv --unit study B"),
        ("s.csv --unit folder A B", "s.csv --unit folder B A"),
        ("s.csv --unit study A", "s.csv --unit folder A"),
        (
            "s.csv --unit study --shard 1/1 A",
            "s.csv --unit study --shard 1/1 B",
        ),
    ] {
        assert_eq!(predict(&format!("{before} --force")).code, 0);
        if before.contains("--shard") {
            fs::remove_file(archive.at("s.csv")).unwrap();
        }
        let tables = || ["s.csv", "s.csv.films"].map(|name| fs::read(archive.at(name)).ok());
        let there = tables();
        let refused = predict(&format!("{after} --resume"));
        assert_eq!(refused.code, 2, "{after}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("A/p1/x.png is not of this run"),
            "{after}: {}",
            refused.stderr
        );
        assert!(tables() == there, "{after}");
        let same = predict(&format!("{before} --resume"));
        assert_eq!((same.code, &*same.stderr), (0, ""), "{before}");
    }
    // The rows of a part do not say which folders they are of either.
    assert_eq!(predict("p.csv.partial -f csv A").code, 0);
    let mut refusals = 0;
    for other in ["B --shard 1/1", "A --shard 1/2", "A --shard 2/2"] {
        let outcome = predict(&format!("p.csv --resume {other}"));
        if outcome.code == 0 {
            // As a run leaves it that was killed before the part got its name.
            fs::rename(archive.at("p.csv"), archive.at("p.csv.partial")).unwrap();
        } else {
            assert!(outcome.stderr.contains("not of this run"), "{other}");
            assert!(!archive.at("p.csv").exists(), "{other}");
            refusals += 1;
        }
    }
    // The film is in one of the two shards.
    assert_eq!(refusals, 2);
    assert_eq!(predict("p.csv --resume A --shard 1/1").code, 0);
}

/// The film is gone, or its folder is spelled in another way: the run is the same.
#[test]
fn rows_of_the_same_run_are_continued_however_its_folder_is_spelled() {
    let archive = two_folders();
    fs::copy(archive.at("B/p1/x.png"), archive.at("A/p1/y.png")).unwrap();
    let folder = archive.at("A");
    for unit in ["study", "folder"] {
        let predict = |root: &str, more: &str| {
            let table = format!("{unit}.csv");
            archive.run(&[
                "predict", "--quiet", "--unit", unit, "-o", &table, more, root,
            ])
        };
        fs::copy(archive.at("B/p1/x.png"), archive.at("A/p1/z.png")).unwrap();
        assert_eq!(predict("A", "--resume").code, 0);
        for root in ["A", "./A", folder.to_str().unwrap(), "A/../A"] {
            let outcome = predict(root, "--resume");
            assert_eq!((outcome.code, &*outcome.stderr), (0, ""), "{root}");
        }
        fs::remove_file(archive.at("A/p1/z.png")).unwrap();
        for root in ["A", "./A"] {
            let outcome = predict(root, "--resume");
            assert_eq!(outcome.code, 0, "{root}: {}", outcome.stderr);
        }
    }
}

#[test]
fn only_force_replaces_what_a_run_of_studies_cannot_continue() {
    let archive = two_folders();
    fs::write(archive.at("foreign.csv"), "id,name\n1,precious\n").unwrap();
    for image in ["image.csv", "image.parquet", "image.json"] {
        assert_eq!(archive.run(&["predict", "A", "-q", "-o", image]).code, 0);
    }
    let predict = |table: &str, more: &str| {
        archive.run(&["predict", "B", "-q", "--unit", "study", "-o", table, more])
    };
    for table in ["old.csv", "old.parquet", "old.json", "old.jsonl"] {
        assert_eq!(predict(table, "--resume").code, 0);
        let again = predict(table, "--resume");
        assert_eq!((again.code, &*again.stderr), (0, ""), "{table}");
        fs::remove_file(archive.at(format!("{table}.films"))).unwrap();
    }
    for (table, words) in [
        ("foreign.csv", "no table of studies"),
        ("image.csv", "no table of studies"),
        ("image.parquet", "no table of studies"),
        ("image.json", "no table of studies"),
        ("old.csv", "the rows of its films do not"),
        ("old.parquet", "the rows of its films do not"),
        ("old.json", "the rows of its films do not"),
        ("old.jsonl", "the rows of its films do not"),
    ] {
        let (there, files) = (fs::read(archive.at(table)).unwrap(), archive.files("."));
        let refused = predict(table, "--resume");
        assert_eq!(refused.code, 2, "{table}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
        assert_eq!(fs::read(archive.at(table)).unwrap(), there, "{table}");
        assert_eq!(archive.files("."), files);
        assert_eq!(predict(table, "--force").code, 0, "{table}");
    }
}

#[test]
fn the_films_of_a_folder_are_one_row() {
    let archive = studies(2);
    let arguments = [
        "predict", "archive", "--unit", "folder", "-o", "f.csv", "--quiet",
    ];
    let outcome = archive.run(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let rows = archive.named_rows("f.csv");
    let films: BTreeMap<String, String> = rows
        .iter()
        .map(|row| (row["study"].clone(), row["films"].clone()))
        .collect();
    for (key, count) in [("1/a", "3"), ("1/b", "2"), ("1/c", "2"), ("1/", "1")] {
        assert_eq!(films[&name(key)], count, "{key}");
    }
    // Two studies of two patients are in each folder.
    let mixed = rows.iter().filter(|row| row["status"] == "error").count();
    assert_eq!(mixed, 3);
}

#[test]
fn what_cannot_be_a_table_of_studies_is_refused() {
    let archive = studies(1);
    fs::write(
        archive.at("before.csv"),
        "path,status,model_sha256,image_sha256\n",
    )
    .unwrap();
    for (more, words) in [
        (&[][..], "needs a file"),
        (&["-o", "-"], "needs a file"),
        (&["-o", "s.csv", "--append"], "--append"),
        (&["-o", "s.csv", "--since", "before.csv"], "needs all films"),
        (&["-o", "s.json", "--shard", "1/2"], "jsonl"),
    ] {
        let outcome = archive.predict(more);
        assert_eq!(outcome.code, 2, "{more:?}");
        assert!(
            outcome.stderr.contains(words),
            "{more:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(archive.files("."), ["archive", "before.csv"]);
    assert_eq!(archive.predict(&["-o", "s.csv"]).code, 0);
    let again = archive.predict(&["-o", "s.csv"]);
    assert!(again.stderr.contains("already exists"), "{}", again.stderr);
    fs::remove_file(archive.at("s.csv")).unwrap();
    let films = archive.predict(&["-o", "s.csv"]);
    assert!(
        films.stderr.contains("s.csv.films: already exists"),
        "{}",
        films.stderr
    );
    // The films of another shard are not taken for those of this one.
    let outcome = archive.predict(&["-o", "s.csv", "--resume", "--shard", "1/50"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("not of this run"),
        "{}",
        outcome.stderr
    );
    assert!(!archive.at("s.csv").exists());
}

/// A part whose run could not read a header that others read may lack a film.
#[test]
fn parts_that_disagree_on_unread_headers_are_not_merged() {
    let archive = studies(2);
    fs::create_dir_all(archive.at("parts")).unwrap();
    let parts: Vec<String> = (1..=2)
        .map(|number| format!("parts/{number}.csv"))
        .collect();
    for (at, part) in parts.iter().enumerate() {
        let shard = format!("{}/2", at + 1);
        assert_eq!(archive.predict(&["--shard", &shard, "-o", part]).code, 0);
    }
    let text = fs::read_to_string(archive.at(&parts[1])).unwrap();
    let agreed = "\"unread_headers\":{\"count\":0,\"digest\":\"\"}";
    assert!(text.contains(agreed), "{text}");
    let other = "\"unread_headers\":{\"count\":1,\"digest\":\"00000000000000ff\"}";
    fs::write(archive.at(&parts[1]), text.replace(agreed, other)).unwrap();
    let outcome = archive.merge(&parts, &["-o", "all.csv"]);
    assert_eq!(
        (outcome.code, &*outcome.stdout),
        (1, "--array=2\n"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("headers could not be read"),
        "{}",
        outcome.stderr
    );
}
