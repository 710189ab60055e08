//! The pane of the input check: whether the model should have scored this image at all, and which model did.

use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::layout::PaneLayout;
use super::legend;
use super::text::{cells, shorten, wrap};
use super::theme::Theme;
use crate::domain::{HeatMapLegend, InputCheck};
use crate::tui::model::Model;

/// The fewest cells in which the model's name is begun.
const MIN_ENGINE: usize = 10;

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let area = layout.input;
    if area.is_empty() {
        return;
    }
    if !layout.compact {
        return draw_border(model, theme, layout, frame);
    }
    let legend = model.viewer.shown.as_ref().and_then(|s| s.legend.as_ref());
    if let Some(legend) = legend.filter(|_| layout.compact) {
        let line = legend_line(model, legend, theme, area.width.into());
        frame.render_widget(line, area);
        return;
    }
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let check = check_words(model, layout.compact);
    let lines = lines(&check, &engine_words(model), width, height);
    let style = check_style(model, theme);
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|(check, engine)| {
            Line::from(vec![
                Span::styled(check, style),
                Span::styled(engine, theme.dim),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// Draws the lower border of the left column. The words stand on it where they fit; otherwise the reasons have rows of
/// their own above it.
fn draw_border(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let area = layout.input;
    // Corners, and a space at each end of the words.
    let width = usize::from(area.width).saturating_sub(4);
    let check = check_words(model, false);
    let style = check_style(model, theme);
    let on_border = if area.height == 1 { check.as_str() } else { "" };
    // The device is the first that is left out, so that no word is cut.
    let engine = engine_words(model);
    let device = format!(" {}", model.device);
    let fits = cells(on_border) + cells(&engine) + 3 <= width;
    let engine = match engine.strip_suffix(&device) {
        Some(shorter) if !fits => shorter,
        _ => &engine,
    };
    let (check_part, engine) = lines(on_border, engine, width, 1).pop().unwrap_or_default();
    let words = Line::from(vec![
        Span::raw(" "),
        Span::styled(check_part, style),
        Span::styled(engine, theme.dim),
        Span::raw(" "),
    ]);
    let block = Block::new()
        .borders(Borders::BOTTOM | Borders::LEFT | Borders::RIGHT)
        .border_style(theme.border);
    let block = if words.width() > 2 {
        block.title_bottom(words)
    } else {
        block
    };
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let rows = lines(
        &check,
        "",
        usize::from(inner.width),
        usize::from(inner.height),
    );
    let rows = rows.into_iter().map(|(row, _)| Line::styled(row, style));
    if inner.height > 0 {
        frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), inner);
    }
}

/// The legend of the heat map. In a layout without borders it takes the row of the input check; a caution
/// keeps its sign.
fn legend_line(
    model: &Model,
    legend: &HeatMapLegend,
    theme: &Theme,
    width: usize,
) -> Line<'static> {
    let input = model.prediction().map(|p| &p.input);
    let caution = matches!(input, Some(InputCheck::Caution(_)));
    let sign = if caution { "! caution · " } else { "" };
    let mut line = legend::short(legend, theme, width.saturating_sub(sign.width()));
    line.spans.insert(0, Span::styled(sign, theme.caution));
    line
}

/// The rows that the reasons and the border below them take, where a row has `width` cells: one if the reasons fit on
/// the border.
pub fn rows(model: &Model, width: u16) -> u16 {
    let words = check_words(model, false);
    let on_border = wrap(&words, usize::from(width).saturating_sub(2)).len();
    if on_border <= 1 {
        return 1;
    }
    let rows = wrap(&words, usize::from(width)).len();
    u16::try_from(rows + 1).unwrap_or(u16::MAX)
}

/// The words of the check in at most `height` rows of `width` cells, each with the words about the model that
/// follow it: only the last row has some, if there is room.
fn lines(check: &str, engine: &str, width: usize, height: usize) -> Vec<(String, String)> {
    let mut rows = wrap(check, width);
    if rows.len() > height.max(1) {
        let rest = rows.split_off(height.max(1) - 1).join(" ");
        rows.push(shorten(&rest, width));
    }
    let last = rows.pop().unwrap_or_default();
    let left = width.saturating_sub(last.width());
    let engine = match (last.is_empty(), left) {
        (true, _) => shorten(engine, left),
        (false, left) if left >= MIN_ENGINE => shorten(&format!(" · {engine}"), left),
        _ => String::new(),
    };
    let whole = rows.into_iter().map(|row| (row, String::new()));
    whole.chain([(last, engine)]).collect()
}

fn check_style(model: &Model, theme: &Theme) -> Style {
    match model.prediction().map(|p| &p.input) {
        None => theme.plain,
        Some(InputCheck::Accepted) => theme.negative,
        Some(InputCheck::Caution(_)) => theme.caution,
        Some(InputCheck::Refused(_)) => theme.refused,
    }
}

/// The words of the check. In a compact layout this pane has one row, and the findings pane has the reasons of
/// a refusal.
fn check_words(model: &Model, compact: bool) -> String {
    match model.prediction().map(|p| &p.input) {
        None => String::new(),
        Some(InputCheck::Accepted) => "ok".to_owned(),
        Some(InputCheck::Caution(reasons)) => format!("! caution: {}", reasons.join("; ")),
        Some(InputCheck::Refused(_)) if compact => "✗ refused".to_owned(),
        Some(InputCheck::Refused(reasons)) => format!("✗ refused: {}", reasons.join("; ")),
    }
}

/// `cxr-lite0 3f9a1c · 11 ms cpu`
fn engine_words(model: &Model) -> String {
    let Some(card) = model.card() else {
        return String::new();
    };
    let digest: String = card.sha256.chars().take(6).collect();
    let time = match model.prediction().map(|p| p.elapsed_ms) {
        // What was kept, no device computed now.
        Some(0.0) => " · cached".to_owned(),
        Some(ms) => format!(" · {} {}", time_words(ms), model.device),
        None => format!(" {}", model.device),
    };
    format!("{} {digest}{time}", card.name)
}

/// A duration in at most six cells below 1,000 seconds, so that it is not cut at 80 columns.
fn time_words(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        ms => format!("{:.0} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::{lines, time_words};

    #[test]
    fn a_time_stays_short() {
        for (ms, words) in [
            (0.4, "0 ms"),
            (999.4, "999 ms"),
            (999.6, "1.0 s"),
            (3560.0, "3.6 s"),
            (99_960.0, "100 s"),
        ] {
            assert_eq!(time_words(ms), words);
        }
    }

    #[test]
    fn reasons_take_the_available_rows_and_the_model_the_rest_of_the_last() {
        let texts = |check, width, height| -> Vec<String> {
            lines(check, "cxr-lite0 3f9a1c", width, height)
                .into_iter()
                .map(|(check, engine)| check + &engine)
                .collect()
        };
        assert_eq!(texts("ok", 30, 1), ["ok · cxr-lite0 3f9a1c"]);
        assert_eq!(texts("", 30, 1), ["cxr-lite0 3f9a1c"]);
        let reasons = "! caution: small; looks upside down";
        assert_eq!(texts(reasons, 20, 1), ["! caution: small; l…"]);
        assert_eq!(
            texts(reasons, 20, 2),
            ["! caution: small;", "looks upside down"]
        );
        assert_eq!(
            texts(reasons, 30, 2),
            ["! caution: small; looks upside", "down · cxr-lite0 3f9a1c"]
        );
    }
}
