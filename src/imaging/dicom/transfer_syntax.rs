//! Transfer syntaxes: their names in words, and which codec each needs.

use dicom_dictionary_std::uids;

use crate::data_elements::{BIG_ENDIAN_PIXELS, EXPLICIT_VR_BIG_ENDIAN};

/// Families of transfer syntaxes that one decoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Uncompressed,
    Deflate,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// Identifier, name for people and codec of each syntax (PS3.5 section 10, PS3.6 annex A).
const SYNTAXES: [(&str, &str, Option<Codec>); 26] = [
    (
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        "implicit little endian",
        None,
    ),
    (
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
        "explicit little endian",
        None,
    ),
    (EXPLICIT_VR_BIG_ENDIAN, "explicit big endian", None),
    (uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "deflated", None),
    (BIG_ENDIAN_PIXELS, "big-endian pixels", None),
    (
        uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN,
        "uncompressed, encapsulated",
        Some(Codec::Uncompressed),
    ),
    (
        uids::DEFLATED_IMAGE_FRAME_COMPRESSION,
        "deflated frames",
        Some(Codec::Deflate),
    ),
    (uids::RLE_LOSSLESS, "RLE", Some(Codec::Rle)),
    (uids::JPEG_BASELINE8_BIT, "JPEG baseline", Some(Codec::Jpeg)),
    (
        uids::JPEG_EXTENDED12_BIT,
        "JPEG extended",
        Some(Codec::Jpeg),
    ),
    (uids::JPEG_LOSSLESS, "JPEG lossless", Some(Codec::Jpeg)),
    (uids::JPEG_LOSSLESS_SV1, "JPEG lossless", Some(Codec::Jpeg)),
    // Retired progressive processes.
    (
        "1.2.840.10008.1.2.4.53",
        "JPEG spectral selection",
        Some(Codec::Jpeg),
    ),
    (
        "1.2.840.10008.1.2.4.55",
        "JPEG progressive",
        Some(Codec::Jpeg),
    ),
    (
        uids::JPEGLS_LOSSLESS,
        "JPEG-LS lossless",
        Some(Codec::JpegLs),
    ),
    (uids::JPEGLS_NEAR_LOSSLESS, "JPEG-LS", Some(Codec::JpegLs)),
    (
        uids::JPEG2000_LOSSLESS,
        "JPEG 2000 lossless",
        Some(Codec::Jpeg2000),
    ),
    (uids::JPEG2000, "JPEG 2000", Some(Codec::Jpeg2000)),
    (uids::JPEGXL_LOSSLESS, "JPEG XL lossless", None),
    (uids::JPEGXLJPEG_RECOMPRESSION, "JPEG XL", None),
    (uids::JPEGXL, "JPEG XL", None),
    (
        uids::HTJ2K_LOSSLESS,
        "HTJ2K lossless",
        Some(Codec::Jpeg2000),
    ),
    (
        uids::HTJ2K_LOSSLESS_RPCL,
        "HTJ2K lossless",
        Some(Codec::Jpeg2000),
    ),
    (uids::HTJ2K, "HTJ2K", Some(Codec::Jpeg2000)),
    (uids::MPEG2MPML, "MPEG-2 video", None),
    (uids::MPEG4HP41, "MPEG-4 video", None),
];

/// Syntaxes that are read without a codec.
const WITHOUT_CODEC: [&str; 5] = [
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    BIG_ENDIAN_PIXELS,
];

/// Syntaxes that are lossless by definition. The others of JPEG 2000 may be either, and a reversible
/// stream that was cut to a rate looks like a whole one.
const LOSSLESS: [&str; 6] = [
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K_LOSSLESS_RPCL,
];

/// A transfer syntax in words; its identifier, if it is not known here.
pub(super) fn name(syntax: &str) -> &str {
    known(syntax).map_or(syntax, |(_, name, _)| name)
}

/// The families of transfer syntaxes that this build reads, for people.
pub(in crate::imaging) fn readable_syntaxes() -> Vec<&'static str> {
    // Both are read without a codec.
    let mut families = vec!["uncompressed", "deflated"];
    for (_, name, codec) in SYNTAXES {
        let family = match codec {
            None | Some(Codec::Uncompressed | Codec::Deflate) => continue,
            Some(Codec::Jpeg2000) if !cfg!(feature = "jpeg2000") => continue,
            Some(Codec::Rle | Codec::Jpeg) => name,
            Some(Codec::JpegLs | Codec::Jpeg2000) => name.strip_suffix(" lossless").unwrap_or(name),
        };
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

/// The identifiers of the transfer syntaxes that this build reads.
pub(in crate::imaging) fn readable_syntax_uids() -> Vec<String> {
    let is_read = |(uid, _, codec): &(&str, &str, Option<Codec>)| match codec {
        None => WITHOUT_CODEC.contains(uid),
        Some(Codec::Jpeg2000) => cfg!(feature = "jpeg2000"),
        Some(_) => true,
    };
    let read = SYNTAXES.into_iter().filter(is_read);
    read.map(|(uid, ..)| uid.to_owned()).collect()
}

/// The codec of a transfer syntax; `None` if it is uncompressed or cannot be decoded here.
pub(super) fn codec(syntax: &str) -> Option<Codec> {
    known(syntax).and_then(|(.., codec)| codec)
}

/// Whether frames of a transfer syntax may have lost something.
pub(super) fn may_be_lossy(syntax: &str) -> bool {
    !LOSSLESS.contains(&syntax)
}

fn known(syntax: &str) -> Option<(&'static str, &'static str, Option<Codec>)> {
    SYNTAXES.into_iter().find(|(uid, ..)| *uid == syntax)
}
