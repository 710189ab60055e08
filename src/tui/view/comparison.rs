//! The words beside two films: which they are, what the model finds in each, and the extent over time.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::layout::PaneLayout;
use super::text::{cells, shorten};
use super::theme::Theme;
use crate::domain::text::clean;
use crate::domain::{
    Finding, InputCheck, PatientFacts, Prediction, Sameness, Severity, ViewPosition,
};
use crate::tui::model::{ComparisonKind, Counterpart, Model};
use crate::tui::split::{FilmPlace, Split, is_narrow};
use crate::tui::worklist::{EntryState, FilmRelation, TimelineFilm, WorklistEntry};

/// The heights of the extent from 0 to 8.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The highest extent.
const MOST_EXTENT: f32 = 8.0;
/// Stands for a film without an extent.
const NO_EXTENT: char = '·';

/// Draws the words of both films, where there are two.
pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let (Some(split), Some(counterpart)) = (layout.split, model.compared()) else {
        return;
    };
    let Split {
        selected,
        compared,
        line,
    } = split;
    for y in line.top()..line.bottom() {
        if let Some(cell) = frame.buffer_mut().cell_mut((line.x, y)) {
            cell.set_symbol("│").set_style(theme.border);
        }
    }
    draw_selected(model, theme, selected, frame);
    draw_compared(model, theme, (compared, counterpart), frame);
}

fn draw_selected(model: &Model, theme: &Theme, place: FilmPlace, frame: &mut Frame) {
    let width = usize::from(place.title.width);
    let list = &model.worklist;
    let view = list.selected().map_or(ViewPosition::Unknown, |e| e.view);
    let facts = model.viewer.facts.as_ref();
    let mut words = vec!["this film".to_owned()];
    words.extend(identity(model, facts.map(|facts| &facts.patient)));
    words.extend(list.day_taken(list.cursor()));
    words.push(view.to_string());
    let title = joined(words.into_iter(), width);
    frame.render_widget(Line::styled(title, theme.title), place.title);
    let mut lines = match (model.prediction(), list.selected()) {
        _ if model.is_hidden() => vec![Line::styled("answer hidden", theme.dim)],
        (Some(prediction), _) => answer(model, theme, prediction, width),
        (None, Some(entry)) => absence(model, theme, entry),
        (None, None) => vec![],
    };
    lines.extend(extents(model, theme, width));
    frame.render_widget(Paragraph::new(lines), place.words);
}

fn draw_compared(
    model: &Model,
    theme: &Theme,
    (place, counterpart): (FilmPlace, Counterpart),
    frame: &mut Frame,
) {
    let width = usize::from(place.title.width);
    let list = &model.worklist;
    let (Some(selected), Some(entry)) = (list.selected_index(), list.entry(counterpart.index))
    else {
        return;
    };
    let relation = list.relation(selected, counterpart.index);
    let (title, style) = title(theme, counterpart.kind, relation, entry.view);
    let facts = model.comparison.film.facts.as_ref();
    let [kind, view] = title;
    let mut words = vec![kind];
    words.extend(identity(model, facts.map(|facts| &facts.patient)));
    words.push(view);
    let title = joined(words.into_iter(), width);
    frame.render_widget(Line::styled(title, style), place.title);
    let name = Line::styled(shorten(&entry.name(), width), theme.dim);
    let mut lines = match model.compared_prediction() {
        _ if model.is_compared_hidden() => vec![Line::styled("answer hidden", theme.dim)],
        Some(prediction) => answer(model, theme, prediction, width),
        None => absence(model, theme, entry),
    };
    lines.extend(notes(model, theme, counterpart.kind));
    lines.push(name);
    frame.render_widget(Paragraph::new(lines), place.words);
    if model.compared_picture().is_none() {
        draw_absence(model, theme, entry, place.image, frame);
    }
}

/// Name and identifier of a patient, while they are shown.
fn identity(model: &Model, patient: Option<&PatientFacts>) -> Vec<String> {
    let shown = patient.filter(|_| model.shows_identity());
    let names = shown.map(|patient| [&patient.name, &patient.id]);
    let names = names.into_iter().flatten().flatten();
    names.map(|text| clean(text)).collect()
}

