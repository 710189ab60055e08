//! The elements of a data set as texts, codes, numbers and items, however a file wrote them. What they
//! mean is for the files that add to [`Attributes`].

use dicom_core::{PrimitiveValue, Tag};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_object::collector::{CharacterSetOverride, DicomCollectorOptions};
use dicom_object::file::ReadPreamble;
use dicom_object::mem::InMemElement;

use super::super::{ImageFault, clean_text};
use super::number::{self, Component};
use crate::domain::Objection;

/// The attributes that are read. dicom-rs is given no others, so that a private or a broken element
/// does no harm.
pub(super) fn wanted() -> Vec<Tag> {
    [&WANTED[..], &OVERLAY_BIT_POSITIONS].concat()
}

const WANTED: [Tag; 73] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::ACQUISITION_DATE_TIME,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::MODALITY,
    tags::CONVERSION_TYPE,
    tags::PRESENTATION_INTENT_TYPE,
    tags::ANATOMIC_REGION_SEQUENCE,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::BODY_PART_EXAMINED,
    tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR,
    tags::IMAGER_PIXEL_SPACING,
    tags::NOMINAL_SCANNED_PIXEL_SPACING,
    tags::VIEW_POSITION,
    tags::PATIENT_ORIENTATION,
    tags::LATERALITY,
    tags::IMAGE_LATERALITY,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::PLANAR_CONFIGURATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::PIXEL_ASPECT_RATIO,
    tags::PIXEL_SPACING_CALIBRATION_TYPE,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::FLOAT_PIXEL_PADDING_VALUE,
    tags::FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    tags::DOUBLE_FLOAT_PIXEL_PADDING_VALUE,
    tags::DOUBLE_FLOAT_PIXEL_PADDING_RANGE_LIMIT,
    tags::BURNED_IN_ANNOTATION,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::WINDOW_CENTER,
    tags::WINDOW_WIDTH,
    tags::WINDOW_CENTER_WIDTH_EXPLANATION,
    tags::VOILUT_FUNCTION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    tags::VIEW_CODE_SEQUENCE,
    tags::PRESENTATION_LUT_SHAPE,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
];

/// *Overlay Bit Position* of all sixteen overlays (PS3.5 7.6). Anything but 0 means that the overlay
/// lies in the unused bits of the samples.
pub(super) const OVERLAY_BIT_POSITIONS: [Tag; 16] = {
    let mut all = [Tag(0x6000, 0x0102); 16];
    let mut overlay = 0;
    while overlay < all.len() {
        all[overlay].0 += 2 * overlay as u16;
        overlay += 1;
    }
    all
};

/// What a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    Whole,
    Any,
    /// A factor: 0 makes everything equal.
    NotZero,
}

impl NumberKind {
    fn allows(self, component: &Component) -> bool {
        match (self, component) {
            (_, Component::Empty) => true,
            (NumberKind::Whole, component) => component.whole().is_some(),
            (NumberKind::Any, component) => component.number().is_some(),
            (NumberKind::NotZero, component) => component.number().is_some_and(|v| v != 0.0),
        }
    }
}

/// Numbers that have a default. If one is unusable, a caution says so.
const OPTIONAL_NUMBERS: [(Tag, &str, NumberKind); 10] = [
    (
        tags::NUMBER_OF_FRAMES,
        "Number of Frames",
        NumberKind::Whole,
    ),
    (tags::PIXEL_SPACING, "Pixel Spacing", NumberKind::Any),
    (
        tags::PIXEL_ASPECT_RATIO,
        "Pixel Aspect Ratio",
        NumberKind::Any,
    ),
    (
        tags::IMAGER_PIXEL_SPACING,
        "Imager Pixel Spacing",
        NumberKind::Any,
    ),
    (
        tags::PIXEL_PADDING_VALUE,
        "Pixel Padding Value",
        NumberKind::Whole,
    ),
    (
        tags::PIXEL_PADDING_RANGE_LIMIT,
        "Pixel Padding Range Limit",
        NumberKind::Whole,
    ),
    (tags::WINDOW_CENTER, "Window Center", NumberKind::Any),
    (tags::WINDOW_WIDTH, "Window Width", NumberKind::Any),
    (
        tags::RESCALE_INTERCEPT,
        "Rescale Intercept",
        NumberKind::Any,
    ),
    (tags::RESCALE_SLOPE, "Rescale Slope", NumberKind::NotZero),
];

