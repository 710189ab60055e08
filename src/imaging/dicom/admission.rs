//! Objections of a data set to taking its image for a frontal chest radiograph.

use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::acquisition::{is_radiography, modality_of_class};
use super::elements::{Attributes, item_text};
use crate::domain::{Admission, Modality, Objection, ViewPosition, ViewWords};

/// All objections that the header gives cause for. An absent attribute is never one.
pub(super) fn of(attributes: &Attributes) -> Admission {
    let secondary_capture = secondary_capture(attributes);
    let derived = match secondary_capture {
        // Every capture is derived: it would be the same objection twice.
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
        view(attributes).or_else(|| two_views(attributes)),
        orientation(attributes),
        attributes.contradicts_age().then_some(Objection::Age),
    ];
    let objections = objections.into_iter().flatten();
    Admission {
        objections: objections.chain(attributes.unread()).collect(),
    }
}

/// A SOP class that would be refused, under a modality that is not. A modality that is refused needs
/// no objection.
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

/// PS3.3 C.8.11.1.1.1: a series is for processing or for presentation, and so is a SOP class. Where one
/// of them states *for processing*, the other does not revoke it.
fn for_processing(attributes: &Attributes) -> Option<Objection> {
    let intent = attributes.code(tags::PRESENTATION_INTENT_TYPE);
    let class = attributes.text(tags::SOP_CLASS_UID);
    let by_class = class.is_some_and(|class| FOR_PROCESSING.contains(&class.as_str()));
    let is = intent.as_deref() == Some("FOR PROCESSING") || by_class;
    is.then_some(Objection::ForProcessing)
}

/// Parts of names of the chest (PS3.16 annex L has CHEST), in the languages of common devices.
const CHEST: [&str; 8] = [
    "CHEST", "THORA", "TORAX", "TÓRAX", "TORACE", "LUNG", "CXR", "POUMON",
];
/// Parts of names that make it the chest and something else.
const BESIDES: [&str; 7] = ["ABD", "PELV", "NECK", "HEAD", "SPINE", "HWS", "BWS"];
/// Placeholders for a body part.
const PLACEHOLDERS: [&str; 6] = ["UNKNOWN", "NONE", "OTHER", "NA", "DEFAULT", "UNDEFINED"];
/// Thorax, chest and lungs as codes of SNOMED CT and in its older form. Some devices write the code
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
        let (code, meaning) = concept(attributes.items(tags::ANATOMIC_REGION_SEQUENCE).first()?);
        let is_other = !CHEST_CODES.contains(&code.as_str()) && !is_chest(&meaning.to_uppercase());
        is_other.then_some(meaning)
    };
    part.or_else(coded).map(Objection::BodyPart)
}

/// Code and meaning of a coded concept (PS3.3 section 8.8). The code stands for an absent meaning.
fn concept(item: &InMemDicomObject) -> (String, String) {
    let code = item_text(item, tags::CODE_VALUE).unwrap_or_default();
    let meaning = item_text(item, tags::CODE_MEANING).unwrap_or_else(|| code.clone());
    (code, meaning)
}

/// Whether a name in capitals is that of the chest, empty, or a placeholder.
fn is_chest(part: &str) -> bool {
    let letters: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
    let any = |names: &[&str]| names.iter().any(|name| letters.contains(name));
    letters.is_empty() || PLACEHOLDERS.contains(&letters.as_str()) || any(&CHEST) && !any(&BESIDES)
}

