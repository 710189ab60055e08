//! The findings pane: the scores of the image on the screen, or why there are none.

mod kinds;
mod lines;
mod lungs;
mod prognoses;

use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::layout::PaneLayout;
use super::theme::Theme;
use crate::domain::{InputCheck, ModelCard, Question};
use crate::tui::keymap::Action;
use crate::tui::model::{ClassifierState, Model};
use crate::tui::worklist::EntryState;

pub fn draw(model: &Model, theme: &Theme, layout: &PaneLayout, frame: &mut Frame) {
    let mut area = layout.findings;
    if !layout.compact {
        let block = Block::bordered().border_style(theme.border).title(title(
            model,
            theme,
            usize::from(area.width),
        ));
        let inner = block.inner(area);
        frame.render_widget(block, area);
        area = inner;
    }
    // Where there is no border with a title, the first line names the kind of number.
    let kind = layout.compact.then(|| {
        let words = kinds::words(model, usize::from(area.width));
        Line::styled(format!("{words}:"), theme.dim)
    });
    let height = usize::from(area.height).saturating_sub(usize::from(layout.compact));
    let lines = match model.prediction() {
        Some(prediction) => match &prediction.input {
            InputCheck::Refused(reasons) => refusal(reasons, layout.compact, theme),
            _ => {
                let pane = lines::Pane {
                    model,
                    theme,
                    width: usize::from(area.width),
                };
                pane.rows(&model.shown(prediction), height)
            }
        },
        None => vec![Line::from(absence(model, theme))],
    };
    let lines: Vec<Line> = kind.into_iter().chain(lines).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

fn title(model: &Model, theme: &Theme, width: usize) -> Line<'static> {
    const TITLE: &str = " Findings";
    // Two corners, and the four cells around the words.
    let words = kinds::words(model, width.saturating_sub(TITLE.len() + 6));
    Line::from(vec![
        Span::styled(TITLE, theme.title),
        Span::styled(format!(" · {words} "), theme.plain),
    ])
}

/// The most rows that the findings of this model can take, so that the panes do not move from image to image. Its
/// outcomes take some while they are shown.
pub fn rows(card: Option<&ModelCard>, are_outcomes_shown: bool) -> u16 {
    let Some(card) = card else { return 3 };
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
    u16::try_from(labels().count().max(3) + extra).unwrap_or(u16::MAX)
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
        Some(EntryState::Failed(reason)) => {
            return vec![Span::styled(format!("✗ {reason}"), theme.refused)];
        }
        Some(EntryState::NoPicture(kind)) => {
            return vec![Span::styled(format!("no picture: {kind}"), theme.dim)];
        }
        _ => {}
    }
    if model.is_hidden() && !matches!(model.engine, ClassifierState::Failed(_)) {
        let key = model.keymap.display_key(Action::Call);
        let words = format!("Hidden until you call it: press {key}");
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