/// Numbers without which the samples cannot be read.
const NEEDED_NUMBERS: [(Tag, &str); 8] = [
    (tags::SAMPLES_PER_PIXEL, "Samples per Pixel"),
    (tags::PLANAR_CONFIGURATION, "Planar Configuration"),
    (tags::ROWS, "Rows"),
    (tags::COLUMNS, "Columns"),
    (tags::BITS_ALLOCATED, "Bits Allocated"),
    (tags::BITS_STORED, "Bits Stored"),
    (tags::HIGH_BIT, "High Bit"),
    (tags::PIXEL_REPRESENTATION, "Pixel Representation"),
];

fn name(tag: Tag) -> &'static str {
    let optional = OPTIONAL_NUMBERS.iter().map(|&(tag, name, _)| (tag, name));
    let mut all = NEEDED_NUMBERS.into_iter().chain(optional);
    all.find(|(of, _)| *of == tag)
        .map_or("a number", |(_, name)| name)
}

/// An attribute and its value, for a message.
fn name_and_value(tag: Tag, component: &Component) -> String {
    match component.quoted() {
        Some(quoted) => format!("{} \"{quoted}\"", name(tag)),
        None => name(tag).to_owned(),
    }
}

/// The meaning of a comma before three digits: factors and millimetres are never thousands.
fn comma(tag: Tag) -> number::Comma {
    match tag {
        tags::RESCALE_SLOPE
        | tags::PIXEL_SPACING
        | tags::IMAGER_PIXEL_SPACING
        | tags::NOMINAL_SCANNED_PIXEL_SPACING
        | tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR => number::Comma::Decimal,
        _ => number::Comma::Unclear,
    }
}

/// The attributes of a data set.
pub(super) struct Attributes {
    object: InMemDicomObject,
}

