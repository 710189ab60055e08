//! Options that name labels of the model: `--prevalence` and `--heatmap-label`.

use anyhow::Result;

use super::{Usage, complain};
use crate::cli::Assumptions;
use crate::domain::{ModelCard, Pathology, Prevalences, label_named};

/// The prevalences of the command line and of the configuration.
///
/// # Errors
/// [`Usage`] if one cannot be read, the model has no such label that assumes one, or two of them
/// contradict each other.
pub fn assumed(arguments: &Assumptions, card: &ModelCard) -> Result<Prevalences> {
    let mut assumed = Prevalences::default();
    for text in &arguments.usual {
        // A configuration is written for several models: this one may have no such label.
        let _ = assumed.take(card, text);
    }
    for text in &arguments.prevalence {
        assumed
            .take(card, text)
            .map_err(|error| Usage::error(format!("--prevalence {text}: {error}")))?;
    }
    // Whether they agree is known only after the last, since their order means nothing.
    match assumed.agree(card) {
        Err(error) if arguments.prevalence.is_empty() => complain(&format!("prevalence: {error}")),
        agree => agree.map_err(|error| Usage::error(format!("prevalence: {error}")))?,
    }
    Ok(assumed)
}

/// The label that `--heatmap-label` names.
///
/// # Errors
/// [`Usage`], if the model has no such label, or labels have no maps of their own.
pub fn heat_map_label(name: &str, card: &ModelCard) -> Result<Pathology> {
    if !card.has_label_maps() {
        return Err(Usage::error(format!(
            "--heatmap-label {name}: the labels of {} ({}) have no maps of their own; its heat map is the attention \
             rollout for all of them",
            card.name, card.architecture
        )));
    }
    let label = label_named(name, card.label_names()).map_err(|error| {
        let labels: Vec<&str> = card.label_names().map(|(label, _)| label).collect();
        Usage::error(format!(
            "--heatmap-label {name}: {error}; the model's labels are {}",
            labels.join(", ")
        ))
    })?;
    Ok(Pathology(label.to_owned()))
}
