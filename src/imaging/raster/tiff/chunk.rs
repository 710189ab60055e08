//! A strip or tile of a TIFF, decompressed and read row by row.

use std::borrow::Cow;

use super::decompress::{decompressed, jpeg_frame};
use super::kinds::{Compression, Photometric};
use super::layout::TiffLayout;
use super::numbers::{copy, unpack};
use crate::imaging::jpeg::FrameSamples;
use crate::imaging::{DecodeLimits, ImageFault};

/// A decompressed strip or tile.
pub enum Chunk<'a> {
    /// Rows of numbers, packed as the layout states.
    Packed(Cow<'a, [u8]>),
    /// Units of several pixels that share their colour differences (TIFF 6.0 section 21).
    Subsampled(Cow<'a, [u8]>),
    /// A JPEG frame, which may be wider than the chunk.
    Frame {
        samples: FrameSamples,
        /// Columns of the frame.
        columns: usize,
    },
}

impl<'a> Chunk<'a> {
    /// Reads chunk `index`, which lies in row `chunk_row` of the chunks.
    ///
    /// # Errors
    /// If it is absent, damaged, unsupported or needs too much memory.
    pub fn read(
        layout: &TiffLayout<'a>,
        index: usize,
        chunk_row: usize,
        limits: &DecodeLimits,
    ) -> Result<Chunk<'a>, ImageFault> {
        let rows = layout.stored_rows(chunk_row);
        let stored = layout.stored(index)?;
        if layout.compression == Compression::Jpeg {
            let frame = jpeg_frame(layout, stored, rows, limits)?;
            return Ok(Chunk::Frame {
                samples: frame.samples,
                columns: frame.width as usize,
            });
        }
        let subsampled = layout.photometric == Photometric::YCbCr && layout.subsampling != (1, 1);
        let needed = if subsampled {
            let (across, down) = units(layout, rows);
            across
                .checked_mul(down)
                .and_then(|units| units.checked_mul(unit_bytes(layout)))
        } else {
            layout.row_bytes().and_then(|row| row.checked_mul(rows))
        };
        let needed = needed.ok_or_else(|| ImageFault::too_large("a TIFF strip or tile"))?;
        limits.check_memory(needed as u64)?;
        let stored = if layout.reversed {
            Cow::from(stored.iter().map(|b| b.reverse_bits()).collect::<Vec<_>>())
        } else {
            Cow::from(stored)
        };
        let bytes = decompressed(layout, stored, needed, rows)?;
        if bytes.len() < needed {
            return Err(ImageFault::damaged(format!(
                "strip or tile {} of the TIFF ends after {} of {needed} bytes",
                index + 1,
                bytes.len()
            )));
        }
        Ok(if subsampled {
            Chunk::Subsampled(bytes)
        } else {
            Chunk::Packed(bytes)
        })
    }

    /// Writes the stored numbers of row `y` into `row`: every sample of every pixel across the chunk.
    pub fn row(&self, layout: &TiffLayout, y: usize, row: &mut [u64]) {
        match self {
            Chunk::Packed(bytes) => {
                let length = layout.row_bytes().unwrap_or(0);
                unpack(layout, &bytes[y * length..][..length], row);
            }
            Chunk::Subsampled(bytes) => spread_units(layout, bytes, y, row),
            Chunk::Frame { samples, columns } => {
                let length = columns * layout.chunk_samples();
                let within = y * length..y * length + length.min(row.len());
                match samples {
                    FrameSamples::Bits8(v) => copy(&v[within], row),
                    FrameSamples::Bits16(v) => copy(&v[within], row),
                }
            }
        }
    }
}

/// Number of units across and down in `rows` rows.
fn units(layout: &TiffLayout, rows: usize) -> (usize, usize) {
    let (across, down) = layout.subsampling;
    (layout.chunk.0.div_ceil(across), rows.div_ceil(down))
}

/// Bytes of a unit: a luma for each pixel, and one pair of colour differences.
fn unit_bytes(layout: &TiffLayout) -> usize {
    layout.subsampling.0 * layout.subsampling.1 + 2
}

/// Writes the pixels of row `y` of subsampled units into `row`, three values each.
fn spread_units(layout: &TiffLayout, bytes: &[u8], y: usize, row: &mut [u64]) {
    let (across, down) = layout.subsampling;
    let size = unit_bytes(layout);
    let per_row = layout.chunk.0.div_ceil(across) * size;
    let units = &bytes[y / down * per_row..][..per_row];
    for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
        let unit = &units[x / across * size..][..size];
        let luma = unit[y % down * across + x % across];
        pixel.copy_from_slice(&[luma, unit[size - 2], unit[size - 1]].map(u64::from));
    }
}
