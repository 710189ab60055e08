//! A graph from the tensors and the metadata of a model file.

use candle_core::Device;

use super::program::GraphProgram;
use super::stored::{StoredGraph, constant_name};
use super::{GRAPH, NAME};
use crate::inference::InferenceError;
use crate::inference::engine::{Compute, Precision};
use crate::inference::weights::Tensors;

/// The graph in the metadata of a file.
///
/// # Errors
/// If there is none, or its steps are out of order.
pub fn stored(tensors: &Tensors) -> Result<StoredGraph, InferenceError> {
    let text = tensors.metadata(GRAPH);
    let text = text.ok_or_else(|| fault("the file does not say which steps it has"))?;
    let graph: StoredGraph =
        serde_json::from_str(text).map_err(|error| fault(&error.to_string()))?;
    graph.check().map_err(|reason| fault(&reason))?;
    Ok(graph)
}

/// The graph with its constants, for images of `channels` and this side, on a device.
///
/// # Errors
/// If it is for other images, a constant is absent or of another shape, or the precision is not `f32`.
pub fn program(
    tensors: &Tensors,
    channels: usize,
    side: usize,
    device: Device,
    compute: Compute,
) -> Result<GraphProgram, InferenceError> {
    if compute.precision != Precision::F32 {
        return Err(InferenceError::Unsupported(
            "a network whose operators are kept (onnx-graph) computes in f32: leave --precision out",
        ));
    }
    let graph = stored(tensors)?;
    if [graph.channels, graph.side] != [channels, side] {
        return Err(fault(&format!(
            "{NAME} is for {} × {1} × {1}, and the preprocessing makes {channels} × {side} × {side}",
            graph.channels, graph.side
        )));
    }
    GraphProgram::new(graph, device, |value, shape| {
        tensors.get(&constant_name(value), shape)
    })
}

fn fault(reason: &str) -> InferenceError {
    InferenceError::Weights(format!("{GRAPH}: {reason}"))
}
