//! The kernels against candle's own operations: layers of random shapes, and whole networks.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use cxr_kernels::{Kernels, Products, alone};
use proptest::prelude::*;

use super::cnn::Cnn;
use super::layers::{
    Activation, Builder, Conv, GateShape, Layer, Layers, NormRelu, Padding, PoolingShape,
    ValueIndex, WeightSource,
};
use super::planned::PlannedLayers;
use super::{lung_fields, pool};
use crate::domain::NetworkSettings;
use crate::inference::InferenceError;

/// Largest difference of a layer, over the largest value.
const OF_A_LAYER: f32 = 1e-5;
/// The same for a whole network of fifty to a hundred and twenty layers. It is 9e-5 for MobileNet, whose maps become
/// small, and at most 7e-6 for networks without depthwise convolutions.
const OF_A_NETWORK: f32 = 3e-4;

fn random(shape: &[usize], deviation: f32) -> Tensor {
    Tensor::randn(0_f32, deviation, shape, &Device::Cpu).unwrap()
}

/// Largest difference between the two engines, over the largest value, with every instruction set.
fn worst(layers: &Layers, input: &Tensor) -> Result<f32> {
    // Shares are then unequal on every machine, unless another test has set the number.
    cxr_kernels::set_threads(3);
    let (_, _, height, width) = input.dims4()?;
    let expected = layers.forward(input)?;
    let largest = |tensor: Tensor| tensor.abs()?.max_all()?.to_scalar::<f32>();
    let scale = largest(expected.clone())?.max(f32::MIN_POSITIVE);
    let mut worst = 0_f32;
    for kernels in Kernels::all() {
        let size = (height, width);
        let plan = PlannedLayers::compile(layers, size, kernels, Products::F32).unwrap();
        // One thread computes some passes in another way than several threads. And the numbers that the first
        // image leaves in memory must not show.
        let mut compare = |found: Tensor| {
            let expected = match found.rank() {
                4 => expected.clone(),
                _ => pool(&expected)?,
            };
            let expected = expected.narrow(0, 0, found.dim(0)?)?;
            assert_eq!(found.dims(), expected.dims());
            worst = worst.max(largest((found - expected)?)? / scale);
            Ok::<_, candle_core::Error>(())
        };
        compare(alone(|| plan.maps(input))?)?;
        let first = input.narrow(0, 0, 1)?.contiguous()?;
        compare(plan.maps(&first)?)?;
        compare(plan.averages(&first)?)?;
        compare(plan.averages(input)?)?;
    }
    Ok(worst)
}

/// A convolution with random weights, and nothing around it.
fn conv(
    input: ValueIndex,
    weight: &[usize],
    is_depthwise: bool,
    stride: usize,
    padding: Padding,
) -> Conv {
    let fan_in: usize = weight[1..].iter().product();
    Conv {
        input,
        before: None,
        weight: random(weight, (fan_in as f32).sqrt().recip()),
        bias: random(&weight[..1], 1.0),
        is_depthwise,
        stride,
        padding,
        residual: None,
        activation: Activation::None,
    }
}

fn padding(same: bool) -> Padding {
    if same { Padding::Same } else { Padding::Half }
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::None,
    Activation::Relu,
    Activation::Relu6,
    Activation::Silu,
    Activation::HardSwish,
    Activation::Sigmoid,
    Activation::HardSigmoid,
];

