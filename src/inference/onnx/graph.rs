//! The values of a graph while its nodes are read, one after the other.

use std::collections::HashMap;

use super::constant::{Constant, ConstantNumbers, SymbolicCount};
use super::draft::{DraftLayer, DraftPlace, Drafts};
use super::node::{GraphNode, axis_of, shown};
use super::view::{MapShape, MapView};
use crate::domain::OnnxTensor;

/// Constants that are computed may have this many times the numbers of the file, and some more.
const MOST_TIMES: usize = 4;
const AT_LEAST: usize = 1 << 20;

/// A value that depends on the image.
#[derive(Debug, Clone, PartialEq)]
pub struct MapValue {
    pub draft: DraftPlace,
    pub view: MapView,
}

/// A value of the graph.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphValue {
    Constant(Constant),
    Map(MapValue),
}

/// What is known of a graph so far.
pub struct GraphValues {
    pub drafts: Drafts,
    by_name: HashMap<String, GraphValue>,
    /// The number of images that the graph is fixed to, if it is.
    pub images: Option<usize>,
    /// Numbers that constants may still take.
    left: usize,
}

impl GraphValues {
    /// A graph with these constants, and an input of this shape and view.
    pub fn new(
        constants: impl IntoIterator<Item = (String, OnnxTensor)>,
        (input, view): (String, MapView),
        shape: MapShape,
        images: Option<usize>,
    ) -> Self {
        let constants = constants
            .into_iter()
            .map(|(name, tensor)| (name, GraphValue::Constant(tensor.into())));
        let mut by_name: HashMap<String, GraphValue> = constants.collect();
        let numbers = by_name.values().map(|value| match value {
            GraphValue::Constant(constant) => constant.len(),
            GraphValue::Map(_) => 0,
        });
        let most = numbers
            .sum::<usize>()
            .saturating_mul(MOST_TIMES)
            .saturating_add(AT_LEAST);
        let value = MapValue { draft: 0, view };
        by_name.insert(input, GraphValue::Map(value));
        GraphValues {
            drafts: Drafts::new(shape, most),
            by_name,
            images,
            left: most,
        }
    }

