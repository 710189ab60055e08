//! The kinds of DICOM objects that have no pixel data, by SOP class (PS3.4 annex B.5, PS3.6 annex A).
//!
//! An export from a PACS holds reports, presentation states and key object selections beside the
//! films. They are sound, and not images.

use dicom_dictionary_std::tags;

use super::super::{ImageFault, clean_text};
use super::elements::Attributes;

/// SOP classes that hold no image, and their names. The first match counts.
const WITHOUT_PICTURE: [(&str, &str); 18] = [
    ("1.2.840.10008.1.3.10", "DICOMDIR"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "key object selection"),
    ("1.2.840.10008.5.1.4.1.1.88.", "structured report"),
    ("1.2.840.10008.5.1.4.1.1.11.", "presentation state"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "encapsulated PDF"),
    ("1.2.840.10008.5.1.4.1.1.104.", "encapsulated document"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "RT structure set"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "RT plan"),
    ("1.2.840.10008.5.1.4.1.1.481.8", "RT plan"),
    ("1.2.840.10008.5.1.4.1.1.481.4", "RT treatment record"),
    ("1.2.840.10008.5.1.4.1.1.481.6", "RT treatment record"),
    ("1.2.840.10008.5.1.4.1.1.481.7", "RT treatment record"),
    ("1.2.840.10008.5.1.4.1.1.481.9", "RT treatment record"),
    ("1.2.840.10008.5.1.4.1.1.9.", "waveform"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "spatial registration"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "spatial registration"),
    ("1.2.840.10008.5.1.4.1.1.66.2", "spatial fiducials"),
    ("1.2.840.10008.5.1.4.1.1.66", "raw data"),
];

/// SOP classes of images: an object of these that has no pixel data has lost them.
const IMAGES: [&str; 19] = [
    // CR, then DX, mammography and intra-oral.
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.",
    // CT, ultrasound, MR.
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.",
    "1.2.840.10008.5.1.4.1.1.3.",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.",
    "1.2.840.10008.5.1.4.1.1.6.",
    // Secondary captures.
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.",
    // Angiography, fluoroscopy, tomosynthesis, nuclear medicine, PET.
    "1.2.840.10008.5.1.4.1.1.12.",
    "1.2.840.10008.5.1.4.1.1.13.",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.128",
    // Visible light, segmentation, parametric maps, RT image and dose.
    "1.2.840.10008.5.1.4.1.1.77.1.",
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.30",
    "1.2.840.10008.5.1.4.1.1.481.1",
    "1.2.840.10008.5.1.4.1.1.481.2",
];

/// The name of the kind of object, if objects of this SOP class hold no image.
fn without_picture(class: &str) -> Option<&'static str> {
    if IMAGES.iter().any(|image| is_of(class, image)) {
        return None;
    }
    let known = WITHOUT_PICTURE.iter().find(|(of, _)| is_of(class, of));
    Some(known.map_or("other DICOM object", |(_, name)| name))
}

/// Whether a class is the one listed, or begins like it where that ends with a dot.
fn is_of(class: &str, of: &str) -> bool {
    class == of || of.ends_with('.') && class.starts_with(of)
}

impl Attributes {
    /// The fault of an object without pixel data: its kind has none, or they are missing. `stored_as`
    /// is the SOP class in the file meta information.
    pub fn without_pixels(&self, stored_as: Option<&str>) -> ImageFault {
        let class = self.text(tags::SOP_CLASS_UID);
        let class = class.as_deref().or(stored_as);
        // An object that states rows of pixels had a picture.
        let had_picture = self.integer(tags::ROWS).is_some();
        match class.and_then(without_picture) {
            Some(kind) if !had_picture => ImageFault::no_picture(kind),
            _ => ImageFault::not_an_image(format!(
                "a DICOM object without pixel data ({})",
                self.stated_kind(class)
            )),
        }
    }

    fn stated_kind(&self, class: Option<&str>) -> String {
        match (self.text(tags::MODALITY), class) {
            (Some(modality), _) => format!("modality {modality}"),
            (None, Some(class)) => format!("SOP class {}", clean_text(class)),
            (None, None) => "of no stated kind".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use dicom_dictionary_std::uids;

    use super::without_picture;

    #[test]
    fn reports_and_their_like_have_names_and_images_have_none() {
        for (class, name) in [
            (uids::ENHANCED_SR_STORAGE, "structured report"),
            (uids::X_RAY_RADIATION_DOSE_SR_STORAGE, "structured report"),
            (
                uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
                "key object selection",
            ),
            (
                uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
                "presentation state",
            ),
            (uids::RT_STRUCTURE_SET_STORAGE, "RT structure set"),
            (uids::RT_PLAN_STORAGE, "RT plan"),
            (uids::ENCAPSULATED_PDF_STORAGE, "encapsulated PDF"),
            (uids::ENCAPSULATED_CDA_STORAGE, "encapsulated document"),
            (uids::MEDIA_STORAGE_DIRECTORY_STORAGE, "DICOMDIR"),
            (uids::RAW_DATA_STORAGE, "raw data"),
            ("1.2.3.4.5", "other DICOM object"),
        ] {
            assert_eq!(without_picture(class), Some(name), "{class}");
        }
        for class in [
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
            uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            uids::SEGMENTATION_STORAGE,
            uids::RT_DOSE_STORAGE,
        ] {
            assert_eq!(without_picture(class), None, "{class}");
        }
    }
}
