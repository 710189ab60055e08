//! Published networks, and the import of their checkpoints: all tensors under PyTorch's names, with their shapes,
//! and a card. A tensor that is missing, left over, of another shape, or that holds a value that is not a number
//! is an error that names it.

mod card;
mod names;
mod published;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::card::write_card;
use super::network::{densenet, resnet};
use super::preprocess;
pub use super::tensor_file::NamedTensors;
use super::tensor_file::{self, FoundTensor, TensorFault, faults, safetensors};
use crate::domain::hex::hex;
use crate::domain::text::clean;
pub use card::covid_severity;
pub(in crate::inference) use card::first_limits;
pub use published::{PATHOLOGIES, PUBLISHED, Published, Recognition};

/// Networks of one architecture with one preprocessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFamily {
    /// `torchxrayvision.models.DenseNet`: one channel, 224 × 224.
    XrvDensenet121,
    /// `torchxrayvision.models.ResNet`, ResNet-50: one channel, 512 × 512.
    XrvResnet50_512,
    /// DenseNet-121 of torchvision with 14 outputs, as arnoweng/CheXNet has it: three channels,
    /// 224 × 224.
    Chexnet,
}

/// Why a checkpoint is not a model of a family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FamilyError {
    #[error("{0} is no family of networks; there are {all}", all = ModelFamily::NAMES.join(", "))]
    Unknown(String),
    #[error("not a {family}: {}", faults(.absent, .misshapen, .extra))]
    Tensors {
        family: &'static str,
        /// `features.norm5.weight`
        absent: Vec<String>,
        /// `features.conv0.weight has shape [64, 3, 7, 7], not [64, 1, 7, 7]`
        misshapen: Vec<String>,
        /// As the checkpoint names them.
        extra: Vec<String>,
    },
    #[error("{first} and {second} are both {name}")]
    Twice {
        name: String,
        first: String,
        second: String,
    },
    #[error("{name} holds {values} values, and its shape {shape:?} says otherwise")]
    Torn {
        name: String,
        shape: Vec<usize>,
        values: usize,
    },
    #[error("{name} holds a value that is not a number")]
    NotFinite { name: String },
    #[error("it has {outputs} outputs, and there are {labels} labels")]
    Labels { outputs: usize, labels: usize },
    #[error("it has {outputs} outputs, and there are {thresholds} operating points")]
    Thresholds { outputs: usize, thresholds: usize },
    #[error("the operating point of {label} is {threshold}, not between 0 and 1")]
    Threshold { label: String, threshold: String },
    #[error("two labels are called {0}")]
    SameLabel(String),
    #[error("none of its outputs was trained")]
    NoLabel,
    #[error("{0}")]
    Card(String),
    #[error("{published} is a {theirs}, not a {ours}")]
    OtherFamily {
        published: &'static str,
        theirs: &'static str,
        ours: &'static str,
    },
}

impl ModelFamily {
    pub const ALL: [ModelFamily; 3] = [
        ModelFamily::XrvDensenet121,
        ModelFamily::XrvResnet50_512,
        ModelFamily::Chexnet,
    ];
    const NAMES: [&'static str; 3] = ["xrv-densenet121", "xrv-resnet50-512", "chexnet"];

    /// The name for `--as`.
    pub fn name(self) -> &'static str {
        match self {
            ModelFamily::XrvDensenet121 => Self::NAMES[0],
            ModelFamily::XrvResnet50_512 => Self::NAMES[1],
            ModelFamily::Chexnet => Self::NAMES[2],
        }
    }

    /// Labels of its outputs, unless the checkpoint says otherwise.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            ModelFamily::XrvDensenet121 | ModelFamily::XrvResnet50_512 => &published::PATHOLOGIES,
            ModelFamily::Chexnet => &published::CHEXNET,
        }
    }

    /// The names of all its tensors in PyTorch, and their shapes with this many outputs.
    pub fn tensors(self, outputs: usize) -> BTreeMap<String, Vec<usize>> {
        match self {
            ModelFamily::XrvDensenet121 => densenet::DENSENET_121.shapes(1, outputs).0,
            ModelFamily::XrvResnet50_512 => resnet::RESNET_50.shapes(1, outputs).0,
            ModelFamily::Chexnet => densenet::DENSENET_121.shapes(3, outputs).0,
        }
    }

    fn architecture(self) -> &'static str {
        match self {
            ModelFamily::XrvDensenet121 | ModelFamily::Chexnet => densenet::NAME,
            ModelFamily::XrvResnet50_512 => resnet::NAME,
        }
    }

    /// The layer whose rows are the labels.
    fn head(self) -> &'static str {
        match self {
            ModelFamily::XrvDensenet121 | ModelFamily::Chexnet => densenet::HEAD,
            ModelFamily::XrvResnet50_512 => resnet::HEAD,
        }
    }

    fn preprocess(self) -> (&'static str, usize) {
        match self {
            ModelFamily::XrvDensenet121 => (preprocess::XRV_224_1, 224),
            ModelFamily::XrvResnet50_512 => (preprocess::XRV_512_1, 512),
            ModelFamily::Chexnet => (preprocess::CHEXNET_224_1, 224),
        }
    }
}

impl fmt::Display for ModelFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelFamily {
    type Err = FamilyError;

    fn from_str(name: &str) -> Result<Self, FamilyError> {
        let found = ModelFamily::ALL
            .into_iter()
            .find(|family| family.name() == name);
        found.ok_or_else(|| FamilyError::Unknown(clean(name)))
    }
}

