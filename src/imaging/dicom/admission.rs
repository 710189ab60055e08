//! What a data set says against reading its image as a frontal chest radiograph.

use dicom_dictionary_std::{tags, uids};

use super::attributes::{Attributes, is_radiography};
use super::elements::item_text;
use crate::domain::{Admission, Modality, Objection};

/// Everything that the header says against the image. What it does not say is nothing against it.
pub(super) fn of(attributes: &Attributes) -> Admission {
    let secondary_capture = secondary_capture(attributes);
    let derived = match secondary_capture {
        // It says the same: a capture is derived by its nature.
        Some(_) => None,
        None => derived(&attributes.texts(tags::IMAGE_TYPE)),
    };
    let objections = [
        class(attributes),
        for_processing(attributes),
        body_part(attributes),
        secondary_capture,
        derived,
        burned_in(attributes),
        one_side(attributes),
        view(attributes),
    ];
    let objections = objections.into_iter().flatten();
    Admission {
        objections: objections.chain(attributes.unread()).collect(),
    }
}

/// A class of images that would be refused under a modality that is not. A modality that is refused
/// needs no further word.
fn class(attributes: &Attributes) -> Option<Objection> {
    let class = attributes.text(tags::SOP_CLASS_UID)?;
    let is_of = modality_of_class(&class).filter(|is_of| !is_radiography(is_of))?;
    match attributes.modality() {
        Modality::Radiography(modality) => Some(Objection::Class {
            is_of: is_of.to_owned(),
            modality,
        }),
        Modality::Other(_) | Modality::Unknown => None,
    }
}

/// SOP classes of raw detector values.
const FOR_PROCESSING: [&str; 4] = [
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::DIGITAL_INTRA_ORAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::BREAST_PROJECTION_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
];

/// PS3.3 C.8.11.1.1.1: one series is for processing or for presentation, and so are SOP classes. Where
/// one of both says so, the other does not take it back.
fn for_processing(attributes: &Attributes) -> Option<Objection> {
    let intent = attributes.code(tags::PRESENTATION_INTENT_TYPE);
    let class = attributes.text(tags::SOP_CLASS_UID);
    let by_class = class.is_some_and(|class| FOR_PROCESSING.contains(&class.as_str()));
    let is = intent.as_deref() == Some("FOR PROCESSING") || by_class;
    is.then_some(Objection::ForProcessing)
}

/// Beginnings of the chest's names (PS3.16 annex L has CHEST), in the languages that devices speak.
const CHEST: [&str; 8] = [
    "CHEST", "THORA", "TORAX", "TÓRAX", "TORACE", "LUNG", "CXR", "POUMON",
];
/// What a chest's name goes on to when it is of something else besides.
const BESIDES: [&str; 7] = ["ABD", "PELV", "NECK", "HEAD", "SPINE", "HWS", "BWS"];
/// Written where nobody wrote a body part.
const UNSAID: [&str; 6] = ["UNKNOWN", "NONE", "OTHER", "NA", "DEFAULT", "UNDEFINED"];
/// A thorax, a chest or lungs as a code of SNOMED CT, and as its older form. Some devices write the code
/// itself as the body part.
const CHEST_CODES: [&str; 7] = [
    "816094009",
    "51185008",
    "302551006",
    "43799004",
    "39607008",
    "T-D3000",
    "T-28000",
];

fn body_part(attributes: &Attributes) -> Option<Objection> {
    let part = attributes.code(tags::BODY_PART_EXAMINED);
    let part = part.filter(|part| !is_chest(part) && !CHEST_CODES.contains(&part.as_str()));
    let coded = || {
        let region = attributes.items(tags::ANATOMIC_REGION_SEQUENCE).first()?;
        let code = item_text(region, tags::CODE_VALUE).unwrap_or_default();
        let meaning = item_text(region, tags::CODE_MEANING).unwrap_or_else(|| code.clone());
        let is_other = !CHEST_CODES.contains(&code.as_str()) && !is_chest(&meaning.to_uppercase());
        is_other.then_some(meaning)
    };
    part.or_else(coded).map(Objection::BodyPart)
}

/// In capitals; also where nothing is said.
fn is_chest(part: &str) -> bool {
    let letters: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
    let any = |names: &[&str]| names.iter().any(|name| letters.contains(name));
    letters.is_empty() || UNSAID.contains(&letters.as_str()) || any(&CHEST) && !any(&BESIDES)
}

/// *Conversion Type*, PS3.3 C.8.6.1.
fn secondary_capture(attributes: &Attributes) -> Option<Objection> {
    let conversion = attributes.code(tags::CONVERSION_TYPE);
    let class = attributes.text(tags::SOP_CLASS_UID).unwrap_or_default();
    // The multi-frame ones are below it.
    let family = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
    let below = class.strip_prefix(family);
    let by_class = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let how = match conversion.as_deref() {
        Some("DF") => Some("digitised film"),
        Some("DV") => Some("digitised video"),
        Some("DI") => Some("digital interface"),
        Some("WSD") => Some("workstation"),
        Some("SD") => Some("scanned document"),
        Some("SI") => Some("scanned image"),
        Some("DRW") => Some("drawing"),
        Some("SYN") => Some("synthetic image"),
        _ => None,
    };
    let is = by_class || conversion.is_some();
    is.then(|| Objection::SecondaryCapture(how.map(str::to_owned)))
}

