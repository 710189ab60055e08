//! The SOP classes that are spoken of.

use dicom_core::dictionary::UidDictionary;
use dicom_dictionary_std::{StandardSopClassDictionary, uids};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_name() {
        assert_eq!(
            sop_class_name("1.2.840.10008.5.1.4.1.1.2"),
            "CT Image Storage"
        );
        assert_eq!(sop_class_name("1.2.3"), "1.2.3");
    }
}
