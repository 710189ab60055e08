//! The findings pane: the scores of the image on the screen, or why there are none.

mod histogram;
mod kinds;
mod lines;
mod lungs;
mod prognoses;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::layout::PaneLayout;
use super::marks;
use super::text::{cells, shorten, wrap};
use super::theme::Theme;
use super::worklist::border;
use crate::domain::{InputCheck, ModelCard, Question, ReadingMode};
use crate::tui::keymap::Action;
use crate::tui::model::{ClassifierState, Model};
use crate::tui::worklist::EntryState;

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let mut area = layout.findings;
    if area.is_empty() {
        return;
    }
    if !layout.compact {
        area = draw_border(model, theme, layout, frame);
    }
    if model.lists_marks() {
        return marks::draw(model, theme, area, frame);
    }
    // Where there is no border with a title, the first line names the kind of number.
    let kind = layout.compact.then(|| {
        let words = kinds::words(model, usize::from(area.width));
        Line::styled(format!("{words}:"), theme.dim)
    });
    if model.shows_histogram() {
        if let Some(kind) = kind {
            frame.render_widget(kind, Rect { height: 1, ..area });
            area.y += 1;
            area.height -= 1;
        }
        return histogram::draw(model, theme, area, frame);
    }
    let width = usize::from(area.width);
    let height = usize::from(area.height).saturating_sub(usize::from(layout.compact));
    // The whole opinion where the answer leaves room for it, otherwise one row of it.
    let answer = |height| answer(model, theme, layout, (width, height));
    let room = height.saturating_sub(answer(usize::MAX).len()).max(1);
    let opinion = opinion(model, theme, width, room);
    let lines = answer(height.saturating_sub(opinion.len()));
    let lines: Vec<Line> = kind.into_iter().chain(opinion).chain(lines).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

/// What the model says, in this many cells and rows, or why it says nothing.
fn answer(
    model: &Model,
    theme: &Theme,
    layout: &PaneLayout,
    (width, height): (usize, usize),
) -> Vec<Line<'static>> {
    let Some(prediction) = model.prediction() else {
        return vec![Line::from(absence(model, theme))];
    };
    if let InputCheck::Refused(reasons) = &prediction.input {
        return refusal(reasons, layout.compact, theme);
    }
    let pane = lines::Pane {
        model,
        theme,
        width,
    };
    pane.rows(&model.shown(prediction), height)
}

/// What the reader said, in this many rows at most.
fn opinion(model: &Model, theme: &Theme, width: usize, rows: usize) -> Vec<Line<'static>> {
    let words = border::opinion_words(model);
    let words = words.trim();
    if words.is_empty() {
        return Vec::new();
    }
    let mut lines = wrap(&format!("you: {words}"), width);
    if lines.len() > rows {
        let rest = lines.split_off(rows.saturating_sub(1)).join(" ");
        lines.push(shorten(&rest, width));
    }
    let lines = lines.into_iter();
    lines.map(|line| Line::styled(line, theme.key)).collect()
}

/// Draws the border that the findings share with the worklist above them, with the counts of the worklist; returns the
/// area inside.
fn draw_border(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) -> Rect {
    let area = layout.findings;
    let title = match model.lists_marks() {
        true => Line::styled(" Marks ", theme.title),
        false => title(model, theme, usize::from(area.width)),
    };
    let counts = border::counts(model, usize::MAX);
    let fits = cells(&counts) <= room_for_counts(model, area.width);
    let counts = if fits { counts } else { String::new() };
    let block = Block::new()
        .borders(Borders::TOP | Borders::LEFT | Borders::RIGHT)
        .border_style(theme.border)
        .title(title)
        .title(Line::styled(counts, theme.plain).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if !layout.worklist.is_empty() {
        let corners = [(area.x, "├"), (area.right() - 1, "┤")];
        for (x, corner) in corners {
            // A terminal that was made smaller a moment ago has no such cell.
            if let Some(cell) = frame.buffer_mut().cell_mut((x, area.y)) {
                cell.set_symbol(corner);
            }
        }
    }
    inner
}

const TITLE: &str = " Findings";

/// Cells beside the title, in a pane of this width. Counts that need more have a row of their own.
pub fn room_for_counts(model: &Model, width: u16) -> usize {
    let width = usize::from(width);
    let title = cells(TITLE) + cells(&kind(model, width)) + " ·  ".chars().count();
    // A corner and a line at each end.
    width.saturating_sub(title + 4)
}

/// The kind of number, for the title of a pane of this width.
fn kind(model: &Model, width: usize) -> String {
    // Two corners, and the four cells around the words.
    kinds::words(model, width.saturating_sub(TITLE.len() + 6))
}

fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    let words = kind(model, width);
    Line::from(vec![
        Span::styled(TITLE, theme.title),
        Span::styled(format!(" · {words} "), theme.plain),
    ])
}

