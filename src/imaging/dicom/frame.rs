//! The first frame of the pixel data, as samples.

use super::super::raster::grey_or_rgb8;
use super::super::{DecodeLimits, ImageFault};
use super::attributes::{Attributes, Colour, ImagePixel};
use super::codecs::{self, DecodedFrame, Stream};
use super::structure::{Encoding, PixelData};
use super::tables::LookupTable;
use super::wide::{WideRange, WideSamples};
use crate::domain::Samples;

/// The first frame, decoded to grey or RGB samples.
pub(super) struct FirstFrame {
    pub samples: Samples,
    pub measured: WideRange,
    /// As the data set says, or as a stream that knows better.
    pub bits_stored: u8,
    /// Lowest and highest padding value of grey samples of up to 16 bits.
    pub padding: Option<(i32, i32)>,
}

impl FirstFrame {
    fn as_stored(picture: &ImagePixel, samples: Samples) -> FirstFrame {
        FirstFrame {
            samples,
            measured: WideRange::AS_STORED,
            bits_stored: picture.bits_stored,
            padding: None,
        }
    }
}

/// Decodes the first frame, and says how its samples are to be measured.
pub(super) fn first(
    picture: &ImagePixel,
    attributes: &Attributes,
    pixels: &PixelData,
    syntax: &str,
    encoding: Encoding,
    limits: &DecodeLimits,
) -> Result<FirstFrame, ImageFault> {
    // While it is decoded a frame exists as bytes, as values of up to 64 bits, and as samples.
    let value_bytes = if picture.bits_allocated > 16 { 12 } else { 4 };
    let bytes_per_pixel = value_bytes + 2 * u64::from(picture.bits_allocated.div_ceil(8));
    let bytes_per_pixel = bytes_per_pixel * u64::from(picture.samples_per_pixel);
    limits.check_picture(picture.columns, picture.rows, bytes_per_pixel)?;
    let decoded = match pixels {
        PixelData::Floats { bytes } => {
            let values = floats(picture, bytes, encoding.big_endian)?;
            return Ok(wide(values, picture, attributes));
        }
        _ if picture.bits_allocated > 32 => return Err(picture.bits_unsupported()),
        PixelData::Native { bytes, .. } if syntax == codecs::BIG_ENDIAN_PIXELS => {
            let encoding = Encoding {
                big_endian: true,
                ..encoding
            };
            native(picture, bytes, true, encoding)?
        }
        PixelData::Native { bytes, words } => native(picture, bytes, *words, encoding)?,
        PixelData::Encapsulated {
            offsets,
            fragments,
            missing,
        } => {
            let stream = first_stream(picture.frames, offsets, fragments, *missing)?;
            codecs::decode(picture, &stream, syntax, limits)?
        }
    };
    let deeper = deepened(picture, &decoded);
    let picture = deeper.as_ref().unwrap_or(picture);
    let samples = match (picture.samples_per_pixel, picture.colour) {
        (1, Colour::Palette) => {
            grey_or_rgb8(through_palette(picture, &decoded, &attributes.palette()?))
        }
        (1, _) if picture.bits_stored > 16 => {
            return Ok(wide(wide_integers(picture, &decoded), picture, attributes));
        }
        (1, _) => return Ok(grey(picture, &decoded, attributes.padding())),
        _ => grey_or_rgb8(rgb(picture, &decoded)),
    };
    Ok(FirstFrame::as_stored(picture, samples))
}

fn wide(values: Vec<f64>, picture: &ImagePixel, attributes: &Attributes) -> FirstFrame {
    let (samples, measured) = WideSamples::of(values, attributes.wide_padding()).samples();
    FirstFrame {
        measured,
        ..FirstFrame::as_stored(picture, samples)
    }
}

/// Float or Double Float Pixel Data (PS3.3 C.7.6.24): grey of 32 or 64 bits.
fn floats(picture: &ImagePixel, bytes: &[u8], big: bool) -> Result<Vec<f64>, ImageFault> {
    if picture.samples_per_pixel != 1 || picture.colour == Colour::Palette {
        return Err(ImageFault::unsupported("colour in floating point"));
    }
    let needed = picture.frame_bytes();
    let frame = bytes
        .get(..needed)
        .ok_or_else(|| too_short(bytes.len(), needed))?;
    let wider = |bits: u64, &byte: &u8| bits << 8 | u64::from(byte);
    let bits = |cell: &[u8]| match big {
        true => cell.iter().fold(0, wider),
        false => cell.iter().rev().fold(0, wider),
    };
    let single = |cell: &[u8]| f32::from_bits(bits(cell) as u32).into();
    match picture.bits_allocated {
        32 => Ok(frame.chunks_exact(4).map(single).collect()),
        64 => Ok(frame
            .chunks_exact(8)
            .map(bits)
            .map(f64::from_bits)
            .collect()),
        _ => Err(picture.bits_unsupported()),
    }
}

