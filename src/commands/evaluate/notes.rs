//! What a reader should know before believing a number.

use super::predictions::PredictionTable;
use super::{EvaluationResult, Manifest, MeasuredModel, ModelCard};
use crate::evaluation::question::SeverityScale;

/// One sentence or two each.
pub fn notes(
    card: &ModelCard,
    table: Option<&PredictionTable>,
    manifest: &Manifest,
    model: &MeasuredModel,
    measured: &EvaluationResult,
) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |applies: bool, text: &str| notes.extend(applies.then(|| text.to_owned()));
    note(
        !manifest.has_patients,
        "There is no column of patients: each image counts as a patient of its own, and intervals \
         are too narrow, and p too small, where one has several.",
    );
    note(
        manifest.is_every_split,
        "Rows of every split are in the figures, also those that a model may have been trained on; \
         --split test takes one.",
    );
    note(
        table.is_some_and(|table| !table.is_of(card)),
        "The predictions are of another model than the one in this program: its operating points \
         are not known.",
    );
    note(
        table.is_none_or(|table| table.is_of(card))
            && !card.labels.iter().all(|label| card.is_calibrated(label)),
        "Scores that this model's card does not call calibrated are not probabilities; Brier, ECE, \
         intercept and slope say by how much.",
    );
    note(
        !model.points.is_empty(),
        "PPV and NPV hold where the share of positives is the one beside them: \"as here\" is that of this \
         sample, not of a clinic. --prevalence LABEL=SHARE gives them for another.",
    );
    note(
        !measured.comparisons.is_empty() && manifest.has_patients,
        "p is that of DeLong's test with the images of a patient as one cluster (Obuchowski 1997).",
    );
    let has_truth = |scale| {
        manifest
            .cases
            .iter()
            .any(|c| c.truth.severity(scale).is_some())
    };
    let is_measured = |name: &str| measured.figures.iter().any(|f| f.question == name);
    for scale in SeverityScale::ALL {
        let absent = has_truth(scale) && !is_measured(scale.name());
        note(
            absent,
            &format!(
                "{}: n/a, the model gives none for these images.",
                scale.name()
            ),
        );
    }
    note(
        !measured.unanswered.is_empty(),
        &format!(
            "No scored image answers: {}.",
            measured.unanswered.join(", ")
        ),
    );
    notes
}
