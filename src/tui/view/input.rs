//! The pane of the input check: whether the model should have scored this image at all, and which model did.

use ratatui::Frame;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::layout::PaneLayout;
use super::legend;
use super::text::{shorten, wrap};
use super::theme::Theme;
use crate::domain::{HeatMapLegend, InputCheck};
use crate::tui::model::Model;

/// The fewest cells in which the model's name is begun.
const MIN_ENGINE: usize = 10;

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let mut area = layout.input;
    if !layout.compact {
        let block = Block::bordered()
            .border_style(theme.border)
            .title(Line::styled(" Input ", theme.title));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        area = inner;
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

/// The rows that all reasons take in `width` cells, at least one.
pub fn rows(model: &Model, width: u16) -> u16 {
    let rows = wrap(&check_words(model, false), usize::from(width)).len();
    u16::try_from(rows.max(1)).unwrap_or(u16::MAX)
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
    let time = model
        .prediction()
        .map(|p| match p.elapsed_ms {
            0.0 => " · cached".to_owned(),
            ms => format!(" · {}", time_words(ms)),
        })
        .unwrap_or_default();
    format!("{} {digest}{time} {}", card.name, model.device)
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
