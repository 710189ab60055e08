//! Tensors by their names in transformers, and the layers that they make.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::Described;
use crate::inference::network::layers::WeightSource;
use crate::inference::network::token_layers::{LayerNormWeights, LinearWeights};

/// The layers of a file.
pub struct Parts<'a>(pub &'a dyn WeightSource);

impl Parts<'_> {
    /// A tensor.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Described<Tensor> {
        self.0.get(name, shape)
    }

    /// `NAME.weight [output, input]` and, if there is one, `NAME.bias [output]`.
    pub fn linear(
        &self,
        name: &str,
        [output, input]: [usize; 2],
        has_bias: bool,
    ) -> Described<LinearWeights> {
        let bias = has_bias.then(|| self.tensor(&format!("{name}.bias"), &[output]));
        Ok(LinearWeights {
            weight: self.tensor(&format!("{name}.weight"), &[output, input])?,
            bias: bias.transpose()?,
        })
    }

    /// A layer with the factors `NAME.lambda1` of its outputs in its weights.
    pub fn scaled(&self, linear: LinearWeights, name: &str) -> Described<LinearWeights> {
        let outputs = linear.weight.dim(0)?;
        let lambda = self.tensor(&format!("{name}.lambda1"), &[outputs])?;
        Ok(linear.scaled(&lambda)?)
    }

    /// A convolution whose stride is its kernel, `NAME.weight [output, channels, side, side]` with a bias, as a linear
    /// layer over squares.
    pub fn patches(
        &self,
        name: &str,
        [output, channels, side]: [usize; 3],
    ) -> Described<LinearWeights> {
        let shape = [output, channels, side, side];
        let weight = self.tensor(&format!("{name}.weight"), &shape)?;
        Ok(LinearWeights {
            weight: weight.reshape((output, channels * side * side))?,
            bias: Some(self.tensor(&format!("{name}.bias"), &[output])?),
        })
    }

    /// `NAME.query`, `NAME.key` and `NAME.value`, one after the other.
    pub fn qkv(&self, name: &str, width: usize, has_bias: bool) -> Described<LinearWeights> {
        let part = |part: &str| self.linear(&format!("{name}.{part}"), [width, width], has_bias);
        let (query, key, value) = (part("query")?, part("key")?, part("value")?);
        let weight = Tensor::cat(&[&query.weight, &key.weight, &value.weight], 0)?;
        let bias = match (&query.bias, &key.bias, &value.bias) {
            (Some(query), Some(key), Some(value)) => Some(Tensor::cat(&[query, key, value], 0)?),
            _ => None,
        };
        Ok(LinearWeights { weight, bias })
    }

    /// `NAME.weight` and `NAME.bias`, each `[width]`.
    pub fn norm(&self, name: &str, width: usize, epsilon: f64) -> Described<LayerNormWeights> {
        Ok(LayerNormWeights {
            weight: self.tensor(&format!("{name}.weight"), &[width])?,
            bias: self.tensor(&format!("{name}.bias"), &[width])?,
            epsilon,
        })
    }
}

/// Names and shapes of tensors.
#[derive(Default)]
pub struct Shaped(pub BTreeMap<String, Vec<usize>>);

impl Shaped {
    pub fn tensor(&mut self, name: &str, shape: &[usize]) {
        self.0.insert(name.to_owned(), shape.to_vec());
    }

    /// As [`Parts::linear`].
    pub fn linear(&mut self, name: &str, output: usize, input: usize, has_bias: bool) {
        self.tensor(&format!("{name}.weight"), &[output, input]);
        if has_bias {
            self.tensor(&format!("{name}.bias"), &[output]);
        }
    }

    /// As [`Parts::patches`].
    pub fn patches(&mut self, name: &str, [output, channels, side]: [usize; 3]) {
        self.tensor(&format!("{name}.weight"), &[output, channels, side, side]);
        self.tensor(&format!("{name}.bias"), &[output]);
    }

    /// As [`Parts::qkv`].
    pub fn qkv(&mut self, name: &str, width: usize, has_bias: bool) {
        for part in ["query", "key", "value"] {
            self.linear(&format!("{name}.{part}"), width, width, has_bias);
        }
    }

    /// As [`Parts::norm`].
    pub fn norm(&mut self, name: &str, width: usize) {
        self.tensor(&format!("{name}.weight"), &[width]);
        self.tensor(&format!("{name}.bias"), &[width]);
    }
}
