//! Networks from a graph of operators (ONNX) that cxr's layers cannot say, such as transformers: the operators one by one,
//! by candle, one image after the other. On a CPU that is slower than the kernels; it runs on every device that candle
//! supports.
//!
//! ```text
//! stored: steps, constants ─► GraphProgram ─ image [1, C, S, S] ─► step after step ─► features [1, F]
//!                                                                    │
//!                              call: inputs, attributes, bounds ─► operators: arithmetic, arrange, layers, reduce …
//! ```
//!
//! The steps are those that depend on the image: what does not was computed at import. They are in the safetensors file, as
//! JSON under [`GRAPH`] of its metadata, so that the digest on the card covers them. Value 0 is the image; the floats of
//! constant `i` are the tensor `constants.i`; the last layer is `head`.

mod arithmetic;
mod arrange;
mod call;
mod create;
mod index;
mod layers;
mod load;
mod operators;
mod program;
mod reduce;
mod resize;
mod stored;
#[cfg(test)]
mod tests;
mod whole;
mod windows;

pub use crate::domain::ONNX_GRAPH as NAME;
pub use load::{program, stored};
pub use program::{GraphProgram, GraphRun, oriented};
pub use stored::{GraphConstant, GraphStep, StepAttribute, StoredGraph, constant_name};

/// The key of the steps in the safetensors file's metadata.
pub const GRAPH: &str = "onnx_graph";
/// Weight and bias of the last layer.
pub const HEAD: [&str; 2] = ["head.weight", "head.bias"];