/// The most rows that the findings of this model can take, so that the panes do not move from image to image. Its
/// outcomes take some while they are shown.
pub fn rows(card: Option<&ModelCard>, are_outcomes_shown: bool) -> u16 {
    let Some(card) = card else { return 4 };
    let is_cause = |question| question == Question::GivenPneumonia;
    let labels = || card.labels.iter();
    let has_sets = |of_causes: bool| {
        labels().any(|l| is_cause(l.question) == of_causes && l.conformal.is_some())
    };
    let extra = [
        labels().any(|label| is_cause(label.question)),
        labels().any(|label| label.probability().is_some()),
        has_sets(false),
        has_sets(true),
        card.severity.is_some() || card.severity_line.is_some(),
        card.lungs.is_some(),
    ];
    let mut extra = extra.into_iter().filter(|is| *is).count();
    if are_outcomes_shown {
        extra += prognoses::rows(card);
    }
    // And one for the reader's own opinion.
    u16::try_from(labels().count().max(3) + extra + 1).unwrap_or(u16::MAX)
}

/// The lines for a refused image. In the layout with borders, the pane of the input check has the reasons.
fn refusal(reasons: &[String], compact: bool, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(
        "✗ refused, so no scores are shown",
        theme.refused,
    )];
    if compact {
        let reasons = reasons.iter();
        lines.extend(reasons.map(|reason| Line::styled(format!("  {reason}"), theme.plain)));
    }
    lines
}

/// The reason why there is no prediction.
fn absence(model: &Model, theme: &Theme) -> Vec<Span<'static>> {
    match model.worklist.selected().map(|entry| &entry.state) {
        // The reason stands in the place of the image.
        Some(EntryState::Failed(_)) => {
            let words = "✗ cannot be read, so there are no scores";
            return vec![Span::styled(words, theme.refused)];
        }
        Some(EntryState::NoPicture(_)) => {
            return vec![Span::styled(
                "no picture, so there are no scores",
                theme.dim,
            )];
        }
        _ => {}
    }
    if model.is_hidden() && !matches!(model.engine, ClassifierState::Failed(_)) {
        let key = model.keymap.display_key(Action::Call);
        let selected = model.worklist.selected();
        let is_called = selected.is_some_and(|entry| entry.opinion().blinded.is_some());
        let stays = model
            .study_sitting()
            .is_some_and(|sitting| sitting.mode == ReadingMode::Unaided);
        let words = match (stays, is_called) {
            (true, true) => "Called. The answer stays hidden".to_owned(),
            (true, false) => format!("Hidden. Your call: press {key}"),
            (false, _) => format!("Hidden until you call it: press {key}"),
        };
        return vec![Span::styled(words, theme.key)];
    }
    match &model.engine {
        ClassifierState::Failed(reason) => {
            vec![Span::styled(format!("✗ no model: {reason}"), theme.refused)]
        }
        ClassifierState::Loading => {
            let name = model.choices.name().unwrap_or("the model");
            vec![Span::styled(format!("loading {name} …"), theme.dim)]
        }
        ClassifierState::Ready(_) => {
            let sign = model.progress_sign(model.viewer.classifying);
            if sign.is_empty() {
                vec![]
            } else {
                vec![Span::styled(format!("{sign} classifying …"), theme.dim)]
            }
        }
    }
}
