//! Unique identifiers (PS3.5 section 9), as far as they may become file names.

use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::{StandardSopClassDictionary, uids};

/// The longest identifier (PS3.5 section 9.1).
const LONGEST: usize = 64;

/// Whether a text is an identifier: numbers with dots between them, 64 characters at most. Such a text is also a harmless
/// file name. Zeros before a number break the standard's rule; they are allowed, because there are devices that
/// write them.
pub fn is_uid(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= LONGEST && text.split('.').all(is_number)
}

/// The name of a SOP class (PS3.6 annex A); its identifier, if it is not known.
pub fn sop_class_name(sop_class: &str) -> String {
    let found = StandardSopClassDictionary.by_uid(sop_class);
    found.map_or(sop_class, |entry| entry.name).to_owned()
}

/// The SOP classes of radiographs: computed and digital radiography, and the secondary captures that films are
/// converted to.
pub fn radiograph_classes() -> Vec<String> {
    [
        uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
        uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
        uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
        uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
        uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The text of an identifier as it stands in a data element or a PDU, without its padding.
pub fn trimmed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(['\0', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_and_dots_become_a_file_name() {
        for good in ["1.2.840.10008.1.1", "0", "1.02.3", &"1".repeat(64)] {
            assert!(is_uid(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "1..2",
            "1.2.",
            ".1",
            "../../etc/passwd",
            "1.2/3",
            "1.2\0",
            "1.2 ",
            "1.a",
            "١.٢",
            "-1",
            &"1".repeat(65),
        ] {
            assert!(!is_uid(bad), "{bad:?}");
        }
        assert_eq!(
            sop_class_name("1.2.840.10008.5.1.4.1.1.2"),
            "CT Image Storage"
        );
        assert_eq!(sop_class_name("1.2.3"), "1.2.3");
        assert_eq!(trimmed(b"1.2\0"), "1.2");
        assert_eq!(trimmed(b" 1.2  "), "1.2");
    }
}
