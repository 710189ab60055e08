//! Reads files into [`Radiograph`]s, and turns a [`Radiograph`] into pictures for the screen and numbers
//! for the model.
//!
//! Only this floor names DICOM and image decoders. A file is recognised by its content, never by its
//! name. Any fault in it becomes an [`ImagingError`], whose message is one line.
//!
//! ```text
//! PathBuf ── open ──► Radiograph ──┬── VoiLut, render ──► 8-bit picture for the screen
//!                                  │   overlay ─────────► the same under a heat map
//!                                  └── grey_values ─────► numbers for the model
//! ```
//!
//! # Hostile files
//!
//! Three protections, the cheapest first:
//!
//! 1. *Headers are measured before anything is allocated.* Width, height and declared lengths are
//!    compared with [`DecodeLimits`] and with the size of the file, so a hostile header is an error in
//!    microseconds (`dicom::structure` walks a DICOM data set without allocating before dicom-rs
//!    is allowed to read it).
//! 2. *A panic costs one file.* [`open`] and [`Decoder::open`] catch it and print nothing.
//! 3. *Every file is decoded in a process of its own* when it is opened through a [`Decoder`]. That
//!    process opens nothing: it has no files, no network, a memory limit and a clock, and is
//!    replaced when it dies. See [`decoder`].

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::{ContentId, FilmStudy, FilmSummary, HeaderLine, Radiograph, SourceHeader};
use crate::sources::{OpenedSource, Sources, is_remote};

mod big_endian;
pub mod decoder;
mod dicom;
mod display;
mod draw_marks;
mod error;
pub(crate) mod fuzzed;
mod guard;
mod heat_map;
mod jpeg;
#[cfg(feature = "jpeg2000")]
mod jpeg_2000;
mod jpeg_markers;
mod png_file;
mod polarity;
mod raster;
mod readable;
mod render;
mod screen_picture;
mod show;
mod sniff;
mod still;
mod unread;
mod values;
mod wide;
mod zoom_map;

pub use crate::domain::text::clean as clean_text;
pub use crate::sources::FileStamp;
pub use decoder::{
    Attempt, Attempts, Confinement, Decoder, WORKER_ARGUMENT, decode_worker, own_program,
};
pub use display::VoiLut;
pub use draw_marks::draw_marks;
pub use error::{ImageFault, ImagingError};
pub use guard::panic_is_guarded;
pub use heat_map::{legend, overlay};
pub use png_file::png_with_text;
pub use polarity::is_negative;
pub use readable::{ReadableFormats, readable_formats, readable_syntax_uids};
pub use render::{Viewport, developed, render};
pub use screen_picture::{ScreenView, screen_picture};
pub use show::{histogram, seen, show, table_range, window};
pub use sniff::{Sighting, image_ending, is_beside_images, is_dicom, looks_like_image, sight};
pub use still::StillPicture;
pub use unread::UnreadFormat;
pub use values::{grey_values, grey_values_within, step};
pub use zoom_map::with_map;

use sniff::FileKind;

/// How much one file may ask for. A file over a limit is refused as [`ImageFault::TooLarge`].
#[derive(Debug, Clone, PartialEq)]
pub struct DecodeLimits {
    /// Bytes of the file.
    pub max_file_bytes: u64,
    /// Columns.
    pub max_width: u32,
    /// Rows.
    pub max_height: u32,
    /// Columns × rows.
    pub max_pixels: u64,
    /// Bytes of memory that decoding may take.
    pub max_memory: u64,
    /// The longest time a decoder process may spend on one file.
    pub timeout: Duration,
}

impl Default for DecodeLimits {
    /// Allows four times the sides of the largest detectors of today (about 4,300 × 4,300 pixels).
    fn default() -> Self {
        DecodeLimits {
            max_file_bytes: 512 << 20,
            max_width: 20_000,
            max_height: 20_000,
            max_pixels: 100_000_000,
            max_memory: 1 << 30,
            timeout: Duration::from_secs(20),
        }
    }
}

