//! Published model files, read into named tensors. No code in them is ever run.
//!
//! ```text
//! .safetensors ─► safetensors_file ──────────────────────────────┐
//! .pt .pth     ─► torch: container ─► pickle ─► graph ─► tensors ├─► Checkpoint
//! .h5 .keras   ─► keras ─────────────────────────────────────────┘
//! ```
//!
//! [`ModelFolder`] is a folder of such files with its description. An ONNX file holds a graph beside its tensors:
//! [`read_onnx`].
//!
//! A file is recognised by its content, not by its name. Memory is bounded before it is allocated, so that a
//! hostile file causes an error and nothing else.

mod error;
pub mod folder;
mod keras;
mod npy;
mod onnx;
mod safetensors_file;
mod torch;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::hex::hex;
pub use error::{CheckpointError, CheckpointFault};
pub use folder::{FolderWeights, ModelFolder, PartIndex};
pub use npy::{parse_npy, read_npy};
pub use onnx::{parse_onnx, read_onnx};

/// The beginning of what Git has in the place of a large file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Bounds on a file.
#[derive(Debug, Clone)]
pub struct CheckpointLimits {
    /// The most bytes of a file. It gives at most as many values as it has bytes.
    pub max_bytes: u64,
}

impl Default for CheckpointLimits {
    /// 2 GiB: a ResNet-50 takes 98 MiB, and a ViT-L 1.2 GiB.
    fn default() -> Self {
        CheckpointLimits { max_bytes: 2 << 30 }
    }
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointFormat {
    Safetensors,
    /// Tensors by name, as `torch.save(model.state_dict(), …)` writes them.
    TorchStateDict,
    /// A pickled module, as `torch.save(model, …)` writes it.
    TorchModule,
    KerasH5,
    /// The zip file of Keras 3.
    Keras3,
}

impl CheckpointFormat {
    /// The name of the format for messages.
    pub fn words(self) -> &'static str {
        match self {
            CheckpointFormat::Safetensors => "safetensors",
            CheckpointFormat::TorchStateDict => "PyTorch state dict",
            CheckpointFormat::TorchModule => "pickled PyTorch module",
            CheckpointFormat::KerasH5 => "Keras HDF5",
            CheckpointFormat::Keras3 => "Keras 3",
        }
    }
}

/// One tensor, converted to `f32`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    pub shape: Vec<usize>,
    /// Row by row; their number is the product of the shape.
    pub values: Vec<f32>,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub format: CheckpointFormat,
    /// By name. The tensors of a module have the names that `state_dict()` gives them.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// torchxrayvision's operating points, one for each label; `None` for a label without one (NaN).
    pub op_threshs: Option<Vec<Option<f32>>>,
    /// The labels of the outputs, in order. The label of an output that was never trained is empty.
    pub pathologies: Option<Vec<String>>,
    /// The layers of a Keras model: its `model_config`, as JSON.
    pub keras_config: Option<String>,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// Reads a file.
///
/// # Errors
/// One line with the file's name and the reason: it cannot be read, is too large, has an unknown format, is damaged,
/// or would run code if Python read it.
pub fn read(path: &Path, limits: &CheckpointLimits) -> Result<Checkpoint, CheckpointError> {
    bytes(path, limits.max_bytes)
        .and_then(|bytes| parse(&bytes))
        .map_err(|fault| CheckpointError::new(path, fault))
}

/// As [`read`], for the bytes of a file.
///
/// # Errors
/// As [`read`], without the name of a file.
pub fn parse(bytes: &[u8]) -> Result<Checkpoint, CheckpointFault> {
    let contents = match bytes {
        [] => return Err(CheckpointFault::Damaged("it is empty".to_owned())),
        _ if torch::is_legacy(bytes) => torch::read_legacy(bytes)?,
        _ if keras::is_hdf5(bytes) => keras::read_h5(bytes)?,
        [b'P', b'K', 3, 4, ..] => read_zip(bytes)?,
        _ if torch::is_tar(bytes) => {
            return Err(CheckpointFault::Unsupported(
                "a PyTorch file from before 0.2 (tar): save it again with torch.save of a newer version"
                    .to_owned(),
            ));
        }
        _ if bytes.starts_with(LFS_POINTER) => {
            return Err(CheckpointFault::Unsupported(
                "it only points to the file itself (Git LFS): fetch that with `git lfs pull`"
                    .to_owned(),
            ));
        }
        _ if safetensors_file::looks_like(bytes) => safetensors_file::read(bytes)?,
        _ => return Err(CheckpointFault::UnknownFormat),
    };
    Ok(contents.of(bytes))
}

/// The pickle of a PyTorch file alone, with storages of zeros. Only fuzz targets call this: the checksums of a zip
/// file would reject most changes that they make.
pub(crate) fn parse_pickle(bytes: &[u8]) -> Result<Checkpoint, CheckpointFault> {
    Ok(torch::read_pickle(bytes)?.of(bytes))
}

/// A [`Checkpoint`] before its digest is known.
struct CheckpointContents {
    format: CheckpointFormat,
    tensors: BTreeMap<String, StoredTensor>,
    op_threshs: Option<Vec<Option<f32>>>,
    pathologies: Option<Vec<String>>,
    keras_config: Option<String>,
}

impl CheckpointContents {
    fn new(format: CheckpointFormat, tensors: BTreeMap<String, StoredTensor>) -> Self {
        CheckpointContents {
            format,
            tensors,
            op_threshs: None,
            pathologies: None,
            keras_config: None,
        }
    }

    /// With the digest of the file.
    fn of(self, bytes: &[u8]) -> Checkpoint {
        Checkpoint {
            format: self.format,
            tensors: self.tensors,
            op_threshs: self.op_threshs,
            pathologies: self.pathologies,
            keras_config: self.keras_config,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}

/// PyTorch since 1.6, or Keras 3.
fn read_zip(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let mut archive = values::Archive::new(bytes)?;
    if archive.find("config.json") && archive.find("model.weights.h5") {
        keras::read_keras(&mut archive)
    } else {
        torch::read_zip(&mut archive)
    }
}

/// The bytes of a file of at most `most` bytes.
fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, CheckpointFault> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CheckpointFault::Unreadable("no such file".to_owned()),
        kind => CheckpointFault::Unreadable(kind.to_string()),
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(CheckpointFault::Unreadable("not a file".to_owned()));
    }
    if metadata.len() > most {
        return Err(CheckpointFault::TooLarge { most });
    }
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > most {
        Err(CheckpointFault::TooLarge { most })
    } else {
        Ok(bytes)
    }
}
