//! JPEG files, decoded by [`crate::imaging::jpeg`].

use image::metadata::Orientation;

use super::channels::grey_or_rgb8;
use super::orientation::{self, XMP_IN_JPEG};
use super::{COPIES, RasterPicture};
use crate::domain::Samples;
use crate::imaging::jpeg::{FrameSamples, Jpeg, JpegImage, Transform};
use crate::imaging::jpeg_markers::{END_OF_IMAGE, all_segments};
use crate::imaging::{DecodeLimits, ImageFault};

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    const COLOURS: u64 = 3;
    let jpeg = Jpeg::new(bytes, limits)?;
    let (width, height) = jpeg.size();
    limits.check_picture(width, height, COPIES * COLOURS)?;
    let orientation = orientation_of(bytes);
    check_it_ends(bytes)?;
    let frame = jpeg.decode(Transform::ByStream)?;
    let bits_stored = Some(frame.precision);
    let samples = samples(frame)?;
    Ok(RasterPicture {
        bits_stored,
        orientation,
        ..RasterPicture::plain(width, height, samples, "JPEG")
    })
}

fn samples(frame: JpegImage) -> Result<Samples, ImageFault> {
    let needed = frame.width as usize * frame.height as usize * frame.components;
    let samples = match (frame.samples, frame.components) {
        (FrameSamples::Bits8(v), 1) if v.len() == needed => Samples::Grey8(v),
        (FrameSamples::Bits8(v), 3) if v.len() == needed => grey_or_rgb8(v),
        (FrameSamples::Bits16(v), 1) if v.len() == needed => Samples::Grey16(v),
        (FrameSamples::Bits16(_), 2..) => {
            return Err(ImageFault::unsupported(format!(
                "JPEG in colour with {} bits a sample",
                frame.precision
            )));
        }
        _ => {
            return Err(ImageFault::damaged(
                "the JPEG holds fewer samples than it declares",
            ));
        }
    };
    Ok(samples)
}

/// The orientation from EXIF, or else from XMP; both are in APP1 segments.
fn orientation_of(bytes: &[u8]) -> Option<Orientation> {
    let app1 = || all_segments(bytes).filter(|s| s.marker == 0xe1);
    let exif = app1().filter(|s| s.data.starts_with(b"Exif\0"));
    let xmp = app1().filter_map(|s| s.data.strip_prefix(XMP_IN_JPEG));
    exif.filter_map(|s| orientation::of_exif(s.data))
        .next()
        .or_else(|| xmp.filter_map(orientation::of_xmp).next())
}

/// Refuses a JPEG without an end-of-image marker (T.81 B.2.1). A progressive one may lack its last
/// scans, and only the missing marker shows that.
fn check_it_ends(bytes: &[u8]) -> Result<(), ImageFault> {
    if all_segments(bytes).any(|s| s.marker == END_OF_IMAGE) {
        return Ok(());
    }
    Err(ImageFault::damaged(format!(
        "the JPEG ends early, after {} bytes without an end-of-image marker",
        bytes.len()
    )))
}
