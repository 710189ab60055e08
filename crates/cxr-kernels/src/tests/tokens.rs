//! Plans of small networks of tokens against plain loops: with every instruction set of this processor, by one thread
//! and by three, for one image and for several. cxr compares whole networks with candle and with transformers.

use super::networks::ways_of_bf16;
use super::passes::{numbers, with_pool};
use super::reference::{Sizes, assert_close};
use super::token_reference::{Expected, answer};
use crate::products::Products;
use crate::threads::Workers;
use crate::tokens::{
    AttentionSpec, LayerNormSpec, LinearSpec, MergeSpec, MlpSpec, PatchSpec, ReadoutKind,
    ReadoutSpec, ResponseSpec, TokenActivation, TokenConvSpec, TokenPlan, TokenPlanner,
    TokenStepSpec, WindowSpec,
};
use crate::{Kernels, PlanError};

/// Networks of each kind. Miri needs seconds for each.
const CASES: u32 = if cfg!(miri) { 1 } else { 24 };

const ACTIVATIONS: [TokenActivation; 6] = [
    TokenActivation::Gelu,
    TokenActivation::GeluTanh,
    TokenActivation::QuickGelu,
    TokenActivation::Silu,
    TokenActivation::Relu,
    TokenActivation::SwiGlu,
];

/// Numbers that all weights are taken from.
struct TokenWeights {
    /// Near 0.
    small: Vec<f32>,
    /// Near 1.
    near_one: Vec<f32>,
}

impl TokenWeights {
    fn new() -> Self {
        let count = if cfg!(miri) { 40_000 } else { 200_000 };
        let small = numbers(count, 5).into_iter().map(|v| 0.3 * v).collect();
        let near_one = numbers(4_000, 6).into_iter().map(|v| 1.0 + 0.4 * v);
        TokenWeights {
            small,
            near_one: near_one.collect(),
        }
    }

    fn linear(&self, seed: usize, [output, input]: [usize; 2]) -> LinearSpec<'_> {
        LinearSpec {
            weight: &self.small[37 * seed..][..output * input],
            bias: &self.small[401 + seed..][..output],
            input,
            output,
        }
    }

    /// Its ε is large, so that tokens whose numbers are nearly the same differ little from plain loops.
    fn norm(&self, seed: usize, channels: usize) -> LayerNormSpec<'_> {
        LayerNormSpec {
            weight: &self.near_one[11 * seed..][..channels],
            bias: &self.small[211 + seed..][..channels],
            epsilon: 1e-3,
        }
    }

    fn attention(&self, seed: usize, channels: usize, heads: usize) -> AttentionSpec<'_> {
        AttentionSpec {
            norm: self.norm(seed, channels),
            qkv: self.linear(seed + 1, [3 * channels, channels]),
            heads,
            windows: None,
            output: self.linear(seed + 2, [channels, channels]),
        }
    }

    fn mlp(
        &self,
        seed: usize,
        channels: usize,
        inside: usize,
        activation: TokenActivation,
    ) -> MlpSpec<'_> {
        let halves = if activation == TokenActivation::SwiGlu {
            2
        } else {
            1
        };
        MlpSpec {
            depthwise: None,
            norm: self.norm(seed, channels),
            up: self.linear(seed + 1, [halves * inside, channels]),
            activation,
            response: None,
            down: self.linear(seed + 2, [channels, inside]),
        }
    }

    fn patches(&self, [channels, output]: [usize; 2], side: usize) -> PatchSpec<'_> {
        PatchSpec {
            side,
            pads: false,
            linear: self.linear(1, [output, channels * side * side]),
            positions: &[],
            prefix: &[],
            norm: None,
        }
    }
}

fn plan(
    size: [usize; 3],
    steps: &[TokenStepSpec],
    readout: &ReadoutSpec,
    kernels: &'static Kernels,
    products: Products,
) -> Result<TokenPlan, PlanError> {
    let mut planner = TokenPlanner::new(size, kernels, products)?;
    for step in steps {
        planner.push(step)?;
    }
    planner.finish(readout)
}

