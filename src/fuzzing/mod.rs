//! Entry points to every parser of files and texts that others wrote, for the fuzz targets of `fuzz/` and
//! for `tests/fuzz_corpus`. Not part of the public interface.
//!
//! A target takes any bytes and returns soon. Its assertions hold for every input: samples fill the
//! picture, a value that was read can be written and read again as the same, an error is one line.
//!
//! A panic inside a decoder of another crate is caught and costs one file (see `imaging`). So it ends a
//! target only where the parser is our own.

mod dicom;
mod models;
mod store;
mod table;

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

pub use self::dicom::described;
pub use self::models::{
    card, keras, model_folder, npy, onnx, part_index, pickle, recipe, safetensors, torch,
};
use crate::config::{self, Rejected};
use crate::domain::text::is_dangerous;
use crate::domain::{LabelCard, ModelCard, Prevalences, Question, Radiograph, Samples};
use crate::evaluation::boxes::FilmPoint;
use crate::evaluation::manifest::{FilmColumns, films};
use crate::evaluation::{Manifest, ManifestColumns};
use crate::imaging::{self, DecodeLimits, ImageFault, Viewport, VoiLut, fuzzed};
use crate::sources::archive;
use crate::study::{CaseList, StudyFile};
use crate::tui::worklist::{FilterTerms, rewritten};

/// A function that takes any bytes.
pub type FuzzTarget = fn(&[u8]);

/// Every target by name. Its file in `fuzz/fuzz_targets` and its corpus have the same name.
pub const TARGETS: [(&str, FuzzTarget); 38] = [
    ("raster", raster),
    ("png", png),
    ("jpeg", jpeg),
    ("webp", webp),
    ("tiff", tiff),
    ("bmp", bmp),
    ("gif", gif),
    ("jpeg_2000", jpeg_2000),
    ("archive", archive),
    ("dicomdir", dicomdir),
    ("header", header),
    ("dicom", dicom),
    ("dicom_native", dicom_native),
    ("dicom_rle", dicom_rle),
    ("dicom_jpeg", dicom_jpeg),
    ("dicom_jpeg_ls", dicom_jpeg_ls),
    ("dicom_jpeg_2000", dicom_jpeg_2000),
    ("dicom_deflated", dicom_deflated),
    ("answer", answer),
    ("request", request),
    ("pickle", pickle),
    ("torch", torch),
    ("keras", keras),
    ("safetensors", safetensors),
    ("onnx", onnx),
    ("model_folder", model_folder),
    ("part_index", part_index),
    ("npy", npy),
    ("card", card),
    ("recipe", recipe),
    ("manifest", manifest),
    ("filter", filter),
    ("configuration", configuration),
    ("study", study),
    ("dicomweb", dicomweb),
    ("store", store),
    ("pdu", pdu),
    ("parquet", parquet),
];

/// Limits for small pictures: large ones teach a fuzzer nothing more.
fn limits() -> DecodeLimits {
    DecodeLimits {
        max_file_bytes: 1 << 20,
        max_width: 1_024,
        max_height: 1_024,
        max_pixels: 1 << 18,
        max_memory: 64 << 20,
        timeout: Duration::from_secs(10),
    }
}

/// Tables in Parquet, row by row.
pub fn parquet(data: &[u8]) {
    table::target(data);
}

/// A file of any format, recognised by its content.
pub fn raster(data: &[u8]) {
    image(data);
}

/// Files of PNG.
pub fn png(data: &[u8]) {
    if data.starts_with(b"\x89PNG") {
        image(data);
    }
}

/// Files of JPEG.
pub fn jpeg(data: &[u8]) {
    if data.starts_with(b"\xff\xd8\xff") {
        image(data);
    }
}

/// Files of WebP.
pub fn webp(data: &[u8]) {
    if data.starts_with(b"RIFF") {
        image(data);
    }
}

/// Files of TIFF, whose parser is our own.
pub fn tiff(data: &[u8]) {
    if data.starts_with(b"II") || data.starts_with(b"MM") {
        without_panic(image(data));
    }
}

