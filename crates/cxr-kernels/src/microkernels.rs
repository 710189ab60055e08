//! The inner loops, written once over [`Simd`]. [`isa`](crate::isa) compiles them for each instruction set,
//! and the layers cut their work into these pieces.
//!
//! Maps are `NHWC`: the channels of a pixel lie side by side. Strides are in numbers, not bytes.

use std::ptr::null_mut;

use crate::curve::{Curve, bend};
use crate::memory::LINE;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::simd::Pairs;
use crate::simd::Simd;
use crate::tiles::DEPTH;

/// A convolution for a few pixels of one row and one panel of output channels: the product of the
/// pixels' neighbourhoods with the panel, plus bias, plus residual, clamped, and a curve of it.
pub struct Tile {
    /// The first value of the first pixel's neighbourhood.
    pub input: *const f32,
    /// From a pixel's neighbourhood to the next pixel's.
    pub pixel: usize,
    /// The neighbourhood: `rows` of `columns` of `run` values that lie side by side.
    pub rows: usize,
    pub row: usize,
    pub columns: usize,
    pub column: usize,
    pub run: usize,
    /// For each value of a neighbourhood, its weights for all channels of the panel.
    pub weights: *const f32,
    /// What is read after this tile, and will lie in a near cache by then.
    pub ahead: Ahead,
    /// One for each channel of the panel, or null.
    pub bias: *const f32,
    /// Added to the sums, or null.
    pub residual: *const f32,
    pub residual_pixel: usize,
    pub output: *mut f32,
    pub output_pixel: usize,
    /// Channels of the panel that exist; the rest is padding.
    pub channels: usize,
    pub clamp: [f32; 2],
    pub curve: Curve,
}

/// Memory that is fetched while a tile is computed: from `start` on, `lines` cache lines for each [`STEPS`] values of
/// a neighbourhood. It need not exist.
#[derive(Clone, Copy)]
pub struct Ahead {
    pub start: *const f32,
    pub lines: usize,
}

impl Default for Ahead {
    /// Nothing.
    fn default() -> Self {
        Ahead {
            start: std::ptr::null(),
            lines: 0,
        }
    }
}

/// Values between two fetches ahead.
const STEPS: usize = 16;

/// What the tiles of a panel fetch together, a part each.
pub struct AheadParts {
    first: Ahead,
    /// Numbers of a part.
    length: usize,
}

impl AheadParts {
    /// The numbers from `start` on: as many as `tiles` tiles read weights, for a neighbourhood of `depth` values and a
    /// panel of `width` channels.
    pub fn new(start: *const f32, [depth, width]: [usize; 2], tiles: usize) -> Self {
        let fetches = depth.div_ceil(STEPS);
        let lines = (depth * width / LINE).div_ceil(tiles * fetches);
        AheadParts {
            first: Ahead { start, lines },
            length: lines * fetches * LINE,
        }
    }

    /// The part of the tile `n`.
    pub fn part(&self, n: usize) -> Ahead {
        Ahead {
            start: self.first.start.wrapping_add(n * self.length),
            ..self.first
        }
    }
}

impl Default for Tile {
    /// A tile of no values, with nothing added.
    fn default() -> Self {
        Tile {
            input: std::ptr::null(),
            pixel: 0,
            rows: 1,
            row: 0,
            columns: 1,
            column: 0,
            run: 0,
            weights: std::ptr::null(),
            ahead: Ahead::default(),
            bias: std::ptr::null(),
            residual: std::ptr::null(),
            residual_pixel: 0,
            output: std::ptr::null_mut(),
            output_pixel: 0,
            channels: 0,
            clamp: NO_CLAMP,
            curve: Curve::None,
        }
    }
}

