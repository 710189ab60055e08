//! Reading a data set's elements as values of a type.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::collector::DicomCollectorOptions;
use dicom_object::file::ReadPreamble;
use dicom_object::mem::InMemElement;

use super::super::{Fault, clean_text};
use super::attributes::Attributes;
use super::structure::Encoding;

/// The attributes that are read here. dicom-rs is given no others, so that a private or a broken
/// element costs nothing.
pub(super) const WANTED: [Tag; 62] = [
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
    tags::IMAGER_PIXEL_SPACING,
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
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
    tags::BURNED_IN_ANNOTATION,
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
    tags::MODALITY_LUT_SEQUENCE,
    tags::VOILUT_SEQUENCE,
    tags::VIEW_CODE_SEQUENCE,
    tags::PRESENTATION_LUT_SHAPE,
    tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
    tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
];

/// Reads the part of a data set before the pixel data.
pub(super) fn read(header: &[u8], encoding: Encoding) -> Result<Attributes, Fault> {
    let mut object = InMemDicomObject::new_empty();
    DicomCollectorOptions::new()
        .expected_ts(encoding.transfer_syntax())
        .read_preamble(ReadPreamble::Never)
        .from_reader(std::io::BufReader::new(std::io::Cursor::new(header)))
        .read_dataset_to_end(&mut object)
        .map_err(|e| Fault::damaged(with_causes(&e)))?;
    Ok(Attributes { object })
}

/// An error and what caused it: dicom-rs keeps the useful part in the causes.
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
    /// object as far as they concern the first frame (PS3.3 C.7.6.16).
    pub(super) fn get(&self, tag: Tag) -> Option<&InMemElement> {
        self.object.get(tag).or_else(|| {
            [
                tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
                tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
            ]
            .into_iter()
            .filter_map(|groups| self.object.get(groups)?.items()?.first())
            .flat_map(|groups| groups.iter())
            .find_map(|group| group.items()?.first()?.get(tag))
        })
    }

    /// Printable text, or nothing.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let text = self.get(tag)?.to_str().ok()?;
        Some(clean_text(&text)).filter(|text| !text.is_empty())
    }

    /// Upper-case text of a code string.
    pub(super) fn code(&self, tag: Tag) -> Option<String> {
        self.text(tag).map(|text| text.to_ascii_uppercase())
    }

    pub(super) fn texts(&self, tag: Tag) -> Vec<String> {
        let values = self.get(tag).and_then(|e| e.to_multi_str().ok());
        values.map_or(Vec::new(), |v| {
            v.iter().map(|text| clean_text(text)).collect()
        })
    }

    pub(super) fn integer(&self, tag: Tag) -> Option<i64> {
        self.get(tag)?.to_int().ok()
    }

    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.get(tag)
            .and_then(|e| e.to_multi_float64().ok())
            .unwrap_or_default()
    }

    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied().filter(|v| v.is_finite())
    }

    pub(super) fn items(&self, tag: Tag) -> &[InMemDicomObject] {
        self.get(tag).and_then(|e| e.items()).unwrap_or_default()
    }
}
