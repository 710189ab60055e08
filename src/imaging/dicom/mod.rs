//! DICOM files to radiographs: the first frame as stored, and its attributes.
//!
//! dicom-rs reads the attributes. The pixel data are unpacked here, the first frame only, and
//! decompressed by the codecs that dicom-rs uses itself, called directly. Its adapters discard the
//! precision that a stream declares, leave no choice about the colour transform of JPEG, decode
//! neither 32-bit RLE nor, without a C++ compiler, JPEG-LS, and panic where a stream and its header
//! disagree.
//!
//! A file goes through these steps, and each names only the ones before it:
//!
//! ```text
//! bytes ── structure ──► wanted elements ── elements ──► Attributes ─┬─ image_pixel ──► ImagePixel
//!              │                                                     └─ admission, identity, tables …
//!              └───────► pixel data ── frame (codecs, native, stored_bits) ──► FirstFrame
//!                                                        radiograph: all of it together ──► Radiograph
//! ```

mod acquisition;
mod admission;
mod beginning;
mod character_set;
mod codecs;
mod confidential;
mod decoded;
mod deflate;
mod directory;
mod elements;
mod frame;
mod header;
mod identity;
mod image_pixel;
mod native;
mod number;
mod object_kind;
mod pixel_data;
mod radiograph;
mod rewrite;
mod source_header;
mod stored_bits;
mod structure;
mod tables;
mod transfer_syntax;
mod wide;

use super::{DecodeLimits, ImageFault};
use crate::data_elements::Encoding;
use crate::domain::Radiograph;

pub(super) use beginning::{study, summary};
pub(super) use directory::read as read_directory;
pub(super) use header::lines as header_lines;
pub(super) use source_header::header as source_header;
pub(super) use structure::starts_like_a_data_set;
pub(super) use transfer_syntax::{readable_syntax_uids, readable_syntaxes};

/// Decodes the first frame of a DICOM file, with or without preamble and file meta information.
pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Radiograph, ImageFault> {
    let start = structure::start(bytes)?;
    let syntax = start.transfer_syntax.as_str();
    let data_set = deflate::inflated(&bytes[start.offset..], syntax, limits)?;
    let encoding = Encoding::of(syntax).as_found(&data_set);
    let parts = structure::take_apart(&data_set, encoding, &elements::wanted())?;
    let attributes = elements::read(&parts.header)?;
    let Some(pixels) = parts.pixels else {
        return Err(attributes.without_pixels(start.sop_class.as_deref()));
    };
    let picture = attributes.picture()?;
    let encoding = parts.pixel_encoding;
    let frame = frame::first(&picture, &attributes, &pixels, syntax, encoding, limits)?;
    let surplus = native::surplus(&picture, &pixels);
    let mut radiograph = attributes.radiograph(&picture, frame, transfer_syntax::name(syntax));
    radiograph.admission.objections.extend(surplus);
    Ok(radiograph)
}
