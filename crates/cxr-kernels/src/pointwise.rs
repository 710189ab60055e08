//! The inner loops of averages, products and sums of whole maps, written once over [`Simd`].

use crate::curve::{Curve, bend};
use crate::microkernels::{PixelWindow, load_up_to, store_up_to, unrolled};
use crate::simd::Simd;

/// Vectors of channels that are averaged at once, so that no sum waits for the one before.
const WIDE: usize = 4;

/// The average of each channel. Sums are made row by row, so that the last pixels of a large map still count.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve); the window is not empty.
#[inline(always)]
pub unsafe fn average<S: Simd>(window: &PixelWindow) {
    let mut channel = 0;
    // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
    unsafe {
        while channel + WIDE * S::LANES <= window.channels {
            average_wide::<S>(window, channel);
            channel += WIDE * S::LANES;
        }
        while channel < window.channels {
            average_vector::<S>(window, channel);
            channel += S::LANES;
        }
    }
}

/// The average of four whole vectors of channels from `channel` on.
///
/// # Safety
/// As [`average`].
#[inline(always)]
unsafe fn average_wide<S: Simd>(window: &PixelWindow, channel: usize) {
    // SAFETY: the caller vouches for the pixels and for these channels.
    unsafe {
        let share = S::splat(1.0 / (window.rows * window.columns) as f32);
        let mut sums = [S::splat(0.0); WIDE];
        for y in 0..window.rows {
            let mut pixel = window.input.add(y * window.row + channel);
            let mut row = [S::splat(0.0); WIDE];
            for _ in 0..window.columns {
                unrolled!(v < WIDE, {
                    row[v] = S::add(row[v], S::load(pixel.add(v * S::LANES)));
                });
                pixel = pixel.wrapping_add(window.column);
            }
            unrolled!(v < WIDE, {
                sums[v] = S::add(sums[v], row[v]);
            });
        }
        unrolled!(v < WIDE, {
            let output = window.output.add(channel + v * S::LANES);
            S::store(output, S::multiply(sums[v], share));
        });
    }
}

/// The average of one vector of channels from `channel` on, which need not be whole.
///
/// # Safety
/// As [`average`].
#[inline(always)]
unsafe fn average_vector<S: Simd>(window: &PixelWindow, channel: usize) {
    let count = window.channels - channel;
    // SAFETY: the caller vouches for the pixels; only channels that exist are read and written.
    unsafe {
        let share = S::splat(1.0 / (window.rows * window.columns) as f32);
        let mut sum = S::splat(0.0);
        for y in 0..window.rows {
            let mut row = S::splat(0.0);
            for x in 0..window.columns {
                let at = y * window.row + x * window.column + channel;
                row = S::add(row, load_up_to::<S>(window.input.add(at), count));
            }
            sum = S::add(sum, row);
        }
        let average = S::multiply(sum, share);
        store_up_to::<S>(window.output.add(channel), average, count);
    }
}

/// Two runs of pixels that are combined into a third, which may be the first.
pub struct PixelPair {
    pub first: *const f32,
    /// From a pixel to the next.
    pub first_pixel: usize,
    pub second: *const f32,
    /// From a pixel to the next; 0 if all have the same partner.
    pub second_pixel: usize,
    pub output: *mut f32,
    pub output_pixel: usize,
    pub pixels: usize,
    pub channels: usize,
    /// Of sums, as [`curve`](PixelPair::curve).
    pub clamp: [f32; 2],
    pub curve: Curve,
}

/// The products of the pixels, channel by channel.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve), except that the output may be the first run itself.
#[inline(always)]
pub unsafe fn product<S: Simd>(pair: &PixelPair) {
    // SAFETY: the caller vouches for the runs and the processor.
    unsafe { each::<S>(pair, |a, b| S::multiply(a, b)) };
}

/// The sums of the pixels, channel by channel, clamped, and a curve of them.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub unsafe fn sum<S: Simd>(pair: &PixelPair) {
    // SAFETY: the caller vouches for the runs and the processor.
    unsafe {
        let (low, high) = (S::splat(pair.clamp[0]), S::splat(pair.clamp[1]));
        each::<S>(pair, |a, b| S::min(high, S::max(low, S::add(a, b))));
        let (output, pixel) = (pair.output, pair.output_pixel);
        let size = (pair.pixels, pair.channels);
        bend::<S>(pair.curve, output, pixel, size, std::ptr::null_mut());
    }
}

/// Writes `of` each vector of the first run and the one at its place in the second.
///
/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn each<S: Simd>(pair: &PixelPair, of: impl Fn(S::Vector, S::Vector) -> S::Vector) {
    for channel in (0..pair.channels).step_by(S::LANES) {
        let count = pair.channels - channel;
        // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
        unsafe {
            let mut first = pair.first.add(channel);
            let mut second = pair.second.add(channel);
            let mut output = pair.output.add(channel);
            for _ in 0..pair.pixels {
                let made = of(
                    load_up_to::<S>(first, count),
                    load_up_to::<S>(second, count),
                );
                store_up_to::<S>(output, made, count);
                first = first.wrapping_add(pair.first_pixel);
                second = second.wrapping_add(pair.second_pixel);
                output = output.wrapping_add(pair.output_pixel);
            }
        }
    }
}
