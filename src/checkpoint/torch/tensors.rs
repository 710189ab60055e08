//! Tensors as PyTorch pickles them: a storage, and a view of it.

use super::graph::{Graph, Made, Node, NodeId};
use crate::checkpoint::error::damaged;
use crate::checkpoint::values::{Element, elements};
use crate::checkpoint::{CheckpointFault, StoredTensor};

/// The most wrappers around a tensor. A parameter is one wrapper, and no model has more than two.
const MOST_WRAPPERS: usize = 4;

/// The source of the storages' bytes.
pub trait Storages {
    /// All bytes of one storage.
    fn bytes(&mut self, storage: &Storage) -> Result<&[u8], CheckpointFault>;
}

/// A storage, as a pickle describes it.
#[derive(Debug)]
pub struct Storage {
    pub key: String,
    pub element: Element,
    /// If it is a view of another storage: the first element, and their number.
    part: Option<(usize, usize)>,
}

/// `('storage', class, key, location, elements[, part])`; `None` for another persistent object.
pub fn storage_of(graph: &Graph, id: NodeId) -> Result<Option<Storage>, CheckpointFault> {
    let Some([kind, class, key, _location, rest @ ..]) = graph.sequence(id) else {
        return Ok(None);
    };
    if graph.text(*kind) != Some("storage") {
        return Ok(None);
    }
    let key = match graph.get(*key) {
        Node::Int(number) => number.to_string(),
        _ => graph.text(*key).unwrap_or_default().to_owned(),
    };
    let Some((_, class)) = graph.global(*class) else {
        return damaged("a storage of no type");
    };
    let part = rest
        .get(1)
        .and_then(|part| graph.sequence(*part))
        .and_then(|part| Some((graph.size(*part.get(1)?)?, graph.size(*part.get(2)?)?)));
    Ok(Some(Storage {
        key,
        element: element(class)?,
        part,
    }))
}

fn element(class: &str) -> Result<Element, CheckpointFault> {
    Ok(match class {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::Bf16,
        "LongStorage" => Element::I64,
        "IntStorage" => Element::I32,
        "ShortStorage" => Element::I16,
        "CharStorage" => Element::I8,
        "ByteStorage" | "BoolStorage" => Element::U8,
        other => return Err(CheckpointFault::Unsupported(format!("tensors of {other}"))),
    })
}

/// Whether a node makes a tensor.
pub fn is_tensor(graph: &Graph, id: NodeId) -> bool {
    rebuilt(graph, id).is_some()
}

/// The function of `torch._utils` that would make this node's tensor, and its object.
fn rebuilt(graph: &Graph, id: NodeId) -> Option<(&str, &Made)> {
    let Node::PythonObject(made) = graph.get(id) else {
        return None;
    };
    match graph.global(made.of)? {
        ("torch._utils", name) if name.starts_with("_rebuild_") => Some((name, made)),
        _ => None,
    }
}

/// Reads tensors that together have at most as many values as the file has bytes, so that views of one storage cannot
/// ask for much more memory than the file's size.
pub struct TensorReader<'a> {
    pub graph: &'a Graph,
    pub storages: &'a mut dyn Storages,
    pub left: usize,
}

impl TensorReader<'_> {
    /// The tensor that a node makes; see [`is_tensor`].
    pub fn tensor(&mut self, mut id: NodeId) -> Result<StoredTensor, CheckpointFault> {
        for _ in 0..MOST_WRAPPERS {
            let Some((name, made)) = rebuilt(self.graph, id) else {
                return damaged("a parameter that is no tensor");
            };
            let arguments = self.graph.arguments(made).unwrap_or_default();
            match (name, arguments) {
                ("_rebuild_parameter" | "_rebuild_parameter_with_state", [inner, ..]) => {
                    id = *inner
                }
                (
                    "_rebuild_tensor" | "_rebuild_tensor_v2",
                    [storage, offset, shape, strides, ..],
                ) => {
                    return self.view(*storage, [*offset, *shape, *strides]);
                }
                _ => {
                    return Err(CheckpointFault::Unsupported(format!(
                        "tensors made by {name}"
                    )));
                }
            }
        }
        damaged("a parameter within a parameter")
    }

    fn view(
        &mut self,
        storage: NodeId,
        [offset, shape, strides]: [NodeId; 3],
    ) -> Result<StoredTensor, CheckpointFault> {
        let graph = self.graph;
        let Node::Persistent(storage) = graph.get(storage) else {
            return damaged("a tensor without a storage");
        };
        let Some(storage) = storage_of(graph, *storage)? else {
            return damaged("a tensor without a storage");
        };
        let (offset, shape, strides) =
            match (graph.size(offset), graph.sizes(shape), graph.sizes(strides)) {
                (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                    (offset, shape, strides)
                }
                _ => return damaged("a tensor without a shape"),
            };
        let size = storage.element.size();
        let whole = self.storages.bytes(&storage)?;
        let bytes = match storage.part {
            None => Some(whole),
            Some((first, length)) => part(whole, first, length, size),
        };
        let Some(bytes) = bytes else {
            return damaged("a view beyond its storage");
        };
        let view = TensorView {
            offset,
            shape: &shape,
            strides: &strides,
        };
        let stored = bytes.len() / size;
        let Some(count) = view.count(stored) else {
            return damaged("a view beyond its storage");
        };
        self.left = match self.left.checked_sub(count) {
            Some(left) => left,
            None => return damaged("its tensors share more than they store"),
        };
        let values = view.values(bytes, storage.element);
        Ok(StoredTensor { shape, values })
    }
}

