//! The inner loops over rows of tokens, written once over [`Simd`]: normalisation, softmax, and sums and products that
//! are no matrix product.
//!
//! Strides are in numbers, not bytes.

use crate::curve::{Curve, curved, exp};
use crate::memory::LINE;
use crate::microkernels::{load_up_to, store_up_to};
use crate::simd::Simd;

/// A share of e⁻⁶⁴ of the largest one changes no sum of `f32`. Smaller shares would become subnormal numbers, with which
/// a processor computes many times slower.
const LEAST_EXPONENT: f32 = -64.0;

/// Rows that are read, and rows that are written. Both may be the same.
pub struct RowBlock {
    pub input: *const f32,
    /// From a row to the next.
    pub input_row: usize,
    pub output: *mut f32,
    /// From a row to the next.
    pub output_row: usize,
    pub rows: usize,
    /// Numbers of a row.
    pub channels: usize,
}

/// The parameters of a layer normalisation. The arrays hold whole lines.
pub struct RowNorm {
    pub weight: *const f32,
    pub bias: *const f32,
    pub epsilon: f32,
}

/// Rows of scores that become shares of 1.
pub struct ScoreRows {
    pub scores: *mut f32,
    /// From a row to the next.
    pub row: usize,
    pub rows: usize,
    /// Scores of a row.
    pub count: usize,
    pub scale: f32,
    /// Added to the scaled scores, row by row; or null.
    pub bias: *const f32,
    /// As `bias`.
    pub mask: *const f32,
    /// From a row of `bias` or `mask` to the next.
    pub added_row: usize,
}

/// The vector, with `fill` in the lanes from `count` on.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn filled<S: Simd>(vector: S::Vector, count: usize, fill: f32) -> S::Vector {
    if count >= S::LANES {
        return vector;
    }
    let mut lanes = [fill; LINE];
    // SAFETY: no vector is longer than a line.
    unsafe {
        S::store_first(lanes.as_mut_ptr(), vector, count);
        S::load(lanes.as_ptr())
    }
}

/// The sum of the lanes.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn total<S: Simd>(vector: S::Vector) -> f32 {
    let mut lanes = [0.0; LINE];
    // SAFETY: no vector is longer than a line.
    unsafe { S::store(lanes.as_mut_ptr(), vector) };
    lanes.iter().sum()
}

/// The largest lane.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn largest<S: Simd>(vector: S::Vector) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LINE];
    // SAFETY: no vector is longer than a line.
    unsafe { S::store(lanes.as_mut_ptr(), vector) };
    lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// A layer normalisation of each row (Ba et al. 2016, arXiv:1607.06450): `(x − mean) / √(variance + ε) · weight + bias`.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve), except that the output may be the input itself.
#[inline(always)]
pub unsafe fn layer_norm<S: Simd>(block: &RowBlock, norm: &RowNorm) {
    let channels = block.channels;
    for row in 0..block.rows {
        // SAFETY: only channels that exist are read and written; weight and bias hold whole lines.
        unsafe {
            let input = block.input.add(row * block.input_row);
            let output = block.output.add(row * block.output_row);
            let mut sum = S::splat(0.0);
            for channel in (0..channels).step_by(S::LANES) {
                sum = S::add(sum, load_up_to::<S>(input.add(channel), channels - channel));
            }
            let mean = S::splat(total::<S>(sum) / channels as f32);
            let mut squares = S::splat(0.0);
            for channel in (0..channels).step_by(S::LANES) {
                let count = channels - channel;
                let value = load_up_to::<S>(input.add(channel), count);
                let distance = filled::<S>(S::sub(value, mean), count, 0.0);
                squares = S::multiply_add(distance, distance, squares);
            }
            let variance = total::<S>(squares) / channels as f32;
            let scale = S::splat(1.0 / (variance + norm.epsilon).sqrt());
            for channel in (0..channels).step_by(S::LANES) {
                let count = channels - channel;
                let value = load_up_to::<S>(input.add(channel), count);
                let normal = S::multiply(S::sub(value, mean), scale);
                let (weight, bias) = (norm.weight.add(channel), norm.bias.add(channel));
                let value = S::multiply_add(normal, S::load(weight), S::load(bias));
                store_up_to::<S>(output.add(channel), value, count);
            }
        }
    }
}

