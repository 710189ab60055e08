//! What reports and captures begin with: a model, the maker of objects, the studies, and what readers said.

use std::num::NonZeroUsize;

use anyhow::Result;

use super::maker::maker;
use super::readers::{Words, words};
use super::run::ObjectRun;
use crate::cli::{Assumptions, ObjectArguments};
use crate::commands::shared::{CommandContext, assumed};
use crate::dicom::ObjectMaker;
use crate::domain::{ModelCard, Prevalences};
use crate::inference::{Classifier, Classify};

/// The options of objects that a model has a part in.
pub struct ScoredOptions<'a> {
    pub objects: &'a ObjectArguments,
    pub assumptions: &'a Assumptions,
    /// Whether the words of readers are wanted.
    pub reviews: bool,
    pub jobs: Option<NonZeroUsize>,
}

/// A run over films that are scored.
pub struct ScoredRun<'a> {
    pub classifier: Classifier,
    pub assumed: Prevalences,
    pub maker: ObjectMaker,
    pub run: ObjectRun<'a>,
    /// Empty where they are not wanted.
    pub words: Words,
}

impl<'a> ScoredRun<'a> {
    /// Loads the model and finds the studies. `check` looks at further options, before a folder is made.
    ///
    /// # Errors
    /// [`Usage`](crate::commands::shared::Usage), if the options make no sense or there is no store; that of `check`.
    pub fn begin<T>(
        options: &ScoredOptions,
        context: &'a CommandContext,
        check: impl FnOnce(&ModelCard) -> Result<T>,
    ) -> Result<(Self, T)> {
        let classifier = context.classifier()?;
        let card = classifier.card();
        let assumed = assumed(options.assumptions, card)?;
        let checked = check(card)?;
        let maker = maker(options.objects, Some(card))?;
        let run = ObjectRun::begin(options.objects, context, options.jobs)?;
        let words = if options.reviews {
            words(options.objects, &run.studies)?
        } else {
            Words::new()
        };
        let begun = ScoredRun {
            classifier,
            assumed,
            maker,
            run,
            words,
        };
        Ok((begun, checked))
    }
}
