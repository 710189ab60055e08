//! Marks on the image on the screen, made by keys or with the mouse. Each is a review: it is recorded, undone and redone
//! like a note.

use ratatui::layout::{Position, Rect};

use super::image::{PicturePlace, redraw};
use super::models::select_again;
use super::review::{is_beside_hidden, judge, remember_to_call, selected};
use super::{Effect, open_prompt, say};
use crate::domain::text::clean;
use crate::domain::{Act, FilmShape, MOST_MARKS, Mark, MarkKind, MarkPoint, ShownPart};
use crate::tui::keymap::{Action, KeyMode};
use crate::tui::model::{FilmSide, MarkDraft, MarkStep, Model, PromptKind};

/// Cells of a coarse step.
const COARSE: f64 = 4.0;
/// A click this near to a mark, in cells, selects it.
const NEAR: f64 = 1.5;

/// Performs one of the actions of marks.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    // A key of marks ends the setting of the window that began over them: the next arrow moves the cursor.
    if model.is_marking() && action != Action::ShowMarks {
        model.enter_mode(KeyMode::Mark);
    }
    match action {
        Action::Mark => begin(model),
        Action::ShowMarks => show(model),
        Action::MarkLeft => step(model, -1.0, 0.0),
        Action::MarkRight => step(model, 1.0, 0.0),
        Action::MarkUp => step(model, 0.0, -1.0),
        Action::MarkDown => step(model, 0.0, 1.0),
        Action::MarkStep => {
            model.marking.step = model.marking.step.next();
            vec![]
        }
        Action::MarkRuler => draft(model, MarkKind::Ruler),
        Action::MarkRatio => draft(model, MarkKind::CardiothoracicRatio),
        Action::MarkAngle => draft(model, MarkKind::Angle),
        Action::MarkPoint => draft(model, MarkKind::Point),
        Action::MarkBox => draft(model, MarkKind::Box),
        Action::MarkSet => set_by_key(model),
        Action::MarkNext => select_next(model),
        Action::MarkLabel => ask_for_label(model),
        Action::MarkDelete => delete(model),
        _ => {
            leave(model);
            vec![]
        }
    }
}

/// Goes back by one: the mark that is being made, then the mode.
pub fn back(model: &mut Model) {
    if model.marking.draft.take().is_none() {
        leave(model);
    }
}

fn leave(model: &mut Model) {
    model.end_mode(KeyMode::Mark);
    model.marking.draft = None;
    model.marking.selected = None;
}

fn begin(model: &mut Model) -> Vec<Effect> {
    if model.painting == "off" {
        return say(
            model,
            "marks lie on the image, and --graphics off paints none",
        );
    }
    if let Err(reason) = may_mark(model) {
        return say(model, &reason);
    }
    // Setting the window is over then, unless it began over marks: they come back.
    if !model.is_marking() {
        model.end_mode(KeyMode::Window);
    }
    model.enter_mode(KeyMode::Mark);
    vec![]
}

/// Whether the image on the screen may be marked now.
///
/// # Errors
/// The reason why not.
fn may_mark(model: &Model) -> Result<(), String> {
    selected(model)?;
    if is_beside_hidden(model) {
        return Err(remember_to_call(model));
    }
    Ok(())
}

/// Whether the image on the screen may get one more mark now.
///
/// # Errors
/// The reason why not.
fn may_add(model: &Model) -> Result<(), String> {
    may_mark(model)?;
    if model.marks().len() >= MOST_MARKS {
        return Err("this image has as many marks as it may have: delete one first".to_owned());
    }
    Ok(())
}

fn show(model: &mut Model) -> Vec<Effect> {
    let count = model.marks().len();
    if count == 0 {
        let key = model.keymap.display_key(Action::Mark);
        return say(model, &format!("no marks on this image: {key} makes some"));
    }
    model.marking.are_hidden = !model.marking.are_hidden;
    vec![]
}

/// Begins a mark. The lines of a cardiothoracic ratio are those that the model offers, if it has some that may be shown:
/// each end is then confirmed, or moved and confirmed.
fn draft(model: &mut Model, kind: MarkKind) -> Vec<Effect> {
    if let Err(reason) = may_add(model) {
        return say(model, &reason);
    }
    if kind == MarkKind::Point && model.localises(MarkKind::Box) && !model.localises(kind) {
        let key = model.keymap.display_key(Action::MarkBox);
        return say(
            model,
            &format!("in this study a lesion is marked by a box: {key}"),
        );
    }
    model.marking.selected = None;
    model.marking.draft = Some(MarkDraft::new(kind));
    if kind == MarkKind::CardiothoracicRatio {
        take_offer(model);
        // A prediction of the cache has no lines: the image is scored again, once, and they come with that.
        if model.lacks_offer() && !model.viewer.map_asked {
            model.marking.wants_offer = true;
            return select_again(model);
        }
    }
    vec![]
}

