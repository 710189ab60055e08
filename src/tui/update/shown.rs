//! The answers that the reader has seen: a blinded reading of such an image later is not an unaided one.

use super::Effect;
use crate::domain::ContentId;
use crate::store::Request;
use crate::tui::model::Model;

/// Tells the log about the answers that are on the screen for the first time, in the list or beside the image.
/// During blinded reading an answer is shown only after a call, so there is nothing to tell.
pub fn after(model: &mut Model) -> Option<Effect> {
    if model.blinded.is_some() {
        return None;
    }
    let list = &model.worklist;
    let height = usize::from(model.panes.worklist.height);
    let first = list.first_visible(height);
    let rows = match model.grid.is_open {
        true => model
            .grid
            .visible(model.grid.layout(model.size), list.len()),
        false => first..first + height,
    };
    // A row that the current model has not scored shows the answer of another model.
    let in_list = rows.filter_map(|row| match list.row(row)?.prediction() {
        Some(prediction) => Some(prediction),
        None => list.other_prediction(row).map(|(_, prediction)| prediction),
    });
    let beside = (model.comparison.canvas.is_some()).then(|| model.compared_prediction());
    let answers = in_list.chain(model.prediction()).chain(beside.flatten());
    let mut new: Vec<ContentId> = answers.map(|prediction| prediction.content).collect();
    new.retain(|content| model.reviews.answers_shown.insert(*content));
    (!new.is_empty()).then_some(Effect::Ask(Request::AnswersShown(new)))
}
