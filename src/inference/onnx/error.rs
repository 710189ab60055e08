//! Why a graph is not imported.

use crate::domain::text::clean;

/// Why a graph is not imported, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct OnnxError {
    reason: String,
    is_mendable: bool,
    is_of_layers: bool,
}

impl OnnxError {
    /// A fault of the file, which no option mends.
    pub fn new(reason: impl AsRef<str>) -> Self {
        OnnxError {
            reason: clean(reason.as_ref()),
            is_mendable: false,
            is_of_layers: false,
        }
    }

    /// The same, where cxr's layers cannot say the graph.
    pub fn of_layers(reason: impl AsRef<str>) -> Self {
        OnnxError {
            is_of_layers: true,
            ..OnnxError::new(reason)
        }
    }

    /// The same, where an option that the reason names would help.
    pub fn mendable(reason: impl AsRef<str>) -> Self {
        OnnxError {
            is_mendable: true,
            ..OnnxError::new(reason)
        }
    }

    /// Whether another option would help.
    pub fn is_mendable(&self) -> bool {
        self.is_mendable
    }

    /// Whether cxr's layers cannot say the graph, so that its operators have to be kept:
    /// [`assemble_onnx_graph`](super::assemble_onnx_graph).
    pub fn is_of_layers(&self) -> bool {
        self.is_of_layers
    }
}
