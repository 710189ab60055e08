//! Convolutions of 3 × 3 with a quarter or half of the multiplications: F(4 × 4, 3 × 3) and F(2 × 2, 3 × 3) of Lavin &
//! Gray 2015, *Fast Algorithms for Convolutional Neural Networks*, arXiv:1509.09308.
//!
//! A square of 4 × 4 output pixels is computed from 6 × 6 input pixels. Input, weights and output are
//! transformed, so that the convolution becomes 36 matrix products, one for each position in the 6 × 6. Squares of 2 × 2
//! need 16 products, and fewer weights: they suit small maps.

use std::cell::RefCell;
use std::ops::Range;

use crate::conv::{ConvShape, padded_bias};
use crate::curve::Curve;
use crate::isa::{Kernels, SquareKernels};
use crate::memory::{AlignedBuf, Border, LINE, Layout, Map, Scratch, whole_lines};
use crate::microkernels::{AheadParts, Tile};
use crate::threads::share;
use crate::tiling::{OutputPanel, panels};
use crate::transforms::Square;

/// With fewer squares, reading the larger weights takes longer than the multiplications saved.
const LEAST_SQUARES: usize = 16;
/// Squares that are computed together. All weights are read once for them.
pub const SQUARES_AT_ONCE: usize = 28;
/// With more bytes of transformed weights, threads share the weights and not the squares.
const NEAR_BYTES: usize = 1 << 20;

/// The output pixels of a square in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SquareSide {
    Two,
    Four,
}

impl SquareSide {
    pub const ALL: [SquareSide; 2] = [SquareSide::Four, SquareSide::Two];

    /// The faster one for a convolution of this shape over maps of `height` × `width`, if any is faster than products of
    /// neighbourhoods.
    pub fn of(shape: ConvShape, height: usize, width: usize) -> Option<Self> {
        let ConvShape { input, output, .. } = shape;
        if (shape.kernel, shape.stride, shape.top, shape.left) != (3, 1, 1, 1) || input < LINE {
            return None;
        }
        Self::ALL.into_iter().find(|side| {
            let bytes = side.positions() * input * output * size_of::<f32>();
            side.squares(height, width) >= LEAST_SQUARES && bytes <= side.most_bytes()
        })
    }

    /// With more bytes of transformed weights, reading them takes longer than the multiplications saved.
    fn most_bytes(self) -> usize {
        match self {
            SquareSide::Two => 17 << 20,
            SquareSide::Four => 10 << 20,
        }
    }

    fn pixels(self) -> usize {
        match self {
            SquareSide::Two => 2,
            SquareSide::Four => 4,
        }
    }

    /// Input pixels of a square in one direction.
    fn patch(self) -> usize {
        self.pixels() + 2
    }

    /// Numbers of a transformed square.
    fn positions(self) -> usize {
        self.patch() * self.patch()
    }

    /// Squares of an output.
    fn squares(self, height: usize, width: usize) -> usize {
        height.div_ceil(self.pixels()) * width.div_ceil(self.pixels())
    }

