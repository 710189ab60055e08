//! The prediction cache: the answers that models gave to images before, so that a second visit to a
//! folder runs no network.
//!
//! [`PredictionCache`] is what the threads behind the screen need of a cache. [`in_store`] opens the one
//! that lies in the review store. An answer is found by the content of the image, by the digest of the
//! weights, by the preprocessing, and by the fingerprint of the model's card ([`fingerprint()`]): where
//! one of them differs, the image is scored again.

mod fingerprint;
mod store_cache;

pub use fingerprint::fingerprint;
pub use store_cache::in_store;

use crate::domain::{ContentId, ImageIdentity, ModelCard, Origin, Prediction};

/// Predictions by image content and model, without activation maps.
pub trait PredictionCache: Send {
    /// The prediction of the model with this card for that image. `None` also where it cannot be read.
    fn get(&mut self, image: ContentId, card: &ModelCard) -> Option<CachedPrediction>;

    /// Stores a prediction in place of an earlier one.
    ///
    /// # Errors
    /// The reason in a few words, for the screen.
    fn insert(
        &mut self,
        image: &ImageIdentity,
        origin: &Origin,
        card: &ModelCard,
        prediction: &Prediction,
    ) -> Result<(), String>;
}

/// One entry of the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedPrediction {
    /// Without an activation map, and with a time of 0 ms.
    pub prediction: Prediction,
    /// Patient, study and time. `None` in entries of versions that did not store it: the file has to be
    /// read for it.
    pub origin: Option<Origin>,
}

/// Opens a prediction cache, on a background thread. The error is a few words for the screen.
pub type OpenPredictionCache = Box<dyn FnOnce() -> Result<Box<dyn PredictionCache>, String> + Send>;
