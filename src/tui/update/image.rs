//! The image on the screen: selection, window, zoom, pan.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ratatui::layout::{Position, Rect};

use super::Effect;
use crate::domain::{Canvas, FilmShape, Preset, View, Window};
use crate::tui::keymap::{Action, KeyMode};
use crate::tui::model::{FilmSide, Model, Viewer};
use crate::tui::placing::picture_cells;
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
/// A drag by one cell makes the window wider by this factor, or moves its level by this share of its width.
const DRAG_WIDTH: f64 = 1.04;
const DRAG_LEVEL: f64 = 0.04;
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
    let wants_lines = model.marking.wants_offer && model.lacks_offer();
    let map_asked = wants_lines || model.heat_map.on && (is_unread || model.lacks_map());
    model.viewer = Viewer {
        generation,
        source: selected.map(|entry| entry.path.clone()),
        opening: selected.map(|_| Instant::now()),
        view,
        canvas,
        map_asked,
        ..Viewer::default()
    };
    model.viewer.marks = model.mark_layer();
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
    let place = |view: &View| (view.zoom, view.centre);
    let before = place(&model.viewer.view);
    let view = &mut model.viewer.view;
    match action {
        Action::PresetFile => view.window = Window::File,
        Action::PresetAutomatic => view.window = Window::WindowPreset(Preset::Automatic),
        Action::PresetLung => view.window = Window::WindowPreset(Preset::Lung),
        Action::PresetBone => view.window = Window::WindowPreset(Preset::Bone),
        Action::PresetFull => view.window = Window::WindowPreset(Preset::Full),
        Action::Reset => {
            *view = View::default();
            model.end_mode(KeyMode::Window);
        }
        Action::Invert => view.inverted = !view.inverted,
        Action::ZoomIn => zoom_by_key(model, ZOOM_STEP),
        Action::ZoomOut => zoom_by_key(model, 1.0 / ZOOM_STEP),
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
        Action::ActualSize => {
            let is_already = model.is_one_to_one();
            let Some(zoom) = model.one_to_one() else {
                return vec![];
            };
            let view = &mut model.viewer.view;
            view.zoom = if is_already { 1.0 } else { zoom };
            view.pan_by(0.0, 0.0);
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
    if place(&model.viewer.view) != before {
        keep_cursor_in_sight(model);
    }
    redraw(model)
}

/// Zooms about the middle, or about the cursor while marks are made.
fn zoom_by_key(model: &mut Model, factor: f64) {
    let about = model.mark_cursor().zip(canvas_and_shape(model));
    let view = &mut model.viewer.view;
    let pointer = about.and_then(|(cursor, (canvas, shape))| {
        let pointer = view.pointer_at(cursor, canvas, shape)?;
        Some((pointer, canvas, shape))
    });
    match pointer {
        Some((pointer, canvas, shape)) => view.zoom_about(factor, pointer, canvas, shape),
        None => view.zoom_by(factor),
    }
}

/// Moves the view where the cursor of marks has left it: a key must not set a point unseen.
fn keep_cursor_in_sight(model: &mut Model) {
    if let Some((cursor, (canvas, shape))) = model.mark_cursor().zip(canvas_and_shape(model)) {
        model.viewer.view.keep_in_sight(cursor, canvas, shape);
    }
}

/// The film under a cell of the screen, if it can be moved there.
pub fn side_at(model: &Model, at: Position) -> Option<FilmSide> {
    if model.panes.image.contains(at) {
        Some(FilmSide::Selected)
    } else if model.panes.compared.contains(at) && model.comparison.is_linked {
        Some(FilmSide::Compared)
    } else {
        None
    }
}

/// Zooms about a cell of the screen over a film.
pub fn zoom_about(model: &mut Model, factor: f64, at: Position, side: FilmSide) -> Vec<Effect> {
    let Some(place) = PicturePlace::of(model, side) else {
        return zoom(model, factor);
    };
    let pointer = place.offset_from_middle(at);
    let view = &mut model.viewer.view;
    view.zoom_about(factor, pointer, place.canvas, place.shape);
    redraw(model)
}

/// Where the picture of a film is on the screen.
pub(super) struct PicturePlace {
    /// The cells that it covers.
    pub cells: Rect,
    /// Pixels of the canvas in a cell, across and down.
    cell: (u16, u16),
    /// Columns and rows of the picture.
    size: (usize, usize),
    canvas: Canvas,
    shape: FilmShape,
}

impl PicturePlace {
    /// The place of the picture in the view of the selected film; `None` before its film is open.
    pub fn of(model: &Model, side: FilmSide) -> Option<Self> {
        let (area, canvas, shape) = match side {
            FilmSide::Selected => {
                let (canvas, shape) = canvas_and_shape(model)?;
                (model.panes.image, canvas, shape)
            }
            FilmSide::Compared => {
                let shape = model.comparison.film.facts.as_ref()?.shape;
                (model.panes.compared, model.comparison.canvas?, shape)
            }
        };
        let size = model.viewer.view.picture_size(canvas, shape)?;
        let pixels = |all: usize, cells: u16| {
            let pixels = all / usize::from(cells.max(1));
            u16::try_from(pixels).unwrap_or(u16::MAX).max(1)
        };
        let cell = (
            pixels(canvas.width, area.width),
            pixels(canvas.height, area.height),
        );
        Some(PicturePlace {
            cells: picture_cells(area, size, cell),
            cell,
            size,
            canvas,
            shape,
        })
    }

    /// How many pixels of the canvas the middle of a cell is right of and below the middle of the picture.
    pub fn offset_from_middle(&self, at: Position) -> (f64, f64) {
        let offset_from_middle = |cell: u16, start: u16, pixels: u16, size: usize| {
            let cells = f64::from(cell) - f64::from(start) + 0.5;
            cells * f64::from(pixels) - size as f64 / 2.0
        };
        (
            offset_from_middle(at.x, self.cells.x, self.cell.0, self.size.0),
            offset_from_middle(at.y, self.cells.y, self.cell.1, self.size.1),
        )
    }

    /// The point of the film, as shares of its width and height, in the middle of a cell. It may lie beyond the film.
    pub fn point_at(&self, view: &View, at: Position) -> Option<(f64, f64)> {
        view.point_under(self.offset_from_middle(at), self.canvas, self.shape)
    }
}

/// Moves a film with the mouse, by cells of the screen.
pub fn drag(model: &mut Model, (right, down): (i32, i32), side: FilmSide) -> Vec<Effect> {
    let Some(place) = PicturePlace::of(model, side) else {
        return vec![];
    };
    let by = (
        f64::from(right) * f64::from(place.cell.0),
        f64::from(down) * f64::from(place.cell.1),
    );
    let before = model.viewer.view;
    model.viewer.view.drag(by, place.canvas, place.shape);
    if model.viewer.view == before {
        return vec![];
    }
    redraw(model)
}

/// Sets the window with the mouse: across changes the width, up and down the level.
pub fn drag_window(model: &mut Model, (right, down): (i32, i32)) -> Vec<Effect> {
    adjust_window(model, |_, width| (0.0, width * DRAG_WIDTH.powi(right)));
    adjust_window(model, |_, width| {
        (-f64::from(down) * DRAG_LEVEL * width, width)
    });
    redraw(model)
}

pub fn canvas_and_shape(model: &Model) -> Option<(Canvas, FilmShape)> {
    let shape = model.viewer.facts.as_ref()?.shape();
    Some((model.viewer.canvas?, shape))
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

/// The films that the reader will probably see next, each with the one that will stand beside it.
fn neighbours(model: &Model) -> Vec<Arc<Path>> {
    let list = &model.worklist;
    let mut indices = Vec::new();
    for index in list.neighbour_indices() {
        indices.push(index);
        let is_on = model.comparison.on && model.comparison.marked.is_none();
        let prior = is_on.then(|| list.prior(index).ok()).flatten();
        indices.extend(prior.map(|prior| prior.index));
    }
    let paths = indices.into_iter().filter_map(|index| list.entry(index));
    paths.map(|entry| entry.path.clone()).collect()
}

/// Requests the image on the screen in its current view.
pub(super) fn redraw(model: &Model) -> Vec<Effect> {
    job(model).map(Effect::Redraw).into_iter().collect()
}

/// A request for the image on the screen; `None` if another one is selected, as in the grid.
fn job(model: &Model) -> Option<ImageJob> {
    let entry = model.worklist.selected()?;
    if model.viewer.source.as_ref() != Some(&entry.path) {
        return None;
    }
    let canvas = model.viewer.canvas?;
    Some(ImageJob {
        source: entry.path.clone(),
        generation: model.viewer.generation,
        frame: RenderRequest {
            view: model.viewer.view,
            canvas,
            heat_map: model.heat_map_layer(),
            marks: model.viewer.marks.clone(),
        },
        scored: entry.prediction().map(|prediction| prediction.content),
        maps: model.viewer.map_asked,
        model: model.choices.current,
        neighbours: neighbours(model),
    })
}
