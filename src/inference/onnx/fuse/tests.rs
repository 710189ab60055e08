//! Small nets of layers, and what is left of them when all that can be is merged.

use std::rc::Rc;

use super::fuse;
use crate::inference::network::imported::StoredActivation;
use crate::inference::network::layers::PoolingShape;
use crate::inference::onnx::draft::{ChannelNorm, DraftConv, DraftLayer, DraftPlace, Drafts};
use crate::inference::onnx::view::MapShape;

const SHAPE: MapShape = [2, 4, 4];

/// Layers over maps of two channels.
struct Net(Drafts);

impl Net {
    fn new() -> Self {
        Net(Drafts::new(SHAPE, 10_000))
    }

    fn push(&mut self, layer: DraftLayer) -> DraftPlace {
        self.0.push(layer, SHAPE, "n".to_owned()).unwrap()
    }

    fn conv(&mut self, input: DraftPlace, kernel: usize) -> DraftPlace {
        let count = 4 * kernel * kernel;
        self.push(DraftLayer::Conv(DraftConv {
            input,
            before: None,
            weight: Rc::new((0..count).map(|i| i as f32).collect()),
            bias: vec![1.0, 2.0],
            output: 2,
            kernel,
            stride: 1,
            zeros: [kernel / 2; 4],
            is_depthwise: false,
            residual: None,
            activation: StoredActivation::None,
        }))
    }

    fn norm(&mut self, input: DraftPlace, scale: f32, shift: f32) -> DraftPlace {
        self.push(DraftLayer::Norm {
            input,
            norm: norm(scale, shift),
        })
    }

    fn activation(&mut self, input: DraftPlace, activation: StoredActivation) -> DraftPlace {
        self.push(DraftLayer::Activation { input, activation })
    }

    fn relu(&mut self, input: DraftPlace) -> DraftPlace {
        self.activation(input, StoredActivation::Relu)
    }

    fn add(&mut self, first: DraftPlace, second: DraftPlace) -> DraftPlace {
        self.push(DraftLayer::Add {
            first,
            second,
            activation: StoredActivation::None,
        })
    }

    /// Merges, and returns the places that are left.
    fn fused(&mut self, last: DraftPlace) -> Vec<DraftPlace> {
        self.0.drop_unused(last);
        fuse(&mut self.0);
        let places = 1..self.0.len();
        places.filter(|place| self.0.is_used(*place)).collect()
    }
}

fn norm(scale: f32, shift: f32) -> ChannelNorm {
    ChannelNorm {
        scale: vec![scale, scale + 1.0],
        shift: vec![shift, shift],
    }
}

fn same(scale: f32, shift: f32) -> ChannelNorm {
    ChannelNorm {
        scale: vec![scale; 2],
        shift: vec![shift; 2],
    }
}

#[test]
fn a_normalisation_and_an_activation_become_part_of_the_convolution() {
    let mut net = Net::new();
    let conv = net.conv(0, 1);
    let norm = net.norm(conv, 2.0, 0.5);
    let last = net.relu(norm);
    assert_eq!(net.fused(last), [last]);
    let conv = net.0.conv(last).unwrap();
    assert_eq!(*conv.weight, [0.0, 2.0, 6.0, 9.0]);
    assert_eq!(conv.bias, [2.5, 6.5]);
    assert_eq!(conv.activation, StoredActivation::Relu);
}

