//! Merges operations on maps into the layers that cxr computes: a batch normalisation, an activation and a sum into the
//! convolution before them, a sigmoid and a product into SiLU, zeros around a map into the window that reads it.
//!
//! A layer is merged into the one that reads it, and only if no other does.

use std::rc::Rc;

use super::draft::{ChannelNorm, DraftConv, DraftLayer, DraftPlace, Drafts};
use crate::inference::network::imported::StoredActivation;
use crate::inference::network::layers::PoolingShape;

/// Merges what is before the layer at a place into it, if that is of this kind. Returns whether it was.
type Rule = fn(&mut Drafts, DraftPlace) -> bool;

const RULES: [Rule; 13] = [
    zeros_into_conv,
    zeros_into_max_pool,
    norm_into_conv,
    norms_into_one,
    parts_into_hard_sigmoid,
    product_into_activation,
    activation_into_conv,
    activation_into_sum,
    relu_into_norm,
    sum_into_conv,
    average_into_norm_relu,
    average_before_conv,
    norm_relu_into_conv,
];

/// Merges all layers that can be, from the first on. Each rule takes a layer away, or brings two into their last order.
pub fn fuse(drafts: &mut Drafts) {
    for place in 0..drafts.len() {
        while drafts.is_used(place) && RULES.iter().any(|rule| rule(drafts, place)) {}
    }
}

/// A convolution that nothing else reads, and after which nothing comes.
fn open_conv(drafts: &Drafts, place: DraftPlace) -> Option<DraftConv> {
    let conv = drafts.conv(place)?;
    (drafts.is_used_once(place) && conv.is_open()).then(|| conv.clone())
}

fn zeros_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let Some(conv) = drafts.conv(place) else {
        return false;
    };
    let DraftLayer::Pad { input, zeros } = *drafts.layer(conv.input) else {
        return false;
    };
    let [a, b, c, d] = conv.zeros;
    let merged = DraftConv {
        input,
        zeros: [a + zeros[0], b + zeros[1], c + zeros[2], d + zeros[3]],
        ..conv.clone()
    };
    drafts.replace(place, DraftLayer::Conv(merged));
    true
}

/// Zeros are the same as no pixels for a maximum where no value is negative.
fn zeros_into_max_pool(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::MaxPool {
        input: padded,
        window,
    } = *drafts.layer(place)
    else {
        return false;
    };
    let DraftLayer::Pad { input, zeros } = *drafts.layer(padded) else {
        return false;
    };
    let padding = zeros[0];
    let is_even = zeros == [padding; 4] && padding <= window.kernel / 2;
    if !is_even || window.padding != 0 || !is_never_negative(drafts, input) {
        return false;
    }
    let window = PoolingShape { padding, ..window };
    drafts.replace(place, DraftLayer::MaxPool { input, window });
    true
}

fn is_never_negative(drafts: &Drafts, mut place: DraftPlace) -> bool {
    let is_positive = |activation: StoredActivation| {
        matches!(
            activation,
            StoredActivation::Relu
                | StoredActivation::Relu6
                | StoredActivation::Sigmoid
                | StoredActivation::HardSigmoid
        )
    };
    loop {
        match drafts.layer(place) {
            DraftLayer::Conv(conv) => return is_positive(conv.activation),
            DraftLayer::Activation { activation, .. } | DraftLayer::Add { activation, .. } => {
                return is_positive(*activation);
            }
            DraftLayer::NormRelu { .. } => return true,
            DraftLayer::MaxPool { input, .. }
            | DraftLayer::Average { input, .. }
            | DraftLayer::Pad { input, .. } => place = *input,
            _ => return false,
        }
    }
}