/// Clamps nothing.
pub const NO_CLAMP: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// Repeats the body for each number of the list that is below a constant. In a loop, the compiler may keep the
/// array that the loop runs over in memory; this keeps it in registers.
macro_rules! unrolled {
    ($n:ident < PIXELS, $body:block) => {
        unrolled!($n, PIXELS, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    ($n:ident < VECTORS, $body:block) => {
        unrolled!($n, VECTORS, $body, 0 1)
    };
    ($n:ident < KERNEL, $body:block) => {
        unrolled!($n, KERNEL, $body, 0 1 2 3 4 5 6)
    };
    ($n:ident < WIDE, $body:block) => {
        unrolled!($n, WIDE, $body, 0 1 2 3)
    };
    ($n:ident < columns($columns:expr), $body:block) => {
        unrolled!($n, $columns, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    ($n:ident, $count:expr, $body:block, $($number:literal)*) => {
        $(if $number < $count {
            let $n: usize = $number;
            $body
        })*
    };
}

pub(crate) use unrolled;

/// Computes a tile of `PIXELS` × `VECTORS` vectors of channels, all in registers, but for the curve.
///
/// # Safety
/// The pointers are valid for the sizes that the tile gives. Meanwhile no other thread writes what is read
/// here, or reads or writes what is written. The processor has the instructions of `S`.
#[inline(always)]
pub unsafe fn convolve<S: Simd, const PIXELS: usize, const VECTORS: usize>(tile: &Tile) {
    // SAFETY: weights and bias hold whole panels; the caller vouches for the rest.
    unsafe {
        let mut first = [S::splat(0.0); VECTORS];
        if !tile.bias.is_null() {
            unrolled!(v < VECTORS, {
                first[v] = S::load(tile.bias.add(v * S::LANES));
            });
        }
        let mut sums = [first; PIXELS];
        fetch_ends::<S>(tile, PIXELS);
        let mut weights = tile.weights;
        let mut ahead = tile.ahead.start;
        for row in 0..tile.rows {
            for column in 0..tile.columns {
                let mut input = tile.input.add(row * tile.row + column * tile.column);
                let mut left = tile.run;
                while left > 0 {
                    for _ in 0..tile.ahead.lines {
                        S::fetch(ahead);
                        ahead = ahead.wrapping_add(LINE);
                    }
                    let steps = left.min(STEPS);
                    left -= steps;
                    for _ in 0..steps {
                        let mut panel = [S::splat(0.0); VECTORS];
                        unrolled!(v < VECTORS, {
                            panel[v] = S::load(weights.add(v * S::LANES));
                        });
                        unrolled!(p < PIXELS, {
                            let value = S::splat(*input.add(p * tile.pixel));
                            unrolled!(v < VECTORS, {
                                sums[p][v] = S::accumulate(value, panel[v], sums[p][v]);
                            });
                        });
                        input = input.add(1);
                        weights = weights.add(VECTORS * S::LANES);
                    }
                }
            }
        }
        finish::<S, PIXELS, VECTORS>(sums, tile);
    }
}

/// Asks for the lines of the residual and of the output, which are needed once the sums are there. Another core may have
/// them.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn fetch_ends<S: Simd>(tile: &Tile, pixels: usize) {
    for p in 0..pixels {
        // SAFETY: the caller vouches for the processor, and nothing is read.
        unsafe {
            S::fetch_to_write(nth(tile.output, p, tile.output_pixel));
            if !tile.residual.is_null() {
                S::fetch(nth(tile.residual.cast_mut(), p, tile.residual_pixel));
            }
        }
    }
}

/// The pixel `n`, without the checks for overflow that would cost time here.
#[inline(always)]
fn nth(first: *mut f32, n: usize, pixel: usize) -> *mut f32 {
    first.wrapping_add(n.wrapping_mul(pixel))
}

/// Adds the residual, clamps and stores.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn finish<S: Simd, const PIXELS: usize, const VECTORS: usize>(
    sums: [[S::Vector; VECTORS]; PIXELS],
    tile: &Tile,
) {
    // SAFETY: only channels that exist are read and written.
    unsafe {
        let (low, high) = (S::splat(tile.clamp[0]), S::splat(tile.clamp[1]));
        let is_clamped = tile.clamp != NO_CLAMP;
        unrolled!(p < PIXELS, {
            let output = nth(tile.output, p, tile.output_pixel);
            let residual = nth(tile.residual.cast_mut(), p, tile.residual_pixel);
            unrolled!(v < VECTORS, {
                let at = v * S::LANES;
                let count = tile.channels.saturating_sub(at);
                let mut value = sums[p][v];
                if !tile.residual.is_null() {
                    value = S::add(value, load_up_to::<S>(residual.add(at), count));
                }
                if is_clamped {
                    value = S::min(high, S::max(low, value));
                }
                store_up_to::<S>(output.add(at), value, count);
            });
        });
    }
}

/// Adds bias and residual to sums that lie in memory, clamps, stores, and applies the curve. `row` numbers lie between
/// the sums of two pixels.
///
/// # Safety
/// As [`convolve`]; the sums of all channels are there, rounded up to whole vectors.
#[inline(always)]
pub unsafe fn finish_sums<S: Simd>(tile: &Tile, sums: *const f32, row: usize, pixels: usize) {
    let (channels, clamp) = (tile.channels, tile.clamp);
    // SAFETY: only channels that exist are read and written, but for bias and sums, which hold whole vectors.
    unsafe {
        let (low, high) = (S::splat(clamp[0]), S::splat(clamp[1]));
        for at in (0..channels).step_by(S::LANES) {
            let count = channels - at;
            let bias = if tile.bias.is_null() {
                S::splat(0.0)
            } else {
                S::load(tile.bias.add(at))
            };
            for p in 0..pixels {
                let mut value = S::add(S::load(sums.add(p * row + at)), bias);
                if !tile.residual.is_null() {
                    let residual = tile.residual.add(p * tile.residual_pixel + at);
                    value = S::add(value, load_up_to::<S>(residual, count));
                }
                let value = S::min(high, S::max(low, value));
                store_up_to::<S>(tile.output.add(p * tile.output_pixel + at), value, count);
            }
        }
        let (output, pixel) = (tile.output, tile.output_pixel);
        bend::<S>(tile.curve, output, pixel, (pixels, channels), null_mut());
    }
}

/// Loads the first `count` numbers of a vector, or all if it has fewer.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
pub unsafe fn load_up_to<S: Simd>(from: *const f32, count: usize) -> S::Vector {
    // SAFETY: the caller's pointer is valid for `count` numbers.
    unsafe {
        if count >= S::LANES {
            S::load(from)
        } else {
            S::load_first(from, count)
        }
    }
}

/// Stores the first `count` numbers of a vector, or all if it has fewer.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
pub unsafe fn store_up_to<S: Simd>(to: *mut f32, vector: S::Vector, count: usize) {
    // SAFETY: the caller's pointer is valid for `count` numbers.
    unsafe {
        if count >= S::LANES {
            S::store(to, vector);
        } else {
            S::store_first(to, vector, count);
        }
    }
}

/// The input pixels of one output pixel of a pooling layer. `output` has room for `channels` numbers.
pub struct PixelWindow {
    pub input: *const f32,
    pub rows: usize,
    pub row: usize,
    pub columns: usize,
    pub column: usize,
    pub channels: usize,
    pub output: *mut f32,
}

/// The largest value of each channel.
///
/// # Safety
/// As [`convolve`]; the window is not empty.
#[inline(always)]
pub unsafe fn max_pool<S: Simd>(window: &PixelWindow) {
    let mut channel = 0;
    while channel < window.channels {
        let count = window.channels - channel;
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let mut largest = S::splat(f32::NEG_INFINITY);
            for y in 0..window.rows {
                for x in 0..window.columns {
                    let at = y * window.row + x * window.column + channel;
                    largest = S::max(largest, load_up_to::<S>(window.input.add(at), count));
                }
            }
            store_up_to::<S>(window.output.add(channel), largest, count);
        }
        channel += S::LANES;
    }
}

/// The average of `max(scale · x + shift, 0)` of each channel: a batch normalisation, a ReLU and an average. A
/// window of one pixel leaves the first two. `scale` and `shift` hold whole vectors.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
pub unsafe fn norm_relu_average<S: Simd>(
    window: &PixelWindow,
    scale: *const f32,
    shift: *const f32,
) {
    let share = 1.0 / (window.rows * window.columns) as f32;
    let mut channel = 0;
    while channel < window.channels {
        let count = window.channels - channel;
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let zero = S::splat(0.0);
            let (scale, shift) = (S::load(scale.add(channel)), S::load(shift.add(channel)));
            let mut sum = zero;
            for y in 0..window.rows {
                for x in 0..window.columns {
                    let at = y * window.row + x * window.column + channel;
                    let value = load_up_to::<S>(window.input.add(at), count);
                    sum = S::add(sum, S::max(zero, S::multiply_add(value, scale, shift)));
                }
            }
            let average = S::multiply_add(sum, S::splat(share), zero);
            store_up_to::<S>(window.output.add(channel), average, count);
        }
        channel += S::LANES;
    }
}

