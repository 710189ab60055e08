//! The thread that classifies, with whichever model is asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use super::background::{CachedPrediction, identity};
use super::idle_queue::{IdleQueue, NewPrediction};
use super::latest_slot::{LatestSlot, SlotTask};
use super::models::{LoadedModel, ModelSet, Switch};
use super::{Generation, JobOutcome, OutcomeSink};
use crate::domain::{Failure, Origin, Prediction, Radiograph};
use crate::inference::Classify;

/// A model to use, and mostly an image for it.
pub struct ClassifierRequest {
    pub model: usize,
    pub case: Option<DecodedImage>,
}

/// A decoded image on its way to the classifier.
pub struct DecodedImage {
    pub source: Arc<Path>,
    pub generation: Generation,
    pub radiograph: Arc<Radiograph>,
    /// An answer from memory, which has no maps, will not do.
    pub maps: bool,
}

/// The thread that owns the classifiers.
pub struct ClassifierThread {
    pub desk: Arc<LatestSlot<ClassifierRequest>>,
    pub backroom: Arc<IdleQueue>,
    pub recollection: CachedPrediction,
    pub report: OutcomeSink,
}

impl ClassifierThread {
    pub fn run(self, models: ModelSet) {
        let mut loaded = LoadedModel::new(models);
        // The first one is loaded before anybody asks.
        let mut work = ClassifierRequest {
            model: 0,
            case: None,
        };
        loop {
            if work.case.is_none() {
                loaded.retry();
            }
            let classifier = self.switch(&mut loaded, work.model);
            if let (Some(classifier), Some(case)) = (classifier, &work.case) {
                self.classify_one(&classifier, case);
            }
            match self.desk.take() {
                Some(SlotTask::Select(next) | SlotTask::Redraw(next)) => work = next,
                None => return,
            }
        }
    }

    fn switch(&self, loaded: &mut LoadedModel, model: usize) -> Option<Arc<dyn Classify>> {
        match loaded.use_model(model) {
            Switch::Same(classifier) => Some(classifier),
            Switch::New(classifier) => {
                // Before the news: whoever hears it may send an errand at once.
                self.backroom.use_model(Some((model, classifier.clone())));
                let card = Box::new(classifier.card().clone());
                (self.report)(JobOutcome::Model(Ok(card)));
                Some(classifier)
            }
            Switch::Failed(reason) => {
                self.backroom.use_model(None);
                if let Some(reason) = reason {
                    (self.report)(JobOutcome::Model(Err(reason)));
                }
                None
            }
        }
    }

    fn classify_one(&self, classifier: &Arc<dyn Classify>, case: &DecodedImage) {
        // Loading a model may have taken long.
        if self.desk.is_stale(case.generation) {
            return;
        }
        let content = case.radiograph.content;
        let known = (!case.maps).then(|| self.recollection.glance(content, classifier.card()));
        let known = known.flatten();
        let is_new = known.is_none();
        let result = known.map_or_else(|| classify(&**classifier, &case.radiograph), Ok);
        let answer = match &result {
            Ok(said) if is_new => Some(NewPrediction {
                image: identity(&case.source, &case.radiograph),
                origin: Origin::of(&case.radiograph),
                said: Prediction {
                    activation: None,
                    ..said.clone()
                },
                model: classifier.clone(),
            }),
            _ => None,
        };
        if !self.desk.is_stale(case.generation) {
            (self.report)(JobOutcome::Classified {
                source: case.source.clone(),
                generation: case.generation,
                result: result.map(Box::new),
            });
        }
        if let Some(answer) = answer {
            self.backroom.keep(answer);
        }
    }
}

/// One image's fault costs its row, not the session: a panic becomes its error.
pub fn classify(classifier: &dyn Classify, radiograph: &Radiograph) -> Result<Prediction, Failure> {
    match catch_unwind(AssertUnwindSafe(|| classifier.classify(radiograph))) {
        Ok(result) => result.map_err(|e| e.to_string().into()),
        Err(_) => Err("the classifier failed on this image".into()),
    }
}
