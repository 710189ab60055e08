//! A step with what it reads: its inputs, its attributes, and the room for what it makes.

use std::cell::Cell;

use candle_core::{DType, Device, Result, Tensor, bail};

use super::stored::{GraphStep, StepAttribute};

/// The most numbers of a value. Fuzz targets try many graphs in a second.
const MOST_OF_A_VALUE: usize = if cfg!(fuzzing) { 1 << 20 } else { 1 << 27 };
/// The most multiplications of an image. A ViT-L with images of 518 × 518 pixels takes 2³⁹.
const MOST_PRODUCTS: u64 = if cfg!(fuzzing) { 1 << 26 } else { 1 << 41 };
/// The most numbers that the steps of an image read, write or look at, each time counted. A ViT-L with images of
/// 1,024 × 1,024 pixels takes 2³⁶.
const MOST_TOUCHED: u64 = if cfg!(fuzzing) { 1 << 24 } else { 1 << 37 };
/// The most axes of a value.
const MOST_AXES: usize = 12;

/// What an image may cost.
pub struct RunBounds {
    /// Numbers of a value.
    numbers: usize,
    products: Cell<u64>,
    touched: Cell<u64>,
}

impl Default for RunBounds {
    fn default() -> Self {
        RunBounds {
            numbers: MOST_OF_A_VALUE,
            products: Cell::new(MOST_PRODUCTS),
            touched: Cell::new(MOST_TOUCHED),
        }
    }
}

#[cfg(test)]
impl RunBounds {
    /// A call whose steps may read and write this number of values in all.
    pub fn of_touched(numbers: u64) -> Self {
        RunBounds {
            touched: Cell::new(numbers),
            ..RunBounds::default()
        }
    }
}

/// A step that is computed.
pub struct StepCall<'a> {
    pub step: &'a GraphStep,
    /// `None` for one that is left out.
    pub inputs: Vec<Option<&'a Tensor>>,
    /// Version of the operators.
    pub opset: i64,
    /// Where floats are. Whole numbers that say a shape or a place are on the CPU.
    pub device: &'a Device,
    pub bounds: &'a RunBounds,
}

