//! The radiograph pane: its title, the words about the view, and the legend of the heat map.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::comparison;
use super::layout::PaneLayout;
use super::text::{cells, count, shorten, shorten_name};
use super::theme::Theme;
use super::{legend, marks};
use crate::domain::text::clean;
use crate::domain::{ViewPosition, Window};
use crate::tui::model::Model;
use crate::tui::worklist::EntryState;

/// Says all the time that the picture is coarse; the footer says once why.
const COARSE: &str = " coarse picture: cxr doctor ";

/// Draws the title, the border and, while there is no image, the reason. The painter paints the image.
pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    if !layout.compact && !layout.radiograph.is_empty() {
        // Between the corners.
        let width = usize::from(layout.radiograph.width).saturating_sub(2);
        let block = Block::bordered()
            .border_style(theme.border)
            .title(title(model, theme, width.saturating_sub(2)))
            .title_bottom(bottom(model, theme, width));
        let left = width.saturating_sub(bottom(model, theme, width).width() + 2);
        let block = block.title_bottom(position(model, theme, left).right_aligned());
        frame.render_widget(block, layout.radiograph);
    }
    if model.viewer.shown.is_none() {
        draw_absence(model, theme, layout.image, frame);
    }
}

/// `IM-0042.dcm · PA · M 54y · 2024-03-02 · 2544×3056`; what does not fit is left out as a whole.
fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    /// The fewest cells of a name beside facts of the film.
    const NAME: usize = 10;
    let list = &model.worklist;
    if list.selected().is_none() {
        return Line::default();
    }
    let name = list.name(list.cursor());
    let sign = model.progress_sign(model.viewer.opening);
    let sign = match sign.is_empty() {
        true => String::new(),
        false => format!(" {sign}"),
    };
    let left = width.saturating_sub(2 + cells(&sign));
    let mut facts = String::new();
    for (is_technical, words) in facts_words(model) {
        let words = format!(" · {words}");
        let beside = match is_technical {
            true => cells(&name),
            false => cells(&name).min(NAME),
        };
        if beside + cells(&facts) + cells(&words) <= left {
            facts += &words;
        }
    }
    let name = shorten_name(&name, left.saturating_sub(cells(&facts)));
    Line::from(vec![
        Span::styled(format!(" {name}"), theme.title),
        Span::styled(format!("{facts}{sign} "), theme.plain),
    ])
}

/// What the file says of the film, in the order of their weight, and whether it is of the picture only: such words make
/// no name shorter.
fn facts_words(model: &Model) -> Vec<(bool, String)> {
    let Some(facts) = &model.viewer.facts else {
        return Vec::new();
    };
    let patient = &facts.patient;
    let mut words = Vec::new();
    if model.shows_identity() {
        let names = [&patient.name, &patient.id].into_iter().flatten();
        words.extend(names.map(|text| clean(text)));
    }
    // These are from the header, or a table in its place.
    let is_told = !model.hides_header();
    if is_told && facts.view != ViewPosition::Unknown {
        words.push(facts.view.to_string());
    }
    let person = [patient.sex.clone(), patient.age.as_deref().map(age)];
    let person = person.into_iter().flatten().filter(|_| is_told);
    let person = person.map(|text| clean(&text));
    let person: Vec<String> = person.collect();
    if !person.is_empty() {
        words.push(person.join(" "));
    }
    let list = &model.worklist;
    let day = list.day_taken(list.cursor());
    words.extend(day.filter(|_| model.ties_films()));
    let mut all: Vec<(bool, String)> = words.into_iter().map(|words| (false, words)).collect();
    if facts.frames > 1 {
        all.push((true, format!("frame 1 of {}", facts.frames)));
    }
    all.push((true, format!("{}×{}", facts.width, facts.height)));
    if facts.bits_stored > 8 {
        all.push((true, format!("{} bit", facts.bits_stored)));
    }
    all
}

/// DICOM's `054Y` → `54y` (PS3.5 6.2, value representation AS).
pub fn age(stored: &str) -> String {
    stored.trim().trim_start_matches('0').to_lowercase()
}

/// `coarse picture: cxr doctor · 42/1 284`, or what of it fits.
pub fn position(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let list = &model.worklist;
    let place = match list.len() {
        0 => String::new(),
        rows => format!(" {}/{} ", count(list.cursor() + 1), count(rows)),
    };
    let dot = if place.is_empty() { "" } else { "·" };
    let coarse = match &model.coarse {
        Some(_) if cells(COARSE) + cells(dot) + cells(&place) <= width => format!("{COARSE}{dot}"),
        _ => String::new(),
    };
    if cells(&place) > width {
        return Line::default();
    }
    Line::from(vec![
        Span::styled(coarse, theme.caution),
        Span::styled(place, theme.plain),
    ])
}