/// Takes the lines that the model offers for a mark that has no point yet.
fn take_offer(model: &mut Model) {
    let offered = model.offered_ratio();
    let Some(draft) = &mut model.marking.draft else {
        return;
    };
    let is_open = draft.kind == MarkKind::CardiothoracicRatio
        && draft.points.is_empty()
        && draft.offered.is_none();
    if let Some(offered) = offered.filter(|_| is_open) {
        model.marking.cursor = offered.first().copied();
        draft.offered = Some(offered);
        model.notice =
            Some("the model's lines are offered: confirm each end, or move it first".to_owned());
    }
}

/// Sets the next point at the cursor, if that is in sight: the mouse can move the view away from it.
fn set_by_key(model: &mut Model) -> Vec<Effect> {
    if model.marking.draft.is_none() || is_cursor_seen(model) {
        return set(model);
    }
    keep_in_sight(model);
    let key = model.keymap.display_key(Action::MarkSet);
    model.notice = Some(format!("the cursor was out of sight: {key} sets the point"));
    redraw(model)
}

/// Sets the next point at the cursor. After the last one the mark is recorded.
fn set(model: &mut Model) -> Vec<Effect> {
    let scale = model.film_scale();
    let Some(cursor) = model.marking.cursor else {
        return vec![];
    };
    let Some(draft) = &mut model.marking.draft else {
        let keys = [Action::MarkRuler, Action::MarkPoint, Action::MarkBox];
        let [ruler, point, corners] = keys.map(|action| model.keymap.display_key(action));
        return say(
            model,
            &format!("choose first: {ruler} ruler, {point} point, {corners} box …"),
        );
    };
    let is_flat = |first: &MarkPoint| first.x == cursor.x || first.y == cursor.y;
    if draft.kind == MarkKind::Box && draft.points.first().is_some_and(is_flat) {
        return say(
            model,
            "a box needs a width and a height: move the cursor first",
        );
    }
    if is_on_the_last(draft, cursor) {
        return say(
            model,
            "both ends are in the same place: move the cursor first",
        );
    }
    draft.points.push(cursor);
    if draft.points.len() < draft.kind.points() {
        let at = draft.points.len();
        let offered = draft.offered.as_ref().and_then(|offered| offered.get(at));
        if let Some(next) = offered.copied() {
            model.marking.cursor = Some(next);
            keep_in_sight(model);
        }
        return vec![];
    }
    let (kind, points) = (draft.kind, std::mem::take(&mut draft.points));
    let offered = draft.offered.is_some();
    model.marking.draft = None;
    let Some(mark) = Mark::new(kind, points, scale) else {
        return vec![];
    };
    add(model, Mark { offered, ..mark })
}

/// Whether the next point would lie on the one that it makes a line with.
fn is_on_the_last(draft: &MarkDraft, cursor: MarkPoint) -> bool {
    let begins_a_line =
        draft.kind == MarkKind::CardiothoracicRatio && draft.points.len().is_multiple_of(2);
    !begins_a_line && draft.points.last() == Some(&cursor)
}

fn add(model: &mut Model, mark: Mark) -> Vec<Effect> {
    if model.marks().contains(&mark) {
        return say(model, "this very mark is there already");
    }
    // A redo may have brought one back meanwhile.
    if let Err(reason) = may_add(model) {
        return say(model, &reason);
    }
    let words = format!("{} {}", mark.kind.word(), mark.measure_words());
    let mut effects = judge(model, Act::Marked, |opinion| {
        opinion.marks.push(mark.clone());
    });
    if !effects.is_empty() {
        model.notice = Some(words.trim_end().to_owned());
        let needs_rating = model.localises(mark.kind);
        model.marking.selected = Some(mark);
        if needs_rating {
            effects.extend(ask_for_label(model));
        }
    }
    effects
}

fn select_next(model: &mut Model) -> Vec<Effect> {
    let count = model.marks().len();
    if count == 0 {
        return say(model, "no marks on this image yet");
    }
    let now = model.selected_mark().map_or(0, |(number, _)| number);
    let next = model.marks().get(now % count).cloned();
    choose(model, next);
    vec![]
}

/// Selects a mark, and goes to its first point.
fn choose(model: &mut Model, mark: Option<Mark>) {
    let point = mark.as_ref().and_then(|mark| mark.points.first().copied());
    model.marking.draft = None;
    model.marking.selected = mark;
    if point.is_some() {
        model.marking.cursor = point;
        keep_in_sight(model);
    }
}

