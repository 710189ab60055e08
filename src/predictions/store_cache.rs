//! The prediction cache in the review store.

use std::path::PathBuf;

use super::{CachedPrediction, OpenPredictionCache, PredictionCache, fingerprint};
use crate::domain::{ContentId, ImageIdentity, ModelCard, Origin, Prediction};
use crate::store::{Store, StoreError, absolute_path};

struct StoreCache {
    store: Store,
    /// Version of the program's own rules: see [`fingerprint()`].
    rules: u32,
    /// The card of the last request, and its fingerprint.
    basis: Option<(ModelCard, String)>,
}

/// Opens the store at this path as a cache. A store that cannot be written can still be read. `rules` is
/// the version of the rules by which this program checks an input.
pub fn in_store(path: PathBuf, rules: u32) -> OpenPredictionCache {
    Box::new(move || {
        let store = match Store::open(&path) {
            Err(error) if can_be_read(&error) => Store::open_read_only(&path),
            other => other,
        };
        let mut store = store.map_err(|error| in_few_words(&error))?;
        // A sync for each image would take most of the time that scoring a folder takes.
        store.relax().map_err(|error| in_few_words(&error))?;
        Ok(Box::new(StoreCache {
            store,
            rules,
            basis: None,
        }))
    })
}

fn can_be_read(error: &StoreError) -> bool {
    matches!(error, StoreError::ReadOnly { .. } | StoreError::Full { .. })
}

fn in_few_words(error: &StoreError) -> String {
    match error {
        StoreError::ReadOnly { .. } => "the store is read-only".to_owned(),
        StoreError::Full { .. } => "the disk is full".to_owned(),
        StoreError::Damaged { .. } => "the store is damaged".to_owned(),
        other => other.to_string(),
    }
}

impl StoreCache {
    /// The fingerprint of a card, made once for all images that are scored in a row.
    fn basis(&mut self, card: &ModelCard) -> &str {
        let rules = self.rules;
        let known = self.basis.take().filter(|(known, _)| known == card);
        let known = known.unwrap_or_else(|| {
            let basis = fingerprint(card, env!("CARGO_PKG_VERSION"), rules);
            (card.clone(), basis)
        });
        &self.basis.insert(known).1
    }
}

impl PredictionCache for StoreCache {
    fn get(&mut self, image: ContentId, card: &ModelCard) -> Option<CachedPrediction> {
        let basis = self.basis(card).to_owned();
        let found = self
            .store
            .cached_prediction(image, &card.sha256, &card.preprocess, &basis);
        // A prediction that cannot be read is computed again.
        let prediction = found.ok().flatten()?;
        let origin = self.store.origin(&image.to_string()).ok().flatten();
        Some(CachedPrediction { prediction, origin })
    }

    fn insert(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        prediction: &Prediction,
    ) -> Result<(), String> {
        let basis = self.basis(card).to_owned();
        let image = ImageIdentity {
            path: absolute_path(&image.path),
            ..image.clone()
        };
        let stored = self
            .store
            .cache_prediction(&image, origin, prediction, &basis);
        stored.map_err(|error| in_few_words(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InputCheck, Uids};

    fn image() -> ImageIdentity {
        ImageIdentity {
            sha256: ContentId::default().to_string(),
            path: "/x/a.png".into(),
            uids: Uids::default(),
            patient_id: None,
        }
    }

    fn prediction(model: &str, reason: &str) -> Prediction {
        Prediction {
            content: ContentId::default(),
            findings: vec![],
            severity: None,
            input: InputCheck::Caution(vec![reason.to_owned()]),
            model_sha256: model.to_owned(),
            preprocess: "cxr-1".to_owned(),
            elapsed_ms: 0.0,
            activation: None,
            withheld: Vec::new(),
            lung_fields: None,
            lungs: None,
            prognoses: Vec::new(),
        }
    }

    fn card(model: &str) -> ModelCard {
        ModelCard {
            sha256: model.to_owned(),
            preprocess: "cxr-1".to_owned(),
            ..ModelCard::default()
        }
    }

    /// A store in which the cached predictions have the basis of an earlier version.
    #[test]
    fn a_prediction_with_an_earlier_basis_is_replaced_and_no_other_row_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.sqlite");
        let mut store = Store::open(&path).unwrap();
        let (origin, earlier) = (Origin::default(), "0f".repeat(32));
        for model in ["ab", "cd"] {
            let answer = prediction(model, "as before");
            store
                .cache_prediction(&image(), &origin, &answer, &earlier)
                .unwrap();
        }
        store.close();

        let mut cache = in_store(path.clone(), 1)().unwrap();
        let id = ContentId::default();
        assert_eq!(
            cache.get(id, &card("ab")),
            None,
            "the image is scored again"
        );
        let now = prediction("ab", "as now");
        cache.insert(&image(), &origin, &card("ab"), &now).unwrap();
        let cached = cache.get(id, &card("ab")).unwrap();
        assert_eq!((cached.prediction, cached.origin), (now, Some(origin)));
        drop(cache);

        let store = Store::open_read_only(&path).unwrap();
        let reasons = |model| {
            let row = store.prediction(&id.to_string(), model, "cxr-1").unwrap();
            row.unwrap()["reasons"][0].as_str().unwrap().to_owned()
        };
        assert_eq!(reasons("ab"), "as now");
        assert_eq!(reasons("cd"), "as before", "it is kept for its model");
    }
}
