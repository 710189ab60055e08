//! `cxr models`: what models there are, and what each says of itself.

mod import;
mod page;
mod pull;

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{SOME_FAILED, Usage, complain, of_option, print, resolved};
use crate::cli::ModelsAction;
use crate::domain::ModelCard;
use crate::domain::text::Printable;
use crate::export::path_text;
use crate::inference::{Classify, ModelFiles};
use crate::model_library::{InstalledModel, ModelLibrary, ModelLibraryError};

pub fn run(action: &ModelsAction, model: Option<&Path>) -> Result<ExitCode> {
    match action {
        ModelsAction::List => list(model),
        ModelsAction::Show { name } => show(name.as_deref(), model),
        ModelsAction::Import(arguments) => import::run(arguments, &ModelLibrary::of_user()?),
        ModelsAction::Pull { name } => pull::run(name, &ModelLibrary::of_user()?),
        ModelsAction::Remove { name } => {
            ModelLibrary::of_user()?.remove(name).map_err(usage)?;
            print(&Printable::page(&format!("{name}: removed\n")))
        }
        ModelsAction::Verify { name } => verify(name.as_deref(), &ModelLibrary::of_user()?),
    }
}

/// What whoever typed the command can mend.
fn usage(error: ModelLibraryError) -> anyhow::Error {
    match error {
        ModelLibraryError::Unknown(_)
        | ModelLibraryError::Name(_)
        | ModelLibraryError::Taken(_)
        | ModelLibraryError::Known(_) => Usage::error(error.to_string()),
        other => other.into(),
    }
}

/// The models of the store; none, where nothing says where it is.
fn stored() -> Result<Vec<InstalledModel>> {
    match ModelLibrary::of_user() {
        Err(ModelLibraryError::NoHome) => Ok(Vec::new()),
        store => Ok(store?.models()?),
    }
}

/// With `--model`, that one alone; else the bundled one and those of the store.
fn list(model: Option<&Path>) -> Result<ExitCode> {
    if let Some(asked) = model {
        let model = used(Some(asked))?;
        return print(&Printable::page(&line(&model.card()?, &path_text(asked))));
    }
    let mut lines = line(&ModelFiles::bundled().card()?, "bundled");
    let mut broken = false;
    for model in stored()? {
        match &model.card {
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

/// The files of the model that is used, of which the weights were compared with the card.
fn used(model: Option<&Path>) -> Result<ModelFiles> {
    let path = match model {
        Some(model) => resolved(model.to_owned()).map_err(of_option)?,
        None => None,
    };
    super::model_files(path.as_deref())
}

/// Loads it, so that a card is shown only of a model that works.
fn show(name: Option<&str>, model: Option<&Path>) -> Result<ExitCode> {
    let used = used(model)?;
    let named = match name {
        Some(name) if used.card()?.name != name => {
            let found = stored()?.into_iter().find(|model| model.name() == name);
            let Some(found) = found else {
                return Err(Usage::error(format!(
                    "no model is called {name}; `cxr models list` names them"
                )));
            };
            ModelFiles::read(&found.path).map_err(|error| Usage::error(error.to_string()))?
        }
        _ => used,
    };
    let loaded = named.classifier().map_err(|error| match model {
        Some(_) => Usage::error(format!("model {error}")),
        None => error.into(),
    })?;
    print(&page::page(loaded.card()))
}

fn verify(name: Option<&str>, store: &ModelLibrary) -> Result<ExitCode> {
    let models: Vec<InstalledModel> = store
        .models()?
        .into_iter()
        .filter(|model| name.is_none_or(|name| model.name() == name))
        .collect();
    if let (Some(name), true) = (name, models.is_empty()) {
        return Err(usage(ModelLibraryError::Unknown(name.to_owned())));
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

fn line(card: &ModelCard, place: &str) -> String {
    let labels: Vec<_> = card
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    format!(
        "{} {}  {}  {place}\n",
        card.name,
        card.version,
        labels.join(", ")
    )
}
