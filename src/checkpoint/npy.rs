//! NumPy's `.npy` files: one array of numbers (`numpy.lib.format`, versions 1 to 3). An array of Python objects, whose
//! values would be a pickle, is refused.

use std::path::Path;

use half::f16;

use super::error::damaged;
use super::{CheckpointError, CheckpointFault, StoredTensor, bytes};

const MAGIC: &[u8] = b"\x93NUMPY";
/// A picture of 2,048 × 2,048 in three channels of double precision takes 96 MiB.
const LARGEST: u64 = 256 << 20;
/// The header is a line of Python of a hundred characters.
const LONGEST_HEADER: usize = 4096;
/// The most axes of an array.
const MOST_AXES: usize = 8;

/// Reads an array.
///
/// # Errors
/// One line with the file's name and the reason: it cannot be read, is too large, damaged, or holds no numbers.
pub fn read_npy(path: &Path) -> Result<StoredTensor, CheckpointError> {
    bytes(path, LARGEST)
        .and_then(|bytes| parse_npy(&bytes))
        .map_err(|fault| CheckpointError::new(path, fault))
}

/// As [`read_npy`], for the bytes of a file.
///
/// # Errors
/// As [`read_npy`], without the name of a file.
pub fn parse_npy(bytes: &[u8]) -> Result<StoredTensor, CheckpointFault> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return damaged("it does not begin as an array of NumPy (.npy)");
    };
    let (header, values) = match rest {
        [1, _, a, b, rest @ ..] => split(rest, u16::from_le_bytes([*a, *b]).into())?,
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]);
            split(rest, usize::try_from(length).unwrap_or(usize::MAX))?
        }
        _ => return damaged("its version is not 1, 2 or 3"),
    };
    let header = NpyHeader::parse(header)?;
    let values = header.kind.values(values, header.count()?)?;
    Ok(StoredTensor {
        values: if header.is_fortran {
            by_rows(&values, &header.shape)
        } else {
            values
        },
        shape: header.shape,
    })
}

/// The header as text, and what follows it.
fn split(rest: &[u8], length: usize) -> Result<(&str, &[u8]), CheckpointFault> {
    if length > LONGEST_HEADER {
        return damaged(format!("a header of {length} bytes"));
    }
    let Some((header, values)) = rest.split_at_checked(length) else {
        return damaged("it ends within its header");
    };
    match str::from_utf8(header) {
        Ok(header) => Ok((header, values)),
        Err(_) => damaged("its header is not text"),
    }
}

/// What the header says: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct NpyHeader {
    kind: NpyKind,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl NpyHeader {
    fn parse(text: &str) -> Result<Self, CheckpointFault> {
        let Some(kind) = value(text, "descr") else {
            return damaged("its header has no descr");
        };
        let is_fortran = match value(text, "fortran_order") {
            Some(word) if word.starts_with("True") => true,
            Some(word) if word.starts_with("False") => false,
            _ => return damaged("its header has no fortran_order"),
        };
        let shape = value(text, "shape").and_then(shape);
        let Some(shape) = shape else {
            return damaged("its header has no shape that can be read");
        };
        Ok(NpyHeader {
            kind: NpyKind::parse(kind)?,
            is_fortran,
            shape,
        })
    }

    /// The number of values.
    fn count(&self) -> Result<usize, CheckpointFault> {
        let product = self
            .shape
            .iter()
            .try_fold(1_usize, |count, side| count.checked_mul(*side));
        product.map_or_else(|| damaged(format!("its shape is {:?}", self.shape)), Ok)
    }
}

/// The text of a value in the dictionary, from its first character on.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let (at, key) = quoted.iter().find_map(|key| Some((text.find(key)?, key)))?;
    let rest = text[at + key.len()..].trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

