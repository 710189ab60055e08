//! The part of the corpus that needs only cargo: DICOM, messages, model files, texts and stores.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use cxr::config;
use cxr::fuzzing::{self, answer_to};
use cxr::store::Store;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use rusqlite::Connection;

use super::imaging_files::{
    BIG_ENDIAN, DEFLATED, Dicom, DirectoryRecord, EXPLICIT, IMPLICIT, data_set_start, dicomdir,
    lossless_jpeg, phantom, rle,
};

/// A target, the name of a file, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

const COLUMNS: usize = 13;
const ROWS: usize = 11;

pub fn all() -> Vec<Seed> {
    let dicom = dicom();
    let answers = dicom
        .iter()
        .map(|(_, name, file)| ("answer", format!("{name}.bin"), answer_to(file)))
        .collect();
    let headers = dicom
        .iter()
        .map(|(_, name, file)| ("header", name.clone(), file.clone()))
        .collect();
    [
        answers,
        headers,
        dicom,
        archives(),
        directories(),
        frames(),
        requests(),
        pickles(),
        checkpoints(),
        graphs(),
        folders(),
        arrays(),
        texts(),
        stores(),
        associations(),
        tables(),
    ]
    .concat()
}

/// Tables in Parquet: texts, dictionaries, lists and nothing, and such as ask for more than there is.
fn tables() -> Vec<Seed> {
    use super::parquet_files::{bombs, column, file, long_list, nothing, repeated, texts};
    let mut list = column("reasons", long_list(3));
    list.is_list = true;
    let columns = [
        column("path", vec![texts(&["a.png"])]),
        column("status", repeated(1, "ok")),
        list,
        column("Pneumonia", vec![nothing(1)]),
    ];
    let whole = ("whole", file(1, &columns));
    let files = bombs().into_iter().map(|(name, bytes, _)| (name, bytes));
    [whole]
        .into_iter()
        .chain(files)
        .map(|(name, bytes)| ("parquet", format!("{name}.parquet"), bytes))
        .collect()
}

/// Zip, tar and tar.gz archives, with links, long names and names that lead out.
fn archives() -> Vec<Seed> {
    let zip = |method: zip::CompressionMethod| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for name in ["a.png", "b/film.dcm", "../out"] {
            zip.start_file(name, options).unwrap();
            zip.write_all(&[7; 100]).unwrap();
        }
        zip.add_symlink("link", "/etc/passwd", options).unwrap();
        zip.finish().unwrap().into_inner()
    };
    let mut tar = tar::Builder::new(Vec::new());
    let long = "folder/".repeat(30) + "film.dcm";
    tar.append_pax_extensions([("path", b"a.dcm".as_slice()), ("size", b"3")])
        .unwrap();
    for name in ["short", long.as_str()] {
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &b"abc"[..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    [
        ("stored.zip", zip(zip::CompressionMethod::Stored)),
        ("deflated.zip", zip(zip::CompressionMethod::Deflated)),
        ("long.tar", tar),
        ("long.tar.gz", gzip),
    ]
    .map(|(name, bytes)| ("archive", name.to_owned(), bytes))
    .to_vec()
}

/// Directories of media: linked, with a loop, and with a name that leads out.
fn directories() -> Vec<Seed> {
    let record = |next, lower, kind, file| DirectoryRecord {
        next,
        lower,
        kind,
        file,
    };
    let linked = [
        record(0, 2, "PATIENT", None),
        record(3, 0, "IMAGE", Some("DICOM\\A")),
        record(0, 0, "IMAGE", Some("..\\..\\B")),
    ];
    let looped = [
        record(2, 1, "STUDY", Some("A")),
        record(1, 0, "IMAGE", Some("B")),
    ];
    vec![
        ("dicomdir", "linked".to_owned(), dicomdir(1, &linked)),
        ("dicomdir", "looped".to_owned(), dicomdir(1, &looped)),
    ]
}

fn test_data(name: &str) -> Vec<u8> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::read(data.join(name)).unwrap()
}

fn plane(bits: u32) -> Vec<u8> {
    let values = phantom(COLUMNS, ROWS, bits);
    values.iter().map(|&v| v as u8).collect()
}

fn film(bits: u16) -> Dicom {
    Dicom::radiograph(COLUMNS as u16, ROWS as u16, bits)
}

