//! A thin bar with ticks. ratatui's own gauge has no ticks and panics on NaN.

use ratatui::style::Style;
use ratatui::text::Span;

/// A cell that is filled, half filled, or empty.
const LINE: [char; 3] = ['━', '╾', '─'];
/// The tick of the balanced operating point, on the filled part and beyond it.
const BALANCED: [char; 2] = ['┿', '┼'];
/// The tick of the operating point of 90 % sensitivity.
const SENSITIVE: [char; 2] = ['┷', '┴'];

/// The positions of the ticks, 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct GaugeMarks {
    pub balanced: Option<f32>,
    pub sensitive: Option<f32>,
}

/// The styles of the parts of a gauge.
#[derive(Debug, Clone, Copy)]
pub struct GaugeStyles {
    pub filled: Style,
    pub empty: Style,
    pub tick: Style,
    /// Whether the font may lack heavy lines: then light ones are filled cells, and dots empty ones.
    pub is_light: bool,
}

impl GaugeStyles {
    /// The sign to draw for one of the bar.
    fn drawn(self, sign: char) -> char {
        match sign {
            sign if !self.is_light => sign,
            '━' | '╾' => '─',
            '┿' => '┼',
            '┷' => '┴',
            '─' => '·',
            sign => sign,
        }
    }
}

/// A bar of `width` cells for a score from 0 to 1.
pub fn spans(
    score: f32,
    marks: GaugeMarks,
    width: usize,
    styles: GaugeStyles,
) -> Vec<Span<'static>> {
    let cells = bar(score, marks, width);
    let style = |sign: char| match sign {
        '─' => styles.empty,
        '━' | '╾' => styles.filled,
        _ => styles.tick,
    };
    let mut spans: Vec<(Style, String)> = Vec::new();
    for sign in cells.chars() {
        match spans.last_mut() {
            Some((last, text)) if *last == style(sign) => text.push(styles.drawn(sign)),
            _ => spans.push((style(sign), styles.drawn(sign).to_string())),
        }
    }
    let spans = spans.into_iter();
    spans
        .map(|(style, text)| Span::styled(text, style))
        .collect()
}

/// The bar, exact to half a cell. Where both ticks fall into one cell, the balanced one is shown.
fn bar(score: f32, marks: GaugeMarks, width: usize) -> String {
    let halves = (score.clamp(0.0, 1.0) * (width * 2) as f32).round() as usize;
    let cell_of = |mark: Option<f32>| {
        mark.map(|m| ((m.clamp(0.0, 1.0) * width as f32) as usize).min(width.saturating_sub(1)))
    };
    let (balanced, sensitive) = (cell_of(marks.balanced), cell_of(marks.sensitive));
    (0..width)
        .map(|cell| {
            let part = halves.saturating_sub(cell * 2);
            let beyond = usize::from(part == 0);
            match part {
                _ if balanced == Some(cell) => BALANCED[beyond],
                _ if sensitive == Some(cell) => SENSITIVE[beyond],
                0 => LINE[2],
                1 => LINE[1],
                _ => LINE[0],
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(mark: f32) -> GaugeMarks {
        GaugeMarks {
            balanced: Some(mark),
            sensitive: None,
        }
    }

    #[test]
    fn a_font_without_heavy_lines_shows_the_same() {
        let style = Style::new();
        let styles = |is_light| GaugeStyles {
            filled: style,
            empty: style,
            tick: style,
            is_light,
        };
        let text = |is_light| {
            let spans = spans(0.5, one(0.75), 8, styles(is_light));
            spans
                .iter()
                .map(|span| span.content.as_ref())
                .collect::<String>()
        };
        assert_eq!(text(false), "━━━━──┼─");
        assert_eq!(text(true), "────··┼·");
    }

    #[test]
    fn a_bar_fills_in_halves_and_ticks_its_operating_points() {
        let none = GaugeMarks::default();
        assert_eq!(bar(0.0, none, 8), "────────");
        assert_eq!(bar(1.0, none, 8), "━━━━━━━━");
        assert_eq!(bar(0.5, one(0.75), 8), "━━━━──┼─");
        assert_eq!(bar(0.56, none, 8), "━━━━╾───");
        assert_eq!(bar(1.0, one(1.0), 4), "━━━┿");
        assert_eq!(bar(0.7, one(0.5), 0), "");
        let both = |balanced, sensitive| GaugeMarks {
            balanced: Some(balanced),
            sensitive: Some(sensitive),
        };
        assert_eq!(bar(0.5, both(0.75, 0.3), 8), "━━┷━──┼─");
        assert_eq!(bar(0.25, both(0.75, 0.4), 8), "━━─┴──┼─");
        assert_eq!(bar(0.25, both(0.75, 0.76), 8), "━━────┼─");
    }
}
