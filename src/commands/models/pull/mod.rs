//! `cxr models pull`: fetches a model from the Hugging Face hub and imports it.

#[cfg(feature = "pull")]
mod hub;
mod source;

use std::process::ExitCode;

use anyhow::Result;

#[cfg(feature = "pull")]
use self::hub::pull;
use self::source::HubModel;
use super::as_usage;
use crate::cli::{Import, Pull};
use crate::commands::shared::Usage;
use crate::model_library::{ModelLibrary, ModelLibraryError, check_name, check_new_name};

/// Fetches and imports a model, under its own name or the one that is given.
///
/// # Errors
/// [`Usage`], if there is no such model or its name is taken; or if it cannot be fetched or imported.
pub fn run(arguments: &Pull, library: &ModelLibrary) -> Result<ExitCode> {
    let model = HubModel::parse(&arguments.model)?;
    let name = arguments.name.clone().unwrap_or_else(|| model.name.clone());
    check_name(&name).map_err(|error| Usage::error(format!("{error}; give one with --name")))?;
    check_new_name(&name).map_err(as_usage)?;
    // Nothing is fetched that cannot be imported.
    if !arguments.force && library.find(&name).map_err(as_usage)?.is_some() {
        return Err(as_usage(ModelLibraryError::Taken(name)));
    }
    if model.published().is_some() && (arguments.labels.is_some() || arguments.scores.is_some()) {
        return Err(Usage::error(format!(
            "{model}: cxr knows its labels and scores, so that --labels and --scores are not for it"
        )));
    }
    let options = Import {
        name: Some(name),
        labels: arguments.labels.clone(),
        scores: arguments.scores,
        force: arguments.force,
        ..Import::default()
    };
    pull(&model, options, library)
}

#[cfg(not(feature = "pull"))]
fn pull(model: &HubModel, options: Import, _: &ModelLibrary) -> Result<ExitCode> {
    Err(Usage::error(format!(
        "this cxr was built without the network (feature `pull`); {}",
        model.by_hand(&options.name.unwrap_or_default())
    )))
}
