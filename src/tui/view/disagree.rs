use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::layout::Layout;
use super::text::fit;
use super::theme::Theme;
use crate::tui::model::LABEL_KEYS;

/// The labels and their keys, over the worklist: the image stays in sight.
pub fn draw(labels: &[String], theme: &Theme, layout: &Layout, frame: &mut Frame) {
    let area = layout.list;
    if area.is_empty() {
        return;
    }
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.screen);
    let title = Line::styled("Disagree with which? Esc: with none", theme.title);
    frame.render_widget(title, Rect { height: 1, ..area });
    let rows = usize::from(area.height).saturating_sub(1).max(1);
    // As many columns as it takes: every label must be in sight.
    let columns = labels.len().div_ceil(rows).max(1);
    let width = usize::from(area.width) / columns;
    let items: Vec<(char, &String)> = LABEL_KEYS.chars().zip(labels).collect();
    let lines: Vec<Line> = (0..rows)
        .map(|row| {
            let cells = items.iter().skip(row).step_by(rows);
            Line::from_iter(cells.flat_map(|(key, label)| {
                [
                    Span::styled(format!("{key} "), theme.key),
                    Span::styled(fit(label, width.saturating_sub(2)), theme.plain),
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
