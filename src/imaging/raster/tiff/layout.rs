//! The layout of a picture as its directory states it, checked: sizes, sample types and places of the
//! chunks.

use super::kinds::{
    Compression, Number, Photometric, alpha, compression, photometric, sample_type, subsampling,
    whole_jpeg,
};
use super::tag;
use crate::imaging::raster::directory::{Directory, TiffFile};
use crate::imaging::{DecodeLimits, ImageFault};

/// The layout of one picture in a file.
#[derive(Debug)]
pub struct TiffLayout<'a> {
    pub file: TiffFile<'a>,
    pub directory: Directory<'a>,
    pub width: usize,
    pub height: usize,
    /// Bits of one sample.
    pub bits: u32,
    pub number: Number,
    /// Samples of one pixel, including alpha and other extra samples.
    pub samples: usize,
    pub photometric: Photometric,
    /// Index of the alpha sample in a pixel.
    pub alpha: Option<usize>,
    /// Whether samples are in separate planes: a chunk holds one sample of each pixel, and all chunks of
    /// the first sample come first.
    pub planar: bool,
    pub compression: Compression,
    /// Whether the bits of every byte are reversed (*FillOrder* 2).
    pub reversed: bool,
    /// *Predictor*: 1 none, 2 differences, 3 differences of floating point.
    pub predictor: u64,
    /// Pixels across and down that share a pair of colour differences.
    pub subsampling: (usize, usize),
    /// Columns and rows of a chunk, which is a strip or a tile.
    pub chunk: (usize, usize),
    pub tiled: bool,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl<'a> TiffLayout<'a> {
    /// Reads and checks the layout of a directory's picture.
    ///
    /// # Errors
    /// If it exceeds a limit, contradicts itself, or is of a kind that is not read.
    pub fn read(
        file: TiffFile<'a>,
        directory: Directory<'a>,
        limits: &DecodeLimits,
    ) -> Result<TiffLayout<'a>, ImageFault> {
        let (width, height) = size(&directory)?;
        // Checks the size with the fewest bytes per pixel before it is used.
        limits.check_picture(width, height, 1)?;
        let whole = whole_jpeg(&directory);
        let samples = count(&directory, tag::SAMPLES_PER_PIXEL, 1)?;
        let photometric = photometric(&directory, samples)?;
        // Some writers of the withdrawn JPEG state the number of samples only in the stream.
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
        let planar = samples > 1 && directory.number(tag::PLANAR_CONFIGURATION) == Some(2);
        let subsampling = match photometric {
            Photometric::YCbCr if compression != Compression::Jpeg => subsampling(&directory)?,
            _ => (1, 1),
        };
        if subsampling != (1, 1) && (planar || samples != 3) {
            return Err(ImageFault::unsupported(
                "TIFF with subsampled colours in separate planes or beside another sample",
            ));
        }
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
        let count_along = |side: u32, of: usize| u64::from(side).div_ceil(of as u64);
        let chunks = count_along(width, chunk.0) * count_along(height, chunk.1) * planes;
        // Missing chunks are noticed when they are read. Surplus chunks mean that the numbering is
        // unknown.
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

    /// Number of chunks across and down in one plane.
    pub fn chunks(&self) -> (usize, usize) {
        let (columns, rows) = self.chunk;
        (self.width.div_ceil(columns), self.height.div_ceil(rows))
    }

    /// Samples of a pixel in one chunk.
    pub fn chunk_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Rows of a chunk that the file holds: a strip ends with the picture, a tile is always full.
    pub fn stored_rows(&self, chunk_row: usize) -> usize {
        let (_, rows) = self.chunk;
        if self.tiled {
            rows
        } else {
            rows.min(self.height - chunk_row * rows)
        }
    }

    /// Bytes of one row of a chunk without compression; `None` if the number overflows.
    pub fn row_bytes(&self) -> Option<usize> {
        let bits = self.chunk.0.checked_mul(self.chunk_samples())?;
        Some(bits.checked_mul(self.bits as usize)?.div_ceil(8))
    }

    /// The stored bytes of a chunk. Where the file does not state their number, all up to its end.
    ///
    /// # Errors
    /// If the file has no such chunk.
    pub fn stored(&self, index: usize) -> Result<&'a [u8], ImageFault> {
        let missing =
            || ImageFault::damaged(format!("the TIFF has no strip or tile {}", index + 1));
        let offset = *self.offsets.get(index).ok_or_else(missing)?;
        let rest = usize::try_from(offset).ok();
        let rest = rest.and_then(|at| self.file.bytes.get(at..));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(missing)?;
        let length = self.lengths.get(index).copied().unwrap_or(0);
        match usize::try_from(length) {
            // For uncompressed chunks, the layout tells how many bytes are needed.
            Ok(length) if length > 0 && self.compression != Compression::None => {
                Ok(&rest[..length.min(rest.len())])
            }
            _ => Ok(rest),
        }
    }
}

/// Columns and rows of the picture.
fn size(directory: &Directory) -> Result<(u32, u32), ImageFault> {
    let side = |tag| directory.number(tag).and_then(|n| u32::try_from(n).ok());
    match (side(tag::WIDTH), side(tag::LENGTH)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(ImageFault::damaged("the TIFF does not say how large it is")),
    }
}

/// A number from 1 to 65,535, by default `otherwise`.
fn count(directory: &Directory, tag: u16, otherwise: u64) -> Result<usize, ImageFault> {
    match directory.number(tag).unwrap_or(otherwise) {
        n @ 1..=0xffff => Ok(n as usize),
        n => Err(ImageFault::damaged(format!("TIFF tag {tag} is {n}"))),
    }
}

/// Columns and rows of a strip or a tile.
fn chunk_size(
    directory: &Directory,
    tiled: bool,
    width: u32,
    height: u32,
) -> Result<(usize, usize), ImageFault> {
    if !tiled {
        let rows = directory.number(tag::ROWS_PER_STRIP);
        // 2^32 − 1 means all rows in one strip.
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

/// Offsets and lengths of the chunks. Some files list tiles under the tags of strips, and lengths may be
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