fn nothing_selected(model: &mut Model) -> Vec<Effect> {
    let key = model.keymap.display_key(Action::MarkNext);
    say(model, &format!("no mark is selected: {key} selects one"))
}

fn delete(model: &mut Model) -> Vec<Effect> {
    let Some((_, mark)) = model.selected_mark() else {
        return nothing_selected(model);
    };
    let (mark, word) = (mark.clone(), mark.kind.word());
    let effects = judge(model, Act::Marked, |opinion| {
        opinion.marks.retain(|other| *other != mark);
    });
    if !effects.is_empty() {
        let key = model.keymap.display_key(Action::Undo);
        model.notice = Some(format!("{word} removed: {key} brings it back"));
        model.marking.selected = None;
    }
    effects
}

fn ask_for_label(model: &mut Model) -> Vec<Effect> {
    let Some((_, mark)) = model.selected_mark() else {
        return nothing_selected(model);
    };
    let mark = mark.clone();
    match selected(model) {
        Ok((source, content, _)) => model.about = Some((source, content)),
        Err(reason) => return say(model, reason),
    }
    let text = mark.label_words();
    model.marking.labelled = Some(mark);
    open_prompt(model, PromptKind::MarkLabel, text)
}

/// Gives the mark that the prompt was opened for the label that was typed.
pub fn label(model: &mut Model, typed: &str) -> Vec<Effect> {
    let typed = &model.label_typed(typed);
    let Some(mark) = model.marking.labelled.take() else {
        return vec![];
    };
    let new = match mark.labelled(&clean(typed)) {
        Ok(new) => new,
        Err(reason) => return say(model, &reason),
    };
    let effects = judge(model, Act::Marked, |opinion| {
        let mut marks = opinion.marks.iter_mut();
        if let Some(found) = marks.find(|other| **other == mark) {
            *found = new.clone();
        }
    });
    if !effects.is_empty() {
        model.marking.selected = Some(new);
    }
    effects
}

/// Moves the cursor by so many steps.
fn step(model: &mut Model, right: f64, down: f64) -> Vec<Effect> {
    let (Some(cursor), Some(shape)) = (model.marking.cursor, shape(model)) else {
        return vec![];
    };
    let pixels = match model.marking.step {
        MarkStep::Pixel => None,
        MarkStep::Cell => cell(model),
        MarkStep::Coarse => cell(model).map(|cell| cell * COARSE),
    };
    // The same distance on the film in both directions.
    let (wide, tall) = match pixels {
        Some(pixels) => (pixels, pixels / shape.pixel_aspect),
        None => (1.0, 1.0),
    };
    let (x, y) = cursor.pixels();
    model.marking.cursor = Some(within(shape, (x + right * wide, y + down * tall)));
    keep_in_sight(model);
    vec![]
}

fn shape(model: &Model) -> Option<FilmShape> {
    model.viewer.facts.as_ref().map(|facts| facts.shape())
}

/// The width of a cell of the screen in stored pixels.
fn cell(model: &Model) -> Option<f64> {
    let (canvas, shape) = (model.viewer.canvas?, shape(model)?);
    let ShownPart { left, right, .. } = model.viewer.view.shown_part(canvas, shape)?;
    let pixels = model.viewer.view.shown_pixels(canvas, shape)?;
    let a_pixel = (right - left) * shape.width / pixels;
    let cells = f64::from(model.panes.image.width.max(1));
    Some(a_pixel * canvas.width as f64 / cells)
}

/// The nearest point of the film.
fn within(shape: FilmShape, (x, y): (f64, f64)) -> MarkPoint {
    MarkPoint::at(x.clamp(0.0, shape.width), y.clamp(0.0, shape.height))
}

/// Whether the cursor is in the visible part, or there is none.
fn is_cursor_seen(model: &Model) -> bool {
    let part = model
        .viewer
        .canvas
        .zip(shape(model))
        .and_then(|(canvas, shape)| {
            let part = model.viewer.view.shown_part(canvas, shape)?;
            // Half a stored pixel.
            Some((part, 0.5 / shape.width, 0.5 / shape.height))
        });
    let Some(((part, right, down), (x, y))) = part.zip(model.mark_cursor()) else {
        return true;
    };
    let across = part.left - right..=part.right + right;
    across.contains(&x) && (part.top - down..=part.bottom + down).contains(&y)
}

/// Pans where the cursor has left the visible part.
fn keep_in_sight(model: &mut Model) {
    if is_cursor_seen(model) {
        return;
    }
    if let Some(cursor) = model.mark_cursor() {
        let view = &mut model.viewer.view;
        view.centre = cursor;
        view.pan_by(0.0, 0.0);
    }
}

