//! The box about the model in use.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::text::{cells, fit, fold};
use super::theme::Theme;
use crate::domain::{Measurement, ModelCard, card_text};
use crate::tui::model::{ClassifierState, Model};

/// Draws the model's card over the panes, poor results included.
pub fn draw(model: &Model, theme: &Theme, scroll: i32, frame: &mut Frame) -> bool {
    let lines = match &model.engine {
        ClassifierState::Loading => vec![Line::raw("the model is being loaded")],
        ClassifierState::Failed(reason) => vec![Line::styled(reason.clone(), theme.refused)],
        ClassifierState::Ready(card) => {
            let width = usize::from(overlay::text_width(frame.area()));
            card_lines(card, model, theme, width)
        }
    };
    overlay::draw("About this model", lines, scroll, (model, theme), frame)
}

/// Cells before a value, and before the words of an item.
const NAME: usize = 14;
const ITEM: usize = 4;

/// A name and a text beside it, whose further lines begin below its first one.
fn hanging(
    name: &str,
    text: &str,
    indent: usize,
    theme: &Theme,
    width: usize,
) -> Vec<Line<'static>> {
    // On a narrow screen the text has lines of its own.
    let indent = if 2 * indent > width { ITEM } else { indent };
    let rows = fold(text, width.saturating_sub(indent).max(1));
    let lead = fit(name, indent.max(cells(name) + 1));
    let mut lines = Vec::new();
    if cells(&lead) > indent {
        lines.push(Line::styled(lead, theme.dim));
        let rows = rows.into_iter();
        lines.extend(rows.map(|row| Line::raw(format!("{}{row}", " ".repeat(indent)))));
        return lines;
    }
    for (number, row) in rows.into_iter().enumerate() {
        let lead = if number == 0 {
            lead.clone()
        } else {
            " ".repeat(indent)
        };
        lines.push(Line::from(vec![
            Span::styled(lead, theme.dim),
            Span::raw(row),
        ]));
    }
    lines
}

fn card_lines(card: &ModelCard, model: &Model, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let row = |name: &str, value: String| hanging(name, &value, NAME, theme, width);
    let item = |words: &str| hanging("  ·", words, ITEM, theme, width);
    let rows = [
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
    ];
    let mut lines: Vec<Line> = rows.into_iter().flatten().collect();
    lines.push(Line::default());
    lines.push(Line::styled("Limitations", theme.title));
    lines.extend(card.limits.iter().flat_map(|limit| item(limit)));
    for (title, words) in [
        ("Labels", card_text::labels(card)),
        ("Reliability", card_text::trust(card)),
        ("Outcomes", card_text::outcomes(card)),
    ] {
        if !words.is_empty() {
            lines.push(Line::default());
            lines.push(Line::styled(title, theme.title));
            lines.extend(words.iter().flat_map(|words| item(words)));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled("Measured", theme.title));
    lines.extend(card.measurements.iter().flat_map(|m| item(&measured(m))));
    lines
}

/// `Pneumonia, nih test split: AUC 0.82 (0.78 to 0.86), n 371, 41 positive`
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
        "{}, {}: {} {:.3}{interval}, n {}{positives}",
        m.label, m.on, m.statistic, m.value, m.n
    )
}