fn activation(which: usize) -> Activation {
    ACTIVATIONS[which]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_convolution_is_candles(
        n in 1_usize..4, input in 1_usize..40, output in 1_usize..70, half in 0_usize..4,
        stride in 1_usize..4, height in 1_usize..24, width in 1_usize..24, same in any::<bool>(),
        which in 0_usize..7,
    ) {
        let kernel = 2 * half + 1;
        let weight = [output, input, kernel, kernel];
        let layer = Conv {
            activation: activation(which),
            ..conv(ValueIndex::INPUT, &weight, false, stride, padding(same))
        };
        let layers = Layers { channels: input, layers: vec![Layer::Conv(layer)] };
        let worst = worst(&layers, &random(&[n, input, height, width], 1.0)).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }

    #[test]
    fn a_residual_block_is_candles(
        channels in 16_usize..50, middle in 16_usize..40, height in 1_usize..30,
        width in 1_usize..30, which in 0_usize..7,
    ) {
        let first = Conv {
            before: Some(NormRelu { scale: random(&[channels], 1.0), shift: random(&[channels], 1.0) }),
            activation: Activation::Relu,
            ..conv(ValueIndex::INPUT, &[middle, channels, 1, 1], false, 1, Padding::Half)
        };
        let second = conv(ValueIndex(1), &[middle, middle, 3, 3], false, 1, Padding::Half);
        let third = Conv {
            residual: Some(ValueIndex::INPUT),
            activation: activation(which),
            ..conv(ValueIndex(2), &[channels, middle, 1, 1], false, 1, Padding::Half)
        };
        let layers = [first, second, third].into_iter().map(Layer::Conv).collect();
        let layers = Layers { channels, layers };
        let worst = worst(&layers, &random(&[1, channels, height, width], 1.0)).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }

    #[test]
    fn a_depthwise_bottleneck_is_candles(
        input in 1_usize..20, expansion in 1_usize..5, output in 1_usize..20, wide in any::<bool>(),
        stride in 1_usize..3, height in 1_usize..24, width in 1_usize..24, same in any::<bool>(),
        expands in any::<bool>(), adds in any::<bool>(),
    ) {
        let kernel = if wide { 5 } else { 3 };
        let (stride, output) = if adds { (1, input) } else { (stride, output) };
        let middle = if expands { input * expansion } else { input };
        let mut layers = Vec::new();
        if expands {
            layers.push(Conv {
                activation: Activation::Relu6,
                ..conv(ValueIndex::INPUT, &[middle, input, 1, 1], false, 1, padding(same))
            });
        }
        let weight = [middle, 1, kernel, kernel];
        layers.push(Conv {
            activation: Activation::Relu6,
            ..conv(ValueIndex(layers.len()), &weight, true, stride, padding(same))
        });
        layers.push(Conv {
            residual: adds.then_some(ValueIndex::INPUT),
            ..conv(ValueIndex(layers.len()), &[output, middle, 1, 1], false, 1, padding(same))
        });
        let layers = layers.into_iter().map(Layer::Conv).collect();
        let layers = Layers { channels: input, layers };
        let worst = worst(&layers, &random(&[2, input, height, width], 1.0)).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }

    #[test]
    fn pooling_and_concatenation_are_candles(
        channels in 1_usize..40, more in 1_usize..40, height in 2_usize..24, width in 2_usize..24,
        size in 1_usize..3,
    ) {
        let relu = Conv {
            activation: Activation::Relu,
            ..conv(ValueIndex::INPUT, &[channels, 3, 1, 1], false, 1, Padding::Half)
        };
        let norm = NormRelu {
            scale: random(&[channels + more], 1.0),
            shift: random(&[channels + more], 1.0),
        };
        let layers = vec![
            Layer::Conv(relu),
            Layer::MaxPool(ValueIndex(1), super::layers::builder::MAX_POOL),
            Layer::Conv(conv(ValueIndex(2), &[more, channels, 3, 3], false, 1, Padding::Half)),
            Layer::Cat(ValueIndex(2), ValueIndex(3)),
            Layer::NormReluAverage(ValueIndex(4), norm, size),
        ];
        // Two pixels of each side are left for the average.
        let input = random(&[1, 3, height + 2, width + 2], 1.0);
        let worst = worst(&Layers { channels: 3, layers }, &input).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn squeeze_and_excitation_is_candles(
        channels in 1_usize..90, squeezed in 1_usize..20, height in 1_usize..24, width in 1_usize..24,
        inner in 0_usize..7, gate in 0_usize..7,
    ) {
        let source = Random::new();
        let mut net = Builder::new(&source, channels);
        let gate = GateShape {
            squeezed,
            activation: activation(inner),
            scale_activation: activation(gate),
        };
        let scaled = net.squeeze_excite("se", &gate, ValueIndex::INPUT).unwrap();
        let sum = net.add(scaled, ValueIndex::INPUT, Activation::Silu);
        prop_assert_eq!(net.channels(sum), channels);
        let input = random(&[2, channels, height, width], 1.0);
        let worst = worst(&net.build(), &input).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }

    /// Values below 0, and averages of them: the border must be neither.
    #[test]
    fn pooling_of_any_values_is_candles(
        channels in 1_usize..90, height in 9_usize..24, width in 9_usize..24, kernel in 2_usize..5,
        stride in 1_usize..4, size in 1_usize..4,
    ) {
        let window = PoolingShape { kernel, stride, padding: kernel / 2 };
        let source = Random::new();
        let mut net = Builder::new(&source, channels);
        let pooled = net.max_pool_of(window, ValueIndex::INPUT);
        let averages = net.average(size, pooled);
        net.global_average(averages);
        let input = (random(&[2, channels, height, width], 1.0) - 5.0).unwrap();
        let worst = worst(&net.build(), &input).unwrap();
        prop_assert!(worst < OF_A_LAYER, "{worst}");
    }
}

/// Weights of the right order of magnitude, made when they are asked for. They look random and are the same each time,
/// so that the largest difference of a whole network is, too.
struct Random {
    made: RefCell<HashMap<String, Tensor>>,
    /// Of Knuth's MMIX generator.
    state: Cell<u64>,
}

impl Random {
    fn new() -> Self {
        Random {
            made: RefCell::default(),
            state: Cell::new(1),
        }
    }

    /// From 0 to 1.
    fn uniform(&self) -> f32 {
        let state = self.state.get().wrapping_mul(6_364_136_223_846_793_005);
        self.state
            .set(state.wrapping_add(1_442_695_040_888_963_407));
        (self.state.get() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Nearly normal: a sum of twelve numbers from 0 to 1 has variance 1.
    fn normal(&self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    fn tensor(&self, shape: &[usize], number: impl Fn(&Self) -> f32) -> Result<Tensor> {
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|_| number(self)).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu)
    }
}

impl WeightSource for Random {
    fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, InferenceError> {
        let make = || match name.rsplit('.').next() {
            Some("running_var") => self.tensor(shape, |r| 0.5 + r.uniform()),
            Some("weight") if shape.len() > 1 => {
                let fan_in: usize = shape[1..].iter().product();
                let deviation = (2.0 / fan_in as f32).sqrt();
                self.tensor(shape, move |r| deviation * r.normal())
            }
            Some("weight") => self.tensor(shape, |r| 0.7 + 0.6 * r.uniform()),
            _ => self.tensor(shape, |r| 0.3 * r.normal()),
        };
        if let Some(made) = self.made.borrow().get(name) {
            return Ok(made.clone());
        }
        let tensor = make()?;
        self.made
            .borrow_mut()
            .insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }
}

fn whole_network(layers: &Layers, source: &Random, sizes: &[[usize; 2]]) {
    for [height, width] in sizes {
        let shape = [2, layers.channels, *height, *width];
        let input = source.tensor(&shape, Random::normal).unwrap();
        let worst = worst(layers, &input).unwrap();
        assert!(worst < OF_A_NETWORK, "{height} × {width}: {worst}");
    }
}

fn cnn(name: &str, settings: &NetworkSettings) -> Cnn {
    Cnn::of(name, settings).unwrap().unwrap()
}

fn whole_cnn(name: &str, channels: usize, sizes: &[[usize; 2]]) {
    let source = Random::new();
    let cnn = cnn(name, &NetworkSettings::default());
    let layers = cnn.layers(&source, channels).unwrap();
    whole_network(&layers, &source, sizes);
}

#[test]
fn densenet_is_candles_at_any_size() {
    whole_cnn("densenet121", 1, &[[64, 64], [97, 51]]);
}

#[test]
fn resnet_is_candles_at_any_size() {
    whole_cnn("resnet50", 1, &[[64, 64], [75, 33]]);
    whole_cnn("resnet18", 3, &[[64, 64], [75, 33]]);
}

#[test]
fn efficientnet_lite_is_candles_at_any_size() {
    // The expanded maps of the largest do not fit into the near caches.
    whole_cnn("efficientnet-lite0", 1, &[[64, 64], [75, 33], [160, 130]]);
}

#[test]
fn efficientnet_is_candles_at_any_size() {
    whole_cnn("efficientnet_b0", 3, &[[64, 64], [75, 33], [160, 130]]);
}

#[test]
fn efficientnet_with_other_padding_is_candles_at_any_size() {
    let same = NetworkSettings::default().with("pad_type", "same");
    let transformers = NetworkSettings::default().with("depthwise_padding", vec![5]);
    for settings in [same, transformers] {
        let source = Random::new();
        let layers = cnn("efficientnet_b0", &settings).layers(&source, 3);
        whole_network(&layers.unwrap(), &source, &[[64, 64], [75, 33]]);
    }
}

#[test]
fn mobilenet_is_candles_at_any_size() {
    whole_cnn("mobilenet-v2", 3, &[[64, 64], [75, 33], [160, 130]]);
}

#[test]
fn mobilenet_v3_is_candles_at_any_size() {
    for name in ["mobilenet_v3_small", "mobilenet_v3_large"] {
        whole_cnn(name, 3, &[[64, 64], [75, 33], [160, 130]]);
    }
}

#[test]
fn the_lungs_network_is_candles_at_any_size() {
    let source = Random::new();
    let layers = lung_fields::layers(&source, 1).unwrap();
    whole_network(&layers, &source, &[[128, 128], [64, 64], [75, 33]]);
}

#[test]
fn an_image_of_another_size_is_an_error_that_says_both() {
    let densenet = cnn("densenet121", &NetworkSettings::default());
    let layers = densenet.layers(&Random::new(), 1).unwrap();
    let kernels = Kernels::best();
    let plan = PlannedLayers::compile(&layers, (64, 64), kernels, Products::F32).unwrap();
    let image = Tensor::zeros((1, 1, 64, 65), DType::F32, &Device::Cpu).unwrap();
    let error = plan.maps(&image).unwrap_err().to_string();
    assert!(
        error.contains("1 × 64 × 65") && error.contains("1 × 64 × 64"),
        "{error}"
    );
    assert!(PlannedLayers::compile(&layers, (3, 3), kernels, Products::F32).is_err());
}
