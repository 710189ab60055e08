//! A question over the worklist with a key for each answer. The image stays visible.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::layout::PaneLayout;
use super::text::{fit, shorten};
use super::theme::Theme;

/// One answer.
pub struct PromptChoice {
    pub key: char,
    /// The box before the words; may be empty.
    pub mark: &'static str,
    pub words: String,
    pub style: Style,
}

/// Draws the question in the first row, and all answers below it, in as many columns as needed.
pub fn draw(
    question: &str,
    choices: &[PromptChoice],
    theme: &Theme,
    layout: &PaneLayout,
    frame: &mut Frame,
) {
    let area = layout.list;
    if area.is_empty() {
        return;
    }
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.screen);
    let width = usize::from(area.width);
    let title = Line::styled(shorten(&theme.words(question), width), theme.title);
    frame.render_widget(title, Rect { height: 1, ..area });
    let rows = usize::from(area.height).saturating_sub(1).max(1);
    let columns = choices.len().div_ceil(rows).max(1);
    let width = width / columns;
    let lines: Vec<Line> = (0..rows)
        .map(|row| {
            let cells = choices.iter().skip(row).step_by(rows);
            Line::from_iter(cells.flat_map(|choice| {
                let words = format!("{}{}", choice.mark, choice.words);
                [
                    Span::styled(format!("{} ", choice.key), theme.key),
                    Span::styled(fit(&words, width.saturating_sub(2)), choice.style),
                ]
            }))
        })
        .collect();
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    frame.render_widget(Paragraph::new(lines), below);
}
