//! The [wire format](https://protobuf.dev/programming-guides/encoding/) of protocol buffers: a message is a list of
//! numbered fields. Fields borrow from the file, so that reading them takes no memory.

use crate::checkpoint::CheckpointFault;
use crate::checkpoint::error::damaged;

/// The most bytes of a number: seven bits in each.
const LONGEST_NUMBER: usize = 10;
/// The most bytes of a name, so that an error that has it is one line to read.
const LONGEST_TEXT: usize = 1024;

/// The fields of a message, in the order of the file.
pub struct MessageFields<'a> {
    rest: &'a [u8],
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MessageField<'a> {
    pub number: u64,
    pub value: FieldValue<'a>,
}

/// The value of a field, as the wire has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    Number(u64),
    /// A text, a message, or many numbers.
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight([u8; 8]),
}

impl<'a> MessageFields<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        MessageFields { rest: message }
    }

    fn field(&mut self) -> Result<MessageField<'a>, CheckpointFault> {
        let tag = number(&mut self.rest)?;
        let value = match tag & 7 {
            0 => FieldValue::Number(number(&mut self.rest)?),
            1 => FieldValue::Eight(*self.chunk()?),
            2 => {
                let length = number(&mut self.rest)?;
                FieldValue::Bytes(self.bytes(length)?)
            }
            5 => FieldValue::Four(*self.chunk()?),
            kind => return damaged(format!("a field of kind {kind}")),
        };
        match tag >> 3 {
            0 => damaged("a field without a number"),
            number => Ok(MessageField { number, value }),
        }
    }

    fn chunk<const LENGTH: usize>(&mut self) -> Result<&'a [u8; LENGTH], CheckpointFault> {
        let Some((chunk, rest)) = self.rest.split_first_chunk() else {
            return damaged("it ends within a number");
        };
        self.rest = rest;
        Ok(chunk)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], CheckpointFault> {
        let length = usize::try_from(length).ok();
        let Some((bytes, rest)) = length.and_then(|length| self.rest.split_at_checked(length))
        else {
            return damaged("a field is longer than what is left of the file");
        };
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for MessageFields<'a> {
    type Item = Result<MessageField<'a>, CheckpointFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Takes a number of variable length off the front.
fn number(rest: &mut &[u8]) -> Result<u64, CheckpointFault> {
    let mut value = 0_u64;
    for place in 0..LONGEST_NUMBER {
        let Some((byte, after)) = rest.split_first() else {
            return damaged("it ends within a number");
        };
        *rest = after;
        // Of the tenth byte, a single bit belongs to the number: the others are shifted out.
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    damaged("a number of more than ten bytes")
}

impl<'a> FieldValue<'a> {
    pub fn bytes(self) -> Result<&'a [u8], CheckpointFault> {
        match self {
            FieldValue::Bytes(bytes) => Ok(bytes),
            _ => damaged("a number where a text or a message belongs"),
        }
    }

    /// A name.
    pub fn text(self) -> Result<&'a str, CheckpointFault> {
        let bytes = self.bytes()?;
        if bytes.len() > LONGEST_TEXT {
            return damaged(format!("a name of {} bytes", bytes.len()));
        }
        str::from_utf8(bytes)
            .map_err(|_| CheckpointFault::Damaged("a text that is not UTF-8".to_owned()))
    }

    pub fn integer(self) -> Result<i64, CheckpointFault> {
        match self {
            // Two's complement, as `int32`, `int64` and enumerations have it.
            FieldValue::Number(number) => Ok(number as i64),
            _ => damaged("something else where a whole number belongs"),
        }
    }

    pub fn float(self) -> Result<f32, CheckpointFault> {
        match self {
            FieldValue::Four(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => damaged("something else where a number belongs"),
        }
    }

    /// Adds the value, or the many values of a packed field.
    pub fn add_integers(
        self,
        to: &mut Vec<i64>,
        allowance: &mut Allowance,
    ) -> Result<(), CheckpointFault> {
        let FieldValue::Bytes(mut packed) = self else {
            allowance.take(1)?;
            to.push(self.integer()?);
            return Ok(());
        };
        while !packed.is_empty() {
            allowance.take(1)?;
            to.push(number(&mut packed)? as i64);
        }
        Ok(())
    }

    /// As [`add_integers`](Self::add_integers). They take as much memory as the file does.
    pub fn add_floats(self, to: &mut Vec<f32>) -> Result<(), CheckpointFault> {
        let FieldValue::Bytes(packed) = self else {
            to.push(self.float()?);
            return Ok(());
        };
        let (chunks, rest) = packed.as_chunks();
        if !rest.is_empty() {
            return damaged("it ends within a number");
        }
        to.extend(chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        Ok(())
    }

    /// As [`add_floats`](Self::add_floats), of 64-bit numbers.
    pub fn add_doubles(self, to: &mut Vec<f32>) -> Result<(), CheckpointFault> {
        let (chunks, rest) = match &self {
            FieldValue::Eight(bytes) => (std::slice::from_ref(bytes), &[] as &[u8]),
            FieldValue::Bytes(packed) => packed.as_chunks(),
            _ => return damaged("something else where a number belongs"),
        };
        if !rest.is_empty() {
            return damaged("it ends within a number");
        }
        to.extend(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32));
        Ok(())
    }
}

/// How many parts may still be made of a file: nodes, names, attributes and whole numbers. A part can take a hundred
/// times as much memory as its bytes in the file.
pub struct Allowance(usize);

impl Allowance {
    pub fn new(parts: usize) -> Self {
        Allowance(parts)
    }

    pub fn take(&mut self, count: usize) -> Result<(), CheckpointFault> {
        match self.0.checked_sub(count) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(CheckpointFault::Unsupported(
                "its graph has more nodes, names and numbers than any model that cxr reads"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<MessageField<'_>>, CheckpointFault> {
        MessageFields::of(bytes).collect()
    }

    #[test]
    fn fields_of_every_kind_are_read() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: 150, the example of the specification
            0x12, 0x02, b'h', b'i', // 2: "hi"
            0x1d, 0x00, 0x00, 0xc0, 0x3f, // 3: 1.5 in four bytes
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // 4: eight bytes
        ];
        let read = fields(&bytes).unwrap();
        let numbers: Vec<u64> = read.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(read[0].value.integer(), Ok(150));
        assert_eq!(read[1].value.text(), Ok("hi"));
        assert_eq!(read[2].value.float(), Ok(1.5));
        assert_eq!(read[3].value, FieldValue::Eight([1, 2, 3, 4, 5, 6, 7, 8]));
        let minus_one = [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(fields(&minus_one).unwrap()[0].value.integer(), Ok(-1));
    }

    #[test]
    fn packed_and_single_numbers_are_the_same() {
        let mut integers = Vec::new();
        let mut allowance = Allowance::new(4);
        let packed = FieldValue::Bytes(&[1, 0x96, 1]);
        packed.add_integers(&mut integers, &mut allowance).unwrap();
        let single = FieldValue::Number(7);
        single.add_integers(&mut integers, &mut allowance).unwrap();
        assert_eq!(integers, [1, 150, 7]);
        let too_many = FieldValue::Bytes(&[1, 2]).add_integers(&mut integers, &mut allowance);
        assert!(too_many.unwrap_err().to_string().contains("more nodes"));
        let mut floats = Vec::new();
        let one = 1.0_f32.to_le_bytes();
        FieldValue::Bytes(&one).add_floats(&mut floats).unwrap();
        FieldValue::Four(one).add_floats(&mut floats).unwrap();
        let two = 2.0_f64.to_le_bytes();
        FieldValue::Bytes(&two).add_doubles(&mut floats).unwrap();
        FieldValue::Eight(two).add_doubles(&mut floats).unwrap();
        assert_eq!(floats, [1.0, 1.0, 2.0, 2.0]);
        assert!(
            FieldValue::Bytes(&one[1..])
                .add_floats(&mut floats)
                .is_err()
        );
        assert!(
            FieldValue::Bytes(&two[1..])
                .add_doubles(&mut floats)
                .is_err()
        );
        assert!(FieldValue::Four(one).add_doubles(&mut floats).is_err());
    }

    #[test]
    fn a_damaged_message_is_one_fault_and_then_over() {
        for (bytes, words) in [
            (&[0x08][..], "ends within a number"),
            (&[0x08, 0x80], "ends within a number"),
            (&[0x0d, 1, 2], "ends within a number"),
            (&[0x12, 5, b'h'], "longer than what is left"),
            (
                &[0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                "longer than",
            ),
            (&[0x0b], "a field of kind 3"),
            (&[0x00, 1], "without a number"),
            (&[0xff; 12], "more than ten bytes"),
        ] {
            let mut fields = MessageFields::of(bytes);
            let fault = fields.next().unwrap().unwrap_err().to_string();
            assert!(fault.contains(words), "{fault}");
            assert_eq!(fields.next(), None);
        }
        assert!(FieldValue::Bytes(&[0xff]).text().is_err());
        assert!(FieldValue::Number(1).text().is_err());
        let long = FieldValue::Bytes(&[b'n'; LONGEST_TEXT + 1]).text();
        assert!(
            long.unwrap_err()
                .to_string()
                .contains("a name of 1025 bytes")
        );
        assert!(FieldValue::Bytes(b"").integer().is_err());
    }
}
