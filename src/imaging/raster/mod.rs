//! Pictures that are no DICOM: PNG, JPEG, WebP, TIFF, BMP, GIF and JPEG 2000.
//!
//! Each format has a decoder that yields a [`Picture`] as it lies in the file. What all of them
//! share is done here: it is turned as the file says ([`orientation`]), and colour whose channels
//! are equal becomes grey ([`channels`]). Transparency is never applied ([`alpha`]).

mod alpha;
mod channels;
mod gif;
mod jpeg;
mod jpeg_2000;
mod library;
mod orientation;
mod png;
mod tiff;

use image::metadata::Orientation;

use super::{DecodeLimits, ImageFault};
use crate::domain::{Admission, Objection, PixelTransform, Radiograph, Rescale, Samples};

pub(super) use channels::grey_or_rgb8;

/// Formats that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RasterFormat {
    Png,
    Jpeg,
    WebP,
    Tiff,
    Bmp,
    Gif,
    Jpeg2000,
}

/// How often the picture is in memory at once: in the decoder, turned or without alpha, and as
/// samples.
const COPIES: u64 = 3;

/// What a decoder makes of a file: the picture as it lies, and what is to be said of it.
#[derive(Debug)]
struct RasterPicture {
    width: u32,
    height: u32,
    samples: Samples,
    /// From the samples to what is stored, where they are not alike.
    stored: Rescale,
    /// Samples that stand for no grey, as [`Radiograph::padding`] has them.
    padding: Option<(i32, i32)>,
    /// Bits of a sample, where they are not those of the type.
    bits_stored: Option<u8>,
    orientation: Option<Orientation>,
    /// Per cent of the pixels that are not opaque, if others are.
    transparent: Option<u8>,
    /// Which page of a TIFF it is, of how many; `None` if there is no other to speak of.
    page: Option<(u32, u32)>,
    frames: u32,
    format: &'static str,
}

impl RasterPicture {
    /// One of which nothing is known but its samples.
    fn plain(width: u32, height: u32, samples: Samples, format: &'static str) -> Self {
        RasterPicture {
            width,
            height,
            samples,
            stored: Rescale::default(),
            padding: None,
            bits_stored: None,
            orientation: None,
            transparent: None,
            page: None,
            frames: 1,
            format,
        }
    }

    fn into_radiograph(self) -> Radiograph {
        let orientation = self.orientation.unwrap_or(Orientation::NoTransforms);
        let (width, height, samples) = orientation::turned(
            self.width as usize,
            self.height as usize,
            self.samples,
            orientation,
        );
        let pages = self.page.map(|(page, of)| Objection::Page { page, of });
        let transparent = self.transparent;
        let transparent = transparent.map(|percent| Objection::PartlyTransparent { percent });
        let plain = Radiograph::plain(width, height, samples, self.format);
        Radiograph {
            bits_stored: self.bits_stored.unwrap_or(plain.bits_stored),
            admission: Admission {
                objections: pages.into_iter().chain(transparent).collect(),
            },
            modality_transform: PixelTransform::Linear(self.stored),
            padding: self.padding,
            frames: self.frames.max(1),
            ..plain
        }
    }
}

/// Decodes a whole file.
pub(super) fn decode(
    bytes: &[u8],
    format: RasterFormat,
    limits: &DecodeLimits,
) -> Result<Radiograph, ImageFault> {
    let picture = match format {
        RasterFormat::Png => png::decode(bytes, limits),
        RasterFormat::Jpeg => jpeg::decode(bytes, limits),
        RasterFormat::WebP => library::webp(bytes, limits),
        RasterFormat::Tiff => tiff::decode(bytes, limits),
        RasterFormat::Bmp => library::bmp(bytes, limits),
        RasterFormat::Gif => gif::decode(bytes, limits),
        RasterFormat::Jpeg2000 => jpeg_2000::decode(bytes, limits),
    }?;
    Ok(picture.into_radiograph())
}
