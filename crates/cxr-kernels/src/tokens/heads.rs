//! One head of attention: softmax(Q · Kᵀ · scale + bias + mask) · V, by the products of convolutions.

use super::tile_heads::TileHeads;
use crate::isa::Kernels;
use crate::memory::{LINE, PixelRow, whole_lines};
use crate::microkernels::Tile;
use crate::row_kernels::ScoreRows;
use crate::tiling::panels;

/// The sizes of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadShape {
    /// Keys, and as many values.
    pub keys: usize,
    /// Numbers of a query, a key and a value.
    pub size: usize,
}

impl HeadShape {
    /// Numbers of the packed keys.
    pub fn packed_keys(self, kernels: &Kernels) -> usize {
        whole_lines(self.keys.next_multiple_of(kernels.lanes) * self.size)
    }

    /// Numbers of the packed values.
    pub fn packed_values(self, kernels: &Kernels) -> usize {
        whole_lines(self.size.next_multiple_of(kernels.lanes) * self.keys)
    }

    /// From a row of scores to the next. One more line keeps rows out of the same sets of the cache.
    pub fn score_row(self) -> usize {
        whole_lines(self.keys) + LINE
    }

    /// Packs keys as weights: for each panel of keys, number by number, those of all keys.
    ///
    /// # Safety
    /// `keys` is valid for them, and `output` for [`packed_keys`](HeadShape::packed_keys) numbers. No other thread
    /// writes what is read here, or reads or writes what is written.
    pub unsafe fn pack_keys(self, kernels: &'static Kernels, keys: PixelRow, output: *mut f32) {
        for panel in panels(kernels, self.keys) {
            let lanes = panel.vectors * kernels.lanes;
            let there = lanes.min(self.keys - panel.first);
            for n in 0..lanes {
                for at in 0..self.size {
                    let into = output.wrapping_add(panel.first * self.size + at * lanes + n);
                    // SAFETY: a number of a key that exists, and one of the packed numbers.
                    unsafe {
                        let value = if n < there {
                            keys.start
                                .wrapping_add((panel.first + n) * keys.pixel + at)
                                .read()
                        } else {
                            0.0
                        };
                        into.write(value);
                    }
                }
            }
        }
    }

    /// Packs values as weights: for each panel of their numbers, value by value.
    ///
    /// # Safety
    /// As [`pack_keys`](HeadShape::pack_keys), for [`packed_values`](HeadShape::packed_values) numbers.
    pub unsafe fn pack_values(self, kernels: &'static Kernels, values: PixelRow, output: *mut f32) {
        for panel in panels(kernels, self.size) {
            let lanes = panel.vectors * kernels.lanes;
            let there = lanes.min(self.size - panel.first);
            for key in 0..self.keys {
                let from = values.start.wrapping_add(key * values.pixel + panel.first);
                let into = output.wrapping_add(panel.first * self.keys + key * lanes);
                // SAFETY: numbers of a value that exist, and a row of the packed numbers.
                unsafe {
                    std::ptr::copy_nonoverlapping(from.cast_const(), into, there);
                    into.wrapping_add(there).write_bytes(0, lanes - there);
                }
            }
        }
    }
}

/// A few queries of one head.
pub struct HeadTile {
    pub shape: HeadShape,
    /// At most as many as a tile has pixels.
    pub rows: usize,
    pub queries: PixelRow,
    /// As [`HeadShape::pack_keys`] packs them.
    pub keys: *const f32,
    /// As [`HeadShape::pack_values`] packs them.
    pub values: *const f32,
    /// Added to the scores of these queries; or null.
    pub bias: *const f32,
    /// As `bias`.
    pub mask: *const f32,
    /// From a row of `bias` or `mask` to the next.
    pub added_row: usize,
    /// How it is computed by tiles, and working memory for that; the keys and values are packed for tiles then.
    pub tiles: Option<(TileHeads, *mut f32)>,
    /// Room for `rows` rows of scores. Afterwards it holds the shares of the keys.
    pub scores: *mut f32,
    pub output: PixelRow,
}

impl HeadTile {
    /// Computes the output.
    ///
    /// # Safety
    /// The pointers are valid for the sizes. No other thread writes what is read here, or reads or writes what is
    /// written.
    pub unsafe fn run(&self, kernels: &'static Kernels) {
        let HeadShape { keys, size } = self.shape;
        let row = self.shape.score_row();
        let scores = PixelRow {
            start: self.scores,
            pixel: row,
        };
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            match self.tiles {
                None => self.product(kernels, self.queries, size, self.keys, scores, keys),
                Some((tiles, scratch)) => {
                    tiles.by_keys((self.queries, self.rows), self.keys, scores, scratch);
                }
            }
            (kernels.rows.softmax)(&ScoreRows {
                scores: self.scores,
                row,
                rows: self.rows,
                count: keys,
                scale: 1.0 / (size as f32).sqrt(),
                bias: self.bias,
                mask: self.mask,
                added_row: self.added_row,
            });
            match self.tiles {
                None => self.product(kernels, scores, keys, self.values, self.output, size),
                Some((tiles, scratch)) => {
                    tiles.by_values((scores, self.rows), self.values, self.output, scratch);
                }
            }
        }
    }

    /// The rows of `input`, `depth` numbers each, times packed weights, into rows of `channels` numbers.
    ///
    /// # Safety
    /// As [`run`](HeadTile::run).
    unsafe fn product(
        &self,
        kernels: &'static Kernels,
        input: PixelRow,
        depth: usize,
        weights: *const f32,
        output: PixelRow,
        channels: usize,
    ) {
        for panel in panels(kernels, channels) {
            let tile = Tile {
                input: input.start.cast_const(),
                pixel: input.pixel,
                run: depth,
                weights: weights.wrapping_add(panel.first * depth),
                output: output.start.wrapping_add(panel.first),
                output_pixel: output.pixel,
                channels: channels - panel.first,
                ..Tile::default()
            };
            let kernel = kernels.convolve[panel.vectors - 1][self.rows - 1];
            // SAFETY: the caller vouches for the pointers, and there is a microkernel for this many rows.
            unsafe { kernel(&tile) };
        }
    }
}
