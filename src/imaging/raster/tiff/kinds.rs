//! The kinds of samples, colours and compressions that a directory may state, and which of them are
//! read.

use std::fmt;

use super::tag;
use crate::imaging::ImageFault;
use crate::imaging::raster::directory::Directory;

/// *SampleFormat*, TIFF 6.0 section 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Unsigned,
    Signed,
    Float,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Number::Unsigned => "unsigned",
            Number::Signed => "signed",
            Number::Float => "floating-point",
        })
    }
}

/// *PhotometricInterpretation*: what the first samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

impl Photometric {
    /// Samples per pixel that it needs.
    pub fn channels(self) -> usize {
        match self {
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
            Photometric::Rgb | Photometric::YCbCr => 3,
            Photometric::Cmyk => 4,
        }
    }
}

/// *Compression*: the kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Runs of black and white in a bilevel picture (ITU-T T.4 and T.6).
    Fax(Fax),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstandard,
    WebP,
}

/// The two kinds of fax coding that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fax {
    /// T.4, of one dimension.
    Group3,
    /// T.6.
    Group4,
}

/// The photometric interpretation.
///
/// # Errors
/// If it is one that is not read.
pub fn photometric(directory: &Directory, samples: usize) -> Result<Photometric, ImageFault> {
    const CMYK: u64 = 1;
    let unsupported = |what: &str| Err(ImageFault::unsupported(format!("TIFF: {what}")));
    Ok(match directory.number(tag::PHOTOMETRIC) {
        Some(0) => Photometric::WhiteIsZero,
        Some(1) => Photometric::BlackIsZero,
        Some(2) => Photometric::Rgb,
        Some(3) => Photometric::Palette,
        Some(5) if directory.number(tag::INK_SET).unwrap_or(CMYK) == CMYK => Photometric::Cmyk,
        Some(5) => return unsupported("inks other than cyan, magenta, yellow and black"),
        Some(6) => Photometric::YCbCr,
        Some(8..=10) => return unsupported("colours as CIE L*a*b*"),
        Some(4) => return unsupported("a transparency mask and no picture"),
        Some(32_803 | 34_892) => return unsupported("the raw sensor values of a camera"),
        Some(32_844 | 32_845) => return unsupported("logarithmic luminance (LogLuv)"),
        Some(other) => {
            return unsupported(&format!("photometric interpretation {other}"));
        }
        // libtiff assumes the same.
        None if samples >= 3 => Photometric::Rgb,
        None => Photometric::BlackIsZero,
    })
}

/// The compression.
///
/// # Errors
/// If it is one that is not read.
pub fn compression(directory: &Directory) -> Result<Compression, ImageFault> {
    const TWO_DIMENSIONS: u64 = 1;
    let unsupported = |what: &str| {
        Err(ImageFault::unsupported(format!(
            "TIFF compressed as {what}"
        )))
    };
    let t4_options = directory.number(tag::T4_OPTIONS).unwrap_or(0);
    Ok(match directory.number(tag::COMPRESSION).unwrap_or(1) {
        1 => Compression::None,
        2 => return unsupported("CCITT modified Huffman"),
        3 if t4_options & TWO_DIMENSIONS != 0 => {
            return unsupported("CCITT group 3 of two dimensions");
        }
        3 => Compression::Fax(Fax::Group3),
        4 => Compression::Fax(Fax::Group4),
        5 => Compression::Lzw,
        6 if whole_jpeg(directory).is_some() => Compression::Jpeg,
        6 => return unsupported("JPEG of the withdrawn kind (6)"),
        7 => Compression::Jpeg,
        8 | 32_946 => Compression::Deflate,
        32_773 => Compression::PackBits,
        50_000 => Compression::Zstandard,
        50_001 => Compression::WebP,
        33_003 | 33_005 | 34_712 => return unsupported("JPEG 2000"),
        34_887 => return unsupported("LERC"),
        34_925 => return unsupported("LZMA"),
        34_661 => return unsupported("JBIG"),
        50_002 | 52_546 => return unsupported("JPEG XL"),
        other => return unsupported(&format!("number {other}")),
    })
}

/// Offset and length of a JPEG stream of the whole picture, as the withdrawn JPEG compression may have
/// it in *JPEGInterchangeFormat* (TIFF 6.0 section 22). The length is 0 if it is not stated.
pub fn whole_jpeg(directory: &Directory) -> Option<(u64, u64)> {
    const WITHDRAWN: u64 = 6;
    const STREAM: u16 = 513;
    const LENGTH: u16 = 514;
    let offset = directory.number(STREAM).filter(|&at| at != 0)?;
    let is_withdrawn = directory.number(tag::COMPRESSION) == Some(WITHDRAWN);
    is_withdrawn.then(|| (offset, directory.number(LENGTH).unwrap_or(0)))
}

/// Bits and number type of the samples.
///
/// # Errors
/// If samples of a pixel differ, or are of a size or type that is not read.
pub fn sample_type(directory: &Directory, samples: usize) -> Result<(u32, Number), ImageFault> {
    let alike = |tag, otherwise: u64| {
        let mut values = directory.numbers(tag).unwrap_or_default();
        values.truncate(samples);
        let first = values.first().copied().unwrap_or(otherwise);
        if values.iter().all(|&v| v == first) {
            Ok(first)
        } else {
            Err(ImageFault::unsupported(
                "TIFF whose samples differ in size or type",
            ))
        }
    };
    let bits = alike(tag::BITS_PER_SAMPLE, 1)?;
    let number = match alike(tag::SAMPLE_FORMAT, 1)? {
        2 => Number::Signed,
        3 => Number::Float,
        5 | 6 => return Err(ImageFault::unsupported("TIFF of complex numbers")),
        // Samples of undefined type (4) are read as the default.
        _ => Number::Unsigned,
    };
    match (bits, number) {
        (16 | 24 | 32 | 64, Number::Float) | (1..=64, Number::Unsigned | Number::Signed) => {
            Ok((bits as u32, number))
        }
        (_, Number::Float) => Err(ImageFault::unsupported(format!(
            "TIFF with floating point of {bits} bits"
        ))),
        _ => Err(ImageFault::damaged(format!(
            "a TIFF with samples of {bits} bits"
        ))),
    }
}

/// The index of the first extra sample that is alpha, whether multiplied into the colours (1) or not
/// (2).
pub fn alpha(directory: &Directory, samples: usize, photometric: Photometric) -> Option<usize> {
    let extra = directory.numbers(tag::EXTRA_SAMPLES).unwrap_or_default();
    let at = extra.iter().position(|&kind| kind == 1 || kind == 2)?;
    Some(photometric.channels() + at).filter(|&at| at < samples)
}

/// Subsampling of the colour differences, across and down (TIFF 6.0 section 21).
///
/// # Errors
/// If the section does not allow it.
pub fn subsampling(directory: &Directory) -> Result<(usize, usize), ImageFault> {
    let stated = directory.numbers(tag::YCBCR_SUBSAMPLING);
    match *stated.unwrap_or_else(|| vec![2, 2]) {
        [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => Ok((across as usize, down as usize)),
        _ => Err(ImageFault::damaged(
            "the TIFF has no sound YCbCr subsampling",
        )),
    }
}
