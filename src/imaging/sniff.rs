//! Recognises the format of a file by its first bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use super::raster::RasterFormat;
use super::unread::{self, ENOUGH, UnreadFormat};
use super::{DecodeLimits, ImageFault, dicom, open_source};
use crate::sources::Sources;

/// Formats that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Raster(RasterFormat),
    Dicom,
}

/// The format of a file that starts with `head`.
///
/// # Errors
/// If it is a format that is not read, or not a known one.
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

/// Whether a file that starts with `head` is read as DICOM.
pub fn is_dicom(head: &[u8]) -> bool {
    kind(head) == Ok(FileKind::Dicom)
}

fn raster_format(head: &[u8]) -> Option<RasterFormat> {
    let format = match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => RasterFormat::Png,
        // JPEG-LS has the same start, but a frame header of its own (T.87 C.1.1).
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
        // Two letters are not enough: the reserved words of the header must be zero too.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => RasterFormat::Bmp,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => RasterFormat::Gif,
        // The signature box of JP2, or the start of a codestream and its size (T.800 I.5.1, A.4.1).
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

/// Extensions of images that are read, DICOM included.
const IMAGES: [&str; 24] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "btf", "bmp", "dib", "gif",
    "jp2", "jpx", "jpf", "j2k", "j2c", "jpc", "jph", "dcm", "dicom", "dic", "ima",
];

/// What a walk through folders learns about a file without decoding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// An image, to be opened.
    Image,
    /// An archive whose members are walked like files of a folder.
    Archive,
    /// An image or an archive of a format that is not read.
    Unread(UnreadFormat),
    /// A file that cannot be read and whose name does not tell what it is. Holds the reason in a few
    /// words.
    Closed(String),
    /// Not an image and not an archive, or no file.
    Other,
}

/// Recognises a file. Extensions of images are believed. All other files are recognised by at most
/// [`ENOUGH`] bytes of their content. Never waits for a pipe.
pub fn sight(path: &Path) -> Sighting {
    let is_index = |name: &OsStr| name.eq_ignore_ascii_case("DICOMDIR");
    if path.file_name().is_some_and(is_index) {
        return Sighting::Other; // An index of DICOM files, without a picture.
    }
    if image_ending(path).is_some() {
        return Sighting::Image;
    }
    match head(path) {
        Ok(head) if kind(&head).is_ok() => Sighting::Image,
        Ok(head) => match unread::format(path, &head) {
            Some(format) if format.may_be_entered() && is_archive(path) => Sighting::Archive,
            Some(format) => Sighting::Unread(format),
            None => Sighting::Other,
        },
        Err(ImageFault::Unreadable(_)) if path.is_file() && !unread::is_beside(path) => {
            Sighting::Closed(why_closed(path))
        }
        Err(_) => Sighting::Other,
    }
}

/// Whether it is a zip or tar archive on the disk. One inside another archive is not entered.
fn is_archive(path: &Path) -> bool {
    Sources::of_process().kind_of_archive(path).is_some()
}

/// The reason why a regular file cannot be read, without the system's error number.
fn why_closed(path: &Path) -> String {
    let refused = File::open(path).err();
    refused.map_or_else(
        || "it cannot be read".to_owned(),
        |error| error.kind().to_string(),
    )
}

/// The ending of a file's name in lower case, if it is that of images that are read.
pub fn image_ending(path: &Path) -> Option<String> {
    unread::ending(path).filter(|ending| IMAGES.contains(&ending.as_str()))
}

/// Whether the name alone tells that a file is a text or a document beside images.
pub fn is_beside_images(path: &Path) -> bool {
    unread::is_beside(path)
}

/// Whether a file belongs in a list of images.
pub fn looks_like_image(path: &Path) -> bool {
    sight(path) == Sighting::Image
}

/// The first bytes of a film, as many as are needed to recognise it.
pub(super) fn head(path: &Path) -> Result<Vec<u8>, ImageFault> {
    let film = open_source(path, &DecodeLimits::default())?;
    film.head(ENOUGH).map_err(ImageFault::of_reading)
}
