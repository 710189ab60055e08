//! The network that finds the lung fields: a small residual network (He et al. 2016, *Deep Residual Learning for Image
//! Recognition*, arXiv:1512.03385) whose last channels are the pixels of each of its cells, a sub-pixel convolution
//! (Shi et al. 2016, arXiv:1609.05158). `training/lungs.py` describes the same as `Student`. Tensor names are PyTorch's:
//! `stem.0.weight`, `stem.1.weight`, `stage2.3.conv1.0.weight`, `last.0.weight`.

use candle_core::{Device, Tensor};
use cxr_kernels::{Kernels, Products};

use super::layers::{Builder, Layers, ValueIndex, WeightSource};
use super::planned::PlannedLayers;
use crate::inference::InferenceError;
use crate::inference::calibration::sigmoid;

/// Side of the square input, and of the square of lung fields.
pub const SIDE: usize = 128;
/// Each cell of the last maps holds so many pixels, across and down, as channels.
const PATCH: usize = 8;
/// Cells per side of the last maps.
const CELLS: usize = SIDE / PATCH;
const STEM_CHANNELS: usize = 16;
/// Channels and blocks of each stage. Each begins with half the side of the one before.
const STAGES: [(usize, usize); 2] = [(32, 1), (64, 4)];

/// `[N, 1, 128, 128]` → the pixels of each cell as channels, `[N, 64, 16, 16]`.
///
/// # Errors
/// If a tensor is absent or of another shape.
pub fn layers(tensors: &dyn WeightSource, channels: usize) -> Result<Layers, InferenceError> {
    let mut net = Builder::new(tensors, channels);
    let stem = net.conv("stem.0", STEM_CHANNELS, 3).stride(2);
    let mut x = stem.norm("stem.1").relu().of(ValueIndex::INPUT)?;
    for (stage, (width, blocks)) in (1..).zip(STAGES) {
        let down = net.conv(format!("down{stage}.0"), width, 3).stride(2);
        x = down.norm(format!("down{stage}.1")).relu().of(x)?;
        for block in 0..blocks {
            x = basic_block(&mut net, &format!("stage{stage}.{block}"), width, x)?;
        }
    }
    let last = net.conv("last.0", PATCH * PATCH, 1);
    last.norm("last.1").of(x)?;
    Ok(net.build())
}

/// Two 3 × 3, and the input added.
fn basic_block(
    net: &mut Builder,
    name: &str,
    width: usize,
    x: ValueIndex,
) -> Result<ValueIndex, InferenceError> {
    let conv1 = net.conv(format!("{name}.conv1.0"), width, 3);
    let y = conv1.norm(format!("{name}.conv1.1")).relu().of(x)?;
    let conv2 = net.conv(format!("{name}.conv2.0"), width, 3);
    conv2.norm(format!("{name}.conv2.1")).plus(x).relu().of(y)
}

/// The network, ready to run on the CPU in `f32`.
pub struct LungNetwork(PlannedLayers);

impl LungNetwork {
    /// # Errors
    /// If a tensor is absent or of another shape.
    pub fn new(tensors: &dyn WeightSource) -> Result<Self, InferenceError> {
        let layers = layers(tensors, 1)?;
        let (size, kernels) = ((SIDE, SIDE), Kernels::best());
        let plan = PlannedLayers::compile(&layers, size, kernels, Products::F32)?;
        Ok(LungNetwork(plan))
    }

    /// 128 × 128 values of a film, row by row → as many probabilities.
    ///
    /// # Errors
    /// If there are more or fewer values, or a result is not a finite number.
    pub fn probabilities(&self, values: Vec<f32>) -> Result<Vec<f32>, InferenceError> {
        let input = Tensor::from_vec(values, (1, 1, SIDE, SIDE), &Device::Cpu)?;
        let maps: Vec<f32> = self.0.maps(&input)?.flatten_all()?.to_vec1()?;
        let logits = pixel_shuffle(&maps, CELLS, PATCH);
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(InferenceError::NotFinite {
                label: "the lung fields".to_owned(),
            });
        }
        Ok(logits.into_iter().map(sigmoid).collect())
    }
}

/// `[patch², cells, cells]` → `[cells · patch, cells · patch]`: PyTorch's `pixel_shuffle` to one channel.
fn pixel_shuffle(maps: &[f32], cells: usize, patch: usize) -> Vec<f32> {
    let side = cells * patch;
    let pixel = |i: usize| {
        let (y, x) = (i / side, i % side);
        let channel = y % patch * patch + x % patch;
        maps[(channel * cells + y / patch) * cells + x / patch]
    };
    (0..side * side).map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `F.pixel_shuffle(torch.arange(16.).reshape(1, 4, 2, 2), 2).flatten().tolist()`
    #[test]
    fn pixels_are_shuffled_as_pytorch_does() {
        let maps: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let expected = [
            0.0, 4.0, 1.0, 5.0, 8.0, 12.0, 9.0, 13.0, 2.0, 6.0, 3.0, 7.0, 10.0, 14.0, 11.0, 15.0,
        ];
        assert_eq!(pixel_shuffle(&maps, 2, 2), expected);
    }
}