/// Replaces the scores of each row by their softmax: `exp(s − max) / Σ exp(s − max)`, with
/// `s = scale · score + bias + mask`.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve); a row has at least one score.
#[inline(always)]
pub unsafe fn softmax<S: Simd>(rows: &ScoreRows) {
    for row in 0..rows.rows {
        // SAFETY: the caller vouches for the rows.
        unsafe {
            let scores = rows.scores.add(row * rows.row);
            let most = scaled::<S>(rows, scores, row * rows.added_row);
            let mut sum = S::splat(0.0);
            for at in (0..rows.count).step_by(S::LANES) {
                let count = rows.count - at;
                let score = load_up_to::<S>(scores.add(at), count);
                let below = S::max(S::splat(LEAST_EXPONENT), S::sub(score, S::splat(most)));
                let power = exp::<S>(below);
                sum = S::add(sum, filled::<S>(power, count, 0.0));
                store_up_to::<S>(scores.add(at), power, count);
            }
            let share = S::splat(1.0 / total::<S>(sum));
            for at in (0..rows.count).step_by(S::LANES) {
                let count = rows.count - at;
                let power = load_up_to::<S>(scores.add(at), count);
                store_up_to::<S>(scores.add(at), S::multiply(power, share), count);
            }
        }
    }
}

/// Scales the scores of one row, adds what is added to them from `added` on, and returns the largest.
///
/// # Safety
/// As [`softmax`].
#[inline(always)]
unsafe fn scaled<S: Simd>(rows: &ScoreRows, scores: *mut f32, added: usize) -> f32 {
    // SAFETY: only scores that exist are read and written; the caller vouches for the rest.
    unsafe {
        let mut most = S::splat(f32::NEG_INFINITY);
        for at in (0..rows.count).step_by(S::LANES) {
            let count = rows.count - at;
            let score = load_up_to::<S>(scores.add(at), count);
            let mut score = S::multiply(score, S::splat(rows.scale));
            if !rows.bias.is_null() {
                let bias = load_up_to::<S>(rows.bias.add(added + at), count);
                score = S::add(score, bias);
            }
            if !rows.mask.is_null() {
                let mask = load_up_to::<S>(rows.mask.add(added + at), count);
                score = S::add(score, mask);
            }
            store_up_to::<S>(scores.add(at), score, count);
            most = S::max(most, filled::<S>(score, count, f32::NEG_INFINITY));
        }
        largest::<S>(most)
    }
}

/// Adds `factor` times each row of the input to the row of the output.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
pub unsafe fn add_scaled<S: Simd>(block: &RowBlock, factor: f32) {
    for row in 0..block.rows {
        for channel in (0..block.channels).step_by(S::LANES) {
            let count = block.channels - channel;
            // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
            unsafe {
                let value =
                    load_up_to::<S>(block.input.add(row * block.input_row + channel), count);
                let output = block.output.add(row * block.output_row + channel);
                let sum = load_up_to::<S>(output, count);
                let sum = S::multiply_add(value, S::splat(factor), sum);
                store_up_to::<S>(output, sum, count);
            }
        }
    }
}

/// Adds the squares of each column of the input to the first row of the output.
///
/// # Safety
/// As [`convolve`](crate::microkernels::convolve).
#[inline(always)]
pub unsafe fn add_squares<S: Simd>(block: &RowBlock) {
    for channel in (0..block.channels).step_by(S::LANES) {
        let count = block.channels - channel;
        // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
        unsafe {
            let mut squares = S::splat(0.0);
            for row in 0..block.rows {
                let value = block.input.add(row * block.input_row + channel);
                let value = load_up_to::<S>(value, count);
                squares = S::multiply_add(value, value, squares);
            }
            let output = block.output.add(channel);
            let sum = S::add(load_up_to::<S>(output, count), squares);
            store_up_to::<S>(output, sum, count);
        }
    }
}

/// `scale · x + shift` of each column. Both arrays hold whole lines.
///
/// # Safety
/// As [`layer_norm`].
#[inline(always)]
pub unsafe fn scale_shift<S: Simd>(block: &RowBlock, scale: *const f32, shift: *const f32) {
    for row in 0..block.rows {
        for channel in (0..block.channels).step_by(S::LANES) {
            let count = block.channels - channel;
            // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
            unsafe {
                let input = block.input.add(row * block.input_row + channel);
                let value = load_up_to::<S>(input, count);
                let (scale, shift) = (S::load(scale.add(channel)), S::load(shift.add(channel)));
                let value = S::multiply_add(value, scale, shift);
                let output = block.output.add(row * block.output_row + channel);
                store_up_to::<S>(output, value, count);
            }
        }
    }
}

/// `silu(x) · y` of each row, where a row of the input is `channels` numbers x and as many numbers y (Shazeer 2020,
/// arXiv:2002.05202).
///
/// # Safety
/// As [`layer_norm`].
#[inline(always)]
pub unsafe fn gate<S: Simd>(block: &RowBlock) {
    for row in 0..block.rows {
        for channel in (0..block.channels).step_by(S::LANES) {
            let count = block.channels - channel;
            // SAFETY: only channels that exist are read and written; the caller vouches for the rest.
            unsafe {
                let input = block.input.add(row * block.input_row + channel);
                let first = curved::<S>(Curve::Silu, load_up_to::<S>(input, count));
                let second = load_up_to::<S>(input.add(block.channels), count);
                let output = block.output.add(row * block.output_row + channel);
                store_up_to::<S>(output, S::multiply(first, second), count);
            }
        }
    }
}
