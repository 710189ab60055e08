//! The graph of an ONNX file as plain data, with the names of
//! [its specification](https://github.com/onnx/onnx/blob/main/docs/IR.md).

use std::collections::BTreeMap;

/// A graph of operators. Its names are as they are in the file: they may hold any characters.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxGraph {
    /// Version of the standard operators.
    pub opset: i64,
    /// The program that wrote the file, and its version: `pytorch 2.9.0`.
    pub producer: String,
    /// In the order of the file, in which a node reads only what came before it.
    pub nodes: Vec<OnnxNode>,
    /// Initializers, by name.
    pub constants: BTreeMap<String, OnnxTensor>,
    /// Without those that are constants.
    pub inputs: Vec<OnnxInput>,
    /// Names.
    pub outputs: Vec<String>,
    /// SHA-256 of the file, lower-case hexadecimal. Files of external data have [their own](Self::data).
    pub sha256: String,
    /// The files of external data; `None` without them.
    pub data: Option<OnnxData>,
}

/// The files of external data that belong to a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxData {
    pub files: usize,
    /// SHA-256 of the bytes of all files, one after the other in the order of their names, lower-case hexadecimal.
    pub sha256: String,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxNode {
    /// May be empty.
    pub name: String,
    /// `Conv`; one that is not of the standard has its domain in front: `com.microsoft::FusedConv`.
    pub operator: String,
    /// Names of values. An optional input that is left out is empty.
    pub inputs: Vec<String>,
    /// Names of values.
    pub outputs: Vec<String>,
    /// By name.
    pub attributes: BTreeMap<String, OnnxAttribute>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum OnnxAttribute {
    Float(f32),
    Integer(i64),
    Text(String),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    Tensor(OnnxTensor),
    /// Of a kind that no supported operator has, such as a graph.
    Other,
}

/// A tensor with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxTensor {
    pub shape: Vec<usize>,
    /// Row by row; as many as the product of the shape.
    pub numbers: OnnxNumbers,
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum OnnxNumbers {
    /// All kinds of floating point numbers.
    Floats(Vec<f32>),
    /// All kinds of whole numbers, and truth values as 0 and 1.
    Integers(Vec<i64>),
}

impl OnnxNumbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            OnnxNumbers::Floats(values) => values.len(),
            OnnxNumbers::Integers(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value that comes from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxInput {
    pub name: String,
    /// `None` for a size that is not fixed. The whole is `None` where the file does not say it.
    pub shape: Option<Vec<Option<usize>>>,
}