impl DecodeLimits {
    /// Checks a picture of `width × height` pixels that takes `bytes_per_pixel`, before it is decoded.
    fn check_picture(
        &self,
        width: u32,
        height: u32,
        bytes_per_pixel: u64,
    ) -> Result<(), ImageFault> {
        if width == 0 || height == 0 {
            return Err(ImageFault::damaged(format!(
                "it is {width} × {height} pixels"
            )));
        }
        if width > self.max_width || height > self.max_height {
            return Err(ImageFault::too_large(format!(
                "{width} × {height} pixels, {} × {} allowed",
                self.max_width, self.max_height
            )));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.max_pixels {
            return Err(ImageFault::too_large(format!(
                "{pixels} pixels, {} allowed",
                self.max_pixels
            )));
        }
        self.check_memory(pixels.saturating_mul(bytes_per_pixel))
    }

    fn check_memory(&self, bytes: u64) -> Result<(), ImageFault> {
        if bytes > self.max_memory {
            return Err(ImageFault::too_large(format!(
                "{bytes} bytes of memory needed, {} allowed",
                self.max_memory
            )));
        }
        Ok(())
    }
}

/// Reads a radiograph in this process, recognised by its content. A decoder that panics is an error, but
/// one that aborts ends the process, so long-lived programs use a [`Decoder`].
///
/// # Errors
/// If the file cannot be read, is not an image, exceeds a limit, or is damaged or unsupported.
pub fn open(path: &Path, limits: &DecodeLimits) -> Result<Radiograph, ImagingError> {
    read(path, limits).map_err(|fault| ImagingError::new(path, fault))
}

fn read(path: &Path, limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let bytes = read_film(path, limits)?;
    decode(&bytes, limits)
}

/// Decodes the whole content of a file, in the format that the content shows.
fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let content = content_id(bytes);
    decode_film(bytes, limits).map(|film| Radiograph { content, ..film })
}

/// Decodes the content without computing its content id.
fn decode_film(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let kind = sniff::kind(bytes)?;
    guard::catching_panics(|| {
        let film = match kind {
            FileKind::Raster(format) => raster::decode(bytes, format, limits),
            FileKind::Dicom => dicom::decode(bytes, limits),
        }?;
        // Fuzzing skips the polarity network, which would take most of its time and is not a parser.
        if cfg!(fuzzing) {
            Ok(film)
        } else {
            Ok(polarity::settled(film, kind == FileKind::Dicom))
        }
    })
}

/// Reads the header of a DICOM file, without its content id.
///
/// # Errors
/// If it is another file, or damaged before its first element.
fn source_header(bytes: &[u8]) -> Result<SourceHeader, ImageFault> {
    if sniff::kind(bytes)? != FileKind::Dicom {
        let reason = "it is not a DICOM file, so it has no study that a result could belong to";
        return Err(ImageFault::Unsupported(reason.to_owned()));
    }
    guard::catching_panics(|| dicom::source_header(bytes))
}

/// The content id of a file with these bytes.
pub fn content_id(bytes: &[u8]) -> ContentId {
    ContentId::from_digest(Sha256::digest(bytes).into())
}

/// The content id of a file, computed without decoding it.
///
/// # Errors
/// If it is not a regular file, cannot be read, or is longer than allowed.
pub fn content_of(path: &Path, limits: &DecodeLimits) -> Result<ContentId, ImagingError> {
    let hashed = || {
        let film = open_source(path, limits)?;
        let mut hasher = Sha256::new();
        // Reads one byte more than allowed, to notice a file that grows in the meantime.
        let longest = limits.max_file_bytes.saturating_add(1);
        let read = film
            .reader()
            .and_then(|reader| io::copy(&mut reader.take(longest), &mut hasher));
        let length = read.map_err(ImageFault::of_reading)?;
        if length > limits.max_file_bytes {
            return Err(too_long(length, limits));
        }
        Ok(ContentId::from_digest(hasher.finalize().into()))
    };
    hashed().map_err(|fault| ImagingError::new(path, fault))
}

/// What a DICOMDIR lists, as paths of files beside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DicomdirFiles {
    /// In the order of the directory: by patient, study and series.
    pub files: Vec<PathBuf>,
    /// What of it cannot be listed, each in one line.
    pub problems: Vec<String>,
}

/// Reads a DICOMDIR (PS3.10 section 8). Whether the files exist is not checked, but one that is missing is named in
/// small letters if there is such a file, as some systems show a medium.
///
/// # Errors
/// If it cannot be read, or is no DICOMDIR.
pub fn dicomdir(path: &Path) -> Result<DicomdirFiles, ImagingError> {
    let sources = Sources::of_process();
    let folder = path.parent().unwrap_or(Path::new(""));
    let spelled = |parts: Vec<String>| {
        let join = |parts: &[String]| {
            parts
                .iter()
                .fold(folder.to_owned(), |path, part| path.join(part))
        };
        let given = join(&parts);
        if sources.is_film(&given) {
            return given;
        }
        let small: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        Some(join(&small))
            .filter(|small| sources.is_film(small))
            .unwrap_or(given)
    };
    let read = || {
        let bytes = read_film(path, &DecodeLimits::default())?;
        let directory = guard::catching_panics(|| dicom::read_directory(&bytes))?;
        Ok(DicomdirFiles {
            files: directory.files.into_iter().map(spelled).collect(),
            problems: directory.problems,
        })
    };
    read().map_err(|fault| ImagingError::new(path, fault))
}

