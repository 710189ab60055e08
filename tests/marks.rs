//! Marks on films of known spacing, from the file to the table and the page.

mod imaging_files;
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use cxr::domain::{
    Act, ContentId, ImageIdentity, Mark, MarkKind, MarkPoint, Measured, Opinion, OpinionChange,
    Radiograph, Review, Samples, Seen, Uids,
};
use cxr::imaging::{DecodeLimits, Decoder};
use cxr::store::{ReviewEntry, Store};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use imaging_files::{Dicom, EXPLICIT, Files};

const COLUMNS: u16 = 800;
const ROWS: u16 = 1000;
/// A bright plate on the film: columns and rows from here to there.
const PLATE: ((usize, usize), (usize, usize)) = ((100, 400), (150, 950));

/// A film with the plate on it.
fn film() -> Dicom {
    let (columns, rows) = (usize::from(COLUMNS), usize::from(ROWS));
    let ((left, right), (top, bottom)) = PLATE;
    let pixel = |i: usize| {
        let (x, y) = (i % columns, i / columns);
        let is_plate = (left..right).contains(&x) && (top..bottom).contains(&y);
        if is_plate { 3000 } else { 200 }
    };
    let pixels: Vec<u16> = (0..columns * rows).map(pixel).collect();
    Dicom::radiograph(COLUMNS, ROWS, 12).words(&pixels)
}