#[test]
fn a_layer_that_others_read_too_is_left_alone() {
    let mut net = Net::new();
    let conv = net.conv(0, 1);
    let norm = net.norm(conv, 2.0, 0.5);
    let last = net.push(DraftLayer::Cat {
        parts: vec![conv, norm],
    });
    assert_eq!(net.fused(last), [conv, norm, last]);
    assert_eq!(*net.0.conv(conv).unwrap().weight, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn a_sum_is_the_residual_of_the_later_convolution() {
    // A residual block with a convolution beside it: relu(conv(relu(conv(x))) + conv(x))
    let mut net = Net::new();
    let first = net.conv(0, 3);
    let relu = net.relu(first);
    let second = net.conv(relu, 3);
    let beside = net.conv(0, 1);
    let sum = net.add(second, beside);
    let last = net.relu(sum);
    assert_eq!(net.fused(last), [relu, second, last]);
    let conv = net.0.conv(last).unwrap();
    assert_eq!((conv.input, conv.residual), (0, Some(second)));
    assert_eq!(conv.activation, StoredActivation::Relu);
    // Without a convolution, it stays a sum.
    let mut net = Net::new();
    let relu = net.relu(0);
    let sum = net.add(relu, 0);
    let last = net.relu(sum);
    assert_eq!(net.fused(last), [relu, last]);
    let sum = DraftLayer::Add {
        first: relu,
        second: 0,
        activation: StoredActivation::Relu,
    };
    assert_eq!(net.0.layer(last), &sum);
}

#[test]
fn products_with_their_own_gate_are_activations() {
    for (gate, expected) in [
        (StoredActivation::Sigmoid, StoredActivation::Silu),
        (StoredActivation::HardSigmoid, StoredActivation::HardSwish),
    ] {
        let mut net = Net::new();
        let conv = net.conv(0, 1);
        let gate = net.activation(conv, gate);
        let last = net.push(DraftLayer::Multiply {
            first: gate,
            second: conv,
        });
        assert_eq!(net.fused(last), [last]);
        assert_eq!(net.0.conv(last).unwrap().activation, expected);
    }
    // Keras: x * (relu6(x + 3) / 6)
    let mut net = Net::new();
    let conv = net.conv(0, 1);
    let three = DraftLayer::Norm {
        input: conv,
        norm: same(1.0, 3.0),
    };
    let three = net.push(three);
    let relu = net.activation(three, StoredActivation::Relu6);
    let sixth = DraftLayer::Norm {
        input: relu,
        norm: same(1.0 / 6.0, 0.0),
    };
    let sixth = net.push(sixth);
    let last = net.push(DraftLayer::Multiply {
        first: conv,
        second: sixth,
    });
    assert_eq!(net.fused(last), [last]);
    assert_eq!(
        net.0.conv(last).unwrap().activation,
        StoredActivation::HardSwish
    );
}

#[test]
fn a_gate_of_another_map_stays_a_product() {
    let mut net = Net::new();
    let conv = net.conv(0, 1);
    let gate = net.activation(0, StoredActivation::Sigmoid);
    let last = net.push(DraftLayer::Multiply {
        first: conv,
        second: gate,
    });
    assert_eq!(net.fused(last), [conv, gate, last]);
}

#[test]
fn a_dense_layer_and_a_transition_are_as_the_own_densenet_has_them() {
    let mut net = Net::new();
    let normed = net.norm(0, 2.0, 0.5);
    let relu = net.relu(normed);
    let conv = net.conv(relu, 1);
    let last = net.relu(conv);
    assert_eq!(net.fused(last), [last]);
    let conv = net.0.conv(last).unwrap();
    assert_eq!((conv.input, &conv.before), (0, &Some(norm(2.0, 0.5))));

    let mut net = Net::new();
    let normed = net.norm(0, 2.0, 0.5);
    let relu = net.relu(normed);
    let conv = net.conv(relu, 1);
    let average = DraftLayer::Average {
        input: conv,
        size: 2,
    };
    let average = net.0.push(average, [2, 2, 2], "n".to_owned()).unwrap();
    assert_eq!(net.fused(average), [conv, average]);
    let averaged = DraftLayer::NormRelu {
        input: 0,
        norm: norm(2.0, 0.5),
        average: 2,
    };
    assert_eq!(net.0.layer(conv), &averaged);
    assert_eq!(net.0.shape(conv), [2, 2, 2]);
    let moved = net.0.conv(average).unwrap();
    assert_eq!((moved.input, &moved.before), (conv, &None));
    assert_eq!(*moved.weight, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn zeros_become_padding_where_they_are_the_same() {
    let mut net = Net::new();
    let pad = |input: DraftPlace| DraftLayer::Pad {
        input,
        zeros: [0, 0, 1, 1],
    };
    let padded = net.push(pad(0));
    let conv = net.conv(padded, 3);
    assert_eq!(net.fused(conv), [conv]);
    assert_eq!(net.0.conv(conv).unwrap().zeros, [1, 1, 2, 2]);

    let window = PoolingShape {
        kernel: 3,
        stride: 2,
        padding: 0,
    };
    for has_relu in [true, false] {
        let mut net = Net::new();
        let mut input = net.conv(0, 1);
        if has_relu {
            input = net.relu(input);
        }
        let pad = DraftLayer::Pad {
            input,
            zeros: [1; 4],
        };
        let pad = net.push(pad);
        let pool = net.push(DraftLayer::MaxPool { input: pad, window });
        let left = net.fused(pool);
        if has_relu {
            assert_eq!(left, [input, pool]);
            let window = PoolingShape {
                padding: 1,
                ..window
            };
            assert_eq!(net.0.layer(pool), &DraftLayer::MaxPool { input, window });
        } else {
            assert_eq!(left, [input, pad, pool]);
        }
    }
}

#[test]
fn normalisations_one_after_the_other_are_one() {
    let mut net = Net::new();
    let relu = net.relu(0);
    let first = net.norm(relu, 2.0, 0.5);
    let last = net.norm(first, 3.0, 1.0);
    assert_eq!(net.fused(last), [relu, last]);
    let merged = ChannelNorm {
        scale: vec![6.0, 12.0],
        shift: vec![2.5, 3.0],
    };
    let expected = DraftLayer::Norm {
        input: relu,
        norm: merged,
    };
    assert_eq!(net.0.layer(last), &expected);
}
