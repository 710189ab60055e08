//! Exact class activation maps: Zhou et al. 2016, *Learning Deep Features for Discriminative
//! Localization*, arXiv:1512.04150; and attention rollouts for networks that have none: Abnar & Zuidema 2020,
//! *Quantifying Attention Flow in Transformers*, arXiv:2005.00928.
//!
//! If a network ends in a global average and one linear layer, the order of the two can be exchanged:
//! logit_c = Σ_k W\[c,k\] · mean(A_k) + b_c = mean(Σ_k W\[c,k\] · A_k) + b_c = mean(M_c) + b_c.
//! Nothing is estimated, and no gradient is needed.
//!
//! The cells are assumed to lie evenly over the network's input. The padding of EfficientNet-Lite (nothing before, one
//! or two pixels after) would suggest a shift by half a cell, 16 of 192 pixels, to the right and down. It was measured
//! and is not there: over six radiographs and over noise, the centroid of a cell's squared gradient by the input lies
//! on average at most 5 pixels from the even position, to either side.

use candle_core::{D, Tensor};
use candle_nn::Linear;

use crate::domain::{ClassActivationMap, LabelActivation, LabelCard, Pathology, Region};

/// One map for each output of the network, in order, from the last maps `[1, C, h, w]` and the last layer, weight
/// `[L, C]`. `labels` are those of the outputs: a product of two has no row, and no map.
///
/// # Errors
/// If the shapes do not fit, or the computation fails.
pub fn of<'a>(
    maps: &Tensor,
    head: &Linear,
    labels: impl IntoIterator<Item = &'a LabelCard>,
    region: Region,
) -> candle_core::Result<ClassActivationMap> {
    let (_, channels, height, width) = maps.dims4()?;
    let activation = maps.reshape((channels, height * width))?;
    let values = head.weight().matmul(&activation)?.to_vec2::<f32>()?;
    let biases = match head.bias() {
        Some(bias) => bias.to_vec1::<f32>()?,
        None => vec![0.0; head.weight().dim(D::Minus2)?],
    };
    let labels = labels
        .into_iter()
        .zip(values)
        .zip(biases)
        .map(|((label, values), bias)| LabelActivation {
            label: Pathology(label.name.clone()),
            bias,
            values,
        })
        .collect();
    Ok(ClassActivationMap {
        width,
        height,
        labels,
        attention: Vec::new(),
        region,
    })
}

/// The attention rollout `[1, h, w]` of a network whose labels have no maps of their own.
///
/// # Errors
/// If the shape is another.
pub fn of_attention(attention: &Tensor, region: Region) -> candle_core::Result<ClassActivationMap> {
    let (_, height, width) = attention.dims3()?;
    Ok(ClassActivationMap {
        width,
        height,
        labels: Vec::new(),
        attention: attention.flatten_all()?.to_vec1()?,
        region,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::domain::Question;

    #[test]
    fn a_rollout_is_a_map_of_no_label() {
        let attention = Tensor::new(&[[[0.5_f32, 1.0], [1.5, 1.0], [2.0, 0.0]]], &Device::Cpu);
        let region = Region {
            left: 1,
            top: 0,
            width: 30,
            height: 10,
        };
        let map = of_attention(&attention.unwrap(), region).unwrap();
        assert_eq!((map.width, map.height, map.region), (2, 3, region));
        assert_eq!(map.attention, [0.5, 1.0, 1.5, 1.0, 2.0, 0.0]);
        assert!(map.labels.is_empty());
    }

    #[test]
    fn a_map_is_the_channels_weighed_and_summed() {
        let device = Device::Cpu;
        // Two channels of 1 × 3, two labels.
        let maps = [[[[1.0_f32, 2.0, 3.0]], [[0.0, 10.0, 20.0]]]];
        let maps = Tensor::new(&maps, &device).unwrap();
        let weight = Tensor::new(&[[1.0_f32, 0.0], [-1.0, 0.5]], &device).unwrap();
        let bias = Tensor::new(&[0.25_f32, -1.0], &device).unwrap();
        let label = |name: &str| LabelCard::new(name, Question::Presence, None);
        let region = Region {
            left: 1,
            top: 0,
            width: 30,
            height: 10,
        };
        let labels = [label("A"), label("B")];
        let map = of(&maps, &Linear::new(weight, Some(bias)), &labels, region).unwrap();
        assert_eq!((map.width, map.height, map.region), (3, 1, region));
        assert_eq!(map.labels[0].values, [1.0, 2.0, 3.0]);
        assert_eq!(map.labels[1].values, [-1.0, 3.0, 7.0]);
        assert_eq!((map.labels[0].logit(), map.labels[1].logit()), (2.25, 2.0));
    }
}
