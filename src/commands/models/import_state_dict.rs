//! `cxr models import net.pth --as resnet34`: the weights of a network of torchvision or timm, and what their file does
//! not say: labels, scores and preprocessing.

use std::path::Path;

use anyhow::{Result, anyhow};

use super::import_folder;
use crate::checkpoint::{self, CheckpointFormat, CheckpointLimits};
use crate::cli::{Import, NetworkArgument};
use crate::commands::shared::Usage;
use crate::domain::PreprocessRecipe;
use crate::domain::text::clean;
use crate::export::path_text;
use crate::inference::family::NamedTensors;
use crate::inference::folder::{
    FolderError, FolderPlan, StateDictOptions, is_named_network, named_networks,
};

/// The card and the weights of a file of weights.
///
/// # Errors
/// [`Usage`], if an option is absent or another one would help; or one line, if the file is damaged, or its tensors are
/// not those of the network.
pub fn read(
    arguments: &Import,
    network: &str,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
    name: &str,
) -> Result<(String, Vec<u8>)> {
    let path = &arguments.file;
    let options = options(arguments, network, labels, recipe)?;
    let checkpoint = checkpoint::read(path, &CheckpointLimits::default())?;
    if let CheckpointFormat::KerasH5 | CheckpointFormat::Keras3 = checkpoint.format {
        return Err(Usage::error(format!(
            "{}: it is a {}, and --as {} is for weights of PyTorch",
            path_text(path),
            checkpoint.format.words(),
            clean(network)
        )));
    }
    let tensors = checkpoint.tensors.into_iter();
    let tensors: NamedTensors = tensors
        .map(|(name, tensor)| (name, (tensor.shape, tensor.values)))
        .collect();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let files = [(file.into_owned(), checkpoint.sha256)];
    let made = FolderPlan::of_state_dict(&tensors, &options)
        .and_then(|plan| plan.assemble(tensors, &files, name));
    let (weights, card) = made.map_err(|error| named(path, &error))?;
    Ok((card, weights))
}

/// What the user says, if nothing is left out.
fn options(
    arguments: &Import,
    network: &str,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
) -> Result<StateDictOptions> {
    if !is_named_network(network) {
        return Err(Usage::error(format!(
            "--as {}: cxr has no such network; there are {}; {}",
            clean(network),
            NetworkArgument::families().join(", "),
            named_networks()
        )));
    }
    let absent = |what: &str| {
        let path = path_text(&arguments.file);
        Usage::error(format!("{path}: its file does not say {what}"))
    };
    Ok(StateDictOptions {
        network: network.to_owned(),
        labels: labels
            .ok_or_else(|| absent("what its outputs are: name them in order with --labels"))?,
        scores: import_folder::scores(arguments),
        recipe: recipe.ok_or_else(|| {
            absent(
                "what is done to an image before the network sees it: say it with --preprocess, such as \
                 imagenet-224-1",
            )
        })?,
    })
}

/// An error of weights: bad usage, if another option would mend it.
fn named(path: &Path, error: &FolderError) -> anyhow::Error {
    let line = format!("{}: {error}", path_text(path));
    if error.is_mendable() {
        Usage::error(line)
    } else {
        anyhow!(line)
    }
}
