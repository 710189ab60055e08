//! Attention within windows: Liu et al. 2021, *Swin Transformer*, arXiv:2103.14030.

use std::cell::RefCell;

use super::attention::QkvRows;
use super::heads::{HeadShape, HeadTile};
use super::rows::{TokenGrid, TokenRun, copy, rows_of};
use super::spec::{AttentionSpec, WindowSpec};
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Layout, Map, PixelRow, Scratch};
use crate::tiling::Tiling;

/// What is added to the score of two tokens that do not attend to each other, as in the original.
const APART: f32 = -100.0;

/// Windows ready to run.
pub struct PackedWindows {
    grid: TokenGrid,
    side: usize,
    shift: usize,
    /// Windows down and across.
    count: [usize; 2],
    /// `[heads][side²][added_row]`
    bias: AlignedBuf,
    /// `[side²][added_row]`: for windows of the last column, of the last row, and the one of both. Empty without a
    /// shift.
    masks: Vec<AlignedBuf>,
    /// Queries, keys and values of a token of zeros.
    empty: AlignedBuf,
}

thread_local! {
    /// The tokens of one window.
    static WINDOW: RefCell<Scratch> = RefCell::default();
}

impl PackedWindows {
    /// Packs windows whose sizes were checked.
    pub fn new(windows: &WindowSpec, grid: TokenGrid, attention: &AttentionSpec) -> Self {
        let WindowSpec { side, shift, bias } = *windows;
        let tokens = side * side;
        let mut empty = AlignedBuf::zeros(3 * grid.channels);
        let of_zeros = attention.qkv.bias;
        empty.as_mut_slice()[..of_zeros.len()].copy_from_slice(of_zeros);
        let mask = |is_last: [bool; 2]| {
            let apart = |n: usize| {
                let (one, other) = (n / tokens, n % tokens);
                let region = |token| region(token, side, shift, is_last);
                if region(one) == region(other) {
                    0.0
                } else {
                    APART
                }
            };
            let values: Vec<f32> = (0..tokens * tokens).map(apart).collect();
            AlignedBuf::of(&values)
        };
        let last = [[false, true], [true, false], [true, true]];
        PackedWindows {
            grid,
            side,
            shift,
            count: [grid.height.div_ceil(side), grid.width.div_ceil(side)],
            bias: AlignedBuf::of(bias),
            masks: match shift {
                0 => Vec::new(),
                _ => last.map(mask).into(),
            },
            empty,
        }
    }

    /// Attention within all windows of all images, into `context`.
    ///
    /// # Safety
    /// As [`PackedAttention::run`](super::attention::PackedAttention::run).
    pub unsafe fn run(
        &self,
        kernels: &'static Kernels,
        run: &TokenRun,
        qkv: QkvRows,
        context: Map,
    ) {
        let [down, across] = self.count;
        run.workers.each(run.images * down * across, &|n| {
            let (image, window) = (n / (down * across), n % (down * across));
            let place = WindowPlace {
                image,
                window: [window / across, window % across],
            };
            WINDOW.with_borrow_mut(|memory| {
                // SAFETY: the caller vouches for the maps, and each part has its own window.
                unsafe { self.window(kernels, place, qkv, context, memory) };
            });
        });
    }

    /// Attention within one window.
    ///
    /// # Safety
    /// As [`run`](PackedWindows::run).
    unsafe fn window(
        &self,
        kernels: &'static Kernels,
        place: WindowPlace,
        qkv: QkvRows,
        context: Map,
        memory: &mut Scratch,
    ) {
        let tokens = self.side * self.side;
        let channels = self.grid.channels;
        let shape = HeadShape {
            keys: tokens,
            size: qkv.size,
        };
        let (inside, made) = (rows_of(tokens, 3 * channels), rows_of(tokens, channels));
        let lengths = [
            inside.len(),
            made.len(),
            shape.packed_keys(kernels),
            shape.packed_values(kernels),
            kernels.pixels() * shape.score_row(),
        ];
        let [inside_at, made_at, keys, values, scores] = places(memory, lengths);
        let made_rows = PixelRow {
            start: made_at,
            pixel: made.pixel,
        };
        // SAFETY: the memory has room for all of it, and the caller vouches for the maps.
        unsafe {
            self.gather(place, qkv.map, inside, inside_at);
            let rows = |which: usize, head: usize| PixelRow {
                start: inside_at.wrapping_add((which * qkv.heads + head) * qkv.size),
                pixel: inside.pixel,
            };
            for head in 0..qkv.heads {
                shape.pack_keys(kernels, rows(1, head), keys);
                shape.pack_values(kernels, rows(2, head), values);
                let tiling = Tiling::new(1, tokens, kernels.pixels());
                for tile in 0..tiling.count {
                    let (_, first, count) = tiling.tile(tile);
                    let from = |row: PixelRow| PixelRow {
                        start: row.start.wrapping_add(first * row.pixel),
                        ..row
                    };
                    let output = from(made_rows);
                    let part = HeadTile {
                        tiles: None,
                        shape,
                        rows: count,
                        queries: from(rows(0, head)),
                        keys,
                        values,
                        bias: self.bias_at(head, first),
                        mask: self.mask_at(place, first),
                        added_row: tokens,
                        scores,
                        output: PixelRow {
                            start: output.start.wrapping_add(head * qkv.size),
                            ..output
                        },
                    };
                    part.run(kernels);
                }
            }
            self.scatter(place, made_rows, context);
        }
    }