/// A secondary capture by its SOP class, or by its *Conversion Type* (PS3.3 C.8.6.1).
fn secondary_capture(attributes: &Attributes) -> Option<Objection> {
    let conversion = attributes.code(tags::CONVERSION_TYPE);
    let class = attributes.text(tags::SOP_CLASS_UID).unwrap_or_default();
    // The identifiers of the multi-frame classes continue this one.
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

/// DERIVED alone is no objection: an image that a device processed for presentation may be called so,
/// and a lossily compressed one must be (PS3.3 C.7.6.1.1.5). PRIMARY says that it is still a direct
/// result of the examination, as images of an exposure are (C.8.11.3.1.1).
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

/// A chest is unpaired: *Image Laterality* is U or absent. Left or right may mean a rib view, a
/// decubitus view, or a setting that was left over on the device.
fn one_side(attributes: &Attributes) -> Option<Objection> {
    let sides = [tags::IMAGE_LATERALITY, tags::LATERALITY];
    let mut sides = sides.into_iter().filter_map(|tag| attributes.code(tag));
    sides
        .find(|side| matches!(side.as_str(), "L" | "R" | "LEFT" | "RIGHT"))
        .map(Objection::OneSide)
}

/// A *View Position* or a code of an oblique, decubitus or other view that is not frontal (PS3.3
/// C.8.7.1.1.2 and CID 4010), or rows that run to the front or to the back, as only those of a lateral
/// view do (C.7.6.1.1.1). Stated lateral views are refused, and need no objection.
fn view(attributes: &Attributes) -> Option<Objection> {
    let stated = attributes.code(tags::VIEW_POSITION);
    let is_not_frontal = attributes.view_words().is_not_frontal && !attributes.is_lateral();
    let stated = stated.filter(|_| is_not_frontal);
    let coded = || {
        let (code, meaning) = concept(attributes.items(tags::VIEW_CODE_SEQUENCE).first()?);
        let is_other =
            ViewWords::of(&meaning).is_not_frontal || NOT_FRONTAL_CODES.contains(&code.as_str());
        is_other.then_some(meaning)
    };
    let oriented = || {
        let orientation = attributes.texts(tags::PATIENT_ORIENTATION);
        let rows = orientation.first()?;
        let is_sagittal = rows.starts_with(['A', 'P']);
        (is_sagittal && !attributes.is_lateral())
            .then(|| format!("with rows to {rows} (a lateral's)"))
    };
    stated.or_else(coded).or_else(oriented).map(Objection::View)
}

/// A *View Position* of a frontal view and a code of another view. The former holds. A code whose own meaning says the same
/// view was looked up wrongly, and contradicts nothing.
fn two_views(attributes: &Attributes) -> Option<Objection> {
    let (stated, coded) = (attributes.view_words().position, attributes.coded_view());
    let is_frontal = matches!(stated, ViewPosition::Pa | ViewPosition::Ap);
    if !is_frontal || coded == ViewPosition::Unknown || coded == stated {
        return None;
    }
    let (_, meaning) = concept(attributes.items(tags::VIEW_CODE_SEQUENCE).first()?);
    if ViewWords::of(&meaning).position == stated {
        return None;
    }
    Some(Objection::TwoViews {
        stated: attributes.code(tags::VIEW_POSITION)?,
        coded: meaning,
    })
}

/// Rows that do not run to the patient's left, or columns that do not run to the feet (PS3.3 C.7.6.1.1.1). The first
/// letter of a value is its main direction. Some devices write `R\F` of films that lie as they should, so it is for the
/// reader to look. Rows to the front or back are those of a [`view`].
fn orientation(attributes: &Attributes) -> Option<Objection> {
    let stated = attributes.texts(tags::PATIENT_ORIENTATION);
    let stated: Vec<String> = stated
        .iter()
        .take(2)
        .map(|v| v.to_ascii_uppercase())
        .collect();
    let is_direction =
        |value: &String| value.len() <= 3 && value.chars().all(|letter| "LRAPHF".contains(letter));
    let is_off = |at: usize, main: char| {
        let value = stated.get(at).filter(|value| !value.is_empty());
        value.is_some_and(|value| !value.starts_with(main))
    };
    let is_sagittal = stated.first()?.starts_with(['A', 'P']);
    let is_other = stated.iter().all(is_direction) && (is_off(0, 'L') || is_off(1, 'F'));
    (is_other && !is_sagittal && !attributes.is_lateral())
        .then(|| Objection::Orientation(stated.join("\\")))
}

/// Oblique and axial views of CID 4010 in SNOMED CT, and in its older codes.
const NOT_FRONTAL_CODES: [&str; 30] = [
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
