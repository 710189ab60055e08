//! Convolutions of 3 × 3 with a quarter of the multiplications: F(4 × 4, 3 × 3) of Lavin & Gray 2015, *Fast
//! Algorithms for Convolutional Neural Networks*, arXiv:1509.09308.
//!
//! A square of 4 × 4 output pixels is computed from 6 × 6 input pixels. Input, weights and output are
//! transformed, so that the convolution becomes 36 matrix products, one for each position in the 6 × 6.

use std::cell::RefCell;
use std::ops::Range;

use crate::conv::{ConvShape, padded_bias};
use crate::curve::Curve;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Border, LINE, Layout, Map, Scratch, whole_lines};
use crate::microkernels::{Ahead, Tile};
use crate::threads::share;
use crate::tiling::{OutputPanel, panels};
use crate::transforms::Square;

/// Output pixels of a square, in one direction.
const SIDE: usize = 4;
/// Input pixels of a square in one direction, and numbers of a transformed square.
const PATCH: usize = SIDE + 2;
const POSITIONS: usize = PATCH * PATCH;

/// With fewer squares, reading four times the weights takes longer than the multiplications saved.
const LEAST_SQUARES: usize = 16;
/// Squares that are computed together. All weights are read once for them.
pub const SQUARES_AT_ONCE: usize = 28;
/// With more bytes of transformed weights, reading them takes longer than the multiplications saved.
const MOST_BYTES: usize = 10 << 20;

