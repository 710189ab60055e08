//! Finds the model among a pickle's objects, and its tensors by name.

use std::collections::BTreeMap;

use super::graph::{Graph, Node, NodeId};
use super::pickle::Pickle;
use super::tensors::{Storages, TensorReader, is_tensor};
use crate::checkpoint::error::damaged;
use crate::checkpoint::values::Element;
use crate::checkpoint::{CheckpointContents, CheckpointFault, CheckpointFormat, StoredTensor};

/// Keys under which training scripts save a model.
const HOLDERS: [&str; 7] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "module",
    "weights",
];
/// The most dicts within dicts.
const DEEPEST_HOLDER: usize = 4;
/// The most modules within modules. A DenseNet has six.
const DEEPEST_MODULE: usize = 64;
/// The most modules. A module that others share counts each time.
const MOST_MODULES: usize = 100_000;
/// The most bytes of a name.
const LONGEST_NAME: usize = 1024;

/// torchxrayvision's name for its operating points, a buffer or an attribute.
const OP_THRESHS: &str = "op_threshs";

/// Reads the model's tensors, of at most `most` values together.
pub fn read(
    pickle: &Pickle,
    storages: &mut dyn Storages,
    most: usize,
) -> Result<CheckpointContents, CheckpointFault> {
    let graph = &pickle.graph;
    let reader = TensorReader {
        graph,
        storages,
        left: most,
    };
    let mut walk = GraphWalk {
        reader,
        tensors: BTreeMap::new(),
        modules: 0,
    };
    let (format, model) = model(graph, pickle.root)?;
    match format {
        CheckpointFormat::TorchModule => walk.module(model, "", 0)?,
        _ => walk.entries(graph.entries(model).unwrap_or_default(), "")?,
    }
    let attribute = graph.attribute(model, OP_THRESHS);
    let of_attribute = match attribute {
        Some(id) if is_tensor(graph, id) => Some(known(walk.reader.tensor(id)?.values)),
        Some(id) => numbers(graph, id),
        None => None,
    };
    let mut contents = CheckpointContents::new(format, walk.tensors);
    contents.op_threshs = op_threshs(&mut contents.tensors).or(of_attribute);
    contents.pathologies = ["pathologies", "targets"]
        .iter()
        .find_map(|name| words(graph, graph.attribute(model, name)?));
    if contents.tensors.is_empty() {
        damaged("it holds no tensors")
    } else {
        Ok(contents)
    }
}

fn is_module(graph: &Graph, id: NodeId) -> bool {
    ["_modules", "_parameters"]
        .iter()
        .any(|name| graph.attribute(id, name).is_some())
}

/// The model: a module, or a dict of tensors.
fn model(graph: &Graph, root: NodeId) -> Result<(CheckpointFormat, NodeId), CheckpointFault> {
    let mut id = root;
    for _ in 0..DEEPEST_HOLDER {
        if is_module(graph, id) {
            return Ok((CheckpointFormat::TorchModule, id));
        }
        let entries = graph.entries(id).unwrap_or_default();
        if entries.iter().any(|(_, value)| is_tensor(graph, *value)) {
            return Ok((CheckpointFormat::TorchStateDict, id));
        }
        match HOLDERS.iter().find_map(|name| graph.value(id, name)) {
            Some(inner) => id = inner,
            None => break,
        }
    }
    damaged("it holds neither a module nor a dict of tensors")
}

struct GraphWalk<'a> {
    reader: TensorReader<'a>,
    tensors: BTreeMap<String, StoredTensor>,
    modules: usize,
}

impl<'a> GraphWalk<'a> {
    /// Reads a module and the modules in it, in the order of `state_dict()`.
    fn module(&mut self, id: NodeId, prefix: &str, depth: usize) -> Result<(), CheckpointFault> {
        self.modules += 1;
        if depth > DEEPEST_MODULE || self.modules > MOST_MODULES {
            return damaged("its modules form a circle");
        }
        let graph = self.reader.graph;
        let passing = graph
            .attribute(id, "_non_persistent_buffers_set")
            .map(|id| passing(graph, id))
            .unwrap_or_default();
        for kind in ["_parameters", "_buffers"] {
            let entries = self.attributes(id, kind);
            let kept = |(name, _): &&(NodeId, NodeId)| {
                graph
                    .text(*name)
                    .is_none_or(|name| !passing.contains(&name))
            };
            let entries: Vec<_> = entries.iter().filter(kept).copied().collect();
            self.entries(&entries, prefix)?;
        }
        for (name, module) in self.attributes(id, "_modules") {
            if matches!(graph.get(*module), Node::None) {
                continue;
            }
            let name = self.named(*name, prefix)?;
            self.module(*module, &format!("{name}."), depth + 1)?;
        }
        Ok(())
    }