/// Compares a network with plain loops.
fn check(size: [usize; 3], steps: &[TokenStepSpec], readout: &ReadoutSpec) {
    const IMAGES: usize = 3;
    let length: usize = size.iter().product();
    let images = numbers(IMAGES * length, 77);
    let expected: Vec<Expected> = images
        .chunks_exact(length)
        .map(|image| answer(image, size, steps, readout))
        .collect();
    let [_, split] = Products::by_model();
    let ways = Kernels::all().map(|kernels| (kernels, Products::F32));
    let split = (!cfg!(miri)).then_some((Kernels::best(), split));
    for (kernels, products) in ways.chain(split) {
        let plan = plan(size, steps, readout, kernels, products).unwrap();
        let what = &format!("{}, {}", kernels.name(), products.name());
        let compare = |count: usize, workers: Workers| {
            let found = plan.answers_by(&images[..count * length], true, workers);
            let read = found.read.chunks_exact(plan.length());
            assert_eq!(read.len(), count);
            for (found, expected) in read.zip(&expected) {
                assert_eq!(found.len(), expected.read.len());
                assert_close(found, &expected.read, what);
            }
            let [down, across] = plan.cells();
            let attention = found.attention.chunks_exact(down * across);
            let has_attention = !readout.kind.is_maps();
            assert_eq!(attention.len(), if has_attention { count } else { 0 });
            for (found, expected) in attention.zip(&expected) {
                assert_close(found, &expected.attention, kernels.name());
            }
        };
        compare(2, Workers::Caller);
        // The first images leave their numbers in memory, which must not show in later ones.
        compare(1, Workers::Caller);
        with_pool(2, |workers| {
            compare(1, workers);
            compare(IMAGES, workers);
        });
        let unasked = plan.answers(&images[..length], false);
        assert!(unasked.attention.is_empty());
    }
}

#[test]
fn a_vision_transformer_of_any_size_is_its_formulas() {
    let weights = TokenWeights::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(4_000 + seed);
        let (heads, of_head) = (sizes.up_to(1, 2, 4), sizes.up_to(1, 5, 20));
        let channels = heads * of_head;
        let side = sizes.between(1, 4);
        // Some pixels are left over.
        let size = [
            sizes.between(1, 3),
            side * sizes.up_to(1, 3, 7) + sizes.between(0, side - 1),
            side * sizes.up_to(1, 3, 7) + sizes.between(0, side - 1),
        ];
        let cells = (size[1] / side) * (size[2] / side);
        let prefix = sizes.between(1, 3);
        let patches = PatchSpec {
            positions: if sizes.coin() {
                &weights.small[5..][..cells * channels]
            } else {
                &[]
            },
            prefix: &weights.small[9..][..prefix * channels],
            ..weights.patches([size[0], channels], side)
        };
        let mut steps = vec![TokenStepSpec::Patches(patches)];
        for layer in 0..2 {
            let mut attention = weights.attention(10 * layer + 3, channels, heads);
            if sizes.coin() {
                attention.qkv.bias = &[];
            }
            let inside = sizes.up_to(1, 9, 70);
            let activation = ACTIVATIONS[sizes.between(0, ACTIVATIONS.len() - 1)];
            steps.push(TokenStepSpec::Attention(attention));
            let mlp = weights.mlp(10 * layer + 7, channels, inside, activation);
            steps.push(TokenStepSpec::Mlp(mlp));
        }
        let kinds = [ReadoutKind::ClassToken, ReadoutKind::ClassAndMean];
        let readout = ReadoutSpec {
            norm: weights.norm(2, channels),
            kind: kinds[sizes.between(0, 1)],
        };
        check(size, &steps, &readout);
    }
}

