use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::layout::Layout;
use super::text::{fit, shorten};
use super::theme::Theme;
use crate::tui::model::LABEL_KEYS;

/// The labels with their keys and a box for each, over the worklist: the image stays in sight.
pub fn draw(labels: &[(String, bool)], theme: &Theme, layout: &Layout, frame: &mut Frame) {
    let area = layout.list;
    if area.is_empty() {
        return;
    }
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.screen);
    let width = usize::from(area.width);
    let present = labels.iter().filter(|(_, present)| *present);
    let present: Vec<&str> = present.map(|(label, _)| label.as_str()).collect();
    let words = match present.is_empty() {
        true => "none of these".to_owned(),
        false => present.join(" + "),
    };
    let title = shorten(&format!("Your call? Enter: {words} · Esc: not yet"), width);
    frame.render_widget(Line::styled(title, theme.title), Rect { height: 1, ..area });
    let rows = usize::from(area.height).saturating_sub(1).max(1);
    // As many columns as it takes: every label must be in sight.
    let columns = labels.len().div_ceil(rows).max(1);
    let width = width / columns;
    let items: Vec<_> = LABEL_KEYS.chars().zip(labels).collect();
    let lines: Vec<Line> = (0..rows)
        .map(|row| {
            let cells = items.iter().skip(row).step_by(rows);
            Line::from_iter(cells.flat_map(|(key, (label, present))| {
                let (mark, style) = match present {
                    true => ("[x] ", theme.positive),
                    false => ("[ ] ", theme.plain),
                };
                [
                    Span::styled(format!("{key} "), theme.key),
                    Span::styled(mark, style),
                    Span::styled(fit(label, width.saturating_sub(6)), style),
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
