//! Depthwise convolutions and bottlenecks, as [`passes`](super::passes) tests the others.

use super::passes::{NO_CLAMP, OwnedMap, assert_close, every, numbers, plain, with_pool};
use crate::bottleneck::Bottleneck;
use crate::conv::PackedConv;
use crate::conv_depthwise::ConvDepthwise;
use crate::curve::Curve;
use crate::depthwise::{DepthwiseShape, PackedDepthwise};
use crate::isa::Kernels;
use crate::products::{KernelPrecision, Products};

#[test]
fn a_bottleneck_is_its_three_convolutions() {
    for kernels in Kernels::all() {
        let all = [(3, 2), (3, 1), (5, 1), (5, 2)];
        for (kernel, stride) in all.into_iter().take(if cfg!(miri) { 1 } else { 4 }) {
            let (height, width) = (7_usize, 9_usize);
            let (rows, columns) = (height.div_ceil(stride), width.div_ceil(stride));
            let shape = DepthwiseShape {
                channels: 21,
                kernel,
                stride,
                top: kernel / 2,
                left: kernel / 2,
            };
            let wide = plain(6, 21, 1, 1);
            let narrow = plain(21, 5, 1, 1);
            let (weights, taps) = (numbers(21 * 6, 1), numbers(21 * kernel * kernel, 2));
            let last = numbers(5 * 21, 3);
            let conv = |shape, weight: &[f32]| {
                PackedConv::new((kernels, Products::F32), shape, weight, &[], None, NO_CLAMP)
            };
            let bottleneck = Bottleneck {
                expand: Some(conv(wide, &weights)),
                depthwise: PackedDepthwise::new(kernels, shape, &taps, &[], NO_CLAMP),
                project: conv(narrow, &last),
            };
            let input = OwnedMap::filled(height, width, 6, 4);
            // Two pixels are enough for every kernel here.
            let expanded = OwnedMap::empty(height, width, 21, 2);
            let (middle, expected) = (
                OwnedMap::zeros(rows, columns, 21),
                OwnedMap::zeros(rows, columns, 5),
            );
            let found = OwnedMap::zeros(rows, columns, 5);
            let expand = bottleneck.expand.as_ref().unwrap();
            let first = expand.tiling(input.1, expanded.1, None, 1);
            let second = bottleneck.project.tiling(middle.1, expected.1, None, 1);
            let at_once = (input.map(), None, found.map());
            let one = (input.map(), None, expanded.map());
            let three = (middle.map(), None, expected.map());
            // SAFETY: maps that are only used here.
            unsafe {
                expand.run(one, &first, 0..first.count, 0..expand.panels());
                bottleneck
                    .depthwise
                    .run(expanded.map(), middle.map(), 0..rows);
                let panels = bottleneck.project.panels();
                bottleneck
                    .project
                    .run(three, &second, 0..second.count, 0..panels);
                bottleneck.run(at_once, std::iter::once(1..rows));
                bottleneck.run(at_once, std::iter::once(0..1));
            }
            for (y, x, channel) in every(rows, columns, 5) {
                let (y, x) = (y as isize, x as isize);
                assert_close(
                    found.get(y, x, channel),
                    expected.get(y, x, channel),
                    kernels.name(),
                );
            }
            let tap = |y: isize, x: isize, channel: usize, expanded: &OwnedMap| {
                let mut sum = 0.0;
                for (n, weight) in taps[channel * kernel * kernel..][..kernel * kernel]
                    .iter()
                    .enumerate()
                {
                    let (row, column) = (n / kernel, n % kernel);
                    let from = |at: isize, offset: usize| {
                        at * stride as isize + offset as isize - (kernel / 2) as isize
                    };
                    sum += weight * expanded.get(from(y, row), from(x, column), channel);
                }
                sum
            };
            for (y, x, channel) in every(rows, columns, 21) {
                let (y, x) = (y as isize, x as isize);
                let expected = tap(y, x, channel, &expanded);
                assert_close(middle.get(y, x, channel), expected, kernels.name());
            }
        }
    }
}

/// Also in `bf16`: rounding where a number is stored gives the same as rounding where it is packed.
#[test]
fn a_bottleneck_that_does_not_expand_is_its_two_convolutions() {
    const CHANNELS: usize = if cfg!(miri) { 7 } else { 37 };
    for kernels in Kernels::all() {
        for (kernel, stride, width) in [(3, 1, 29), (5, 2, 16), (7, 1, 3)] {
            let height = if cfg!(miri) { 2 } else { 5 };
            let (rows, columns) = (
                usize::div_ceil(height, stride),
                usize::div_ceil(width, stride),
            );
            let shape = DepthwiseShape {
                channels: CHANNELS,
                kernel,
                stride,
                top: kernel / 2,
                left: kernel / 2,
            };
            let taps = numbers(CHANNELS * kernel * kernel, 5);
            let (last, bias) = (numbers(6 * CHANNELS, 6), numbers(CHANNELS, 7));
            let sum = plain(CHANNELS, 6, 1, 1);
            let pairs = Products::ways(KernelPrecision::Bf16, kernels);
            let pairs = pairs.into_iter().filter(|way| way.pairs().is_some());
            for products in pairs.chain([Products::F32]) {
                let bottleneck = Bottleneck {
                    expand: None,
                    depthwise: PackedDepthwise::new(kernels, shape, &taps, &bias, [0.0, 6.0]),
                    project: PackedConv::new((kernels, products), sum, &last, &[], None, NO_CLAMP),
                };
                let border = kernel / 2;
                let input = OwnedMap::bordered(height, width, CHANNELS, border, 8);
                let middle = OwnedMap::zeros(rows, columns, CHANNELS);
                let expected = OwnedMap::zeros(rows, columns, 6);
                let found = OwnedMap::zeros(rows, columns, 6);
                let project = &bottleneck.project;
                let tiling = project.tiling(middle.1, expected.1, None, 1);
                let two = (middle.map(), None, expected.map());
                // SAFETY: maps that are only used here.
                unsafe {
                    let depthwise = &bottleneck.depthwise;
                    depthwise.run(input.map(), middle.map(), 0..rows);
                    project.run(two, &tiling, 0..tiling.count, 0..project.panels());
                    bottleneck.run((input.map(), None, found.map()), std::iter::once(0..rows));
                }
                for (y, x, channel) in every(rows, columns, 6) {
                    let (y, x) = (y as isize, x as isize);
                    let expected = expected.get(y, x, channel);
                    assert_close(found.get(y, x, channel), expected, kernels.name());
                }
            }
        }
    }
}