impl<'a> StepCall<'a> {
    /// # Errors
    /// If there is no such input.
    pub fn input(&self, place: usize) -> Result<&'a Tensor> {
        match self.optional(place) {
            Some(input) => Ok(input),
            None => bail!("it has no input {place}"),
        }
    }

    pub fn optional(&self, place: usize) -> Option<&'a Tensor> {
        self.inputs.get(place).copied().flatten()
    }

    /// An input of floats.
    ///
    /// # Errors
    /// If there is no such input, or it has whole numbers.
    pub fn floats(&self, place: usize) -> Result<&'a Tensor> {
        let input = self.input(place)?;
        match input.dtype() {
            DType::F32 => Ok(input),
            _ => bail!("its input {place} has whole numbers"),
        }
    }

    /// The whole numbers of an input, in order.
    ///
    /// # Errors
    /// If there is no such input, or it has floats.
    pub fn whole(&self, place: usize) -> Result<Vec<i64>> {
        let input = self.input(place)?;
        match input.dtype() {
            DType::I64 => input.flatten_all()?.to_vec1(),
            _ => bail!("its input {place} is not whole numbers"),
        }
    }

    /// Whole numbers of an input, or of the attribute that older versions of the operator have in its place.
    ///
    /// # Errors
    /// If they are something else.
    pub fn whole_or(&self, place: usize, attribute: &str) -> Result<Option<Vec<i64>>> {
        match self.optional(place) {
            Some(_) => self.whole(place).map(Some),
            None => Ok(self.integers(attribute)?.map(<[i64]>::to_vec)),
        }
    }

    /// The single number of an input; `None` if it is left out.
    ///
    /// # Errors
    /// If it is more than one number.
    pub fn number(&self, place: usize) -> Result<Option<f64>> {
        let Some(input) = self.optional(place) else {
            return Ok(None);
        };
        let values = input
            .to_dtype(DType::F64)?
            .flatten_all()?
            .to_vec1::<f64>()?;
        match values[..] {
            [value] => Ok(Some(value)),
            _ => bail!("its input {place} is {} numbers and not one", values.len()),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn integer(&self, name: &str, default: i64) -> Result<i64> {
        match self.step.attributes.get(name) {
            None => Ok(default),
            Some(StepAttribute::Integer(value)) => Ok(*value),
            Some(_) => self.other_kind(name),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn float(&self, name: &str, default: f32) -> Result<f64> {
        match self.step.attributes.get(name) {
            None => Ok(f64::from(default)),
            Some(StepAttribute::Float(value)) => Ok(f64::from(*value)),
            Some(_) => self.other_kind(name),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn integers(&self, name: &str) -> Result<Option<&'a [i64]>> {
        match self.step.attributes.get(name) {
            None => Ok(None),
            Some(StepAttribute::Integers(values)) => Ok(Some(values)),
            Some(_) => self.other_kind(name),
        }
    }

    /// # Errors
    /// If the attribute is of another kind.
    pub fn text(&self, name: &str, default: &'static str) -> Result<&'a str> {
        match self.step.attributes.get(name) {
            None => Ok(default),
            Some(StepAttribute::Text(value)) => Ok(value),
            Some(_) => self.other_kind(name),
        }
    }

    fn other_kind<T>(&self, name: &str) -> Result<T> {
        bail!("its {name} is of another kind than it should be")
    }

    /// The place of an axis, of which there are `rank`; a negative one counts from the end.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        match place_of(axis, rank) {
            Some(place) => Ok(place),
            None => bail!("it has no axis {axis}"),
        }
    }

    /// Axes of a value of this rank, from an input or an attribute.
    ///
    /// # Errors
    /// If they are something else, or there is no such axis.
    pub fn axes(&self, place: usize, rank: usize) -> Result<Option<Vec<usize>>> {
        let Some(axes) = self.whole_or(place, "axes")? else {
            return Ok(None);
        };
        let axes = axes.iter().map(|axis| self.axis(*axis, rank));
        axes.collect::<Result<Vec<usize>>>().map(Some)
    }

    /// The shape, if a value of it has room.
    ///
    /// # Errors
    /// If it is too large.
    pub fn room(&self, shape: Vec<usize>) -> Result<Vec<usize>> {
        // A size of 0 does not hide others that no memory holds.
        let mut sizes = shape.iter().map(|size| (*size).max(1));
        let count = sizes.try_fold(1_usize, usize::checked_mul);
        let fits = count.is_some_and(|count| count <= self.bounds.numbers);
        if !fits || shape.len() > MOST_AXES {
            bail!("a value of {shape:?} is larger than those of any model that cxr reads");
        }
        Ok(shape)
    }

    /// Counts multiplications.
    ///
    /// # Errors
    /// If they are too many for one image.
    pub fn spend(&self, factors: &[usize]) -> Result<()> {
        if take(&self.bounds.products, factors) {
            return Ok(());
        }
        bail!("it takes more multiplications than any model that cxr reads")
    }

    /// Counts numbers that a step reads, writes or looks at.
    ///
    /// # Errors
    /// If they are too many for one image.
    pub fn touch(&self, factors: &[usize]) -> Result<()> {
        if take(&self.bounds.touched, factors) {
            return Ok(());
        }
        bail!(
            "the steps together read and write more numbers than those of any model that cxr reads"
        )
    }

    /// The shape that two are broadcast to, by the rules of numpy.
    ///
    /// # Errors
    /// If they do not fit, or the shape is too large.
    pub fn broadcast(&self, first: &[usize], second: &[usize]) -> Result<Vec<usize>> {
        let rank = first.len().max(second.len());
        let size = |shape: &[usize], axis: usize| {
            let missing = rank - shape.len();
            if axis < missing {
                1
            } else {
                shape[axis - missing]
            }
        };
        let sizes = (0..rank).map(|axis| match (size(first, axis), size(second, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        });
        match sizes.collect::<Option<Vec<usize>>>() {
            Some(shape) => self.room(shape),
            None => bail!("{first:?} and {second:?} do not fit together"),
        }
    }
}

/// Takes the product of the factors from what is left; `false` where that is less.
fn take(left: &Cell<u64>, factors: &[usize]) -> bool {
    let mut factors = factors.iter().map(|factor| *factor as u64);
    let spent = factors.try_fold(1_u64, u64::checked_mul);
    match spent.and_then(|spent| left.get().checked_sub(spent)) {
        Some(rest) => {
            left.set(rest);
            true
        }
        None => false,
    }
}

/// The place of an axis, or of an index; a negative one counts from the end.
pub fn place_of(axis: i64, count: usize) -> Option<usize> {
    let count = i64::try_from(count).ok()?;
    let place = if axis < 0 {
        axis.checked_add(count)?
    } else {
        axis
    };
    let place = Some(place).filter(|place| (0..count).contains(place))?;
    usize::try_from(place).ok()
}

/// A size or a count that is not negative.
///
/// # Errors
/// If it is.
pub fn size_of(value: i64) -> Result<usize> {
    match usize::try_from(value) {
        Ok(size) => Ok(size),
        Err(_) => bail!("a size of {value}"),
    }
}
