//! From an image to tokens.

use super::linear::{Engine, NOTHING, PackedLinear};
use super::rows::{PackedNorm, TokenGrid, TokenRun, copy, packed_rows, rows_of};
use super::spec::PatchSpec;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Map};

/// The first step ready to run.
pub struct PackedPatches {
    kernels: &'static Kernels,
    /// `[C, H, W]` of an image.
    image: [usize; 3],
    side: usize,
    grid: TokenGrid,
    linear: PackedLinear,
    /// Rows of [`rows_of`]`(cells, channels)`.
    positions: Option<AlignedBuf>,
    /// Rows of [`rows_of`]`(prefix, channels)`.
    prefix: AlignedBuf,
    norm: Option<PackedNorm>,
}

impl PackedPatches {
    /// Packs a step whose sizes were checked.
    pub fn new(engine: Engine, image: [usize; 3], grid: TokenGrid, patches: &PatchSpec) -> Self {
        let positions = (!patches.positions.is_empty()).then_some(patches.positions);
        PackedPatches {
            kernels: engine.0,
            image,
            side: patches.side,
            grid,
            linear: PackedLinear::new(engine, &patches.linear, NOTHING),
            positions: positions.map(|positions| packed_rows(positions, grid.channels)),
            prefix: packed_rows(patches.prefix, grid.channels),
            norm: patches.norm.as_ref().map(PackedNorm::new),
        }
    }

    /// Numbers of a square.
    fn depth(&self) -> usize {
        self.image[0] * self.side * self.side
    }

    /// `images [N, C, H, W]` → tokens.
    ///
    /// # Safety
    /// The workspace was made for these images by the plan of this step, and nothing else uses it.
    pub unsafe fn run(&self, images: &[f32], run: &TokenRun) {
        let (cells, depth) = (self.grid.cells(), self.depth());
        let squares = run.wide(run.images * cells, depth);
        // SAFETY: the caller vouches for the workspace.
        unsafe { self.cut(images, run, squares) };
        let (inside, made) = (rows_of(cells, depth), rows_of(cells, self.grid.channels));
        let positions = self.positions.as_ref();
        let positions = positions.map(|memory| Map::from_pixel(memory, made, 0));
        for image in 0..run.images {
            let first = image * self.grid.tokens();
            let input = Map::from_pixel(&run.workspace.wide, inside, image * cells);
            let tokens = &run.workspace.tokens;
            let output = Map::from_pixel(tokens, made, first + self.grid.prefix);
            // SAFETY: as above. The squares of an image are different from its tokens.
            unsafe {
                self.put_prefix(run, first);
                self.linear.run((input, positions, output), run.workers);
            }
        }
        if let Some(norm) = &self.norm {
            let tokens = run.tokens(self.grid);
            // SAFETY: as above.
            unsafe { norm.run(self.kernels, (tokens, tokens), run.workers) };
        }
    }

    /// Copies the tokens before those of an image, from row `first` on.
    ///
    /// # Safety
    /// As [`run`](PackedPatches::run).
    unsafe fn put_prefix(&self, run: &TokenRun, first: usize) {
        let TokenGrid {
            prefix, channels, ..
        } = self.grid;
        if prefix == 0 {
            return;
        }
        let from = Map::from_pixel(&self.prefix, rows_of(prefix, channels), 0);
        let into = run.tokens(self.grid);
        for row in 0..prefix {
            let from = from.row_from(0, row).start.cast_const();
            // SAFETY: a row of the prefix, and a row of the tokens.
            unsafe { copy(from, into.row_from(0, first + row).start, channels) };
        }
    }

    /// Copies each square of the images into a row: channel by channel, and row by row.
    ///
    /// # Safety
    /// As [`run`](PackedPatches::run).
    unsafe fn cut(&self, images: &[f32], run: &TokenRun, squares: Map) {
        let [channels, height, width] = self.image;
        let length = channels * height * width;
        let TokenGrid {
            height: down,
            width: across,
            ..
        } = self.grid;
        run.workers.each(run.images * down, &|n| {
            let (image, y) = (n / down, n % down);
            let planes = images[image * length..][..length].chunks_exact(height * width);
            for (channel, plane) in planes.enumerate() {
                for x in 0..across {
                    let row = squares.row_from(0, (image * down + y) * across + x).start;
                    let into = row.wrapping_add(channel * self.side * self.side);
                    // SAFETY: a row of the squares, which is this part's alone.
                    unsafe { self.cut_square(plane, [y, x], into) };
                }
            }
        });
    }

    /// Copies one channel of a square, with zeros beyond the image.
    ///
    /// # Safety
    /// `into` has room for `side²` numbers, which no other thread uses.
    unsafe fn cut_square(&self, plane: &[f32], [down, across]: [usize; 2], into: *mut f32) {
        let [_, height, width] = self.image;
        let left = across * self.side;
        let there = self.side.min(width - left);
        for row in 0..self.side {
            let (y, into) = (down * self.side + row, into.wrapping_add(row * self.side));
            let from = plane.get(y * width + left..y * width + left + there);
            let from = from.filter(|_| y < height).unwrap_or_default();
            // SAFETY: the caller vouches for the room of a row.
            unsafe {
                copy(from.as_ptr(), into, from.len());
                into.wrapping_add(from.len())
                    .write_bytes(0, self.side - from.len());
            }
        }
    }
}
