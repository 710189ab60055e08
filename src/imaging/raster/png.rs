//! PNG (third edition), decoded by the `png` crate.
//!
//! Colour profiles are ignored: they do not matter for films, and a hostile file could use them to
//! exhaust memory.

use std::io::Cursor;

use image::metadata::Orientation;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Transformations};

use super::channels::{grey_or_rgb8, grey_or_rgb16};
use super::{COPIES, RasterPicture, alpha, orientation};
use crate::domain::Samples;
use crate::imaging::{DecodeLimits, ImageFault};

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    let theirs = png::Limits {
        bytes: usize::try_from(limits.max_memory).unwrap_or(usize::MAX),
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), theirs);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes become colours, and grey of less than 8 bits is scaled to 8.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(fault)?;
    let (width, height) = reader.info().size();
    let (colour, depth) = reader.output_color_type();
    let bytes_per_pixel = colour.samples() as u64 * if depth == BitDepth::Sixteen { 2 } else { 1 };
    limits.check_picture(width, height, COPIES * bytes_per_pixel)?;
    let size = reader.output_buffer_size();
    let mut pixels =
        vec![0; size.ok_or_else(|| ImageFault::too_large("it does not fit in memory"))?];
    reader.next_frame(&mut pixels).map_err(fault)?;
    // Text and EXIF may follow the picture. Damage in them does not affect the picture.
    let _ = reader.finish();
    let (samples, transparent) = samples(pixels, colour, depth);
    let info = reader.info();
    Ok(RasterPicture {
        orientation: orientation_of(info),
        transparent: transparent.filter(|_| !has_colour_key(info)),
        frames: info.animation_control.map_or(1, |a| a.num_frames),
        ..RasterPicture::plain(width, height, samples, "PNG")
    })
}

/// Whether a *tRNS* chunk makes one colour transparent (11.3.1.1). Then no other colour lies beneath the
/// transparent pixels, and no caution is needed.
fn has_colour_key(info: &Info) -> bool {
    matches!(info.color_type, ColorType::Grayscale | ColorType::Rgb)
}

/// Samples, and per cent of the pixels that are not opaque.
fn samples(pixels: Vec<u8>, colour: ColorType, depth: BitDepth) -> (Samples, Option<u8>) {
    let channels = match colour {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        _ => 3,
    };
    let has_alpha = colour.samples() > channels;
    if depth == BitDepth::Sixteen {
        let words = pixels.as_chunks().0.iter().map(|&b| u16::from_be_bytes(b));
        let (words, transparent) = without_alpha(words.collect(), channels, has_alpha, u16::MAX);
        return match channels {
            1 => (Samples::Grey16(words), transparent),
            _ => (grey_or_rgb16(&words), transparent),
        };
    }
    let (bytes, transparent) = without_alpha(pixels, channels, has_alpha, u8::MAX);
    match channels {
        1 => (Samples::Grey8(bytes), transparent),
        _ => (grey_or_rgb8(bytes), transparent),
    }
}

fn without_alpha<T: Copy + PartialEq>(
    values: Vec<T>,
    channels: usize,
    has_alpha: bool,
    opaque: T,
) -> (Vec<T>, Option<u8>) {
    if has_alpha {
        alpha::split(&values, channels, opaque)
    } else {
        (values, None)
    }
}

/// The orientation: from the *eXIf* chunk, or else from EXIF in ImageMagick's texts, or else from XMP.
fn orientation_of(info: &Info) -> Option<Orientation> {
    let exif = || orientation::of_exif(info.exif_metadata.as_ref()?);
    let raw = |name: &'static str| {
        move || {
            let text = text(info, &format!("Raw profile type {name}"))?;
            orientation::of_raw_profile(&text)
        }
    };
    let xmp = || orientation::of_xmp(text(info, "XML:com.adobe.xmp")?.as_bytes());
    exif()
        .or_else(raw("exif"))
        .or_else(raw("APP1"))
        .or_else(xmp)
        .or_else(raw("xmp"))
}

/// The first text with this keyword, in any of the three kinds of text chunks.
fn text(info: &Info, keyword: &str) -> Option<String> {
    let plain = info.uncompressed_latin1_text.iter();
    let plain = plain.filter(|t| t.keyword.eq_ignore_ascii_case(keyword));
    let packed = info.compressed_latin1_text.iter();
    let packed = packed.filter(|t| t.keyword.eq_ignore_ascii_case(keyword));
    let wide = info.utf8_text.iter();
    let wide = wide.filter(|t| t.keyword.eq_ignore_ascii_case(keyword));
    plain
        .map(|t| t.text.clone())
        .next()
        .or_else(|| packed.filter_map(|t| t.get_text().ok()).next())
        .or_else(|| wide.filter_map(|t| t.get_text().ok()).next())
}

fn fault(error: DecodingError) -> ImageFault {
    match error {
        DecodingError::LimitsExceeded => {
            ImageFault::too_large("PNG: more memory needed than allowed")
        }
        DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageFault::damaged("the PNG ends early")
        }
        other => ImageFault::damaged(other),
    }
}
