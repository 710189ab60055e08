//! `cxr dicom` as a user runs it, and its objects as validators, other people's readers and an archive take them.

mod imaging_files;
mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use cxr::domain::{
    Act, FilmScale, ImageIdentity, Mark, MarkKind, MarkPoint, Opinion, OpinionChange, PixelSpacing,
    Ratio, Review, Seen, ShownPart, SpacingPlane, Uids, Verdict,
};
use cxr::store::{ReviewEntry, Store};
use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, open_file};
use imaging_files::{Dicom, EXPLICIT, phantom};
use sha2::{Digest, Sha256};
use skip::skip;

const FILM: &str = "pneumonia_12bit_mono1.dcm";
const OTHER: &str = "covid_like_ap.dcm";
const DAMAGED: &str = "truncated.dcm";
const WITH_PATIENT: &str = "--with-patient";

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// `cxr dicom …` with a home of its own in `folder`.
fn dicom(folder: &Path, arguments: &[&str]) -> Output {
    cxr(folder, &[&["dicom"], arguments].concat())
}

fn cxr(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(arguments)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env_remove("CXR_MODEL")
        .output()
        .unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The objects in a folder whose names begin so, sorted.
fn objects(folder: &Path, start: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(start)
        })
        .collect();
    found.sort();
    found
}

/// The words of every mark.
const LABEL: &str = "Rundherd, groß";

/// One mark of each kind, on pixels of 0.2 mm.
fn marks() -> Vec<Mark> {
    const POINTS: [(f64, f64); 4] = [
        (100.25, 200.5),
        (400.25, 600.5),
        (50.0, 300.0),
        (450.0, 0.0),
    ];
    let scale = FilmScale {
        spacing: Some(PixelSpacing::of((0.2, 0.2), SpacingPlane::Detector)),
        pixel_aspect: Ratio::ONE,
    };
    let mark = |kind: MarkKind| {
        let points = POINTS[..kind.points()].iter();
        let points = points.map(|(x, y)| MarkPoint::at(*x, *y)).collect();
        let mark = Mark::new(kind, points, scale).unwrap();
        mark.labelled(&format!("{LABEL} 80%")).unwrap()
    };
    MarkKind::ALL.into_iter().map(mark).collect()
}

/// What ann said of the film: flagged, doubted and marked.
fn opinion() -> Opinion {
    Opinion {
        verdict: Some(Verdict::Disagree),
        label: Some("COVID-19".into()),
        key_image: true,
        note: "Herr Müller".into(),
        blinded: None,
        marks: marks(),
    }
}

/// A store in which ann flagged, doubted and marked the film, with a window of her own.
fn reviewed(folder: &Path, film: &str) {
    say(folder, film, "1", OpinionChange::to(&opinion()));
}

/// Adds a review of ann's.
fn say(folder: &Path, film: &str, token: &str, change: OpinionChange) {
    let store = folder.join("state/cxr");
    fs::create_dir_all(&store).unwrap();
    let mut store = Store::open(&store.join("reviews.sqlite")).unwrap();
    let path = sample(film);
    let digest = Sha256::digest(fs::read(&path).unwrap());
    let entry = ReviewEntry {
        token: token.into(),
        image: ImageIdentity {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            path,
            uids: Uids::default(),
            patient_id: None,
        },
        review: Review {
            reviewer: "ann^lee".into(),
            at: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            act: Act::Judged,
            change,
            seen: Seen {
                window: Some((1000.0, 500.0)),
                inverted: true,
                zoom: 2.0,
                part: Some(ShownPart {
                    left: 0.25,
                    top: 0.0,
                    right: 0.75,
                    bottom: 0.5,
                }),
                ..Seen::default()
            },
        },
        prediction: None,
    };
    store.append(&entry).unwrap();
    store.close();
}

