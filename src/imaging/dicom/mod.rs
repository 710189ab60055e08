//! DICOM files to radiographs: the first frame, as stored, and what is said about it.
//!
//! dicom-rs reads the attributes. The pixel data are unpacked here, the first frame only, and
//! decompressed by the codecs that dicom-rs uses itself, called directly: its adapters discard the
//! precision that a stream declares, leave no choice about the colour transform of JPEG, decode
//! neither 32-bit RLE nor, without a C++ compiler, JPEG-LS, and panic where a stream and its header
//! disagree.

mod admission;
mod attributes;
mod character_set;
mod codecs;
mod elements;
mod frame;
mod identity;
mod jpeg_ls;
mod number;
mod object_kind;
mod rewrite;
mod structure;
mod tables;
mod wide;

use std::borrow::Cow;
use std::io::{self, Read};

use dicom_dictionary_std::uids;

use super::{DecodeLimits, ImageFault};
use crate::domain::Radiograph;

pub(super) use structure::starts_like_a_data_set;
use structure::{Encoding, take_apart};

/// Decodes the first frame of a DICOM file, with or without preamble and file meta information.
pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let start = structure::start(bytes)?;
    let syntax = start.transfer_syntax.as_str();
    let data_set = inflated(&bytes[start.offset..], syntax, limits)?;
    let encoding = Encoding::of(syntax).as_found(&data_set);
    let parts = take_apart(&data_set, encoding, &elements::wanted())?;
    let attributes = elements::read(&parts.header)?;
    let Some(pixels) = parts.pixels else {
        return Err(attributes.without_pixels(start.sop_class.as_deref()));
    };
    let description = attributes.picture()?;
    let written = parts.pixel_encoding;
    let frame = frame::first(&description, &attributes, &pixels, syntax, written, limits)?;
    Ok(attributes.radiograph(&description, frame, codecs::name(syntax)))
}

/// The data set itself, decompressed if the whole of it was deflated (PS3.5 A.5).
fn inflated<'a>(
    bytes: &'a [u8],
    transfer_syntax: &str,
    limits: &DecodeLimits,
) -> Result<Cow<'a, [u8]>, ImageFault> {
    if transfer_syntax != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return Ok(Cow::Borrowed(bytes));
    }
    inflate(bytes, limits.max_memory).map(Cow::Owned)
}

/// Deflated bytes, inflated to at most `longest` bytes.
fn inflate(bytes: &[u8], longest: u64) -> Result<Vec<u8>, ImageFault> {
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(bytes)
        .take(longest.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => {
                ImageFault::too_large("deflated data of more than memory holds")
            }
            _ => ImageFault::damaged(format!("deflated data: {error}")),
        })?;
    if inflated.len() as u64 > longest {
        return Err(ImageFault::too_large(format!(
            "deflated data of more than {longest} bytes"
        )));
    }
    Ok(inflated)
}
