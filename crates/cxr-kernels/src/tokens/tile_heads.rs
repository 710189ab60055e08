//! The products of a head of attention by [tiles](crate::tiles). Keys and values are weights that are packed for each
//! image.

use crate::conv::padded_depth;
use crate::isa::Kernels;
use crate::memory::{LINE, PixelRow};
use crate::microkernels::Tile;
use crate::products::TileProducts;
use crate::tiles::{AT_ONCE, COLUMNS, DEPTH, ROWS, SUMS, TILE, TilePanel};

use super::heads::HeadShape;

/// Queries that are computed at once.
pub const QUERIES: usize = AT_ONCE * ROWS;

/// A matrix of weights in tiles, as [`TilePanel`] reads it.
#[derive(Clone, Copy)]
struct TileMatrix {
    inputs: usize,
    outputs: usize,
    /// 2 if factors are split, or else 1.
    parts: usize,
}

impl TileMatrix {
    fn new(by: TileProducts, inputs: usize, outputs: usize) -> Self {
        let parts = if by.split { 2 } else { 1 };
        TileMatrix {
            inputs,
            outputs,
            parts,
        }
    }

    /// Tiles of inputs.
    fn steps(self) -> usize {
        self.inputs.div_ceil(DEPTH)
    }

    /// Numbers of `bf16` before the panel of an output that is the first of one.
    fn before(self, first: usize) -> usize {
        first / COLUMNS * self.steps() * self.parts * TILE
    }

    /// Numbers of `f32` that take as much memory as all tiles.
    fn length(self) -> usize {
        self.before(self.outputs.next_multiple_of(COLUMNS)) / 2
    }

    /// Tiles of channels of the panel of an output.
    fn wide(self, output: usize) -> usize {
        let first = output / SUMS * SUMS;
        (self.outputs - first).div_ceil(COLUMNS).min(AT_ONCE)
    }

    /// Where the weights of an output lie in the tiles of a step and a part: the first pair of inputs. The others are a
    /// row of a tile further each.
    fn at(self, output: usize, step: usize, part: usize) -> usize {
        let first = output / SUMS * SUMS;
        let (column, wide) = (output - first, self.wide(output));
        let tile = (step * self.parts + part) * wide + column / COLUMNS;
        self.before(first) + tile * TILE + column % COLUMNS * 2
    }
}

/// How a head is computed by tiles.
#[derive(Clone, Copy)]
pub struct TileHeads {
    pub by: TileProducts,
    pub shape: HeadShape,
    pub kernels: &'static Kernels,
}

impl TileHeads {
    fn keys(self) -> TileMatrix {
        TileMatrix::new(self.by, self.shape.size, self.shape.keys)
    }

    fn values(self) -> TileMatrix {
        TileMatrix::new(self.by, self.shape.keys, self.shape.size)
    }

    /// Numbers of the packed keys.
    pub fn packed_keys(self) -> usize {
        self.keys().length()
    }

    /// Numbers of the packed values.
    pub fn packed_values(self) -> usize {
        self.values().length()
    }

    /// Numbers of working memory for [`product`](TileHeads::by_keys).
    pub fn scratch(self) -> usize {
        let longest = self.shape.keys.max(self.shape.size);
        QUERIES * SUMS + self.keys().parts * QUERIES * rounded_row(longest) / 2
    }

    /// Packs keys as weights.
    ///
    /// # Safety
    /// `rows` is valid for them, and `output` for [`packed_keys`](TileHeads::packed_keys) numbers. No other thread writes
    /// what is read here, or reads or writes what is written.
    pub unsafe fn pack_keys(self, rows: PixelRow, output: *mut f32) {
        let (matrix, output) = (self.keys(), output.cast::<u16>());
        let mut rounded = Rounded::new(self);
        for key in 0..matrix.outputs.next_multiple_of(COLUMNS) {
            // SAFETY: the caller vouches for the rows.
            unsafe { rounded.take(rows, key, matrix.outputs) };
            for (step, part) in steps_and_parts(matrix) {
                let into = output.wrapping_add(matrix.at(key, step, part));
                let pairs = rounded.part(part)[step * DEPTH..][..DEPTH].chunks_exact(2);
                for (row, pair) in pairs.enumerate() {
                    // SAFETY: a pair of the packed numbers.
                    unsafe { write_pair(into.wrapping_add(row * DEPTH), [pair[0], pair[1]]) };
                }
            }
        }
    }

    /// Packs values as weights.
    ///
    /// # Safety
    /// As [`pack_keys`](TileHeads::pack_keys), for [`packed_values`](TileHeads::packed_values) numbers.
    pub unsafe fn pack_values(self, rows: PixelRow, output: *mut f32) {
        let (matrix, output) = (self.values(), output.cast::<u16>());
        let (mut even, mut odd) = (Rounded::new(self), Rounded::new(self));
        for key in (0..padded_depth(matrix.inputs)).step_by(2) {
            // SAFETY: the caller vouches for the rows.
            unsafe {
                even.take(rows, key, matrix.inputs);
                odd.take(rows, key + 1, matrix.inputs);
            }
            for part in 0..matrix.parts {
                let pairs = even.part(part).iter().zip(odd.part(part));
                let outputs = matrix.outputs.next_multiple_of(COLUMNS);
                for (n, (even, odd)) in pairs.take(outputs).enumerate() {
                    let at = matrix.at(n, key / DEPTH, part) + key % DEPTH / 2 * DEPTH;
                    // SAFETY: a pair of the packed numbers.
                    unsafe { write_pair(output.wrapping_add(at), [*even, *odd]) };
                }
            }
        }
    }

