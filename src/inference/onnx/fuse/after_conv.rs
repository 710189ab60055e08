//! What comes after a convolution and becomes a part of it: a batch normalisation, a sum and an activation.

use std::rc::Rc;

use crate::inference::network::imported::StoredActivation;
use crate::inference::onnx::draft::{DraftConv, DraftLayer, DraftPlace, Drafts};

/// A convolution that nothing else reads, and after which nothing comes.
pub fn open_conv(drafts: &Drafts, place: DraftPlace) -> Option<DraftConv> {
    let conv = drafts.conv(place)?;
    (drafts.is_used_once(place) && conv.is_open()).then(|| conv.clone())
}

pub fn norm_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

pub fn activation_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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

/// A sum becomes the residual of the later of its two convolutions.
pub fn sum_into_conv(drafts: &mut Drafts, place: DraftPlace) -> bool {
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