/// The DICOM header of a film as lines for people, and the content that it is of. `None` inside: the film is in a
/// format without one. The walk through the header allocates nothing by what the file says, so it needs no process of
/// its own.
///
/// # Errors
/// If the film cannot be read, or its header is damaged from the start.
pub fn header(
    path: &Path,
    limits: &DecodeLimits,
) -> Result<(ContentId, Option<Vec<HeaderLine>>), ImagingError> {
    let read = || {
        let bytes = read_film(path, limits)?;
        let lines = match sniff::kind(&bytes)? {
            FileKind::Raster(_) => None,
            FileKind::Dicom => Some(guard::catching_panics(|| dicom::header_lines(&bytes))?),
        };
        Ok((content_id(&bytes), lines))
    };
    read().map_err(|fault| ImagingError::new(path, fault))
}

/// Bytes of a film in which patient, study and view are looked for: at first, and where that is not enough. Headers of
/// radiographs take some kilobytes; longer ones hold pictures of their own.
const BEGINNINGS: [usize; 2] = [32 << 10, 1 << 20];

/// What the beginning of a film was read for.
enum Beginning<T> {
    Found(T),
    /// The film is in a format without a header.
    NoHeader,
    /// The header is longer than the bytes that are read.
    Longer,
}

/// Reads as much of a film as is needed. `read` takes the beginning of a DICOM file, and whether that is all of it; it
/// gives `None` for more. It walks through a header, which allocates nothing by what the file says, so it needs no process
/// of its own.
fn from_beginning<T>(
    path: &Path,
    limits: &DecodeLimits,
    read: impl Fn(&[u8], bool) -> Result<Option<T>, ImageFault>,
) -> Result<Beginning<T>, ImageFault> {
    let film = open_source(path, limits)?;
    for most in BEGINNINGS {
        let head = film.head(most).map_err(ImageFault::of_reading)?;
        if sniff::kind(&head)? != FileKind::Dicom {
            return Ok(Beginning::NoHeader);
        }
        let is_whole = head.len() < most;
        if let Some(found) = guard::catching_panics(|| read(&head, is_whole))? {
            return Ok(Beginning::Found(found));
        }
    }
    Ok(Beginning::Longer)
}

/// Patient, study, time and view of a film, from the beginning of its file. `None` inside: it is in a format without
/// them, its header is longer than the bytes that are read, or it would have to be fetched for it.
///
/// # Errors
/// If the film cannot be read, or its header is damaged from the start.
pub fn summary(path: &Path, limits: &DecodeLimits) -> Result<Option<FilmSummary>, ImagingError> {
    if is_remote(path) {
        return Ok(None);
    }
    match from_beginning(path, limits, dicom::summary) {
        Ok(Beginning::Found(summary)) => Ok(Some(summary)),
        Ok(Beginning::NoHeader | Beginning::Longer) => Ok(None),
        Err(fault) => Err(ImagingError::new(path, fault)),
    }
}

/// The study and the patient that a film's header states, read from its beginning, or from all of it where that is not
/// enough; nothing for a film in another format than DICOM.
///
/// # Errors
/// If the film cannot be read, is in no format that is read, or its header is damaged from the start.
pub fn film_study(path: &Path, limits: &DecodeLimits) -> Result<FilmStudy, ImagingError> {
    let read = || match from_beginning(path, limits, dicom::study)? {
        Beginning::Found(study) => Ok(study),
        Beginning::NoHeader => Ok(FilmStudy::default()),
        Beginning::Longer => {
            let whole = read_film(path, limits)?;
            let found = guard::catching_panics(|| dicom::study(&whole, true))?;
            Ok(found.unwrap_or_default())
        }
    };
    read().map_err(|fault| ImagingError::new(path, fault))
}

/// Reads a whole film that is not longer than allowed.
fn read_film(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, ImageFault> {
    let film = open_source(path, limits)?;
    if film.length() > limits.max_file_bytes {
        return Err(too_long(film.length(), limits));
    }
    // Reads one byte more than allowed, to notice a file that has grown in the meantime.
    let longest = limits.max_file_bytes.saturating_add(1);
    let bytes = film.read(longest).map_err(ImageFault::of_reading)?;
    if bytes.len() as u64 > limits.max_file_bytes {
        return Err(too_long(bytes.len() as u64, limits));
    }
    Ok(bytes)
}

/// Opens what lies at a path: a regular file, a member of an archive, or a film of a remote source.
fn open_source(path: &Path, limits: &DecodeLimits) -> Result<OpenedSource, ImageFault> {
    let opened = Sources::of_process().open(path, limits.max_file_bytes);
    opened.map_err(ImageFault::from)
}

fn too_long(length: u64, limits: &DecodeLimits) -> ImageFault {
    ImageFault::too_large(format!("{length} bytes, {} allowed", limits.max_file_bytes))
}