    /// The scores of up to [`QUERIES`] queries: their products with packed keys.
    ///
    /// # Safety
    /// The pointers are valid for the sizes, and `scratch` for [`scratch`](TileHeads::scratch) numbers. No other thread
    /// writes what is read here, or reads or writes what is written.
    pub unsafe fn by_keys(
        self,
        (queries, count): (PixelRow, usize),
        keys: *const f32,
        scores: PixelRow,
        scratch: *mut f32,
    ) {
        // SAFETY: the caller vouches for the pointers.
        unsafe { self.product(self.keys(), (queries, count), keys, scores, scratch) };
    }

    /// The sums of values by these shares.
    ///
    /// # Safety
    /// As [`by_keys`](TileHeads::by_keys).
    pub unsafe fn by_values(
        self,
        (shares, count): (PixelRow, usize),
        values: *const f32,
        output: PixelRow,
        scratch: *mut f32,
    ) {
        // SAFETY: the caller vouches for the pointers.
        unsafe { self.product(self.values(), (shares, count), values, output, scratch) };
    }

    /// The rows of `input` times a packed matrix.
    ///
    /// # Safety
    /// As [`by_keys`](TileHeads::by_keys).
    unsafe fn product(
        self,
        matrix: TileMatrix,
        (input, count): (PixelRow, usize),
        weights: *const f32,
        output: PixelRow,
        scratch: *mut f32,
    ) {
        let position = rounded_row(matrix.inputs);
        let low = QUERIES * position;
        let rounded = scratch.wrapping_add(QUERIES * SUMS).cast::<u16>();
        for n in 0..count {
            let high = rounded.wrapping_add(n * position);
            let left = if self.by.split {
                high.wrapping_add(low)
            } else {
                std::ptr::null_mut()
            };
            let from = input.start.wrapping_add(n * input.pixel);
            // SAFETY: a row of the input, and one of the working memory.
            unsafe { (self.kernels.round)(from, matrix.inputs, NO_NORM, [high, left]) };
        }
        for first in (0..matrix.outputs).step_by(SUMS) {
            let panel = TilePanel {
                input: rounded,
                low,
                position,
                positions: count,
                taps: &[0],
                depth: matrix.steps(),
                weights: weights.cast::<u16>().wrapping_add(matrix.before(first)),
                sums: scratch,
            };
            let tile = Tile {
                output: output.start.wrapping_add(first),
                output_pixel: output.pixel,
                channels: (matrix.outputs - first).min(SUMS),
                ..Tile::default()
            };
            // SAFETY: the sums of these rows were just computed.
            let mut take = |_, count| unsafe { (self.kernels.finish)(&tile, scratch, SUMS, count) };
            let multiply = self.by.unit.multiply[matrix.wide(first) - 1][matrix.parts - 1];
            // SAFETY: whole tiles of the working memory, and the weights of a panel.
            unsafe { multiply(&panel, &mut take) };
        }
    }
}

const NO_NORM: [*const f32; 2] = [std::ptr::null(); 2];

/// From a rounded row to the next. One more line keeps rows out of the same sets of the cache.
fn rounded_row(inputs: usize) -> usize {
    padded_depth(inputs) + 2 * LINE
}

fn steps_and_parts(matrix: TileMatrix) -> impl Iterator<Item = (usize, usize)> {
    (0..matrix.steps()).flat_map(move |step| (0..matrix.parts).map(move |part| (step, part)))
}

/// # Safety
/// `into` is valid for two numbers.
unsafe fn write_pair(into: *mut u16, pair: [u16; 2]) {
    // SAFETY: the caller vouches for the pointer.
    unsafe { into.cast::<[u16; 2]>().write(pair) };
}

/// A row of keys or values, rounded: its parts one after the other.
struct Rounded {
    heads: TileHeads,
    row: usize,
    numbers: Vec<u16>,
}

impl Rounded {
    fn new(heads: TileHeads) -> Self {
        let row = padded_depth(heads.shape.size);
        Rounded {
            heads,
            row,
            numbers: vec![0; 2 * row],
        }
    }

    /// Rounds row `n` of `count`; zeros if it does not exist.
    ///
    /// # Safety
    /// `rows` is valid for them.
    unsafe fn take(&mut self, rows: PixelRow, n: usize, count: usize) {
        if n >= count {
            return self.numbers.fill(0);
        }
        let from = rows.start.wrapping_add(n * rows.pixel);
        let high = self.numbers.as_mut_ptr();
        let low = high.wrapping_add(self.row);
        // SAFETY: the caller vouches for the row, and both parts have room for it in whole tiles.
        unsafe { (self.heads.kernels.round)(from, self.heads.shape.size, NO_NORM, [high, low]) };
    }

    fn part(&self, part: usize) -> &[u16] {
        &self.numbers[part * self.row..][..self.row]
    }
}