    fn attributes(&self, id: NodeId, name: &str) -> &'a [(NodeId, NodeId)] {
        let graph = self.reader.graph;
        graph
            .attribute(id, name)
            .and_then(|id| graph.entries(id))
            .unwrap_or_default()
    }

    /// Reads the tensors among the values of a dict.
    fn entries(
        &mut self,
        entries: &[(NodeId, NodeId)],
        prefix: &str,
    ) -> Result<(), CheckpointFault> {
        for (name, value) in entries {
            if is_tensor(self.reader.graph, *value) {
                let name = self.named(*name, prefix)?;
                let tensor = self.reader.tensor(*value).map_err(|fault| match fault {
                    CheckpointFault::Damaged(words) => {
                        CheckpointFault::Damaged(format!("{name}: {words}"))
                    }
                    other => other,
                })?;
                self.tensors.insert(name, tensor);
            }
        }
        Ok(())
    }

    fn named(&self, name: NodeId, prefix: &str) -> Result<String, CheckpointFault> {
        match self.reader.graph.text(name) {
            Some(name) if prefix.len() + name.len() <= LONGEST_NAME => {
                Ok(format!("{prefix}{name}"))
            }
            _ => damaged("a tensor or a module without a usable name"),
        }
    }
}

/// The names in a set. In the pickle it is a sequence, or an object made from one.
fn passing(graph: &Graph, id: NodeId) -> Vec<&str> {
    let items = match graph.get(id) {
        Node::PythonObject(made) => graph
            .arguments(made)
            .and_then(|arguments| graph.sequence(*arguments.first()?)),
        _ => graph.sequence(id),
    };
    let items = items.unwrap_or_default();
    items.iter().filter_map(|id| graph.text(*id)).collect()
}

/// Takes the operating points out of the tensors, because they are no weights.
fn op_threshs(tensors: &mut BTreeMap<String, StoredTensor>) -> Option<Vec<Option<f32>>> {
    let key = [OP_THRESHS, "module.op_threshs", "model.op_threshs"]
        .into_iter()
        .find(|key| tensors.contains_key(*key))?;
    Some(known(tensors.remove(key)?.values))
}

fn known(values: Vec<f32>) -> Vec<Option<f32>> {
    let known = |value: f32| Some(value).filter(|value| !value.is_nan());
    values.into_iter().map(known).collect()
}

/// A list of numbers, or a numpy array of them.
fn numbers(graph: &Graph, id: NodeId) -> Option<Vec<Option<f32>>> {
    if let Some(items) = graph.sequence(id) {
        let number = |id: &NodeId| match graph.get(*id) {
            Node::Float(value) => Some(*value as f32),
            Node::Int(value) => Some(*value as f32),
            Node::None => Some(f32::NAN),
            _ => None,
        };
        return items.iter().map(number).collect::<Option<_>>().map(known);
    }
    let Node::PythonObject(array) = graph.get(id) else {
        return None;
    };
    let ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") =
        graph.global(array.of)?
    else {
        return None;
    };
    // (version, shape, dtype, is column-major, bytes)
    let [_, _, dtype, _, bytes] = graph.sequence(*array.states.last()?)? else {
        return None;
    };
    let Node::PythonObject(dtype) = graph.get(*dtype) else {
        return None;
    };
    let element = match graph.text(*graph.arguments(dtype)?.first()?)? {
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => return None,
    };
    Some(known(element.values(&octets(graph, *bytes)?)))
}

/// Bytes. Protocol 2 writes them as `_codecs.encode(text, 'latin1')`.
fn octets(graph: &Graph, id: NodeId) -> Option<Vec<u8>> {
    match graph.get(id) {
        Node::Bytes(bytes) => Some(bytes.clone()),
        Node::Text(text) => Some(text.clone().into_bytes()),
        Node::PythonObject(made) if graph.is_named(made.of, "_codecs", "encode") => {
            let text = graph.text(*graph.arguments(made)?.first()?)?;
            text.chars().map(|c| u8::try_from(c as u32).ok()).collect()
        }
        _ => None,
    }
}

/// A list of texts.
fn words(graph: &Graph, id: NodeId) -> Option<Vec<String>> {
    let items = graph.sequence(id)?;
    let word = |id: &NodeId| graph.text(*id).map(str::to_owned);
    items.iter().map(word).collect()
}
