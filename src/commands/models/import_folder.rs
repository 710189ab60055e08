//! `cxr models import FOLDER`: a folder as transformers and timm save a model.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};

use crate::checkpoint::{CheckpointLimits, ModelFolder};
use crate::cli::{Import, ScoresArgument};
use crate::commands::shared::Usage;
use crate::domain::PreprocessRecipe;
use crate::export::path_text;
use crate::inference::folder::{
    FolderError, FolderOptions, FolderPlan, FolderTexts, ScoreFunction,
};

/// What says that the folder of a file is a model.
const CONFIG: &str = "config.json";
/// The beginnings of the names of files that are a part of such a folder.
const PARTS: [&str; 2] = ["model", "pytorch_model"];

/// The card and the weights of a folder.
///
/// # Errors
/// [`Usage`], if another option would mend it; or one line, if cxr has no such network, or the folder is not whole.
pub fn read(
    arguments: &Import,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
    name: &str,
) -> Result<(String, Vec<u8>)> {
    let path = &arguments.file;
    let (folder, plan) = planned(arguments, labels, recipe)?;
    let weights = folder.weights(&CheckpointLimits::default())?;
    let tensors = weights.tensors.into_iter();
    let tensors = tensors.map(|(name, tensor)| (name, (tensor.shape, tensor.values)));
    let made = plan.assemble(tensors.collect(), &weights.files, name);
    let (weights, card) = made.map_err(|error| named(path, error))?;
    Ok((card, weights))
}

/// Checks what a folder says of its model. Its weights need not be there.
///
/// # Errors
/// As [`read`], so far as the weights are not concerned.
#[cfg(feature = "pull")]
pub fn check(
    arguments: &Import,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
) -> Result<()> {
    planned(arguments, labels, recipe).map(drop)
}

/// An error of a folder: bad usage, if another option would mend it.
fn named(path: &Path, error: FolderError) -> anyhow::Error {
    let line = format!("{}: {error}", path_text(path));
    if error.is_mendable() {
        Usage::error(line)
    } else {
        anyhow!(line)
    }
}

/// The folder, and the model that it describes.
fn planned(
    arguments: &Import,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
) -> Result<(ModelFolder, FolderPlan)> {
    let path = &arguments.file;
    if arguments.network.is_some() {
        return Err(Usage::error(format!(
            "--as is for files: {CONFIG} of {} says which network it is",
            path_text(path)
        )));
    }
    let folder = ModelFolder::open(path)?;
    let texts = FolderTexts {
        config: &folder.config,
        preprocessor: folder.preprocessor.as_deref(),
        processor: folder.processor.as_deref(),
    };
    let options = FolderOptions {
        labels,
        scores: scores(arguments),
        recipe,
    };
    let plan = FolderPlan::new(&texts, &options).map_err(|error| named(path, error))?;
    Ok((folder, plan))
}

/// What the user says that makes scores of the outputs.
pub fn scores(arguments: &Import) -> Option<ScoreFunction> {
    arguments.scores.map(|scores| match scores {
        ScoresArgument::Sigmoid => ScoreFunction::Sigmoid,
        ScoresArgument::Softmax => ScoreFunction::Softmax,
    })
}

/// The name of a folder itself, also of `.`.
pub fn name_of(folder: &Path) -> String {
    let whole = fs::canonicalize(folder);
    let whole = whole.as_deref().unwrap_or(folder);
    let name = whole.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Refuses the weights of a folder alone: its other files say what they are.
///
/// # Errors
/// [`Usage`], if the file is a part of such a folder.
pub fn refuse_part(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_weights = [".safetensors", ".bin"]
        .iter()
        .any(|end| name.ends_with(end))
        && PARTS.iter().any(|start| name.starts_with(start));
    if is_weights && folder.join(CONFIG).is_file() {
        let shown = if folder.as_os_str().is_empty() {
            ".".to_owned()
        } else {
            path_text(folder)
        };
        return Err(Usage::error(format!(
            "{}: a part of the folder {shown}, whose {CONFIG} says which network it is: `cxr models import {shown}`",
            path_text(file)
        )));
    }
    Ok(())
}
