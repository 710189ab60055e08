//! Operators whose inputs are all constants: the arithmetic of shapes, and weights that are turned or normalised before
//! they are used. Semantics are those of [the standard](https://onnx.ai/onnx/operators/).

mod arithmetic;
mod places;

use self::arithmetic::{Binary, Unary};
use super::constant::{
    Constant, ConstantNumbers, SymbolicCount, broadcast, broadcast_place, product,
};
use super::node::{GraphNode, MOST_AXES, axis_of};
use crate::domain::OnnxAttribute;

/// The inputs of a node; `None` for one that is left out.
pub type ConstantInputs<'a> = [Option<&'a Constant>];

/// What a node makes of constants, of at most `most` numbers.
///
/// # Errors
/// If the operator is none of those, its inputs do not fit, or the result is larger.
pub fn fold(node: GraphNode, inputs: &ConstantInputs, most: usize) -> Result<Constant, String> {
    let folding = Folding { node, inputs, most };
    let folded = folding.fold()?;
    if folded.shape.len() > MOST_AXES {
        return Err(node.fault(format!("a tensor of {} axes", folded.shape.len())));
    }
    Ok(folded)
}

struct Folding<'a> {
    node: GraphNode<'a>,
    inputs: &'a ConstantInputs<'a>,
    most: usize,
}

impl Folding<'_> {
    fn fold(&self) -> Result<Constant, String> {
        match self.node.operator() {
            "Constant" => self.constant(),
            "Identity" | "Dropout" => Ok(self.input(0)?.clone()),
            "Shape" => self.shape(),
            "Gather" => self.gather(),
            "Slice" => self.slice(),
            "Concat" => self.concat(),
            "Transpose" => self.transpose(),
            "Reshape" => self.reshape(),
            "Unsqueeze" => self.unsqueeze(),
            "Squeeze" => self.squeeze(),
            "Cast" => self.cast(),
            "ConstantOfShape" => self.constant_of_shape(),
            "Expand" => self.expand(),
            "ReduceProd" => self.reduce_prod(),
            "Add" => self.binary(Binary::Add),
            "Sub" => self.binary(Binary::Sub),
            "Mul" => self.binary(Binary::Mul),
            "Div" => self.binary(Binary::Div),
            "Sqrt" => self.unary(Unary::Sqrt),
            "Reciprocal" => self.unary(Unary::Reciprocal),
            "Neg" => self.unary(Unary::Neg),
            "Ceil" => self.unary(Unary::Ceil),
            "Floor" => self.unary(Unary::Floor),
            "Clip" => self.clip(),
            _ => Err(self
                .node
                .fault("an operator that cxr does not compute with constants")),
        }
    }
}