/// `prior, 12 days before · PA`. Whose film it is comes first, where it is another patient's or that is not known.
fn title(
    theme: &Theme,
    kind: ComparisonKind,
    relation: FilmRelation,
    view: ViewPosition,
) -> ([String; 2], Style) {
    let kind = match kind {
        ComparisonKind::Prior { .. } => "prior".to_owned(),
        ComparisonKind::Timeline { place, films } => format!("film {place} of {films}"),
        ComparisonKind::Marked => "marked".to_owned(),
    };
    let (words, style) = match relation.patient {
        Sameness::Same => (format!("{kind}, {}", when(relation)), theme.title),
        Sameness::Different => (format!("{kind}: another patient"), theme.caution),
        Sameness::Unproven => (format!("{kind}: maybe another patient"), theme.caution),
    };
    ([words, view.to_string()], style)
}

/// `12 days before`, `3 days after`
pub fn when(relation: FilmRelation) -> String {
    match relation.days {
        None => "days unknown".to_owned(),
        Some(0) if relation.is_earlier => "the same day, before".to_owned(),
        Some(0) => "the same day".to_owned(),
        Some(-1) => "1 day before".to_owned(),
        Some(1) => "1 day after".to_owned(),
        Some(days @ ..0) => format!("{} days before", -days),
        Some(days) => format!("{days} days after"),
    }
}

/// What the model says of a film, in two rows or, in a narrow place, four.
fn answer(
    model: &Model,
    theme: &Theme,
    prediction: &Prediction,
    width: usize,
) -> Vec<Line<'static>> {
    if let InputCheck::Refused(reasons) = &prediction.input {
        let words = format!("✗ refused: {}", reasons.join("; "));
        return vec![Line::styled(shorten(&words, width), theme.refused)];
    }
    let shown = model.shown(prediction);
    let mut lines = findings(model, theme, &shown, width);
    if let Some(severity) = &shown.severity {
        lines.extend(severity_lines(theme, severity, width));
    }
    lines
}

/// `● Pneumonia 77.1 % · COVID-19 31.2 %`: what was found comes first, then the rest, as far as there is room. What was
/// found may take a row more in a narrow place; the number of the others that were found is told.
fn findings(
    model: &Model,
    theme: &Theme,
    prediction: &Prediction,
    width: usize,
) -> Vec<Line<'static>> {
    let rows = prediction.alone(model.card());
    let (found, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|(_, finding)| finding.is_some_and(|finding| prediction.is_found(finding)));
    let words = |sign: &str, name: &str, finding: Option<&Finding>| match finding {
        Some(finding) if !prediction.is_denied(finding) => {
            let number = prediction.shown_words(finding);
            format!("{sign}{name} {}", theme.words(number.trim()))
        }
        _ => format!("{name}: can't tell"),
    };
    let found: Vec<String> = found
        .into_iter()
        .map(|(name, finding)| words("● ", name, finding))
        .collect();
    let others: Vec<String> = others
        .into_iter()
        .map(|(name, finding)| words("", name, finding))
        .collect();
    let most = if is_narrow(width) { 2 } else { 1 };
    let rows = match others.split_first() {
        Some((first, rest)) if found.is_empty() => {
            filled(std::slice::from_ref(first), rest, width, 1)
        }
        _ => filled(&found, &others, width, most),
    };
    let style = match found.is_empty() {
        true => theme.plain,
        false => theme.positive,
    };
    let rows = rows.into_iter();
    rows.map(|row| Line::styled(row, style)).collect()
}

/// The first texts in this many rows at most, and then, in what room is left, the others. Where not all of the first fit,
/// the last row says how many are missing.
fn filled(first: &[String], others: &[String], width: usize, most: usize) -> Vec<String> {
    const DOT: &str = " · ";
    let fits = |row: &str, words: &str| cells(row) + cells(DOT) + cells(words) <= width;
    let mut rows: Vec<String> = Vec::new();
    let mut missing = 0;
    for words in first {
        let has_room = rows.len() < most;
        match rows.last_mut() {
            Some(row) if fits(row, words) => *row += &format!("{DOT}{words}"),
            _ if has_room => rows.push(shorten(words, width)),
            _ => missing += 1,
        }
    }
    let Some(last) = rows.last_mut() else {
        return rows;
    };
    if missing > 0 {
        let more = format!(" +{missing}");
        *last = shorten(last, width.saturating_sub(cells(&more))) + &more;
        return rows;
    }
    for words in others {
        if !fits(last, words) {
            break;
        }
        *last += &format!("{DOT}{words}");
    }
    rows
}

