//! `cxr models import`: from a published checkpoint to a model in the library.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::as_usage;
use super::import_folder;
use super::import_onnx;
use super::import_state_dict;
use super::provenance::Provenance;
use super::recipe_option::recipe;
use crate::checkpoint::{self, Checkpoint, CheckpointFormat, CheckpointLimits};
use crate::cli::{FamilyArgument, Import, NetworkArgument};
use crate::commands::shared::{Usage, print};
use crate::domain::ONNX_GRAPH;
use crate::domain::text::{Printable, clean};
use crate::export::path_text;
use crate::inference::family::{self, NamedTensors, Published, Recognition};
use crate::inference::{Classifier, ModelFiles, assemble_keras};
use crate::model_library::{ModelLibrary, check_new_name};

/// A file of labels has one on each line; a larger file is something else.
const LARGEST_LABELS: u64 = 1 << 20;
/// The endings of model files, the longer ones first.
const ENDS: [&str; 9] = [
    ".pth.tar",
    ".safetensors",
    ".keras",
    ".ckpt",
    import_onnx::END,
    ".pth",
    ".bin",
    ".pt",
    ".h5",
];

/// The text of a card and the bytes of a safetensors file.
type ModelParts = (String, Vec<u8>);

/// Reads, assembles and loads a model, and adds it to the library if all of that works.
///
/// # Errors
/// [`Usage`], if an option is wrong or the model is already there; or if the file is no model.
pub fn run(arguments: &Import, library: &ModelLibrary) -> Result<ExitCode> {
    run_from(arguments, library, &Provenance::default())
}

/// As [`run`], for a model that was fetched: its card says where it is from.
///
/// # Errors
/// As [`run`].
pub fn run_from(
    arguments: &Import,
    library: &ModelLibrary,
    provenance: &Provenance,
) -> Result<ExitCode> {
    let file = &arguments.file;
    let name = match &arguments.name {
        Some(name) => Some(name.clone()),
        None if is_own(arguments) => None,
        None if file.is_dir() => Some(import_folder::name_of(file)),
        None => Some(name_of(file)),
    };
    if let Some(name) = &name {
        check_new_name(name).map_err(as_usage)?;
    }
    let (card, weights) = if is_own(arguments) {
        refuse_preprocess(arguments, "its card")?;
        own(file, name.as_deref())?
    } else if file.is_dir() {
        let labels = arguments.labels.as_deref().map(labels).transpose()?;
        let recipe = arguments.preprocess.as_deref().map(recipe).transpose()?;
        import_folder::read(arguments, labels, recipe, &name.unwrap_or_default())?
    } else if import_onnx::is_onnx(file) {
        let labels = arguments.labels.as_deref().map(labels).transpose()?;
        let recipe = arguments.preprocess.as_deref().map(recipe).transpose()?;
        import_onnx::read(arguments, labels, recipe, &name.unwrap_or_default())?
    } else if let Some(NetworkArgument::Named(network)) = &arguments.network {
        let labels = arguments.labels.as_deref().map(labels).transpose()?;
        let recipe = arguments.preprocess.as_deref().map(recipe).transpose()?;
        import_state_dict::read(
            arguments,
            network,
            labels,
            recipe,
            &name.unwrap_or_default(),
        )?
    } else {
        check_options(arguments)?;
        let labels = arguments.labels.as_deref().map(labels).transpose()?;
        let checkpoint = checkpoint::read(file, &CheckpointLimits::default())?;
        let name = name.unwrap_or_default();
        let known = provenance.known;
        assemble(checkpoint, family_of(arguments), labels, known, &name)
            .map_err(|reason| anyhow::anyhow!("{}: {reason}", path_text(file)))?
    };
    let card = provenance.noted_on(card)?;
    Classifier::from_parts(&card, &weights)
        .map_err(|error| anyhow::anyhow!("{}: {error}", path_text(file)))?;
    let card = library
        .add(&card, &weights, arguments.force)
        .map_err(as_usage)?;
    let engine = match card.architecture.as_str() {
        ONNX_GRAPH => {
            "Its operators are kept, and computed one by one by candle: on a CPU that is slower than the kernels.\n"
        }
        _ => "",
    };
    print(&Printable::page(&format!(
        "{0}: imported, {1} {2}; cxr --model {0} uses it\n{engine}",
        card.name,
        card.labels.len(),
        if card.labels.len() == 1 {
            "label"
        } else {
            "labels"
        },
    )))
}

/// Whether a folder describes a model that cxr has, so far as can be said without its weights, which need not be there.
///
/// # Errors
/// As [`run`].
#[cfg(feature = "pull")]
pub fn check_folder(arguments: &Import) -> Result<()> {
    let labels = arguments.labels.as_deref().map(labels).transpose()?;
    let recipe = arguments.preprocess.as_deref().map(recipe).transpose()?;
    import_folder::check(arguments, labels, recipe)
}

/// The family that the user says a file is of.
fn family_of(arguments: &Import) -> Option<FamilyArgument> {
    match arguments.network {
        Some(NetworkArgument::Family(family)) => Some(family),
        Some(NetworkArgument::Named(_)) | None => None,
    }
}

