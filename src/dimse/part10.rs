//! Files of objects: the preamble and the file meta information before a data set (PS3.10 section 7.1).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::address::AeTitle;
use crate::data_elements::{ElementFault, FileStart, has_preamble, is_uid};

/// Which program wrote a file or speaks the protocol (PS3.7 annex D.3.3.2): a UUID as an identifier (PS3.5 annex B.2).
pub const IMPLEMENTATION: &str = "2.25.36944407212651181370974522778369161258";
/// At most 16 characters.
pub const IMPLEMENTATION_NAME: &str = concat!("CXR_", env!("CARGO_PKG_VERSION"));

const PREAMBLE: usize = 128;
const MAGIC: &[u8] = b"DICM";

/// What an object is and how it is written: what a presentation context is negotiated for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageKind {
    pub sop_class: String,
    pub transfer_syntax: String,
}

/// The head of a file of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part10Object {
    pub kind: StorageKind,
    pub sop_instance: String,
    /// Where its data set begins.
    pub data_set_at: u64,
}

/// Why a file cannot be sent as it is.
#[derive(Debug, thiserror::Error)]
pub enum Part10Fault {
    #[error("it is no DICOM file with a preamble and file meta information")]
    NotOne,
    #[error("its file meta information lacks the {0}")]
    Lacks(&'static str),
    #[error("its file meta information is damaged: {0}")]
    Damaged(#[from] ElementFault),
    #[error("{0}")]
    Unreadable(io::ErrorKind),
}

impl Part10Object {
    /// The most bytes in which the file meta information must end.
    pub const LONGEST_HEAD: usize = 64 << 10;

    /// Reads the head of a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no file of an object.
    pub fn of_file(path: &Path) -> Result<Self, Part10Fault> {
        let unreadable = |error: io::Error| Part10Fault::Unreadable(error.kind());
        let mut head = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(Self::LONGEST_HEAD as u64)
            .read_to_end(&mut head)
            .map_err(unreadable)?;
        Part10Object::parse(&head)
    }

    /// Reads the head of a file from its first bytes.
    ///
    /// # Errors
    /// If it is no file of an object.
    pub fn parse(head: &[u8]) -> Result<Self, Part10Fault> {
        if !has_preamble(head) {
            return Err(Part10Fault::NotOne);
        }
        let start = FileStart::of(head)?;
        let stated = |text: Option<String>, name| {
            let uid = text.filter(|text| is_uid(text));
            uid.ok_or(Part10Fault::Lacks(name))
        };
        Ok(Part10Object {
            kind: StorageKind {
                sop_class: stated(start.sop_class, "SOP class")?,
                transfer_syntax: stated(start.transfer_syntax, "transfer syntax")?,
            },
            sop_instance: stated(start.sop_instance, "SOP instance")?,
            data_set_at: start.offset as u64,
        })
    }
}

/// The head of the file of an object that came from `source`.
pub fn head(kind: &StorageKind, sop_instance: &str, source: Option<&AeTitle>) -> Vec<u8> {
    let mut group = Vec::with_capacity(256);
    put(&mut group, 0x0001, b"OB", &[0, 1]);
    put_text(&mut group, 0x0002, b"UI", &kind.sop_class);
    put_text(&mut group, 0x0003, b"UI", sop_instance);
    put_text(&mut group, 0x0010, b"UI", &kind.transfer_syntax);
    put_text(&mut group, 0x0012, b"UI", IMPLEMENTATION);
    put_text(&mut group, 0x0013, b"SH", IMPLEMENTATION_NAME);
    if let Some(source) = source {
        put_text(&mut group, 0x0016, b"AE", source.as_str());
    }
    let mut head = vec![0; PREAMBLE];
    head.extend(MAGIC);
    let length = u32::try_from(group.len()).unwrap_or(u32::MAX);
    put(&mut head, 0x0000, b"UL", &length.to_le_bytes());
    head.extend(group);
    head
}

/// An element of the file meta information, in explicit little endian.
fn put(group: &mut Vec<u8>, number: u16, vr: &[u8; 2], value: &[u8]) {
    group.extend([2, 0]);
    group.extend(number.to_le_bytes());
    group.extend(vr);
    if vr == b"OB" {
        group.extend([0, 0]);
        group.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    } else {
        group.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    }
    group.extend(value);
}

fn put_text(group: &mut Vec<u8>, number: u16, vr: &[u8; 2], text: &str) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" { 0 } else { b' ' });
    }
    put(group, number, vr, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> StorageKind {
        StorageKind {
            sop_class: "1.2.840.10008.5.1.4.1.1.1".to_owned(),
            transfer_syntax: "1.2.840.10008.1.2".to_owned(),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let title = "XRAY1".parse().unwrap();
        let mut bytes = head(&kind(), "1.2.3", Some(&title));
        let end = bytes.len();
        bytes.extend(b"\x08\0\x16\0\x1a\0\0\0");
        let read = Part10Object::parse(&bytes).unwrap();
        assert_eq!(read.kind, kind());
        assert_eq!(
            (read.sop_instance.as_str(), read.data_set_at),
            ("1.2.3", end as u64)
        );
        // The group length says the same.
        let length = u32::from_le_bytes(bytes[140..144].try_into().unwrap());
        assert_eq!(144 + length as usize, end);
        assert!(IMPLEMENTATION_NAME.len() <= 16 && is_uid(IMPLEMENTATION));
    }

    #[test]
    fn what_is_no_file_of_an_object_is_refused() {
        let whole = head(&kind(), "1.2.3", None);
        assert!(matches!(
            Part10Object::parse(b"\x89PNG"),
            Err(Part10Fault::NotOne)
        ));
        for end in 0..whole.len() {
            // A cut behind the transfer syntax loses nothing that is needed.
            if let Ok(read) = Part10Object::parse(&whole[..end]) {
                assert_eq!(read.sop_instance, "1.2.3");
            }
        }
        let hostile = head(&kind(), "../../x", None);
        let read = Part10Object::parse(&hostile);
        assert!(
            matches!(read, Err(Part10Fault::Lacks("SOP instance"))),
            "{read:?}"
        );
    }
}