    /// The layers alone. The constants go, so that weights are not kept twice.
    pub fn into_drafts(self) -> Drafts {
        self.drafts
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&GraphValue> {
        self.by_name.get(name)
    }

    /// Names what a node makes first. Other outputs of the supported operators are for training.
    ///
    /// # Errors
    /// If it makes nothing, or the name is taken.
    pub fn set(&mut self, node: GraphNode, value: GraphValue) -> Result<(), String> {
        let Some(name) = node.0.outputs.first().filter(|name| !name.is_empty()) else {
            return Err(node.fault("it makes nothing"));
        };
        match self.by_name.insert(name.clone(), value) {
            None => Ok(()),
            Some(_) => Err(node.fault(format!("{} is there twice", shown(name)))),
        }
    }

    /// Counts a constant that was computed.
    ///
    /// # Errors
    /// If all of them together take more than any model that cxr reads.
    pub fn spend(&mut self, node: GraphNode, constant: Constant) -> Result<GraphValue, String> {
        self.left = self
            .left
            .checked_sub(constant.len())
            .ok_or_else(|| node.fault("its constants together are far larger than the file"))?;
        Ok(GraphValue::Constant(constant))
    }

    /// Numbers that further constants may have.
    pub fn allowance(&self) -> usize {
        self.left
    }

    /// The inputs of a node; `None` for one that is left out.
    ///
    /// # Errors
    /// If one does not exist yet.
    pub fn inputs(&self, node: GraphNode) -> Result<Vec<Option<&GraphValue>>, String> {
        let value = |name: &String| {
            match (name.is_empty(), self.get(name)) {
            (true, _) => Ok(None),
            (false, Some(value)) => Ok(Some(value)),
            (false, None) => Err(node.fault(format!(
                "it reads {}, which no node before it makes: the graph is a circle, or not in order",
                shown(name)
            ))),
        }
        };
        node.0.inputs.iter().map(value).collect()
    }

    fn input(&self, node: GraphNode, place: usize) -> Result<&GraphValue, String> {
        let name = node.0.inputs.get(place).filter(|name| !name.is_empty());
        let value = name.and_then(|name| self.get(name));
        value.ok_or_else(|| node.fault(format!("it has no input {place}")))
    }

    /// An input that depends on the image.
    ///
    /// # Errors
    /// If it is absent, or a constant.
    pub fn map(&self, node: GraphNode, place: usize) -> Result<MapValue, String> {
        match self.input(node, place)? {
            GraphValue::Map(value) => Ok(value.clone()),
            GraphValue::Constant(_) => {
                Err(node.fault(format!("its input {place} is a constant and no map")))
            }
        }
    }

    /// An input that is a map, `[N, C, h, w]`, and its shape.
    ///
    /// # Errors
    /// If it is something else.
    pub fn image_map(
        &self,
        node: GraphNode,
        place: usize,
    ) -> Result<(DraftPlace, MapShape), String> {
        let value = self.map(node, place)?;
        let shape = self.drafts.shape(value.draft);
        if value.view.is_map(shape) {
            return Ok((value.draft, shape));
        }
        let words = value.view.words(shape);
        Err(node.fault(format!(
            "its input is {words}, and not a map of channels, rows and columns in this order"
        )))
    }

    /// An input that is a constant.
    ///
    /// # Errors
    /// If it is absent, or depends on the image.
    pub fn constant(&self, node: GraphNode, place: usize) -> Result<&Constant, String> {
        match self.input(node, place)? {
            GraphValue::Constant(constant) => Ok(constant),
            GraphValue::Map(_) => {
                Err(node.fault(format!("its input {place} depends on the image")))
            }
        }
    }

    /// A constant that may be left out.
    ///
    /// # Errors
    /// If it depends on the image.
    pub fn optional(&self, node: GraphNode, place: usize) -> Result<Option<&Constant>, String> {
        match node.0.inputs.get(place) {
            Some(name) if !name.is_empty() => self.constant(node, place).map(Some),
            _ => Ok(None),
        }
    }

    /// The floats of a constant, of which there must be as many as channels.
    ///
    /// # Errors
    /// If it is absent, or something else.
    pub fn of_channels(
        &self,
        node: GraphNode,
        place: usize,
        channels: usize,
    ) -> Result<Vec<f32>, String> {
        let constant = self.constant(node, place)?;
        let floats = constant.as_floats();
        let fitting = floats.filter(|_| constant.shape == [channels]);
        let fitting = fitting.map(|values| values.to_vec());
        fitting.ok_or_else(|| {
            let shape = &constant.shape;
            node.fault(format!(
                "its input {place} has shape {shape:?}, and there are {channels} channels"
            ))
        })
    }

    /// Whole numbers of an input, or of the attribute that older versions of the operator have in its place.
    ///
    /// # Errors
    /// If they are something else, or depend on the image.
    pub fn integers(
        &self,
        node: GraphNode,
        place: usize,
        attribute: &str,
    ) -> Result<Option<Vec<i64>>, String> {
        match self.optional(node, place)? {
            Some(constant) => {
                let integers = constant.as_integers();
                let fault = || node.fault(format!("its input {place} is not whole numbers"));
                node.listed(&integers.ok_or_else(fault)?).map(Some)
            }
            None => node
                .integers(attribute)?
                .map(|values| node.listed(values))
                .transpose(),
        }
    }

    /// Axes of a value of this rank, from an input or an attribute.
    ///
    /// # Errors
    /// As [`integers`](Self::integers), and if there is no such axis.
    pub fn axes(
        &self,
        node: GraphNode,
        place: usize,
        rank: usize,
    ) -> Result<Option<Vec<usize>>, String> {
        let Some(axes) = self.integers(node, place, "axes")? else {
            return Ok(None);
        };
        let axis = |axis: &i64| {
            axis_of(*axis, rank).ok_or_else(|| node.fault(format!("it has no axis {axis}")))
        };
        let axes = axes.iter().map(axis);
        Ok(Some(axes.collect::<Result<Vec<usize>, String>>()?))
    }

    /// The shape that `Reshape` is given.
    ///
    /// # Errors
    /// If it is not a list of whole numbers.
    pub fn sizes(&self, node: GraphNode, place: usize) -> Result<Vec<SymbolicCount>, String> {
        match &self.constant(node, place)?.numbers {
            ConstantNumbers::Counts(counts) => Ok(counts.clone()),
            ConstantNumbers::Floats(_) => Err(node.fault("its shape is not whole numbers")),
        }
    }

    /// Adds a layer that makes a value of this view.
    ///
    /// # Errors
    /// If it is too large.
    pub fn push(
        &mut self,
        node: GraphNode,
        layer: DraftLayer,
        shape: MapShape,
        view: MapView,
    ) -> Result<GraphValue, String> {
        let draft = self.drafts.push(layer, shape, node.label())?;
        Ok(GraphValue::Map(MapValue { draft, view }))
    }
}
