//! Model files: a safetensors file and the card beside it.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::InferenceError;
use crate::domain::{LabelCard, Measurement, ModelCard, Question};

/// The bundled model travels inside the binary, so that one file copied to a server works.
pub const BUNDLED_WEIGHTS: &[u8] = include_bytes!("../../weights/cxr-lite0.safetensors");
/// Its card.
pub const BUNDLED_CARD: &str = include_str!("../../weights/cxr-lite0.toml");

/// Named tensors in `f32`, whatever they were stored as.
pub struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    /// # Errors
    /// If the bytes are not a safetensors file, or a value is not finite.
    pub fn parse(bytes: &[u8], device: &Device) -> Result<Self, InferenceError> {
        let stored = candle_core::safetensors::load_buffer(bytes, device)
            .map_err(|e| InferenceError::Weights(e.to_string()))?;
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
        Ok(Tensors(tensors))
    }

    /// The tensor of that name and shape.
    ///
    /// # Errors
    /// If it is absent or has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, InferenceError> {
        let tensor = self
            .0
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
}

/// # Errors
/// If the bytes are not the ones that the card was written for.
pub fn verify(bytes: &[u8], card: &ModelCard) -> Result<(), InferenceError> {
    let found: String = Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    if found == card.sha256 {
        return Ok(());
    }
    Err(InferenceError::Digest {
        expected: card.sha256.clone(),
        found,
    })
}

/// # Errors
/// If the text is not TOML, or a field is absent or of another type.
pub fn parse_card(text: &str) -> Result<ModelCard, InferenceError> {
    let file: CardFile =
        toml::from_str(text).map_err(|e| InferenceError::Card(e.message().to_owned()))?;
    Ok(file.into())
}

/// A card as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardFile {
    name: String,
    version: String,
    architecture: String,
    input_size: usize,
    preprocess: String,
    calibrated: bool,
    licence: String,
    pretrained: String,
    training_data: String,
    limits: Vec<String>,
    sha256: String,
    label: Vec<LabelFile>,
    #[serde(default)]
    measurement: Vec<MeasurementFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelFile {
    name: String,
    question: QuestionFile,
    operating_point: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum QuestionFile {
    Presence,
    GivenPneumonia,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasurementFile {
    label: String,
    on: String,
    statistic: String,
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    n: usize,
    positives: Option<usize>,
    patients: Option<usize>,
}

impl From<CardFile> for ModelCard {
    fn from(file: CardFile) -> Self {
        ModelCard {
            name: file.name,
            version: file.version,
            architecture: file.architecture,
            input_size: file.input_size,
            preprocess: file.preprocess,
            labels: file.label.into_iter().map(Into::into).collect(),
            calibrated: file.calibrated,
            licence: file.licence,
            training_data: file.training_data,
            pretrained: file.pretrained,
            limits: file.limits,
            measurements: file.measurement.into_iter().map(Into::into).collect(),
            sha256: file.sha256,
        }
    }
}

impl From<LabelFile> for LabelCard {
    fn from(file: LabelFile) -> Self {
        LabelCard {
            name: file.name,
            question: match file.question {
                QuestionFile::Presence => Question::Presence,
                QuestionFile::GivenPneumonia => Question::GivenPneumonia,
            },
            operating_point: file.operating_point,
        }
    }
}

impl From<MeasurementFile> for Measurement {
    fn from(file: MeasurementFile) -> Self {
        Measurement {
            label: file.label,
            on: file.on,
            statistic: file.statistic,
            value: file.value,
            interval: file.low.zip(file.high),
            n: file.n,
            positives: file.positives,
            patients: file.patients,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_card_with_an_unknown_field_or_without_a_needed_one_is_refused() {
        assert!(parse_card(&format!("surprise = 1\n{BUNDLED_CARD}")).is_err());
        assert!(parse_card("name = \"x\"").is_err());
    }
}