fn words(bits: u16) -> Dicom {
    film(bits).words(&phantom(COLUMNS, ROWS, bits.into()))
}

/// Whole files: each encoding, each kind of attribute that is read, and hostile files.
fn dicom() -> Vec<Seed> {
    let described = words(12)
        .text(tags::PATIENT_NAME, VR::PN, "Nobody^No")
        .text(tags::PATIENT_ID, VR::LO, "P7")
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, "19700101")
        .text(tags::PATIENT_SEX, VR::CS, "F")
        .text(tags::PATIENT_AGE, VR::AS, "054Y")
        .text(tags::STUDY_DATE, VR::DA, "20200301")
        .text(tags::STUDY_TIME, VR::TM, "102030.5")
        .text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST")
        .text(tags::VIEW_POSITION, VR::CS, "PA")
        .text(tags::WINDOW_CENTER, VR::DS, "2048\\1024,5")
        .text(tags::WINDOW_WIDTH, VR::DS, "4096\\2048")
        .text(tags::RESCALE_SLOPE, VR::DS, "1.5")
        .text(tags::RESCALE_INTERCEPT, VR::DS, "-1024")
        .text(tags::PIXEL_ASPECT_RATIO, VR::IS, "2\\3")
        .number(tags::PIXEL_PADDING_VALUE, 0);
    let table = |bits: u16| {
        Dicom(dicom_object::InMemDicomObject::new_empty())
            .with(
                tags::LUT_DESCRIPTOR,
                VR::US,
                dicom_core::PrimitiveValue::U16([4, 0, bits].as_ref().into()),
            )
            .with(
                tags::LUT_DATA,
                VR::US,
                dicom_core::PrimitiveValue::U16([0, 9, 90, 255].as_ref().into()),
            )
    };
    let palette = |dicom: Dicom| {
        let palettes = [(0x1101, 0x1201), (0x1102, 0x1202), (0x1103, 0x1203)];
        palettes
            .into_iter()
            .fold(dicom, |dicom, (descriptor, data)| {
                let entries: Vec<u16> = (0..256).map(|v| v << 8).collect();
                dicom
                    .with(
                        Tag(0x28, descriptor),
                        VR::US,
                        dicom_core::PrimitiveValue::U16([256, 0, 16].as_ref().into()),
                    )
                    .with(
                        Tag(0x28, data),
                        VR::OW,
                        dicom_core::PrimitiveValue::U16(entries.as_slice().into()),
                    )
            })
    };
    let explicit = described.file(EXPLICIT);
    let bare = explicit[data_set_start(&explicit)..].to_vec();
    let cut = explicit[..explicit.len() - 100].to_vec();
    let long = [&explicit[..], &[0; 64]].concat();
    let rgb: Vec<u8> = plane(8).iter().flat_map(|&v| [v, v ^ 9, v / 2]).collect();
    let colour = |name| Dicom::colour(COLUMNS as u16, ROWS as u16, name).bytes(&rgb);
    let inverse = words(10).text(tags::PRESENTATION_LUT_SHAPE, VR::CS, "INVERSE");
    let signed = words(16).number(tags::PIXEL_REPRESENTATION, 1);
    let frames = film(8)
        .text(tags::NUMBER_OF_FRAMES, VR::IS, "2")
        .bytes(&[plane(8), plane(8)].concat());
    [
        ("described", explicit),
        ("implicit", described.file(IMPLICIT)),
        ("big_endian", described.file(BIG_ENDIAN)),
        ("deflated", described.file(DEFLATED)),
        ("bare", bare),
        ("cut", cut),
        ("zeros", long),
        ("eight", film(8).bytes(&plane(8)).file(EXPLICIT)),
        ("sixteen", words(16).file(IMPLICIT)),
        ("signed", signed.file(EXPLICIT)),
        ("inverse", inverse.file(EXPLICIT)),
        ("frames", frames.file(EXPLICIT)),
        ("rgb", colour("RGB").file(EXPLICIT)),
        (
            "ybr",
            colour("YBR_FULL")
                .number(tags::PLANAR_CONFIGURATION, 1)
                .file(EXPLICIT),
        ),
        (
            "palette",
            palette(Dicom::radiograph(COLUMNS as u16, ROWS as u16, 8).text(
                tags::PHOTOMETRIC_INTERPRETATION,
                VR::CS,
                "PALETTE COLOR",
            ))
            .bytes(&plane(8))
            .file(EXPLICIT),
        ),
        (
            "voi_lut",
            words(8)
                .sequence(tags::VOILUT_SEQUENCE, table(8))
                .file(EXPLICIT),
        ),
        (
            "modality_lut",
            words(8)
                .sequence(tags::MODALITY_LUT_SEQUENCE, table(16))
                .file(IMPLICIT),
        ),
        (
            "rle",
            film(8)
                .fragments(&[&rle(&[plane(8)])])
                .file(uids::RLE_LOSSLESS),
        ),
        ("jpeg_ls", jpeg_ls_file()),
        ("nested", nested()),
        ("lengths", lengths()),
        ("unknown", unknown()),
    ]
    .map(|(name, file)| ("dicom", name.to_owned(), file))
    .to_vec()
}

