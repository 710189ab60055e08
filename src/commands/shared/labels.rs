//! Options that name labels of the model: `--prevalence` and `--heatmap-label`.

use anyhow::Result;

use super::{Usage, complain};
use crate::cli::Assumptions;
use crate::domain::{ModelCard, Pathology, Prevalences};

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

/// The label that a name means, as in a filter of the screen: the label itself, or the one label that starts with the
/// name, or else has it as a part, whatever the case of the letters. A label that is a part of the others that fit, as
/// *COVID-19* of *COVID-19 given pneumonia*, is meant rather than those.
fn label_named<'a>(name: &str, labels: &[&'a str]) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let only = |fits: &dyn Fn(&str) -> bool| {
        let fitting: Vec<&str> = labels
            .iter()
            .copied()
            .filter(|label| fits(&label.to_lowercase()))
            .collect();
        let shortest = fitting.iter().copied().min_by_key(|label| label.len())?;
        fitting
            .iter()
            .all(|label| label.starts_with(shortest))
            .then_some(shortest)
    };
    if wanted.is_empty() {
        return None;
    }
    only(&|label| label == wanted)
        .or_else(|| only(&|label| label.starts_with(&wanted)))
        .or_else(|| only(&|label| label.contains(&wanted)))
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
    let labels: Vec<&str> = card
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    if let Some(label) = label_named(name, &labels) {
        return Ok(Pathology(label.to_owned()));
    }
    Err(Usage::error(format!(
        "--heatmap-label {name}: the model's labels are {}",
        labels.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::label_named;

    #[test]
    fn a_part_of_a_label_is_enough_if_only_one_label_has_it() {
        let labels = [
            "Pneumonia",
            "COVID-19",
            "COVID-19 given pneumonia",
            "Pneumothorax",
        ];
        let of = |name| label_named(name, &labels);
        assert_eq!(of("COVID-19"), Some("COVID-19"));
        assert_eq!(of("covid"), Some("COVID-19"));
        assert_eq!(of("covid-19 given"), Some("COVID-19 given pneumonia"));
        assert_eq!(of("given"), Some("COVID-19 given pneumonia"));
        assert_eq!(of("pneumoni"), Some("Pneumonia"));
        assert_eq!(of("pneumo"), None, "two labels start with it");
        assert_eq!(of("flu"), None);
        assert_eq!(of(""), None);
    }
}
