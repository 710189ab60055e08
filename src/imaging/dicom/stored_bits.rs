//! From the cells of a frame to samples: which bits of a cell are stored, and what those above mean.

use super::decoded::{DecodedFrame, StreamFacts};
use super::image_pixel::ImagePixel;

/// The stored bits of a cell, which came from a codec or lies in the file.
#[derive(Debug)]
pub(super) struct StoredBits {
    /// Bits below them, which are unused.
    shift: u8,
    pub bits: u8,
    signed: bool,
    above: Above,
}

/// The bits of a cell above the stored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    /// Nothing, a sign, or an overlay (PS3.5 8.1.1). They are not looked at.
    Ignored,
    /// The overshoot of lossy compression, which does not know the stored bits. The number of
    /// `precision` bits is clamped to the range that the stored bits hold.
    Overshoot { signed: bool, precision: u8 },
}

impl StoredBits {
    pub fn of(picture: &ImagePixel, decoded: &DecodedFrame) -> StoredBits {
        let stream = decoded.stream.unwrap_or(StreamFacts {
            precision: picture.bits_allocated,
            signed: false,
            lossy: false,
            tells_depth: false,
        });
        // A stream that ends below the high bit has the stored bits only, and at the bottom.
        let shift = if stream.precision > picture.high_bit {
            picture.high_bit + 1 - picture.bits_stored
        } else {
            0
        };
        let bits = picture.bits_stored.min(stream.precision - shift);
        let mut stored = StoredBits {
            shift,
            bits,
            signed: picture.signed && picture.samples_per_pixel == 1,
            above: Above::Ignored,
        };
        let lossy = (stream.lossy || picture.lossy) && !picture.hides_overlay;
        if lossy && bits + shift < stream.precision {
            stored.above = stored.overshoot(stream, &decoded.values);
        }
        stored
    }

    /// Signed numbers fill the whole cell, or the stored bits only. If they fill the cell, negative ones
    /// are in its top quarter. Otherwise negative ones follow directly on the largest positive numbers,
    /// and an overshoot can't be told from them.
    fn overshoot(&self, stream: StreamFacts, values: &[u32]) -> Above {
        let top_quarter = 3_u64 << stream.precision >> 2;
        let fills_cell = || values.iter().any(|&v| u64::from(v) >= top_quarter);
        if self.signed && !stream.signed && !fills_cell() {
            return Above::Ignored;
        }
        Above::Overshoot {
            signed: self.signed || stream.signed,
            precision: stream.precision,
        }
    }

    /// The lowest and the highest number that the stored bits hold.
    fn range(&self) -> (i64, i64) {
        if self.signed {
            (-1 << (self.bits - 1), (1 << (self.bits - 1)) - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// The lowest and the highest sample that is padding (PS3.3 C.7.5.1.1.2). The file states a value,
    /// and perhaps the other end of a range. A range beyond the possible samples is cut there.
    pub fn padding(&self, (value, limit): (i64, Option<i64>), cells: &[u32]) -> Option<(i32, i32)> {
        let start = self.padding_sample(value, cells);
        let (start, end) = match limit {
            None => (start?, start?),
            Some(limit) => {
                let (low, high) = self.range();
                let (from, to) = (self.as_signed(value), self.as_signed(limit));
                let start = start.unwrap_or(from.clamp(low, high));
                let end = self.padding_sample(limit, cells);
                match end.unwrap_or(to.clamp(low, high)) {
                    end if from < to && end < start => (start, high),
                    end if from > to && end > start => (start, low),
                    end => (start, end),
                }
            }
        };
        Some((start.min(end) as i32, start.max(end) as i32))
    }

    /// A padding value as a sample. Writers state the whole cell, with another sign than the pixels or
    /// with bits above the stored ones, or they state the number. `None` if no sample can have it.
    fn padding_sample(&self, written: i64, cells: &[u32]) -> Option<i64> {
        let cell = (written & 0xffff) as u32;
        if cells.contains(&cell) {
            return Some(self.take(cell));
        }
        let sample = number(cell, self.bits, self.signed);
        let fits = cell >> self.bits == 0 || sample == self.as_signed(written);
        fits.then_some(sample)
    }

    /// A 16-bit value with the sign of the pixels, which may not be the one it is written with.
    fn as_signed(&self, written: i64) -> i64 {
        if self.signed && (0x8000..=0xffff).contains(&written) {
            written - 0x1_0000
        } else {
            written
        }
    }

    /// The bits that unsigned samples would have with those above the stored ones; no more than the data set states
    /// where nothing is there, or where an overlay, a sign, compression or padding explains it.
    pub fn found(
        &self,
        picture: &ImagePixel,
        cells: &[u32],
        padding: Option<(i64, Option<i64>)>,
    ) -> u8 {
        if self.signed || picture.hides_overlay || self.above != Above::Ignored {
            return picture.bits_stored;
        }
        let needed = |all: u32| (32 - all.leading_zeros() as u8).saturating_sub(self.shift);
        let all = cells.iter().fold(0, |all, cell| all | cell);
        let Some((value, limit)) = padding.filter(|_| needed(all) > picture.bits_stored) else {
            return needed(all).max(picture.bits_stored);
        };
        // As in `padding_sample`: writers fill the whole cell with it.
        let (a, b) = (
            (value & 0xffff) as u32,
            (limit.unwrap_or(value) & 0xffff) as u32,
        );
        let range = a.min(b)..=a.max(b);
        let anatomy = cells.iter().filter(|cell| !range.contains(cell));
        needed(anatomy.fold(0, |all, cell| all | cell)).max(picture.bits_stored)
    }

    /// The sample in a cell.
    pub fn take(&self, raw: u32) -> i64 {
        match self.above {
            Above::Ignored => number(raw >> self.shift, self.bits, self.signed),
            Above::Overshoot { signed, precision } => {
                let (low, high) = self.range();
                (number(raw, precision, signed) >> self.shift).clamp(low, high)
            }
        }
    }
}

/// The number in the lowest `bits` of a cell.
fn number(cell: u32, bits: u8, signed: bool) -> i64 {
    let unused = 32 - u32::from(bits);
    let top = cell << unused;
    if signed {
        i64::from(top as i32 >> unused)
    } else {
        i64::from(top >> unused)
    }
}

/// The picture with as many bits as its JPEG 2000 stream has, if its samples need more bits than the
/// data set states and neither an overlay nor the overshoot of lossy compression explains them.
pub(super) fn deepened(picture: &ImagePixel, decoded: &DecodedFrame) -> Option<ImagePixel> {
    let stream = decoded
        .stream
        .filter(|stream| stream.tells_depth && !stream.lossy && stream.signed == picture.signed)?;
    let at_bottom = picture.high_bit + 1 == picture.bits_stored;
    if !picture.colour.is_grey() || !at_bottom || picture.hides_overlay || picture.lossy {
        return None;
    }
    let (low, high) = StoredBits::of(picture, decoded).range();
    let needs_more = |&cell: &u32| {
        let sample = number(cell, stream.precision, stream.signed);
        !(low..=high).contains(&sample)
    };
    let deeper = stream.precision > picture.bits_stored && decoded.values.iter().any(needs_more);
    deeper.then(|| ImagePixel {
        bits_stored: stream.precision,
        high_bit: stream.precision - 1,
        ..picture.clone()
    })
}
