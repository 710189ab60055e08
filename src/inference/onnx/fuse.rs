//! Merges operations on maps into the layers that cxr computes: a batch normalisation, an activation and a sum into the
//! convolution before them, a sigmoid and a product into SiLU, zeros around a map into the window that reads it.
//!
//! A layer is merged into the one that reads it, and only if no other does.

mod activations;
mod after_conv;
mod before_conv;
mod zeros;

use self::activations::{activation_into_sum, parts_into_hard_sigmoid, product_into_activation};
use self::after_conv::{activation_into_conv, norm_into_conv, sum_into_conv};
use self::before_conv::{
    average_before_conv, average_into_norm_relu, norm_relu_into_conv, norms_into_one,
    relu_into_norm,
};
use self::zeros::{zeros_into_conv, zeros_into_max_pool};
use super::draft::{DraftPlace, Drafts};

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

#[cfg(test)]
mod tests;
