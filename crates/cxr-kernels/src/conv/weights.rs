//! The weights of a convolution in the order in which the microkernels read them.

use crate::isa::Kernels;
use crate::memory::AlignedBuf;
use crate::microkernels::bf16;
use crate::tiling::panels;

use super::ConvShape;
use super::tiles::{PANEL, padded};
use crate::tiles::{COLUMNS, DEPTH, ROWS, TILE};

/// Packs `weight`, `[output, input, kernel, kernel]` row by row, panel by panel: `[kernel][kernel][input]
/// [channels of the panel]`. With `in_pairs`, each number is a pair of `bf16` weights, and there are half as
/// many inputs.
pub fn packed(
    kernels: &'static Kernels,
    shape: ConvShape,
    weight: &[f32],
    in_pairs: bool,
) -> AlignedBuf {
    let lanes = kernels.lanes;
    let depth = depth(shape, in_pairs);
    let mut packed = AlignedBuf::zeros(shape.output.next_multiple_of(lanes) * depth);
    let mut numbers = packed.as_mut_slice().iter_mut();
    let area = shape.kernel * shape.kernel;
    let value = weight_at(shape, weight);
    for panel in panels(kernels, shape.output) {
        let channels = panel.first..panel.first + panel.vectors * lanes;
        for tap in 0..area {
            for input in 0..depth / area {
                for channel in channels.clone() {
                    let number = numbers.next().expect("room for whole panels");
                    *number = if in_pairs {
                        pair(
                            value(channel, 2 * input, tap),
                            value(channel, 2 * input + 1, tap),
                        )
                    } else {
                        value(channel, input, tap)
                    };
                }
            }
        }
    }
    packed
}

/// Packs `weight`, `[output, input, kernel, kernel]` row by row, as [`TilePanel`](crate::tiles::TilePanel) reads it,
/// panel by panel. A row of a tile has two inputs of each channel. Two numbers of `bf16` are kept as one of the buffer.
pub fn in_tiles(shape: ConvShape, weight: &[f32], split: bool) -> AlignedBuf {
    let mut packed = AlignedBuf::zeros(tile_numbers(
        shape,
        split,
        shape.output.next_multiple_of(COLUMNS),
    ));
    let mut words = packed.as_mut_slice().iter_mut();
    let area = shape.kernel * shape.kernel;
    let value = weight_at(shape, weight);
    for first in (0..shape.output).step_by(PANEL) {
        let columns = first..shape.output.next_multiple_of(COLUMNS).min(first + PANEL);
        for (tap, depth) in (0..area).flat_map(|tap| {
            (0..padded(shape.input))
                .step_by(DEPTH)
                .map(move |depth| (tap, depth))
        }) {
            for is_low in [false, true].into_iter().take(if split { 2 } else { 1 }) {
                for column in columns.clone().step_by(COLUMNS) {
                    for (row, n) in (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |n| (row, n))) {
                        let part = |input| {
                            let value = value(column + n, input, tap);
                            if is_low {
                                value - f32::from_bits(u32::from(bf16(value)) << 16)
                            } else {
                                value
                            }
                        };
                        let word = words.next().expect("room for whole tiles");
                        *word = pair(part(depth + 2 * row), part(depth + 2 * row + 1));
                    }
                }
            }
        }
    }
    packed
}

/// The tiles of the panel that begins with this channel.
pub fn tiles_from(
    weights: &AlignedBuf,
    shape: ConvShape,
    split: bool,
    channel: usize,
) -> *const u16 {
    let before = tile_numbers(shape, split, channel);
    weights.as_ptr().wrapping_add(before).cast()
}

/// How many numbers of the buffer the tiles of these channels take.
fn tile_numbers(shape: ConvShape, split: bool, channels: usize) -> usize {
    let tiles = channels / COLUMNS * shape.kernel * shape.kernel * padded(shape.input) / DEPTH;
    tiles * TILE / 2 * if split { 2 } else { 1 }
}

/// A weight by its channel, its input and its tap; 0 where there is none.
fn weight_at(shape: ConvShape, weight: &[f32]) -> impl Fn(usize, usize, usize) -> f32 {
    let area = shape.kernel * shape.kernel;
    move |channel, input, tap| {
        let exists = channel < shape.output && input < shape.input;
        let at = (channel * shape.input + input) * area + tap;
        if exists { weight[at] } else { 0.0 }
    }
}

/// `bias [channels]` or empty, padded with zeros to whole panels.
pub fn padded_bias(kernels: &'static Kernels, channels: usize, bias: &[f32]) -> AlignedBuf {
    let mut padded = AlignedBuf::zeros(channels.next_multiple_of(kernels.panel()));
    padded.as_mut_slice()[..bias.len()].copy_from_slice(bias);
    padded
}

/// Numbers of a neighbourhood: values, or pairs of them.
pub fn depth(shape: ConvShape, in_pairs: bool) -> usize {
    let input = if in_pairs {
        shape.input.div_ceil(2)
    } else {
        shape.input
    };
    shape.kernel * shape.kernel * input
}

/// Two numbers rounded to `bf16`. The result holds their bits.
fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(u32::from(bf16(low)) | u32::from(bf16(high)) << 16)
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn a_pair_is_rounded_to_nearest_with_ties_to_even() {
        let halves = |low, high| {
            let bits = pair(low, high).to_bits();
            [bits << 16, bits & 0xffff_0000].map(f32::from_bits)
        };
        assert_eq!(halves(1.0, -2.5), [1.0, -2.5]);
        // bf16 keeps seven bits after the point: 1 + 2⁻⁸ lies in the middle between two of its numbers.
        assert_eq!(halves(1.0 + 2_f32.powi(-8), 0.0), [1.0, 0.0]);
        assert_eq!(
            halves(1.0 + 3.0 * 2_f32.powi(-8), 0.0),
            [1.0 + 2_f32.powi(-6), 0.0]
        );
    }
}
