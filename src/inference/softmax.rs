//! Outputs that answer one question (`[softmax]` on a card): each class against all others together.
//!
//! With the logits z of all classes, ℓ_i = z_i − ln Σ_{j≠i} exp(z_j) are the log-odds of class i, and σ(ℓ_i) is its
//! softmax. So a class is read as a label that is present or absent, and can be calibrated as one.

use candle_core::Tensor;
use candle_nn::Linear;

/// The log-odds of each class. One that is not a number makes all of them so.
pub fn log_odds(logits: &[f32]) -> Vec<f32> {
    let each = 0..logits.len();
    each.map(|class| {
        let (others, _) = others(logits, class);
        (f64::from(logits[class]) - others) as f32
    })
    .collect()
}

/// The last layer (weight `[K, F]`, bias `[K]`) for the log-odds of the first `labels` classes of an image with these
/// logits: weight `[labels, F]`, bias `[labels]`.
///
/// With q, the softmax over the classes other than i, ln Σ_{j≠i} exp(z_j) = Σ q_j z_j + H(q), where H is the entropy.
/// So ℓ_i = z_i − Σ q_j z_j − H(q) is linear in the features for this image, and its activation map is exact: it shows
/// what speaks for the class rather than for the others.
///
/// # Errors
/// If there are fewer logits than labels, or the shapes do not fit.
pub fn against_the_others(
    head: &Linear,
    logits: &[f32],
    labels: usize,
) -> candle_core::Result<Linear> {
    let classes = logits.len();
    let device = head.weight().device();
    let (mut mixed, mut constant) = (Vec::new(), Vec::new());
    for class in 0..labels.min(classes) {
        let (total, shares) = others(logits, class);
        let mean: f64 = shares
            .iter()
            .zip(logits)
            .filter(|(share, _)| **share > 0.0)
            .map(|(share, logit)| share * f64::from(*logit))
            .sum();
        constant.push((mean - total) as f32);
        let own = |other: usize| if other == class { 1.0 } else { 0.0 };
        let row = shares.iter().enumerate();
        mixed.extend(row.map(|(other, share)| (own(other) - share) as f32));
    }
    let count = constant.len();
    let mixed = Tensor::from_vec(mixed, (count, classes), device)?;
    let constant = Tensor::from_vec(constant, count, device)?;
    let weight = mixed.matmul(head.weight())?;
    let bias = match head.bias() {
        Some(bias) => (mixed.matmul(&bias.unsqueeze(1)?)?.squeeze(1)? + constant)?,
        None => constant,
    };
    Ok(Linear::new(weight, Some(bias)))
}

/// ln Σ_{j≠i} exp(z_j), and the softmax over the classes other than i, with 0 for i itself.
fn others(logits: &[f32], class: usize) -> (f64, Vec<f64>) {
    let is_other = |other: usize| other != class;
    let indexed = logits.iter().enumerate();
    let max = indexed
        .clone()
        .filter(|(other, _)| is_other(*other))
        .fold(f64::NEG_INFINITY, |max, (_, logit)| {
            max.max(f64::from(*logit))
        });
    let exp: Vec<f64> = indexed
        .map(|(other, logit)| {
            if is_other(other) {
                (f64::from(*logit) - max).exp()
            } else {
                0.0
            }
        })
        .collect();
    let sum: f64 = exp.iter().sum();
    let shares = exp.into_iter().map(|share| share / sum).collect();
    (max + sum.ln(), shares)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Module};

    use super::*;
    use crate::inference::calibration::{sigmoid, softmax};

    const LOGITS: [f32; 4] = [1.5, -0.25, 3.0, -20.0];

    /// With Python: `z[i] - scipy.special.logsumexp(np.delete(z, i))`.
    #[test]
    fn log_odds_are_scipys() {
        let expected = [-1.538_041, -3.451_413, 1.339_776, -23.232_622];
        for (found, expected) in log_odds(&LOGITS).iter().zip(expected) {
            assert!((found - expected).abs() < 2e-5, "{found} {expected}");
        }
        assert_eq!(log_odds(&[2.0, 0.5]), [1.5, -1.5]);
        assert!(
            log_odds(&[f32::NAN, 0.5])
                .iter()
                .all(|value| value.is_nan())
        );
    }

    #[test]
    fn the_sigmoid_of_the_log_odds_is_the_softmax() {
        for logits in [LOGITS, [300.0, -300.0, 0.0, 299.0]] {
            let softmax = softmax(logits.into_iter(), 1.0);
            for (found, expected) in log_odds(&logits).into_iter().zip(softmax) {
                let found = sigmoid(found);
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn the_layer_against_the_others_gives_the_log_odds() {
        let device = Device::Cpu;
        let weight = [[0.5_f32, -1.0], [0.25, 2.0], [-0.75, 0.125], [1.0, 1.0]];
        let weight = Tensor::new(&weight, &device).unwrap();
        let bias = Tensor::new(&[0.1_f32, -0.2, 0.3, 0.0], &device).unwrap();
        let features = Tensor::new(&[[0.7_f32, -1.3]], &device).unwrap();
        for bias in [Some(bias), None] {
            let head = Linear::new(weight.clone(), bias);
            let logits = head.forward(&features).unwrap();
            let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
            let contrast = against_the_others(&head, &logits, 3).unwrap();
            let found = contrast.forward(&features).unwrap();
            let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(found.len(), 3, "classes without a finding have no map");
            for (found, expected) in found.iter().zip(log_odds(&logits)) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}
