//! A bar with marks. ratatui's own gauge has no marks and panics on NaN.

use ratatui::style::Style;
use ratatui::text::Span;

/// Cells that are filled from the left, by their index in eighths.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/// The mark of the balanced operating point.
const BALANCED: char = '┃';
/// The mark of the operating point of 90 % sensitivity.
const SENSITIVE: char = '╎';

/// The positions of the marks, 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct GaugeMarks {
    pub balanced: Option<f32>,
    pub sensitive: Option<f32>,
}

/// A bar of `width` cells for a score from 0 to 1, in `style`; the mark of 90 % sensitivity is in `faint`.
pub fn spans(
    score: f32,
    marks: GaugeMarks,
    width: usize,
    style: Style,
    faint: Style,
) -> Vec<Span<'static>> {
    let bar = bar(score, marks, width);
    match bar.split_once(SENSITIVE) {
        None => vec![Span::styled(bar, style)],
        Some((before, after)) => vec![
            Span::styled(before.to_owned(), style),
            Span::styled(SENSITIVE.to_string(), faint),
            Span::styled(after.to_owned(), style),
        ],
    }
}

/// The bar, exact to an eighth of a cell. Where both marks fall into one cell, the balanced one is shown.
fn bar(score: f32, marks: GaugeMarks, width: usize) -> String {
    let eighths = (score.clamp(0.0, 1.0) * (width * 8) as f32).round() as usize;
    let cell_of = |mark: Option<f32>| {
        mark.map(|m| ((m.clamp(0.0, 1.0) * width as f32) as usize).min(width.saturating_sub(1)))
    };
    let (balanced, sensitive) = (cell_of(marks.balanced), cell_of(marks.sensitive));
    (0..width)
        .map(|cell| match eighths.saturating_sub(cell * 8) {
            _ if balanced == Some(cell) => BALANCED,
            _ if sensitive == Some(cell) => SENSITIVE,
            0 => '─',
            part if part >= 8 => '█',
            part => EIGHTHS[part],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(mark: f32) -> GaugeMarks {
        GaugeMarks {
            balanced: Some(mark),
            sensitive: None,
        }
    }

    #[test]
    fn a_bar_fills_in_eighths_and_marks_its_operating_points() {
        let none = GaugeMarks::default();
        assert_eq!(bar(0.0, none, 8), "────────");
        assert_eq!(bar(1.0, none, 8), "████████");
        assert_eq!(bar(0.5, one(0.75), 8), "████──┃─");
        assert_eq!(bar(0.53, none, 8), "████▎───");
        assert_eq!(bar(1.0, one(1.0), 4), "███┃");
        assert_eq!(bar(0.7, one(0.5), 0), "");
        let both = |balanced, sensitive| GaugeMarks {
            balanced: Some(balanced),
            sensitive: Some(sensitive),
        };
        assert_eq!(bar(0.25, both(0.75, 0.4), 8), "██─╎──┃─");
        assert_eq!(bar(0.25, both(0.75, 0.76), 8), "██────┃─");
    }
}
