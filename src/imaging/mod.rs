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

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::{ContentId, Radiograph};

mod big_endian;
pub mod decoder;
mod dicom;
mod display;
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
mod show;
mod sniff;
mod stamp;
mod still;
mod unread;
mod values;
mod wide;
mod zoom_map;

pub use crate::domain::text::clean as clean_text;
pub use decoder::{
    Attempt, Attempts, Confinement, Decoder, WORKER_ARGUMENT, decode_worker, own_program,
};
pub use display::VoiLut;
pub use error::{ImageFault, ImagingError};
pub use guard::panic_is_guarded;
pub use heat_map::{legend, overlay};
pub use png_file::png_with_text;
pub use polarity::is_negative;
pub use readable::{ReadableFormats, readable_formats};
pub use render::{Viewport, developed, render};
pub use show::{histogram, seen, show};
pub use sniff::{Sighting, looks_like_image, sight};
pub use stamp::FileStamp;
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
    let bytes = read_file(path, limits)?;
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
        let file = open_regular(path)?;
        let mut hasher = Sha256::new();
        // Reads one byte more than allowed, to notice a file that grows in the meantime.
        let longest = limits.max_file_bytes.saturating_add(1);
        let length =
            io::copy(&mut file.take(longest), &mut hasher).map_err(ImageFault::unreadable)?;
        if length > limits.max_file_bytes {
            return Err(too_long(length, limits));
        }
        Ok(ContentId::from_digest(hasher.finalize().into()))
    };
    hashed().map_err(|fault| ImagingError::new(path, fault))
}

/// Reads a whole regular file that is not longer than allowed.
fn read_file(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, ImageFault> {
    let file = open_regular(path)?;
    let length = file.metadata().map_err(ImageFault::unreadable)?.len();
    if length > limits.max_file_bytes {
        return Err(too_long(length, limits));
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length as usize)
        .map_err(ImageFault::unreadable)?;
    // Reads one byte more than allowed, to notice a file that has grown in the meantime.
    let read = file
        .take(limits.max_file_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(ImageFault::unreadable)?;
    if read as u64 > limits.max_file_bytes {
        return Err(too_long(read as u64, limits));
    }
    Ok(bytes)
}

fn too_long(length: u64, limits: &DecodeLimits) -> ImageFault {
    ImageFault::too_large(format!("{length} bytes, {} allowed", limits.max_file_bytes))
}

/// Opens a regular file. Opening a pipe or a terminal could wait forever, and one may have replaced the
/// file between the check and the opening. So the file is opened without waiting, and checked again.
fn open_regular(path: &Path) -> Result<File, ImageFault> {
    use rustix::fs::OFlags;
    let regular = |metadata: io::Result<Metadata>| match metadata.map_err(ImageFault::unreadable)? {
        metadata if metadata.is_file() => Ok(()),
        _ => Err(ImageFault::not_an_image("it is not a regular file")),
    };
    regular(fs::metadata(path))?;
    let without_waiting = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = File::options();
    let options = options
        .read(true)
        .custom_flags(without_waiting.bits() as i32);
    let file = options.open(path).map_err(ImageFault::unreadable)?;
    regular(file.metadata())?;
    Ok(file)
}
