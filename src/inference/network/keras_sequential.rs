//! Keras `Sequential` models of convolutions, pooling, `Flatten` and `Dense`, such as the Streamlit
//! demo's: [`KerasLayer`] has the names of the [Keras layers API](https://keras.io/api/layers/).
//!
//! The layers are in the safetensors file, as JSON under [`LAYERS`] of its metadata, so that the digest on the card
//! covers them. Weights are `NAME.weight` and `NAME.bias` for the layer `NAME`, in PyTorch's layout.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::{Linear, Module};
use serde::{Deserialize, Serialize};

use super::Plain;
use super::layers::same_padding;
use crate::inference::InferenceError;
use crate::inference::weights::Tensors;

pub use crate::domain::KERAS_SEQUENTIAL as NAME;
/// The key of the layers in the safetensors file's metadata.
pub const LAYERS: &str = "keras_sequential";
/// Red, green and blue.
pub const CHANNELS: usize = 3;

/// One step from the image to the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KerasLayer {
    Conv2d {
        name: String,
        filters: usize,
        /// Height and width.
        kernel: [usize; 2],
        /// TensorFlow's `SAME`; otherwise `VALID`. Steps by one pixel.
        same: bool,
    },
    /// Without padding.
    MaxPooling2d {
        /// Height and width of the window, and its step down and across.
        pool: [usize; 2],
        strides: [usize; 2],
    },
    Relu,
    /// Rows, columns, channels: the order in which Keras stores images.
    Flatten,
    Dense {
        name: String,
        units: usize,
    },
    /// Reverses a single output: σ(−z) = 1 − σ(z).
    Negate,
    /// The logits of a softmax: σ(zᵢ − ln Σⱼ≠ᵢ exp zⱼ) is softmaxᵢ.
    LogOdds,
}

/// The shape of a value between two layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KerasShape {
    Image([usize; 3]),
    Flat(usize),
}

impl KerasShape {
    /// The shape of the network's input: channels, rows, columns.
    pub fn input(side: usize) -> Self {
        KerasShape::Image([CHANNELS, side, side])
    }

    /// The shape after a layer.
    ///
    /// # Errors
    /// In words, if the layer does not take this shape.
    pub fn after(self, layer: &KerasLayer) -> std::result::Result<Self, String> {
        match (layer, self) {
            (KerasLayer::Relu | KerasLayer::Negate | KerasLayer::LogOdds, shape) => Ok(shape),
            (KerasLayer::Flatten, KerasShape::Image([c, h, w])) => Ok(KerasShape::Flat(c * h * w)),
            (KerasLayer::Flatten, flat) => Ok(flat),
            (KerasLayer::Dense { units, .. }, KerasShape::Flat(_)) => Ok(KerasShape::Flat(*units)),
            (
                KerasLayer::Conv2d {
                    filters,
                    same: true,
                    ..
                },
                KerasShape::Image([_, h, w]),
            ) => Ok(KerasShape::Image([*filters, h, w])),
            (
                KerasLayer::Conv2d {
                    filters, kernel, ..
                },
                KerasShape::Image(image),
            ) => windows(image, *kernel, [1, 1]).map(|[h, w]| KerasShape::Image([*filters, h, w])),
            (KerasLayer::MaxPooling2d { pool, strides }, KerasShape::Image(image)) => {
                windows(image, *pool, *strides).map(|[h, w]| KerasShape::Image([image[0], h, w]))
            }
            (KerasLayer::Dense { name, .. }, _) => Err(format!("{name} comes before Flatten")),
            (KerasLayer::Conv2d { .. } | KerasLayer::MaxPooling2d { .. }, _) => {
                Err("a layer for images comes after Flatten".to_owned())
            }
        }
    }
}

/// The number of positions of a window, down and across.
fn windows(
    [_, height, width]: [usize; 3],
    window: [usize; 2],
    strides: [usize; 2],
) -> std::result::Result<[usize; 2], String> {
    let fit = |size: usize, i: usize| match (window[i], strides[i]) {
        (0, _) | (_, 0) => Err("a layer has a window or a stride of 0".to_owned()),
        (window, _) if window > size => Err(format!(
            "a window of {window} pixels does not fit into the {size} that are left"
        )),
        (window, stride) => Ok((size - window) / stride + 1),
    };
    Ok([fit(height, 0)?, fit(width, 1)?])
}

/// A layer with its weights.
enum KerasStep {
    /// Weight `[O, I, h, w]`, bias `[1, O, 1, 1]`.
    Conv2d {
        weight: Tensor,
        bias: Tensor,
        same: bool,
    },
    Dense(Linear),
    Other(KerasLayer),
}

pub struct KerasSequential {
    steps: Vec<KerasStep>,
}

impl KerasSequential {
    /// # Errors
    /// If the layers do not fit together, end in another number of outputs, or a tensor is absent or of another
    /// shape.
    pub fn new(
        tensors: &Tensors,
        side: usize,
        labels: usize,
    ) -> std::result::Result<Self, InferenceError> {
        let fault = |reason: String| InferenceError::Weights(format!("{LAYERS}: {reason}"));
        let text = tensors
            .metadata(LAYERS)
            .ok_or_else(|| fault("the file does not say which layers it has".to_owned()))?;
        let layers: Vec<KerasLayer> =
            serde_json::from_str(text).map_err(|e| fault(e.to_string()))?;
        let mut shape = KerasShape::input(side);
        let mut steps = Vec::new();
        for layer in layers {
            let after = shape.after(&layer).map_err(fault)?;
            steps.push(KerasStep::new(layer, shape, tensors)?);
            shape = after;
        }
        if shape != KerasShape::Flat(labels) {
            return Err(fault(format!("it does not end in {labels} outputs")));
        }
        Ok(KerasSequential { steps })
    }
}