/// The bytes of the first frame's compressed stream (PS3.5 A.4): all fragments of a single frame,
/// whatever the table says; of several, those up to the second offset, or without a table (or with
/// one of nothing but zeros) one a frame. The last fragment lacks `missing` bytes.
fn first_stream(
    frames: u32,
    offsets: &[u32],
    fragments: &[&[u8]],
    missing: usize,
) -> Result<Vec<u8>, ImageFault> {
    let count = match offsets.get(1) {
        _ if frames <= 1 => fragments.len(),
        Some(&second) if second > 0 => starting_before(second, fragments),
        _ if fragments.len() == frames as usize => 1,
        _ => first_jpeg(fragments),
    };
    if missing > 0 && count >= fragments.len() {
        return Err(ImageFault::damaged(format!(
            "the file ends early, {missing} bytes before the end of its compressed pixel data"
        )));
    }
    let stream = fragments[..count.min(fragments.len())].concat();
    if stream.is_empty() {
        return Err(ImageFault::damaged("the compressed pixel data are empty"));
    }
    Ok(stream)
}

/// How many fragments start before an offset of the table.
fn starting_before(offset: u32, fragments: &[&[u8]]) -> usize {
    const ITEM_HEADER: u64 = 8;
    let mut position = 0;
    let before = |fragment: &&&[u8]| {
        let starts_before = position < u64::from(offset);
        position += fragment.len() as u64 + ITEM_HEADER;
        starts_before
    };
    fragments.iter().take_while(before).count()
}

/// How many fragments the first JPEG takes, when no table tells: up to one that ends in its
/// end-of-image marker (and perhaps a byte of padding).
fn first_jpeg(fragments: &[&[u8]]) -> usize {
    let ends = |f: &&[u8]| f.ends_with(&[0xff, 0xd9]) || f.ends_with(&[0xff, 0xd9, 0]);
    fragments
        .iter()
        .position(ends)
        .map_or(fragments.len(), |i| i + 1)
}

