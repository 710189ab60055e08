//! Multi-head self-attention over all tokens of an image, or within [`windows`](super::windows).

use std::cell::RefCell;

use super::heads::{HeadShape, HeadTile};
use super::linear::{Engine, NOTHING, PackedLinear};
use super::rows::{PackedNorm, TokenGrid, TokenRun, rows_of};
use super::spec::AttentionSpec;
use super::tile_heads::{QUERIES, TileHeads};
use super::windows::PackedWindows;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Map, PixelRow, Scratch};
use crate::products::TileProducts;
use crate::row_kernels::RowBlock;
use crate::tiling::Tiling;

/// Attention ready to run.
pub struct PackedAttention {
    kernels: &'static Kernels,
    grid: TokenGrid,
    heads: usize,
    norm: PackedNorm,
    qkv: PackedLinear,
    /// If all tokens meet each other by tiles.
    tiles: Option<TileProducts>,
    windows: Option<PackedWindows>,
    output: PackedLinear,
}

thread_local! {
    /// Scores of one thread.
    static SCORES: RefCell<Scratch> = RefCell::default();
}

/// Queries, keys and values of all images, row by row.
#[derive(Clone, Copy)]
pub struct QkvRows<'a> {
    pub map: Map<'a>,
    pub heads: usize,
    /// Numbers of a head.
    pub size: usize,
}

impl QkvRows<'_> {
    /// Queries (0), keys (1) or values (2) of a head, from a row on.
    pub fn part(&self, which: usize, row: usize, head: usize) -> PixelRow {
        let PixelRow { start, pixel } = self.map.row_from(0, row);
        let channel = (which * self.heads + head) * self.size;
        PixelRow {
            start: start.wrapping_add(channel),
            pixel,
        }
    }
}

impl PackedAttention {
    /// Packs attention whose sizes were checked.
    pub fn new(engine: Engine, grid: TokenGrid, attention: &AttentionSpec) -> Self {
        let windows = attention.windows.as_ref();
        let (tokens, size) = (grid.tokens(), grid.channels / attention.heads);
        // Windows have few tokens.
        let products = engine.1.for_layer(tokens.min(size), tokens.min(size));
        PackedAttention {
            kernels: engine.0,
            grid,
            heads: attention.heads,
            norm: PackedNorm::new(&attention.norm),
            qkv: PackedLinear::new(engine, &attention.qkv, NOTHING),
            tiles: products.tiles().filter(|_| windows.is_none()),
            windows: windows.map(|windows| PackedWindows::new(windows, grid, attention)),
            output: PackedLinear::new(engine, &attention.output, NOTHING),
        }
    }

    /// Numbers of packed keys and values of an image.
    pub fn packed(&self) -> usize {
        match self.windows {
            Some(_) => 0,
            None => self.heads * self.packed_head(),
        }
    }

    /// Whether a token attends to all others.
    pub fn is_global(&self) -> bool {
        self.windows.is_none()
    }

    /// The tokens of an image.
    pub fn tokens(&self) -> usize {
        self.grid.tokens()
    }

    fn shape(&self) -> HeadShape {
        HeadShape {
            keys: self.grid.tokens(),
            size: self.grid.channels / self.heads,
        }
    }

    /// Numbers of packed keys and values of a head.
    fn packed_head(&self) -> usize {
        self.packed_keys()
            + match self.tile_heads() {
                Some(tiles) => tiles.packed_values(),
                None => self.shape().packed_values(self.kernels),
            }
    }

    /// Numbers of packed keys of a head.
    fn packed_keys(&self) -> usize {
        match self.tile_heads() {
            Some(tiles) => tiles.packed_keys(),
            None => self.shape().packed_keys(self.kernels),
        }
    }

    fn tile_heads(&self) -> Option<TileHeads> {
        self.tiles.map(|by| TileHeads {
            by,
            shape: self.shape(),
            kernels: self.kernels,
        })
    }

