//! The network's answers for the cases, and which labels have enough cases.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::labels_that;
use crate::adaptation::{CauseCases, Count, ENOUGH_IMAGES, ENOUGH_PATIENTS, LabelCases};
use crate::commands::shared::batch::{Crew, KnownFiles, Signals, guarded};
use crate::commands::shared::{Usage, cases};
use crate::domain::text::clean;
use crate::domain::{Finding, ModelCard, Prediction, Question, Radiograph, ViewPosition};
use crate::evaluation::report::Images;
use crate::evaluation::{BinaryQuestion as Asked, Case, Manifest};
use crate::imaging::DecodeLimits;
use crate::inference::{Classifier, Classify};

/// The network's answer for one image.
pub struct ScoredCase {
    /// The pooled features, `[C]`.
    pub features: Vec<f32>,
    /// In the card's order; `None` for a label that gets no number for this image.
    pub logits: Vec<Option<f32>>,
    /// As the logits.
    pub scores: Vec<Option<f32>>,
    /// As the file says.
    pub view: ViewPosition,
}

impl ScoredCase {
    /// The logits of these labels; `None` if one of them gets no number.
    pub fn logits_of(&self, labels: &[usize]) -> Option<Vec<f64>> {
        let logits = labels.iter().map(|&label| self.logits[label]);
        logits.map(|logit| logit.map(f64::from)).collect()
    }
}

/// The cases, and the network's answers for them.
pub struct AdaptationStudy<'a> {
    pub card: &'a ModelCard,
    pub cases: &'a [Case],
    /// One for each case; `None` if the image was refused or could not be read.
    pub read: Vec<Option<ScoredCase>>,
    pub images: Images,
}

/// Whether a label is present by the reference standard; `None` if that is not known.
fn reference(card: &ModelCard, label: usize, case: &Case) -> Option<bool> {
    Asked::Label(card.labels[label].name.clone()).answer(&case.truth)
}

/// Whether the input check refused an image.
fn has_no_answer(prediction: &Prediction) -> bool {
    prediction.findings.is_empty() && prediction.withheld.is_empty()
}

/// The labels that are products, by their places on the card.
pub fn products(card: &ModelCard) -> Vec<usize> {
    let labels = card.labels.iter().enumerate();
    let products = labels.filter(|(_, label)| label.product.is_some());
    products.map(|(at, _)| at).collect()
}

/// The cause of a case, by its place among the causes; `None` unless exactly one is known.
fn cause(card: &ModelCard, causes: &[usize], case: &Case) -> Option<usize> {
    let mut found = (0..causes.len()).filter(|&at| reference(card, causes[at], case) == Some(true));
    found.next().filter(|_| found.next().is_none())
}

impl AdaptationStudy<'_> {
    /// The cases with a reference standard for a label, and their places among all cases.
    pub fn cases_of(&self, label: usize) -> (LabelCases<'_>, Vec<usize>) {
        let (mut cases, mut places) = (LabelCases::default(), Vec::new());
        for (at, read) in self.read.iter().enumerate() {
            let answer = reference(self.card, label, &self.cases[at]);
            if let (Some(read), Some(positive)) = (read, answer)
                && let Some(logit) = read.logits[label]
            {
                cases.features.push(&read.features);
                cases.logits.push(logit.into());
                cases.positive.push(positive);
                cases.patients.push(&self.cases[at].patient);
                // The first group column is `source`, if the manifest has one.
                let source = self.cases[at].groups.first();
                cases.sources.push(source.map_or("", String::as_str));
                places.push(at);
            }
        }
        (cases, places)
    }

    /// The cases with a known cause, and their places among all cases.
    pub fn cases_of_causes(&self, causes: &[usize]) -> (CauseCases<'_>, Vec<usize>) {
        let (mut cases, mut places) = (CauseCases::default(), Vec::new());
        for (at, read) in self.read.iter().enumerate() {
            let answer = cause(self.card, causes, &self.cases[at]);
            if let (Some(read), Some(answer)) = (read, answer)
                && let Some(logits) = read.logits_of(causes)
            {
                cases.logits.push(logits);
                cases.cause.push(answer);
                cases.patients.push(&self.cases[at].patient);
                places.push(at);
            }
        }
        (cases, places)
    }

    /// Whether a case has a number for a label.
    pub fn has(&self, at: usize, label: usize) -> bool {
        let read = self.read[at].as_ref();
        read.is_some_and(|read| read.logits[label].is_some())
    }

    /// The number of scored images for which some labels get no number.
    pub fn withheld(&self) -> usize {
        let lacks = |read: &&ScoredCase| read.logits.iter().any(Option::is_none);
        self.read.iter().flatten().filter(lacks).count()
    }

    /// The number of patients with a scored image.
    pub fn patients(&self) -> usize {
        let names: Vec<&str> = self
            .cases
            .iter()
            .map(|case| case.patient.as_str())
            .collect();
        Count::of(&names, |at| self.read[at].is_some()).patients
    }
}

/// The labels with enough cases.
#[derive(Debug)]
pub struct FitPlan {
    /// Labels that are present or absent, in the card's order.
    pub labels: Vec<usize>,
    /// Whether each of the causes has enough.
    pub causes: bool,
    /// Products whose thresholds can be fixed anew.
    pub products: Vec<usize>,
    /// Why the others stay as they were, a sentence each.
    pub kept: Vec<String>,
}