/// A pixel's channels after a normalisation and ReLU: `max(scale · x + shift, 0)`. The arrays of
/// `norm`, scale and shift, hold whole lines.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
pub unsafe fn pack<S: Simd>(
    input: *const f32,
    channels: usize,
    norm: [*const f32; 2],
    output: *mut f32,
) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            let value = normalised::<S>(input, channel, channels, norm);
            store_up_to::<S>(output.add(channel), value, channels - channel);
        }
    }
}

/// A pixel's channels as pairs of `bf16`, padded with zeros to a whole vector of pairs. If the pointers of
/// `norm` (scale and shift, whole lines) are not null, `max(scale · x + shift, 0)` comes first.
///
/// # Safety
/// As [`convolve`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub unsafe fn pack_pairs<S: Pairs>(
    input: *const f32,
    channels: usize,
    norm: [*const f32; 2],
    output: *mut f32,
) {
    let mut channel = 0;
    while channel < channels {
        // SAFETY: the output has room for half as many numbers as channels, rounded up to a vector.
        unsafe {
            let low = normalised::<S>(input, channel, channels, norm);
            let high = normalised::<S>(input, channel + S::LANES, channels, norm);
            S::store(output.add(channel / 2), S::pairs(low, high));
        }
        channel += 2 * S::LANES;
    }
}