impl KerasStep {
    fn new(
        layer: KerasLayer,
        before: KerasShape,
        tensors: &Tensors,
    ) -> std::result::Result<Self, InferenceError> {
        match (layer, before) {
            (
                KerasLayer::Conv2d {
                    name,
                    filters,
                    kernel: [height, width],
                    same,
                },
                KerasShape::Image([channels, ..]),
            ) => {
                let shape = [filters, channels, height, width];
                let bias = tensors.get(&format!("{name}.bias"), &[filters])?;
                Ok(KerasStep::Conv2d {
                    weight: tensors.get(&format!("{name}.weight"), &shape)?,
                    bias: bias.reshape((1, filters, 1, 1))?,
                    same,
                })
            }
            (KerasLayer::Dense { name, units }, KerasShape::Flat(inputs)) => {
                let weight = tensors.get(&format!("{name}.weight"), &[units, inputs])?;
                let bias = tensors.get(&format!("{name}.bias"), &[units])?;
                Ok(KerasStep::Dense(Linear::new(weight, Some(bias))))
            }
            (layer, _) => Ok(KerasStep::Other(layer)),
        }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            KerasStep::Conv2d { weight, bias, same } => {
                let x = if *same { padded(x, weight)? } else { x.clone() };
                x.conv2d(weight, 0, 1, 1, 1)?.broadcast_add(bias)
            }
            KerasStep::Dense(linear) => linear.forward(x),
            KerasStep::Other(KerasLayer::MaxPooling2d { pool, strides }) => {
                let [height, width] = *pool;
                x.max_pool2d_with_stride((height, width), (strides[0], strides[1]))
            }
            KerasStep::Other(KerasLayer::Relu) => x.relu(),
            KerasStep::Other(KerasLayer::Flatten) if x.rank() == 4 => {
                x.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)
            }
            KerasStep::Other(KerasLayer::Negate) => x.neg(),
            KerasStep::Other(KerasLayer::LogOdds) => log_odds(x),
            KerasStep::Other(_) => Ok(x.clone()),
        }
    }
}

fn padded(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let (_, _, kernel_height, kernel_width) = weight.dims4()?;
    let (top, bottom) = same_padding(height, kernel_height, 1);
    let (left, right) = same_padding(width, kernel_width, 1);
    x.pad_with_zeros(2, top, bottom)?
        .pad_with_zeros(3, left, right)
}

/// `[N, L]` → `[N, L]`, L at least 2.
fn log_odds(x: &Tensor) -> Result<Tensor> {
    let (_, outputs) = x.dims2()?;
    let one = |i: usize| {
        let others: Vec<Tensor> = (0..outputs)
            .filter(|j| *j != i)
            .map(|j| x.i((.., j..=j)))
            .collect::<Result<_>>()?;
        let rest = Tensor::cat(&others, D::Minus1)?.log_sum_exp(D::Minus1)?;
        x.i((.., i))? - rest
    };
    let columns: Vec<Tensor> = (0..outputs).map(one).collect::<Result<_>>()?;
    Tensor::stack(&columns, 1)
}

impl Plain for KerasSequential {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.steps
            .iter()
            .try_fold(input.clone(), |x, step| step.forward(&x))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn close(a: &Tensor, b: &[f32]) {
        let a = a.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 1e-6, "{a} and {b}");
        }
    }

    #[test]
    fn flatten_goes_by_rows_then_columns_then_channels() {
        // Two channels of 1 × 3.
        let x = Tensor::new(
            &[[[[1.0_f32, 2.0, 3.0]], [[10.0, 20.0, 30.0]]]],
            &Device::Cpu,
        );
        let flat = KerasStep::Other(KerasLayer::Flatten)
            .forward(&x.unwrap())
            .unwrap();
        assert_eq!(flat.dims(), [1, 6]);
        close(&flat, &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    }

    #[test]
    fn the_sigmoid_of_log_odds_is_the_softmax() {
        let z = [0.3_f32, -1.2, 2.0];
        let x = Tensor::new(&[z], &Device::Cpu).unwrap();
        let sum: f32 = z.iter().map(|z| z.exp()).sum();
        let sigmoids = candle_nn::ops::sigmoid(&log_odds(&x).unwrap()).unwrap();
        close(&sigmoids, &z.map(|z| z.exp() / sum));
    }

    #[test]
    fn shapes_follow_from_the_layers_and_a_misfit_is_an_error() {
        let conv = |same| KerasLayer::Conv2d {
            name: "c".into(),
            filters: 8,
            kernel: [3, 3],
            same,
        };
        let pool = KerasLayer::MaxPooling2d {
            pool: [2, 2],
            strides: [2, 2],
        };
        let image = KerasShape::Image([3, 9, 9]);
        assert_eq!(image.after(&conv(true)), Ok(KerasShape::Image([8, 9, 9])));
        assert_eq!(image.after(&conv(false)), Ok(KerasShape::Image([8, 7, 7])));
        assert_eq!(image.after(&pool), Ok(KerasShape::Image([3, 4, 4])));
        assert_eq!(image.after(&KerasLayer::Flatten), Ok(KerasShape::Flat(243)));
        let small = KerasShape::Image([3, 2, 2])
            .after(&conv(false))
            .unwrap_err();
        assert!(
            small.contains("3 pixels does not fit into the 2"),
            "{small}"
        );
        let dense = KerasLayer::Dense {
            name: "d".into(),
            units: 1,
        };
        assert!(image.after(&dense).is_err());
        assert!(KerasShape::Flat(3).after(&pool).is_err());
    }
}
