//! The bytes of a pickle, and the values that its instructions carry.

use super::super::graph::Node;
use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;

/// A position in the bytes of a pickle.
pub struct PickleCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> PickleCursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        PickleCursor { bytes, at: 0 }
    }

    /// Bytes that were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointFault> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.slice(N)?);
        Ok(taken)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], CheckpointFault> {
        let end = self.at.checked_add(length);
        let Some(slice) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return damaged("its pickle ends too early");
        };
        self.at += length;
        Ok(slice)
    }

    /// The text up to the end of the line, without the line feed.
    pub fn line(&mut self) -> Result<String, CheckpointFault> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return damaged("its pickle ends too early");
        };
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }

    /// A length of this many bytes, little-endian.
    fn length(&mut self, bytes: usize) -> Result<usize, CheckpointFault> {
        let length = match bytes {
            1 => u64::from(self.take::<1>()?[0]),
            4 => u64::from(u32::from_le_bytes(self.take()?)),
            _ => u64::from_le_bytes(self.take()?),
        };
        usize::try_from(length)
            .map_err(|_| CheckpointFault::Damaged("its pickle ends too early".to_owned()))
    }

    /// Bytes after their length, which takes `width` bytes.
    fn counted(&mut self, width: usize) -> Result<Vec<u8>, CheckpointFault> {
        let length = self.length(width)?;
        self.slice(length).map(<[u8]>::to_vec)
    }

    /// The number that this instruction pushes.
    pub fn number(&mut self, opcode: u8) -> Result<Node, CheckpointFault> {
        Ok(match opcode {
            b'J' => Node::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Node::Int(self.take::<1>()?[0].into()),
            b'M' => Node::Int(u16::from_le_bytes(self.take()?).into()),
            b'G' => Node::Float(f64::from_be_bytes(self.take()?)),
            b'F' => Node::Float(self.line()?.trim().parse().unwrap_or(f64::NAN)),
            0x8a | 0x8b => {
                let length = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                long(self.slice(length)?)
            }
            // A line: `I01` is True, `L5L` is 5.
            _ => match self.line()?.trim().trim_end_matches('L').parse() {
                Ok(number) => Node::Int(number),
                Err(_) => Node::None,
            },
        })
    }

    /// The text that this instruction pushes.
    pub fn text(&mut self, opcode: u8) -> Result<Node, CheckpointFault> {
        let bytes = match opcode {
            b'S' => self.line()?.trim().trim_matches(['\'', '"']).into(),
            b'V' => self.line()?.into_bytes(),
            b'U' | 0x8c => self.counted(1)?,
            0x8d => self.counted(8)?,
            _ => self.counted(4)?,
        };
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Node::Text(text),
            // Python 2's strings are bytes.
            Err(error) => Node::Bytes(error.into_bytes()),
        })
    }

    /// The bytes that this instruction pushes.
    pub fn raw(&mut self, opcode: u8) -> Result<Node, CheckpointFault> {
        let width = match opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        };
        self.counted(width).map(Node::Bytes)
    }
}

/// A number in two's complement, little-endian. Numbers of more than 64 bits stay bytes: no size in a model is
/// as large.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Bytes(bytes.to_vec());
    }
    let sign = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if sign { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(opcode: u8, bytes: &[u8]) -> Node {
        PickleCursor::new(bytes).number(opcode).unwrap()
    }

    #[test]
    fn numbers_of_every_instruction_are_read() {
        for (opcode, bytes, expected) in [
            (b'K', &[0xff][..], 255),
            (b'M', &[0x01, 0x80], 0x8001),
            (b'J', &[0xfe, 0xff, 0xff, 0xff], -2),
            (b'I', b"01\n", 1),
            (b'L', b"-5L\n", -5),
            (0x8a, &[0], 0),
            (0x8a, &[1, 0xff], -1),
            (0x8a, &[2, 0xff, 0x00], 255),
            (0x8b, &[1, 0, 0, 0, 0x7f], 127),
        ] {
            let Node::Int(found) = number(opcode, bytes) else {
                panic!("{opcode:02x} is no integer");
            };
            assert_eq!(found, expected, "{opcode:02x}");
        }
        let float = |opcode, bytes: &[u8]| match number(opcode, bytes) {
            Node::Float(value) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(float(b'G', &(-1.5_f64).to_be_bytes()), -1.5);
        assert_eq!(float(b'F', b"2.5\n"), 2.5);
        assert!(float(b'F', b"no number\n").is_nan());
        assert!(matches!(number(b'I', b"no number\n"), Node::None));
        // Ten bytes do not fit into 64 bits.
        let long = [&[10][..], &[1; 10]].concat();
        assert!(matches!(number(0x8a, &long), Node::Bytes(bytes) if bytes == [1; 10]));
    }

    #[test]
    fn texts_and_bytes_of_every_instruction_are_read() {
        for (opcode, bytes) in [
            (b'S', &b"'abc'\n"[..]),
            (b'V', b"abc\n"),
            (b'U', b"\x03abc"),
            (0x8c, b"\x03abc"),
            (b'X', b"\x03\0\0\0abc"),
            (b'T', b"\x03\0\0\0abc"),
            (0x8d, b"\x03\0\0\0\0\0\0\0abc"),
        ] {
            let node = PickleCursor::new(bytes).text(opcode).unwrap();
            assert!(
                matches!(&node, Node::Text(text) if text == "abc"),
                "{node:?}"
            );
        }
        let latin = PickleCursor::new(b"\x01\xe9").text(b'U').unwrap();
        assert!(matches!(latin, Node::Bytes(bytes) if bytes == [0xe9]));
        for (opcode, bytes) in [
            (b'C', &b"\x02ab"[..]),
            (b'B', b"\x02\0\0\0ab"),
            (0x8e, b"\x02\0\0\0\0\0\0\0ab"),
        ] {
            let node = PickleCursor::new(bytes).raw(opcode).unwrap();
            assert!(
                matches!(&node, Node::Bytes(bytes) if bytes == b"ab"),
                "{node:?}"
            );
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error_and_allocates_nothing() {
        let huge = [&u64::MAX.to_le_bytes()[..], b"abc"].concat();
        for (opcode, bytes) in [
            (0x8d, &huge[..]),
            (b'X', b"\xff\xff\xff\xffabc"),
            (b'V', b"abc"),
        ] {
            let fault = PickleCursor::new(bytes).text(opcode).unwrap_err();
            assert!(fault.to_string().contains("ends too early"), "{fault}");
        }
        assert!(PickleCursor::new(&huge).raw(0x8e).is_err());
        assert!(PickleCursor::new(b"\x05abc").number(0x8a).is_err());
    }
}
