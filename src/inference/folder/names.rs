//! The tensors of a file under the names of the network that reads them.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::described::{DescribedNetwork, NameLayout};
use super::sequential_head::SequentialHead;
use crate::domain::text::clean;
use crate::inference::network::cnn::{Cnn, ModuleNames};
use crate::inference::network::transformers::{
    self, RenamedTensor, TimmNames, TorchvisionNames, TransformerConfig,
};
use crate::inference::tensor_file::{FoundTensor, NamedTensors};

/// A counter of training, which no network needs.
const COUNTER: &str = "num_batches_tracked";

/// What a network reads.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadTensors {
    kind: NetworkKind,
    layout: NameLayout,
    channels: usize,
    /// Whether the last layer may stand in a sequence: no class says that it stands alone.
    is_state_dict: bool,
    /// Weight and bias of the last layer.
    pub head: [&'static str; 2],
}

#[derive(Debug, Clone, PartialEq)]
enum NetworkKind {
    Convolutional(Cnn),
    Transformer(TransformerConfig),
}

impl ReadTensors {
    /// # Errors
    /// If a setting is wrong, or there is no such network.
    pub fn of(network: &DescribedNetwork) -> Result<Self, String> {
        let (name, settings) = (&network.architecture, &network.settings);
        let transformer =
            TransformerConfig::of(name, settings).map_err(|error| error.to_string())?;
        if let Some(config) = transformer {
            return Ok(ReadTensors {
                kind: NetworkKind::Transformer(config),
                layout: network.layout,
                channels: network.channels,
                is_state_dict: false,
                head: transformers::CLASSIFIER,
            });
        }
        match Cnn::of(name, settings).map_err(|error| error.to_string())? {
            Some(cnn) => Ok(ReadTensors {
                head: cnn.head(),
                kind: NetworkKind::Convolutional(cnn),
                layout: network.layout,
                channels: network.channels,
                is_state_dict: false,
            }),
            None => Err(format!("{} is no network that cxr has", network.class)),
        }
    }

    /// The same for weights without a folder.
    ///
    /// # Errors
    /// As [`of`](ReadTensors::of).
    pub fn of_state_dict(network: &DescribedNetwork) -> Result<Self, String> {
        let read = Self::of(network)?;
        Ok(ReadTensors {
            is_state_dict: true,
            ..read
        })
    }

    /// Names and shapes of all tensors, with this many outputs.
    pub fn shapes(&self, outputs: usize) -> BTreeMap<String, Vec<usize>> {
        self.shapes_for(self.channels, outputs)
    }

    fn shapes_for(&self, channels: usize, outputs: usize) -> BTreeMap<String, Vec<usize>> {
        match &self.kind {
            NetworkKind::Transformer(config) => config.shapes(channels, outputs).0,
            NetworkKind::Convolutional(cnn) => cnn
                .shapes(channels, outputs)
                .map_or_else(BTreeMap::new, |shapes| shapes.0),
        }
    }

    /// Whether images of this side have the numbers of the original: see
    /// [`fills_windows`](TransformerConfig::fills_windows) and [`holds_windows`](TransformerConfig::holds_windows).
    pub fn fits(&self, side: usize) -> bool {
        match (&self.kind, self.layout) {
            (NetworkKind::Convolutional(_), _) => true,
            (NetworkKind::Transformer(_), NameLayout::Transformers) => true,
            (NetworkKind::Transformer(config), NameLayout::Timm) => config.fills_windows(side),
            (NetworkKind::Transformer(config), NameLayout::Torchvision) => {
                config.holds_windows(side)
            }
        }
    }

    /// The channels of the images that tensors are for, 1 or 3, by the shape of the first layer. `None` where it is
    /// absent, or is none for such images.
    pub fn channels_of(&self, tensors: &NamedTensors) -> Option<usize> {
        let names = self.file_names(tensors);
        let [one, three] = [1, 3].map(|channels| self.shapes_for(channels, 1));
        tensors.iter().find_map(|(name, (shape, _))| {
            let name = names.renamed(name);
            let (one, three) = (one.get(&name)?, three.get(&name)?);
            let is = |of: &Vec<usize>| one != three && of == shape;
            if is(one) {
                Some(1)
            } else {
                is(three).then_some(3)
            }
        })
    }

