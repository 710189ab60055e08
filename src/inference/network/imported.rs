//! Networks that were read from a graph of operators (ONNX). Their layers are in the safetensors file, as JSON under
//! [`LAYERS`] of its metadata, so that the digest on the card covers them.
//!
//! Layer `i` makes value `i + 1`; value 0 is the image. Its tensors are `layers.i.weight`, `layers.i.bias` and so on; the
//! last layer, after the average, is `head`.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::layers::{
    Activation, Conv, Layer, Layers, NormRelu, Padding, PoolingShape, ValueIndex, WeightSource,
};
use crate::inference::InferenceError;
use crate::inference::weights::Tensors;

pub use crate::domain::ONNX_HIDDEN as HIDDEN;
/// The architecture on a card of a network that ends in averages of maps and one layer of weights.
pub const NAME: &str = "onnx";
/// The key of the layers in the safetensors file's metadata.
pub const LAYERS: &str = "onnx_layers";
/// Weight and bias of the last layer.
pub const HEAD: [&str; 2] = ["head.weight", "head.bias"];
/// The widest window over single channels that the kernels have.
pub const WIDEST_DEPTHWISE: usize = 7;

/// The most layers. A DenseNet-201 has eight hundred.
const MOST_LAYERS: usize = 20_000;
/// The most numbers of a map, and of all maps of an image. An EfficientNet-B7 has 1.2 billion.
const MOST_OF_A_MAP: usize = 1 << 27;
const MOST_OF_ALL: usize = 1 << 31;

/// Channels, rows and columns.
type StoredShape = [usize; 3];

/// A network without its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredNetwork {
    /// Channels of the image.
    pub channels: usize,
    /// Numbers that the last layer reads.
    pub features: usize,
    /// Whether the last layer reads the averages of the last maps, so that there is an exact heat map.
    pub ends_in_averages: bool,
    pub layers: Vec<StoredLayer>,
}

/// A layer, with the values that it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoredLayer {
    /// `weight [output, input, kernel, kernel]`, or `[input, 1, kernel, kernel]` if depthwise, and `bias [output]`.
    Conv {
        input: usize,
        output: usize,
        kernel: usize,
        stride: usize,
        /// Zeros above and to the left, and below and to the right.
        padding: [usize; 2],
        depthwise: bool,
        /// Whether `scale` and `shift`, each `[input]`, and a ReLU come before.
        before: bool,
        residual: Option<usize>,
        activation: StoredActivation,
    },
    MaxPool {
        input: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    /// `scale` and `shift`, each `[input]`, a ReLU, and the average of squares of this many pixels a side.
    NormRelu {
        input: usize,
        average: usize,
    },
    Average {
        input: usize,
        size: usize,
    },
    GlobalAverage {
        input: usize,
    },
    /// Each channel times its number in `by`.
    Scale {
        input: usize,
        by: usize,
    },
    Add {
        first: usize,
        second: usize,
        activation: StoredActivation,
    },
    Cat {
        first: usize,
        second: usize,
    },
}

/// A function of each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredActivation {
    None,
    Relu,
    Relu6,
    Silu,
    HardSwish,
    Sigmoid,
    HardSigmoid,
}

impl From<StoredActivation> for Activation {
    fn from(activation: StoredActivation) -> Self {
        match activation {
            StoredActivation::None => Activation::None,
            StoredActivation::Relu => Activation::Relu,
            StoredActivation::Relu6 => Activation::Relu6,
            StoredActivation::Silu => Activation::Silu,
            StoredActivation::HardSwish => Activation::HardSwish,
            StoredActivation::Sigmoid => Activation::Sigmoid,
            StoredActivation::HardSigmoid => Activation::HardSigmoid,
        }
    }
}

