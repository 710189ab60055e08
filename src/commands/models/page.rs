//! The text of a card, for a terminal.

use std::fmt::Write;

use crate::commands::shared::hanging::{columns, hanging};
use crate::domain::text::Printable;
use crate::domain::{Measurement, ModelCard, NetworkSettings, card_text};
use crate::inference::{LungNetworkCard, Preprocess, lungs_card};

/// The whole card, poor results included.
pub fn page(card: &ModelCard) -> Printable {
    let mut page = String::new();
    let facts = [
        ("model", format!("{} {}", card.name, card.version)),
        ("network", network(card)),
        (
            "input",
            format!("{0} × {0} pixels, {1}", card.input_size, card.preprocess),
        ),
        ("licence", card.licence.clone()),
        ("trained on", card.training_data.clone()),
        ("pretrained", card.pretrained.clone()),
        ("pulled from", card.pulled_from.clone().unwrap_or_default()),
        ("SHA-256", card.sha256.clone()),
    ];
    for (name, value) in facts {
        paragraph(&mut page, name, &value);
    }
    if let Ok(preprocess) = Preprocess::of(card) {
        list(&mut page, "Preprocessing", steps(&preprocess));
    }
    list(&mut page, "Labels", card_text::labels(card).into_iter());
    let trust = card_text::trust(card);
    if !trust.is_empty() {
        list(&mut page, "Reliability", trust.into_iter());
    }
    let outcomes = card_text::outcomes(card);
    if !outcomes.is_empty() {
        list(&mut page, "Outcomes", outcomes.into_iter());
    }
    list(&mut page, "Limitations", card.limits.iter().cloned());
    list(
        &mut page,
        "Measured",
        card.measurements.iter().map(measured),
    );
    if let Ok(card) = lungs_card() {
        list(&mut page, "Lungs", lungs(card).into_iter());
    }
    Printable::page(&page)
}

/// The network by its name, and its settings.
fn network(card: &ModelCard) -> String {
    let settings = card.network.iter().flat_map(NetworkSettings::iter);
    let settings: Vec<String> = settings
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    if settings.is_empty() {
        card.architecture.clone()
    } else {
        format!("{}: {}", card.architecture, settings.join(", "))
    }
}

/// Each step of a preprocessing, with the number that `cxr models check` knows it by.
fn steps(preprocess: &Preprocess) -> impl Iterator<Item = String> {
    let words = preprocess.recipe().step_words();
    let numbered = words.into_iter().enumerate();
    numbered.map(|(number, words)| format!("{number} {words}"))
}

/// The network that finds the lungs, which every model has beside it.
fn lungs(card: &LungNetworkCard) -> Vec<String> {
    let mut lines = vec![
        format!(
            "A network of its own, version {}, the same for every model.",
            card.version
        ),
        format!("Licence: {}", card.licence),
        format!("Trained on: {}", card.training_data),
        format!("Pretrained: {}", card.pretrained),
        format!("SHA-256: {}", card.sha256),
    ];
    lines.extend(card.limits.iter().cloned());
    lines.extend(card.measurements.iter().map(measured));
    lines
}

/// Columns before the text of an item.
const ITEM: usize = 4;
/// Columns before a value, and before its further lines.
const INDENT: usize = 12;

fn paragraph(page: &mut String, name: &str, value: &str) {
    let mut name = name;
    for line in value.trim().lines() {
        *page += &hanging(name, line.trim(), INDENT, columns());
        name = "";
    }
}

fn list(page: &mut String, title: &str, items: impl Iterator<Item = String>) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "\n{title}");
    for item in items {
        *page += &hanging("  ·", item.trim(), ITEM, columns());
    }
}

fn measured(m: &Measurement) -> String {
    let mut text = format!("{}, {}: {} {:.3}", m.label, m.on, m.statistic, m.value);
    if let Some((low, high)) = m.interval {
        let _ = write!(text, " (95 % CI {low:.3} to {high:.3})");
    }
    let _ = write!(text, ", n = {}", m.n);
    if let Some(positives) = m.positives {
        let _ = write!(text, ", {positives} positive");
    }
    if let Some(patients) = m.patients {
        let _ = write!(text, ", {patients} patients");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_a_heat_map_has_its_control_beside_it() {
        let of = |statistic: &str, value, interval| {
            measured(&Measurement {
                label: "Pneumonia".to_owned(),
                on: "rsna test split, AP".to_owned(),
                statistic: statistic.to_owned(),
                value,
                interval,
                n: 156,
                positives: None,
                patients: Some(140),
            })
        };
        assert_eq!(
            of("pointing accuracy", 0.763, Some((0.69, 0.83))),
            "Pneumonia, rsna test split, AP: pointing accuracy 0.763 (95 % CI 0.690 to 0.830), n = 156, 140 patients"
        );
        assert_eq!(
            of("pointing accuracy, control: middle of each lung", 0.5, None),
            "Pneumonia, rsna test split, AP: pointing accuracy, control: middle of each lung 0.500, n = 156, 140 patients"
        );
    }
}
