//! WebP, decoded by libwebp, and BMP, decoded by the `image` crate.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError};

use super::channels::{grey_or_rgb8, grey_or_rgb16};
use super::{COPIES, RasterPicture, alpha, libwebp, orientation};
use crate::domain::Samples;
use crate::imaging::{DecodeLimits, ImageFault};

const WEBP: &str = "WebP";

pub(super) fn webp(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    let picture = match still_webp(bytes, limits)? {
        Some(picture) => picture,
        // The slower decoder shows the first picture of an animation, and says what is damaged.
        None => {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(fault)?;
            decode(decoder, limits, WEBP)?
        }
    };
    let frames = chunks(bytes).filter(|(name, _)| name == b"ANMF").count();
    Ok(RasterPicture {
        orientation: webp_orientation(bytes),
        frames: u32::try_from(frames).unwrap_or(u32::MAX),
        ..picture
    })
}

/// A picture as libwebp decodes it; `None` if it does not, or the file is an animation.
fn still_webp(bytes: &[u8], limits: &DecodeLimits) -> Result<Option<RasterPicture>, ImageFault> {
    let Some(header) = libwebp::header(bytes).filter(|header| !header.is_animation) else {
        return Ok(None);
    };
    let (width, height) = (header.width, header.height);
    limits.check_picture(width, height, COPIES * u64::from(header.channels))?;
    let Some(pixels) = libwebp::decode(bytes, &header) else {
        return Ok(None);
    };
    let (rgb, transparent) = match header.channels {
        4 => alpha::split(&pixels, 3, u8::MAX),
        _ => (pixels, None),
    };
    Ok(Some(RasterPicture {
        transparent,
        ..RasterPicture::plain(width, height, grey_or_rgb8(rgb), WEBP)
    }))
}

pub(super) fn bmp(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(fault)?;
    decode(decoder, limits, "BMP")
}

fn decode(
    mut decoder: impl ImageDecoder,
    limits: &DecodeLimits,
    format: &'static str,
) -> Result<RasterPicture, ImageFault> {
    let (width, height) = decoder.dimensions();
    let bytes_per_pixel = u64::from(decoder.color_type().bytes_per_pixel());
    limits.check_picture(width, height, COPIES * bytes_per_pixel)?;
    decoder.set_limits(crate_limits(limits)).map_err(fault)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    let (samples, transparent) = samples(picture);
    Ok(RasterPicture {
        transparent,
        ..RasterPicture::plain(width, height, samples, format)
    })
}

fn crate_limits(limits: &DecodeLimits) -> image::Limits {
    let mut theirs = image::Limits::default();
    theirs.max_image_width = Some(limits.max_width);
    theirs.max_image_height = Some(limits.max_height);
    theirs.max_alloc = Some(limits.max_memory);
    theirs
}

/// Samples, and per cent of the pixels that are not opaque.
fn samples(picture: DynamicImage) -> (Samples, Option<u8>) {
    match picture {
        DynamicImage::ImageLuma8(grey) => (Samples::Grey8(grey.into_raw()), None),
        DynamicImage::ImageLuma16(grey) => (Samples::Grey16(grey.into_raw()), None),
        DynamicImage::ImageRgb8(colour) => (grey_or_rgb8(colour.into_raw()), None),
        DynamicImage::ImageRgb16(colour) => (grey_or_rgb16(colour.as_raw()), None),
        // The two formats have no other types today, but the crate may add some.
        other => {
            let rgba = other.into_rgba8().into_raw();
            let (rgb, transparent) = alpha::split(&rgba, 3, u8::MAX);
            (grey_or_rgb8(rgb), transparent)
        }
    }
}

/// The orientation from EXIF, or else from XMP. Both are searched for even if the header does not
/// announce them.
fn webp_orientation(bytes: &[u8]) -> Option<Orientation> {
    let of = |wanted: &'static [u8]| chunks(bytes).filter(move |(name, _)| *name == wanted);
    of(b"EXIF")
        .filter_map(|(_, data)| orientation::of_exif(data))
        .next()
        .or_else(|| {
            of(b"XMP ")
                .filter_map(|(_, data)| orientation::of_xmp(data))
                .next()
        })
}

/// Names and data of the chunks of a RIFF file (WebP container specification). The last chunk may be cut
/// off.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    const HEADER: usize = 12;
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (name, after) = rest.split_at_checked(4)?;
        let (length, after) = after.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let data = &after[..length.min(after.len())];
        let padded = length.saturating_add(length % 2);
        rest = after.get(padded..).unwrap_or_default();
        Some((name, data))
    })
}

fn fault(error: ImageError) -> ImageFault {
    match error {
        ImageError::Limits(e) => ImageFault::too_large(e),
        ImageError::Unsupported(e) => ImageFault::unsupported(e),
        ImageError::IoError(e) => ImageFault::damaged(e),
        other => ImageFault::damaged(other),
    }
}
