//! What stands before the data set of a file: the preamble and the file meta information (PS3.10 section 7.1).

use dicom_dictionary_std::tags;

use super::cursor::Cursor;
use super::encoding::Encoding;
use super::fault::ElementFault;
use super::uid::trimmed;

/// Bytes before the mark.
const PREAMBLE: usize = 128;
const MARK: &[u8] = b"DICM";
/// The group of the file meta information, which is in explicit little endian in every file.
const META: u16 = 0x0002;

/// Whether a file begins with the preamble and its mark.
pub fn has_preamble(bytes: &[u8]) -> bool {
    bytes.get(PREAMBLE..PREAMBLE + MARK.len()) == Some(MARK)
}

/// Where the first element of a file is: after the preamble, after the mark alone, or right at the start.
pub fn after_preamble(bytes: &[u8]) -> usize {
    if has_preamble(bytes) {
        PREAMBLE + MARK.len()
    } else if bytes.starts_with(MARK) {
        MARK.len()
    } else {
        0
    }
}

/// What a file states before its data set. Texts are as they stand there, without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStart {
    /// Where the data set begins.
    pub offset: usize,
    /// *Transfer Syntax UID* (0002,0010).
    pub transfer_syntax: Option<String>,
    /// *Media Storage SOP Class UID* (0002,0002).
    pub sop_class: Option<String>,
    /// *Media Storage SOP Instance UID* (0002,0003).
    pub sop_instance: Option<String>,
}

impl FileStart {
    /// Reads the file meta information, which a file may lack.
    ///
    /// # Errors
    /// If it is cut off, or contradicts itself.
    pub fn of(bytes: &[u8]) -> Result<Self, ElementFault> {
        let mut cursor = Cursor::new(bytes, after_preamble(bytes), Encoding::EXPLICIT);
        let (mut transfer_syntax, mut sop_class, mut sop_instance) = (None, None, None);
        while cursor.next_group() == Some(META) {
            let header = cursor.header()?;
            let value = cursor.value(&header)?;
            match header.tag {
                tags::TRANSFER_SYNTAX_UID => transfer_syntax = Some(trimmed(value)),
                tags::MEDIA_STORAGE_SOP_CLASS_UID => sop_class = Some(trimmed(value)),
                tags::MEDIA_STORAGE_SOP_INSTANCE_UID => sop_instance = Some(trimmed(value)),
                _ => {}
            }
        }
        Ok(FileStart {
            offset: cursor.position(),
            transfer_syntax,
            sop_class,
            sop_instance,
        })
    }
}