/// Unpacks uncompressed values of the first frame (PS3.5 section 8 and annex D).
fn native(
    picture: &ImagePixel,
    bytes: &[u8],
    words: bool,
    encoding: Encoding,
) -> Result<DecodedFrame, ImageFault> {
    let halved = picture.colour == Colour::YbrFull422;
    let samples = if halved {
        (picture.samples() / 3).div_ceil(2) * 4
    } else {
        picture.samples()
    };
    let needed = match picture.bits_allocated {
        1 => samples.div_ceil(8),
        bits => samples * usize::from(bits / 8),
    };
    let frame = bytes
        .get(..needed)
        .ok_or_else(|| too_short(bytes.len(), needed))?;
    let big = encoding.big_endian;
    let values = match picture.bits_allocated {
        1 if big && words => bits(swapped_bytes(bytes), samples),
        1 => bits(frame.iter().copied(), samples),
        8 if big && words => swapped_bytes(bytes).take(needed).map(u32::from).collect(),
        8 => frame.iter().map(|&b| b.into()).collect(),
        16 => frame
            .chunks_exact(2)
            .map(|b| word([b[0], b[1]], big))
            .collect(),
        // Words of 16 bits each in the byte order of the syntax, the lower word first if little.
        _ => frame
            .chunks_exact(4)
            .map(|b| {
                let b = [b[0], b[1], b[2], b[3]];
                if big {
                    u32::from_be_bytes(b)
                } else {
                    u32::from_le_bytes(b)
                }
            })
            .collect(),
    };
    let values = match picture.samples_per_pixel {
        1 => values,
        _ if halved => full_from_422(&values, picture.samples()),
        _ if picture.planar => interleaved(&values),
        _ => values,
    };
    Ok(DecodedFrame {
        values,
        stream: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

fn too_short(length: usize, needed: usize) -> ImageFault {
    ImageFault::damaged(format!(
        "the pixel data have {length} bytes, {needed} needed"
    ))
}

fn word(b: [u8; 2], big: bool) -> u32 {
    u32::from(if big {
        u16::from_be_bytes(b)
    } else {
        u16::from_le_bytes(b)
    })
}

/// The least significant bit of a byte is its first pixel.
pub(super) fn bits(bytes: impl Iterator<Item = u8>, count: usize) -> Vec<u32> {
    let unpacked = bytes.flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
    unpacked.take(count).collect()
}

/// Bytes that were written as big-endian words: the first of two is in the lower half.
fn swapped_bytes(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied())
}

/// `Y Y Cb Cr` for two pixels (PS3.3 C.7.6.3.1.2) to `Y Cb Cr` for each, `count` values in all:
/// the last pair of an odd number of pixels is half empty.
fn full_from_422(values: &[u32], count: usize) -> Vec<u32> {
    let pixels = values
        .chunks_exact(4)
        .map(|v| [v[0], v[2], v[3], v[1], v[2], v[3]]);
    pixels.flatten().take(count).collect()
}

pub(super) fn interleaved(planes: &[u32]) -> Vec<u32> {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at(pixels);
    let (green, blue) = rest.split_at(pixels);
    red.iter()
        .zip(green)
        .zip(blue)
        .flat_map(|((&r, &g), &b)| [r, g, b])
        .collect()
}

/// How to make numbers of what is in the cells that a codec yields, or that lie in the file.
#[derive(Debug)]
struct StoredBits {
    /// What is below them is nothing.
    shift: u8,
    bits: u8,
    signed: bool,
    above: Above,
}

/// What is in a cell above the stored bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    /// Nothing, a sign, or an overlay (PS3.5 8.1.1): none of it is looked at.
    Ignored,
    /// The overshoot of lossy compression, which knows of no stored bits: the number is brought back
    /// to the nearest that they hold. It is signed, and has so many bits.
    Overshoot { signed: bool, precision: u8 },
}

impl StoredBits {
    fn of(picture: &ImagePixel, decoded: &DecodedFrame) -> StoredBits {
        let stream = decoded.stream.unwrap_or(Stream {
            precision: picture.bits_allocated,
            signed: false,
            lossy: false,
            tells_depth: false,
        });
        // A stream that ends below the high bit has the stored bits alone, and at the bottom.
        let shift = match stream.precision > picture.high_bit {
            true => picture.high_bit + 1 - picture.bits_stored,
            false => 0,
        };
        let bits = picture.bits_stored.min(stream.precision - shift);
        let mut stored = StoredBits {
            shift,
            bits,
            signed: picture.signed && picture.samples_per_pixel == 1,
            above: Above::Ignored,
        };
        let lossy = (stream.lossy || picture.lossy) && !picture.hides_overlay;
        if lossy && bits + shift < stream.precision {
            stored.above = stored.overshoot(stream, &decoded.values);
        }
        stored
    }

    /// Bits that stand for signed numbers fill the whole cell, or the stored bits alone. The former
    /// has its negative numbers in the top quarter of what a cell holds, the latter in the lower
    /// half; there they follow the largest positive numbers, and an overshoot can't be told.
    fn overshoot(&self, stream: Stream, values: &[u32]) -> Above {
        let top_quarter = 3_u64 << stream.precision >> 2;
        let fills_cell = || values.iter().any(|&v| u64::from(v) >= top_quarter);
        if self.signed && !stream.signed && !fills_cell() {
            return Above::Ignored;
        }
        Above::Overshoot {
            signed: self.signed || stream.signed,
            precision: stream.precision,
        }
    }

    /// The lowest and the highest number that they hold.
    fn range(&self) -> (i64, i64) {
        match self.signed {
            true => (-1 << (self.bits - 1), (1 << (self.bits - 1)) - 1),
            false => (0, (1 << self.bits) - 1),
        }
    }

    /// Lowest and highest sample that is padding (PS3.3 C.7.5.1.1.2), of what the file says: a value,
    /// and perhaps the other end of a range. A range that goes beyond what a sample can be ends there.
    fn padding(&self, (value, limit): (i64, Option<i64>), cells: &[u32]) -> Option<(i32, i32)> {
        let start = self.padding_sample(value, cells);
        let (start, end) = match limit {
            None => (start?, start?),
            Some(limit) => {
                let (low, high) = self.range();
                let (from, to) = (self.as_signed(value), self.as_signed(limit));
                let start = start.unwrap_or(from.clamp(low, high));
                let end = self.padding_sample(limit, cells);
                match end.unwrap_or(to.clamp(low, high)) {
                    end if from < to && end < start => (start, high),
                    end if from > to && end > start => (start, low),
                    end => (start, end),
                }
            }
        };
        Some((start.min(end) as i32, start.max(end) as i32))
    }

    /// A padding value as a sample: writers have the whole cell, with another sign than the pixels'
    /// or with bits above the stored ones, or the number itself. `None` if no sample can be it.
    fn padding_sample(&self, written: i64, cells: &[u32]) -> Option<i64> {
        let cell = (written & 0xffff) as u32;
        if cells.contains(&cell) {
            return Some(self.take(cell));
        }
        let sample = number(cell, self.bits, self.signed);
        let fits = cell >> self.bits == 0 || sample == self.as_signed(written);
        fits.then_some(sample)
    }

    /// A 16-bit value whose sign is that of the pixels, whatever the file called it.
    fn as_signed(&self, written: i64) -> i64 {
        match self.signed && (0x8000..=0xffff).contains(&written) {
            true => written - 0x1_0000,
            false => written,
        }
    }

    fn take(&self, raw: u32) -> i64 {
        match self.above {
            Above::Ignored => number(raw >> self.shift, self.bits, self.signed),
            Above::Overshoot { signed, precision } => {
                let (low, high) = self.range();
                (number(raw, precision, signed) >> self.shift).clamp(low, high)
            }
        }
    }
}

/// The number that the lowest `bits` of a cell stand for.
fn number(cell: u32, bits: u8, signed: bool) -> i64 {
    let unused = 32 - u32::from(bits);
    let top = cell << unused;
    match signed {
        true => i64::from(top as i32 >> unused),
        false => i64::from(top >> unused),
    }
}

/// The picture with as many bits as its JPEG 2000 stream has, where samples need more than the data
/// set says and nothing accounts for them: neither an overlay nor the overshoot of lossy compression.
fn deepened(picture: &ImagePixel, decoded: &DecodedFrame) -> Option<ImagePixel> {
    let stream = decoded
        .stream
        .filter(|stream| stream.tells_depth && !stream.lossy && stream.signed == picture.signed)?;
    let is_grey = matches!(picture.colour, Colour::Monochrome1 | Colour::Monochrome2);
    let at_bottom = picture.high_bit + 1 == picture.bits_stored;
    if !is_grey || !at_bottom || picture.hides_overlay || picture.lossy {
        return None;
    }
    let (low, high) = StoredBits::of(picture, decoded).range();
    let needs_more = |&cell: &u32| {
        let sample = number(cell, stream.precision, stream.signed);
        !(low..=high).contains(&sample)
    };
    let deeper = stream.precision > picture.bits_stored && decoded.values.iter().any(needs_more);
    deeper.then(|| ImagePixel {
        bits_stored: stream.precision,
        high_bit: stream.precision - 1,
        ..picture.clone()
    })
}

fn grey(
    picture: &ImagePixel,
    decoded: &DecodedFrame,
    padding: Option<(i64, Option<i64>)>,
) -> FirstFrame {
    let stored = StoredBits::of(picture, decoded);
    let values = decoded.values.iter().map(|&raw| stored.take(raw));
    let samples = match (picture.bits_stored, picture.signed) {
        (0..=8, false) => Samples::Grey8(values.map(|v| v as u8).collect()),
        (_, false) => Samples::Grey16(values.map(|v| v as u16).collect()),
        _ => Samples::GreySigned16(values.map(|v| v as i16).collect()),
    };
    FirstFrame {
        padding: padding.and_then(|written| stored.padding(written, &decoded.values)),
        ..FirstFrame::as_stored(picture, samples)
    }
}

fn wide_integers(picture: &ImagePixel, decoded: &DecodedFrame) -> Vec<f64> {
    let stored = StoredBits::of(picture, decoded);
    let values = decoded.values.iter();
    values.map(|&raw| stored.take(raw) as f64).collect()
}

/// Interleaved 8-bit RGB of indices.
fn through_palette(
    picture: &ImagePixel,
    decoded: &DecodedFrame,
    tables: &[LookupTable; 3],
) -> Vec<u8> {
    let stored = StoredBits::of(picture, decoded);
    let colour = |index: i64, table: &LookupTable| {
        let last = table.entries.len() as i64 - 1;
        let entry = table.entries[(index - i64::from(table.first_input)).clamp(0, last) as usize];
        if table.bits > 8 {
            (entry >> (table.bits - 8)) as u8
        } else {
            entry as u8
        }
    };
    let indices = decoded.values.iter().map(|&raw| stored.take(raw));
    indices
        .flat_map(|i| tables.each_ref().map(|table| colour(i, table)))
        .collect()
}

/// Interleaved 8-bit RGB of three values a pixel.
fn rgb(picture: &ImagePixel, decoded: &DecodedFrame) -> Vec<u8> {
    let stored = StoredBits::of(picture, decoded);
    let drop = stored.bits.saturating_sub(8);
    let narrow = |raw: u32| (stored.take(raw) >> drop) as u8;
    if decoded.is_rgb {
        return decoded.values.iter().map(|&v| narrow(v)).collect();
    }
    let pixels = decoded.values.chunks_exact(3);
    pixels
        .flat_map(|p| rgb_of_ybr([narrow(p[0]), narrow(p[1]), narrow(p[2])]))
        .collect()
}

/// YBR_FULL to RGB, PS3.3 C.7.6.3.1.2.
fn rgb_of_ybr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ]
    .map(|v| v.round().clamp(0.0, 255.0) as u8)
}
