//! PNG, JPEG, WebP, TIFF and BMP, through the `image` crate.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{Fault, Limits};
use crate::domain::{
    Modality, PatientFacts, PhotometricInterpretation, PixelTransform, Radiograph, Rescale,
    Samples, ViewPosition,
};

/// Decodes a whole file. EXIF orientation is applied, alpha is composited on black, colour whose
/// channels are equal becomes grey.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
) -> Result<Radiograph, Fault> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(crate_limits(limits));
    let mut decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    limits.check_picture(
        width,
        height,
        u64::from(decoder.color_type().bytes_per_pixel()),
    )?;
    let orientation = decoder.orientation().map_err(fault)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    picture.apply_orientation(orientation);
    Ok(radiograph(picture, name(format)))
}

fn crate_limits(limits: &Limits) -> image::Limits {
    let mut theirs = image::Limits::default();
    theirs.max_image_width = Some(limits.max_width);
    theirs.max_image_height = Some(limits.max_height);
    theirs.max_alloc = Some(limits.max_memory);
    theirs
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(e) => Fault::too_large(e),
        ImageError::Unsupported(e) => Fault::unsupported(e),
        ImageError::IoError(e) => Fault::damaged(e),
        other => Fault::damaged(other),
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        _ => "BMP",
    }
}

fn radiograph(picture: DynamicImage, format: &str) -> Radiograph {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let samples = samples(picture);
    let photometric = match samples {
        Samples::Rgb8(_) => PhotometricInterpretation::Rgb,
        _ => PhotometricInterpretation::Monochrome2,
    };
    Radiograph {
        width,
        height,
        bits_stored: if matches!(samples, Samples::Grey16(_)) {
            16
        } else {
            8
        },
        samples,
        photometric,
        modality_transform: PixelTransform::Linear(Rescale::default()),
        padding: None,
        windows: Vec::new(),
        voi_luts: Vec::new(),
        inverted: false,
        pixel_aspect: 1.0,
        view: ViewPosition::Unknown,
        modality: Modality::Unknown,
        patient: PatientFacts::default(),
        frames: 1,
        format: format.to_owned(),
    }
}

fn samples(picture: DynamicImage) -> Samples {
    match picture {
        DynamicImage::ImageLuma8(grey) => Samples::Grey8(grey.into_raw()),
        DynamicImage::ImageLuma16(grey) => Samples::Grey16(grey.into_raw()),
        DynamicImage::ImageLumaA8(p) => Samples::Grey8(on_black(p.as_raw(), 1, scale8)),
        DynamicImage::ImageLumaA16(p) => Samples::Grey16(on_black(p.as_raw(), 1, scale16)),
        DynamicImage::ImageRgb8(colour) => grey_or_rgb8(colour.into_raw()),
        DynamicImage::ImageRgba8(p) => grey_or_rgb8(on_black(p.as_raw(), 3, scale8)),
        DynamicImage::ImageRgb16(colour) => grey_or_rgb16(&colour.into_raw()),
        DynamicImage::ImageRgba16(p) => grey_or_rgb16(&on_black(p.as_raw(), 3, scale16)),
        // Floating point, which only TIFF has here.
        other => grey_or_rgb16(&other.into_rgb16().into_raw()),
    }
}

/// Drops the alpha that follows every `channels` values, as if the picture lay on black.
fn on_black<T: Copy>(values: &[T], channels: usize, scale: impl Fn(T, T) -> T) -> Vec<T> {
    values
        .chunks_exact(channels + 1)
        .flat_map(|pixel| pixel[..channels].iter().map(|&v| scale(v, pixel[channels])))
        .collect()
}

fn scale8(value: u8, alpha: u8) -> u8 {
    ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8
}

fn scale16(value: u16, alpha: u16) -> u16 {
    ((u64::from(value) * u64::from(alpha) + 32_767) / 65_535) as u16
}

/// Interleaved RGB as grey samples if every pixel has three equal values.
pub(super) fn grey_or_rgb8(rgb: Vec<u8>) -> Samples {
    match collapse(&rgb) {
        Some(grey) => Samples::Grey8(grey),
        None => Samples::Rgb8(rgb),
    }
}

fn grey_or_rgb16(rgb: &[u16]) -> Samples {
    match collapse(rgb) {
        Some(grey) => Samples::Grey16(grey),
        None => Samples::Rgb8(
            rgb.iter()
                .map(|&v| ((u32::from(v) * 255 + 32_767) / 65_535) as u8)
                .collect(),
        ),
    }
}

fn collapse<T: Copy + PartialEq>(rgb: &[T]) -> Option<Vec<T>> {
    let pixels = rgb.chunks_exact(3);
    let is_grey = pixels.clone().all(|p| p[0] == p[1] && p[1] == p[2]);
    is_grey.then(|| pixels.map(|p| p[0]).collect())
}