/// `(3, 4)`, `(3,)` or `()`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let inside = inside.trim().trim_end_matches(',');
    if inside.is_empty() {
        return Some(Vec::new());
    }
    let sides = inside.split(',').take(MOST_AXES + 1);
    let sides: Option<Vec<usize>> = sides.map(|side| side.trim().parse().ok()).collect();
    sides.filter(|sides| sides.len() <= MOST_AXES)
}

/// The type of the values, and the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NpyKind {
    /// `u`, `i`, `f` or `b`.
    letter: u8,
    /// Bytes of a value.
    size: usize,
    is_big_endian: bool,
}

impl NpyKind {
    /// `'<f4'`
    fn parse(text: &str) -> Result<Self, CheckpointFault> {
        let word: &[u8] = match text.as_bytes() {
            [quote @ (b'\'' | b'"'), word @ ..] => {
                let end = word.iter().position(|byte| byte == quote);
                &word[..end.unwrap_or(0)]
            }
            _ => &[],
        };
        let kind = |order: u8, letter: u8, size: u8| NpyKind {
            letter,
            size: usize::from(size - b'0'),
            is_big_endian: order == b'>',
        };
        match *word {
            [
                order @ (b'|' | b'<' | b'>' | b'='),
                letter @ (b'u' | b'i'),
                size @ (b'1' | b'2' | b'4' | b'8'),
            ]
            | [
                order @ (b'|' | b'<' | b'>' | b'='),
                letter @ b'f',
                size @ (b'2' | b'4' | b'8'),
            ]
            | [
                order @ (b'|' | b'<' | b'>' | b'='),
                letter @ b'b',
                size @ b'1',
            ] => Ok(kind(order, letter, size)),
            [b'|' | b'<' | b'>' | b'=', b'O', ..] => Err(CheckpointFault::Unsupported(
                "its values are objects of Python: save numbers".to_owned(),
            )),
            _ => Err(CheckpointFault::Unsupported(format!(
                "its type is {:?}: save whole numbers or floating point",
                String::from_utf8_lossy(word)
            ))),
        }
    }

    fn values(self, bytes: &[u8], count: usize) -> Result<Vec<f32>, CheckpointFault> {
        if count.checked_mul(self.size) != Some(bytes.len()) {
            let found = bytes.len();
            return damaged(format!(
                "{found} bytes of values, and {count} values of {}",
                self.size
            ));
        }
        let values = bytes.chunks_exact(self.size).map(|chunk| self.value(chunk));
        Ok(values.collect())
    }

    /// The value in these bytes, of [`NpyKind::size`].
    fn value(self, chunk: &[u8]) -> f32 {
        let mut bytes = [0; 8];
        for (place, byte) in bytes.iter_mut().zip(chunk) {
            *place = *byte;
        }
        if self.is_big_endian {
            bytes[..self.size].reverse();
        }
        let whole = u64::from_le_bytes(bytes);
        match (self.letter, self.size) {
            (b'f', 2) => f16::from_bits(whole as u16).to_f32(),
            (b'f', 4) => f32::from_bits(whole as u32),
            (b'f', _) => f64::from_bits(whole) as f32,
            // The sign is in the highest bit that is used.
            (b'i', size) => {
                let unused = 64 - 8 * size as u32;
                ((whole << unused) as i64 >> unused) as f32
            }
            _ => whole as f32,
        }
    }
}

