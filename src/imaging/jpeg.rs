//! JPEG (ITU-T T.81), as a file and as a frame inside DICOM, through a translation of libjpeg-turbo
//! to Rust.
//!
//! Decoders may round the inverse cosine transform differently, and do: the decoder of the `image` crate
//! differs from libjpeg by a grey level in about one pixel of a hundred, which moves a logit by up to
//! 0.012. Most training pipelines read their images with libjpeg, so this decodes bit for bit as
//! libjpeg does. Entropy decoding, which a hostile stream controls, is bounds-checked Rust. The cosine
//! transform, upsampling and colour conversion are vector code, and bounds are checked before it.
//!
//! Pictures are not shrunk while they are decoded (scaled cosine transforms). That would save a third to
//! a half of the time, but over ten radiographs of original size it moved a logit of cxr-lite0 by up to
//! 0.05 from 896 pixels, and by up to 0.14 from 448.

use libjpeg_turbo_rs::precision::{decompress_12bit_with_limits, decompress_lossless_arbitrary};
use libjpeg_turbo_rs::{ColorSpace, Decoder, JpegError, PixelFormat};

use super::{DecodeLimits, ImageFault};

/// Progressive pictures have about ten scans, and each costs a pass over the whole picture.
const MAX_SCANS: usize = 100;

/// A decoded picture.
pub(super) struct JpegImage {
    pub width: u32,
    pub height: u32,
    /// 1 for grey, 3 for colour.
    pub components: usize,
    /// Bits of a sample.
    pub precision: u8,
    pub samples: FrameSamples,
}

/// Interleaved samples, row by row.
pub(super) enum FrameSamples {
    Bits8(Vec<u8>),
    Bits16(Vec<u16>),
}

/// The colour transform of three components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    /// The one that the stream states, in its JFIF and Adobe segments or by the names of its components.
    ByStream,
    /// None: the components stay as they are.
    Keep,
}

/// A stream whose headers were read and are within limits.
pub(super) struct Jpeg<'a> {
    stream: &'a [u8],
    decoder: Decoder<'a>,
    limits: libjpeg_turbo_rs::DecodeLimits,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers. The picture itself is not allocated yet.
    pub fn new(stream: &'a [u8], limits: &DecodeLimits) -> Result<Jpeg<'a>, ImageFault> {
        let limits = libjpeg_turbo_rs::DecodeLimits {
            max_width: limits.max_width as usize,
            max_height: limits.max_height as usize,
            max_pixels: limits.max_pixels,
            max_scans: MAX_SCANS,
            max_memory: Some(limits.max_memory),
        };
        let decoder = Decoder::new_with_limits(stream, limits).map_err(fault)?;
        Ok(Jpeg {
            stream,
            decoder,
            limits,
        })
    }

    /// Columns and rows.
    pub fn size(&self) -> (u32, u32) {
        let header = self.decoder.header();
        (header.width.into(), header.height.into())
    }

    /// Decodes every sample; a stream that ends early is an error. Four colours become three.
    pub fn decode(mut self, transform: Transform) -> Result<JpegImage, ImageFault> {
        let header = self.decoder.header();
        let (precision, lossless) = (header.precision, header.is_lossless);
        let (width, height) = self.size();
        let (components, samples) = match (precision, lossless) {
            (_, true) => self.lossless()?,
            (8, false) => self.eight_bits(transform)?,
            (12, false) => self.twelve_bits()?,
            _ => return Err(bits_unsupported(precision)),
        };
        Ok(JpegImage {
            width,
            height,
            components,
            precision,
            samples,
        })
    }

    fn eight_bits(&mut self, transform: Transform) -> Result<(usize, FrameSamples), ImageFault> {
        let components = match self.decoder.header().components.len() {
            1 => 1,
            _ => 3,
        };
        if components == 3 {
            self.decoder.set_output_format(PixelFormat::Rgb);
        }
        // The crate takes the components for YCbCr, and keeps them as they are if asked for YCbCr.
        let is_ycbcr = self.decoder.jpeg_color_space() == ColorSpace::YCbCr;
        if transform == Transform::Keep && is_ycbcr {
            self.decoder.set_output_colorspace(ColorSpace::YCbCr);
        }
        let image = self.decoder.decode_image().map_err(fault)?;
        Ok((components, FrameSamples::Bits8(image.data)))
    }

    fn twelve_bits(&self) -> Result<(usize, FrameSamples), ImageFault> {
        let image = decompress_12bit_with_limits(self.stream, &self.limits).map_err(fault)?;
        let samples = image.data.into_iter().map(|v| v.max(0) as u16).collect();
        Ok((image.num_components, FrameSamples::Bits16(samples)))
    }

    /// The lossless process transforms no colours.
    fn lossless(&self) -> Result<(usize, FrameSamples), ImageFault> {
        let image = decompress_lossless_arbitrary(self.stream).map_err(fault)?;
        Ok((image.num_components, FrameSamples::Bits16(image.data)))
    }
}

fn bits_unsupported(precision: u8) -> ImageFault {
    ImageFault::unsupported(format!("lossy JPEG of {precision} bits a sample"))
}

fn fault(error: JpegError) -> ImageFault {
    match error {
        JpegError::LimitExceeded { .. } | JpegError::AllocationFailed { .. } => {
            ImageFault::too_large(error)
        }
        JpegError::Unsupported(what) => ImageFault::unsupported(format!("JPEG: {what}")),
        JpegError::UnexpectedEof => ImageFault::damaged("the JPEG ends early"),
        other => ImageFault::damaged(format!("JPEG: {other}")),
    }
}
