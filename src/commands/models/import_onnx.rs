//! `cxr models import net.onnx`: a graph of operators, and what its file does not say: labels, scores and preprocessing.

use std::path::Path;

use anyhow::{Result, anyhow};

use crate::checkpoint::{CheckpointLimits, read_onnx};
use crate::cli::{Import, ScoresArgument};
use crate::commands::shared::Usage;
use crate::domain::PreprocessRecipe;
use crate::export::path_text;
use crate::inference::folder::ScoreFunction;
use crate::inference::{OnnxError, OnnxOptions, assemble_onnx, assemble_onnx_graph};

/// The ending of a graph's file.
pub const END: &str = ".onnx";

/// Whether the file is a graph, by its name: nothing in it says so.
pub fn is_onnx(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.to_lowercase().ends_with(END)
}

/// The card and the weights of a graph.
///
/// # Errors
/// [`Usage`], if an option is absent or another one would help; or one line, if the file is damaged, or the network is none
/// that cxr computes.
pub fn read(
    arguments: &Import,
    labels: Option<Vec<String>>,
    recipe: Option<PreprocessRecipe>,
    name: &str,
) -> Result<(String, Vec<u8>)> {
    let path = &arguments.file;
    if arguments.network.is_some() {
        return Err(Usage::error(format!(
            "--as is for other files: {} says itself which network it is",
            path_text(path)
        )));
    }
    let Some(recipe) = recipe else {
        return Err(Usage::error(format!(
            "{}: its file does not say what is done to an image before the network sees it: say it with --preprocess",
            path_text(path)
        )));
    };
    let options = OnnxOptions {
        labels,
        scores: arguments.scores.map(|scores| match scores {
            ScoresArgument::Sigmoid => ScoreFunction::Sigmoid,
            ScoresArgument::Softmax => ScoreFunction::Softmax,
        }),
        recipe,
    };
    let graph = || read_onnx(path, &CheckpointLimits::default());
    let made = match assemble_onnx(graph()?, &options, name) {
        // Read again, so that the weights are never twice in memory.
        Err(error) if error.is_of_layers() => assemble_onnx_graph(graph()?, &options, name),
        made => made,
    };
    let (weights, card) = made.map_err(|error| named(path, &error))?;
    Ok((card, weights))
}

/// An error of a graph: bad usage, if another option would mend it.
fn named(path: &Path, error: &OnnxError) -> anyhow::Error {
    let line = format!("{}: {error}", path_text(path));
    if error.is_mendable() {
        Usage::error(line)
    } else {
        anyhow!(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_known_by_the_end_of_its_name() {
        for (name, expected) in [
            ("net.onnx", true),
            ("folder/NET.ONNX", true),
            ("net.onnx.data", false),
            ("onnx", false),
            ("net.pt", false),
        ] {
            assert_eq!(is_onnx(Path::new(name)), expected, "{name}");
        }
    }
}
