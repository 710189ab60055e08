//! Pixel data without compression (PS3.5 section 8 and annex D), unpacked to values.

use super::super::ImageFault;
use super::decoded::DecodedFrame;
use super::image_pixel::{Colour, ImagePixel};
use super::pixel_data::PixelData;
use crate::data_elements::Encoding;
use crate::domain::Objection;

/// Unpacks the first frame of native pixel data. `words` is whether they were written as 16-bit words.
pub(super) fn unpacked(
    picture: &ImagePixel,
    bytes: &[u8],
    words: bool,
    encoding: Encoding,
) -> Result<DecodedFrame, ImageFault> {
    let halved = picture.colour == Colour::YbrFull422;
    let samples = stored_samples(picture);
    let needed = bytes_of(samples, picture);
    let frame = first_bytes(bytes, needed)?;
    let big = encoding.big_endian;
    let values = match picture.bits_allocated {
        1 if big && words => bits(swapped_bytes(bytes), samples),
        1 => bits(frame.iter().copied(), samples),
        8 if big && words => swapped_bytes(bytes).take(needed).map(u32::from).collect(),
        bits => numbers(frame, bits, big),
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

/// Samples of a frame as they lie in the file.
fn stored_samples(picture: &ImagePixel) -> usize {
    match picture.colour {
        Colour::YbrFull422 => (picture.samples() / 3).div_ceil(2) * 4,
        _ => picture.samples(),
    }
}

fn bytes_of(samples: usize, picture: &ImagePixel) -> usize {
    match picture.bits_allocated {
        1 => samples.div_ceil(8),
        bits => samples * usize::from(bits / 8),
    }
}

/// An objection to pixel data that go on behind the last frame and the byte that makes their length even (PS3.5 8.1.1):
/// nothing tells frames or rows that the header does not count from rubbish.
pub(super) fn surplus(picture: &ImagePixel, pixels: &PixelData) -> Option<Objection> {
    let (PixelData::Native { bytes, .. } | PixelData::Floats { bytes }) = pixels else {
        return None;
    };
    let frame = bytes_of(stored_samples(picture), picture) as u64;
    let needed = frame.saturating_mul(picture.frames.into());
    let found = bytes.len() as u64;
    (found.saturating_sub(needed) > needed % 2).then_some(Objection::Surplus { found, needed })
}

/// Unpacks a frame that a codec gives as bytes: little endian, and colours never halved.
pub(super) fn little_endian(
    picture: &ImagePixel,
    frame: &[u8],
) -> Result<DecodedFrame, ImageFault> {
    let needed = picture.frame_bytes();
    let frame = frame.get(..needed).ok_or_else(|| {
        ImageFault::damaged(format!("a frame of {} bytes, {needed} needed", frame.len()))
    })?;
    let values = match picture.bits_allocated {
        1 => bits(frame.iter().copied(), picture.samples()),
        bits => numbers(frame, bits, false),
    };
    let values = if picture.planar && picture.samples_per_pixel == 3 {
        interleaved(&values)
    } else {
        values
    };
    Ok(DecodedFrame {
        values,
        stream: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

/// The numbers of Float or Double Float Pixel Data (PS3.3 C.7.6.24): grey of 32 or 64 bits.
pub(super) fn floats(
    picture: &ImagePixel,
    bytes: &[u8],
    encoding: Encoding,
) -> Result<Vec<f64>, ImageFault> {
    if picture.samples_per_pixel != 1 || picture.colour == Colour::Palette {
        return Err(ImageFault::unsupported("colour in floating point"));
    }
    let frame = first_bytes(bytes, picture.frame_bytes())?;
    match (picture.bits_allocated, encoding.big_endian) {
        (32, true) => Ok(cells(frame, |cell| f32::from_be_bytes(cell).into())),
        (32, false) => Ok(cells(frame, |cell| f32::from_le_bytes(cell).into())),
        (64, true) => Ok(cells(frame, f64::from_be_bytes)),
        (64, false) => Ok(cells(frame, f64::from_le_bytes)),
        _ => Err(picture.bits_unsupported()),
    }
}

fn first_bytes(bytes: &[u8], needed: usize) -> Result<&[u8], ImageFault> {
    bytes.get(..needed).ok_or_else(|| {
        ImageFault::damaged(format!(
            "the pixel data have {} bytes, {needed} needed",
            bytes.len()
        ))
    })
}

/// Numbers of 8, 16 or 32 bits.
fn numbers(frame: &[u8], bits: u8, big_endian: bool) -> Vec<u32> {
    match (bits, big_endian) {
        (8, _) => frame.iter().map(|&byte| byte.into()).collect(),
        (16, true) => cells(frame, |cell| u16::from_be_bytes(cell).into()),
        (16, false) => cells(frame, |cell| u16::from_le_bytes(cell).into()),
        (_, true) => cells(frame, u32::from_be_bytes),
        (_, false) => cells(frame, u32::from_le_bytes),
    }
}

fn cells<const N: usize, T>(frame: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (cells, _) = frame.as_chunks::<N>();
    cells.iter().map(|&cell| number(cell)).collect()
}

/// Values of one bit. The least significant bit of a byte is its first pixel.
fn bits(bytes: impl Iterator<Item = u8>, count: usize) -> Vec<u32> {
    let unpacked = bytes.flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
    unpacked.take(count).collect()
}

/// Bytes that were written as big-endian words: the first of two is in the lower half.
fn swapped_bytes(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied())
}

/// `Y Y Cb Cr` for two pixels (PS3.3 C.7.6.3.1.2) to `Y Cb Cr` for each, `count` values in all. The
/// last pair of an odd number of pixels is half empty.
fn full_from_422(values: &[u32], count: usize) -> Vec<u32> {
    let pixels = values
        .chunks_exact(4)
        .map(|v| [v[0], v[2], v[3], v[1], v[2], v[3]]);
    pixels.flatten().take(count).collect()
}

/// Three values for each pixel, from a plane of red, one of green and one of blue.
fn interleaved(planes: &[u32]) -> Vec<u32> {
    let pixels = planes.len() / 3;
    let (red, rest) = planes.split_at(pixels);
    let (green, blue) = rest.split_at(pixels);
    red.iter()
        .zip(green)
        .zip(blue)
        .flat_map(|((&r, &g), &b)| [r, g, b])
        .collect()
}
