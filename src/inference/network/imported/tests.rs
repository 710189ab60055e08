//! Networks of layers, written and read.

use candle_core::{DType, Device};

use super::*;

struct Ones;

impl WeightSource for Ones {
    fn get(&self, _: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        Ok(Tensor::ones(shape, DType::F32, &Device::Cpu)?)
    }
}

/// A 3 × 3 convolution with zeros after it only.
fn conv(input: usize, output: usize) -> StoredLayer {
    StoredLayer::Conv {
        input,
        output,
        kernel: 3,
        stride: 2,
        padding: [0, 1],
        depthwise: false,
        before: false,
        residual: None,
        activation: StoredActivation::HardSwish,
    }
}

fn network() -> StoredNetwork {
    StoredNetwork {
        channels: 3,
        features: 6,
        ends_in_averages: true,
        layers: vec![
            conv(0, 4),
            StoredLayer::GlobalAverage { input: 1 },
            StoredLayer::Scale { input: 1, by: 2 },
            StoredLayer::Add {
                first: 1,
                second: 3,
                activation: StoredActivation::Relu,
            },
            conv(4, 6),
            StoredLayer::NormRelu {
                input: 5,
                average: 2,
            },
        ],
    }
}

#[test]
fn a_network_is_read_as_it_was_written() {
    let text = network().text().unwrap();
    assert!(text.contains("\"activation\":\"hard-swish\""), "{text}");
    let read: StoredNetwork = serde_json::from_str(&text).unwrap();
    assert_eq!(read, network());
    let other = text.replace("global-average", "run-this");
    assert!(serde_json::from_str::<StoredNetwork>(&other).is_err());
}

#[test]
fn the_layers_make_what_they_say() {
    let layers = network().layers(&Ones, 3, 16).unwrap();
    let image = Tensor::ones((2, 3, 16, 16), DType::F32, &Device::Cpu).unwrap();
    let maps = layers.forward(&image).unwrap();
    assert_eq!(maps.dims(), [2, 6, 2, 2]);
    assert!(network().layers(&Ones, 1, 16).is_err(), "another image");
}

#[test]
fn layers_that_do_not_fit_are_refused_by_their_place() {
    let with = |change: fn(&mut StoredNetwork)| {
        let mut network = network();
        change(&mut network);
        network.check(16).unwrap_err().to_string()
    };
    type Change = fn(&mut StoredNetwork);
    let cases: [(Change, &str); 13] = [
        (|n| n.layers.clear(), "0 layers"),
        (|n| n.features = 5, "makes 6 maps, and 5 are named"),
        (|n| n.ends_in_averages = false, "says that it does not"),
        (|n| n.layers[0] = conv(1, 4), "layer 0: it reads value 1"),
        (|n| n.layers[0] = conv(0, 0), "layer 0: a map of [0, 8, 8]"),
        (|n| n.layers[0] = conv(0, usize::MAX), "layer 0: a map of"),
        (
            |n| n.layers[2] = StoredLayer::Scale { input: 1, by: 1 },
            "layer 2: [4, 8, 8] times",
        ),
        (
            |n| {
                n.layers[3] = StoredLayer::Cat {
                    first: 1,
                    second: 2,
                }
            },
            "layer 3: [4, 1, 1] beside",
        ),
        (
            |n| {
                n.layers[3] = StoredLayer::Add {
                    first: 1,
                    second: 0,
                    activation: StoredActivation::None,
                };
            },
            "layer 3: [3, 16, 16] is added",
        ),
        (
            |n| {
                n.layers[5] = StoredLayer::Average { input: 5, size: 0 };
            },
            "layer 5: a window of 0",
        ),
        (
            |n| {
                n.layers[5] = StoredLayer::Average { input: 5, size: 9 };
            },
            "layer 5: a window of 9 pixels on 4",
        ),
        (
            |n| {
                n.layers[5] = StoredLayer::MaxPool {
                    input: 5,
                    kernel: 3,
                    stride: 1,
                    padding: 2,
                };
            },
            "layer 5: a padding of 2",
        ),
        (
            |n| {
                // Each doubles the channels: 2^60 of them.
                n.layers = (0..60)
                    .map(|value| StoredLayer::Cat {
                        first: value,
                        second: value,
                    })
                    .collect();
            },
            "empty or too large",
        ),
    ];
    for (change, words) in cases {
        let fault = with(change);
        assert!(fault.contains(words), "{fault}");
    }
    let mut depthwise = network();
    if let StoredLayer::Conv { depthwise, .. } = &mut depthwise.layers[0] {
        *depthwise = true;
    }
    assert!(depthwise.check(16).is_err());
}
