//! What goes elsewhere: the picture and the report as files, and a film or its folder in another program.

use std::sync::Arc;

use super::{Effect, say};
use crate::domain::{InputCheck, MarkLayer};
use crate::tui::hooks::OpenTarget;
use crate::tui::keymap::Action;
use crate::tui::model::Model;
use crate::worker::RenderRequest;

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::SavePicture => save_picture(model),
        Action::Report => report(model),
        Action::OpenFolder => open(model, OpenTarget::Folder),
        _ => open(model, OpenTarget::Film),
    }
}

const NOT_OPEN: &str = "the image is not open: nothing to write";

/// The picture as it is shown, without the cursor and without a mark that is not finished.
fn save_picture(model: &mut Model) -> Vec<Effect> {
    let Some(canvas) = model.viewer.canvas.filter(|canvas| canvas.width > 0) else {
        return say(model, "no picture is painted here (--graphics off)");
    };
    if model.viewer.facts.is_none() {
        return say(model, NOT_OPEN);
    }
    let finished = |layer: Arc<MarkLayer>| {
        let mut layer = MarkLayer::clone(&layer);
        layer.cursor = None;
        layer.marks.retain(|mark| mark.number.is_some());
        (!layer.marks.is_empty()).then(|| Arc::new(layer))
    };
    let frame = RenderRequest {
        view: model.viewer.view,
        canvas,
        heat_map: model.heat_map_layer(),
        marks: model.mark_layer().and_then(finished),
    };
    model.notice = Some("saving the picture …".to_owned());
    vec![Effect::SavePicture(model.viewer.generation, frame)]
}

fn report(model: &mut Model) -> Vec<Effect> {
    if model.is_hidden() {
        return say(
            model,
            "a report shows the answer, which is hidden until you have made your own call",
        );
    }
    let (Some(source), Some(_)) = (model.viewer.source.clone(), &model.viewer.facts) else {
        return say(model, NOT_OPEN);
    };
    let Some(card) = model.card() else {
        return say(
            model,
            "no model is loaded yet, so there is nothing to report",
        );
    };
    let model_sha256 = card.sha256.clone();
    let is_refused = model
        .prediction()
        .is_some_and(|prediction| matches!(prediction.input, InputCheck::Refused(_)));
    let foretells = model.prognosis && !is_refused;
    model.notice = Some("writing the report …".to_owned());
    vec![Effect::WriteReport {
        generation: model.viewer.generation,
        source,
        model: model_sha256,
        heat_map: model.heat_map.choice.clone(),
        assumed: model.assumed.clone(),
        foretells,
    }]
}

fn open(model: &mut Model, target: OpenTarget) -> Vec<Effect> {
    match model.worklist.selected() {
        Some(entry) => vec![Effect::Open(target, entry.path.clone())],
        None => say(model, "no image to open"),
    }
}
