//! What a file is, told by its first bytes.

use std::io::Read;
use std::path::Path;

use super::raster::Format;
use super::{Fault, dicom, open_regular};

/// Bytes that are enough to tell: the DICOM preamble and its magic code.
const ENOUGH: usize = 132;

/// Formats that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Raster(Format),
    Dicom,
}

/// Tells what starts with `head`, or says that nothing known does.
pub(super) fn kind(head: &[u8]) -> Result<Kind, Fault> {
    // First, because a DICOM preamble may hold a TIFF header (PS3.10 section 7.1).
    if head.get(128..132) == Some(b"DICM") {
        return Ok(Kind::Dicom);
    }
    if let Some(format) = raster_format(head) {
        return Ok(Kind::Raster(format));
    }
    if dicom::starts_like_a_data_set(head) {
        return Ok(Kind::Dicom);
    }
    Err(Fault::not_an_image(if head.is_empty() {
        "the file is empty"
    } else {
        "neither PNG, JPEG, WebP, TIFF, BMP, GIF, JPEG 2000 nor DICOM"
    }))
}

fn raster_format(head: &[u8]) -> Option<Format> {
    let format = match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Format::Png,
        [0xff, 0xd8, 0xff, ..] => Format::Jpeg,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Format::WebP,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Format::Tiff,
        // Two letters are little: the reserved words of the header are zero as well.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Format::Bmp,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Format::Gif,
        // The signature box of JP2 and its kin, or a codestream and its size (T.800 I.5.1, A.4.1).
        [
            0,
            0,
            0,
            12,
            b'j',
            b'P',
            b' ',
            b' ',
            b'\r',
            b'\n',
            0x87,
            b'\n',
            ..,
        ]
        | [0xff, 0x4f, 0xff, 0x51, ..] => Format::Jpeg2000,
        _ => return None,
    };
    Some(format)
}

/// Extensions that images have, `.dcm` among them.
const IMAGES: [&str; 24] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "btf", "bmp", "dib", "gif",
    "jp2", "jpx", "jpf", "j2k", "j2c", "jpc", "jph", "dcm", "dicom", "dic", "ima",
];

/// Extensions of files that lie beside images and are none: not worth opening.
const NOT_IMAGES: [&str; 34] = [
    "txt",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "xml",
    "yaml",
    "yml",
    "toml",
    "md",
    "html",
    "htm",
    "pdf",
    "doc",
    "docx",
    "xls",
    "xlsx",
    "py",
    "ipynb",
    "rs",
    "sh",
    "log",
    "db",
    "sqlite",
    "zip",
    "gz",
    "tar",
    "7z",
    "npy",
    "npz",
    "pt",
    "pth",
    "safetensors",
    "mp4",
];

/// Whether a file belongs into a list of images: known extensions are believed, anything else is
/// told by at most 132 bytes of its content. Never waits on a pipe, and is `false` for what cannot
/// be read.
pub fn looks_like_image(path: &Path) -> bool {
    if path
        .file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR"))
    {
        return false; // An index of DICOM files, with no picture.
    }
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some(known) if IMAGES.contains(&known) => true,
        Some(known) if NOT_IMAGES.contains(&known) => false,
        _ => head(path).is_ok_and(|head| kind(&head).is_ok()),
    }
}

/// The first bytes of a file, as many as are needed to tell what it is.
pub(super) fn head(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::with_capacity(ENOUGH);
    let file = open_regular(path)?;
    file.take(ENOUGH as u64)
        .read_to_end(&mut head)
        .map_err(Fault::unreadable)?;
    Ok(head)
}
