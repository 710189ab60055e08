//! Which instance a file says that it is: *SOP Instance UID* (0008,0018) and *Study Instance UID* (0020,000D).
//!
//! A server may send another film than the one that was asked for, and then its answer would stand under a wrong patient.
//! Only the beginning of the file is walked ([`data_elements`](crate::data_elements)); what the film shows is read
//! elsewhere, in a process of its own.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::error::{DicomWebError, DicomWebFault};
use crate::data_elements::{Encoding, FileStart, TopElement, TopElements, has_preamble, is_uid};

/// Bytes of a deflated data set that are inflated to find the UIDs.
const INFLATED: u64 = 4 << 20;
/// *Deflated Explicit VR Little Endian*.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// The tags of both identifiers.
const INSTANCE: (u16, u16) = (0x0008, 0x0018);
const STUDY: (u16, u16) = (0x0020, 0x000d);

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
    if !has_preamble(file) {
        return Err(damaged("what came is no DICOM file"));
    }
    let start = FileStart::of(file);
    let start = start.map_err(|_| damaged("its file meta information is cut off"))?;
    let syntax = start.transfer_syntax.filter(|syntax| is_uid(syntax));
    let syntax = syntax.ok_or_else(|| damaged("it names no transfer syntax"))?;
    let data_set = file.get(start.offset..).unwrap_or_default();
    if syntax != DEFLATED {
        return of_data_set(data_set, &syntax);
    }
    let mut inflated = Vec::new();
    // What cannot be inflated to its end may still begin with the UIDs.
    let _ = DeflateDecoder::new(data_set)
        .take(INFLATED)
        .read_to_end(&mut inflated);
    of_data_set(&inflated, &syntax)
}

fn of_data_set(bytes: &[u8], syntax: &str) -> Result<FilmIdentity, DicomWebError> {
    // The encoding is looked at, as where the film is decoded.
    let encoding = Encoding::of(syntax).as_found(bytes);
    let uid = |element: &TopElement| Some(element.text()).filter(|text| is_uid(text));
    let (mut study, mut instance) = (None, None);
    for element in TopElements::of(bytes, encoding) {
        match (element.tag.0, element.tag.1) {
            INSTANCE => instance = uid(&element),
            STUDY => study = uid(&element),
            tag if tag > STUDY => break,
            _ => {}
        }
        if study.is_some() && instance.is_some() {
            break;
        }
    }
    match (study, instance) {
        (Some(study), Some(instance)) => Ok(FilmIdentity { study, instance }),
        _ => Err(damaged(
            "it does not say which instance of which study it is",
        )),
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

    const PREAMBLE: usize = 128;
    const MARK: &[u8] = b"DICM";
    const UNDEFINED: u32 = u32::MAX;
    const TRANSFER_SYNTAX: (u16, u16) = (0x0002, 0x0010);
    const ITEM: (u16, u16) = (0xfffe, 0xe000);
    const ITEM_END: (u16, u16) = (0xfffe, 0xe00d);
    const SEQUENCE_END: (u16, u16) = (0xfffe, 0xe0dd);

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
