//! Four neighbours become one token.

use super::linear::{Engine, NOTHING, PackedLinear};
use super::rows::{PackedNorm, TokenGrid, TokenRun, copy};
use super::spec::MergeSpec;
use crate::isa::Kernels;
use crate::memory::Map;

/// Rows and columns of the four, in the order of their channels.
const NEIGHBOURS: [[usize; 2]; 4] = [[0, 0], [1, 0], [0, 1], [1, 1]];

/// A merge ready to run.
pub struct PackedMerge {
    kernels: &'static Kernels,
    from: TokenGrid,
    to: TokenGrid,
    before: Option<PackedNorm>,
    after: Option<PackedNorm>,
    linear: PackedLinear,
}

impl PackedMerge {
    /// Packs a merge whose sizes were checked.
    pub fn new(engine: Engine, from: TokenGrid, to: TokenGrid, merge: &MergeSpec) -> Self {
        PackedMerge {
            kernels: engine.0,
            from,
            to,
            before: merge.before.as_ref().map(PackedNorm::new),
            after: merge.after.as_ref().map(PackedNorm::new),
            linear: PackedLinear::new(engine, &merge.linear, NOTHING),
        }
    }

    /// Merges the tokens.
    ///
    /// # Safety
    /// The workspace was made for these images by the plan of this step, and nothing else uses it.
    pub unsafe fn run(&self, run: &TokenRun) {
        let tokens = run.tokens(self.from);
        let normed = run.normed(self.from, self.from.channels);
        let merged = run.tokens(self.to);
        let squares = run.wide(merged.layout.width, 4 * self.from.channels);
        // SAFETY: the caller vouches for the workspace, and the three buffers are different ones. Each pass ends
        // before the next begins, so that the old tokens may be replaced.
        unsafe {
            let input = match &self.before {
                Some(norm) => {
                    norm.run(self.kernels, (tokens, normed), run.workers);
                    normed
                }
                None => tokens,
            };
            self.gather(run, input, squares);
            if let Some(norm) = &self.after {
                norm.run(self.kernels, (squares, squares), run.workers);
            }
            self.linear.run((squares, None, merged), run.workers);
        }
    }

    /// Copies the channels of four neighbours into one row.
    ///
    /// # Safety
    /// As [`run`](PackedMerge::run).
    unsafe fn gather(&self, run: &TokenRun, input: Map, squares: Map) {
        let TokenGrid {
            height,
            width,
            channels,
            ..
        } = self.from;
        let (down, across) = (self.to.height, self.to.width);
        run.workers.each(run.images * down, &|n| {
            let (image, y) = (n / down, n % down);
            for x in 0..across {
                let into = squares.row_from(0, n * across + x).start;
                for (at, [row, column]) in NEIGHBOURS.into_iter().enumerate() {
                    let (y, x) = (2 * y + row, 2 * x + column);
                    let into = into.wrapping_add(at * channels);
                    // SAFETY: a token, and a quarter of a row that is this part's alone.
                    unsafe {
                        if y < height && x < width {
                            let from = (image * height + y) * width + x;
                            let from = input.row_from(0, from).start.cast_const();
                            copy(from, into, channels);
                        } else {
                            into.write_bytes(0, channels);
                        }
                    }
                }
            }
        });
    }
}
