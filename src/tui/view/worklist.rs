//! The worklist pane.

mod answer;
pub mod border;
pub mod row;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::layout::PaneLayout;
use super::text::count;
use super::theme::Theme;
use crate::tui::keymap::Action;
use crate::tui::model::Model;

/// Draws the rows around the selected one, and the border if the layout has one.
pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let area = layout.list;
    let width = usize::from(area.width);
    if layout.worklist.is_empty() {
        return;
    }
    if !layout.compact {
        let block = Block::new()
            .borders(Borders::TOP | Borders::LEFT | Borders::RIGHT)
            .border_style(theme.border)
            .title(border::title(model, theme, width));
        frame.render_widget(block, layout.worklist);
    }
    // The list leaves a row free for them where the border has no room.
    let below = Rect {
        y: area.bottom(),
        height: 1,
        ..area
    };
    if !layout.compact && below.bottom() <= layout.worklist.bottom() {
        let counts = Line::styled(border::counts(model, width), theme.dim);
        frame.render_widget(counts, below);
    }
    if model.worklist.is_empty() {
        let lines = nothing(model).into_iter();
        let lines: Vec<Line> = lines.map(|words| Line::styled(words, theme.dim)).collect();
        let words = Paragraph::new(lines).wrap(Wrap { trim: true });
        return frame.render_widget(words, area);
    }
    let height = usize::from(area.height);
    let first = model.worklist.first_visible(height);
    // A border has a space beside it.
    let width = width - usize::from(!layout.compact && width > 0);
    let lines = row::lines(model, theme, first..first + height, width);
    frame.render_widget(Paragraph::new(lines), area);
}

/// The reason why there are no rows, and the way out where there is one.
pub fn nothing(model: &Model) -> Vec<String> {
    let list = &model.worklist;
    if let Some(error) = list.filter_error() {
        vec![format!("filter {}: {error}", list.filter())]
    } else if !list.filter().is_empty() && list.total() > 0 {
        let key = |action| model.keymap.display_key(action);
        let (clear, change) = (key(Action::Back), key(Action::Filter));
        vec![
            format!("nothing matches {:?}", list.filter()),
            format!(
                "{clear} shows all {} again, {change} changes the filter",
                count(list.total())
            ),
        ]
    } else if list.is_scanning() {
        vec!["looking for images …".to_owned()]
    } else {
        vec!["no images here".to_owned()]
    }
}
