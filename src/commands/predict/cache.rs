//! `--cache`: the prediction cache of the review store serves a batch, and takes what the batch finds.

use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use anyhow::Result;

use crate::commands::shared::reviews::store_path;
use crate::commands::shared::{CommandContext, Usage, complain};
use crate::domain::{ContentId, ImageIdentity, ModelCard, Origin, Prediction, Radiograph};
use crate::export::path_text;
use crate::inference::RULES;
use crate::predictions::{PredictionCache, in_store};

/// The cache, as the threads of a batch share it.
pub struct BatchCache {
    cache: Mutex<Box<dyn PredictionCache>>,
    card: ModelCard,
}

impl BatchCache {
    /// Opens the cache in the review store.
    ///
    /// # Errors
    /// [`Usage`], if it cannot be opened: without it the run would take hours in place of minutes.
    pub fn open(context: &CommandContext, card: &ModelCard) -> Result<Self> {
        let store = store_path(context.store.as_deref())?;
        let fail =
            |reason: String| Usage::error(format!("--cache {}: {reason}", path_text(&store)));
        let cache = in_store(store.clone(), RULES)().map_err(fail)?;
        Ok(BatchCache {
            cache: Mutex::new(cache),
            card: card.clone(),
        })
    }

    /// The prediction for this content, if there is one.
    pub fn get(&self, content: ContentId) -> Option<Prediction> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(content, &self.card).map(|found| found.prediction)
    }

    /// Keeps a prediction. Where that fails, the row is all the same what it is, and one line says so.
    pub fn insert(&self, path: &Path, radiograph: &Radiograph, prediction: &Prediction) {
        static SAID: Once = Once::new();
        let image = ImageIdentity {
            sha256: radiograph.content.to_string(),
            path: path.to_owned(),
            uids: radiograph.uids.clone(),
            patient_id: radiograph.patient.id.clone(),
        };
        let plain = Prediction {
            activation: None,
            lung_fields: None,
            ..prediction.clone()
        };
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = cache.insert(&image, &Origin::of(radiograph), &self.card, &plain);
        if let Err(reason) = kept {
            SAID.call_once(|| complain(&format!("--cache: not all is kept: {reason}")));
        }
    }
}
