//! Plans of small networks against plain loops: with every instruction set of this processor, by one thread and
//! by three, for one image and for several. cxr compares whole networks with candle.

use super::passes::numbers;
use super::reference::{Sizes, WeightPool, check, network};
use crate::network::{Activation, ConvSpec, LayerSpec, NetworkSpec, ValueIndex};
use crate::plan::NetworkPlan;
use crate::products::{KernelPrecision, Products};
use crate::{Kernels, Padding, PlanError, PoolingShape};

const MAX_POOL: PoolingShape = PoolingShape {
    kernel: 3,
    stride: 2,
    padding: 1,
};

/// Networks of each kind. Miri needs seconds for each.
pub const CASES: u32 = if cfg!(miri) { 1 } else { 40 };

#[test]
fn a_convolution_of_any_size_is_its_sum() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(seed);
        let (input, output) = (sizes.up_to(1, 4, 40), sizes.up_to(1, 4, 70));
        let kernel = 2 * sizes.up_to(0, 1, 3) + 1;
        let conv = ConvSpec {
            stride: sizes.between(1, 3),
            padding: sizes.padding(),
            activation: sizes.activation(),
            ..pool.conv(0, [output, input], kernel)
        };
        let size = (sizes.up_to(1, 5, 23), sizes.up_to(1, 5, 23));
        check(&network(input, vec![conv]), size);
    }
}

#[test]
fn a_residual_block_of_any_size_is_its_sum() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(1_000 + seed);
        let (channels, middle) = (sizes.up_to(16, 17, 49), sizes.up_to(16, 17, 39));
        let first = ConvSpec {
            before: Some(pool.norm(channels)),
            activation: Activation::Relu,
            ..pool.conv(0, [middle, channels], 1)
        };
        let second = pool.conv(1, [middle, middle], 3);
        let third = ConvSpec {
            residual: Some(ValueIndex::INPUT),
            activation: sizes.activation(),
            ..pool.conv(2, [channels, middle], 1)
        };
        let size = (sizes.up_to(1, 3, 29), sizes.up_to(1, 3, 29));
        check(&network(channels, vec![first, second, third]), size);
    }
}

#[test]
fn a_bottleneck_of_any_size_is_its_sum() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(2_000 + seed);
        let input = sizes.up_to(1, 5, 19);
        let (expands, adds) = (sizes.coin(), sizes.coin());
        let middle = if expands {
            input * sizes.up_to(1, 2, 4)
        } else {
            input
        };
        let output = if adds { input } else { sizes.up_to(1, 5, 19) };
        let mut layers = Vec::new();
        if expands {
            layers.push(ConvSpec {
                activation: Activation::Relu6,
                ..pool.conv(0, [middle, input], 1)
            });
        }
        layers.push(ConvSpec {
            activation: Activation::Relu6,
            stride: if adds { 1 } else { sizes.between(1, 2) },
            padding: sizes.padding(),
            ..pool.depthwise(layers.len(), middle, if sizes.coin() { 5 } else { 3 })
        });
        layers.push(ConvSpec {
            residual: adds.then_some(ValueIndex::INPUT),
            ..pool.conv(layers.len(), [output, middle], 1)
        });
        // Large enough that some expanded maps do not get memory of their own.
        let size = (sizes.up_to(1, 4, 23), sizes.up_to(1, 4, 23));
        check(&network(input, layers), size);
    }
}

#[test]
fn pooling_and_concatenation_of_any_size_are_their_definition() {
    let pool = WeightPool::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(3_000 + seed);
        let (channels, more) = (sizes.up_to(1, 3, 39), sizes.up_to(1, 3, 39));
        let layers = vec![
            LayerSpec::Conv(pool.conv(0, [channels, 3], 1)),
            LayerSpec::MaxPool(ValueIndex(1), MAX_POOL),
            LayerSpec::Conv(pool.conv(2, [more, channels], 3)),
            LayerSpec::Cat(ValueIndex(2), ValueIndex(3)),
            LayerSpec::NormReluAverage {
                input: ValueIndex(4),
                norm: pool.norm(channels + more),
                size: sizes.between(1, 2),
            },
        ];
        // At least two pixels of each side are left for the average.
        let size = (sizes.up_to(4, 6, 25), sizes.up_to(4, 6, 25));
        let channels = 3;
        check(&NetworkSpec { channels, layers }, size);
    }
}