    /// Adds the attention of the tokens to them. With `shares`, one buffer of zeros for each image, the shares that
    /// each token gives to each other are added there, as the average of all heads: rows of
    /// [`rows_of`]`(tokens, tokens)`.
    ///
    /// # Safety
    /// The workspace was made for these images by the plan of this step, and nothing else uses it.
    pub unsafe fn run(&self, run: &TokenRun, shares: Option<&[AlignedBuf]>) {
        let tokens = run.tokens(self.grid);
        let channels = self.grid.channels;
        let normed = run.normed(self.grid, channels);
        let wide = run.wide(tokens.layout.width, 3 * channels);
        let qkv = QkvRows {
            map: wide,
            heads: self.heads,
            size: channels / self.heads,
        };
        // SAFETY: the caller vouches for the workspace, and the three buffers are different ones. Each pass ends
        // before the next begins.
        unsafe {
            self.norm.run(self.kernels, (tokens, normed), run.workers);
            self.qkv.run((normed, None, wide), run.workers);
            match &self.windows {
                Some(windows) => windows.run(self.kernels, run, qkv, normed),
                None => self.attend(run, qkv, normed, shares),
            }
            self.output.run((normed, Some(tokens), tokens), run.workers);
        }
    }

    /// Attention over all tokens, into `context`.
    ///
    /// # Safety
    /// As [`run`](PackedAttention::run).
    unsafe fn attend(
        &self,
        run: &TokenRun,
        qkv: QkvRows,
        context: Map,
        shares: Option<&[AlignedBuf]>,
    ) {
        let (tokens, shape) = (self.grid.tokens(), self.shape());
        let tiles = self.tile_heads();
        run.workers.each(run.images * self.heads, &|n| {
            let (image, head) = (n / self.heads, n % self.heads);
            let (keys, values) = self.packed_at(run, image, head);
            let row = image * tokens;
            // SAFETY: the caller vouches for the workspace, and each part packs its own head.
            unsafe {
                let (from_keys, from_values) = (qkv.part(1, row, head), qkv.part(2, row, head));
                match tiles {
                    None => {
                        shape.pack_keys(self.kernels, from_keys, keys);
                        shape.pack_values(self.kernels, from_values, values);
                    }
                    Some(tiles) => {
                        tiles.pack_keys(from_keys, keys);
                        tiles.pack_values(from_values, values);
                    }
                }
            }
        });
        let queries = tiles.map_or(self.kernels.pixels(), |_| QUERIES);
        let tiling = Tiling::new(1, tokens, queries);
        run.workers.each(run.images * tiling.count, &|n| {
            let (image, tile) = (n / tiling.count, n % tiling.count);
            let (_, first, rows) = tiling.tile(tile);
            SCORES.with_borrow_mut(|memory| {
                let room = rows * shape.score_row();
                let scores = memory.reserve(room + tiles.map_or(0, TileHeads::scratch));
                let tiles = tiles.map(|tiles| (tiles, scores.wrapping_add(room)));
                for head in 0..self.heads {
                    let (keys, values) = self.packed_at(run, image, head);
                    let row = image * tokens + first;
                    let output = context.row_from(0, row);
                    let part = HeadTile {
                        tiles,
                        shape,
                        rows,
                        queries: qkv.part(0, row, head),
                        keys,
                        values,
                        bias: std::ptr::null(),
                        mask: std::ptr::null(),
                        added_row: 0,
                        scores,
                        output: PixelRow {
                            start: output.start.wrapping_add(head * shape.size),
                            ..output
                        },
                    };
                    // SAFETY: the caller vouches for the workspace, and each part has its own queries.
                    unsafe {
                        part.run(self.kernels);
                        if let Some(shares) = shares {
                            self.add_shares(&part, &shares[image], first);
                        }
                    }
                }
            });
        });
    }

    /// Where the keys and the values of a head are packed.
    fn packed_at(&self, run: &TokenRun, image: usize, head: usize) -> (*mut f32, *mut f32) {
        let length = self.packed_head();
        let start = (image * self.heads + head) * length;
        let memory = &run.workspace.packed;
        assert!(start + length <= memory.len());
        let keys = memory.address().wrapping_add(start);
        (keys, keys.wrapping_add(self.packed_keys()))
    }

    /// Adds the shares of a head, over the number of heads, to the rows of its queries, from `first` on.
    ///
    /// # Safety
    /// No other thread uses these rows.
    unsafe fn add_shares(&self, part: &HeadTile, shares: &AlignedBuf, first: usize) {
        let keys = part.shape.keys;
        let row = Map::from_pixel(shares, rows_of(keys, keys), 0).row_from(0, first);
        let block = RowBlock {
            input: part.scores.cast_const(),
            input_row: part.shape.score_row(),
            output: row.start,
            output_row: row.pixel,
            rows: part.rows,
            channels: keys,
        };
        // SAFETY: the rows of the queries, which are this thread's alone, and their shares.
        unsafe { (self.kernels.rows.add_scaled)(&block, 1.0 / self.heads as f32) };
    }
}
