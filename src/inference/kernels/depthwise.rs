//! Convolutions of each channel with a kernel of its own, alone and as the middle of an inverted
//! bottleneck (Sandler et al. 2018, arXiv:1801.04381).

use std::cell::RefCell;
use std::ops::Range;

use super::conv::Conv;
use super::isa::Kernels;
use super::memory::{LINE, Map, Memory, Row, whole_lines};
use super::microkernels::{DepthwiseTile, WIDEST};

/// Size and padding of a depthwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above and to the left; what is needed below and to the right follows.
    pub top: usize,
    pub left: usize,
}

/// A depthwise convolution ready to run.
pub struct Depthwise {
    pub shape: Shape,
    kernels: &'static Kernels,
    /// `[kernel²][channels]`, rows padded to whole lines.
    weights: Memory,
    bias: Memory,
    clamp: [f32; 2],
}

impl Depthwise {
    /// `weight [channels, kernel, kernel]` row by row, `bias [channels]` or empty.
    pub fn new(
        kernels: &'static Kernels,
        shape: Shape,
        weight: &[f32],
        bias: &[f32],
        clamp: [f32; 2],
    ) -> Self {
        let Shape {
            channels, kernel, ..
        } = shape;
        assert!(kernel <= WIDEST, "a depthwise kernel of {kernel}");
        let row = whole_lines(channels);
        let mut weights = Memory::zeros(kernel * kernel * row);
        for (channel, taps) in weight.chunks_exact(kernel * kernel).enumerate() {
            for (tap, value) in taps.iter().enumerate() {
                weights.as_mut_slice()[tap * row + channel] = *value;
            }
        }
        let mut padded = Memory::zeros(channels);
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        Depthwise {
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
            let out = Row {
                start: output.at(y as isize, 0),
                pixel: output.form.pixel,
            };
            // SAFETY: the caller's word.
            unsafe { self.row(under, input.form.pixel, out, output.form.width) };
        }
    }

    /// One row: `under` gives the rows under the kernel, from the first pixel's first column on.
    unsafe fn row(
        &self,
        under: impl Fn(usize) -> *mut f32,
        column: usize,
        output: Row,
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
            pixel: column * self.shape.stride,
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
        unsafe { (self.kernels.depthwise)(&tile) };
    }
}

/// Expand (1 × 1), depthwise, project (1 × 1), in one pass: of the expanded map, which would not fit
/// into the near caches, only the rows under the kernel are kept, in a ring.
pub struct Bottleneck {
    /// Absent in a block that does not expand.
    pub expand: Option<Conv>,
    pub depthwise: Depthwise,
    pub project: Conv,
}

thread_local! {
    /// The ring of one thread, and after it the pixels between depthwise and project.
    static RING: RefCell<Memory> = RefCell::new(Memory::zeros(0));
}

impl Bottleneck {
    /// Computes these rows of `output`.
    ///
    /// # Safety
    /// As [`Depthwise::run`].
    pub unsafe fn run(
        &self,
        (input, residual, output): (Map, Option<Map>, Map),
        rows: Range<usize>,
    ) {
        let Shape {
            channels,
            kernel,
            stride,
            left,
            ..
        } = self.depthwise.shape;
        let pixel = whole_lines(channels) + LINE;
        let right =
            ((output.form.width - 1) * stride + kernel).saturating_sub(left + input.form.width);
        let ring_row = (left + input.form.width + right) * pixel;
        let middle = output.form.width.min(self.project.kernels.pixels());
        RING.with_borrow_mut(|memory| {
            let start = memory.reserve(kernel * ring_row + middle * pixel);
            let ring = Ring {
                start,
                row: ring_row,
                rows: kernel,
                pixel,
            };
            // SAFETY: what was reserved, and the caller's word.
            unsafe {
                self.rows(&ring, (input, residual, output), rows, right);
            }
        });
    }

    unsafe fn rows(
        &self,
        ring: &Ring,
        (input, residual, output): (Map, Option<Map>, Map),
        rows: Range<usize>,
        right: usize,
    ) {
        let Shape {
            kernel,
            stride,
            top,
            left,
            ..
        } = self.depthwise.shape;
        let width = input.form.width;
        let mut next = (rows.start * stride) as isize - top as isize;
        for slot in 0..kernel {
            // SAFETY: the columns left and right of a row of the ring.
            unsafe {
                ring.clear(slot, 0, left);
                ring.clear(slot, left + width, right);
            }
        }
        for y in rows {
            let first = (y * stride) as isize - top as isize;
            next = next.max(first);
            while next < first + kernel as isize {
                // SAFETY: a row of the ring, and a row of the input where there is one.
                unsafe {
                    match (0..input.form.height as isize).contains(&next) {
                        true => self.expand_row(input, next, ring, left),
                        false => ring.clear(ring.slot(next), left, width),
                    }
                }
                next += 1;
            }
            // SAFETY: rows of the ring that were just filled.
            unsafe { self.finish_row(ring, first, y, residual, output) };
        }
    }

    /// One row of the input into its place in the ring.
    unsafe fn expand_row(&self, input: Map, y: isize, ring: &Ring, left: usize) {
        let from = Row {
            start: input.at(y, 0),
            pixel: input.form.pixel,
        };
        let into = Row {
            start: ring.at(ring.slot(y), left),
            pixel: ring.pixel,
        };
        // SAFETY: rows of the same width, and the caller's word.
        unsafe {
            match &self.expand {
                Some(expand) => expand.row(from, None, into, input.form.width),
                None => (0..input.form.width).for_each(|x| {
                    let from = from.start.wrapping_add(x * from.pixel).cast_const();
                    let into = into.start.wrapping_add(x * into.pixel);
                    std::ptr::copy_nonoverlapping(from, into, input.form.channels);
                }),
            }
        }
    }

    /// Depthwise and project for one row of the output, a tile at a time.
    unsafe fn finish_row(
        &self,
        ring: &Ring,
        first: isize,
        y: usize,
        residual: Option<Map>,
        output: Map,
    ) {
        let step = self.project.kernels.pixels();
        let middle = Row {
            start: ring.start.wrapping_add(ring.rows * ring.row),
            pixel: ring.pixel,
        };
        let tiles = output.form.width.div_ceil(step);
        let start = |tile: usize| tile * output.form.width / tiles;
        for tile in 0..tiles {
            let (x, pixels) = (start(tile), start(tile + 1) - start(tile));
            let at = |map: Map| Row {
                start: map.at(y as isize, x as isize),
                pixel: map.form.pixel,
            };
            let column = x * self.depthwise.shape.stride;
            let under = |row: usize| ring.at(ring.slot(first + row as isize), column);
            // SAFETY: pixels of the output, and the caller's word.
            unsafe {
                self.depthwise.row(under, ring.pixel, middle, pixels);
                self.project
                    .row(middle, residual.map(at), at(output), pixels);
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

    /// Zeros for so many pixels.
    ///
    /// # Safety
    /// They are in the row.
    unsafe fn clear(&self, slot: usize, column: usize, pixels: usize) {
        // SAFETY: the caller's word.
        unsafe { self.at(slot, column).write_bytes(0, pixels * self.pixel) };
    }
}
