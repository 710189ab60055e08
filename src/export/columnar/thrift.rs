//! Reads what is needed of Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages
//! (github.com/apache/thrift, `doc/specs/thrift-compact-protocol.md`). Nothing is allocated by what a length states.

/// Structures are nested no deeper than this. Those of Parquet have about six levels.
const DEEPEST: u8 = 32;

/// The types of a field or an element.
pub mod kind {
    pub const STOP: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const UUID: u8 = 13;
}

/// A place in bytes. Every step is `None` where the bytes end early, or are no such text.
#[derive(Clone)]
pub struct Compact<'a> {
    rest: &'a [u8],
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Compact { rest: bytes }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    /// An unsigned number of seven bits a byte.
    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number of any width, in zigzag order.
    pub fn signed(&mut self) -> Option<i64> {
        let number = self.unsigned()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A text.
    pub fn text(&mut self) -> Option<String> {
        let length = self.unsigned()?;
        let bytes = self.take(usize::try_from(length).ok()?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A number that cannot be negative.
    pub fn count(&mut self) -> Option<u64> {
        u64::try_from(self.signed()?).ok()
    }

    /// Calls `on` with the number and the type of each field of a structure. It returns whether it read the value; a
    /// value that it did not read is stepped over.
    pub fn fields(&mut self, mut on: impl FnMut(&mut Self, i16, u8) -> Option<bool>) -> Option<()> {
        self.fields_at(0, &mut on)
    }

    fn fields_at(
        &mut self,
        depth: u8,
        on: &mut dyn FnMut(&mut Self, i16, u8) -> Option<bool>,
    ) -> Option<()> {
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            let (step, kind) = (head >> 4, head & 0x0f);
            if kind == kind::STOP {
                return Some(());
            }
            number = match step {
                0 => i16::try_from(self.signed()?).ok()?,
                step => number.checked_add(step.into())?,
            };
            if !on(self, number, kind)? {
                self.skip(kind, depth)?;
            }
        }
    }

    /// The number and the type of the elements of a list, which follow.
    pub fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let size = match head >> 4 {
            0x0f => usize::try_from(self.unsigned()?).ok()?,
            size => size.into(),
        };
        // Each takes a byte at least.
        (size <= self.left()).then_some((size, head & 0x0f))
    }

    /// Steps over the value of a field.
    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            // The type is the value.
            kind::TRUE | kind::FALSE => {}
            kind::BYTE => drop(self.byte()?),
            kind::I16 | kind::I32 | kind::I64 => drop(self.unsigned()?),
            kind::DOUBLE => drop(self.take(8)?),
            kind::UUID => drop(self.take(16)?),
            kind::BINARY => {
                let length = self.unsigned()?;
                self.take(usize::try_from(length).ok()?)?;
            }
            kind::LIST | kind::SET => {
                let (size, element) = self.list()?;
                for _ in 0..size {
                    self.skip_element(element, depth)?;
                }
            }
            kind::MAP => {
                let size = self.unsigned()?;
                let kinds = if size > 0 { self.byte()? } else { 0 };
                for _ in 0..size {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)?;
                }
            }
            kind::STRUCT => self.fields_at(depth + 1, &mut |_, _, _| Some(false))?,
            _ => return None,
        }
        Some(())
    }

    /// A yes or no is a byte in a list, and none in a structure.
    fn skip_element(&mut self, kind: u8, depth: u8) -> Option<()> {
        match kind {
            kind::TRUE | kind::FALSE => self.byte().map(drop),
            kind => self.skip(kind, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written_down() {
        for (bytes, number) in [
            (&[0_u8][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0x80, 0x01], 64),
            (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MAX)),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                i64::MIN,
            ),
        ] {
            assert_eq!(Compact::new(bytes).signed(), Some(number));
        }
        assert_eq!(Compact::new(&[0x80]).signed(), None);
        assert_eq!(Compact::new(&[0x80; 20]).signed(), None);
        assert_eq!(Compact::new(&[1]).count(), None);
    }

    #[test]
    fn what_is_not_wanted_is_stepped_over() {
        // 1: binary "ab", 2: list of two i32, 3: struct { 1: true, 2: double }, 9: i32 7.
        let mut bytes = vec![0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x1c, 0x11, 0x17];
        bytes.extend([0; 8]);
        bytes.extend([0, 0x65, 14, 0, 0xaa]);
        let mut seen = Vec::new();
        let mut text = Compact::new(&bytes);
        let read = text.fields(|text, number, kind| {
            let value = if number == 9 { text.signed() } else { None };
            seen.push((number, kind, value));
            Some(value.is_some())
        });
        assert_eq!(read, Some(()));
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[3], (9, kind::I32, Some(7)));
        assert_eq!(text.left(), 1);
        for cut in 0..bytes.len() - 1 {
            let mut text = Compact::new(&bytes[..cut]);
            assert_eq!(text.fields(|_, _, _| Some(false)), None, "{cut}");
        }
    }

    #[test]
    fn neither_depth_nor_a_stated_length_is_believed() {
        let nested = [0x1c].repeat(100_000);
        assert_eq!(Compact::new(&nested).fields(|_, _, _| Some(false)), None);
        // A list of 2³¹ elements, and a text of 2⁴⁰ bytes.
        for bytes in [
            &[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08][..],
            &[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20],
        ] {
            assert_eq!(Compact::new(bytes).fields(|_, _, _| Some(false)), None);
        }
    }
}