/// Objects of every kind, from films that are scored, refused and damaged, with and without the patient.
fn all_kinds(folder: &Path) -> Vec<PathBuf> {
    reviewed(folder, FILM);
    let films = [FILM, OTHER, DAMAGED, "clear_16bit.dcm"].map(sample);
    let films: Vec<&str> = films.iter().map(|path| path.to_str().unwrap()).collect();
    for (kind, out, more) in [
        ("sr", "with", &[WITH_PATIENT, "--reviews"][..]),
        ("sr", "without", &["--reviews"]),
        ("sc", "with", &[WITH_PATIENT, "--reviews"]),
        (
            "sc",
            "without",
            &["--uid-root", "1.2.826.0.1.3680043.8.498"],
        ),
        ("kos", "with", &[WITH_PATIENT]),
        ("kos", "without", &["--keep-uids"]),
    ] {
        let arguments = [&[kind][..], &films, &["-o", out], more].concat();
        let output = dicom(folder, &arguments);
        // One of the films is damaged. Who lists key images does not open films.
        let expected = i32::from(kind != "kos");
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{}",
            complaint(&output)
        );
    }
    let mut all = objects(&folder.join("with"), "");
    all.extend(objects(&folder.join("without"), ""));
    all
}

/// Whether a program is there; skips if not.
fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skip(format_args!("{program} is not installed"));
    }
    found
}

fn dumped(object: &Path) -> String {
    let output = Command::new("dsrdump")
        .args(["+Pl", "+Pc"])
        .arg(object)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// `dciodvfy` names the kind of the object, and finds no error in it.
fn validate(object: &Path) {
    let output = Command::new("dciodvfy").arg(object).output().unwrap();
    let said = complaint(&output) + &String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("Error"), "{}\n{said}", object.display());
    assert!(said.lines().count() > 0, "it names the kind");
}