/// Refuses what only makes sense for another kind of model.
fn check_options(arguments: &Import) -> Result<()> {
    if arguments.scores.is_some() {
        return Err(Usage::error(
            "--scores is for folders of transformers and timm, for ONNX, and for networks of torchvision and timm: another \
             file says itself what its scores are",
        ));
    }
    refuse_preprocess(arguments, "--as")?;
    if arguments.network.is_none() {
        import_folder::refuse_part(&arguments.file)?;
    }
    Ok(())
}

/// Refuses a preprocessing for a model where something else says what is done to images.
fn refuse_preprocess(arguments: &Import, other: &str) -> Result<()> {
    match arguments.preprocess {
        None => Ok(()),
        Some(_) => Err(Usage::error(format!(
            "--preprocess is for folders of transformers and timm, for ONNX, and for networks of torchvision and timm: \
             {other} says what is done to images"
        ))),
    }
}

/// The card and the weights of a checkpoint. Only this function decides which network a file belongs to. `known` are the
/// published weights that it was fetched as.
fn assemble(
    checkpoint: Checkpoint,
    family: Option<FamilyArgument>,
    labels: Option<Vec<String>>,
    known: Option<&'static Published>,
    name: &str,
) -> Result<ModelParts, String> {
    let format = checkpoint.format;
    let of_file = || recognised(&checkpoint);
    let known = known.map(Recognition::Published);
    let known = known.or_else(|| labels.is_none().then(of_file).flatten());
    let tensors: NamedTensors = checkpoint
        .tensors
        .into_iter()
        .map(|(name, tensor)| (name, (tensor.shape, tensor.values)))
        .collect();
    let family = match (format, family, checkpoint.keras_config) {
        (
            CheckpointFormat::KerasH5 | CheckpointFormat::Keras3,
            None | Some(FamilyArgument::KerasSequential),
            Some(config),
        ) => {
            let (weights, card) =
                assemble_keras(&config, tensors, labels, name).map_err(|e| e.to_string())?;
            return Ok((card, weights));
        }
        (_, Some(FamilyArgument::KerasSequential), _) => {
            return Err(format!("it is a {}, not a Keras model", format.words()));
        }
        (_, Some(FamilyArgument::XrvDensenet121), _) => family::ModelFamily::XrvDensenet121,
        (_, Some(FamilyArgument::XrvResnet50), _) => family::ModelFamily::XrvResnet50_512,
        (_, Some(FamilyArgument::Chexnet), _) => family::ModelFamily::Chexnet,
        (_, None, _) => match known {
            Some(known) => known.outputs().family,
            None => {
                return Err(format!(
                    "it is a {} of {} tensors, of no network that cxr recognises by itself: say \
                     which with --as",
                    format.words(),
                    tensors.len()
                ));
            }
        },
    };
    let labels = labels.or(checkpoint.pathologies);
    let (weights, card) =
        family::assemble(family, tensors, labels, checkpoint.op_threshs, known, name)
            .map_err(|error| error.to_string())?;
    Ok((card, weights))
}

/// The published model that a checkpoint is by its digest, or that it is like by its labels and operating points.
fn recognised(checkpoint: &Checkpoint) -> Option<Recognition> {
    let by_outputs = || {
        let labels = checkpoint.pathologies.as_deref()?;
        Published::with_outputs(labels, checkpoint.op_threshs.as_deref()?)
    };
    let by_digest = Published::with_sha256(&checkpoint.sha256).map(Recognition::Published);
    by_digest.or_else(|| by_outputs().map(Recognition::Outputs))
}

/// Whether the file is a model of cxr itself, with its card beside it.
fn is_own(arguments: &Import) -> bool {
    let file = &arguments.file;
    arguments.network.is_none()
        && file.extension().is_some_and(|end| end == "safetensors")
        && file.with_extension("toml").is_file()
}

/// The card and the weights of a model of cxr itself, under another name if one is given.
fn own(file: &Path, name: Option<&str>) -> Result<ModelParts> {
    let files = ModelFiles::read(file)?;
    let (card, weights) = (files.card_text(), files.weights());
    let card = match name {
        None => card.to_owned(),
        Some(name) => {
            let mut card: toml::Table = card.parse()?;
            card.insert("name".to_owned(), name.into());
            card.to_string()
        }
    };
    Ok((card, weights.to_vec()))
}

/// The name of a file without the ending of its format.
fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let end = ENDS.iter().find(|end| name.ends_with(*end));
    end.map_or(&*name, |end| &name[..name.len() - end.len()])
        .to_owned()
}

/// The labels of a file, one on each line, or else of a list with commas.
fn labels(text: &str) -> Result<Vec<String>> {
    let path = Path::new(text);
    let is_small = |file: fs::Metadata| file.is_file() && file.len() <= LARGEST_LABELS;
    let labels: Vec<String> = if fs::metadata(path).is_ok_and(is_small) {
        let text = fs::read_to_string(path)
            .map_err(|error| Usage::error(format!("--labels {}: {error}", path_text(path))))?;
        text.lines().map(|line| line.trim().to_owned()).collect()
    } else {
        text.split(',')
            .map(|label| label.trim().to_owned())
            .collect()
    };
    let mut seen = HashSet::new();
    for label in &labels {
        if label.is_empty() || clean(label) != *label {
            return Err(Usage::error(
                "--labels: a label is empty or holds control characters",
            ));
        }
        if !seen.insert(label) {
            return Err(Usage::error(format!("--labels: {label} is there twice")));
        }
    }
    Ok(labels)
}