fn jpeg_ls_file() -> Vec<u8> {
    Dicom::radiograph(37, 29, 12)
        .fragments(&[&test_data("imaging/phantom-37x29-12bit.jls")])
        .file(uids::JPEGLS_LOSSLESS)
}

fn element(tag: [u8; 4], vr: &[u8; 2], length: u32) -> Vec<u8> {
    [&tag[..], vr, &[0, 0], &length.to_le_bytes()].concat()
}

/// Nested sequences of undefined length, none of which ends.
fn nested() -> Vec<u8> {
    let item = [0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
    let level = [
        element([0x08, 0, 0x40, 0x11], b"SQ", 0xffff_ffff),
        item.to_vec(),
    ]
    .concat();
    [film(8).file(EXPLICIT), level.repeat(100)].concat()
}

/// An element that says it is longer than any file.
fn lengths() -> Vec<u8> {
    let far = element([0x10, 0, 0x10, 0x40], b"OB", 0xffff_fff0);
    [words(8).file(EXPLICIT), far].concat()
}

/// Known attributes with an unknown value representation (PS3.5 6.2.2), one of them of undefined length.
fn unknown() -> Vec<u8> {
    let mut set = element([0x08, 0, 0x60, 0], b"UN", 2);
    set.extend(b"DX");
    set.extend(element([0x28, 0, 0x10, 0], b"UN", 2));
    set.extend([11, 0]);
    set.extend(element([0x28, 0, 0x10, 0x30], b"UN", 0xffff_ffff));
    set.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    let file = words(8).file(EXPLICIT);
    let start = data_set_start(&file);
    [&file[..start], &set, &file[start..]].concat()
}

/// Pixel data after the four bytes that describe them.
fn frames() -> Vec<Seed> {
    let (rows, columns) = (ROWS as u8, COLUMNS as u8);
    let after =
        |how: u8, stored: u8, stream: &[u8]| [&[rows, columns, how, stored], stream].concat();
    let colour: Vec<Vec<u8>> = (0..3).map(|_| plane(8)).collect();
    let deep = phantom(COLUMNS, ROWS, 16);
    let deep_bytes: Vec<u8> = deep.iter().flat_map(|v| v.to_le_bytes()).collect();
    let halves = [8, 0].map(|shift| deep.iter().map(|&v| (v >> shift) as u8).collect());
    let eight: Vec<u16> = plane(8).iter().map(|&v| v.into()).collect();
    let lossless =
        |bits: u8, values: &[u16]| lossless_jpeg(columns.into(), rows.into(), bits, values);
    let jls = |how: u8, bits: u8, name: &str| {
        [
            &[29, 37, how, bits],
            &test_data(&format!("imaging/{name}"))[..],
        ]
        .concat()
    };
    [
        ("dicom_native", "eight", after(0, 8, &plane(8))),
        ("dicom_native", "sixteen", after(1 << 5, 16, &deep_bytes)),
        ("dicom_native", "signed", after(1 << 5 | 8, 12, &deep_bytes)),
        ("dicom_native", "one_bit", after(3 << 5, 1, &plane(8))),
        (
            "dicom_native",
            "thirty_two",
            after(2 << 5, 32, &deep_bytes.repeat(2)),
        ),
        ("dicom_native", "planes", after(2 | 16, 8, &colour.concat())),
        ("dicom_native", "ybr_422", after(4, 8, &colour.concat())),
        ("dicom_rle", "eight", after(0, 8, &rle(&[plane(8)]))),
        ("dicom_rle", "sixteen", after(1 << 5, 16, &rle(&halves))),
        ("dicom_rle", "colour", after(2, 8, &rle(&colour))),
        ("dicom_rle", "many_segments", after(0, 8, &[255; 80])),
        (
            "dicom_jpeg",
            "lossless_8",
            after(0, 8, &lossless(8, &eight)),
        ),
        (
            "dicom_jpeg",
            "lossless_16",
            after(1 << 5, 16, &lossless(16, &deep)),
        ),
        (
            "dicom_jpeg_ls",
            "12bit",
            jls(1 << 5, 12, "phantom-37x29-12bit.jls"),
        ),
        (
            "dicom_jpeg_ls",
            "near3",
            jls(1 << 5, 12, "phantom-37x29-12bit-near3.jls"),
        ),
        (
            "dicom_jpeg_ls",
            "rgb_line",
            jls(2, 8, "phantom-37x29-rgb-line.jls"),
        ),
        (
            "dicom_jpeg_ls",
            "rgb_sample",
            jls(2, 8, "phantom-37x29-rgb-sample.jls"),
        ),
        (
            "dicom_jpeg_2000",
            "12bit",
            jls(1 << 5, 12, "phantom-37x29-12bit.j2k"),
        ),
        ("dicom_deflated", "eight", after(0, 8, &deflated(&plane(8)))),
        (
            "dicom_deflated",
            "sixteen",
            after(1 << 5, 16, &deflated(&deep_bytes)),
        ),
        (
            "dicom_deflated",
            "bomb",
            after(0, 8, &deflated(&vec![0; 1 << 20])),
        ),
    ]
    .map(|(target, name, bytes)| (target, name.to_owned(), bytes))
    .to_vec()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Both requests, one without its last byte, and one for a task that does not exist.
fn requests() -> Vec<Seed> {
    let [decode, attempt] = fuzzing::requests();
    let cut = decode[..decode.len() - 1].to_vec();
    let unknown = [&attempt[..attempt.len() - 1], &[9]].concat();
    [
        ("decode", decode),
        ("attempt", attempt),
        ("cut", cut),
        ("unknown", unknown),
    ]
    .map(|(name, bytes)| ("request", name.to_owned(), bytes))
    .to_vec()
}

/// The files that `tests/data/checkpoints/make.py` made with PyTorch and Keras, and hostile files.
fn model_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checkpoints");
    let entries = [folder.clone(), folder.join("hostile")].map(|f| fs::read_dir(f).unwrap());
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The pickles inside PyTorch's zip files.
fn pickles() -> Vec<Seed> {
    let pickle = |path: &PathBuf| {
        let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).ok()?;
        let is_pickle = |name: &str| name.ends_with("data.pkl");
        let mut names = archive.file_names().filter_map(Result::ok);
        let inner = names.find(|name| is_pickle(name))?.into_owned();
        drop(names);
        let mut bytes = Vec::new();
        archive
            .by_name(&inner)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        Some(("pickle", format!("{}.pkl", name(path)), bytes))
    };
    model_files().iter().filter_map(pickle).collect()
}

fn checkpoints() -> Vec<Seed> {
    let mut seeds = vec![
        (
            "safetensors",
            "two".to_owned(),
            tensors(
                r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},"__metadata__":{"format":"pt"}}"#,
                12,
            ),
        ),
        (
            "safetensors",
            "overlap".to_owned(),
            tensors(
                r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
                8,
            ),
        ),
        (
            "safetensors",
            "large".to_owned(),
            tensors(
                r#"{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
                0,
            ),
        ),
    ];
    for path in model_files() {
        let bytes = fs::read(&path).unwrap();
        let target = match path.extension().and_then(|e| e.to_str()) {
            Some("pt" | "tar") => "torch",
            Some("h5" | "keras") if bytes.len() < 30_000 => "keras",
            Some("safetensors") => "safetensors",
            _ => continue,
        };
        seeds.push((target, name(&path), bytes));
    }
    seeds
}

