//! [ONNX](https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) files: a graph of operators with its weights, as a
//! message of protocol buffers.
//!
//! ```text
//! wire: fields ─► messages: model, graph, nodes ─► OnnxGraph
//!                 tensors: weights ◄── external: files beside the model
//! ```
//!
//! The few messages that a graph needs are read by hand. Readers that are made from the format's description build every
//! message of a file, and an empty one takes a hundred times its two bytes; here the parts are counted before they are
//! built.

mod external;
mod messages;
mod tensors;
mod wire;

use std::path::Path;

use sha2::{Digest, Sha256};

use self::external::ExternalData;
use super::error::damaged;
use super::{CheckpointError, CheckpointFault, CheckpointLimits, bytes};
use crate::domain::OnnxGraph;
use crate::domain::hex::hex;

/// Reads an ONNX file, and the files of external data beside it.
///
/// # Errors
/// One line with the file's name and the reason: it cannot be read, is too large with its data, is damaged, holds what no network
/// that cxr reads has, or its data are outside its folder.
pub fn read_onnx(path: &Path, limits: &CheckpointLimits) -> Result<OnnxGraph, CheckpointError> {
    bytes(path, limits.max_bytes)
        .and_then(|bytes| {
            let left = limits.max_bytes.saturating_sub(bytes.len() as u64);
            parse(&bytes, &mut ExternalData::beside(path, left))
        })
        .map_err(|fault| CheckpointError::new(path, fault))
}

/// As [`read_onnx`], for the bytes of a file without external data.
///
/// # Errors
/// As [`read_onnx`], without the name of a file.
pub fn parse_onnx(bytes: &[u8]) -> Result<OnnxGraph, CheckpointFault> {
    parse(bytes, &mut ExternalData::none())
}

fn parse(bytes: &[u8], external: &mut ExternalData) -> Result<OnnxGraph, CheckpointFault> {
    if bytes.is_empty() {
        return damaged("it is empty");
    }
    if bytes.starts_with(super::LFS_POINTER) {
        return Err(CheckpointFault::Unsupported(
            "it only points to the file itself (Git LFS): fetch that with `git lfs pull`"
                .to_owned(),
        ));
    }
    let graph = messages::model(bytes, external)?;
    Ok(OnnxGraph {
        sha256: hex(&Sha256::digest(bytes)),
        data: external.digest()?,
        ..graph
    })
}
