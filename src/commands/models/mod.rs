//! `cxr models`: the models of this user, and their cards.

mod check;
mod import;
mod import_folder;
mod import_onnx;
mod import_state_dict;
mod page;
mod provenance;
mod pull;
mod recipe_option;

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::shared::{
    SOME_FAILED, Usage, complain, folders, in_model_option, model_library, print, read_model,
    resolve_model,
};
use crate::cli::ModelsAction;
use crate::domain::ModelCard;
use crate::domain::text::Printable;
use crate::export::path_text;
use crate::inference::{Classify, Compute, ModelFiles};
use crate::model_library::{InstalledModel, ModelLibrary, ModelLibraryError};

/// Where a model is that has the name of the bundled one, and what its user should know.
const HIDDEN: &str =
    "store, never used: the bundled model has its name; import it again with --name and --force";

/// Runs `cxr models`. `model` is the value of `--model`, a name or a path.
///
/// # Errors
/// [`Usage`], if there is no such model; or if a file cannot be read or written.
pub fn run(action: &ModelsAction, model: Option<&Path>) -> Result<ExitCode> {
    match action {
        ModelsAction::List => list(model),
        ModelsAction::Show { name } => show(name.as_deref(), model),
        ModelsAction::Import(arguments) => import::run(arguments, &model_library()?),
        ModelsAction::Pull(arguments) => pull::run(arguments, &model_library()?),
        ModelsAction::Check(arguments) => check::run(arguments),
        ModelsAction::Remove { name } => {
            model_library()?.remove(name).map_err(as_usage)?;
            print(&Printable::page(&format!("{name}: removed\n")))
        }
        ModelsAction::Verify { name } => verify(name.as_deref(), &model_library()?),
    }
}

/// An error of the library: bad usage, if the user can mend it by typing something else.
fn as_usage(error: ModelLibraryError) -> anyhow::Error {
    match error {
        ModelLibraryError::Unknown(_)
        | ModelLibraryError::Name(_)
        | ModelLibraryError::Bundled(_)
        | ModelLibraryError::Taken(_)
        | ModelLibraryError::Several { .. }
        | ModelLibraryError::Known(_) => Usage::error(error.to_string()),
        other => other.into(),
    }
}

/// The imported models; none if the environment does not say where they are.
fn installed() -> Result<Vec<InstalledModel>> {
    match folders::models() {
        None => Ok(Vec::new()),
        Some(folder) => Ok(ModelLibrary::at(folder).models()?),
    }
}

/// Lists the model of `--model`, or else the bundled one and the imported ones.
fn list(model: Option<&Path>) -> Result<ExitCode> {
    if let Some(asked) = model {
        let model = used(Some(asked))?;
        return print(&Printable::page(&line(&model.card()?, &path_text(asked))));
    }
    let bundled = ModelFiles::bundled().card()?;
    let mut lines = line(&bundled, "bundled");
    let mut broken = false;
    for model in installed()? {
        match &model.card {
            // Imported before its name was refused.
            Ok(card) if card.name == bundled.name => lines += &line(card, HIDDEN),
            Ok(card) => lines += &line(card, "store"),
            Err(error) => {
                complain(&error.to_string());
                broken = true;
            }
        }
    }
    print(&Printable::page(&lines))?;
    Ok(ExitCode::from(if broken { SOME_FAILED } else { 0 }))
}

/// The files of the model in use, with weights that match the card.
fn used(model: Option<&Path>) -> Result<ModelFiles> {
    let path = match model {
        Some(model) => resolve_model(model.to_owned()).map_err(in_model_option)?,
        None => None,
    };
    read_model(path.as_deref())
}

/// Shows a card. The model is loaded first, so that only a working model has its card shown.
fn show(name: Option<&str>, model: Option<&Path>) -> Result<ExitCode> {
    let used = used(model)?;
    let named = match name {
        Some(name) if used.card()?.name != name => {
            let library = folders::models().map(ModelLibrary::at);
            let found = library.map_or(Ok(None), |library| library.find(name));
            let Some(path) = found.map_err(as_usage)? else {
                return Err(Usage::error(format!(
                    "no model is called {name}; `cxr models list` names them"
                )));
            };
            ModelFiles::read(&path).map_err(|error| Usage::error(error.to_string()))?
        }
        _ => used,
    };
    let loaded = named
        .classifier(Compute::default())
        .map_err(|error| match model {
            Some(_) => Usage::error(format!("model {error}")),
            None => error.into(),
        })?;
    print(&page::page(loaded.card()))
}

/// Verifies the imported models, or only the one of that name.
fn verify(name: Option<&str>, library: &ModelLibrary) -> Result<ExitCode> {
    let models: Vec<InstalledModel> = library
        .models()?
        .into_iter()
        .filter(|model| name.is_none_or(|name| model.name() == name))
        .collect();
    if let (Some(name), true) = (name, models.is_empty()) {
        return Err(as_usage(ModelLibraryError::Unknown(name.to_owned())));
    }
    let mut text = String::new();
    let mut code = ExitCode::SUCCESS;
    for model in &models {
        match model.verify() {
            // Writing to a string cannot fail.
            Ok(()) => _ = writeln!(text, "{}: ok", model.name()),
            Err(error) => {
                complain(&error.to_string());
                code = ExitCode::from(SOME_FAILED);
            }
        }
    }
    print(&Printable::page(&text)).context("the list")?;
    Ok(code)
}

/// One line of the list. `origin` says where the model is from.
fn line(card: &ModelCard, origin: &str) -> String {
    let labels: Vec<_> = card
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    format!(
        "{} {}  {}  {origin}\n",
        card.name,
        card.version,
        labels.join(", ")
    )
}
