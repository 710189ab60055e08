//! The worklist pane.

mod border;
mod row;

use ratatui::Frame;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::layout::PaneLayout;
use super::theme::Theme;
use crate::tui::model::Model;

/// Draws the rows around the selected one, and the border if the layout has one.
pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let area = layout.list;
    let width = usize::from(area.width);
    if !layout.compact {
        let block = Block::bordered()
            .border_style(theme.border)
            .title(border::title(model, theme, width))
            .title_bottom(border::bottom(model, theme, width));
        frame.render_widget(block, layout.worklist);
    }
    if model.worklist.is_empty() {
        let line = Line::styled(nothing(model), theme.dim);
        return frame.render_widget(Paragraph::new(line), area);
    }
    let height = usize::from(area.height);
    let first = model.worklist.first_visible(height);
    let lines: Vec<Line> = (first..first + height)
        .map_while(|row| row::line(model, theme, row, width))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The reason why there are no rows.
fn nothing(model: &Model) -> String {
    let list = &model.worklist;
    if let Some(error) = list.filter_error() {
        format!("filter {}: {error}", list.filter())
    } else if !list.filter().is_empty() && list.total() > 0 {
        format!("nothing matches {:?}", list.filter())
    } else if list.is_scanning() {
        "looking for images …".to_owned()
    } else {
        "no images here".to_owned()
    }
}
