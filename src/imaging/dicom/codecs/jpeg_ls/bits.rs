//! The bits of a JPEG-LS scan.

use super::damaged;
use crate::imaging::ImageFault;

/// Bits, most significant first. After a byte of ones one bit is stuffed (A.1).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Fetched bits, at the top.
    cache: u64,
    cached: u32,
    /// The last byte had ones only.
    after_ones: bool,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Bits {
            bytes,
            cache: 0,
            cached: 0,
            after_ones: false,
        }
    }

    /// Fetches as many bits as fit.
    fn fill(&mut self) {
        while self.cached <= 56 {
            let Some((&byte, rest)) = self.bytes.split_first() else {
                return;
            };
            self.bytes = rest;
            let fresh = if self.after_ones { 7 } else { 8 };
            self.after_ones = byte == 0xff;
            self.cached += fresh;
            self.cache |= u64::from(byte) << (64 - self.cached);
        }
    }

    /// A number of `n` bits.
    pub fn read(&mut self, n: u32) -> Result<u32, ImageFault> {
        if n == 0 {
            return Ok(0);
        }
        if self.cached < n {
            self.fill();
        }
        if self.cached < n {
            return Err(damaged("the data end early"));
        }
        let value = (self.cache >> (64 - n)) as u32;
        self.cache <<= n;
        self.cached -= n;
        Ok(value)
    }

    /// Counts the zeros before a one, at most `most`, and consumes the one.
    pub fn zeros(&mut self, most: u32) -> Result<u32, ImageFault> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
            if zeros > most {
                return Err(damaged("a code is longer than allowed"));
            }
        }
        Ok(zeros)
    }
}