/// Small graphs that `tests/data/onnx/make.py` wrote.
fn graphs() -> Vec<Seed> {
    let graph = |name: &str| ("onnx", name.to_owned(), test_data(&format!("onnx/{name}")));
    ["keras.onnx", "flat.onnx", "inverted_13.onnx"]
        .map(graph)
        .to_vec()
}

/// Descriptions of folders, with a zero between the two files, and lists of the files of weights.
fn folders() -> Vec<Seed> {
    let described = |folder: &str| {
        let file = |name: &str| test_data(&format!("folders/{folder}/{name}"));
        let text = [
            file("config.json"),
            vec![0],
            file("preprocessor_config.json"),
        ]
        .concat();
        ("model_folder", folder.to_owned(), text)
    };
    let mut seeds = [
        "convnext-tb",
        "dinov2-findings-parts",
        "swin-covid-bin",
        "vit-new",
        "vit-pneumonia",
    ]
    .map(described)
    .to_vec();
    let index = test_data("folders/dinov2-findings-parts/model.safetensors.index.json");
    let texts: [(&str, &str, &[u8]); 5] = [
        ("part_index", "two", &index),
        (
            "part_index",
            "outside",
            br#"{"weight_map": {"a": "../b", "c": "/etc/d"}}"#,
        ),
        ("model_folder", "timm", TIMM.as_bytes()),
        ("model_folder", "lies", LIES.as_bytes()),
        ("model_folder", "code", CODE.as_bytes()),
    ];
    seeds.extend(texts.map(|(target, name, text)| (target, name.to_owned(), text.to_vec())));
    seeds
}

