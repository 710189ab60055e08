//! A graph as it is stored: without its floats.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most steps, and the most values. A Swin-L has a few thousand.
const MOST_STEPS: usize = 50_000;
const MOST_VALUES: usize = 200_000;

/// A graph for one image, `[1, channels, side, side]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredGraph {
    /// Version of the operators.
    pub opset: i64,
    pub channels: usize,
    pub side: usize,
    /// Whether the graph reads the image as `[1, side, side, channels]`.
    pub channels_last: bool,
    /// How many there are, the image among them.
    pub values: usize,
    pub constants: Vec<GraphConstant>,
    /// In order: each reads only what came before it.
    pub steps: Vec<GraphStep>,
    /// The value with the numbers that the last layer reads.
    pub output: usize,
    /// How many numbers these are.
    pub features: usize,
}

/// A value that does not depend on the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphConstant {
    pub value: usize,
    pub shape: Vec<usize>,
    /// Its whole numbers, row by row; absent if it has floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Vec<i64>>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphStep {
    /// As ONNX calls it.
    pub operator: String,
    /// `None` for one that is left out.
    pub inputs: Vec<Option<usize>>,
    /// `None` for one that no step reads.
    pub outputs: Vec<Option<usize>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, StepAttribute>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepAttribute {
    Integer(i64),
    Float(f32),
    Text(String),
    Integers(Vec<i64>),
    Floats(Vec<f32>),
}

impl StoredGraph {
    /// Whether the steps are in order, and each value is made once.
    ///
    /// # Errors
    /// If they are not; the reason names the step.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.len() > MOST_STEPS || self.values > MOST_VALUES {
            let (steps, values) = (self.steps.len(), self.values);
            return Err(format!(
                "{steps} steps and {values} values, which is too many"
            ));
        }
        let mut is_made = vec![false; self.values];
        let mut make = |value: usize| match is_made.get_mut(value) {
            Some(made) if !*made => {
                *made = true;
                Ok(())
            }
            _ => Err(format!("value {value} is made twice, or is none")),
        };
        make(0)?;
        for constant in &self.constants {
            make(constant.value)?;
            constant.check()?;
        }
        for (place, step) in self.steps.iter().enumerate() {
            for value in step.outputs.iter().flatten() {
                make(*value).map_err(|reason| format!("step {place}: {reason}"))?;
            }
        }
        let mut is_there = vec![false; self.values];
        is_there[0] = true;
        for constant in &self.constants {
            is_there[constant.value] = true;
        }
        for (place, step) in self.steps.iter().enumerate() {
            let absent = step.inputs.iter().flatten();
            let mut absent = absent.filter(|value| is_there.get(**value) != Some(&true));
            if let Some(value) = absent.next() {
                return Err(format!(
                    "step {place}: it reads value {value}, which is made later"
                ));
            }
            for value in step.outputs.iter().flatten() {
                is_there[*value] = true;
            }
        }
        match is_there.get(self.output) {
            Some(true) => Ok(()),
            _ => Err(format!("nothing makes value {}, its output", self.output)),
        }
    }

    /// For each value, the last step that reads it; `None` for the output, and for what no step reads.
    pub fn last_reads(&self) -> Vec<Option<usize>> {
        let mut last = vec![None; self.values];
        for (place, step) in self.steps.iter().enumerate() {
            for value in step.inputs.iter().flatten() {
                last[*value] = Some(place);
            }
        }
        last[self.output] = None;
        last
    }
}

impl GraphConstant {
    /// Whether it has as many whole numbers as its shape says, if it has some.
    fn check(&self) -> Result<(), String> {
        let mut sizes = self.shape.iter();
        let count = sizes.try_fold(1_usize, |count, size| count.checked_mul(*size));
        match &self.whole {
            Some(numbers) if count != Some(numbers.len()) => {
                let (value, shape) = (self.value, &self.shape);
                Err(format!("value {value} is not the numbers of {shape:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// The name of the tensor with the floats of a constant.
pub fn constant_name(value: usize) -> String {
    format!("constants.{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(inputs: &[usize], outputs: &[usize]) -> GraphStep {
        GraphStep {
            operator: "Add".to_owned(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: outputs.iter().copied().map(Some).collect(),
            attributes: BTreeMap::new(),
        }
    }

    fn graph(steps: Vec<GraphStep>) -> StoredGraph {
        StoredGraph {
            opset: 17,
            channels: 3,
            side: 8,
            channels_last: false,
            values: 4,
            constants: vec![GraphConstant {
                value: 1,
                shape: vec![2],
                whole: Some(vec![3, -4]),
            }],
            steps,
            output: 3,
            features: 2,
        }
    }

    #[test]
    fn a_graph_is_read_as_it_was_written() {
        let mut graph = graph(vec![step(&[0, 1], &[2]), step(&[2, 1], &[3])]);
        let attributes = [
            ("axis", StepAttribute::Integer(-1)),
            ("epsilon", StepAttribute::Float(1e-6)),
            ("perm", StepAttribute::Integers(vec![0, 2, 1])),
        ];
        graph.steps[0].attributes = attributes
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let text = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<StoredGraph>(&text).unwrap(), graph);
        assert_eq!(graph.check(), Ok(()));
        assert_eq!(graph.last_reads(), [Some(0), Some(1), Some(1), None]);
    }

    #[test]
    fn steps_out_of_order_are_refused_by_their_place() {
        for (steps, words) in [
            (
                vec![step(&[2], &[3]), step(&[0], &[2])],
                "step 0: it reads value 2",
            ),
            (vec![step(&[3], &[3])], "step 0: it reads value 3"),
            (vec![step(&[9], &[3])], "step 0: it reads value 9"),
            (
                vec![step(&[0], &[2]), step(&[0], &[2])],
                "step 1: value 2 is made twice",
            ),
            (
                vec![step(&[0], &[9])],
                "step 0: value 9 is made twice, or is none",
            ),
            (vec![step(&[0], &[1])], "step 0: value 1 is made twice"),
            (vec![step(&[0], &[2])], "nothing makes value 3"),
        ] {
            let fault = graph(steps).check().unwrap_err();
            assert!(fault.contains(words), "{fault}");
        }
        let mut short = graph(vec![step(&[0], &[3])]);
        short.constants[0].shape = vec![3];
        let fault = short.check().unwrap_err();
        assert_eq!(fault, "value 1 is not the numbers of [3]");
        let mut other = graph(vec![step(&[0], &[3])]);
        other.values = MOST_VALUES + 1;
        assert!(other.check().unwrap_err().contains("too many"));
    }
}