impl StoredNetwork {
    /// The network in the metadata of a file.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(tensors: &Tensors) -> Result<Self, InferenceError> {
        let text = tensors.metadata(LAYERS);
        let text = text.ok_or_else(|| fault("the file does not say which layers it has"))?;
        serde_json::from_str(text).map_err(|error| fault(&error.to_string()))
    }

    /// The text for the metadata.
    ///
    /// # Errors
    /// None that is known.
    pub fn text(&self) -> Result<String, InferenceError> {
        serde_json::to_string(self).map_err(|error| fault(&error.to_string()))
    }

    /// Whether the layers fit together for images of `side` × `side` pixels, and stay within what memory holds.
    ///
    /// # Errors
    /// If they do not; the reason names the layer.
    pub fn check(&self, side: usize) -> Result<(), InferenceError> {
        if self.layers.is_empty() || self.layers.len() > MOST_LAYERS {
            let count = self.layers.len();
            return Err(fault(&format!(
                "{count} layers, not from 1 to {MOST_LAYERS}"
            )));
        }
        let image = [self.channels, side, side];
        let mut left = MOST_OF_ALL;
        let mut shapes = vec![spent(image, &mut left).map_err(|reason| fault(&reason))?];
        for (place, layer) in self.layers.iter().enumerate() {
            let of_layer = |reason: String| fault(&format!("layer {place}: {reason}"));
            let made = layer.shape(&shapes).map_err(of_layer)?;
            shapes.push(spent(made, &mut left).map_err(of_layer)?);
        }
        let [features, rows, columns] = shapes[shapes.len() - 1];
        if features != self.features {
            let named = self.features;
            return Err(fault(&format!(
                "the last layer makes {features} maps, and {named} are named"
            )));
        }
        if !self.ends_in_averages && [rows, columns] != [1, 1] {
            return Err(fault("it ends in maps, and says that it does not"));
        }
        Ok(())
    }

    /// `[N, C, S, S]` → the last maps before the average, `[N, features, h, w]`.
    ///
    /// # Errors
    /// If it is for images of other channels, the layers do not fit together, or a tensor is absent or of another shape.
    pub fn layers(
        &self,
        source: &dyn WeightSource,
        channels: usize,
        side: usize,
    ) -> Result<Layers, InferenceError> {
        if self.channels != channels {
            return Err(fault(&format!(
                "it takes {} channels, and the preprocessing makes {channels}",
                self.channels
            )));
        }
        self.check(side)?;
        let mut made = vec![channels];
        let mut layers = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let loading = Loading {
                source,
                place,
                channels: &made,
            };
            let (layer, output) = loading.layer(layer)?;
            layers.push(layer);
            made.push(output);
        }
        Ok(Layers { channels, layers })
    }
}

fn fault(reason: &str) -> InferenceError {
    InferenceError::Weights(format!("{LAYERS}: {reason}"))
}

/// The shape, if so many numbers are left.
fn spent(shape: StoredShape, left: &mut usize) -> Result<StoredShape, String> {
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    let count = shape.iter().try_fold(1, product);
    let count = count.filter(|count| (1..=MOST_OF_A_MAP).contains(count));
    let rest = count.and_then(|count| left.checked_sub(count));
    *left = rest.ok_or_else(|| format!("a map of {shape:?}, empty or too large"))?;
    Ok(shape)
}

/// Positions of a window, down or across.
fn positions(
    size: usize,
    [before, after]: [usize; 2],
    kernel: usize,
    stride: usize,
) -> Result<usize, String> {
    if kernel == 0 || stride == 0 || before.max(after) >= kernel {
        return Err(format!(
            "a window of {kernel} with a step of {stride} and padding of {before} and {after}"
        ));
    }
    // The padding is smaller than the window, which is smaller than what memory holds.
    let padded = size.saturating_add(before).saturating_add(after);
    match padded.checked_sub(kernel) {
        Some(rest) => Ok(rest / stride + 1),
        None => Err(format!("a window of {kernel} pixels on {size}")),
    }
}

impl StoredLayer {
    /// What it makes of the values before it.
    fn shape(&self, values: &[StoredShape]) -> Result<StoredShape, String> {
        let value = |place: usize| {
            let value = values.get(place).copied();
            value.ok_or_else(|| format!("it reads value {place}, which is made later"))
        };
        let windows = |input: usize,
                       kernel: usize,
                       stride: usize,
                       padding: [usize; 2]|
         -> Result<StoredShape, String> {
            let [channels, rows, columns] = value(input)?;
            let along = |size: usize| positions(size, padding, kernel, stride);
            Ok([channels, along(rows)?, along(columns)?])
        };
        match *self {
            StoredLayer::Conv {
                input,
                output,
                kernel,
                stride,
                padding,
                depthwise,
                residual,
                ..
            } => {
                let [channels, rows, columns] = windows(input, kernel, stride, padding)?;
                if depthwise && (output != channels || kernel > WIDEST_DEPTHWISE) {
                    return Err("a window for each channel, of another size".to_owned());
                }
                let made = [output, rows, columns];
                match residual.map(value).transpose()? {
                    Some(residual) if residual != made => {
                        Err(format!("{residual:?} is added to {made:?}"))
                    }
                    _ => Ok(made),
                }
            }
            StoredLayer::MaxPool {
                input,
                kernel,
                stride,
                padding,
            } => {
                if padding > kernel / 2 {
                    return Err(format!("a padding of {padding} for a window of {kernel}"));
                }
                windows(input, kernel, stride, [padding; 2])
            }
            StoredLayer::NormRelu { input, average } => windows(input, average, average, [0; 2]),
            StoredLayer::Average { input, size } => windows(input, size, size, [0; 2]),
            StoredLayer::GlobalAverage { input } => {
                let [channels, ..] = value(input)?;
                Ok([channels, 1, 1])
            }
            StoredLayer::Scale { input, by } => {
                let (input, by) = (value(input)?, value(by)?);
                if by == [input[0], 1, 1] {
                    Ok(input)
                } else {
                    Err(format!("{input:?} times {by:?}"))
                }
            }
            StoredLayer::Add { first, second, .. } => {
                let (first, second) = (value(first)?, value(second)?);
                if first == second {
                    Ok(first)
                } else {
                    Err(format!("{second:?} is added to {first:?}"))
                }
            }
            StoredLayer::Cat { first, second } => {
                let (first, second) = (value(first)?, value(second)?);
                if first[1..] == second[1..] {
                    Ok([first[0].saturating_add(second[0]), first[1], first[2]])
                } else {
                    Err(format!("{second:?} beside {first:?}"))
                }
            }
        }
    }
}

