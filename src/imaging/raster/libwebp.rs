//! WebP by libwebp, which is C. Files of strangers meet it in the decoder process only.
#![allow(unsafe_code, reason = "calls of C")]

use std::mem::MaybeUninit;

use libwebp_sys::{
    VP8StatusCode, WebPBitstreamFeatures, WebPDecodeRGBAInto, WebPDecodeRGBInto, WebPGetFeatures,
};

/// What a file says of itself.
pub(super) struct WebpHeader {
    pub width: u32,
    pub height: u32,
    /// 3 for colour, 4 with alpha.
    pub channels: u32,
    pub is_animation: bool,
}

/// The header of a file; `None` if libwebp finds none.
pub(super) fn header(bytes: &[u8]) -> Option<WebpHeader> {
    let mut features = MaybeUninit::<WebPBitstreamFeatures>::zeroed();
    // SAFETY: as many bytes as are said, and room for the answer.
    let status = unsafe { WebPGetFeatures(bytes.as_ptr(), bytes.len(), features.as_mut_ptr()) };
    if status != VP8StatusCode::VP8_STATUS_OK {
        return None;
    }
    // SAFETY: the answer was written, and zeros are valid numbers, too.
    let features = unsafe { features.assume_init() };
    Some(WebpHeader {
        width: u32::try_from(features.width).ok()?,
        height: u32::try_from(features.height).ok()?,
        channels: if features.has_alpha == 0 { 3 } else { 4 },
        is_animation: features.has_animation != 0,
    })
}

/// The pixels, row by row, of a file with this header; `None` if libwebp does not decode it.
pub(super) fn decode(bytes: &[u8], header: &WebpHeader) -> Option<Vec<u8>> {
    let row = header.width.checked_mul(header.channels)?;
    let mut pixels = vec![0; row as usize * header.height as usize];
    let into = match header.channels {
        4 => WebPDecodeRGBAInto,
        _ => WebPDecodeRGBInto,
    };
    // SAFETY: as many bytes as are said; libwebp fails if the picture does not fit into the room.
    let made = unsafe {
        into(
            bytes.as_ptr(),
            bytes.len(),
            pixels.as_mut_ptr(),
            pixels.len(),
            i32::try_from(row).ok()?,
        )
    };
    (!made.is_null()).then_some(pixels)
}
