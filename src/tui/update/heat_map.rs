//! The heat map: on or off, its label, its opacity.

use super::Effect;
use super::image::redraw;
use super::models::select_again;
use crate::domain::{HeatMapChoice, InputCheck, LabelCard, ModelCard, Pathology, Prediction};
use crate::tui::keymap::Action;
use crate::tui::model::Model;

const OPACITY_STEP: f32 = 0.1;

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if let Some(obstacle) = obstacle(model) {
        model.notice = Some(obstacle.to_owned());
        return vec![];
    }
    let was_on = model.heat_map.on;
    match action {
        Action::HeatMap => model.heat_map.on = !was_on,
        // The first press shows the map that is chosen; the next one moves on.
        _ if !was_on => model.heat_map.on = true,
        Action::NextHeatMap => model.heat_map.choice = next_choice(model),
        Action::FainterHeatMap => step_opacity(model, -OPACITY_STEP),
        Action::StrongerHeatMap => step_opacity(model, OPACITY_STEP),
        _ => return vec![],
    }
    if model.heat_map.on && asks_for_map(model) {
        return select_again(model);
    }
    if model.heat_map.on {
        model.notice = absence(model).map(str::to_owned);
    }
    redraw(model)
}

/// A prediction has arrived: if the heat map is on, it can be shown now. In the grid no image is on the screen.
pub fn on_prediction(model: &mut Model) -> Vec<Effect> {
    if model.grid.is_open {
        return vec![];
    }
    match model.heat_map_layer() {
        None if model.heat_map.on && asks_for_map(model) => select_again(model),
        Some(_) => redraw(model),
        None => vec![],
    }
}

/// Whether to request a heat map. Predictions from background scoring and from the prediction cache have
/// none; it is requested once for each selection.
fn asks_for_map(model: &Model) -> bool {
    model.lacks_map() && !model.viewer.map_asked
}

/// The reason why this model or this terminal can show no heat map at all.
fn obstacle(model: &Model) -> Option<&'static str> {
    if model.card().is_some_and(|card| !card.has_heat_maps()) {
        Some("no heat map for this model")
    } else if model.painting == "off" {
        Some("a heat map lies over the image, and --graphics off paints none")
    } else if !model.colour {
        Some("a heat map needs colour, and there is none here (see --color and NO_COLOR)")
    } else {
        None
    }
}

/// The reason why this image has no heat map; `None` also while its prediction has not arrived.
fn absence(model: &Model) -> Option<&'static str> {
    let prediction = model.prediction()?;
    match prediction.input {
        InputCheck::Refused(_) => Some("no heat map: this image was refused"),
        _ if model.heat_map.choice == HeatMapChoice::Lungs => {
            let has_none = model.lung_fields().is_none();
            has_none.then_some("no outline of the lungs: the model gives none here")
        }
        _ if is_withheld(model, prediction) => {
            Some("no heat map: this film is unlike those that the label was learned from")
        }
        _ if prediction.hides_heat_map(&model.heat_map.choice) => {
            Some("no heat map of a cause: no pneumonia was found, or the outputs disagree")
        }
        _ if prediction.heat_map(&model.heat_map.choice).is_none() => {
            Some("no heat map: the model gives none here")
        }
        _ => None,
    }
}

/// Whether the chosen label gets no number for this image.
fn is_withheld(model: &Model, prediction: &Prediction) -> bool {
    match &model.heat_map.choice {
        HeatMapChoice::Label(label) => prediction.is_withheld(label.name()),
        HeatMapChoice::Foremost | HeatMapChoice::Difference | HeatMapChoice::Lungs => false,
    }
}

/// Foremost label → each label with a map of its own that this image does not hide → difference → lungs, where they were
/// looked for → foremost label.
/// A model whose labels have no maps of their own has one map, its attention.
fn next_choice(model: &Model) -> HeatMapChoice {
    let card = model
        .card()
        .filter(|card| card.has_label_maps())
        .into_iter();
    let labels: Vec<&LabelCard> = card.flat_map(ModelCard::outputs).collect();
    let mut choices = vec![HeatMapChoice::Foremost];
    let label = |name: &String| HeatMapChoice::Label(Pathology(name.clone()));
    choices.extend(labels.iter().map(|card| label(&card.name)));
    if labels.len() > 1 {
        choices.push(HeatMapChoice::Difference);
    }
    let has_lungs = |prediction: &Prediction| prediction.lungs.is_some();
    if model.prediction().is_some_and(has_lungs) {
        choices.push(HeatMapChoice::Lungs);
    }
    let distinct = distinct(model, choices);
    let now = &model.heat_map.choice;
    let same = |choice: &HeatMapChoice| choice == now || is_same_map(model, choice, now);
    let at = distinct.iter().position(same);
    let next = at.map_or(0, |at| (at + 1) % distinct.len().max(1));
    distinct.into_iter().nth(next).unwrap_or_default()
}

/// The choices that show something, each map once. What this image hides is passed over: no key press ends in words
/// alone.
fn distinct(model: &Model, choices: Vec<HeatMapChoice>) -> Vec<HeatMapChoice> {
    let is_hidden = |choice: &HeatMapChoice| {
        let prediction = model.prediction();
        prediction.is_some_and(|prediction| prediction.hides_heat_map(choice))
    };
    let mut distinct: Vec<HeatMapChoice> = Vec::new();
    for choice in choices {
        let is_there = distinct
            .iter()
            .any(|other| is_same_map(model, &choice, other));
        if !is_there && !is_hidden(&choice) {
            distinct.push(choice);
        }
    }
    distinct
}

/// Whether two choices show the same map of this image, as *highest label* and that label do.
fn is_same_map(model: &Model, one: &HeatMapChoice, other: &HeatMapChoice) -> bool {
    let map = |choice: &HeatMapChoice| match choice {
        HeatMapChoice::Lungs => None,
        choice => model.prediction()?.shown_heat_map(choice),
    };
    match (map(one), map(other)) {
        (Some(one), Some(other)) => one.subject == other.subject || one.values == other.values,
        _ => false,
    }
}

fn step_opacity(model: &mut Model, step: f32) {
    let opacity = (model.heat_map.opacity + step).clamp(OPACITY_STEP, 1.0);
    // Rounded to tenths, so that many steps do not add up rounding errors.
    model.heat_map.opacity = (opacity * 10.0).round() / 10.0;
}
