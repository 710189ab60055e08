//! The box about the model in use.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::theme::Theme;
use crate::domain::{Measurement, ModelCard, card_text};
use crate::tui::model::{ClassifierState, Model};

/// Draws the model's card over the panes, poor results included.
pub fn draw(model: &Model, theme: &Theme, scroll: u16, frame: &mut Frame) -> bool {
    let lines = match &model.engine {
        ClassifierState::Loading => vec![Line::raw("the model is being loaded")],
        ClassifierState::Failed(reason) => vec![Line::styled(reason.clone(), theme.refused)],
        ClassifierState::Ready(card) => card_lines(card, model, theme),
    };
    overlay::draw("About this model", lines, scroll, (model, theme), frame)
}

fn card_lines(card: &ModelCard, model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let row = |name: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("{name:14}"), theme.dim),
            Span::raw(value),
        ])
    };
    let mut lines = vec![
        row("model", format!("{} {}", card.name, card.version)),
        row(
            "network",
            format!(
                "{}, {} × {} pixels",
                card.architecture, card.input_size, card.input_size
            ),
        ),
        row("preprocessing", card.preprocess.clone()),
        row("SHA-256", card.sha256.clone()),
        row("licence", card.licence.clone()),
        row("pretrained", card.pretrained.clone()),
        row("trained on", card.training_data.clone()),
        row("painted as", model.painting.to_owned()),
        Line::default(),
        Line::styled("Limitations", theme.title),
    ];
    lines.extend(
        card.limits
            .iter()
            .map(|limit| Line::raw(format!("  · {limit}"))),
    );
    for (title, words) in [
        ("Labels", card_text::labels(card)),
        ("Reliability", card_text::trust(card)),
        ("Outcomes", card_text::outcomes(card)),
    ] {
        if !words.is_empty() {
            lines.push(Line::default());
            lines.push(Line::styled(title, theme.title));
            lines.extend(words.into_iter().map(|word| Line::raw(format!("  {word}"))));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled("Measured", theme.title));
    lines.extend(card.measurements.iter().map(|m| Line::raw(measured(m))));
    lines
}

/// `  Pneumonia, nih test split: AUC 0.82 (0.78 to 0.86), n 371, 41 positive`
fn measured(m: &Measurement) -> String {
    let interval = m
        .interval
        .map(|(low, high)| format!(" ({low:.2} to {high:.2})"))
        .unwrap_or_default();
    let positives = m
        .positives
        .map(|p| format!(", {p} positive"))
        .unwrap_or_default();
    format!(
        "  {}, {}: {} {:.3}{interval}, n {}{positives}",
        m.label, m.on, m.statistic, m.value, m.n
    )
}
