//! `ModelProto`, `GraphProto`, `NodeProto`, `AttributeProto` and `ValueInfoProto`, as far as a network needs them.

use std::collections::BTreeMap;

use super::external::ExternalData;
use super::tensors::tensor;
use super::wire::{Allowance, MessageFields};
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;
use crate::domain::text::clean;
use crate::domain::{OnnxAttribute, OnnxGraph, OnnxInput, OnnxNode, OnnxTensor};

/// The most nodes, names, attributes and whole numbers of a graph. A Swin-L has thirty thousand.
const MOST_PARTS: usize = 400_000;
/// The most nodes of a graph. A Swin-L has a few thousand.
const MOST_NODES: usize = 50_000;
/// The domain of the standard operators, which may also be empty.
const STANDARD: &str = "ai.onnx";
/// Parts that a node or a named value counts for, because of the memory that it takes.
const PARTS_OF_A_NODE: usize = 4;

/// The graph of a model. The digest is left empty.
pub fn model(bytes: &[u8], external: &mut ExternalData) -> Result<OnnxGraph, CheckpointFault> {
    let mut reader = GraphReader {
        external,
        allowance: Allowance::new(MOST_PARTS),
    };
    let (mut graph, mut opset) = (None, None);
    let (mut producer, mut version) = ("", "");
    for field in MessageFields::of(bytes) {
        let field = field?;
        match field.number {
            2 => producer = field.value.text()?,
            3 => version = field.value.text()?,
            7 if graph.is_some() => return damaged("it holds two graphs"),
            7 => graph = Some(field.value.bytes()?),
            8 => opset = standard_opset(field.value.bytes()?)?.or(opset),
            _ => {}
        }
    }
    let Some(graph) = graph else {
        return damaged("it holds no graph: it is no ONNX file, or a part of one");
    };
    let Some(opset) = opset else {
        return damaged("it does not say the version of its operators (opset)");
    };
    let read = reader.graph(graph)?;
    Ok(OnnxGraph {
        opset,
        producer: clean(&format!("{producer} {version}")).trim().to_owned(),
        ..read
    })
}

/// The version of the standard operators, if the message is about them.
fn standard_opset(message: &[u8]) -> Result<Option<i64>, CheckpointFault> {
    let (mut domain, mut version) = ("", 0);
    for field in MessageFields::of(message) {
        let field = field?;
        match field.number {
            1 => domain = field.value.text()?,
            2 => version = field.value.integer()?,
            _ => {}
        }
    }
    Ok((domain.is_empty() || domain == STANDARD).then_some(version))
}

struct GraphReader<'e> {
    external: &'e mut ExternalData,
    allowance: Allowance,
}

