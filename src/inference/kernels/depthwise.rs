//! Convolutions of each channel with a kernel of its own, alone and as the middle of an inverted
//! bottleneck (Sandler et al. 2018, arXiv:1801.04381).

use std::cell::RefCell;
use std::ops::Range;

use super::conv::PackedConv;
use super::depthwise_kernel::{DepthwiseTile, WIDEST};
use super::isa::Kernels;
use super::memory::{AlignedBuf, LINE, Map, PixelRow, Scratch, whole_lines};

/// Size and padding of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthwiseShape {
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left; what is needed below and to the right follows.
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
}

impl PackedDepthwise {
    /// `weight [channels, kernel, kernel]` row by row, `bias [channels]` or empty.
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
        }
    }

    /// Computes these rows of `output`.
    ///
    /// # Safety
    /// The maps are in memory that is alive, with the border that the shape asks for; nobody else
    /// writes what is read here, or reads or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, rows: Range<usize>) {
        assert!(
            input.form.channels == self.shape.channels
                && output.form.channels == self.shape.channels
        );
        for y in rows {
            let top = (y * self.shape.stride) as isize - self.shape.top as isize;
            let under = |row: usize| input.at(top + row as isize, -(self.shape.left as isize));
            let out = PixelRow {
                start: output.at(y as isize, 0),
                pixel: output.form.pixel,
            };
            // SAFETY: the caller's word.
            unsafe {
                let kernel = self.kernels.depthwise;
                self.row(kernel, under, input.form.pixel, out, output.form.width);
            }
        }
    }

    /// One row, by this microkernel: `under` gives the rows under the kernel, from the first pixel's
    /// first column on.
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
        };
        // SAFETY: the caller's word.
        unsafe { kernel(&tile) };
    }
}

/// Expand (1 × 1), depthwise, project (1 × 1), in one pass: of the expanded map, which would not fit
/// into the near caches, only the rows under the kernel are kept, in a ring.
pub struct Bottleneck {
    /// Absent in a block that does not expand: its input has the border that the depthwise one needs.
    pub expand: Option<PackedConv>,
    pub depthwise: PackedDepthwise,
    pub project: PackedConv,
}

/// Pixels between depthwise and project at least, or a tile of the latter: few small tiles would leave
/// the depthwise one little to compute at once.
const MIDDLE: usize = 12;

thread_local! {
    /// The pixels of one thread between depthwise and project, and after them the ring.
    static RING: RefCell<Scratch> = RefCell::default();
}

impl Bottleneck {
    /// Computes these rows of `output`, part by part. A part that begins where the one before it ended
    /// goes on with its ring; any other expands again what is under the kernel at its edge.
    ///
    /// # Safety
    /// As [`Depthwise::run`].
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
            ((output.form.width - 1) * stride + kernel).saturating_sub(left + input.form.width);
        let ring_row = match self.expand {
            Some(_) => (left + input.form.width + right) * pixel,
            None => 0,
        };
        let middle = output.form.width.min(self.step()) * pixel;
        RING.with_borrow_mut(|memory| {
            let start = memory.reserve(middle + kernel * ring_row);
            let ring = Ring {
                start: start.wrapping_add(middle),
                row: ring_row,
                rows: kernel,
                pixel,
            };
            let middle = PixelRow { start, pixel };
            // SAFETY: what was reserved, and the caller's word.
            unsafe {
                match &self.expand {
                    None => self.rows(middle, (input, residual, output), parts.flatten()),
                    Some(expand) => {
                        ring.clear_sides(left, input.form.width, right);
                        let maps = (input, residual, output);
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
            // SAFETY: rows of the input or its border, and the caller's word.
            unsafe {
                self.finish_row(under, input.form.pixel, middle, y, residual, output);
            }
        }
    }

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
        let width = input.form.width;
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
                    // SAFETY: a row of the ring, and a row of the input where there is one.
                    unsafe {
                        match (0..input.form.height as isize).contains(&next) {
                            true => expand.row(input.row(next as usize), into, width),
                            false => ring.clear(ring.slot(next), left, width),
                        }
                    }
                    next += 1;
                }
                let under = |row: usize, column| ring.at(ring.slot(first + row as isize), column);
                // SAFETY: rows of the ring that were just filled, and the caller's word.
                unsafe { self.finish_row(under, ring.pixel, middle, y, residual, output) };
            }
        }
    }

    /// Depthwise and project for one row of the output, some pixels at a time. `under` gives the rows
    /// under the kernel from a column on, whose columns are `column` apart.
    unsafe fn finish_row(
        &self,
        under: impl Fn(usize, usize) -> *mut f32,
        column: usize,
        middle: PixelRow,
        y: usize,
        residual: Option<Map>,
        output: Map,
    ) {
        let width = output.form.width;
        let pairs = self.project.pairs();
        let kernel = pairs.map_or(self.depthwise.kernels.depthwise, |pairs| pairs.depthwise);
        let parts = width.div_ceil(self.step());
        let start = |part: usize| part * width / parts;
        for part in 0..parts {
            let (x, pixels) = (start(part), start(part + 1) - start(part));
            let from = |map: Map| PixelRow {
                start: map.at(y as isize, x as isize),
                pixel: map.form.pixel,
            };
            let under = |row| under(row, x * self.depthwise.shape.stride);
            // SAFETY: pixels of the output, and the caller's word.
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
    /// Which row of the ring row `y` of the map is in.
    fn slot(&self, y: isize) -> usize {
        y.rem_euclid(self.rows as isize) as usize
    }

    fn at(&self, slot: usize, column: usize) -> *mut f32 {
        self.start
            .wrapping_add(slot * self.row + column * self.pixel)
    }

    /// Zeros to the left and right of `width` pixels.
    ///
    /// # Safety
    /// Rows of the ring are that wide.
    unsafe fn clear_sides(&self, left: usize, width: usize, right: usize) {
        for slot in 0..self.rows {
            // SAFETY: the caller's word.
            unsafe {
                self.clear(slot, 0, left);
                self.clear(slot, left + width, right);
            }
        }
    }

    /// Zeros for so many pixels.
    ///
    /// # Safety
    /// They are in the row.
    unsafe fn clear(&self, slot: usize, column: usize, pixels: usize) {
        // SAFETY: the caller's word.
        unsafe { self.at(slot, column).write_bytes(0, pixels * self.pixel) };
    }
}