impl<'a> Folding<'a> {
    fn input(&self, place: usize) -> Result<&'a Constant, String> {
        let input = self.inputs.get(place).copied().flatten();
        let absent = || self.node.fault(format!("it has no input {place}"));
        let input = input.ok_or_else(absent)?;
        // A tensor without numbers may still have an axis of any length.
        match product(&input.shape, self.most.max(input.len())) {
            Some(_) => Ok(input),
            None => Err(self.node.fault(format!(
                "its input {place} is an empty tensor of shape {:?}",
                input.shape
            ))),
        }
    }

    /// Whole numbers of an input, or of the attribute that older versions of the operator have in its place.
    fn integers(&self, place: usize, attribute: &str) -> Result<Option<Vec<i64>>, String> {
        if let Some(input) = self.inputs.get(place).copied().flatten() {
            let integers = input.as_integers();
            let fault = || {
                self.node
                    .fault(format!("its input {place} is not whole numbers"))
            };
            return self.node.listed(&integers.ok_or_else(fault)?).map(Some);
        }
        let values = self.node.integers(attribute)?;
        values.map(|values| self.node.listed(values)).transpose()
    }

    /// The place of an axis of the first input.
    fn axis(&self, axis: i64, rank: usize) -> Result<usize, String> {
        axis_of(axis, rank).ok_or_else(|| self.node.fault(format!("it has no axis {axis}")))
    }

    /// The shape, if it has at most the numbers that are allowed.
    fn bounded(&self, shape: Vec<usize>) -> Result<Vec<usize>, String> {
        match product(&shape, self.most) {
            Some(_) => Ok(shape),
            None => Err(self.node.fault(format!(
                "it makes a constant of shape {shape:?}, larger than any of a model that cxr reads"
            ))),
        }
    }

    fn constant(&self) -> Result<Constant, String> {
        let values = &self.node.0.attributes;
        match values.iter().next() {
            Some((_, OnnxAttribute::Tensor(tensor))) => Ok(tensor.clone().into()),
            Some((_, OnnxAttribute::Float(value))) => Ok(Constant::floats(vec![], vec![*value])),
            Some((_, OnnxAttribute::Floats(values))) => {
                Ok(Constant::floats(vec![values.len()], values.clone()))
            }
            Some((_, OnnxAttribute::Integer(value))) => {
                Ok(Constant::list(vec![SymbolicCount::of(*value)]).reshaped(vec![]))
            }
            Some((_, OnnxAttribute::Integers(values))) => {
                let counts = values.iter().map(|value| SymbolicCount::of(*value));
                Ok(Constant::list(counts.collect()))
            }
            _ => Err(self.node.fault("a constant that is not numbers")),
        }
    }

    fn shape(&self) -> Result<Constant, String> {
        let attributes = &self.node.0.attributes;
        if attributes.contains_key("start") || attributes.contains_key("end") {
            return Err(self.node.fault("a part of the shape of a constant"));
        }
        let sizes = self.input(0)?.shape.iter();
        // A tensor has fewer numbers than an i64 counts.
        let counts = sizes.map(|size| SymbolicCount::of(*size as i64));
        Ok(Constant::list(counts.collect()))
    }

    fn gather(&self) -> Result<Constant, String> {
        let (data, indices) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(self.node.integer("axis", 0)?, data.shape.len())?;
        let size = data.shape[axis];
        let integers = indices.as_integers().unwrap_or_default();
        let at = integers.iter().map(|index| axis_of(*index, size));
        let at: Option<Vec<usize>> = at.collect();
        let at = at.filter(|at| at.len() == indices.len());
        let at = at.ok_or_else(|| self.node.fault("it gathers what is not there"))?;
        let (before, after) = (&data.shape[..axis], &data.shape[axis + 1..]);
        let shape = self.bounded([before, &indices.shape[..], after].concat())?;
        let places = places::along(&data.shape, axis, &at);
        Ok(data.picked(shape, places.into_iter()))
    }

    fn slice(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let absent = || self.node.fault("it does not say what it slices");
        let starts = self.integers(1, "starts")?.ok_or_else(absent)?;
        let ends = self.integers(2, "ends")?.ok_or_else(absent)?;
        let axes = match self.integers(3, "axes")? {
            Some(axes) => axes,
            None => (0..).take(starts.len()).collect(),
        };
        let steps = match self.integers(4, "steps")? {
            Some(steps) => steps,
            None => vec![1; starts.len()],
        };
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3]
            || starts.len() > data.shape.len()
        {
            return Err(self
                .node
                .fault("its starts, ends, axes and steps differ in number"));
        }
        let mut sliced = data.clone();
        for (place, axis) in axes.iter().enumerate() {
            let axis = self.axis(*axis, sliced.shape.len())?;
            let range = (starts[place], ends[place], steps[place]);
            let at = places::sliced(range, sliced.shape[axis]);
            let at = at.ok_or_else(|| self.node.fault("it has a step of 0"))?;
            let places = places::along(&sliced.shape, axis, &at);
            let mut shape = sliced.shape.clone();
            shape[axis] = at.len();
            sliced = sliced.picked(shape, places.into_iter());
        }
        Ok(sliced)
    }

    fn concat(&self) -> Result<Constant, String> {
        let parts = (0..self.inputs.len()).map(|place| self.input(place));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let first = self.input(0)?;
        let axis = self.axis(self.node.integer("axis", 0)?, first.shape.len())?;
        let others = |shape: &[usize]| {
            let mut shape = shape.to_vec();
            if let Some(size) = shape.get_mut(axis) {
                *size = 0;
            }
            shape
        };
        if parts
            .iter()
            .any(|part| others(&part.shape) != others(&first.shape))
        {
            return Err(self.node.fault("it joins tensors of different shapes"));
        }
        let mut shape = first.shape.clone();
        shape[axis] = parts
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(part.shape[axis]));
        let shape = self.bounded(shape)?;
        places::joined(&parts, axis, shape)
            .ok_or_else(|| self.node.fault("it joins whole numbers with others"))
    }

    fn transpose(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let rank = data.shape.len();
        let order: Vec<usize> = match self.node.integers("perm")? {
            Some(order) => {
                let order = order.iter().map(|axis| self.axis(*axis, rank));
                order.collect::<Result<Vec<usize>, String>>()?
            }
            None => (0..rank).rev().collect(),
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..rank) {
            return Err(self.node.fault(format!("its perm is {order:?}")));
        }
        let shape = order.iter().map(|axis| data.shape[*axis]).collect();
        let places = places::transposed(&data.shape, &order);
        Ok(data.picked(shape, places.into_iter()))
    }

    fn reshape(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let to = self.integers(1, "shape")?;
        let to = to.ok_or_else(|| self.node.fault("it does not say its shape"))?;
        let copies_zero = self.node.integer("allowzero", 0)? == 0;
        let mut shape = Vec::new();
        for (place, size) in to.iter().enumerate() {
            shape.push(match size {
                0 if copies_zero => data.shape.get(place).copied().unwrap_or(0),
                -1 => 1,
                size => usize::try_from(*size).unwrap_or(0),
            });
        }
        let known = product(&shape, usize::MAX).unwrap_or(0);
        let open = (0..to.len()).filter(|place| to[*place] == -1);
        let open: Vec<usize> = open.collect();
        if let [open] = open[..]
            && known > 0
        {
            shape[open] = data.len() / known;
        }
        match product(&shape, usize::MAX) {
            Some(count) if count == data.len() && open.len() < 2 => Ok(data.reshaped(shape)),
            _ => Err(self.node.fault(format!(
                "a tensor of shape {:?} does not fit into {to:?}",
                data.shape
            ))),
        }
    }

    fn unsqueeze(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let axes = self.integers(1, "axes")?.unwrap_or_default();
        let rank = data.shape.len() + axes.len();
        let at = axes.iter().map(|axis| self.axis(*axis, rank));
        let at = at.collect::<Result<Vec<usize>, _>>()?;
        let mut old = data.shape.iter();
        let shape = (0..rank).map(|axis| {
            if at.contains(&axis) {
                Some(1)
            } else {
                old.next().copied()
            }
        });
        let shape: Option<Vec<usize>> = shape.collect();
        let shape = shape.ok_or_else(|| self.node.fault("an axis is there twice"))?;
        Ok(data.reshaped(shape))
    }

    fn squeeze(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let rank = data.shape.len();
        let axes = match self.integers(1, "axes")? {
            Some(axes) => {
                let axes = axes.iter().map(|axis| self.axis(*axis, rank));
                Some(axes.collect::<Result<Vec<usize>, String>>()?)
            }
            None => None,
        };
        let is_kept = |axis: usize| match &axes {
            Some(axes) => !axes.contains(&axis),
            None => data.shape[axis] != 1,
        };
        let kept = (0..rank).filter(|axis| is_kept(*axis));
        let shape: Vec<usize> = kept.map(|axis| data.shape[axis]).collect();
        if product(&shape, usize::MAX) != Some(data.len()) {
            return Err(self
                .node
                .fault("it takes away an axis that is not of size 1"));
        }
        Ok(data.reshaped(shape))
    }

    fn constant_of_shape(&self) -> Result<Constant, String> {
        let sizes = self.integers(0, "shape")?.unwrap_or_default();
        let sizes = sizes.iter().map(|size| usize::try_from(*size).ok());
        let shape: Option<Vec<usize>> = sizes.collect();
        let shape = shape.ok_or_else(|| self.node.fault("a shape with a negative size"))?;
        let shape = self.bounded(shape)?;
        let count = product(&shape, self.most).unwrap_or(0);
        let value = match self.node.0.attributes.get("value") {
            Some(OnnxAttribute::Tensor(tensor)) => Constant::from(tensor.clone()),
            _ => Constant::floats(vec![1], vec![0.0]),
        };
        if value.len() != 1 {
            return Err(self.node.fault("its value is not one number"));
        }
        Ok(value.picked(shape, std::iter::repeat_n(0, count)))
    }

    fn expand(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let sizes = self.integers(1, "shape")?.unwrap_or_default();
        let sizes = sizes.iter().map(|size| usize::try_from(*size).ok());
        let shape: Option<Vec<usize>> = sizes.collect();
        let shape = shape.and_then(|shape| broadcast(&data.shape, &shape));
        let shape = shape.ok_or_else(|| self.node.fault("its shapes do not fit"))?;
        let shape = self.bounded(shape)?;
        let count = product(&shape, self.most).unwrap_or(0);
        let to = shape.clone();
        let places = (0..count).map(|index| broadcast_place(index, &to, &data.shape));
        Ok(data.picked(shape, places))
    }

    /// The product of all numbers, which is how some exporters say the size of a flattened map.
    fn reduce_prod(&self) -> Result<Constant, String> {
        let data = self.input(0)?;
        let ConstantNumbers::Counts(counts) = &data.numbers else {
            return Err(self.node.fault("a product of numbers that are not whole"));
        };
        let all = counts.iter().try_fold(SymbolicCount::of(1), |all, count| {
            arithmetic::count(Binary::Mul, all, *count)
        });
        let all = all.ok_or_else(|| self.node.fault("a product that is too large"))?;
        let rank = if self.node.integer("keepdims", 1)? == 1 {
            data.shape.len()
        } else {
            0
        };
        if data.shape.len() > 1 {
            return Err(self.node.fault("a product over more than a list"));
        }
        Ok(Constant::list(vec![all]).reshaped(vec![1; rank]))
    }
}

#[cfg(test)]
mod tests;
