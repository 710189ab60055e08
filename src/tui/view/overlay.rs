//! A box of text in the middle of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::ascii;
use super::theme::Theme;
use crate::tui::keymap::Action;
use crate::tui::model::Model;

/// Cells in a row of the text on a screen, at most.
pub fn text_width(screen: Rect) -> u16 {
    screen.width.saturating_sub(2).min(WIDEST).saturating_sub(4)
}

/// The widest box, with its border: longer lines are hard to read.
const WIDEST: u16 = 100;

/// Draws the box. Returns true: it covers the image.
pub fn draw(
    title: &str,
    lines: Vec<Line<'static>>,
    scroll: i32,
    (model, theme): (&Model, &Theme),
    frame: &mut Frame,
) -> bool {
    let lines: Vec<Line> = if theme.ascii {
        lines.into_iter().map(ascii::line).collect()
    } else {
        lines
    };
    let screen = frame.area();
    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
    let width = u16::try_from(widest).unwrap_or(u16::MAX).saturating_add(4);
    let width = width.min(screen.width.saturating_sub(2)).min(WIDEST);
    let text = Paragraph::new(Text::from(lines)).wrap(Wrap { trim: false });
    let rows = u16::try_from(text.line_count(width.saturating_sub(4))).unwrap_or(u16::MAX);
    let height = rows.saturating_add(2).min(screen.height.saturating_sub(1));
    let area = Rect {
        x: (screen.width - width) / 2,
        y: (screen.height - height) / 2,
        width,
        height,
    };
    let visible = height.saturating_sub(2);
    let last = rows.saturating_sub(visible);
    let scroll = match u16::try_from(scroll) {
        Ok(scroll) => scroll.min(last),
        // Below 0 it counts from the end: see `Overlay`.
        Err(_) if scroll > 0 => last,
        Err(_) => last.saturating_sub(u16::try_from(-1 - scroll).unwrap_or(u16::MAX)),
    };
    let key = |action| model.keymap.display_key(action);
    let hint = if rows > visible {
        format!(
            " {}/{} scroll · any other key closes ",
            key(Action::Next),
            key(Action::Previous)
        )
    } else {
        " any key closes ".to_owned()
    };
    let block = Block::bordered()
        .border_style(theme.key)
        .title(Line::styled(format!(" {title} "), theme.title))
        .title_bottom(Line::styled(hint, theme.dim))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.screen);
    frame.render_widget(text.block(block).scroll((scroll, 0)), area);
    true
}