fn norm_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Norm { input, norm } = drafts.layer(place) else {
        return false;
    };
    let Some(conv) = open_conv(drafts, *input) else {
        return false;
    };
    let norm = norm.clone();
    drafts.replace(place, DraftLayer::Conv(conv));
    if let Some(conv) = drafts.conv_mut(place) {
        let of_output = (conv.weight.len() / conv.output.max(1)).max(1);
        let weight = Rc::make_mut(&mut conv.weight);
        for (row, scale) in weight.chunks_exact_mut(of_output).zip(&norm.scale) {
            row.iter_mut().for_each(|value| *value *= scale);
        }
        for ((bias, scale), shift) in conv.bias.iter_mut().zip(&norm.scale).zip(&norm.shift) {
            *bias = *bias * scale + shift;
        }
    }
    true
}

fn norms_into_one(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Norm {
        input: before,
        norm,
    } = drafts.layer(place)
    else {
        return false;
    };
    let DraftLayer::Norm { input, norm: first } = drafts.layer(*before) else {
        return false;
    };
    if !drafts.is_used_once(*before) {
        return false;
    }
    let pairs = || {
        first
            .scale
            .iter()
            .zip(&first.shift)
            .zip(&norm.scale)
            .zip(&norm.shift)
    };
    let merged = ChannelNorm {
        scale: pairs().map(|(((a, _), scale), _)| a * scale).collect(),
        shift: pairs()
            .map(|(((_, b), scale), shift)| b * scale + shift)
            .collect(),
    };
    let input = *input;
    drafts.replace(
        place,
        DraftLayer::Norm {
            input,
            norm: merged,
        },
    );
    true
}

/// `relu6(x + 3) / 6`, as Keras' graphs have it.
fn parts_into_hard_sigmoid(drafts: &mut Drafts, place: DraftPlace) -> bool {
    const SIXTH: f32 = 1.0 / 6.0;
    let is_near = |values: &[f32], wanted: f32| {
        let mut values = values.iter();
        values.all(|value| (value - wanted).abs() <= 1e-6 * wanted.abs())
    };
    let is = |norm: &ChannelNorm, scale: f32, shift: f32| {
        is_near(&norm.scale, scale) && is_near(&norm.shift, shift)
    };
    let DraftLayer::Norm {
        input: relu,
        norm: last,
    } = drafts.layer(place)
    else {
        return false;
    };
    let DraftLayer::Activation {
        input: sum,
        activation: StoredActivation::Relu6,
    } = drafts.layer(*relu)
    else {
        return false;
    };
    let DraftLayer::Norm { input, norm: first } = drafts.layer(*sum) else {
        return false;
    };
    let is_alone = drafts.is_used_once(*relu) && drafts.is_used_once(*sum);
    if !is_alone || !is(last, SIXTH, 0.0) || !is(first, 1.0, 3.0) {
        return false;
    }
    let layer = DraftLayer::Activation {
        input: *input,
        activation: StoredActivation::HardSigmoid,
    };
    drafts.replace(place, layer);
    true
}

/// `x · sigmoid(x)` and `x · hard_sigmoid(x)`.
fn product_into_activation(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Multiply { first, second } = *drafts.layer(place) else {
        return false;
    };
    let found =
        [(first, second), (second, first)]
            .into_iter()
            .find_map(|(map, gate)| match *drafts.layer(gate) {
                DraftLayer::Activation { input, activation } if input == map => match activation {
                    StoredActivation::Sigmoid => Some((map, StoredActivation::Silu)),
                    StoredActivation::HardSigmoid => Some((map, StoredActivation::HardSwish)),
                    _ => None,
                },
                _ => None,
            });
    let Some((input, activation)) = found else {
        return false;
    };
    drafts.replace(place, DraftLayer::Activation { input, activation });
    true
}

fn activation_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Activation { input, activation } = *drafts.layer(place) else {
        return false;
    };
    // A sum that is merged into it comes before the activation.
    let conv = drafts.conv(input).filter(|_| drafts.is_used_once(input));
    let conv = conv.filter(|conv| conv.activation == StoredActivation::None);
    let Some(conv) = conv.cloned() else {
        return false;
    };
    let merged = DraftConv { activation, ..conv };
    drafts.replace(place, DraftLayer::Conv(merged));
    true
}

