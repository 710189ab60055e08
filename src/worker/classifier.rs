//! The classifier thread: owns the loaded models and scores the selected image.

use std::path::Path;
use std::sync::Arc;

use super::idle_queue::IdleQueue;
use super::latest_slot::{LatestSlot, SlotTask};
use super::models::{LoadedModel, ModelSet, Switch, classify};
use super::prediction_cache::{NewPrediction, SharedPredictionCache};
use super::{Generation, JobOutcome, ModelFailure, OutcomeSink};
use crate::domain::Radiograph;
use crate::inference::Classify;

/// A model to use, and mostly an image to classify with it.
pub struct ClassifierRequest {
    /// Index of the model.
    pub model: usize,
    pub image: Option<DecodedImage>,
}

/// A decoded image on its way to the classifier thread.
pub struct DecodedImage {
    pub source: Arc<Path>,
    pub generation: Generation,
    pub radiograph: Arc<Radiograph>,
    /// Activation maps are wanted, so the prediction cache, which has none, is not asked.
    pub maps: bool,
}

/// The state of the classifier thread.
pub struct ClassifierThread {
    pub requests: Arc<LatestSlot<ClassifierRequest>>,
    pub idle_queue: Arc<IdleQueue>,
    pub predictions: SharedPredictionCache,
    pub report: OutcomeSink,
}

impl ClassifierThread {
    /// Works until the slot of requests is closed.
    pub fn run(self, models: ModelSet) {
        let mut loaded = LoadedModel::new(models);
        // The first model is loaded at once, so that it is ready for the first image.
        let mut request = ClassifierRequest {
            model: 0,
            image: None,
        };
        loop {
            if request.image.is_none() {
                loaded.retry();
            }
            // Also for an image that is stale by now: its request may have taken the place of the one for its model.
            let classifier = self.switch(&mut loaded, request.model);
            if let (Some(classifier), Some(image)) = (classifier, &request.image) {
                self.classify_one(&classifier, image);
            }
            match self.requests.take() {
                Some(SlotTask::Select(next) | SlotTask::Redraw(next)) => request = next,
                None => return,
            }
        }
    }

    fn switch(&self, loaded: &mut LoadedModel, model: usize) -> Option<Arc<dyn Classify>> {
        match loaded.use_model(model) {
            Switch::Same(classifier) => Some(classifier),
            Switch::New(classifier) => {
                // Before the report: its receiver may send a background job at once.
                self.idle_queue.use_model(Some((model, classifier.clone())));
                let card = Box::new(classifier.card().clone());
                (self.report)(JobOutcome::Model(Ok(card)));
                Some(classifier)
            }
            Switch::Failed(reason) => {
                self.idle_queue.use_model(None);
                if let Some(reason) = reason {
                    (self.report)(JobOutcome::Model(Err(ModelFailure { model, reason })));
                }
                None
            }
        }
    }

    fn classify_one(&self, classifier: &Arc<dyn Classify>, image: &DecodedImage) {
        // Loading a model may have taken long.
        if self.requests.is_stale(image.generation) {
            return;
        }
        let radiograph = &*image.radiograph;
        let cached = if image.maps {
            None
        } else {
            self.predictions
                .try_get(radiograph.content, classifier.card())
        };
        let is_new = cached.is_none();
        let result = cached.map_or_else(|| classify(&**classifier, radiograph), Ok);
        let new = match &result {
            Ok(prediction) if is_new => Some(NewPrediction::new(
                &image.source,
                radiograph,
                prediction,
                classifier.clone(),
            )),
            _ => None,
        };
        if !self.requests.is_stale(image.generation) {
            (self.report)(JobOutcome::Classified {
                source: image.source.clone(),
                generation: image.generation,
                result: result.map(Box::new),
            });
        }
        if let Some(new) = new {
            self.idle_queue.cache(new);
        }
    }
}
