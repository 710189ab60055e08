//! Pooling, and batch normalisations that no convolution follows.

use std::ops::Range;

use crate::conv::PackedNormRelu;
use crate::isa::Kernels;
use crate::memory::Map;
use crate::microkernels::PixelWindow;

/// The window of a pooling layer. The part of a window outside the input does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolingShape {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl PoolingShape {
    /// Pixels of the output for `input` pixels, in one direction.
    pub fn output(self, input: usize) -> usize {
        (input + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// First pixel and number of pixels under the window of output pixel `at`.
    fn under(self, at: usize, input: usize) -> (usize, usize) {
        let first = (at * self.stride).saturating_sub(self.padding);
        let end = (at * self.stride + self.kernel - self.padding).min(input);
        (first, end - first)
    }
}

/// Computes these rows of `output`: the largest value under the window, for each channel.
///
/// # Safety
/// The output has the size that the window gives. Meanwhile no other thread writes what is read here, or reads
/// or writes what is written.
pub unsafe fn max_pool(
    kernels: &Kernels,
    size: PoolingShape,
    input: Map,
    output: Map,
    rows: Range<usize>,
) {
    each(size, input, output, rows, |window| {
        // SAFETY: the caller vouches for the maps.
        unsafe { (kernels.max_pool)(window) }
    });
}

/// Computes these rows of `output`: the average under the window of the normalised values, negative ones taken
/// as 0, for each channel.
///
/// # Safety
/// As [`max_pool`]; `norm` has as many channels as the maps.
pub unsafe fn norm_relu_average(
    kernels: &Kernels,
    size: PoolingShape,
    norm: &PackedNormRelu,
    (input, output): (Map, Map),
    rows: Range<usize>,
) {
    let (scale, shift) = (norm.scale.as_ptr(), norm.shift.as_ptr());
    let run = |window: &PixelWindow| {
        // SAFETY: the caller vouches for the maps.
        unsafe { (kernels.norm_relu_average)(window, scale, shift) }
    };
    each(size, input, output, rows, run);
}

/// Calls `run` with the window of each pixel of these rows.
fn each(
    size: PoolingShape,
    input: Map,
    output: Map,
    rows: Range<usize>,
    run: impl Fn(&PixelWindow),
) {
    assert!(input.layout.channels == output.layout.channels);
    for y in rows {
        let (top, height) = size.under(y, input.layout.height);
        for x in 0..output.layout.width {
            let (left, width) = size.under(x, input.layout.width);
            run(&PixelWindow {
                input: input.at(top as isize, left as isize),
                rows: height,
                row: input.layout.row,
                columns: width,
                column: input.layout.pixel,
                channels: input.layout.channels,
                output: output.at(y as isize, x as isize),
            });
        }
    }
}
