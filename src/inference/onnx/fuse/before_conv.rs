//! Batch normalisations with no convolution before them. They become a part of the convolution that reads them, as a
//! DenseNet has it.

use super::after_conv::open_conv;
use crate::inference::network::imported::StoredActivation;
use crate::inference::onnx::draft::{ChannelNorm, DraftConv, DraftLayer, DraftPlace, Drafts};

pub fn norms_into_one(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

pub fn relu_into_norm(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

pub fn average_into_norm_relu(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
pub fn average_before_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

pub fn norm_relu_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
