//! A graph with numbers in the place of names, computed for an image of zeros.

use std::collections::{BTreeMap, HashMap, HashSet};

use candle_core::{DType, Device, Tensor};

use super::GraphImage;
use super::numbers::{attributes_of, constant_of, stored, tensor_of};
use crate::domain::{OnnxNode, OnnxTensor};
use crate::inference::in_words;
use crate::inference::network::graph::{
    GraphConstant, GraphRun, GraphStep, StepAttribute, oriented,
};
use crate::inference::onnx::node::{GraphNode, shown};
use crate::inference::onnx::operators::needed;
use crate::inference::outputs::MOST_OUTPUTS;
use crate::inference::tensor_file::FoundTensor;

/// Constants that are computed may have this many times the numbers of the file, and some more.
const MOST_TIMES: usize = 4;
const AT_LEAST: usize = 1 << 20;

/// A graph whose values have numbers in the place of names.
pub struct GraphReading<'a> {
    nodes: Vec<GraphNode<'a>>,
    /// One for each node.
    steps: Vec<GraphStep>,
    /// By value; `None` for what depends on the image.
    pub constants: Vec<Option<Tensor>>,
    /// Numbers that further constants may have.
    left: usize,
    /// Whether each step depends on the image.
    depends: Vec<bool>,
}

/// What is known of a graph after it was computed for an image of zeros.
pub struct ComputedGraph {
    pub outputs: usize,
    /// The shape of the outputs, `[1, …]`.
    pub shape: Vec<usize>,
    /// The shape of what the last layer reads.
    read: Option<Vec<usize>>,
}

/// A last layer: `read · weight + bias`.
pub struct LastLayer {
    read: usize,
    weight: usize,
    bias: Option<usize>,
    is_turned: bool,
    /// Of the product, and of the bias.
    factors: [f32; 2],
}

/// A last layer with its numbers.
pub struct TakenHead {
    /// The value that it reads.
    pub value: usize,
    pub features: usize,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

impl<'a> GraphReading<'a> {
    /// The nodes that `output` needs, and its number. The image is value 0.
    pub fn new(
        nodes: &'a [OnnxNode],
        mut constants: BTreeMap<String, OnnxTensor>,
        image: &'a str,
        output: &'a str,
    ) -> Result<(Self, usize), String> {
        let mut reading = GraphReading {
            nodes: Vec::new(),
            steps: Vec::new(),
            constants: vec![None],
            left: 0,
            depends: Vec::new(),
        };
        let mut numbers: HashMap<&str, usize> = HashMap::from([(image, 0)]);
        let mut count = 0_usize;
        for (node, is_needed) in nodes.iter().zip(needed(nodes, output)?) {
            if !is_needed {
                continue;
            }
            let node = GraphNode(node);
            let mut inputs = Vec::new();
            for name in &node.0.inputs {
                if let Some(tensor) = constants.remove(name) {
                    count = count.saturating_add(tensor.numbers.len());
                    numbers.insert(name, reading.constants.len());
                    reading.constants.push(Some(tensor_of(name, tensor)?));
                }
                inputs.push(match (name.is_empty(), numbers.get(name.as_str())) {
                    (true, _) => None,
                    (false, Some(value)) => Some(*value),
                    (false, None) => {
                        return Err(node.fault(format!(
                            "it reads {}, which no node before it makes: the graph is a circle, or not in order",
                            shown(name)
                        )));
                    }
                });
            }
            let mut outputs = Vec::new();
            for name in &node.0.outputs {
                outputs.push((!name.is_empty()).then_some(reading.constants.len()));
                if !name.is_empty() {
                    if numbers.insert(name, reading.constants.len()).is_some() {
                        return Err(node.fault(format!("{} is there twice", shown(name))));
                    }
                    reading.constants.push(None);
                }
            }
            if node.operator() == "Constant" {
                let (Some(tensor), Some(Some(value))) = (constant_of(node)?, outputs.first())
                else {
                    return Err(node.fault("a constant that is not numbers"));
                };
                count = count.saturating_add(tensor.numbers.len());
                reading.constants[*value] = Some(tensor_of(&node.label(), tensor)?);
                continue;
            }
            reading.nodes.push(node);
            reading.steps.push(GraphStep {
                operator: node.operator().to_owned(),
                inputs,
                outputs,
                attributes: attributes_of(node)?,
            });
        }
        reading.left = count.saturating_mul(MOST_TIMES).saturating_add(AT_LEAST);
        match numbers.get(output) {
            Some(value) => Ok((reading, *value)),
            None => Err(format!("no node makes its output {}", shown(output))),
        }
    }

