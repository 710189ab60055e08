//! Decompression of one frame: RLE, JPEG, JPEG-LS, JPEG 2000 and deflate.
//!
//! The size that a stream states is compared with that of the data set before anything is decoded.

mod jpeg;
#[cfg(feature = "jpeg2000")]
mod jpeg_2000;
mod jpeg_ls;
mod rle;

use super::decoded::DecodedFrame;
use super::deflate::inflate;
use super::image_pixel::ImagePixel;
use super::native::little_endian;
use super::transfer_syntax::{self, Codec};
use crate::imaging::{DecodeLimits, ImageFault};

/// Decompresses a frame.
pub(super) fn decode(
    picture: &ImagePixel,
    stream: &[u8],
    syntax: &str,
    limits: &DecodeLimits,
) -> Result<DecodedFrame, ImageFault> {
    let codec = match transfer_syntax::codec(syntax) {
        // Their streams cannot be recognised.
        stated @ Some(Codec::Uncompressed | Codec::Deflate | Codec::Rle) => stated,
        stated => recognised(stream).or(stated),
    };
    let decoded = match codec {
        Some(Codec::Uncompressed) => little_endian(picture, stream),
        Some(Codec::Deflate) => {
            inflate(stream, limits.max_memory).and_then(|frame| little_endian(picture, &frame))
        }
        Some(Codec::Rle) => rle::decode(picture, stream),
        Some(Codec::Jpeg) => jpeg::decode(picture, stream, limits),
        Some(Codec::JpegLs) => jpeg::decode_ls(picture, stream),
        Some(Codec::Jpeg2000) => {
            jpeg_2000::decode(picture, stream, transfer_syntax::may_be_lossy(syntax))
        }
        None => Err(ImageFault::unsupported(format!(
            "pixel data compressed as {}",
            transfer_syntax::name(syntax)
        ))),
    }?;
    check_values(picture, &decoded, syntax)?;
    Ok(decoded)
}

/// The codec of a stream by its first bytes, which may not be that of its transfer syntax: archives
/// pass frames on under the name of another family.
fn recognised(stream: &[u8]) -> Option<Codec> {
    const CODESTREAM: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
    const JP2_FILE: [u8; 8] = *b"\0\0\0\x0cjP  ";
    if stream.starts_with(&CODESTREAM) || stream.starts_with(&JP2_FILE) {
        return Some(Codec::Jpeg2000);
    }
    jpeg::family(stream)
}

/// Refuses a frame of another number of values, or of more bits than the data set allocates.
fn check_values(
    picture: &ImagePixel,
    decoded: &DecodedFrame,
    syntax: &str,
) -> Result<(), ImageFault> {
    if decoded.values.len() != picture.samples() {
        return Err(ImageFault::damaged(format!(
            "{} holds {} values, {} needed",
            transfer_syntax::name(syntax),
            decoded.values.len(),
            picture.samples()
        )));
    }
    let precision = decoded.stream.map_or(0, |stream| stream.precision);
    if precision > picture.bits_allocated {
        return Err(ImageFault::damaged(format!(
            "the compressed stream has {precision} bits a sample, the data set allocates {}",
            picture.bits_allocated
        )));
    }
    Ok(())
}

/// Compares columns, rows and components of a stream with those of the data set.
fn check_size(picture: &ImagePixel, stream: [u32; 3]) -> Result<(), ImageFault> {
    let stated = [
        picture.columns,
        picture.rows,
        picture.samples_per_pixel.into(),
    ];
    if stream == stated {
        return Ok(());
    }
    let in_words =
        |[columns, rows, components]: [u32; 3]| format!("{columns} × {rows} × {components}");
    Err(ImageFault::damaged(format!(
        "the compressed stream is {}, the data set says {}",
        in_words(stream),
        in_words(stated)
    )))
}

#[cfg(not(feature = "jpeg2000"))]
mod jpeg_2000 {
    use super::{DecodedFrame, ImageFault, ImagePixel};

    pub fn decode(_: &ImagePixel, _: &[u8], _: bool) -> Result<DecodedFrame, ImageFault> {
        Err(ImageFault::unsupported(
            "JPEG 2000: this program was built without it (feature jpeg2000)",
        ))
    }
}