/// The legend of the heat map if there is one, and the words about the view if they fit beside it, in `width`
/// cells.
fn bottom(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let legend = model.viewer.shown.as_ref().and_then(|s| s.legend.as_ref());
    // One cell of the border stays visible at each end.
    let words = view_words(model, width.saturating_sub(2));
    let Some(legend) = legend else {
        let hint = comparison::hint(model);
        let mut line = Line::from(Span::styled(words, theme.dim));
        if !hint.is_empty() && line.width() + cells(&hint) + 3 <= width {
            line.push_span(Span::styled(format!("─ {hint} "), theme.key));
        }
        return line;
    };
    let mut line = legend::line(legend, theme, width);
    if line.width() + cells(&words) + 2 <= width {
        line.push_span(Span::styled(format!("─{words}"), theme.plain));
    }
    line
}

/// In place of a window that is a table.
pub const TABLE: &str = "VOI LUT";

/// `W 2048 L 1024 · inverted · 1.6× · DICOM`
pub fn view_words(model: &Model, width: usize) -> String {
    let view = &model.viewer.view;
    let mut words = Vec::new();
    if model.shows_table() {
        words.push(TABLE.to_owned());
    } else if let Some(shown) = &model.viewer.shown {
        let (centre, width) = shown.window;
        let [width, centre] = [width, centre].map(|value| measure(value, width));
        words.push(format!("W {width} L {centre}"));
    }
    match view.window {
        Window::WindowPreset(preset) => words.push(preset.name().to_owned()),
        Window::Manual { .. } => words.push("by hand".to_owned()),
        Window::File => {}
    }
    if view.inverted {
        words.push("inverted".to_owned());
    }
    if model.is_one_to_one() {
        words.push("1:1".to_owned());
    } else if view.zoom != 1.0 {
        words.push(format!("{:.1}×", view.zoom));
    }
    words.extend(marks::count_words(model));
    if let Some(facts) = &model.viewer.facts {
        words.push(facts.format.clone());
    }
    // From the end, what does not fit is left out as a whole.
    while words.len() > 1 && cells(&words.join(" · ")) + 2 > width {
        words.pop();
    }
    match words.is_empty() {
        true => String::new(),
        false => shorten(&format!(" {} ", words.join(" · ")), width),
    }
}

/// A centre or width of a window, in the precision that the width asks for: without decimals where the width
/// has two digits or more before the point, otherwise to two significant digits of the width. A number that
/// would need many zeros is written with an exponent.
fn measure(value: f64, width: f64) -> String {
    const LONGEST: f64 = 1e12;
    let digits = 1 - width.abs().log10().floor().clamp(-400.0, 400.0) as i32;
    match digits {
        _ if value.abs() >= LONGEST => format!("{value:.2e}"),
        ..=0 => format!("{value:.0}"),
        digits @ 1..=6 => format!("{value:.*}", digits as usize),
        _ => format!("{value:.1e}"),
    }
}

/// Draws the reason why there is no image in its place.
fn draw_absence(model: &Model, theme: &Theme, area: Rect, frame: &mut Frame) {
    let line = match model.worklist.selected().map(|entry| &entry.state) {
        Some(EntryState::Failed(reason)) => Line::styled(format!("✗ {reason}"), theme.refused),
        Some(EntryState::NoPicture(kind)) => Line::styled(format!("no picture: {kind}"), theme.dim),
        _ => Line::styled(model.progress_sign(model.viewer.opening), theme.dim),
    };
    let middle = Rect {
        y: area.y + area.height / 3,
        height: area.height - area.height / 3,
        ..area
    };
    let words = Paragraph::new(line)
        .alignment(Alignment::Center)
        .wrap(Wrap { trim: true });
    frame.render_widget(words, middle);
}

#[cfg(test)]
mod tests {
    use super::{age, measure};

    #[test]
    fn the_precision_of_a_window_follows_its_width() {
        let words = |width: f64, centre: f64| (measure(width, width), measure(centre, width));
        for (width, centre, expected) in [
            (4096.0, 2048.4, ("4096", "2048")),
            (12.0, 100.0, ("12", "100")),
            (4.095, 2.0475, ("4.1", "2.0")),
            (0.0041, -1024.0, ("0.0041", "-1024.0000")),
            (4.095e-9, 2.0e-9, ("4.1e-9", "2.0e-9")),
            (4096.0, 1_000_002_048.0, ("4096", "1000002048")),
            (1e300, 0.0, ("1.00e300", "0")),
        ] {
            let (width, centre) = words(width, centre);
            assert_eq!((width.as_str(), centre.as_str()), expected);
        }
    }

    #[test]
    fn ages_are_displayed_without_zeros() {
        assert_eq!(age("054Y"), "54y");
        assert_eq!(age("003M"), "3m");
    }
}
