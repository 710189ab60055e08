//! Other people's model files, read into named tensors. Nothing in them is ever run.
//!
//! ```text
//! .safetensors ─► safetensors_file ──────────────────────────────┐
//! .pt .pth     ─► torch: container ─► pickle ─► graph ─► tensors ├─► Checkpoint
//! .h5 .keras   ─► keras ─────────────────────────────────────────┘
//! ```
//!
//! A file is recognised by its content, not by its name. What it may ask for is bounded before it is
//! given: a hostile file costs its error and nothing else.

mod error;
mod keras;
mod safetensors_file;
mod torch;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

pub use error::{CheckpointError, CheckpointFault};

/// How much a file may ask for.
#[derive(Debug, Clone)]
pub struct CheckpointLimits {
    /// Bytes of the file. The values read from it are at most as many as it has bytes.
    pub max_bytes: u64,
}

impl Default for CheckpointLimits {
    /// 1 GiB: a ResNet-50 takes 98 MiB.
    fn default() -> Self {
        CheckpointLimits { max_bytes: 1 << 30 }
    }
}

/// What kind of file it was.
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
    /// For people.
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

/// One tensor, whatever it was stored as.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    pub shape: Vec<usize>,
    /// Row by row, as many as the shape says.
    pub values: Vec<f32>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub form: CheckpointFormat,
    /// By the names of the file; those of a module are as `state_dict()` gives them.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// torchxrayvision's operating points, one a label; `None` for a label that has none (NaN).
    pub op_threshs: Option<Vec<Option<f32>>>,
    /// Labels in the order of the outputs, as the file has them; one that was never trained is empty.
    pub pathologies: Option<Vec<String>>,
    /// A Keras model's layers: its `model_config`, JSON.
    pub keras_config: Option<String>,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// Reads a file.
///
/// # Errors
/// One line that names the file and why: it cannot be read, is too large, is of no known form, is
/// damaged, or would run something if Python read it.
pub fn read(path: &Path, limits: &CheckpointLimits) -> Result<Checkpoint, CheckpointError> {
    bytes(path, limits.max_bytes)
        .and_then(|bytes| parse(&bytes))
        .map_err(|fault| CheckpointError::new(path, fault))
}

/// The same for bytes that were read already.
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
                "a PyTorch file from before 0.2 (tar): save it again with torch.save of a newer one"
                    .to_owned(),
            ));
        }
        _ if safetensors_file::looks_like(bytes) => safetensors_file::read(bytes)?,
        _ => return Err(CheckpointFault::UnknownForm),
    };
    Ok(contents.of(bytes))
}

/// The pickle of a PyTorch file without the file: every storage is zeros. Only fuzz targets call this,
/// because a zip file's checksums stop what changes a whole one.
pub(crate) fn parse_pickle(bytes: &[u8]) -> Result<Checkpoint, CheckpointFault> {
    Ok(torch::read_pickle(bytes)?.of(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A [`Checkpoint`] before its digest is known.
struct CheckpointContents {
    form: CheckpointFormat,
    tensors: BTreeMap<String, StoredTensor>,
    op_threshs: Option<Vec<Option<f32>>>,
    pathologies: Option<Vec<String>>,
    keras_config: Option<String>,
}

impl CheckpointContents {
    fn new(form: CheckpointFormat, tensors: BTreeMap<String, StoredTensor>) -> Self {
        CheckpointContents {
            form,
            tensors,
            op_threshs: None,
            pathologies: None,
            keras_config: None,
        }
    }

    /// With the digest of the file.
    fn of(self, bytes: &[u8]) -> Checkpoint {
        Checkpoint {
            form: self.form,
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
    match archive.find("config.json") && archive.find("model.weights.h5") {
        true => keras::read_keras(&mut archive),
        false => torch::read_zip(&mut archive),
    }
}

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
    match bytes.len() as u64 > most {
        true => Err(CheckpointFault::TooLarge { most }),
        false => Ok(bytes),
    }
}
