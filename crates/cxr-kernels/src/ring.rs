//! The last few rows of a map that never lies in memory as a whole.

use crate::memory::PixelRow;

/// Rows of a map, each in the place of an older one. A convolution reads them while they are in a near cache.
pub struct Ring {
    /// Pixels of zeros to the left of each row.
    left: usize,
    width: usize,
    /// Pixels of zeros to the right.
    right: usize,
    rows: usize,
    /// From a pixel to the next, in numbers.
    pub pixel: usize,
    start: *mut f32,
    /// The row of the map that the ring takes next.
    next: isize,
}

impl Ring {
    /// A ring without memory: `rows` rows of `width` pixels, and zeros on both sides.
    pub fn new(rows: usize, [left, width, right]: [usize; 3], pixel: usize) -> Self {
        Ring {
            left,
            width,
            right,
            rows,
            pixel,
            start: std::ptr::null_mut(),
            next: isize::MIN,
        }
    }

    /// Numbers that it takes.
    pub fn len(&self) -> usize {
        self.rows * self.row()
    }

    /// The same ring in this memory.
    ///
    /// # Safety
    /// There are [`len`](Ring::len) numbers from `start` on, which nothing else uses as long as the ring.
    pub unsafe fn within(self, start: *mut f32) -> Self {
        let ring = Ring { start, ..self };
        for slot in 0..ring.rows {
            // SAFETY: pixels of a row of the ring.
            unsafe {
                ring.clear(slot, 0, ring.left);
                ring.clear(slot, ring.left + ring.width, ring.right);
            }
        }
        ring
    }

    /// Forgets its rows: the next ones need not follow them.
    pub fn restart(&mut self) {
        self.next = isize::MIN;
    }

    /// Takes the rows from `first` on, as many as the ring has, as far as they are not there yet. `make` writes a row of
    /// the map, which has `height` of them; the others are zeros.
    pub fn advance(&mut self, first: isize, height: usize, mut make: impl FnMut(usize, PixelRow)) {
        for y in self.next.max(first)..first + self.rows as isize {
            if (0..height as isize).contains(&y) {
                let row = PixelRow {
                    start: self.at(y, self.left),
                    pixel: self.pixel,
                };
                make(y as usize, row);
            } else {
                // SAFETY: pixels of a row of the ring.
                unsafe { self.clear(self.slot(y), self.left, self.width) };
            }
        }
        self.next = first + self.rows as isize;
    }

    /// The address of a pixel of row `y` of the map. The zeros to the left count as columns.
    pub fn at(&self, y: isize, column: usize) -> *mut f32 {
        self.pixel_at(self.slot(y), column)
    }

    /// Numbers of a row.
    fn row(&self) -> usize {
        (self.left + self.width + self.right) * self.pixel
    }

    /// The row of the ring that holds row `y` of the map.
    fn slot(&self, y: isize) -> usize {
        y.rem_euclid(self.rows as isize) as usize
    }

    fn pixel_at(&self, slot: usize, column: usize) -> *mut f32 {
        self.start
            .wrapping_add(slot * self.row() + column * self.pixel)
    }

    /// Writes zeros into `pixels` pixels.
    ///
    /// # Safety
    /// They lie in the row.
    unsafe fn clear(&self, slot: usize, column: usize, pixels: usize) {
        let start = self.pixel_at(slot, column);
        // SAFETY: the caller vouches for the width of the row.
        unsafe { start.write_bytes(0, pixels * self.pixel) };
    }
}
