//! The inner loops of [depthwise convolutions](crate::depthwise), written once over [`Simd`].

use crate::curve::{Curve, bend};
use crate::microkernels::{load_up_to, unrolled};
use crate::simd::Simd;

/// The widest kernel of a depthwise convolution.
pub const WIDEST: usize = 7;

/// A convolution of each channel with its own kernel, for some pixels of one row.
pub struct DepthwiseTile {
    pub kernel: usize,
    /// The rows under the kernel, at the first pixel's first column.
    pub rows: [*const f32; WIDEST],
    /// From a column to the next.
    pub column: usize,
    /// From a pixel to the next, in columns.
    pub stride: usize,
    pub pixels: usize,
    pub channels: usize,
    /// `[kernel²][channels]`, rows padded to `weights_row`.
    pub weights: *const f32,
    pub weights_row: usize,
    pub bias: *const f32,
    /// Written by [`Simd::hand_over`].
    pub output: *mut f32,
    pub output_pixel: usize,
    pub clamp: [f32; 2],
    /// None if [`Simd::hand_over`] stores pairs.
    pub curve: Curve,
    /// Where the average of the pixels is written, `[channels]`, or null. Null if [`Simd::hand_over`] stores pairs.
    pub averages: *mut f32,
}

/// Most pixels that are computed at once.
const ABREAST: usize = 7;

/// Computes the pixels of a tile.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
pub unsafe fn depthwise<S: Simd>(tile: &DepthwiseTile) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        match (tile.kernel, tile.stride) {
            (3, 1) => depthwise_of::<S, 3, 1>(tile),
            (3, 2) => depthwise_of::<S, 3, 2>(tile),
            (5, 1) => depthwise_of::<S, 5, 1>(tile),
            (5, 2) => depthwise_of::<S, 5, 2>(tile),
            (7, 1) => depthwise_of::<S, 7, 1>(tile),
            _ => (0..tile.channels)
                .step_by(S::LANES)
                .for_each(|channel| depthwise_slowly::<S>(tile, channel)),
        }
        let (output, pixel) = (tile.output, tile.output_pixel);
        let size = (tile.pixels, tile.channels);
        bend::<S>(tile.curve, output, pixel, size, tile.averages);
    }
}

/// A kernel of `KERNEL` × `KERNEL` that steps by `STRIDE` pixels.
///
/// # Safety
/// As [`depthwise`].
#[inline(always)]
unsafe fn depthwise_of<S: Simd, const KERNEL: usize, const STRIDE: usize>(tile: &DepthwiseTile) {
    let blocks = tile.pixels.div_ceil(ABREAST).max(1);
    // The first blocks are a pixel wider than the others.
    let (least, wider) = (tile.pixels / blocks, tile.pixels % blocks);
    let mut channel = 0;
    // SAFETY: each block has only pixels and channels that exist.
    unsafe {
        while channel + S::LANES <= tile.channels {
            let mut first = 0;
            for block in 0..blocks {
                let pixels = least + usize::from(block < wider);
                match pixels {
                    0 => {}
                    1 => depthwise_block::<S, KERNEL, STRIDE, 1>(tile, first, channel),
                    2 => depthwise_block::<S, KERNEL, STRIDE, 2>(tile, first, channel),
                    3 => depthwise_block::<S, KERNEL, STRIDE, 3>(tile, first, channel),
                    4 => depthwise_block::<S, KERNEL, STRIDE, 4>(tile, first, channel),
                    5 => depthwise_block::<S, KERNEL, STRIDE, 5>(tile, first, channel),
                    6 => depthwise_block::<S, KERNEL, STRIDE, 6>(tile, first, channel),
                    _ => depthwise_block::<S, KERNEL, STRIDE, ABREAST>(tile, first, channel),
                }
                first += pixels;
            }
            channel += S::LANES;
        }
        if channel < tile.channels {
            depthwise_slowly::<S>(tile, channel);
        }
    }
}

/// `PIXELS` pixels from `first` on, one vector of channels from `channel` on. Inputs that several of these
/// pixels need are loaded once.
///
/// # Safety
/// As [`depthwise`].
#[inline(always)]
unsafe fn depthwise_block<
    S: Simd,
    const KERNEL: usize,
    const STRIDE: usize,
    const PIXELS: usize,
>(
    tile: &DepthwiseTile,
    first: usize,
    channel: usize,
) {
    // SAFETY: weights and bias are padded to whole vectors; the caller vouches for the rest.
    unsafe {
        let mut sums = [S::load(tile.bias.add(channel)); PIXELS];
        // Addresses are added up. Their products would be checked, which takes an eighth of a whole network's time.
        let before = first * STRIDE * tile.column + channel;
        let mut taps = tile.weights.add(channel);
        for row in &tile.rows[..KERNEL] {
            let mut weights = [S::splat(0.0); KERNEL];
            unrolled!(x < KERNEL, {
                weights[x] = S::load(taps);
                taps = taps.wrapping_add(tile.weights_row);
            });
            let mut pixel = row.add(before);
            unrolled!(column < columns((PIXELS - 1) * STRIDE + KERNEL), {
                let value = S::load(pixel);
                pixel = pixel.wrapping_add(tile.column);
                unrolled!(p < PIXELS, {
                    if p * STRIDE <= column && column < p * STRIDE + KERNEL {
                        let weight = weights[column - p * STRIDE];
                        sums[p] = S::multiply_add(value, weight, sums[p]);
                    }
                });
            });
        }
        let (low, high) = (S::splat(tile.clamp[0]), S::splat(tile.clamp[1]));
        let mut output = tile.output.add(first * tile.output_pixel);
        unrolled!(p < PIXELS, {
            if p > 0 {
                output = output.wrapping_add(tile.output_pixel);
            }
            let value = S::min(high, S::max(low, sums[p]));
            S::hand_over(output, channel, value, S::LANES);
        });
    }
}

/// One vector of channels from `channel` on, pixel by pixel, for any kernel and any number of channels.
///
/// # Safety
/// As [`depthwise`].
#[inline(always)]
unsafe fn depthwise_slowly<S: Simd>(tile: &DepthwiseTile, channel: usize) {
    let count = tile.channels - channel;
    // SAFETY: weights and bias are padded to whole vectors; the caller vouches for the rest.
    unsafe {
        let (low, high) = (S::splat(tile.clamp[0]), S::splat(tile.clamp[1]));
        for pixel in 0..tile.pixels {
            let mut sum = S::load(tile.bias.add(channel));
            for (y, row) in tile.rows[..tile.kernel].iter().enumerate() {
                for x in 0..tile.kernel {
                    let tap = (y * tile.kernel + x) * tile.weights_row;
                    let weight = S::load(tile.weights.add(tap + channel));
                    let pixel = row.add((pixel * tile.stride + x) * tile.column);
                    let value = load_up_to::<S>(pixel.add(channel), count);
                    sum = S::multiply_add(value, weight, sum);
                }
            }
            let value = S::min(high, S::max(low, sum));
            let output = tile.output.add(pixel * tile.output_pixel);
            S::hand_over(output, channel, value, count);
        }
    }
}
