//! Pooling, and a batch normalisation on its own.

use std::ops::Range;

use super::conv::PackedNormRelu;
use super::isa::Kernels;
use super::memory::Map;
use super::microkernels::PixelWindow;

/// How an output pixel's window lies over the input; outside the input there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolingShape {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl PoolingShape {
    /// Pixels of the output for so many of the input, in one direction.
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

/// The largest value under a window, of each channel.
///
/// # Safety
/// The maps are in memory that is alive; nobody else writes what is read here, or reads or writes
/// what is written.
pub unsafe fn largest(
    kernels: &Kernels,
    size: PoolingShape,
    input: Map,
    output: Map,
    rows: Range<usize>,
) {
    // SAFETY: the caller's word.
    unsafe {
        each(size, input, output, rows, |window| {
            (kernels.largest)(window)
        })
    };
}

/// The average under a window of what is normalised and not negative, of each channel.
///
/// # Safety
/// As [`largest`].
pub unsafe fn norm_relu_average(
    kernels: &Kernels,
    size: PoolingShape,
    norm: &PackedNormRelu,
    (input, output): (Map, Map),
    rows: Range<usize>,
) {
    let (scale, shift) = (norm.scale.as_ptr(), norm.shift.as_ptr());
    let run = |window: &PixelWindow| {
        // SAFETY: the caller's word.
        unsafe { (kernels.norm_relu_average)(window, scale, shift) }
    };
    // SAFETY: the caller's word.
    unsafe { each(size, input, output, rows, run) };
}

unsafe fn each(
    size: PoolingShape,
    input: Map,
    output: Map,
    rows: Range<usize>,
    run: impl Fn(&PixelWindow),
) {
    assert!(input.form.channels == output.form.channels);
    for y in rows {
        let (top, height) = size.under(y, input.form.height);
        for x in 0..output.form.width {
            let (left, width) = size.under(x, input.form.width);
            run(&PixelWindow {
                input: input.at(top as isize, left as isize),
                rows: height,
                row: input.form.row,
                columns: width,
                column: input.form.pixel,
                channels: input.form.channels,
                output: output.at(y as isize, x as isize),
            });
        }
    }
}