/// Files of GIF.
pub fn gif(data: &[u8]) {
    if data.starts_with(b"GIF") {
        image(data);
    }
}

/// Files of JPEG 2000: a codestream, alone or in the boxes of JP2.
pub fn jpeg_2000(data: &[u8]) {
    if data.starts_with(b"\xff\x4f") || data.starts_with(b"\0\0\0\x0cjP") {
        image(data);
    }
}

/// Files of BMP.
pub fn bmp(data: &[u8]) {
    if data.starts_with(b"BM") {
        image(data);
    }
}

/// Zip, tar and tar.gz archives: their directories, and the start of each member. No member gives more than it states.
pub fn archive(data: &[u8]) {
    if let Err(fault) = archive::fuzzed(data.to_vec()) {
        is_one_line(&fault);
    }
}

/// The DICOMDIR of a medium. No name of it leads out of the medium.
pub fn dicomdir(data: &[u8]) {
    match fuzzed::directory(data) {
        Ok((files, problems)) => {
            let leads_out = |part: &String| part == ".." || part.contains(['/', '\0']);
            assert!(!files.iter().flatten().any(leads_out));
            problems.iter().for_each(is_one_line);
        }
        Err(fault) => is_one_line(&fault),
    }
}

/// The header of a DICOM file, as it is shown.
pub fn header(data: &[u8]) {
    match fuzzed::header(data) {
        Ok(lines) => {
            for line in lines {
                assert!(!line.value.chars().any(is_dangerous), "{line:?}");
                assert!(!line.keyword.chars().any(is_dangerous), "{line:?}");
            }
        }
        Err(fault) => is_one_line(&fault),
    }
}

/// A DICOM file or a bare data set: its structure, its attributes and its pixel data.
pub fn dicom(data: &[u8]) {
    image(data);
}

/// Uncompressed pixel data with the attributes that the first bytes choose: see [`described`].
pub fn dicom_native(data: &[u8]) {
    frame(data, dicom::NATIVE);
}

/// Pixel data in RLE, otherwise like [`dicom_native`].
pub fn dicom_rle(data: &[u8]) {
    frame(data, dicom::RLE);
}

/// Pixel data in JPEG, otherwise like [`dicom_native`].
pub fn dicom_jpeg(data: &[u8]) {
    image(&described(data, dicom::JPEG));
}

/// Pixel data in JPEG-LS, otherwise like [`dicom_native`].
pub fn dicom_jpeg_ls(data: &[u8]) {
    frame(data, dicom::JPEG_LS);
}

/// Pixel data in JPEG 2000, otherwise like [`dicom_native`].
pub fn dicom_jpeg_2000(data: &[u8]) {
    image(&described(data, dicom::JPEG_2000));
}

/// Deflated frames, otherwise like [`dicom_native`].
pub fn dicom_deflated(data: &[u8]) {
    frame(data, dicom::DEFLATED_FRAME);
}

/// Pixel data that only our own code decodes.
fn frame(data: &[u8], syntax: &str) {
    without_panic(image(&described(data, syntax)));
}

/// Fails on a panic that was caught: in our own parsers it is a fault.
fn without_panic(fault: Option<ImageFault>) {
    if let Some(ImageFault::DecoderDied(reason)) = fault {
        panic!("our own code panicked: {reason}");
    }
}

/// Decodes a file and checks everything that is made of it, up to the screen and the model. Returns the
/// fault of the file, if it has one.
fn image(bytes: &[u8]) -> Option<ImageFault> {
    let decoded = fuzzed::decode(bytes, &limits());
    let message = fuzzed::answer(&decoded);
    let read = fuzzed::read_answer(&message).expect("the program can read the answer");
    assert!(
        fuzzed::answer(&read) == message,
        "the program reads the same"
    );
    match decoded {
        Ok(radiograph) => {
            is_sound(&radiograph);
            None
        }
        Err(fault) => {
            is_one_line(&fault);
            Some(fault)
        }
    }
}

