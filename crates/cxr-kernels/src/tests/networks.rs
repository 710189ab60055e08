//! Plans of small networks against plain loops: with every instruction set of this processor, by one thread and
//! by three, for one image and for several. cxr compares whole networks with candle.

use super::passes::{every, numbers, with_pool};
use crate::network::{
    Activation, ConvSpec, LayerSpec, NetworkSpec, NormReluSpec, Padding, ValueIndex,
};
use crate::plan::{KernelPrecision, NetworkPlan, WantedMap};
use crate::threads::Workers;
use crate::{Kernels, PlanError};

/// Largest difference, over the largest value.
const TOLERANCE: f32 = 2e-5;

/// Networks of each kind. Miri needs seconds for each.
const CASES: u32 = if cfg!(miri) { 1 } else { 40 };

/// A value as `[C, H, W]`, row by row.
struct Planes {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Planes {
    fn new(
        [channels, height, width]: [usize; 3],
        value: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let positions =
            (0..channels).flat_map(|c| every(height, width, 1).map(move |(y, x, _)| (c, y, x)));
        Planes {
            channels,
            height,
            width,
            values: positions.map(|(c, y, x)| value(c, y, x)).collect(),
        }
    }

    /// `None` outside the map.
    fn get(&self, channel: usize, y: isize, x: isize) -> Option<f32> {
        let inside =
            (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x);
        inside.then(|| self.values[(channel * self.height + y as usize) * self.width + x as usize])
    }

    fn normalised(&self, norm: &NormReluSpec) -> Planes {
        Planes::new([self.channels, self.height, self.width], |c, y, x| {
            let value = self.get(c, y as isize, x as isize).unwrap();
            (norm.scale[c] * value + norm.shift[c]).max(0.0)
        })
    }

    /// The numbers under a window whose first pixel is given, as far as they exist.
    fn window(
        &self,
        channel: usize,
        (top, left): (isize, isize),
        size: usize,
    ) -> impl Iterator<Item = f32> {
        every(size, size, 1).filter_map(move |(row, column, _)| {
            self.get(channel, top + row as isize, left + column as isize)
        })
    }
}

/// The last value of a network, by definition.
fn reference(network: &NetworkSpec, image: Planes) -> Planes {
    let mut values = vec![image];
    for layer in &network.layers {
        let get = |value: &ValueIndex| &values[value.0];
        let made = match layer {
            LayerSpec::Conv(conv) => {
                convolved(conv, get(&conv.input), conv.residual.as_ref().map(get))
            }
            LayerSpec::MaxPool(input) => {
                let input = get(input);
                let half = |size: usize| (size - 1) / 2 + 1;
                let size = [input.channels, half(input.height), half(input.width)];
                Planes::new(size, |c, y, x| {
                    let first = (2 * y as isize - 1, 2 * x as isize - 1);
                    input.window(c, first, 3).fold(f32::NEG_INFINITY, f32::max)
                })
            }
            LayerSpec::NormReluAverage { input, norm, size } => {
                let input = get(input).normalised(norm);
                let output = [input.channels, input.height / size, input.width / size];
                Planes::new(output, |c, y, x| {
                    let first = ((y * size) as isize, (x * size) as isize);
                    input.window(c, first, *size).sum::<f32>() / (size * size) as f32
                })
            }
            LayerSpec::Cat(first, second) => {
                let (first, second) = (get(first), get(second));
                Planes {
                    channels: first.channels + second.channels,
                    values: [&first.values[..], &second.values].concat(),
                    ..*first
                }
            }
        };
        values.push(made);
    }
    values.pop().unwrap()
}

fn convolved(conv: &ConvSpec, input: &Planes, residual: Option<&Planes>) -> Planes {
    let normalised = conv.before.as_ref().map(|norm| input.normalised(norm));
    let input = normalised.as_ref().unwrap_or(input);
    let (kernel, stride) = (conv.kernel, conv.stride);
    let around = |size| conv.padding.around(size, kernel, stride);
    let ((top, bottom), (left, right)) = (around(input.height), around(input.width));
    let along =
        |size: usize, before: usize, after: usize| (before + size + after - kernel) / stride + 1;
    let (height, width) = (
        along(input.height, top, bottom),
        along(input.width, left, right),
    );
    Planes::new([conv.output, height, width], |c, y, x| {
        let inputs = if conv.is_depthwise {
            c..c + 1
        } else {
            0..input.channels
        };
        let mut sum = f64::from(conv.bias[c]);
        for (n, from) in inputs.clone().enumerate() {
            for (row, column, _) in every(kernel, kernel, 1) {
                let at = ((c * inputs.len() + n) * kernel + row) * kernel + column;
                let y = (y * stride + row) as isize - top as isize;
                let x = (x * stride + column) as isize - left as isize;
                let value = input.get(from, y, x).unwrap_or(0.0);
                sum += f64::from(conv.weight[at]) * f64::from(value);
            }
        }
        let added = residual.map_or(0.0, |map| map.get(c, y as isize, x as isize).unwrap());
        let sum = sum as f32 + added;
        match conv.activation {
            Activation::None => sum,
            Activation::Relu => sum.max(0.0),
            Activation::Relu6 => sum.clamp(0.0, 6.0),
        }
    })
}

/// Compares a plan with the reference in every way of running it.
fn check(network: &NetworkSpec, (height, width): (usize, usize)) {
    const IMAGES: usize = 4;
    let length = network.channels * height * width;
    let images = numbers(IMAGES * length, 77);
    let expected: Vec<Planes> = images
        .chunks_exact(length)
        .map(|image| {
            let at = |c: usize, y: usize, x: usize| image[(c * height + y) * width + x];
            reference(network, Planes::new([network.channels, height, width], at))
        })
        .collect();
    for kernels in Kernels::all() {
        let precision = KernelPrecision::F32;
        let plan = NetworkPlan::compile(network, (height, width), kernels, precision).unwrap();
        let last = &expected[0];
        assert_eq!(plan.output(), [last.channels, last.height, last.width]);
        let compare = |count: usize, workers: Workers| {
            let images = &images[..count * length];
            let maps = plan.images(images, WantedMap::Maps, workers);
            let averages = plan.images(images, WantedMap::Averages, workers);
            let area = last.height * last.width;
            assert_eq!(maps.len(), count * last.values.len());
            assert_eq!(averages.len(), count * last.channels);
            for (found, expected) in maps.chunks_exact(last.values.len()).zip(&expected) {
                assert_close(found, &expected.values, kernels.name());
            }
            let planes = maps.chunks_exact(area);
            let sums: Vec<f32> = planes
                .map(|plane| plane.iter().sum::<f32>() / area as f32)
                .collect();
            assert_close(&averages, &sums, kernels.name());
        };
        compare(2, Workers::Caller);
        // The first images leave their numbers in memory, which must not show in later ones.
        compare(1, Workers::Caller);
        with_pool(2, |workers| {
            compare(1, workers);
            compare(IMAGES, workers);
        });
    }
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected
        .iter()
        .fold(1.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        assert!(
            difference <= TOLERANCE * largest,
            "{what}: {found}, not {expected} (the largest is {largest})"
        );
    }
}

/// Sizes that look random.
struct Sizes(u32);

impl Sizes {
    /// From `first` to `last`.
    fn between(&mut self, first: usize, last: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        first + (self.0 >> 8) as usize % (last - first + 1)
    }