fn activation_into_sum(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Activation { input, activation } = *drafts.layer(place) else {
        return false;
    };
    let DraftLayer::Add {
        first,
        second,
        activation: StoredActivation::None,
    } = *drafts.layer(input)
    else {
        return false;
    };
    if !drafts.is_used_once(input) {
        return false;
    }
    let layer = DraftLayer::Add {
        first,
        second,
        activation,
    };
    drafts.replace(place, layer);
    true
}

fn relu_into_norm(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Activation {
        input: before,
        activation: StoredActivation::Relu,
    } = *drafts.layer(place)
    else {
        return false;
    };
    let DraftLayer::Norm { input, norm } = drafts.layer(before) else {
        return false;
    };
    if !drafts.is_used_once(before) {
        return false;
    }
    let layer = DraftLayer::NormRelu {
        input: *input,
        norm: norm.clone(),
        average: 1,
    };
    drafts.replace(place, layer);
    true
}

/// A sum becomes the residual of the later of its two convolutions.
fn sum_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Add {
        first,
        second,
        activation,
    } = *drafts.layer(place)
    else {
        return false;
    };
    let (early, late) = (first.min(second), first.max(second));
    let found = [(late, early), (early, late)]
        .into_iter()
        .find_map(|(of, residual)| {
            let conv = open_conv(drafts, of).filter(|conv| !conv.is_depthwise)?;
            Some((conv, residual))
        });
    let Some((conv, residual)) = found else {
        return false;
    };
    let merged = DraftConv {
        residual: Some(residual),
        activation,
        ..conv
    };
    drafts.replace(place, DraftLayer::Conv(merged));
    true
}

fn average_into_norm_relu(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Average {
        input: before,
        size,
    } = *drafts.layer(place)
    else {
        return false;
    };
    let DraftLayer::NormRelu {
        input,
        norm,
        average: 1,
    } = drafts.layer(before)
    else {
        return false;
    };
    if !drafts.is_used_once(before) {
        return false;
    }
    let layer = DraftLayer::NormRelu {
        input: *input,
        norm: norm.clone(),
        average: size,
    };
    drafts.replace(place, layer);
    true
}

/// The average of a convolution of single pixels is that convolution of the average, which has fewer pixels: a
/// DenseNet's transition. The layer before the average becomes the average, and the average becomes the convolution.
fn average_before_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let DraftLayer::Average {
        input: before,
        size,
    } = *drafts.layer(place)
    else {
        return false;
    };
    let Some(conv) = open_conv(drafts, before).filter(DraftConv::is_pointwise) else {
        return false;
    };
    let Some(norm) = conv.before.clone() else {
        return false;
    };
    let averaged = DraftLayer::NormRelu {
        input: conv.input,
        norm,
        average: size,
    };
    let [_, rows, columns] = drafts.shape(place);
    let channels = drafts.shape(conv.input)[0];
    // The convolution is held while its place is taken, so that its weight is not lost.
    let moved = DraftConv {
        input: before,
        before: None,
        ..conv
    };
    drafts.replace(place, DraftLayer::Conv(moved));
    drafts.replace(before, averaged);
    drafts.reshape(before, [channels, rows, columns]);
    true
}

fn norm_relu_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
    let Some(conv) = drafts.conv(place) else {
        return false;
    };
    let DraftLayer::NormRelu {
        input,
        norm,
        average: 1,
    } = drafts.layer(conv.input)
    else {
        return false;
    };
    // Its residual, if it has one, may be the same.
    if conv.before.is_some() || !conv.is_pointwise() || !drafts.is_used_once(conv.input) {
        return false;
    }
    let merged = DraftConv {
        input: *input,
        before: Some(norm.clone()),
        ..conv.clone()
    };
    drafts.replace(place, DraftLayer::Conv(merged));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
