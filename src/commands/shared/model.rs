//! From the name of a model to its files.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::{Usage, folders};
use crate::inference::ModelFiles;
use crate::model_library::{ModelLibrary, check_name};

/// The imported models of this user.
///
/// # Errors
/// If the environment does not say where they are.
pub fn model_library() -> Result<ModelLibrary> {
    let folder = folders::models();
    let folder = folder
        .ok_or_else(|| anyhow!("neither XDG_DATA_HOME nor HOME says where models are kept"))?;
    Ok(ModelLibrary::at(folder))
}

/// The weights file of a model that was asked for by its name in the library or by a path; `None` for
/// the bundled one. A folder holds no model of the program's own, so it does not hide the name of the model that was
/// imported from it.
///
/// # Errors
/// [`Usage`], if it is neither.
pub fn resolve_model(model: PathBuf) -> Result<Option<PathBuf>> {
    let name = model.to_str().filter(|name| check_name(name).is_ok());
    let Some(name) = name.filter(|_| !model.is_file()) else {
        return Ok(Some(model));
    };
    if ModelFiles::bundled().card()?.name == name {
        return Ok(None);
    }
    match model_library().and_then(|library| Ok(library.find(name)?)) {
        Ok(Some(path)) => Ok(Some(path)),
        Ok(None) if model.is_dir() => Err(Usage::error(format!(
            "{name}: it is a folder, and no model has that name; `cxr models import {name}` imports one"
        ))),
        Ok(None) => Err(Usage::error(format!(
            "{name}: no such file, and no such model; `cxr models list` names them"
        ))),
        Err(error) => Err(Usage::error(format!("{name}: {error}"))),
    }
}

/// The card and the weights at a path, or else the bundled ones.
///
/// # Errors
/// [`Usage`], if they cannot be read or do not belong together.
pub fn read_model(path: Option<&Path>) -> Result<ModelFiles> {
    let files = path.map_or_else(|| Ok(ModelFiles::bundled()), ModelFiles::read);
    files.map_err(|error| Usage::error(format!("model {error}")))
}

/// An error of [`resolve_model`], where the command line or the environment names the model.
pub fn in_model_option(error: anyhow::Error) -> anyhow::Error {
    Usage::error(format!("--model {error:#}"))
}
