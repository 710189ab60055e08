//! The tensors of a file under the names of the network that reads them.

use std::collections::BTreeMap;

use super::described::DescribedNetwork;
use crate::domain::text::clean;
use crate::inference::network::cnn::Cnn;
use crate::inference::network::transformers::{self, TransformerConfig};
use crate::inference::tensor_file::{FoundTensor, NamedTensors};

/// A counter of training, which no network needs.
const COUNTER: &str = "num_batches_tracked";

/// What a network reads.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadTensors {
    kind: NetworkKind,
    channels: usize,
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
                channels: network.channels,
                head: transformers::CLASSIFIER,
            });
        }
        match Cnn::of(name, settings).map_err(|error| error.to_string())? {
            Some(cnn) => Ok(ReadTensors {
                head: cnn.head(),
                kind: NetworkKind::Convolutional(cnn),
                channels: network.channels,
            }),
            None => Err(format!("{} is no network that cxr has", network.class)),
        }
    }

    /// Names and shapes of all tensors, with this many outputs.
    pub fn shapes(&self, outputs: usize) -> BTreeMap<String, Vec<usize>> {
        match &self.kind {
            NetworkKind::Transformer(config) => config.shapes(self.channels, outputs).0,
            NetworkKind::Convolutional(cnn) => cnn
                .shapes(self.channels, outputs)
                .map_or_else(BTreeMap::new, |shapes| shapes.0),
        }
    }

    /// The tensors under these names, without those that no answer depends on.
    ///
    /// # Errors
    /// If two become one, or a tensor has more or fewer values than its shape.
    pub fn named(&self, tensors: NamedTensors) -> Result<BTreeMap<String, FoundTensor>, String> {
        let modules = match &self.kind {
            NetworkKind::Convolutional(cnn) => Some(cnn.module_names()),
            NetworkKind::Transformer(_) => None,
        };
        let mut named: BTreeMap<String, FoundTensor> = BTreeMap::new();
        for (found_as, (shape, values)) in tensors {
            if self.is_unread(&found_as) {
                continue;
            }
            let (name, shape) = match &modules {
                Some(modules) => modules.canonical(&found_as, &shape),
                None => (found_as.clone(), shape),
            };
            let found_as = clean(&found_as);
            let size = shape
                .iter()
                .try_fold(1_usize, |size, n| size.checked_mul(*n));
            if size != Some(values.len()) {
                return Err(format!(
                    "{found_as} holds {} values, and its shape {shape:?} says otherwise",
                    values.len()
                ));
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
        }
        Ok(named)
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
