//! Networks computed by plain loops, and what the tests of plans compare with them.

use super::passes::{every, numbers, with_pool};
use crate::Kernels;
use crate::network::{
    Activation, ConvSpec, LayerSpec, NetworkSpec, NormReluSpec, Padding, ValueIndex,
};
use crate::plan::{NetworkPlan, WantedMap};
use crate::products::Products;
use crate::threads::Workers;

/// Largest difference, over the largest value.
const TOLERANCE: f32 = 2e-5;

/// A value as `[C, H, W]`, row by row.
pub struct Planes {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Planes {
    pub fn new(
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
    pub fn get(&self, channel: usize, y: isize, x: isize) -> Option<f32> {
        let inside =
            (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x);
        inside.then(|| self.values[(channel * self.height + y as usize) * self.width + x as usize])
    }

    pub fn normalised(&self, norm: &NormReluSpec) -> Planes {
        self.mapped(|c, _, _, value| (norm.scale[c] * value + norm.shift[c]).max(0.0))
    }

    /// A function of each number, and of its channel, row and column.
    pub fn mapped(&self, value: impl Fn(usize, usize, usize, f32) -> f32) -> Planes {
        Planes::new([self.channels, self.height, self.width], |c, y, x| {
            value(c, y, x, self.get(c, y as isize, x as isize).unwrap())
        })
    }

    /// The average of rectangles side by side.
    pub fn averaged(&self, rows: usize, columns: usize) -> Planes {
        let size = [self.channels, self.height / rows, self.width / columns];
        Planes::new(size, |c, y, x| {
            let under = every(rows, columns, 1).map(|(row, column, _)| {
                let (y, x) = (y * rows + row, x * columns + column);
                f64::from(self.get(c, y as isize, x as isize).unwrap())
            });
            (under.sum::<f64>() / (rows * columns) as f64) as f32
        })
    }

    /// The numbers under a window whose first pixel is given, as far as they exist.
    pub fn window(
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
pub fn reference(network: &NetworkSpec, image: Planes) -> Planes {
    let mut values = vec![image];
    for layer in &network.layers {
        let get = |value: &ValueIndex| &values[value.0];
        let made = match layer {
            LayerSpec::Conv(conv) => {
                convolved(conv, get(&conv.input), conv.residual.as_ref().map(get))
            }
            LayerSpec::MaxPool(input, window) => {
                let (input, stride) = (get(input), window.stride);
                let least = window.kernel - 2 * window.padding;
                let along = |size: usize| (size - least) / stride + 1;
                let first = |at: usize| (at * stride) as isize - window.padding as isize;
                let size = [input.channels, along(input.height), along(input.width)];
                Planes::new(size, |c, y, x| {
                    let under = input.window(c, (first(y), first(x)), window.kernel);
                    under.fold(f32::NEG_INFINITY, f32::max)
                })
            }
            LayerSpec::NormReluAverage { input, norm, size } => {
                get(input).normalised(norm).averaged(*size, *size)
            }
            LayerSpec::Average { input, size } => get(input).averaged(*size, *size),
            LayerSpec::GlobalAverage(input) => {
                let input = get(input);
                input.averaged(input.height, input.width)
            }
            LayerSpec::Scale { input, by } => {
                let by = get(by);
                get(input).mapped(|c, _, _, value| value * by.get(c, 0, 0).unwrap())
            }
            LayerSpec::Add {
                first,
                second,
                activation,
            } => {
                let second = get(second);
                get(first).mapped(|c, y, x, value| {
                    let other = second.get(c, y as isize, x as isize).unwrap();
                    activated(*activation, value + other)
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
        activated(conv.activation, sum)
    })
}

fn activated(activation: Activation, x: f32) -> f32 {
    let sigmoid = || (1.0 / (1.0 + (-f64::from(x)).exp())) as f32;
    let hard_sigmoid = || (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Silu => x * sigmoid(),
        Activation::HardSwish => x * hard_sigmoid(),
        Activation::Sigmoid => sigmoid(),
        Activation::HardSigmoid => hard_sigmoid(),
    }
}

/// Compares a plan with the reference in every way of running it.
pub fn check(network: &NetworkSpec, (height, width): (usize, usize)) {
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
    let [_, split] = Products::by_model();
    let ways = Kernels::all().map(|kernels| (kernels, Products::F32));
    // Split numbers are good enough for the same tolerance. Miri needs minutes for the model of tiles.
    let split = (!cfg!(miri)).then_some((Kernels::best(), split));
    for (kernels, products) in ways.chain(split) {
        let plan = NetworkPlan::compile(network, (height, width), kernels, products).unwrap();
        let last = &expected[0];
        assert_eq!(plan.output(), [last.channels, last.height, last.width]);
        let what = &format!("{}, {}", kernels.name(), products.name());
        let compare = |count: usize, workers: Workers| {
            let images = &images[..count * length];
            let maps = plan.images(images, WantedMap::Maps, workers);
            let averages = plan.images(images, WantedMap::Averages, workers);
            let area = last.height * last.width;
            assert_eq!(maps.len(), count * last.values.len());
            assert_eq!(averages.len(), count * last.channels);
            for (found, expected) in maps.chunks_exact(last.values.len()).zip(&expected) {
                assert_close(found, &expected.values, what);
            }
            let planes = maps.chunks_exact(area);
            let sums: Vec<f32> = planes
                .map(|plane| plane.iter().sum::<f32>() / area as f32)
                .collect();
            assert_close(&averages, &sums, what);
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

pub fn assert_close(found: &[f32], expected: &[f32], what: &str) {
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
pub struct Sizes(pub u32);

impl Sizes {
    /// From `first` to `last`.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        first + (self.0 >> 8) as usize % (last - first + 1)
    }

    pub fn coin(&mut self) -> bool {
        self.between(0, 1) == 1
    }

    pub fn padding(&mut self) -> Padding {
        [Padding::Same, Padding::Half][self.between(0, 1)]
    }

    pub fn activation(&mut self) -> Activation {
        [
            Activation::None,
            Activation::Relu,
            Activation::Relu6,
            Activation::Silu,
            Activation::HardSwish,
            Activation::Sigmoid,
            Activation::HardSigmoid,
        ][self.between(0, 6)]
    }

    /// Miri gets the smaller of both.
    pub fn up_to(&mut self, first: usize, small: usize, large: usize) -> usize {
        self.between(first, if cfg!(miri) { small } else { large })
    }
}

/// Numbers that all weights are taken from: small enough that values stay near 1.
pub struct WeightPool(pub Vec<f32>);

impl WeightPool {
    pub fn new() -> Self {
        let count = if cfg!(miri) { 20_000 } else { 150_000 };
        let numbers = numbers(count, 5).into_iter();
        WeightPool(numbers.map(|number| 0.1 * number).collect())
    }

    pub fn norm(&self, channels: usize) -> NormReluSpec<'_> {
        NormReluSpec {
            scale: &self.0[11..][..channels],
            shift: &self.0[211..][..channels],
        }
    }

    /// A convolution without anything around it.
    pub fn conv(
        &self,
        input: usize,
        [output, channels]: [usize; 2],
        kernel: usize,
    ) -> ConvSpec<'_> {
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

    pub fn depthwise(&self, input: usize, channels: usize, kernel: usize) -> ConvSpec<'_> {
        ConvSpec {
            is_depthwise: true,
            ..self.conv(input, [channels, 1], kernel)
        }
    }
}

pub fn network(channels: usize, convolutions: Vec<ConvSpec<'_>>) -> NetworkSpec<'_> {
    let layers = convolutions.into_iter().map(LayerSpec::Conv).collect();
    NetworkSpec { channels, layers }
}
