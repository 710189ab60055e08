//! Tokens in memory, and what every step does with rows of them.

use std::ops::Range;

use super::spec::LayerNormSpec;
use crate::isa::Kernels;
use crate::memory::{AlignedBuf, Border, LINE, Layout, Map};
use crate::row_kernels::{RowBlock, RowNorm};
use crate::threads::{PARTS, Workers};

/// The tokens of an image between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrid {
    /// Tokens before those of the image.
    pub prefix: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl TokenGrid {
    /// Tokens of the image.
    pub fn cells(self) -> usize {
        self.height * self.width
    }

    /// All tokens.
    pub fn tokens(self) -> usize {
        self.prefix + self.cells()
    }

    /// The tokens of the image as a map.
    pub fn map(self) -> Layout {
        Layout::new(self.height, self.width, self.channels, Border::default())
    }
}

/// `rows` tokens of `channels` numbers.
pub fn rows_of(rows: usize, channels: usize) -> Layout {
    Layout::new(1, rows, channels, Border::default())
}

/// Buffers for a few images.
pub struct TokenWorkspace {
    /// How many images they have room for.
    pub images: usize,
    /// The tokens.
    pub tokens: AlignedBuf,
    /// Tokens that were normalised, and what attention makes of them.
    pub normed: AlignedBuf,
    /// Squares of pixels; queries, keys and values; what is between two linear layers.
    pub wide: AlignedBuf,
    /// Keys and values as weights of a product.
    pub packed: AlignedBuf,
}

/// The images that are computed at the moment, and what they are computed with.
#[derive(Clone, Copy)]
pub struct TokenRun<'a> {
    pub images: usize,
    pub workspace: &'a TokenWorkspace,
    pub workers: Workers,
}

impl<'a> TokenRun<'a> {
    /// The tokens of all images.
    pub fn tokens(&self, grid: TokenGrid) -> Map<'a> {
        let layout = rows_of(self.images * grid.tokens(), grid.channels);
        Map::from_pixel(&self.workspace.tokens, layout, 0)
    }

    /// As many rows of `channels` numbers in the buffer of normalised tokens.
    pub fn normed(&self, grid: TokenGrid, channels: usize) -> Map<'a> {
        let layout = rows_of(self.images * grid.tokens(), channels);
        Map::from_pixel(&self.workspace.normed, layout, 0)
    }

    /// `rows` rows of `channels` numbers in the wide buffer.
    pub fn wide(&self, rows: usize, channels: usize) -> Map<'a> {
        Map::from_pixel(&self.workspace.wide, rows_of(rows, channels), 0)
    }
}

/// A layer normalisation ready to run.
pub struct PackedNorm {
    weight: AlignedBuf,
    bias: AlignedBuf,
    epsilon: f32,
}

impl PackedNorm {
    pub fn new(norm: &LayerNormSpec) -> Self {
        PackedNorm {
            weight: AlignedBuf::of(norm.weight),
            bias: AlignedBuf::of(norm.bias),
            epsilon: norm.epsilon,
        }
    }

    /// Normalises all rows of `input` into `output`, which may be the same.
    ///
    /// # Safety
    /// Both have as many rows, of the channels of the normalisation. Nothing else reads or writes them meanwhile.
    pub unsafe fn run(&self, kernels: &Kernels, (input, output): (Map, Map), workers: Workers) {
        workers.each_part(input.layout.width, PARTS, |rows| {
            // SAFETY: the caller vouches for the maps, and the parts are different rows.
            unsafe { self.rows(kernels, (input, output), rows) };
        });
    }

    /// As [`run`](PackedNorm::run), for some rows.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn rows(&self, kernels: &Kernels, (input, output): (Map, Map), rows: Range<usize>) {
        let channels = input.layout.channels;
        assert!(output.layout.channels == channels && self.weight.len() >= channels);
        let (from, to) = (
            input.row_from(0, rows.start),
            output.row_from(0, rows.start),
        );
        let block = RowBlock {
            input: from.start,
            input_row: from.pixel,
            output: to.start,
            output_row: to.pixel,
            rows: rows.len(),
            channels,
        };
        let norm = RowNorm {
            weight: self.weight.as_ptr(),
            bias: self.bias.as_ptr(),
            epsilon: self.epsilon,
        };
        // SAFETY: rows of the maps, which the caller vouches for; weight and bias are padded to whole lines.
        unsafe { (kernels.rows.layer_norm)(&block, &norm) };
    }
}

/// `values [rows, channels]`, as tokens lie in memory.
pub fn packed_rows(values: &[f32], channels: usize) -> AlignedBuf {
    let layout = rows_of(values.len() / channels, channels);
    let mut packed = AlignedBuf::zeros(layout.len());
    let memory = packed.as_mut_slice();
    for (row, values) in values.chunks_exact(channels).enumerate() {
        memory[row * layout.pixel..][..channels].copy_from_slice(values);
    }
    packed
}

/// Copies `count` numbers.
///
/// # Safety
/// Both addresses are valid for them and do not overlap. No other thread writes them meanwhile, or reads what is
/// written.
pub unsafe fn copy(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller vouches for the addresses.
    unsafe {
        if count == LINE {
            // Of a length that the compiler knows, this is a few instructions and no call.
            let line = from.cast::<[f32; LINE]>().read_unaligned();
            to.cast::<[f32; LINE]>().write_unaligned(line);
        } else {
            std::ptr::copy_nonoverlapping(from, to, count);
        }
    }
}
