//! The box of a DICOM header.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::text::{cells, fit, shorten};
use super::theme::Theme;
use crate::domain::HeaderLine;
use crate::tui::keymap::Action;
use crate::tui::model::{HeaderBox, HeaderRead, Model};

/// The widest box, in cells.
const WIDEST: u16 = 160;
/// `(0008,0060)` and the value representation.
const TAG_CELLS: usize = 11;
const VR_CELLS: usize = 2;
/// The most that keywords take of the half that they share with values.
const MOST_KEYWORD: usize = 34;

/// Draws the attributes. Returns true: the box covers the image.
pub fn draw(model: &Model, theme: &Theme, header: &HeaderBox, frame: &mut Frame) -> bool {
    let screen = frame.area();
    let width = screen.width.min(WIDEST);
    let height = screen.height.saturating_sub(1);
    let area = Rect {
        x: (screen.width - width) / 2,
        y: 0,
        width,
        height,
    };
    let rows = usize::from(height.saturating_sub(2));
    let inside = usize::from(width.saturating_sub(4));
    let reveals = model.reveals_header();
    let shown = header.shown(reveals);
    let cursor = header.cursor.min(shown.len().saturating_sub(1));
    let top = cursor
        .saturating_sub(rows / 2)
        .min(shown.len().saturating_sub(rows));
    let mut lines: Vec<Line> = shown
        .iter()
        .enumerate()
        .skip(top)
        .take(rows)
        .map(|(row, at)| {
            let is_open = header.unfolded.contains(at) || !header.search.is_empty();
            let line = line(
                &header.lines()[*at],
                is_open,
                reveals,
                inside,
                (model, theme),
            );
            if row == cursor {
                line.style(theme.selected)
            } else {
                line
            }
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::raw(empty_words(header)));
    }
    let block = Block::bordered()
        .border_style(theme.key)
        .title(Line::styled(title(model, header, shown.len()), theme.title))
        .title_bottom(Line::styled(hint(model, header), theme.dim))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.screen);
    frame.render_widget(Paragraph::new(lines).block(block), area);
    true
}

fn title(model: &Model, header: &HeaderBox, shown: usize) -> String {
    let name = header.source.as_deref().and_then(|path| path.file_name());
    let name = name.unwrap_or_default().to_string_lossy();
    let all = header.lines().len();
    let count = match header.search.is_empty() {
        true => format!("{all} attributes"),
        false => format!("{shown} of {all}"),
    };
    let width = usize::from(model.size.width).saturating_sub(14);
    shorten(&format!(" DICOM header · {count} · {name} "), width)
}

fn hint(model: &Model, header: &HeaderBox) -> String {
    if header.is_typing {
        return format!(" search: {}▏ ", header.search);
    }
    let key = |action| model.keymap.display_key(action);
    let identity = match model.reveals_header() {
        true => "hides",
        false => "shows",
    };
    let search = match header.search.as_str() {
        "" => format!("{} search", key(Action::Filter)),
        words => format!("search: {words}"),
    };
    let mut hint = format!(" {search} · ⏎ open or close a sequence");
    if model.hides_identity() {
        hint += " · identifiers hidden in this study ";
    } else if model.is_hidden() {
        hint += " · identifiers hidden until your call ";
    } else {
        hint += &format!(" · {} {identity} identifiers ", key(Action::Identity));
    }
    hint
}

fn empty_words(header: &HeaderBox) -> String {
    match &header.read {
        None => "reading …".to_owned(),
        Some(Err(reason)) => reason.clone(),
        Some(Ok(HeaderRead { lines: None, .. })) => "this format has no DICOM header".to_owned(),
        Some(Ok(_)) => "nothing matches".to_owned(),
    }
}

/// One attribute in a row of so many cells.
fn line(
    line: &HeaderLine,
    is_open: bool,
    reveals: bool,
    width: usize,
    (model, theme): (&Model, &Theme),
) -> Line<'static> {
    let indent = "  ".repeat(usize::from(line.depth).min(8));
    let fold = match (line.has_content && line.tag.is_some(), is_open) {
        (true, true) => "▾ ",
        (true, false) => "▸ ",
        _ => "  ",
    };
    let fixed = TAG_CELLS + VR_CELLS + 3 + cells(&indent) + cells(fold);
    let left = width.saturating_sub(fixed);
    let keyword = (left / 2).min(MOST_KEYWORD);
    let value = left.saturating_sub(keyword);
    let is_hidden = line.is_confidential && !reveals && line.tag.is_some();
    let (words, style) = if is_hidden && !line.value.is_empty() && !line.has_content {
        let words = if model.hides_identity() {
            "hidden in this study".to_owned()
        } else if model.is_hidden() {
            "hidden until your call".to_owned()
        } else {
            let key = model.keymap.display_key(Action::Identity);
            format!("hidden: {key} shows it")
        };
        (words, theme.dim)
    } else {
        (line.value.clone(), theme.plain)
    };
    Line::from(vec![
        Span::styled(
            format!("{indent}{fold}{:TAG_CELLS$} ", line.tag_words()),
            theme.dim,
        ),
        Span::styled(format!("{:VR_CELLS$} ", line.vr), theme.dim),
        Span::styled(format!("{} ", fit(&line.keyword, keyword)), theme.key),
        Span::styled(shorten(&words, value), style),
    ])
}
