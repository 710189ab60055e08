//! Inverted bottlenecks (Sandler et al. 2018, arXiv:1801.04381) in one pass.

use std::cell::RefCell;
use std::ops::Range;

use crate::conv::PackedConv;
use crate::depthwise::{DepthwiseShape, PackedDepthwise};
use crate::depthwise_kernel::DepthwiseTile;
use crate::memory::{LINE, Layout, Map, PixelRow, Scratch, whole_lines};
use crate::ring::Ring;

/// Expand (1 × 1), depthwise, project (1 × 1), in one pass. The expanded map would not fit into the near caches,
/// so that only its rows under the kernel are kept, in a ring.
pub struct Bottleneck {
    /// Absent in a block that does not expand. Its input has the border that `depthwise` needs.
    pub expand: Option<PackedConv>,
    pub depthwise: PackedDepthwise,
    pub project: PackedConv,
}

/// At least this many pixels, and at least a tile of `project`, are computed between the two, so that
/// `depthwise` has enough pixels to compute at once.
const MIDDLE: usize = 12;

thread_local! {
    /// One thread's pixels between depthwise and project, and after them its ring.
    static RING: RefCell<Scratch> = RefCell::default();
}

impl Bottleneck {
    /// Computes these rows of `output`, part by part. A part that begins where the one before ended continues
    /// its ring. Any other part expands again the rows under the kernel at its edge.
    ///
    /// # Safety
    /// As [`PackedDepthwise::run`]; the residual is as large as the output.
    pub unsafe fn run(
        &self,
        (input, residual, output): (Map, Option<Map>, Map),
        parts: impl Iterator<Item = Range<usize>>,
    ) {
        let DepthwiseShape {
            channels,
            kernel,
            stride,
            left,
            ..
        } = self.depthwise.shape;
        let pixel = whole_lines(channels) + LINE;
        let width = input.layout.width;
        let right = ((output.layout.width - 1) * stride + kernel).saturating_sub(left + width);
        let ring = Ring::new(kernel, [left, width, right], pixel);
        let middle = output.layout.width.min(self.step()) * pixel;
        RING.with_borrow_mut(|memory| {
            let start = memory.reserve(middle + ring.len());
            let maps = (input, residual, output);
            let after = start.wrapping_add(middle);
            let middle = PixelRow { start, pixel };
            // SAFETY: the ring and the pixels were reserved, and the caller vouches for the maps.
            unsafe {
                match &self.expand {
                    None => self.rows(middle, maps, parts.flatten()),
                    Some(expand) => {
                        let ring = ring.within(after);
                        self.rows_expanded(expand, ring, middle, maps, parts);
                    }
                }
            }
        });
    }

    /// Most pixels between depthwise and project.
    fn step(&self) -> usize {
        self.project.kernels.pixels().max(MIDDLE)
    }

    /// Computes these rows of a block that does not expand.
    ///
    /// # Safety
    /// As [`run`](Bottleneck::run); `middle` has room for [`step`](Bottleneck::step) pixels.
    unsafe fn rows(
        &self,
        middle: PixelRow,
        (input, residual, output): (Map, Option<Map>, Map),
        rows: impl Iterator<Item = usize>,
    ) {
        let DepthwiseShape {
            stride, top, left, ..
        } = self.depthwise.shape;
        for y in rows {
            let under = |row: usize, column: usize| {
                let y = (y * stride + row) as isize - top as isize;
                input.at(y, column as isize - left as isize)
            };
            // SAFETY: rows of the input or its border, and the caller vouches for the rest.
            unsafe { self.finish_row(under, input.layout.pixel, middle, y, residual, output) };
        }
    }

    /// Computes these rows of a block that expands.
    ///
    /// # Safety
    /// As [`rows`](Bottleneck::rows); the ring has room for the rows under the kernel.
    unsafe fn rows_expanded(
        &self,
        expand: &PackedConv,
        mut ring: Ring,
        middle: PixelRow,
        (input, residual, output): (Map, Option<Map>, Map),
        parts: impl Iterator<Item = Range<usize>>,
    ) {
        let DepthwiseShape { stride, top, .. } = self.depthwise.shape;
        let Layout { height, width, .. } = input.layout;
        let mut done = None;
        for rows in parts {
            if done != Some(rows.start) {
                ring.restart();
            }
            done = Some(rows.end);
            for y in rows {
                let first = (y * stride) as isize - top as isize;
                ring.advance(first, height, |row, into| {
                    // SAFETY: a row of the input, and a row of the ring.
                    unsafe { expand.row(input.row(row), into, width) };
                });
                let under = |row: usize, column| ring.at(first + row as isize, column);
                // SAFETY: rows of the ring that were just filled, and the caller vouches for the rest.
                unsafe { self.finish_row(under, ring.pixel, middle, y, residual, output) };
            }
        }
    }

    /// Depthwise and project for one row of the output, some pixels at a time. `under` gives the rows under the
    /// kernel from a column on, and `column` is the stride between columns.
    ///
    /// # Safety
    /// As [`rows`](Bottleneck::rows), for the rows that `under` gives.
    unsafe fn finish_row(
        &self,
        under: impl Fn(usize, usize) -> *mut f32,
        column: usize,
        middle: PixelRow,
        y: usize,
        residual: Option<Map>,
        output: Map,
    ) {
        let width = output.layout.width;
        let pairs = self.project.pairs();
        let kernel = pairs.map_or(self.depthwise.kernels.depthwise, |pairs| pairs.depthwise);
        let parts = width.div_ceil(self.step());
        let start = |part: usize| part * width / parts;
        for part in 0..parts {
            let (x, pixels) = (start(part), start(part + 1) - start(part));
            let from = |map: Map| map.row_from(y, x);
            let under = |row| under(row, x * self.depthwise.shape.stride);
            let tile = self.depthwise.tile(under, column, middle);
            // SAFETY: pixels of the output, and the caller vouches for the rest.
            unsafe {
                kernel(&DepthwiseTile { pixels, ..tile });
                self.project
                    .row_handed_over(middle, residual.map(from), from(output), pixels);
            }
        }
    }
}
