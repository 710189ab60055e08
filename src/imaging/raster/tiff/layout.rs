//! What a directory says about its picture, checked: sizes, sample types and where the chunks are.

use std::fmt;

use super::directory::{Directory, TiffFile};
use crate::imaging::{DecodeLimits, ImageFault};

/// Tags of TIFF 6.0, and of the supplements that came after it.
mod tag {
    pub const WIDTH: u16 = 256;
    pub const LENGTH: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTE_COUNTS: u16 = 279;
    pub const PLANAR_CONFIGURATION: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTE_COUNTS: u16 = 325;
    pub const INK_SET: u16 = 332;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
}

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
    /// Samples of a pixel that it needs.
    pub fn channels(self) -> usize {
        match self {
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
            Photometric::Rgb | Photometric::YCbCr => 3,
            Photometric::Cmyk => 4,
        }
    }
}

/// *Compression*: those that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// Runs of black and white of a bilevel picture: Huffman codes alone, with one dimension, or with
    /// two (ITU-T T.4 and T.6).
    Fax(Fax),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstandard,
    WebP,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fax {
    Group3,
    Group4,
}

/// One picture of a file.
#[derive(Debug)]
pub struct TiffLayout<'a> {
    pub file: TiffFile<'a>,
    pub directory: Directory<'a>,
    pub width: usize,
    pub height: usize,
    /// Of one sample.
    pub bits: u32,
    pub number: Number,
    /// Of one pixel, alpha and whatever else there is among them.
    pub samples: usize,
    pub photometric: Photometric,
    /// Which sample is alpha.
    pub alpha: Option<usize>,
    /// A chunk holds one sample of each pixel, and the chunks of the first sample come first.
    pub planar: bool,
    pub compression: Compression,
    /// *FillOrder* 2: the bits of every byte in reverse.
    pub reversed: bool,
    pub predictor: u64,
    pub subsampling: (usize, usize),
    /// Columns and rows of a chunk, strip or tile.
    pub chunk: (usize, usize),
    pub tiled: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl<'a> TiffLayout<'a> {
    /// # Errors
    /// If it is over a limit, contradicts itself, or is of a kind that is not read.
    pub fn read(
        file: TiffFile<'a>,
        directory: Directory<'a>,
        limits: &DecodeLimits,
    ) -> Result<TiffLayout<'a>, ImageFault> {
        let (width, height) = size(&directory)?;
        // Before anything is made of the size: the smallest that a picture takes.
        limits.check_picture(width, height, 1)?;
        let whole = whole_jpeg(&directory);
        let samples = count(&directory, tag::SAMPLES_PER_PIXEL, 1)?;
        let photometric = photometric(&directory, samples)?;
        // Some writers of the withdrawn JPEG leave it to the stream.
        let samples = match whole {
            Some(_) => samples.max(photometric.channels()),
            None => samples,
        };
        let compression = compression(&directory)?;
        let (bits, number) = sample_type(&directory, samples)?;
        if photometric == Photometric::Cmyk && compression == Compression::Jpeg {
            return Err(ImageFault::unsupported("TIFF with inks compressed as JPEG"));
        }
        if samples < photometric.channels() {
            return Err(ImageFault::damaged(format!(
                "{samples} samples a pixel, {} needed",
                photometric.channels()
            )));
        }
        let subsampling = match photometric {
            Photometric::YCbCr if compression != Compression::Jpeg => subsampling(&directory)?,
            _ => (1, 1),
        };
        let planar = samples > 1 && directory.number(tag::PLANAR_CONFIGURATION) == Some(2);
        let tiled = directory.has(tag::TILE_WIDTH) && whole.is_none();
        let chunk = match whole {
            Some(_) => (width as usize, height as usize),
            None => chunk_size(&directory, tiled, width, height)?,
        };
        let (offsets, lengths) = match whole {
            Some((offset, length)) => (vec![offset], vec![length]),
            None => chunk_tables(&directory)?,
        };
        let planes = if planar { samples as u64 } else { 1 };
        let beside = |side: u32, of: usize| u64::from(side).div_ceil(of as u64);
        let chunks = beside(width, chunk.0) * beside(height, chunk.1) * planes;
        // Fewer are missed when they are read; with more, none is where it is looked for.
        if offsets.len() as u64 > chunks {
            return Err(ImageFault::damaged(format!(
                "a TIFF of {} strips or tiles, where its size makes {chunks}",
                offsets.len()
            )));
        }
        Ok(TiffLayout {
            file,
            directory,
            width: width as usize,
            height: height as usize,
            bits,
            number,
            samples,
            photometric,
            alpha: alpha(&directory, samples, photometric),
            planar,
            compression,
            reversed: directory.number(tag::FILL_ORDER) == Some(2),
            predictor: directory.number(tag::PREDICTOR).unwrap_or(1),
            subsampling,
            chunk,
            tiled,
            offsets,
            lengths,
        })
    }

    /// Chunks beside and below each other in one plane.
    pub fn chunks(&self) -> (usize, usize) {
        let (columns, rows) = self.chunk;
        (self.width.div_ceil(columns), self.height.div_ceil(rows))
    }

    /// Samples of a pixel in one chunk.
    pub fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Rows of a chunk that a file holds: a strip ends with the picture, a tile does not.
    pub fn stored_rows(&self, chunk_row: usize) -> usize {
        let (_, rows) = self.chunk;
        match self.tiled {
            true => rows,
            false => rows.min(self.height - chunk_row * rows),
        }
    }

    /// Bytes of one row of a chunk, unpacked; `None` where there is no such number.
    pub fn row_bytes(&self) -> Option<usize> {
        let bits = self.chunk.0.checked_mul(self.chunk_samples())?;
        Some(bits.checked_mul(self.bits as usize)?.div_ceil(8))
    }

    /// The stored bytes of a chunk. Files that do not say how many there are have all up to their end.
    pub fn stored(&self, index: usize) -> Result<&'a [u8], ImageFault> {
        let missing =
            || ImageFault::damaged(format!("the TIFF has no strip or tile {}", index + 1));
        let offset = *self.offsets.get(index).ok_or_else(missing)?;
        let rest = usize::try_from(offset).ok();
        let rest = rest.and_then(|at| self.file.bytes.get(at..));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(missing)?;
        let length = self.lengths.get(index).copied().unwrap_or(0);
        match usize::try_from(length) {
            // Uncompressed bytes are counted by what is needed.
            Ok(length) if length > 0 && self.compression != Compression::None => {
                Ok(&rest[..length.min(rest.len())])
            }
            _ => Ok(rest),
        }
    }
}

