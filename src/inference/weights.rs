//! The tensors of a model file. Its card is in [`card`](super::card).

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use half::f16;
use half::slice::HalfFloatSliceExt;
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use super::{InferenceError, in_words};
use crate::domain::ModelCard;
use crate::domain::hex::hex;

/// The bundled model travels inside the binary, so that one file copied to a server works.
///
/// A `static`: each crate that names a constant gets a copy of its bytes, so that the program had these twice.
pub static BUNDLED_WEIGHTS: &[u8] = include_bytes!("../../weights/cxr-lite0.safetensors");
/// Its card.
pub static BUNDLED_CARD: &str = include_str!("../../weights/cxr-lite0.toml");

/// The network that finds the lungs, for every model.
pub static LUNG_WEIGHTS: &[u8] = include_bytes!("../../weights/lungs.safetensors");
/// Its card.
pub static LUNG_CARD: &str = include_str!("../../weights/lungs.toml");

/// The most bytes of a file's header. Parsed, it takes ten times as much memory.
const LARGEST_HEADER: u64 = 8 << 20;

/// The bytes of a safetensors file.
#[derive(Debug, Clone, Copy)]
pub enum StoredBytes<'a> {
    InMemory(&'a [u8]),
    /// A file that is only read, and does not change while it is mapped.
    Mapped(&'a Mmap),
}

impl<'a> StoredBytes<'a> {
    fn all(self) -> &'a [u8] {
        match self {
            StoredBytes::InMemory(bytes) => bytes,
            StoredBytes::Mapped(map) => map,
        }
    }

    /// Gives back the memory of a part that was read, where the file still has it. Otherwise a model takes its size
    /// twice while it is loaded: as the file, and as it is computed.
    #[allow(unsafe_code, reason = "pages of a mapped file are given back")]
    pub fn give_back(self, part: &[u8]) {
        let StoredBytes::Mapped(map) = self else {
            return;
        };
        let start = part.as_ptr().addr().checked_sub(map.as_ptr().addr());
        let Some(start) = start.filter(|start| *start <= map.len()) else {
            return;
        };
        // Pages that the system does not take back only take memory.
        // SAFETY: a page of this map that is read again has the bytes of the file, which are the same.
        let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, part.len()) };
    }
}

/// Named tensors, converted to `f32`. Each is converted when it is asked for, because all at once would double the
/// memory that loading a model takes.
pub struct Tensors<'a> {
    stored: Arc<SafeTensors<'a>>,
    bytes: StoredBytes<'a>,
    device: Device,
    metadata: HashMap<String, String>,
}

impl<'a> Tensors<'a> {
    /// # Errors
    /// If the bytes are not a safetensors file, or a value is not finite.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InferenceError> {
        Self::of(StoredBytes::InMemory(bytes))
    }

    /// # Errors
    /// As [`parse`](Tensors::parse).
    pub fn of(file: StoredBytes<'a>) -> Result<Self, InferenceError> {
        let bytes = file.all();
        let fault = |error: &dyn std::fmt::Display| InferenceError::Weights(error.to_string());
        let length = bytes
            .first_chunk()
            .map(|length| u64::from_le_bytes(*length));
        if length.is_some_and(|length| length > LARGEST_HEADER && length < bytes.len() as u64) {
            return Err(fault(&"its header is longer than any model's"));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| fault(&e))?;
        let stored = SafeTensors::deserialize(bytes).map_err(|e| fault(&e))?;
        for (name, view) in stored.iter() {
            if !is_finite(&view).map_err(|e| InferenceError::Weights(in_words(&e)))? {
                return Err(InferenceError::Weights(format!(
                    "{name} holds values that are not numbers"
                )));
            }
            file.give_back(view.data());
        }
        Ok(Tensors {
            stored: Arc::new(stored),
            bytes: file,
            device: Device::Cpu,
            metadata: header.metadata().clone().unwrap_or_default(),
        })
    }

    /// The same tensors, loaded to another device.
    pub fn on(&self, device: &Device) -> Self {
        Tensors {
            stored: self.stored.clone(),
            bytes: self.bytes,
            device: device.clone(),
            metadata: self.metadata.clone(),
        }
    }

    /// The file's metadata of this name.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }

    /// The tensor of that name and shape.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        let stored = self
            .stored
            .tensor(name)
            .map_err(|_| InferenceError::Weights(format!("{name} is absent")))?;
        if stored.shape() != shape {
            let found = stored.shape();
            return Err(InferenceError::Weights(format!(
                "{name} has shape {found:?}, not {shape:?}"
            )));
        }
        let tensor = match halves(&stored) {
            Some(values) => Tensor::from_vec(values, shape, &self.device)?,
            None => stored.load(&self.device)?.to_dtype(DType::F32)?,
        };
        self.bytes.give_back(stored.data());
        Ok(tensor)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.stored.tensor(name).is_ok()
    }

    /// The values of the tensor of that name and shape, row by row.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, InferenceError> {
        Ok(self.get(name, shape)?.flatten_all()?.to_vec1()?)
    }

    /// The size of the tensor's first dimension; 0 if it is absent or has no dimensions.
    pub fn rows(&self, name: &str) -> usize {
        let stored = self.stored.tensor(name).ok();
        let first = stored.and_then(|stored| stored.shape().first().copied());
        first.unwrap_or(0)
    }
}

