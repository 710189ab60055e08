//! Whose answers the reader has seen: a blinded reading after that is no unaided one.

use super::Effect;
use crate::domain::ContentId;
use crate::store::Request;
use crate::tui::model::Model;

/// Tells the log of the answers that come on the screen for the first time, in the list or beside the
/// picture. While images are read blinded, what is shown follows a call.
pub fn after(model: &mut Model) -> Option<Effect> {
    if model.blinded.is_some() {
        return None;
    }
    let list = &model.worklist;
    let height = usize::from(model.panes.worklist.height);
    let first = list.first_visible(height);
    let rows = first..first + height;
    // Of a row that the model in use has not read, another's answer is shown.
    let in_list = rows.filter_map(|row| match list.row(row)?.prediction() {
        Some(said) => Some(said),
        None => list.said_elsewhere(row).map(|(_, said)| said),
    });
    let answers = in_list.chain(model.prediction());
    let mut new: Vec<ContentId> = answers.map(|said| said.content).collect();
    new.retain(|content| model.reviews.answers_shown.insert(*content));
    (!new.is_empty()).then_some(Effect::Ask(Request::AnswersShown(new)))
}
