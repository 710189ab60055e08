//! Convolutions by [tiles](crate::tiles): what lies in a tile, and where its sums go.
//!
//! Inputs are rounded, or split in two, once for each block of positions. A position of a 1 × 1 convolution is an
//! output pixel. A larger kernel of stride 1 reads the pixels around a position where they lie: positions run on through
//! the border from one row to the next, so that a tile needs no row of its own, and sums in the border are left out. With
//! another stride, the neighbourhood of each output pixel is copied.

use std::ops::Range;

use super::{ConvShape, PACKED, PackedConv, weights};
use crate::memory::{LINE, Map, PixelRow};
use crate::microkernels::Tile;
use crate::products::TileProducts;
use crate::tiles::{AT_ONCE, COLUMNS, DEPTH, ROWS, SUMS, TilePanel};
use crate::tiling::{OutputPanel, Tiling};

/// Bytes of inputs that stay in the near caches while all weights pass by.
const BLOCK_BYTES: usize = 512 << 10;

/// Inputs of a tap, in whole tiles.
pub fn padded(input: usize) -> usize {
    input.next_multiple_of(DEPTH)
}

/// Output channels that are computed at once.
pub const PANEL: usize = SUMS;

/// How the positions of an output lie in memory.
struct Positions {
    /// From a row of the output to the next.
    row: usize,
    /// From a position to the next, in numbers.
    length: usize,
    /// Positions after the last one of a block that its neighbourhoods reach.
    after: usize,
    /// From a position to each tap.
    taps: Vec<usize>,
    /// Whether each position has its whole neighbourhood.
    copied: bool,
}

impl Positions {
    fn new(shape: ConvShape, width: usize) -> Self {
        let ConvShape { kernel, stride, .. } = shape;
        let tap = padded(shape.input);
        let area = kernel * kernel;
        if kernel > 1 && stride == 1 {
            let (row, length) = (width + kernel - 1, apart(tap));
            let at = |n: usize| n / kernel * row + n % kernel;
            Positions {
                row,
                length,
                after: at(area - 1),
                taps: (0..area).map(|n| at(n) * length).collect(),
                copied: false,
            }
        } else {
            Positions {
                row: width,
                length: apart(area * tap),
                after: 0,
                taps: (0..area).map(|n| n * tap).collect(),
                copied: true,
            }
        }
    }

    /// The number of positions of an output of this height and width.
    fn count(&self, height: usize, width: usize) -> usize {
        (height - 1) * self.row + width
    }
}

/// One more line of the cache keeps positions out of the same sets of it.
fn apart(numbers: usize) -> usize {
    numbers + 2 * LINE
}

impl PackedConv {
    /// The positions of the output, in units of a tile's rows.
    pub(super) fn tile_tiling(&self, height: usize, width: usize, threads: usize) -> Tiling {
        let positions = Positions::new(self.shape, width).count(height, width);
        Tiling::for_threads(1, positions.div_ceil(ROWS), AT_ONCE, threads).of_units(ROWS)
    }

