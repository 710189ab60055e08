//! The texts of a header that objects made from the image take over. They are read whether or not the
//! picture can be: a film that fails has a study too.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::ImageFault;
use super::{deflate, elements, structure};
use crate::data_elements::Encoding;
use crate::domain::{ContentId, HeaderText, SourceHeader};

/// Patient, study, references, and what a presentation state says of the stored pixels.
const TEXTS: [Tag; 38] = [
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACCESSION_NUMBER,
    tags::MODALITY,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::STUDY_DESCRIPTION,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::BODY_PART_EXAMINED,
    tags::IMAGER_PIXEL_SPACING,
    tags::VIEW_POSITION,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::STUDY_ID,
    tags::PATIENT_ORIENTATION,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::PIXEL_ASPECT_RATIO,
    tags::BURNED_IN_ANNOTATION,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
];

/// Reads the header of a DICOM file.
///
/// # Errors
/// If it is not one, or is damaged before its first element.
pub(in super::super) fn header(bytes: &[u8]) -> Result<SourceHeader, ImageFault> {
    let start = structure::start(bytes)?;
    let syntax = start.transfer_syntax.as_str();
    let data_set = deflate::beginning(&bytes[start.offset..], syntax);
    let encoding = Encoding::of(syntax).as_found(&data_set);
    let mut wanted = TEXTS.to_vec();
    wanted.push(tags::SPECIFIC_CHARACTER_SET);
    let attributes = elements::read(&structure::before_pixels(&data_set, encoding, &wanted))?;
    let text = |tag: &Tag| {
        let value = attributes.texts(*tag).join("\\");
        (!value.is_empty()).then_some(HeaderText {
            group: tag.0,
            element: tag.1,
            value,
        })
    };
    Ok(SourceHeader {
        content: ContentId::default(),
        texts: TEXTS.iter().filter_map(text).collect(),
    })
}
