//! Where the data set and its pixel data are in a DICOM file (PS3.10 section 7), found without
//! allocating ([`data_elements`](crate::data_elements)).
//!
//! dicom-rs reads a data set into memory by the lengths that the file declares, and recurses into its
//! sequences. This walk goes first. It checks that every declared length lies within the file and that
//! sequences are not nested without end. It rewrites the few elements that are wanted
//! ([`rewrite`](super::rewrite)) and finds the pixel data. dicom-rs sees the rewritten elements only,
//! and of the pixel data only the first frame is touched.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::ImageFault;
use super::pixel_data::PixelData;
use super::rewrite::Rewritten;
use crate::data_elements::{Cursor, Encoding, FileStart};

/// Where the data set of a file starts, and how it is written.
pub(super) struct DataSetStart {
    pub offset: usize,
    pub transfer_syntax: String,
    /// The SOP class in the file meta information. A directory states it nowhere else.
    pub sop_class: Option<String>,
}

/// Finds the data set: after preamble and file meta information, after the latter alone, or right
/// at the start. Where no transfer syntax is stated, the first bytes tell it.
pub(super) fn start(bytes: &[u8]) -> Result<DataSetStart, ImageFault> {
    let FileStart {
        offset,
        transfer_syntax,
        sop_class,
        ..
    } = FileStart::of(bytes)?;
    let guess = || Encoding::guess(&bytes[offset..]).unwrap_or(Encoding::IMPLICIT);
    Ok(DataSetStart {
        offset,
        transfer_syntax: transfer_syntax.unwrap_or_else(|| guess().transfer_syntax().to_owned()),
        sop_class,
    })
}

/// Whether `head` could be the start of a file without preamble: an element of group 0002 or 0008
/// with a plausible value representation or length.
pub(in super::super) fn starts_like_a_data_set(head: &[u8]) -> bool {
    head.starts_with(b"DICM") || Encoding::guess(head).is_some()
}

/// A data set up to and including its pixel data.
pub(super) struct DataSetParts<'a> {
    /// The wanted elements before the pixel data, as Explicit VR Little Endian.
    pub header: Vec<u8>,
    /// `None` if there are none.
    pub pixels: Option<PixelData<'a>>,
    /// How the pixel data are written: as the data set, unless their VR is unknown.
    pub pixel_encoding: Encoding,
}

/// The elements whose tags are `wanted`, up to the pixel data or to the first fault: a film that ends
/// early has its header.
pub(super) fn before_pixels(bytes: &[u8], encoding: Encoding, wanted: &[Tag]) -> Vec<u8> {
    // The first of the three kinds of pixel data.
    let Tag(group, element) = tags::FLOAT_PIXEL_DATA;
    up_to(bytes, encoding, wanted, Tag(group, element - 1)).0
}

/// The same up to the element `last`, and whether the walk came past the place where that is or would be: the bytes may
/// be the beginning of a data set only.
pub(super) fn up_to(
    bytes: &[u8],
    encoding: Encoding,
    wanted: &[Tag],
    last: Tag,
) -> (Vec<u8>, bool) {
    let mut cursor = Cursor::new(bytes, 0, encoding);
    let mut kept = Rewritten::default();
    while cursor.remaining() > 0 {
        let Ok(header) = cursor.header() else { break };
        if header.tag > last {
            return (kept.into_data_set(), true);
        }
        let step = if wanted.contains(&header.tag) {
            cursor.rewrite(&header, 0, &mut kept)
        } else {
            cursor.skip(&header, 0)
        };
        if step.is_err() {
            break;
        }
        if header.tag == last {
            return (kept.into_data_set(), true);
        }
    }
    (kept.into_data_set(), false)
}

/// Walks a data set up to its pixel data, and keeps the elements whose tags are `wanted`. Nothing
/// after the pixel data is read: padding and signatures come there, and none of the wanted elements,
/// because tags ascend (PS3.5 7.1).
pub(super) fn take_apart<'a>(
    bytes: &'a [u8],
    encoding: Encoding,
    wanted: &[Tag],
) -> Result<DataSetParts<'a>, ImageFault> {
    let mut cursor = Cursor::new(bytes, 0, encoding);
    let mut kept = Rewritten::default();
    let mut parts = DataSetParts {
        header: Vec::new(),
        pixels: None,
        pixel_encoding: encoding,
    };
    // Some writers pad the end of a file with zeros, which are not elements.
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    while cursor.position() < end {
        let header = cursor.header()?;
        parts.pixels = match header.tag {
            tags::PIXEL_DATA => Some(cursor.pixel_data(&header)?),
            tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA => {
                Some(cursor.float_pixel_data(&header)?)
            }
            _ => None,
        };
        if parts.pixels.is_some() {
            parts.pixel_encoding = cursor.encoding_within(&header);
            break;
        }
        if wanted.contains(&header.tag) {
            cursor.rewrite(&header, 0, &mut kept)?;
        } else {
            cursor.skip(&header, 0)?;
        }
    }
    parts.header = kept.into_data_set();
    Ok(parts)
}
