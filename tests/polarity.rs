//! Films saved bone-black are found, inverted once for the eye and for the model, and named.

mod imaging_files;
mod skip;

use std::fs;
use std::path::{Path, PathBuf};

use cxr::domain::{Objection, PhotometricInterpretation, Radiograph, Samples};
use cxr::imaging::{self, DecodeLimits};
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use imaging_files::{Dicom, EXPLICIT};

/// The least share of negatives that must be found, among films that training never saw.
const FOUND: f64 = 0.99;
/// The largest share of films that may be inverted wrongly.
const FALSE_ALARMS: f64 = 0.005;

fn open(path: &Path) -> Radiograph {
    imaging::open(path, &DecodeLimits::default()).unwrap()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

fn polarity_objection(film: &Radiograph) -> Option<String> {
    let objections = &film.admission.objections;
    let found = objections
        .iter()
        .find(|o| matches!(o, Objection::Inverted(_)));
    found.map(ToString::to_string)
}

const FILMS: [&str; 10] = [
    "clear_1.png",
    "clear_2.jpg",
    "clear_3.png",
    "clear_16bit.dcm",
    "pneumonia_1.png",
    "pneumonia_2.jfif",
    "pneumonia_12bit_mono1.dcm",
    "pneumonia_jpeg2000.dcm",
    "covid_like_1.webp",
    "covid_like_ap.dcm",
];

#[test]
fn films_and_other_pictures_are_not_inverted() {
    for name in FILMS.into_iter().chain(["not_an_xray.png"]) {
        let film = open(&sample(name));
        assert_eq!(polarity_objection(&film), None, "{name}");
        let stated = film.photometric == PhotometricInterpretation::Monochrome1;
        assert_eq!(film.inverted, stated, "{name}");
    }
    assert!(!imaging::is_negative(&negative(open(&sample(
        "not_an_xray.png"
    )))));
}

#[test]
fn a_film_saved_bone_black_is_inverted() {
    let folder = tempfile::tempdir().unwrap();
    let bone_black = folder.path().join("bone_black.png");
    let mut picture = image::open(sample("clear_1.png")).unwrap().into_luma8();
    picture.pixels_mut().for_each(|p| p.0[0] = 255 - p.0[0]);
    picture.save(&bone_black).unwrap();

    let (film, turned) = (open(&sample("clear_1.png")), open(&bone_black));
    assert_eq!(
        polarity_objection(&turned).as_deref(),
        Some("saved with black bones: inverted for display and for the model")
    );
    let shown = imaging::grey_values(&film);
    let turned: Vec<f32> = imaging::grey_values(&turned)
        .iter()
        .map(|v| v + 255.0)
        .collect();
    assert_eq!(turned, shown);
}

#[test]
fn a_header_that_the_picture_contradicts_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (name, says, wrong) = ("clear_16bit.dcm", "MONOCHROME2", "MONOCHROME1");
    let mut bytes = fs::read(sample(name)).unwrap();
    let stated = bytes.windows(says.len()).position(|w| w == says.as_bytes());
    let at = stated.expect("it states a polarity");
    bytes[at..at + says.len()].copy_from_slice(wrong.as_bytes());
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();

    let (film, turned) = (open(&sample(name)), open(&path));
    let words = format!("black bones despite {wrong}: inverted for display and for the model");
    assert_eq!(polarity_objection(&turned), Some(words));
    assert_eq!(turned.inverted, film.inverted);
    assert_eq!(imaging::grey_values(&turned), imaging::grey_values(&film));
}

/// The sample in floating point, with a border of NaN.
fn in_floating_point(folder: &Path, negative: bool) -> Radiograph {
    const BORDER: u32 = 14;
    let picture = image::open(sample("clear_1.png")).unwrap().into_luma8();
    let (width, height) = picture.dimensions();
    let value = |(x, y, grey): (u32, u32, &image::Luma<u8>)| {
        let within =
            (BORDER..width - BORDER).contains(&x) && (BORDER..height - BORDER).contains(&y);
        let grey = f32::from(grey.0[0]) / 255.0;
        match (within, negative) {
            (false, _) => f32::NAN,
            (true, false) => grey,
            (true, true) => 1.0 - grey,
        }
    };
    let values: Vec<f32> = picture.enumerate_pixels().map(value).collect();
    let data = PrimitiveValue::F32(values.into());
    let file = Dicom::radiograph(width as u16, height as u16, 16)
        .number(tags::BITS_ALLOCATED, 32)
        .with(tags::FLOAT_PIXEL_DATA, VR::OF, data);
    let path = folder.join("film.dcm");
    fs::write(&path, file.file(EXPLICIT)).unwrap();
    open(&path)
}

