//! The two files of a model: `NAME.safetensors`, and beside it its card, `NAME.toml`.

mod new_rows;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use super::card::{parse_card, write_card};
use super::weights::StoredBytes;
use super::{Classifier, Compute, InferenceError, weights};
use crate::domain::ModelCard;
use crate::domain::hex::hex;
use crate::domain::text::clean;
pub use new_rows::{HeadRow, PrognosisRow};
use new_rows::{head_with, outcomes_with, with_parts};

/// Larger files are no models: the bundled weights have 7 MiB, and their card 7 KiB.
pub const LARGEST_WEIGHTS: u64 = 2 << 30;
pub const LARGEST_CARD: u64 = 1 << 20;

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

impl Bytes {
    fn stored(&self) -> StoredBytes<'_> {
        match self {
            Bytes::Mapped(map) => StoredBytes::Mapped(map),
            Bytes::Inside(_) | Bytes::Made(_) => StoredBytes::InMemory(self),
        }
    }
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
        StoredBytes::Mapped(&weights).give_back(&weights);
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

    /// The same model with another card, with these new rows of its last layer and of its outcomes. Other outcomes on
    /// the card keep their rows. `card.sha256` is filled in. The new file differs from the old one even without new
    /// rows, because its metadata names the old model and the card. So tables of predictions never confuse the two.
    ///
    /// # Errors
    /// If the weights or the new card make no sense, a row fits no label, or an outcome has no row.
    pub fn adapted(
        &self,
        card: ModelCard,
        rows: &[HeadRow],
        outcomes: &[PrognosisRow],
    ) -> Result<Self, InferenceError> {
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
        let mut parts = head_with(&self.weights, &before, rows)?;
        parts.extend(outcomes_with(&self.weights, &before, &card, outcomes)?);
        let weights = with_parts(&self.weights, &parts, signature)?;
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

    /// Refuses files that could not be read again: `card` and `weights` are their lengths in bytes.
    ///
    /// # Errors
    /// If one of them is longer than any that is read.
    pub fn check_sizes(card: u64, weights: u64) -> Result<(), InferenceError> {
        let mib = |most: u64| format!("larger than {} MiB", most >> 20);
        if weights > LARGEST_WEIGHTS {
            return Err(InferenceError::Weights(mib(LARGEST_WEIGHTS)));
        }
        if card > LARGEST_CARD {
            return Err(InferenceError::Card(mib(LARGEST_CARD)));
        }
        Ok(())
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
        let loaded = Classifier::stored(&self.card, self.weights.stored(), compute);
        loaded.map_err(|error| match &self.path {
            Some(path) => fault(path, &error.to_string()),
            None => error,
        })
    }
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
mod tests;
