//! The reader's marks in words: the list in place of the findings while marks are being made, the footer's keys, and their
//! number on the border of the radiograph.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::text::{cells, shorten, wrap};
use super::theme::Theme;
use crate::domain::{Mark, MarkKind, Measured, read_label};
use crate::tui::keymap::Action;
use crate::tui::model::{MarkDraft, Model};

/// Draws what is being made, the marks with their measures, and by what they are measured.
pub fn draw(model: &Model, theme: &Theme, area: Rect, frame: &mut Frame) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines: Vec<Line> = match &model.marking.draft {
        Some(draft) => {
            let rows = rows_of(&draft_words(model, draft), width).into_iter();
            rows.map(|row| Line::styled(row, theme.key)).collect()
        }
        None => {
            let rows = rows_of(&kinds(model), width).into_iter();
            rows.map(|row| Line::styled(row, theme.dim)).collect()
        }
    };
    // And one row below the list.
    let room = height.saturating_sub(lines.len() + 1);
    let marks = model.marks();
    let selected = model.selected_mark().map(|(number, _)| number);
    let first = first_shown(marks.len(), selected, room);
    for (mark, number) in marks.iter().zip(1..).skip(first).take(room) {
        lines.push(line(mark, number, selected == Some(number), theme, width));
    }
    if marks.is_empty() && room > 0 {
        lines.push(Line::styled(shorten("no marks here yet", width), theme.dim));
    }
    if height > 1 {
        let left = height.saturating_sub(lines.len());
        let mut scale = wrap(&scale_words(model), width);
        if scale.len() > left.max(1) {
            scale = vec![shorten(&scale_words(model), width)];
        }
        lines.extend((scale.len()..left).map(|_| Line::default()));
        lines.extend(scale.into_iter().map(|row| Line::styled(row, theme.dim)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The first mark of the list that is shown, counted from 0: the selected one is among them, or else the last one.
fn first_shown(marks: usize, selected: Option<usize>, room: usize) -> usize {
    let wanted = selected.unwrap_or(marks);
    wanted.saturating_sub(room).min(marks.saturating_sub(room))
}

/// `▸1 ruler  142.3 mm  nodule 80 %`; the label gives way where there is no room.
fn line(
    mark: &Mark,
    number: usize,
    is_selected: bool,
    theme: &Theme,
    width: usize,
) -> Line<'static> {
    let sign = if is_selected { "▸" } else { " " };
    let measure = mark.measured().words(mark.scale);
    let mut words = format!("{sign}{number} {}", short_kind(mark.kind));
    if !measure.is_empty() {
        words += &format!("  {measure}");
    }
    let words = shorten(&words, width);
    let left = width.saturating_sub(cells(&words) + 2);
    let label = shorten(&mark.label_words(), left);
    let style = if is_selected { theme.key } else { theme.plain };
    let mut spans = vec![Span::styled(words, style)];
    if !label.is_empty() {
        spans.push(Span::styled(format!("  {label}"), theme.dim));
    }
    Line::from(spans)
}

fn short_kind(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::CardiothoracicRatio => "CTR",
        other => other.word(),
    }
}

/// The mark that is being made: its measure so far, and what the next point is.
fn draft_words(model: &Model, draft: &MarkDraft) -> String {
    let scale = model.film_scale();
    let measured = model.draft_measure();
    let measure = measured.map(|measured| measured.words(scale));
    let measure = measure.filter(|words| !words.is_empty());
    let kind = short_kind(draft.kind);
    let offered = if draft.offered.is_some() {
        " (offered)"
    } else {
        ""
    };
    let next = draft.next_words();
    match measure {
        Some(measure) => format!("{kind}{offered}  {measure} · {next}"),
        None => format!("{kind}{offered} · {next}"),
    }
}

/// The parts between dots in as few rows of `width` cells as they need; one that is longer is cut.
fn rows_of(parts: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for part in parts.split(" · ") {
        match rows.last_mut() {
            Some(row) if cells(row) + cells(part) + 3 <= width => {
                row.push_str(" · ");
                row.push_str(part);
            }
            _ => rows.push(shorten(part, width)),
        }
    }
    rows
}

/// `r ruler · c CTR · a angle · p point · b box`
fn kinds(model: &Model) -> String {
    let kinds = [
        (Action::MarkRuler, MarkKind::Ruler),
        (Action::MarkRatio, MarkKind::CardiothoracicRatio),
        (Action::MarkAngle, MarkKind::Angle),
        (Action::MarkPoint, MarkKind::Point),
        (Action::MarkBox, MarkKind::Box),
    ];
    let words = kinds.map(|(action, kind)| {
        let key = model.keymap.display_key(action);
        format!("{key} {}", short_kind(kind))
    });
    words.join(" · ")
}

/// By what lengths are measured.
fn scale_words(model: &Model) -> String {
    let scale = model.film_scale();
    let Some(spacing) = scale.spacing else {
        let aspect = scale.pixel_aspect.value();
        return match aspect == 1.0 {
            true => "no spacing in the file: lengths in pixels".to_owned(),
            false => format!("no spacing in the file: lengths in widths of a pixel (1 : {aspect})"),
        };
    };
    let (row, column) = (spacing.row(), spacing.column());
    let size = match spacing.row_pm == spacing.column_pm {
        true => format!("{row:.4} mm"),
        false => format!("{row:.4} × {column:.4} mm"),
    };
    format!("{size} a pixel, {}", spacing.words())
}

/// The last row of the screen while marks are being made, in `width` cells: what a key does next, or the measure so far.
pub fn footer_words(model: &Model, width: usize) -> String {
    let key = |action| model.keymap.display_key(action);
    let (set, done) = (key(Action::MarkSet), key(Action::MarkDone));
    let step = model.marking.step.word();
    if let Some(draft) = &model.marking.draft {
        let (long, short, measure) = draft_measures(model, draft);
        let next = draft.next_words();
        let steps = format!("{} step: {step}", key(Action::MarkStep));
        let back = key(Action::Back);
        return longest(
            [
                format!("{long} · {set} sets {next} · {steps} · {back} drops it"),
                format!("{short} · {set} sets {next} · {steps} · {back} drops it"),
                format!("{long} · {set} {next} · {back} drops it"),
                format!("{short} · {set} {next} · {back} drops it"),
                format!("{short} · {set} {next}"),
                format!("{short} · {set} sets"),
                short.clone(),
                measure,
            ],
            width,
        );
    }
    let kinds = kinds(model);
    let (label, delete) = (key(Action::MarkLabel), key(Action::MarkDelete));
    let next = key(Action::MarkNext);
    longest(
        [
            format!("mark: {kinds} · {next} next · {label} name · {delete} delete · {done} done"),
            format!("mark: {kinds} · {done} done"),
            format!("{kinds} · {done} done"),
            format!("mark · {done} done"),
        ],
        width,
    )
}

/// The measure of the mark that is being made and where it holds, the same in fewer words, and the measure alone; the kind
/// of the mark where nothing is measured yet. A length that does not say where it holds may be taken for one in the patient.
fn draft_measures(model: &Model, draft: &MarkDraft) -> (String, String, String) {
    let scale = model.film_scale();
    let measured = model.draft_measure();
    let words = measured.map(|measured| measured.words(scale));
    let words = words.filter(|words| !words.is_empty());
    let measure = words.unwrap_or_else(|| short_kind(draft.kind).to_owned());
    let has_lengths = measured.is_some_and(Measured::has_lengths);
    match scale.spacing.filter(|_| has_lengths) {
        Some(spacing) => (
            format!("{measure} {}", spacing.words()),
            format!("{measure} {}", spacing.short_words()),
            measure,
        ),
        None => (measure.clone(), measure.clone(), measure),
    }
}

/// Whether the measure of the mark that is being made, and where it holds, need more cells than these.
pub fn needs_row(model: &Model, width: usize) -> bool {
    let draft = model.marking.draft.as_ref().filter(|_| model.lists_marks());
    draft.is_some_and(|draft| cells(&draft_measures(model, draft).1) > width)
}

/// The first text that fits; the last one if none does.
fn longest<const N: usize>(texts: [String; N], width: usize) -> String {
    let fits = texts.iter().position(|text| cells(text) <= width);
    let at = fits.unwrap_or(N.saturating_sub(1));
    texts.into_iter().nth(at).unwrap_or_default()
}

/// What Enter does with a label that is being typed, or why it does nothing.
pub fn label_hint(model: &Model, typed: &str) -> String {
    match read_label(&model.label_typed(typed)) {
        Ok(_) if model.asks_for_rating() => "how sure, 0 to 100: Enter keeps it".to_owned(),
        Ok(_) => "as nodule 80%: Enter keeps it".to_owned(),
        Err(reason) => reason,
    }
}

/// `2 marks`, or that they are hidden; nothing without marks.
pub fn count_words(model: &Model) -> Option<String> {
    let marks = match model.marks().len() {
        0 => return None,
        1 => "1 mark".to_owned(),
        count => format!("{count} marks"),
    };
    let hidden = model.marking.are_hidden && !model.is_marking();
    Some(if hidden {
        format!("{marks} hidden")
    } else {
        marks
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_as_few_rows_as_they_need() {
        let parts = "r ruler · c CTR · a angle";
        assert_eq!(rows_of(parts, 40), [parts]);
        assert_eq!(rows_of(parts, 15), ["r ruler · c CTR", "a angle"]);
        assert_eq!(rows_of(parts, 7), ["r ruler", "c CTR", "a angle"]);
    }

    #[test]
    fn the_selected_mark_is_among_those_that_are_shown() {
        assert_eq!(first_shown(3, None, 5), 0);
        assert_eq!(first_shown(9, None, 5), 4, "the last ones");
        for selected in 1..=9 {
            let first = first_shown(9, Some(selected), 5);
            assert!((first + 1..=first + 5).contains(&selected), "{selected}");
        }
        assert_eq!(first_shown(9, Some(2), 0), 2);
    }
}
