//! Constants and attributes, from the file to what is computed, and to what is stored.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use crate::domain::{OnnxAttribute, OnnxNumbers, OnnxTensor};
use crate::inference::in_words;
use crate::inference::network::graph::{GraphConstant, StepAttribute, constant_name};
use crate::inference::onnx::node::{GraphNode, shown};
use crate::inference::tensor_file::FoundTensor;

/// A constant with its whole numbers, or with its floats in `tensors`.
pub fn stored(
    value: usize,
    tensor: &Tensor,
    tensors: &mut BTreeMap<String, FoundTensor>,
) -> Result<GraphConstant, String> {
    let words = |error: candle_core::Error| in_words(&error);
    let flat = tensor.flatten_all().map_err(words)?;
    let shape = tensor.dims().to_vec();
    if tensor.dtype() == DType::I64 {
        let whole = Some(flat.to_vec1().map_err(words)?);
        return Ok(GraphConstant {
            value,
            shape,
            whole,
        });
    }
    let mut values: Vec<f32> = flat.to_vec1().map_err(words)?;
    for value in &mut values {
        if value.is_nan() {
            return Err("it makes a constant that holds a value that is not a number".to_owned());
        }
        // Masks are −∞, and files of tensors hold numbers: e to the power of either is 0.
        *value = value.clamp(f32::MIN, f32::MAX);
    }
    let name = constant_name(value);
    let tensor = FoundTensor {
        found_as: name.clone(),
        shape: shape.clone(),
        values,
    };
    tensors.insert(name, tensor);
    Ok(GraphConstant {
        value,
        shape,
        whole: None,
    })
}

/// A tensor of the file.
pub fn tensor_of(name: &str, tensor: OnnxTensor) -> Result<Tensor, String> {
    let made = match tensor.numbers {
        OnnxNumbers::Floats(values) => {
            if values.iter().any(|value| value.is_nan()) {
                let name = shown(name);
                return Err(format!("{name} holds a value that is not a number"));
            }
            Tensor::from_vec(values, tensor.shape, &Device::Cpu)
        }
        OnnxNumbers::Integers(values) => Tensor::from_vec(values, tensor.shape, &Device::Cpu),
    };
    made.map_err(|error| format!("{}: {}", shown(name), in_words(&error)))
}

/// The numbers of a `Constant`.
pub fn constant_of(node: GraphNode) -> Result<Option<OnnxTensor>, String> {
    let list = |shape: Vec<usize>, numbers: OnnxNumbers| Some(OnnxTensor { shape, numbers });
    let mut values = node.0.attributes.values();
    Ok(match values.next() {
        Some(OnnxAttribute::Tensor(tensor)) => Some(tensor.clone()),
        Some(OnnxAttribute::Float(value)) => list(vec![], OnnxNumbers::Floats(vec![*value])),
        Some(OnnxAttribute::Integer(value)) => list(vec![], OnnxNumbers::Integers(vec![*value])),
        Some(OnnxAttribute::Floats(values)) => {
            list(vec![values.len()], OnnxNumbers::Floats(values.clone()))
        }
        Some(OnnxAttribute::Integers(values)) => {
            list(vec![values.len()], OnnxNumbers::Integers(values.clone()))
        }
        _ => None,
    })
}

/// The attributes of a node, as they are stored.
pub fn attributes_of(node: GraphNode) -> Result<BTreeMap<String, StepAttribute>, String> {
    let attribute = |(name, attribute): (&String, &OnnxAttribute)| {
        let other = || {
            node.fault(format!(
                "its {} is of a kind that cxr does not have",
                shown(name)
            ))
        };
        let value = match attribute {
            OnnxAttribute::Integer(value) => StepAttribute::Integer(*value),
            OnnxAttribute::Float(value) => StepAttribute::Float(*value),
            OnnxAttribute::Text(text) => StepAttribute::Text(text.clone()),
            OnnxAttribute::Integers(values) => StepAttribute::Integers(values.clone()),
            OnnxAttribute::Floats(values) => StepAttribute::Floats(values.clone()),
            // The number of `ConstantOfShape`.
            OnnxAttribute::Tensor(tensor) => match &tensor.numbers {
                OnnxNumbers::Floats(values) if values.len() == 1 => StepAttribute::Float(values[0]),
                OnnxNumbers::Integers(values) if values.len() == 1 => {
                    StepAttribute::Integer(values[0])
                }
                _ => return Err(other()),
            },
            OnnxAttribute::Other => return Err(other()),
        };
        Ok((name.clone(), value))
    };
    node.0.attributes.iter().map(attribute).collect()
}