impl GraphReader<'_> {
    fn graph(&mut self, message: &[u8]) -> Result<OnnxGraph, CheckpointFault> {
        let mut nodes = Vec::new();
        let mut constants: BTreeMap<String, OnnxTensor> = BTreeMap::new();
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for field in MessageFields::of(message) {
            let field = field?;
            match field.number {
                1 if nodes.len() == MOST_NODES => {
                    return Err(CheckpointFault::Unsupported(format!(
                        "its graph has more than {MOST_NODES} nodes, and no model that cxr reads has that many"
                    )));
                }
                1 => nodes.push(self.node(field.value.bytes()?)?),
                5 => {
                    self.allowance.take(PARTS_OF_A_NODE)?;
                    let read = tensor(field.value.bytes()?, self.external, &mut self.allowance)?;
                    if constants.contains_key(&read.name) {
                        return damaged(format!("two tensors are called {}", read.name));
                    }
                    constants.insert(read.name, read.tensor);
                }
                11 => inputs.push(self.value(field.value.bytes()?)?),
                12 => outputs.push(self.value(field.value.bytes()?)?.name),
                15 => {
                    return Err(CheckpointFault::Unsupported(
                        "it holds sparse tensors".to_owned(),
                    ));
                }
                _ => {}
            }
        }
        // Before version 4 of the format, each constant was an input too.
        inputs.retain(|input: &OnnxInput| !constants.contains_key(&input.name));
        Ok(OnnxGraph {
            opset: 0,
            producer: String::new(),
            nodes,
            constants,
            inputs,
            outputs,
            sha256: String::new(),
            data: None,
        })
    }

    fn node(&mut self, message: &[u8]) -> Result<OnnxNode, CheckpointFault> {
        self.allowance.take(PARTS_OF_A_NODE)?;
        let (mut name, mut operator, mut domain) = ("", "", "");
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        let mut attributes = BTreeMap::new();
        for field in MessageFields::of(message) {
            let field = field?;
            match field.number {
                1 => inputs.push(self.text(field.value.text()?)?),
                2 => outputs.push(self.text(field.value.text()?)?),
                3 => name = field.value.text()?,
                4 => operator = field.value.text()?,
                5 => {
                    let (key, attribute) = self.attribute(field.value.bytes()?)?;
                    attributes.insert(key, attribute);
                }
                7 => domain = field.value.text()?,
                _ => {}
            }
        }
        let is_standard = domain.is_empty() || domain == STANDARD;
        Ok(OnnxNode {
            name: name.to_owned(),
            operator: if is_standard {
                operator.to_owned()
            } else {
                format!("{domain}::{operator}")
            },
            inputs,
            outputs,
            attributes,
        })
    }

    fn text(&mut self, text: &str) -> Result<String, CheckpointFault> {
        self.allowance.take(1)?;
        Ok(text.to_owned())
    }

    fn attribute(&mut self, message: &[u8]) -> Result<(String, OnnxAttribute), CheckpointFault> {
        self.allowance.take(PARTS_OF_A_NODE)?;
        let mut name = "";
        let mut found = AttributeFields::default();
        for field in MessageFields::of(message) {
            let field = field?;
            let value = field.value;
            match field.number {
                1 => name = value.text()?,
                2 => found.float = Some(value.float()?),
                3 => found.integer = Some(value.integer()?),
                4 => found.text = Some(value.bytes()?),
                5 => found.tensor = Some(value.bytes()?),
                7 => {
                    // Each takes as much memory as in the file, and there may be many attributes.
                    value.add_floats(&mut found.floats)?;
                }
                8 => value.add_integers(&mut found.integers, &mut self.allowance)?,
                20 => found.kind = Some(value.integer()?),
                _ => {}
            }
        }
        Ok((name.to_owned(), self.attribute_of(found)?))
    }

    /// A number of 0 and an empty list may be left out where the kind is said.
    fn attribute_of(&mut self, found: AttributeFields) -> Result<OnnxAttribute, CheckpointFault> {
        Ok(match found.kind() {
            1 => OnnxAttribute::Float(found.float.unwrap_or(0.0)),
            2 => OnnxAttribute::Integer(found.integer.unwrap_or(0)),
            3 => {
                let text = str::from_utf8(found.text.unwrap_or_default());
                text.map_or(OnnxAttribute::Other, |text| {
                    OnnxAttribute::Text(text.to_owned())
                })
            }
            4 => {
                let message = found.tensor.unwrap_or_default();
                let read = tensor(message, self.external, &mut self.allowance)?;
                OnnxAttribute::Tensor(read.tensor)
            }
            6 => OnnxAttribute::Floats(found.floats),
            7 => OnnxAttribute::Integers(found.integers),
            _ => OnnxAttribute::Other,
        })
    }

    /// A value that goes in or out.
    fn value(&mut self, message: &[u8]) -> Result<OnnxInput, CheckpointFault> {
        self.allowance.take(PARTS_OF_A_NODE)?;
        let (mut name, mut shape) = ("", None);
        for field in MessageFields::of(message) {
            let field = field?;
            match field.number {
                1 => name = field.value.text()?,
                2 => shape = self.shape_of_type(field.value.bytes()?)?,
                _ => {}
            }
        }
        Ok(OnnxInput {
            name: name.to_owned(),
            shape,
        })
    }

    /// The shape in a `TypeProto`; `None` if it is no tensor, or has none.
    fn shape_of_type(
        &mut self,
        message: &[u8],
    ) -> Result<Option<Vec<Option<usize>>>, CheckpointFault> {
        let Some(tensor) = field_of(message, 1)? else {
            return Ok(None);
        };
        let Some(shape) = field_of(tensor, 2)? else {
            return Ok(None);
        };
        let mut sizes = Vec::new();
        for field in MessageFields::of(shape) {
            let field = field?;
            if field.number == 1 {
                self.allowance.take(1)?;
                sizes.push(size(field.value.bytes()?)?);
            }
        }
        Ok(Some(sizes))
    }
}

/// The fields of an attribute as they are in the file.
#[derive(Default)]
struct AttributeFields<'a> {
    kind: Option<i64>,
    float: Option<f32>,
    integer: Option<i64>,
    text: Option<&'a [u8]>,
    tensor: Option<&'a [u8]>,
    floats: Vec<f32>,
    integers: Vec<i64>,
}

impl AttributeFields<'_> {
    /// `AttributeProto.AttributeType`. The oldest files do not say it.
    fn kind(&self) -> i64 {
        self.kind.filter(|kind| *kind != 0).unwrap_or_else(|| {
            let present = [
                (1, self.float.is_some()),
                (2, self.integer.is_some()),
                (3, self.text.is_some()),
                (4, self.tensor.is_some()),
                (6, !self.floats.is_empty()),
                (7, !self.integers.is_empty()),
            ];
            let found = present.into_iter().find(|(_, is_there)| *is_there);
            found.map_or(0, |(kind, _)| kind)
        })
    }
}

/// The last field of this number, a message.
fn field_of(message: &[u8], number: u64) -> Result<Option<&[u8]>, CheckpointFault> {
    let mut found = None;
    for field in MessageFields::of(message) {
        let field = field?;
        if field.number == number {
            found = Some(field.value.bytes()?);
        }
    }
    Ok(found)
}

/// The size in a `Dimension`; `None` if it has a name, or none.
fn size(message: &[u8]) -> Result<Option<usize>, CheckpointFault> {
    let mut size = None;
    for field in MessageFields::of(message) {
        let field = field?;
        if field.number == 1 {
            size = usize::try_from(field.value.integer()?).ok();
        }
    }
    // Some exporters write 0 for a size that is not fixed.
    Ok(size.filter(|size| *size > 0))
}