/// The values of an `f16` tensor, converted in one pass and without a copy of the stored bytes; `None` for another
/// type.
fn halves(stored: &TensorView) -> Option<Vec<f32>> {
    const AT_ONCE: usize = 4096;
    if stored.dtype() != Dtype::F16 {
        return None;
    }
    let (bytes, _) = stored.data().as_chunks();
    let mut values = vec![0.0; bytes.len()];
    let mut aligned = [f16::ZERO; AT_ONCE];
    for (bytes, values) in bytes.chunks(AT_ONCE).zip(values.chunks_mut(AT_ONCE)) {
        let aligned = &mut aligned[..bytes.len()];
        for (half, bytes) in aligned.iter_mut().zip(bytes) {
            *half = f16::from_le_bytes(*bytes);
        }
        aligned.convert_to_f32_slice(values);
    }
    Some(values)
}

/// Whether all values are finite numbers in `f32`.
fn is_finite(stored: &TensorView) -> candle_core::Result<bool> {
    let halves = |exponent: u16| {
        let (halves, _) = stored.data().as_chunks();
        let is_finite = |half: &[u8; 2]| u16::from_le_bytes(*half) & exponent != exponent;
        halves.iter().all(is_finite)
    };
    Ok(match stored.dtype() {
        Dtype::F16 => halves(0x7c00),
        Dtype::BF16 => halves(0x7f80),
        Dtype::F32 => {
            const EXPONENT: u32 = 0x7f80_0000;
            let (words, _) = stored.data().as_chunks();
            let is_finite = |word: &[u8; 4]| u32::from_le_bytes(*word) & EXPONENT != EXPONENT;
            words.iter().all(is_finite)
        }
        _ => {
            let values = stored.load(&Device::Cpu)?.to_dtype(DType::F32)?;
            let values = values.flatten_all()?.to_vec1::<f32>()?;
            values.iter().all(|value| value.is_finite())
        }
    })
}

/// Checks that the card was written for these weights.
///
/// # Errors
/// If their SHA-256 differs.
pub fn verify(bytes: &[u8], card: &ModelCard) -> Result<(), InferenceError> {
    verify_digest(bytes, &card.sha256)
}

/// Checks that these are the weights with this SHA-256.
///
/// # Errors
/// If it differs.
pub fn verify_digest(bytes: &[u8], expected: &str) -> Result<(), InferenceError> {
    let found = hex(&Sha256::digest(bytes));
    if found == expected {
        return Ok(());
    }
    Err(InferenceError::Digest {
        expected: expected.to_owned(),
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::card::parse_card;

    #[test]
    fn the_bundled_card_fits_the_bundled_weights() {
        let card = parse_card(BUNDLED_CARD).unwrap();
        verify(BUNDLED_WEIGHTS, &card).unwrap();
        assert!(
            card.labels
                .iter()
                .any(|l| l.name == "Pneumonia" && l.operating_point.is_some())
        );
        assert!(
            !card.measurements.is_empty(),
            "a card without figures is not honest"
        );
    }

    #[test]
    fn other_bytes_are_refused() {
        let card = parse_card(BUNDLED_CARD).unwrap();
        let mut bytes = BUNDLED_WEIGHTS.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(
            verify(&bytes, &card),
            Err(InferenceError::Digest { .. })
        ));
    }

    #[test]
    fn a_bad_file_is_an_error_that_names_the_fault() {
        let error = |bytes: &[u8]| match Tensors::parse(bytes) {
            Err(e) => e.to_string(),
            Ok(_) => panic!("accepted"),
        };
        error(b"");
        error(&[0xff; 64]); // a header of 2^64 − 1 bytes
        error(&BUNDLED_WEIGHTS[..BUNDLED_WEIGHTS.len() / 2]);

        let tensors = Tensors::parse(BUNDLED_WEIGHTS).unwrap();
        let absent = tensors.get("no.such", &[1]).unwrap_err().to_string();
        assert!(absent.contains("no.such is absent"), "{absent}");
        let shape = tensors.get("_fc.bias", &[7]).unwrap_err().to_string();
        assert!(shape.contains("[4]") && shape.contains("[7]"), "{shape}");
    }
}
