//! Plans of networks with squeeze-and-excitation, sums and other windows, as [`networks`](super::networks) tests the
//! others.

use super::networks::CASES;
use super::reference::{Sizes, WeightPool, check, network};
use crate::network::{Activation, ConvSpec, LayerSpec, NetworkSpec, Padding, ValueIndex};
use crate::pooling::PoolingShape;

#[test]
fn squeeze_and_excitation_of_any_size_is_its_definition() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(4_000 + seed);
        let (input, channels) = (sizes.up_to(1, 3, 19), sizes.up_to(1, 5, 150));
        let (squeezed, kernel) = (sizes.up_to(1, 3, 20), if sizes.coin() { 5 } else { 3 });
        let is_used_later = sizes.coin();
        let mut layers = vec![
            LayerSpec::Conv(ConvSpec {
                activation: sizes.activation(),
                ..pool.conv(0, [channels, input], 1)
            }),
            LayerSpec::Conv(ConvSpec {
                activation: sizes.activation(),
                stride: sizes.between(1, 2),
                padding: sizes.padding(),
                ..pool.depthwise(1, channels, kernel)
            }),
            LayerSpec::GlobalAverage(ValueIndex(2)),
            LayerSpec::Conv(ConvSpec {
                activation: sizes.activation(),
                ..pool.conv(3, [squeezed, channels], 1)
            }),
            LayerSpec::Conv(ConvSpec {
                activation: Activation::Sigmoid,
                ..pool.conv(4, [channels, squeezed], 1)
            }),
            LayerSpec::Scale {
                input: ValueIndex(2),
                by: ValueIndex(5),
            },
            LayerSpec::Conv(pool.conv(6, [input, channels], 1)),
        ];
        if is_used_later {
            // What was scaled must still be there.
            layers.push(LayerSpec::Conv(pool.conv(2, [input, channels], 1)));
            layers.push(LayerSpec::Add {
                first: ValueIndex(7),
                second: ValueIndex(8),
                activation: sizes.activation(),
            });
        }
        let size = (sizes.up_to(1, 5, 23), sizes.up_to(1, 5, 23));
        let channels = input;
        check(&NetworkSpec { channels, layers }, size);
    }
}

/// The convolution before the depthwise one may have any kernel, as the first one of a network has.
#[test]
fn a_convolution_and_the_depthwise_one_after_it_of_any_size_are_their_sums() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(6_000 + seed);
        let (input, channels) = (sizes.up_to(1, 2, 20), sizes.up_to(1, 5, 70));
        let kernel = 2 * sizes.up_to(0, 1, 3) + 1;
        let mut layers = vec![
            LayerSpec::Conv(ConvSpec {
                activation: sizes.activation(),
                stride: sizes.between(1, 2),
                padding: sizes.padding(),
                ..pool.conv(0, [channels, input], if sizes.coin() { 3 } else { 1 })
            }),
            LayerSpec::Conv(ConvSpec {
                activation: sizes.activation(),
                stride: sizes.between(1, 3),
                padding: sizes.padding(),
                ..pool.depthwise(1, channels, kernel)
            }),
        ];
        if sizes.coin() {
            layers.push(LayerSpec::GlobalAverage(ValueIndex(2)));
            if sizes.coin() {
                let (input, by) = (ValueIndex(2), ValueIndex(3));
                layers.push(LayerSpec::Scale { input, by });
            }
        }
        let size = (sizes.up_to(1, 5, 30), sizes.up_to(1, 5, 30));
        let channels = input;
        check(&NetworkSpec { channels, layers }, size);
    }
}

#[test]
fn pooling_of_any_window_and_sums_are_their_definition() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(5_000 + seed);
        let channels = sizes.up_to(1, 3, 150);
        let kernel = sizes.between(1, 4);
        let window = PoolingShape {
            kernel,
            stride: sizes.between(1, 3),
            padding: sizes.between(0, kernel / 2),
        };
        let layers = vec![
            LayerSpec::Conv(pool.conv(0, [channels, 2], 1)),
            LayerSpec::Average {
                input: ValueIndex(1),
                size: sizes.between(1, 3),
            },
            LayerSpec::MaxPool(ValueIndex(2), window),
            LayerSpec::Conv(pool.conv(3, [channels, channels], 1)),
            LayerSpec::Add {
                first: ValueIndex(3),
                second: ValueIndex(4),
                activation: sizes.activation(),
            },
        ];
        // Four pixels of each side are left for the window.
        let size = (sizes.up_to(12, 13, 29), sizes.up_to(12, 13, 29));
        let channels = 2;
        check(&NetworkSpec { channels, layers }, size);
    }
}

/// A network may go on after the average, as MobileNetV3 does.
#[test]
fn the_last_maps_may_have_one_pixel() {
    let pool = WeightPool::new();
    let layers = vec![
        LayerSpec::Conv(pool.conv(0, [37, 3], 3)),
        LayerSpec::GlobalAverage(ValueIndex(1)),
        LayerSpec::Conv(ConvSpec {
            activation: Activation::HardSwish,
            ..pool.conv(2, [21, 37], 1)
        }),
    ];
    let channels = 3;
    check(&NetworkSpec { channels, layers }, (7, 9));
}

/// Values that are scaled and concatenated share memory; those that are used in two ways do not.
#[test]
fn a_value_may_be_scaled_where_it_is_concatenated() {
    let pool = WeightPool::new();
    let scale = |input, by| LayerSpec::Scale {
        input: ValueIndex(input),
        by: ValueIndex(by),
    };
    let layers = vec![
        LayerSpec::Conv(pool.conv(0, [17, 3], 3)),
        LayerSpec::GlobalAverage(ValueIndex(1)),
        // In place, and in the memory of the concatenation.
        scale(1, 2),
        LayerSpec::Conv(pool.conv(3, [4, 17], 3)),
        LayerSpec::Cat(ValueIndex(3), ValueIndex(4)),
        LayerSpec::GlobalAverage(ValueIndex(5)),
        // Its input is a concatenation.
        scale(5, 6),
        // Its input is read again.
        LayerSpec::Conv(pool.conv(7, [3, 21], 1)),
        LayerSpec::GlobalAverage(ValueIndex(8)),
        scale(8, 9),
        LayerSpec::Cat(ValueIndex(10), ValueIndex(8)),
    ];
    let channels = 3;
    check(&NetworkSpec { channels, layers }, (6, 5));
}

#[test]
fn zeros_on_one_side_are_where_they_are_asked_for() {
    let pool = WeightPool::new();
    for (before, after) in [(0, 0), (1, 0), (0, 1), (2, 1)] {
        let padding = Padding::Fixed(before, after);
        let wide = ConvSpec {
            padding,
            ..pool.conv(0, [20, 18], 3)
        };
        let depthwise = ConvSpec {
            padding,
            stride: 2,
            ..pool.depthwise(1, 20, 3)
        };
        // Large enough for the way with fewer multiplications, which these sides rule out.
        check(&network(18, vec![wide, depthwise]), (17, 18));
    }
}
