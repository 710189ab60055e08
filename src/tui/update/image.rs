//! What concerns the image: selecting one, window, zoom, pan.

use std::time::Instant;

use super::Effect;
use crate::domain::{Canvas, Preset, View, Window};
use crate::tui::keymap::{Action, KeyMode};
use crate::tui::model::{Model, Viewer};
use crate::tui::worklist::EntryState;
use crate::worker::{ImageJob, RenderRequest};

/// Said where a file holds another image than the one that was scored.
pub(super) const REPLACED: &str = "the file was replaced: another image, read anew";
const ZOOM_STEP: f64 = 1.25;
/// Of what is visible.
const PAN_STEP: f64 = 0.15;
/// A key press makes the window this much wider …
const WIDTH_STEP: f64 = 1.1;
/// … or moves its level by this much of its width.
const LEVEL_STEP: f64 = 0.05;
/// A window narrower than so many steps from one value to the next shows two greys.
const MIN_STEPS: f64 = 2.0;

/// Makes the selected image the one that is looked at. Everything known of the one before is
/// cleared in the same breath.
pub fn select(model: &mut Model) -> Vec<Effect> {
    select_as(model, View::default())
}

/// The same, seen in this way from the start.
pub fn select_as(model: &mut Model, view: View) -> Vec<Effect> {
    let generation = model.viewer.generation.next();
    let canvas = model.viewer.canvas;
    let selected = model.worklist.selected();
    let is_unread = selected.is_some_and(|entry| !matches!(entry.state, EntryState::Read(_)));
    let map_asked = model.heat_map.on && (is_unread || model.lacks_map());
    model.viewer = Viewer {
        generation,
        source: selected.map(|entry| entry.path.clone()),
        opening: selected.map(|_| Instant::now()),
        view,
        canvas,
        map_asked,
        ..Viewer::default()
    };
    job(model).map(Effect::Select).into_iter().collect()
}

/// Tells how many pixels the image may have; asks for it in that size.
pub fn set_canvas(model: &mut Model, canvas: Canvas) -> Vec<Effect> {
    let before = model.viewer.canvas.replace(canvas);
    match before {
        Some(before) if before == canvas => vec![],
        Some(_) => redraw(model),
        // The first layout: nothing could be asked for before it.
        None => job(model).map(Effect::Select).into_iter().collect(),
    }
}

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let view = &mut model.viewer.view;
    match action {
        Action::PresetFile => view.window = Window::File,
        Action::PresetAutomatic => view.window = Window::WindowPreset(Preset::Automatic),
        Action::PresetLung => view.window = Window::WindowPreset(Preset::Lung),
        Action::PresetBone => view.window = Window::WindowPreset(Preset::Bone),
        Action::PresetFull => view.window = Window::WindowPreset(Preset::Full),
        Action::Reset => {
            *view = View::default();
            model.mode = KeyMode::Browse;
        }
        Action::Invert => view.inverted = !view.inverted,
        Action::ZoomIn => view.zoom_by(ZOOM_STEP),
        Action::ZoomOut => view.zoom_by(1.0 / ZOOM_STEP),
        Action::Fit => {
            let View {
                window, inverted, ..
            } = *view;
            *view = View {
                window,
                inverted,
                ..View::default()
            };
        }
        Action::PanLeft => view.pan_by(-PAN_STEP, 0.0),
        Action::PanRight => view.pan_by(PAN_STEP, 0.0),
        Action::PanUp => view.pan_by(0.0, -PAN_STEP),
        Action::PanDown => view.pan_by(0.0, PAN_STEP),
        Action::Wider => turn(model, |_, width| (0.0, width * WIDTH_STEP)),
        Action::Narrower => turn(model, |_, width| (0.0, width / WIDTH_STEP)),
        Action::LevelUp => turn(model, |step, width| (step, width)),
        Action::LevelDown => turn(model, |step, width| (-step, width)),
        _ => return vec![],
    }
    redraw(model)
}

pub fn zoom(model: &mut Model, factor: f64) -> Vec<Effect> {
    model.viewer.view.zoom_by(factor);
    redraw(model)
}

/// Changes the window from what is set by hand, or else from what is on the screen.
fn turn(model: &mut Model, change: impl Fn(f64, f64) -> (f64, f64)) {
    let now = match model.viewer.view.window {
        Window::Manual { centre, width } => Some((centre, width)),
        _ => model.viewer.shown.as_ref().map(|shown| shown.window),
    };
    // Nothing is shown yet: there is nothing to turn.
    let Some((centre, width)) = now else { return };
    let step = model.viewer.facts.as_ref().map_or(0.0, |facts| facts.step);
    let (shift, width) = change(width * LEVEL_STEP, width);
    let window = Window::Manual {
        centre: centre + shift,
        width: width.max(MIN_STEPS * step),
    };
    model.viewer.view.window = window;
}

pub(super) fn redraw(model: &Model) -> Vec<Effect> {
    // While it is being opened, the newest view goes with the next question.
    job(model).map(Effect::Redraw).into_iter().collect()
}

fn job(model: &Model) -> Option<ImageJob> {
    let entry = model.worklist.selected()?;
    let canvas = model.viewer.canvas?;
    let neighbour = |offset: isize| {
        let row = model.worklist.cursor().checked_add_signed(offset)?;
        model.worklist.row(row).map(|entry| entry.path.clone())
    };
    Some(ImageJob {
        source: entry.path.clone(),
        generation: model.viewer.generation,
        frame: RenderRequest {
            view: model.viewer.view,
            canvas,
            heat_map: model.heat_map_layer(),
        },
        scored: entry.prediction().map(|said| said.content),
        maps: model.viewer.map_asked,
        model: model.choices.current,
        neighbours: [1, -1, 2, 3].into_iter().filter_map(neighbour).collect(),
    })
}
