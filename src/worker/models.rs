//! The models that can be chosen. A model that was used stays loaded while it fits, so that switching back
//! is instant; the least recently used is dropped first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::{Failure, Prediction, Radiograph};
use crate::inference::{Classify, InferenceError};

/// Default limit of the loaded weights, in bytes.
pub const LOADED_MODEL_BYTES: u64 = 512 << 20;

/// Loads a classifier, on the thread that will own it.
pub type Load = Box<dyn Fn() -> Result<Box<dyn Classify>, InferenceError> + Send>;

/// A model that can be chosen.
pub struct ModelSource {
    /// Approximate size in memory while it is loaded.
    pub bytes: u64,
    /// Loads it.
    pub load: Load,
}

/// All models that can be chosen.
pub struct ModelSet {
    /// The first is the one in use at the start.
    pub sources: Vec<ModelSource>,
    /// Limit of the loaded weights, in bytes; see [`LOADED_MODEL_BYTES`]. The model in use stays loaded even if it
    /// is larger.
    pub memory_limit: u64,
}

impl From<Load> for ModelSet {
    fn from(load: Load) -> Self {
        ModelSet {
            sources: vec![ModelSource { bytes: 0, load }],
            memory_limit: LOADED_MODEL_BYTES,
        }
    }
}

/// The loaded models, on the classifier thread.
pub struct LoadedModel {
    models: ModelSet,
    /// Most recently used last.
    loaded: Vec<(usize, Arc<dyn Classify>)>,
    /// The model that could not be loaded. It is not tried again for every image.
    failed: Option<usize>,
    /// The model that was last reported as in use. `None` after a failure, and while the reader waits for a report.
    reported: Option<usize>,
}

/// The result of asking for a model.
pub enum Switch {
    /// It was in use already, and that was reported.
    Same(Arc<dyn Classify>),
    /// It is in use from now on, or that has to be reported again.
    New(Arc<dyn Classify>),
    /// It cannot be loaded, and why; `None` if that was reported before.
    Failed(Option<String>),
}

impl LoadedModel {
    pub fn new(models: ModelSet) -> Self {
        LoadedModel {
            models,
            loaded: Vec::new(),
            failed: None,
            reported: None,
        }
    }

    /// The reader asks for a model. One that could not be loaded is tried again, and one that is in use is reported
    /// again: the screen waits for a report.
    pub fn retry(&mut self) {
        self.failed = None;
        self.reported = None;
    }

    pub fn use_model(&mut self, index: usize) -> Switch {
        if self.failed == Some(index) {
            return Switch::Failed(None);
        }
        self.failed = None;
        match self.loaded.iter().position(|(at, _)| *at == index) {
            Some(at) => {
                let model = self.loaded.remove(at);
                self.loaded.push(model);
            }
            None => {
                if let Err(reason) = self.load(index) {
                    self.failed = Some(index);
                    self.reported = None;
                    return Switch::Failed(Some(reason));
                }
            }
        }
        let (_, model) = &self.loaded[self.loaded.len() - 1];
        if self.reported.replace(index) == Some(index) {
            Switch::Same(model.clone())
        } else {
            Switch::New(model.clone())
        }
    }

