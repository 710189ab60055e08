//! The lines of the outcomes that a model foretells, each with the evidence that it can.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::{ModelCard, Prognosis, Score};
use crate::tui::view::text::{cells, fit, number, wrap};
use crate::tui::view::theme::Theme;

/// Stands above the outcomes: their numbers are of another kind than those of the labels may be.
const HEADING: &str = "outcomes (score, no probability):";

/// The rows that the outcomes of a card take where each of them takes two.
pub fn rows(card: &ModelCard) -> usize {
    match card.prognoses.len() {
        0 => 0,
        outcomes => 1 + 2 * outcomes,
    }
}

/// A score with its evidence below it, or why there is none.
pub fn lines(prognoses: &[Prognosis], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    if prognoses.is_empty() {
        return Vec::new();
    }
    let mut lines = wrapped(HEADING, width, theme.dim);
    for prognosis in prognoses {
        let Prognosis {
            outcome,
            score,
            evidence,
        } = prognosis;
        match score {
            Some(score) => {
                lines.push(score_line(outcome, *score, width, theme));
                lines.extend(wrapped(&evidence.words(), width, theme.dim));
            }
            None => {
                let words = format!("{outcome}: {}", evidence.absence_words());
                lines.extend(wrapped(&words, width, theme.dim));
            }
        }
    }
    lines
}

/// `admission to intensive care     0.412`
fn score_line(outcome: &str, score: Score, width: usize, theme: &Theme) -> Line<'static> {
    let number = number(score.kind, (score.value(), false));
    let number = theme.words(&number).into_owned();
    let name = fit(outcome, width.saturating_sub(cells(&number) + 1));
    Line::from(vec![
        Span::styled(name, theme.plain),
        Span::raw(" "),
        Span::styled(number, theme.plain),
    ])
}

fn wrapped(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let lines = wrap(text, width).into_iter();
    lines.map(|line| Line::styled(line, style)).collect()
}
