//! Folders as transformers and timm save models: which network one holds, what its processor does to an image, and its
//! weights under the names of cxr's network.
//!
//! ```text
//! config.json ─► transformers | timm ─► DescribedNetwork ─┐
//!             ─► outputs ─► NetworkOutputs ───────────────┼─► FolderPlan ─► weights, card
//! preprocessor_config.json ─► processor | timm ─► recipe ─┘        ▲
//! model.safetensors ───────────────────────────────────────────────┘
//! ```
//!
//! What is not understood is refused before the weights are read. Nothing in a folder is ever run. A state dict is
//! weights alone: the user says what a folder would say.

mod card;
mod described;
mod json;
mod names;
mod outputs;
mod processor;
mod refusal;
mod sequential_head;
mod state_dict;
#[cfg(test)]
mod tests;
mod timm;
mod timm_network;
mod torchvision_network;
mod transformers;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::card::FolderModel;
use self::described::DescribedNetwork;
pub use self::json::FolderError;
use self::json::{JsonMembers, object};
use self::names::ReadTensors;
pub use self::state_dict::{StateDictOptions, is_named_network, named_networks};
use super::card::{parse_card, write_card};
use super::model_file::{LARGEST_CARD, LARGEST_WEIGHTS};
use super::outputs::NetworkOutputs;
pub use super::outputs::ScoreFunction;
use super::tensor_file::{self, NamedTensors, safetensors};
use crate::domain::PreprocessRecipe;
use crate::domain::hex::hex;

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
const PROCESSOR: &str = "processor_config.json";
/// Stands for the files of the weights in messages: there may be several.
const WEIGHTS: &str = "its weights";
/// What the user typed.
const LABELS: &str = "--labels";
const PREPROCESS: &str = "--preprocess";

/// The descriptions of a folder.
#[derive(Debug, Clone, Copy)]
pub struct FolderTexts<'a> {
    /// The text of `config.json`.
    pub config: &'a str,
    /// The text of `preprocessor_config.json`.
    pub preprocessor: Option<&'a str>,
    /// The text of `processor_config.json`.
    pub processor: Option<&'a str>,
}

/// What a user says of a model; it goes before what the folder says.
#[derive(Debug, Clone, Default)]
pub struct FolderOptions {
    /// The names of the outputs, in the order of the rows.
    pub labels: Option<Vec<String>>,
    pub scores: Option<ScoreFunction>,
    pub recipe: Option<PreprocessRecipe>,
}

/// A model as its folder describes it, before its weights are read.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderPlan {
    network: DescribedNetwork,
    read: ReadTensors,
    outputs: NetworkOutputs,
    recipe: PreprocessRecipe,
    /// The side of the input.
    side: usize,
    /// The names came from the user.
    has_own_labels: bool,
    /// There is no folder.
    is_state_dict: bool,
}

impl FolderPlan {
    /// # Errors
    /// One line that names the file, if cxr has no such network, or cannot prepare images or name outputs as the folder
    /// says, with what would help.
    pub fn new(texts: &FolderTexts<'_>, options: &FolderOptions) -> Result<Self, FolderError> {
        let members = object(CONFIG, texts.config)?;
        let config = JsonMembers::new(CONFIG, &members);
        let is_timm = timm::is_timm(&config);
        let network = if is_timm {
            timm_network::described(&config)?
        } else {
            transformers::described(&config)?
        };
        let (recipe, place) = match &options.recipe {
            Some(recipe) => (recipe.clone(), PREPROCESS),
            None if is_timm => (timm::recipe(&config, network.channels)?, CONFIG),
            None => {
                let (place, settings) = processor_settings(texts)?;
                let settings = JsonMembers::new(place, &settings);
                let recipe = processor::recipe(&settings, &config, network.channels)?;
                (recipe, place)
            }
        };
        let side = side_of(&network, &recipe, place)?;
        let outputs = outputs_of(&config, options, is_timm)?;
        let read = ReadTensors::of(&network).map_err(|reason| config_fault(&reason))?;
        refuse_padding(&network, &read, side, place)?;
        Ok(FolderPlan {
            read,
            network,
            outputs,
            recipe,
            side,
            has_own_labels: options.labels.is_some(),
            is_state_dict: false,
        })
    }

