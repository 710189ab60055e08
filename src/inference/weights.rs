//! The tensors of a model file. Its card is in [`card`](super::card).

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::{InferenceError, in_words};
use crate::domain::ModelCard;

/// The bundled model travels inside the binary, so that one file copied to a server works.
pub const BUNDLED_WEIGHTS: &[u8] = include_bytes!("../../weights/cxr-lite0.safetensors");
/// Its card.
pub const BUNDLED_CARD: &str = include_str!("../../weights/cxr-lite0.toml");

/// Named tensors in `f32`, whatever they were stored as.
pub struct Tensors {
    named: HashMap<String, Tensor>,
    metadata: HashMap<String, String>,
}

impl Tensors {
    /// # Errors
    /// If the bytes are not a safetensors file, or a value is not finite.
    pub fn parse(bytes: &[u8], device: &Device) -> Result<Self, InferenceError> {
        let stored = candle_core::safetensors::load_buffer(bytes, device)
            .map_err(|e| InferenceError::Weights(in_words(&e)))?;
        let mut tensors = HashMap::with_capacity(stored.len());
        for (name, tensor) in stored {
            let tensor = tensor.to_dtype(DType::F32)?;
            let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Err(InferenceError::Weights(format!(
                    "{name} holds values that are not numbers"
                )));
            }
            tensors.insert(name, tensor);
        }
        let metadata = SafeTensors::read_metadata(bytes)
            .map_err(|e| InferenceError::Weights(e.to_string()))?
            .1;
        Ok(Tensors {
            named: tensors,
            metadata: metadata.metadata().clone().unwrap_or_default(),
        })
    }

    /// The same tensors in another place.
    ///
    /// # Errors
    /// If the device has no room for them.
    pub fn on(&self, device: &Device) -> Result<Self, InferenceError> {
        let moved = self.named.iter().map(|(name, tensor)| {
            let tensor = tensor.to_device(device)?;
            Ok((name.clone(), tensor))
        });
        Ok(Tensors {
            named: moved.collect::<candle_core::Result<_>>()?,
            metadata: self.metadata.clone(),
        })
    }

    /// What the file says under this name beside its tensors.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }

    /// The tensor of that name and shape.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        let tensor = self
            .named
            .get(name)
            .ok_or_else(|| InferenceError::Weights(format!("{name} is absent")))?;
        if tensor.dims() != shape {
            let found = tensor.dims();
            return Err(InferenceError::Weights(format!(
                "{name} has shape {found:?}, not {shape:?}"
            )));
        }
        Ok(tensor.clone())
    }

    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The values of the tensor of that name and shape, row by row.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, InferenceError> {
        Ok(self.get(name, shape)?.flatten_all()?.to_vec1()?)
    }

    /// Size of the first dimension of the tensor of that name; 0 if it is absent or a single number.
    pub fn rows(&self, name: &str) -> usize {
        let tensor = self.named.get(name);
        tensor.map_or(0, |tensor| tensor.dims().first().copied().unwrap_or(0))
    }
}

/// # Errors
/// If the bytes are not the ones that the card was written for.
pub fn verify(bytes: &[u8], card: &ModelCard) -> Result<(), InferenceError> {
    let found = hexadecimal(&Sha256::digest(bytes));
    if found == card.sha256 {
        return Ok(());
    }
    Err(InferenceError::Digest {
        expected: card.sha256.clone(),
        found,
    })
}

/// Lower case, as on a card.
pub fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn bad_files_are_errors_that_say_what() {
        let error = |bytes: &[u8]| match Tensors::parse(bytes, &Device::Cpu) {
            Err(e) => e.to_string(),
            Ok(_) => panic!("accepted"),
        };
        error(b"");
        error(&[0xff; 64]); // a header of 2^64 − 1 bytes
        error(&BUNDLED_WEIGHTS[..BUNDLED_WEIGHTS.len() / 2]);

        let tensors = Tensors::parse(BUNDLED_WEIGHTS, &Device::Cpu).unwrap();
        let absent = tensors.get("no.such", &[1]).unwrap_err().to_string();
        assert!(absent.contains("no.such is absent"), "{absent}");
        let shape = tensors.get("_fc.bias", &[7]).unwrap_err().to_string();
        assert!(shape.contains("[5]") && shape.contains("[7]"), "{shape}");
    }
}