/// The point of the film in the middle of a cell of the screen. Beside the picture it is the nearest one that is seen.
fn point_at(model: &Model, at: Position) -> Option<MarkPoint> {
    let place = PicturePlace::of(model, FilmSide::Selected)?;
    let Rect { x, y, .. } = place.cells;
    let (right, bottom) = (place.cells.right(), place.cells.bottom());
    let at = Position {
        x: at.x.clamp(x, right.saturating_sub(1).max(x)),
        y: at.y.clamp(y, bottom.saturating_sub(1).max(y)),
    };
    let shape = shape(model)?;
    let (x, y) = place.point_at(&model.viewer.view, at)?;
    Some(within(shape, (x * shape.width, y * shape.height)))
}

/// Whether the picture covers a cell of the screen.
fn is_on_picture(model: &Model, at: Position) -> bool {
    let place = PicturePlace::of(model, FilmSide::Selected);
    place.is_some_and(|place| place.cells.contains(at))
}

/// Whether a press of the mouse belongs to a mark: it sets a point of one that is being made, or selects the one that it
/// hits.
pub fn press(model: &mut Model, at: Position) -> bool {
    if !model.is_marking() || !is_on_picture(model, at) {
        return false;
    }
    let Some(point) = point_at(model, at) else {
        return false;
    };
    if model.marking.draft.is_some() {
        model.marking.cursor = Some(point);
        return true;
    }
    let near = cell(model).map(|cell| cell * NEAR);
    let (Some(near), Some(shape)) = (near, shape(model)) else {
        return false;
    };
    let distance = |mark: &&Mark| distance(mark, point, shape.pixel_aspect);
    let nearest = model.marks().iter().min_by(|a, b| {
        let [a, b] = [a, b].map(distance);
        a.total_cmp(&b)
    });
    let hit = nearest.filter(|mark| distance(mark) <= near).cloned();
    let is_hit = hit.is_some();
    if is_hit {
        choose(model, hit);
    }
    is_hit
}

/// The mouse moves with the button held. The first move sets the point at which the button was pressed.
pub fn drag(model: &mut Model, at: Position, is_first: bool) -> Vec<Effect> {
    let is_long = |draft: &MarkDraft| draft.kind.points() > 1;
    if !model.marking.draft.as_ref().is_some_and(is_long) {
        return vec![];
    }
    let effects = if is_first { set(model) } else { vec![] };
    if let Some(point) = point_at(model, at) {
        model.marking.cursor = Some(point);
    }
    effects
}

/// The button of the mouse is released: that sets a point.
pub fn release(model: &mut Model) -> Vec<Effect> {
    if model.marking.draft.is_none() {
        return vec![];
    }
    set(model)
}

/// How far a point is from the lines of a mark, in widths of a stored pixel.
fn distance(mark: &Mark, point: MarkPoint, aspect: f64) -> f64 {
    let flat = |point: MarkPoint| {
        let (x, y) = point.pixels();
        (x, y * aspect)
    };
    let lines = mark.kind.lines(&mark.points);
    let ends = mark.points.iter().map(|end| [*end, *end]);
    let (px, py) = flat(point);
    let to = |[a, b]: [MarkPoint; 2]| {
        let ((ax, ay), (bx, by)) = (flat(a), flat(b));
        let (dx, dy) = (bx - ax, by - ay);
        let squared = dx * dx + dy * dy;
        let share = match squared > 0.0 {
            true => (((px - ax) * dx + (py - ay) * dy) / squared).clamp(0.0, 1.0),
            false => 0.0,
        };
        (ax + dx * share - px).hypot(ay + dy * share - py)
    };
    lines
        .into_iter()
        .chain(ends)
        .map(to)
        .fold(f64::MAX, f64::min)
}

/// Keeps the marks on the picture up to date after every message: those of another image go, a cursor comes, lines are
/// offered once they are there, and what has changed is drawn.
pub fn refresh(model: &mut Model) -> Option<Effect> {
    let opened = model.viewer.source.clone().zip(model.viewer.facts.as_ref());
    let opened = opened.map(|(source, facts)| (source, facts.content));
    if opened.is_some() && model.marking.of != opened {
        model.marking.leave();
        model.marking.of = opened;
    }
    if model.is_marking() && model.marking.cursor.is_none() {
        model.marking.cursor = middle(model);
    }
    if model.marking.draft.is_some() {
        take_offer(model);
    }
    let layer = model.mark_layer();
    if layer == model.viewer.marks {
        return None;
    }
    model.viewer.marks = layer;
    redraw(model).pop()
}

/// The middle of what is visible.
fn middle(model: &Model) -> Option<MarkPoint> {
    let (canvas, shape) = (model.viewer.canvas?, shape(model)?);
    let (x, y) = model.viewer.view.point_under((0.0, 0.0), canvas, shape)?;
    Some(within(shape, (x * shape.width, y * shape.height)))
}
