//! The parameters of a node, and faults that name it.

use std::fmt::Display;

use crate::domain::text::clean;
use crate::domain::{OnnxAttribute, OnnxNode};

/// The most axes of a tensor.
pub const MOST_AXES: usize = 16;

/// The most characters of a name in a message.
const LONGEST: usize = 80;

/// A name from the file, in one short line.
pub fn shown(name: &str) -> String {
    clean(&name.chars().take(LONGEST).collect::<String>())
}

/// A node of the graph. Its faults begin with its operator and its name.
#[derive(Clone, Copy)]
pub struct GraphNode<'a>(pub &'a OnnxNode);

impl<'a> GraphNode<'a> {
    /// `Conv` or `BatchNormalization`.
    pub fn operator(self) -> &'a str {
        &self.0.operator
    }

    /// The operator and the name: `Conv /features/conv0`. A node without a name is called by what it makes.
    pub fn label(self) -> String {
        let OnnxNode {
            name,
            operator,
            outputs,
            ..
        } = self.0;
        let name = match (name.is_empty(), outputs.first()) {
            (true, Some(output)) => output,
            _ => name,
        };
        format!("{} {}", shown(operator), shown(name))
            .trim()
            .to_owned()
    }

    /// The reason why this node is not read.
    pub fn fault(self, reason: impl Display) -> String {
        format!("{}: {reason}", self.label())
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn integer(self, name: &str, default: i64) -> Result<i64, String> {
        match self.0.attributes.get(name) {
            None => Ok(default),
            Some(OnnxAttribute::Integer(value)) => Ok(*value),
            Some(_) => Err(self.other_kind(name)),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn float(self, name: &str, default: f32) -> Result<f32, String> {
        match self.0.attributes.get(name) {
            None => Ok(default),
            Some(OnnxAttribute::Float(value)) => Ok(*value),
            Some(_) => Err(self.other_kind(name)),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn integers(self, name: &str) -> Result<Option<&'a [i64]>, String> {
        match self.0.attributes.get(name) {
            None => Ok(None),
            Some(OnnxAttribute::Integers(values)) => Ok(Some(values)),
            Some(_) => Err(self.other_kind(name)),
        }
    }

    /// Axes, sizes or places that an operator is given: at most two for each axis of a tensor.
    ///
    /// # Errors
    /// If there are more. Each is searched for among the others, so a million of them would take days.
    pub fn listed(self, values: &[i64]) -> Result<Vec<i64>, String> {
        if values.len() > 2 * MOST_AXES {
            return Err(self.fault(format!(
                "it lists {} axes or sizes, more than a tensor has",
                values.len()
            )));
        }
        Ok(values.to_vec())
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        match self.0.attributes.get(name) {
            None => Ok(None),
            Some(OnnxAttribute::Text(value)) => Ok(Some(value)),
            Some(_) => Err(self.other_kind(name)),
        }
    }

    /// Sizes or steps down and across, which must be the same; `default` where the attribute is absent.
    ///
    /// # Errors
    /// If the attribute is of another kind, the two differ, or they are no sizes.
    pub fn square(self, name: &str, default: usize) -> Result<usize, String> {
        let Some(values) = self.integers(name)? else {
            return Ok(default);
        };
        match values {
            [down, across] if down == across => usize::try_from(*down)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| self.fault(format!("{name} is {values:?}"))),
            _ => Err(self.fault(format!(
                "{name} is {values:?}, and cxr has only squares of pixels"
            ))),
        }
    }

    /// Whether a `Cast` makes floats, of any size.
    ///
    /// # Errors
    /// If its attribute is of another kind.
    pub fn is_cast_to_floats(self) -> Result<bool, String> {
        /// Float, float16, double and bfloat16 of `TensorProto.DataType`.
        const FLOATS: [i64; 4] = [1, 10, 11, 16];
        Ok(FLOATS.contains(&self.integer("to", 1)?))
    }

    fn other_kind(self, name: &str) -> String {
        self.fault(format!("its {name} is of another kind than it should be"))
    }
}

/// The place of an axis, of which there are `rank`; a negative one counts from the end.
pub fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let place = if axis < 0 {
        axis.checked_add(rank)?
    } else {
        axis
    };
    let place = Some(place).filter(|place| (0..rank).contains(place))?;
    usize::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_node_and_attributes_have_their_kinds() {
        let mut node = OnnxNode {
            name: "/a\u{1b}[2J".to_owned(),
            operator: "Conv".to_owned(),
            inputs: Vec::new(),
            outputs: vec!["out".to_owned()],
            attributes: [
                ("group".to_owned(), OnnxAttribute::Integer(4)),
                ("strides".to_owned(), OnnxAttribute::Integers(vec![2, 2])),
                ("pads".to_owned(), OnnxAttribute::Integers(vec![1, 2])),
                ("zero".to_owned(), OnnxAttribute::Integers(vec![0, 0])),
            ]
            .into(),
        };
        let read = GraphNode(&node);
        let label = read.label();
        assert!(label.starts_with("Conv /a") && !label.contains('\u{1b}'));
        assert_eq!(read.integer("group", 1), Ok(4));
        assert_eq!(read.integer("axis", -1), Ok(-1));
        assert_eq!(read.square("strides", 1), Ok(2));
        assert_eq!(read.square("dilations", 1), Ok(1));
        assert!(
            read.square("pads", 1)
                .unwrap_err()
                .contains("pads is [1, 2], and")
        );
        assert!(
            read.square("zero", 1)
                .unwrap_err()
                .contains("zero is [0, 0]")
        );
        assert!(
            read.float("group", 0.0)
                .unwrap_err()
                .contains("its group is of another")
        );
        assert!(read.text("group").is_err() && read.integers("group").is_err());
        node.name.clear();
        assert_eq!(GraphNode(&node).fault("no"), "Conv out: no");
    }

    #[test]
    fn axes_count_from_either_end() {
        assert_eq!(
            [0, 3, -1, -4].map(|axis| axis_of(axis, 4)),
            [0, 3, 3, 0].map(Some)
        );
        assert_eq!(
            [4, -5, i64::MIN, i64::MAX].map(|axis| axis_of(axis, 4)),
            [None; 4]
        );
    }
}