/// Reads the wanted elements of a data set, as they were [rewritten](super::rewrite).
pub(super) fn read(header: &[u8]) -> Result<Attributes, ImageFault> {
    let mut object = InMemDicomObject::new_empty();
    DicomCollectorOptions::new()
        .expected_ts(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .charset_override(CharacterSetOverride::AnyVr)
        .read_preamble(ReadPreamble::Never)
        .from_reader(std::io::BufReader::new(std::io::Cursor::new(header)))
        .read_dataset_to_end(&mut object)
        .map_err(|e| ImageFault::damaged(with_causes(&e)))?;
    Ok(Attributes { object })
}

/// An error with its causes: in dicom-rs those are the useful part.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Attributes {
    /// An attribute of the data set, or of the functional groups of an enhanced multi-frame
    /// object as far as they concern the first frame (PS3.3 C.7.6.16). An empty one counts as
    /// absent, and hides no other.
    pub(super) fn get(&self, tag: Tag) -> Option<&InMemElement> {
        let grouped = || {
            [
                tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
                tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
            ]
            .into_iter()
            .filter_map(|groups| self.object.get(groups)?.items()?.first())
            .flat_map(|groups| groups.iter())
            .filter_map(|group| group.items()?.first()?.get(tag))
            .find(|element| !is_empty(element))
        };
        let own = self.object.get(tag).filter(|element| !is_empty(element));
        own.or_else(grouped)
    }

    /// Printable text; `None` if there is none.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        printable(self.get(tag)?)
    }

    /// Upper-case text of a code string.
    pub(super) fn code(&self, tag: Tag) -> Option<String> {
        self.text(tag).map(|text| text.to_ascii_uppercase())
    }

    /// All values of a text, which may be empty.
    pub(super) fn texts(&self, tag: Tag) -> Vec<String> {
        let values = self.get(tag).and_then(|e| e.to_multi_str().ok());
        values.map_or(Vec::new(), |v| {
            v.iter().map(|text| clean_text(text)).collect()
        })
    }

    /// The components of a number's value; none if it is absent.
    fn components(&self, tag: Tag) -> Vec<Component> {
        let value = self
            .get(tag)
            .and_then(|element| element.value().primitive());
        value.map_or(Vec::new(), |value| number::components(value, comma(tag)))
    }

    /// The components of a number's value; `None` for one that is empty or not a number.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<Option<f64>> {
        let components = self.components(tag).into_iter();
        components.map(|component| component.number()).collect()
    }

    /// The first component that is a number.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).into_iter().flatten().next()
    }

    /// The first component that is a whole number.
    pub(super) fn integer(&self, tag: Tag) -> Option<i64> {
        let whole = |component: Component| component.whole();
        self.components(tag).into_iter().find_map(whole)
    }

    /// A number without which the samples cannot be read; `None` if it is absent.
    ///
    /// # Errors
    /// If it is present and not a number from 0 to 255: it has no default.
    pub(super) fn small(&self, tag: Tag) -> Result<Option<u8>, ImageFault> {
        self.whole(tag, "a number from 0 to 255")
    }

    /// A number of rows or columns.
    ///
    /// # Errors
    /// If it is absent, or not a number that a size can be.
    pub(super) fn size(&self, tag: Tag) -> Result<u32, ImageFault> {
        let size = self.whole(tag, "a number of pixels")?;
        size.ok_or_else(|| ImageFault::damaged(format!("{} is missing", name(tag))))
    }

    /// A whole number; `None` if it is absent. `kind` names it for the fault.
    fn whole<T: TryFrom<i64>>(&self, tag: Tag, kind: &str) -> Result<Option<T>, ImageFault> {
        let mut components = self.components(tag).into_iter();
        let Some(stated) = components.find(|component| *component != Component::Empty) else {
            return Ok(None);
        };
        let read = stated.whole().and_then(|value| T::try_from(value).ok());
        let fault =
            || ImageFault::damaged(format!("{} is not {kind}", name_and_value(tag, &stated)));
        read.map(Some).ok_or_else(fault)
    }

    /// Refuses a factor that cannot be read and may have a minus sign.
    ///
    /// # Errors
    /// A negative factor swaps black and white, so neither sign can be assumed.
    pub(super) fn check_sign(&self, tag: Tag) -> Result<(), ImageFault> {
        match self.components(tag).first() {
            Some(first @ Component::Unread(text)) if number::may_be_negative(text) => {
                Err(ImageFault::damaged(format!(
                    "{} is not a number, and may invert the picture",
                    name_and_value(tag, first)
                )))
            }
            _ => Ok(()),
        }
    }

    /// An objection for each optional number that is unusable.
    pub(super) fn unread(&self) -> impl Iterator<Item = Objection> {
        OPTIONAL_NUMBERS.iter().filter_map(|&(tag, name, kind)| {
            let bad = self
                .components(tag)
                .into_iter()
                .find(|component| !kind.allows(component))?;
            Some(Objection::Unread {
                attribute: name.to_owned(),
                value: bad.quoted(),
            })
        })
    }

    /// The items of a sequence; none if it is absent.
    pub(super) fn items(&self, tag: Tag) -> &[InMemDicomObject] {
        self.get(tag).and_then(|e| e.items()).unwrap_or_default()
    }
}

/// Whether an element has no items, or a value of blanks only.
fn is_empty(element: &InMemElement) -> bool {
    let is_blank = |text: &String| text.trim_matches([' ', '\0']).is_empty();
    match element.value().primitive() {
        Some(PrimitiveValue::Empty) => true,
        Some(PrimitiveValue::Str(text)) => is_blank(text),
        Some(PrimitiveValue::Strs(texts)) => texts.iter().all(is_blank),
        Some(_) => false,
        None => element.items().is_none_or(<[_]>::is_empty),
    }
}

/// Printable text of an item of a sequence; `None` if there is none.
pub(super) fn item_text(item: &InMemDicomObject, tag: Tag) -> Option<String> {
    printable(item.get(tag)?)
}

fn printable(element: &InMemElement) -> Option<String> {
    let text = element.to_str().ok()?;
    Some(clean_text(&text)).filter(|text| !text.is_empty())
}