/// The rows of G.
const WEIGHT_TRANSFORM: [[f64; 3]; PATCH] = [
    [0.25, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// A 3 × 3 convolution of stride 1, padded by one pixel, ready to run.
pub struct Winograd {
    input: usize,
    output: usize,
    kernels: &'static Kernels,
    /// `[position]`, for each position panel by panel, `[input][channels of the panel]`.
    weights: AlignedBuf,
    /// `[output]`, padded to whole panels.
    bias: AlignedBuf,
    clamp: [f32; 2],
    curve: Curve,
}

thread_local! {
    /// Transformed squares and their products, of one thread.
    static SQUARES: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Whether this is the faster way for a convolution of this shape over maps of `height` × `width`.
    pub fn suits(shape: ConvShape, height: usize, width: usize) -> bool {
        let ConvShape { input, output, .. } = shape;
        let squares = height.div_ceil(SIDE) * width.div_ceil(SIDE);
        let plain = (shape.kernel, shape.stride, shape.top, shape.left) == (3, 1, 1, 1);
        let bytes = POSITIONS * input * output * size_of::<f32>();
        plain && squares >= LEAST_SQUARES && bytes <= MOST_BYTES && input >= LINE
    }

    /// `weight [output, input, 3, 3]` row by row, `bias [output]` or empty.
    pub fn new(
        kernels: &'static Kernels,
        [output, input]: [usize; 2],
        weight: &[f32],
        bias: &[f32],
        clamp: [f32; 2],
    ) -> Self {
        let mut packed = AlignedBuf::zeros(POSITIONS * position_len(kernels, input, output));
        let values = packed.as_mut_slice();
        for panel in panels(kernels, output) {
            let width = panel.vectors * kernels.lanes;
            for channel in panel.first..(panel.first + width).min(output) {
                for from in 0..input {
                    let taps = &weight[(channel * input + from) * 9..][..9];
                    let at = panel.first * input + from * width + channel - panel.first;
                    for (position, value) in transformed(taps).into_iter().enumerate() {
                        values[position * position_len(kernels, input, output) + at] = value;
                    }
                }
            }
        }
        Winograd {
            input,
            output,
            kernels,
            weights: packed,
            bias: padded_bias(kernels, output, bias),
            clamp,
            curve: Curve::None,
        }
    }

    /// With this curve after the clamp.
    pub fn then(self, curve: Curve) -> Self {
        Winograd { curve, ..self }
    }

    /// The zeros that the input needs around it: a square at the edge of the map is read whole.
    pub fn border(height: usize, width: usize) -> Border {
        let after = |size: usize| size.next_multiple_of(SIDE) + 1 - size;
        Border {
            top: 1,
            bottom: after(height),
            left: 1,
            right: after(width),
        }
    }

    /// Squares of an output; [`run`](Winograd::run) computes some of them.
    pub fn squares(output: Layout) -> usize {
        output.height.div_ceil(SIDE) * output.width.div_ceil(SIDE)
    }

    /// Computes these squares of `output`, all channels.
    ///
    /// # Safety
    /// The input is as large as the output, with [`border`](Winograd::border) around it. Meanwhile no other
    /// thread writes what is read here, or reads or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, squares: Range<usize>) {
        assert!(input.layout.channels == self.input && output.layout.channels == self.output);
        let rounds = squares.len().div_ceil(SQUARES_AT_ONCE).max(1);
        let most = squares.len().div_ceil(rounds);
        SQUARES.with_borrow_mut(|memory| {
            let products = POSITIONS * most * self.input_pixel();
            let start = memory.reserve(products + POSITIONS * most * self.output_pixel());
            let buffer = TransformBuffer {
                squares: start,
                products: start.wrapping_add(products),
                most,
            };
            let mut first = squares.start;
            while first < squares.end {
                let count = (squares.end - first).min(most);
                // SAFETY: the buffer was reserved for `most` squares, and the caller vouches for the maps.
                unsafe {
                    self.transform(input, &buffer, first, count);
                    self.multiply(&buffer, count);
                    self.restore(&buffer, output, first, count);
                }
                first += count;
            }
        });
    }

    fn input_pixel(&self) -> usize {
        whole_lines(self.input) + LINE
    }

    fn output_pixel(&self) -> usize {
        whole_lines(self.output)
    }

    /// Transforms `count` squares of the input from `first` on.
    ///
    /// # Safety
    /// As [`run`](Winograd::run); the buffer has room for `count` squares.
    unsafe fn transform(&self, input: Map, buffer: &TransformBuffer, first: usize, count: usize) {
        let in_row = input.layout.width.div_ceil(SIDE);
        for n in 0..count {
            let (y, x) = ((first + n) / in_row * SIDE, (first + n) % in_row * SIDE);
            let square = Square {
                input: input.at(y as isize - 1, x as isize - 1),
                row: input.layout.row,
                column: input.layout.pixel,
                output: buffer.squares.wrapping_add(n * self.input_pixel()),
                output_row: PATCH * buffer.most * self.input_pixel(),
                output_column: buffer.most * self.input_pixel(),
                height: PATCH,
                width: PATCH,
                channels: self.input,
                bias: std::ptr::null(),
                clamp: self.clamp,
                curve: Curve::None,
            };
            // SAFETY: 6 × 6 pixels of the map and its border, and square `n` of the buffer.
            unsafe { (self.kernels.winograd_input)(&square) };
        }
    }

    /// Computes the products of all positions.
    ///
    /// # Safety
    /// The buffer has room for `count` squares, and they are transformed.
    unsafe fn multiply(&self, buffer: &TransformBuffer, count: usize) {
        let length = position_len(self.kernels, self.input, self.output);
        let widest = self.kernels.pixels();
        for position in 0..POSITIONS {
            for OutputPanel { first, vectors } in panels(self.kernels, self.output) {
                let width = vectors * self.kernels.lanes;
                let weights = position * length + first * self.input;
                let weights = self.weights.as_ptr().wrapping_add(weights);
                let next = weights.wrapping_add(self.input * width);
                let tiles = count.div_ceil(widest);
                for tile in 0..tiles {
                    let Range { start: n, end } = share(count, tiles, tile);
                    let pixels = end - n;
                    let square = position * buffer.most + n;
                    let tile = Tile {
                        input: buffer.squares.wrapping_add(square * self.input_pixel()),
                        pixel: self.input_pixel(),
                        run: self.input,
                        weights,
                        ahead: Ahead::part(next, [self.input, width], (tile, tiles)),
                        output: buffer
                            .products
                            .wrapping_add(square * self.output_pixel() + first),
                        output_pixel: self.output_pixel(),
                        channels: self.output - first,
                        ..Tile::default()
                    };
                    // SAFETY: squares of the buffer, of a size that there is a microkernel for.
                    unsafe { (self.kernels.convolve[vectors - 1][pixels - 1])(&tile) };
                }
            }
        }
    }

    /// Transforms the products back into pixels, as far as the output has them.
    ///
    /// # Safety
    /// As [`run`](Winograd::run); the products of `count` squares are in the buffer.
    unsafe fn restore(&self, buffer: &TransformBuffer, output: Map, first: usize, count: usize) {
        let in_row = output.layout.width.div_ceil(SIDE);
        for n in 0..count {
            let (y, x) = ((first + n) / in_row * SIDE, (first + n) % in_row * SIDE);
            let square = Square {
                input: buffer.products.wrapping_add(n * self.output_pixel()),
                row: PATCH * buffer.most * self.output_pixel(),
                column: buffer.most * self.output_pixel(),
                output: output.at(y as isize, x as isize),
                output_row: output.layout.row,
                output_column: output.layout.pixel,
                height: SIDE.min(output.layout.height - y),
                width: SIDE.min(output.layout.width - x),
                channels: self.output,
                bias: self.bias.as_ptr(),
                clamp: self.clamp,
                curve: self.curve,
            };
            // SAFETY: square `n` of the buffer, and pixels of the output.
            unsafe { (self.kernels.winograd_output)(&square) };
        }
    }
}

/// The address of squares between the steps: `[position][square][channels]`.
struct TransformBuffer {
    squares: *mut f32,
    products: *mut f32,
    /// Squares that the buffer has room for.
    most: usize,
}

/// Weights of one position.
fn position_len(kernels: &Kernels, input: usize, output: usize) -> usize {
    input * output.next_multiple_of(kernels.lanes)
}

/// G · g · Gᵀ for the 3 × 3 weights g.
fn transformed(taps: &[f32]) -> [f32; POSITIONS] {
    let mut result = [0.0; POSITIONS];
    for (y, rows) in WEIGHT_TRANSFORM.iter().enumerate() {
        for (x, columns) in WEIGHT_TRANSFORM.iter().enumerate() {
            let terms = taps.iter().enumerate();
            let sum: f64 = terms
                .map(|(n, tap)| rows[n / 3] * columns[n % 3] * f64::from(*tap))
                .sum();
            result[y * PATCH + x] = sum as f32;
        }
    }
    result
}