/// For each number of pixels that are computed at once, and for vectors that are not whole.
#[test]
fn a_depthwise_convolution_is_its_sum_for_maps_of_any_width() {
    for kernels in Kernels::all() {
        for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (3, 3)] {
            for columns in 1..if cfg!(miri) { 3 } else { 16 } {
                let (height, channels) = (3_usize, if cfg!(miri) { 7 } else { 35 });
                let (rows, width) = (height.div_ceil(stride), (columns - 1) * stride + 1);
                let shape = DepthwiseShape {
                    channels,
                    kernel,
                    stride,
                    top: kernel / 2,
                    left: kernel / 2,
                };
                let taps = numbers(channels * kernel * kernel, 1);
                let bias = numbers(channels, 2);
                let depthwise = PackedDepthwise::new(kernels, shape, &taps, &bias, [-2.0, 3.0]);
                let input = OwnedMap::bordered(height, width, channels, kernel / 2, 3);
                let output = OwnedMap::zeros(rows, columns, channels);
                // SAFETY: maps that are only used here.
                unsafe { depthwise.run(input.map(), output.map(), 0..rows) };
                for (y, x, channel) in every(rows, columns, channels) {
                    let mut sum = bias[channel];
                    for (row, column, _) in every(kernel, kernel, 1) {
                        let from = |at: usize, tap: usize| {
                            (at * stride + tap) as isize - (kernel / 2) as isize
                        };
                        let tap = taps[(channel * kernel + row) * kernel + column];
                        sum += tap * input.get(from(y, row), from(x, column), channel);
                    }
                    let expected = sum.clamp(-2.0, 3.0);
                    let found = output.get(y as isize, x as isize, channel);
                    assert_close(found, expected, kernels.name());
                }
            }
        }
    }
}

/// With panels that are not whole, with a convolution that has neighbourhoods, and by several threads, for which the rows
/// of a panel are cut into parts.
#[test]
fn a_convolution_and_a_depthwise_one_in_one_pass_are_the_two_and_their_averages() {
    let all = [(1, 3, 1), (3, 5, 2), (1, 7, 1), (3, 3, 2)];
    for kernels in Kernels::all() {
        for (first, kernel, stride) in all.into_iter().take(if cfg!(miri) { 1 } else { 4 }) {
            let (height, width) = if cfg!(miri) { (4, 3) } else { (13, 11) };
            let channels = if cfg!(miri) { 9 } else { 37 };
            let (rows, columns) = (
                usize::div_ceil(height, stride),
                usize::div_ceil(width, stride),
            );
            let (weights, taps) = (
                numbers(channels * 6 * first * first, 1),
                numbers(channels * kernel * kernel, 2),
            );
            let bias = numbers(channels, 3);
            let shape = DepthwiseShape {
                channels,
                kernel,
                stride,
                top: kernel / 2,
                left: kernel / 2,
            };
            let engine = (kernels, Products::F32);
            let conv = plain(6, channels, first, 1);
            let conv = PackedConv::new(engine, conv, &weights, &bias, None, NO_CLAMP);
            let depthwise = PackedDepthwise::new(kernels, shape, &taps, &bias, [-4.0, 5.0]);
            let both = ConvDepthwise {
                conv: conv.then(Curve::Silu),
                depthwise: depthwise.then(Curve::HardSwish),
                middle: [height, width],
            };
            let input = OwnedMap::bordered(height, width, 6, 1, 4);
            // Three pixels are enough for every kernel here.
            let between = OwnedMap::empty(height, width, channels, 3);
            let expected = OwnedMap::zeros(rows, columns, channels);
            let tiling = both.conv.tiling(input.1, between.1, None, 1);
            let one = (input.map(), None, between.map());
            // SAFETY: maps that are only used here.
            unsafe {
                both.conv
                    .run(one, &tiling, 0..tiling.count, 0..both.conv.panels());
                both.depthwise.run(between.map(), expected.map(), 0..rows);
            }
            for threads in [0, 2] {
                let found = OwnedMap::zeros(rows, columns, channels);
                let averages = OwnedMap::zeros(rows, 1, channels);
                with_pool(threads, |workers| {
                    let (output, averages) = (found.map(), averages.map());
                    // SAFETY: maps that are only used here.
                    unsafe { both.run(input.map(), output, Some(averages), workers) };
                });
                for (y, x, channel) in every(rows, columns, channels) {
                    let (y, x) = (y as isize, x as isize);
                    let expected = expected.get(y, x, channel);
                    assert_close(found.get(y, x, channel), expected, kernels.name());
                }
                for (y, _, channel) in every(rows, 1, channels) {
                    let y = y as isize;
                    let sum: f32 = (0..columns)
                        .map(|x| expected.get(y, x as isize, channel))
                        .sum();
                    let average = averages.get(y, 0, channel);
                    assert_close(average, sum / columns as f32, kernels.name());
                }
            }
        }
    }
}
