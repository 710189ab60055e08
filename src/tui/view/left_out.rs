//! The box of files and folders that are not rows of the worklist.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use super::overlay;
use super::text::count;
use super::theme::Theme;
use crate::tui::model::Model;

/// The most files that are listed; `cxr predict --list-unread` lists all.
const LISTED: usize = 1_000;

/// Draws the files and folders, and why they are not read.
pub fn draw(model: &Model, theme: &Theme, scroll: i32, frame: &mut Frame) -> bool {
    let list = &model.worklist;
    let problems = list.problems().iter();
    let problems = problems.map(|problem| Line::styled(problem.clone(), theme.refused));
    let files = list.left_out().iter().map(|(path, format)| {
        Line::from(vec![
            Span::styled(list.name_below(path), theme.plain),
            Span::styled(format!(": {format}"), theme.dim),
        ])
    });
    let mut lines: Vec<Line> = problems.chain(files).take(LISTED).collect();
    let all = list.problems().len() + list.left_out().count();
    if let Some(more @ 1..) = all.checked_sub(LISTED) {
        let more = count(more);
        let words = format!("and {more} more; cxr predict --list-unread has a row for each");
        lines.push(Line::styled(words, theme.plain));
    }
    overlay::draw("Not read", lines, scroll, (model, theme), frame)
}