/// `Extent 3.1/8 ±1.1 · Opacity 2.2/6 ±0.8`
fn severity_lines(theme: &Theme, severity: &Severity, width: usize) -> Vec<Line<'static>> {
    let error = |error: Option<f32>| {
        error.map_or(String::new(), |e| {
            theme.words(&format!(" ±{e:.1}")).into_owned()
        })
    };
    let extent = severity.geographic_extent;
    let extent = format!(
        "Extent {extent:.1}/8{}",
        error(severity.geographic_extent_error)
    );
    let opacity = severity.opacity;
    let opacity = format!("Opacity {opacity:.1}/6{}", error(severity.opacity_error));
    let both = format!("{extent} · {opacity}");
    let lines = if cells(&both) <= width {
        vec![both]
    } else {
        vec![extent, opacity]
    };
    let lines = lines.into_iter();
    lines
        .map(|line| Line::styled(shorten(&line, width), theme.plain))
        .collect()
}

/// Why there is no answer for a film.
fn absence(model: &Model, theme: &Theme, entry: &WorklistEntry) -> Vec<Line<'static>> {
    let line = match &entry.state {
        EntryState::Failed(reason) => Line::styled(format!("✗ {reason}"), theme.refused),
        EntryState::NoPicture(kind) => Line::styled(format!("no picture: {kind}"), theme.dim),
        _ if model.card().is_none() => Line::styled("no model", theme.dim),
        _ => Line::styled("not scored yet", theme.dim),
    };
    vec![line]
}

/// What the reader should know of the choice of the film, and of its window.
fn notes(model: &Model, theme: &Theme, kind: ComparisonKind) -> Option<Line<'static>> {
    let comparison = &model.comparison;
    let has_both = model.viewer.facts.is_some() && comparison.film.facts.is_some();
    let words = match kind {
        ComparisonKind::Prior { unreadable: 1 } => "a newer film cannot be read".to_owned(),
        ComparisonKind::Prior {
            unreadable: films @ 2..,
        } => format!("{films} newer films cannot be read"),
        _ if comparison.is_linked && has_both && !model.has_same_values() => {
            "own window: other grey values".to_owned()
        }
        _ => return None,
    };
    Some(Line::styled(words, theme.caution))
}

/// `extent ▁▃▅█ 0.4–6.1/8`: over all films of the patient, the selected one underlined and the one beside it bold. A
/// reversed bar would look like its opposite. While the answer is hidden there is none.
fn extents(model: &Model, theme: &Theme, width: usize) -> Option<Line<'static>> {
    const LABEL: &str = "extent ";
    let selected = model.worklist.selected_index()?;
    if model.is_hidden() {
        return None;
    }
    let films = model.worklist.timeline(selected);
    let known: Vec<f32> = films.iter().filter_map(|film| film.extent).collect();
    if known.len() < 2 {
        return None;
    }
    let range = known
        .iter()
        .fold((f32::MAX, f32::MIN), |(low, high), extent| {
            (low.min(*extent), high.max(*extent))
        });
    let range = format!(" {:.1}–{:.1}/8", range.0, range.1);
    let room = width.saturating_sub(LABEL.len() + cells(&range));
    let beside = model.compared().map(|film| film.index);
    let mut spans = vec![Span::styled(LABEL, theme.dim)];
    spans.extend(around(&films, selected, room).iter().map(|film| {
        let style = match film.index {
            index if index == selected => theme.key.add_modifier(Modifier::UNDERLINED),
            index if Some(index) == beside => theme.title,
            _ => theme.dim,
        };
        Span::styled(height(theme, film.extent).to_string(), style)
    }));
    spans.push(Span::styled(range, theme.dim));
    Some(Line::from(spans))
}

/// The films of a timeline that fit into so many cells, the selected one among them.
fn around(films: &[TimelineFilm], selected: u32, room: usize) -> &[TimelineFilm] {
    let at = films.iter().position(|film| film.index == selected);
    let at = at.unwrap_or(films.len().saturating_sub(1));
    let first = (at + 1).saturating_sub(room.div_ceil(2));
    let first = first.min(films.len().saturating_sub(room));
    &films[first..(first + room).min(films.len())]
}

/// A bar of an extent; in ASCII its whole number.
fn height(theme: &Theme, extent: Option<f32>) -> char {
    let Some(extent) = extent else {
        return NO_EXTENT;
    };
    let share = (extent / MOST_EXTENT).clamp(0.0, 1.0);
    if theme.ascii {
        let digit = (share * MOST_EXTENT).round() as u32;
        return char::from_digit(digit, 10).unwrap_or('?');
    }
    HEIGHTS[(share * (HEIGHTS.len() - 1) as f32).round() as usize]
}

