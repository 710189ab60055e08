//! Where the numbers of a result are in the tensor that they are taken from.

use std::rc::Rc;

use crate::inference::onnx::constant::{Constant, ConstantNumbers, strides};

/// Places of the numbers at these indices of an axis, in the order of the indices.
pub fn along(shape: &[usize], axis: usize, at: &[usize]) -> Vec<usize> {
    let size = shape[axis];
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let mut places = Vec::new();
    for block in 0..outer {
        for index in at {
            let first = (block * size + index) * inner;
            places.extend(first..first + inner);
        }
    }
    places
}

/// The indices of an axis of `size` that a slice keeps, by the rules of numpy; `None` for a step of 0.
pub fn sliced((start, end, step): (i64, i64, i64), size: usize) -> Option<Vec<usize>> {
    if step == 0 {
        return None;
    }
    let size = i64::try_from(size).ok()?;
    let (least, most) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let place = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(least, most.max(least))
    };
    let (start, end) = (place(start), place(end));
    let mut kept = Vec::new();
    let mut at = start;
    while if step > 0 { at < end } else { at > end } {
        kept.push(usize::try_from(at).ok()?);
        at = at.saturating_add(step);
    }
    Some(kept)
}

/// Places of the numbers of the transposed tensor: its axis `i` is axis `order[i]` of this one.
pub fn transposed(shape: &[usize], order: &[usize]) -> Vec<usize> {
    let strides = strides(shape);
    let count = shape.iter().product();
    let place = |mut index: usize| {
        let mut place = 0;
        for axis in order.iter().rev() {
            place += index % shape[*axis] * strides[*axis];
            index /= shape[*axis];
        }
        place
    };
    (0..count).map(place).collect()
}

/// Tensors that are the same but for the size of an axis, one after the other along it. `None` if some are whole
/// numbers and some are not.
pub fn joined(parts: &[&Constant], axis: usize, shape: Vec<usize>) -> Option<Constant> {
    let outer: usize = shape[..axis].iter().product();
    let floats = parts.iter().map(|part| part.as_floats().map(|v| &v[..]));
    let counts = parts.iter().map(|part| match &part.numbers {
        ConstantNumbers::Counts(counts) => Some(&counts[..]),
        ConstantNumbers::Floats(_) => None,
    });
    let numbers = if let Some(floats) = floats.collect::<Option<Vec<_>>>() {
        ConstantNumbers::Floats(Rc::new(interleaved(&floats, outer)))
    } else {
        ConstantNumbers::Counts(interleaved(&counts.collect::<Option<Vec<_>>>()?, outer))
    };
    Some(Constant { shape, numbers })
}

/// The first of `blocks` blocks of each part, then the second of each.
fn interleaved<T: Copy>(parts: &[&[T]], blocks: usize) -> Vec<T> {
    let mut joined = Vec::new();
    for block in 0..blocks {
        for part in parts {
            let length = part.len() / blocks;
            joined.extend_from_slice(&part[block * length..][..length]);
        }
    }
    joined
}
