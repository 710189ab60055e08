//! The kind of number that the gauges of a model show.

use crate::domain::{ModelCard, Question, ScoreKind};
use crate::tui::model::Model;

/// The sign before a label that has only a score, where other labels have probabilities.
pub const ONLY_A_SCORE: &str = "~";

/// The kind of the scores of the labels that stand on their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    Probabilities,
    /// Scores on a scale where 0.5 is the operating point.
    Normalised,
    Scores,
    /// Probabilities of some labels, and only scores of others.
    Mixed,
}

/// The name of the kind, in at most `width` cells where there is a shorter one.
pub fn words(model: &Model, width: usize) -> String {
    let normalised = ScoreKind::OperatingPointNormalised;
    let probability = ScoreKind::Calibrated.word();
    let score = ScoreKind::Sigmoid.word();
    // Calibrated at other hospitals, and not right beyond them.
    let was_calibrated = |card: &ModelCard| card.labels.iter().any(|l| l.calibration.is_some());
    match model.card().map(of_card) {
        Some(Kinds::Probabilities) => probability.to_owned(),
        Some(Kinds::Mixed) => format!("{probability}, {ONLY_A_SCORE} {score}"),
        Some(Kinds::Normalised) if normalised.word().len() > width => {
            normalised.short_word().to_owned()
        }
        Some(Kinds::Normalised) => normalised.word().to_owned(),
        Some(Kinds::Scores) if model.card().is_some_and(was_calibrated) => score.to_owned(),
        Some(Kinds::Scores) | None => format!("{score}, uncalibrated"),
    }
}

/// The kind of the scores of a card.
pub fn of_card(card: &ModelCard) -> Kinds {
    let alone = card
        .labels
        .iter()
        .filter(|label| label.question == Question::Presence);
    if alone.clone().next().is_some() && alone.clone().all(|label| label.op_threshold.is_some()) {
        return Kinds::Normalised;
    }
    let mut calibrated = alone.map(|label| card.is_calibrated(label));
    match calibrated.next() {
        Some(true) if calibrated.all(|is| is) => Kinds::Probabilities,
        Some(false) | None if !calibrated.any(|is| is) => Kinds::Scores,
        _ => Kinds::Mixed,
    }
}