/// Draws the reason why there is no picture of the film beside.
fn draw_absence(
    model: &Model,
    theme: &Theme,
    entry: &WorklistEntry,
    area: Rect,
    frame: &mut Frame,
) {
    let film = &model.comparison.film;
    let line = match (&film.failed, &entry.state) {
        (Some(reason), _) => Line::styled(format!("✗ {reason}"), theme.refused),
        (None, EntryState::Failed(reason)) => Line::styled(format!("✗ {reason}"), theme.refused),
        _ => Line::styled("opening …", theme.dim),
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

/// `prior 12 days before [C]`: tells that there is one while it is not shown; empty where there is none.
pub fn hint(model: &Model) -> String {
    use crate::tui::keymap::Action;
    if model.comparison.on {
        return match model.counterpart() {
            Ok(_) => String::new(),
            Err(_) => "no prior".to_owned(),
        };
    }
    let selected = model.worklist.selected_index();
    let Some(selected) = selected.filter(|_| model.ties_films()) else {
        return String::new();
    };
    let Ok(prior) = model.worklist.prior(selected) else {
        return String::new();
    };
    let key = model.keymap.display_key(Action::Compare);
    let relation = model.worklist.relation(selected, prior.index);
    match key.as_str() {
        "" => String::new(),
        key => format!("prior {} [{key}]", when(relation)),
    }
}

/// The parts with dots between them, as many of the first as fit; the first is cut where it is too long.
fn joined(parts: impl Iterator<Item = String>, width: usize) -> String {
    let mut text = String::new();
    for part in parts {
        let words = match text.as_str() {
            "" => shorten(&part, width),
            _ => format!(" · {part}"),
        };
        if cells(&text) + cells(&words) > width {
            break;
        }
        text += &words;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_films_around_the_selected_one_fit_and_hold_it() {
        let films: Vec<TimelineFilm> = (0..9)
            .map(|index| TimelineFilm {
                index,
                extent: Some(1.0),
            })
            .collect();
        let indices = |selected, room| {
            let shown = around(&films, selected, room).iter();
            shown.map(|film| film.index).collect::<Vec<_>>()
        };
        assert_eq!(indices(0, 4), [0, 1, 2, 3]);
        assert_eq!(indices(4, 4), [3, 4, 5, 6]);
        assert_eq!(indices(8, 4), [5, 6, 7, 8]);
        assert_eq!(indices(8, 20).len(), 9);
        assert_eq!(indices(3, 0).len(), 0);
        assert_eq!(indices(3, 1), [3]);
    }

    #[test]
    fn what_was_found_is_shown_or_counted() {
        let texts = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let (found, others) = (texts(&["● A 0.9", "● B 0.8", "● C 0.7"]), texts(&["D 0.1"]));
        let rows = |width, most| filled(&found, &others, width, most);
        assert_eq!(rows(40, 1), ["● A 0.9 · ● B 0.8 · ● C 0.7 · D 0.1"]);
        assert_eq!(rows(30, 1), ["● A 0.9 · ● B 0.8 · ● C 0.7"]);
        assert_eq!(rows(20, 2), ["● A 0.9 · ● B 0.8", "● C 0.7 · D 0.1"]);
        assert_eq!(rows(20, 1), ["● A 0.9 · ● B 0.8 +1"]);
        assert_eq!(rows(12, 2), ["● A 0.9", "● B 0.8 +1"]);
        assert_eq!(rows(8, 1), ["● A … +2"]);
        assert_eq!(filled(&[], &others, 9, 1), [""; 0]);
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out_as_a_whole() {
        let title = |width| {
            let parts = ["prior, 12 days before", "PA"].map(str::to_owned);
            joined(parts.into_iter(), width)
        };
        assert_eq!(title(26), "prior, 12 days before · PA");
        assert_eq!(title(25), "prior, 12 days before");
        assert_eq!(title(20), "prior, 12 days befo…");
    }

    #[test]
    fn bars_are_higher_for_more_and_digits_in_ascii() {
        use crate::tui::terminal::Colours;
        let theme = Theme::new(Colours::None);
        let bars: String = [Some(0.0), Some(4.0), Some(8.0), None, Some(f32::NAN)]
            .into_iter()
            .map(|extent| height(&theme, extent))
            .collect();
        assert_eq!(bars, "▁▅█·▁");
        let ascii = Theme {
            ascii: true,
            ..Theme::new(Colours::None)
        };
        assert_eq!(height(&ascii, Some(3.6)), '4');
    }
}
