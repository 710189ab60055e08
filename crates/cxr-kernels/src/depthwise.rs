//! Depthwise convolutions, each channel with its own kernel: alone, and as the middle of an inverted bottleneck
//! (Sandler et al. 2018, arXiv:1801.04381).

use std::cell::RefCell;
use std::ops::Range;

use crate::conv::PackedConv;
use crate::curve::Curve;
use crate::depthwise_kernel::{DepthwiseTile, WIDEST};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, LINE, Map, PixelRow, Scratch, whole_lines};

/// Size and padding of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthwiseShape {
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left. Those below and to the right follow from the output's size.
    pub top: usize,
    pub left: usize,
}

/// A depthwise convolution ready to run.
pub struct PackedDepthwise {
    pub shape: DepthwiseShape,
    kernels: &'static Kernels,
    /// `[kernel²][channels]`, rows padded to whole lines.
    weights: AlignedBuf,
    bias: AlignedBuf,
    clamp: [f32; 2],
    curve: Curve,
}

impl PackedDepthwise {
    /// `weight [channels, kernel, kernel]` row by row, `bias [channels]` or empty.
    ///
    /// # Panics
    /// If the kernel is wider than [`WIDEST`].
    pub fn new(
        kernels: &'static Kernels,
        shape: DepthwiseShape,
        weight: &[f32],
        bias: &[f32],
        clamp: [f32; 2],
    ) -> Self {
        let DepthwiseShape {
            channels, kernel, ..
        } = shape;
        assert!(kernel <= WIDEST, "a depthwise kernel of {kernel}");
        let row = whole_lines(channels);
        let mut weights = AlignedBuf::zeros(kernel * kernel * row);
        for (channel, taps) in weight.chunks_exact(kernel * kernel).enumerate() {
            for (tap, value) in taps.iter().enumerate() {
                weights.as_mut_slice()[tap * row + channel] = *value;
            }
        }
        let mut padded = AlignedBuf::zeros(channels);
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        PackedDepthwise {
            shape,
            kernels,
            weights,
            bias: padded,
            clamp,
            curve: Curve::None,
        }
    }

    /// With this curve after the clamp.
    pub fn then(self, curve: Curve) -> Self {
        PackedDepthwise { curve, ..self }
    }

