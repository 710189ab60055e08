//! The weights of a Keras file, matched to the layers and turned into PyTorch's layout.

use std::collections::BTreeMap;

use super::ShapedValues;
use super::plan::{KerasPlan, quoted};
use crate::inference::network::keras_sequential::{KerasLayer, KerasShape};
use crate::inference::preprocess::KERAS_SIDE as SIDE;

/// The weights of the file, taken out one by one.
pub struct Weights {
    tensors: BTreeMap<String, ShapedValues>,
}

impl Weights {
    /// Tensors by their path in the file.
    pub fn new(tensors: BTreeMap<String, ShapedValues>) -> Self {
        Weights { tensors }
    }

    /// The weights under cxr's names, checked against the layers and in PyTorch's layout.
    ///
    /// # Errors
    /// If one is absent, of another shape, left over, or not a number.
    pub fn laid_out(mut self, plan: &KerasPlan) -> Result<BTreeMap<String, ShapedValues>, String> {
        let mut laid_out = BTreeMap::new();
        let mut shape = KerasShape::input(SIDE);
        let mut keys = plan.keys.iter();
        for layer in &plan.layers {
            let (expected, units, axes) = match (layer, shape) {
                (
                    KerasLayer::Conv2d {
                        filters,
                        kernel: [h, w],
                        ..
                    },
                    KerasShape::Image([c, ..]),
                ) => (vec![*h, *w, c, *filters], *filters, vec![3, 2, 0, 1]),
                (KerasLayer::Dense { units, .. }, KerasShape::Flat(inputs)) => {
                    (vec![inputs, *units], *units, vec![1, 0])
                }
                _ => {
                    shape = shape.after(layer)?;
                    continue;
                }
            };
            let (name, key) = keys.next().ok_or("a layer without a name")?;
            let kernel = self
                .take(name, key, "kernel")
                .ok_or_else(|| format!("the kernel of {} is absent", quoted(name)))?;
            let kernel = checked(name, kernel, &expected)?;
            let bias = match self.take(name, key, "bias") {
                Some(bias) => checked(name, bias, &[units])?,
                None => vec![0.0; units],
            };
            let (turned, values) = permuted(&expected, &kernel, &axes);
            laid_out.insert(format!("{name}.weight"), (turned, values));
            laid_out.insert(format!("{name}.bias"), (vec![units], bias));
            shape = shape.after(layer)?;
        }
        match self.tensors.keys().next() {
            Some(extra) => Err(format!("{} belongs to none of its layers", quoted(extra))),
            None => Ok(laid_out),
        }
    }

    /// Takes a part of a layer: `NAME/…/kernel:0` in HDF5; `layers/KEY/vars/0`, or 1 for the bias, in a `.keras`
    /// file.
    fn take(&mut self, name: &str, key: &str, part: &str) -> Option<ShapedValues> {
        let within = format!("{name}/");
        let index = if part == "kernel" { 0 } else { 1 };
        let stored = format!("layers/{key}/vars/{index}");
        let path = self
            .tensors
            .keys()
            .find(|path| {
                let last = path.rsplit('/').next().unwrap_or_default();
                let is_part = last.trim_end_matches(":0") == part;
                **path == stored || path.starts_with(&within) && is_part
            })?
            .clone();
        self.tensors.remove(&path)
    }
}

fn checked(
    name: &str,
    (shape, values): ShapedValues,
    expected: &[usize],
) -> Result<Vec<f32>, String> {
    if shape != expected {
        let name = quoted(name);
        return Err(format!(
            "a weight of {name} has shape {shape:?}, not {expected:?}"
        ));
    }
    if values.iter().all(|value| value.is_finite()) {
        Ok(values)
    } else {
        let name = quoted(name);
        Err(format!("{name} holds values that are not numbers"))
    }
}

/// Transposes a tensor: dimension `i` of the result is dimension `axes[i]` of the input.
fn permuted(shape: &[usize], values: &[f32], axes: &[usize]) -> ShapedValues {
    let mut strides = vec![1; shape.len()];
    for i in (0..shape.len().saturating_sub(1)).rev() {
        strides[i] = strides[i + 1] * shape[i + 1];
    }
    let turned: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    let at = |mut index: usize| {
        let mut offset = 0;
        for (axis, size) in axes.iter().zip(&turned).rev() {
            offset += index % size * strides[*axis];
            index /= size;
        }
        offset
    };
    let values = (0..values.len()).map(|index| values[at(index)]).collect();
    (turned, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_permuted_as_numpy_does() {
        // np.arange(6).reshape(1, 2, 3).transpose(2, 0, 1).ravel()
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let (shape, turned) = permuted(&[1, 2, 3], &values, &[2, 0, 1]);
        assert_eq!(shape, [3, 1, 2]);
        assert_eq!(turned, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}
