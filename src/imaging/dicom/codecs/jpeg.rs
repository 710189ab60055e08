//! JPEG (ITU-T T.81) and JPEG-LS (T.87) inside DICOM.

use super::super::decoded::{DecodedFrame, StreamFacts};
use super::super::image_pixel::{Colour, ImagePixel};
use super::super::transfer_syntax::Codec;
use super::{check_size, jpeg_ls};
use crate::imaging::jpeg::{FrameSamples, Jpeg, Transform};
use crate::imaging::jpeg_markers::{
    END_OF_IMAGE, JPEG_LS_FRAME, JpegFrameHeader, JpegMarkers, START_OF_SCAN,
};
use crate::imaging::{DecodeLimits, ImageFault};

/// Start of frame of the lossless process (T.81 B.1.1.3).
const LOSSLESS_FRAME: u8 = 0xc3;

/// Whether a stream is JPEG or JPEG-LS, by its start-of-frame marker; `None` if it is neither.
pub(super) fn family(stream: &[u8]) -> Option<Codec> {
    let jpeg = Some(stream).filter(|stream| stream.starts_with(&[0xff, 0xd8, 0xff]))?;
    match JpegHeader::find(jpeg)?.marker {
        JPEG_LS_FRAME => Some(Codec::JpegLs),
        _ => Some(Codec::Jpeg),
    }
}

/// What a JPEG or JPEG-LS stream states before its first scan.
struct JpegHeader {
    frame: JpegFrameHeader,
    /// The process: 0xC0 baseline, 0xC1 extended, 0xC3 lossless, 0xF7 JPEG-LS …
    marker: u8,
    /// The colour transform in an Adobe segment.
    adobe: Option<u8>,
    /// Whether there is a JFIF segment.
    jfif: bool,
    /// The identifiers of the first three components; 0 where there are fewer.
    ids: [u8; 3],
}

impl JpegHeader {
    /// Reads marker segments up to the frame header; `None` if there is none.
    fn find(stream: &[u8]) -> Option<JpegHeader> {
        let (mut adobe, mut jfif) = (None, false);
        let mut markers = JpegMarkers::new(stream);
        loop {
            let segment = markers.segment()?;
            match segment.marker {
                // Huffman tables, a reserved marker and arithmetic conditioning stand among the frames.
                0xc4 | 0xc8 | 0xcc => {}
                marker @ (0xc0..=0xcf | JPEG_LS_FRAME) => {
                    let id = |at: usize| segment.data.get(at).copied().unwrap_or(0);
                    return Some(JpegHeader {
                        frame: JpegFrameHeader::read(segment.data)?,
                        marker,
                        adobe,
                        jfif,
                        ids: [6, 9, 12].map(id),
                    });
                }
                0xe0 => jfif |= segment.data.starts_with(b"JFIF\0"),
                0xee if segment.data.starts_with(b"Adobe") => {
                    adobe = segment.data.get(11).copied();
                }
                START_OF_SCAN | END_OF_IMAGE => return None,
                _ => {}
            }
        }
    }

    /// The header of a stream, whose size is that of the data set.
    fn of(stream: &[u8], picture: &ImagePixel) -> Result<JpegHeader, ImageFault> {
        let header = JpegHeader::find(stream)
            .ok_or_else(|| ImageFault::damaged("the compressed stream has no frame header"))?;
        let JpegFrameHeader {
            columns,
            rows,
            components,
            ..
        } = header.frame;
        check_size(picture, [columns.into(), rows.into(), components.into()])?;
        Ok(header)
    }
}

/// Decodes JPEG with 8 or 12 bits, or lossless with up to 16.
pub(super) fn decode(
    picture: &ImagePixel,
    stream: &[u8],
    limits: &DecodeLimits,
) -> Result<DecodedFrame, ImageFault> {
    let header = JpegHeader::of(stream, picture)?;
    if header.frame.components == 4 {
        return Err(ImageFault::unsupported("JPEG of four colours"));
    }
    let lossless = header.marker == LOSSLESS_FRAME;
    let transform = if picture.samples_per_pixel == 3 && is_rgb(picture, &header) {
        Transform::Keep
    } else {
        Transform::ByStream
    };
    let frame = Jpeg::new(stream, limits)?.decode(transform)?;
    let values = match frame.samples {
        FrameSamples::Bits8(values) => values.into_iter().map(u32::from).collect(),
        FrameSamples::Bits16(values) => values.into_iter().map(u32::from).collect(),
    };
    let stream = StreamFacts {
        precision: frame.precision,
        signed: false,
        lossy: !lossless,
        tells_depth: false,
    };
    Ok(DecodedFrame {
        values,
        stream: Some(stream),
        // The lossless process never transforms colours, and the others have done so by now.
        is_rgb: !lossless || picture.colour == Colour::Rgb,
    })
}

/// Whether three components are RGB already. An Adobe segment is the most reliable. After it come
/// JFIF, which knows YCbCr only, and the names of the components. The data set is last: it often still
/// has the value from before compression.
fn is_rgb(picture: &ImagePixel, header: &JpegHeader) -> bool {
    match (header.adobe, header.ids) {
        (Some(transform), _) => transform == 0,
        (None, [1, 2, 3]) => false,
        (None, _) if header.jfif => false,
        (None, [b'R', b'G', b'B']) => true,
        (None, _) => picture.colour == Colour::Rgb,
    }
}

/// Decodes JPEG-LS.
pub(super) fn decode_ls(picture: &ImagePixel, stream: &[u8]) -> Result<DecodedFrame, ImageFault> {
    JpegHeader::of(stream, picture)?;
    let frame = jpeg_ls::decode(stream)?;
    let stream = StreamFacts {
        precision: frame.precision,
        signed: false,
        lossy: frame.lossy,
        tells_depth: false,
    };
    Ok(DecodedFrame {
        values: frame.values,
        stream: Some(stream),
        is_rgb: picture.colour == Colour::Rgb,
    })
}
