//! The two files of a model: `NAME.safetensors`, and beside it its card, `NAME.toml`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sha2::{Digest, Sha256};

use super::card::{parse_card, write_card};
use super::{Classifier, Compute, InferenceError, network, weights};
use crate::domain::ModelCard;
use crate::domain::hex::hex;
use crate::domain::text::clean;

/// Larger files are no models: the bundled weights have 7 MiB, and their card 7 KiB.
const LARGEST_WEIGHTS: u64 = 1 << 30;
const LARGEST_CARD: u64 = 1 << 20;

/// The single entry of `__metadata__` in the weights of an adapted model.
const ADAPTED: &str = "cxr.adapted";

/// A new row of the last layer: `scale` times the old row, plus `weight` and `bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadRow {
    /// The index of the label, in the card's order.
    pub label: usize,
    pub scale: f64,
    /// `[C]`
    pub weight: Vec<f64>,
    pub bias: f64,
}

/// A card and the weights that it was written for, not loaded yet.
#[derive(Debug)]
pub struct ModelFiles {
    card: Cow<'static, str>,
    weights: Bytes,
    /// The file of the weights; `None` for the model inside the binary.
    path: Option<PathBuf>,
}

/// The bytes of a safetensors file.
#[derive(Debug)]
enum Bytes {
    Inside(&'static [u8]),
    Mapped(Mmap),
    Made(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Inside(bytes) => bytes,
            Bytes::Mapped(map) => map,
            Bytes::Made(bytes) => bytes,
        }
    }
}

impl ModelFiles {
    /// The model inside the binary.
    pub fn bundled() -> Self {
        ModelFiles {
            card: weights::BUNDLED_CARD.into(),
            weights: Bytes::Inside(weights::BUNDLED_WEIGHTS),
            path: None,
        }
    }

    /// Reads the safetensors file at `path` and the card beside it.
    ///
    /// # Errors
    /// If one of them cannot be read, the card makes no sense, or it is the card of other weights;
    /// each names the file.
    pub fn read(path: &Path) -> Result<Self, InferenceError> {
        if path.extension().is_none_or(|end| end != "safetensors") {
            return Err(fault(path, "its name does not end in .safetensors"));
        }
        let weights = map(path)?;
        let (card, parsed) = read_card(path)?;
        weights::verify(&weights, &parsed).map_err(|error| fault(path, &error.to_string()))?;
        Ok(ModelFiles {
            card: card.into(),
            weights: Bytes::Mapped(weights),
            path: Some(path.to_owned()),
        })
    }

    /// The card of the model at `path`. The weights are not read.
    ///
    /// # Errors
    /// If its card cannot be read or makes no sense.
    pub fn card_beside(path: &Path) -> Result<ModelCard, InferenceError> {
        read_card(path).map(|(_, card)| card)
    }

    /// The card in the text of its file.
    ///
    /// # Errors
    /// If it makes no sense.
    pub fn parse_card(text: &str) -> Result<ModelCard, InferenceError> {
        parse_card(text)
    }

    /// The model's card. The model is not loaded.
    ///
    /// # Errors
    /// If it cannot be read: a broken build.
    pub fn card(&self) -> Result<ModelCard, InferenceError> {
        parse_card(&self.card)
    }

    /// The same model with another card, and with these new rows of its last layer. `card.sha256` is filled in. The
    /// new file differs from the old one even without new rows, because its metadata names the old model and the card.
    /// So tables of predictions never confuse the two.
    ///
    /// # Errors
    /// If the weights or the new card make no sense, or a row fits no label.
    pub fn adapted(&self, card: ModelCard, rows: &[HeadRow]) -> Result<Self, InferenceError> {
        let before = self.card()?;
        let unsigned = write_card(&ModelCard {
            sha256: String::new(),
            ..card.clone()
        })?;
        let signature = format!(
            "from {} with card {}",
            before.sha256,
            hex(&Sha256::digest(unsigned.as_bytes()))
        );
        let weights = with_rows(&self.weights, &before, rows, signature)?;
        let card = ModelCard {
            sha256: hex(&Sha256::digest(&weights)),
            ..card
        };
        let text = write_card(&card)?;
        // A model that cannot be read back must not be written.
        parse_card(&text)?;
        Ok(ModelFiles {
            card: text.into(),
            weights: Bytes::Made(weights),
            path: None,
        })
    }

    /// The text of the card's file.
    pub fn card_text(&self) -> &str {
        &self.card
    }

    /// The bytes of the safetensors file.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// The file of the weights; `None` for the model inside the binary.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The model, ready to run.
    ///
    /// # Errors
    /// If the weights do not fit the card.
    pub fn classifier(&self, compute: Compute) -> Result<Classifier, InferenceError> {
        let loaded = Classifier::computed(&self.card, &self.weights, compute);
        loaded.map_err(|error| match &self.path {
            Some(path) => fault(path, &error.to_string()),
            None => error,
        })
    }
}

/// A safetensors file with new rows in its last layer, whose two tensors become `f32`.
fn with_rows(
    bytes: &[u8],
    card: &ModelCard,
    rows: &[HeadRow],
    signature: String,
) -> Result<Vec<u8>, InferenceError> {
    let fault = |error: safetensors::SafeTensorError| InferenceError::Weights(error.to_string());
    let stored = SafeTensors::deserialize(bytes).map_err(fault)?;
    let head = head_with(bytes, card, rows)?;
    let mut views: Vec<(&str, TensorView)> = stored
        .iter()
        .filter(|(name, _)| head.iter().all(|part| part.name != *name))
        .collect();
    for part in &head {
        let view = TensorView::new(Dtype::F32, part.shape.clone(), &part.bytes).map_err(fault)?;
        views.push((part.name, view));
    }
    let metadata = [(ADAPTED.to_owned(), signature)].into();
    serialize(views, Some(metadata)).map_err(fault)
}