#[test]
fn windows_of_any_size_are_those_of_the_original() {
    let weights = TokenWeights::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(5_000 + seed);
        let (heads, of_head) = (sizes.up_to(1, 2, 3), sizes.up_to(1, 3, 12));
        let channels = heads * of_head;
        let window = sizes.up_to(1, 2, 5);
        let size = [2, sizes.up_to(3, 5, 17), sizes.up_to(3, 5, 17)];
        let patches = PatchSpec {
            pads: true,
            norm: Some(weights.norm(1, channels)),
            ..weights.patches([2, channels], 2)
        };
        let bias = &weights.small[13..][..2 * heads * window.pow(4)];
        let windows = |shift: usize, heads: usize| WindowSpec {
            side: window,
            shift,
            bias: &bias[..heads * window.pow(4)],
        };
        let with = |seed: usize, channels: usize, heads: usize, shift: usize| {
            TokenStepSpec::Attention(AttentionSpec {
                windows: Some(windows(shift, heads)),
                ..weights.attention(seed, channels, heads)
            })
        };
        let merge = MergeSpec {
            before: None,
            after: Some(weights.norm(4, 4 * channels)),
            linear: LinearSpec {
                bias: &[],
                ..weights.linear(5, [2 * channels, 4 * channels])
            },
            pads: true,
        };
        let gelu = TokenActivation::Gelu;
        let steps = [
            TokenStepSpec::Patches(patches),
            with(6, channels, heads, 0),
            TokenStepSpec::Mlp(weights.mlp(9, channels, 2 * channels, gelu)),
            with(12, channels, heads, window / 2),
            TokenStepSpec::Merge(merge),
            with(15, 2 * channels, 2 * heads, window / 2),
        ];
        let readout = ReadoutSpec {
            norm: weights.norm(2, 2 * channels),
            kind: ReadoutKind::Maps,
        };
        check(size, &steps, &readout);
    }
}

#[test]
fn a_network_of_convolutions_of_any_size_is_its_formulas() {
    let weights = TokenWeights::new();
    for seed in 0..CASES {
        let mut sizes = Sizes(6_000 + seed);
        let (channels, more) = (sizes.up_to(1, 5, 40), sizes.up_to(1, 5, 30));
        let side = sizes.between(1, 2);
        let size = [
            3,
            side * sizes.up_to(2, 4, 19),
            side * sizes.up_to(2, 4, 19),
        ];
        let patches = PatchSpec {
            norm: Some(weights.norm(1, channels)),
            ..weights.patches([3, channels], side)
        };
        let block = |seed: usize, channels: usize, kernel: usize, has_response: bool| {
            let inside = 2 * channels + 1;
            TokenStepSpec::Mlp(MlpSpec {
                depthwise: Some(TokenConvSpec {
                    weight: &weights.small[17 * seed..][..channels * kernel * kernel],
                    bias: &weights.small[seed..][..channels],
                    kernel,
                }),
                response: has_response.then(|| ResponseSpec {
                    weight: &weights.near_one[seed..][..inside],
                    bias: &weights.small[19 * seed..][..inside],
                }),
                ..weights.mlp(seed, channels, inside, TokenActivation::Gelu)
            })
        };
        let merge = MergeSpec {
            before: Some(weights.norm(4, channels)),
            after: None,
            linear: weights.linear(5, [more, 4 * channels]),
            pads: false,
        };
        let steps = [
            TokenStepSpec::Patches(patches),
            block(6, channels, 7, sizes.coin()),
            block(9, channels, 7, sizes.coin()),
            TokenStepSpec::Merge(merge),
            block(12, more, 2 * sizes.between(0, 3) + 1, sizes.coin()),
        ];
        let readout = ReadoutSpec {
            norm: weights.norm(2, more),
            kind: ReadoutKind::NormalisedAverage,
        };
        check(size, &steps, &readout);
    }
}

/// Keys, values and queries fill several tiles, and the last ones in part.
#[test]
fn heads_of_several_tiles_are_their_formulas() {
    let (channels, heads) = if cfg!(miri) { (16, 1) } else { (48, 2) };
    let size = if cfg!(miri) { [1, 4, 6] } else { [1, 14, 18] };
    let weights = TokenWeights::new();
    let patches = PatchSpec {
        prefix: &weights.small[9..][..2 * channels],
        ..weights.patches([1, channels], 2)
    };
    let steps = [
        TokenStepSpec::Patches(patches),
        TokenStepSpec::Attention(weights.attention(3, channels, heads)),
    ];
    let readout = ReadoutSpec {
        norm: weights.norm(2, channels),
        kind: ReadoutKind::ClassAndMean,
    };
    check(size, &steps, &readout);
}

