//! The histogram of the image with the window on it, while the window is being set.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::domain::Histogram;
use crate::tui::model::Model;
use crate::tui::view::radiograph::TABLE;
use crate::tui::view::text::{cells, shorten};
use crate::tui::view::theme::Theme;

/// Cells that are filled from below, by their index in eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Rows below the bars: the window, and the numbers.
const BELOW: usize = 2;

/// Draws bars for the numbers of pixels, brighter within the window than beyond it; below them the
/// window, with a tick at its level, and the ends of the values.
pub fn draw(model: &Model, theme: &Theme, area: Rect, frame: &mut Frame) {
    let Some(facts) = &model.viewer.facts else {
        return;
    };
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let histogram = &facts.histogram;
    if width < 4 || height <= BELOW {
        return;
    }
    let window = model.viewer.shown.as_ref().map(|shown| shown.window);
    let inside = window.map_or((0, width), |window| columns(histogram, window, width));
    let levels = levels(histogram, width, height - BELOW);
    let mut lines: Vec<Line> = (0..height - BELOW)
        .rev()
        .map(|row| {
            let bars = levels.iter().enumerate().map(|(column, level)| {
                let part = level.saturating_sub(row * 8).min(8);
                let is_inside = (inside.0..inside.1).contains(&column);
                let style = if is_inside { theme.dim } else { theme.border };
                Span::styled(EIGHTHS[part].to_string(), style)
            });
            Line::from_iter(bars)
        })
        .collect();
    lines.push(Line::styled(ruler(inside, width), theme.plain));
    let words = match window {
        _ if model.shows_table() => TABLE.to_owned(),
        Some((centre, wide)) => format!("W {wide:.0} L {centre:.0}"),
        None => String::new(),
    };
    lines.push(Line::styled(numbers(histogram, &words, width), theme.dim));
    frame.render_widget(Paragraph::new(lines), area);
}

/// The heights of the columns in eighths of a row. Square roots: a background of one value must not press all others
/// to the ground.
fn levels(histogram: &Histogram, width: usize, rows: usize) -> Vec<usize> {
    let bins = &histogram.bins;
    let sums: Vec<f64> = (0..width)
        .map(|column| {
            let bin = |column: usize| column * bins.len() / width;
            let (first, last) = (bin(column), bin(column + 1).max(bin(column) + 1));
            let bins = bins.iter().take(last).skip(first);
            bins.map(|n| f64::from(*n)).sum::<f64>().sqrt()
        })
        .collect();
    let most = sums.iter().copied().fold(1.0, f64::max);
    let level = |sum: &f64| (sum / most * (rows * 8) as f64).ceil() as usize;
    sums.iter().map(level).collect()
}

/// The columns that a window (centre and width) covers: the first, and the one after the last. There is always one.
fn columns(histogram: &Histogram, (centre, wide): (f64, f64), width: usize) -> (usize, usize) {
    let range = histogram.high - histogram.low;
    let place = |value: f64| {
        let share = (value - histogram.low) / range;
        let share = if share.is_finite() { share } else { 0.0 };
        (share.clamp(0.0, 1.0) * width as f64).round() as usize
    };
    let first = place(centre - wide / 2.0).min(width - 1);
    (first, place(centre + wide / 2.0).max(first + 1))
}

/// `     ├─────┼─────┤      `
fn ruler((first, end): (usize, usize), width: usize) -> String {
    let last = end - 1;
    let level = (first + last) / 2;
    let sign = |column| match column {
        column if column < first || column > last => ' ',
        column if column == level => '┼',
        column if column == first => '├',
        column if column == last => '┤',
        _ => '─',
    };
    (0..width).map(sign).collect()
}

/// `0    W 1200 L 700   4095`, with what fits.
fn numbers(histogram: &Histogram, window: &str, width: usize) -> String {
    let number = |value: f64| format!("{value:.0}");
    let (low, high) = (number(histogram.low), number(histogram.high));
    let room = width.saturating_sub(cells(&low) + cells(&high) + 2);
    if cells(window) > room {
        return shorten(window, width);
    }
    format!("{low} {window:^room$} {high}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        Histogram {
            low: 0.0,
            high: 100.0,
            bins: (0..100).map(|bin| if bin < 50 { 0 } else { 4 }).collect(),
        }
    }

    #[test]
    fn a_window_covers_its_columns_and_never_none() {
        let histogram = histogram();
        assert_eq!(columns(&histogram, (50.0, 50.0), 20), (5, 15));
        assert_eq!(columns(&histogram, (50.0, 500.0), 20), (0, 20));
        assert_eq!(columns(&histogram, (900.0, 1.0), 20), (19, 20));
        assert_eq!(columns(&histogram, (-900.0, 1.0), 20), (0, 1));
        let flat = Histogram {
            low: 5.0,
            high: 5.0,
            bins: vec![1],
        };
        assert_eq!(columns(&flat, (5.0, 1.0), 20).0, 0);
        assert_eq!(ruler((2, 7), 9), "  ├─┼─┤  ");
        assert_eq!(ruler((3, 4), 6), "   ┼  ");
    }

    #[test]
    fn bars_are_as_high_as_there_are_pixels() {
        assert_eq!(levels(&histogram(), 4, 2), [0, 0, 16, 16]);
        let more_columns_than_bins = Histogram {
            bins: vec![0, 9],
            ..histogram()
        };
        assert_eq!(levels(&more_columns_than_bins, 4, 1), [0, 0, 8, 8]);
    }

    #[test]
    fn the_numbers_stay_within_the_pane() {
        let histogram = histogram();
        let words = numbers(&histogram, "W 20 L 50", 30);
        assert_eq!(cells(&words), 30);
        assert!(words.contains("W 20 L 50") && words.ends_with(" 100"));
        for width in 4..30 {
            let words = numbers(&histogram, "W 20 L 50", width);
            assert!(cells(&words) <= width, "{width}: {words}");
        }
    }
}