/// A tensor of the last layer.
struct HeadPart {
    name: &'static str,
    shape: Vec<usize>,
    /// Little-endian `f32`.
    bytes: Vec<u8>,
}

/// The last layer with new rows; empty if there are no new rows.
fn head_with(
    bytes: &[u8],
    card: &ModelCard,
    rows: &[HeadRow],
) -> Result<Vec<HeadPart>, InferenceError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let tensors = weights::Tensors::parse(bytes)?;
    let (head, names) = network::head(card, &tensors)?;
    let (labels, channels) = head.weight().dims2()?;
    let mut weight = tensors.values(names[0], &[labels, channels])?;
    let mut bias = tensors.values(names[1], &[labels])?;
    for row in rows {
        if row.label >= labels || row.weight.len() != channels {
            return Err(InferenceError::Weights(format!(
                "a row of {} values for label {} does not fit a last layer of {labels} × {channels}",
                row.weight.len(),
                row.label
            )));
        }
        let range = row.label * channels..(row.label + 1) * channels;
        for (value, added) in weight[range].iter_mut().zip(&row.weight) {
            *value = (row.scale * f64::from(*value) + added) as f32;
        }
        bias[row.label] = (row.scale * f64::from(bias[row.label]) + row.bias) as f32;
    }
    let le = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Ok(vec![
        HeadPart {
            name: names[0],
            shape: vec![labels, channels],
            bytes: le(&weight),
        },
        HeadPart {
            name: names[1],
            shape: vec![labels],
            bytes: le(&bias),
        },
    ])
}

/// The card beside the weights at `path`: its text, and the parsed card.
fn read_card(path: &Path) -> Result<(String, ModelCard), InferenceError> {
    let beside = path.with_extension("toml");
    let card = String::from_utf8(bytes(&beside, LARGEST_CARD)?)
        .map_err(|_| fault(&beside, "it is not text"))?;
    let parsed = parse_card(&card).map_err(|error| fault(&beside, &error.to_string()))?;
    Ok((card, parsed))
}

/// The weights at `path`, mapped into memory, so that only the parts that are used are read.
#[allow(unsafe_code, reason = "a file is mapped")]
fn map(path: &Path) -> Result<Mmap, InferenceError> {
    let file = open(path)?;
    let length = file.metadata().map_err(|e| unreadable(path, &e))?.len();
    if length > LARGEST_WEIGHTS {
        return Err(too_large(path, LARGEST_WEIGHTS));
    }
    // SAFETY: the file must not change while it is mapped. Models are written once, under a name that is their
    // digest, and replaced by renaming. A program that overwrites one in place causes an error of the digest or
    // the end of this program, and never another model's scores.
    unsafe { Mmap::map(&file) }.map_err(|error| unreadable(path, &error))
}

/// The whole of a file that is no larger than `most` bytes.
fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, InferenceError> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(too_large(path, most));
    }
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, InferenceError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(fault(path, "not a file"))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> InferenceError {
    match error.kind() {
        io::ErrorKind::NotFound => fault(path, "no such file"),
        kind => fault(path, &kind.to_string()),
    }
}

fn too_large(path: &Path, most: u64) -> InferenceError {
    fault(path, &format!("larger than {} MiB", most >> 20))
}

fn fault(path: &Path, reason: &str) -> InferenceError {
    InferenceError::File {
        path: clean(&path.to_string_lossy()),
        reason: clean(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::Classify;

    #[test]
    fn another_card_alone_makes_another_digest_and_the_same_answers() {
        let before = ModelFiles::bundled();
        let mut card = before.card().unwrap();
        card.limits.push("here only".to_owned());
        let after = before.adapted(card.clone(), &[]).unwrap();
        let digest = after.card().unwrap().sha256;
        assert_ne!(digest, before.card().unwrap().sha256);
        let again = before.adapted(card.clone(), &[]).unwrap();
        assert_eq!(again.card().unwrap().sha256, digest, "the same each time");
        card.limits.push("and another line".to_owned());
        let other = before.adapted(card, &[]).unwrap();
        assert_ne!(other.card().unwrap().sha256, digest);

        let values = vec![0.1; before.card().unwrap().input_size.pow(2)];
        let logits = |files: &ModelFiles| {
            let model = files.classifier(Compute::default()).unwrap();
            model.logits_of_values(values.clone()).unwrap()
        };
        assert_eq!(logits(&before), logits(&after));
    }

    #[test]
    fn a_row_of_the_last_layer_is_scaled_and_added_to() {
        let before = ModelFiles::bundled();
        let card = before.card().unwrap();
        let classifier = before.classifier(Compute::default()).unwrap();
        let channels = classifier.network.channels().unwrap();
        let row = HeadRow {
            label: 1,
            scale: -2.0,
            weight: vec![0.0; channels],
            bias: 0.5,
        };
        let after = before.adapted(card, std::slice::from_ref(&row)).unwrap();
        let after = after.classifier(Compute::default()).unwrap();
        let size = classifier.card().input_size;
        let values: Vec<f32> = (0..size * size).map(|n| (n % 97) as f32 / 97.0).collect();
        let old = classifier.logits_of_values(values.clone()).unwrap();
        let new = after.logits_of_values(values).unwrap();
        assert!(
            (new[1] - (0.5 - 2.0 * old[1])).abs() < 1e-3,
            "{old:?} {new:?}"
        );
        assert_eq!((new[0], &new[2..]), (old[0], &old[2..]));

        let short = HeadRow {
            weight: vec![0.0; 3],
            ..row
        };
        let error = before
            .adapted(before.card().unwrap(), &[short])
            .unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
    }
}
