//! Attention rollout: Abnar & Zuidema 2020, *Quantifying Attention Flow in Transformers*, arXiv:2005.00928.
//!
//! The shares that a layer's tokens give to each other, as the average of its heads, are the matrix W. With the residual
//! connection its flow is A = (W + I) / 2, whose rows sum to 1. The flow through all layers is A_L · … · A_1.

use super::rows::rows_of;
use super::spec::ReadoutKind;
use crate::memory::AlignedBuf;

/// What flows from each token of the image to the features: `cells` numbers whose average is 1. `layers` are the shares of
/// each layer, first to last: rows of [`rows_of`]`(tokens, tokens)`.
pub fn rollout<'a>(
    layers: impl DoubleEndedIterator<Item = &'a mut AlignedBuf>,
    kind: ReadoutKind,
    prefix: usize,
    cells: usize,
) -> Vec<f32> {
    let mut flow = vec![0.0; prefix + cells];
    flow[0] = 1.0;
    if kind == ReadoutKind::ClassAndMean {
        // Half of the features are the class token, and half the average of those of the image.
        flow[0] = 0.5;
        flow[prefix..].fill(0.5 / cells as f32);
    }
    for shares in layers.rev() {
        flow = before(&flow, shares.as_mut_slice());
    }
    let image = &flow[prefix..];
    let average = image.iter().sum::<f32>() / cells as f32;
    // It is 0 if all attention is on the tokens before the image.
    let factor = if average == 0.0 { 0.0 } else { 1.0 / average };
    image.iter().map(|share| share * factor).collect()
}

/// The flow before a layer: `(flow · W + flow) / 2`.
fn before(flow: &[f32], shares: &[f32]) -> Vec<f32> {
    let row = rows_of(flow.len(), flow.len()).pixel;
    let mut made = vec![0.0; flow.len()];
    for (rows, share) in shares.chunks(row).zip(flow) {
        for (to, from) in made.iter_mut().zip(rows) {
            *to += share * from;
        }
    }
    for (to, share) in made.iter_mut().zip(flow) {
        *to = 0.5 * (*to + share);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::super::rows::packed_rows;
    use super::*;

    /// By NumPy, with a class token and two tokens of the image:
    ///
    /// ```python
    /// W1 = np.array([[.2, .3, .5], [.1, .8, .1], [.4, .4, .2]])
    /// W2 = np.array([[.5, .1, .4], [.3, .3, .4], [.6, .2, .2]])
    /// flow = lambda v: v @ ((W2 + np.eye(3)) / 2) @ ((W1 + np.eye(3)) / 2)
    /// v = flow(np.array([1, 0, 0]))[1:]; v / v.mean()          # [0.77832512, 1.22167488]
    /// v = flow(np.array([.5, .25, .25]))[1:]; v / v.mean()     # [1.01864573, 0.98135427]
    /// ```
    #[test]
    fn the_flow_is_the_product_of_the_layers() {
        let first = [0.2, 0.3, 0.5, 0.1, 0.8, 0.1, 0.4, 0.4, 0.2];
        let second = [0.5, 0.1, 0.4, 0.3, 0.3, 0.4, 0.6, 0.2, 0.2];
        for (kind, expected) in [
            (ReadoutKind::ClassToken, [0.778_325_1, 1.221_674_9]),
            (ReadoutKind::ClassAndMean, [1.018_645_7, 0.981_354_3]),
        ] {
            let mut layers = [packed_rows(&first, 3), packed_rows(&second, 3)];
            let found = rollout(layers.iter_mut(), kind, 1, 2);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            }
        }
    }
}