    fn load(&mut self, index: usize) -> Result<(), String> {
        let Some(source) = self.models.sources.get(index) else {
            return Err("there is no such model".to_owned());
        };
        let model = match catch_unwind(AssertUnwindSafe(|| (source.load)())) {
            Ok(Ok(model)) => model,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("it could not be loaded".to_owned()),
        };
        self.loaded.push((index, Arc::from(model)));
        while self.loaded.len() > 1 && self.bytes() > self.models.memory_limit {
            self.loaded.remove(0);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let bytes = self
            .loaded
            .iter()
            .map(|(at, _)| self.models.sources[*at].bytes);
        bytes.sum()
    }
}

/// Classifies, and turns a panic into an error of this image: the session goes on.
pub fn classify(classifier: &dyn Classify, radiograph: &Radiograph) -> Result<Prediction, Failure> {
    match catch_unwind(AssertUnwindSafe(|| classifier.classify(radiograph))) {
        Ok(result) => result.map_err(|e| e.to_string().into()),
        Err(_) => Err("the classifier failed on this image".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::ModelCard;

    struct Named(ModelCard);

    impl Classify for Named {
        fn card(&self) -> &ModelCard {
            &self.0
        }

        fn classify(&self, _: &Radiograph) -> Result<Prediction, InferenceError> {
            Err(InferenceError::Card("a double".to_owned()))
        }
    }

    /// Models of 10 bytes each with room for `fit` of them, and the number of times that one was loaded.
    /// Model 3 is broken.
    fn loaded(fit: u64) -> (LoadedModel, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let source = |index: usize| {
            let count = count.clone();
            let load: Load = Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                if index == 3 {
                    return Err(InferenceError::Card("broken".to_owned()));
                }
                let card = ModelCard {
                    name: index.to_string(),
                    ..ModelCard::default()
                };
                Ok(Box::new(Named(card)) as Box<dyn Classify>)
            });
            ModelSource { bytes: 10, load }
        };
        let models = ModelSet {
            sources: (0..4).map(source).collect(),
            memory_limit: 10 * fit,
        };
        (LoadedModel::new(models), count)
    }

    fn name(switch: Switch) -> String {
        match switch {
            Switch::Same(model) => format!("same {}", model.card().name),
            Switch::New(model) => format!("new {}", model.card().name),
            Switch::Failed(reason) => format!("failed {}", reason.unwrap_or_default()),
        }
    }

    #[test]
    fn switching_back_loads_nothing_while_both_fit() {
        let (mut loaded, count) = loaded(2);
        let names: Vec<_> = [0, 0, 1, 0, 1].map(|i| name(loaded.use_model(i))).to_vec();
        assert_eq!(names, ["new 0", "same 0", "new 1", "new 0", "new 1"]);
        assert_eq!(count.load(Ordering::Relaxed), 2);
        // The third takes the place of the least recently used one, 0.
        for index in [2, 1, 0] {
            loaded.use_model(index);
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_model_larger_than_the_limit_stays_loaded_while_it_is_used() {
        let (mut loaded, count) = loaded(0);
        assert_eq!(name(loaded.use_model(0)), "new 0");
        assert_eq!(name(loaded.use_model(0)), "same 0");
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    /// Each request of the reader is answered: the screen shows that a model is being loaded until then.
    #[test]
    fn a_model_that_the_reader_asks_for_is_reported_also_where_it_was_in_use() {
        let (mut loaded, count) = loaded(4);
        assert_eq!(name(loaded.use_model(0)), "new 0");
        loaded.retry();
        assert_eq!(name(loaded.use_model(3)), "failed model card: broken");
        loaded.retry();
        assert_eq!(name(loaded.use_model(0)), "new 0", "after a broken one");
        // Two quick keys lead back to the model in use, and the request between was replaced.
        loaded.retry();
        assert_eq!(name(loaded.use_model(0)), "new 0", "after itself");
        assert_eq!(name(loaded.use_model(0)), "same 0");
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_broken_model_is_reported_once_and_is_tried_again_on_request() {
        let (mut loaded, count) = loaded(4);
        assert_eq!(name(loaded.use_model(3)), "failed model card: broken");
        assert_eq!(name(loaded.use_model(3)), "failed ");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        loaded.retry();
        assert_eq!(name(loaded.use_model(3)), "failed model card: broken");
        assert_eq!(name(loaded.use_model(0)), "new 0");
        assert_eq!(name(loaded.use_model(3)), "failed model card: broken");
        assert_eq!(
            name(loaded.use_model(0)),
            "new 0",
            "the screen showed that no model was loaded"
        );
    }
}
