//! Draws the [`Model`], and changes nothing in it.

mod about;
mod ascii;
mod call;
mod change;
mod choices;
mod comparison;
mod disagree;
mod findings;
mod footer;
mod gauge;
mod grid;
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
    let layout = PaneLayout::new(model.size, rows, &model.sizes);
    match model.compared() {
        Some(_) => layout.comparing(),
        None => layout,
    }
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
    comparison::draw(model, theme, &layout, frame);
    footer::draw(model, theme, &layout, frame);
    if let Some(Overlay::Disagree { labels }) = &model.overlay {
        disagree::draw(labels, theme, &layout, frame);
    }
    if let Some(Overlay::Call(asking)) = &model.overlay {
        call::draw(asking, theme, &layout, frame);
    }
    let covered = draw_box(model, theme, frame);
    text::harmless(frame.buffer_mut());
    if theme.ascii {
        // Before the image is placed: its cells may hold placeholders that must not become letters.
        ascii::cells(frame.buffer_mut());
    }
    let painter = painter?;
    write_over_remains(painter, frame);
    if covered || layout.image.is_empty() {
        return None;
    }
    let target = target(model, &layout)?;
    painter.place(&target, frame.buffer_mut());
    Some(target)
}

/// The selected image, and the one beside it; `None` while neither can be shown.
fn target(model: &Model, layout: &PaneLayout) -> Option<PreviewTarget> {
    let selected = model.viewer.shown.as_ref();
    let selected = selected.map(|shown| PreviewTarget::new(shown.image.clone(), layout.image));
    let compared = layout.split.zip(model.compared_picture());
    let compared = compared
        .map(|(split, shown)| PreviewTarget::second(shown.image.clone(), split.compared.image));
    match (selected, compared) {
        (Some(selected), compared) => Some(PreviewTarget {
            beside: compared.map(Box::new),
            ..selected
        }),
        (None, compared) => compared,
    }
}

/// Draws the grid in place of all panes; returns the pictures that have to be painted after the frame.
pub fn draw_grid(
    model: &Model,
    theme: &Theme,
    painter: Option<&mut (dyn Painter + '_)>,
    frame: &mut Frame,
) -> Vec<PreviewTarget> {
    let mut tiles = grid::draw(model, theme, frame);
    footer::draw(model, theme, &pane_layout(model), frame);
    if draw_box(model, theme, frame) {
        tiles.clear();
    }
    text::harmless(frame.buffer_mut());
    if theme.ascii {
        ascii::cells(frame.buffer_mut());
    }
    let Some(painter) = painter else {
        return vec![];
    };
    write_over_remains(painter, frame);
    painter.place_tiles(&tiles, frame.buffer_mut());
    tiles
}

/// Makes ratatui write the cells that hold pixels of the frame before.
fn write_over_remains(painter: &dyn Painter, frame: &mut Frame) {
    for remains in painter.remains().into_iter().chain(painter.tile_remains()) {
        write_over(remains, frame.buffer_mut());
    }
}

/// Draws the box over the panes, if there is one. Returns whether it covers the image.
fn draw_box(model: &Model, theme: &Theme, frame: &mut Frame) -> bool {
    match &model.overlay {
        Some(Overlay::Help { scroll, search }) => {
            help::draw(model, theme, (*scroll, search), frame)
        }
        Some(Overlay::Legend { scroll }) => help::draw_signs(model, theme, *scroll, frame),
        Some(Overlay::Path { scroll }) => path::draw(model, theme, *scroll, frame),
        Some(Overlay::About { scroll }) => about::draw(model, theme, *scroll, frame),
        Some(Overlay::LeftOut { scroll }) => left_out::draw(model, theme, *scroll, frame),
        Some(Overlay::Header(header)) => header::draw(model, theme, header, frame),
        Some(Overlay::Prompt(_) | Overlay::Disagree { .. } | Overlay::Call(_)) | None => false,
    }
}

#[cfg(test)]
mod tests;
