//! Decompresses the stored bytes of a strip or tile.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use fax::Color;
use fax::decoder::{decode_g3, decode_g4, pels};
use flate2::read::ZlibDecoder;
use image::DynamicImage;
use image::codecs::webp::WebPDecoder;
use ruzstd::decoding::StreamingDecoder;
use weezl::{BitOrder, LzwStatus};

use super::kinds::{Compression, Fax, Photometric};
use super::layout::TiffLayout;
use crate::imaging::jpeg::{FrameSamples, Jpeg, JpegImage, Transform};
use crate::imaging::{DecodeLimits, ImageFault};

/// The decompressed bytes of a chunk of `rows` rows; fewer than `needed` if the stored ones end early or
/// are damaged.
///
/// # Errors
/// If they are damaged from the start or unsupported.
pub fn decompressed<'a>(
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
        Compression::Jpeg => Vec::new(), // Not called for JPEG: see `jpeg_frame`.
    };
    Ok(bytes.into())
}

/// Reads `needed` bytes, or all before the stream ends or breaks.
fn all_of(decoder: impl Read, needed: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(needed);
    // Bytes read before an error are kept. The caller notices that there are too few.
    let _ = decoder.take(needed as u64).read_to_end(&mut bytes);
    bytes
}

/// LZW of TIFF 6.0 section 13. Earlier files have the bits of a code in the opposite order, and codes
/// grow later.
fn lzw(stored: &[u8], needed: usize) -> Vec<u8> {
    let is_old = matches!(stored, [0, second, ..] if second & 1 == 1);
    let order = if is_old { BitOrder::Lsb } else { BitOrder::Msb };
    let configuration = if is_old {
        weezl::decode::Configuration::new(order, 8)
    } else {
        weezl::decode::Configuration::with_tiff_size_switch(order, 8)
    };
    let mut decoder = configuration.with_yield_on_full_buffer(true).build();
    let mut bytes = vec![0; needed];
    let (mut read, mut written) = (0, 0);
    while written < needed {
        let step = decoder.decode_bytes(&stored[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        let is_stuck = step.consumed_in == 0 && step.consumed_out == 0;
        if is_stuck || !matches!(step.status, Ok(LzwStatus::Ok)) {
            break;
        }
    }
    bytes.truncate(written);
    bytes
}

/// PackBits of TIFF 6.0 section 9.
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

/// Fax coding (TIFF 6.0 section 11) as bits, 1 for black and 0 for white, eight per byte.
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
    // Lines before damage are kept. The caller notices that there are too few.
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

/// Decodes a JPEG chunk of `rows` rows, whose tables may be in a tag of their own (347, TIFF technical
/// note 2).
///
/// # Errors
/// If it is damaged, unsupported, over a limit, or does not fit the layout.
pub fn jpeg_frame(
    layout: &TiffLayout,
    stored: &[u8],
    rows: usize,
    limits: &DecodeLimits,
) -> Result<JpegImage, ImageFault> {
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
    // The last strip may be encoded as high as the others, and sides may be rounded up to whole blocks.
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
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked_up_to_the_needed_bytes() {
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
}
