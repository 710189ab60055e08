//! Which instance a file says that it is: *SOP Instance UID* (0008,0018) and *Study Instance UID* (0020,000D).
//!
//! A server may send another film than the one that was asked for, and then its answer would stand under a wrong patient.
//! Only the beginning of the file is walked (DICOM PS3.10, section 7.1, and PS3.5, section 7); what the film shows is read
//! elsewhere, in a process of its own.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::error::{DicomWebError, DicomWebFault};
use super::web_uid::trimmed;

/// What comes before the data elements of a file: the preamble and its mark.
const PREAMBLE: usize = 128;
const MARK: &[u8] = b"DICM";
/// Bytes of a deflated data set that are inflated to find the UIDs.
const INFLATED: u64 = 4 << 20;
/// Sequences in sequences, in what is skipped.
const DEEPEST: usize = 32;
const UNDEFINED: u32 = u32::MAX;

const TRANSFER_SYNTAX: (u16, u16) = (0x0002, 0x0010);
const INSTANCE: (u16, u16) = (0x0008, 0x0018);
const STUDY: (u16, u16) = (0x0020, 0x000d);
const ITEM: (u16, u16) = (0xfffe, 0xe000);
const ITEM_END: (u16, u16) = (0xfffe, 0xe00d);
const SEQUENCE_END: (u16, u16) = (0xfffe, 0xe0dd);

/// What a file says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmIdentity {
    pub study: String,
    pub instance: String,
}

/// Reads what a DICOM file says that it is.
///
/// # Errors
/// If it is no DICOM file, or does not say so.
pub fn identity(file: &[u8]) -> Result<FilmIdentity, DicomWebError> {
    if file.get(PREAMBLE..PREAMBLE + MARK.len()) != Some(MARK) {
        return Err(damaged("what came is no DICOM file"));
    }
    let mut meta = ElementWalk::new(
        &file[PREAMBLE + MARK.len()..],
        IdentityEncoding::EXPLICIT_LITTLE,
    );
    let mut syntax = "";
    while meta.rest.first() == Some(&0x02) && meta.rest.get(1) == Some(&0x00) {
        match meta.next_value() {
            Some((TRANSFER_SYNTAX, value)) => syntax = trimmed(value).unwrap_or_default(),
            Some(_) => {}
            None => return Err(damaged("its file meta information is cut off")),
        }
    }
    let (encoding, is_deflated) = match syntax {
        "1.2.840.10008.1.2" => (IdentityEncoding::IMPLICIT_LITTLE, false),
        "1.2.840.10008.1.2.2" => (IdentityEncoding::EXPLICIT_BIG, false),
        "1.2.840.10008.1.2.1.99" => (IdentityEncoding::EXPLICIT_LITTLE, true),
        "" => return Err(damaged("it names no transfer syntax")),
        _ => (IdentityEncoding::EXPLICIT_LITTLE, false),
    };
    if !is_deflated {
        return of_data_set(meta.rest, encoding);
    }
    let mut inflated = Vec::new();
    // What cannot be inflated to its end may still begin with the UIDs.
    let _ = DeflateDecoder::new(meta.rest)
        .take(INFLATED)
        .read_to_end(&mut inflated);
    of_data_set(&inflated, encoding)
}

fn of_data_set(bytes: &[u8], encoding: IdentityEncoding) -> Result<FilmIdentity, DicomWebError> {
    let mut walk = ElementWalk::new(bytes, encoding);
    let (mut study, mut instance) = (None, None);
    while study.is_none() || instance.is_none() {
        match walk.next_value() {
            Some((INSTANCE, value)) => instance = trimmed(value),
            Some((STUDY, value)) => study = trimmed(value),
            Some((tag, _)) if tag > STUDY => break,
            Some(_) => {}
            None => break,
        }
    }
    match (study, instance) {
        (Some(study), Some(instance)) => Ok(FilmIdentity {
            study: study.to_owned(),
            instance: instance.to_owned(),
        }),
        _ => Err(damaged(
            "it does not say which instance of which study it is",
        )),
    }
}

