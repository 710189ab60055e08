//! The elements at the top of a data set, one by one.

use dicom_core::Tag;

use super::cursor::{Cursor, UNDEFINED};
use super::encoding::Encoding;
use super::uid;

/// The group of items and delimiters, which are no elements of a data set.
const ITEMS: u16 = 0xfffe;

/// An element at the top of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopElement<'a> {
    pub tag: Tag,
    pub value: &'a [u8],
}

impl TopElement<'_> {
    /// The value as an identifier or a title, without padding.
    pub fn text(&self) -> String {
        uid::trimmed(self.value)
    }
}

/// The elements at the top of a data set, in its order. Those of undefined length, which are sequences and compressed
/// pixels, are passed over. It ends where the bytes end, also in the middle of an element, and where they make no sense:
/// the beginning of a data set may be all that is there.
pub struct TopElements<'a>(Cursor<'a>);

impl<'a> TopElements<'a> {
    pub fn of(bytes: &'a [u8], encoding: Encoding) -> Self {
        TopElements(Cursor::new(bytes, 0, encoding))
    }
}

impl<'a> Iterator for TopElements<'a> {
    type Item = TopElement<'a>;

    fn next(&mut self) -> Option<TopElement<'a>> {
        let TopElements(cursor) = self;
        loop {
            let header = cursor.header().ok()?;
            if header.tag.0 == ITEMS {
                return None;
            }
            if header.length != UNDEFINED {
                let value = cursor.value(&header).ok()?;
                return Some(TopElement {
                    tag: header.tag,
                    value,
                });
            }
            cursor.skip(&header, 0).ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], encoding: Encoding) -> Vec<(Tag, Vec<u8>)> {
        TopElements::of(bytes, encoding)
            .map(|element| (element.tag, element.value.to_vec()))
            .collect()
    }

    #[test]
    fn elements_of_each_encoding_are_found() {
        let implicit = b"\x08\0\x16\0\x02\0\0\x001\0\x08\0\x18\0\x04\0\0\x001.2\0";
        let explicit = b"\x08\0\x16\0UI\x02\x001\0\x08\0\x18\0UI\x04\x001.2\0";
        let big = b"\0\x08\0\x16UI\0\x021\0\0\x08\0\x18UI\0\x041.2\0";
        let expected = vec![
            (Tag(0x0008, 0x0016), b"1\0".to_vec()),
            (Tag(0x0008, 0x0018), b"1.2\0".to_vec()),
        ];
        assert_eq!(found(implicit, Encoding::IMPLICIT), expected);
        assert_eq!(found(explicit, Encoding::EXPLICIT), expected);
        assert_eq!(found(big, Encoding::BIG_ENDIAN), expected);
    }

    #[test]
    fn sequences_are_passed_over_and_a_cut_ends_the_list() {
        // (0008,0006) with an item of undefined length that holds (0008,0018), then the real one.
        let mut bytes = b"\x08\0\x06\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\
            \x08\0\x18\0UI\x02\x009\0\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
            .to_vec();
        bytes.extend(b"\x08\0\x18\0UI\x02\x001\0");
        let real = (Tag(0x0008, 0x0018), b"1\0".to_vec());
        assert_eq!(found(&bytes, Encoding::EXPLICIT), [real]);
        for end in 0..bytes.len() {
            assert_eq!(found(&bytes[..end], Encoding::EXPLICIT), []);
        }
        // Four gigabytes are declared, and none are there.
        let large = b"\x08\0\x18\0UN\0\0\xfe\xff\xff\xff1";
        assert_eq!(found(large, Encoding::EXPLICIT), []);
        // A delimiter that ends nothing.
        let delimiter = b"\xfe\xff\xdd\xe0\0\0\0\0";
        assert_eq!(found(delimiter, Encoding::IMPLICIT), []);
        // Sequences in sequences without an end.
        let deep = [&b"\xfe\xff\0\xe0\xff\xff\xff\xff"[..], &bytes[..12]]
            .concat()
            .repeat(100_000);
        let deep = [&bytes[..12], &deep].concat();
        assert_eq!(found(&deep, Encoding::EXPLICIT), []);
    }
}