fn is_sound(r: &Radiograph) {
    let allowed = limits();
    assert!(r.width > 0 && r.width <= allowed.max_width as usize);
    assert!(r.height > 0 && r.height <= allowed.max_height as usize);
    assert_eq!(r.samples.pixels(), r.width * r.height, "samples");
    if let Samples::Rgb8(rgb) = &r.samples {
        assert_eq!(rgb.len(), 3 * r.width * r.height, "samples in colour");
    }
    assert!((1..=32).contains(&r.bits_stored), "{}", r.bits_stored);
    assert!(r.pixel_aspect > 0.0 && r.pixel_aspect.is_finite());
    let patient = &r.patient;
    let texts = [&patient.sex, &patient.age, &patient.name, &patient.id];
    let uids = [&r.uids.study, &r.uids.series, &r.uids.sop_instance];
    for text in texts.into_iter().chain(uids).chain([&r.taken]).flatten() {
        is_one_line(text);
    }
    is_one_line(&r.format);
    let values = imaging::grey_values(r);
    assert_eq!(values.len(), r.width * r.height, "values for the model");
    assert!(values.iter().all(|v| v.is_finite()), "values are finite");
    let voi = VoiLut::of(r);
    let shown = imaging::render(r, &voi, Viewport::whole(r), 8, 8);
    assert_eq!(
        (shown.width, shown.height),
        (8, 8),
        "the picture for the eye"
    );
}

/// A message of the decoder process to the program. Reading cleans texts, and changes nothing else.
pub fn answer(data: &[u8]) {
    let Some(read) = fuzzed::read_answer(data) else {
        return;
    };
    if let Err(fault) = &read {
        is_one_line(fault);
    }
    let written = fuzzed::answer(&read);
    let again = fuzzed::read_answer(&written).expect("a written answer can be read");
    assert!(fuzzed::answer(&again) == written, "the answer has changed");
}

/// The answer of a decoder process for a file, as a seed of the corpus.
pub fn answer_to(file: &[u8]) -> Vec<u8> {
    fuzzed::answer(&fuzzed::decode(file, &limits()))
}

/// Whether the program can read a message as an answer.
pub fn is_answer(data: &[u8]) -> bool {
    fuzzed::read_answer(data).is_some()
}

/// Both requests of the program, as seeds of the corpus.
pub fn requests() -> [Vec<u8>; 2] {
    fuzzed::requests(&limits())
}

/// Whether a decoder process can read a message as a request.
pub fn is_request(data: &[u8]) -> bool {
    fuzzed::request(data).is_some()
}

/// A request of the program to the decoder process.
pub fn request(data: &[u8]) {
    if let Some(written) = fuzzed::request(data) {
        assert!(written == data, "a request was read that is never written");
    }
}

/// A manifest, with a column of boxes and without. Every row becomes a case or is counted as skipped.
pub fn manifest(data: &[u8]) {
    if let Err(error) = films(data, &FilmColumns::default(), "table") {
        is_one_line(&error);
    }
    for boxes in [None, Some("boxes".to_owned())] {
        let columns = ManifestColumns {
            boxes,
            ..ManifestColumns::default()
        };
        match Manifest::parse(data, &columns) {
            Ok(read) => is_whole(&read),
            Err(error) => is_one_line(&error),
        }
    }
}

fn is_whole(read: &Manifest) {
    let skipped = &read.skipped;
    let others = skipped.filtered + skipped.duplicates + skipped.not_frontal;
    let others = others + skipped.more_boxes + skipped.without_file + skipped.unanswered;
    assert_eq!(read.cases.len() + others, read.rows);
    let groups = read.group_columns.len();
    assert!(read.cases.iter().all(|case| case.groups.len() == groups));
    let beyond_the_film = [(-0.1, 0.5), (1.1, 0.5), (0.5, -0.1), (0.5, 1.1)];
    for drawn in read.cases.iter().flat_map(|case| &case.boxes) {
        for (x, y) in beyond_the_film {
            assert!(!drawn.contains(FilmPoint { x, y }), "{drawn:?}");
        }
    }
}

