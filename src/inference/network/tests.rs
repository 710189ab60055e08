//! The kernels against candle's own operations: layers of random shapes, and whole networks.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use cxr_kernels::{KernelPrecision, Kernels, alone};
use proptest::prelude::*;

use super::layers::{Activation, Conv, Layer, Layers, NormRelu, Padding, ValueIndex, WeightSource};
use super::planned::PlannedLayers;
use super::{densenet, efficientnet_lite, lung_fields, mobilenet, pool, resnet};
use crate::inference::InferenceError;

/// Largest difference of a layer, over the largest value.
const OF_A_LAYER: f32 = 1e-5;
/// The same for a whole network of fifty to a hundred and twenty layers.
const OF_A_NETWORK: f32 = 1e-4;

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
        let plan = PlannedLayers::compile(layers, size, kernels, KernelPrecision::F32).unwrap();
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

fn activation(which: usize) -> Activation {
    [Activation::None, Activation::Relu, Activation::Relu6][which]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_convolution_is_candles(
        n in 1_usize..4, input in 1_usize..40, output in 1_usize..70, half in 0_usize..4,
        stride in 1_usize..4, height in 1_usize..24, width in 1_usize..24, same in any::<bool>(),
        which in 0_usize..3,
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
        width in 1_usize..30, which in 0_usize..3,
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
            Layer::MaxPool(ValueIndex(1)),
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

/// Random weights of the right order of magnitude, made when they are asked for.
#[derive(Default)]
struct Random(RefCell<HashMap<String, Tensor>>);

impl WeightSource for Random {
    fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, InferenceError> {
        let device = Device::Cpu;
        let make = || match name.rsplit('.').next() {
            Some("running_var") => Tensor::rand(0.5_f32, 1.5, shape, &device),
            Some("weight") if shape.len() == 4 => {
                let fan_in: usize = shape[1..].iter().product();
                Tensor::randn(0_f32, (2.0 / fan_in as f32).sqrt(), shape, &device)
            }
            Some("weight") => Tensor::rand(0.7_f32, 1.3, shape, &device),
            _ => Tensor::randn(0_f32, 0.3, shape, &device),
        };
        let mut made = self.0.borrow_mut();
        if !made.contains_key(name) {
            made.insert(name.to_owned(), make()?);
        }
        Ok(made[name].clone())
    }
}

fn whole_network(
    layers: fn(&dyn WeightSource, usize) -> std::result::Result<Layers, InferenceError>,
    channels: usize,
    sizes: &[[usize; 2]],
) {
    let layers = layers(&Random::default(), channels).unwrap();
    for [height, width] in sizes {
        let input = random(&[2, channels, *height, *width], 1.0);
        let worst = worst(&layers, &input).unwrap();
        assert!(worst < OF_A_NETWORK, "{height} × {width}: {worst}");
    }
}

#[test]
fn densenet_is_candles_at_any_size() {
    whole_network(densenet::layers, 1, &[[64, 64], [97, 51]]);
}

#[test]
fn resnet_is_candles_at_any_size() {
    whole_network(resnet::layers, 1, &[[64, 64], [75, 33]]);
}

#[test]
fn efficientnet_lite_is_candles_at_any_size() {
    // The expanded maps of the largest do not fit into the near caches.
    whole_network(
        efficientnet_lite::layers,
        1,
        &[[64, 64], [75, 33], [160, 130]],
    );
}

#[test]
fn mobilenet_is_candles_at_any_size() {
    whole_network(mobilenet::layers, 3, &[[64, 64], [75, 33], [160, 130]]);
}

#[test]
fn the_lungs_network_is_candles_at_any_size() {
    whole_network(lung_fields::layers, 1, &[[128, 128], [64, 64], [75, 33]]);
}

#[test]
fn an_image_of_another_size_is_an_error_that_says_both() {
    let layers = densenet::layers(&Random::default(), 1).unwrap();
    let kernels = Kernels::best();
    let plan = PlannedLayers::compile(&layers, (64, 64), kernels, KernelPrecision::F32).unwrap();
    let image = Tensor::zeros((1, 1, 64, 65), DType::F32, &Device::Cpu).unwrap();
    let error = plan.maps(&image).unwrap_err().to_string();
    assert!(
        error.contains("1 × 64 × 65") && error.contains("1 × 64 × 64"),
        "{error}"
    );
    assert!(PlannedLayers::compile(&layers, (3, 3), kernels, KernelPrecision::F32).is_err());
}
