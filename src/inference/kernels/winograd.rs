//! Convolutions of 3 × 3 in a quarter of the multiplications: F(4 × 4, 3 × 3) of Lavin & Gray 2015,
//! *Fast Algorithms for Convolutional Neural Networks*, arXiv:1509.09308.
//!
//! Squares of 4 × 4 output pixels are computed from 6 × 6 input pixels: both and the weights are
//! transformed, so that the convolution is 36 matrix products, one for each position in the 6 × 6.

use std::cell::RefCell;
use std::ops::Range;

use super::conv;
use super::isa::Kernels;
use super::memory::{AlignedBuf, Border, LINE, Layout, Map, Scratch, whole_lines};
use super::microkernels::Tile;
use super::tiling::{OutputPanel, panels};
use super::transforms::Square;

/// Output pixels of a square, in one direction.
const SIDE: usize = 4;
/// Input pixels of a square, in one direction: as many as a transformed square has.
const PATCH: usize = SIDE + 2;
const POSITIONS: usize = PATCH * PATCH;

/// Fewer squares than this do not pay for four times the weights.
const LEAST_SQUARES: usize = 16;
/// Nor do weights that no near cache holds.
const MOST_BYTES: usize = 4 << 20;

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
    /// `[position]`, and for each panel by panel `[input][channels of the panel]`.
    weights: AlignedBuf,
    /// `[output]`, padded to whole panels.
    bias: AlignedBuf,
    clamp: [f32; 2],
}

thread_local! {
    /// Transformed squares and their products, of one thread.
    static SQUARES: RefCell<Scratch> = RefCell::default();
}

impl Winograd {
    /// Whether a convolution of that shape over maps of `height` × `width` is better done so.
    pub fn suits(shape: conv::ConvShape, height: usize, width: usize) -> bool {
        let conv::ConvShape { input, output, .. } = shape;
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
        let mut padded = AlignedBuf::zeros(output.next_multiple_of(kernels.panel()));
        padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
        Winograd {
            input,
            output,
            kernels,
            weights: packed,
            bias: padded,
            clamp,
        }
    }

    /// The zeros that are needed around the input: a square reads whole, wherever the map ends.
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

    /// Squares that are best computed at once.
    pub fn at_once(&self) -> usize {
        self.kernels
            .pixels()
            .next_multiple_of(12)
            .min(self.kernels.pixels().max(12))
    }

    /// Computes these squares of `output`, all channels.
    ///
    /// # Safety
    /// The maps are in memory that is alive, the input with the border that is needed; nobody else
    /// writes what is read here, or reads or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, squares: Range<usize>) {
        assert!(input.form.channels == self.input && output.form.channels == self.output);
        let most = self.at_once();
        SQUARES.with_borrow_mut(|memory| {
            let products = POSITIONS * most * self.input_pixel();
            let start = memory.reserve(products + POSITIONS * most * self.output_pixel());
            let block = TransformBuffer {
                squares: start,
                products: start.wrapping_add(products),
                most,
            };
            let mut first = squares.start;
            while first < squares.end {
                let count = (squares.end - first).min(most);
                // SAFETY: what was reserved, and the caller's word.
                unsafe {
                    self.transform(input, &block, first, count);
                    self.multiply(&block, count);
                    self.restore(&block, output, first, count);
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

    /// `count` squares of the input from `first` on, transformed.
    unsafe fn transform(&self, input: Map, block: &TransformBuffer, first: usize, count: usize) {
        let in_row = input.form.width.div_ceil(SIDE);
        for n in 0..count {
            let (y, x) = ((first + n) / in_row * SIDE, (first + n) % in_row * SIDE);
            let square = Square {
                input: input.at(y as isize - 1, x as isize - 1),
                row: input.form.row,
                column: input.form.pixel,
                output: block.squares.wrapping_add(n * self.input_pixel()),
                output_row: PATCH * block.most * self.input_pixel(),
                output_column: block.most * self.input_pixel(),
                height: PATCH,
                width: PATCH,
                channels: self.input,
                bias: std::ptr::null(),
                clamp: self.clamp,
            };
            // SAFETY: 6 × 6 pixels inside the border, and the square's place in the block.
            unsafe { (self.kernels.winograd_input)(&square) };
        }
    }

    /// The products of all positions.
    unsafe fn multiply(&self, block: &TransformBuffer, count: usize) {
        let length = position_len(self.kernels, self.input, self.output);
        let widest = self.kernels.pixels();
        for position in 0..POSITIONS {
            for OutputPanel { first, vectors } in panels(self.kernels, self.output) {
                let mut n = 0;
                while n < count {
                    let pixels = (count - n).min(widest);
                    let square = position * block.most + n;
                    let weights = position * length + first * self.input;
                    let tile = Tile {
                        input: block.squares.wrapping_add(square * self.input_pixel()),
                        pixel: self.input_pixel(),
                        run: self.input,
                        weights: self.weights.as_ptr().wrapping_add(weights),
                        output: block
                            .products
                            .wrapping_add(square * self.output_pixel() + first),
                        output_pixel: self.output_pixel(),
                        channels: self.output - first,
                        ..Tile::default()
                    };
                    // SAFETY: squares of the block, of sizes that there is a microkernel for.
                    unsafe { (self.kernels.convolve[vectors - 1][pixels - 1])(&tile) };
                    n += pixels;
                }
            }
        }
    }

    /// The products as pixels of the output, as far as there are any.
    unsafe fn restore(&self, block: &TransformBuffer, output: Map, first: usize, count: usize) {
        let in_row = output.form.width.div_ceil(SIDE);
        for n in 0..count {
            let (y, x) = ((first + n) / in_row * SIDE, (first + n) % in_row * SIDE);
            let square = Square {
                input: block.products.wrapping_add(n * self.output_pixel()),
                row: PATCH * block.most * self.output_pixel(),
                column: block.most * self.output_pixel(),
                output: output.at(y as isize, x as isize),
                output_row: output.form.row,
                output_column: output.form.pixel,
                height: SIDE.min(output.form.height - y),
                width: SIDE.min(output.form.width - x),
                channels: self.output,
                bias: self.bias.as_ptr(),
                clamp: self.clamp,
            };
            // SAFETY: the square's place in the block, and pixels of the output.
            unsafe { (self.kernels.winograd_output)(&square) };
        }
    }
}

/// Where squares are between the steps: `[position][square][channels]`.
struct TransformBuffer {
    squares: *mut f32,
    products: *mut f32,
    /// Squares that there is room for.
    most: usize,
}

/// Weights of a position.
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
