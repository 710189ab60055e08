//! Pooling, batch normalisations that no convolution follows, and operations on whole maps.

use std::ops::Range;

use crate::conv::PackedNormRelu;
use crate::curve::Curve;
use crate::isa::Kernels;
use crate::memory::{LINE, Layout, Map, PixelRow};
use crate::microkernels::PixelWindow;
use crate::pointwise::PixelPair;

/// The window of a pooling layer. The part of a window outside the input does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolingShape {
    /// Height and width of the window.
    pub kernel: usize,
    /// Pixels from one position of the window to the next.
    pub stride: usize,
    /// Pixels that the first window begins outside the input. At most half the kernel.
    pub padding: usize,
}

impl PoolingShape {
    /// Pixels of the output for `input` pixels, in one direction.
    pub(crate) fn output(self, input: usize) -> usize {
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

/// Computes these rows of `output`: the average under the window, for each channel.
///
/// # Safety
/// As [`max_pool`].
pub unsafe fn average(
    kernels: &Kernels,
    size: PoolingShape,
    input: Map,
    output: Map,
    rows: Range<usize>,
) {
    each(size, input, output, rows, |window| {
        // SAFETY: the caller vouches for the maps.
        unsafe { (kernels.average)(window) }
    });
}

/// Computes these lines of channels of `output`, a map of one pixel: the average of the whole input.
///
/// # Safety
/// As [`max_pool`].
pub unsafe fn global_average(kernels: &Kernels, input: Map, output: Map, lines: Range<usize>) {
    let Layout {
        height,
        width,
        channels,
        pixel,
        row,
        ..
    } = input.layout;
    assert!(channels == output.layout.channels);
    let first = lines.start * LINE;
    let window = PixelWindow {
        input: input.at(0, 0).wrapping_add(first),
        rows: height,
        row,
        columns: width,
        column: pixel,
        channels: channels.min(lines.end * LINE) - first,
        output: output.at(0, 0).wrapping_add(first),
    };
    // SAFETY: the caller vouches for the maps, which have these channels.
    unsafe { (kernels.average)(&window) };
}

/// Computes these rows of `output`: the input, each channel times its number in `by`, a map of one pixel.
///
/// # Safety
/// As [`max_pool`]; the input is as large as the output, and may be the same map.
pub unsafe fn scale(kernels: &Kernels, input: Map, by: Map, output: Map, rows: Range<usize>) {
    assert!(by.layout.channels == output.layout.channels);
    let partner = PixelRow {
        start: by.at(0, 0),
        pixel: 0,
    };
    for y in rows {
        let pair = pair((input.row(y), partner, output.row(y)), output.layout);
        // SAFETY: a row of each map, and the caller vouches for them.
        unsafe { (kernels.product)(&pair) };
    }
}

/// Computes these rows of `output`: the sum of two maps, clamped, and a curve of it.
///
/// # Safety
/// As [`max_pool`]; all maps have one size.
pub unsafe fn add(
    kernels: &Kernels,
    (clamp, curve): ([f32; 2], Curve),
    (first, second, output): (Map, Map, Map),
    rows: Range<usize>,
) {
    assert!(second.layout.channels == output.layout.channels);
    for y in rows {
        let pair = PixelPair {
            clamp,
            curve,
            ..pair((first.row(y), second.row(y), output.row(y)), output.layout)
        };
        // SAFETY: a row of each map, and the caller vouches for them.
        unsafe { (kernels.sum)(&pair) };
    }
}

/// Rows of three maps, the last with this layout.
fn pair(
    (first, second, output): (PixelRow, PixelRow, PixelRow),
    Layout {
        width, channels, ..
    }: Layout,
) -> PixelPair {
    PixelPair {
        first: first.start,
        first_pixel: first.pixel,
        second: second.start,
        second_pixel: second.pixel,
        output: output.start,
        output_pixel: output.pixel,
        pixels: width,
        channels,
        clamp: [f32::NEG_INFINITY, f32::INFINITY],
        curve: Curve::None,
    }
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
