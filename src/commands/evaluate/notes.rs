//! The limitations of the figures.

use std::collections::BTreeMap;

use super::predictions::PredictionTable;
use super::{CaseOutcome, EvaluationResult, Manifest, MeasuredModel, ModelCard, where_it_looks};
use crate::commands::shared::cases::without_patients;
use crate::commands::shared::named;
use crate::evaluation::question::SeverityScale;
use crate::evaluation::report::Statistic;
use crate::export::path_text;

/// The notes that apply, of one or two sentences each.
pub fn notes(
    card: &ModelCard,
    table: Option<&PredictionTable>,
    manifest: &Manifest,
    model: &MeasuredModel,
    measured: &EvaluationResult,
) -> Vec<String> {
    let without = without_patients(manifest, "intervals are too narrow and p is too small");
    let mut notes: Vec<String> = without.into_iter().collect();
    let mut note = |applies: bool, text: &str| notes.extend(applies.then(|| text.to_owned()));
    note(
        manifest.is_every_split,
        "The figures include rows of every split, also those that a model may have been trained on; \
         --split test selects one.",
    );
    note(
        table.is_some_and(|table| !table.is_of(card)),
        "The predictions are from another model than the one in use: its operating points are not \
         known.",
    );
    note(
        table.is_none_or(|table| table.is_of(card))
            && !card.labels.iter().all(|label| card.is_calibrated(label)),
        "Scores that the model's card does not call calibrated are not probabilities; Brier, ECE, \
         intercept and slope show by how much they differ.",
    );
    let has_predictive_value = measured.figures.iter().any(|figure| {
        let is_of_sample = matches!(
            figure.statistic,
            Statistic::PositivePredictiveValue | Statistic::NegativePredictiveValue
        );
        is_of_sample && figure.value.is_some()
    });
    note(
        has_predictive_value,
        "PPV and NPV apply only at the share of positives beside them: \"as here\" is the share of this \
         sample, not of a clinic. --prevalence LABEL=SHARE gives them for another.",
    );
    note(
        !measured.comparisons.is_empty() && manifest.without_patient() < manifest.cases.len(),
        "p is from DeLong's test with the images of a patient as one cluster (Obuchowski 1997).",
    );
    let has_reference = |scale| {
        manifest
            .cases
            .iter()
            .any(|c| c.truth.severity(scale).is_some())
    };
    let is_measured = |name: &str| measured.figures.iter().any(|f| f.question == name);
    for scale in SeverityScale::ALL {
        let absent = has_reference(scale) && !is_measured(scale.name());
        note(
            absent,
            &format!(
                "{}: n/a, the model gives none for these images.",
                scale.name()
            ),
        );
    }
    let with_groups = card.labels.iter().filter(|label| {
        let mut groups = label.calibration_for.iter();
        groups.any(|group| group.operating_point.is_some() || group.sensitive_point.is_some())
    });
    let with_groups: Vec<&str> = with_groups.map(|label| label.name.as_str()).collect();
    note(
        !with_groups.is_empty() && !model.points.is_empty(),
        &format!(
            "{}: the model has operating points of their own for some views or ages. The figures at an \
             operating point are at the general one for every image.",
            with_groups.join(", ")
        ),
    );
    note(
        !measured.unanswered.is_empty(),
        &format!(
            "No scored image answers: {}.",
            measured.unanswered.join(", ")
        ),
    );
    if table.is_none() {
        notes.extend(without_answers(manifest, model));
    }
    let scope = where_it_looks::scope(manifest, &model.pointing);
    notes.extend(scope.into_iter().flat_map(where_it_looks::notes));
    notes
}

/// A sentence for the labels that the same scored images have no answer for, with these images.
fn without_answers(manifest: &Manifest, model: &MeasuredModel) -> Vec<String> {
    let answers = &model.answers;
    let scored: Vec<(usize, &Vec<Option<f64>>)> = answers
        .outcomes
        .iter()
        .enumerate()
        .filter_map(|(at, outcome)| match outcome {
            CaseOutcome::Scored { labels, .. } => Some((at, labels)),
            CaseOutcome::Refused | CaseOutcome::Failed => None,
        })
        .collect();
    let mut labels_without: BTreeMap<Vec<usize>, Vec<&str>> = BTreeMap::new();
    for (label, name) in answers.labels.iter().enumerate() {
        let without = scored.iter().filter(|(_, labels)| labels[label].is_none());
        let without: Vec<usize> = without.map(|(at, _)| *at).collect();
        labels_without.entry(without).or_default().push(name);
    }
    labels_without.remove(&Vec::new());
    let note = |(images, labels): (Vec<usize>, Vec<&str>)| {
        let paths = images.iter().map(|&at| path_text(&manifest.cases[at].path));
        let paths: Vec<String> = paths.collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        format!(
            "{} of {} scored images are unlike those that {} {} learned from: they have no answer there, and are \
             in none of these figures: {}.",
            images.len(),
            scored.len(),
            labels.join(", "),
            if labels.len() == 1 { "was" } else { "were" },
            named(&paths)
        )
    };
    labels_without.into_iter().map(note).collect()
}
