//! Patient, study, time and view of a film, from the first bytes of its file.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::super::{DecodeLimits, ImageFault};
use super::{deflate, elements, structure};
use crate::data_elements::Encoding;
use crate::domain::{FilmSummary, Origin};

const WANTED: [Tag; 16] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    tags::ACQUISITION_DATE_TIME,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::VIEW_POSITION,
    tags::STUDY_INSTANCE_UID,
    tags::VIEW_CODE_SEQUENCE,
];
/// The first element after the wanted ones: tags ascend (PS3.5 7.1).
const END: Tag = Tag(tags::VIEW_CODE_SEQUENCE.0, tags::VIEW_CODE_SEQUENCE.1 + 1);

/// The summary of a film whose file begins with `head`; `None` if a longer head is needed.
///
/// # Errors
/// If it is damaged before its first element.
pub(in super::super) fn of_head(
    head: &[u8],
    is_whole: bool,
    limits: &DecodeLimits,
) -> Result<Option<FilmSummary>, ImageFault> {
    let start = structure::start(head)?;
    let syntax = start.transfer_syntax.as_str();
    let data_set = deflate::inflated(&head[start.offset..], syntax, limits)?;
    let encoding = Encoding::of(syntax).as_found(&data_set);
    let (header, is_complete) = structure::before(&data_set, encoding, &WANTED, END);
    if !is_complete && !is_whole {
        return Ok(None);
    }
    let attributes = elements::read(&header)?;
    let patient = attributes.patient();
    Ok(Some(FilmSummary {
        origin: Origin {
            patient: patient.identity(),
            study: attributes.study(),
            taken: attributes.taken(),
        },
        view: attributes.view(),
        age: patient.age,
    }))
}
