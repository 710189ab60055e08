//! The models that can be chosen. Those that were used stay loaded while they fit, so that switching
//! back is instant; the least recently used goes first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::inference::{Classify, InferenceError};

/// Weights that stay loaded, in bytes, unless somebody says otherwise.
pub const KEPT_BYTES: u64 = 512 << 20;

/// Loads a classifier, on the thread that will own it.
pub type Load = Box<dyn Fn() -> Result<Box<dyn Classify>, InferenceError> + Send>;

/// One that can be chosen.
pub struct ModelSource {
    /// About what it takes while it is loaded.
    pub bytes: u64,
    pub load: Load,
}

/// All of them; the first is the one that is used at the start.
pub struct ModelSet {
    pub sources: Vec<ModelSource>,
    /// See [`KEPT_BYTES`]. The one in use is kept whatever it takes.
    pub kept_bytes: u64,
}

impl From<Load> for ModelSet {
    fn from(load: Load) -> Self {
        ModelSet {
            sources: vec![ModelSource { bytes: 0, load }],
            kept_bytes: KEPT_BYTES,
        }
    }
}

/// What is loaded, on the thread that classifies.
pub struct LoadedModel {
    models: ModelSet,
    /// Most recently used last.
    kept: Vec<(usize, Arc<dyn Classify>)>,
    /// The one that could not be loaded last; not tried again for every image.
    failed: Option<usize>,
}

/// Whether the model that was asked for is there.
pub enum Switch {
    /// It was in use already.
    Same(Arc<dyn Classify>),
    /// It is from now on.
    New(Arc<dyn Classify>),
    /// It cannot be loaded, and why; `None` if that was said before.
    Failed(Option<String>),
}

impl LoadedModel {
    pub fn new(models: ModelSet) -> Self {
        LoadedModel {
            models,
            kept: Vec::new(),
            failed: None,
        }
    }

    /// Forgets that a model could not be loaded: somebody asks for it anew.
    pub fn retry(&mut self) {
        self.failed = None;
    }

    pub fn use_model(&mut self, index: usize) -> Switch {
        if self.failed == Some(index) {
            return Switch::Failed(None);
        }
        let was_failed = self.failed.take().is_some();
        let is_same = self.kept.last().is_some_and(|(at, _)| *at == index) && !was_failed;
        match self.kept.iter().position(|(at, _)| *at == index) {
            Some(at) => {
                let model = self.kept.remove(at);
                self.kept.push(model);
            }
            None => {
                if let Err(reason) = self.load(index) {
                    self.failed = Some(index);
                    return Switch::Failed(Some(reason));
                }
            }
        }
        let (_, model) = &self.kept[self.kept.len() - 1];
        match is_same {
            true => Switch::Same(model.clone()),
            false => Switch::New(model.clone()),
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
        self.kept.push((index, Arc::from(model)));
        while self.kept.len() > 1 && self.bytes() > self.models.kept_bytes {
            self.kept.remove(0);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let bytes = self
            .kept
            .iter()
            .map(|(at, _)| self.models.sources[*at].bytes);
        bytes.sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::{ModelCard, Prediction, Radiograph};

    struct Named(ModelCard);

    impl Classify for Named {
        fn card(&self) -> &ModelCard {
            &self.0
        }

        fn classify(&self, _: &Radiograph) -> Result<Prediction, InferenceError> {
            Err(InferenceError::Card("a double".to_owned()))
        }
    }

    /// Models of 10 bytes each, of which `fit` are kept, and how often one was loaded; model 3 is
    /// broken.
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
            kept_bytes: 10 * fit,
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
        // The third takes the place of the one that was used longest ago, 0.
        for index in [2, 1, 0] {
            loaded.use_model(index);
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn one_that_is_larger_than_the_bound_is_kept_while_it_is_used() {
        let (mut loaded, count) = loaded(0);
        assert_eq!(name(loaded.use_model(0)), "new 0");
        assert_eq!(name(loaded.use_model(0)), "same 0");
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_broken_one_says_so_once_and_is_tried_again_when_it_is_asked_for_anew() {
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
            "the screen said that there was none"
        );
    }
}