    /// Computes these rows of `output`.
    ///
    /// # Safety
    /// The input has the border that the shape needs. Meanwhile no other thread writes what is read here, or
    /// reads or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, rows: Range<usize>) {
        assert!(
            input.layout.channels == self.shape.channels
                && output.layout.channels == self.shape.channels
        );
        for y in rows {
            let top = (y * self.shape.stride) as isize - self.shape.top as isize;
            let under = |row: usize| input.at(top + row as isize, -(self.shape.left as isize));
            let (kernel, out) = (self.kernels.depthwise, output.row(y));
            // SAFETY: rows of the input or its border, and the caller vouches for the maps.
            unsafe { self.row(kernel, under, input.layout.pixel, out, output.layout.width) };
        }
    }

    /// Computes one row with this microkernel. `under` gives the rows under the kernel, from the first
    /// pixel's first column on, and `column` is the stride between columns.
    ///
    /// # Safety
    /// As [`run`](PackedDepthwise::run), for these rows.
    unsafe fn row(
        &self,
        kernel: unsafe fn(&DepthwiseTile),
        under: impl Fn(usize) -> *mut f32,
        column: usize,
        output: PixelRow,
        pixels: usize,
    ) {
        let mut rows = [std::ptr::null(); WIDEST];
        for (row, start) in rows[..self.shape.kernel].iter_mut().enumerate() {
            *start = under(row).cast_const();
        }
        let tile = DepthwiseTile {
            kernel: self.shape.kernel,
            rows,
            column,
            stride: self.shape.stride,
            pixels,
            channels: self.shape.channels,
            weights: self.weights.as_ptr(),
            weights_row: whole_lines(self.shape.channels),
            bias: self.bias.as_ptr(),
            output: output.start,
            output_pixel: output.pixel,
            clamp: self.clamp,
            curve: self.curve,
        };
        // SAFETY: the caller vouches for the rows; weights and bias are padded to whole lines.
        unsafe { kernel(&tile) };
    }
}

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
        let right =
            ((output.layout.width - 1) * stride + kernel).saturating_sub(left + input.layout.width);
        let ring_row = match self.expand {
            Some(_) => (left + input.layout.width + right) * pixel,
            None => 0,
        };
        let middle = output.layout.width.min(self.step()) * pixel;
        RING.with_borrow_mut(|memory| {
            let start = memory.reserve(middle + kernel * ring_row);
            let ring = Ring {
                start: start.wrapping_add(middle),
                row: ring_row,
                rows: kernel,
                pixel,
            };
            let middle = PixelRow { start, pixel };
            let maps = (input, residual, output);
            // SAFETY: the ring and the pixels were reserved, and the caller vouches for the maps.
            unsafe {
                match &self.expand {
                    None => self.rows(middle, maps, parts.flatten()),
                    Some(expand) => {
                        ring.clear_sides(left, input.layout.width, right);
                        self.rows_expanded(expand, &ring, middle, maps, parts);
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
        ring: &Ring,
        middle: PixelRow,
        (input, residual, output): (Map, Option<Map>, Map),
        parts: impl Iterator<Item = Range<usize>>,
    ) {
        let DepthwiseShape {
            kernel,
            stride,
            top,
            left,
            ..
        } = self.depthwise.shape;
        let width = input.layout.width;
        let first_under = |y: usize| (y * stride) as isize - top as isize;
        let mut done = None;
        // The row that the ring takes next.
        let mut next = 0;
        for rows in parts {
            if done != Some(rows.start) {
                next = first_under(rows.start);
            }
            done = Some(rows.end);
            for y in rows {
                let first = first_under(y);
                next = next.max(first);
                while next < first + kernel as isize {
                    let into = PixelRow {
                        start: ring.at(ring.slot(next), left),
                        pixel: ring.pixel,
                    };
                    if (0..input.layout.height as isize).contains(&next) {
                        // SAFETY: a row of the input, and a row of the ring.
                        unsafe { expand.row(input.row(next as usize), into, width) };
                    } else {
                        // SAFETY: `width` pixels of a row of the ring.
                        unsafe { ring.clear(ring.slot(next), left, width) };
                    }
                    next += 1;
                }
                let under = |row: usize, column| ring.at(ring.slot(first + row as isize), column);
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
            // SAFETY: pixels of the output, and the caller vouches for the rest.
            unsafe {
                self.depthwise.row(kernel, under, column, middle, pixels);
                self.project
                    .row_handed_over(middle, residual.map(from), from(output), pixels);
            }
        }
    }
}

/// The last few rows of a map.
struct Ring {
    start: *mut f32,
    row: usize,
    rows: usize,
    pixel: usize,
}

impl Ring {
    /// The row of the ring that holds row `y` of the map.
    fn slot(&self, y: isize) -> usize {
        y.rem_euclid(self.rows as isize) as usize
    }

    fn at(&self, slot: usize, column: usize) -> *mut f32 {
        self.start
            .wrapping_add(slot * self.row + column * self.pixel)
    }

    /// Writes zeros to the left and right of `width` pixels.
    ///
    /// # Safety
    /// The rows of the ring have room for all of them.
    unsafe fn clear_sides(&self, left: usize, width: usize, right: usize) {
        for slot in 0..self.rows {
            // SAFETY: the caller vouches for the width of the rows.
            unsafe {
                self.clear(slot, 0, left);
                self.clear(slot, left + width, right);
            }
        }
    }

    /// Writes zeros into `pixels` pixels.
    ///
    /// # Safety
    /// They lie in the row.
    unsafe fn clear(&self, slot: usize, column: usize, pixels: usize) {
        // SAFETY: the caller vouches for the width of the row.
        unsafe { self.at(slot, column).write_bytes(0, pixels * self.pixel) };
    }
}