const TIMM: &str = r#"{"architecture": "resnet18.a1_in1k", "num_classes": 2, "global_pool": "avg", "label_names": ["normal", "tb"], "pretrained_cfg": {"input_size": [3, 64, 64], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "border", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}"#;
const LIES: &str = r#"{"model_type": "vit", "hidden_size": 4096, "num_hidden_layers": 128, "image_size": 1e9, "patch_size": -1, "id2label": {"0": "a\u001b[2J", "1": "NORMAL"}}"#;
const CODE: &str = r#"{"architectures": ["Mine\u202e"], "auto_map": {"AutoModel": "x.y"}, "id2label": {"7": null}}"#;

/// Arrays of NumPy: by rows, by columns and of Python objects.
fn arrays() -> Vec<Seed> {
    let array = |name: &str, header: &str, bytes: usize| {
        let length = (header.len() as u16).to_le_bytes();
        let values: Vec<u8> = (0..bytes as u8).collect();
        let file = [
            b"\x93NUMPY\x01\x00",
            &length[..],
            header.as_bytes(),
            &values,
        ]
        .concat();
        ("npy", name.to_owned(), file)
    };
    vec![
        array(
            "rows",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n",
            24,
        ),
        array(
            "columns",
            "{'descr': '>i2', 'fortran_order': True, 'shape': (1, 2, 3), }\n",
            12,
        ),
        array(
            "objects",
            "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n",
            9,
        ),
        array(
            "shape",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n",
            4,
        ),
    ]
}

fn tensors(header: &str, bytes: usize) -> Vec<u8> {
    let length = header.len() as u64;
    [&length.to_le_bytes(), header.as_bytes(), &vec![0x3f; bytes]].concat()
}

const CARD: &str = r#"name = "double"
version = "1"
architecture = "efficientnet-lite0"
input_size = 192
preprocess = "cxr-1"
licence = "MIT"
pretrained = ""
training_data = "none"
limits = ["few"]
sha256 = "ab"
[[label]]
name = "Pneumonia"
question = "presence"
calibration = { slope = 0.81, intercept = -0.3 }
prevalence = 0.5
operating_point = 0.47
sensitive_point = 0.21
conformal = { present = 0.12, absent = 0.09 }
[[label]]
name = "Bacterial"
question = "given-pneumonia"
conformal = { present = 0.18 }
[[label]]
name = "Viral"
question = "given-pneumonia"
[causes]
temperature = 1.7
calibrated = true
[severity]
geographic_extent_error = 1.1
opacity_error = 0.8
n = 51
[input_head]
refuse = 0.9
caution = 0.5
[distance]
caution = 2.1
refuse = 3.4
[[measurement]]
label = "Pneumonia"
on = "test"
statistic = "AUC"
value = 0.9
low = 0.8
high = 0.95
n = 100
positives = 50
[[adaptation]]
method = "platt"
manifest = "ward.csv"
date = "2026-01-01"
labels = ["Pneumonia"]
images = 100
patients = 90
from_sha256 = "cd"
"#;

