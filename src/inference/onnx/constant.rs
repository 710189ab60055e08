//! Numbers that are known without an image: weights, and the arithmetic of shapes.

use std::rc::Rc;

use crate::domain::{OnnxNumbers, OnnxTensor};

/// A whole number that may depend on how many images there are: `fixed + per_image · N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SymbolicCount {
    pub fixed: i64,
    pub per_image: i64,
}

impl SymbolicCount {
    /// The number of images.
    pub const IMAGES: SymbolicCount = SymbolicCount {
        fixed: 0,
        per_image: 1,
    };

    pub fn of(fixed: i64) -> Self {
        SymbolicCount {
            fixed,
            per_image: 0,
        }
    }

    /// The number, if it is the same for any number of images.
    pub fn known(self) -> Option<i64> {
        (self.per_image == 0).then_some(self.fixed)
    }
}

/// The numbers of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstantNumbers {
    /// Shared, because weights are large.
    Floats(Rc<Vec<f32>>),
    Counts(Vec<SymbolicCount>),
}

/// A tensor that is known without an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub numbers: ConstantNumbers,
}

impl Constant {
    pub fn floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Constant {
            shape,
            numbers: ConstantNumbers::Floats(Rc::new(values)),
        }
    }

    /// A list of whole numbers.
    pub fn list(counts: Vec<SymbolicCount>) -> Self {
        Constant {
            shape: vec![counts.len()],
            numbers: ConstantNumbers::Counts(counts),
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match &self.numbers {
            ConstantNumbers::Floats(values) => values.len(),
            ConstantNumbers::Counts(counts) => counts.len(),
        }
    }

    pub fn as_floats(&self) -> Option<&Rc<Vec<f32>>> {
        match &self.numbers {
            ConstantNumbers::Floats(values) => Some(values),
            ConstantNumbers::Counts(_) => None,
        }
    }

    /// Whole numbers that are the same for any number of images.
    pub fn as_integers(&self) -> Option<Vec<i64>> {
        match &self.numbers {
            ConstantNumbers::Counts(counts) => counts.iter().map(|count| count.known()).collect(),
            ConstantNumbers::Floats(_) => None,
        }
    }

    /// The single number. A whole number becomes a float where it is used with floats.
    pub fn scalar(&self) -> Option<f32> {
        match &self.numbers {
            ConstantNumbers::Floats(values) => match values[..] {
                [value] => Some(value),
                _ => None,
            },
            ConstantNumbers::Counts(counts) => match counts[..] {
                [count] => count.known().map(|known| known as f32),
                _ => None,
            },
        }
    }

    /// A constant of this shape whose numbers are those of this one at these places.
    pub fn picked(&self, shape: Vec<usize>, places: impl Iterator<Item = usize>) -> Constant {
        let numbers = match &self.numbers {
            ConstantNumbers::Floats(values) => {
                ConstantNumbers::Floats(Rc::new(places.map(|place| values[place]).collect()))
            }
            ConstantNumbers::Counts(counts) => {
                ConstantNumbers::Counts(places.map(|place| counts[place]).collect())
            }
        };
        Constant { shape, numbers }
    }

    /// The same numbers in another shape.
    pub fn reshaped(&self, shape: Vec<usize>) -> Constant {
        Constant {
            shape,
            numbers: self.numbers.clone(),
        }
    }
}

impl From<OnnxTensor> for Constant {
    fn from(tensor: OnnxTensor) -> Self {
        let numbers = match tensor.numbers {
            OnnxNumbers::Floats(values) => ConstantNumbers::Floats(Rc::new(values)),
            OnnxNumbers::Integers(values) => {
                ConstantNumbers::Counts(values.into_iter().map(SymbolicCount::of).collect())
            }
        };
        Constant {
            shape: tensor.shape,
            numbers,
        }
    }
}

/// The product of the sizes, if it is at most `most`. A size of 0 does not hide others that are too large: so each part
/// of the product is one that memory holds.
pub fn product(shape: &[usize], most: usize) -> Option<usize> {
    let mut sizes = shape.iter().map(|size| (*size).max(1));
    let largest = sizes.try_fold(1_usize, usize::checked_mul);
    largest.filter(|largest| *largest <= most.max(1))?;
    Some(shape.iter().product())
}

/// The distance of neighbours along each axis, for numbers row by row.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = usize::saturating_mul(strides[axis], shape[axis]);
    }
    strides
}

/// The shape that two shapes are broadcast to, by the rules of numpy.
pub fn broadcast(first: &[usize], second: &[usize]) -> Option<Vec<usize>> {
    let rank = first.len().max(second.len());
    let size = |shape: &[usize], axis: usize| {
        let missing = rank - shape.len();
        if axis < missing {
            1
        } else {
            shape[axis - missing]
        }
    };
    (0..rank)
        .map(|axis| match (size(first, axis), size(second, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}

/// The place in a tensor of `shape` of the number at `index` of the tensor that it is broadcast to.
pub fn broadcast_place(mut index: usize, to: &[usize], shape: &[usize]) -> usize {
    let missing = to.len() - shape.len();
    let strides = strides(shape);
    let mut place = 0;
    for (axis, size) in to.iter().enumerate().rev() {
        let at = index % size;
        index /= size;
        if axis >= missing && shape[axis - missing] > 1 {
            place += at * strides[axis - missing];
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_known_unless_it_depends_on_the_images() {
        assert_eq!(SymbolicCount::of(7).known(), Some(7));
        assert_eq!(SymbolicCount::IMAGES.known(), None);
        let list = Constant::list(vec![SymbolicCount::IMAGES, SymbolicCount::of(-1)]);
        assert_eq!((list.as_integers(), list.len()), (None, 2));
        assert_eq!(
            Constant::list(vec![SymbolicCount::of(3)]).scalar(),
            Some(3.0)
        );
        assert_eq!(list.scalar(), None);
    }

    #[test]
    fn broadcasting_is_numpys() {
        // np.broadcast_shapes((2, 1, 3), (4, 1)) and np.broadcast_to(np.arange(4).reshape(4, 1), (2, 4, 3)).ravel()
        let to = broadcast(&[2, 1, 3], &[4, 1]).unwrap();
        assert_eq!(to, [2, 4, 3]);
        let places: Vec<usize> = (0..24).map(|i| broadcast_place(i, &to, &[4, 1])).collect();
        let half = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3];
        assert_eq!(places, [half, half].concat());
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(broadcast(&[], &[3]), Some(vec![3]));
        assert_eq!(broadcast_place(5, &[2, 3], &[]), 0);
    }

    #[test]
    fn sizes_that_no_memory_holds_have_no_product() {
        assert_eq!(product(&[2, 3], 6), Some(6));
        assert_eq!(product(&[2, 3], 5), None);
        assert_eq!(product(&[usize::MAX, 2], usize::MAX), None);
        assert_eq!(product(&[], 6), Some(1));
        assert_eq!(product(&[0, 3], 6), Some(0));
        assert_eq!(product(&[0, 1 << 40, 1 << 40], usize::MAX), None);
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
    }
}