/// The film as the program reads it: through a decoder process.
fn read(film: &Dicom) -> Radiograph {
    let files = Files::new();
    let path = files.put("film.dcm", &film.file(EXPLICIT));
    let program = PathBuf::from(env!("CARGO_BIN_EXE_cxr"));
    let decoder = Decoder::new(DecodeLimits::default(), Some(program));
    decoder
        .open(&path)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Two opposite corners of the plate, as it is found in the samples.
fn corners(film: &Radiograph) -> [MarkPoint; 2] {
    let Samples::Grey16(samples) = &film.samples else {
        panic!("{:?}", film.samples.channels())
    };
    let bright = (0..samples.len()).filter(|i| samples[*i] > 1000);
    let places: Vec<(usize, usize)> = bright.map(|i| (i % film.width, i / film.width)).collect();
    let range = |of: fn(&(usize, usize)) -> usize| {
        let first = places.iter().map(of).min().unwrap();
        let last = places.iter().map(of).max().unwrap();
        (first as f64, last as f64 + 1.0)
    };
    let ((left, right), (top, bottom)) = (range(|place| place.0), range(|place| place.1));
    [MarkPoint::at(left, top), MarkPoint::at(right, bottom)]
}

fn mark(film: &Radiograph, kind: MarkKind, points: &[MarkPoint]) -> Mark {
    Mark::new(kind, points.to_vec(), film.scale()).unwrap()
}

/// The plate is 300 columns wide and 800 rows high.
#[test]
fn the_plate_has_its_known_size_in_millimetres() {
    // Row spacing, column spacing; what else the header says; the size; where it holds.
    let cases = [
        (
            vec![(tags::IMAGER_PIXEL_SPACING, VR::DS, "0.1\\0.2")],
            (60.0, 80.0),
            "at the detector",
        ),
        (
            vec![
                (tags::IMAGER_PIXEL_SPACING, VR::DS, "0.1\\0.2"),
                (
                    tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
                    VR::DS,
                    "1.25",
                ),
            ],
            (48.0, 64.0),
            "in the patient, magnification 1.25",
        ),
        (
            vec![(tags::PIXEL_SPACING, VR::DS, "0.15\\0.15")],
            (45.0, 120.0),
            "by Pixel Spacing, calibration not stated",
        ),
        (
            vec![
                (tags::PIXEL_SPACING, VR::DS, "0.1\\0.2"),
                (tags::IMAGER_PIXEL_SPACING, VR::DS, "0.15\\0.15"),
                (tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "FIDUCIAL"),
            ],
            (60.0, 80.0),
            "calibrated (fiducial)",
        ),
        (
            vec![
                (tags::PIXEL_SPACING, VR::DS, "0.1\\0.2"),
                (tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "GEOMETRY"),
            ],
            (60.0, 80.0),
            "calibrated (geometry)",
        ),
        (
            vec![(tags::NOMINAL_SCANNED_PIXEL_SPACING, VR::DS, "0.1\\0.2")],
            (60.0, 80.0),
            "on the scanned film",
        ),
    ];
    for (texts, (width, height), words) in cases {
        let film = texts
            .iter()
            .fold(film(), |film, (tag, vr, text)| film.text(*tag, *vr, text));
        let film = read(&film);
        let [a, b] = corners(&film);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        let plate = mark(&film, MarkKind::Box, &[a, b]);
        let Measured::Size {
            width: wide,
            height: high,
        } = plate.measured()
        else {
            panic!("{plate:?}")
        };
        assert!(
            near(wide, width) && near(high, height),
            "{words}: {wide} {high}"
        );
        let diagonal = mark(&film, MarkKind::Ruler, &[a, b]);
        let Measured::Length(length) = diagonal.measured() else {
            panic!("{diagonal:?}")
        };
        assert!(near(length, width.hypot(height)), "{words}: {length}");
        assert!(diagonal.measure_words().ends_with(words), "{words}");
        // The angle between the diagonal and the lower edge of the plate.
        let corner = MarkPoint { x: a.x, y: b.y };
        let angle = mark(&film, MarkKind::Angle, &[a, b, corner]);
        let Measured::Degrees(degrees) = angle.measured() else {
            panic!("{angle:?}")
        };
        let expected = height.atan2(width).to_degrees();
        assert!(near(degrees, expected), "{words}: {degrees} {expected}");
    }
}

#[test]
fn without_a_spacing_there_are_pixels_and_ratios() {
    let square = read(&film());
    let [a, b] = corners(&square);
    let ruler = mark(&square, MarkKind::Ruler, &[a, b]);
    assert_eq!(
        ruler.measure_words(),
        format!("{:.0} px", 300_f64.hypot(800.0))
    );
    let upper = MarkPoint { x: b.x, y: a.y };
    let wide = MarkPoint::at(700.0, 150.0);
    let ratio = mark(&square, MarkKind::CardiothoracicRatio, &[a, upper, a, wide]);
    assert_eq!(ratio.measured().ratio(), Some(0.5));
    // Pixels twice as high as wide, of no known size: the shape counts.
    let oblong = read(&film().text(tags::PIXEL_ASPECT_RATIO, VR::IS, "2\\1"));
    let plate = mark(&oblong, MarkKind::Box, &corners(&oblong));
    assert_eq!(plate.measure_words(), "300 × 1600 px");
    // What no detector has is no spacing.
    for spacing in ["0\\0", "-0.1\\0.1", "x", "1000\\1000", "0.1"] {
        let film = read(&film().text(tags::IMAGER_PIXEL_SPACING, VR::DS, spacing));
        assert_eq!(film.spacing, None, "{spacing}");
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/pneumonia_1.png")
}

/// A store in which two readers have marked the sample.
struct MarkedStore {
    folder: tempfile::TempDir,
    store: PathBuf,
}

impl MarkedStore {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reviews.sqlite");
        let mut log = Store::open(&store).unwrap();
        let spaced = read(&film().text(tags::IMAGER_PIXEL_SPACING, VR::DS, "0.1\\0.2"));
        let at = |x: f64, y: f64| MarkPoint::at(x, y);
        let ruler = mark(
            &spaced,
            MarkKind::Ruler,
            &[at(10.0, 20.0), at(310.0, 820.0)],
        );
        let heart = mark(
            &spaced,
            MarkKind::CardiothoracicRatio,
            &[
                at(100.0, 500.0),
                at(200.0, 500.0),
                at(50.0, 600.0),
                at(250.0, 600.0),
            ],
        );
        let heart = Mark {
            offered: true,
            ..heart
        };
        let point = mark(&spaced, MarkKind::Point, &[at(400.25, 300.5)]);
        let point = point.labelled("=nodule <b> 80%").unwrap();
        let content: ContentId =
            cxr::imaging::content_of(&sample(), &DecodeLimits::default()).unwrap();
        for (token, reviewer, marks) in
            [("1", "ann", vec![ruler, heart]), ("2", "bob", vec![point])]
        {
            let change = OpinionChange::to(&Opinion {
                marks,
                ..Opinion::default()
            });
            let entry = ReviewEntry {
                token: token.to_owned(),
                image: ImageIdentity {
                    sha256: content.to_string(),
                    path: sample(),
                    uids: Uids::default(),
                    patient_id: Some("P-4711".to_owned()),
                },
                review: Review {
                    reviewer: reviewer.to_owned(),
                    at: UNIX_EPOCH + Duration::from_secs(1_769_860_800),
                    act: Act::Marked,
                    change,
                    seen: Seen::default(),
                },
                prediction: None,
            };
            log.append(&entry).unwrap();
        }
        log.close();
        MarkedStore { folder, store }
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_cxr"))
            .arg(command)
            .args(arguments)
            .arg("--store")
            .arg(&self.store)
            .current_dir(self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env_remove("CXR_MODEL")
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        output
    }

    fn table(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run("export", arguments).stdout).unwrap()
    }
}

#[test]
fn the_table_of_marks_has_a_row_for_each_with_its_measures() {
    let store = MarkedStore::new();
    let table = store.table(&["--all", "--marks"]);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert!(!header.iter().any(|name| name == "patient_id"));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let at = header.iter().position(|column| column == name);
        &rows[row][at.unwrap_or_else(|| panic!("{name}"))]
    };
    let cells = |name: &str| [0, 1, 2].map(|row| cell(row, name));
    assert_eq!(rows.len(), 3);
    assert_eq!(cells("reviewer"), ["ann", "ann", "bob"]);
    assert_eq!(cells("mark"), ["1", "2", "1"]);
    assert_eq!(cells("kind"), ["ruler", "cardiothoracic ratio", "point"]);
    assert_eq!(cells("length"), ["100.000", "", ""]);
    assert_eq!(cells("ratio"), ["", "0.500", ""]);
    assert_eq!(cells("heart"), ["", "20.000", ""]);
    assert_eq!(cells("thorax"), ["", "40.000", ""]);
    assert_eq!(cells("unit"), ["mm", "mm", ""]);
    assert_eq!(cells("offered"), ["0", "1", "0"]);
    assert_eq!(cells("x1"), ["10.00", "100.00", "400.25"]);
    assert_eq!(cells("y2"), ["820.00", "500.00", ""]);
    assert_eq!(cells("spacing")[0], "at the detector");
    assert_eq!(cells("row_mm")[0], "0.100000000");
    assert_eq!(cell(2, "confidence"), "80");
    assert_eq!(cell(2, "label"), "'=nodule <b>", "no formula");
    assert!(
        store
            .table(&["--all", "--marks", "--with-patient"])
            .contains("P-4711")
    );

    let rows = store.table(&["--all", "--marks", "--format", "jsonl"]);
    let first: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert_eq!(first["length"], 100.0);
    assert_eq!(first["kind"], "ruler");
    store.run("export", &["--all", "--marks", "-o", "marks.parquet"]);
    let bytes = fs::read(store.folder.path().join("marks.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    // The table of reviews counts them, in its last column.
    let reviews = store.table(&["--all"]);
    let mut lines = reviews.lines();
    assert!(lines.next().unwrap().ends_with(",marks"), "{reviews}");
    assert!(lines.next().unwrap().ends_with(",2"), "{reviews}");
}

#[test]
fn a_report_lists_the_marks_and_draws_them() {
    let store = MarkedStore::new();
    let image = sample();
    let image = image.to_str().unwrap();
    let page = |arguments: &[&str]| {
        let all = [&[image, "-o", "-"], arguments].concat();
        String::from_utf8(store.run("report", &all).stdout).unwrap()
    };
    let marked = page(&[]);
    for expected in [
        "with the marks of its readers by their numbers",
        "Mark 1: ruler 100.0 mm at the detector",
        "Mark 2: cardiothoracic ratio 0.50 (20.0 / 40.0 mm) at the detector; began with the lines",
        "Mark 3: point (&#61;nodule &lt;b&gt; 80 %)",
    ] {
        assert!(marked.contains(expected), "{expected}");
    }
    let unmarked = Command::new(env!("CARGO_BIN_EXE_cxr"))
        .args(["report", image, "-o", "-", "--store", "none.sqlite"])
        .current_dir(store.folder.path())
        .env("XDG_DATA_HOME", store.folder.path().join("data"))
        .env_remove("CXR_MODEL")
        .output()
        .unwrap();
    let unmarked = String::from_utf8(unmarked.stdout).unwrap();
    assert!(!unmarked.contains("Mark 1") && unmarked.contains("in its own window."));
    let first_picture = |page: &str| {
        let picture = page.split("base64,").nth(1).unwrap();
        picture.split('"').next().unwrap().to_owned()
    };
    assert_ne!(first_picture(&marked), first_picture(&unmarked));
}