/// Columns and rows.
fn size(directory: &Directory) -> Result<(u32, u32), ImageFault> {
    let side = |tag| directory.number(tag).and_then(|n| u32::try_from(n).ok());
    match (side(tag::WIDTH), side(tag::LENGTH)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(ImageFault::damaged("the TIFF does not say how large it is")),
    }
}

/// A small number that is not zero.
fn count(directory: &Directory, tag: u16, otherwise: u64) -> Result<usize, ImageFault> {
    match directory.number(tag).unwrap_or(otherwise) {
        n @ 1..=0xffff => Ok(n as usize),
        n => Err(ImageFault::damaged(format!("TIFF tag {tag} is {n}"))),
    }
}

fn photometric(directory: &Directory, samples: usize) -> Result<Photometric, ImageFault> {
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
        // As libtiff guesses.
        None if samples >= 3 => Photometric::Rgb,
        None => Photometric::BlackIsZero,
    })
}

fn compression(directory: &Directory) -> Result<Compression, ImageFault> {
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

/// JPEG of the withdrawn kind (TIFF 6.0 section 22) whose *JPEGInterchangeFormat* is a stream of the
/// whole picture: where it is, and its length, 0 if that is not said.
fn whole_jpeg(directory: &Directory) -> Option<(u64, u64)> {
    const WITHDRAWN: u64 = 6;
    const STREAM: u16 = 513;
    const LENGTH: u16 = 514;
    let offset = directory.number(STREAM).filter(|&at| at != 0)?;
    let is_withdrawn = directory.number(tag::COMPRESSION) == Some(WITHDRAWN);
    is_withdrawn.then(|| (offset, directory.number(LENGTH).unwrap_or(0)))
}

/// Bits and type of every sample, which must be alike.
fn sample_type(directory: &Directory, samples: usize) -> Result<(u32, Number), ImageFault> {
    let alike = |tag, otherwise: u64| {
        let mut values = directory.numbers(tag).unwrap_or_default();
        values.truncate(samples);
        let first = values.first().copied().unwrap_or(otherwise);
        match values.iter().all(|&v| v == first) {
            true => Ok(first),
            false => Err(ImageFault::unsupported(
                "TIFF whose samples differ in size or type",
            )),
        }
    };
    let bits = alike(tag::BITS_PER_SAMPLE, 1)?;
    let number = match alike(tag::SAMPLE_FORMAT, 1)? {
        2 => Number::Signed,
        3 => Number::Float,
        5 | 6 => return Err(ImageFault::unsupported("TIFF of complex numbers")),
        // Undefined numbers (4) are read as the default.
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

/// The first extra sample that is alpha, multiplied into the colours (1) or not (2).
fn alpha(directory: &Directory, samples: usize, photometric: Photometric) -> Option<usize> {
    let extra = directory.numbers(tag::EXTRA_SAMPLES).unwrap_or_default();
    let at = extra.iter().position(|&kind| kind == 1 || kind == 2)?;
    Some(photometric.channels() + at).filter(|&at| at < samples)
}

/// Of the colour differences, across and down: TIFF 6.0 section 21.
fn subsampling(directory: &Directory) -> Result<(usize, usize), ImageFault> {
    let stated = directory.numbers(tag::YCBCR_SUBSAMPLING);
    match *stated.unwrap_or_else(|| vec![2, 2]) {
        [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => Ok((across as usize, down as usize)),
        _ => Err(ImageFault::damaged(
            "the TIFF has no sound YCbCr subsampling",
        )),
    }
}

fn chunk_size(
    directory: &Directory,
    tiled: bool,
    width: u32,
    height: u32,
) -> Result<(usize, usize), ImageFault> {
    if !tiled {
        let rows = directory.number(tag::ROWS_PER_STRIP);
        // 2^32 − 1 stands for all.
        let rows = rows.filter(|&rows| rows != 0).unwrap_or(u64::MAX);
        return Ok((width as usize, rows.min(height.into()) as usize));
    }
    let side = |tag| {
        directory
            .number(tag)
            .filter(|n| (1..=0xffff_ffff).contains(n))
    };
    match (side(tag::TILE_WIDTH), side(tag::TILE_LENGTH)) {
        (Some(width), Some(height)) => Ok((width as usize, height as usize)),
        _ => Err(ImageFault::damaged(
            "the TIFF does not say how large its tiles are",
        )),
    }
}

/// Where the chunks are and how long. Some files have tiles under the tags of strips; lengths may be
/// missing.
fn chunk_tables(directory: &Directory) -> Result<(Vec<u64>, Vec<u64>), ImageFault> {
    let either = |tile, strip| directory.numbers(tile).or_else(|| directory.numbers(strip));
    let offsets = either(tag::TILE_OFFSETS, tag::STRIP_OFFSETS);
    let lengths = either(tag::TILE_BYTE_COUNTS, tag::STRIP_BYTE_COUNTS);
    match offsets {
        Some(offsets) => Ok((offsets, lengths.unwrap_or_default())),
        None => Err(ImageFault::damaged(
            "the TIFF does not say where its pixels are",
        )),
    }
}