/// A layer whose tensors are loaded.
struct Loading<'a> {
    source: &'a dyn WeightSource,
    place: usize,
    /// Of the values before it, which were checked.
    channels: &'a [usize],
}

impl Loading<'_> {
    /// The layer with its tensors, and the channels that it makes.
    fn layer(&self, layer: &StoredLayer) -> Result<(Layer, usize), InferenceError> {
        let of = |value: usize| self.channels[value];
        Ok(match *layer {
            StoredLayer::Conv { output, .. } => (Layer::Conv(self.conv(layer)?), output),
            StoredLayer::MaxPool {
                input,
                kernel,
                stride,
                padding,
            } => {
                let window = PoolingShape {
                    kernel,
                    stride,
                    padding,
                };
                (Layer::MaxPool(ValueIndex(input), window), of(input))
            }
            StoredLayer::NormRelu { input, average } => {
                let norm = self.norm_relu(of(input))?;
                let layer = Layer::NormReluAverage(ValueIndex(input), norm, average);
                (layer, of(input))
            }
            StoredLayer::Average { input, size } => {
                (Layer::Average(ValueIndex(input), size), of(input))
            }
            StoredLayer::GlobalAverage { input } => {
                (Layer::GlobalAverage(ValueIndex(input)), of(input))
            }
            StoredLayer::Scale { input, by } => {
                let layer = Layer::Scale(ValueIndex(input), ValueIndex(by));
                (layer, of(input))
            }
            StoredLayer::Add {
                first,
                second,
                activation,
            } => {
                let layer = Layer::Add(ValueIndex(first), ValueIndex(second), activation.into());
                (layer, of(first))
            }
            StoredLayer::Cat { first, second } => {
                let layer = Layer::Cat(ValueIndex(first), ValueIndex(second));
                (layer, of(first) + of(second))
            }
        })
    }

    fn conv(&self, layer: &StoredLayer) -> Result<Conv, InferenceError> {
        let StoredLayer::Conv {
            input,
            output,
            kernel,
            stride,
            padding: [before_pixels, after_pixels],
            depthwise,
            before,
            residual,
            activation,
        } = *layer
        else {
            return Err(fault(&format!("layer {} is no convolution", self.place)));
        };
        let channels = self.channels[input];
        let in_group = if depthwise { 1 } else { channels };
        Ok(Conv {
            input: ValueIndex(input),
            before: before.then(|| self.norm_relu(channels)).transpose()?,
            weight: self.tensor("weight", &[output, in_group, kernel, kernel])?,
            bias: self.tensor("bias", &[output])?,
            is_depthwise: depthwise,
            stride,
            padding: Padding::Fixed(before_pixels, after_pixels),
            residual: residual.map(ValueIndex),
            activation: activation.into(),
        })
    }

    fn norm_relu(&self, channels: usize) -> Result<NormRelu, InferenceError> {
        Ok(NormRelu {
            scale: self.tensor("scale", &[channels])?,
            shift: self.tensor("shift", &[channels])?,
        })
    }

    fn tensor(&self, part: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        self.source.get(&tensor_name(self.place, part), shape)
    }
}

/// Whether a card with this architecture is of a network from a graph.
pub fn is_imported(architecture: &str) -> bool {
    [NAME, HIDDEN].contains(&architecture)
}

/// The name of a tensor of a layer.
pub fn tensor_name(layer: usize, part: &str) -> String {
    format!("layers.{layer}.{part}")
}

#[cfg(test)]
mod tests;
