//! One strip or tile: decompressed, and taken apart into rows of numbers.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use fax::Color;
use fax::decoder::{decode_g3, decode_g4, pels};
use flate2::read::ZlibDecoder;
use image::DynamicImage;
use image::codecs::webp::WebPDecoder;
use ruzstd::decoding::StreamingDecoder;
use weezl::{BitOrder, LzwStatus};

use super::layout::{Compression, Fax, Number, Photometric, TiffLayout};
use crate::imaging::jpeg::{FrameSamples, Jpeg, Transform};
use crate::imaging::{DecodeLimits, ImageFault};

/// A chunk without its compression.
pub enum Chunk<'a> {
    /// Rows of numbers, packed as the layout says.
    Packed(Cow<'a, [u8]>),
    /// Pixels of three values, a unit for each few: TIFF 6.0 section 21.
    Subsampled(Cow<'a, [u8]>),
    /// Numbers of the frame's own width.
    Frame {
        samples: FrameSamples,
        columns: usize,
    },
}

impl<'a> Chunk<'a> {
    /// Reads the chunk with that number, which lies in that row of chunks.
    pub fn read(
        layout: &TiffLayout<'a>,
        index: usize,
        chunk_row: usize,
        limits: &DecodeLimits,
    ) -> Result<Chunk<'a>, ImageFault> {
        let rows = layout.stored_rows(chunk_row);
        let stored = layout.stored(index)?;
        if layout.compression == Compression::Jpeg {
            return jpeg(layout, stored, rows, limits);
        }
        let subsampled = layout.photometric == Photometric::YCbCr && layout.subsampling != (1, 1);
        let needed = match subsampled {
            true => units(layout, rows).and_then(|(across, down)| {
                across.checked_mul(down)?.checked_mul(unit_bytes(layout))
            }),
            false => layout.row_bytes().and_then(|row| row.checked_mul(rows)),
        };
        let needed = needed.ok_or_else(|| ImageFault::too_large("a TIFF strip or tile"))?;
        limits.check_memory(needed as u64)?;
        let stored = match layout.reversed {
            true => Cow::from(stored.iter().map(|b| b.reverse_bits()).collect::<Vec<_>>()),
            false => Cow::from(stored),
        };
        let bytes = decompressed(layout, stored, needed, rows)?;
        if bytes.len() < needed {
            return Err(ImageFault::damaged(format!(
                "strip or tile {} of the TIFF ends after {} of {needed} bytes",
                index + 1,
                bytes.len()
            )));
        }
        Ok(match subsampled {
            true => Chunk::Subsampled(bytes),
            false => Chunk::Packed(bytes),
        })
    }

    /// The numbers of one row, as stored: every sample of every pixel of the chunk's width.
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

fn copy<T: Copy + Into<u64>>(from: &[T], to: &mut [u64]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from.into();
    }
}

/// Bytes that were compressed; fewer than needed where the stored ones end early.
fn decompressed<'a>(
    layout: &TiffLayout,
    stored: Cow<'a, [u8]>,
    needed: usize,
    rows: usize,
) -> Result<Cow<'a, [u8]>, ImageFault> {
    let bytes = match layout.compression {
        Compression::None => return Ok(stored),
        Compression::Fax(kind) => fax(kind, &stored, layout.chunk.0, rows)?,
        Compression::Lzw => lzw(&stored, needed),
        Compression::Deflate => all_of(ZlibDecoder::new(&*stored), needed),
        Compression::PackBits => pack_bits(&stored, needed),
        Compression::Zstandard => {
            let decoder = StreamingDecoder::new(&*stored);
            let decoder = decoder.map_err(|e| ImageFault::damaged(format!("Zstandard: {e}")))?;
            all_of(decoder, needed)
        }
        Compression::WebP => webp(layout, &stored, rows)?,
        Compression::Jpeg => Vec::new(), // Never asked for: it yields numbers.
    };
    Ok(bytes.into())
}

/// As much as is needed, or as there is before the stream ends or breaks.
fn all_of(decoder: impl Read, needed: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(needed);
    // What was read before an error is kept, and its length tells.
    let _ = decoder.take(needed as u64).read_to_end(&mut bytes);
    bytes
}

