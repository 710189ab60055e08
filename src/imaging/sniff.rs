//! What a file is, told by its first bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::raster::RasterFormat;
use super::unread::{self, ENOUGH, UnreadFormat};
use super::{ImageFault, dicom, open_regular};

/// Formats that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Raster(RasterFormat),
    Dicom,
}

/// Tells what starts with `head`, or says that nothing known does.
pub(super) fn kind(head: &[u8]) -> Result<FileKind, ImageFault> {
    // First, because a DICOM preamble may hold a TIFF header (PS3.10 section 7.1).
    if head.get(128..132) == Some(b"DICM") {
        return Ok(FileKind::Dicom);
    }
    if let Some(format) = raster_format(head) {
        return Ok(FileKind::Raster(format));
    }
    if dicom::starts_like_a_data_set(head) {
        return Ok(FileKind::Dicom);
    }
    if let Some(format) = unread::by_content(head) {
        return Err(format.fault());
    }
    Err(ImageFault::not_an_image(if head.is_empty() {
        "the file is empty"
    } else {
        "neither PNG, JPEG, WebP, TIFF, BMP, GIF, JPEG 2000 nor DICOM"
    }))
}

fn raster_format(head: &[u8]) -> Option<RasterFormat> {
    let format = match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => RasterFormat::Png,
        // JPEG-LS begins alike, and goes on with a frame header of its own (T.87 C.1.1).
        [0xff, 0xd8, 0xff, 0xf7, ..] => return None,
        [0xff, 0xd8, 0xff, ..] => RasterFormat::Jpeg,
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
        ] => RasterFormat::WebP,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => RasterFormat::Tiff,
        // Two letters are little: the reserved words of the header are zero as well.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => RasterFormat::Bmp,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => RasterFormat::Gif,
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
        | [0xff, 0x4f, 0xff, 0x51, ..] => RasterFormat::Jpeg2000,
        _ => return None,
    };
    Some(format)
}

/// Extensions that images have, `.dcm` among them.
const IMAGES: [&str; 24] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "btf", "bmp", "dib", "gif",
    "jp2", "jpx", "jpf", "j2k", "j2c", "jpc", "jph", "dcm", "dicom", "dic", "ima",
];

/// What a walk may see of a file without decoding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// To be opened as an image.
    Image,
    /// An image or an archive of a format that is not read.
    Unread(UnreadFormat),
    /// It cannot be looked into, and nothing else says what it is. Why, in a few words.
    Closed(String),
    /// No image, no archive, or nothing at all.
    Other,
}

/// Tells what a file is: the endings that images have are believed, anything else is told by at most
/// [`ENOUGH`] bytes of its content, whatever it is called. Never waits on a pipe.
pub fn sight(path: &Path) -> Sighting {
    let is_index = |name: &OsStr| name.eq_ignore_ascii_case("DICOMDIR");
    if path.file_name().is_some_and(is_index) {
        return Sighting::Other; // An index of DICOM files, with no picture.
    }
    if unread::ending(path).is_some_and(|ending| IMAGES.contains(&ending.as_str())) {
        return Sighting::Image;
    }
    match head(path) {
        Ok(head) if kind(&head).is_ok() => Sighting::Image,
        Ok(head) => unread::format(path, &head).map_or(Sighting::Other, Sighting::Unread),
        Err(ImageFault::Unreadable(_)) if path.is_file() && !unread::is_beside(path) => {
            Sighting::Closed(why_closed(path))
        }
        Err(_) => Sighting::Other,
    }
}

/// Why a regular file cannot be read, without the system's number for it.
fn why_closed(path: &Path) -> String {
    let refused = File::open(path).err();
    refused.map_or_else(
        || "it cannot be read".to_owned(),
        |error| error.kind().to_string(),
    )
}

/// Whether a file belongs into a list of images.
pub fn looks_like_image(path: &Path) -> bool {
    sight(path) == Sighting::Image
}

/// The first bytes of a file, as many as are needed to tell what it is.
pub(super) fn head(path: &Path) -> Result<Vec<u8>, ImageFault> {
    let mut head = Vec::with_capacity(ENOUGH);
    let file = open_regular(path)?;
    file.take(ENOUGH as u64)
        .read_to_end(&mut head)
        .map_err(ImageFault::unreadable)?;
    Ok(head)
}
