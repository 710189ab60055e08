//! The first frame of the pixel data, as samples.

use super::super::raster::grey_or_rgb8;
use super::super::{Fault, Limits};
use super::attributes::{Attributes, Colour, Picture, Table};
use super::codecs::{self, Decoded};
use super::structure::{Encoding, PixelData};
use crate::domain::Samples;

/// Decodes the first frame to grey or RGB samples.
pub(super) fn first(
    picture: &Picture,
    attributes: &Attributes,
    pixels: &PixelData,
    syntax: &str,
    encoding: Encoding,
    limits: &Limits,
) -> Result<Samples, Fault> {
    // While it is decoded a frame exists as bytes, as 32-bit values, and as samples.
    let bytes_per_pixel = 4 + 2 * u64::from(picture.bits_allocated.div_ceil(8));
    let bytes_per_pixel = bytes_per_pixel * u64::from(picture.samples_per_pixel);
    limits.check_picture(picture.columns, picture.rows, bytes_per_pixel)?;
    let decoded = match pixels {
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
    if picture.samples_per_pixel == 1 {
        return Ok(match picture.colour {
            Colour::Palette => {
                grey_or_rgb8(through_palette(picture, &decoded, &attributes.palette()?))
            }
            _ => grey(picture, &decoded),
        });
    }
    Ok(grey_or_rgb8(rgb(picture, &decoded)))
}

/// The bytes of the first frame's compressed stream (PS3.5 A.4): all fragments of a single frame,
/// whatever the table says; of several, those up to the second offset, or without a table one a
/// frame. The last fragment lacks `missing` bytes.
fn first_stream(
    frames: u32,
    offsets: &[u32],
    fragments: &[&[u8]],
    missing: usize,
) -> Result<Vec<u8>, Fault> {
    const ITEM_HEADER: u64 = 8;
    let count = match offsets.get(1) {
        _ if frames <= 1 => fragments.len(),
        Some(&second) => {
            let mut position = 0;
            let before = |fragment: &&&[u8]| {
                let starts_before = position < u64::from(second);
                position += fragment.len() as u64 + ITEM_HEADER;
                starts_before
            };
            fragments.iter().take_while(before).count()
        }
        None if fragments.len() == frames as usize => 1,
        None => first_jpeg(fragments),
    };
    if missing > 0 && count >= fragments.len() {
        return Err(Fault::damaged(format!(
            "the file ends early, {missing} bytes before the end of its compressed pixel data"
        )));
    }
    let stream = fragments[..count.min(fragments.len())].concat();
    if stream.is_empty() {
        return Err(Fault::damaged("the compressed pixel data are empty"));
    }
    Ok(stream)
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
    picture: &Picture,
    bytes: &[u8],
    words: bool,
    encoding: Encoding,
) -> Result<Decoded, Fault> {
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
    let frame = bytes.get(..needed).ok_or_else(|| {
        Fault::damaged(format!(
            "the pixel data have {} bytes, {needed} needed",
            bytes.len()
        ))
    })?;
    let big = encoding.big_endian;
    let values = match picture.bits_allocated {
        1 => bits(frame, samples),
        8 if big && words => swapped_bytes(bytes, needed),
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
    Ok(Decoded {
        values,
        precision: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

fn word(b: [u8; 2], big: bool) -> u32 {
    u32::from(if big {
        u16::from_be_bytes(b)
    } else {
        u16::from_le_bytes(b)
    })
}

/// The least significant bit of a byte is its first pixel.
fn bits(bytes: &[u8], count: usize) -> Vec<u32> {
    let unpacked = bytes
        .iter()
        .flat_map(|&byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
    unpacked.take(count).collect()
}

/// Bytes that were written as big-endian words: the first of two is in the lower half.
fn swapped_bytes(bytes: &[u8], count: usize) -> Vec<u32> {
    bytes
        .chunks(2)
        .flat_map(|pair| pair.iter().rev())
        .take(count)
        .map(|&b| b.into())
        .collect()
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

/// How to take the stored bits out of the allocated ones.
struct StoredBits {
    shift: u8,
    unused: u32,
    signed: bool,
}

impl StoredBits {
    /// What is above the stored bits may be an overlay (PS3.5 8.1.1), what is below is nothing.
    fn of(picture: &Picture, decoded: &Decoded) -> StoredBits {
        let bits = picture.bits_stored;
        // A codec yields as many bits as its stream has, not shifted unless it has them all.
        let shift = match decoded.precision {
            Some(precision) if precision <= bits => 0,
            _ => picture.high_bit + 1 - bits,
        };
        StoredBits {
            shift,
            unused: 32 - u32::from(bits),
            signed: picture.signed,
        }
    }

    fn take(&self, raw: u32) -> i64 {
        let top = (raw >> self.shift) << self.unused;
        if self.signed {
            i64::from(top as i32 >> self.unused)
        } else {
            i64::from(top >> self.unused)
        }
    }
}

fn grey(picture: &Picture, decoded: &Decoded) -> Samples {
    let stored = StoredBits::of(picture, decoded);
    let values = decoded.values.iter().map(|&raw| stored.take(raw));
    match (picture.bits_stored, picture.signed) {
        (0..=8, false) => Samples::Grey8(values.map(|v| v as u8).collect()),
        (9..=16, false) => Samples::Grey16(values.map(|v| v as u16).collect()),
        (0..=16, true) => Samples::GreySigned16(values.map(|v| v as i16).collect()),
        _ => Samples::GreyF32(values.map(|v| v as f32).collect()),
    }
}

/// Interleaved 8-bit RGB of indices.
fn through_palette(picture: &Picture, decoded: &Decoded, tables: &[Table; 3]) -> Vec<u8> {
    let stored = StoredBits::of(picture, decoded);
    let colour = |index: i64, table: &Table| {
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
fn rgb(picture: &Picture, decoded: &Decoded) -> Vec<u8> {
    let bits = decoded
        .precision
        .unwrap_or(picture.bits_stored)
        .max(picture.bits_stored.min(8));
    let drop = bits.saturating_sub(8);
    let narrow = |v: u32| (v >> drop) as u8;
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