#[test]
fn a_description_that_contradicts_itself_is_an_error() {
    let pool = WeightPool::new();
    let good = || pool.conv(0, [4, 3], 3);
    let depthwise = || pool.depthwise(0, 3, 3);
    let error = |layers: Vec<LayerSpec>| {
        let network = NetworkSpec {
            channels: 3,
            layers,
        };
        let kernels = Kernels::best();
        let plan = NetworkPlan::compile(&network, (6, 5), kernels, Products::F32);
        plan.err().expect("an error")
    };
    let of = |conv: ConvSpec| error(vec![LayerSpec::Conv(conv)]);
    let short = &pool.0[..3];
    assert_eq!(error(vec![]), PlanError::NoLayers);
    assert_eq!(
        of(ConvSpec {
            weight: short,
            ..good()
        }),
        PlanError::Length {
            layer: 0,
            found: 3,
            expected: 108
        }
    );
    assert_eq!(
        of(ConvSpec {
            bias: short,
            ..good()
        }),
        PlanError::Length {
            layer: 0,
            found: 3,
            expected: 4
        }
    );
    assert_eq!(
        of(ConvSpec {
            stride: 0,
            ..good()
        }),
        PlanError::Zero { layer: 0 }
    );
    assert_eq!(
        of(ConvSpec {
            input: ValueIndex(1),
            ..good()
        }),
        PlanError::ReadsAhead { layer: 0, value: 1 }
    );
    let residual = Some(ValueIndex::INPUT);
    assert_eq!(
        of(ConvSpec { residual, ..good() }),
        PlanError::Mismatch { layer: 0 }
    );
    assert_eq!(
        of(ConvSpec {
            residual,
            ..depthwise()
        }),
        PlanError::DepthwiseResidual { layer: 0 }
    );
    let before = Some(pool.norm(3));
    assert_eq!(
        of(ConvSpec { before, ..good() }),
        PlanError::Before { layer: 0 }
    );
    assert_eq!(
        of(ConvSpec {
            before,
            ..depthwise()
        }),
        PlanError::Before { layer: 0 }
    );
    assert_eq!(
        of(pool.depthwise(0, 3, 9)),
        PlanError::WideKernel {
            layer: 0,
            kernel: 9
        }
    );
    let large = |size| LayerSpec::NormReluAverage {
        input: ValueIndex::INPUT,
        norm: pool.norm(3),
        size,
    };
    assert_eq!(error(vec![large(0)]), PlanError::Zero { layer: 0 });
    assert_eq!(
        error(vec![large(6)]),
        PlanError::TooSmall {
            layer: 0,
            height: 6,
            width: 5,
            window: 6
        }
    );
    let padded = |before, after| ConvSpec {
        padding: Padding::Fixed(before, after),
        ..good()
    };
    assert_eq!(of(padded(3, 0)), PlanError::Padding { layer: 0 });
    assert_eq!(of(padded(0, usize::MAX)), PlanError::Padding { layer: 0 });
    let window = |kernel, stride, padding| {
        let shape = PoolingShape {
            kernel,
            stride,
            padding,
        };
        error(vec![LayerSpec::MaxPool(ValueIndex::INPUT, shape)])
    };
    assert_eq!(window(3, 0, 1), PlanError::Zero { layer: 0 });
    assert_eq!(window(0, 1, 0), PlanError::Zero { layer: 0 });
    assert_eq!(window(3, 1, 2), PlanError::Padding { layer: 0 });
    let huge = usize::MAX / 2;
    assert!(matches!(
        window(huge, 1, huge / 2),
        PlanError::TooSmall { layer: 0, .. }
    ));
    let by_itself = LayerSpec::Scale {
        input: ValueIndex::INPUT,
        by: ValueIndex::INPUT,
    };
    assert_eq!(error(vec![by_itself]), PlanError::Mismatch { layer: 0 });
    let average = LayerSpec::GlobalAverage(ValueIndex::INPUT);
    let added = LayerSpec::Add {
        first: ValueIndex::INPUT,
        second: ValueIndex(1),
        activation: Activation::None,
    };
    assert_eq!(
        error(vec![average, added]),
        PlanError::Mismatch { layer: 1 }
    );
    let halved = LayerSpec::MaxPool(ValueIndex::INPUT, MAX_POOL);
    let cat = LayerSpec::Cat(ValueIndex::INPUT, ValueIndex(1));
    assert_eq!(
        error(vec![halved, cat.clone()]),
        PlanError::Mismatch { layer: 1 }
    );
    assert_eq!(
        error(vec![LayerSpec::Conv(good()), cat]),
        PlanError::PartOfTwo { value: 0 }
    );
}

#[test]
#[should_panic(expected = "not a whole number of images")]
fn a_part_of_an_image_is_a_panic() {
    let pool = WeightPool::new();
    let network = network(3, vec![pool.conv(0, [4, 3], 3)]);
    let kernels = Kernels::best();
    let plan = NetworkPlan::compile(&network, (6, 5), kernels, Products::F32).unwrap();
    plan.maps(&[0.0; 100]);
}

/// A factor is rounded by 2⁻⁹ of itself at most, which is little of the largest sum.
const TOLERANCE_BF16: f32 = 0.02;

#[test]
fn bf16_is_close() {
    let pool = WeightPool::new();
    let cases = if cfg!(miri) { 1 } else { 4 };
    for (kernel, channels) in [(1, 16), (1, 33), (3, 40), (5, 17)].into_iter().take(cases) {
        let conv = ConvSpec {
            stride: 2,
            ..pool.conv(0, [21, channels], kernel)
        };
        let network = network(channels, vec![conv]);
        let images = numbers(2 * channels * 13 * 18, 9);
        for kernels in Kernels::all() {
            let plan = |products| NetworkPlan::compile(&network, (13, 18), kernels, products);
            let exact = plan(Products::F32).unwrap().maps(&images);
            let largest = exact
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            for products in ways_of_bf16(kernels) {
                let near = plan(products).unwrap().maps(&images);
                let differences = exact.iter().zip(&near).map(|(a, b)| (a - b).abs());
                let change = differences.fold(0.0, f32::max) / largest;
                assert!(
                    change > 0.0 && change < TOLERANCE_BF16,
                    "{kernel} × {kernel}, {}: {change}",
                    products.name()
                );
            }
        }
    }
}

/// Those of this processor, and the portable model of tiles.
pub fn ways_of_bf16(kernels: &'static Kernels) -> impl Iterator<Item = Products> {
    let [model, _] = Products::by_model();
    let here = Products::ways(KernelPrecision::Bf16, kernels);
    here.into_iter().chain([model])
}
