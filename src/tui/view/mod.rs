//! Draws the [`Model`], and changes nothing in it.

mod about;
mod ascii;
mod call;
mod change;
mod choices;
mod disagree;
mod findings;
mod footer;
mod gauge;
mod groups;
mod header;
mod help;
mod input;
mod layout;
mod left_out;
mod legend;
mod marks;
mod overlay;
mod path;
mod radiograph;
mod text;
mod theme;
mod worklist;

use ratatui::Frame;

use super::model::{Model, Overlay};
use super::preview::{Painter, PreviewTarget, write_over};
use crate::domain::{InputCheck, Prediction};
use layout::{PaneLayout, PaneRows};
pub use theme::Theme;

/// Where the panes are on a screen of the model's size.
pub fn pane_layout(model: &Model) -> PaneLayout {
    let left = layout::input_width(model.size, &model.sizes) + 2;
    let counts = worklist::border::counts(model, usize::MAX);
    let has_room = text::cells(&counts) <= findings::room_for_counts(model, left);
    let rows = PaneRows {
        counts: !counts.is_empty() && (!has_room || model.sizes.hides_findings),
        findings: findings::rows(model.card(), model.prognosis),
        input: input::rows(model, layout::input_width(model.size, &model.sizes)),
        refused: model.prediction().is_some_and(is_refused),
    };
    PaneLayout::new(model.size, rows, &model.sizes)
}

fn is_refused(prediction: &Prediction) -> bool {
    matches!(prediction.input, InputCheck::Refused(_))
}

/// Draws everything; returns the image that has to be painted after the frame, if one is visible.
pub fn draw(
    model: &Model,
    theme: &Theme,
    painter: Option<&mut (dyn Painter + '_)>,
    frame: &mut Frame,
) -> Option<PreviewTarget> {
    let layout = pane_layout(model);
    let screen = frame.area();
    frame.buffer_mut().set_style(screen, theme.screen);
    worklist::draw(model, theme, &layout, frame);
    findings::draw(model, theme, &layout, frame);
    input::draw(model, theme, &layout, frame);
    radiograph::draw(model, theme, &layout, frame);
    footer::draw(model, theme, &layout, frame);
    if let Some(Overlay::Disagree { labels }) = &model.overlay {
        disagree::draw(labels, theme, &layout, frame);
    }
    if let Some(Overlay::Call(asking)) = &model.overlay {
        call::draw(asking, theme, &layout, frame);
    }
    let covered = match &model.overlay {
        Some(Overlay::Help { scroll, search }) => {
            help::draw(model, theme, (*scroll, search), frame)
        }
        Some(Overlay::Legend { scroll }) => help::draw_signs(model, theme, *scroll, frame),
        Some(Overlay::Path { scroll }) => path::draw(model, theme, *scroll, frame),
        Some(Overlay::About { scroll }) => about::draw(model, theme, *scroll, frame),
        Some(Overlay::LeftOut { scroll }) => left_out::draw(model, theme, *scroll, frame),
        Some(Overlay::Header(header)) => header::draw(model, theme, header, frame),
        Some(Overlay::Prompt(_) | Overlay::Disagree { .. } | Overlay::Call(_)) | None => false,
    };
    text::harmless(frame.buffer_mut());
    if theme.ascii {
        // Before the image is placed: its cells may hold placeholders that must not become letters.
        ascii::cells(frame.buffer_mut());
    }
    let painter = painter?;
    if let Some(remains) = painter.remains() {
        write_over(remains, frame.buffer_mut());
    }
    let image = model.viewer.shown.as_ref()?.image.clone();
    if covered || layout.image.is_empty() {
        return None;
    }
    let target = PreviewTarget::new(image, layout.image);
    painter.place(&target, frame.buffer_mut());
    Some(target)
}

#[cfg(test)]
mod tests;
