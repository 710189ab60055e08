//! [safetensors](https://github.com/huggingface/safetensors): eight bytes with the length of a
//! header, a JSON header, tensors.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};

use super::values::Element;
use super::{CheckpointContents, CheckpointFault, CheckpointFormat, StoredTensor};

/// Whether it begins as such a file does, whatever length it claims.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Bytes of a header. A thousand tensors take a tenth of a MiB, and the crate reads up to 95 MiB into ten times
/// as much memory.
const MOST_HEADER: u64 = 8 << 20;

/// The crate refuses a header that is longer than the file before it allocates anything.
pub fn read(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let length = bytes
        .first_chunk()
        .map(|length| u64::from_le_bytes(*length));
    if length.is_some_and(|length| length > MOST_HEADER && length < bytes.len() as u64) {
        return Err(CheckpointFault::Unsupported(format!(
            "its header is longer than {} MiB, and no model has so many tensors",
            MOST_HEADER >> 20
        )));
    }
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| CheckpointFault::Damaged(format!("as safetensors: {error}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let element = match view.dtype() {
            Dtype::F64 => Element::F64,
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::I64 => Element::I64,
            Dtype::I32 => Element::I32,
            Dtype::I16 => Element::I16,
            Dtype::I8 => Element::I8,
            Dtype::U8 | Dtype::BOOL => Element::U8,
            other => {
                return Err(CheckpointFault::Unsupported(format!(
                    "{name} holds {other:?}"
                )));
            }
        };
        let tensor = StoredTensor {
            shape: view.shape().to_vec(),
            values: element.values(view.data()),
        };
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(CheckpointContents::new(
        CheckpointFormat::Safetensors,
        tensors,
    ))
}
