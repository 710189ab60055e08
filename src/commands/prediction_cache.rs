//! What models said, in the review store: a second visit to a folder runs no network.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::{ContentId, ImageIdentity, ModelCard, Origin, Prediction};
use crate::inference::RULES;
use crate::store::{Store, StoreError};
use crate::worker::{OpenMemory, PredictionCache, Recalled};

struct Kept {
    store: Store,
    /// Of the card that was asked about last.
    basis: Option<(ModelCard, String)>,
}

/// Opens the store as a memory; one that cannot be written can still be read.
pub fn open_memory(path: PathBuf) -> OpenMemory {
    Box::new(move || {
        let store = match Store::open(&path) {
            Err(error) if can_be_read(&error) => Store::open_read_only(&path),
            other => other,
        };
        let mut store = store.map_err(|error| in_a_word(&error))?;
        // A sync for each image would be most of what reading a folder costs.
        store.relax().map_err(|error| in_a_word(&error))?;
        Ok(Box::new(Kept { store, basis: None }))
    })
}

fn can_be_read(error: &StoreError) -> bool {
    matches!(error, StoreError::ReadOnly { .. } | StoreError::Full { .. })
}

fn in_a_word(error: &StoreError) -> String {
    match error {
        StoreError::ReadOnly { .. } => "the store is read-only".to_owned(),
        StoreError::Full { .. } => "the disk is full".to_owned(),
        StoreError::Damaged { .. } => "the store is damaged".to_owned(),
        other => other.to_string(),
    }
}

impl Kept {
    /// Thresholds and calibration are the card's and rules are the program's: what was said under
    /// others is not what would be said now.
    fn basis(&mut self, card: &ModelCard) -> &str {
        let known = self.basis.take().filter(|(known, _)| known == card);
        let (_, basis) = self.basis.insert(known.unwrap_or_else(|| {
            let text = format!("{} rules {RULES} {card:?}", env!("CARGO_PKG_VERSION"));
            let digest = Sha256::digest(text.as_bytes());
            let basis = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            (card.clone(), basis)
        }));
        basis
    }
}

impl PredictionCache for Kept {
    fn recall(&mut self, image: ContentId, card: &ModelCard) -> Option<Recalled> {
        let basis = self.basis(card).to_owned();
        let said = self
            .store
            .recall(image, &card.sha256, &card.preprocess, &basis);
        // What cannot be read is asked of the network.
        let said = said.ok().flatten()?;
        let origin = self.store.origin(&image.to_string()).ok().flatten();
        Some(Recalled { said, origin })
    }

    fn keep(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        said: &Prediction,
    ) -> Result<(), String> {
        let basis = self.basis(card).to_owned();
        let image = ImageIdentity {
            path: place(&image.path),
            ..image.clone()
        };
        let kept = self.store.remember(&image, origin, said, &basis);
        kept.map_err(|error| in_a_word(&error))
    }
}

/// The path from the root, links to its folder followed, as the review log has it.
fn place(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => folder
            .canonicalize()
            .unwrap_or_else(|_| folder.to_owned())
            .join(name),
        _ => absolute,
    }
}

#[cfg(test)]
mod tests;