/// A pixel's channels rounded to `bf16`, padded with zeros to whole tiles of inputs. What the rounding left is rounded
/// and stored too, if the second pointer is not null. If the pointers of `norm` (scale and shift, whole lines) are not
/// null, `max(scale · x + shift, 0)` comes first.
///
/// # Safety
/// As [`convolve`]; the outputs have room for whole tiles.
#[inline(always)]
pub unsafe fn round<S: Simd>(
    input: *const f32,
    channels: usize,
    norm: [*const f32; 2],
    [high, low]: [*mut u16; 2],
) {
    for channel in (0..channels.next_multiple_of(DEPTH)).step_by(LINE) {
        let mut line = [0.0_f32; LINE];
        // SAFETY: only channels that exist are read; the caller vouches for the outputs.
        unsafe {
            for at in (0..LINE).step_by(S::LANES) {
                let value = normalised::<S>(input, channel + at, channels, norm);
                S::store(line.as_mut_ptr().add(at), value);
            }
            let rounded = line.map(bf16);
            high.add(channel)
                .cast::<[u16; LINE]>()
                .write_unaligned(rounded);
            if !low.is_null() {
                let mut left = line;
                for (value, rounded) in left.iter_mut().zip(rounded) {
                    *value -= f32::from_bits(u32::from(rounded) << 16);
                }
                low.add(channel)
                    .cast::<[u16; LINE]>()
                    .write_unaligned(left.map(bf16));
            }
        }
    }
}

/// The bits of a number rounded to `bf16`, to nearest, ties to even. A NaN stays one.
#[inline(always)]
pub fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

/// One vector of channels from `channel` on, normalised unless the pointers are null. Channels that do not
/// exist are zero.
///
/// # Safety
/// As [`convolve`].
#[inline(always)]
unsafe fn normalised<S: Simd>(
    input: *const f32,
    channel: usize,
    channels: usize,
    [scale, shift]: [*const f32; 2],
) -> S::Vector {
    // SAFETY: the caller vouches for the pointers; channels that do not exist are not read.
    unsafe {
        let zero = S::splat(0.0);
        if channel >= channels {
            return zero;
        }
        let value = load_up_to::<S>(input.add(channel), channels - channel);
        if scale.is_null() {
            return value;
        }
        let (scale, shift) = (S::load(scale.add(channel)), S::load(shift.add(channel)));
        S::max(zero, S::multiply_add(value, scale, shift))
    }
}
