//! The prediction cache as the threads share it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::{ContentId, ImageIdentity, ModelCard, Origin, Prediction, Radiograph};
use crate::inference::Classify;
use crate::predictions::{CachedPrediction, PredictionCache};

/// A prediction on its way into the cache.
pub struct NewPrediction {
    image: ImageIdentity,
    origin: Origin,
    prediction: Prediction,
    model: Arc<dyn Classify>,
}

impl NewPrediction {
    /// Drops the activation maps and the lung fields: those of a whole folder would not fit.
    pub fn new(
        path: &Path,
        radiograph: &Radiograph,
        prediction: &Prediction,
        model: Arc<dyn Classify>,
    ) -> Self {
        NewPrediction {
            image: ImageIdentity {
                sha256: radiograph.content.to_string(),
                path: path.to_owned(),
                uids: radiograph.uids.clone(),
                patient_id: radiograph.patient.id.clone(),
            },
            origin: Origin::of(radiograph),
            prediction: Prediction {
                activation: None,
                lung_fields: None,
                ..prediction.clone()
            },
            model,
        }
    }
}

/// The cache as the threads share it: empty until a background thread has opened it.
#[derive(Clone, Default)]
pub struct SharedPredictionCache {
    cache: Arc<Mutex<Option<Box<dyn PredictionCache>>>>,
    closed: Arc<AtomicBool>,
}

/// How long the program's end waits for a prediction that is being stored.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

impl SharedPredictionCache {
    pub fn open(&self, cache: Box<dyn PredictionCache>) {
        let mut slot = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.closed.load(Ordering::SeqCst) {
            *slot = Some(cache);
        }
    }

    /// Closes the cache for all threads. Its file is closed when this returns, unless a write to it takes
    /// longer than [`CLOSE_TIMEOUT`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while begun.elapsed() < CLOSE_TIMEOUT {
            let cache = match self.cache.try_lock() {
                Ok(mut slot) => slot.take(),
                Err(TryLockError::Poisoned(slot)) => slot.into_inner().take(),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(Duration::from_millis(2));
                    continue;
                }
            };
            return drop(cache);
        }
    }

    /// Waits while another thread uses the cache.
    pub fn get(&self, image: ContentId, card: &ModelCard) -> Option<CachedPrediction> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.as_mut()?.get(image, card)
    }

    /// For the selected image, which the reader waits for: `None` while the cache is being written.
    pub fn try_get(&self, image: ContentId, card: &ModelCard) -> Option<Prediction> {
        let mut cache = match self.cache.try_lock() {
            Ok(cache) => cache,
            Err(TryLockError::Poisoned(cache)) => cache.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let cached = cache.as_mut()?.get(image, card);
        cached.map(|cached| cached.prediction)
    }

    /// Stores a prediction, if the cache is open.
    ///
    /// # Errors
    /// A few words that the reader sees.
    pub fn insert(&self, new: &NewPrediction) -> Result<(), String> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        match cache.as_mut() {
            Some(cache) => cache.insert(&new.image, &new.origin, new.model.card(), &new.prediction),
            None => Ok(()),
        }
    }

    pub fn is_open(&self) -> bool {
        match self.cache.try_lock() {
            Ok(cache) => cache.is_some(),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets its flag when it is dropped.
    struct FakeCache(Arc<AtomicBool>);

    impl PredictionCache for FakeCache {
        fn get(&mut self, _: ContentId, _: &ModelCard) -> Option<CachedPrediction> {
            None
        }

        fn insert(
            &mut self,
            _: &ImageIdentity,
            _: &Origin,
            _: &ModelCard,
            _: &Prediction,
        ) -> Result<(), String> {
            Ok(())
        }
    }

    impl Drop for FakeCache {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A thread may still hold a clone, which must not keep the file open.
    #[test]
    fn closing_drops_the_cache_and_a_later_open_is_refused() {
        for opens_late in [false, true] {
            let is_dropped = Arc::new(AtomicBool::new(false));
            let shared = SharedPredictionCache::default();
            let clone = shared.clone();
            if opens_late {
                shared.close();
                clone.open(Box::new(FakeCache(is_dropped.clone())));
            } else {
                clone.open(Box::new(FakeCache(is_dropped.clone())));
                shared.close();
            }
            assert!(is_dropped.load(Ordering::SeqCst) && !clone.is_open());
        }
    }
}
