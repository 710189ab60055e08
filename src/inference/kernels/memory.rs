//! Where the numbers lie: aligned memory, and maps in it.

use super::region::Piece;

/// Numbers on a cache line, which is also the widest vector.
pub const LINE: usize = 16;

/// Zeros at first, from the start of a cache line on.
pub struct AlignedBuf {
    piece: Piece,
    lines: usize,
}

// SAFETY: its numbers are its own, as those of a vector.
unsafe impl Send for AlignedBuf {}
// SAFETY: as above.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    pub fn zeros(count: usize) -> Self {
        let lines = count.div_ceil(LINE);
        let bytes = lines * LINE * size_of::<f32>();
        let piece = Piece::take(bytes);
        // SAFETY: so many bytes, which nobody else has.
        unsafe { piece.start.write_bytes(0, bytes) };
        AlignedBuf { piece, lines }
    }

    pub fn of(values: &[f32]) -> Self {
        let mut memory = AlignedBuf::zeros(values.len());
        memory.as_mut_slice()[..values.len()].copy_from_slice(values);
        memory
    }

    pub fn len(&self) -> usize {
        self.lines * LINE
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.piece.start.as_ptr().cast_const().cast()
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.piece.start.as_ptr().cast()
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: so many numbers, all of them written, and the borrow is that of `self`.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct CacheLine(#[expect(dead_code, reason = "read and written as numbers")] [f32; LINE]);

/// What one thread computes with: as much as it ever needed.
#[derive(Default)]
pub struct Scratch(Vec<CacheLine>);

impl Scratch {
    /// At least so many numbers, from the start of a cache line on; what was there may be lost.
    pub fn reserve(&mut self, count: usize) -> *mut f32 {
        let lines = count.div_ceil(LINE);
        if self.0.len() < lines {
            self.0 = vec![CacheLine([0.0; LINE]); lines];
        }
        self.0.as_mut_ptr().cast()
    }
}

/// `count` rounded up to whole cache lines.
pub fn whole_lines(count: usize) -> usize {
    count.next_multiple_of(LINE)
}

/// Zeros around a map, in pixels, so that a convolution needs no case for its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Border {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Border {
    /// Enough for both.
    pub fn union(self, other: Border) -> Border {
        Border {
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
            left: self.left.max(other.left),
            right: self.right.max(other.right),
        }
    }
}

/// The shape of a map in memory: `NHWC`, strides in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// From a pixel to the next.
    pub pixel: usize,
    /// From a row to the next.
    pub row: usize,
    pub border: Border,
}

/// Strides between pixels that are a multiple of this many numbers would put neighbours into few sets
/// of a cache.
const ALIASING: usize = 256;

impl Layout {
    pub fn new(height: usize, width: usize, channels: usize, border: Border) -> Self {
        let pixel = match channels {
            0..LINE => channels,
            _ => whole_lines(channels),
        };
        let pixel = if pixel % ALIASING == 0 {
            pixel + LINE
        } else {
            pixel
        };
        Layout {
            height,
            width,
            channels,
            pixel,
            row: (border.left + width + border.right) * pixel,
            border,
        }
    }

    /// Numbers that it takes, border and all.
    pub fn len(&self) -> usize {
        (self.border.top + self.height + self.border.bottom) * self.row
    }

    /// From the first number to the first pixel inside the border.
    pub fn origin(&self) -> usize {
        self.border.top * self.row + self.border.left * self.pixel
    }

    /// Some channels of it, as a map of their own.
    pub fn with_channels(self, channels: usize) -> Self {
        Layout { channels, ..self }
    }

    /// Whether its rows follow each other without a gap.
    pub fn is_flat(&self) -> bool {
        self.row == self.width * self.pixel
    }
}

/// A map at some place in memory. Copies of it are the same place: who writes where is for the
/// [`plan`](super::plan) to say.
#[derive(Clone, Copy)]
pub struct Map {
    /// The first pixel inside the border.
    pub origin: *mut f32,
    pub form: Layout,
}

// SAFETY: it is an address. Those who read and write through it say why they may.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Channels from `channel` on, in memory of as many numbers as the form takes.
    pub fn within(memory: &mut AlignedBuf, form: Layout, channel: usize) -> Self {
        assert!(channel + form.channels <= form.pixel.max(form.channels));
        assert!(form.len() + channel <= memory.len() + form.pixel - form.channels);
        let start = form.origin() + channel;
        Map {
            origin: memory.as_mut_ptr().wrapping_add(start),
            form,
        }
    }

    /// The address of a pixel; with a negative row or column, of the border.
    pub fn at(&self, y: isize, x: isize) -> *mut f32 {
        let offset = y * self.form.row as isize + x * self.form.pixel as isize;
        self.origin.wrapping_offset(offset)
    }

    /// The pixels of a row.
    pub fn row(&self, y: usize) -> PixelRow {
        PixelRow {
            start: self.at(y as isize, 0),
            pixel: self.form.pixel,
        }
    }
}

/// Pixels side by side.
#[derive(Clone, Copy)]
pub struct PixelRow {
    pub start: *mut f32,
    /// From a pixel to the next.
    pub pixel: usize,
}
