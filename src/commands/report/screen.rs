//! The report of the film on the screen, by a key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::PageInputs;
use super::page::ShownPatient;
use crate::commands::shared::numbered_file::{stem_of, write_numbered};
use crate::commands::shared::{CommandContext, model_library};
use crate::inference::{Classify, ModelFiles};
use crate::tui::hooks::{Hook, ReportOrder};

/// Writes reports of films into the current folder: as `cxr report` does, without the patient, with the model and the
/// prevalences of the screen.
pub fn hook(context: CommandContext, store: Option<PathBuf>) -> Hook<ReportOrder> {
    Arc::new(move |order| {
        let written = write(order, &context, store.as_deref());
        let name = written.map_err(|error| format!("{error:#}"))?;
        Ok(format!("report written to {}", name.display()))
    })
}

fn write(order: &ReportOrder, context: &CommandContext, store: Option<&Path>) -> Result<PathBuf> {
    let model = model_of(&order.model, context)?;
    let classifier = model.classifier(context.compute).context("the model")?;
    let (map, assumed) = (&order.heat_map, &order.assumed);
    let inputs = PageInputs::of(
        &order.film,
        &classifier,
        map,
        assumed,
        &ShownPatient::Hidden,
    );
    let inputs = inputs.map_err(|reason| anyhow!(reason))?;
    let page = inputs.page(&order.source, classifier.card(), order.foretells, store)?;
    let stem = stem_of(order.film.content);
    let written = write_numbered(Path::new("."), &stem, "html", page.as_bytes());
    written.context("writing into the current folder")
}

/// The model with these weights: the one that the session began with, the bundled one, or an imported one.
fn model_of(sha256: &str, context: &CommandContext) -> Result<ModelFiles> {
    let is_it = |files: &ModelFiles| files.card().is_ok_and(|card| card.sha256 == sha256);
    let chosen = context.model_files().ok().filter(is_it);
    if let Some(found) = chosen.or_else(|| Some(ModelFiles::bundled()).filter(is_it)) {
        return Ok(found);
    }
    let imported = model_library()?.models()?;
    let path = imported.into_iter().find_map(|model| {
        let card = model.card.ok()?;
        (card.sha256 == sha256).then_some(model.path)
    });
    let path = path.ok_or_else(|| anyhow!("the model in use is no longer there"))?;
    Ok(ModelFiles::read(&path)?)
}
