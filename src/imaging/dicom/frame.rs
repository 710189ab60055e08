//! The first frame of the pixel data, as samples.

use super::super::raster::grey_or_rgb8;
use super::super::{DecodeLimits, ImageFault};
use super::decoded::DecodedFrame;
use super::elements::Attributes;
use super::image_pixel::{Colour, ImagePixel};
use super::pixel_data::PixelData;
use super::stored_bits::{StoredBits, deepened};
use super::tables::LookupTable;
use super::wide::{WideRange, WideSamples};
use super::{codecs, native};
use crate::data_elements::{BIG_ENDIAN_PIXELS, Encoding};
use crate::domain::Samples;

/// The first frame, decoded to grey or RGB samples.
pub(super) struct FirstFrame {
    pub samples: Samples,
    /// How to get from the samples to the stored values.
    pub measured: WideRange,
    /// As the data set states, or more if its JPEG 2000 stream has more.
    pub bits_stored: u8,
    /// The bits that the samples were found to need, if more than the data set states.
    pub bits_found: u8,
    /// Lowest and highest padding value of grey samples of up to 16 bits.
    pub padding: Option<(i32, i32)>,
}

impl FirstFrame {
    fn as_stored(picture: &ImagePixel, samples: Samples) -> FirstFrame {
        FirstFrame {
            samples,
            measured: WideRange::AS_STORED,
            bits_stored: picture.bits_stored,
            bits_found: picture.bits_stored,
            padding: None,
        }
    }
}

/// Decodes the first frame. `encoding` is that of the pixel data.
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
            let values = native::floats(picture, bytes, encoding)?;
            return Ok(wide(values, picture, attributes));
        }
        _ if picture.bits_allocated > 32 => return Err(picture.bits_unsupported()),
        PixelData::Native { bytes, .. } if syntax == BIG_ENDIAN_PIXELS => {
            let encoding = Encoding {
                big_endian: true,
                ..encoding
            };
            native::unpacked(picture, bytes, true, encoding)?
        }
        PixelData::Native { bytes, words } => native::unpacked(picture, bytes, *words, encoding)?,
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

/// The bytes of the first frame's compressed stream (PS3.5 A.4). A single frame has all fragments,
/// even if the table contradicts that. The first of several frames has those up to the second offset.
/// Without a table, or with one of zeros only, it has one fragment if there are as many fragments as
/// frames, and otherwise those of the first JPEG. The last fragment lacks `missing` bytes.
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

/// The number of fragments that start before an offset of the table.
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

/// The number of fragments of the first JPEG, if no table states it: up to the one that ends in an
/// end-of-image marker and perhaps a byte of padding.
fn first_jpeg(fragments: &[&[u8]]) -> usize {
    let ends = |f: &&[u8]| f.ends_with(&[0xff, 0xd9]) || f.ends_with(&[0xff, 0xd9, 0]);
    fragments
        .iter()
        .position(ends)
        .map_or(fragments.len(), |i| i + 1)
}

/// Grey samples of up to 16 bits.
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
        bits_found: stored.found(picture, &decoded.values, padding),
        padding: padding.and_then(|written| stored.padding(written, &decoded.values)),
        ..FirstFrame::as_stored(picture, samples)
    }
}

fn wide_integers(picture: &ImagePixel, decoded: &DecodedFrame) -> Vec<f64> {
    let stored = StoredBits::of(picture, decoded);
    let values = decoded.values.iter();
    values.map(|&raw| stored.take(raw) as f64).collect()
}

/// Interleaved 8-bit RGB, from indices into a palette.
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

/// Interleaved 8-bit RGB, from three values per pixel.
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