/// Values that are column by column (the first axis fastest), row by row.
fn by_rows(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut steps = Vec::with_capacity(shape.len());
    let mut step = 1;
    for side in shape {
        steps.push(step);
        step *= side;
    }
    let place = |index: usize| {
        let mut rest = index;
        let mut at = 0;
        for (side, step) in shape.iter().zip(&steps).rev() {
            at += rest % side * step;
            rest /= side;
        }
        at
    };
    (0..values.len())
        .map(|index| values[place(index)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy writes it.
    fn file(version: u8, descr: &str, order: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = (header.len() as u32).to_le_bytes();
        let length = if version == 1 {
            &length[..2]
        } else {
            &length[..]
        };
        let mut file = MAGIC.to_vec();
        file.extend([version, 0]);
        file.extend(length);
        file.extend(header.as_bytes());
        file.extend(values);
        file
    }

    fn read(descr: &str, values: &[u8]) -> Vec<f32> {
        parse_npy(&file(1, descr, "False", "(2,)", values))
            .unwrap()
            .values
    }

    #[test]
    fn every_number_is_read() {
        assert_eq!(read("'|u1'", &[0, 255]), [0.0, 255.0]);
        assert_eq!(read("'|i1'", &[1, 255]), [1.0, -1.0]);
        assert_eq!(read("'|b1'", &[0, 1]), [0.0, 1.0]);
        assert_eq!(read("'<u2'", &[0, 1, 255, 255]), [256.0, 65_535.0]);
        assert_eq!(read("'>i2'", &[1, 0, 255, 254]), [256.0, -2.0]);
        assert_eq!(
            read("'<i4'", &[7, 0, 0, 0, 255, 255, 255, 255]),
            [7.0, -1.0]
        );
        assert_eq!(read("\"<f2\"", &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]);
        let floats: Vec<u8> = [0.25_f32, -3.5]
            .iter()
            .flat_map(|v| v.to_be_bytes())
            .collect();
        assert_eq!(read("'>f4'", &floats), [0.25, -3.5]);
        let doubles: Vec<u8> = [0.1_f64, -3.5]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(read("'<f8'", &doubles), [0.1, -3.5]);
        let longs: Vec<u8> = [-5_i64, 9].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read("'<i8'", &longs), [-5.0, 9.0]);
    }

    /// `np.save(f, np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)))`
    #[test]
    fn an_array_of_any_order_is_read_row_by_row() {
        let stored = [0, 3, 1, 4, 2, 5];
        for version in [1, 2, 3] {
            let fortran = file(version, "'|u1'", "True", "(1, 2, 3)", &stored);
            let tensor = parse_npy(&fortran).unwrap();
            assert_eq!(tensor.shape, [1, 2, 3]);
            assert_eq!(tensor.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        }
        let single = parse_npy(&file(1, "'|u1'", "False", "()", &[7])).unwrap();
        assert_eq!((single.shape, single.values), (vec![], vec![7.0]));
    }

    #[test]
    fn what_is_no_array_of_numbers_is_refused() {
        let of = |descr: &str, shape: &str| file(1, descr, "False", shape, &[0; 4]);
        let long = [MAGIC, &[2, 0, 255, 255, 255, 255], b"{}"].concat();
        for (bytes, words) in [
            (
                b"PK\x03\x04".to_vec(),
                "does not begin as an array of NumPy",
            ),
            (MAGIC.to_vec(), "its version is not 1, 2 or 3"),
            (
                [MAGIC, &[1, 0, 40, 0], b"{'descr'"].concat(),
                "ends within its header",
            ),
            (long, "a header of 4294967295 bytes"),
            (of("'|O'", "(1,)"), "objects of Python"),
            (of("'<c8'", "(1,)"), "its type is \"<c8\""),
            (of("'<f9'", "(1,)"), "its type is"),
            (of("[('a', '<f4')]", "(1,)"), "its type is"),
            (of("'<f4'", "(2,)"), "4 bytes of values, and 2 values of 4"),
            (of("'<f4'", "(-1,)"), "no shape"),
            (
                of("'<f4'", "(4294967296, 4294967296)"),
                "its shape is [4294967296",
            ),
            (of("'<f4'", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "no shape"),
            (of("'<f4'", "1"), "no shape"),
            (
                file(1, "'<f4'", "Maybe", "(1,)", &[0; 4]),
                "no fortran_order",
            ),
        ] {
            let fault = parse_npy(&bytes).unwrap_err().to_string();
            assert!(fault.contains(words), "{fault}");
        }
    }
}
