//! Sums, products and roots of constants.

use std::rc::Rc;

use super::Folding;
use crate::inference::onnx::constant::{
    Constant, ConstantNumbers, SymbolicCount, broadcast, broadcast_place, product,
};

/// An operator of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

/// An operator of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Sqrt,
    Reciprocal,
    Neg,
    Ceil,
    Floor,
}

/// The kinds of numbers in `Cast`'s `to`: `TensorProto.DataType`.
const FLOATS: [i64; 4] = [1, 10, 11, 16];
const BOOL: i64 = 9;

impl Folding<'_> {
    /// Two tensors number by number, broadcast as numpy does.
    pub fn binary(&self, operator: Binary) -> Result<Constant, String> {
        let (first, second) = (self.input(0)?, self.input(1)?);
        let shape = broadcast(&first.shape, &second.shape);
        let shape = shape.ok_or_else(|| {
            let (first, second) = (&first.shape, &second.shape);
            self.node
                .fault(format!("shapes {first:?} and {second:?} do not fit"))
        })?;
        let shape = self.bounded(shape)?;
        let total = product(&shape, self.most).unwrap_or(0);
        let places = (0..total).map(|index| {
            let place = |of: &Constant| broadcast_place(index, &shape, &of.shape);
            (place(first), place(second))
        });
        let numbers = match (&first.numbers, &second.numbers) {
            (ConstantNumbers::Counts(a), ConstantNumbers::Counts(b)) => {
                let counts = places.map(|(i, j)| count(operator, a[i], b[j]));
                let counts: Option<Vec<SymbolicCount>> = counts.collect();
                ConstantNumbers::Counts(counts.ok_or_else(|| {
                    self.node
                        .fault("a number that is no whole one, or too large")
                })?)
            }
            _ => {
                let (a, b) = (self.as_floats(first)?, self.as_floats(second)?);
                let floats = places.map(|(i, j)| float(operator, a[i], b[j]));
                ConstantNumbers::Floats(Rc::new(floats.collect()))
            }
        };
        Ok(Constant { shape, numbers })
    }

    pub fn unary(&self, operator: Unary) -> Result<Constant, String> {
        let input = self.input(0)?;
        if let (Unary::Neg, ConstantNumbers::Counts(counts)) = (operator, &input.numbers) {
            let negative = counts
                .iter()
                .map(|c| count(Binary::Sub, SymbolicCount::of(0), *c));
            let negative: Option<Vec<SymbolicCount>> = negative.collect();
            let negative = negative.ok_or_else(|| self.node.fault("a number that is too large"))?;
            return Ok(Constant::list(negative).reshaped(input.shape.clone()));
        }
        let floats = self.as_floats(input)?;
        let value = |value: &f32| match operator {
            Unary::Sqrt => value.sqrt(),
            Unary::Reciprocal => 1.0 / value,
            Unary::Neg => -value,
            Unary::Ceil => value.ceil(),
            Unary::Floor => value.floor(),
        };
        let values = floats.iter().map(value).collect();
        Ok(Constant::floats(input.shape.clone(), values))
    }

    /// Numbers kept between two limits, which are attributes before version 11, and inputs since.
    pub fn clip(&self) -> Result<Constant, String> {
        let limit = |place: usize, attribute: &str, default: f32| -> Result<f32, String> {
            match self.inputs.get(place).copied().flatten() {
                Some(limit) => limit
                    .scalar()
                    .ok_or_else(|| self.node.fault("its limits are not single numbers")),
                None => self.node.float(attribute, default),
            }
        };
        let (least, most) = (limit(1, "min", f32::MIN)?, limit(2, "max", f32::MAX)?);
        // Not `f32::clamp`, which panics where the limits are the wrong way round.
        let kept = |value: f32| value.max(least).min(most);
        let input = self.input(0)?;
        let floats = self.as_floats(input)?;
        let values = floats.iter().map(|value| kept(*value)).collect();
        let clipped = Constant::floats(input.shape.clone(), values);
        match &input.numbers {
            ConstantNumbers::Floats(_) => Ok(clipped),
            // Sizes are small enough to be exact in between.
            ConstantNumbers::Counts(_) => {
                let whole = |value: &f32| SymbolicCount::of(*value as i64);
                let counts = clipped.as_floats().into_iter().flat_map(|v| v.iter());
                let counts = counts.map(whole).collect();
                Ok(Constant::list(counts).reshaped(input.shape.clone()))
            }
        }
    }

    pub fn cast(&self) -> Result<Constant, String> {
        let input = self.input(0)?;
        let to = self.node.integer("to", 1)?;
        let numbers = match &input.numbers {
            ConstantNumbers::Counts(_) if FLOATS.contains(&to) => {
                ConstantNumbers::Floats(self.as_floats(input)?)
            }
            ConstantNumbers::Counts(counts) if to == BOOL => {
                let is_there = |count: &SymbolicCount| {
                    SymbolicCount::of(i64::from(*count != SymbolicCount::of(0)))
                };
                ConstantNumbers::Counts(counts.iter().map(is_there).collect())
            }
            ConstantNumbers::Floats(values) if !FLOATS.contains(&to) => {
                // Towards zero, as C does.
                let whole = |value: &f32| match to {
                    BOOL => SymbolicCount::of(i64::from(*value != 0.0)),
                    _ => SymbolicCount::of(*value as i64),
                };
                ConstantNumbers::Counts(values.iter().map(whole).collect())
            }
            same => same.clone(),
        };
        Ok(Constant {
            shape: input.shape.clone(),
            numbers,
        })
    }

    /// The numbers as floats.
    fn as_floats(&self, constant: &Constant) -> Result<Rc<Vec<f32>>, String> {
        match &constant.numbers {
            ConstantNumbers::Floats(values) => Ok(Rc::clone(values)),
            ConstantNumbers::Counts(counts) => {
                let known = counts.iter().map(|count| Some(count.known()? as f32));
                let known: Option<Vec<f32>> = known.collect();
                known.map(Rc::new).ok_or_else(|| {
                    self.node
                        .fault("it computes with the number of images in another way than cxr can")
                })
            }
        }
    }
}

fn float(operator: Binary, a: f32, b: f32) -> f32 {
    match operator {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
    }
}

/// `None` if the result is no whole number for every number of images, or too large.
pub fn count(operator: Binary, a: SymbolicCount, b: SymbolicCount) -> Option<SymbolicCount> {
    let (fixed, per_image) = match (operator, a.known(), b.known()) {
        (Binary::Add, ..) => (
            a.fixed.checked_add(b.fixed)?,
            a.per_image.checked_add(b.per_image)?,
        ),
        (Binary::Sub, ..) => (
            a.fixed.checked_sub(b.fixed)?,
            a.per_image.checked_sub(b.per_image)?,
        ),
        (Binary::Mul, _, Some(b)) => (a.fixed.checked_mul(b)?, a.per_image.checked_mul(b)?),
        (Binary::Mul, Some(a), None) => (b.fixed.checked_mul(a)?, b.per_image.checked_mul(a)?),
        // Towards zero, as C does.
        (Binary::Div, Some(a), Some(b)) => (a.checked_div(b)?, 0),
        (Binary::Div, None, Some(b)) => {
            let is_whole = |part: i64| part.checked_rem(b) == Some(0);
            if !(is_whole(a.fixed) && is_whole(a.per_image)) {
                return None;
            }
            (a.fixed.checked_div(b)?, a.per_image.checked_div(b)?)
        }
        (Binary::Mul, None, None) | (Binary::Div, _, None) => return None,
    };
    Some(SymbolicCount { fixed, per_image })
}