    /// Computes the positions of these tiles, and these panels.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    pub(super) unsafe fn run_tiles(
        &self,
        by: TileProducts,
        maps: (Map, Option<Map>, Map),
        tiling: &Tiling,
        tiles: Range<usize>,
        panels: Range<usize>,
    ) {
        let layout = maps.2.layout;
        let positions = Positions::new(self.shape, layout.width);
        let end = positions.count(layout.height, layout.width);
        let first = ROWS * tiling.tile(tiles.start).1;
        let (_, last, units) = tiling.tile(tiles.end - 1);
        let end = end.min(ROWS * (last + units));
        let bytes = positions.length * size_of::<u16>() * if by.split { 2 } else { 1 };
        let step = (BLOCK_BYTES / bytes).next_multiple_of(AT_ONCE * ROWS);
        for start in (first..end).step_by(step) {
            let block = start..(start + step).min(end);
            // SAFETY: the caller vouches for the maps.
            unsafe { self.tile_block(by, &positions, maps, block, panels.clone()) };
        }
    }

    /// Computes a block of positions.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run).
    unsafe fn tile_block(
        &self,
        by: TileProducts,
        positions: &Positions,
        (input, residual, output): (Map, Option<Map>, Map),
        block: Range<usize>,
        panels: Range<usize>,
    ) {
        // The last tiles are read whole.
        let rows = block.len().next_multiple_of(AT_ONCE * ROWS) + positions.after;
        let low = rows * positions.length;
        let numbers = low * if by.split { 2 } else { 1 };
        PACKED.with_borrow_mut(|memory| {
            let sums = memory.reserve(AT_ONCE * ROWS * SUMS + numbers.div_ceil(2));
            let start = sums.wrapping_add(AT_ONCE * ROWS * SUMS).cast::<u16>();
            // SAFETY: as many numbers as were reserved, and the caller vouches for the input.
            unsafe {
                self.pack_positions(positions, input, &block, start, by.split.then_some(low))
            };
            for panel in panels {
                let panel = OutputPanel {
                    first: panel * PANEL,
                    vectors: (self.shape.output - panel * PANEL)
                        .div_ceil(COLUMNS)
                        .min(AT_ONCE),
                };
                let work = TilePanel {
                    input: start,
                    low,
                    position: positions.length,
                    positions: block.len(),
                    taps: &positions.taps,
                    depth: padded(self.shape.input) / DEPTH,
                    weights: weights::tiles_from(&self.weights, self.shape, by.split, panel.first),
                    sums,
                };
                let mut take = |first: usize, count: usize| {
                    let these = block.start + first..block.start + first + count;
                    // SAFETY: the sums of these positions were just computed, and the caller vouches for the maps.
                    unsafe {
                        self.store_sums(&panel, positions.row, these, sums, residual, output)
                    };
                };
                // SAFETY: positions that were packed, and the weights of a panel.
                unsafe {
                    by.unit.multiply[panel.vectors - 1][usize::from(by.split)](&work, &mut take)
                };
            }
        });
    }

    /// Rounds the inputs of these positions, and of those that their neighbourhoods reach. `low` says how far after a
    /// number lies what its rounding left, if that is kept.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run); there is room from `start` on.
    unsafe fn pack_positions(
        &self,
        positions: &Positions,
        input: Map,
        block: &Range<usize>,
        start: *mut u16,
        low: Option<usize>,
    ) {
        let ConvShape { kernel, stride, .. } = self.shape;
        let (top, left) = (self.shape.top as isize, self.shape.left as isize);
        for at in 0..block.len() + positions.after {
            let (y, x) = (
                (block.start + at) / positions.row,
                (block.start + at) % positions.row,
            );
            let from = |y: usize, x: usize| input.at(y as isize - top, x as isize - left);
            let into = start.wrapping_add(at * positions.length);
            if !positions.copied {
                // SAFETY: a pixel of the input or its border, and a position of what was reserved.
                unsafe { self.pack_rounded(from(y, x), into, low) };
                continue;
            }
            for (tap, into_tap) in positions.taps.iter().enumerate() {
                let from = from(y * stride + tap / kernel, x * stride + tap % kernel);
                // SAFETY: as above.
                unsafe { self.pack_rounded(from, into.wrapping_add(*into_tap), low) };
            }
        }
    }

    /// Rounds one pixel.
    ///
    /// # Safety
    /// `input` is valid for the input channels, and `output` for those of whole tiles.
    unsafe fn pack_rounded(&self, input: *const f32, output: *mut u16, low: Option<usize>) {
        let low = low.map_or(std::ptr::null_mut(), |low| output.wrapping_add(low));
        // SAFETY: the caller vouches for the pointers.
        unsafe { (self.kernels.round)(input, self.shape.input, self.norm(), [output, low]) };
    }

    /// Stores the sums of these positions, those in the border left out.
    ///
    /// # Safety
    /// As [`run`](PackedConv::run); the sums are there.
    unsafe fn store_sums(
        &self,
        panel: &OutputPanel,
        row: usize,
        positions: Range<usize>,
        sums: *const f32,
        residual: Option<Map>,
        output: Map,
    ) {
        let width = output.layout.width;
        let mut at = positions.start;
        while at < positions.end {
            let (y, x) = (at / row, at % row);
            let next = positions.end.min((y + 1) * row);
            let count = width.saturating_sub(x).min(next - at);
            let of_row = |map: Map| map.row(y);
            let tile = self.stored_tile(panel, residual.map(of_row), of_row(output), x);
            let sums = sums.wrapping_add((at - positions.start) * SUMS);
            // SAFETY: pixels of the output's row.
            unsafe { (self.kernels.finish)(&tile, sums, SUMS, count) };
            at = next;
        }
    }

    /// A tile whose sums were computed elsewhere.
    fn stored_tile(
        &self,
        panel: &OutputPanel,
        residual: Option<PixelRow>,
        output: PixelRow,
        x: usize,
    ) -> Tile {
        let mut tile = Tile {
            clamp: self.clamp,
            curve: self.curve,
            ..Tile::default()
        };
        self.onto(&mut tile, panel, residual, output, x);
        tile.channels = tile.channels.min(PANEL);
        tile
    }
}