/// How numbers and value representations are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdentityEncoding {
    is_explicit: bool,
    is_big: bool,
}

impl IdentityEncoding {
    const EXPLICIT_LITTLE: Self = IdentityEncoding {
        is_explicit: true,
        is_big: false,
    };
    const IMPLICIT_LITTLE: Self = IdentityEncoding {
        is_explicit: false,
        is_big: false,
    };
    const EXPLICIT_BIG: Self = IdentityEncoding {
        is_explicit: true,
        is_big: true,
    };
}

/// Walks the elements of a data set, and skips what is in sequences.
struct ElementWalk<'a> {
    rest: &'a [u8],
    encoding: IdentityEncoding,
}

impl<'a> ElementWalk<'a> {
    fn new(rest: &'a [u8], encoding: IdentityEncoding) -> Self {
        ElementWalk { rest, encoding }
    }

    /// The next element with its value, which is empty for one of undefined length. `None` at the end, or where nothing
    /// more can be read.
    fn next_value(&mut self) -> Option<((u16, u16), &'a [u8])> {
        let tag = self.tag()?;
        let (representation, length) = self.length()?;
        if length != UNDEFINED {
            return Some((tag, self.take(length as usize)?));
        }
        let whole = self.encoding;
        if representation == *b"UN" {
            // PS3.5, section 6.2.2, note 4: its items are implicit little endian.
            self.encoding = IdentityEncoding::IMPLICIT_LITTLE;
        }
        self.skip_items(0)?;
        self.encoding = whole;
        Some((tag, &[]))
    }

    /// Skips the items of a sequence of undefined length.
    fn skip_items(&mut self, depth: usize) -> Option<()> {
        loop {
            let tag = self.tag()?;
            let length = self.number32()?;
            match tag {
                SEQUENCE_END => return Some(()),
                ITEM if length == UNDEFINED => self.skip_item(depth + 1)?,
                ITEM => drop(self.take(length as usize)?),
                _ => return None,
            }
        }
    }

    /// Skips the elements of an item of undefined length.
    fn skip_item(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        loop {
            let tag = self.tag()?;
            if tag == ITEM_END {
                self.number32()?;
                return Some(());
            }
            match self.length()? {
                (_, UNDEFINED) => self.skip_items(depth)?,
                (_, length) => drop(self.take(length as usize)?),
            }
        }
    }

    fn tag(&mut self) -> Option<(u16, u16)> {
        Some((self.number16()?, self.number16()?))
    }

    /// The value representation, which is `--` where it is implicit, and the length of the value.
    fn length(&mut self) -> Option<([u8; 2], u32)> {
        if !self.encoding.is_explicit {
            return Some((*b"--", self.number32()?));
        }
        let representation: [u8; 2] = self.take(2)?.try_into().ok()?;
        let is_long = matches!(
            &representation,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        );
        if is_long {
            self.take(2)?;
            Some((representation, self.number32()?))
        } else {
            Some((representation, self.number16()?.into()))
        }
    }

