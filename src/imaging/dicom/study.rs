//! The study and the patient of a film, from the beginning of its file.

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

use super::super::{DecodeLimits, ImageFault};
use super::{deflate, elements, structure};
use crate::data_elements::Encoding;
use crate::domain::FilmStudy;

/// What [`FilmStudy`] is made of. The study's UID has the highest tag.
const WANTED: [Tag; 8] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::STUDY_INSTANCE_UID,
];

/// Reads the study from a whole DICOM file, or from its beginning: then `None` says that more of it is needed.
///
/// # Errors
/// If it is not such a file, or is damaged before its first element.
pub(in super::super) fn study(
    bytes: &[u8],
    is_whole: bool,
    limits: &DecodeLimits,
) -> Result<Option<FilmStudy>, ImageFault> {
    let start = match structure::start(bytes) {
        Err(_) if !is_whole => return Ok(None),
        start => start?,
    };
    let syntax = start.transfer_syntax.as_str();
    if !is_whole && syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return Ok(None);
    }
    let data_set = deflate::inflated(&bytes[start.offset..], syntax, limits)?;
    let encoding = Encoding::of(syntax).as_found(&data_set);
    if !is_whole && !structure::reaches(&data_set, encoding, tags::STUDY_INSTANCE_UID) {
        return Ok(None);
    }
    let attributes = elements::read(&structure::before_pixels(&data_set, encoding, &WANTED))?;
    Ok(Some(FilmStudy {
        uid: attributes.text(tags::STUDY_INSTANCE_UID),
        patient: attributes.patient().identity(),
    }))
}