/// What a DICOMweb server sends: a list of results, a film in parts, a film. The first byte says which. An error is one
/// line, a part lies in its body, and what is taken for a UID is one.
#[cfg(feature = "dicomweb")]
pub fn dicomweb(data: &[u8]) {
    use crate::dicomweb::{DicomWebAddress, boundary, identity, only_part, read_results};
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind {
        b'[' => drop(read_results(data).map_err(|error| is_one_line(&error))),
        b'-' => {
            if let Ok((place, _)) = only_part(data, "x").map_err(|error| is_one_line(&error)) {
                assert!(data.get(place).is_some());
            }
        }
        b'm' | b'h' => {
            let Ok(text) = str::from_utf8(data) else {
                return;
            };
            let _ = boundary(text).map_err(|error| is_one_line(&error));
            let address = DicomWebAddress::parse(text).map_err(|error| is_one_line(&error));
            if let Ok(address) = address {
                let again = DicomWebAddress::parse(&address.place()).map(|again| again.place());
                assert_eq!(again.ok(), Some(address.place()));
            }
        }
        _ => {
            if let Ok(found) = identity(rest).map_err(|error| is_one_line(&error)) {
                for uid in [found.study, found.instance] {
                    let is_uid = |byte: u8| byte.is_ascii_digit() || byte == b'.';
                    assert!(!uid.is_empty() && uid.bytes().all(is_uid));
                }
            }
        }
    }
}

/// This build has no such parser.
#[cfg(not(feature = "dicomweb"))]
pub fn dicomweb(_: &[u8]) {}

/// A filter, with a model's labels and without. The text that it is shown as is an equal filter.
pub fn filter(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let labels = [
        ("Pneumonia", Question::Presence),
        ("Lung Opacity", Question::Presence),
        ("COVID-19", Question::GivenPneumonia),
    ];
    let card = ModelCard {
        labels: labels
            .map(|(name, question)| LabelCard::new(name, question, None))
            .to_vec(),
        ..ModelCard::default()
    };
    let terms = FilterTerms::new(&card, &Prevalences::default());
    for terms in [None, Some(&terms)] {
        match rewritten(text, terms) {
            Ok(Some(written)) => {
                let again = rewritten(&written, terms);
                assert_eq!(again, Ok(Some(written)), "of {text:?}");
            }
            Ok(None) => {}
            Err(error) => assert!(text.is_char_boundary(error.at), "{error:?}"),
        }
    }
}

/// A configuration with its keys. Each mistake is one line that names a line of the file.
pub fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (read, faults) = config::parse(text, Path::new("/folder"));
    let lines = text.matches('\n').count() + 1;
    for fault in &faults {
        assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)));
    }
    let message = Rejected::new(Path::new("cxr.toml"), faults.clone()).to_string();
    assert_eq!(message.lines().count(), faults.len(), "{message:?}");
    message.lines().for_each(|line| is_one_line(&line));
    assert!(read.keys.iter().all(|key| (1..=lines).contains(&key.line)));
}

/// The file of a reader study, and a list of its cases. A list that was read is read again as the same.
pub fn study(data: &[u8]) {
    match StudyFile::parse(data) {
        Err(fault) => is_one_line(&fault),
        Ok(study) => {
            let all = std::iter::once(&study.name);
            let mut all = all.chain(&study.readers).chain(&study.questions);
            assert!(all.all(|text| !text.contains(is_dangerous)));
        }
    }
    match CaseList::parse(data) {
        Err(fault) => is_one_line(&fault),
        Ok(list) => assert_eq!(CaseList::parse(&list.text()), Ok(list)),
    }
}

/// What a stranger sends to `cxr listen`: PDUs, one after another.
pub fn pdu(data: &[u8]) {
    crate::dimse::fuzzed::association(data);
}

/// What a modality sends for one object, as a seed of the corpus.
pub fn association() -> Vec<u8> {
    crate::dimse::fuzzed::seed()
}

/// A review store from an unknown source.
pub fn store(data: &[u8]) {
    store::target(data);
}

/// Checks that a text is one line without characters that move or hide text.
fn is_one_line(text: &impl Display) {
    let line = text.to_string();
    assert!(!line.contains(is_dangerous), "{line:?}");
}
