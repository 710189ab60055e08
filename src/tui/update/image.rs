//! The image on the screen: selection, window, zoom, pan.

use std::time::Instant;

use super::Effect;
use crate::domain::{Canvas, Preset, View, Window};
use crate::tui::keymap::{Action, KeyMode};
use crate::tui::model::{Model, Viewer};
use crate::tui::worklist::EntryState;
use crate::worker::{ImageJob, RenderRequest};

/// The notice where a file holds another image than the one that was scored.
pub(super) const REPLACED: &str =
    "the file was replaced: this is another image, to be scored again";
/// One press zooms by this factor.
const ZOOM_STEP: f64 = 1.25;
/// One press pans by this share of the visible part.
const PAN_STEP: f64 = 0.15;
/// One press makes the window wider by this factor.
const WIDTH_STEP: f64 = 1.1;
/// One press moves the level of the window by this share of its width.
const LEVEL_STEP: f64 = 0.05;
/// The narrowest window, in steps from one stored value to the next: a narrower one would show two greys
/// only.
const MIN_STEPS: f64 = 2.0;

/// Puts the selected image on the screen. Everything that is known of the image before is cleared at the same
/// time, so that nothing of it stands beside the new one.
pub fn select(model: &mut Model) -> Vec<Effect> {
    select_as(model, View::default())
}

/// The same as [`select`], with a view other than the default.
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

/// Sets how many pixels the image may have, and requests it in that size.
pub fn set_canvas(model: &mut Model, canvas: Canvas) -> Vec<Effect> {
    let before = model.viewer.canvas.replace(canvas);
    match before {
        Some(before) if before == canvas => vec![],
        Some(_) => redraw(model),
        // The first layout: no image could be requested before it.
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
        Action::Wider => adjust_window(model, |_, width| (0.0, width * WIDTH_STEP)),
        Action::Narrower => adjust_window(model, |_, width| (0.0, width / WIDTH_STEP)),
        Action::LevelUp => adjust_window(model, |step, width| (step, width)),
        Action::LevelDown => adjust_window(model, |step, width| (-step, width)),
        _ => return vec![],
    }
    redraw(model)
}

pub fn zoom(model: &mut Model, factor: f64) -> Vec<Effect> {
    model.viewer.view.zoom_by(factor);
    redraw(model)
}

/// Changes the window, starting from the one set by hand or else from the one on the screen. `change` gets
/// one step of the level and the width; it returns the shift of the level and the new width.
fn adjust_window(model: &mut Model, change: impl Fn(f64, f64) -> (f64, f64)) {
    let now = match model.viewer.view.window {
        Window::Manual { centre, width } => Some((centre, width)),
        _ => model.viewer.shown.as_ref().map(|shown| shown.window),
    };
    // No image is shown yet, so there is no window to adjust.
    let Some((centre, width)) = now else { return };
    let step = model.viewer.facts.as_ref().map_or(0.0, |facts| facts.step);
    let (shift, width) = change(width * LEVEL_STEP, width);
    let window = Window::Manual {
        centre: centre + shift,
        width: width.max(MIN_STEPS * step),
    };
    model.viewer.view.window = window;
}

/// Requests the image on the screen in its current view.
pub(super) fn redraw(model: &Model) -> Vec<Effect> {
    job(model).map(Effect::Redraw).into_iter().collect()
}

fn job(model: &Model) -> Option<ImageJob> {
    let entry = model.worklist.selected()?;
    let canvas = model.viewer.canvas?;
    Some(ImageJob {
        source: entry.path.clone(),
        generation: model.viewer.generation,
        frame: RenderRequest {
            view: model.viewer.view,
            canvas,
            heat_map: model.heat_map_layer(),
        },
        scored: entry.prediction().map(|prediction| prediction.content),
        maps: model.viewer.map_asked,
        model: model.choices.current,
        neighbours: model.worklist.neighbours(),
    })
}
