//! Tensors by name: whether they are all of a network, and a safetensors file of them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

/// The shape of each tensor, and its values row by row.
pub type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A tensor, and its name in the file that it is from.
#[derive(Debug)]
pub struct FoundTensor {
    /// Cleaned: a name is as hostile as its file.
    pub found_as: String,
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub values: Vec<f32>,
}

/// Why tensors are not those of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TensorFault {
    Shapes {
        /// `features.norm5.weight`
        absent: Vec<String>,
        /// `features.conv0.weight has shape [64, 3, 7, 7], not [64, 1, 7, 7]`
        misshapen: Vec<String>,
        /// As the file names them.
        extra: Vec<String>,
    },
    NotFinite {
        /// As the file names it.
        name: String,
    },
}

impl fmt::Display for TensorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TensorFault::Shapes {
                absent,
                misshapen,
                extra,
            } => f.write_str(&faults(absent, misshapen, extra)),
            TensorFault::NotFinite { name } => {
                write!(f, "{name} holds a value that is not a number")
            }
        }
    }
}

/// The most names in one message. Further ones are counted.
const NAMED: usize = 4;

/// What is wrong with tensors, in one short line.
pub fn faults(absent: &[String], misshapen: &[String], extra: &[String]) -> String {
    let list = |words: &str, names: &[String]| {
        let named = names[..names.len().min(NAMED)].join(", ");
        match names.len() {
            0 => None,
            n if n > NAMED => Some(format!("{words} {named} and {} more", n - NAMED)),
            _ => Some(format!("{words} {named}")),
        }
    };
    let parts = [
        list("lacks", absent),
        list("", misshapen),
        list("has besides", extra),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ").replace("  ", " ").trim().to_owned()
}

/// Whether these are exactly the tensors of a network with these shapes, of finite numbers.
///
/// # Errors
/// If one is absent, left over, of another shape, or holds a value that is not a number.
pub fn check(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, FoundTensor>,
) -> Result<(), TensorFault> {
    let absent = expected.keys().filter(|name| !found.contains_key(*name));
    let extra = found
        .iter()
        .filter(|(name, _)| !expected.contains_key(*name));
    let misshapen = expected.iter().filter_map(|(name, shape)| {
        let found = &found.get(name)?.shape;
        (found != shape).then(|| format!("{name} has shape {found:?}, not {shape:?}"))
    });
    let (absent, misshapen, extra): (Vec<_>, Vec<_>, Vec<_>) = (
        absent.cloned().collect(),
        misshapen.collect(),
        extra.map(|(_, tensor)| tensor.found_as.clone()).collect(),
    );
    if !(absent.is_empty() && misshapen.is_empty() && extra.is_empty()) {
        return Err(TensorFault::Shapes {
            absent,
            misshapen,
            extra,
        });
    }
    let odd = found
        .values()
        .find(|t| !t.values.iter().all(|v| v.is_finite()));
    odd.map_or(Ok(()), |tensor| {
        Err(TensorFault::NotFinite {
            name: tensor.found_as.clone(),
        })
    })
}

/// A safetensors file: the length of a JSON header, the header, the values; aligned to 8 bytes. The tensors are given up
/// one by one, so that both are never whole in memory.
pub fn safetensors(tensors: BTreeMap<String, FoundTensor>) -> Vec<u8> {
    safetensors_with(tensors, None)
}

/// As [`safetensors()`], with a text under a key of the file's metadata.
pub fn safetensors_with(
    tensors: BTreeMap<String, FoundTensor>,
    metadata: Option<(&str, &str)>,
) -> Vec<u8> {
    let (mut header, mut end) = (Map::new(), 0);
    if let Some((key, text)) = metadata {
        header.insert("__metadata__".to_owned(), json!({ key: text }));
    }
    for (name, tensor) in &tensors {
        let start = end;
        end += tensor.values.len() * size_of::<f32>();
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string();
    header.extend(std::iter::repeat_n(
        ' ',
        header.len().next_multiple_of(8) - header.len(),
    ));
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for tensor in tensors.into_values() {
        bytes.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes()));
    }
    bytes
}
