//! JPEG files, through [`super::super::jpeg`].

use image::metadata::Orientation;

use super::channels::grey_or_rgb8;
use super::orientation::{self, XMP_IN_JPEG};
use super::{COPIES, RasterPicture};
use crate::domain::Samples;
use crate::imaging::jpeg::{FrameSamples, Jpeg, JpegImage, Transform};
use crate::imaging::{DecodeLimits, ImageFault};

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RasterPicture, ImageFault> {
    const COLOURS: u64 = 3;
    let jpeg = Jpeg::new(bytes, limits)?;
    let (width, height) = jpeg.size();
    limits.check_picture(width, height, COPIES * COLOURS)?;
    let orientation = said(bytes);
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

/// EXIF goes before XMP; both are in APP1 segments.
fn said(bytes: &[u8]) -> Option<Orientation> {
    let app1 = || segments(bytes).filter(|s| s.marker == 0xe1);
    let exif = app1().filter(|s| s.data.starts_with(b"Exif\0"));
    let xmp = app1().filter_map(|s| s.data.strip_prefix(XMP_IN_JPEG));
    exif.filter_map(|s| orientation::of_exif(s.data))
        .next()
        .or_else(|| xmp.filter_map(orientation::of_xmp).next())
}

/// Refuses a JPEG without an end-of-image marker (T.81 B.2.1): a progressive one may lack its last
/// scans, and nothing else shows it.
fn check_it_ends(bytes: &[u8]) -> Result<(), ImageFault> {
    const END_OF_IMAGE: u8 = 0xd9;
    if segments(bytes).any(|s| s.marker == END_OF_IMAGE) {
        return Ok(());
    }
    Err(ImageFault::damaged(format!(
        "the JPEG ends early, after {} bytes without an end-of-image marker",
        bytes.len()
    )))
}

/// A marker, and what follows it up to the length that it gives (T.81 B.1.1.4).
struct Segment<'a> {
    marker: u8,
    data: &'a [u8],
}

/// The markers of a stream up to its end. Segments are stepped over by their length, because the
/// thumbnail in one has markers of its own.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    const STUFFED: u8 = 0x00;
    const FILL: u8 = 0xff;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let at = rest.iter().position(|&b| b == 0xff)?;
            let &marker = rest.get(at + 1)?;
            let length = match marker {
                FILL => {
                    rest = &rest[at + 1..];
                    continue;
                }
                STUFFED | 0x01 | 0xd0..=0xd9 => 0,
                _ => {
                    let length = rest.get(at + 2..at + 4)?;
                    usize::from(u16::from_be_bytes([length[0], length[1]]))
                }
            };
            let data = rest.get(at + 4..at + 2 + length).unwrap_or_default();
            rest = rest.get(at + 2 + length..).unwrap_or_default();
            if marker != STUFFED {
                return Some(Segment { marker, data });
            }
        }
    })
}
