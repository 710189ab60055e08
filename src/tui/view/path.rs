//! The box with the whole path of the selected image.

use ratatui::Frame;
use ratatui::text::Line;

use super::overlay;
use super::theme::Theme;
use crate::domain::text::clean;
use crate::library::whole_path;
use crate::tui::model::Model;

/// Draws the path, in as many rows as it needs.
pub fn draw(model: &Model, theme: &Theme, scroll: i32, frame: &mut Frame) -> bool {
    let path = model.worklist.selected();
    let path = path.map(|entry| whole_path(&entry.path));
    let path = path.map_or(String::new(), |path| clean(&path.to_string_lossy()));
    let lines = vec![
        Line::styled(path, theme.plain),
        Line::default(),
        Line::styled(
            "copied, where the terminal lets programs write to its clipboard (OSC 52)",
            theme.dim,
        ),
    ];
    overlay::draw("Path", lines, scroll, (model, theme), frame)
}
