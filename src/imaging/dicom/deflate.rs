//! Deflated data sets and frames, inflated within limits.

use std::borrow::Cow;
use std::io::{self, Read};

use dicom_dictionary_std::uids;

use super::super::{DecodeLimits, ImageFault};

/// The data set itself, inflated if the whole of it was deflated (PS3.5 A.5).
pub(super) fn inflated<'a>(
    bytes: &'a [u8],
    transfer_syntax: &str,
    limits: &DecodeLimits,
) -> Result<Cow<'a, [u8]>, ImageFault> {
    if transfer_syntax != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return Ok(Cow::Borrowed(bytes));
    }
    inflate(bytes, limits.max_memory).map(Cow::Owned)
}

/// The most bytes that are inflated to read a header. Those of radiographs take some kilobytes.
pub(super) const LONGEST_HEADER: u64 = 8 << 20;

/// The beginning of the data set, as far as it can be had: of a deflated one, [`LONGEST_HEADER`] bytes. Headers are read
/// in the program itself too, where a small file must not take all memory. What cannot be inflated to its end, because it is
/// damaged or only the beginning of a file, still begins with its header.
pub(super) fn beginning<'a>(bytes: &'a [u8], transfer_syntax: &str) -> Cow<'a, [u8]> {
    if transfer_syntax != uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return Cow::Borrowed(bytes);
    }
    let mut inflated = Vec::new();
    let decoder = flate2::read::DeflateDecoder::new(bytes);
    let _ = decoder.take(LONGEST_HEADER).read_to_end(&mut inflated);
    Cow::Owned(inflated)
}

/// Inflates to at most `longest` bytes.
pub(super) fn inflate(bytes: &[u8], longest: u64) -> Result<Vec<u8>, ImageFault> {
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
