//! Convolutions of single rows, for callers that keep only a few rows of a map.

use super::{PACKED, PackedConv, PackedInput};
use crate::memory::{Map, PixelRow};
use crate::tiling::{OutputPanel, Tiling, panels};

impl PackedConv {
    /// Computes one row of a 1 × 1 convolution: `pixels` from `input` on, into `output`. Callers that keep
    /// only a few rows of a map use it.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    pub unsafe fn row(&self, input: PixelRow, output: PixelRow, pixels: usize) {
        if !self.is_packed() {
            // SAFETY: the caller vouches for the pixels.
            return unsafe { self.row_handed_over(input, None, output, pixels) };
        }
        PACKED.with_borrow_mut(|memory| {
            let (pixel, _) = self.packed_lengths();
            let start = memory.reserve(pixels * pixel);
            for p in 0..pixels {
                let from = input.start.wrapping_add(p * input.pixel);
                // SAFETY: a pixel of the input, and one of the pixels that were reserved.
                unsafe { self.pack_pixel(from, start.wrapping_add(p * pixel)) };
            }
            // SAFETY: the pixels were just packed, and the caller vouches for the output.
            unsafe { self.row_handed_over(PixelRow { start, pixel }, None, output, pixels) };
        });
    }

    /// As [`row`](PackedConv::row), for pixels that
    /// [`Simd::hand_over`](crate::simd::Simd::hand_over) stored.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    pub unsafe fn row_handed_over(
        &self,
        PixelRow { start, pixel }: PixelRow,
        residual: Option<PixelRow>,
        output: PixelRow,
        pixels: usize,
    ) {
        let input = PackedInput {
            start,
            pixel,
            tap: 0,
        };
        let tiling = Tiling::new(1, pixels, self.kernels.pixels());
        for panel in panels(self.kernels, self.shape.output) {
            let convolve = self.convolve(panel.vectors);
            for index in 0..tiling.count {
                let (_, x, pixels) = tiling.tile(index);
                let mut tile = self.packed_pixels(input, x);
                self.onto(&mut tile, &panel, residual, output, x);
                // SAFETY: pixels of the rows, of sizes that there is a microkernel for.
                unsafe { convolve[pixels - 1](&tile) };
            }
        }
    }

    /// Computes one row of a panel from `output` on, for callers that keep only a few rows of a few channels. The
    /// input is not packed.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run); the output has the pixels of the tiling, and room for all channels of the panel.
    pub unsafe fn panel_row(
        &self,
        input: Map,
        y: usize,
        tiling: &Tiling,
        panel: &OutputPanel,
        output: PixelRow,
    ) {
        // Addresses of outputs count from the first channel of all.
        let output = PixelRow {
            start: output.start.wrapping_sub(panel.first),
            ..output
        };
        let mut tile = self.neighbourhood(input, y, 0);
        self.onto(&mut tile, panel, None, output, 0);
        let convolve = self.convolve(panel.vectors);
        for index in 0..tiling.count {
            let (_, _, pixels) = tiling.tile(index);
            // SAFETY: a tile of the row, of a size that there is a microkernel for.
            unsafe { convolve[pixels - 1](&tile) };
            tile.input = tile.input.wrapping_add(pixels * tile.pixel);
            tile.output = tile.output.wrapping_add(pixels * tile.output_pixel);
        }
    }
}
