//! Zeros around a map. They become the padding of the window that reads it.

use crate::inference::network::imported::StoredActivation;
use crate::inference::network::layers::PoolingShape;
use crate::inference::onnx::draft::{DraftConv, DraftLayer, DraftPlace, Drafts};

pub fn zeros_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
pub fn zeros_into_max_pool(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