fn part(bytes: &[u8], first: usize, length: usize, size: usize) -> Option<&[u8]> {
    let start = first.checked_mul(size)?;
    let end = start.checked_add(length.checked_mul(size)?)?;
    bytes.get(start..end)
}

/// Which elements of a storage a tensor is: element `i, j, …` is `offset + i·s₀ + j·s₁ + …`.
struct TensorView<'a> {
    offset: usize,
    shape: &'a [usize],
    strides: &'a [usize],
}

impl TensorView<'_> {
    /// Elements; `None` if they are not all within `stored`, or are more than that.
    fn count(&self, stored: usize) -> Option<usize> {
        let count = elements(self.shape).filter(|count| *count <= stored)?;
        if count == 0 {
            return Some(0);
        }
        let mut last = self.offset;
        for (size, stride) in self.shape.iter().zip(self.strides) {
            last = last.checked_add((size - 1).checked_mul(*stride)?)?;
        }
        (last < stored).then_some(count)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        let pairs = self.shape.iter().zip(self.strides).rev();
        for (size, stride) in pairs.filter(|(size, _)| **size > 1) {
            if *stride != expected {
                return false;
            }
            expected *= size;
        }
        true
    }

    /// All elements. [`TensorView::count`] must have found them all within `bytes`.
    fn values(&self, bytes: &[u8], element: Element) -> Vec<f32> {
        let size = element.size();
        let count: usize = self.shape.iter().product();
        if count == 0 {
            return Vec::new();
        }
        if self.is_contiguous() {
            return element.values(&bytes[self.offset * size..][..count * size]);
        }
        let mut index = vec![0; self.shape.len()];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let steps = index.iter().zip(self.strides).map(|(i, stride)| i * stride);
            let at = (self.offset + steps.sum::<usize>()) * size;
            values.push(element.value(&bytes[at..at + size]));
            self.advance(&mut index);
        }
        values
    }

    /// Moves to the next element; the last dimension moves first.
    fn advance(&self, index: &mut [usize]) {
        for (i, size) in index.iter_mut().zip(self.shape).rev() {
            *i += 1;
            if *i < *size {
                return;
            }
            *i = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_honoured_and_views_bounded() {
        let bytes: Vec<u8> = (0..6).collect();
        let view = |offset, shape: &'static [usize], strides: &'static [usize]| TensorView {
            offset,
            shape,
            strides,
        };
        let transposed = view(0, &[3, 2], &[1, 3]);
        assert_eq!(transposed.count(6), Some(6));
        assert_eq!(
            transposed.values(&bytes, Element::U8),
            [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
        );
        assert_eq!(view(1, &[2], &[3]).values(&bytes, Element::U8), [1.0, 4.0]);
        assert_eq!(view(0, &[], &[]).values(&bytes, Element::U8), [0.0]);
        assert_eq!(view(5, &[2], &[1]).count(6), None, "beyond the end");
        assert_eq!(view(0, &[1 << 20], &[0]).count(6), None, "repeated");
        assert_eq!(view(usize::MAX, &[2], &[usize::MAX]).count(6), None);
        assert_eq!(view(9, &[0, 4], &[4, 1]).count(6), Some(0));
    }
}