#[test]
fn the_average_of_its_maps_is_the_normalised_average() {
    let weights = TokenWeights::new();
    let patches = weights.patches([1, 9], 2);
    let norm = weights.norm(2, 9);
    let kind = ReadoutKind::NormalisedAverage;
    let steps = [TokenStepSpec::Patches(patches)];
    let readout = ReadoutSpec { norm, kind };
    let plan = |readout: &ReadoutSpec| {
        let precision = Products::F32;
        plan([1, 6, 4], &steps, readout, Kernels::best(), precision).unwrap()
    };
    let image = numbers(24, 3);
    let maps = plan(&readout).answers(&image, false).read;
    let averages: Vec<f32> = maps
        .chunks(6)
        .map(|plane| plane.iter().sum::<f32>() / 6.0)
        .collect();

    let normalised = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / 9.0;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
        let deviation = (squares / 9.0 + norm.epsilon).sqrt();
        let normal = |(at, value): (usize, &f32)| {
            (value - mean) / deviation * norm.weight[at] + norm.bias[at]
        };
        values.iter().enumerate().map(normal).collect::<Vec<f32>>()
    };
    let token = |cell: usize| -> Vec<f32> {
        let (y, x) = (cell / 2 * 2, cell % 2 * 2);
        let square = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)];
        let square = square.map(|(y, x)| image[y * 4 + x]);
        let output = |row: usize| {
            let weight = &patches.linear.weight[row * 4..][..4];
            let products = weight.iter().zip(square).map(|(w, v)| w * v);
            products.sum::<f32>() + patches.linear.bias[row]
        };
        (0..9).map(output).collect()
    };
    let tokens: Vec<Vec<f32>> = (0..6).map(token).collect();
    let mean = |channel: usize| tokens.iter().map(|token| token[channel]).sum::<f32>() / 6.0;
    let means: Vec<f32> = (0..9).map(mean).collect();
    assert_close(&averages, &normalised(&means), "averages");
}

#[test]
fn bf16_is_close() {
    let weights = TokenWeights::new();
    let patches = PatchSpec {
        prefix: &weights.small[9..][..32],
        ..weights.patches([3, 32], 4)
    };
    let steps = [
        TokenStepSpec::Patches(patches),
        TokenStepSpec::Attention(weights.attention(3, 32, 2)),
        TokenStepSpec::Mlp(weights.mlp(7, 32, 64, TokenActivation::Gelu)),
    ];
    let readout = ReadoutSpec {
        norm: weights.norm(2, 32),
        kind: ReadoutKind::ClassToken,
    };
    let images = numbers(2 * 3 * 12 * 12, 9);
    for kernels in Kernels::all() {
        let plan = |products| plan([3, 12, 12], &steps, &readout, kernels, products);
        let exact = plan(Products::F32).unwrap().answers(&images, false);
        for products in ways_of_bf16(kernels) {
            let near = plan(products).unwrap().answers(&images, false);
            let differences = exact.read.iter().zip(&near.read);
            let change = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(
                change > 0.0 && change < 0.1,
                "{}: {change}",
                products.name()
            );
        }
    }
}

