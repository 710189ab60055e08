//! [safetensors](https://github.com/huggingface/safetensors): eight bytes with the length of a
//! header, a JSON header, tensors.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};

use super::values::Element;
use super::{CheckpointContents, CheckpointFault, CheckpointFormat, StoredTensor};

/// Whether it begins like a safetensors file; the length of the header is not checked.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// The most bytes of a header. A thousand tensors take a tenth of a MiB. The safetensors crate would accept 95 MiB and
/// need ten times as much memory.
const MOST_HEADER: u64 = 8 << 20;

/// Reads the tensors. The safetensors crate refuses a header that is longer than the file before it allocates.
pub fn read(bytes: &[u8]) -> Result<CheckpointContents, CheckpointFault> {
    let length = bytes
        .first_chunk()
        .map(|length| u64::from_le_bytes(*length));
    if length.is_some_and(|length| length > MOST_HEADER && length < bytes.len() as u64) {
        return Err(CheckpointFault::Unsupported(format!(
            "its header is longer than {} MiB, and no model has that many tensors",
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

#[cfg(test)]
mod tests {
    use safetensors::serialize;
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn every_type_that_models_have_becomes_f32() {
        let tensors = [
            ("half", Dtype::F16, vec![2], vec![0x00, 0x3c, 0x00, 0xc0]),
            ("brain", Dtype::BF16, vec![1], vec![0x80, 0x3f]),
            ("whole", Dtype::I16, vec![1, 1], vec![0xfe, 0xff]),
            ("mask", Dtype::BOOL, vec![2], vec![0, 1]),
        ];
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
            (*name, view)
        });
        let contents = read(&serialize(views, None).unwrap()).unwrap();
        let tensor = |name: &str| {
            let tensor = &contents.tensors[name];
            (tensor.shape.clone(), tensor.values.clone())
        };
        assert_eq!(tensor("half"), (vec![2], vec![1.0, -2.0]));
        assert_eq!(tensor("brain"), (vec![1], vec![1.0]));
        assert_eq!(tensor("whole"), (vec![1, 1], vec![-2.0]));
        assert_eq!(tensor("mask"), (vec![2], vec![0.0, 1.0]));
    }

    #[test]
    fn a_header_longer_than_the_file_or_than_any_models_is_refused() {
        let fault = |bytes: &[u8]| read(bytes).err().unwrap().to_string();
        let beyond = [&100_u64.to_le_bytes()[..], b"{}"].concat();
        assert!(fault(&beyond).contains("as safetensors"));
        let mut huge = vec![b' '; 8 + MOST_HEADER as usize + 16];
        huge[..8].copy_from_slice(&(MOST_HEADER + 1).to_le_bytes());
        assert!(fault(&huge).contains("longer than 8 MiB"));
        assert!(fault(b"").contains("as safetensors"));
    }
}
