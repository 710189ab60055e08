//! The limitations of the figures.

use super::predictions::PredictionTable;
use super::{EvaluationResult, Manifest, MeasuredModel, ModelCard};
use crate::evaluation::question::SeverityScale;

/// The notes that apply, of one or two sentences each.
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
        "There is no column of patients, so each image counts as a patient of its own. If patients have \
         several images, intervals are too narrow and p is too small.",
    );
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
    note(
        !model.points.is_empty(),
        "PPV and NPV apply only at the share of positives beside them: \"as here\" is the share of this \
         sample, not of a clinic. --prevalence LABEL=SHARE gives them for another.",
    );
    note(
        !measured.comparisons.is_empty() && manifest.has_patients,
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
    note(
        !measured.unanswered.is_empty(),
        &format!(
            "No scored image answers: {}.",
            measured.unanswered.join(", ")
        ),
    );
    notes
}