#[test]
fn dciodvfy_finds_no_error_in_any_kind_of_object() {
    if !is_there("dciodvfy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let all = all_kinds(folder.path());
    // Four reports, three captures, three states and one of a reader, one list; and all again without the reader's state.
    assert_eq!(all.len(), 12 + 11, "{all:#?}");
    for object in all {
        validate(&object);
        let mode = fs::metadata(&object).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// A film with a table of fewer than 16 bits: its presentation state has one that is allowed there.
#[test]
fn dciodvfy_finds_no_error_in_the_state_of_a_film_with_a_table() {
    if !is_there("dciodvfy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (modality, voi) = (tags::MODALITY_LUT_SEQUENCE, tags::VOILUT_SEQUENCE);
    let kinds = [8, 10, 16].map(|bits| [(bits, modality), (bits, voi)]);
    for (bits, sequence) in kinds.concat() {
        let entries: Vec<u16> = (0..1024)
            .map(|entry| entry >> (10 - bits.min(10)))
            .collect();
        let numbers = |values: &[u16]| PrimitiveValue::U16(values.into());
        let table = Dicom(InMemDicomObject::new_empty())
            .with(tags::LUT_DESCRIPTOR, VR::US, numbers(&[1024, 0, bits]))
            .text(tags::MODALITY_LUT_TYPE, VR::LO, "US")
            .with(tags::LUT_DATA, VR::OW, numbers(&entries));
        let film = Dicom::radiograph(512, 512, 10)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
            .text(tags::PATIENT_ID, VR::LO, "4711")
            .sequence(sequence, table)
            .words(&phantom(512, 512, 10));
        let name = format!("{bits}-{:x}", sequence.1);
        let path = folder.path().join(format!("{name}.dcm"));
        fs::write(&path, film.file(EXPLICIT)).unwrap();
        let out = format!("out{name}");
        let arguments = ["sc", path.to_str().unwrap(), "-o", &out, WITH_PATIENT];
        let output = dicom(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let states = objects(&folder.path().join(&out), "gsps-");
        assert_eq!(states.len(), 1);
        validate(&states[0]);
    }
}

/// cxr holds such films in numbers from 0 to 1. What leads from these to the values of the window is not for others.
#[test]
fn the_state_of_a_film_of_32_bits_begins_with_its_stored_values() {
    let folder = tempfile::tempdir().unwrap();
    let words = phantom(512, 512, 16).into_iter().flat_map(|value| {
        let stored = 2_000_000_000 + u32::from(value);
        [stored as u16, (stored >> 16) as u16]
    });
    let film = |slope: &str| {
        Dicom::radiograph(512, 512, 16)
            .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
            .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
            .number(tags::BITS_ALLOCATED, 32)
            .number(tags::BITS_STORED, 32)
            .number(tags::HIGH_BIT, 31)
            .text(tags::RESCALE_SLOPE, VR::DS, slope)
            .text(tags::RESCALE_INTERCEPT, VR::DS, "-5")
            .words(&words.clone().collect::<Vec<_>>())
    };
    for slope in ["1", "0.5"] {
        let path = folder.path().join(format!("{slope}.dcm"));
        fs::write(&path, film(slope).file(EXPLICIT)).unwrap();
        let out = format!("out{slope}");
        let arguments = ["sc", path.to_str().unwrap(), "-o", &out, WITH_PATIENT];
        let output = dicom(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let states = objects(&folder.path().join(&out), "gsps-");
        let state = open_file(&states[0]).unwrap();
        assert_eq!(value(&state, tags::RESCALE_SLOPE), slope);
        assert_eq!(value(&state, tags::RESCALE_INTERCEPT), "-5");
        let voi = &items(&state, tags::SOFTCOPY_VOILUT_SEQUENCE)[0];
        let centre: f64 = value(voi, tags::WINDOW_CENTER).parse().unwrap();
        let factor: f64 = slope.parse().unwrap();
        let within = 2e9 * factor - 5.0..=(2e9 + 65_535.0) * factor - 5.0;
        assert!(within.contains(&centre), "{centre}");
    }
}

/// The items of a sequence; none where it is not there.
fn items(object: &InMemDicomObject, tag: Tag) -> Vec<InMemDicomObject> {
    let sequence = object.get(tag).and_then(|element| element.items());
    sequence.map(<[_]>::to_vec).unwrap_or_default()
}

fn value(object: &InMemDicomObject, tag: Tag) -> String {
    let element = object.get(tag).unwrap_or_else(|| panic!("no {tag}"));
    element.to_str().unwrap().trim_end().to_owned()
}

/// The only annotation of the only state in this folder that has one.
fn annotation(folder: &Path) -> InMemDicomObject {
    let states = objects(folder, "gsps-").into_iter();
    let states: Vec<InMemDicomObject> = states
        .map(|path| open_file(path).unwrap().into_inner())
        .collect();
    assert_eq!(states.len(), 2, "as cxr first shows the film, and ann's");
    let annotations = |state| items(state, tags::GRAPHIC_ANNOTATION_SEQUENCE);
    let mut found: Vec<_> = states.iter().flat_map(annotations).collect();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The texts of an annotation, each with its place.
fn texts(annotation: &InMemDicomObject) -> Vec<(String, Vec<f32>)> {
    let texts = items(annotation, tags::TEXT_OBJECT_SEQUENCE).into_iter();
    let one = |text: InMemDicomObject| {
        let place = text.get(tags::ANCHOR_POINT).unwrap();
        let place = place.to_multi_float32().unwrap();
        (value(&text, tags::UNFORMATTED_TEXT_VALUE), place)
    };
    texts.map(one).collect()
}

/// The graphics of an annotation: their types and coordinates.
fn graphics(annotation: &InMemDicomObject) -> Vec<(String, Vec<f32>)> {
    let graphics = items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE).into_iter();
    let one = |graphic: InMemDicomObject| {
        let data = graphic.get(tags::GRAPHIC_DATA).unwrap();
        let data = data.to_multi_float32().unwrap();
        (value(&graphic, tags::GRAPHIC_TYPE), data)
    };
    graphics.map(one).collect()
}

/// Marks are in the state of their reader as they stand after the last word. The words of a label may name the patient.
#[test]
fn the_marks_of_a_reader_are_in_the_state() {
    let folder = tempfile::tempdir().unwrap();
    reviewed(folder.path(), FILM);
    // The point is taken back.
    let mut after = opinion();
    after.marks.retain(|mark| mark.kind != MarkKind::Point);
    let change = OpinionChange::between(&opinion(), &after);
    say(folder.path(), FILM, "2", change);
    let film = sample(FILM);
    for (out, more, label) in [
        (
            "with",
            &["--reviews", WITH_PATIENT][..],
            format!("{LABEL} "),
        ),
        ("without", &["--reviews"], String::new()),
        ("plain", &[WITH_PATIENT], String::new()),
    ] {
        let arguments = [&["sc", film.to_str().unwrap(), "-o", out][..], more].concat();
        let output = dicom(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let out = folder.path().join(out);
        let states = objects(&out, "gsps-");
        if !more.contains(&"--reviews") {
            let state = open_file(&states[0]).unwrap();
            assert_eq!(states.len(), 1);
            assert!(state.get(tags::GRAPHIC_ANNOTATION_SEQUENCE).is_none());
            assert!(state.get(tags::GRAPHIC_LAYER_SEQUENCE).is_none());
            continue;
        }
        let annotation = annotation(&out);
        // 300 and 400 pixels of 0.2 mm: 60, 80 and 100 mm. The fourth point lies 400 pixels to the right of the third
        // and 300 above it, and the third 350 to the left of the second and 300 above it.
        let first = vec![100.25, 200.5];
        let place = |words: &str| (format!("{words} ({label}80 %)"), first.clone());
        let expected = [
            place("ruler 100.0 mm at the detector"),
            place("cardiothoracic ratio 1.00 (100.0 / 100.0 mm) at the detector"),
            place("angle 12.5°"),
            place("box 60.0 × 80.0 mm at the detector"),
        ];
        assert_eq!(texts(&annotation), expected);
        let polyline = |data: &[f32]| ("POLYLINE".to_owned(), data.to_vec());
        let line = [100.25, 200.5, 400.25, 600.5];
        let other = [50.0, 300.0, 450.0, 0.0];
        let expected = [
            polyline(&line),
            polyline(&line),
            polyline(&other),
            polyline(&[&line[..], &other[..2]].concat()),
            polyline(&[
                100.25, 200.5, 400.25, 200.5, 400.25, 600.5, 100.25, 600.5, 100.25, 200.5,
            ]),
        ];
        assert_eq!(graphics(&annotation), expected);
        let is_validator_there = is_there("dciodvfy");
        for state in states.iter().filter(|_| is_validator_there) {
            validate(state);
        }
    }
}

/// The scores of `cxr predict` for a film, by label, and its severity.
fn predicted(folder: &Path, film: &Path) -> serde_json::Value {
    let arguments = ["predict", film.to_str().unwrap(), "--format", "jsonl", "-q"];
    let output = cxr(folder, &arguments);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dsrdump_reads_the_numbers_of_predict() {
    if !is_there("dsrdump") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let film = sample(FILM);
    let arguments = ["sr", film.to_str().unwrap(), "-o", "out", WITH_PATIENT];
    let output = dicom(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let report = dumped(&objects(&folder.path().join("out"), "sr-")[0]);
    let row = predicted(folder.path(), &film);
    let pneumonia = row["Pneumonia"].as_f64().expect("a score");
    let line = report.lines().find(|line| line.contains("(score,99CXR"));
    let line = line.unwrap_or_else(|| panic!("{report}"));
    let value: f64 = line
        .split("=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((value - pneumonia).abs() < 1e-6, "{line} {pneumonia}");
    let extent = row["geographic_extent"].as_f64().expect("an extent");
    let said = report
        .lines()
        .find(|line| line.contains("(extent,99CXR"))
        .unwrap();
    let value: f64 = said
        .split("=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((value - extent).abs() < 1e-3, "{said} {extent}");
    assert!(report.contains("({0:8},UCUM,\"range: 0:8\")"));
    assert!(report.contains("\"Mean absolute error\""));
    for expected in [
        "(121007,DCM,\"Device\")",
        "(233604007,SCT,\"Pneumonia\")",
        "(840539006,SCT,\"COVID-19\")",
        row["model_sha256"].as_str().unwrap(),
        "SYNTHETIC^CXR",
        "(input-ok,99CXR",
        "not for diagnosis",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
}

#[test]
fn a_reader_is_a_person_observer_and_a_note_leaves_only_with_the_patient() {
    if !is_there("dsrdump") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    reviewed(folder.path(), FILM);
    let film = sample(FILM);
    for (out, more) in [("with", &[WITH_PATIENT][..]), ("without", &[])] {
        let film = film.to_str().unwrap();
        let arguments = [&["sr", film, "-o", out, "--reviews"], more].concat();
        let output = dicom(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let report = dumped(&objects(&folder.path().join(out), "sr-")[0]);
        assert!(
            report.contains("Person Observer Name\")=\"ann lee\""),
            "{report}"
        );
        assert!(report.contains("(disagree,99CXR"));
        assert_eq!(report.contains("Herr Müller"), out == "with", "{report}");
        assert_eq!(report.contains("SYNTHETIC"), out == "with", "{report}");
    }
}

#[test]
fn a_refused_and_a_damaged_film_get_a_report_that_says_so() {
    if !is_there("dsrdump") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let damaged = sample(DAMAGED);
    let output = dicom(
        folder.path(),
        &["sr", damaged.to_str().unwrap(), "-o", "out", WITH_PATIENT],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("truncated.dcm: damaged"));
    let report = dumped(&objects(&folder.path().join("out"), "sr-")[0]);
    assert!(report.contains("(input-failed,99CXR"), "{report}");
    assert!(report.contains("PARTIAL"), "{report}");
    assert!(!report.contains("(score,"), "{report}");

    // The film as a lateral view, which the model refuses.
    let bytes = fs::read(sample("clear_16bit.dcm")).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"\x18\0\x01\x51CS\x02\0");
    let mut lateral = bytes.clone();
    let at = at.expect("View Position") + 8;
    lateral[at..at + 2].copy_from_slice(b"LL");
    let path = folder.path().join("lateral.dcm");
    fs::write(&path, lateral).unwrap();
    let output = dicom(
        folder.path(),
        &["sr", "lateral.dcm", "-o", "refused", WITH_PATIENT],
    );
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let report = dumped(&objects(&folder.path().join("refused"), "sr-")[0]);
    assert!(report.contains("(input-refused,99CXR"), "{report}");
    assert!(report.contains("lateral"), "{report}");
    assert!(!report.contains("(score,"), "{report}");
}

#[test]
fn the_same_films_give_the_same_bytes_but_for_uids_and_times() {
    if !is_there("dcmdump") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    reviewed(folder.path(), FILM);
    let key = folder.path().join("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let film = sample(FILM);
    let film = film.to_str().unwrap();
    for options in [&[WITH_PATIENT][..], &["--pseudonym-key", "key"]] {
        let mut dumps = Vec::new();
        for out in ["one", "two"] {
            for kind in ["sr", "sc", "kos"] {
                let arguments = [&[kind, film, "-o", out][..], options].concat();
                let output = dicom(folder.path(), &arguments);
                assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
            }
            dumps.push(
                objects(&folder.path().join(out), "")
                    .iter()
                    .map(|object| {
                        let name = object.file_name().unwrap().to_str().unwrap().to_owned();
                        (name, without_uids_and_times(object))
                    })
                    .collect::<BTreeMap<_, _>>(),
            );
            fs::remove_dir_all(folder.path().join(out)).unwrap();
        }
        assert_eq!(dumps[0].len(), 4);
        assert_eq!(dumps[0], dumps[1]);
    }
}

/// The pseudonym of a patient, and the UID in place of the study's, are the same in objects, tables and pages.
#[test]
fn one_key_gives_one_pseudonym_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let films = [FILM, DAMAGED, "clear_1.png"].map(sample);
    let films = films.each_ref().map(|path| path.to_str().unwrap());
    let with_key = ["--pseudonym-key", "key"];
    let table = |more: &[&str]| {
        let arguments = [&["predict", "-q"][..], &films, &with_key, more].concat();
        cxr(folder.path(), &arguments)
    };
    let output = table(&["--format", "jsonl"]);
    let rows: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |row: usize, name: &str| rows[row][name].as_str().map(str::to_owned);
    let (patient, study) = (text(0, "patient").unwrap(), text(0, "study_uid").unwrap());
    assert!(patient.starts_with("CXR-") && study.starts_with("2.25."));
    // A film whose picture is damaged has a patient too, and a picture without a header has none.
    assert_eq!(text(1, "status").as_deref(), Some("error"));
    assert!(text(1, "patient").is_some());
    assert_eq!((text(2, "patient"), text(2, "study_uid")), (None, None));
    assert_eq!(text(0, "pseudonym_key"), text(2, "pseudonym_key"));
    // The objects of `cxr dicom`.
    let arguments = [&["sr", films[0], "-o", "out"][..], &with_key].concat();
    let output = dicom(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let object = &objects(&folder.path().join("out"), "sr-")[0];
    let bytes = fs::read(object).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds(&patient) && holds(&study));
    // The page.
    let arguments = [&["report", films[0], "-o", "a.html"][..], &with_key].concat();
    let output = cxr(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let page = fs::read_to_string(folder.path().join("a.html")).unwrap();
    assert!(page.contains(&patient) && page.contains(&study));
    fs::create_dir_all(folder.path().join("state/cxr")).unwrap();
    // Answers of the cache have the same pseudonyms as answers of the model.
    for _ in 0..2 {
        let output = table(&["--cache", "--format", "csv"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("{patient},{study},")), "{said}");
    }
    // A table is not continued with another key, nor without one.
    let first = table(&["-o", "t.csv"]);
    assert_eq!(first.status.code(), Some(1), "{}", complaint(&first));
    let before = fs::read(folder.path().join("t.csv")).unwrap();
    fs::write(&key, [8; 32]).unwrap();
    let other = table(&["-o", "t.csv", "--resume"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(complaint(&other).contains("pseudonyms by key"));
    let arguments = [&["predict", "-q", "-o", "t.csv", "--resume"][..], &films].concat();
    let without = cxr(folder.path(), &arguments);
    assert_eq!(without.status.code(), Some(2));
    assert_eq!(fs::read(folder.path().join("t.csv")).unwrap(), before);
}

/// All elements but UIDs that were made for the object and their length, dates and times. UIDs of the film are in the name of the file.
fn without_uids_and_times(object: &Path) -> String {
    let output = Command::new("dcmdump")
        .args(["+L", "-Un"])
        .arg(object)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let stays = |line: &&str| {
        let word = line.trim_start();
        let is = |vr: &str| word.get(12..14) == Some(vr);
        // The length of the file meta information is that of its UIDs.
        let is_length = word.starts_with("(0002,0000)");
        let is_time = is("DA") || is("TM") || is("DT");
        !is("UI") && !is_time && !is_length && word.starts_with('(')
    };
    text.lines().filter(stays).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_film_that_is_no_dicom_file_and_bad_options_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let film = sample(FILM);
    let film = film.to_str().unwrap();
    let picture = sample("clear_1.png");
    let picture = picture.to_str().unwrap();
    fs::write(folder.path().join("short"), [1; 31]).unwrap();
    fs::write(folder.path().join("open"), [1; 32]).unwrap();
    for name in ["short", "open"] {
        let mode = if name == "open" { 0o644 } else { 0o600 };
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    for (arguments, code, reason) in [
        (&["sr", picture, "-o", "out"][..], 2, "not a DICOM file"),
        (&["sr", "missing.dcm", "-o", "out"], 2, "no such file"),
        (
            &["sr", film, "-o", "out", "--uid-root", "1.02"],
            2,
            "--uid-root 1.02",
        ),
        (
            &["sr", film, "-o", "out", "--pseudonym-key", "short"],
            2,
            "at least 32 bytes",
        ),
        (
            &["sr", film, "-o", "out", "--pseudonym-key", "open"],
            2,
            "others can read it",
        ),
        (
            &["sr", film, "-o", "out", "--pseudonym-key", "none"],
            2,
            "entity not found",
        ),
        (&["kos", film, "-o", "out"], 2, "no such store"),
        (
            &["sc", film, "-o", "out", "--heatmap-label", "x"],
            2,
            "labels are",
        ),
    ] {
        let output = dicom(folder.path(), arguments);
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {said}");
        assert!(said.contains(reason), "{arguments:?} {said}");
        let out = folder.path().join("out");
        assert!(!out.exists() || objects(&out, "").is_empty());
    }
    // What is there is not replaced without --force, and the other film is written all the same.
    let other = sample(OTHER);
    let other = other.to_str().unwrap();
    let run = |more: &[&str]| {
        let arguments = [&["sr", film, "-o", "kept", WITH_PATIENT], more].concat();
        let output = dicom(folder.path(), &arguments);
        (output.status.code(), complaint(&output))
    };
    assert_eq!(run(&[]).0, Some(0));
    let (code, said) = run(&[other]);
    assert_eq!(code, Some(1));
    assert!(said.contains("already exists"), "{said}");
    assert_eq!(objects(&folder.path().join("kept"), "sr-").len(), 2);
    assert_eq!(run(&["--force"]).0, Some(0));
    // A folder among the films.
    let films = folder.path().join("films");
    fs::create_dir(&films).unwrap();
    fs::copy(sample(FILM), films.join("a.dcm")).unwrap();
    let output = dicom(folder.path(), &["sc", "films", "-o", "films/out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!films.join("out").exists());
}

#[test]
fn highdicom_reads_the_report_back() {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dicom_objects/read_back.py");
    let python = std::env::var("CXR_TEST_HIGHDICOM").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import highdicom"])
        .output();
    if !has.is_ok_and(|output| output.status.success()) {
        skip::skip_on_this_machine("no highdicom (CXR_TEST_HIGHDICOM names a Python that has it)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    reviewed(folder.path(), FILM);
    let film = sample(FILM);
    let arguments = [
        "sr",
        film.to_str().unwrap(),
        "-o",
        "out",
        "--reviews",
        WITH_PATIENT,
    ];
    let output = dicom(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let report = &objects(&folder.path().join("out"), "sr-")[0];
    let read = Command::new(python)
        .arg(script)
        .arg(report)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", complaint(&read));
    let read = String::from_utf8(read.stdout).unwrap();
    let row = predicted(folder.path(), &film);
    for label in ["Pneumonia", "COVID-19"] {
        let place = format!("num\tfilm 1: {label}\tscore\t");
        let line = read.lines().find_map(|line| line.strip_prefix(&place));
        let line = line.unwrap_or_else(|| panic!("{read}"));
        let (value, unit) = line.split_once('\t').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(
            (value - row[label].as_f64().unwrap()).abs() < 1e-6,
            "{line}"
        );
        assert_eq!(unit, "1");
    }
    for expected in [
        "code\tfilm 1: Pneumonia\tfinding\t233604007",
        "code\tfilm 1: input check\tinput-check\tinput-ok",
        "num\tfilm 1: severity\textent\t",
        "observer\tDevice",
    ] {
        assert!(read.contains(expected), "{expected}\n{read}");
    }
}

/// An archive on loopback, which ends with the test.
struct Archive {
    child: Child,
    port: u16,
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Archive {
    fn start(folder: &Path) -> Option<Self> {
        const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
        if !is_there("Orthanc") {
            return None;
        }
        if !Path::new(PLUGIN).exists() {
            skip("orthanc-dicomweb is not installed");
            return None;
        }
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port()
        };
        let (port, dimse) = (free(), free());
        let storage = folder.join("orthanc");
        let configuration = serde_json::json!({
            "Name": "cxr test", "StorageDirectory": storage, "IndexDirectory": storage,
            "HttpPort": port, "DicomPort": dimse, "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false, "Plugins": [PLUGIN],
            "DicomWeb": { "Enable": true, "Root": "/dicom-web/" }
        });
        let file = folder.join("orthanc.json");
        fs::write(&file, configuration.to_string()).unwrap();
        let child = Command::new("Orthanc")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let archive = Archive { child, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "Orthanc does not start"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(archive)
    }

    /// One request, and its whole answer.
    fn ask(&self, request: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: application/dicom+json, \
             application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[test]
fn an_archive_keeps_the_objects_beside_the_films_and_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let Some(archive) = Archive::start(folder.path()) else {
        return;
    };
    reviewed(folder.path(), FILM);
    let film = sample(FILM);
    let stored = archive.ask("POST /instances", &fs::read(&film).unwrap());
    assert!(stored.contains("Success"), "{stored}");
    for kind in ["sr", "sc", "kos"] {
        let arguments = [kind, film.to_str().unwrap(), "-o", "out", WITH_PATIENT];
        let output = dicom(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    }
    for object in objects(&folder.path().join("out"), "") {
        let stored = archive.ask("POST /instances", &fs::read(object).unwrap());
        assert!(stored.contains("Success"), "{stored}");
    }
    for (modality, number) in [("SR", 1), ("OT", 1), ("PR", 1), ("KO", 1), ("DX", 1)] {
        let found = archive.ask(&format!("GET /dicom-web/series?Modality={modality}"), b"");
        assert_eq!(
            found.matches("\"0020000E\"").count(),
            number,
            "{modality}: {found}"
        );
    }
    // One patient, one study: the results lie beside the film.
    for level in ["patients", "studies"] {
        let found = archive.ask(&format!("GET /{level}"), b"");
        assert_eq!(found.matches('"').count(), 2, "{found}");
    }
}