/// One output that was trained.
#[derive(Debug, Clone, PartialEq)]
struct Output {
    label: String,
    /// torchxrayvision's `op_threshs`.
    threshold: Option<f32>,
    /// Its row in the checkpoint's last layer.
    row: usize,
}

/// The safetensors file of a checkpoint, and the text of its card with this `name`. Labels and operating points are
/// those of `recognition`, or else the given ones, or else the family's labels and the operating points of a tensor
/// `op_threshs`. An output without a label, or without an operating point if others have one, was never trained:
/// its row is left out.
///
/// # Errors
/// If it is not a complete model of the family, a value is not a number, or the labels do not fit.
pub fn assemble(
    family: ModelFamily,
    tensors: NamedTensors,
    labels: Option<Vec<String>>,
    op_threshs: Option<Vec<Option<f32>>>,
    recognition: Option<Recognition>,
    name: &str,
) -> Result<(Vec<u8>, String), FamilyError> {
    let known = recognition.map(Recognition::outputs);
    if let Some(known) = known.filter(|known| known.family != family) {
        return Err(FamilyError::OtherFamily {
            published: known.name,
            theirs: known.family.name(),
            ours: family.name(),
        });
    }
    let mut tensors = names::canonical(tensors)?;
    let stored = tensors.remove(names::OP_THRESHS);
    check(family, &tensors)?;
    let op_threshs = op_threshs.or_else(|| stored.map(|stored| thresholds(&stored.values)));
    let (labels, op_threshs) = match known {
        Some(known) => (known.labels(), Some(known.op_threshs())),
        None => {
            let own = || {
                family
                    .labels()
                    .iter()
                    .map(|&label| label.to_owned())
                    .collect()
            };
            (labels.unwrap_or_else(own), op_threshs)
        }
    };
    let outputs = tensors[&format!("{}.bias", family.head())].values.len();
    let trained = trained(labels, op_threshs.as_deref(), outputs)?;
    let left_out = outputs - trained.len();
    keep_rows(family, &mut tensors, &trained);
    let weights = safetensors(tensors);
    let sha256 = hex(&Sha256::digest(&weights));
    let model = card::ImportedModel {
        family,
        recognition,
        name,
        outputs: &trained,
        left_out,
        sha256: &sha256,
    };
    let card = write_card(&model.card()).map_err(|error| FamilyError::Card(error.to_string()))?;
    Ok((weights, card))
}

/// PyTorch stores a missing threshold as NaN.
fn thresholds(values: &[f32]) -> Vec<Option<f32>> {
    values.iter().map(|t| (!t.is_nan()).then_some(*t)).collect()
}

/// Whether these are the tensors of the family, with any number of outputs.
fn check(family: ModelFamily, tensors: &BTreeMap<String, FoundTensor>) -> Result<(), FamilyError> {
    let bias = tensors.get(&format!("{}.bias", family.head()));
    let outputs = bias.map_or(family.labels().len(), |bias| bias.values.len());
    tensor_file::check(&family.tensors(outputs), tensors).map_err(|fault| match fault {
        TensorFault::Shapes {
            absent,
            misshapen,
            extra,
        } => FamilyError::Tensors {
            family: family.name(),
            absent,
            misshapen,
            extra,
        },
        TensorFault::NotFinite { name } => FamilyError::NotFinite { name },
    })
}

/// The outputs with a label and, if any output has an operating point, with one.
fn trained(
    labels: Vec<String>,
    op_threshs: Option<&[Option<f32>]>,
    outputs: usize,
) -> Result<Vec<Output>, FamilyError> {
    if labels.len() != outputs {
        let labels = labels.len();
        return Err(FamilyError::Labels { outputs, labels });
    }
    if let Some(thresholds) = op_threshs.map(<[_]>::len).filter(|n| *n != outputs) {
        return Err(FamilyError::Thresholds {
            outputs,
            thresholds,
        });
    }
    let mut trained: Vec<Output> = Vec::new();
    for (row, label) in labels.iter().map(|label| clean(label)).enumerate() {
        let threshold = op_threshs.and_then(|thresholds| thresholds[row]);
        if label.is_empty() || op_threshs.is_some() && threshold.is_none() {
            continue;
        }
        if let Some(threshold) = threshold.filter(|t| !(*t > 0.0 && *t < 1.0)) {
            let threshold = threshold.to_string();
            return Err(FamilyError::Threshold { label, threshold });
        }
        if trained.iter().any(|other| other.label == label) {
            return Err(FamilyError::SameLabel(label));
        }
        trained.push(Output {
            label,
            threshold,
            row,
        });
    }
    if trained.is_empty() {
        Err(FamilyError::NoLabel)
    } else {
        Ok(trained)
    }
}

/// Keeps only the rows of these outputs in the last layer, in this order.
fn keep_rows(family: ModelFamily, tensors: &mut BTreeMap<String, FoundTensor>, outputs: &[Output]) {
    for part in ["weight", "bias"] {
        let Some(tensor) = tensors.get_mut(&format!("{}.{part}", family.head())) else {
            continue;
        };
        let length: usize = tensor.shape[1..].iter().product();
        let row = |output: &Output| tensor.values[output.row * length..][..length].to_vec();
        tensor.values = outputs.iter().flat_map(row).collect();
        tensor.shape[0] = outputs.len();
    }
}
