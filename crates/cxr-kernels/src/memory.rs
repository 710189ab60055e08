//! Aligned memory, and maps in it.

use std::marker::PhantomData;

use crate::region::Piece;

/// Numbers on a cache line, which is also the widest vector.
pub const LINE: usize = 16;

/// Numbers of `f32` that start on a cache line; all are zero at first.
pub struct AlignedBuf {
    piece: Piece,
    lines: usize,
}

// SAFETY: the buffer owns its numbers, as a vector does.
unsafe impl Send for AlignedBuf {}
// SAFETY: a shared reference gives out an address only; reading or writing through it is unsafe.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// Room for `count` numbers, rounded up to whole cache lines.
    pub fn zeros(count: usize) -> Self {
        let lines = count.div_ceil(LINE);
        let bytes = lines * LINE * size_of::<f32>();
        let piece = Piece::take(bytes);
        // SAFETY: the piece has this many bytes, and belongs to this buffer alone.
        unsafe { piece.start.write_bytes(0, bytes) };
        AlignedBuf { piece, lines }
    }

    /// A copy of `values`, padded with zeros to whole cache lines.
    pub fn of(values: &[f32]) -> Self {
        let mut memory = AlignedBuf::zeros(values.len());
        memory.as_mut_slice()[..values.len()].copy_from_slice(values);
        memory
    }

    /// Numbers, padding included.
    pub fn len(&self) -> usize {
        self.lines * LINE
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.address().cast_const()
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: the buffer has this many numbers, all of them were written, and `self` is borrowed for as
        // long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.address(), self.len()) }
    }

    /// The first number. The pointer comes from the allocator and not from `self`, so that maps may write
    /// through it while the buffer is borrowed.
    pub fn address(&self) -> *mut f32 {
        self.piece.start.as_ptr().cast()
    }
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct CacheLine(#[expect(dead_code, reason = "read and written as numbers")] [f32; LINE]);

/// Working memory of one thread. It keeps the largest size that was ever needed.
#[derive(Default)]
pub struct Scratch(Vec<CacheLine>);

impl Scratch {
    /// At least `count` numbers that start on a cache line. Earlier contents may be lost.
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

/// Zeros around a map, in pixels, so that a convolution needs no special case for its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Border {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Border {
    /// The smallest border that is enough for both.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// If the stride between pixels is a multiple of this many numbers, neighbours compete for few sets of a
/// cache.
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

    /// Numbers that the map takes, border included.
    pub fn len(&self) -> usize {
        (self.border.top + self.height + self.border.bottom) * self.row
    }

    /// From the first number to the first pixel inside the border.
    pub fn origin(&self) -> usize {
        self.border.top * self.row + self.border.left * self.pixel
    }

    /// From the first pixel inside the border to another one. For inner loops, whose pixels exist: nothing is checked for
    /// overflow.
    pub fn offset(&self, y: usize, x: usize) -> usize {
        y.wrapping_mul(self.row)
            .wrapping_add(x.wrapping_mul(self.pixel))
    }

    /// The layout of a map that has only `channels` of these channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Layout { channels, ..self }
    }

    /// Whether a row follows the one before without a gap.
    pub fn is_flat(&self) -> bool {
        self.row == self.width * self.pixel
    }
}

/// A map inside a buffer, which stays alive for `'a`.
///
/// Copies of a map share its numbers. A map only computes addresses; the functions that read or write
/// through them are unsafe, and the [plan](crate::plan) says why no two of them collide.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    /// The first pixel inside the border.
    origin: *mut f32,
    pub layout: Layout,
    memory: PhantomData<&'a AlignedBuf>,
}

// SAFETY: a map only computes addresses. Each unsafe function that uses them asks its caller that no other
// thread interferes.
unsafe impl Send for Map<'_> {}
// SAFETY: as above.
unsafe impl Sync for Map<'_> {}

impl<'a> Map<'a> {
    /// The channels of `memory` from `channel` on.
    ///
    /// # Panics
    /// If the layout does not fit into the memory.
    pub fn within(memory: &'a AlignedBuf, layout: Layout, channel: usize) -> Self {
        assert!(channel + layout.channels <= layout.pixel.max(layout.channels));
        assert!(layout.len() + channel <= memory.len() + layout.pixel - layout.channels);
        let start = layout.origin() + channel;
        Map {
            origin: memory.address().wrapping_add(start),
            layout,
            memory: PhantomData,
        }
    }

    /// As [`within`](Map::within), from pixel `first` of the memory on. The layout has no border.
    ///
    /// # Panics
    /// If the layout does not fit into the memory from there on.
    pub fn from_pixel(memory: &'a AlignedBuf, layout: Layout, first: usize) -> Self {
        let start = first * layout.pixel;
        assert!(layout.border == Border::default());
        assert!(start + layout.len() <= memory.len());
        Map {
            origin: memory.address().wrapping_add(start),
            layout,
            memory: PhantomData,
        }
    }

    /// `count` channels of the map, from `first` on.
    ///
    /// # Panics
    /// If the map does not have them.
    pub fn channels(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.layout.channels);
        Map {
            origin: self.origin.wrapping_add(first),
            layout: self.layout.with_channels(count),
            memory: PhantomData,
        }
    }

    /// The address of a pixel. Negative rows and columns are in the border.
    pub fn at(&self, y: isize, x: isize) -> *mut f32 {
        let offset = y * self.layout.row as isize + x * self.layout.pixel as isize;
        self.origin.wrapping_offset(offset)
    }

    /// The pixels of a row from column `x` on.
    pub fn row_from(&self, y: usize, x: usize) -> PixelRow {
        PixelRow {
            start: self.at(y as isize, x as isize),
            pixel: self.layout.pixel,
        }
    }

    /// The pixels of a row.
    pub fn row(&self, y: usize) -> PixelRow {
        self.row_from(y, 0)
    }
}

/// The address of pixels that lie side by side.
#[derive(Clone, Copy)]
pub struct PixelRow {
    pub start: *mut f32,
    /// From a pixel to the next.
    pub pixel: usize,
}
