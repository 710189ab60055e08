//! The grid: a tile with a picture for each image on the screen.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use super::radiograph::position;
use super::text::{cells, shorten, shorten_name};
use super::theme::Theme;
use super::worklist::{border as list_border, nothing, row};
use crate::tui::model::{GridLayout, Model};
use crate::tui::preview::PreviewTarget;

/// Draws the title and the tiles; returns the pictures, which the painter places.
pub fn draw(model: &Model, theme: &Theme, frame: &mut Frame) -> Vec<PreviewTarget> {
    let screen = frame.area();
    frame.render_widget(Clear, screen);
    frame.buffer_mut().set_style(screen, theme.screen);
    let layout = model.grid.layout(model.size);
    let top = Rect {
        height: screen.height.min(1),
        ..screen
    };
    draw_title(model, theme, top, frame);
    if model.worklist.is_empty() {
        draw_nothing(model, theme, layout.area, frame);
    }
    let visible = model.grid.visible(layout, model.worklist.len());
    let tiles = visible.enumerate().filter_map(|(n, row)| {
        let area = layout.tile(n).intersection(screen);
        draw_tile(model, theme, (row, area), frame)
    });
    tiles.collect()
}

/// ` Grid 1 284 · 312 scored · by COVID-19        42/1 284 `
fn draw_title(model: &Model, theme: &Theme, area: Rect, frame: &mut Frame) {
    let width = usize::from(area.width);
    let title = list_border::titled(" Grid", model, theme, width);
    let left = width.saturating_sub(title.width());
    let place = position(model, theme, left).right_aligned();
    frame.render_widget(title, area);
    frame.render_widget(place, area);
}

/// Why there are no tiles.
fn draw_nothing(model: &Model, theme: &Theme, area: Rect, frame: &mut Frame) {
    let lines = nothing(model).into_iter();
    let lines: Vec<Line> = lines.map(|words| Line::styled(words, theme.dim)).collect();
    let words = Paragraph::new(lines)
        .alignment(Alignment::Center)
        .wrap(Wrap { trim: true });
    frame.render_widget(words, area);
}

/// Draws the frame of a tile, its words, and the reason where it has no picture. Returns the picture.
fn draw_tile(
    model: &Model,
    theme: &Theme,
    (row, area): (usize, Rect),
    frame: &mut Frame,
) -> Option<PreviewTarget> {
    let entry = model.worklist.row(row)?;
    let words = row::tile(model, theme, row)?;
    let kept = model.grid.thumbnails.get(&entry.path, entry.content);
    let inside = GridLayout::picture(area);
    let picture = kept.map(|kept| kept.picture.as_ref());
    let fails = matches!(picture, Some(Err(_)));
    let style = if fails { theme.refused } else { words.style };
    // A film that is not scored yet has no sign of its own.
    let signs = if fails {
        words.signs.replace('·', "✗")
    } else {
        words.signs.clone()
    };
    let width = usize::from(area.width.saturating_sub(2));
    let is_selected = row == model.worklist.cursor();
    let block = tile_frame(theme, (is_selected, words.is_reviewed), style)
        .title(title(model, theme, row, (&signs, style), width))
        .title_bottom(Line::styled(below(&words.words, width), style));
    frame.render_widget(block, area);
    match (words.reason, picture) {
        (Some(reason), _) => draw_reason(&reason, theme, inside, frame),
        (None, Some(Err(reason))) => draw_reason(reason, theme, inside, frame),
        (None, Some(Ok(thumbnail))) if !inside.is_empty() => {
            return Some(PreviewTarget::new(thumbnail.image.clone(), inside));
        }
        (None, _) if model.grid.asked.contains(&entry.path) => {
            draw_reason("…", theme, inside, frame);
        }
        (None, _) => {}
    }
    None
}

/// The frame of a tile that is both selected and reviewed: the double lines of the one above and below, the thick ones of
/// the other at its sides.
const SELECTED_AND_REVIEWED: border::Set = border::Set {
    top_left: "╒",
    top_right: "╕",
    bottom_left: "╘",
    bottom_right: "╛",
    vertical_left: "┃",
    vertical_right: "┃",
    horizontal_top: "═",
    horizontal_bottom: "═",
};

/// The colour of a frame says what was found. Its kind of line says the rest, so that it is seen without colours too: double
/// for the selected tile, thick for one that the reader has reviewed.
fn tile_frame(
    theme: &Theme,
    (is_selected, is_reviewed): (bool, bool),
    style: Style,
) -> Block<'static> {
    let block = Block::bordered();
    match (is_selected, is_reviewed) {
        (true, true) => block
            .border_set(SELECTED_AND_REVIEWED)
            .border_style(theme.title),
        (true, false) => block
            .border_type(BorderType::Double)
            .border_style(theme.title),
        (false, true) => block.border_type(BorderType::Thick).border_style(style),
        (false, false) => block.border_style(style),
    }
}

/// `✓● IM-0041.png`
fn title(
    model: &Model,
    theme: &Theme,
    row: usize,
    (signs, style): (&str, Style),
    width: usize,
) -> Line<'static> {
    let left = width.saturating_sub(cells(signs) + 1);
    let name = shorten_name(&model.worklist.name(row), left);
    let name_style = if row == model.worklist.cursor() {
        theme.selected
    } else {
        theme.plain
    };
    Line::from(vec![
        Span::styled(format!("{signs} "), style),
        Span::styled(name, name_style),
    ])
}

/// ` 0.935 Pneumonia `, as far as it fits.
fn below(words: &str, width: usize) -> String {
    if words.is_empty() || width < 4 {
        return String::new();
    }
    shorten(&format!(" {words} "), width)
}

/// In the middle of the tile.
fn draw_reason(reason: &str, theme: &Theme, area: Rect, frame: &mut Frame) {
    let middle = Rect {
        y: area.y + area.height / 3,
        height: area.height - area.height / 3,
        ..area
    };
    let words = Paragraph::new(Line::styled(reason.to_owned(), theme.dim))
        .alignment(Alignment::Center)
        .wrap(Wrap { trim: true });
    frame.render_widget(words, middle.intersection(frame.area()));
}