/// DERIVED alone is no objection: what a device has processed for presentation may be called so, and
/// what was compressed with loss must be (PS3.3 C.7.6.1.1.5). PRIMARY says that it is a direct result
/// of the examination all the same, as images of an exposure are (C.8.11.3.1.1).
fn derived(image_type: &[String]) -> Option<Objection> {
    let value = |at: usize| image_type.get(at).map(|value| value.to_ascii_uppercase());
    let is = match (value(0).as_deref(), value(1).as_deref()) {
        (_, Some("SECONDARY")) => true,
        (Some("DERIVED"), second) => second != Some("PRIMARY"),
        _ => false,
    };
    is.then(|| {
        let kind = [value(0), value(1)].into_iter().flatten();
        Objection::Derived(
            kind.filter(|value| !value.is_empty())
                .collect::<Vec<_>>()
                .join("\\"),
        )
    })
}

fn burned_in(attributes: &Attributes) -> Option<Objection> {
    let burned_in = attributes.code(tags::BURNED_IN_ANNOTATION);
    (burned_in.as_deref() == Some("YES")).then_some(Objection::BurnedIn)
}

/// A chest is unpaired: *Image Laterality* U or none. One that is called left or right may be a rib
/// view, a decubitus, or the side that the device was left at.
fn one_side(attributes: &Attributes) -> Option<Objection> {
    let sides = [tags::IMAGE_LATERALITY, tags::LATERALITY];
    let mut sides = sides.into_iter().filter_map(|tag| attributes.code(tag));
    sides
        .find(|side| matches!(side.as_str(), "L" | "R" | "LEFT" | "RIGHT"))
        .map(Objection::OneSide)
}

/// *View Position* and codes that name an oblique or a decubitus view (PS3.3 C.8.7.1.1.2 and CID
/// 4010), or another that is not frontal; and rows that run to the front or to the back, as only those
/// of a lateral do (C.7.6.1.1.1). Lateral views that call themselves so are refused.
fn view(attributes: &Attributes) -> Option<Objection> {
    let stated = attributes.code(tags::VIEW_POSITION);
    let stated = stated.filter(|view| is_no_frontal(view) && !attributes.is_lateral());
    let coded = || {
        let concept = attributes.items(tags::VIEW_CODE_SEQUENCE).first()?;
        let code = item_text(concept, tags::CODE_VALUE).unwrap_or_default();
        let meaning = item_text(concept, tags::CODE_MEANING).unwrap_or_else(|| code.clone());
        let upper = meaning.to_uppercase();
        let mut words = ["OBLIQUE", "DECUBITUS", "AXIAL"].into_iter();
        let is =
            words.any(|word| upper.contains(word)) || NO_FRONTAL_CODES.contains(&code.as_str());
        is.then_some(meaning)
    };
    let oriented = || {
        let orientation = attributes.texts(tags::PATIENT_ORIENTATION);
        let rows = orientation.first()?;
        let is_sagittal = rows.starts_with(['A', 'P']);
        let is_known = attributes.is_lateral();
        (is_sagittal && !is_known).then(|| format!("with rows to {rows} (a lateral's)"))
    };
    stated.or_else(coded).or_else(oriented).map(Objection::View)
}

/// Oblique and axial views of CID 4010 in SNOMED CT, and in its older codes.
const NO_FRONTAL_CODES: [&str; 30] = [
    "399135007",
    "399356000",
    "399006002",
    "399038007",
    "399184004",
    "399236003",
    "399182000",
    "399312000",
    "399059000",
    "399160007",
    "260427002",
    "260426006",
    "399061009",
    "399004004",
    "399132005",
    "R-10220",
    "R-40985",
    "R-10212",
    "R-10210",
    "R-10238",
    "R-10234",
    "R-102C1",
    "R-10208",
    "R-10216",
    "R-10204",
    "R-40783",
    "R-40782",
    "R-10241",
    "R-10246",
    "R-10252",
];

/// Of what [`ViewPosition`](crate::domain::ViewPosition) has no name for.
fn is_no_frontal(view: &str) -> bool {
    const EXACT: [&str; 16] = [
        "RLD", "LLD", "RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBL", "CC", "ML", "LM", "MLO",
        "SUN", "TAN", "AXIAL",
    ];
    const PARTS: [&str; 4] = ["OBLIQ", "DECUB", "LAT", "LORDO"];
    EXACT.contains(&view) || PARTS.iter().any(|part| view.contains(part))
}

/// What makes the images of a SOP class: a file that hides that it is a CT slice is a CT slice, and one
/// that says another *Modality* contradicts itself.
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
