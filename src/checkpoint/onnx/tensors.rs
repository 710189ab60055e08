//! `TensorProto`: shape, kind and numbers of a tensor. The numbers lie in the tensor itself, in one of several forms, or in
//! another file.

use super::external::{ExternalData, ExternalRange};
use super::wire::{Allowance, MessageFields};
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;
use crate::checkpoint::values::{Element, elements};
use crate::domain::{OnnxNumbers, OnnxTensor};

/// The most sizes of a shape.
const MOST_SIZES: usize = 16;
/// The value of `data_location` for another file.
const EXTERNAL: i64 = 1;

/// `TensorProto.DataType`, as far as models have it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TensorKind {
    Floats(Element),
    /// Bytes of each, and whether it may be negative.
    Integers(usize, bool),
}

impl TensorKind {
    fn of(kind: i64) -> Option<Self> {
        Some(match kind {
            1 => TensorKind::Floats(Element::F32),
            2 | 9 => TensorKind::Integers(1, false),
            3 => TensorKind::Integers(1, true),
            4 => TensorKind::Integers(2, false),
            5 => TensorKind::Integers(2, true),
            6 => TensorKind::Integers(4, true),
            7 => TensorKind::Integers(8, true),
            10 => TensorKind::Floats(Element::F16),
            11 => TensorKind::Floats(Element::F64),
            12 => TensorKind::Integers(4, false),
            13 => TensorKind::Integers(8, false),
            16 => TensorKind::Floats(Element::Bf16),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            TensorKind::Floats(element) => element.size(),
            TensorKind::Integers(size, _) => size,
        }
    }
}

/// A tensor, and its name in the graph.
pub struct NamedTensor {
    pub name: String,
    pub tensor: OnnxTensor,
}

/// The fields of a tensor as they are in the file.
#[derive(Default)]
struct TensorFields<'a> {
    name: &'a str,
    sizes: Vec<i64>,
    kind: i64,
    raw: Option<&'a [u8]>,
    /// `float_data` and `double_data`.
    floats: Vec<f32>,
    /// `int32_data`, `int64_data` and `uint64_data`.
    integers: Vec<i64>,
    location: i64,
    external: ExternalRange<'a>,
}