    fn kernels(self, kernels: &'static Kernels) -> &'static SquareKernels {
        match self {
            SquareSide::Two => &kernels.squares_of_2,
            SquareSide::Four => &kernels.squares_of_4,
        }
    }

    /// The rows of G.
    fn weight_transform(self) -> &'static [[f64; 3]] {
        match self {
            SquareSide::Two => &[
                [1.0, 0.0, 0.0],
                [0.5, 0.5, 0.5],
                [0.5, -0.5, 0.5],
                [0.0, 0.0, 1.0],
            ],
            SquareSide::Four => &[
                [0.25, 0.0, 0.0],
                [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
                [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
                [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
                [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
                [0.0, 0.0, 1.0],
            ],
        }
    }

    /// G · g · Gᵀ for the 3 × 3 weights g.
    fn transformed(self, taps: &[f32]) -> impl Iterator<Item = f32> {
        let rows = self.weight_transform();
        let pairs = rows
            .iter()
            .flat_map(move |row| rows.iter().map(move |column| (row, column)));
        pairs.map(move |(row, column)| {
            let terms = taps.iter().enumerate();
            terms
                .map(|(n, tap)| row[n / 3] * column[n % 3] * f64::from(*tap))
                .sum::<f64>() as f32
        })
    }
}

/// A 3 × 3 convolution of stride 1, padded by one pixel, ready to run.
pub struct Winograd {
    side: SquareSide,
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
    /// `weight [output, input, 3, 3]` row by row, `bias [output]` or empty.
    pub fn new(
        (kernels, side): (&'static Kernels, SquareSide),
        [output, input]: [usize; 2],
        weight: &[f32],
        bias: &[f32],
        clamp: [f32; 2],
    ) -> Self {
        let length = position_len(kernels, input, output);
        let mut packed = AlignedBuf::zeros(side.positions() * length);
        let values = packed.as_mut_slice();
        for panel in panels(kernels, output) {
            let width = panel.vectors * kernels.lanes;
            for channel in panel.first..(panel.first + width).min(output) {
                for from in 0..input {
                    let taps = &weight[(channel * input + from) * 9..][..9];
                    let at = panel.first * input + from * width + channel - panel.first;
                    for (position, value) in side.transformed(taps).enumerate() {
                        values[position * length + at] = value;
                    }
                }
            }
        }
        Winograd {
            side,
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
    pub fn border(&self, height: usize, width: usize) -> Border {
        let after = |size: usize| size.next_multiple_of(self.side.pixels()) + 1 - size;
        Border {
            top: 1,
            bottom: after(height),
            left: 1,
            right: after(width),
        }
    }

    /// Squares of an output; [`run`](Winograd::run) computes some of them.
    pub fn squares(&self, output: Layout) -> usize {
        self.side.squares(output.height, output.width)
    }

    /// Panels that the output channels are cut into.
    pub fn panels(&self) -> usize {
        self.output.div_ceil(self.kernels.panel())
    }

    /// Whether its weights do not stay in the near caches of a thread, which then should read only its part of them.
    pub fn is_large(&self) -> bool {
        self.weights.len() * size_of::<f32>() > NEAR_BYTES
    }

    /// Computes these squares and panels of `output`. The second map, if there is one, is added.
    ///
    /// # Safety
    /// The input is as large as the output, with [`border`](Winograd::border) around it, and the residual is as large, too.
    /// Meanwhile no other thread writes what is read here, or reads or writes what is written.
    pub unsafe fn run(
        &self,
        maps: (Map, Option<Map>, Map),
        squares: Range<usize>,
        panels: Range<usize>,
    ) {
        let (input, _, output) = maps;
        assert!(input.layout.channels == self.input && output.layout.channels == self.output);
        let positions = self.side.positions();
        let rounds = squares.len().div_ceil(SQUARES_AT_ONCE).max(1);
        let most = squares.len().div_ceil(rounds);
        SQUARES.with_borrow_mut(|memory| {
            let products = positions * most * self.input_pixel();
            let start = memory.reserve(products + positions * most * self.output_pixel());
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
                    self.multiply(&buffer, count, &panels);
                    self.restore(&buffer, maps, first, count, &panels);
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

    /// The first pixel of a square of a map.
    fn pixel(&self, layout: Layout, square: usize) -> (usize, usize) {
        let side = self.side.pixels();
        let in_row = layout.width.div_ceil(side);
        (square / in_row * side, square % in_row * side)
    }

    /// Transforms `count` squares of the input from `first` on.
    ///
    /// # Safety
    /// As [`run`](Winograd::run); the buffer has room for `count` squares.
    unsafe fn transform(&self, input: Map, buffer: &TransformBuffer, first: usize, count: usize) {
        let patch = self.side.patch();
        for n in 0..count {
            let (y, x) = self.pixel(input.layout, first + n);
            let square = Square {
                input: input.at(y as isize - 1, x as isize - 1),
                row: input.layout.row,
                column: input.layout.pixel,
                output: buffer.squares.wrapping_add(n * self.input_pixel()),
                output_row: patch * buffer.most * self.input_pixel(),
                output_column: buffer.most * self.input_pixel(),
                height: patch,
                width: patch,
                channels: self.input,
                ..self.square()
            };
            // SAFETY: the pixels of a patch of the map and its border, and square `n` of the buffer.
            unsafe { (self.side.kernels(self.kernels).input)(&square) };
        }
    }

    /// Computes the products of all positions.
    ///
    /// # Safety
    /// The buffer has room for `count` squares, and they are transformed.
    unsafe fn multiply(&self, buffer: &TransformBuffer, count: usize, which: &Range<usize>) {
        let length = position_len(self.kernels, self.input, self.output);
        let widest = self.kernels.pixels();
        for position in 0..self.side.positions() {
            for OutputPanel { first, vectors } in self.some_panels(which) {
                let width = vectors * self.kernels.lanes;
                let weights = position * length + first * self.input;
                let weights = self.weights.as_ptr().wrapping_add(weights);
                let next = weights.wrapping_add(self.input * width);
                let tiles = count.div_ceil(widest);
                let ahead = AheadParts::new(next, [self.input, width], tiles);
                for tile in 0..tiles {
                    let Range { start: n, end } = share(count, tiles, tile);
                    let pixels = end - n;
                    let square = position * buffer.most + n;
                    let tile = Tile {
                        input: buffer.squares.wrapping_add(square * self.input_pixel()),
                        pixel: self.input_pixel(),
                        run: self.input,
                        weights,
                        ahead: ahead.part(tile),
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
    unsafe fn restore(
        &self,
        buffer: &TransformBuffer,
        (_, residual, output): (Map, Option<Map>, Map),
        first: usize,
        count: usize,
        which: &Range<usize>,
    ) {
        let (side, patch) = (self.side.pixels(), self.side.patch());
        let panel = self.kernels.panel();
        let channel = which.start * panel;
        for n in 0..count {
            let (y, x) = self.pixel(output.layout, first + n);
            let at = |map: Map| map.at(y as isize, x as isize).wrapping_add(channel);
            let products = n * self.output_pixel() + channel;
            let mut square = Square {
                input: buffer.products.wrapping_add(products),
                row: patch * buffer.most * self.output_pixel(),
                column: buffer.most * self.output_pixel(),
                output: at(output),
                output_row: output.layout.row,
                output_column: output.layout.pixel,
                height: side.min(output.layout.height - y),
                width: side.min(output.layout.width - x),
                channels: self.output.min(which.end * panel) - channel,
                bias: self.bias.as_ptr().wrapping_add(channel),
                ..self.square()
            };
            if let Some(residual) = residual {
                square.residual = at(residual);
                square.residual_row = residual.layout.row;
                square.residual_column = residual.layout.pixel;
            }
            // SAFETY: square `n` of the buffer, and pixels of the output and the residual.
            unsafe { (self.side.kernels(self.kernels).output)(&square) };
        }
    }

    /// A square of no pixels, with this clamp and curve.
    fn square(&self) -> Square {
        Square {
            clamp: self.clamp,
            curve: self.curve,
            ..Square::default()
        }
    }

    fn some_panels(&self, which: &Range<usize>) -> impl Iterator<Item = OutputPanel> {
        panels(self.kernels, self.output)
            .skip(which.start)
            .take(which.len())
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