    /// The tensors under these names, without those that no answer depends on.
    ///
    /// # Errors
    /// If two become one, or a tensor has more or fewer values than its shape.
    pub fn named(&self, tensors: NamedTensors) -> Result<BTreeMap<String, FoundTensor>, String> {
        let names = self.file_names(&tensors);
        let mut named: BTreeMap<String, FoundTensor> = BTreeMap::new();
        for (found_as, (shape, values)) in tensors {
            if self.is_unread(&found_as) {
                continue;
            }
            let size = shape
                .iter()
                .try_fold(1_usize, |size, n| size.checked_mul(*n));
            if size != Some(values.len()) {
                return Err(format!(
                    "{} holds {} values, and its shape {shape:?} says otherwise",
                    clean(&found_as),
                    values.len()
                ));
            }
            for tensor in names.tensors(&found_as, shape, values) {
                self.add(&mut named, tensor, clean(&found_as))?;
            }
        }
        Ok(named)
    }

    fn add(
        &self,
        named: &mut BTreeMap<String, FoundTensor>,
        tensor: RenamedTensor,
        found_as: String,
    ) -> Result<(), String> {
        let RenamedTensor {
            name,
            shape,
            values,
        } = tensor;
        if self.is_unread(&name) {
            return Ok(());
        }
        if let Some(first) = named.get(&name) {
            let first = &first.found_as;
            return Err(format!("{first} and {found_as} are both {name}"));
        }
        let tensor = FoundTensor {
            found_as,
            shape,
            values,
        };
        named.insert(name, tensor);
        Ok(())
    }

    /// How these tensors get the names here.
    fn file_names(&self, tensors: &NamedTensors) -> FileNames {
        let renaming = self.renaming(tensors);
        let [weight, _] = self.head;
        let is_head = |module: &str| renaming.renamed(&format!("{module}.weight")) == weight;
        let head = if self.is_state_dict {
            SequentialHead::of(tensors.keys(), is_head)
        } else {
            None
        };
        FileNames { renaming, head }
    }

    fn renaming(&self, tensors: &NamedTensors) -> Renaming {
        let config = match &self.kind {
            NetworkKind::Convolutional(cnn) => return Renaming::Modules(cnn.module_names()),
            NetworkKind::Transformer(config) => config,
        };
        let renaming = match self.layout {
            NameLayout::Transformers => None,
            NameLayout::Timm => TimmNames::of(config, tensors.keys()).map(Renaming::Timm),
            NameLayout::Torchvision => TorchvisionNames::of(config).map(Renaming::Torchvision),
        };
        renaming.unwrap_or(Renaming::Same)
    }

    fn is_unread(&self, name: &str) -> bool {
        let is_counter = name == COUNTER || name.ends_with(&format!(".{COUNTER}"));
        is_counter
            || match &self.kind {
                NetworkKind::Transformer(config) => config.is_unread(name),
                NetworkKind::Convolutional(_) => false,
            }
    }
}

/// From the names of a file to those here.
struct FileNames {
    renaming: Renaming,
    head: Option<SequentialHead>,
}

impl FileNames {
    /// The name of a tensor.
    fn renamed(&self, name: &str) -> String {
        self.renaming.renamed(&self.without_sequence(name))
    }

    /// What a tensor with as many values as its shape says is here.
    fn tensors(&self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> Vec<RenamedTensor> {
        let name = self.without_sequence(name);
        self.renaming.tensors(&name, shape, values)
    }

    fn without_sequence<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let renamed = self.head.as_ref().and_then(|head| head.renamed(name));
        renamed.map_or(Cow::Borrowed(name), Cow::Owned)
    }
}

/// From the names of a library to those here.
enum Renaming {
    Same,
    Modules(ModuleNames),
    Timm(TimmNames),
    Torchvision(TorchvisionNames),
}

impl Renaming {
    /// The name of a tensor.
    fn renamed(&self, name: &str) -> String {
        match self {
            Renaming::Same => name.to_owned(),
            Renaming::Modules(names) => names.canonical(name, &[]).0,
            Renaming::Timm(names) => names.renamed(name),
            Renaming::Torchvision(names) => names.renamed(name),
        }
    }

    /// As [`FileNames::tensors`].
    fn tensors(&self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> Vec<RenamedTensor> {
        let (name, shape) = match self {
            Renaming::Same => (name.to_owned(), shape),
            Renaming::Modules(names) => names.canonical(name, &shape),
            Renaming::Timm(names) => return names.tensors(name, shape, values),
            Renaming::Torchvision(names) => return names.tensors(name, shape, values),
        };
        vec![RenamedTensor {
            name,
            shape,
            values,
        }]
    }
}
