//! Data elements in memory (PS3.5 section 7): enough for command sets, file meta information and the beginning of a
//! data set. Nothing is allocated for what a header declares.

use super::uid;

/// The length that means: until a delimiter comes.
const UNDEFINED: u32 = 0xffff_ffff;
const ITEM: u32 = 0xfffe_e000;
const END_OF_ITEM: u32 = 0xfffe_e00d;
const END_OF_SEQUENCE: u32 = 0xfffe_e0dd;
/// Value representations with a length of four bytes (PS3.5 table 7.1-1).
const LONG: [&[u8; 2]; 13] = [
    b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
];

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementEncoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// An element at the top of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawElement<'a> {
    /// Group and number, as `0x0008_0018`.
    pub tag: u32,
    pub value: &'a [u8],
    /// Where it begins.
    pub at: usize,
}

impl RawElement<'_> {
    /// The value as an identifier or a title, without padding.
    pub fn text(&self) -> String {
        uid::trimmed(self.value)
    }

    /// The value as an unsigned number of 16 bits in little endian.
    pub fn number(&self) -> Option<u16> {
        self.value.try_into().ok().map(u16::from_le_bytes)
    }
}

/// The elements of a data set, in its order. It ends where the bytes end, also in the middle of an element, and where
/// they make no sense. Sequences are passed over.
pub struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: ElementEncoding,
    /// Sequences and items of undefined length that are open.
    open: usize,
}

impl<'a> Elements<'a> {
    pub fn of(bytes: &'a [u8], encoding: ElementEncoding) -> Self {
        Elements {
            bytes,
            at: 0,
            encoding,
            open: 0,
        }
    }

    /// Where the next element begins.
    pub fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(match self.encoding {
            ElementEncoding::ExplicitBig => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        })
    }

    fn long(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(match self.encoding {
            ElementEncoding::ExplicitBig => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        })
    }

    /// The length of the value of an element that has this tag.
    fn length(&mut self, tag: u32) -> Option<u32> {
        let is_delimiter = matches!(tag, ITEM | END_OF_ITEM | END_OF_SEQUENCE);
        if is_delimiter || self.encoding == ElementEncoding::ImplicitLittle {
            return self.long();
        }
        let vr: &[u8; 2] = self.take(2)?.try_into().ok()?;
        if LONG.contains(&vr) {
            self.take(2)?;
            return self.long();
        }
        self.short().map(u32::from)
    }

    /// The next element at the top; `None` at the end.
    fn advance(&mut self) -> Option<RawElement<'a>> {
        loop {
            let at = self.at;
            let tag = (u32::from(self.short()?) << 16) | u32::from(self.short()?);
            let length = self.length(tag)?;
            match (tag, length) {
                (END_OF_ITEM | END_OF_SEQUENCE, _) => self.open = self.open.checked_sub(1)?,
                (_, UNDEFINED) => self.open += 1,
                _ => {
                    let value = self.take(usize::try_from(length).ok()?)?;
                    if self.open == 0 {
                        return Some(RawElement { tag, value, at });
                    }
                }
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = RawElement<'a>;

    fn next(&mut self) -> Option<RawElement<'a>> {
        let (at, open) = (self.at, self.open);
        let found = self.advance();
        if found.is_none() {
            (self.at, self.open) = (at, open);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(bytes: &[u8], encoding: ElementEncoding) -> Vec<(u32, Vec<u8>)> {
        let all = Elements::of(bytes, encoding);
        all.map(|element| (element.tag, element.value.to_vec()))
            .collect()
    }

    #[test]
    fn elements_of_each_encoding_are_found() {
        let implicit = b"\x08\0\x16\0\x02\0\0\x001\0\x08\0\x18\0\x04\0\0\x001.2\0";
        let explicit = b"\x08\0\x16\0UI\x02\x001\0\x08\0\x18\0UI\x04\x001.2\0";
        let big = b"\0\x08\0\x16UI\0\x021\0\0\x08\0\x18UI\0\x041.2\0";
        let expected = vec![
            (0x0008_0016, b"1\0".to_vec()),
            (0x0008_0018, b"1.2\0".to_vec()),
        ];
        assert_eq!(tags(implicit, ElementEncoding::ImplicitLittle), expected);
        assert_eq!(tags(explicit, ElementEncoding::ExplicitLittle), expected);
        assert_eq!(tags(big, ElementEncoding::ExplicitBig), expected);
    }

    #[test]
    fn sequences_are_passed_over_and_a_cut_ends_the_list() {
        // (0008,0006) with an item of undefined length that holds (0008,0018), then the real one.
        let mut bytes = b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\
            \x08\0\x18\0UI\x02\x009\0\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
            .to_vec();
        bytes.extend(b"\x08\0\x18\0UI\x02\x001\0");
        let found = tags(&bytes, ElementEncoding::ExplicitLittle);
        assert_eq!(found, [(0x0008_0018, b"1\0".to_vec())]);
        for end in 0..bytes.len() {
            assert_eq!(tags(&bytes[..end], ElementEncoding::ExplicitLittle), []);
        }
        // Four gigabytes are declared, and none are there.
        let large = b"\x08\0\x18\0UN\0\0\xfe\xff\xff\xff1";
        assert_eq!(tags(large, ElementEncoding::ExplicitLittle), []);
        // A delimiter that ends nothing.
        assert_eq!(
            tags(b"\xfe\xff\xdd\xe0\0\0\0\0", ElementEncoding::ImplicitLittle),
            []
        );
    }
}