    /// The bias of a head, from a query on.
    fn bias_at(&self, head: usize, first: usize) -> *const f32 {
        let tokens = self.side * self.side;
        self.bias
            .as_ptr()
            .wrapping_add((head * tokens + first) * tokens)
    }

    /// The mask of a window, from a query on; null if all tokens attend to each other.
    fn mask_at(&self, place: WindowPlace, first: usize) -> *const f32 {
        let is_last = [0, 1].map(|axis| place.window[axis] + 1 == self.count[axis]);
        let which = match is_last {
            [false, false] => return std::ptr::null(),
            [false, true] => 0,
            [true, false] => 1,
            [true, true] => 2,
        };
        let mask = self.masks.get(which);
        mask.map_or(std::ptr::null(), |mask| {
            mask.as_ptr().wrapping_add(first * self.side * self.side)
        })
    }

    /// The row of a token of a window, from the first image on; `None` beyond the image.
    fn row(&self, place: WindowPlace, token: usize) -> Option<usize> {
        let inside = [token / self.side, token % self.side];
        let along = |axis: usize, size: usize| {
            let padded = self.count[axis] * self.side;
            let at = place.window[axis] * self.side + inside[axis] + self.shift;
            let at = if at >= padded { at - padded } else { at };
            (at < size).then_some(at)
        };
        let (y, x) = (along(0, self.grid.height)?, along(1, self.grid.width)?);
        Some(place.image * self.grid.tokens() + self.grid.prefix + y * self.grid.width + x)
    }

    /// Copies the queries, keys and values of a window side by side.
    ///
    /// # Safety
    /// `output` has room for the layout; otherwise as [`run`](PackedWindows::run).
    unsafe fn gather(&self, place: WindowPlace, qkv: Map, inside: Layout, output: *mut f32) {
        for token in 0..self.side * self.side {
            let from = match self.row(place, token) {
                Some(row) => qkv.row_from(0, row).start.cast_const(),
                None => self.empty.as_ptr(),
            };
            // SAFETY: the numbers of a token, and a row of the output.
            unsafe {
                copy(
                    from,
                    output.wrapping_add(token * inside.pixel),
                    inside.channels,
                )
            };
        }
    }

    /// Copies what was made of a window to its tokens.
    ///
    /// # Safety
    /// As [`run`](PackedWindows::run).
    unsafe fn scatter(&self, place: WindowPlace, made: PixelRow, context: Map) {
        for token in 0..self.side * self.side {
            if let Some(row) = self.row(place, token) {
                let from = made.start.wrapping_add(token * made.pixel).cast_const();
                let into = context.row_from(0, row).start;
                // SAFETY: a row of the window, and the row of its token, which is in no other window.
                unsafe { copy(from, into, self.grid.channels) };
            }
        }
    }
}

/// A window of an image.
#[derive(Clone, Copy)]
struct WindowPlace {
    image: usize,
    /// Windows above it and to the left of it.
    window: [usize; 2],
}

/// Which part of a window a token lies in: tokens of the last windows that come from the other end of the image, because
/// of the shift, are other parts.
fn region(token: usize, side: usize, shift: usize, is_last: [bool; 2]) -> [bool; 2] {
    let inside = [token / side, token % side];
    [0, 1].map(|axis| is_last[axis] && inside[axis] >= side - shift)
}

/// Addresses for these lengths, one after the other, in the memory of one thread.
fn places<const N: usize>(memory: &mut Scratch, lengths: [usize; N]) -> [*mut f32; N] {
    let mut start = memory.reserve(lengths.iter().sum());
    lengths.map(|length| {
        let place = start;
        start = start.wrapping_add(length);
        place
    })
}
