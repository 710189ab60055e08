//! How the output of a convolution is cut into what a microkernel computes at once.

use super::isa::{Kernels, VECTORS};

/// A panel: output channels that a tile computes at once.
pub struct OutputPanel {
    pub first: usize,
    pub vectors: usize,
}

/// Whole panels, and one of fewer vectors for the rest.
pub fn panels(kernels: &'static Kernels, channels: usize) -> impl Iterator<Item = OutputPanel> {
    let lanes = kernels.lanes;
    (0..channels)
        .step_by(kernels.panel())
        .map(move |first| OutputPanel {
            first,
            vectors: if channels - first > lanes { VECTORS } else { 1 },
        })
}

/// Rows cut into tiles of nearly equal width: the first ones are a pixel wider, if they are not equal.
pub struct Tiling {
    in_row: usize,
    /// Pixels of the narrowest.
    least: usize,
    /// Tiles of a row that are wider.
    wider: usize,
    /// Pixels of the widest.
    pub most: usize,
    pub count: usize,
}

impl Tiling {
    /// Rows of `width` pixels in as few tiles of at most `pixels` as there can be.
    pub fn new(rows: usize, width: usize, pixels: usize) -> Self {
        Self::in_row(rows, width, width.div_ceil(pixels))
    }

    /// As [`new`](Tiling::new), but with as many for each thread, if that does not make them too small
    /// to be computed well.
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
            count: rows * in_row,
        }
    }

    /// Row, first column and width of a tile. There are so many that a division in each would be felt.
    pub fn tile(&self, index: usize) -> (usize, usize, usize) {
        let (row, part) = match index < self.in_row {
            true => (0, index),
            false => (index / self.in_row, index % self.in_row),
        };
        let start = part * self.least + part.min(self.wider);
        (row, start, self.least + usize::from(part < self.wider))
    }
}
