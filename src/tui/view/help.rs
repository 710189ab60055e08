//! The box of keys and signs.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::text::fit;
use super::theme::Theme;
use crate::tui::model::Model;

/// Draws every key, from the keymap itself, and the meaning of the signs.
pub fn draw(model: &Model, theme: &Theme, scroll: u16, frame: &mut Frame) -> bool {
    let mut lines = Vec::new();
    let mut group = "";
    for binding in model.keymap.bindings() {
        if binding.group != group {
            group = &binding.group;
            lines.push(Line::styled(group.to_owned(), theme.title));
        }
        lines.push(Line::from(vec![
            Span::styled(
                format!("  {}", fit(&theme.words(&binding.display_keys()), 14)),
                theme.key,
            ),
            Span::styled(binding.help.clone(), theme.plain),
        ]));
    }
    lines.push(Line::styled("Mouse", theme.title));
    lines.push(Line::raw(
        "  wheel over the list moves, over findings turns pages, over the image zooms; a click selects",
    ));
    lines.push(Line::styled("Signs", theme.title));
    lines.push(Line::raw(
        "  ● at or above an operating point   ○ below all   ! caution",
    ));
    lines.push(Line::raw("  ✗ refused or unreadable   · not scored yet"));
    lines.push(Line::raw(
        "  ✓ you agree   ≠ disagree   ? unsure   * key image   … not saved yet",
    ));
    lines.push(Line::raw(
        "  ┃ balanced operating point   ╎ that of 90 % sensitivity   π assumed prevalence",
    ));
    overlay::draw("Keys", lines, scroll, (model, theme), frame)
}
