//! How an image was acquired: its modality and its view.

use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::elements::{Attributes, item_text};
use crate::domain::{Modality, ViewPosition, ViewWords};

impl Attributes {
    /// The view that the file states in words or as a code.
    pub fn view(&self) -> ViewPosition {
        match self.view_words().position {
            ViewPosition::Unknown => self.coded_view(),
            stated => stated,
        }
    }

    /// What *View Position* says.
    pub(super) fn view_words(&self) -> ViewWords {
        let text = self.text(tags::VIEW_POSITION);
        text.map_or_else(ViewWords::default, |text| ViewWords::of(&text))
    }

    /// The view of the first code.
    pub(super) fn coded_view(&self) -> ViewPosition {
        let code = self.items(tags::VIEW_CODE_SEQUENCE).first();
        code.map_or(ViewPosition::Unknown, coded_view)
    }

    /// Whether it is a lateral view, which is refused.
    pub fn is_lateral(&self) -> bool {
        self.view() == ViewPosition::Lateral
    }

    /// The modality that the file states, or else that of its SOP class.
    pub fn modality(&self) -> Modality {
        let by_class = || {
            let class = self.text(tags::SOP_CLASS_UID)?;
            modality_of_class(&class).map(str::to_owned)
        };
        match self.code(tags::MODALITY).or_else(by_class) {
            None => Modality::Unknown,
            Some(name) if is_radiography(&name) => Modality::Radiography(name),
            Some(name) => Modality::Other(name),
        }
    }
}

/// Modalities that are plain radiography, or may hold a film (secondary captures, "other").
const RADIOGRAPHY: [&str; 9] = ["CR", "DX", "DR", "RG", "RF", "XA", "SC", "OT", "RTIMAGE"];

pub(super) fn is_radiography(modality: &str) -> bool {
    RADIOGRAPHY.contains(&modality)
}

/// The view of a coded concept: by its code (PS3.16 CID 4010, in SNOMED CT or its older codes), or
/// else by the words of its meaning.
fn coded_view(concept: &InMemDicomObject) -> ViewPosition {
    match item_text(concept, tags::CODE_VALUE).as_deref() {
        Some("R-10214" | "R-40888" | "272479007") => return ViewPosition::Pa,
        Some("R-10206" | "399348003") => return ViewPosition::Ap,
        // Right, left, without a side, and from one side to the other.
        Some(
            "R-10232" | "399198007" | "R-10236" | "399173006" | "R-102CD" | "399067008" | "R-10224"
            | "399260004" | "R-10228" | "399352003",
        ) => return ViewPosition::Lateral,
        _ => {}
    }
    let meaning = item_text(concept, tags::CODE_MEANING)
        .unwrap_or_default()
        .to_lowercase();
    match meaning.replace(['-', ' '], "") {
        m if m.contains("posteroanterior") => ViewPosition::Pa,
        m if m.contains("anteroposterior") => ViewPosition::Ap,
        m if m.contains("lateral") => ViewPosition::Lateral,
        _ => ViewPosition::Unknown,
    }
}

/// The modality of the images of a SOP class: a CT slice that hides its modality is still a CT slice,
/// and one that states another *Modality* contradicts itself.
pub(super) fn modality_of_class(class: &str) -> Option<&'static str> {
    const CLASSES: [(&str, &str); 34] = [
        (uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE, "CR"),
        (uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION, "DX"),
        (uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING, "DX"),
        (
            uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            "MG",
        ),
        (
            uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            "MG",
        ),
        (
            uids::DIGITAL_INTRA_ORAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            "IO",
        ),
        (
            uids::DIGITAL_INTRA_ORAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            "IO",
        ),
        (
            uids::BREAST_PROJECTION_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
            "MG",
        ),
        (
            uids::BREAST_PROJECTION_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
            "MG",
        ),
        (uids::BREAST_TOMOSYNTHESIS_IMAGE_STORAGE, "MG"),
        (uids::CT_IMAGE_STORAGE, "CT"),
        (uids::ENHANCED_CT_IMAGE_STORAGE, "CT"),
        (uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE, "CT"),
        (uids::MR_IMAGE_STORAGE, "MR"),
        (uids::ENHANCED_MR_IMAGE_STORAGE, "MR"),
        (uids::ENHANCED_MR_COLOR_IMAGE_STORAGE, "MR"),
        (uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE, "MR"),
        (uids::ULTRASOUND_IMAGE_STORAGE, "US"),
        (uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE, "US"),
        (uids::ENHANCED_US_VOLUME_STORAGE, "US"),
        (uids::NUCLEAR_MEDICINE_IMAGE_STORAGE, "NM"),
        (uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE, "PT"),
        (uids::ENHANCED_PET_IMAGE_STORAGE, "PT"),
        (uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE, "PT"),
        (uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE, "XA"),
        (uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE, "RF"),
        (uids::VL_PHOTOGRAPHIC_IMAGE_STORAGE, "XC"),
        (uids::VL_ENDOSCOPIC_IMAGE_STORAGE, "ES"),
        (uids::VL_MICROSCOPIC_IMAGE_STORAGE, "GM"),
        (uids::VL_SLIDE_COORDINATES_MICROSCOPIC_IMAGE_STORAGE, "SM"),
        (uids::VL_WHOLE_SLIDE_MICROSCOPY_IMAGE_STORAGE, "SM"),
        (uids::OPHTHALMIC_PHOTOGRAPHY8_BIT_IMAGE_STORAGE, "OP"),
        (uids::OPHTHALMIC_PHOTOGRAPHY16_BIT_IMAGE_STORAGE, "OP"),
        (uids::OPHTHALMIC_TOMOGRAPHY_IMAGE_STORAGE, "OPT"),
    ];
    let known = CLASSES.iter().find(|(uid, _)| *uid == class);
    known.map(|(_, modality)| *modality)
}