    fn maker(&self, value: usize) -> Option<&GraphStep> {
        let makes = |step: &&GraphStep| step.outputs.first() == Some(&Some(value));
        self.steps.iter().find(makes)
    }

    /// The layer of weights that makes a value, if one does.
    pub fn last_layer(&self, value: usize) -> Option<LastLayer> {
        let step = self.maker(value)?;
        let input = |step: &GraphStep, place: usize| step.inputs.get(place).copied().flatten();
        let number = |name: &str| match step.attributes.get(name) {
            Some(StepAttribute::Integer(value)) => *value as f32,
            Some(StepAttribute::Float(value)) => *value,
            _ => f32::NAN,
        };
        let or = |name: &str, default: f32| {
            Some(number(name))
                .filter(|v| !v.is_nan())
                .unwrap_or(default)
        };
        let product = |step: &GraphStep, bias: Option<usize>| {
            (step.operator == "MatMul").then_some(())?;
            Some(LastLayer {
                read: input(step, 0)?,
                weight: input(step, 1)?,
                bias,
                is_turned: false,
                factors: [1.0, 1.0],
            })
        };
        match step.operator.as_str() {
            "Gemm" if or("transA", 0.0) == 0.0 => Some(LastLayer {
                read: input(step, 0)?,
                weight: input(step, 1)?,
                bias: input(step, 2),
                is_turned: or("transB", 0.0) == 1.0,
                factors: [or("alpha", 1.0), or("beta", 1.0)],
            }),
            "MatMul" => product(step, None),
            "Add" => {
                let (first, second) = (input(step, 0)?, input(step, 1)?);
                let of = |made: usize, bias: usize| product(self.maker(made)?, Some(bias));
                of(first, second).or_else(|| of(second, first))
            }
            _ => None,
        }
    }

    /// Computes the graph for an image of zeros, and keeps what does not depend on it.
    pub fn compute(
        &mut self,
        opset: i64,
        image: &GraphImage,
        output: usize,
        last: Option<&LastLayer>,
    ) -> Result<ComputedGraph, String> {
        let words = |error: candle_core::Error| in_words(&error);
        let shape = (1, image.channels, image.side, image.side);
        let zeros = Tensor::zeros(shape, DType::F32, &Device::Cpu).map_err(words)?;
        let zeros = oriented(&zeros, image.channels_last).map_err(words)?;
        let mut run = GraphRun::new(opset, self.constants.len(), Device::Cpu);
        run.set(0, zeros);
        let mut last_reads = vec![0; self.constants.len()];
        for (place, step) in self.steps.iter().enumerate() {
            let values = step.inputs.iter().chain(&step.outputs).flatten();
            values.for_each(|value| last_reads[*value] = place);
        }
        let is_kept = |value: usize| value == output || last.is_some_and(|last| last.read == value);
        let mut used = HashSet::new();
        for (place, step) in self.steps.iter().enumerate() {
            let node = self.nodes[place];
            let done = run.step(step, &self.constants);
            done.map_err(|error| node.fault(in_words(&error)))?;
            let inputs = step.inputs.iter().flatten();
            let is_known = |value: &usize| self.constants[*value].is_some();
            let depends = !matches!(step.operator.as_str(), "Shape" | "Size")
                && !inputs.clone().all(is_known);
            self.depends.push(depends);
            if depends {
                used.extend(inputs.clone().copied().filter(is_known));
            } else {
                for value in step.outputs.iter().flatten() {
                    let made = run.give_up(*value);
                    let count = made.as_ref().map_or(0, Tensor::elem_count);
                    let left = self.left.checked_sub(count);
                    self.left = left.ok_or_else(|| {
                        node.fault("its constants together are far larger than the file")
                    })?;
                    self.constants[*value] = made;
                }
            }
            for value in inputs.chain(step.outputs.iter().flatten()) {
                if last_reads[*value] == place && !is_kept(*value) {
                    run.give_up(*value);
                    if !used.contains(value) && last.is_none_or(|last| !last.names(*value)) {
                        self.constants[*value] = None;
                    }
                }
            }
        }
        self.outputs_of(&run, output, last)
    }