    fn coin(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    fn padding(&mut self) -> Padding {
        if self.coin() {
            Padding::Same
        } else {
            Padding::Half
        }
    }

    fn activation(&mut self) -> Activation {
        [Activation::None, Activation::Relu, Activation::Relu6][self.between(0, 2)]
    }

    /// Miri gets the smaller of both.
    fn up_to(&mut self, first: usize, small: usize, large: usize) -> usize {
        self.between(first, if cfg!(miri) { small } else { large })
    }
}

/// Numbers that all weights are taken from: small enough that values stay near 1.
struct WeightPool(Vec<f32>);

impl WeightPool {
    fn new() -> Self {
        let count = if cfg!(miri) { 20_000 } else { 150_000 };
        let numbers = numbers(count, 5).into_iter();
        WeightPool(numbers.map(|number| 0.1 * number).collect())
    }

    fn norm(&self, channels: usize) -> NormReluSpec<'_> {
        NormReluSpec {
            scale: &self.0[11..][..channels],
            shift: &self.0[211..][..channels],
        }
    }

    /// A convolution without anything around it.
    fn conv(&self, input: usize, [output, channels]: [usize; 2], kernel: usize) -> ConvSpec<'_> {
        ConvSpec {
            input: ValueIndex(input),
            before: None,
            weight: &self.0[input * 37..][..output * channels * kernel * kernel],
            bias: &self.0[401..][..output],
            output,
            kernel,
            is_depthwise: false,
            stride: 1,
            padding: Padding::Half,
            residual: None,
            activation: Activation::None,
        }
    }

    fn depthwise(&self, input: usize, channels: usize, kernel: usize) -> ConvSpec<'_> {
        ConvSpec {
            is_depthwise: true,
            ..self.conv(input, [channels, 1], kernel)
        }
    }
}

fn network(channels: usize, convolutions: Vec<ConvSpec<'_>>) -> NetworkSpec<'_> {
    let layers = convolutions.into_iter().map(LayerSpec::Conv).collect();
    NetworkSpec { channels, layers }
}

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
        let size = (sizes.up_to(1, 7, 23), sizes.up_to(1, 7, 23));
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
            LayerSpec::MaxPool(ValueIndex(1)),
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
        let plan = NetworkPlan::compile(&network, (6, 5), kernels, KernelPrecision::F32);
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
    let halved = LayerSpec::MaxPool(ValueIndex::INPUT);
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
    let plan = NetworkPlan::compile(&network, (6, 5), kernels, KernelPrecision::F32).unwrap();
    plan.maps(&[0.0; 100]);
}

/// A factor is rounded by 2⁻⁹ of itself at most, which is little of the largest sum.
const TOLERANCE_BF16: f32 = 0.02;

#[test]
fn bf16_is_close_and_exists_only_with_its_instruction() {
    let pool = WeightPool::new();
    for (kernel, channels) in [(1, 16), (1, 33), (3, 40), (5, 17)] {
        let conv = ConvSpec {
            stride: 2,
            ..pool.conv(0, [21, channels], kernel)
        };
        let network = network(channels, vec![conv]);
        let images = numbers(2 * channels * 13 * 18, 9);
        for kernels in Kernels::all() {
            let plan = |precision| NetworkPlan::compile(&network, (13, 18), kernels, precision);
            if !kernels.has_bf16() {
                assert_eq!(plan(KernelPrecision::Bf16).err(), Some(PlanError::NoBf16));
                continue;
            }
            let exact = plan(KernelPrecision::F32).unwrap().maps(&images);
            let near = plan(KernelPrecision::Bf16).unwrap().maps(&images);
            let largest = exact
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            let differences = exact.iter().zip(&near).map(|(a, b)| (a - b).abs());
            let change = differences.fold(0.0, f32::max) / largest;
            assert!(
                change > 0.0 && change < TOLERANCE_BF16,
                "{kernel} × {kernel}: {change}"
            );
        }
    }
}