impl FitPlan {
    /// Counts the cases for which `is_in` holds, for each label. Labels without any are passed over where outcomes are
    /// fitted too.
    ///
    /// # Errors
    /// [`Usage`], with the counts, if no label has enough, and no outcome is fitted either.
    pub fn new(
        card: &ModelCard,
        cases: &[Case],
        has_outcomes: bool,
        is_in: impl Fn(usize, usize) -> bool,
    ) -> Result<Self> {
        let names: Vec<&str> = cases.iter().map(|case| case.patient.as_str()).collect();
        let counts = |label: usize| {
            [true, false].map(|class| {
                Count::of(&names, |at| {
                    is_in(at, label) && reference(card, label, &cases[at]) == Some(class)
                })
            })
        };
        let is_enough = |label: &usize| counts(*label).into_iter().all(Count::is_enough);
        let products: Vec<usize> = products(card).into_iter().filter(is_enough).collect();
        let (mut labels, mut short) = (Vec::new(), Vec::new());
        for label in labels_that(card, Question::Presence) {
            let [positive, negative] = counts(label);
            if positive.is_enough() && negative.is_enough() {
                labels.push(label);
            } else if !has_outcomes || positive.images + negative.images > 0 {
                let name = &card.labels[label].name;
                short.push(format!("{name} (positive {positive}, negative {negative})"));
            }
        }
        let causes = labels_that(card, Question::GivenPneumonia);
        let counts: Vec<(usize, Count)> = causes
            .iter()
            .enumerate()
            .map(|(place, &label)| {
                let is =
                    |at: usize| is_in(at, label) && cause(card, &causes, &cases[at]) == Some(place);
                (label, Count::of(&names, is))
            })
            .collect();
        let has_causes = counts.len() > 1 && counts.iter().all(|(_, count)| count.is_enough());
        let has_any = counts.iter().any(|(_, count)| count.images > 0);
        if !has_causes && !counts.is_empty() && (has_any || !has_outcomes) {
            let counts = counts.iter();
            let counts: Vec<String> = counts
                .map(|(label, count)| format!("{} {count}", card.labels[*label].name))
                .collect();
            short.push(format!("the causes ({})", counts.join(", ")));
        }
        let short = short.join("; ");
        let needed = format!(
            "It takes {ENOUGH_IMAGES} images of {ENOUGH_PATIENTS} patients, positive and negative, \
             or of every cause"
        );
        if labels.is_empty() && !has_causes && products.is_empty() && !has_outcomes {
            return Err(Usage::error(format!(
                "too few cases for any label: {short}. {needed}"
            )));
        }
        let kept = (!short.is_empty())
            .then(|| format!("Too few cases, and left as before: {short}. {needed}."));
        Ok(FitPlan {
            labels,
            causes: has_causes,
            products,
            kept: kept.into_iter().collect(),
        })
    }
}

/// Everything that is needed to score the cases.
pub struct CaseScorer<'a> {
    pub classifier: &'a Classifier,
    pub limits: &'a DecodeLimits,
    pub manifest: &'a Manifest,
    pub root: &'a Path,
    pub crew: Crew,
    pub quiet: bool,
    /// Where the cases are from, for the summary.
    pub place: String,
}

impl<'a> CaseScorer<'a> {
    /// The network's answers for the cases; after a signal, those for the first ones.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn read(&self, signals: &Signals) -> Result<AdaptationStudy<'a>> {
        let cases = &self.manifest.cases;
        let known = KnownFiles {
            paths: cases
                .iter()
                .map(|case| cases::file(self.root, case))
                .collect::<Vec<PathBuf>>(),
            threads: self.crew.threads,
            quiet: self.quiet,
            place: self.place.clone(),
            signals,
        };
        let open = self.crew.decoders(self.limits);
        let classify = |_: &Path, radiograph: &Radiograph| {
            let found = self.classifier.classify_with_features(radiograph);
            let found = found.map_err(|error| clean(&error.to_string()));
            found.map(|(prediction, features)| (prediction, features, radiograph.view))
        };
        let mut study = AdaptationStudy {
            card: self.classifier.card(),
            cases,
            read: Vec::with_capacity(cases.len()),
            images: Images::default(),
        };
        known
            .read(
                || guarded(&open, classify),
                |(prediction, ..)| prediction,
                |_, result| {
                    study.add(result.ok());
                    Ok(())
                },
            )
            .context("reading the images")?;
        Ok(study)
    }
}

impl AdaptationStudy<'_> {
    fn add(&mut self, read: Option<(Prediction, Vec<f32>, ViewPosition)>) {
        let images = &mut self.images;
        *match &read {
            None => &mut images.failed,
            Some((prediction, ..)) if has_no_answer(prediction) => &mut images.refused,
            Some(_) => &mut images.scored,
        } += 1;
        let scored = read.filter(|(prediction, ..)| !has_no_answer(prediction));
        self.read.push(scored.map(|(prediction, features, view)| {
            let labels = self.card.labels.iter();
            let found: Vec<Option<&Finding>> = labels
                .map(|label| prediction.finding(&label.name))
                .collect();
            let value = |found: &Option<&Finding>| found.map(|f| f.score.value());
            ScoredCase {
                features,
                logits: found.iter().map(|found| found.map(|f| f.logit)).collect(),
                scores: found.iter().map(value).collect(),
                view,
            }
        }));
    }
}