    /// The safetensors file of the model, and the text of its card with this `name`. `files` are those of the weights,
    /// each with its SHA-256.
    ///
    /// # Errors
    /// If the tensors are not exactly those of the network, a value is not a number, or there are more or fewer outputs
    /// than labels.
    pub fn assemble(
        self,
        tensors: NamedTensors,
        files: &[(String, String)],
        name: &str,
    ) -> Result<(Vec<u8>, String), FolderError> {
        let fault = |reason: &str| FolderError::new(WEIGHTS, reason);
        let read = &self.read;
        let mut tensors = read.named(tensors).map_err(|reason| fault(&reason))?;
        let [_, bias] = read.head;
        let count = tensors.get(bias).map(|bias| bias.values.len());
        let shapes = read.shapes(count.unwrap_or(self.outputs.count()));
        tensor_file::check(&shapes, &tensors)
            .map_err(|found| fault(&format!("not {}: {found}", self.network.with_article())))?;
        if let Some(count) = count.filter(|count| *count != self.outputs.count()) {
            let (place, labels) = (self.place_of_labels(), self.outputs.count());
            let reason = format!(
                "the network has {count} outputs, and there are {labels} labels: name them with --labels"
            );
            return Err(FolderError::new(place, &reason).mendable());
        }
        self.outputs.arrange(&mut tensors, read.head);
        let weights = safetensors(tensors);
        if weights.len() as u64 > LARGEST_WEIGHTS {
            let most = LARGEST_WEIGHTS >> 20;
            return Err(fault(&format!("more than {most} MiB in single precision")));
        }
        let model = FolderModel {
            network: &self.network,
            outputs: &self.outputs,
            recipe: &self.recipe,
            side: self.side,
            files,
            is_state_dict: self.is_state_dict,
            name,
            sha256: &hex(&Sha256::digest(&weights)),
        };
        // A label may have the name of a column of tables.
        let card = write_card(&model.card()).and_then(|card| parse_card(&card).map(|_| card));
        let of_labels = |reason: &str| FolderError::new(self.place_of_labels(), reason).mendable();
        let card = card.map_err(|error| of_labels(&error.to_string()))?;
        if card.len() as u64 > LARGEST_CARD {
            return Err(of_labels("its names are longer than a card may be"));
        }
        Ok((weights, card))
    }

    fn place_of_labels(&self) -> &'static str {
        if self.has_own_labels { LABELS } else { CONFIG }
    }
}

fn config_fault(reason: &str) -> FolderError {
    FolderError::new(CONFIG, reason)
}

/// The settings of the image processor, and the file that they are from. Without one, the processor has its defaults.
fn processor_settings(
    texts: &FolderTexts<'_>,
) -> Result<(&'static str, Map<String, Value>), FolderError> {
    const WITHIN: &str = "image_processor";
    if let Some(text) = texts.processor
        && let Some(Value::Object(settings)) = object(PROCESSOR, text)?.remove(WITHIN)
    {
        return Ok((PROCESSOR, settings));
    }
    let settings = texts.preprocessor.map(|text| object(PREPROCESSOR, text));
    Ok((PREPROCESSOR, settings.transpose()?.unwrap_or_default()))
}

/// The side of the input, if the recipe makes what the network takes.
fn side_of(
    network: &DescribedNetwork,
    recipe: &PreprocessRecipe,
    place: &'static str,
) -> Result<usize, FolderError> {
    let fault = |reason: &str| FolderError::new(place, reason);
    let input = recipe.check().map_err(|error| fault(&error.to_string()))?;
    if input.channels != network.channels {
        let (made, taken) = (input.channels, network.channels);
        return Err(fault(&format!(
            "it makes {made} channels, and the network takes {taken}"
        )));
    }
    match network.side.filter(|side| *side != input.side) {
        Some(side) => Err(fault(&format!(
            "it makes {0} × {0} pixels, and the network takes {side} × {side} ({1} of {CONFIG})",
            input.side,
            network.layout.side_key()
        ))),
        None => Ok(input.side),
    }
}

/// Refuses images whose windows timm or torchvision would pad.
fn refuse_padding(
    network: &DescribedNetwork,
    read: &ReadTensors,
    side: usize,
    place: &'static str,
) -> Result<(), FolderError> {
    if read.fits(side) {
        return Ok(());
    }
    let reason = format!(
        "its windows do not lie side by side over images of {side} × {side} pixels, and {} pads them otherwise than \
         cxr: export it to ONNX, and import the .onnx file",
        network.class
    );
    Err(FolderError::new(place, &reason))
}

fn outputs_of(
    config: &JsonMembers<'_>,
    options: &FolderOptions,
    is_timm: bool,
) -> Result<NetworkOutputs, FolderError> {
    let (names, place) = match &options.labels {
        Some(names) => (Some(names.clone()), LABELS),
        None if is_timm => (outputs::names_of_timm(config)?, CONFIG),
        None => (outputs::names_of_transformers(config)?, CONFIG),
    };
    let Some(names) = names else {
        let fault = config_fault("it does not name the outputs: name them with --labels");
        return Err(fault.mendable());
    };
    let scores = match options.scores {
        Some(scores) => scores,
        // Only where transformers saved a network of timm is it said.
        None => outputs::scores_of_transformers(config, names.len())?,
    };
    NetworkOutputs::new(&names, scores)
        .map_err(|reason| FolderError::new(place, &reason).mendable())
}
