//! JPEG 2000 (ITU-T T.800) and its high-throughput coding of blocks (T.814) inside DICOM, with or
//! without the boxes of a JP2 file.

use super::super::decoded::{DecodedFrame, StreamFacts};
use super::super::image_pixel::{Colour, ImagePixel};
use super::check_size;
use crate::imaging::ImageFault;
use crate::imaging::jpeg_2000::CodestreamSize;

/// Decodes a frame. `lossy` is whether its transfer syntax has room for loss.
pub(super) fn decode(
    picture: &ImagePixel,
    stream: &[u8],
    lossy: bool,
) -> Result<DecodedFrame, ImageFault> {
    let size = CodestreamSize::of(stream)
        .ok_or_else(|| ImageFault::damaged("the JPEG 2000 stream has no size marker"))?;
    check_size(picture, [size.width, size.height, size.components.into()])?;
    let image = jpeg2k::Image::from_bytes(stream)
        .map_err(|e| ImageFault::damaged(format!("JPEG 2000: {e}")))?;
    let components = image.components();
    let pixels = picture.columns as usize * picture.rows as usize;
    if components.len() != usize::from(picture.samples_per_pixel)
        || components.iter().any(|c| c.data().len() != pixels)
    {
        return Err(ImageFault::unsupported(
            "JPEG 2000 with components of different sizes",
        ));
    }
    let planes: Vec<&[i32]> = components.iter().map(|c| c.data()).collect();
    let values = (0..pixels)
        .flat_map(|i| planes.iter().map(move |plane| plane[i] as u32))
        .collect();
    let stream = components.first().map(|c| StreamFacts {
        precision: c.precision().clamp(1, 32) as u8,
        signed: c.is_signed(),
        lossy,
        tells_depth: true,
    });
    let is_rgb = picture.colour != Colour::YbrFull;
    Ok(DecodedFrame {
        values,
        stream,
        is_rgb,
    })
}
