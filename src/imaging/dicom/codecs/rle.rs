//! RLE, PS3.5 annex G.

use super::super::decoded::DecodedFrame;
use super::super::image_pixel::{Colour, ImagePixel};
use super::super::native;
use crate::imaging::ImageFault;

/// Decodes a frame of RLE: a segment for each byte of each sample, the most significant byte first.
pub(super) fn decode(picture: &ImagePixel, stream: &[u8]) -> Result<DecodedFrame, ImageFault> {
    let cut_off = || ImageFault::damaged("RLE segments lie outside the frame");
    let number = |at: usize| {
        let bytes = stream.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or_else(cut_off)
    };
    let channels = usize::from(picture.samples_per_pixel);
    let size = usize::from(picture.bits_allocated.div_ceil(8));
    if number(0)? as usize != channels * size {
        return Err(ImageFault::damaged(format!(
            "{} RLE segments, {} needed",
            number(0)?,
            channels * size
        )));
    }
    if picture.bits_allocated == 1 {
        let packed = stream.get(number(4)? as usize..).ok_or_else(cut_off)?;
        let bytes: Vec<u8> = PackBits::new(packed).take(picture.frame_bytes()).collect();
        return native::little_endian(picture, &bytes);
    }
    let mut values = vec![0_u32; picture.samples()];
    for segment in 0..channels * size {
        let start = number(4 + 4 * segment)? as usize;
        let end = match segment + 1 {
            last if last == channels * size => stream.len(),
            next => number(4 + 4 * next)? as usize,
        };
        let packed = stream.get(start..end).ok_or_else(cut_off)?;
        let shift = 8 * (size - 1 - segment % size);
        let mut bytes = PackBits::new(packed);
        for value in values.iter_mut().skip(segment / size).step_by(channels) {
            let byte = bytes
                .next()
                .ok_or_else(|| ImageFault::damaged("an RLE segment ends early"))?;
            *value |= u32::from(byte) << shift;
        }
    }
    Ok(DecodedFrame {
        values,
        stream: None,
        is_rgb: picture.colour == Colour::Rgb,
    })
}

/// The bytes of a packed RLE segment (PS3.5 G.3.2).
struct PackBits<'a> {
    packed: &'a [u8],
    /// Bytes left of a literal run.
    literal: usize,
    /// Bytes left of a replicate run.
    repeated: usize,
}

impl<'a> PackBits<'a> {
    fn new(packed: &'a [u8]) -> Self {
        PackBits {
            packed,
            literal: 0,
            repeated: 0,
        }
    }

    fn pop(&mut self) -> Option<u8> {
        let (&first, rest) = self.packed.split_first()?;
        self.packed = rest;
        Some(first)
    }
}

impl Iterator for PackBits<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            if self.literal > 0 {
                self.literal -= 1;
                return self.pop();
            }
            if self.repeated > 1 {
                self.repeated -= 1;
                return self.packed.first().copied();
            }
            if self.repeated == 1 {
                self.repeated = 0;
                return self.pop();
            }
            match self.pop()? as i8 {
                n @ 0.. => self.literal = n as usize + 1,
                -128 => {}
                n => self.repeated = (1 - isize::from(n)) as usize,
            }
        }
    }
}