const RECIPE: &str = r#"preprocess = "recipe-1"
[preprocessing]
film = { values = "window", depth = "bytes", colour = "rgb", channels = 3 }
step = [
    { do = "resize", short = 9, filter = "pillow-bicubic" },
    { do = "crop", centre = 8, like = "transformers-pil", fill = [1, 2, 3] },
    { do = "range", low = 0, high = 1 },
    { do = "normalise", mean = [0.485, 0.456, 0.406], deviation = [0.229, 0.224, 0.225] },
]
"#;

const OTHER_RECIPE: &str = r#"preprocess = "recipe-1"
[preprocessing]
film = { values = "physical", depth = "floats", colour = "luma", channels = 1 }
step = [
    { do = "crop", to = "lungs" },
    { do = "resize", long = 6, rounding = "nearest", filter = "skimage" },
    { do = "pad", size = 8, at = "top-left", fill = [-0.0] },
    { do = "stretch", from = 1, to = 99, low = -1, high = 1 },
    { do = "standardise" },
    { do = "clip", low = -1.4, high = 1.4 },
    { do = "scale", times = 1e-9, plus = -0.0 },
]
"#;

fn texts() -> Vec<Seed> {
    let hostile_recipe = RECIPE
        .replace("short = 9", "short = 9223372036854775807")
        .replace("0.485", "nan")
        .replace("\"crop\"", "\"a\\u001b[2J\"");
    let keys = "[keys]\nagree = [\"a\", \"ctrl-a\"]\nquit = \"q q\"\nnothing = 3\n";
    let uncommented = config::DEFAULT.replace("\n# ", "\n");
    let not_a_number = CARD.replace("0.81", "nan").replace("2.1", "inf");
    // A file meta group, a sequence of undefined length, and the UIDs of instance and study.
    let film_head = format!(
        "f{}DICM\u{2}\0\u{10}\0UI\u{14}\u{0}1.2.840.10008.1.2.1\0\u{8}\0\u{18}\0UI\u{4}\u{0}4.5\0 \0\r\0UI\u{4}\u{0}1.2\0",
        "\0".repeat(128)
    );
    let seeds: &[(&str, &str, &str)] = &[
        ("card", "full", CARD),
        ("card", "not_a_number", &not_a_number),
        (
            "card",
            "bundled",
            include_str!("../../weights/cxr-lite0.toml"),
        ),
        (
            "card",
            "hostile",
            &CARD.replace("double", "a\\u001b[2J\\u202eb"),
        ),
        ("recipe", "torchvision", RECIPE),
        ("recipe", "others", OTHER_RECIPE),
        ("recipe", "hostile", &hostile_recipe),
        (
            "manifest",
            "plain",
            "path,patient,finding,source,view\na.png,1,Pneumonia,x,PA\nb.png,,COVID-19,,lateral\n",
        ),
        (
            "manifest",
            "collection",
            "filename;folder;patientid;finding;modality;split;geographic_extent\n\"a \"\"b\"\".png\";images;7;Pneumonia/Viral/COVID-19;X-ray;test;3,5\n",
        ),
        (
            "manifest",
            "tabs",
            "\u{feff}Image Index\tFinding Labels\tPatient ID\r\n1.png\tEffusion|Mass\t3\r\n1.png\tNo Finding\t3\r\n",
        ),
        ("manifest", "quotes", "path,finding\n\"a\n\x1b[2J,b"),
        (
            "manifest",
            "boxes",
            "path,finding,boxes\na.png,Pneumonia,0.1 0.2 0.3 0.4;0.5 0.5 0.25 0.25\nb.png,No Finding,NA\n",
        ),
        ("filter", "compare", "covid>0.5 & !reviewed & path:ward3"),
        (
            "filter",
            "groups",
            "(pneumonia >= 50 % | \"lung opacity\" < .25) & !(unread error)",
        ),
        (
            "filter",
            "quotes",
            "path:\"a \\\" b\" \"path:\" ≥ \"\" || !!x",
        ),
        ("filter", "deep", &"!(".repeat(60)),
        (
            "dicomweb",
            "results",
            "[{\"0020000D\":{\"vr\":\"UI\",\"Value\":[\"1.2\"]},\"00080061\":{\"Value\":[\"DX\",null]},\"00200013\":{\"Value\":[3]}},{\"00100010\":{\"Value\":[{\"Alphabetic\":\"A^B\"}]}}]",
        ),
        (
            "dicomweb",
            "part",
            "--x\r\nContent-Type: application/dicom\r\n\r\nfilm\r\n--x--\r\n",
        ),
        (
            "dicomweb",
            "type",
            "multipart/related; type=\"application/dicom\"; boundary=\"a=b;c\"",
        ),
        (
            "dicomweb",
            "address",
            "https://pacs.example:8443/dicom-web/studies/1.2/series/3/instances/4?Modality=DX,CR&PatientName=M%C3%BC*",
        ),
        ("dicomweb", "film", &film_head),
        ("study", "plan", PLAN),
        ("study", "cases", CASES),
        ("configuration", "default", config::DEFAULT),
        ("configuration", "uncommented", &uncommented),
        ("configuration", "keys", keys),
        (
            "configuration",
            "mistakes",
            "theme = \"drak\"\ncolor = [\njobs = -1\nprevalence = { \"a\\nb\" = 2 }\nprobe-timeout = 99999999999\n\"a\\u001b\" = 1\n",
        ),
    ];
    let seeds = seeds.iter();
    seeds
        .map(|(target, name, text)| (*target, (*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// What a modality sends: an association, an object and its release; and the beginnings of it that matter.
fn associations() -> Vec<Seed> {
    let whole = fuzzing::association();
    let request = 6 + u32::from_be_bytes(whole[2..6].try_into().unwrap()) as usize;
    [
        ("object.bin", whole.clone()),
        ("request.bin", whole[..request].to_vec()),
        ("release.bin", b"\x05\0\0\0\0\x04\0\0\0\0".to_vec()),
        ("abort.bin", b"\x07\0\0\0\0\x04\0\0\x02\x01".to_vec()),
        ("long.bin", b"\x04\0\xff\xff\xff\xff".to_vec()),
    ]
    .map(|(name, bytes)| ("pdu", name.to_owned(), bytes))
    .to_vec()
}

/// Stores of the smallest size, and stores altered with SQL.
fn stores() -> Vec<Seed> {
    let all = [
        ("empty", ""),
        ("cut_log", "DELETE FROM chain"),
        ("newer", "PRAGMA user_version = 99"),
        (
            "older",
            "ALTER TABLE review DROP COLUMN calls; PRAGMA user_version = 2",
        ),
        ("other", "PRAGMA application_id = 7"),
        (
            "trigger",
            "CREATE TRIGGER gone AFTER INSERT ON review BEGIN DELETE FROM chain; END",
        ),
        (
            "view",
            "DROP TABLE answer_shown; CREATE VIEW answer_shown AS SELECT 1 AS reviewer, 2 AS image, 3 AS first_ms",
        ),
        (
            "endless",
            "DROP TABLE answer_shown; CREATE VIEW answer_shown AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS reviewer, i AS image, i AS first_ms FROM n",
        ),
        (
            "odd_rows",
            "PRAGMA ignore_check_constraints = 1; INSERT INTO image VALUES ('ab', x'', null, null, null, null, 'x', '{'); INSERT INTO prediction VALUES ('ab', 'm', 'p', '[')",
        ),
    ];
    all.map(|(name, sql)| ("store", name.to_owned(), store(sql)))
        .to_vec()
}

fn store(sql: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    Store::open(&path).unwrap().close();
    let connection = Connection::open(&path).unwrap();
    let smallest = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;";
    connection
        .execute_batch(&format!("{sql}; {smallest}"))
        .unwrap();
    drop(connection);
    fs::read(&path).unwrap()
}

/// A reader study, and a list of cases.
const PLAN: &str = include_str!("../../fuzz/corpus/study/plan");
const CASES: &str = include_str!("../../fuzz/corpus/study/cases");
