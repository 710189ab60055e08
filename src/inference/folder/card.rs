//! The card of a model from a folder: nothing on it is measured by cxr.

use super::described::DescribedNetwork;
use crate::domain::text::clean;
use crate::domain::{FilmRange, ModelCard, PreprocessRecipe};
use crate::inference::family::first_limits;
use crate::inference::outputs::NetworkOutputs;
use crate::inference::preprocess::recipe_name;

/// A folder, or a state dict, that was read as a model.
pub struct FolderModel<'a> {
    pub network: &'a DescribedNetwork,
    pub outputs: &'a NetworkOutputs,
    pub recipe: &'a PreprocessRecipe,
    /// The side of the network's input in pixels.
    pub side: usize,
    /// Each file of the weights with its SHA-256.
    pub files: &'a [(String, String)],
    /// Whether there is a file of weights alone, and no folder.
    pub is_state_dict: bool,
    pub name: &'a str,
    /// Of the weights as cxr keeps them.
    pub sha256: &'a str,
}

impl FolderModel<'_> {
    pub fn card(&self) -> ModelCard {
        let settings = &self.network.settings;
        ModelCard {
            name: clean(self.name),
            version: "imported".to_owned(),
            architecture: self.network.architecture.clone(),
            input_size: self.side,
            preprocess: recipe_name(self.recipe),
            recipe: Some(self.recipe.clone()),
            network: (!settings.is_empty()).then(|| settings.clone()),
            labels: self.outputs.label_cards(),
            softmax: self.outputs.softmax_card(),
            licence: format!("not known to cxr: ask the authors of the {}", self.place()),
            training_data: "not known to cxr".to_owned(),
            pretrained: self.pretrained(),
            limits: self.limits(),
            sha256: self.sha256.to_owned(),
            ..ModelCard::default()
        }
    }

    /// What the model is from.
    fn place(&self) -> &'static str {
        if self.is_state_dict { "file" } else { "folder" }
    }

    fn pretrained(&self) -> String {
        let library = self.network.layout.library();
        let from = if self.is_state_dict {
            "a state dict".to_owned()
        } else {
            format!("a folder of {library}")
        };
        let files: Vec<String> = self
            .files
            .iter()
            .map(|(name, sha256)| format!("{}, SHA-256 {sha256}", clean(name)))
            .collect();
        format!(
            "{}, unchanged, from {from} ({})",
            clean(&self.network.class),
            files.join("; ")
        )
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = first_limits();
        limits.extend(self.outputs.limits());
        if self.recipe.film.range == FilmRange::Window {
            limits.push(
                "Its authors' code reads pictures of 8 bits. A film of more bits goes through its own window first, or \
                 without one from the 0.5th to the 99.5th percentile of its values: whether that is how their pictures \
                 were made is not known."
                    .to_owned(),
            );
        }
        limits
    }
}
