//! Activations. Graphs write some of them as sums and products; here they become one layer again. The activation of a
//! sum becomes a part of it.

use crate::inference::network::imported::StoredActivation;
use crate::inference::onnx::draft::{ChannelNorm, DraftLayer, DraftPlace, Drafts};

/// `relu6(x + 3) / 6`, as Keras' graphs have it.
pub fn parts_into_hard_sigmoid(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
pub fn product_into_activation(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

pub fn activation_into_sum(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
