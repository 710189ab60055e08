//! How the output of a convolution is cut into the pieces that a microkernel computes at once.

use crate::isa::{Kernels, VECTORS};

/// Output channels that a tile computes at once.
pub struct OutputPanel {
    pub first: usize,
    pub vectors: usize,
}

/// Whole panels, and a narrower one for the rest of the channels.
pub fn panels(kernels: &'static Kernels, channels: usize) -> impl Iterator<Item = OutputPanel> {
    let lanes = kernels.lanes;
    (0..channels)
        .step_by(kernels.panel())
        .map(move |first| OutputPanel {
            first,
            vectors: if channels - first > lanes { VECTORS } else { 1 },
        })
}

/// Rows cut into tiles of nearly equal width. If the widths differ, the first tiles are a pixel wider.
pub struct Tiling {
    in_row: usize,
    /// Pixels of the narrowest tile.
    least: usize,
    /// Tiles of a row that are one pixel wider.
    wider: usize,
    /// Pixels of the widest tile, or units of them.
    pub most: usize,
    /// Pixels of a unit.
    unit: usize,
    /// All tiles.
    pub count: usize,
}

impl Tiling {
    /// Rows of `width` pixels in the fewest tiles of at most `pixels`.
    pub fn new(rows: usize, width: usize, pixels: usize) -> Self {
        Self::in_row(rows, width, width.div_ceil(pixels))
    }

    /// As [`new`](Tiling::new), but with the same number of tiles for each thread, unless that makes them too
    /// narrow to be computed efficiently.
    pub fn for_threads(rows: usize, width: usize, pixels: usize, threads: usize) -> Self {
        let fewest = width.div_ceil(pixels);
        let even = fewest.next_multiple_of(threads);
        let suits = rows == 1 && 2 * width >= even * pixels;
        Self::in_row(rows, width, if suits { even } else { fewest })
    }

    fn in_row(rows: usize, width: usize, in_row: usize) -> Self {
        Tiling {
            in_row,
            least: width / in_row,
            wider: width % in_row,
            most: width.div_ceil(in_row),
            unit: 1,
            count: rows * in_row,
        }
    }

    /// The same tiling, counted in units of `pixels` pixels.
    pub fn of_units(self, pixels: usize) -> Self {
        Tiling {
            unit: pixels,
            ..self
        }
    }

    /// Pixels of all tiles, or a few more.
    pub fn pixels(&self) -> usize {
        self.count * self.most * self.unit
    }

    /// Row, first column and width of a tile. The first row needs no division, which would cost time in a
    /// map that is a single row of many tiles.
    pub fn tile(&self, index: usize) -> (usize, usize, usize) {
        let (row, part) = if index < self.in_row {
            (0, index)
        } else {
            (index / self.in_row, index % self.in_row)
        };
        let start = part * self.least + part.min(self.wider);
        (row, start, self.least + usize::from(part < self.wider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_each_row_once_and_differ_by_a_pixel_at_most() {
        for (rows, width, pixels, threads) in [(1, 1, 14, 3), (2, 29, 14, 1), (1, 100, 6, 3)] {
            let tiling = Tiling::for_threads(rows, width, pixels, threads);
            let mut next = (0, 0);
            for index in 0..tiling.count {
                let (row, first, count) = tiling.tile(index);
                assert_eq!((row, first), next);
                assert!(count <= tiling.most && count + 1 >= tiling.most && count <= pixels);
                next = match first + count {
                    end if end == width => (row + 1, 0),
                    end => (row, end),
                };
            }
            assert_eq!(next, (rows, 0));
        }
    }
}