    fn outputs_of(
        &self,
        run: &GraphRun,
        output: usize,
        last: Option<&LastLayer>,
    ) -> Result<ComputedGraph, String> {
        let Some(made) = run.get(output) else {
            return Err("its output does not depend on the image".to_owned());
        };
        let outputs = made.elem_count();
        if made.dims().first() != Some(&1) || made.dtype() != DType::F32 {
            return Err(format!(
                "its output is {:?}, and not a row of numbers for each image",
                made.dims()
            ));
        }
        if outputs == 0 || outputs > MOST_OUTPUTS {
            return Err(format!("{outputs} outputs, not from 1 to {MOST_OUTPUTS}"));
        }
        let read = last.and_then(|last| run.get(last.read));
        Ok(ComputedGraph {
            outputs,
            shape: made.dims().to_vec(),
            read: read.map(|read| read.dims().to_vec()),
        })
    }

    /// The numbers of a last layer, if it is one of weights alone.
    pub fn head(&self, last: &LastLayer, computed: &ComputedGraph) -> Option<TakenHead> {
        let [1, features] = computed.read.as_deref()? else {
            return None;
        };
        let weight = self.constants[last.weight].as_ref()?;
        let weight = if last.is_turned {
            weight.clone()
        } else {
            weight.t().ok()?
        };
        let outputs = computed.outputs;
        if weight.dims() != [outputs, *features] {
            return None;
        }
        let [of_product, of_bias] = last.factors.map(f64::from);
        let weight = (weight * of_product)
            .ok()?
            .flatten_all()
            .ok()?
            .to_vec1()
            .ok()?;
        let bias = match last.bias {
            None => vec![0.0; outputs],
            Some(value) => {
                let bias = (self.constants[value].as_ref()? * of_bias).ok()?;
                let bias = bias.broadcast_as((1, outputs)).ok()?;
                bias.flatten_all().ok()?.to_vec1().ok()?
            }
        };
        let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        (is_finite(&weight) && is_finite(&bias)).then_some(TakenHead {
            value: last.read,
            features: *features,
            weight,
            bias,
        })
    }

    /// The steps that a value needs and that depend on the image, and the constants that they read, whose floats go to
    /// `tensors`.
    pub fn remaining(
        &mut self,
        value: usize,
        tensors: &mut BTreeMap<String, FoundTensor>,
    ) -> Result<(Vec<GraphStep>, Vec<GraphConstant>), String> {
        let mut wanted = HashSet::from([value]);
        let mut steps = Vec::new();
        for (place, step) in self.steps.iter().enumerate().rev() {
            let makes = step
                .outputs
                .iter()
                .flatten()
                .any(|made| wanted.contains(made));
            if self.depends[place] && makes {
                wanted.extend(step.inputs.iter().flatten().copied());
                steps.push(step.clone());
            }
        }
        steps.reverse();
        for step in &mut steps {
            for output in &mut step.outputs {
                *output = output.filter(|value| wanted.contains(value));
            }
        }
        let mut wanted = Vec::from_iter(wanted);
        wanted.sort_unstable();
        let mut constants = Vec::new();
        for value in wanted {
            // Given up one by one, so that they are never twice in memory.
            if let Some(tensor) = self.constants[value].take() {
                constants.push(stored(value, &tensor, tensors)?);
            }
        }
        Ok((steps, constants))
    }
}

impl LastLayer {
    /// Whether a value is its weight or its bias.
    fn names(&self, value: usize) -> bool {
        value == self.weight || self.bias == Some(value)
    }
}
