//! Pictures other than DICOM: PNG, JPEG, WebP, TIFF, BMP, GIF and JPEG 2000.
//!
//! The decoder of each format returns a [`RasterPicture`] as it is stored in the file. The steps that
//! all formats share are here and in small modules: the picture is turned as the file states
//! ([`orientation`]), and colour with equal channels becomes grey ([`channels`]). Transparency is never
//! applied ([`alpha`]).

mod alpha;
mod channels;
mod directory;
mod gif;
mod jpeg;
mod jpeg_2000;
mod library;
mod libwebp;
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

impl RasterFormat {
    /// The formats that this build reads.
    pub(super) fn readable() -> impl Iterator<Item = Self> {
        let all = [
            RasterFormat::Png,
            RasterFormat::Jpeg,
            RasterFormat::WebP,
            RasterFormat::Tiff,
            RasterFormat::Bmp,
            RasterFormat::Gif,
            RasterFormat::Jpeg2000,
        ];
        let is_read =
            |format: &Self| *format != RasterFormat::Jpeg2000 || cfg!(feature = "jpeg2000");
        all.into_iter().filter(is_read)
    }

    /// The name of the format, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            RasterFormat::Png => "PNG",
            RasterFormat::Jpeg => "JPEG",
            RasterFormat::WebP => "WebP",
            RasterFormat::Tiff => "TIFF",
            RasterFormat::Bmp => "BMP",
            RasterFormat::Gif => "GIF",
            RasterFormat::Jpeg2000 => "JPEG 2000",
        }
    }
}

/// Copies of the picture in memory at the same time: in the decoder, turned or without alpha, and as
/// samples.
const COPIES: u64 = 3;

/// A decoded file: the picture as it is stored, and its properties.
#[derive(Debug)]
struct RasterPicture {
    width: u32,
    height: u32,
    samples: Samples,
    /// The rescale from samples to stored values, if they differ.
    stored: Rescale,
    /// Range of samples that are padding, as in [`Radiograph::padding`].
    padding: Option<(i32, i32)>,
    /// Bits of a sample, if not all bits of its type.
    bits_stored: Option<u8>,
    orientation: Option<Orientation>,
    /// Per cent of the pixels that are not opaque, if the pixels differ in this.
    transparent: Option<u8>,
    /// The page of a TIFF and the number of pages; `None` if there is no other page worth a caution.
    page: Option<(u32, u32)>,
    frames: u32,
    format: &'static str,
}

impl RasterPicture {
    /// A picture without any properties but its samples.
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
        let page = self.page.map(|(page, of)| Objection::Page { page, of });
        let transparent = self.transparent;
        let transparent = transparent.map(|percent| Objection::PartlyTransparent { percent });
        let plain = Radiograph::plain(width, height, samples, self.format);
        Radiograph {
            bits_stored: self.bits_stored.unwrap_or(plain.bits_stored),
            admission: Admission {
                objections: page.into_iter().chain(transparent).collect(),
            },
            modality_transform: PixelTransform::Linear(self.stored),
            padding: self.padding,
            frames: self.frames.max(1),
            ..plain
        }
    }
}

/// Decodes the whole content of a file.
///
/// # Errors
/// If it is damaged, unsupported or over a limit.
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