    fn number16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(if self.encoding.is_big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn number32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.encoding.is_big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

fn damaged(reason: &str) -> DicomWebError {
    DicomWebError::new(DicomWebFault::Damaged, reason)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn explicit(tag: (u16, u16), representation: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut element = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        element.extend(representation);
        if matches!(representation, b"SQ" | b"UN") {
            element.extend([0, 0]);
            element.extend((value.len() as u32).to_le_bytes());
        } else {
            element.extend((value.len() as u16).to_le_bytes());
        }
        element.extend(value);
        element
    }

    fn implicit(tag: (u16, u16), value: &[u8]) -> Vec<u8> {
        let mut element = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        element.extend((value.len() as u32).to_le_bytes());
        element.extend(value);
        element
    }

    fn in_file(syntax: &str, data_set: &[u8]) -> Vec<u8> {
        let mut file = vec![0; PREAMBLE];
        file.extend(MARK);
        file.extend(explicit(TRANSFER_SYNTAX, b"UI", syntax.as_bytes()));
        file.extend(data_set);
        file
    }

    /// A file of an instance, with no picture in it.
    pub fn film(study: &str, instance: &str) -> Vec<u8> {
        let mut set = explicit(INSTANCE, b"UI", instance.as_bytes());
        set.extend(explicit(STUDY, b"UI", study.as_bytes()));
        in_file("1.2.840.10008.1.2.1", &set)
    }

    fn expected() -> FilmIdentity {
        FilmIdentity {
            study: "1.2".to_owned(),
            instance: "3.4".to_owned(),
        }
    }

    /// A sequence of undefined length in another one, whose items hold UIDs of other instances.
    fn nested() -> Vec<u8> {
        let mut inner = explicit((0x0008, 0x1140), b"SQ", b"");
        inner.truncate(inner.len() - 4);
        inner.extend(UNDEFINED.to_le_bytes());
        inner.extend(implicit(ITEM, &explicit(INSTANCE, b"UI", b"9.9")));
        inner.extend(implicit(SEQUENCE_END, b""));
        let mut outer = explicit((0x0008, 0x1111), b"SQ", b"");
        outer.truncate(outer.len() - 4);
        outer.extend(UNDEFINED.to_le_bytes());
        let mut item = implicit(ITEM, b"");
        item.truncate(4);
        item.extend(UNDEFINED.to_le_bytes());
        outer.extend(item);
        outer.extend(explicit(STUDY, b"UI", b"8.8"));
        outer.extend(inner);
        outer.extend(implicit(ITEM_END, b""));
        outer.extend(implicit(SEQUENCE_END, b""));
        outer
    }

    #[test]
    fn the_uids_are_found_in_every_encoding_and_after_sequences() {
        assert_eq!(identity(&film("1.2", "3.4\0")).unwrap(), expected());
        let mut set = explicit(INSTANCE, b"UI", b"3.4\0");
        set.extend(nested());
        set.extend(explicit(STUDY, b"UI", b"1.2 "));
        let jpeg = in_file("1.2.840.10008.1.2.4.70", &set);
        assert_eq!(identity(&jpeg).unwrap(), expected());
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(&set).unwrap();
        let deflated = in_file("1.2.840.10008.1.2.1.99", &deflated.finish().unwrap());
        assert_eq!(identity(&deflated).unwrap(), expected());
        let mut plain = implicit(INSTANCE, b"3.4\0");
        plain.extend(implicit(STUDY, b"1.2\0"));
        let plain = in_file("1.2.840.10008.1.2", &plain);
        assert_eq!(identity(&plain).unwrap(), expected());
        let mut big = Vec::new();
        for (tag, value) in [(INSTANCE, b"3.4\0"), (STUDY, b"1.2\0")] {
            big.extend(tag.0.to_be_bytes());
            big.extend(tag.1.to_be_bytes());
            big.extend(b"UI\0\x04");
            big.extend(value);
        }
        let big = in_file("1.2.840.10008.1.2.2", &big);
        assert_eq!(identity(&big).unwrap(), expected());
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_a_reason_at_every_length() {
        let whole = film("1.2", "3.4");
        for length in 0..whole.len() {
            assert!(identity(&whole[..length]).is_err(), "{length}");
        }
        // The UIDs in a sequence are those of other instances.
        let mut set = nested();
        set.extend(explicit((0x0028, 0x0010), b"US", b"\x01\0"));
        assert!(identity(&in_file("1.2.840.10008.1.2.1", &set)).is_err());
        let mut item = implicit(ITEM, b"");
        item.truncate(4);
        item.extend(UNDEFINED.to_le_bytes());
        let mut deep = explicit((0x0008, 0x1111), b"SQ", b"");
        deep.truncate(deep.len() - 4);
        deep.extend(UNDEFINED.to_le_bytes());
        let deep = [item, deep].concat().repeat(100_000);
        let mut set = explicit((0x0008, 0x1110), b"SQ", b"");
        set.truncate(set.len() - 4);
        set.extend(UNDEFINED.to_le_bytes());
        set.extend(deep);
        assert!(identity(&in_file("1.2.840.10008.1.2.1", &set)).is_err());
    }
}