#[test]
fn a_description_that_contradicts_itself_is_an_error() {
    let weights = TokenWeights::new();
    let readout = ReadoutSpec {
        norm: weights.norm(2, 6),
        kind: ReadoutKind::Maps,
    };
    let patches = || weights.patches([1, 6], 2);
    let error_of = |steps: &[TokenStepSpec], readout: &ReadoutSpec| {
        let made = plan([1, 6, 4], steps, readout, Kernels::best(), Products::F32);
        made.err().expect("an error")
    };
    let after =
        |step: TokenStepSpec| error_of(&[TokenStepSpec::Patches(patches()), step], &readout);
    let first = |patches: PatchSpec| error_of(&[TokenStepSpec::Patches(patches)], &readout);
    let attention = || weights.attention(3, 6, 2);
    let mlp = || weights.mlp(3, 6, 12, TokenActivation::Gelu);
    let length = |layer, found, expected| PlanError::Length {
        layer,
        found,
        expected,
    };

    assert_eq!(error_of(&[], &readout), PlanError::NoLayers);
    let order = |layer| PlanError::Order { layer };
    assert_eq!(error_of(&[TokenStepSpec::Mlp(mlp())], &readout), order(0));
    assert_eq!(after(TokenStepSpec::Patches(patches())), order(1));
    let class = ReadoutSpec {
        kind: ReadoutKind::ClassToken,
        ..readout
    };
    assert_eq!(
        error_of(&[TokenStepSpec::Patches(patches())], &class),
        order(1)
    );

    let side = |side| PatchSpec { side, ..patches() };
    assert_eq!(first(side(0)), PlanError::Zero { layer: 0 });
    assert_eq!(
        first(side(5)),
        PlanError::TooSmall {
            layer: 0,
            height: 6,
            width: 4,
            window: 5
        }
    );
    assert_eq!(first(side(1)), PlanError::Mismatch { layer: 0 });
    let short = &weights.small[..5];
    let prefix = PatchSpec {
        prefix: short,
        ..patches()
    };
    assert_eq!(first(prefix), length(0, 5, 0));
    let positions = PatchSpec {
        positions: short,
        ..patches()
    };
    assert_eq!(first(positions), length(0, 5, 36));

    let heads = AttentionSpec {
        heads: 4,
        ..attention()
    };
    assert_eq!(
        after(TokenStepSpec::Attention(heads)),
        PlanError::Heads { layer: 1 }
    );
    let bias = LinearSpec {
        bias: short,
        ..attention().qkv
    };
    let qkv = AttentionSpec {
        qkv: bias,
        ..attention()
    };
    assert_eq!(after(TokenStepSpec::Attention(qkv)), length(1, 5, 18));
    let windows = |side, shift| {
        TokenStepSpec::Attention(AttentionSpec {
            windows: Some(WindowSpec {
                side,
                shift,
                bias: short,
            }),
            ..attention()
        })
    };
    assert_eq!(after(windows(2, 2)), PlanError::Zero { layer: 1 });
    assert_eq!(after(windows(2, 1)), length(1, 5, 32));

    let down = MlpSpec {
        down: weights.linear(5, [6, 11]),
        ..mlp()
    };
    assert_eq!(
        after(TokenStepSpec::Mlp(down)),
        PlanError::Mismatch { layer: 1 }
    );
    let wide = MlpSpec {
        depthwise: Some(TokenConvSpec {
            weight: &weights.small[..6 * 81],
            bias: &weights.small[..6],
            kernel: 9,
        }),
        ..mlp()
    };
    let error = PlanError::WideKernel {
        layer: 1,
        kernel: 9,
    };
    assert_eq!(after(TokenStepSpec::Mlp(wide)), error);

    let with_class = PatchSpec {
        prefix: &weights.small[..6],
        ..patches()
    };
    let merge = MergeSpec {
        before: None,
        after: None,
        linear: weights.linear(5, [6, 24]),
        pads: false,
    };
    let steps = [
        TokenStepSpec::Patches(with_class),
        TokenStepSpec::Merge(merge),
    ];
    assert_eq!(error_of(&steps, &readout), PlanError::NoMap { layer: 1 });
    let norm = ReadoutSpec {
        norm: weights.norm(2, 5),
        ..readout
    };
    assert_eq!(
        error_of(&[TokenStepSpec::Patches(patches())], &norm),
        length(1, 5, 6)
    );
}

#[test]
#[should_panic(expected = "not a whole number of images")]
fn a_part_of_an_image_is_a_panic() {
    let weights = TokenWeights::new();
    let steps = [TokenStepSpec::Patches(weights.patches([1, 6], 2))];
    let readout = ReadoutSpec {
        norm: weights.norm(2, 6),
        kind: ReadoutKind::Maps,
    };
    let kernels = Kernels::best();
    let plan = plan([1, 6, 4], &steps, &readout, kernels, Products::F32).unwrap();
    plan.answers(&[0.0; 25], false);
}
