//! Bytes to numbers, and the files inside a zip file.

use std::io::{Cursor, Read};

use half::{bf16, f16};
use zip::ZipArchive;

use super::CheckpointFault;
use super::error::damaged;

/// The stored type of an element, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    /// Also booleans.
    U8,
}

impl Element {
    /// Its size in bytes.
    pub fn size(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::Bf16 | Element::I16 => 2,
            Element::I8 | Element::U8 => 1,
        }
    }

    /// The element in these bytes, which are as many as its size, rounded to `f32`.
    pub fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Element::F64, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            (Element::I64, &[a, b, c, d, e, f, g, h]) => {
                i64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            (Element::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Element::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32,
            (Element::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Element::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            (Element::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])),
            (Element::I8, &[a]) => f32::from(a as i8),
            (Element::U8, &[a]) => f32::from(a),
            _ => f32::NAN,
        }
    }

    /// All elements of `bytes`.
    pub fn values(self, bytes: &[u8]) -> Vec<f32> {
        bytes
            .chunks_exact(self.size())
            .map(|bytes| self.value(bytes))
            .collect()
    }
}

/// The product of the sizes; `None` if there is no such number.
pub fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
}

/// A zip file. All that is read from it together has at most [`Archive::MOST_TIMES`] times the bytes of the zip file:
/// no model unpacks to more.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    left: usize,
    packed: usize,
    names: Vec<String>,
}

impl<'a> Archive<'a> {
    const MOST_TIMES: usize = 8;
    /// A model has hundreds of tensors.
    const MOST_FILES: usize = 100_000;

    pub fn new(bytes: &'a [u8]) -> Result<Self, CheckpointFault> {
        // The list of files is built whole, ten times as large in memory as it is in the file.
        if entries(bytes) > Self::MOST_FILES {
            return damaged("too many files in the zip file");
        }
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| CheckpointFault::Damaged(format!("as a zip file: {error}")))?;
        if zip.len() > Self::MOST_FILES {
            return damaged("too many files in the zip file");
        }
        let names = zip
            .file_names()
            .map(|name| name.map(|name| name.into_owned()))
            .collect::<Result<_, _>>()
            .map_err(|error| CheckpointFault::Damaged(format!("as a zip file: {error}")))?;
        Ok(Archive {
            names,
            zip,
            packed: bytes.len(),
            left: bytes.len().saturating_mul(Self::MOST_TIMES),
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Bytes of the whole zip file.
    pub fn packed(&self) -> usize {
        self.packed
    }

    /// Whether it has a file of this name.
    pub fn find(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// The contents of a file.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, CheckpointFault> {
        let read = self.read_at_most(name, self.left)?;
        read.ok_or_else(|| {
            CheckpointFault::Damaged(format!("{name} unpacks to far more than its size"))
        })
    }

    /// The contents of a file; `None` if it is longer than `most` bytes.
    pub fn read_at_most(
        &mut self,
        name: &str,
        most: usize,
    ) -> Result<Option<Vec<u8>>, CheckpointFault> {
        let file = self
            .zip
            .by_name(name)
            .map_err(|error| CheckpointFault::Damaged(format!("{name}: {error}")))?;
        let mut bytes = Vec::new();
        let most = most.min(self.left);
        file.take(most as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| CheckpointFault::Damaged(format!("{name}: {error}")))?;
        if bytes.len() > most {
            return Ok(None);
        }
        self.left -= bytes.len();
        Ok(Some(bytes))
    }
}

/// The number of files that a zip file lists, or a few more: it counts the four bytes that an entry begins with. In
/// random data they appear once in four billion bytes.
fn entries(bytes: &[u8]) -> usize {
    const ENTRY: &[u8; 4] = b"PK\x01\x02";
    let mut rest = bytes;
    let mut found = 0;
    while let Some(at) = rest.iter().position(|&byte| byte == ENTRY[0]) {
        found += usize::from(rest[at..].starts_with(ENTRY));
        rest = &rest[at + 1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_zip_file_are_counted_before_they_are_listed() {
        assert_eq!(entries(b"PK\x01\x02..PPK\x01\x02PK\x03\x04PK\x01"), 2);
        let many = b"PK\x01\x02".repeat(Archive::MOST_FILES + 1);
        let fault = Archive::new(&many).err().unwrap().to_string();
        assert!(fault.contains("too many files"), "{fault}");
        let fault = Archive::new(&many[..400]).err().unwrap().to_string();
        assert!(fault.contains("as a zip file"), "{fault}");
    }

    #[test]
    fn every_kind_of_number_is_read() {
        assert_eq!(Element::F64.values(&1.5_f64.to_le_bytes()), [1.5]);
        assert_eq!(Element::F32.values(&(-2.5_f32).to_le_bytes()), [-2.5]);
        assert_eq!(Element::F16.values(&[0x00, 0x3c, 0x00, 0xc0]), [1.0, -2.0]);
        assert_eq!(Element::Bf16.values(&[0x80, 0x3f]), [1.0]);
        assert_eq!(Element::I64.values(&(-7_i64).to_le_bytes()), [-7.0]);
        assert_eq!(Element::I32.values(&(-7_i32).to_le_bytes()), [-7.0]);
        assert_eq!(Element::I16.values(&(-7_i16).to_le_bytes()), [-7.0]);
        assert_eq!(Element::I8.values(&[0xff]), [-1.0]);
        assert_eq!(Element::U8.values(&[0xff]), [255.0]);
    }

    #[test]
    fn a_shape_that_no_memory_holds_has_no_number_of_elements() {
        assert_eq!(elements(&[]), Some(1));
        assert_eq!(elements(&[2, 0, 3]), Some(0));
        assert_eq!(elements(&[1 << 40, 1 << 40]), None);
    }
}