impl<'a> TensorFields<'a> {
    fn read(message: &'a [u8], allowance: &mut Allowance) -> Result<Self, CheckpointFault> {
        let mut tensor = TensorFields::default();
        for field in MessageFields::of(message) {
            let field = field?;
            let value = field.value;
            match field.number {
                1 => value.add_integers(&mut tensor.sizes, allowance)?,
                2 => tensor.kind = value.integer()?,
                3 => return unsupported("a tensor in segments"),
                4 => value.add_floats(&mut tensor.floats)?,
                5 | 7 | 11 => value.add_integers(&mut tensor.integers, allowance)?,
                8 => tensor.name = value.text()?,
                9 => tensor.raw = Some(value.bytes()?),
                10 => value.add_doubles(&mut tensor.floats)?,
                13 => tensor.external.add(value.bytes()?)?,
                14 => tensor.location = value.integer()?,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn shape(&self) -> Result<Vec<usize>, CheckpointFault> {
        if self.sizes.len() > MOST_SIZES {
            return damaged(format!("{} has {} sizes", self.name, self.sizes.len()));
        }
        let sizes = self.sizes.iter().map(|size| usize::try_from(*size));
        sizes.collect::<Result<_, _>>().map_err(|_| {
            CheckpointFault::Damaged(format!("{} has the shape {:?}", self.name, self.sizes))
        })
    }

    /// The numbers, if there are `count` of them.
    fn numbers(
        self,
        kind: TensorKind,
        count: usize,
        allowance: &mut Allowance,
    ) -> Result<OnnxNumbers, CheckpointFault> {
        if let Some(raw) = self.raw {
            check_count(self.name, raw.len() / kind.size(), count)?;
            return of_bytes(kind, raw, allowance);
        }
        // Integers, and half precision as bits, are in fields of whole numbers.
        let numbers = match kind {
            TensorKind::Floats(Element::F32 | Element::F64) => OnnxNumbers::Floats(self.floats),
            TensorKind::Floats(half) => {
                let bits = self.integers.iter();
                let value = |bits: &i64| half.value(&(*bits as u16).to_le_bytes());
                OnnxNumbers::Floats(bits.map(value).collect())
            }
            TensorKind::Integers(..) => OnnxNumbers::Integers(self.integers),
        };
        check_count(self.name, numbers.len(), count)?;
        Ok(numbers)
    }
}

/// The tensor of a message.
///
/// # Errors
/// If it is damaged, of a kind that no network computes with, or its numbers are in another file that cannot be read.
pub fn tensor(
    message: &[u8],
    external: &mut ExternalData,
    allowance: &mut Allowance,
) -> Result<NamedTensor, CheckpointFault> {
    let fields = TensorFields::read(message, allowance)?;
    let name = fields.name.to_owned();
    let shape = fields.shape()?;
    let Some(kind) = TensorKind::of(fields.kind) else {
        let kind = fields.kind;
        return unsupported(&format!(
            "{name}, which holds numbers of ONNX's type {kind}"
        ));
    };
    // A size of 0 does not hide others that no memory holds.
    let sizes: Vec<usize> = shape.iter().map(|size| (*size).max(1)).collect();
    let (Some(count), Some(_)) = (elements(&shape), elements(&sizes)) else {
        return damaged(format!("{name} has the shape {shape:?}"));
    };
    let numbers = if fields.location == EXTERNAL {
        let Some(bytes) = count.checked_mul(kind.size()) else {
            return damaged(format!("{name} has the shape {shape:?}"));
        };
        let read = external.read(&name, &fields.external, bytes)?;
        of_bytes(kind, &read, allowance)?
    } else {
        fields.numbers(kind, count, allowance)?
    };
    Ok(NamedTensor {
        name,
        tensor: OnnxTensor { shape, numbers },
    })
}

fn check_count(name: &str, found: usize, expected: usize) -> Result<(), CheckpointFault> {
    if found == expected {
        Ok(())
    } else {
        damaged(format!(
            "{name} has {found} numbers, and its shape says {expected}"
        ))
    }
}

/// Numbers that lie side by side. Whole numbers take up to eight times their bytes.
fn of_bytes(
    kind: TensorKind,
    bytes: &[u8],
    allowance: &mut Allowance,
) -> Result<OnnxNumbers, CheckpointFault> {
    if !bytes.len().is_multiple_of(kind.size()) {
        return damaged("a tensor ends within a number");
    }
    Ok(match kind {
        TensorKind::Floats(element) => OnnxNumbers::Floats(element.values(bytes)),
        TensorKind::Integers(size, is_signed) => {
            let numbers = bytes.chunks_exact(size);
            allowance.take(numbers.len())?;
            let number = |bytes: &[u8]| integer(bytes, is_signed);
            OnnxNumbers::Integers(numbers.map(number).collect())
        }
    })
}

/// A whole number, little-endian. One of 64 bits without a sign that is too large becomes negative, which no size is.
fn integer(bytes: &[u8], is_signed: bool) -> i64 {
    let is_negative = is_signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut whole = [if is_negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

fn unsupported<T>(what: &str) -> Result<T, CheckpointFault> {
    Err(CheckpointFault::Unsupported(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn read(message: &[u8]) -> Result<NamedTensor, CheckpointFault> {
        let mut external = ExternalData::none();
        tensor(message, &mut external, &mut Allowance::new(1000))
    }

    /// A tensor of this kind with these sizes, called `t`, and more fields.
    fn message(kind: u8, sizes: &[u8], more: &[u8]) -> Vec<u8> {
        [
            &field(1, sizes)[..],
            &[0x10, kind],
            &field(8, b"t")[..],
            more,
        ]
        .concat()
    }

    #[test]
    fn every_kind_of_number_is_read_in_every_form() {
        let raw = |bytes: &[u8]| field(9, bytes);
        let floats = |values: &[f32]| OnnxNumbers::Floats(values.to_vec());
        let integers = |values: &[i64]| OnnxNumbers::Integers(values.to_vec());
        for (kind, sizes, more, expected) in [
            (
                1,
                &[2][..],
                raw(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]),
                floats(&[1.0, -2.0]),
            ),
            (1, &[1], field(4, &[0, 0, 0x80, 0x3f]), floats(&[1.0])),
            (11, &[1], raw(&1.5_f64.to_le_bytes()), floats(&[1.5])),
            (11, &[], field(10, &1.5_f64.to_le_bytes()), floats(&[1.5])),
            (10, &[1, 2], raw(&[0, 0x3c, 0, 0xc0]), floats(&[1.0, -2.0])),
            // 0x3c00 and 0xc000 as numbers of variable length.
            (
                10,
                &[2],
                field(5, &[0x80, 0x78, 0x80, 0x80, 3]),
                floats(&[1.0, -2.0]),
            ),
            (16, &[1], raw(&[0x80, 0x3f]), floats(&[1.0])),
            (7, &[1], raw(&(-7_i64).to_le_bytes()), integers(&[-7])),
            (7, &[3], field(7, &[1, 2, 3]), integers(&[1, 2, 3])),
            (6, &[1], raw(&(-7_i32).to_le_bytes()), integers(&[-7])),
            (3, &[1], raw(&[0xff]), integers(&[-1])),
            (2, &[1], raw(&[0xff]), integers(&[255])),
            (9, &[2], field(5, &[0, 1]), integers(&[0, 1])),
            (13, &[1], field(11, &[9]), integers(&[9])),
            (1, &[0], raw(&[]), floats(&[])),
        ] {
            let read = read(&message(kind, sizes, &more)).unwrap();
            assert_eq!(read.name, "t");
            let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
            assert_eq!(read.tensor.shape, sizes);
            assert_eq!(read.tensor.numbers, expected, "{kind}");
        }
    }

    #[test]
    fn a_tensor_that_lies_is_a_fault_that_names_it() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        for (message, words) in [
            (
                message(1, &[3], &field(9, &[0; 8])),
                "t has 2 numbers, and its shape says 3",
            ),
            (message(1, &[1], &field(9, &[0; 7])), "ends within a number"),
            (message(7, &[2], &field(7, &[1])), "t has 1 numbers"),
            (message(1, &[huge, huge].concat(), &[]), "t has the shape"),
            (message(1, &[1; MOST_SIZES + 1], &[]), "t has 17 sizes"),
            (
                message(8, &[1], &[]),
                "t, which holds numbers of ONNX's type 8",
            ),
            (message(1, &[1], &field(3, &[])), "in segments"),
            // -1
            (
                message(1, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1], &[]),
                "t has the shape [-1]",
            ),
            (
                message(1, &[1], &[0x70, 1]),
                "the numbers of t are in the file , and there is no",
            ),
        ] {
            let fault = read(&message).err().unwrap().to_string();
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn whole_numbers_are_counted_before_they_take_memory() {
        let many = message(2, &[100], &field(9, &[0; 100]));
        assert!(read(&many).is_ok());
        let mut external = ExternalData::none();
        let fault = tensor(&many, &mut external, &mut Allowance::new(10));
        let fault = fault.err().unwrap().to_string();
        assert!(fault.contains("more nodes, names and numbers"), "{fault}");
    }
}