#[test]
fn nan_is_dark_in_an_inverted_film_too() {
    let folder = tempfile::tempdir().unwrap();
    let [film, turned] = [false, true].map(|negative| in_floating_point(folder.path(), negative));
    assert_eq!(polarity_objection(&film), None);
    assert!(polarity_objection(&turned).is_some());
    let greys = imaging::grey_values(&turned).into_iter().map(|v| v + 1.0);
    let pairs = imaging::grey_values(&film).into_iter().zip(greys);
    let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-6, "{apart}");
}

/// The private radiographs, if they are here.
fn data() -> Option<PathBuf> {
    skip::private_data("cxr/manifest.csv")
}

/// The frontal films of the test split without duplicates, or all other pictures.
fn rows(data: &Path, frontal_test: bool) -> Vec<PathBuf> {
    let mut manifest = csv::Reader::from_path(data.join("cxr/manifest.csv")).unwrap();
    let names = manifest.headers().unwrap().clone();
    let column = |name: &str| names.iter().position(|n| n == name).unwrap();
    let [path, split, modality, view, duplicate] =
        ["path", "split", "modality", "view", "duplicate_of"].map(column);
    let records = manifest.records().map(Result::unwrap);
    let is_frontal = |r: &csv::StringRecord| &r[modality] == "X-ray" && &r[view] != "L";
    records
        .filter(|r| r[duplicate].is_empty() && is_frontal(r) == frontal_test)
        .filter(|r| !frontal_test || &r[split] == "test")
        .map(|r| data.join("cxr").join(&r[path]))
        .collect()
}

/// Whether each film is inverted, and whether its negative would be.
fn turned(paths: &[PathBuf]) -> Vec<(bool, bool)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = paths.chunks(paths.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(|path| both(path)).collect()))
            .collect();
        let parts = running.into_iter().map(|thread| thread.join().unwrap());
        parts.flat_map(|part: Vec<_>| part).collect()
    })
}

fn both(path: &Path) -> (bool, bool) {
    let film = open(path);
    let alarm = polarity_objection(&film).is_some();
    let upright = Radiograph {
        inverted: false,
        ..film
    };
    (alarm, imaging::is_negative(&negative(upright)))
}

fn negative(film: Radiograph) -> Radiograph {
    let samples = match film.samples {
        Samples::Grey8(v) => Samples::Grey8(v.into_iter().map(|v| 255 - v).collect()),
        Samples::Rgb8(v) => Samples::Rgb8(v.into_iter().map(|v| 255 - v).collect()),
        other => panic!("not of 8 bits: {} bytes", other.bytes()),
    };
    Radiograph { samples, ..film }
}

#[test]
fn negatives_of_unseen_films_are_found_and_films_are_not_inverted() {
    let Some(data) = data() else { return };
    let films = turned(&rows(&data, true));
    let share = |of: &dyn Fn(&(bool, bool)) -> bool| {
        let count = films.iter().filter(|film| of(film)).count();
        (count, count as f64 / films.len() as f64)
    };
    let (alarms, found) = (share(&|film| film.0), share(&|film| film.1));
    let n = films.len();
    println!(
        "{} of {n} films inverted, {} of {n} negatives found",
        alarms.0, found.0
    );
    assert!(n > 1000 && found.1 >= FOUND, "{found:?}");
    assert!(alarms.1 <= FALSE_ALARMS, "{alarms:?}");
}

#[test]
fn few_lateral_films_and_slices_are_inverted() {
    let Some(data) = data() else { return };
    let others = turned(&rows(&data, false));
    let count = others.iter().filter(|other| other.0).count();
    println!("{count} of {} inverted", others.len());
    assert!(!others.is_empty() && count * 10 <= others.len(), "{count}");
}