/// TIFF 6.0 section 13; before it, the bits of a code came in the other order, and codes grew later.
fn lzw(stored: &[u8], needed: usize) -> Vec<u8> {
    let is_old = matches!(stored, [0, second, ..] if second & 1 == 1);
    let order = if is_old { BitOrder::Lsb } else { BitOrder::Msb };
    let configuration = match is_old {
        true => weezl::decode::Configuration::new(order, 8),
        false => weezl::decode::Configuration::with_tiff_size_switch(order, 8),
    };
    let mut decoder = configuration.with_yield_on_full_buffer(true).build();
    let mut bytes = vec![0; needed];
    let (mut read, mut written) = (0, 0);
    while written < needed {
        let step = decoder.decode_bytes(&stored[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        let stands = step.consumed_in == 0 && step.consumed_out == 0;
        if stands || !matches!(step.status, Ok(LzwStatus::Ok)) {
            break;
        }
    }
    bytes.truncate(written);
    bytes
}

/// TIFF 6.0 section 9.
fn pack_bits(mut stored: &[u8], needed: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(needed);
    while let Some((&head, rest)) = stored.split_first().filter(|_| bytes.len() < needed) {
        stored = match head as i8 {
            -128 => rest,
            n @ 0.. => {
                let (literal, rest) = rest.split_at((n as usize + 1).min(rest.len()));
                bytes.extend(literal);
                rest
            }
            n => {
                let Some((&repeated, rest)) = rest.split_first() else {
                    break;
                };
                bytes.resize(bytes.len() + n.unsigned_abs() as usize + 1, repeated);
                rest
            }
        };
    }
    bytes
}

/// Bits of black (1) and white (0), eight a byte: TIFF 6.0 section 11.
fn fax(kind: Fax, stored: &[u8], width: usize, rows: usize) -> Result<Vec<u8>, ImageFault> {
    let too_wide = |_| ImageFault::unsupported("CCITT in TIFF of more than 65,535 pixels");
    let columns = u16::try_from(width).map_err(too_wide)?;
    let height = u16::try_from(rows).map_err(too_wide)?;
    let (mut bytes, mut lines) = (Vec::new(), 0);
    let line = |transitions: &[u16]| {
        lines += 1;
        if lines > rows {
            return;
        }
        let mut black = pels(transitions, columns).map(|colour| colour == Color::Black);
        for _ in 0..width.div_ceil(8) {
            let bit = |byte: u8, _| byte << 1 | u8::from(black.next().unwrap_or(false));
            bytes.push((0..8).fold(0, bit));
        }
    };
    let input = stored.iter().copied();
    // Lines before damage are kept, and their number tells.
    let _ = match kind {
        Fax::Group3 => decode_g3(input, line),
        Fax::Group4 => decode_g4(input, columns, Some(height), line),
    };
    Ok(bytes)
}

fn webp(layout: &TiffLayout, stored: &[u8], rows: usize) -> Result<Vec<u8>, ImageFault> {
    let damaged = |e: image::ImageError| ImageFault::damaged(format!("WebP in TIFF: {e}"));
    let decoder = WebPDecoder::new(Cursor::new(stored)).map_err(damaged)?;
    let (width, height) = image::ImageDecoder::dimensions(&decoder);
    if (width as usize, height as usize) != (layout.chunk.0, rows) || layout.bits != 8 {
        return Err(ImageFault::damaged(
            "WebP in TIFF is not as large as its strip or tile",
        ));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    match layout.chunk_samples() {
        3 => Ok(picture.into_rgb8().into_raw()),
        4 => Ok(picture.into_rgba8().into_raw()),
        n => Err(ImageFault::damaged(format!("WebP in TIFF for {n} samples"))),
    }
}

/// A JPEG stream whose tables may be in a tag of their own (347, TIFF technical note 2).
fn jpeg<'a>(
    layout: &TiffLayout,
    stored: &[u8],
    rows: usize,
    limits: &DecodeLimits,
) -> Result<Chunk<'a>, ImageFault> {
    const TABLES: u16 = 347;
    const MARKER: usize = 2;
    let stream = match layout.directory.bytes(TABLES) {
        Some([start @ .., 0xff, 0xd9]) => {
            Cow::from([start, stored.get(MARKER..).unwrap_or_default()].concat())
        }
        _ => Cow::from(stored),
    };
    let jpeg = Jpeg::new(&stream, limits)?;
    let (width, height) = jpeg.size();
    let (columns, lines) = layout.chunk;
    // Strips may be encoded as high as all others, and sides rounded up to whole blocks.
    let fits = |side: u32, least: usize, most: usize| {
        (least..most.saturating_add(16)).contains(&(side as usize))
    };
    if !fits(width, columns, columns) || !fits(height, rows, lines) {
        return Err(ImageFault::damaged(
            "JPEG in TIFF is not as large as its strip or tile",
        ));
    }
    limits.check_picture(width, height, 3 * 2)?;
    let transform = match layout.photometric {
        Photometric::YCbCr if !layout.planar => Transform::ByStream,
        _ => Transform::Keep,
    };
    let frame = jpeg.decode(transform)?;
    if frame.components != layout.chunk_samples() || u32::from(frame.precision) > layout.bits {
        return Err(ImageFault::unsupported(format!(
            "JPEG in TIFF of {} colours and {} bits",
            frame.components, frame.precision
        )));
    }
    let needed = width as usize * height as usize * frame.components;
    let found = match &frame.samples {
        FrameSamples::Bits8(v) => v.len(),
        FrameSamples::Bits16(v) => v.len(),
    };
    if found < needed {
        return Err(ImageFault::damaged("JPEG in TIFF ends early"));
    }
    Ok(Chunk::Frame {
        samples: frame.samples,
        columns: width as usize,
    })
}

/// One row of packed bytes as numbers. Bits in a byte go from the highest; whole bytes are in the order
/// of the file.
fn unpack(layout: &TiffLayout, bytes: &[u8], row: &mut [u64]) {
    let has_predictor = matches!(
        layout.compression,
        Compression::Lzw | Compression::Deflate | Compression::Zstandard
    );
    if has_predictor && layout.predictor == 3 {
        return unpack_predicted_float(layout, bytes, row);
    }
    let big_endian = layout.file.big_endian;
    match layout.bits {
        8 => copy(bytes, row),
        16 if big_endian => numbers(bytes, row, |b: [u8; 2]| u16::from_be_bytes(b).into()),
        16 => numbers(bytes, row, |b: [u8; 2]| u16::from_le_bytes(b).into()),
        bits if bits % 8 == 0 => whole_bytes(bytes, bits as usize / 8, big_endian, row),
        bits => packed_bits(bytes, bits, row),
    }
    if has_predictor && layout.predictor == 2 {
        add_predecessors(row, layout.chunk_samples(), layout.bits);
    }
}

fn numbers<const N: usize>(bytes: &[u8], row: &mut [u64], number: impl Fn([u8; N]) -> u64) {
    for (to, &from) in row.iter_mut().zip(bytes.as_chunks().0) {
        *to = number(from);
    }
}

fn whole_bytes(bytes: &[u8], size: usize, big_endian: bool, row: &mut [u64]) {
    let push = |v: u64, &b: &u8| v << 8 | u64::from(b);
    for (to, from) in row.iter_mut().zip(bytes.chunks_exact(size)) {
        *to = match big_endian {
            true => from.iter().fold(0, push),
            false => from.iter().rev().fold(0, push),
        };
    }
}

fn packed_bits(bytes: &[u8], bits: u32, row: &mut [u64]) {
    let (mut cache, mut cached, mut bytes) = (0_u128, 0, bytes.iter());
    for to in row {
        while cached < bits {
            cache = cache << 8 | u128::from(bytes.next().copied().unwrap_or(0));
            cached += 8;
        }
        cached -= bits;
        *to = (cache >> cached) as u64 & ones(bits);
    }
}

/// So many bits, all set.
pub fn ones(bits: u32) -> u64 {
    u64::MAX >> (64 - bits.clamp(1, 64))
}

/// Predictor 2: each number is the difference to the one before it (TIFF 6.0 section 14).
fn add_predecessors(row: &mut [u64], samples: usize, bits: u32) {
    for at in samples..row.len() {
        row[at] = row[at].wrapping_add(row[at - samples]) & ones(bits);
    }
}

/// Predictor 3: bytes of equal weight together, the heaviest first, each the difference to the one
/// before it (TIFF technical note 3).
fn unpack_predicted_float(layout: &TiffLayout, bytes: &[u8], row: &mut [u64]) {
    let mut bytes = bytes.to_vec();
    let samples = layout.chunk_samples();
    for at in samples..bytes.len() {
        bytes[at] = bytes[at].wrapping_add(bytes[at - samples]);
    }
    let values = row.len();
    for (i, to) in row.iter_mut().enumerate() {
        let weights = bytes.iter().skip(i).step_by(values.max(1));
        *to = weights.fold(0, |v, &b| v << 8 | u64::from(b));
    }
}

/// Units across and down in so many rows.
fn units(layout: &TiffLayout, rows: usize) -> Option<(usize, usize)> {
    let (across, down) = layout.subsampling;
    Some((layout.chunk.0.div_ceil(across), rows.div_ceil(down)))
}

/// A luma for each pixel of a unit, and one pair of colour differences.
fn unit_bytes(layout: &TiffLayout) -> usize {
    layout.subsampling.0 * layout.subsampling.1 + 2
}

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

/// The floating point of up to 32 bits that stored bits are.
pub fn single(bits: u32, raw: u64) -> f32 {
    match bits {
        16 => half::f16::from_bits(raw as u16).to_f32(),
        24 => float_of_24_bits(raw as u32),
        _ => f32::from_bits(raw as u32),
    }
}

/// The whole number that stored bits are; 2^63 less if they are 64 without a sign, which do not fit.
pub fn whole(number: Number, bits: u32, raw: u64) -> i64 {
    match (number, bits) {
        (Number::Signed, _) => signed(bits, raw),
        (_, 64) => (raw as i64).wrapping_add(i64::MIN),
        _ => raw as i64,
    }
}

/// The largest that [`whole`] makes of so many bits.
pub fn largest_whole(number: Number, bits: u32) -> i64 {
    match number {
        Number::Signed => whole(number, bits, ones(bits) >> 1),
        _ => whole(number, bits, ones(bits)),
    }
}

/// Two's complement.
pub fn signed(bits: u32, raw: u64) -> i64 {
    let unused = 64 - bits.clamp(1, 64);
    (raw << unused) as i64 >> unused
}

/// A sign, 7 bits of exponent about 63 and 16 of fraction (TIFF technical note 3).
fn float_of_24_bits(raw: u32) -> f32 {
    let sign = if raw >> 23 & 1 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = ((raw >> 16 & 0x7f) as i32, (raw & 0xffff) as f32 / 65_536.0);
    sign * match (exponent, fraction) {
        (0, _) => fraction * 2_f32.powi(-62),
        (127, 0.0) => f32::INFINITY,
        (127, _) => f32::NAN,
        _ => (1.0 + fraction) * 2_f32.powi(exponent - 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_go_over_the_edges_of_bytes() {
        let mut row = [0; 2];
        packed_bits(&[0xab, 0xcd, 0xef], 12, &mut row);
        assert_eq!(row, [0xabc, 0xdef]);
        let mut row = [0; 3];
        packed_bits(&[0b1110_1101], 2, &mut row);
        assert_eq!(row, [3, 2, 3]);
    }

    #[test]
    fn runs_and_literals_are_unpacked_and_no_more_than_needed_is_begun() {
        // The example of TIFF 6.0 section 9 and of the Macintosh ROM.
        let packed = [
            0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7,
            0xaa,
        ];
        let expected = [
            0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22,
            0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        ];
        assert_eq!(pack_bits(&packed, 24), expected);
        assert_eq!(pack_bits(&packed, 1).len(), 3);
        assert!(pack_bits(&[0xfe], 9).is_empty());
        assert_eq!(pack_bits(&[5, 1], 9), [1]);
    }

    #[test]
    fn numbers_of_every_type_are_what_they_mean() {
        assert_eq!(whole(Number::Signed, 12, 0xfff), -1);
        assert_eq!(whole(Number::Signed, 64, u64::MAX), -1);
        assert_eq!(whole(Number::Unsigned, 32, 0xffff_ffff), 0xffff_ffff);
        assert_eq!(whole(Number::Unsigned, 64, 0), i64::MIN);
        assert_eq!(largest_whole(Number::Unsigned, 20), 0xf_ffff);
        assert_eq!(largest_whole(Number::Signed, 20), 0x7_ffff);
        for number in [Number::Unsigned, Number::Signed] {
            assert_eq!(largest_whole(number, 64), i64::MAX);
        }
        assert_eq!(single(16, 0xc000), -2.0);
        assert_eq!(single(24, 0x3f_0000), 1.0);
        assert_eq!(single(24, 0xc0_8000), -3.0);
        assert!(single(24, 0x7f_0001).is_nan());
        assert_eq!(single(32, 0x3f80_0000), 1.0);
    }
}
